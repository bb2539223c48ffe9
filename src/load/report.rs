//! What a load test found: as data, as a table, as a page.

mod page;
mod rows;
mod svg;
mod verdict;

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use super::distribution::Distribution;
use super::hub::Hub;
use super::judge::Violations;
use super::profile::Profile;
use super::stats::{Counts, Metric, Second, Stats, quantile_ms};

pub use page::page;
pub use rows::table;
pub use verdict::{Holds, Verdict};

/// Bars of a histogram to a power of ten.
pub(super) const BARS_PER_DECADE: i32 = 50;
/// A second belongs to the plateau when so many of the most turns are open, in percent.
const PLATEAU_PERCENT: u64 = 80;

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
}

/// How long things took.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Latencies {
    /// From the question to "✓".
    pub check_mark: Latency,
    /// From the question to the first chunk.
    pub first_chunk: Latency,
    /// From the delta that filled the first chunk to the chunk.
    pub added: Latency,
    /// From the last delta to the last chunk.
    pub tail: Latency,
    /// From the question to the last chunk.
    pub turn: Latency,
    /// From when a delta was due to when the simulated model emitted it.
    pub late: Latency,
}

/// How long one thing took, in milliseconds.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Latency {
    /// How often it was measured.
    pub count: u64,
    /// The mean.
    pub mean_ms: Option<f64>,
    /// Half were faster.
    pub p50_ms: Option<f64>,
    /// 9 of 10 were faster.
    pub p90_ms: Option<f64>,
    /// 99 of 100 were faster.
    pub p99_ms: Option<f64>,
    /// 999 of 1000 were faster.
    pub p999_ms: Option<f64>,
    /// The slowest.
    pub max_ms: Option<f64>,
    /// How often it took how long, on a logarithmic scale.
    pub bars: Vec<Bar>,
}

/// A bar of a histogram.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Bar {
    /// From here on, in milliseconds.
    pub from_ms: f64,
    /// To below here, in milliseconds.
    pub to_ms: f64,
    /// How often.
    pub count: u64,
}

/// What a process used.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Used {
    /// Cores that it might use.
    pub cores: usize,
    /// Processor time, in seconds.
    pub cpu_s: Option<f64>,
    /// Processor time for a turn, in milliseconds.
    pub cpu_ms_per_turn: Option<f64>,
    /// Processor time for a delta, in microseconds.
    pub cpu_us_per_delta: Option<f64>,
    /// While most turns were open: of one core, in percent.
    pub plateau_percent: Option<f64>,
    /// The same of the bot's busiest thread.
    pub plateau_thread_percent: Option<f64>,
    /// Resident memory before the first question, in kilobytes.
    pub idle_rss_kb: Option<u64>,
    /// The most resident memory, in kilobytes.
    pub peak_rss_kb: Option<u64>,
    /// What the memory grew by for each turn that was open at once, in kilobytes.
    pub rss_kb_per_open_turn: Option<f64>,
    /// The most open file descriptors.
    pub peak_fds: Option<u64>,
}

/// What is known besides what was measured on the way.
#[derive(Debug)]
pub(super) struct Facts<'a> {
    pub(super) name: &'a str,
    pub(super) took: Duration,
    pub(super) interrupted: bool,
    pub(super) bot_cpu: Option<Duration>,
    pub(super) load_cpu: Option<Duration>,
    pub(super) bot_cores: usize,
    pub(super) shares_cores: bool,
    pub(super) idle_rss_kb: Option<u64>,
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
            load: Load::of(profile, facts.name),
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
        let is_nothing = |distribution: &Distribution| distribution.mean() == 0.0;
        Self {
            profile: name.to_owned(),
            about: profile.about.clone(),
            chats: profile.chats,
            turns: profile.turns,
            duration_s: profile.duration_s,
            ramp_s: profile.ramp_s,
            rate_per_s: profile.rate_per_s,
            seed: profile.seed,
            drawn: drawn.map(|(name, distribution)| (name.to_owned(), distribution.to_string())).into(),
            is_flat_out: profile.rate_per_s.is_none()
                && is_nothing(&profile.think_ms)
                && is_nothing(&model.gap_ms),
            limits: limits.on,
            most_sends_per_s: Some(most_sends).filter(|most| limits.on && *most > 0.0),
            faults: profile.faults != crate::sandbox::telegram::Chaos::default(),
        }
    }
}

impl Latencies {
    fn of(stats: &Stats) -> Self {
        let of = |metric| Latency::of(stats.of(metric));
        Self {
            check_mark: of(Metric::CheckMark),
            first_chunk: of(Metric::FirstChunk),
            added: of(Metric::Added),
            tail: of(Metric::Tail),
            turn: of(Metric::Turn),
            late: of(Metric::Late),
        }
    }
}

impl Latency {
    pub(super) fn of(histogram: &Histogram<u64>) -> Self {
        let quantile = |q| quantile_ms(histogram, q);
        Self {
            count: histogram.len(),
            mean_ms: (!histogram.is_empty()).then(|| histogram.mean() / 1000.0),
            p50_ms: quantile(0.5),
            p90_ms: quantile(0.9),
            p99_ms: quantile(0.99),
            p999_ms: quantile(0.999),
            max_ms: quantile(1.0),
            bars: bars(histogram),
        }
    }
}

/// From the fastest to the slowest, the empty ones between them too.
fn bars(histogram: &Histogram<u64>) -> Vec<Bar> {
    if histogram.is_empty() {
        return Vec::new();
    }
    let place = |us: u64| ((us.max(1) as f64).log10() * f64::from(BARS_PER_DECADE)).floor() as i32;
    let edge = |place: i32| 10_f64.powf(f64::from(place) / f64::from(BARS_PER_DECADE));
    let mut bars: Vec<Bar> = (place(histogram.min())..=place(histogram.max()))
        .map(|at| Bar { from_ms: edge(at) / 1000.0, to_ms: edge(at + 1) / 1000.0, count: 0 })
        .collect();
    for recorded in histogram.iter_recorded() {
        let at = place(recorded.value_iterated_to()) - place(histogram.min());
        let last = bars.len() - 1;
        bars[usize::try_from(at).unwrap_or(0).min(last)].count += recorded.count_at_value();
    }
    bars
}

fn bot_used(stats: &Stats, facts: &Facts<'_>) -> Used {
    let most = |of: fn(&Second) -> Option<u64>| stats.timeline.iter().filter_map(of).max();
    let open = stats.timeline.iter().map(|second| second.open_turns).max().unwrap_or(0);
    let peak_rss_kb = most(|second| second.usage.bot_rss_kb);
    let grown = peak_rss_kb.zip(facts.idle_rss_kb).map(|(peak, idle)| peak.saturating_sub(idle) as f64);
    Used {
        idle_rss_kb: facts.idle_rss_kb,
        peak_rss_kb,
        rss_kb_per_open_turn: grown.filter(|_| open > 0).map(|grown| grown / open as f64),
        peak_fds: most(|second| second.usage.bot_fds),
        plateau_percent: plateau(&stats.timeline, |second| second.usage.bot_cpu_percent),
        plateau_thread_percent: plateau(&stats.timeline, |second| second.usage.bot_thread_percent),
        ..cpu_used(stats, facts.bot_cpu, facts.bot_cores)
    }
}

fn simulators_used(stats: &Stats, facts: &Facts<'_>) -> Used {
    Used {
        plateau_percent: plateau(&stats.timeline, |second| second.usage.load_cpu_percent),
        ..cpu_used(stats, facts.load_cpu, 1)
    }
}

fn cpu_used(stats: &Stats, cpu: Option<Duration>, cores: usize) -> Used {
    let cpu_s = cpu.map(|cpu| cpu.as_secs_f64());
    let per = |count: u64| cpu_s.filter(|_| count > 0).map(|cpu_s| cpu_s / count as f64);
    Used {
        cores,
        cpu_s,
        cpu_ms_per_turn: per(stats.counts.turns).map(|s| s * 1e3),
        cpu_us_per_delta: per(stats.counts.deltas).map(|s| s * 1e6),
        ..Used::default()
    }
}

/// The mean over the seconds in which most turns were open.
fn plateau(timeline: &[Second], of: impl Fn(&Second) -> Option<f64>) -> Option<f64> {
    let most = timeline.iter().map(|second| second.open_turns).max()?;
    let on_it = timeline.iter().filter(|second| second.open_turns * 100 >= most * PLATEAU_PERCENT);
    let shares: Vec<f64> = on_it.filter_map(of).collect();
    (!shares.is_empty()).then(|| shares.iter().sum::<f64>() / shares.len() as f64)
}

#[cfg(test)]
mod tests;
