//! How long things took.

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::load::stats::{Metric, Stats, quantile_ms};

/// Bars of a histogram to a power of ten.
pub(super) const BARS_PER_DECADE: i32 = 50;

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

impl Latencies {
    pub(super) fn of(stats: &Stats) -> Self {
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
