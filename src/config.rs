//! Every setting: its unit in its name, its default here and, equal to it, in `config.toml`.
//!
//! Later sources win: the defaults, a file, the environment (`BRIGADE_<SECTION>__<KEY>`, then the
//! well-known names such as `OPENAI_MODEL`). Secrets come from the environment only, or from a
//! file that the environment names (`OPENAI_API_KEY_FILE`).

mod secrets;
mod source;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::domain::breaker::BreakerRules;
use crate::domain::chunking::{Boundary, MESSAGE_UTF16};
use crate::domain::cutting::{Format, Streaming};
use crate::domain::line::{BeatStyle, Uncertain};
use crate::domain::pacing::{Rate, Rates};
use crate::domain::turn::FirstCall;

pub use secrets::{Secret, Secrets};
pub use source::{ConfigError, Environment, load};

/// All settings but the secrets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The Bot API.
    pub telegram: Telegram,
    /// The language model.
    pub llm: Llm,
    /// Where turns are kept.
    pub store: Store,
    /// The web server.
    pub http: Http,
    /// How answers are sent.
    pub delivery: Delivery,
    /// How fast Telegram is called.
    pub pacing: Pacing,
    /// "Thinking...".
    pub heartbeat: Heartbeat,
    /// Conversations in memory.
    pub conversation: Conversation,
    /// What the model is told of the conversation so far.
    pub history: History,
    /// Threads.
    pub runtime: Runtime,
    /// The orderly end.
    pub shutdown: Shutdown,
    /// What is logged.
    pub log: Log,
}

/// `[telegram]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Telegram {
    /// Where the Bot API is.
    pub api_url: String,
    /// This server's public base address; when set, updates come by webhook.
    pub webhook_url: String,
    /// Updates that Telegram may deliver at once (1–100).
    pub max_connections: u8,
    /// How long one `getUpdates` waits for an update, in seconds.
    pub poll_timeout_s: u32,
    /// How long any other call may take.
    pub call_timeout_ms: u64,
}

/// `[llm]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Llm {
    /// Where the Chat Completions API is.
    pub base_url: String,
    /// Which model answers.
    pub model: String,
    /// Files whose joined text is the system message.
    pub instructions: Vec<PathBuf>,
    /// Whether the first call of a turn is streamed.
    pub first_call: FirstCall,
    /// How often the model may have tools run in one turn; 0 offers no tools.
    pub max_tool_rounds: u32,
    /// How long one tool may take.
    pub tool_timeout_ms: u64,
    /// Characters of a tool's result that the model is given.
    pub max_tool_result_chars: usize,
    /// How long to wait for a connection.
    pub connect_timeout_ms: u64,
    /// How long to wait for the first token, or for a whole answer.
    pub first_token_timeout_ms: u64,
    /// How long a stream may be silent.
    pub idle_timeout_ms: u64,
    /// How long words of a stream may wait to be read while they make no send yet; 0 for not at all.
    pub read_every_ms: u64,
    /// The wait before a call that failed is made again; it doubles with each failure.
    pub retry_first_ms: u64,
    /// The longest such wait.
    pub retry_most_ms: u64,
    /// A call is made again only within so long of the turn's first.
    pub turn_deadline_ms: u64,
    /// Failures in a row, over all chats, after which the provider counts as dead; 0 for never.
    pub breaker_failures: u32,
    /// Between two tries whether a dead provider is back.
    pub breaker_open_ms: u64,
    /// Bytes of one answer; a longer one is broken off.
    pub max_answer_bytes: usize,
}

/// `[store]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Store {
    /// The folder of the embedded store, created when missing.
    pub path: PathBuf,
    /// The database's name, where MongoDB is the store.
    pub mongodb_database: String,
}

/// `[http]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Http {
    /// The address to listen on.
    pub host: String,
    /// The port to listen on.
    pub port: u16,
    /// Bytes of one webhook body.
    pub max_body_bytes: usize,
    /// Turns in flight; more updates are refused until one has ended.
    pub max_turns_in_flight: usize,
    /// Turns in flight of one chat or topic; more of its updates are refused until one has ended. By webhook:
    /// polling takes them all.
    pub max_turns_per_chat: usize,
    /// How long a webhook's body may take to come.
    pub body_timeout_ms: u64,
}

/// `[delivery]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Delivery {
    /// How an answer comes into a private chat.
    pub private: Streaming,
    /// How an answer comes into a group.
    pub group: Streaming,
    /// How answers are shown.
    pub format: Format,
    /// Characters of one send, at most.
    pub chunk_chars: usize,
    /// Where a send may end.
    pub chunk_boundary: Boundary,
    /// What waits for a chat that must be paced is sent together when it is more than so many
    /// characters.
    pub merge_above_chars: usize,
    /// What to do when Telegram did not answer a send.
    pub uncertain: Uncertain,
}

/// `[pacing]`
///
/// `*_every_ms` is the spacing that a budget allows on the long run, 0 for no limit; `*_burst` the
/// calls that may come at once after a rest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Pacing {
    /// Sends and edits in a private chat.
    pub private_every_ms: u64,
    /// Its burst.
    pub private_burst: u32,
    /// Sends and edits in a group.
    pub group_every_ms: u64,
    /// Its burst.
    pub group_burst: u32,
    /// Typing and drafts in a chat.
    pub preview_every_ms: u64,
    /// Its burst.
    pub preview_burst: u32,
    /// Deletes in a chat.
    pub delete_every_ms: u64,
    /// Its burst.
    pub delete_burst: u32,
    /// Sends and edits over all chats; as many other calls come beside them.
    pub overall_every_ms: u64,
    /// Its burst.
    pub overall_burst: u32,
    /// After a 429 a chat's spacing doubles; it takes so long to get back by one doubling.
    pub recover_ms: u64,
}

/// `[heartbeat]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Heartbeat {
    /// Between two beats, and before the first.
    pub every_ms: u64,
    /// Beats in one turn; 0 for none.
    pub max_beats: u32,
    /// How a beat shows.
    pub style: BeatStyle,
}

/// `[conversation]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Conversation {
    /// After so long without a turn a conversation leaves memory.
    pub idle_ms: u64,
    /// Conversations without a turn that may stay in memory.
    pub max_idle: usize,
}

/// `[runtime]`
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Runtime {
    /// Threads over which the conversations are spread; 0 for one a core.
    pub shards: usize,
}

impl Runtime {
    /// The threads, counted.
    pub fn shards(&self) -> usize {
        match self.shards {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            shards => shards,
        }
    }
}

/// `[history]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct History {
    /// Turns that the model is told of.
    pub max_turns: usize,
    /// Characters of them all.
    pub max_chars: usize,
}

/// `[shutdown]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Shutdown {
    /// How long running turns may take to end.
    pub grace_ms: u64,
}

/// `[log]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// What is logged, in the syntax of `tracing_subscriber::EnvFilter`.
    pub filter: String,
}

impl Default for Telegram {
    fn default() -> Self {
        Self {
            api_url: "https://api.telegram.org".to_owned(),
            webhook_url: String::new(),
            max_connections: 40,
            poll_timeout_s: 50,
            call_timeout_ms: 30_000,
        }
    }
}

impl Default for Llm {
    fn default() -> Self {
        Self {
            base_url: "https://api.openai.com/v1".to_owned(),
            model: "gpt-4o-mini".to_owned(),
            instructions: Vec::new(),
            first_call: FirstCall::Whole,
            max_tool_rounds: 5,
            tool_timeout_ms: 10_000,
            max_tool_result_chars: 16_000,
            connect_timeout_ms: 10_000,
            first_token_timeout_ms: 120_000,
            idle_timeout_ms: 60_000,
            read_every_ms: 100,
            retry_first_ms: 500,
            retry_most_ms: 15_000,
            turn_deadline_ms: 180_000,
            breaker_failures: 20,
            breaker_open_ms: 15_000,
            max_answer_bytes: 1_048_576,
        }
    }
}

impl Default for Store {
    fn default() -> Self {
        Self { path: "data".into(), mongodb_database: "brigade".to_owned() }
    }
}

impl Default for Http {
    fn default() -> Self {
        Self {
            host: "0.0.0.0".to_owned(),
            port: 8080,
            max_body_bytes: 1_048_576,
            max_turns_in_flight: 10_000,
            max_turns_per_chat: 50,
            body_timeout_ms: 10_000,
        }
    }
}

impl Default for Delivery {
    fn default() -> Self {
        Self {
            private: Streaming::Chunks,
            group: Streaming::Chunks,
            format: Format::Markdown,
            chunk_chars: 300,
            chunk_boundary: Boundary::Natural,
            merge_above_chars: 1_500,
            uncertain: Uncertain::Repeat,
        }
    }
}

impl Default for Pacing {
    fn default() -> Self {
        Self {
            private_every_ms: 1_050,
            private_burst: 1,
            group_every_ms: 3_100,
            group_burst: 1,
            preview_every_ms: 1_000,
            preview_burst: 5,
            delete_every_ms: 1_200,
            delete_burst: 2,
            overall_every_ms: 35,
            overall_burst: 1,
            recover_ms: 60_000,
        }
    }
}

impl Llm {
    /// As the rules take it.
    pub fn breaker(&self) -> BreakerRules {
        BreakerRules { failures: self.breaker_failures, open_ms: self.breaker_open_ms }
    }
}

impl Pacing {
    /// As the rules take it.
    pub fn rates(&self) -> Rates {
        let rate = |every_ms, burst| Rate { every_ms, burst };
        Rates {
            private_text: rate(self.private_every_ms, self.private_burst),
            group_text: rate(self.group_every_ms, self.group_burst),
            preview: rate(self.preview_every_ms, self.preview_burst),
            delete: rate(self.delete_every_ms, self.delete_burst),
            overall: rate(self.overall_every_ms, self.overall_burst),
            recover_ms: self.recover_ms,
        }
    }
}

impl Default for Heartbeat {
    fn default() -> Self {
        Self { every_ms: 5_000, max_beats: 24, style: BeatStyle::Message }
    }
}

impl Default for Conversation {
    fn default() -> Self {
        Self { idle_ms: 600_000, max_idle: 5_000 }
    }
}

impl Default for History {
    fn default() -> Self {
        Self { max_turns: 40, max_chars: 60_000 }
    }
}

impl Default for Shutdown {
    fn default() -> Self {
        Self { grace_ms: 25_000 }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self { filter: "info".to_owned() }
    }
}

impl Config {
    /// The values that are of the right type but impossible: the key, the value, what is allowed.
    fn impossible(&self) -> Vec<(&'static str, String, String)> {
        let mut wrong = Vec::new();
        let mut within = |key, value: u64, least: u64, most: u64| {
            if !(least..=most).contains(&value) {
                wrong.push((key, value.to_string(), format!("a number from {least} to {most}")));
            }
        };
        let size = |value: usize| u64::try_from(value).unwrap_or(u64::MAX);
        const DAY_MS: u64 = 24 * 60 * 60 * 1000;
        within("telegram.max_connections", self.telegram.max_connections.into(), 1, 100);
        within("telegram.poll_timeout_s", self.telegram.poll_timeout_s.into(), 1, 300);
        within("telegram.call_timeout_ms", self.telegram.call_timeout_ms, 100, DAY_MS);
        within("llm.max_tool_rounds", self.llm.max_tool_rounds.into(), 0, 100);
        within("llm.tool_timeout_ms", self.llm.tool_timeout_ms, 1, DAY_MS);
        within("llm.max_tool_result_chars", size(self.llm.max_tool_result_chars), 1, 10_000_000);
        within("llm.connect_timeout_ms", self.llm.connect_timeout_ms, 1, DAY_MS);
        within("llm.first_token_timeout_ms", self.llm.first_token_timeout_ms, 1, DAY_MS);
        within("llm.idle_timeout_ms", self.llm.idle_timeout_ms, 1, DAY_MS);
        within("llm.read_every_ms", self.llm.read_every_ms, 0, 1_000);
        within("llm.retry_first_ms", self.llm.retry_first_ms, 1, DAY_MS);
        within("llm.retry_most_ms", self.llm.retry_most_ms, 1, DAY_MS);
        within("llm.turn_deadline_ms", self.llm.turn_deadline_ms, 0, DAY_MS);
        within("llm.breaker_failures", self.llm.breaker_failures.into(), 0, 1_000_000);
        within("llm.breaker_open_ms", self.llm.breaker_open_ms, 1, DAY_MS);
        within("llm.max_answer_bytes", size(self.llm.max_answer_bytes), 1, 1 << 30);
        within("http.max_body_bytes", size(self.http.max_body_bytes), 1024, 1 << 30);
        within("http.max_turns_in_flight", size(self.http.max_turns_in_flight), 1, 10_000_000);
        within("http.max_turns_per_chat", size(self.http.max_turns_per_chat), 1, 10_000_000);
        within("http.body_timeout_ms", self.http.body_timeout_ms, 1, DAY_MS);
        within("delivery.chunk_chars", size(self.delivery.chunk_chars), 1, size(MESSAGE_UTF16));
        for (key, every_ms) in [
            ("pacing.private_every_ms", self.pacing.private_every_ms),
            ("pacing.group_every_ms", self.pacing.group_every_ms),
            ("pacing.preview_every_ms", self.pacing.preview_every_ms),
            ("pacing.delete_every_ms", self.pacing.delete_every_ms),
            ("pacing.overall_every_ms", self.pacing.overall_every_ms),
            ("pacing.recover_ms", self.pacing.recover_ms),
        ] {
            within(key, every_ms, 0, DAY_MS);
        }
        for (key, burst) in [
            ("pacing.private_burst", self.pacing.private_burst),
            ("pacing.group_burst", self.pacing.group_burst),
            ("pacing.preview_burst", self.pacing.preview_burst),
            ("pacing.delete_burst", self.pacing.delete_burst),
            ("pacing.overall_burst", self.pacing.overall_burst),
        ] {
            within(key, burst.into(), 1, 10_000);
        }
        within("heartbeat.every_ms", self.heartbeat.every_ms, 100, DAY_MS);
        within("heartbeat.max_beats", self.heartbeat.max_beats.into(), 0, 10_000);
        within("conversation.idle_ms", self.conversation.idle_ms, 1, 30 * DAY_MS);
        within("conversation.max_idle", size(self.conversation.max_idle), 0, 10_000_000);
        within("runtime.shards", size(self.runtime.shards), 0, 1_024);
        within("history.max_turns", size(self.history.max_turns), 0, 10_000);
        within("shutdown.grace_ms", self.shutdown.grace_ms, 0, DAY_MS);
        self.impossible_texts(&mut wrong);
        wrong
    }

    fn impossible_texts(&self, wrong: &mut Vec<(&'static str, String, String)>) {
        let mut must = |key, value: &str, holds: bool, allowed: &str| {
            if !holds {
                wrong.push((key, format!("'{value}'"), allowed.to_owned()));
            }
        };
        let Self { telegram, llm, store, log, .. } = self;
        let url = "an address that begins with http:// or https://";
        for (key, text, is_optional) in [
            ("telegram.api_url", &telegram.api_url, false),
            ("llm.base_url", &llm.base_url, false),
            ("telegram.webhook_url", &telegram.webhook_url, true),
        ] {
            // What stands before an @ may be a password.
            let shown = text.split_once('@').map_or(text.as_str(), |_| "(not shown)");
            must(key, shown, (is_optional && text.is_empty()) || is_url(text), url);
        }
        let group = self.delivery.group;
        must(
            "delivery.group",
            "draft",
            group != Streaming::Draft,
            "\"chunks\" or \"edit\": only private chats have drafts",
        );
        must("llm.model", &llm.model, !llm.model.trim().is_empty(), "the name of a model");
        let database = &store.mongodb_database;
        let is_name = !database.is_empty()
            && database.len() < 64
            && !database.contains(['/', '\\', '.', ' ', '"', '$']);
        must(
            "store.mongodb_database",
            database,
            is_name,
            "a name of at most 63 characters without / \\ . \" $ or spaces",
        );
        let filter = tracing_subscriber::EnvFilter::try_new(&log.filter);
        must("log.filter", &log.filter, filter.is_ok(), "a filter such as 'info' or 'info,flow=debug'");
    }
}

fn is_url(text: &str) -> bool {
    let parsed = reqwest::Url::parse(text.trim());
    parsed.is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}
