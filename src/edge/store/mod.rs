//! Where turns are kept: the trait that Persistence uses, and its two implementations.

pub mod mongo;
pub mod owner;
pub mod sqlite;
pub mod watched;

use std::sync::Arc;

use futures::future::BoxFuture;
use uuid::Uuid;

use crate::domain::chat::ChatMessage;
use crate::domain::ids::{ChatKey, TurnId};
use crate::domain::record::{Answer, Ledger, NewTurn, Outcome, StoredTurn};
use owner::Owner;

/// What became of a request to record an update.
#[derive(Debug, Clone, PartialEq)]
pub enum Recorded {
    /// It is on record now, at its place in the chat.
    New(Box<StoredTurn>),
    /// It was on record before: the update came twice.
    Duplicate,
}

/// What the store can't do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// It can't be reached or does not take writes now; trying again may help.
    #[error("the store is away: {0}")]
    Away(String),
    /// It does not let this process in, or not any more (a password, rights, a quota): an operator has to mend
    /// that. What is owed is tried again; a start is not.
    #[error("the store lets nobody in: {0}")]
    Denied(String),
    /// It refused what it was given, or holds what can't be read; trying again won't help.
    #[error("the store refused: {0}")]
    Refused(String),
}

impl StoreError {
    /// Whether the same call may be taken later.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Away(_) | Self::Denied(_))
    }
}

/// A result of the store, owned by whoever awaits it.
pub type Stored<T> = BoxFuture<'static, Result<T, StoreError>>;

/// Which turns an operator wants to see.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only this user's.
    pub user: Option<i64>,
    /// Only this chat's.
    pub chat: Option<i64>,
    /// Only this session's.
    pub session: Option<Uuid>,
}

/// A session as a list shows it.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct SessionSummary {
    /// The session.
    pub session: Uuid,
    /// The chat.
    pub chat: i64,
    /// The forum topic, where there is one.
    pub topic: Option<i32>,
    /// Who asked in its first turn.
    pub user: i64,
    /// That user's name, without the `@`.
    pub username: Option<String>,
    /// Turns in it.
    pub turns: i64,
    /// When its first turn was accepted, in milliseconds since 1970.
    pub first_ms: i64,
    /// When its last turn was accepted, in milliseconds since 1970.
    pub last_ms: i64,
}

/// How long a write may take until it is on record. A store that flushes once for many writes can wait
/// for more of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Haste {
    /// An answer that is whole waits for it, and nothing of it is shown yet: only a store that is busy makes
    /// it wait.
    AtOnce,
    /// Somebody waits, to whom some milliseconds make no difference.
    Soon,
    /// Nobody waits.
    InCompany,
    /// Nobody waits, and nothing is lost with the process that is not known by then.
    Sometime,
}

/// Durable storage of turns.
///
/// A call that returned `Ok` is on disk (or on a majority of the replica set), but for
/// [`save_delivery`](Self::save_delivery). Every call may be
/// repeated: recording twice is [`Recorded::Duplicate`], and the updates set fixed fields.
pub trait Store: Send + Sync {
    /// The same store for another shard, with connections of its own where it has any.
    ///
    /// # Errors
    /// [`StoreError`] when it can't have more.
    fn with_own_connections(&self) -> Result<Arc<dyn Store>, StoreError>;

    /// Records an update durably and gives it its place in the chat
    /// ([`place_after`](crate::domain::record::place_after)).
    fn record(&self, turn: NewTurn) -> Stored<Recorded>;

    /// Writes the complete answer with its ledger and sets the state to `answered`.
    ///
    /// # Errors
    /// [`StoreError::Refused`] when the turn is not on record.
    fn save_answer(&self, id: TurnId, answer: Answer, haste: Haste) -> Stored<()>;

    /// Writes the ledger of a turn whose answer is on record or not, and nothing else. It outlives the process;
    /// a machine that fails may take what was written in its last second with it. [`unfinished`](Self::unfinished)
    /// has it, other reads may have an earlier one.
    fn save_delivery(&self, id: TurnId, ledger: Ledger, is_answered: bool) -> Stored<()>;

    /// Somebody waits for what is being written [in company](Haste::InCompany).
    fn hurry(&self) {}

    /// Writes the messages of a turn whose answer is not there yet (the tools it has had run), and
    /// nothing else.
    ///
    /// # Errors
    /// [`StoreError::Refused`] when the turn is not on record.
    fn save_messages(&self, id: TurnId, messages: Vec<ChatMessage>) -> Stored<()>;

    /// The whole server has panicked, maybe over one of these turns: counts it in each.
    fn count_panic(&self, ids: Vec<TurnId>) -> Stored<()>;

    /// Writes how the turn ended.
    ///
    /// # Errors
    /// [`StoreError::Refused`] when the turn is not on record.
    fn save_outcome(&self, id: TurnId, outcome: Outcome) -> Stored<()>;

    /// The last `limit` turns of a session with `seq` below `before`, oldest first.
    fn history(&self, key: ChatKey, session: Uuid, before: i64, limit: usize) -> Stored<Vec<StoredTurn>>;

    /// Turns of this bot that are `accepted` or `answered`: owed from before a restart. Ordered by
    /// chat and `seq`.
    fn unfinished(&self, bot: i64) -> Stored<Vec<StoredTurn>>;

    /// One turn.
    fn turn(&self, id: TurnId) -> Stored<Option<StoredTurn>>;

    /// Sessions that have turns which match, latest first, at most `limit`.
    fn sessions(&self, filter: Filter, limit: usize) -> Stored<Vec<SessionSummary>>;

    /// Turns that match, by chat, topic and `seq`.
    fn turns(&self, filter: Filter) -> Stored<Vec<StoredTurn>>;

    /// Makes `owner` the one process that serves the bot, or says that it still is. Whether it is: not
    /// while another process is, until that one has ended, or has not said for 6 s that it is
    /// there, as this process sees it.
    fn claim(&self, bot: i64, owner: &Owner) -> Stored<bool>;

    /// `owner` does not serve the bot any more; another process may.
    fn release(&self, bot: i64, owner: &Owner) -> Stored<()>;

    /// Whether the store takes calls now.
    fn ping(&self) -> Stored<()>;
}

/// A turn that can't be read is left out, and keeps no other from being answered. The operator is told.
fn readable(turn: Result<StoredTurn, StoreError>) -> Option<StoredTurn> {
    turn.inspect_err(|error| tracing::error!("a turn is left out: {error}")).ok()
}
