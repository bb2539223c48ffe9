//! Drafts: how they show, how they go, how they are stopped.

use serde_json::{Value, json};

use super::*;

const KEY: ChatKey = ChatKey { bot: 77, chat: 5, topic: None };
const GROUP: i64 = -1_000_000_000_009;

fn world() -> World {
    let mut world = World::new(1_000);
    world.open_chat(KEY);
    world.open_chat(ChatKey { topic: Some(4), ..KEY });
    world.open_chat(ChatKey { chat: GROUP, ..KEY });
    world
}

fn call(world: &mut World, now_ms: u64, method: &str, mut params: Value) -> Result<Value, ApiError> {
    if params.get("chat_id").is_none() {
        params["chat_id"] = json!(KEY.chat);
    }
    world.call_as(now_ms, KEY.bot, method, &Params::from_json(params))
}

fn draft(world: &mut World, now_ms: u64, id: i64, text: &str) {
    let params = json!({"draft_id": id, "text": text});
    assert_eq!(call(world, now_ms, "sendMessageDraft", params), Ok(json!(true)));
}

fn shown(draft_id: i64, text: &str) -> What {
    What::DraftShown { draft_id, text: text.to_owned() }
}

fn journal(world: &World) -> Vec<(u64, What)> {
    world.journal().iter().map(|event| (event.at_ms, event.what.clone())).collect()
}

#[test]
fn a_draft_animates_and_vanishes_thirty_seconds_after_its_last_update() {
    let mut world = world();
    draft(&mut world, 0, 9, "");
    draft(&mut world, 20_000, 9, "Hel");
    draft(&mut world, 40_000, 9, "Hello");
    assert_eq!(world.next_event_ms(), Some(70_000));
    world.tick(69_999);
    assert_eq!(world.draft(KEY).map(|draft| draft.text.as_str()), Some("Hello"));
    world.tick(500_000);
    let gone = What::DraftGone { draft_id: 9, why: GoneWhy::Expired };
    let expected =
        [(0, shown(9, "Thinking…")), (20_000, shown(9, "Hel")), (40_000, shown(9, "Hello")), (70_000, gone)];
    assert_eq!(journal(&world), expected);
    assert_eq!((world.draft(KEY), world.next_event_ms()), (None, None));
}

#[test]
fn a_message_takes_its_place_and_a_late_draft_is_a_ghost() {
    let mut world = world();
    draft(&mut world, 0, 9, "Hello");
    let id = call(&mut world, 1_000, "sendMessage", json!({"text": "Hello!"})).expect("sent")["message_id"]
        .as_i64()
        .expect("an id");
    draft(&mut world, 1_200, 9, "Hello");
    world.tick(31_200);
    let gone = |why| What::DraftGone { draft_id: 9, why };
    let expected = [
        (0, shown(9, "Hello")),
        (1_000, What::Shown { message_id: id, text: "Hello!".into() }),
        (1_000, gone(GoneWhy::Message)),
        (1_200, shown(9, "Hello")),
        (31_200, gone(GoneWhy::Expired)),
    ];
    assert_eq!(journal(&world), expected);
}

#[test]
fn what_a_draft_is_left_alone_by() {
    let mut world = world();
    draft(&mut world, 0, 9, "Hello");
    world.say(1, KEY, 5, "wait");
    let in_topic = json!({"text": "elsewhere", "message_thread_id": 4});
    assert!(call(&mut world, 2, "sendMessage", in_topic).is_ok());
    assert!(call(&mut world, 3, "sendMessage", json!({"text": ""})).is_err());
    assert!(call(&mut world, 4, "sendChatAction", json!({"action": "typing"})).is_ok());
    assert!(world.draft(KEY).is_some());
}

#[test]
fn a_chat_shows_one_draft_at_a_time_and_each_topic_its_own() {
    let mut world = world();
    draft(&mut world, 0, 1, "one");
    draft(&mut world, 5, 2, "two");
    let in_topic = json!({"draft_id": 3, "text": "three", "message_thread_id": 4});
    assert!(call(&mut world, 6, "sendMessageDraft", in_topic).is_ok());
    assert_eq!(journal(&world)[1].1, What::DraftGone { draft_id: 1, why: GoneWhy::Replaced });
    let ids = [None, Some(4)].map(|topic| world.draft(ChatKey { topic, ..KEY }).map(|draft| draft.draft_id));
    assert_eq!(ids, [Some(2), Some(3)]);
}

#[test]
fn refusals_have_telegrams_words() {
    let mut world = world();
    world.block(0, KEY.bot, 6, true);
    let long = "x".repeat(4097);
    for (params, expected) in [
        (json!({"draft_id": 0, "text": "x"}), "Bad Request: RANDOM_ID_INVALID"),
        (json!({"text": "x"}), "Bad Request: RANDOM_ID_INVALID"),
        (json!({"draft_id": 1, "text": "x", "chat_id": GROUP}), "Bad Request: TEXTDRAFT_PEER_INVALID"),
        (json!({"draft_id": 1, "text": "x", "chat_id": 99}), "Bad Request: chat not found"),
        (json!({"draft_id": 1, "text": "x", "chat_id": 6}), "Forbidden: bot was blocked by the user"),
        (json!({"draft_id": 1, "text": long}), "Bad Request: message is too long"),
        (json!({"draft_id": 1, "message_thread_id": 8}), "Bad Request: message thread not found"),
        (
            json!({"draft_id": 1, "text": "*", "parse_mode": "MarkdownV2"}),
            "Bad Request: can't parse entities: Can't find end of Bold entity at byte offset 0",
        ),
    ] {
        let error = call(&mut world, 0, "sendMessageDraft", params).expect_err(expected);
        assert_eq!(error.description, expected);
    }
    assert_eq!(world.journal(), []);
}

#[test]
fn formatting_is_kept_and_white_space_is_thinking() {
    let mut world = world();
    let params = json!({"draft_id": "7", "text": "*Soup*", "parse_mode": "MarkdownV2"});
    assert_eq!(call(&mut world, 0, "sendMessageDraft", params), Ok(json!(true)));
    let seen = world.draft(KEY).cloned().expect("a draft");
    assert_eq!((seen.text.as_str(), seen.entities[0]["type"].as_str()), ("Soup", Some("bold")));
    draft(&mut world, 1, 7, " \n");
    assert_eq!(journal(&world).last(), Some(&(1, shown(7, "Thinking…"))));
}

fn updates(world: &mut World) -> Vec<Value> {
    call(world, 0, "getUpdates", json!({})).expect("updates").as_array().cloned().unwrap_or_default()
}

#[test]
fn the_stop_button_tells_the_bot_once_and_takes_the_draft_away() {
    let mut world = world();
    world.allow_updates(KEY.bot, &["message", "stopped_message_generation"]);
    let params = json!({"draft_id": 12, "text": "x", "can_stop": true});
    assert!(call(&mut world, 0, "sendMessageDraft", params).is_ok());
    assert!(world.stop_draft(10, KEY).is_some());
    assert_eq!(world.stop_draft(11, KEY), None);
    assert_eq!(journal(&world)[1], (10, What::DraftGone { draft_id: 12, why: GoneWhy::Stopped }));
    let updates = updates(&mut world);
    let stopped = &updates[0]["stopped_message_generation"];
    assert_eq!((&stopped["draft_id"], &stopped["chat"]["id"]), (&json!("12"), &json!(5)));
    assert_eq!((updates.len(), stopped.get("message_thread_id")), (1, None));
}

#[test]
fn a_draft_may_stay_when_it_is_stopped_and_one_without_a_button_cannot_be() {
    let mut world = world();
    let topic = ChatKey { topic: Some(4), ..KEY };
    world.allow_updates(KEY.bot, &["stopped_message_generation"]);
    let params = json!({"draft_id": 12, "can_stop": true, "keep_on_stop": true, "message_thread_id": 4});
    assert!(call(&mut world, 0, "sendMessageDraft", params.clone()).is_ok());
    assert!(world.stop_draft(10, topic).is_some());
    assert_eq!(world.draft(topic).map(|draft| draft.can_stop), Some(false));
    assert_eq!(world.stop_draft(11, topic), None);
    assert_eq!(updates(&mut world)[0]["stopped_message_generation"]["message_thread_id"], 4);
    assert!(call(&mut world, 12, "sendMessageDraft", params).is_ok());
    assert!(world.stop_draft(13, topic).is_some(), "a bot that goes on has a button again");
}

#[test]
fn who_did_not_ask_is_not_told_of_the_stop() {
    let mut world = world();
    let params = json!({"draft_id": 12, "can_stop": true});
    assert!(call(&mut world, 0, "sendMessageDraft", params).is_ok());
    assert!(world.stop_draft(10, KEY).is_some());
    assert_eq!(updates(&mut world), Vec::<Value>::new());
}
