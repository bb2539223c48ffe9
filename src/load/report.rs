//! What a load test found: as data, as a table, as a page.

mod latency;
mod page;
mod rows;
mod svg;
mod used;
mod verdict;

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::distribution::Distribution;
use super::hub::Hub;
use super::profile::Profile;
use super::stats::{Counts, Second, Stats};
use super::violations::Violations;
use used::{bot_used, simulators_used};

pub use latency::{Bar, Latencies, Latency};
pub use page::page;
pub use rows::table;
pub use used::Used;
pub use verdict::{Holds, Verdict};

/// What a load test found.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Report {
    /// The program's version.
    pub version: String,
    /// When it ended, in seconds since 1970.
    pub ended_at_s: u64,
    /// What was done.
    pub load: Load,
    /// How long it took, in seconds.
    pub took_s: f64,
    /// Somebody ended it before its time.
    #[serde(default)]
    pub interrupted: bool,
    /// What was counted.
    pub counts: Counts,
    /// How long things took.
    pub latencies: Latencies,
    /// What the bot used.
    pub bot: Used,
    /// What the simulators, the driver and the judge used.
    pub simulators: Used,
    /// Both might use the same cores.
    #[serde(default)]
    pub shares_cores: bool,
    /// From the bot's start until it took updates, in milliseconds.
    pub ready_ms: Option<f64>,
    /// Second by second.
    pub timeline: Vec<Second>,
    /// What must not have happened.
    pub violations: Violations,
    /// Turns that the store holds as it should; none where it was not looked into.
    pub stored_right: Option<u64>,
    /// What follows from it.
    pub verdict: Verdict,
}

/// What was done.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Load {
    /// The profile's name.
    pub profile: String,
    /// What the profile is about.
    pub about: String,
    /// Chats.
    pub chats: u64,
    /// Questions each chat was to ask.
    pub turns: Option<u32>,
    /// How long questions were asked, in seconds.
    pub duration_s: Option<f64>,
    /// Over which time the chats began, in seconds.
    pub ramp_s: f64,
    /// Questions a second where they waited for no answer.
    pub rate_per_s: Option<f64>,
    /// Questions a second that so many chats could have answered, each one after the other.
    #[serde(default)]
    pub most_turns_per_s: Option<f64>,
    /// What everything was drawn from.
    pub seed: u64,
    /// The distributions, in words, by name.
    pub drawn: Vec<(String, String)>,
    /// Nobody pauses: the questions come as fast as the answers.
    pub is_flat_out: bool,
    /// Telegram's limits were on.
    pub limits: bool,
    /// Messages and edits a second that Telegram then took over all chats.
    #[serde(default)]
    pub most_sends_per_s: Option<f64>,
    /// Troubles were on.
    pub faults: bool,
    /// The bot that was tested, in words: the program and what it was told.
    #[serde(default)]
    pub bot: String,
    /// Bot and simulators had a core each.
    #[serde(default)]
    pub is_pinned: bool,
}

/// What is known besides what was measured on the way.
#[derive(Debug)]
pub(super) struct Facts<'a> {
    pub(super) name: &'a str,
    pub(super) bot: String,
    pub(super) is_pinned: bool,
    pub(super) took: Duration,
    pub(super) interrupted: bool,
    pub(super) bot_cpu: Option<Duration>,
    pub(super) load_cpu: Option<Duration>,
    pub(super) bot_cores: usize,
    pub(super) shares_cores: bool,
    pub(super) idle_rss_kb: Option<u64>,
    pub(super) most_rss_kb: Option<u64>,
    pub(super) most_fds: Option<u64>,
    pub(super) ready: Option<Duration>,
    pub(super) stored: Option<u64>,
}

impl Report {
    pub(super) fn of(hub: &Hub, facts: &Facts<'_>) -> Self {
        let violations = hub.judge.borrow().violations.clone();
        Self::from_parts(&hub.stats.borrow(), &hub.profile, violations, facts)
    }

    fn from_parts(stats: &Stats, profile: &Profile, violations: Violations, facts: &Facts<'_>) -> Self {
        let mut report = Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            ended_at_s: super::webhook::now_s(),
            load: Load {
                bot: facts.bot.clone(),
                is_pinned: facts.is_pinned,
                ..Load::of(profile, facts.name)
            },
            interrupted: facts.interrupted,
            took_s: facts.took.as_secs_f64(),
            counts: stats.counts,
            latencies: Latencies::of(stats),
            bot: bot_used(stats, facts),
            simulators: simulators_used(stats, facts),
            shares_cores: facts.shares_cores,
            ready_ms: facts.ready.map(|ready| ready.as_secs_f64() * 1000.0),
            timeline: stats.timeline.clone(),
            violations,
            stored_right: facts.stored,
            verdict: Verdict::default(),
        };
        report.verdict = Verdict::on(&report);
        report
    }

    /// A report that was written as JSON before.
    ///
    /// # Errors
    /// Why it is none.
    pub fn read(json: &str) -> Result<Self, String> {
        serde_json::from_str(json).map_err(|error| format!("it is no report of a load test: {error}"))
    }

    /// Whether nothing wrong was seen.
    pub fn is_clean(&self) -> bool {
        self.violations.count == 0
    }

    /// Turns a second over the whole run.
    pub fn turns_per_s(&self) -> f64 {
        self.counts.turns as f64 / self.took_s.max(0.001)
    }

    /// Deltas a second over the whole run.
    pub fn deltas_per_s(&self) -> f64 {
        self.counts.deltas as f64 / self.took_s.max(0.001)
    }
}

impl Load {
    fn of(profile: &Profile, name: &str) -> Self {
        let model = &profile.model;
        let drawn = [
            ("think time, ms", &profile.think_ms),
            ("first token, ms", &model.first_ms),
            ("between deltas, ms", &model.gap_ms),
            ("deltas in an answer", &model.deltas),
            ("rounds of tools", &model.tool_rounds),
        ];
        let limits = profile.limits().unwrap_or_default();
        let most_sends = f64::from(limits.overall_messages) * 1000.0 / limits.overall_per_ms.max(1) as f64;
        let deltas_ms = model.gap_ms.mean() * (model.deltas.mean() - 1.0).max(0.0);
        let answer_ms = model.first_ms.mean() * (1.0 + model.tool_rounds.mean()) + deltas_ms;
        let is_nothing = |distribution: &Distribution| distribution.mean() == 0.0;
        Self {
            profile: name.to_owned(),
            about: profile.about.clone(),
            chats: profile.chats,
            turns: profile.turns,
            duration_s: profile.duration_s,
            ramp_s: profile.ramp_s,
            rate_per_s: profile.rate_per_s,
            most_turns_per_s: Some(1000.0 * profile.chats as f64 / answer_ms).filter(|most| most.is_finite()),
            seed: profile.seed,
            drawn: drawn.map(|(name, distribution)| (name.to_owned(), distribution.to_string())).into(),
            is_flat_out: profile.rate_per_s.is_none()
                && is_nothing(&profile.think_ms)
                && is_nothing(&model.first_ms)
                && is_nothing(&model.gap_ms),
            limits: limits.on,
            most_sends_per_s: Some(most_sends).filter(|most| limits.on && *most > 0.0),
            faults: profile.faults != crate::sandbox::telegram::Chaos::default(),
            bot: String::new(),
            is_pinned: false,
        }
    }
}

impl Load {
    /// In what it differs from another, so that figures of the two can't be compared without thinking.
    fn differs_from(&self, other: &Self) -> Vec<&'static str> {
        let pairs = [
            ("the profile", self.profile != other.profile),
            ("the chats", self.chats != other.chats),
            ("the questions of each", self.turns != other.turns),
            ("the duration", self.duration_s != other.duration_s),
            ("the ramp", self.ramp_s != other.ramp_s),
            ("the rate", self.rate_per_s != other.rate_per_s),
            ("the pace", self.drawn != other.drawn),
            (
                "Telegram's limits",
                (self.limits, self.most_sends_per_s) != (other.limits, other.most_sends_per_s),
            ),
            ("the faults", self.faults != other.faults),
            // Reports of before that did not say.
            ("the bot", !other.bot.is_empty() && self.bot != other.bot),
            ("the cores", !other.bot.is_empty() && self.is_pinned != other.is_pinned),
        ];
        pairs.into_iter().filter_map(|(what, differs)| differs.then_some(what)).collect()
    }
}

/// What a run is set beside.
fn baseline_named(report: &Report, baseline: &Report) -> String {
    let load = &baseline.load;
    let ended_at = i64::try_from(baseline.ended_at_s).ok().and_then(|at| Timestamp::from_second(at).ok());
    let ended_at = ended_at.map_or_else(|| "unknown".to_owned(), |at| at.to_string());
    let differs = report.load.differs_from(load);
    let differs = match differs.as_slice() {
        [] => String::new(),
        all => {
            format!(" It did something else, so read the ratios with care; different are {}.", all.join(", "))
        }
    };
    format!(
        "Baseline: profile {}, {} chats, seed {}, brigade {}, ended at {ended_at}.{differs}",
        load.profile, load.chats, load.seed, baseline.version
    )
}

#[cfg(test)]
mod tests;
