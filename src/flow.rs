//! The flow as text: one line for every message between stations.
//!
//! ```text
//!    5.000  heartbeat 42      -> outbox 42          thinking, beat 1 after 5 s
//! ```
//!
//! [`FlowLayer`] turns what [`Port::tell`](crate::port::Port::tell) writes into these lines: live
//! for `--flow`, collected for a test. The log, the snapshot and a bug report are the same text.

use std::fmt;

use tokio::time::Instant;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use crate::port::FLOW;

/// Columns for the name of a station.
const STATION_COLUMNS: usize = 18;

/// One message on its way.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FlowLine {
    /// Milliseconds since the layer was made.
    pub at_ms: u64,
    /// Who tells.
    pub from: String,
    /// Whom.
    pub to: String,
    /// The message's name; none for what passes between a station and the world.
    pub name: Option<String>,
    /// The message's own sentence.
    pub line: String,
    /// The user's or the model's words in it, where they are shown.
    pub words: Option<String>,
}

impl FlowLine {
    /// The roles of sender and receiver: their names without whose they are.
    pub fn roles(&self) -> (&str, &str) {
        (role_of(&self.from), role_of(&self.to))
    }
}

fn role_of(station: &str) -> &str {
    station.split(' ').next().unwrap_or(station)
}

impl fmt::Display for FlowLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at_ms, from, to, line, words, .. } = self;
        let (seconds, millis) = (at_ms / 1000, at_ms % 1000);
        write!(f, "{seconds:>4}.{millis:03}  {from:<STATION_COLUMNS$} -> {to:<STATION_COLUMNS$} {line}")?;
        match words {
            Some(words) => write!(f, " {words:?}"),
            None => Ok(()),
        }
    }
}

/// Hands every line of the flow to a function.
pub struct FlowLayer<F> {
    since: Instant,
    take: F,
}

impl<F: Fn(FlowLine) + 'static> FlowLayer<F> {
    /// A layer whose time begins now.
    pub fn new(take: F) -> Self {
        Self { since: Instant::now(), take }
    }
}

impl<S: Subscriber, F: Fn(FlowLine) + 'static> Layer<S> for FlowLayer<F> {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() == FLOW {
            let at_ms = u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX);
            let mut line = FlowLine { at_ms, ..FlowLine::default() };
            event.record(&mut line);
            (self.take)(line);
        }
    }
}

impl Visit for FlowLine {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "words" => self.words = Some(value.to_owned()),
            "name" => self.name = Some(value.to_owned()),
            _ => {}
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        match field.name() {
            "from" => self.from = format!("{value:?}"),
            "to" => self.to = format!("{value:?}"),
            "message" => self.line = format!("{value:?}"),
            _ => {}
        }
    }
}
