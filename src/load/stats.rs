//! What is measured while it runs.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// The longest time that is told apart, in microseconds: an hour.
const LONGEST_US: u64 = 3_600_000_000;
/// Significant digits of a recorded time.
const DIGITS: u8 = 3;

/// A latency that is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Metric {
    /// From the question to "✓".
    CheckMark,
    /// From the question to the first chunk.
    FirstChunk,
    /// What the bot added to the first chunk: from the delta that filled it.
    Added,
    /// From the last delta to the last chunk.
    Tail,
    /// From the question to the last chunk.
    Turn,
    /// How late the simulated model was with its deltas: the measuring's own error.
    Late,
}

/// How many there are.
const METRICS: usize = 6;

/// Things that are counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counts {
    /// Questions asked.
    pub questions: u64,
    /// Turns that ended with the whole answer in the chat.
    pub turns: u64,
    /// Deltas that the model emitted.
    pub deltas: u64,
    /// Requests to the model.
    pub model_calls: u64,
    /// Calls of the Bot API about a chat.
    pub telegram_calls: u64,
    /// Of these, messages and edits, which Telegram counts over all chats.
    pub sends: u64,
    /// Of all calls, those answered 429.
    pub too_many_requests: u64,
    /// For how long chats had to be silent after a 429, all together, in milliseconds.
    pub held_ms: u64,
    /// Updates that the bot did not take at once: they were posted again.
    pub refused_updates: u64,
}

impl Counts {
    fn since(&self, before: &Self) -> Self {
        Self {
            questions: self.questions - before.questions,
            turns: self.turns - before.turns,
            deltas: self.deltas - before.deltas,
            model_calls: self.model_calls - before.model_calls,
            telegram_calls: self.telegram_calls - before.telegram_calls,
            sends: self.sends - before.sends,
            too_many_requests: self.too_many_requests - before.too_many_requests,
            held_ms: self.held_ms - before.held_ms,
            refused_updates: self.refused_updates - before.refused_updates,
        }
    }
}

/// What two processes used in a second.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    /// Of one core, in percent; none where it can't be told.
    pub bot_cpu_percent: Option<f64>,
    /// Of one core, in percent: the bot's busiest thread.
    pub bot_thread_percent: Option<f64>,
    /// Of one core, in percent: simulators, driver and judge.
    pub load_cpu_percent: Option<f64>,
    /// The bot's resident memory, in kilobytes.
    pub bot_rss_kb: Option<u64>,
    /// The bot's open file descriptors.
    pub bot_fds: Option<u64>,
}

/// One second of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Second {
    /// Its end, in seconds since the load began.
    pub at_s: f64,
    /// Turns that were open at its end.
    pub open_turns: u64,
    /// Turns that ended, for one second.
    pub turns_per_s: f64,
    /// Deltas emitted, for one second.
    pub deltas_per_s: f64,
    /// To the first chunk, the median, in milliseconds.
    pub first_chunk_p50_ms: Option<f64>,
    /// To the first chunk, in milliseconds: 99 of 100 were faster.
    pub first_chunk_p99_ms: Option<f64>,
    /// Added by the bot, the median, in milliseconds.
    pub added_p50_ms: Option<f64>,
    /// Added by the bot, in milliseconds: 99 of 100 were less.
    pub added_p99_ms: Option<f64>,
    /// How late the simulated model's deltas were, in milliseconds: 99 of 100 were less.
    pub late_p99_ms: Option<f64>,
    /// Messages and edits sent, for one second.
    pub sends_per_s: f64,
    /// 429s.
    pub too_many_requests: u64,
    /// Seconds for which chats were told to be silent.
    pub held_s: f64,
    /// What the processes used.
    #[serde(flatten)]
    pub usage: Usage,
}

/// What is measured.
#[derive(Debug)]
pub(crate) struct Stats {
    /// What was counted since the beginning.
    pub(crate) counts: Counts,
    /// Second by second.
    pub(crate) timeline: Vec<Second>,
    total: Vec<Histogram<u64>>,
    running: Vec<Histogram<u64>>,
    before: Counts,
}

impl Stats {
    pub(crate) fn new() -> Self {
        let histograms = || (0..METRICS).map(|_| histogram()).collect();
        Self {
            counts: Counts::default(),
            timeline: Vec::new(),
            total: histograms(),
            running: histograms(),
            before: Counts::default(),
        }
    }

    pub(crate) fn record(&mut self, metric: Metric, time: Duration) {
        let us = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        for kept in [&mut self.total, &mut self.running] {
            kept[metric as usize].saturating_record(us.max(1));
        }
    }

    /// All times of a kind since the beginning.
    pub(crate) fn of(&self, metric: Metric) -> &Histogram<u64> {
        &self.total[metric as usize]
    }

    /// Ends a second that was `length` long.
    pub(crate) fn close_second(&mut self, at: Duration, length: Duration, open_turns: u64, usage: Usage) {
        let gone = self.counts.since(&self.before);
        let length_s = length.as_secs_f64().max(0.001);
        let quantile = |metric: Metric, q: f64| quantile_ms(&self.running[metric as usize], q);
        self.timeline.push(Second {
            at_s: at.as_secs_f64(),
            open_turns,
            turns_per_s: gone.turns as f64 / length_s,
            deltas_per_s: gone.deltas as f64 / length_s,
            first_chunk_p50_ms: quantile(Metric::FirstChunk, 0.5),
            first_chunk_p99_ms: quantile(Metric::FirstChunk, 0.99),
            added_p50_ms: quantile(Metric::Added, 0.5),
            added_p99_ms: quantile(Metric::Added, 0.99),
            late_p99_ms: quantile(Metric::Late, 0.99),
            sends_per_s: gone.sends as f64 / length_s,
            too_many_requests: gone.too_many_requests,
            held_s: gone.held_ms as f64 / 1000.0,
            usage,
        });
        self.before = self.counts;
        self.running.iter_mut().for_each(Histogram::reset);
    }
}

fn histogram() -> Histogram<u64> {
    // The bounds are constants that are in range.
    Histogram::new_with_bounds(1, LONGEST_US, DIGITS).unwrap_or_else(|_| unreachable!("constant bounds"))
}

/// A quantile in milliseconds; none of nothing.
pub(crate) fn quantile_ms(histogram: &Histogram<u64>, quantile: f64) -> Option<f64> {
    (!histogram.is_empty()).then(|| histogram.value_at_quantile(quantile) as f64 / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_tells_of_itself_and_the_total_of_all() {
        let mut stats = Stats::new();
        let second = Duration::from_secs(1);
        for ms in [10, 20, 30] {
            stats.record(Metric::Added, Duration::from_millis(ms));
        }
        stats.counts.turns = 3;
        stats.close_second(second, second, 2, Usage::default());
        stats.record(Metric::Added, Duration::from_millis(500));
        stats.counts.turns = 4;
        stats.close_second(2 * second, second / 2, 1, Usage::default());

        let [first, next] = stats.timeline.as_slice() else { panic!("{:?}", stats.timeline) };
        assert_eq!((first.turns_per_s, first.open_turns), (3.0, 2));
        assert!((first.added_p50_ms.unwrap() - 20.0).abs() < 0.1, "{first:?}");
        assert_eq!((next.turns_per_s, first.first_chunk_p50_ms), (2.0, None));
        assert!((next.added_p50_ms.unwrap() - 500.0).abs() < 1.0, "{next:?}");
        assert_eq!(stats.of(Metric::Added).len(), 4);
    }

    #[test]
    fn times_beyond_all_measure_are_the_longest() {
        let mut stats = Stats::new();
        stats.record(Metric::Turn, Duration::from_secs(100_000));
        assert!(quantile_ms(stats.of(Metric::Turn), 1.0).unwrap() >= 3_599_000.0);
        assert_eq!(quantile_ms(stats.of(Metric::Tail), 0.5), None);
    }
}
