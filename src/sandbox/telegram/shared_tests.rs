//! Limits, drafts and chaos through the handle that keeps the time.

use std::time::Duration;

use serde_json::json;

use super::super::{EntityRules, GoneWhy, MemoryTelegram, What};
use super::*;
use crate::edge::telegram::{BotApi, TelegramError};

const KEY: ChatKey = ChatKey { bot: 7, chat: 42, topic: None };

fn strict() -> MemoryTelegram {
    let telegram = MemoryTelegram::new().with_latency_ms(50);
    telegram.set_limits(Limits::strict());
    telegram
}

async fn send(telegram: &MemoryTelegram) -> Option<Duration> {
    match telegram.send_message(KEY, "x".into()).await {
        Ok(_) => None,
        Err(TelegramError::RetryAfter(wait)) => Some(wait),
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test(start_paused = true)]
async fn calls_say_which_of_them_were_inside_a_window() {
    let telegram = strict();
    let mut waits = Vec::new();
    for _ in 0..3 {
        waits.push(send(&telegram).await.map_or(0, |wait| wait.as_secs()));
    }
    tokio::time::sleep(Duration::from_secs(15)).await;
    waits.push(send(&telegram).await.map_or(0, |wait| wait.as_secs()));
    assert_eq!(waits, [0, 5, 15, 0]);
    let calls: Vec<_> =
        telegram.calls().iter().map(|call| (call.at_ms, call.status, call.inside_window)).collect();
    assert_eq!(calls, [(25, 200, false), (75, 429, false), (125, 429, true), (15_175, 200, false)]);
    assert_eq!(telegram.calls()[2].refused_by, Some(Budget::Messages));
    let [window] = telegram.world().flood_windows(7).try_into().expect("one window");
    assert_eq!((window.opened_ms, window.until_ms, window.calls_inside), (75, 15_125, 1));
    let stats = telegram.world().stats();
    assert_eq!((stats.too_many_requests, stats.inside_window), (2, 1));
    assert_eq!(stats.calls["sendMessage"], [(200, 2), (429, 2)].into());
    telegram.world().forget_past();
    assert_eq!((telegram.calls(), telegram.world().stats()), (Vec::new(), stats));
}

#[tokio::test(start_paused = true)]
async fn a_429_of_a_script_opens_a_window_where_limits_are_on() {
    for (limits, expected) in [(Limits::strict(), vec![429, 429]), (Limits::off(), vec![429, 200])] {
        let telegram = strict();
        telegram.set_limits(limits);
        telegram.fault(Fault::on("sendMessage", Trouble::RetryAfter(20)));
        let _ = (send(&telegram).await, send(&telegram).await);
        let calls = telegram.calls();
        assert_eq!(calls.iter().map(|call| call.status).collect::<Vec<_>>(), expected);
        assert_eq!(calls[1].inside_window, limits.on);
    }
}

#[tokio::test(start_paused = true)]
async fn a_second_429_of_a_script_is_inside_the_window_of_the_first() {
    let telegram = strict();
    telegram.fault(Fault::on("sendMessage", Trouble::RetryAfter(20)).times(2));
    let waits = (send(&telegram).await, send(&telegram).await);
    assert_eq!(waits, (Some(Duration::from_secs(20)), Some(Duration::from_secs(60))));
    assert!(telegram.calls()[1].inside_window);
}

#[tokio::test(start_paused = true)]
async fn a_lost_reply_inside_a_window_is_still_on_record() {
    let telegram = strict();
    let _ = (send(&telegram).await, send(&telegram).await);
    telegram.fault(Fault::on("sendMessage", Trouble::LostReply));
    let lost = telegram.send_message(KEY, "x".into()).await;
    assert!(matches!(lost, Err(TelegramError::Uncertain(_))), "{lost:?}");
    let last = telegram.calls().pop().expect("a call");
    assert_eq!((last.status, last.inside_window), (0, true));
}

#[tokio::test(start_paused = true)]
async fn a_draft_lives_in_tokio_time() {
    let telegram = MemoryTelegram::new();
    telegram.world().with(|world, _| world.allow_updates(7, &["stopped_message_generation"]));
    let draft = |text: &str| json!({"draft_id": 3, "text": text, "can_stop": true});
    telegram.call(KEY, "sendMessageDraft", draft("Hel")).await.expect("shown");
    tokio::time::sleep(Duration::from_millis(29_999)).await;
    assert_eq!(telegram.draft(KEY).map(|draft| draft.text), Some("Hel".to_owned()));
    tokio::time::sleep(Duration::from_secs(9)).await;
    let last = telegram.journal().pop().expect("an event");
    assert_eq!((last.at_ms, last.what), (30_000, What::DraftGone { draft_id: 3, why: GoneWhy::Expired }));
    assert_eq!(telegram.stop_draft(KEY), Value::Null);
    telegram.call(KEY, "sendMessageDraft", draft("Hello")).await.expect("shown");
    assert_eq!(telegram.stop_draft(KEY)["stopped_message_generation"]["draft_id"], "3");
}

#[tokio::test(start_paused = true)]
async fn stored_messages_keep_their_entities() {
    let telegram = MemoryTelegram::new();
    let bold = json!([{"type": "bold", "offset": 2, "length": 4, "url": null}]);
    telegram.set_limits(Limits { entities: EntityRules::Strict, ..Limits::off() });
    let sent = telegram.call(KEY, "sendMessage", json!({"text": "\n Soup", "entities": bold})).await;
    let id = sent.expect("sent")["message_id"].clone();
    let expected = json!([{"type": "bold", "offset": 0, "length": 4}]);
    assert_eq!(json!(telegram.view(KEY)[0].entities), expected);
    let twice = json!({"message_id": id, "text": "Soup!", "entities": [expected[0], expected[0]]});
    let refused = telegram.call(KEY, "editMessageText", twice).await;
    assert!(matches!(refused, Err(TelegramError::Refused(why)) if why.contains("style inside itself")));
    let edit = json!({"message_id": id, "text": "Soup!"});
    assert!(telegram.call(KEY, "editMessageText", edit).await.is_ok());
    assert_eq!(telegram.view(KEY)[0].entities, Vec::<Value>::new());
}

async fn run_with(chaos: Chaos) -> (Vec<CallRecord>, usize) {
    let telegram = MemoryTelegram::new();
    telegram.set_chaos(chaos);
    for _ in 0..100 {
        let _ = telegram.send_message(KEY, "x".into()).await;
        let _ = telegram.send_typing(KEY).await;
    }
    (telegram.calls(), telegram.view(KEY).len())
}

#[tokio::test(start_paused = true)]
async fn chaos_repeats_exactly_and_a_lost_reply_was_executed() {
    let chaos = Chaos {
        seed: 3,
        server_error_percent: 10,
        lost_reply_percent: 10,
        slow_percent: 20,
        slow_most_ms: 900,
        ..Chaos::default()
    };
    let (calls, shown) = run_with(chaos).await;
    assert_eq!(run_with(chaos).await, (calls.clone(), shown));
    assert_ne!(run_with(Chaos { seed: 4, ..chaos }).await.0, calls);
    let sends = calls.iter().filter(|call| call.method == "sendMessage");
    let executed = sends.filter(|call| matches!(call.status, 200 | 0)).count();
    assert_eq!(shown, executed);
    assert!(calls.iter().any(|call| call.status == 0) && calls.iter().any(|call| call.status >= 500));
    assert!(calls.last().is_some_and(|call| call.at_ms > 1_000), "some were slow");
}

#[tokio::test(start_paused = true)]
async fn chaos_can_be_switched_off_and_a_script_comes_first() {
    let telegram = MemoryTelegram::new();
    telegram.set_chaos(Chaos { unreachable_percent: 100, ..Chaos::default() });
    telegram.fault(Fault::on("sendMessage", Trouble::Server(500)));
    let _ = (send_any(&telegram).await, send_any(&telegram).await);
    telegram.set_chaos(Chaos::default());
    let _ = send_any(&telegram).await;
    let statuses: Vec<_> = telegram.calls().iter().map(|call| call.status).collect();
    assert_eq!(statuses, [500, 0, 200]);
}

async fn send_any(telegram: &MemoryTelegram) -> Result<i64, TelegramError> {
    telegram.send_message(KEY, "x".into()).await
}
