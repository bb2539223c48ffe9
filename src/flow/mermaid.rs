//! The flow as a Mermaid sequence diagram, which a pull request shows as a picture.

use std::fmt;

use super::FlowLine;
use super::collapse::LONGEST_PAUSE_MS;
use super::diagram::{Arrow, Diagram, seconds};

/// Characters of a label. Mermaid wraps nothing, and GitHub refuses diagrams of more than 50,000.
const LABEL_CHARS: usize = 90;
/// Characters of the title.
const TITLE_CHARS: usize = 300;

/// Draws a flow as the text of a Mermaid `sequenceDiagram`, under the sentence `about`.
///
/// Runs of messages that differ in nothing but numbers become one arrow.
pub fn mermaid(about: &str, lines: &[FlowLine]) -> String {
    Mermaid { about, diagram: Diagram::of(lines) }.to_string()
}

struct Mermaid<'a> {
    about: &'a str,
    diagram: Diagram<'a>,
}

impl fmt::Display for Mermaid<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "sequenceDiagram")?;
        if !self.about.trim().is_empty() {
            writeln!(f, "    title: {}", escaped(self.about, TITLE_CHARS))?;
        }
        for (position, station) in self.diagram.stations.iter().enumerate() {
            // The names of stations are no identifiers: one may be called `end`.
            writeln!(f, "    participant s{position} as {}", escaped(station, LABEL_CHARS))?;
        }
        let mut now = 0;
        for arrow in &self.diagram.arrows {
            self.note(f, now, arrow.since_ms)?;
            write_arrow(f, arrow)?;
            now = arrow.until_ms;
        }
        Ok(())
    }
}

impl Mermaid<'_> {
    /// Tells the time when it moves.
    fn note(&self, f: &mut fmt::Formatter<'_>, before: u64, now: u64) -> fmt::Result {
        let passed = now.saturating_sub(before);
        let last = match self.diagram.stations.len() {
            0 | 1 => String::new(),
            count => format!(",s{}", count - 1),
        };
        let at = seconds(now);
        match passed {
            0 => Ok(()),
            1..=LONGEST_PAUSE_MS => writeln!(f, "    Note over s0{last}: {at} s"),
            _ => writeln!(f, "    Note over s0{last}: {at} s, {} s later", seconds(passed)),
        }
    }
}

fn write_arrow(f: &mut fmt::Formatter<'_>, arrow: &Arrow) -> fmt::Result {
    let Arrow { from, to, since_ms, until_ms, .. } = arrow;
    let until =
        if since_ms == until_ms { String::new() } else { format!(", until {} s", seconds(*until_ms)) };
    writeln!(f, "    s{from}->>s{to}: {}{until}", escaped(&arrow.label, LABEL_CHARS))
}

/// A text that Mermaid takes for nothing but text, on one line.
fn escaped(text: &str, most: usize) -> String {
    let shortened = match text.trim().char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text.trim()[..end]),
        None => text.trim().to_owned(),
    };
    shortened.chars().map(escaped_char).collect()
}

fn escaped_char(char: char) -> String {
    match char {
        '\n' => "⏎".to_owned(),
        _ if char.is_control() || matches!(char, '\u{2028}' | '\u{2029}') => " ".to_owned(),
        // Comments, directives, entities, ends of statements, formulas and markup begin with these.
        '%' | '#' | ';' | '$' | '<' | '>' | '&' | '{' | '}' | '\\' => format!("#{};", u32::from(char)),
        _ => char.to_string(),
    }
}
