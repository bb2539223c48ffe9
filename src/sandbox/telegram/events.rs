//! What a chat showed, and when.

use serde::Serialize;

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
}
