//! What can go wrong with the model, told apart as a turn needs it.

use std::time::Duration;

/// A failed model call. `Display` is the operator's line; [`ModelError::for_user`] the user's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    /// 401, 402 or 403: the key is wrong, missing, without credit or not allowed to use the model.
    #[error(
        "the model's provider refused the api key: {0}; check OPENAI_API_KEY, OPENAI_BASE_URL and the account"
    )]
    Unauthorised(String),
    /// 429: too many requests, or the quota is used up.
    #[error("the model's provider limits the rate: {message}; it asks to wait {}", wait_text(*.wait))]
    RateLimited {
        /// How long the provider asks to wait, where it says.
        wait: Option<Duration>,
        /// The provider's words.
        message: String,
    },
    /// The conversation is longer than the model can read.
    #[error("the conversation is longer than the model can read: {0}; lower history.max_chars")]
    ContextTooLong(String),
    /// 5xx, or a provider that says it is busy.
    #[error("the model's provider is overloaded or failing: {0}")]
    Overloaded(String),
    /// Any other refusal of the request: a model that does not exist, a parameter it does not take.
    #[error("the model's provider refused the request: {0}; check OPENAI_MODEL and the [llm] settings")]
    BadRequest(String),
    /// The connection failed, or the answer broke off or could not be understood.
    #[error("the model's answer broke: {0}")]
    Broken(String),
    /// It took too long.
    #[error("the model timed out: {0}")]
    TimedOut(String),
    /// This machine has no connection left to give.
    #[error("no connection to the model could be opened: {0}; raise the process's limit of open files (ulimit -n)")]
    NoSockets(String),
    /// The answer did not end.
    #[error("the model's answer has no end: {0}")]
    TooLong(String),
}

impl ModelError {
    /// The same error with its words changed, such as to hide a key.
    pub fn map_text(self, change: impl FnOnce(String) -> String) -> Self {
        match self {
            Self::Unauthorised(text) => Self::Unauthorised(change(text)),
            Self::RateLimited { wait, message } => Self::RateLimited { wait, message: change(message) },
            Self::ContextTooLong(text) => Self::ContextTooLong(change(text)),
            Self::Overloaded(text) => Self::Overloaded(change(text)),
            Self::BadRequest(text) => Self::BadRequest(change(text)),
            Self::Broken(text) => Self::Broken(change(text)),
            Self::TimedOut(text) => Self::TimedOut(change(text)),
            Self::NoSockets(text) => Self::NoSockets(change(text)),
            Self::TooLong(text) => Self::TooLong(change(text)),
        }
    }

    /// Whether the same call may succeed later without anyone's doing.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::RateLimited { .. } | Self::NoSockets(_)) || self.is_of_the_provider()
    }

    /// Whether it says that the provider is not there or not well, whoever asks.
    pub fn is_of_the_provider(&self) -> bool {
        matches!(self, Self::Overloaded(_) | Self::Broken(_) | Self::TimedOut(_))
    }

    /// How long the provider asks to wait, in milliseconds.
    pub fn wait_ms(&self) -> Option<u64> {
        match self {
            Self::RateLimited { wait, .. } => {
                wait.map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX))
            }
            _ => None,
        }
    }

    /// One sentence for the person in the chat: what happened, and what they can do.
    pub fn for_user(&self) -> &'static str {
        match self {
            Self::Unauthorised(_) => {
                "I am not allowed to use my language model at the moment. The operator has been told; please try again later."
            }
            Self::RateLimited { .. } => {
                "My language model is busy with too many requests. Please send /retry in a minute."
            }
            Self::ContextTooLong(_) => {
                "This conversation has grown too long for my language model. Send /restart to begin a new one."
            }
            Self::NoSockets(_) => "I am very busy at the moment. Please send /retry in a minute.",
            Self::Overloaded(_) => {
                "My language model is having trouble at the moment. Please send /retry in a minute."
            }
            Self::BadRequest(_) => {
                "My language model did not accept this request. Send /restart to begin a new conversation, or ask differently."
            }
            Self::Broken(_) => "My language model's answer did not arrive. Send /retry to ask again.",
            Self::TooLong(_) => {
                "The answer did not come to an end, and I broke it off. Please ask in smaller steps."
            }
            Self::TimedOut(_) => "My language model took too long to answer. Send /retry to ask again.",
        }
    }
}

fn wait_text(wait: Option<Duration>) -> String {
    wait.map_or_else(|| "(not said)".to_owned(), |wait| format!("{:.1} s", wait.as_secs_f64()))
}
