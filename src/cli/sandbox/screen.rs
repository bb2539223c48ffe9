//! What the chat shows, as lines for a person or JSON for a script.

use std::collections::HashMap;

use serde_json::json;

use crate::cli::logging::FlowOptions;
use crate::domain::record::StoredTurn;
use crate::flow::FlowLine;
use crate::sandbox::telegram::{ChatEvent, What};

/// Characters of a deleted message that are quoted.
const QUOTED_CHARS: usize = 40;

/// Prints the chat.
pub struct Screen {
    json: bool,
    flow: FlowOptions,
    /// What stands in the chat, to say what is deleted.
    there: HashMap<i64, String>,
    print: Box<dyn FnMut(String)>,
}

impl Screen {
    /// A screen that prints to standard output.
    pub fn new(json: bool, flow: FlowOptions) -> Self {
        Self { json, flow, there: HashMap::new(), print: Box::new(|line| println!("{line}")) }
    }

    /// Prints through `print` instead: a prompt must be moved out of the way first.
    pub fn print_through(&mut self, print: impl FnMut(String) + 'static) {
        self.print = Box::new(print);
    }

    /// A line that is no event of the chat.
    pub fn say(&mut self, line: impl Into<String>) {
        (self.print)(line.into());
    }

    /// Shows something that happened in the chat.
    pub fn show(&mut self, event: &ChatEvent) {
        let line = if self.json { json!(event).to_string() } else { self.line(event) };
        self.remember(event);
        (self.print)(line);
    }

    /// Shows a message between actors: all of them when that is wanted, otherwise only the tools
    /// at work, which the chat does not show.
    pub fn show_flow(&mut self, line: FlowLine) {
        if self.flow.is_wanted() {
            let line = self.flow.shown(line);
            (self.print)(if self.json { flow_json(&line) } else { line.to_string() });
        } else if line.to == "tools" || line.from == "tools" {
            (self.print)(if self.json { flow_json(&line) } else { tool_line(&line) });
        }
    }

    /// Shows how a turn ended; only scripts are told.
    pub fn show_turn(&mut self, turn: &StoredTurn) {
        if self.json {
            let turn = json!({"what": {"kind": "turn"}, "turn": turn});
            (self.print)(turn.to_string());
        } else if let Some(failure) = &turn.failure {
            (self.print)(format!("turn {} failed: {failure}", turn.seq));
        }
    }

    fn line(&self, event: &ChatEvent) -> String {
        let (seconds, ms) = (event.at_ms / 1000, event.at_ms % 1000);
        let what = match &event.what {
            What::UserSaid { message_id, text } => format!("you   #{message_id:<3} {}", indented(text)),
            What::Shown { message_id, text } => format!("bot   #{message_id:<3} {}", indented(text)),
            What::Edited { message_id, text } => format!("edit  #{message_id:<3} {}", indented(text)),
            What::Deleted { message_id } => {
                let text = self.there.get(message_id).map_or("", String::as_str);
                let quoted: String = text.chars().take(QUOTED_CHARS).collect();
                format!("gone  #{message_id:<3} {quoted}")
            }
            What::Typing => "bot        is typing".to_owned(),
        };
        format!("{seconds:>4}.{ms:03}  {what}")
    }

    fn remember(&mut self, event: &ChatEvent) {
        if let What::Shown { message_id, text } | What::Edited { message_id, text } = &event.what {
            self.there.insert(*message_id, text.clone());
        }
    }
}

fn flow_json(line: &FlowLine) -> String {
    let FlowLine { at_ms, from, to, line, words, .. } = line;
    let what = json!({"kind": "flow", "from": from, "to": to, "line": line, "words": words});
    json!({"at_ms": at_ms, "what": what}).to_string()
}

fn tool_line(line: &FlowLine) -> String {
    let (seconds, ms) = (line.at_ms / 1000, line.at_ms % 1000);
    format!("{seconds:>4}.{ms:03}  tool       {} {}", line.line, line.words.as_deref().unwrap_or_default())
}

/// Further lines of a message stand under its first.
fn indented(text: &str) -> String {
    text.replace('\n', "\n                     ")
}
