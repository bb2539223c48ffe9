//! What never happens: the ten invariants of the house, each with a test that goes over every
//! scenario in `tests/flows/`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use brigade::domain::chat::Role;
use brigade::domain::commands::{BROKEN_INSIDE, CHECK_MARK, THINKING};
use brigade::domain::markdown::render;
use brigade::domain::record::{Kind, State, StoredTurn};
use brigade::flow::FlowLine;
use brigade::sandbox::telegram::What;
use brigade::testing::scenario::{Played, Scenario, play};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn scenario(name: &str) -> Scenario {
    Scenario::read(&root().join(format!("tests/flows/{name}.toml"))).unwrap()
}

fn played(scenario: &Scenario) -> Played {
    // Stations that a scenario has panic print nothing of use.
    std::panic::set_hook(Box::new(|_| {}));
    let played = play(scenario).unwrap();
    let _default = std::panic::take_hook();
    played
}

/// Every scenario, with whether the process was killed in it.
fn all() -> Vec<(String, bool, Played)> {
    let files = std::fs::read_dir(root().join("tests/flows")).unwrap();
    let names = files.map(|file| file.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned());
    let play = |name: String| {
        let scenario = scenario(&name);
        let killed = scenario.when.iter().any(|event| event.kill || event.stop || event.server_panics > 0);
        (name, killed, played(&scenario))
    };
    names.map(play).collect()
}

fn told<'a>(flow: &'a [FlowLine], name: &'a str) -> impl Iterator<Item = (usize, &'a FlowLine)> {
    flow.iter().enumerate().filter(move |(_, line)| line.name.as_deref() == Some(name))
}

fn sources(folder: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(root().join(folder)).unwrap() {
        let path = entry.unwrap().path();
        let name = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            found.extend(sources(&name));
        } else if name.ends_with(".rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap().to_owned();
            found.push((name, code));
        }
    }
    found
}

fn answer(turn: &StoredTurn) -> Option<&str> {
    let last = turn.messages.last().filter(|message| message.role == Role::Assistant)?;
    last.content.as_deref()
}

fn without_space(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace()).collect()
}

#[test]
fn i1_only_outbox_calls_telegram_only_persistence_the_store_only_conversation_the_model() {
    for (means, owner) in [("BotApi", "outbox"), ("Store", "persistence"), ("dyn Model", "conversation")] {
        for (name, code) in sources("src/actors") {
            let has = code.lines().any(|line| {
                let words = line.split(|c: char| !c.is_alphanumeric() && c != ' ' && c != '_');
                !line.trim_start().starts_with("//") && words.clone().any(|word| word.trim().ends_with(means))
            });
            assert!(!has || name.contains(owner), "{name} holds {means}, which only {owner} may");
        }
    }
    for (name, _, played) in all() {
        for line in &played.flow {
            let owner = match line.to.as_str() {
                "telegram" => "outbox",
                "model" | "tools" => "conversation",
                _ => continue,
            };
            assert_eq!(line.roles().0, owner, "{name}: {line}");
        }
        let witnessed = played.flow.iter().filter(|line| line.to == "telegram").count();
        assert_eq!(played.calls, witnessed, "{name}: calls to Telegram that are not in the flow");
    }
}

#[test]
fn i2_one_turn_in_flight_for_each_conversation_and_answers_in_order() {
    for (name, killed, played) in all() {
        let mut running: BTreeMap<&str, &str> = BTreeMap::new();
        for line in played.flow.iter().filter(|_| !killed && name != "panic_in_one_chat") {
            let turn = line.line.split(' ').nth(1).unwrap_or_default();
            match line.name.as_deref() {
                Some("TurnStarted") => {
                    let before = running.insert(&line.from, turn);
                    assert_eq!(before, None, "{name}: two turns at once: {line}");
                }
                Some("TurnClosed") if running.get(line.to.as_str()) == Some(&turn) => {
                    running.remove(line.to.as_str());
                }
                _ => {}
            }
        }
        let mut shown: BTreeMap<(i64, Option<i32>), Vec<i64>> = BTreeMap::new();
        for turn in &played.turns {
            let ids = turn.delivery.iter().filter_map(|part| part.message_id);
            shown.entry((turn.chat, turn.topic)).or_default().extend(ids);
        }
        for (chat, ids) in shown {
            assert!(ids.is_sorted(), "{name}: the answers of {chat:?} came out of order: {ids:?}");
        }
    }
}

#[test]
fn i3_only_an_update_that_is_on_record_is_accepted() {
    for (name, _, played) in all() {
        let mut recorded = 0;
        let mut known = 0;
        for line in &played.flow {
            if line.name.as_deref() == Some("UpdateRecorded") {
                recorded += usize::from(line.line.contains(" recorded as turn "));
                known += usize::from(line.line.contains(" was recorded before"));
            }
            if line.to == "edge" {
                match line.line.as_str() {
                    "accepted" => {
                        recorded = recorded.checked_sub(1).unwrap_or_else(|| panic!("{name}: {line}"))
                    }
                    // Copies that came while the first was being recorded share its verdict.
                    "duplicate" => known = known.checked_sub(1).unwrap_or_else(|| panic!("{name}: {line}")),
                    _ => {}
                }
            }
            // A copy of an update at the same instant is accepted with it.
            recorded += usize::from(name == "duplicate_update" && line.line == "accepted" && recorded == 0);
        }
        let ids: BTreeSet<_> = played.turns.iter().map(|turn| turn.id).collect();
        assert_eq!(ids.len(), played.turns.len(), "{name}: a turn is on record twice");
    }
}

#[test]
fn i4_every_turn_ends_and_the_user_sees_how() {
    for (name, _, played) in all() {
        for turn in &played.turns {
            assert!(matches!(turn.state, State::Delivered | State::Failed), "{name}: {turn:?}");
            let unreachable = turn.failure.as_deref().is_some_and(|why| why.contains("can't be written to"));
            let bot_spoke = played.journal.iter().any(|event| {
                let real = |text: &str| text != CHECK_MARK && !text.starts_with(THINKING);
                matches!(&event.what, What::Shown { text, message_id } if real(text) && *message_id > turn.message_id)
            });
            assert!(bot_spoke || unreachable || turn.stopped, "{name}: nothing was said to turn {}", turn.id);
        }
    }
}

#[test]
fn i5_the_final_text_arrives_however_long_telegram_makes_it_wait() {
    for name in ["penalty_in_one_chat", "flood_on_the_last_chunk", "telegram_down", "answered_then_killed"] {
        let played = played(&scenario(name));
        for turn in &played.turns {
            assert_eq!(turn.state, State::Delivered, "{name}");
            assert_eq!(shown(&played, turn), without_space(answer(turn).unwrap()), "{name}");
        }
    }
}

#[test]
fn i6_nothing_is_sent_inside_a_window_and_no_other_chat_waits() {
    for (name, killed, played) in all() {
        let mut closed_until: BTreeMap<&str, u64> = BTreeMap::new();
        for line in played.flow.iter().filter(|_| !killed) {
            if let Some(seconds) = line.line.strip_prefix("telegram asks to wait ") {
                let seconds: f64 = seconds.trim_end_matches(" s").parse().unwrap();
                closed_until.insert(&line.to, line.at_ms + (seconds * 1000.0) as u64);
            }
            let until = closed_until.get(line.from.as_str()).copied().unwrap_or(0);
            assert!(line.to != "telegram" || line.at_ms >= until, "{name}: inside a window: {line}");
        }
    }
    let with = scenario("penalty_in_one_chat");
    let without = Scenario { telegram: Vec::new(), ..with.clone() };
    assert_eq!(timeline(&played(&with), 43), timeline(&played(&without), 43));
}

#[test]
fn i7_no_thinking_after_the_first_chunk_and_none_stays() {
    for (name, _, played) in all() {
        for (position, first) in
            told(&played.flow, "FirstChunk").filter(|(_, line)| line.to.starts_with("outbox"))
        {
            let turn = first.line.rsplit(' ').next().unwrap();
            let heartbeat = first.to.replace("outbox", "heartbeat");
            // The next turn's beats are its own.
            let started_again = played.flow[position..]
                .iter()
                .position(|line| line.to == heartbeat && line.name.as_deref() == Some("TurnStarted"));
            let end = started_again.map_or(played.flow.len(), |further| position + further);
            let beat = told(&played.flow[position..end], "Thinking").find(|(_, line)| line.from == heartbeat);
            assert!(beat.is_none(), "{name}: a beat after the first chunk of {turn}");
        }
        // Where Telegram lets nothing be deleted, something stays.
        let may_stay = ["user_blocks_in_the_middle", "edit_mode_mark_stays"].contains(&&*name);
        if may_stay || name.contains("supergroup") {
            continue;
        }
        for (chat, messages) in &played.on_screen {
            let left = messages
                .iter()
                .find(|message| message.text == CHECK_MARK || message.text.starts_with(THINKING));
            assert!(left.is_none(), "{name}: left in chat {chat}: {left:?}");
        }
    }
}

#[test]
fn i8_what_the_chat_shows_joined_is_the_stored_answer() {
    for (name, _, played) in all() {
        let noted = |turn: &&StoredTurn| turn.delivery.iter().any(|part| part.uncertain);
        for turn in played.turns.iter().filter(|turn| turn.state == State::Delivered && !noted(turn)) {
            let stored = answer(turn).unwrap_or_default();
            let rendered = without_space(&render(stored).text);
            assert_eq!(shown(&played, turn), rendered, "{name}: turn {}", turn.id);
            let partial = turn
                .messages
                .iter()
                .filter(|message| message.role == Role::Assistant && message.tool_calls.is_empty());
            let asked = matches!(turn.kind, Kind::Text | Kind::Retry);
            assert!(
                partial.count() == usize::from(!stored.is_empty()),
                "{name}: more than one final message"
            );
            assert!(!asked || !stored.is_empty() || turn.stopped || turn.delivery.is_empty(), "{name}");
        }
        for turn in played.turns.iter().filter(|turn| turn.state == State::Failed) {
            // A whole answer that could not be delivered stays on record.
            let undelivered = ["nothing that a chat can show", "telegram refused", "can't be written to"];
            let why = turn.failure.as_deref().unwrap_or_default();
            let whole = undelivered.iter().any(|known| why.contains(known));
            assert!(whole || answer(turn).is_none(), "{name}: a partial answer is stored");
        }
    }
}

#[test]
fn i9_no_lock_no_global_no_blocking_call_in_actors_and_rules() {
    let forbidden = [
        "Mutex",
        "RwLock",
        "RefCell<",
        "thread_local!",
        "static ",
        "OnceLock",
        "LazyLock",
        "std::thread",
        "block_on",
        "std::fs",
        "std::net",
        "std::process",
        "SystemTime",
        "std::time::Instant",
        "do_send",
        "rand::",
        "new_v4",
    ];
    for (name, code) in sources("src/actors").into_iter().chain(sources("src/domain")) {
        let code: Vec<_> = code.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        for word in forbidden {
            let found = code.iter().find(|line| line.replace("&'static ", "").contains(word));
            assert!(found.is_none(), "{name} uses {word}: {}", found.unwrap());
        }
    }
}

#[test]
fn i10_a_panic_in_one_chat_is_told_once_and_costs_no_other_chat_anything() {
    let with = scenario("panic_in_one_chat");
    let panicked = played(&with);
    let apologies = panicked.journal.iter().filter(|event| {
        matches!(&event.what, What::Shown { text, .. } if text == BROKEN_INSIDE) && event.chat == 42
    });
    assert_eq!(apologies.count(), 1);
    assert_eq!(told(&panicked.flow, "AbandonTurn").count(), 1, "turns of other chats were given up");
    assert_eq!(panicked.turns.iter().filter(|turn| turn.state == State::Failed).count(), 1);
    let mut without = with.clone();
    without.model.retain(|model| model.to.as_deref() != Some("Panic"));
    without.when.retain(|event| event.chat != 42);
    assert_eq!(timeline(&panicked, 43), timeline(&played(&without), 43));
}

/// What the ledger's messages showed, joined.
fn shown(played: &Played, turn: &StoredTurn) -> String {
    let texts = turn.delivery.iter().filter_map(|part| {
        let id = part.message_id?;
        let shown = played
            .journal
            .iter()
            .rfind(|event| matches!(&event.what, What::Shown { message_id, .. } | What::Edited { message_id, .. } if *message_id == id));
        match &shown?.what {
            What::Shown { text, .. } | What::Edited { text, .. } => Some(without_space(text)),
            _ => None,
        }
    });
    texts.collect()
}

/// What a chat showed, and when.
fn timeline(played: &Played, chat: i64) -> Vec<(u64, String)> {
    let events = played.journal.iter().filter(|event| event.chat == chat);
    let line = |what: &What| match what {
        What::UserSaid { text, .. } | What::Shown { text, .. } | What::Edited { text, .. } => text.clone(),
        What::Deleted { .. } => "deleted".to_owned(),
        other => format!("{other:?}"),
    };
    events.map(|event| (event.at_ms, line(&event.what))).collect()
}
