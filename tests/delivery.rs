//! The ending always arrives: many chats under strict limits, in trouble, and in all three ways to
//! stream, in paused time. `cargo test --test delivery -- --nocapture` prints the figures.

use std::collections::BTreeMap;

use brigade::domain::chat::Role;
use brigade::domain::cutting::Streaming;
use brigade::domain::markdown::render;
use brigade::domain::record::{State, StoredTurn};
use brigade::sandbox::telegram::What;
use brigade::testing::scenario::file::When;
use brigade::testing::scenario::{Played, Scenario, play};
use figment::value::Value;
use proptest::prelude::*;

#[path = "support/fixtures.rs"]
mod fixtures;

fn played(text: &str, change: impl FnOnce(&mut Scenario)) -> Played {
    let mut scenario = Scenario::parse(text).unwrap();
    change(&mut scenario);
    let played = play(&scenario).unwrap();
    assert_eq!(played.problems, Vec::<String>::new());
    played
}

fn stored_answer(turn: &StoredTurn) -> &str {
    let last = turn.messages.last().filter(|message| message.role == Role::Assistant);
    last.and_then(|message| message.content.as_deref()).unwrap_or_default()
}

fn without_space(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace()).collect()
}

/// The last text of every message, by chat and message.
fn texts(played: &Played) -> BTreeMap<(i64, i64), &str> {
    let mut texts = BTreeMap::new();
    for event in &played.journal {
        if let What::Shown { message_id, text } | What::Edited { message_id, text } = &event.what {
            texts.insert((event.chat, *message_id), text.as_str());
        }
    }
    texts
}

/// What the chat shows of a turn, by the ledger.
fn shown(texts: &BTreeMap<(i64, i64), &str>, turn: &StoredTurn) -> String {
    let ids = turn.delivery.iter().filter_map(|part| part.message_id);
    ids.map(|id| without_space(texts[&(turn.chat, id)])).collect()
}

fn assert_whole(played: &Played, turns: usize) {
    assert_eq!(played.turns.len(), turns);
    let texts = texts(played);
    for turn in &played.turns {
        assert_eq!(turn.state, State::Delivered, "{:?}", turn.failure);
        let whole = without_space(&render(stored_answer(turn)).text);
        assert!(!whole.is_empty() && shown(&texts, turn) == whole, "turn {} is not whole", turn.id);
    }
}

fn told_to_wait(played: &Played) -> usize {
    played.flow.iter().filter(|line| line.line.starts_with("telegram asks to wait")).count()
}

/// The messages that each chat was sent, by time.
fn sends(played: &Played) -> BTreeMap<i64, Vec<u64>> {
    let mut sends: BTreeMap<i64, Vec<u64>> = BTreeMap::new();
    for event in &played.journal {
        if matches!(event.what, What::Shown { .. } | What::Edited { .. }) {
            sends.entry(event.chat).or_default().push(event.at_ms);
        }
    }
    sends
}

#[test]
fn fifty_long_answers_at_once_under_strict_limits_end_as_soon_as_they_can() {
    const TEXT: &str = r#"
        about = "x"
        telegram_limits = "strict"
        [settings]
        llm.first_call = "stream"
        [[when]]
        at_ms = 0
        chat = 1
        chats = 50
        user_says = "Tell me."
        [[model]]
        every_time = true
        after_ms = 300
        every_ms = 1
        chars = 4000
        delta_chars = 100
    "#;
    let played = played(TEXT, |_| {});
    assert_whole(&played, 50);
    let refused = told_to_wait(&played);
    let sends = sends(&played);
    let all: usize = sends.values().map(Vec::len).sum();
    let last_ms = sends.values().flatten().max().unwrap();
    // What nobody could avoid: one message a second in a chat, thirty a second over all chats.
    let chat_ms = sends.values().map(|sends| (sends.len() as u64 - 1) * 1_000).max().unwrap();
    let bot_ms = (all as u64 - 1) / 30 * 1_000;
    let ratio = *last_ms as f64 / chat_ms.max(bot_ms) as f64;
    println!(
        "50 answers of 4,000 characters: {all} sends, {refused} times 429, the last text after {last_ms} ms"
    );
    println!("unavoidable: {chat_ms} ms in a chat, {bot_ms} ms over all chats; ratio {ratio:.2}");
    assert!(refused <= 5, "{refused} times 429 for 50 answers");
    assert!(ratio <= 1.2, "the last text came after {ratio:.2} times what was unavoidable");
}

#[test]
fn a_thousand_turns_with_lost_replies_and_server_errors_are_whole() {
    const TEXT: &str = r#"
        about = "x"
        telegram_chaos = { seed = 7, lost_reply_percent = 5, server_error_percent = 5 }
        [settings]
        llm.first_call = "stream"
        pacing.private_every_ms = 0
        pacing.overall_every_ms = 0
        pacing.delete_every_ms = 0
        [[model]]
        every_time = true
        after_ms = 300
        every_ms = 20
        chars = 900
        delta_chars = 50
    "#;
    for (uncertain, seed) in [("repeat", 7), ("repeat", 8), ("note", 9)] {
        let played = played(TEXT, |scenario| {
            scenario.telegram_chaos.seed = seed;
            scenario
                .settings
                .insert("delivery".into(), Value::from(figment::util::map!["uncertain" => uncertain]));
            let when = Scenario::parse(
                "about = 'x'\n[[when]]\nat_ms = 0\nchat = 1\nchats = 50\nuser_says = 'Well?'",
            );
            let when = when.unwrap().when.remove(0);
            scenario.when = (0..20).map(|turn| When { at_ms: turn * 60_000, ..when.clone() }).collect();
        });
        assert_eq!(played.turns.len(), 1_000);
        let texts = texts(&played);
        let repeated =
            played.turns.iter().flat_map(|turn| &turn.delivery).filter(|part| part.attempts > 1).count();
        let noted = played.turns.iter().flat_map(|turn| &turn.delivery).filter(|part| part.uncertain).count();
        let mut twice = 0;
        for turn in &played.turns {
            assert_eq!(turn.state, State::Delivered, "{:?}", turn.failure);
            let mine: Vec<_> = turn.delivery.iter().filter_map(|part| part.message_id).collect();
            let unsure = turn.delivery.iter().any(|part| part.uncertain);
            let whole = without_space(&render(stored_answer(turn)).text);
            assert!(unsure || shown(&texts, turn) == whole, "turn {} is not whole", turn.id);
            assert!(mine.is_sorted());
        }
        // A text that stands twice in a chat is one that was repeated, and the ledger says so.
        let mut copies: BTreeMap<(i64, &str), usize> = BTreeMap::new();
        for ((chat, _), text) in texts.iter().filter(|(_, text)| text.starts_with("word")) {
            *copies.entry((*chat, text)).or_default() += 1;
        }
        for count in copies.values() {
            twice += count.saturating_sub(20);
        }
        println!("{uncertain}, seed {seed}: {repeated} parts repeated, {twice} stand twice, {noted} noted");
        assert!(twice <= repeated, "{twice} copies, {repeated} on record");
        assert!(uncertain == "repeat" || twice == 0, "a copy although uncertain = note");
        assert!(uncertain == "note" || noted == 0);
    }
}

#[test]
fn real_answers_are_whole_in_all_three_ways_and_nothing_is_refused() {
    const TEXT: &str = r#"
        about = "x"
        telegram_limits = "strict"
        [settings]
        llm.first_call = "stream"
        [[when]]
        at_ms = 0
        user_says = "Tell me."
        [[model]]
        after_ms = 300
        every_ms = 5
    "#;
    let read = |(name, bytes)| (name, String::from_utf8(bytes).unwrap());
    let mut answers: Vec<(String, String)> = fixtures::files("answers").into_iter().map(read).collect();
    let together: Vec<_> = answers.iter().map(|(_, answer)| answer.as_str()).collect();
    let together = together.join("\n\n");
    answers.push(("all together".to_owned(), together.chars().take(40_000).collect()));
    for (name, answer) in answers.iter().filter(|(_, answer)| !answer.trim().is_empty()) {
        for way in [Streaming::Chunks, Streaming::Edit, Streaming::Draft] {
            let played = played(TEXT, |scenario| {
                let way = Value::serialize(way).unwrap();
                scenario
                    .settings
                    .insert("delivery".into(), Value::from(figment::util::map!["private" => way]));
                let chars: Vec<char> = answer.chars().collect();
                scenario.model[0].says = chars.chunks(17).map(|delta| delta.iter().collect()).collect();
            });
            let refused = played.flow.iter().find(|line| line.line.starts_with("telegram refused"));
            assert!(refused.is_none(), "{name}, {way:?}: {}", refused.unwrap());
            let turn = &played.turns[0];
            assert_eq!(turn.state, State::Delivered, "{name}, {way:?}: {:?}", turn.failure);
            let whole = without_space(&render(answer).text);
            assert_eq!(shown(&texts(&played), turn), whole, "{name}, {way:?}");
        }
    }
}

/// A piece of an answer. Whether its line is a table's, a heading's or a list's shows late in some.
fn piece() -> impl Strategy<Value = String> {
    let words = |count| prop::collection::vec("[a-z]{1,9}", count).prop_map(|words| words.join(" "));
    // Nearly as long as a send, and a line of which shows late what it is.
    let paragraph = words(35..52);
    let late = (words(1..14), words(0..9)).prop_map(|(before, after)| format!("{before} P(A|B) {after}"));
    let bare = prop_oneof![
        Just("P(A|B) is what we look for"),
        Just("Prep 15 min | Cook 20 min"),
        Just("| a | b |\n|---|---|\n| 1 | 2 |"),
        Just("a | b\n--|--\n1 | 2"),
        Just("Heading\n---"),
        Just("# Heading"),
        Just("- one\n- two | three\n\n  four"),
        Just("```\nlet a = b | c;\n```"),
        Just("**bold _and** both_ `a|b` [x|y](https://a.b)"),
        Just("1. one\n2. two"),
        Just("> said | so"),
        Just("   \n \n"),
    ];
    prop_oneof![2 => paragraph, 2 => late, 1 => words(1..60), 2 => bare.prop_map(str::to_owned)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_answer_at_any_pace_is_whole_in_all_ways(
        pieces in prop::collection::vec(
            (piece(), prop_oneof![1 => Just(" "), 1 => Just("\n"), 4 => Just("\n\n")]),
            1..14,
        ),
        delta_chars in prop_oneof![3 => 1_usize..25, 1 => 25_usize..300],
        every_ms in prop_oneof![Just(5_u64), 20..900_u64],
        way in prop_oneof![Just("chunks"), Just("edit"), Just("draft")],
        boundary in prop_oneof![4 => Just("natural"), 1 => Just("exact")],
    ) {
        const TEXT: &str = r#"
            about = "x"
            [settings]
            llm.first_call = "stream"
            [[when]]
            at_ms = 0
            user_says = "Tell me."
            [[model]]
            after_ms = 300
        "#;
        let answer: String = pieces.into_iter().map(|(piece, end)| piece + end).collect();
        prop_assume!(!render(&answer).text.trim().is_empty());
        let chars: Vec<char> = answer.chars().collect();
        let played = played(TEXT, |scenario| {
            let delivery = figment::util::map!["private" => way, "chunk_boundary" => boundary];
            scenario.settings.insert("delivery".into(), Value::from(delivery));
            scenario.model[0].says = chars.chunks(delta_chars).map(|delta| delta.iter().collect()).collect();
            scenario.model[0].every_ms = every_ms;
        });
        let [turn] = played.turns.as_slice() else { panic!("one turn") };
        prop_assert_eq!(turn.state, State::Delivered, "{:?}", turn.failure);
        let whole = match boundary {
            "exact" => stored_answer(turn).to_owned(),
            _ => render(stored_answer(turn)).text,
        };
        prop_assert_eq!(shown(&texts(&played), turn), without_space(&whole));
    }
}
