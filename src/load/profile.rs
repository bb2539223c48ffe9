//! What a load test does: a TOML file, and what the command line changes in it.

use std::collections::BTreeMap;
use std::path::Path;

use figment::Figment;
use figment::providers::{Format, Toml};
use serde::Deserialize;
use serde_json::Value;

use super::answer::MOST_CHARS;
use super::distribution::Distribution;
use crate::sandbox::telegram::{Chaos, Limits};

/// The profiles that come with the program, by name.
pub const BUILT_IN: [(&str, &str); 4] = [
    ("seed", include_str!("profiles/seed.toml")),
    ("burst", include_str!("profiles/burst.toml")),
    ("tools", include_str!("profiles/tools.toml")),
    ("limits", include_str!("profiles/limits.toml")),
];

/// A load test.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// What it is about, in a sentence.
    pub about: String,
    /// People who talk with the bot at once, each in a private chat.
    pub chats: u64,
    /// Questions that each asks; without end when missing.
    #[serde(default)]
    pub turns: Option<u32>,
    /// How long questions are asked, in seconds; without end when missing.
    #[serde(default)]
    pub duration_s: Option<f64>,
    /// The chats begin one after the other, spread over so many seconds.
    #[serde(default)]
    pub ramp_s: f64,
    /// Questions a second over all chats, as a Poisson process that waits for no answer. When
    /// missing, everybody waits for the answer before they ask again.
    #[serde(default)]
    pub rate_per_s: Option<f64>,
    /// From an answer to the next question, in milliseconds.
    #[serde(default = "nothing")]
    pub think_ms: Distribution,
    /// How long a turn may take before it counts as unanswered, in seconds.
    #[serde(default = "default_timeout_s")]
    pub turn_timeout_s: f64,
    /// What everything is drawn from.
    #[serde(default = "default_seed")]
    pub seed: u64,
    /// How the model answers.
    pub model: Model,
    /// How Telegram behaves.
    #[serde(default)]
    pub telegram: Telegram,
    /// Troubles at Telegram by rate.
    #[serde(default)]
    pub faults: Chaos,
    /// The bot under test.
    #[serde(default)]
    pub bot: Bot,
}

/// How the model answers.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// From the request to the first delta, in milliseconds.
    pub first_ms: Distribution,
    /// From one delta to the next, in milliseconds.
    pub gap_ms: Distribution,
    /// Deltas of one answer.
    pub deltas: Distribution,
    /// Characters of one delta, on average.
    pub chars_per_delta: f64,
    /// Rounds of tools before the answer, where the bot offers tools.
    #[serde(default = "nothing")]
    pub tool_rounds: Distribution,
}

/// How Telegram behaves.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Telegram {
    /// Its limits: `"off"`, `"telegram"`, `"strict"`, or a table with a `profile` and what differs.
    #[serde(default)]
    pub limits: Option<Value>,
}

/// The bot under test.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Bot {
    /// Variables of its environment.
    pub env: BTreeMap<String, String>,
    /// Characters that it sends at once: what filling them takes is not its own latency.
    pub chunk_chars: usize,
    /// Whether it owes each question a "✓".
    pub check_mark: bool,
    /// Between two "Thinking...", in milliseconds; 0 when it owes none.
    pub thinking_every_ms: u64,
    /// How many of them at most in a turn; without limit when missing.
    pub max_thinking: Option<u32>,
}

impl Default for Bot {
    fn default() -> Self {
        Self {
            env: BTreeMap::new(),
            chunk_chars: 300,
            check_mark: true,
            thinking_every_ms: 5_000,
            max_thinking: None,
        }
    }
}

/// The longest that anything may be asked to take, in seconds.
const MOST_S: f64 = 31.0 * 24.0 * 3600.0;
/// The most questions a second.
const MOST_PER_S: f64 = 1e6;

fn nothing() -> Distribution {
    Distribution::Fixed(0.0)
}

fn default_timeout_s() -> f64 {
    120.0
}

fn default_seed() -> u64 {
    1
}

impl Profile {
    /// A built-in profile by its name, or one from a file by its path.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub fn find(name: &str) -> Result<Self, String> {
        match BUILT_IN.iter().find(|(built_in, _)| *built_in == name) {
            Some((_, text)) => Self::read(text),
            None => {
                let names = BUILT_IN.map(|(name, _)| name).join(", ");
                let text = std::fs::read_to_string(Path::new(name)).map_err(|error| {
                    format!("the profile '{name}' can't be read: {error}; built in are {names}")
                })?;
                Self::read(&text).map_err(|error| format!("the profile '{name}': {error}"))
            }
        }
    }

    /// A profile from its text.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(text: &str) -> Result<Self, String> {
        Figment::from(Toml::string(text)).extract::<Self>().map_err(|error| error.to_string())
    }

    /// Telegram's limits.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn limits(&self) -> Result<Limits, String> {
        self.telegram.limits.clone().map_or_else(|| Ok(Limits::off()), Limits::try_from)
    }

    /// Whether the whole rules of the simulated Telegram are needed.
    pub fn is_ruled(&self) -> bool {
        self.limits().is_ok_and(|limits| limits.on) || self.faults != Chaos::default()
    }

    /// Looks whether it can be run.
    ///
    /// # Errors
    /// The first thing that makes no sense.
    pub fn check(&self) -> Result<(), String> {
        let model = &self.model;
        let named = [
            ("think_ms", &self.think_ms),
            ("model.first_ms", &model.first_ms),
            ("model.gap_ms", &model.gap_ms),
            ("model.deltas", &model.deltas),
            ("model.tool_rounds", &model.tool_rounds),
        ];
        for (name, distribution) in named {
            distribution.check().map_err(|error| format!("{name}: {error}"))?;
        }
        let chars = model.deltas.mean() * model.chars_per_delta;
        let is_endless = |seconds: f64| seconds > MOST_S;
        let wrong = [
            (self.chats == 0, "chats = 0: at least one is needed"),
            (self.turns == Some(0), "turns = 0: at least one is needed"),
            (
                self.turns.is_none() && self.duration_s.is_none(),
                "give turns or duration_s: it would never end",
            ),
            (self.rate_per_s.is_some_and(|rate| !is_positive(rate)), "rate_per_s must be above 0"),
            (self.duration_s.is_some_and(|seconds| !is_positive(seconds)), "duration_s must be above 0"),
            (!is_positive(self.turn_timeout_s), "turn_timeout_s must be above 0"),
            (!(self.ramp_s.is_finite() && self.ramp_s >= 0.0), "ramp_s must not be below 0"),
            (!is_positive(model.chars_per_delta), "model.chars_per_delta must be above 0"),
            (self.rate_per_s.is_some_and(|rate| rate > MOST_PER_S), "rate_per_s: 1,000,000 is the most"),
            (self.duration_s.is_some_and(is_endless), "duration_s: 31 days, 2678400, is the most"),
            (is_endless(self.turn_timeout_s), "turn_timeout_s: 31 days, 2678400, is the most"),
            (is_endless(self.ramp_s), "ramp_s: 31 days, 2678400, is the most"),
            (
                chars > MOST_CHARS as f64,
                "model.deltas times model.chars_per_delta: an answer has 1,000,000 characters at most",
            ),
        ];
        let faults = &self.faults;
        let percents = [
            faults.server_error_percent,
            faults.lost_reply_percent,
            faults.unreachable_percent,
            faults.slow_percent,
            faults.doubled_webhook_percent,
        ];
        if let Some(percent) = percents.into_iter().find(|percent| *percent > 100) {
            return Err(format!("faults: {percent} percent; allowed is 0 to 100"));
        }
        match wrong.into_iter().find(|(is_wrong, _)| *is_wrong) {
            Some((_, why)) => Err(why.to_owned()),
            None => self.limits().map(drop),
        }
    }
}

fn is_positive(number: f64) -> bool {
    number.is_finite() && number > 0.0
}

/// Sets one fault from the command line: `lost_reply=5`.
///
/// # Errors
/// The faults there are, when it is none of them.
pub fn set_fault(faults: &mut Chaos, text: &str) -> Result<(), String> {
    let expected = || {
        format!(
            "'{text}' is no fault: expected KIND=PERCENT with server_error, lost_reply, unreachable, slow or \
             doubled_webhook"
        )
    };
    let (kind, percent) = text.split_once('=').ok_or_else(expected)?;
    let percent = percent.parse().ok().filter(|percent| *percent <= 100).ok_or_else(expected)?;
    match kind {
        "server_error" => faults.server_error_percent = percent,
        "lost_reply" => faults.lost_reply_percent = percent,
        "unreachable" => faults.unreachable_percent = percent,
        "slow" => (faults.slow_percent, faults.slow_most_ms) = (percent, faults.slow_most_ms.max(1_000)),
        "doubled_webhook" => faults.doubled_webhook_percent = percent,
        _ => return Err(expected()),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_built_in_profiles_can_be_run() {
        for (name, _) in BUILT_IN {
            let profile = Profile::find(name).unwrap();
            assert_eq!(profile.check(), Ok(()), "{name}");
        }
        assert!(Profile::find("limits").unwrap().is_ruled() && !Profile::find("seed").unwrap().is_ruled());
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        let seed = BUILT_IN[0].1;
        for (from, to, word) in [
            ("chats = 200", "chats = 0", "chats"),
            ("turns = 2", "", "turns"),
            ("gap_ms = 42", "gap_ms = -1", "gap_ms"),
            ("turns = 2", "duration_s = 1e19", "duration_s"),
            ("turns = 2", "turns = 2\nturn_timeout_s = 1e19", "turn_timeout_s"),
            ("deltas = 319", "deltas = 1e308", "model.deltas"),
            ("gap_ms = 42", "gap_ms = { uniform = { low = 3, high = 1 } }", "gap_ms"),
            ("[bot.env]", "[telegram]\nlimits = \"mild\"\n[bot.env]", "mild"),
        ] {
            let profile = Profile::read(&seed.replace(from, to)).unwrap();
            assert!(profile.check().is_err_and(|error| error.contains(word)), "{to}");
        }
        assert!(
            Profile::read(&seed.replace("turns", "turnips")).is_err_and(|error| error.contains("turnips"))
        );
        assert!(Profile::find("no such file").is_err_and(|error| error.contains("burst")));
    }

    #[test]
    fn faults_are_set_by_name() {
        let mut faults = Chaos::default();
        set_fault(&mut faults, "lost_reply=5").unwrap();
        set_fault(&mut faults, "slow=7").unwrap();
        assert_eq!((faults.lost_reply_percent, faults.slow_percent, faults.slow_most_ms), (5, 7, 1_000));
        for text in ["lost_reply", "lost_reply=101", "bad_luck=1"] {
            assert!(set_fault(&mut faults, text).is_err(), "{text}");
        }
    }
}
