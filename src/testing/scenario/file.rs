//! What a scenario file may say.

use std::path::Path;

use figment::providers::{Format, Serialized, Toml};
use figment::value::Dict;
use figment::{Figment, Metadata};
use serde::Deserialize;
use serde_json::Value;

use crate::config::Config;
use crate::sandbox::telegram::{Chaos, Limits};

/// A scenario.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// What it shows, in a sentence.
    pub about: String,
    /// Settings that differ from `config.toml`.
    #[serde(default)]
    pub settings: Dict,
    /// How long every Bot API call takes.
    #[serde(default = "default_latency_ms")]
    pub telegram_latency_ms: u64,
    /// Telegram's flood limits: `"telegram"`, `"strict"`, or a table with a `profile` and the
    /// values that differ from it. With limits on, a call inside a window is a problem.
    #[serde(default)]
    pub telegram_limits: Option<Value>,
    /// Troubles at Telegram by rate and seed.
    #[serde(default)]
    pub telegram_chaos: Chaos,
    /// What happens.
    #[serde(default)]
    pub when: Vec<When>,
    /// How the model answers: each request takes the first entry that fits and is not used up.
    #[serde(default)]
    pub model: Vec<Model>,
    /// Trouble at Telegram.
    #[serde(default)]
    pub telegram: Vec<Telegram>,
    /// Show only this chat; the others are counted.
    #[serde(default)]
    pub show_only: Option<i64>,
    /// What would otherwise be a failure.
    #[serde(default)]
    pub expect: Expect,
}

/// Something that happens.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct When {
    /// When, in virtual milliseconds.
    pub at_ms: u64,
    /// In which chat.
    #[serde(default = "default_chat")]
    pub chat: i64,
    /// In how many chats, counted up from `chat`.
    #[serde(default = "one")]
    pub chats: i64,
    /// In which forum topic.
    #[serde(default)]
    pub topic: Option<i32>,
    /// The user writes this.
    #[serde(default)]
    pub user_says: Option<String>,
    /// The user sends this instead of text: `photo`, `sticker` or `voice`.
    #[serde(default)]
    pub user_sends: Option<String>,
    /// The user presses the stop button of the draft.
    #[serde(default)]
    pub user_stops_draft: bool,
    /// Telegram brings the chat's last update once more.
    #[serde(default)]
    pub update_comes_again: bool,
    /// The user blocks the bot, or takes it back.
    #[serde(default)]
    pub user_blocks_bot: Option<bool>,
    /// The store goes away, or comes back.
    #[serde(default)]
    pub store_is_away: Option<bool>,
    /// The process is asked to stop. What follows before a `start` does not happen.
    #[serde(default)]
    pub stop: bool,
    /// The process is killed. What follows before a `start` does not happen.
    #[serde(default)]
    pub kill: bool,
    /// The whole server panics over what is in flight, starts, and panics again, so many times. What
    /// follows before a `start` does not happen.
    #[serde(default)]
    pub server_panics: u32,
    /// The process starts again.
    #[serde(default)]
    pub start: bool,
}

/// An answer of the model.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// Only for requests whose last user message contains this.
    #[serde(default)]
    pub to: Option<String>,
    /// For every request that fits, not only the first.
    #[serde(default)]
    pub every_time: bool,
    /// To the first token.
    #[serde(default)]
    pub after_ms: u64,
    /// The deltas.
    #[serde(default)]
    pub says: Vec<String>,
    /// Instead of `says`: an answer of so many characters.
    #[serde(default)]
    pub chars: Option<usize>,
    /// Characters of each of its deltas.
    #[serde(default = "default_delta_chars")]
    pub delta_chars: usize,
    /// Between deltas.
    #[serde(default)]
    pub every_ms: u64,
    /// The tools it asks for.
    #[serde(default)]
    pub calls: Vec<ToolUse>,
    /// How it ends.
    #[serde(default)]
    pub then: Then,
    /// The finish reason; that of the API where nothing is said.
    #[serde(default)]
    pub finish_reason: Option<String>,
    /// The HTTP status with which it refuses.
    #[serde(default)]
    pub refuses: Option<u16>,
}

/// A tool call.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToolUse {
    /// The tool: one of the server's, or `hang`, `fail`, `panic`, which only scenarios have.
    pub tool: String,
    /// JSON text.
    #[serde(default)]
    pub arguments: String,
}

/// How a model's answer ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Then {
    /// It is complete.
    #[default]
    End,
    /// The connection breaks.
    Break,
    /// Nothing more comes.
    Hang,
    /// Bytes that are no answer.
    Garbage,
}

/// Trouble at Telegram.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Telegram {
    /// For which method; any when left out.
    #[serde(default)]
    pub method: Option<String>,
    /// In which chat; any when left out.
    #[serde(default)]
    pub chat: Option<i64>,
    /// The how manieth call meets it, counted from 1.
    #[serde(default = "one")]
    pub nth: i64,
    /// And so many in a row.
    #[serde(default = "one")]
    pub times: i64,
    /// 429 with so many seconds to wait.
    #[serde(default)]
    pub retry_after_s: Option<u64>,
    /// Done, but so much later.
    #[serde(default)]
    pub slow_ms: Option<u64>,
    /// 403 with this text.
    #[serde(default)]
    pub forbidden: Option<String>,
    /// 400 with this text.
    #[serde(default)]
    pub bad_request: Option<String>,
    /// An error with this 5xx status.
    #[serde(default)]
    pub server_error: Option<u16>,
    /// Not done: the connection is refused.
    #[serde(default)]
    pub unreachable: bool,
    /// Done, but the answer is lost.
    #[serde(default)]
    pub lost_reply: bool,
    /// The group has become a supergroup with this id.
    #[serde(default)]
    pub migrated_to: Option<i64>,
}

/// What would otherwise be a failure.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Expect {
    /// Stations that panic: `conversation 42`.
    pub panics: Vec<String>,
    /// Turns may be unfinished at the end.
    pub unfinished: bool,
}

impl Scenario {
    /// Reads a scenario file.
    ///
    /// # Errors
    /// A text that names the file, the key and what is allowed.
    pub fn read(path: &Path) -> Result<Self, String> {
        let read = Figment::from(Toml::file_exact(path)).extract().map_err(|error| error.to_string());
        if !path.is_file() {
            return Err(format!("{}: there is no such file", path.display()));
        }
        read
    }

    /// Reads a scenario from a text.
    ///
    /// # Errors
    /// A text that names the key and what is allowed.
    pub fn parse(text: &str) -> Result<Self, String> {
        Figment::from(Toml::string(text)).extract().map_err(|error| error.to_string())
    }

    /// Telegram's limits; off where nothing is said.
    ///
    /// # Errors
    /// A text that names the value and what is allowed.
    pub fn limits(&self) -> Result<Limits, String> {
        self.telegram_limits.clone().map_or(Ok(Limits::off()), Limits::try_from)
    }

    /// The settings: the defaults, with what differs.
    ///
    /// # Errors
    /// A text that names the key and what is allowed.
    pub fn config(&self) -> Result<Config, String> {
        let figment = Figment::from(Serialized::defaults(Config::default()));
        figment.merge(Serialized::defaults(&self.settings)).extract().map_err(|mut error| {
            let named = Metadata::named("the scenario");
            error.metadata = Some(named.interpolater(|_, keys| format!("settings.{}", keys.join("."))));
            error.to_string()
        })
    }
}

fn default_latency_ms() -> u64 {
    50
}

fn default_chat() -> i64 {
    42
}

fn default_delta_chars() -> usize {
    20
}

fn one() -> i64 {
    1
}
