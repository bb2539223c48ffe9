//! Flood control, limit by limit.

use std::collections::HashMap;

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::json;

use super::super::error::ApiError;
use super::super::params::Params;
use super::super::state::World;
use super::*;

const BOT: i64 = 77;
const PERSON: i64 = 5;
const GROUP: i64 = -1_000_000_000_009;

fn world(limits: Limits) -> World {
    let mut world = World::new(0);
    world.open_chats_by_themselves(true);
    world.set_limits(limits);
    world
}

fn call(world: &mut World, now_ms: u64, method: &str, chat: i64) -> Result<(), ApiError> {
    let params = json!({"chat_id": chat, "text": "x", "action": "typing", "message_id": 1, "draft_id": 1});
    match world.call_as(now_ms, BOT, method, &Params::from_json(params)) {
        // An edit or a deletion of nothing was let in all the same.
        Err(error) if error.code == 429 => Err(error),
        _ => Ok(()),
    }
}

fn send(world: &mut World, now_ms: u64, chat: i64) -> Result<(), u64> {
    call(world, now_ms, "sendMessage", chat).map_err(|error| error.retry_after_s.expect("a wait"))
}

/// How many of so many calls at once are let in.
fn let_in(world: &mut World, now_ms: u64, method: &str, chat: i64, calls: usize) -> usize {
    (0..calls).take_while(|_| call(world, now_ms, method, chat).is_ok()).count()
}

#[test]
fn without_limits_everything_passes() {
    let mut world = world(Limits::off());
    assert_eq!(let_in(&mut world, 0, "sendMessage", PERSON, 500), 500);
    assert_eq!(world.flood_windows(BOT), []);
}

#[test]
fn a_private_chat_takes_a_burst_and_then_one_a_second() {
    let mut world = world(Limits { retry_after_s: 1, ..Limits::telegram() });
    assert_eq!(let_in(&mut world, 0, "sendMessage", PERSON, 10), 5);
    for second in 1..50 {
        assert_eq!(send(&mut world, second * 1000, PERSON), Ok(()), "{second}");
    }
    assert_eq!(send(&mut world, 49_999, PERSON), Err(1));
    assert_eq!(let_in(&mut world, 60_000, "sendMessage", PERSON, 10), 5);
}

#[test]
fn a_group_takes_twenty_a_minute_in_all_its_topics() {
    let mut world = world(Limits::telegram());
    let params = |topic: i64| json!({"chat_id": GROUP, "text": "x", "message_thread_id": topic});
    for n in 0..20 {
        let sent = world.call_as(n * 100, BOT, "sendMessage", &Params::from_json(params(2 + n as i64 % 3)));
        assert!(sent.is_ok(), "{n}");
    }
    assert_eq!(send(&mut world, 2_000, GROUP), Err(58));
    assert_eq!(send(&mut world, 60_000, GROUP), Ok(()));
    assert_eq!(send(&mut world, 60_001, GROUP), Err(3));
}

#[test]
fn even_spacing_in_a_group_never_waits() {
    let mut world = world(Limits::strict());
    assert!((0..200).all(|n| send(&mut world, n * 3_000, GROUP).is_ok()));
}

#[test]
fn edits_draw_on_the_messages_budget_and_signals_and_deletes_on_their_own() {
    let mut world = world(Limits::telegram());
    assert_eq!(let_in(&mut world, 0, "sendMessage", PERSON, 3), 3);
    assert_eq!(let_in(&mut world, 0, "EDITMESSAGETEXT", PERSON, 9), 2);
    assert_eq!(let_in(&mut world, 0, "sendChatAction", PERSON, 12), 12);
    assert_eq!(let_in(&mut world, 0, "sendMessageDraft", PERSON, 12), 8);
    assert_eq!(let_in(&mut world, 0, "deleteMessage", PERSON, 20), 20);
    assert_eq!(let_in(&mut world, 0, "deleteMessages", PERSON, 20), 10);
    assert_eq!(let_in(&mut world, 0, "getMe", PERSON, 99), 99);
    let budgets: Vec<_> = world.flood_windows(BOT).iter().map(|window| window.budget).collect();
    assert_eq!(budgets, [Budget::Messages, Budget::Signals, Budget::Deletes]);
}

#[test]
fn signals_are_twenty_in_five_seconds_and_forty_in_thirty() {
    let mut world = world(Limits::telegram());
    assert_eq!(let_in(&mut world, 0, "sendChatAction", PERSON, 30), 20);
    assert_eq!(let_in(&mut world, 5_000, "sendChatAction", PERSON, 20), 20);
    let error = call(&mut world, 12_000, "sendChatAction", PERSON).expect_err("forty in thirty");
    assert_eq!(error.retry_after_s, Some(18));
    assert_eq!(let_in(&mut world, 30_000, "sendChatAction", PERSON, 30), 20);
}

#[test]
fn thirty_a_second_over_all_chats_is_told_like_any_other() {
    let mut world = world(Limits::telegram());
    assert!((1..=30).all(|chat| send(&mut world, 0, chat).is_ok()));
    let error = call(&mut world, 10, "sendMessage", 31).expect_err("too many");
    assert_eq!(error.description, "Too Many Requests: retry after 3");
    assert_eq!(error.to_json()["parameters"], json!({"retry_after": 3}));
    let flooded = error.flooded.expect("a limit");
    assert_eq!((flooded.budget, flooded.inside_window), (Budget::Overall, false));
    let error = call(&mut world, 20, "sendMessage", 32).expect_err("the whole bot waits");
    assert!(error.flooded.is_some_and(|flooded| flooded.inside_window));
    let [window] = world.flood_windows(BOT).try_into().expect("one window");
    let expected = FloodWindow {
        bot: BOT,
        chat: None,
        budget: Budget::Overall,
        opened_ms: 10,
        until_ms: 6_020,
        calls_inside: 1,
    };
    assert_eq!(window, expected);
    assert!((1..=30).all(|chat| send(&mut world, 6_020, chat).is_ok()));
}

#[test]
fn one_bots_flood_is_not_anothers_nor_one_chats() {
    let mut world = world(Limits::strict());
    assert_eq!((send(&mut world, 0, PERSON), send(&mut world, 0, PERSON)), (Ok(()), Err(5)));
    assert_eq!(send(&mut world, 0, 6), Ok(()));
    let params = Params::from_json(json!({"chat_id": PERSON, "text": "x"}));
    assert!(world.call_as(0, 78, "sendMessage", &params).is_ok());
}

#[test]
fn a_call_inside_the_window_lengthens_it_up_to_the_cap() {
    let limits = Limits { retry_after_s: 3, penalty_percent: 200, longest_window_s: 20, ..Limits::strict() };
    let mut world = world(limits);
    assert_eq!(send(&mut world, 0, PERSON), Ok(()));
    let told: Vec<_> = (1..=6).map(|n| send(&mut world, n * 100, PERSON)).collect();
    assert_eq!(told, [Err(3), Err(6), Err(12), Err(20), Err(20), Err(20)]);
    let [window] = world.flood_windows(BOT).try_into().expect("one window");
    assert_eq!((window.opened_ms, window.until_ms, window.calls_inside), (100, 20_600, 5));
    assert_eq!(send(&mut world, 20_599, PERSON), Err(20));
    assert_eq!(send(&mut world, 40_599, PERSON), Ok(()));
}

#[test]
fn hours_are_possible() {
    let mut world = world(Limits::telegram());
    let waits: Vec<_> = (0..30).filter_map(|n| send(&mut world, n, PERSON).err()).collect();
    assert_eq!(waits.last(), Some(&28_800));
    assert!(waits.is_sorted());
}

#[test]
fn a_window_ends_when_it_says() {
    let mut world = world(Limits::strict());
    let _ = send(&mut world, 0, PERSON);
    assert_eq!(send(&mut world, 250, PERSON), Err(5));
    assert_eq!(send(&mut world, 5_250, PERSON), Ok(()));
    assert_eq!(world.flood_windows(BOT)[0].calls_inside, 0);
    world.clear_journal();
    assert_eq!(world.flood_windows(BOT), []);
}

#[test]
fn a_limit_of_zero_is_none() {
    let mut world = world(Limits { private_burst: 0, overall_messages: 0, ..Limits::telegram() });
    assert_eq!(let_in(&mut world, 0, "sendMessage", PERSON, 200), 200);
}

/// What a client is about to do: how long after the one before, in which chat, which method.
fn plans() -> impl Strategy<Value = Vec<(u64, i64, &'static str)>> {
    let chat = prop_oneof![Just(1), Just(2), Just(3), Just(-1), Just(GROUP)];
    let method =
        prop::sample::select(vec!["sendMessage", "editMessageText", "sendChatAction", "deleteMessage"]);
    vec((0..2_000u64, chat, method), 1..300)
}

fn limits() -> impl Strategy<Value = Limits> {
    (1..6u32, 1..3_000u64, 1..25u32, 1..40u32, 1..30u32, 1..9u64, 100..500u64).prop_map(
        |(burst, every_ms, group, overall, signals, retry_after_s, penalty_percent)| Limits {
            private_burst: burst,
            private_every_ms: every_ms,
            group_messages: group,
            overall_messages: overall,
            signal_burst: signals,
            signals: signals * 2,
            retry_after_s,
            penalty_percent,
            ..Limits::telegram()
        },
    )
}

/// A client that, told to wait, makes no call with the same key until then and the margin.
fn play<K: std::hash::Hash + Eq>(
    limits: Limits,
    plans: &[(u64, i64, &str)],
    margin_ms: u64,
    key: impl Fn(i64, &str) -> K,
) -> Vec<FloodWindow> {
    let mut world = world(limits);
    let mut not_before: HashMap<K, u64> = HashMap::new();
    let mut now = 0;
    for (gap_ms, chat, method) in plans {
        now += gap_ms;
        let wait_for = not_before.entry(key(*chat, method)).or_default();
        now = now.max(*wait_for);
        if let Err(error) = call(&mut world, now, method, *chat) {
            *wait_for = now + error.retry_after_s.unwrap_or_default() * 1000 + margin_ms;
        }
    }
    world.flood_windows(BOT)
}

proptest! {
    /// Whoever keeps silent altogether never calls inside a window, whichever limit it was.
    #[test]
    fn who_waits_with_everything_is_never_inside(
        limits in limits(), plans in plans(), margin_ms in 0..500u64,
    ) {
        let windows = play(limits, &plans, margin_ms, |_, _| ());
        prop_assert!(windows.iter().all(|window| window.calls_inside == 0), "{windows:?}");
    }

    /// Whoever keeps silent only with what was refused, and only in that chat, is never inside a
    /// chat's window.
    #[test]
    fn who_waits_in_the_chat_is_never_inside_its_window(
        limits in limits(), plans in plans(), margin_ms in 0..500u64,
    ) {
        let limits = Limits { overall_messages: 0, ..limits };
        let windows = play(limits, &plans, margin_ms, |chat, method| (chat, Budget::of(method)));
        prop_assert!(windows.iter().all(|window| window.calls_inside == 0), "{windows:?}");
    }

    /// The same calls at the same times meet the same windows.
    #[test]
    fn a_run_repeats(limits in limits(), plans in plans()) {
        let hasty = || {
            let mut world = world(limits);
            let mut now = 0;
            for (gap_ms, chat, method) in &plans {
                now += gap_ms;
                let _ = call(&mut world, now, method, *chat);
            }
            world.flood_windows(BOT)
        };
        prop_assert_eq!(hasty(), hasty());
    }
}
