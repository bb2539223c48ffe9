//! Telegram's Bot API: the trait that the Outbox uses, and its real implementation.

mod answer;
pub mod bot_api;
pub mod poller;
pub mod update;

use std::time::Duration;

use futures::future::BoxFuture;

use crate::domain::ids::ChatKey;
use crate::domain::markdown::Rendered;

/// Why a Bot API call failed, told apart as the Outbox needs it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TelegramError {
    /// 429: nothing more to this chat for so long.
    #[error("telegram asks to wait {:.1} s", .0.as_secs_f64())]
    RetryAfter(Duration),
    /// The group has become a supergroup with this id.
    #[error("the group has become the supergroup {0}")]
    Migrated(i64),
    /// The chat can't be written to: the bot was blocked, the user or the chat is gone.
    #[error("the chat can't be written to: {0}")]
    ChatClosed(String),
    /// The forum topic does not exist any more.
    #[error("the topic is gone: {0}")]
    TopicGone(String),
    /// 401, and for `getMe` 404: the token is wrong or was revoked.
    #[error("telegram does not know the bot's token ({0}); check TELEGRAM_BOT_TOKEN")]
    Unauthorised(String),
    /// 409: a webhook is set, or another process polls.
    #[error("telegram refuses because of another receiver of updates: {0}")]
    Conflict(String),
    /// Any other refusal: trying the same again won't help.
    #[error("telegram refused: {0}")]
    Refused(String),
    /// The request did not reach Telegram.
    #[error("telegram can't be reached: {0}")]
    Unreachable(String),
    /// The request was sent, the answer did not come or was no answer: it may have been done.
    #[error("telegram did not answer: {0}")]
    Uncertain(String),
    /// 5xx but a gateway's: Telegram has trouble of its own.
    #[error("telegram has trouble: {0}")]
    Server(String),
}

impl TelegramError {
    /// Whether Telegram surely did nothing, and the call is to be made again, if need be by another process.
    pub fn was_not_done(&self) -> bool {
        matches!(
            self,
            Self::RetryAfter(_)
                | Self::Unreachable(_)
                | Self::Server(_)
                | Self::Unauthorised(_)
                | Self::Migrated(_)
                | Self::TopicGone(_)
        )
    }

    /// Whether the same call may succeed later without anyone's doing.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::RetryAfter(_) | Self::Unreachable(_) | Self::Uncertain(_) | Self::Server(_))
    }
}

/// The result of a Bot API call, owned by whoever awaits it.
pub type Called<T> = BoxFuture<'static, Result<T, TelegramError>>;

/// The Bot API calls that the Outbox makes.
///
/// "message is not modified" and "message to delete not found" are success: the chat is as wanted.
pub trait BotApi: Send + Sync {
    /// `sendMessage`; returns the message's id.
    fn send_message(&self, to: ChatKey, message: Rendered) -> Called<i64>;

    /// `editMessageText`.
    fn edit_message_text(&self, to: ChatKey, message_id: i64, message: Rendered) -> Called<()>;

    /// `sendMessageDraft`, with a stop button.
    fn send_message_draft(&self, to: ChatKey, draft_id: i64, message: Rendered) -> Called<()>;

    /// `deleteMessage` for one message, `deleteMessages` for more (at most 100).
    fn delete_messages(&self, from: ChatKey, message_ids: Vec<i64>) -> Called<()>;

    /// `sendChatAction` with `typing`.
    fn send_typing(&self, to: ChatKey) -> Called<()>;
}
