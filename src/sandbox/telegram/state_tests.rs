//! The rules of the simulated Telegram, one by one.

use serde_json::{Value, json};

use super::super::params::Params;
use super::*;

const TOKEN: &str = "77:sandbox";
const PRIVATE: ChatKey = ChatKey { bot: 77, chat: 5, topic: None };
const GROUP: ChatKey = ChatKey { bot: 77, chat: -1_000_000_000_009, topic: None };

fn world() -> World {
    let mut world = World::new(1_000);
    world.say(0, PRIVATE, 5, "hello");
    world
}

fn call(world: &mut World, method: &str, params: Value) -> Result<Value, ApiError> {
    world.call(0, TOKEN, method, &Params::from_json(params))
}

fn sent(world: &mut World, chat: i64, text: &str) -> i64 {
    let message = call(world, "sendMessage", json!({"chat_id": chat, "text": text})).expect("sent");
    message["message_id"].as_i64().expect("an id")
}

#[track_caller]
fn refused(world: &mut World, method: &str, params: Value, expected: &str) {
    let error = call(world, method, params).expect_err(expected);
    assert_eq!(error.description, expected);
}

#[test]
fn tokens_have_the_shape_of_a_token() {
    let mut world = world();
    let me = call(&mut world, "GETME", json!({})).expect("case does not matter");
    assert_eq!(me["id"], 77);
    let none = &Params::default();
    assert_eq!(world.call(0, "nonsense", "getMe", none), Err(ApiError::not_found()));
    assert_eq!(world.call(0, "77:", "getMe", none), Err(ApiError::unauthorized()));
    world.revoke(77, true);
    assert_eq!(world.call(0, TOKEN, "getMe", none), Err(ApiError::unauthorized()));
    world.revoke(77, false);
    assert_eq!(world.call(0, TOKEN, "sendPhoto", none), Err(ApiError::not_found()));
}

#[test]
fn private_chats_share_a_counter_and_supergroups_have_their_own() {
    let mut world = world();
    world.open_chat(GROUP);
    world.say(0, ChatKey { chat: 6, ..PRIVATE }, 6, "me too");
    assert_eq!(sent(&mut world, 5, "x"), 3);
    assert_eq!(sent(&mut world, GROUP.chat, "x"), 1);
    assert_eq!(sent(&mut world, 6, "x"), 4);
}

#[test]
fn a_message_is_shown_edited_and_deleted() {
    let mut world = world();
    let id = sent(&mut world, 5, "  one\n");
    let edit = json!({"chat_id": 5, "message_id": id, "text": "two"});
    let edited = call(&mut world, "editMessageText", edit.clone()).expect("edited");
    assert_eq!((edited["text"].clone(), edited["edit_date"].clone()), (json!("two"), json!(1_000)));
    refused(
        &mut world,
        "editMessageText",
        edit,
        "Bad Request: message is not modified: specified new message content and reply markup are exactly the same as a current content and reply markup of the message",
    );
    assert_eq!(world.chat_view(77, 5).last().map(|message| message.text.as_str()), Some("two"));
    let delete = json!({"chat_id": "5", "message_id": id.to_string()});
    assert_eq!(call(&mut world, "deleteMessage", delete.clone()), Ok(json!(true)));
    refused(&mut world, "deleteMessage", delete, "Bad Request: message to delete not found");
    let what: Vec<_> = world.journal()[1..].iter().map(|event| event.what.clone()).collect();
    let text = |text: &str| text.to_owned();
    assert_eq!(
        what,
        [
            What::Shown { message_id: id, text: text("one") },
            What::Edited { message_id: id, text: text("two") },
            What::Deleted { message_id: id },
        ]
    );
}

#[test]
fn refusals_have_telegrams_words() {
    let mut world = world();
    let long = "x".repeat(4097);
    refused(&mut world, "sendMessage", json!({"text": "x"}), "Bad Request: chat_id is empty");
    refused(&mut world, "sendMessage", json!({"chat_id": 9, "text": "x"}), "Bad Request: chat not found");
    refused(
        &mut world,
        "sendMessage",
        json!({"chat_id": 5, "text": " "}),
        "Bad Request: message text is empty",
    );
    refused(
        &mut world,
        "sendMessage",
        json!({"chat_id": 5, "text": long}),
        "Bad Request: message is too long",
    );
    refused(
        &mut world,
        "editMessageText",
        json!({"chat_id": 5, "message_id": 99, "text": "x"}),
        "Bad Request: message to edit not found",
    );
    refused(
        &mut world,
        "editMessageText",
        json!({"chat_id": 5, "message_id": 1, "text": "x"}),
        "Bad Request: message can't be edited",
    );
    refused(
        &mut world,
        "sendMessage",
        json!({"chat_id": 5, "text": "x", "reply_parameters": {"message_id": 99}}),
        "Bad Request: message to be replied not found",
    );
    let action = json!({"chat_id": 5, "action": "dance"});
    refused(&mut world, "sendChatAction", action, "Bad Request: wrong parameter action in request");
    assert_eq!(world.journal().len(), 1);
}

#[test]
fn a_reply_shows_what_it_replies_to() {
    let mut world = world();
    let params = json!({"chat_id": 5, "text": "x", "reply_parameters": "{\"message_id\": 1}"});
    let message = call(&mut world, "sendMessage", params).expect("sent");
    assert_eq!(message["reply_to_message"]["text"], "hello");
}

#[test]
fn deleting_several_skips_what_is_gone_and_refuses_what_is_old() {
    let mut world = world();
    let id = sent(&mut world, 5, "x");
    let delete = json!({"chat_id": 5, "message_ids": [id, 99]});
    assert_eq!(call(&mut world, "deleteMessages", delete), Ok(json!(true)));
    let id = sent(&mut world, 5, "y");
    let old = Params::from_json(json!({"chat_id": 5, "message_id": id}));
    let error = world.call(48 * 3_600_000, TOKEN, "deleteMessage", &old).expect_err("too old");
    assert_eq!(error.description, "Bad Request: message can't be deleted for everyone");
    refused(
        &mut world,
        "deleteMessages",
        json!({"chat_id": 5, "message_ids": []}),
        "Bad Request: message identifiers are not specified",
    );
}

#[test]
fn topics_are_there_once_somebody_wrote_in_them() {
    let mut world = world();
    let topic = ChatKey { topic: Some(4), ..GROUP };
    let params = |topic: i32| json!({"chat_id": GROUP.chat, "message_thread_id": topic, "text": "x", "action": "typing"});
    world.say(0, topic, 5, "in a topic");
    let message = call(&mut world, "sendMessage", params(4)).expect("sent");
    assert_eq!((&message["message_thread_id"], &message["chat"]["is_forum"]), (&json!(4), &json!(true)));
    for gone in [1, 9] {
        refused(&mut world, "sendMessage", params(gone), "Bad Request: message thread not found");
    }
    assert!(call(&mut world, "sendChatAction", params(1)).is_ok());
    world.delete_topic(topic);
    refused(&mut world, "sendMessage", params(4), "Bad Request: message thread not found");
}

#[test]
fn a_user_who_blocks_the_bot_is_closed_and_the_bot_is_told() {
    let mut world = world();
    world.block(0, 77, 5, true);
    let params = json!({"chat_id": 5, "text": "x"});
    refused(&mut world, "sendMessage", params.clone(), "Forbidden: bot was blocked by the user");
    let updates = call(&mut world, "getUpdates", json!({})).expect("updates");
    assert_eq!(updates[1]["my_chat_member"]["new_chat_member"]["status"], "kicked");
    world.block(0, 77, 5, false);
    assert!(call(&mut world, "sendMessage", params).is_ok());
}

#[test]
fn a_group_that_moved_gives_its_new_id() {
    let mut world = world();
    world.migrate_chat(77, -9, GROUP.chat);
    let error = call(&mut world, "sendMessage", json!({"chat_id": -9, "text": "x"})).expect_err("moved");
    assert_eq!(error.to_json()["parameters"]["migrate_to_chat_id"], GROUP.chat);
}

#[test]
fn polling_and_a_webhook_exclude_each_other() {
    let mut world = world();
    let poll = world.begin_poll(77, &Params::default()).expect("polls");
    let hook = json!({"url": "http://127.0.0.1:9/hook", "secret_token": "s-1"});
    assert_eq!(call(&mut world, "setWebhook", hook), Ok(json!(true)));
    let error = world.poll(0, &poll).expect_err("a webhook is set");
    assert_eq!(error.description, "Conflict: terminated by setWebhook request");
    refused(
        &mut world,
        "getUpdates",
        json!({}),
        "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first",
    );
    let info = call(&mut world, "getWebhookInfo", json!({})).expect("info");
    assert_eq!((&info["url"], &info["pending_update_count"]), (&json!("http://127.0.0.1:9/hook"), &json!(1)));
    let delete = json!({"drop_pending_updates": true});
    assert_eq!(call(&mut world, "deleteWebhook", delete), Ok(json!(true)));
    assert_eq!(call(&mut world, "getUpdates", json!({})), Ok(json!([])));
}

#[test]
fn a_second_poller_ends_the_first() {
    let mut world = world();
    let first = world.begin_poll(77, &Params::default()).expect("polls");
    let second = world.begin_poll(77, &Params::default()).expect("polls");
    let error = world.poll(0, &first).expect_err("ended");
    assert_eq!((error.code, &error.description[..35]), (409, "Conflict: terminated by other getUp"));
    assert_eq!(world.poll(0, &second).map(|updates| updates.len()), Ok(1));
}

#[test]
fn webhooks_are_checked() {
    let mut world = world();
    for (params, why) in [
        (json!({"url": "http://example.org/"}), "bad webhook: An HTTPS URL must be provided for webhook"),
        (
            json!({"url": "https://example.org:81/"}),
            "bad webhook: Webhook can be set up only on ports 80, 88, 443 or 8443",
        ),
        (
            json!({"url": "http://127.0.0.1/", "secret_token": "a b"}),
            "secret token contains unallowed characters",
        ),
    ] {
        refused(&mut world, "setWebhook", params, &format!("Bad Request: {why}"));
    }
}

#[test]
fn commands_are_kept_for_each_scope_and_language() {
    let mut world = world();
    let commands = json!([{"command": "/start", "description": "Begin"}]);
    let german = json!({"commands": commands, "language_code": "de"});
    assert_eq!(call(&mut world, "setMyCommands", german), Ok(json!(true)));
    assert_eq!(call(&mut world, "getMyCommands", json!({})), Ok(json!([])));
    let kept = call(&mut world, "getMyCommands", json!({"language_code": "de"}));
    assert_eq!(kept, Ok(json!([{"command": "start", "description": "Begin"}])));
    let wrong = json!({"commands": [{"command": "Start!", "description": "x"}]});
    refused(&mut world, "setMyCommands", wrong, "Bad Request: BOT_COMMAND_INVALID");
}

#[test]
fn things_that_are_no_text_come_as_telegram_sends_them() {
    let mut world = world();
    for attachment in [Attachment::Sticker, Attachment::Photo, Attachment::Voice, Attachment::Location] {
        world.send(0, PRIVATE, 5, attachment);
    }
    let updates = call(&mut world, "getUpdates", json!({"offset": -4})).expect("updates");
    assert_eq!(updates[0]["message"]["sticker"]["emoji"], "🍳");
    assert_eq!(updates[1]["message"]["photo"][0]["width"], 640);
    assert_eq!(updates[3]["message"]["text"], Value::Null);
    assert_eq!(world.chat_view(77, 5)[1].text, "[sticker]");
}
