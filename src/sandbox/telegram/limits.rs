//! How strict the simulated Telegram is: flood limits and the rules for entities.
//!
//! Telegram publishes few numbers. Its FAQ ("My bot is hitting limits") says one message a second
//! in a chat with short bursts, 20 a minute in a group, 30 a second overall; a TDLib maintainer
//! says that edits count as messages; the rest is what implementers report.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Flood limits, off by default. A limit of 0 calls is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Whether calls are counted at all.
    pub on: bool,
    /// Messages and edits that a private chat takes at once.
    pub private_burst: u32,
    /// How long until a private chat takes one more, in milliseconds.
    pub private_every_ms: u64,
    /// Messages and edits that a group takes in `group_per_ms`, in all its topics together.
    pub group_messages: u32,
    /// The time in which `group_messages` are counted, in milliseconds.
    pub group_per_ms: u64,
    /// Messages and edits that a bot may send to all its chats in `overall_per_ms`.
    pub overall_messages: u32,
    /// The time in which `overall_messages` are counted, in milliseconds.
    pub overall_per_ms: u64,
    /// Typing and drafts that one chat takes in `signal_burst_per_ms`.
    pub signal_burst: u32,
    /// The time in which `signal_burst` is counted, in milliseconds.
    pub signal_burst_per_ms: u64,
    /// Typing and drafts that one chat takes in `signals_per_ms`.
    pub signals: u32,
    /// The time in which `signals` are counted, in milliseconds.
    pub signals_per_ms: u64,
    /// Deleting calls that one chat takes in `deletes_per_ms`.
    pub deletes: u32,
    /// The time in which `deletes` are counted, in milliseconds.
    pub deletes_per_ms: u64,
    /// The shortest `retry_after`, in seconds; where the budget frees up later, it is that time.
    pub retry_after_s: u64,
    /// What a call inside a window does to the window's length, in percent: 200 doubles it.
    pub penalty_percent: u64,
    /// The longest that calls inside a window make it, in seconds from the last of them.
    pub longest_window_s: u64,
    /// What happens to entities that break a rule.
    pub entities: EntityRules,
}

/// What happens to `entities` that break a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EntityRules {
    /// What is out of range is cut off or dropped, and nothing else is looked at. Telegram is not
    /// that lenient.
    #[default]
    Lenient,
    /// As Telegram does: 400 for what is out of range, of an unknown type or splits a character;
    /// what overlaps is split or silently dropped.
    Telegram,
    /// 400 with the reason for whatever Telegram would refuse, split or drop: for tests.
    Strict,
}

impl Default for Limits {
    fn default() -> Self {
        Self { on: false, entities: EntityRules::Lenient, ..Self::telegram() }
    }
}

impl Limits {
    /// No limits.
    pub fn off() -> Self {
        Self::default()
    }

    /// As Telegram is believed to be.
    ///
    /// Published: 1 message a second in a chat, 20 a minute in a group, 30 a second overall.
    /// Reported: 20 signals in 5 s and 40 in 30 s for one peer, windows of up to 8 h. Guessed: the
    /// burst, the deletes, the shortest window and the penalty.
    pub fn telegram() -> Self {
        Self {
            on: true,
            private_burst: 5,
            private_every_ms: 1_000,
            group_messages: 20,
            group_per_ms: 60_000,
            overall_messages: 30,
            overall_per_ms: 1_000,
            signal_burst: 20,
            signal_burst_per_ms: 5_000,
            signals: 40,
            signals_per_ms: 30_000,
            deletes: 30,
            deletes_per_ms: 10_000,
            retry_after_s: 3,
            penalty_percent: 200,
            longest_window_s: 8 * 60 * 60,
            entities: EntityRules::Telegram,
        }
    }

    /// The published numbers without any burst, harsh penalties, and every doubtful entity refused:
    /// who passes here passes at Telegram.
    pub fn strict() -> Self {
        Self {
            private_burst: 1,
            deletes: 10,
            retry_after_s: 5,
            penalty_percent: 300,
            entities: EntityRules::Strict,
            ..Self::telegram()
        }
    }

    fn profile(name: &str) -> Result<Self, String> {
        match name {
            "off" => Ok(Self::off()),
            "telegram" => Ok(Self::telegram()),
            "strict" => Ok(Self::strict()),
            other => Err(format!("unknown limits \"{other}\": expected off, telegram or strict")),
        }
    }
}

/// Reads a profile's name, or an object with a `profile` (`telegram` when there is none) and the
/// values that differ from it.
impl TryFrom<Value> for Limits {
    type Error = String;

    fn try_from(told: Value) -> Result<Self, String> {
        let mut told = match told {
            Value::String(name) => return Self::profile(&name),
            Value::Object(values) => values,
            other => return Err(format!("limits are a profile's name or an object, not {other}")),
        };
        let profile = told.remove("profile").unwrap_or_else(|| "telegram".into());
        let base = Self::profile(profile.as_str().unwrap_or_default())?;
        let mut values = serde_json::to_value(base).map_err(|error| error.to_string())?;
        for (name, value) in told {
            values[name] = value;
        }
        serde_json::from_value(values).map_err(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn limits_are_a_profile_with_changes() {
        assert_eq!(Limits::try_from(json!("strict")), Ok(Limits::strict()));
        assert_eq!(Limits::try_from(json!({})), Ok(Limits::telegram()));
        let changed = Limits { private_burst: 2, ..Limits::strict() };
        assert_eq!(Limits::try_from(json!({"profile": "strict", "private_burst": 2})), Ok(changed));
        assert!(!Limits::default().on && !Limits::off().on);
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        for (told, word) in [
            (json!("mild"), "mild"),
            (json!(7), "7"),
            (json!({"privat_burst": 1}), "privat_burst"),
            (json!({"private_burst": "x"}), "invalid type"),
        ] {
            assert!(Limits::try_from(told).is_err_and(|error| error.contains(word)), "{word}");
        }
    }
}
