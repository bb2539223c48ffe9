//! What the two processes used.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Facts;
use crate::load::stats::{Second, Stats};

/// A second belongs to the plateau when so many of the most turns are open, in percent.
const PLATEAU_PERCENT: u64 = 80;

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
    /// How much it could be, in kilobytes.
    pub most_rss_kb: Option<u64>,
    /// The most open file descriptors.
    pub peak_fds: Option<u64>,
    /// How many there could be.
    pub most_fds: Option<u64>,
}

pub(super) fn bot_used(stats: &Stats, facts: &Facts<'_>) -> Used {
    let most = |of: fn(&Second) -> Option<u64>| stats.timeline.iter().filter_map(of).max();
    let open = stats.timeline.iter().map(|second| second.open_turns).max().unwrap_or(0);
    let peak_rss_kb = most(|second| second.usage.bot_rss_kb);
    let grown = peak_rss_kb.zip(facts.idle_rss_kb).map(|(peak, idle)| peak.saturating_sub(idle) as f64);
    Used {
        idle_rss_kb: facts.idle_rss_kb,
        peak_rss_kb,
        rss_kb_per_open_turn: grown.filter(|_| open > 0).map(|grown| grown / open as f64),
        most_rss_kb: facts.most_rss_kb,
        peak_fds: most(|second| second.usage.bot_fds),
        most_fds: facts.most_fds,
        plateau_percent: plateau(&stats.timeline, |second| second.usage.bot_cpu_percent),
        plateau_thread_percent: plateau(&stats.timeline, |second| second.usage.bot_thread_percent),
        ..cpu_used(stats, facts.bot_cpu, facts.bot_cores)
    }
}

pub(super) fn simulators_used(stats: &Stats, facts: &Facts<'_>) -> Used {
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
pub(super) fn plateau(timeline: &[Second], of: impl Fn(&Second) -> Option<f64>) -> Option<f64> {
    let most = timeline.iter().map(|second| second.open_turns).max()?;
    let on_it = timeline.iter().filter(|second| second.open_turns * 100 >= most * PLATEAU_PERCENT);
    let shares: Vec<f64> = on_it.filter_map(of).collect();
    (!shares.is_empty()).then(|| shares.iter().sum::<f64>() / shares.len() as f64)
}
