//! The MongoDB store: one document a turn, in the collection `turns`.

mod claims;
mod connect;
mod errors;
mod fields;
mod reads;
mod writes;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use mongodb::bson::serde_helpers::HumanReadable;
use mongodb::bson::{Document, doc};
use mongodb::options::IndexOptions;
use mongodb::{Collection, Database, IndexModel};
use tokio::sync::{Mutex, OnceCell};
use tokio::time::timeout;
use uuid::Uuid;

use super::owner::Owner;
use super::{Filter, Haste, Recorded, SessionSummary, Store, StoreError, Stored};
use crate::domain::chat::ChatMessage;
use crate::domain::ids::{ChatKey, TurnId};
use crate::domain::record::{Answer, Ledger, NewTurn, Outcome, StoredTurn};
use errors::during;

/// How long one call may take before it counts as failed: longer than the driver's own waits.
const PATIENCE: Duration = Duration::from_secs(20);
/// Conversations are spread over this many lanes; those of one lane are recorded one by one.
const LANES: u64 = 256;

/// A turn as a document. Human-readable, so that a session's id is text and not sixteen bytes.
type Turns = Collection<HumanReadable<StoredTurn>>;

/// A [`Store`] in a MongoDB database.
///
/// Writes are acknowledged by a majority and journalled; reads go to the primary, so they see
/// every write that was answered. Handles are cheap to clone.
#[derive(Clone)]
pub struct MongoStore {
    inside: Arc<Inside>,
}

struct Inside {
    target: connect::Target,
    database: Database,
    turns: Turns,
    prepared: OnceCell<()>,
    lanes: Vec<Mutex<()>>,
    known: Arc<claims::Known>,
}

impl MongoStore {
    /// Reads the connection string and makes a client of `database`. The server need not be there
    /// yet: only `mongodb+srv` asks the network here, for its hosts.
    ///
    /// `w`, `journal` and read preferences of the URI give way to majority, journalled and primary;
    /// its pool, time-outs and TLS stand. The URI's password appears in no error.
    ///
    /// # Errors
    /// [`StoreError::Refused`] for a URI or a database name that can't be used,
    /// [`StoreError::Away`] when the hosts of a `mongodb+srv` URI can't be looked up.
    pub async fn connect(uri: &str, database: &str) -> Result<Self, StoreError> {
        let target = connect::target(uri, database).await?;
        Self::to(target, OnceCell::new(), Arc::default())
    }

    fn to(
        target: connect::Target,
        prepared: OnceCell<()>,
        known: Arc<claims::Known>,
    ) -> Result<Self, StoreError> {
        let (database, turns) = target.connect()?;
        let lanes = (0..LANES).map(|_| Mutex::new(())).collect();
        Ok(Self { inside: Arc::new(Inside { target, database, turns, prepared, lanes, known }) })
    }

    /// Makes the indexes that are missing. Worth calling at start, to hear early of a server that
    /// is away; the first `record` calls it too, for no turn may be placed without its unique index.
    ///
    /// # Errors
    /// [`StoreError::Away`] when the server can't be reached, [`StoreError::Refused`] when it will
    /// not have the indexes.
    pub async fn prepare(&self) -> Result<(), StoreError> {
        self.inside.prepare().await
    }

    fn with<T, F>(&self, call: impl FnOnce(Arc<Inside>) -> F) -> Stored<T>
    where
        F: Future<Output = Result<T, StoreError>> + Send + 'static,
    {
        Box::pin(call(self.inside.clone()))
    }
}

impl Inside {
    async fn prepare(&self) -> Result<(), StoreError> {
        self.prepared.get_or_try_init(|| self.make_indexes()).await.map(|_| ())
    }

    async fn make_indexes(&self) -> Result<(), StoreError> {
        let index = |name: &str, keys: Document, unique: bool| {
            let options = IndexOptions::builder().name(name.to_owned()).unique(unique).build();
            IndexModel::builder().keys(keys).options(options).build()
        };
        let indexes = [
            index("place", doc! { "chat": 1, "topic": 1, "bot": 1, "seq": 1 }, true),
            index("unfinished", doc! { "bot": 1, "state": 1, "chat": 1, "seq": 1 }, false),
            index("session", doc! { "session": 1, "seq": 1 }, false),
            index("user", doc! { "user.id": 1, "session": 1 }, false),
        ];
        within("make the indexes", self.turns.create_indexes(indexes)).await.map(|_| ())
    }

    async fn ping(&self) -> Result<(), StoreError> {
        within("reach the server", self.database.run_command(doc! { "ping": 1 })).await.map(|_| ())
    }
}

impl Store for MongoStore {
    fn with_own_connections(&self) -> Result<Arc<dyn Store>, StoreError> {
        let Inside { target, prepared, known, .. } = self.inside.as_ref();
        Ok(Arc::new(Self::to(target.clone(), prepared.clone(), known.clone())?))
    }

    fn record(&self, turn: NewTurn) -> Stored<Recorded> {
        self.with(|inside| async move { inside.record(turn).await })
    }

    fn save_answer(&self, id: TurnId, answer: Answer, _: Haste) -> Stored<()> {
        self.with(|inside| async move { inside.update(id, &fields::of_answer(&answer)).await })
    }

    fn save_delivery(&self, id: TurnId, ledger: Ledger, _: bool) -> Stored<()> {
        self.with(move |inside| async move { inside.update(id, &fields::of_ledger(&ledger)).await })
    }

    fn save_messages(&self, id: TurnId, messages: Vec<ChatMessage>) -> Stored<()> {
        self.with(move |inside| async move { inside.update(id, &fields::of_messages(&messages)).await })
    }

    fn count_panic(&self, ids: Vec<TurnId>) -> Stored<()> {
        self.with(move |inside| async move { inside.count_panic(&ids).await })
    }

    fn save_outcome(&self, id: TurnId, outcome: Outcome) -> Stored<()> {
        self.with(|inside| async move { inside.update(id, &fields::of_outcome(&outcome)).await })
    }

    fn history(&self, key: ChatKey, session: Uuid, before: i64, limit: usize) -> Stored<Vec<StoredTurn>> {
        self.with(move |inside| async move { inside.history(key, session, before, limit).await })
    }

    fn unfinished(&self, bot: i64) -> Stored<Vec<StoredTurn>> {
        self.with(move |inside| async move { inside.unfinished(bot).await })
    }

    fn turn(&self, id: TurnId) -> Stored<Option<StoredTurn>> {
        self.with(move |inside| async move { inside.turn(id).await })
    }

    fn sessions(&self, filter: Filter, limit: usize) -> Stored<Vec<SessionSummary>> {
        self.with(move |inside| async move { inside.sessions(filter, limit).await })
    }

    fn turns(&self, filter: Filter) -> Stored<Vec<StoredTurn>> {
        self.with(|inside| async move { inside.turns(filter).await })
    }

    fn claim(&self, bot: i64, owner: &Owner) -> Stored<bool> {
        let owner = owner.clone();
        self.with(move |inside| async move { inside.claim(bot, &owner).await })
    }

    fn release(&self, bot: i64, owner: &Owner) -> Stored<()> {
        let owner = owner.to_string();
        self.with(move |inside| async move { inside.release(bot, owner).await })
    }

    fn ping(&self) -> Stored<()> {
        self.with(|inside| async move { inside.ping().await })
    }
}

/// Waits for the server, but not for ever: a server that hangs is a server that is away.
async fn within<T>(
    doing: &'static str,
    call: impl IntoFuture<Output = mongodb::error::Result<T>>,
) -> Result<T, StoreError> {
    let answer = timeout(PATIENCE, call.into_future()).await.map_err(|_| errors::too_slow(doing))?;
    answer.map_err(during(doing))
}
