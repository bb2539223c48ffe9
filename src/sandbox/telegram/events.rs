//! What a chat showed, and when.

use serde::Serialize;
use serde_json::Value;

/// Something that a person looking at the chat could see happen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChatEvent {
    /// When, in milliseconds since the world began.
    pub at_ms: u64,
    /// The bot in whose chat it happened.
    pub bot: i64,
    /// The chat.
    pub chat: i64,
    /// The forum topic, where there is one.
    pub topic: Option<i32>,
    /// What happened.
    pub what: What,
}

/// The kinds of [`ChatEvent`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum What {
    /// A person sent a message. An attachment reads like `[sticker]`.
    UserSaid {
        /// The message's id in the chat.
        message_id: i64,
        /// What it says.
        text: String,
    },
    /// The bot sent a message.
    Shown {
        /// The message's id in the chat.
        message_id: i64,
        /// What it says.
        text: String,
    },
    /// A message has a new text.
    Edited {
        /// The message's id in the chat.
        message_id: i64,
        /// What it says now.
        text: String,
    },
    /// A message is gone.
    Deleted {
        /// The id that it had.
        message_id: i64,
    },
    /// The chat shows "typing…" for 5 s, or until the bot's next message.
    Typing,
    /// The chat shows a draft, or shows it with a new text.
    DraftShown {
        /// The bot's own id of the draft.
        draft_id: i64,
        /// What it says now: "Thinking…" where the bot gave no text.
        text: String,
    },
    /// A draft is gone.
    DraftGone {
        /// The bot's own id of the draft.
        draft_id: i64,
        /// What made it go.
        why: GoneWhy,
    },
}

/// Why a draft went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum GoneWhy {
    /// It was not updated for 30 s.
    Expired,
    /// A message of the bot took its place.
    Message,
    /// A draft with another id took its place.
    Replaced,
    /// The person pressed the stop button.
    Stopped,
}

/// Who wrote a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Author {
    /// The bot.
    Bot,
    /// The person with this user id.
    User(i64),
}

/// A message that stands in a chat now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SeenMessage {
    /// Its id in the chat.
    pub message_id: i64,
    /// The forum topic, where there is one.
    pub topic: Option<i32>,
    /// Who wrote it.
    pub author: Author,
    /// What it says now.
    pub text: String,
    /// How it is formatted: `MessageEntity` objects as Telegram would give them back.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub entities: Vec<Value>,
}

/// A draft that a chat shows now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SeenDraft {
    /// The bot's own id of it.
    pub draft_id: i64,
    /// What it says now; empty while it shows "Thinking…".
    pub text: String,
    /// How it is formatted.
    pub entities: Vec<Value>,
    /// Whether it has a stop button.
    pub can_stop: bool,
    /// Whether it stays when that is pressed.
    pub keep_on_stop: bool,
    /// When it goes if nothing happens, in milliseconds since the world began.
    pub until_ms: u64,
}
