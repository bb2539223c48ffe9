//! Answers as they show in the chat and as they are stored.

use brigade::domain::commands::{CHECK_MARK, THINKING};
use brigade::domain::record::{State, StoredTurn};
use brigade::sandbox::telegram::What;
use serde_json::{Value, json};

use super::house::House;

const FLOUR: &str = "How many grams is a cup of flour?";

/// What the bot sent is the answer, but for white space at the cuts.
fn assert_joined(sent: &[String], answer: &str) {
    let mut rest = answer;
    for text in sent {
        let next = rest.trim_start().strip_prefix(text.as_str());
        rest = next.unwrap_or_else(|| panic!("'{text}' is not what comes next in '{rest}'"));
    }
    assert_eq!(rest.trim(), "", "all of it is sent");
}

fn final_answer(turn: &StoredTurn) -> &str {
    turn.messages.last().and_then(|message| message.content.as_deref()).expect("an answer")
}

/// "✓" comes first and is gone after the first part of the answer, before the second.
fn assert_check_mark_comes_and_goes(house: &House, user: i64, parts: &[String]) {
    let journal: Vec<_> = house.journal(user).into_iter().map(|event| event.what).collect();
    let What::UserSaid { .. } = journal[0] else { panic!("{journal:?}") };
    let What::Shown { message_id: mark, text } = &journal[1] else { panic!("{journal:?}") };
    assert_eq!(text, CHECK_MARK, "the first thing shown");
    let at = |wanted: &dyn Fn(&What) -> bool| journal.iter().position(wanted);
    let shown = |part: &String| at(&|what| matches!(what, What::Shown { text, .. } if text == part));
    let deleted = at(&|what| matches!(what, What::Deleted { message_id } if message_id == mark));
    assert!(deleted > shown(&parts[0]) && deleted.is_some(), "{journal:?}");
    if let Some(second) = parts.get(1) {
        assert!(deleted < shown(second), "{journal:?}");
    }
}

fn assert_chat_completions_shape(turn: &StoredTurn, question: &str) {
    let messages = serde_json::to_value(&turn.messages).expect("JSON");
    let [user, asks, result, answer] = messages.as_array().expect("a list").as_slice() else {
        panic!("{messages:#}")
    };
    assert_eq!(user, &json!({"role": "user", "content": question}));
    let call = &asks["tool_calls"][0];
    assert_eq!((&asks["role"], &asks["content"]), (&json!("assistant"), &Value::Null));
    assert_eq!((&call["type"], &call["function"]["name"]), (&json!("function"), &json!("convert_units")));
    let arguments = call["function"]["arguments"].as_str().expect("a text of JSON");
    let arguments: Value = serde_json::from_str(arguments).expect("JSON");
    assert_eq!(arguments, json!({"value": 1, "from": "cup", "to": "g", "ingredient": "flour"}));
    assert_eq!((&result["role"], &result["tool_call_id"]), (&json!("tool"), &call["id"]));
    assert!(result["content"].as_str().is_some_and(|text| text.contains("125")), "{result}");
    assert_eq!(answer.as_object().map(|answer| answer.len()), Some(2), "{answer}");
    assert_eq!(answer["role"], "assistant");
}

/// Every part of the answer is in the database once: within the whole answer.
async fn assert_no_part_is_stored_by_itself(house: &House, parts: &[String]) {
    let values = house.all_values().await;
    for part in parts {
        let longest = part.lines().max_by_key(|line| line.len()).expect("a line");
        let times: usize = values.iter().map(|value| value.matches(longest).count()).sum();
        assert_eq!(times, 1, "'{longest}'");
    }
}

pub async fn an_answer_with_a_tool_is_shown_whole_and_stored_once(mut house: House) {
    // Plain, so that what is shown can be looked for in the database.
    house.set("BRIGADE_DELIVERY__FORMAT", "plain");
    house.start().await;
    let long = format!("{FLOUR} #tool=1 #chars=1385 #first=20 #gap=1");
    for (user, question, least) in [(5, FLOUR, 1), (6, long.as_str(), 5)] {
        let turn = house.ask(user, question).await;
        assert_eq!((turn.state, turn.seq, turn.stopped), (State::Delivered, 1, false));
        assert_eq!(house.turns(user).await, std::slice::from_ref(&turn));
        let parts = house.told(user);
        assert!(parts.len() >= least, "{parts:?}");
        assert!(parts.iter().all(|text| text.chars().count() <= 300), "{parts:?}");
        assert_joined(&parts, final_answer(&turn));
        assert_check_mark_comes_and_goes(&house, user, &parts);
        assert_eq!(house.view(user), [&[question.to_owned()], parts.as_slice()].concat());
        assert_chat_completions_shape(&turn, question);
        assert_eq!(turn.delivery.len(), parts.len());
        assert_no_part_is_stored_by_itself(&house, &parts).await;
    }
    let answer = house.told(5).concat();
    assert!(answer.starts_with("A cup of flour weighs about 125 g."), "{answer}");
    house.close().await;
}

pub async fn an_exact_boundary_is_kept_to_the_letter(mut house: House) {
    house.set("BRIGADE_DELIVERY__CHUNK_BOUNDARY", "exact");
    house.start().await;
    // Telegram trims what it is sent, so there is no white space where a cut might be.
    let text: String = (0..160).map(|number| format!("{number:03}-é👍")).collect();
    let turn = house.ask(5, &format!("#tool=1 #first=5 #gap=1 #delta=7 #say={text}")).await;
    let letters: Vec<char> = text.chars().collect();
    let expected: Vec<String> = letters.chunks(300).map(|part| part.iter().collect()).collect();
    assert_eq!(house.told(5), expected);
    assert_eq!(final_answer(&turn), text);
    house.close().await;
}

pub async fn thinking_is_said_until_the_answer_begins(mut house: House) {
    const EVERY_MS: u64 = 200;
    house.set("BRIGADE_HEARTBEAT__EVERY_MS", EVERY_MS.to_string());
    house.start().await;
    let turn = house.ask(5, "How do I boil an egg? #first=1500 #tool=1 #gap=1 #chars=900").await;
    assert_eq!(turn.state, State::Delivered);
    let journal = house.journal(5);
    let is_beat = |what: &What| matches!(what, What::Shown { text, .. } if text == THINKING);
    let beats: Vec<_> = journal.iter().filter(|event| is_beat(&event.what)).collect();
    // Two calls of 1.5 s make 14 beats. A busy machine may show them late, and make the wait
    // longer, but no beat may come too soon.
    assert!(beats.len() >= 5, "{} beats", beats.len());
    for (beat, number) in beats.iter().zip(1..) {
        let since = beat.at_ms - journal[0].at_ms;
        assert!(since + 2 >= number * EVERY_MS, "beat {number} after {since} ms");
    }
    let first_part = house.told(5).remove(0);
    let is_first_part = |what: &What| matches!(what, What::Shown { text, .. } if *text == first_part);
    let first_part = journal.iter().position(|event| is_first_part(&event.what)).expect("shown");
    assert!(!journal[first_part..].iter().any(|event| is_beat(&event.what)), "{journal:#?}");
    let view = house.view(5);
    assert!(!view.iter().any(|text| text == THINKING || text == CHECK_MARK), "{view:?}");
    house.close().await;
}

pub async fn ten_chats_at_once_keep_to_themselves(mut house: House) {
    house.start().await;
    let users = 11..21;
    let answer =
        |user: i64, number: i64| format!("chat {user} answer {number}. ").repeat(25).trim().to_owned();
    let mut asked = Vec::new();
    for number in 1..=3 {
        for user in users.clone() {
            let how = if number == 2 { "#tool=1 #first=40" } else { "#first=80" };
            let text = answer(user, number);
            asked.push(house.say(user, &format!("{how} #gap=1 #delta=9 #say={text}")));
        }
    }
    for turn in asked {
        assert_eq!(house.ended(turn).await.state, State::Delivered);
    }
    for user in users {
        let turns = house.turns(user).await;
        assert_eq!(turns.iter().map(|turn| turn.seq).collect::<Vec<_>>(), [1, 2, 3]);
        for (turn, number) in turns.iter().zip(1..) {
            assert_eq!(final_answer(turn), answer(user, number));
        }
        let all = (1..=3).map(|number| answer(user, number)).collect::<Vec<_>>().join("\n");
        assert_joined(&house.told(user), &all);
        assert!(!house.view(user).contains(&CHECK_MARK.to_owned()));
    }
    house.close().await;
}

/// The texts of the drafts that a person saw, in order.
fn drafts(house: &House, user: i64) -> Vec<String> {
    let draft = |event: brigade::sandbox::telegram::ChatEvent| match event.what {
        What::DraftShown { text, .. } => Some(text),
        _ => None,
    };
    house.journal(user).into_iter().filter_map(draft).collect()
}

pub async fn a_draft_grows_and_becomes_a_message(mut house: House) {
    house.set("BRIGADE_DELIVERY__PRIVATE", "draft");
    house.set("BRIGADE_LLM__FIRST_CALL", "stream");
    house.start().await;
    let turn = house.ask(7, "#chars=900 #delta=20 #gap=50").await;
    assert_eq!(turn.state, State::Delivered);
    let (view, drafts) = (house.view(7), drafts(&house, 7));
    assert_eq!(view.last().map(String::as_str), Some(final_answer(&turn)));
    assert_eq!(view.len(), 2, "the question and the answer: {view:?}");
    assert!(drafts.len() >= 2, "{drafts:?}");
    assert_eq!(drafts.last(), view.last(), "nothing jumps");
    house.close().await;
}

pub async fn the_stop_button_keeps_what_the_draft_showed(mut house: House) {
    house.set("BRIGADE_DELIVERY__PRIVATE", "draft");
    house.set("BRIGADE_LLM__FIRST_CALL", "stream");
    house.start().await;
    let turn = house.say(7, "#chars=9000 #delta=10 #gap=50");
    let key = super::house::chat_of(7);
    super::binary::until("a draft with text", async || {
        drafts(&house, 7).iter().find(|text| text.len() > 200).map(|_| ())
    })
    .await;
    assert!(house.sandbox.world().with(|world, now| world.stop_draft(now, key)).is_some());
    let turn = house.ended(turn).await;
    assert!(turn.stopped && turn.state == State::Delivered);
    super::binary::until("the word that it stopped", async || (house.view(7).len() == 3).then_some(())).await;
    let view = house.view(7);
    assert_eq!(view[1], final_answer(&turn), "what was shown is what is stored");
    assert_eq!(view[2], brigade::domain::commands::STOPPED);
    house.close().await;
}
