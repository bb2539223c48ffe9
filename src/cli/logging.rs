//! What goes to the log, and where the flow goes.

use std::io::{IsTerminal, Write};

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use crate::flow::{FlowLayer, FlowLine};
use crate::port::FLOW;

/// `--flow` and `--flow-text`, which `serve` and `sandbox` share.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(super) struct FlowOptions {
    /// Print every message between the actors, as it is sent.
    #[arg(long)]
    flow: bool,

    /// Like --flow, with the words of the user and the model.
    #[arg(long)]
    flow_text: bool,
}

impl FlowOptions {
    /// Whether the flow is to be printed.
    pub(super) fn is_wanted(self) -> bool {
        self.flow || self.flow_text
    }

    /// The line as it is to be printed.
    pub(super) fn shown(self, line: FlowLine) -> FlowLine {
        FlowLine { words: line.words.filter(|_| self.flow_text), ..line }
    }

    fn level(self) -> LevelFilter {
        match (self.flow, self.flow_text) {
            (_, true) => LevelFilter::TRACE,
            (true, false) => LevelFilter::DEBUG,
            (false, false) => LevelFilter::OFF,
        }
    }
}

/// Logs to standard error what `filter` lets through, and prints the flow where it is wanted.
pub(super) fn log(filter: &str, flow: FlowOptions) {
    init(filter, flow.level(), |line| {
        // Whoever read it has gone: that must not cost the server anything.
        let _nobody_reads = writeln!(std::io::stdout().lock(), "{line}");
    });
}

/// Logs to standard error, and hands every line of the flow, words included, to `take`.
pub(super) fn log_and_take_flow(filter: &str, take: impl Fn(FlowLine) + Send + Sync + 'static) {
    init(filter, LevelFilter::TRACE, take);
}

fn init(filter: &str, flow: LevelFilter, take: impl Fn(FlowLine) + Send + Sync + 'static) {
    // The filter was checked with the other settings.
    let filter = EnvFilter::try_new(filter).unwrap_or_default();
    let log = tracing_subscriber::fmt::layer().with_ansi(colours()).with_writer(std::io::stderr);
    let log = log.with_filter(filter);
    let flow = FlowLayer::new(take).with_filter(Targets::new().with_target(FLOW, flow));
    tracing_subscriber::registry().with(log).with(flow).init();
}

/// A log that is kept in a file, or read by a program, has no use for colours. <https://no-color.org>
fn colours() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
