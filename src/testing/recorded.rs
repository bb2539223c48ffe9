//! Work under paused time, with its flow recorded.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::task::LocalSet;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};

use crate::app::STATIONS;
use crate::flow::{FlowLayer, FlowLine};

/// What some work gave, and what passed between stations meanwhile.
#[derive(Debug)]
pub struct Recorded<T> {
    /// What the work returned.
    pub result: T,
    /// The lines of the flow, in order.
    pub flow: Vec<FlowLine>,
    /// Stations that panicked.
    pub panicked: Vec<String>,
    /// Stations that had not ended when the work had.
    pub alive: Vec<String>,
}

impl<T> Recorded<T> {
    /// What is wrong whatever the work was for: stations that panicked or never ended, messages
    /// that nobody took.
    pub fn problems(&self) -> Vec<String> {
        let panicked = self.panicked.iter().map(|station| format!("{station} panicked"));
        let alive = self.alive.iter().map(|station| format!("{station} still lives"));
        let undelivered = self.flow.iter().filter(|line| line.line.starts_with("undelivered"));
        panicked.chain(alive).chain(undelivered.map(|line| line.to_string().trim().to_owned())).collect()
    }
}

/// Runs `work` on a runtime of its own whose time is paused, inside a `LocalSet`, and records the
/// flow without the words of the user and the model. Stations get time to end after the work.
pub fn in_paused_time<T>(work: impl Future<Output = T>) -> Recorded<T> {
    record(LevelFilter::DEBUG, work)
}

/// As [`in_paused_time`], with the words of the user and the model in the flow.
pub fn in_paused_time_with_words<T>(work: impl Future<Output = T>) -> Recorded<T> {
    record(LevelFilter::TRACE, work)
}

fn record<T>(level: LevelFilter, work: impl Future<Output = T>) -> Recorded<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let runtime = runtime.expect("a runtime with nothing but time can always be made");
    let _entered = runtime.enter();
    let flow = Arc::new(Mutex::new(Vec::new()));
    let lives = Arc::new(Mutex::new(Lives::default()));
    let lines = flow.clone();
    let subscriber = tracing_subscriber::registry()
        .with(FlowLayer::new(move |line| locked(&lines).push(line)))
        .with(LivesLayer(lives.clone()))
        .with(level);
    let result = tracing::subscriber::with_default(subscriber, || {
        let stations = LocalSet::new();
        let result = stations.block_on(&runtime, work);
        stations.block_on(&runtime, tokio::time::sleep(std::time::Duration::from_millis(1)));
        result
    });
    let Lives { alive, panicked } = std::mem::take(&mut *locked(&lives));
    let flow = std::mem::take(&mut *locked(&flow));
    Recorded { result, flow, panicked, alive: alive.into_iter().collect() }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Default)]
struct Lives {
    alive: BTreeSet<String>,
    panicked: Vec<String>,
}

struct LivesLayer(Arc<Mutex<Lives>>);

impl<S: Subscriber> Layer<S> for LivesLayer {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() != STATIONS {
            return;
        }
        let mut life = Life::default();
        event.record(&mut life);
        let mut lives = locked(&self.0);
        match life.what.as_str() {
            "started" => {
                lives.alive.insert(life.at);
            }
            "panicked" => lives.panicked.push(life.at),
            _ => {
                lives.alive.remove(&life.at);
            }
        }
    }
}

#[derive(Default)]
struct Life {
    at: String,
    what: String,
}

impl Visit for Life {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        match field.name() {
            "at" => self.at = format!("{value:?}"),
            "message" => self.what = format!("{value:?}"),
            _ => {}
        }
    }
}
