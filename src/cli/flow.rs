//! `brigade flow`: plays a scenario file and shows what passed between the stations.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use crate::flow::{FlowLine, mermaid, svg};
use crate::testing::scenario::{Played, Scenario, play, play_with_words};

/// Play a scenario file and show its flow, as text or as a picture.
///
/// The whole server plays it, between a Telegram, a model and a store in memory. Time is virtual:
/// minutes take milliseconds, and every run gives the same bytes. Neither settings, environment nor
/// network are used; settings stand in the scenario.
///
/// Exits with 1 when a turn did not end, a station panicked or a message was lost, unless the
/// scenario expects it, and with 2 when the file can't be played.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  brigade flow tests/flows/retry.toml
  brigade flow tests/flows/retry.toml --out retry.svg
  brigade flow tests/flows/two_chats_at_once.toml --only 42 --format mermaid")]
pub(super) struct Flow {
    /// The scenario: see tests/flows/ for many.
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// What to show [default: what --out's name ends with (.svg, .mmd), else text].
    #[arg(long, value_enum)]
    format: Option<Format>,

    /// Write to this file, replacing it, and not to standard output.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,

    /// Only what this chat has to do with (Telegram's chat id; groups have negative ones).
    #[arg(long, value_name = "CHAT", allow_negative_numbers = true)]
    only: Option<i64>,

    /// With the words of the user and the model.
    #[arg(long)]
    text: bool,
}

/// How a flow is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Every message on a line, then the chats and the turns on record: what a snapshot holds.
    Text,
    /// A sequence diagram for a ```mermaid block. Runs of deltas are one arrow.
    Mermaid,
    /// The same as a picture. Pointing at an arrow shows all of its text.
    Svg,
}

/// Why a flow can't be shown, or is not to be trusted.
#[derive(Debug, thiserror::Error)]
pub(super) enum FlowError {
    /// The file can't be played.
    #[error("{}", in_file(.0, .1))]
    Scenario(PathBuf, String),
    /// It was played, and this came of it.
    #[error("{} went wrong:\n  {}", .0.display(), .1.join("\n  "))]
    Problems(PathBuf, Vec<String>),
    /// The result can't be written.
    #[error("{0} can't be written: {1}")]
    Write(String, io::Error),
}

impl FlowError {
    /// Whether the file is at fault, and not what it led to.
    pub(super) fn is_of_the_file(&self) -> bool {
        matches!(self, Self::Scenario(..))
    }
}

/// The reason, with the file's name where the reason does not tell it.
fn in_file(file: &Path, why: &str) -> String {
    let file = file.display().to_string();
    if why.contains(&file) { why.to_owned() } else { format!("{file}: {why}") }
}

impl Flow {
    /// Plays the scenario and writes its flow, whatever came of it.
    pub(super) fn run(&self) -> Result<(), FlowError> {
        let played = self.played().map_err(|why| FlowError::Scenario(self.file.clone(), why))?;
        self.write(&self.shown(&played))?;
        match played.problems.is_empty() {
            true => Ok(()),
            false => Err(FlowError::Problems(self.file.clone(), played.problems)),
        }
    }

    fn played(&self) -> Result<Played, String> {
        let mut scenario = Scenario::read(&self.file)?;
        scenario.show_only = self.only.or(scenario.show_only);
        if !scenario.expect.panics.is_empty() {
            // A panic that belongs to the scenario is in its flow, and no news on the terminal.
            std::panic::set_hook(Box::new(|_| {}));
        }
        let play = if self.text { play_with_words } else { play };
        play(&scenario)
    }

    fn shown(&self, played: &Played) -> String {
        let flow: Vec<FlowLine> = played.shown_flow().cloned().collect();
        match self.format() {
            Format::Text => played.to_string(),
            Format::Mermaid => mermaid(&played.about, &flow),
            Format::Svg => svg(&played.about, &flow),
        }
    }

    fn format(&self) -> Format {
        let ending = self.out.as_deref().and_then(Path::extension).and_then(|ending| ending.to_str());
        match (self.format, ending) {
            (Some(format), _) => format,
            (None, Some("svg")) => Format::Svg,
            (None, Some("mmd" | "mermaid")) => Format::Mermaid,
            (None, _) => Format::Text,
        }
    }

    fn write(&self, shown: &str) -> Result<(), FlowError> {
        if let Some(out) = &self.out {
            return std::fs::write(out, shown)
                .map_err(|error| FlowError::Write(out.display().to_string(), error));
        }
        match io::stdout().lock().write_all(shown.as_bytes()) {
            // Whoever reads, `head` for example, has seen enough.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            written => written.map_err(|error| FlowError::Write("standard output".to_owned(), error)),
        }
    }
}

#[cfg(test)]
mod tests;
