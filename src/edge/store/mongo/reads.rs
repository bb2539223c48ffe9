//! The queries.

use futures::TryStreamExt;
use mongodb::bson::serde_helpers::HumanReadable;
use mongodb::bson::{Bson, Document, deserialize_from_document, doc};
use uuid::Uuid;

use super::{Inside, fields, within};
use crate::domain::ids::{ChatKey, TurnId};
use crate::domain::record::StoredTurn;
use crate::edge::store::mongo::errors::during;
use crate::edge::store::{Filter, SessionSummary, StoreError, readable};

impl Inside {
    pub(super) async fn history(
        &self,
        key: ChatKey,
        session: Uuid,
        before: i64,
        limit: usize,
    ) -> Result<Vec<StoredTurn>, StoreError> {
        if limit == 0 {
            // To MongoDB a limit of 0 is none at all.
            return Ok(Vec::new());
        }
        let mut filter = fields::of_conversation(key);
        filter.insert("session", session.to_string());
        filter.insert("seq", doc! { "$lt": before });
        let turns = self.turns.clone_with_type::<Document>();
        let find = turns.find(filter).sort(doc! { "seq": -1 }).limit(at_most(limit));
        let latest_first =
            within("read a history", async { find.await?.try_collect::<Vec<_>>().await }).await?;
        Ok(latest_first.into_iter().rev().map(turn).filter_map(readable).collect())
    }

    pub(super) async fn unfinished(&self, bot: i64) -> Result<Vec<StoredTurn>, StoreError> {
        let failed = during("read the unfinished turns");
        let turns = self.turns.clone_with_type::<Document>();
        let order = doc! { "chat": 1, "seq": 1, "topic": 1 };
        let find = turns.find(fields::of_unfinished(bot)).sort(order).allow_disk_use(true);
        let found: Vec<_> = find.await.map_err(&failed)?.try_collect().await.map_err(&failed)?;
        Ok(found.into_iter().map(turn).filter_map(readable).collect())
    }

    pub(super) async fn turn(&self, id: TurnId) -> Result<Option<StoredTurn>, StoreError> {
        let found = within("read a turn", self.turns.find_one(doc! { "_id": id.to_string() })).await?;
        Ok(found.map(|turn| turn.0))
    }

    pub(super) async fn turns(&self, filter: Filter) -> Result<Vec<StoredTurn>, StoreError> {
        self.all(fields::of_filter(&filter), doc! { "chat": 1, "topic": 1, "bot": 1, "seq": 1 }).await
    }

    /// However many there are and however long they take: no time limit but the driver's own.
    async fn all(&self, filter: Document, order: Document) -> Result<Vec<StoredTurn>, StoreError> {
        let failed = during("read turns");
        let found = self.turns.find(filter).sort(order).allow_disk_use(true).await.map_err(&failed)?;
        found.map_ok(|turn| turn.0).try_collect().await.map_err(&failed)
    }

    pub(super) async fn sessions(
        &self,
        filter: Filter,
        limit: usize,
    ) -> Result<Vec<SessionSummary>, StoreError> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        let failed = during("read sessions");
        let wanted = self.turns_of_sessions(filter).await?;
        let pipeline = [
            doc! { "$match": wanted },
            doc! { "$sort": { "session": 1, "seq": 1 } },
            doc! { "$group": summary() },
            doc! { "$sort": { "last_ms": -1, "session": 1 } },
            doc! { "$limit": at_most(limit) },
        ];
        let found = self.turns.aggregate(pipeline).allow_disk_use(true);
        let found = found.with_type::<HumanReadable<SessionSummary>>().await.map_err(&failed)?;
        found.map_ok(|session| session.0).try_collect().await.map_err(&failed)
    }

    /// A filter for all turns of the sessions that have one which matches: a user's sessions in a
    /// group hold turns of others too.
    async fn turns_of_sessions(&self, filter: Filter) -> Result<Document, StoreError> {
        if filter.user.is_none() {
            return Ok(fields::of_filter(&filter));
        }
        let matching = self.turns.distinct("session", fields::of_filter(&filter));
        let sessions: Vec<Bson> = matching.await.map_err(during("read the sessions of a user"))?;
        Ok(doc! { "session": { "$in": sessions } })
    }
}

/// One group a session, from its turns in order.
fn summary() -> Document {
    doc! {
        "_id": "$session",
        "session": { "$first": "$session" },
        "chat": { "$first": "$chat" },
        "topic": { "$first": "$topic" },
        "user": { "$first": "$user.id" },
        "username": { "$first": "$user.username" },
        "turns": { "$sum": 1 },
        "first_ms": { "$first": "$timings.accepted_at_ms" },
        "last_ms": { "$last": "$timings.accepted_at_ms" },
    }
}

fn at_most(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

fn turn(stored: Document) -> Result<StoredTurn, StoreError> {
    let id = stored.get("_id").map_or_else(|| "without an id".to_owned(), Bson::to_string);
    let turn = deserialize_from_document::<HumanReadable<StoredTurn>>(stored);
    turn.map(|turn| turn.0).map_err(|error| StoreError::Refused(format!("turn {id} can't be read: {error}")))
}
