//! What follows from the figures, in words.

use serde::{Deserialize, Serialize};

use super::used::plateau;
use super::{Report, Used};

/// Above this, a limit leaves no room for the moments in which more comes than usual, in percent.
const FULL_PERCENT: f64 = 85.0;
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
    /// It is the measuring's end and not the bot's.
    is_ours: bool,
}

/// The limit that is reached first; none where nothing is known of the bot.
fn nearest(report: &Report) -> Option<Limit> {
    let (bot, simulators) = (&report.bot, &report.simulators);
    let (of_bot, of_simulators) = (bot.plateau_percent?, simulators.plateau_percent.unwrap_or(0.0));
    let cores = bot.cores.max(1);
    let limit = |what: String, percent: f64, is_ours: bool| Limit { what, percent, is_ours };
    let mut limits = vec![
        limit(cores_of("the bot's", cores), of_bot / cores as f64, false),
        limit("the bot's busiest thread".to_owned(), bot.plateau_thread_percent.unwrap_or(0.0), false),
        limit("the simulators' core (the measuring itself)".to_owned(), of_simulators, true),
    ];
    if report.shares_cores {
        let both = (of_bot + of_simulators) / cores as f64;
        let what = cores_of("the machine, where bot and simulators share", cores);
        limits.push(limit(what, both, of_simulators > of_bot));
    }
    let sends = plateau(&report.timeline, |second| Some(second.sends_per_s));
    if let Some((sends, most)) = sends.zip(report.load.most_sends_per_s) {
        limits.push(limit(
            format!("Telegram's {most:.0} messages a second over all chats"),
            100.0 * sends / most,
            false,
        ));
    }
    limits.into_iter().max_by(|one, other| one.percent.total_cmp(&other.percent))
}

fn cores_of(whose: &str, cores: usize) -> String {
    if cores == 1 { format!("{whose} core") } else { format!("{whose} {cores} cores") }
}

fn headline(report: &Report) -> (Holds, String) {
    let wrong = report.violations.count;
    if wrong > 0 {
        return (Holds::No, format!("No: even this load was not carried; wrong: {wrong}."));
    }
    if report.load.limits && report.counts.too_many_requests > 0 {
        return (Holds::No, "No: Telegram's limits are reached, whatever the bot could do.".to_owned());
    }
    let Some(Limit { what, percent, is_ours }) = nearest(report) else {
        return (Holds::Unknown, "It can't be told: the bot's processor time could not be read.".to_owned());
    };
    let twice = 2.0 * percent;
    if report.load.is_flat_out {
        let rate = report.turns_per_s();
        let top =
            format!("This is the top speed, {rate:.0} turns a second: nobody paused, so there is no twice.");
        return (Holds::Unknown, top);
    }
    match (twice > FULL_PERCENT, is_ours) {
        (false, _) => (Holds::Yes, format!("Yes: {what} would then stand at some {twice:.0} %.")),
        (true, true) => {
            let words = format!("This machine can't show it: {what} would have to stand at {twice:.0} %.");
            (Holds::Unknown, words)
        }
        (true, false) => (Holds::No, format!("No: {what} would have to stand at {twice:.0} %.")),
    }
}

fn reasons(report: &Report) -> Vec<String> {
    let interrupted =
        report.interrupted.then(|| "It was interrupted: what was under way was not judged.".to_owned());
    let all = [interrupted, first_to_give(report), wrong(report), trust(report), held(report)];
    all.into_iter().flatten().collect()
}

fn first_to_give(report: &Report) -> Option<String> {
    let Limit { what, percent, .. } = nearest(report)?;
    let side = |used: &Used| used.plateau_percent.map_or("-".to_owned(), |percent| format!("{percent:.0} %"));
    Some(format!(
        "First to give: {what}, at {percent:.0} % while most turns were open. In all the bot used {} of a core, the \
         simulators {}.",
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
