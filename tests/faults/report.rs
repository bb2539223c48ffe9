//! The verdict of a run, and on failure what one needs to find out why.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::process::ExitStatusExt as _;

use brigade::domain::ids::TurnId;
use brigade::domain::record::{State, StoredTurn};
use brigade::failpoint::STEPS;
use brigade::sandbox::telegram::{Author, SeenMessage};

use super::check::Breach;
use super::plan::{Ending, Kind};
use super::question::BOT;
use super::run::{Death, Run};

/// The signal of the killed.
const KILL: i32 = 9;
/// Breaches that are told in full.
const TOLD: usize = 3;
/// Messages of a chat and lines of a life's flow that are shown.
const LINES: usize = 400;

/// Says how a run went.
///
/// # Panics
/// When something was broken: with the seed, the chats and the flow.
pub async fn verdict(run: Run, breaches: &[Breach]) {
    let turns = run.stage.turns().await;
    let count = |state| turns.iter().filter(|turn| turn.state == state).count();
    let stats = run.sandbox.world().stats();
    let told = format!(
        "seed {}, {:?}: {} said, {} on record, {} delivered, {} failed; {} deaths, {} answers 429, {} calls inside a window",
        run.plan.seed,
        run.plan.kind,
        run.said.len(),
        turns.len(),
        count(State::Delivered),
        count(State::Failed),
        run.deaths.len(),
        stats.too_many_requests,
        stats.inside_window,
    );
    println!("\n{told}\nsteps at which it ended: {}", steps(&run).join(" "));
    if breaches.is_empty() {
        println!("nothing lost, nothing twice, all in order");
        return;
    }
    let text = describe(&run, &turns, breaches);
    let Run { folder, plan, .. } = run;
    let store = if plan.kind == Kind::Mongo { "mongodb" } else { "sqlite" };
    println!("{text}\nall that was said and logged is in {}", folder.keep().display());
    let (turns, kills, seed) = (plan.turns, plan.kills, plan.seed);
    panic!(
        "{} breaches; to see it again: make faults TURNS={turns} KILLS={kills} SEED={seed} STORE={store}",
        breaches.len()
    );
}

/// The named steps at which a life has ended.
fn steps(run: &Run) -> Vec<&'static str> {
    let at = |death: &Death, step: &str| match &death.ending {
        Some(Ending::AtStep(at)) => at.split(':').next() == Some(step) && death.status.signal() != Some(KILL),
        _ => false,
    };
    STEPS.into_iter().filter(|step| run.deaths.iter().any(|death| at(death, step))).collect()
}

fn describe(run: &Run, turns: &[StoredTurn], breaches: &[Breach]) -> String {
    let mut text = String::new();
    for breach in breaches.iter().take(TOLD) {
        let _ = writeln!(text, "\n=== {}", line(breach));
        if let Some(chat) = breach.chat {
            let turn = breach.turn.and_then(|turn| turns.iter().find(|stored| stored.id == turn));
            text += &as_it_stands(run, chat, turn);
            text += &on_record(turns, chat, turn);
            text += &flow(run, chat, breach.turn);
        }
    }
    let mut rules: BTreeMap<&str, usize> = BTreeMap::new();
    breaches.iter().for_each(|breach| *rules.entry(breach.rule).or_default() += 1);
    let _ = writeln!(text, "\n=== all breaches: {rules:?}");
    breaches.iter().for_each(|breach| text += &format!("{}\n", line(breach)));
    text
}

fn line(breach: &Breach) -> String {
    let Breach { rule, chat, turn, what } = breach;
    let chat = chat.map(|chat| format!(" chat {chat}")).unwrap_or_default();
    let turn = turn.map(|turn| format!(" turn {turn}")).unwrap_or_default();
    format!("{rule}:{chat}{turn}: {what}")
}

/// The chat, from what was said in the turn on.
fn as_it_stands(run: &Run, chat: i64, turn: Option<&StoredTurn>) -> String {
    let mut text = format!("--- chat {chat} as it stands:\n");
    let mut messages = run.sandbox.world().view(BOT, chat);
    match turn {
        Some(turn) => messages.retain(|message| message.message_id >= turn.message_id),
        None => drop(messages.drain(..messages.len().saturating_sub(LINES))),
    }
    for SeenMessage { message_id, author, text: said, .. } in messages.into_iter().take(LINES) {
        let who = if author == Author::Bot { "bot " } else { "user" };
        let said: String = said.replace('\n', " ").chars().take(100).collect();
        let _ = writeln!(text, "{message_id:>7} {who} {said}");
    }
    text
}

/// The turn, and those of its chat before it.
fn on_record(turns: &[StoredTurn], chat: i64, turn: Option<&StoredTurn>) -> String {
    let mut text = "--- on record:\n".to_owned();
    let Some(turn) = turn else { return text };
    let is_near = |other: &&StoredTurn| (turn.seq - 5..=turn.seq).contains(&other.seq);
    for other in turns.iter().filter(|other| other.chat == chat && other.topic == turn.topic).filter(is_near)
    {
        let StoredTurn { id, seq, session, kind, state, failure, messages, .. } = other;
        let said: Vec<_> = messages.iter().map(|message| (message.role, &message.content)).collect();
        let said: String = format!("{said:?}").chars().take(160).collect();
        let _ = writeln!(text, "  {seq} {id} {session} {kind:?} {state:?} {failure:?} {said}");
    }
    text
}

/// The chat's lines of every life in which the turn occurs.
fn flow(run: &Run, chat: i64, turn: Option<TurnId>) -> String {
    let mut text = String::new();
    let (chat, turn) = (chat.to_string(), turn.map(|turn| turn.to_string()));
    for life in 1..=run.lives.count {
        let lines = of_chat(run, life, &chat, turn.as_deref());
        let is_of = |line: &String| turn.as_ref().is_none_or(|turn| line.contains(turn));
        let first = lines.iter().position(is_of);
        let last = lines.iter().rposition(is_of);
        let Some((first, last)) = first.zip(last) else { continue };
        let _ = writeln!(text, "--- life {life}, which ended {}:", ending(run, life));
        for line in lines[first..=last].iter().take(LINES) {
            let _ = writeln!(text, "{line}");
        }
    }
    text
}

fn of_chat(run: &Run, life: usize, chat: &str, turn: Option<&str>) -> Vec<String> {
    let read = |what| {
        String::from_utf8_lossy(&fs::read(run.lives.path(life, what)).unwrap_or_default()).into_owned()
    };
    let is_of_chat = |line: &&str| {
        line.split_whitespace().any(|word| word.trim_start_matches("chat=") == chat)
            || turn.is_some_and(|turn| line.contains(turn))
    };
    let (flow, log) = (read("flow"), read("log"));
    log.lines().chain(flow.lines()).filter(is_of_chat).map(str::to_owned).collect()
}

fn ending(run: &Run, life: usize) -> String {
    match run.deaths.get(life - 1) {
        Some(death) => format!("with {} at {} ms, {:?}", death.status, death.at_ms, death.ending),
        None => "never".to_owned(),
    }
}
