//! What must never be shown.

use std::fmt;

/// A text that prints as `***` wherever it goes.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Keeps `text` from being shown.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the one who needs it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// The secrets, each from an environment variable or from the file that `<NAME>_FILE` names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Secrets {
    /// `TELEGRAM_BOT_TOKEN`
    pub bot_token: Option<Secret>,
    /// `TELEGRAM_WEBHOOK_SECRET`: 1–256 of `A-Za-z0-9_-`.
    pub webhook_secret: Option<Secret>,
    /// `OPENAI_API_KEY`
    pub api_key: Option<Secret>,
    /// `MONGODB_URI`: may hold a password. When set, MongoDB is the store.
    pub mongodb_uri: Option<Secret>,
}
