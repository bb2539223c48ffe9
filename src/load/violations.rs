//! What must not happen, and did.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// So many violations are told in full.
const TOLD: usize = 20;

/// Something that must not happen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violation {
    /// The chat.
    pub chat: i64,
    /// The turn in it, from 1.
    pub turn: u32,
    /// Of what kind, in a few words.
    pub kind: String,
    /// What was seen.
    pub seen: String,
}

/// All that must not have happened.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violations {
    /// How many.
    pub count: u64,
    /// How many of which kind.
    pub by_kind: BTreeMap<String, u64>,
    /// The first of them.
    pub first: Vec<Violation>,
}

impl Violations {
    pub(crate) fn add(&mut self, chat: i64, turn: u32, kind: &str, seen: String) {
        self.count += 1;
        *self.by_kind.entry(kind.to_owned()).or_default() += 1;
        if self.first.len() < TOLD {
            self.first.push(Violation { chat, turn, kind: kind.to_owned(), seen });
        }
    }
}

/// The beginning of a text, for people.
pub(crate) fn excerpt(text: &str) -> String {
    let short: String = text.trim().chars().take(60).collect();
    let more = if short.len() < text.trim().len() { "..." } else { "" };
    format!("{short:?}{more}")
}
