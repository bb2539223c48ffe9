//! What follows from the figures, in words.

use serde::{Deserialize, Serialize};

use super::{Report, Used};

/// Above this, a core has no room left for the moments in which more comes than usual, in percent.
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

/// How much of its cores a side used, in percent, while most turns were open.
fn share(used: &Used) -> Option<f64> {
    Some(used.plateau_percent? / used.cores.max(1) as f64)
}

fn headline(report: &Report) -> (Holds, String) {
    let wrong = report.violations.count;
    if wrong > 0 {
        return (Holds::No, format!("No: even this load was not carried, {wrong} things went wrong."));
    }
    if report.load.is_flat_out {
        let rate = report.turns_per_s();
        let top = format!(
            "This is the top speed: {rate:.0} turns a second, because nobody paused; there is no twice."
        );
        return (Holds::Unknown, top);
    }
    let (Some(bot), simulators) = (share(&report.bot), share(&report.simulators).unwrap_or(0.0)) else {
        return (Holds::Unknown, "It can't be told: the bot's processor time could not be read.".to_owned());
    };
    if report.load.limits && report.counts.too_many_requests > 0 {
        return (Holds::No, "No: Telegram's limits are reached, whatever the bot could do.".to_owned());
    }
    if 2.0 * bot > FULL_PERCENT {
        return (
            Holds::No,
            format!("No: twice the load would need {:.0} % of the bot's {}.", 2.0 * bot, cores(&report.bot)),
        );
    }
    if 2.0 * simulators > FULL_PERCENT {
        let words = "The bot, probably yes; but the simulators would need a second machine to show it.";
        return (Holds::Unknown, words.to_owned());
    }
    (
        Holds::Yes,
        format!(
            "Yes: twice the load would need some {:.0} % of the bot's {}.",
            2.0 * bot,
            cores(&report.bot)
        ),
    )
}

fn cores(used: &Used) -> String {
    if used.cores == 1 { "core".to_owned() } else { format!("{} cores", used.cores) }
}

fn reasons(report: &Report) -> Vec<String> {
    [first_to_give(report), wrong(report), trust(report), held(report)].into_iter().flatten().collect()
}

fn first_to_give(report: &Report) -> Option<String> {
    let (bot, simulators) = (share(&report.bot)?, share(&report.simulators)?);
    let (bots, theirs) = (cores(&report.bot), cores(&report.simulators));
    Some(if bot >= simulators {
        format!(
            "What would give first is the bot: its {bots} stood at {bot:.0} % while most turns were open, \
             the simulators' {theirs} at {simulators:.0} %."
        )
    } else {
        format!(
            "What would give first is the measuring: the simulators' {theirs} stood at {simulators:.0} % while \
             most turns were open, the bot's {bots} at {bot:.0} %."
        )
    })
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
