//! Plays a scenario in paused time.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::task::LocalSet;
use tokio::time::Instant;

use super::file::{Model, Scenario, Telegram, Then, When};
use super::tools::toolbox;
use crate::app::{count_panic, topology};
use crate::domain::chat::{Role, ToolCall};
use crate::domain::record::{State, StoredTurn};
use crate::edge::llm::Request;
use crate::flow::FlowLine;
use crate::sandbox::model::failure::Failure;
use crate::sandbox::model::memory::MemoryModel;
use crate::sandbox::model::script::{Script, Step};
use crate::sandbox::telegram::faults::{Fault, Trouble};
use crate::sandbox::telegram::memory::MemoryTelegram;
use crate::sandbox::telegram::{Attachment, CallRecord, ChatEvent, SeenMessage};
use crate::testing::{BOT, House, Recorded, in_paused_time, in_paused_time_with_words};

/// The person who writes in every scenario.
const USER: i64 = 7;

/// Virtual time after which a turn that has not ended never will.
const PATIENCE: Duration = Duration::from_secs(60 * 60);

/// What a scenario gave.
#[derive(Debug)]
pub struct Played {
    /// What the scenario shows, and whom of.
    pub about: String,
    pub(super) show_only: Option<i64>,
    /// Every message between stations.
    pub flow: Vec<FlowLine>,
    /// Everything that the chats showed.
    pub journal: Vec<ChatEvent>,
    /// What stands in the chats at the end.
    pub on_screen: Vec<(i64, Vec<SeenMessage>)>,
    /// Calls that Telegram got.
    pub calls: usize,
    /// The turns on record.
    pub turns: Vec<StoredTurn>,
    /// What is wrong whatever the scenario shows: see [`Recorded::problems`] and the invariants.
    ///
    /// [`Recorded::problems`]: crate::testing::Recorded::problems
    pub problems: Vec<String>,
}

/// Plays a scenario.
///
/// # Errors
/// A text that says what in the scenario can't be played.
pub fn play(scenario: &Scenario) -> Result<Played, String> {
    let house = the_house(scenario)?;
    Ok(judged(scenario, in_paused_time(house)))
}

/// As [`play`], with the words of the user and the model in the flow.
///
/// # Errors
/// As [`play`].
pub fn play_with_words(scenario: &Scenario) -> Result<Played, String> {
    let house = the_house(scenario)?;
    Ok(judged(scenario, in_paused_time_with_words(house)))
}

/// The house that went through the scenario, and whether all its turns ended.
fn the_house(scenario: &Scenario) -> Result<impl Future<Output = (House, bool)>, String> {
    let config = scenario.config()?;
    let limits = scenario.limits()?;
    Ok(async move {
        let telegram = MemoryTelegram::new().with_latency_ms(scenario.telegram_latency_ms);
        telegram.set_limits(limits);
        telegram.set_chaos(scenario.telegram_chaos);
        scenario.telegram.iter().filter_map(fault).for_each(|fault| telegram.fault(fault));
        let mut house = House::new(config, telegram, model(&scenario.model), toolbox());
        let ended = run(&mut house, &scenario.when).await;
        (house, ended)
    })
}

fn judged(scenario: &Scenario, recorded: Recorded<(House, bool)>) -> Played {
    let mut problems = recorded.problems();
    let (house, ended) = recorded.result;
    problems.retain(|problem| !is_expected(scenario, problem));
    problems.extend(recorded.flow.iter().filter_map(unlisted));
    let turns = house.store.all();
    if !scenario.expect.unfinished {
        problems.extend((!ended).then(|| "turns were still in flight at the end".to_owned()));
        problems.extend(turns.iter().filter_map(unfinished));
    }
    problems.extend(turns.iter().filter_map(|turn| written_twice(&house, turn)));
    problems.extend(house.telegram.calls().iter().filter_map(too_early));
    let mut chats: Vec<i64> = turns.iter().map(|turn| turn.chat).collect();
    chats.dedup();
    let on_screen = chats.iter().map(|chat| (*chat, house.telegram.view(House::key(*chat, None)))).collect();
    Played {
        about: scenario.about.clone(),
        show_only: scenario.show_only,
        flow: recorded.flow,
        journal: house.telegram.journal(),
        calls: house.telegram.calls().len(),
        on_screen,
        turns,
        problems,
    }
}

fn is_expected(scenario: &Scenario, problem: &str) -> bool {
    scenario.expect.panics.iter().any(|station| problem == format!("{station} panicked"))
}

fn unlisted(line: &FlowLine) -> Option<String> {
    let (from, to) = line.roles();
    let name = line.name.as_deref()?;
    let listed = topology::is_listed(from, name, to);
    (!listed).then(|| format!("{from} told {to} {name}, an edge that app::topology does not list"))
}

fn unfinished(turn: &StoredTurn) -> Option<String> {
    let ended = matches!(turn.state, State::Delivered | State::Failed);
    (!ended).then(|| format!("turn {} is only {}", turn.id, turn.state.as_str()))
}

fn written_twice(house: &House, turn: &StoredTurn) -> Option<String> {
    let times = house.store.answers_written(turn.id);
    (times > 1 && !turn.stopped).then(|| format!("the answer of turn {} was written {times} times", turn.id))
}

/// A call that was made although Telegram had asked to wait. Without limits there are none.
fn too_early(call: &CallRecord) -> Option<String> {
    let budget = call.refused_by.filter(|_| call.inside_window)?;
    let (method, chat, at_ms) = (&call.method, call.chat.unwrap_or_default(), call.at_ms);
    Some(format!("{method} to chat {chat} at {at_ms} ms was inside a flood window of {budget:?}"))
}

/// Each life of the process has a `LocalSet` of its own: dropping it is the kill.
async fn run(house: &mut House, when: &[When]) -> bool {
    let began = Instant::now();
    let mut rest = when;
    loop {
        let life = LocalSet::new();
        let (left, end) = life.run_until(live(house, rest, began)).await;
        drop(life);
        match end {
            End::Over(ended) => return ended,
            End::Down(until) => {
                rest = left;
                tokio::time::sleep_until(until).await;
            }
        }
    }
}

enum End {
    /// The scenario is over; whether all turns ended.
    Over(bool),
    /// The process has ended, and starts again then.
    Down(Instant),
}

async fn live<'a>(house: &mut House, when: &'a [When], began: Instant) -> (&'a [When], End) {
    house.start().await;
    for (position, event) in when.iter().enumerate() {
        tokio::time::sleep_until(began + Duration::from_millis(event.at_ms)).await;
        let rest = &when[position + 1..];
        for _ in 0..event.server_panics {
            // A store in memory answers at once, unless it is away.
            let _away = count_panic(&house.store, BOT).await;
        }
        if event.kill || event.stop || event.server_panics > 0 {
            let grace = Duration::from_millis(if event.stop { house.config.shutdown.grace_ms } else { 0 });
            let ended = house.stop(grace).await;
            let Some(start) = rest.iter().position(|event| event.start) else {
                return (rest, End::Over(ended));
            };
            let down_until = began + Duration::from_millis(rest[start].at_ms);
            return (&rest[start + 1..], End::Down(down_until));
        }
        happen(house, event);
    }
    house.settled(PATIENCE).await;
    (&[], End::Over(house.stop(PATIENCE).await))
}

fn happen(house: &House, event: &When) {
    if let Some(away) = event.store_is_away {
        house.store.set_away(away);
    }
    for chat in event.chat..event.chat + event.chats {
        let key = House::key(chat, event.topic);
        if let Some(blocks) = event.user_blocks_bot {
            house.telegram.world().with(|world, now| world.block(now, key.bot, chat, blocks));
        }
        if let Some(text) = &event.user_says {
            deliver(house, house.telegram.say(key, USER, text));
        }
        if let Some(what) = &event.user_sends {
            deliver(house, house.telegram.send(key, USER, attachment(what)));
        }
        if event.user_stops_draft {
            deliver(house, house.telegram.stop_draft(key));
        }
        if event.update_comes_again {
            house.deliver_again(chat);
        }
    }
}

/// Hands an update in, twice where the chaos wants it.
fn deliver(house: &House, update: Value) {
    let twice = house.telegram.comes_twice(BOT, &update);
    house.deliver(update.clone());
    if twice {
        house.deliver(update);
    }
}

fn attachment(what: &str) -> Attachment {
    match what {
        "sticker" => Attachment::Sticker,
        "voice" => Attachment::Voice,
        _ => Attachment::Photo,
    }
}

fn model(scripts: &[Model]) -> MemoryModel {
    let unused: Mutex<Vec<Model>> = Mutex::new(scripts.to_vec());
    let unused = Arc::new(unused);
    MemoryModel::choosing(move |request| {
        let mut unused = unused.lock().unwrap_or_else(PoisonError::into_inner);
        let position = unused.iter().position(|script| fits(script, request));
        match position {
            Some(position) if unused[position].every_time => script(&unused[position]),
            Some(position) => script(&unused.remove(position)),
            None => Script::failure(Failure::of_status(500)),
        }
    })
}

fn fits(script: &Model, request: &Request) -> bool {
    let Some(to) = &script.to else { return true };
    let question = request.messages.iter().rfind(|message| message.role == Role::User);
    question.and_then(|message| message.content.as_deref()).is_some_and(|text| text.contains(to.as_str()))
}

fn script(model: &Model) -> Script {
    if let Some(status) = model.refuses {
        return Script::failure(Failure::of_status(status)).first_ms(model.after_ms);
    }
    let calls = model.calls.iter().enumerate();
    let calls: Vec<_> = calls
        .map(|(number, call)| ToolCall::function(format!("call_{}", number + 1), &call.tool, &call.arguments))
        .collect();
    let mut script = Script::deltas(deltas(model));
    if !calls.is_empty() {
        let text = script.steps.iter().filter(|(_, step)| matches!(step, Step::Delta(_))).cloned();
        let mut steps: Vec<_> = text.collect();
        let mut tools = Script::tools(&calls);
        steps.append(&mut tools.steps);
        script.steps = steps;
    }
    let mut script = script.first_ms(model.after_ms).gap_ms(model.every_ms);
    script = match (model.then, &model.finish_reason) {
        (Then::End, None) => script,
        (Then::End, Some(reason)) => script.ending(Step::End { finish_reason: reason.clone() }),
        (Then::Break, _) => script.ending(Step::Break),
        (Then::Hang, _) => script.ending(Step::Hang),
        (Then::Garbage, _) => script.ending(Step::Garbage),
    };
    script
}

fn deltas(model: &Model) -> Vec<String> {
    let Some(chars) = model.chars else { return model.says.clone() };
    let words = (1..).map(|number| format!("word{number} "));
    let text: Vec<char> = words.flat_map(|word| word.chars().collect::<Vec<_>>()).take(chars).collect();
    let mut deltas: Vec<String> =
        text.chunks(model.delta_chars.max(1)).map(|delta| delta.iter().collect()).collect();
    // A space at the end would be dropped as white space is; the answer shall have `chars`.
    if let Some(last) = deltas.last_mut()
        && last.ends_with(' ')
    {
        last.pop();
        last.push('.');
    }
    deltas
}

fn fault(trouble: &Telegram) -> Option<Fault> {
    let what = if let Some(seconds) = trouble.retry_after_s {
        Trouble::RetryAfter(seconds)
    } else if let Some(ms) = trouble.slow_ms {
        Trouble::Slow(ms)
    } else if let Some(text) = &trouble.forbidden {
        Trouble::Forbidden(text.clone())
    } else if let Some(text) = &trouble.bad_request {
        Trouble::BadRequest(text.clone())
    } else if let Some(status) = trouble.server_error {
        Trouble::Server(status)
    } else if let Some(chat) = trouble.migrated_to {
        Trouble::Migrated(chat)
    } else if trouble.lost_reply {
        Trouble::LostReply
    } else if trouble.unreachable {
        Trouble::Unreachable
    } else {
        return None;
    };
    let count = |number: i64| u64::try_from(number).unwrap_or(1);
    Some(Fault {
        method: trouble.method.clone(),
        chat: trouble.chat,
        after: count(trouble.nth - 1),
        times: count(trouble.times),
        trouble: what,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two answers to one chat within a second.
    const HASTY: &str = r#"
        about = "x"
        [[when]]
        at_ms = 0
        user_says = "a"
        [[model]]
        every_time = true
        says = ["Hello."]
    "#;

    fn played(more: &str) -> Result<Played, String> {
        play(&Scenario::parse(&format!("{more}\n{HASTY}"))?)
    }

    #[test]
    fn limits_and_chaos_are_read_and_played() {
        let plain = played("").expect("it plays");
        assert_eq!(plain.problems, Vec::<String>::new());
        let limited = played("telegram_limits = \"telegram\"").expect("it plays");
        assert_eq!((limited.problems, limited.journal), (plain.problems, plain.journal));
        let doubled = "telegram_chaos = { seed = 1, doubled_webhook_percent = 100 }";
        assert_eq!(played(doubled).expect("it plays").turns.len(), 1);
        assert!(played("telegram_limits = \"mild\"").is_err_and(|error| error.contains("mild")));
        assert!(played("telegram_chaos = { sed = 1 }").is_err_and(|error| error.contains("sed")));
    }

    #[test]
    fn a_call_inside_a_window_is_a_problem() {
        let mut call = CallRecord {
            at_ms: 5,
            bot: BOT,
            method: "sendMessage".into(),
            chat: Some(42),
            status: 429,
            inside_window: true,
            refused_by: Some(crate::sandbox::telegram::Budget::Messages),
        };
        let problem = "sendMessage to chat 42 at 5 ms was inside a flood window of Messages";
        assert_eq!(too_early(&call).as_deref(), Some(problem));
        call.inside_window = false;
        assert_eq!(too_early(&call), None);
    }
}
