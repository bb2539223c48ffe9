//! Where updates go in, as the webhook and the poller see it.

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

/// Takes updates.
pub trait Intake: Send + Sync {
    /// Takes one update; the verdict comes when it is on record, or refused. Dropping the future
    /// does not take it back.
    fn take(&self, update: Update) -> BoxFuture<'static, Verdict>;
}
