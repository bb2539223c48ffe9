//! The promises of [`Store`], each a test that any store must pass.

use brigade::domain::chat::{ChatMessage, ToolCall, Usage};
use brigade::domain::ids::{ChatKey, TurnId};
use brigade::domain::record::{
    Answer, Kind, Ledger, NewTurn, Outcome, Part, State, StoredTurn, Timings, User,
};
use brigade::edge::store::owner::Owner;
use brigade::edge::store::{Filter, Haste, Recorded, Store, StoreError};
use futures::future::join_all;
use serde_json::json;

use super::Stage;

const BOT: i64 = 7;

/// A text in chat -42, said by user 5.
pub fn said(update: i64, text: &str) -> NewTurn {
    NewTurn {
        id: id(update),
        key: ChatKey { bot: BOT, chat: -42, topic: None },
        user: User { id: 5, username: Some("ann".into()), first_name: Some("Ann".into()), last_name: None },
        message_id: update + 1000,
        date_s: 1_700_000_000 + update,
        kind: Kind::Text,
        text: text.to_owned(),
        accepted_at_ms: 1_700_000_000_000 + update,
    }
}

fn id(update: i64) -> TurnId {
    TurnId { bot: BOT, update }
}

fn in_topic(update: i64, topic: i32) -> NewTurn {
    let new = said(update, "in a topic");
    NewTurn { key: ChatKey { topic: Some(topic), ..new.key }, ..new }
}

fn in_chat(update: i64, chat: i64) -> NewTurn {
    let new = said(update, "in a chat");
    NewTurn { key: ChatKey { chat, ..new.key }, ..new }
}

fn by(update: i64, user: i64) -> NewTurn {
    NewTurn { user: User { id: user, ..User::default() }, ..said(update, "by someone") }
}

fn restart(update: i64) -> NewTurn {
    NewTurn { kind: Kind::Restart, ..said(update, "/restart") }
}

async fn recorded(store: &dyn Store, new: NewTurn) -> StoredTurn {
    match store.record(new).await {
        Ok(Recorded::New(turn)) => *turn,
        other => panic!("expected a new turn, got {other:?}"),
    }
}

async fn read(store: &dyn Store, update: i64) -> StoredTurn {
    store.turn(id(update)).await.expect("read").expect("on record")
}

fn updates(turns: &[StoredTurn]) -> Vec<i64> {
    turns.iter().map(|turn| turn.id.update).collect()
}

fn answer(text: &str) -> Answer {
    let mut call = ToolCall::function("call_1", "calculate", r#"{"expression":"6*7"}"#);
    call.extra_content = Some(json!({
        "google": { "thought_signature": "c2lnbmF0dXJl" },
        "like_extended_json": { "$oid": "507f1f77bcf86cd799439011" },
        "numbers": [1, -1, 1.5, i64::MAX],
        "none": null,
    }));
    let asks = ChatMessage { tool_calls: vec![call], content: None, ..ChatMessage::assistant("") };
    let asked = ChatMessage::user("6*7?");
    let messages = vec![asked, asks, ChatMessage::tool("call_1", "42"), ChatMessage::assistant(text)];
    let usage = Usage { prompt_tokens: 1, completion_tokens: 2, total_tokens: u64::from(u32::MAX) };
    let delivery = outcome(State::Delivered).delivery.unwrap_or_default();
    let ledger = Ledger { delivery, status: vec![97], closed_until_ms: Some(5), begun_again: true };
    Answer { messages, stopped: true, ledger, usage: Some(usage), timings: timings(Some(30), None) }
}

fn outcome(state: State) -> Outcome {
    let shown = Part {
        message_id: Some(99),
        delivered: true,
        uncertain: false,
        grows: false,
        attempts: 3,
        end_bytes: 12,
    };
    let refused = Part {
        message_id: None,
        delivered: false,
        uncertain: false,
        grows: false,
        attempts: 1,
        end_bytes: 20,
    };
    let failure = (state == State::Failed).then(|| "the model is away".to_owned());
    Outcome { state, failure, delivery: Some(vec![shown, refused]), timings: timings(Some(30), Some(90)) }
}

fn timings(first: Option<u64>, last: Option<u64>) -> Timings {
    Timings {
        accepted_at_ms: 1_700_000_000_001,
        first_delta_ms: first,
        first_chunk_ms: first,
        last_chunk_ms: last,
        saved_ms: last,
    }
}

pub async fn turns_count_from_one_in_each_conversation(stage: Stage) {
    let store = stage.open().await;
    for (update, seq) in [(10, 1), (11, 2), (15, 3)] {
        let turn = recorded(&*store, said(update, "a")).await;
        assert_eq!((turn.seq, turn.state), (seq, State::Accepted));
        assert_eq!(read(&*store, update).await, turn);
    }
    assert_eq!(recorded(&*store, in_chat(16, 1)).await.seq, 1);
}

pub async fn a_turn_recorded_twice_is_a_duplicate_and_stays_as_it_was(stage: Stage) {
    let store = stage.open().await;
    let first = recorded(&*store, said(1, "first")).await;
    recorded(&*store, said(2, "second")).await;
    assert_eq!(store.record(said(1, "changed")).await, Ok(Recorded::Duplicate));
    assert_eq!(read(&*store, 1).await, first);
    assert_eq!(recorded(&*store, said(3, "third")).await.seq, 3);
}

pub async fn fifty_copies_at_once_make_one_turn(stage: Stage) {
    let store = stage.open().await;
    let answers = join_all((0..50).map(|_| store.record(said(1, "a")))).await;
    let new = answers.iter().filter(|answer| matches!(answer, Ok(Recorded::New(_)))).count();
    let duplicates = answers.iter().filter(|answer| **answer == Ok(Recorded::Duplicate)).count();
    assert_eq!((new, duplicates), (1, 49));
    assert_eq!(store.turns(Filter::default()).await.expect("read").len(), 1);
}

pub async fn fifty_turns_at_once_get_places_without_gaps(stage: Stage) {
    let store = stage.open().await;
    let turns = join_all((1..=50).map(|update| recorded(&*store, said(update, "a")))).await;
    let mut seqs: Vec<_> = turns.iter().map(|turn| turn.seq).collect();
    seqs.sort_unstable();
    assert_eq!(seqs, (1..=50).collect::<Vec<_>>());
    assert!(turns.iter().all(|turn| turn.session == turns[0].session));
}

pub async fn two_processes_share_the_places_of_a_chat(stage: Stage) {
    let (one, other) = (stage.open().await, stage.open().await);
    let of = |store: &std::sync::Arc<dyn Store>, update| {
        let store = store.clone();
        async move { recorded(&*store, said(update, "a")).await.seq }
    };
    let mut seqs =
        join_all((1..=20).map(|update| of(if update % 2 == 0 { &one } else { &other }, update))).await;
    seqs.sort_unstable();
    assert_eq!(seqs, (1..=20).collect::<Vec<_>>());
}

pub async fn topics_and_bots_are_conversations_of_their_own(stage: Stage) {
    let store = stage.open().await;
    let none = recorded(&*store, said(1, "a")).await;
    let topic = recorded(&*store, in_topic(2, 3)).await;
    let other_topic = recorded(&*store, in_topic(3, 4)).await;
    let mut of_other_bot = said(4, "a");
    of_other_bot.key.bot = 8;
    of_other_bot.id.bot = 8;
    let other_bot = recorded(&*store, of_other_bot).await;
    for (turn, others) in [(&topic, &none), (&other_topic, &topic), (&other_bot, &none)] {
        assert_eq!(turn.seq, 1);
        assert_ne!(turn.session, others.session);
    }
    assert_eq!(recorded(&*store, in_topic(5, 3)).await.seq, 2);
    let history = store.history(topic.key(), topic.session, i64::MAX, 9).await.expect("read");
    assert_eq!(updates(&history), [2, 5]);
}

pub async fn a_session_lasts_until_restart(stage: Stage) {
    let store = stage.open().await;
    let first = recorded(&*store, said(1, "a")).await;
    let second = recorded(&*store, said(2, "b")).await;
    let restart = recorded(&*store, restart(3)).await;
    let after = recorded(&*store, said(4, "c")).await;
    assert_eq!(first.session, second.session);
    assert_ne!(second.session, restart.session);
    assert_eq!((restart.session, after.seq), (after.session, 4));
}

pub async fn an_outcome_leaves_the_answer_alone(stage: Stage) {
    let store = stage.open().await;
    let mut expected = recorded(&*store, said(1, "6*7?")).await;
    let (answer, outcome) = (answer("It is 42."), outcome(State::Delivered));
    store.save_answer(id(1), answer.clone(), Haste::AtOnce).await.expect("saved");
    expected.state = State::Answered;
    (expected.messages, expected.stopped) = (answer.messages, answer.stopped);
    (expected.usage, expected.timings) = (answer.usage, answer.timings);
    (expected.delivery, expected.status) = (answer.ledger.delivery, answer.ledger.status);
    (expected.closed_until_ms, expected.begun_again) = (Some(5), true);
    assert_eq!(read(&*store, 1).await, expected);
    store.save_outcome(id(1), outcome.clone()).await.expect("saved");
    (expected.state, expected.status) = (State::Delivered, vec![]);
    (expected.delivery, expected.timings) = (outcome.delivery.unwrap_or_default(), outcome.timings);
    assert_eq!(read(&*store, 1).await, expected);
}

pub async fn a_failed_turn_keeps_its_question(stage: Stage) {
    let store = stage.open().await;
    recorded(&*store, said(1, "why?")).await;
    store.save_outcome(id(1), outcome(State::Failed)).await.expect("saved");
    let turn = read(&*store, 1).await;
    assert_eq!((turn.state, turn.question()), (State::Failed, "why?"));
    assert_eq!(turn.failure.as_deref(), Some("the model is away"));
}

pub async fn saving_again_changes_nothing(stage: Stage) {
    let store = stage.open().await;
    recorded(&*store, said(1, "a")).await;
    for _ in 0..2 {
        store.save_answer(id(1), answer("b"), Haste::AtOnce).await.expect("saved");
    }
    let answered = read(&*store, 1).await;
    for _ in 0..2 {
        store.save_outcome(id(1), outcome(State::Delivered)).await.expect("saved");
    }
    assert_eq!(read(&*store, 1).await.messages, answered.messages);
    assert_eq!(store.turns(Filter::default()).await.expect("read").len(), 1);
}

pub async fn an_unknown_turn_is_refused(stage: Stage) {
    let store = stage.open().await;
    recorded(&*store, said(1, "a")).await;
    let saved = [
        store.save_answer(id(2), answer("b"), Haste::AtOnce).await,
        store.save_outcome(id(2), outcome(State::Failed)).await,
    ];
    for answer in saved {
        assert!(matches!(&answer, Err(StoreError::Refused(text)) if text.contains("7:2")), "{answer:?}");
    }
    assert_eq!(store.turn(id(2)).await, Ok(None));
    assert_eq!(read(&*store, 1).await.state, State::Accepted);
}

fn part() -> Part {
    Part { message_id: Some(99), delivered: true, uncertain: true, grows: false, attempts: 2, end_bytes: 12 }
}

pub async fn a_ledger_is_kept_until_the_turn_has_ended(stage: Stage) {
    let store = stage.open().await;
    let mut expected = recorded(&*store, said(1, "a")).await;
    let ledger = Ledger {
        delivery: vec![part()],
        status: vec![97, i64::MAX],
        closed_until_ms: Some(i64::MAX),
        begun_again: true,
    };
    store.save_delivery(id(1), ledger.clone(), false).await.expect("saved");
    expected.delivery.clone_from(&ledger.delivery);
    expected.status.clone_from(&ledger.status);
    expected.closed_until_ms = ledger.closed_until_ms;
    expected.begun_again = ledger.begun_again;
    assert_eq!(store.unfinished(BOT).await.expect("read"), [expected]);
    store.save_outcome(id(1), Outcome { delivery: None, ..outcome(State::Delivered) }).await.expect("saved");
    let ended = read(&*store, 1).await;
    assert_eq!((ended.delivery, ended.status), (ledger.delivery, vec![]));
}

pub async fn a_ledger_is_there_for_the_next_process(stage: Stage) {
    let store = stage.open().await;
    for update in 1..=5 {
        recorded(&*store, said(update, "a")).await;
    }
    let ledger = |status: i64| Ledger { status: vec![status], ..Ledger::default() };
    let shown = Ledger { delivery: vec![part()], ..ledger(13) };
    for (update, ledger) in [(1, ledger(10)), (2, ledger(20)), (1, ledger(11)), (3, shown.clone())] {
        store.save_delivery(id(update), ledger, false).await.expect("saved");
    }
    let later = |status| Answer { ledger: ledger(status), ..answer("b") };
    store.save_answer(id(1), later(12), Haste::AtOnce).await.expect("saved");
    store.save_answer(id(4), later(40), Haste::AtOnce).await.expect("saved");
    store.save_delivery(id(4), ledger(41), true).await.expect("saved");
    // An answer that the chat has as a whole; the process is killed before its end is on record, or is not.
    let whole = Part { uncertain: false, ..part() };
    store.save_answer(id(5), later(50), Haste::AtOnce).await.expect("saved");
    let ended = Outcome { delivery: Some(vec![whole]), ..outcome(State::Delivered) };
    let ending = store.save_outcome(id(5), ended);
    store.save_outcome(id(3), Outcome { delivery: None, ..outcome(State::Failed) }).await.expect("saved");
    assert_eq!(read(&*store, 3).await.delivery, shown.delivery);
    ending.await.expect("saved");
    drop(store);
    for _ in 0..2 {
        let store = stage.open().await;
        assert_eq!(store.claim(BOT, &Owner::this_process()).await, Ok(true));
        let owed = store.unfinished(BOT).await.expect("read");
        let status: Vec<_> = owed.iter().map(|turn| (turn.id.update, turn.status[0])).collect();
        assert_eq!(status, [(1, 12), (2, 20), (4, 41)]);
        store.release(BOT, &Owner::this_process()).await.expect("released");
    }
}

pub async fn messages_so_far_change_nothing_else(stage: Stage) {
    let store = stage.open().await;
    let mut expected = recorded(&*store, said(1, "6*7?")).await;
    expected.messages = answer("").messages[..3].to_vec();
    store.save_messages(id(1), expected.messages.clone()).await.expect("saved");
    assert_eq!(read(&*store, 1).await, expected);
    let unknown = store.save_messages(id(2), vec![]).await;
    assert!(matches!(unknown, Err(StoreError::Refused(_))), "{unknown:?}");
}

pub async fn panics_are_counted_in_the_turns_that_are_named(stage: Stage) {
    let store = stage.open().await;
    for update in 1..=3 {
        recorded(&*store, said(update, "a")).await;
    }
    store.count_panic(vec![id(1), id(3)]).await.expect("counted");
    store.count_panic(vec![id(3)]).await.expect("counted");
    store.count_panic(vec![]).await.expect("nothing to count");
    for (update, panics) in [(1, 1), (2, 0), (3, 2)] {
        assert_eq!(read(&*store, update).await.panics, panics, "{update}");
    }
}

pub async fn one_process_serves_a_bot(stage: Stage) {
    let (one, other) = (stage.open().await, stage.open().await);
    let elsewhere: Owner = format!("{} 1 elsewhere", uuid::Uuid::new_v4()).parse().expect("an owner");
    let me = Owner::this_process();
    assert_eq!(one.claim(BOT, &elsewhere).await, Ok(true));
    assert_eq!(one.claim(BOT, &elsewhere).await, Ok(true), "it says that it still is");
    assert_eq!(other.claim(BOT, &me).await, Ok(false));
    assert_eq!(other.claim(8, &me).await, Ok(true), "another bot");
    assert_eq!(other.release(BOT, &me).await, Ok(()), "what it does not have");
    assert_eq!(other.claim(BOT, &me).await, Ok(false));
    assert_eq!(one.release(BOT, &elsewhere).await, Ok(()));
    assert_eq!(other.claim(BOT, &me).await, Ok(true));
    assert_eq!(one.claim(BOT, &elsewhere).await, Ok(false));
}

pub async fn one_refused_write_does_not_spoil_the_others(stage: Stage) {
    let store = stage.open().await;
    recorded(&*store, said(1, "a")).await;
    // Made at once, so that a store which commits in groups has them in one.
    let (records, saves) = futures::join!(
        join_all((2..40).map(|update| store.record(in_chat(update, update)))),
        join_all((100..140).map(|unknown| store.save_answer(
            id(if unknown == 120 { 1 } else { unknown }),
            answer("b"),
            Haste::AtOnce
        ))),
    );
    assert!(records.iter().all(|answer| matches!(answer, Ok(Recorded::New(_)))), "{records:?}");
    assert_eq!(saves.iter().filter(|answer| answer.is_ok()).count(), 1);
    assert_eq!(read(&*store, 1).await.state, State::Answered);
    assert_eq!(store.turns(Filter::default()).await.expect("read").len(), 39);
}

pub async fn history_is_the_last_of_a_session_oldest_first(stage: Stage) {
    let store = stage.open().await;
    recorded(&*store, said(1, "an older session")).await;
    let session = recorded(&*store, restart(2)).await.session;
    for update in 3..=8 {
        recorded(&*store, said(update, "a")).await;
        recorded(&*store, in_chat(update + 100, 1)).await;
    }
    let key = said(0, "").key;
    let history = |before, limit| {
        let turns = store.history(key, session, before, limit);
        async move { updates(&turns.await.expect("read")) }
    };
    assert_eq!(history(8, 3).await, [5, 6, 7]);
    assert_eq!(history(i64::MAX, 3).await, [6, 7, 8]);
    assert_eq!(history(i64::MAX, usize::MAX).await, [2, 3, 4, 5, 6, 7, 8]);
    assert_eq!(history(2, 9).await, [0; 0]);
    assert_eq!(history(i64::MAX, 0).await, [0; 0]);
}

pub async fn unfinished_turns_come_in_order(stage: Stage) {
    let store = stage.open().await;
    for (update, chat) in [(1, 20), (2, 10), (3, 20), (4, 10), (5, 10), (6, 10), (7, 10)] {
        recorded(&*store, in_chat(update, chat)).await;
    }
    let mut of_other_bot = said(8, "a");
    (of_other_bot.key.bot, of_other_bot.id.bot) = (8, 8);
    recorded(&*store, of_other_bot).await;
    for update in [4, 5] {
        store.save_answer(id(update), answer("b"), Haste::AtOnce).await.expect("saved");
    }
    store.save_outcome(id(5), outcome(State::Delivered)).await.expect("saved");
    store.save_outcome(id(6), outcome(State::Failed)).await.expect("saved");
    let owed = store.unfinished(BOT).await.expect("read");
    assert_eq!(updates(&owed), [2, 4, 7, 1, 3]);
    assert_eq!(owed[1].state, State::Answered);
    assert_eq!(owed[1].messages, answer("b").messages);
}

pub async fn sessions_come_latest_first_and_match(stage: Stage) {
    let store = stage.open().await;
    let first = recorded(&*store, said(1, "a")).await;
    recorded(&*store, by(2, 6)).await;
    let topic = recorded(&*store, in_topic(3, 9)).await;
    let chat = recorded(&*store, in_chat(4, 10)).await;
    let restarted = recorded(&*store, restart(5)).await;
    recorded(&*store, by(6, 6)).await;
    let sessions = |filter, limit| {
        let found = store.sessions(filter, limit);
        async move { found.await.expect("read") }
    };
    let names = |found: &[brigade::edge::store::SessionSummary]| {
        found.iter().map(|it| it.session).collect::<Vec<_>>()
    };

    let all = sessions(Filter::default(), 9).await;
    assert_eq!(names(&all), [restarted.session, chat.session, topic.session, first.session]);
    assert_eq!((all[3].chat, all[3].topic, all[3].user, all[3].turns), (-42, None, 5, 2));
    assert_eq!(all[3].username.as_deref(), Some("ann"));
    assert_eq!((all[3].first_ms, all[3].last_ms), (1_700_000_000_001, 1_700_000_000_002));
    assert_eq!(all[2].topic, Some(9));
    assert_eq!(names(&sessions(Filter::default(), 2).await), [restarted.session, chat.session]);
    assert_eq!(sessions(Filter::default(), 0).await, []);

    // A session in which someone else spoke too is shown whole.
    let of_user = sessions(Filter { user: Some(6), ..Filter::default() }, 9).await;
    assert_eq!(of_user, [all[0].clone(), all[3].clone()]);
    let of_chat = sessions(Filter { chat: Some(10), ..Filter::default() }, 9).await;
    assert_eq!(names(&of_chat), [chat.session]);
    let one = Filter { user: Some(5), chat: Some(-42), session: Some(first.session) };
    assert_eq!(names(&sessions(one, 9).await), [first.session]);
    assert_eq!(sessions(Filter { user: Some(77), ..Filter::default() }, 9).await, []);
}

pub async fn turns_come_by_conversation_and_match(stage: Stage) {
    let store = stage.open().await;
    let news = [
        said(1, "a"),
        in_chat(2, 10),
        in_topic(3, 9),
        by(4, 6),
        in_chat(5, -100),
        restart(6),
        in_topic(7, 2),
    ];
    let mut recorded_turns = Vec::new();
    for new in news {
        recorded_turns.push(recorded(&*store, new).await);
    }
    let turns = |filter| {
        let found = store.turns(filter);
        async move { updates(&found.await.expect("read")) }
    };
    assert_eq!(turns(Filter::default()).await, [5, 1, 4, 6, 7, 3, 2]);
    assert_eq!(turns(Filter { user: Some(6), ..Filter::default() }).await, [4]);
    assert_eq!(turns(Filter { chat: Some(-42), ..Filter::default() }).await, [1, 4, 6, 7, 3]);
    let session = Some(recorded_turns[0].session);
    assert_eq!(turns(Filter { session, ..Filter::default() }).await, [1, 4]);
    assert_eq!(turns(Filter { session, user: Some(5), chat: Some(-42) }).await, [1]);
    assert_eq!(turns(Filter { session, chat: Some(10), ..Filter::default() }).await, [0; 0]);
}

pub async fn any_text_comes_back_as_it_went(stage: Stage) {
    let store = stage.open().await;
    let texts = [
        String::new(),
        "a\0b".to_owned(),
        "👩‍👩‍👧‍👦 e\u{301} \u{10ffff}".to_owned(),
        "שלום \u{202e}مرحبا".to_owned(),
        "'; DROP TABLE turns; -- \" \\ \u{2028} \r\n\t".to_owned(),
        "{\"$set\": {\"a.b\": 1}}".to_owned(),
        "ж👍".repeat(10_000),
    ];
    for (text, update) in texts.into_iter().zip(1..) {
        let mut new = said(update, &text);
        new.user.first_name = Some(text.clone());
        new.user.username = Some(text.clone());
        recorded(&*store, new).await;
        store.save_answer(id(update), answer(&text), Haste::AtOnce).await.expect("saved");
        let failed = Outcome { failure: Some(text.clone()), ..outcome(State::Failed) };
        store.save_outcome(id(update), failed).await.expect("saved");
        let turn = read(&*store, update).await;
        assert_eq!(turn.messages, answer(&text).messages);
        assert_eq!((turn.user.first_name, turn.failure), (Some(text.clone()), Some(text)));
    }
    assert_eq!(store.sessions(Filter::default(), 9).await.expect("read")[0].turns, 7);
}

pub async fn what_is_stored_is_there_after_reopening(stage: Stage) {
    let store = stage.open().await;
    recorded(&*store, said(1, "a")).await;
    store.save_answer(id(1), answer("b"), Haste::AtOnce).await.expect("saved");
    let before = read(&*store, 1).await;
    drop(store);
    let store = stage.open().await;
    assert_eq!(read(&*store, 1).await, before);
    assert_eq!(store.record(said(1, "a")).await, Ok(Recorded::Duplicate));
    let next = recorded(&*store, said(2, "c")).await;
    assert_eq!((next.seq, next.session), (2, before.session));
}

pub async fn an_empty_store_has_nothing_and_takes_calls(stage: Stage) {
    let store = stage.open().await;
    assert_eq!(store.ping().await, Ok(()));
    assert_eq!(store.turn(id(1)).await, Ok(None));
    assert_eq!(store.unfinished(BOT).await, Ok(vec![]));
    assert_eq!(store.turns(Filter::default()).await, Ok(vec![]));
    assert_eq!(store.sessions(Filter::default(), 9).await, Ok(vec![]));
    assert_eq!(store.history(said(1, "").key, uuid::Uuid::nil(), 9, 9).await, Ok(vec![]));
}
