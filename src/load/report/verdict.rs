//! What follows from the figures, in words.

use serde::{Deserialize, Serialize};

use super::rows::number;
use super::used::plateau;
use super::{Report, Used};

/// Above this, a limit leaves no room for the moments in which more comes than usual, in percent.
const FULL_PERCENT: f64 = 85.0;
/// Below this, no limit is near, in percent.
const NEAR_PERCENT: f64 = 50.0;
/// What 1 of 100 has to wait for longer than that is too slow, in milliseconds.
const SLOW_MS: f64 = 1_000.0;
/// Deltas so late mean that the simulators had no time, in milliseconds.
const LATE_MS: f64 = 25.0;

/// Whether twice the load would be carried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Holds {
    /// It would.
    Yes,
    /// It would not.
    No,
    /// This run can't tell.
    #[default]
    Unknown,
}

/// What follows from a load test.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Verdict {
    /// Whether twice the load would be carried.
    pub holds_twice: Holds,
    /// In one sentence.
    pub headline: String,
    /// Why, and what else is to be said.
    pub reasons: Vec<String>,
}

impl Verdict {
    pub(super) fn on(report: &Report) -> Self {
        let (holds_twice, headline) = headline(report);
        Self { holds_twice, headline, reasons: reasons(report) }
    }
}

/// Something that has an end, and how near it was while most turns were open, in percent.
struct Limit {
    what: String,
    percent: f64,
}

impl Limit {
    fn new(what: impl Into<String>, percent: f64) -> Self {
        Self { what: what.into(), percent }
    }

    fn nearest(limits: Vec<Self>) -> Option<Self> {
        limits.into_iter().max_by(|one, other| one.percent.total_cmp(&other.percent))
    }
}

/// What the bot reaches first; none where nothing is known of it.
fn of_bot(report: &Report) -> Option<Limit> {
    let bot = &report.bot;
    let cores = bot.cores.max(1);
    let mut limits = vec![
        Limit::new(cores_of("the bot's", cores), bot.plateau_percent? / cores as f64),
        Limit::new("the bot's busiest thread", bot.plateau_thread_percent.unwrap_or(0.0)),
    ];
    let share = |used: Option<u64>, most: Option<u64>| {
        used.zip(most).map(|(used, most)| 100.0 * used as f64 / most.max(1) as f64)
    };
    let fds = share(bot.peak_fds, bot.most_fds);
    limits.extend(fds.map(|percent| Limit::new("the bot's limit of open files (ulimit -n)", percent)));
    let memory = share(bot.peak_rss_kb, bot.most_rss_kb);
    limits.extend(memory.map(|percent| Limit::new("the memory of the bot's machine", percent)));
    let sends = plateau(&report.timeline, |second| Some(second.sends_per_s));
    limits.extend(sends.zip(report.load.most_sends_per_s).map(|(sends, most)| {
        Limit::new(format!("Telegram's {most:.0} messages a second over all chats"), 100.0 * sends / most)
    }));
    Limit::nearest(limits)
}

/// What the measuring reaches first: beyond it, nothing can be told of the bot.
fn of_measuring(report: &Report) -> Option<Limit> {
    let simulators = report.simulators.plateau_percent?;
    let cores = report.bot.cores.max(1);
    let mut limits = vec![Limit::new("the simulators' core (the measuring itself)", simulators)];
    if report.shares_cores {
        let both = (report.bot.plateau_percent.unwrap_or(0.0) + simulators) / cores as f64;
        limits.push(Limit::new(cores_of("the machine, where bot and simulators share", cores), both));
    }
    Limit::nearest(limits)
}

fn cores_of(whose: &str, cores: usize) -> String {
    if cores == 1 { format!("{whose} core") } else { format!("{whose} {cores} cores") }
}

fn headline(report: &Report) -> (Holds, String) {
    let wrong = report.violations.count;
    if wrong > 0 {
        return (Holds::No, format!("No: even this load was not carried; wrong: {wrong}."));
    }
    if report.counts.turns == 0 {
        return (Holds::Unknown, "It can't be told: no question was answered.".to_owned());
    }
    if let Some(too_many) = too_many_questions(report) {
        return (Holds::Unknown, too_many);
    }
    let Some(bot) = of_bot(report) else {
        return (Holds::Unknown, "It can't be told: the bot's processor time could not be read.".to_owned());
    };
    let measuring = of_measuring(report);
    if report.load.is_flat_out {
        return (Holds::Unknown, top_speed(report, &bot, measuring.as_ref()));
    }
    if let Some(slow) = slow(report) {
        return (Holds::No, slow);
    }
    let is_full = |limit: &Limit| 2.0 * limit.percent > FULL_PERCENT;
    match measuring.filter(is_full) {
        _ if is_full(&bot) => {
            (Holds::No, format!("No: {} would have to stand at {:.0} %.", bot.what, 2.0 * bot.percent))
        }
        Some(Limit { what, percent }) => {
            let words =
                format!("This machine can't show it: {what} would have to stand at {:.0} %.", 2.0 * percent);
            (Holds::Unknown, words)
        }
        None => {
            (Holds::Yes, format!("Yes: {} would then stand at some {:.0} %.", bot.what, 2.0 * bot.percent))
        }
    }
}

/// A chat's questions are answered one after the other, so there is an end to how many can be.
fn too_many_questions(report: &Report) -> Option<String> {
    let (rate, most) = report.load.rate_per_s.zip(report.load.most_turns_per_s)?;
    (rate > most).then(|| {
        format!(
            "It can't be told: at the model's pace {} chats can be answered {} times a second, and {rate} questions \
             a second were asked. Give it more chats.",
            report.load.chats,
            number(Some(most))
        )
    })
}

fn top_speed(report: &Report, bot: &Limit, measuring: Option<&Limit>) -> String {
    let rate = report.turns_per_s();
    let percent = measuring.map_or(bot.percent, |measuring| measuring.percent.max(bot.percent));
    if percent < NEAR_PERCENT {
        return format!(
            "It can't be told: nobody paused, and nothing came near its end at {rate:.0} turns a second. Give it \
             more chats."
        );
    }
    format!("This is the top speed, {rate:.0} turns a second: nobody paused, so there is no twice.")
}

/// The bot is too slow already, whatever it is that it waits for. Where Telegram has limits or troubles,
/// waiting is no sign of that.
fn slow(report: &Report) -> Option<String> {
    let (of, load) = (&report.latencies, &report.load);
    if load.limits || load.faults || of.late.p99_ms.is_some_and(|late| late > LATE_MS) {
        return None;
    }
    let waits = [("\"✓\"", of.check_mark.p99_ms), ("the first words", of.added.p99_ms)];
    let (what, ms) = waits.into_iter().find_map(|(what, ms)| Some((what, ms.filter(|ms| *ms > SLOW_MS)?)))?;
    Some(format!("No: already 1 of 100 has to wait {:.1} s for {what} because of the bot.", ms / 1000.0))
}

fn reasons(report: &Report) -> Vec<String> {
    let interrupted =
        report.interrupted.then(|| "It was interrupted: what was under way was not judged.".to_owned());
    let not_looked_into = report.stored_right.is_none().then(|| "The store was not looked into.".to_owned());
    let all =
        [interrupted, first_to_give(report), wrong(report), trust(report), held(report), not_looked_into];
    all.into_iter().flatten().collect()
}

fn first_to_give(report: &Report) -> Option<String> {
    let Limit { what, percent } = of_bot(report)?;
    let side = |used: &Used| used.plateau_percent.map_or("-".to_owned(), |percent| format!("{percent:.0} %"));
    let sooner = of_measuring(report).filter(|measuring| measuring.percent > percent);
    let sooner = sooner.map_or_else(String::new, |measuring| {
        format!(" Here {} gives sooner, at {:.0} %.", measuring.what, measuring.percent)
    });
    Some(format!(
        "First to give: {what}, at {percent:.0} % while most turns were open.{sooner} In all the bot used {} of a \
         core, the simulators {}.",
        side(&report.bot),
        side(&report.simulators)
    ))
}

fn wrong(report: &Report) -> Option<String> {
    let kinds: Vec<_> =
        report.violations.by_kind.iter().map(|(kind, count)| format!("{count} × {kind}")).collect();
    (!kinds.is_empty()).then(|| format!("Wrong were: {}.", kinds.join(", ")))
}

fn trust(report: &Report) -> Option<String> {
    let late = report.latencies.late.p99_ms.filter(|late| *late > LATE_MS)?;
    let flat_out = report.load.is_flat_out;
    (!flat_out).then(|| {
        format!(
            "Take the latencies with care: 1 of 100 deltas left the simulated model more than {late:.0} ms late, \
             so the machine was too busy to measure well."
        )
    })
}

fn held(report: &Report) -> Option<String> {
    let (count, held_s) = (report.counts.too_many_requests, report.counts.held_ms as f64 / 1000.0);
    (count > 0)
        .then(|| format!("Telegram answered 429 {count} times and held chats for {held_s:.0} s in all."))
}
