//! What the chat shows, as lines for a person or JSON for a script.

use std::collections::HashMap;

use serde_json::json;

use crate::domain::record::StoredTurn;
use crate::sandbox::telegram::{ChatEvent, What};

/// Characters of a deleted message that are quoted.
const QUOTED_CHARS: usize = 40;

/// Prints the chat.
pub struct Screen {
    json: bool,
    /// What stands in the chat, to say what is deleted.
    there: HashMap<i64, String>,
    print: Box<dyn FnMut(String)>,
}

impl Screen {
    /// A screen that prints to standard output.
    pub fn new(json: bool) -> Self {
        Self { json, there: HashMap::new(), print: Box::new(|line| println!("{line}")) }
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

/// Further lines of a message stand under its first.
fn indented(text: &str) -> String {
    text.replace('\n', "\n                     ")
}
