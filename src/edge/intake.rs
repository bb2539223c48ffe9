//! Where updates go in, as the webhook and the poller see it.

use std::fmt;

use futures::future::BoxFuture;

use super::telegram::update::Update;

/// What became of an update: decides what the webhook answers, and whether polling moves on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is on record; its turn goes on.
    Accepted,
    /// It was on record before.
    Duplicate,
    /// It can never be handled; why.
    Ignored(&'static str),
    /// Not taken: as many turns are in flight as allowed.
    Full,
    /// Not taken: the store is away.
    StoreAway,
    /// Not taken: the server is stopping.
    Stopping,
}

impl Verdict {
    /// Whether Telegram may forget the update.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Accepted | Self::Duplicate | Self::Ignored(_))
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accepted => f.write_str("accepted"),
            Self::Duplicate => f.write_str("duplicate"),
            Self::Ignored(why) => write!(f, "ignored: {why}"),
            Self::Full => f.write_str("not taken: too many turns in flight"),
            Self::StoreAway => f.write_str("not taken: the store is away"),
            Self::Stopping => f.write_str("not taken: the server is stopping"),
        }
    }
}

/// Takes updates.
pub trait Intake: Send + Sync {
    /// Takes one update; the verdict comes when it is on record, or refused. Dropping the future
    /// does not take it back.
    fn take(&self, update: Update) -> BoxFuture<'static, Verdict>;
}
