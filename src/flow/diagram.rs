//! What every picture of a flow is made of: stations from left to right, arrows between them.

use super::FlowLine;
use super::collapse::{runs, summary};

/// Roles from left to right, the way a message takes through the house. Others come after them.
const ORDER: [&str; 11] = [
    // It tells ingress alone, and has no other place in the house.
    "app",
    "edge",
    "ingress",
    "persistence",
    "conversation",
    "model",
    "tools",
    "chunker",
    "heartbeat",
    "outbox",
    "telegram",
];

/// A flow as it is drawn.
pub(super) struct Diagram<'a> {
    /// The names of the stations, from left to right.
    pub(super) stations: Vec<&'a str>,
    /// The messages, from top to bottom.
    pub(super) arrows: Vec<Arrow>,
}

/// A message, or a run of messages that are alike.
pub(super) struct Arrow {
    /// The position of who tells among the stations.
    pub(super) from: usize,
    /// The position of whom.
    pub(super) to: usize,
    /// When the first of them was sent.
    pub(super) since_ms: u64,
    /// When the last of them was.
    pub(super) until_ms: u64,
    /// How many they are.
    pub(super) count: usize,
    /// The sentence, and the words where they are shown.
    pub(super) label: String,
}

impl<'a> Diagram<'a> {
    /// The picture of a flow.
    pub(super) fn of(lines: &'a [FlowLine]) -> Self {
        let stations = stations(lines);
        let position = |name: &str| stations.iter().position(|station| *station == name).unwrap_or_default();
        let arrow = |run: &[FlowLine]| Arrow::of(run, position(&run[0].from), position(&run[0].to));
        let arrows = runs(lines).map(arrow).collect();
        Self { stations, arrows }
    }
}

impl Arrow {
    fn of(run: &[FlowLine], from: usize, to: usize) -> Self {
        let at = |line: Option<&FlowLine>| line.map_or(0, |line| line.at_ms);
        // The words of a run of deltas are, one after another, what was written.
        let words: Vec<&str> = run.iter().filter_map(|line| line.words.as_deref()).collect();
        let words = if words.is_empty() { String::new() } else { format!(" “{}”", words.concat()) };
        Self {
            from,
            to,
            since_ms: at(run.first()),
            until_ms: at(run.last()),
            count: run.len(),
            label: summary(run) + &words,
        }
    }
}

/// What a station is: `conversation` of `conversation 42`.
pub(super) fn role(station: &str) -> &str {
    station.split(' ').next().unwrap_or_default()
}

/// Milliseconds as seconds: `1.050`.
pub(super) fn seconds(ms: u64) -> String {
    format!("{}.{:03}", ms / 1000, ms % 1000)
}

/// Those of one role stand in the order in which their chats first have to do with a message.
fn stations(lines: &[FlowLine]) -> Vec<&str> {
    let (mut stations, mut keys) = (Vec::new(), Vec::new());
    for name in lines.iter().flat_map(|line| [line.from.as_str(), &line.to]) {
        if !stations.contains(&name) {
            stations.push(name);
            keys.push(key(name));
        }
    }
    let rank = |name: &str| ORDER.iter().position(|known| *known == role(name)).unwrap_or(ORDER.len());
    stations.sort_by_key(|name| (rank(name), keys.iter().position(|known| *known == key(name))));
    stations
}

fn key(station: &str) -> &str {
    station.strip_prefix(role(station)).unwrap_or_default()
}
