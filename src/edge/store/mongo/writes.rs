//! The writes.

use mongodb::bson::doc;
use mongodb::bson::serde_helpers::HumanReadable;
use serde::Serialize;
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::{Inside, LANES, PATIENCE, errors, fields, within};
use crate::domain::ids::{ChatKey, TurnId};
use crate::domain::record::{NewTurn, Place, StoredTurn, place_after};
use crate::edge::store::{Recorded, StoreError};

/// How often a turn looks for its place when others, in other processes, take it first.
const ATTEMPTS: usize = 32;

impl Inside {
    /// Adds a turn at the end of its conversation unless it is there already.
    pub(super) async fn record(&self, new: NewTurn) -> Result<Recorded, StoreError> {
        self.prepare().await?;
        // Turns of one chat that arrive together would all take the same place, and all but one
        // would have to try again: here they queue up instead, in the order of their arrival.
        let _in_lane = timeout(PATIENCE, self.lane(new.key).lock())
            .await
            .map_err(|_| StoreError::Away("the turns before in this chat take too long".to_owned()))?;
        for _ in 0..ATTEMPTS {
            let place = place_after(self.last_place(new.key).await?, new.id, new.kind);
            self.fence(new.id.bot)?;
            let turn = HumanReadable(StoredTurn::accepted(new.clone(), place));
            if self.insert(&turn).await? {
                return Ok(Recorded::New(Box::new(turn.0)));
            }
            if self.is_there(new.id).await? {
                return Ok(Recorded::Duplicate);
            }
        }
        Err(StoreError::Away(format!("turn '{}' found its place taken {ATTEMPTS} times", new.id)))
    }

    fn lane(&self, key: ChatKey) -> &Mutex<()> {
        let spread = key.chat.unsigned_abs().wrapping_add(key.topic.unwrap_or(0).unsigned_abs().into());
        &self.lanes[(spread % LANES) as usize]
    }

    /// Whether it went in; if not, its name or its place is taken.
    async fn insert(&self, turn: &HumanReadable<StoredTurn>) -> Result<bool, StoreError> {
        let insert = async {
            match self.turns.insert_one(turn).await {
                Err(error) if errors::is_duplicate_key(&error) => Ok(false),
                inserted => inserted.map(|_| true),
            }
        };
        within("insert a turn", insert).await
    }

    /// Whether a turn is on record, on a majority as what is inserted: a primary that is being cut off may have
    /// taken an insert that it will lose.
    async fn is_there(&self, id: TurnId) -> Result<bool, StoreError> {
        let unchanged = doc! { "$set": { "bot": id.bot } };
        let touch = self.turns.update_one(doc! { "_id": id.to_string() }, unchanged);
        Ok(within("look for a turn", touch).await?.matched_count == 1)
    }

    async fn last_place(&self, key: ChatKey) -> Result<Option<Place>, StoreError> {
        // The rest of it may be of a newer version.
        let places = self.turns.clone_with_type::<HumanReadable<Place>>();
        let find = places
            .find_one(fields::of_conversation(key))
            .projection(doc! { "_id": 0, "seq": 1, "session": 1 })
            .sort(doc! { "seq": -1 });
        Ok(within("read the last turn of a chat", find).await?.map(|place| place.0))
    }

    /// Adds a panic to each turn.
    pub(super) async fn count_panic(&self, ids: &[TurnId]) -> Result<(), StoreError> {
        let ids: Vec<_> = ids.iter().map(TurnId::to_string).collect();
        let counted =
            self.turns.update_many(doc! { "_id": { "$in": ids } }, doc! { "$inc": { "panics": 1 } });
        within("count a panic", counted).await.map(|_| ())
    }

    /// Sets these fields of a turn and no others.
    pub(super) async fn update(&self, id: TurnId, changed: &impl Serialize) -> Result<(), StoreError> {
        self.fence(id.bot)?;
        let set = doc! { "$set": fields::document(changed)? };
        let updated =
            within("update a turn", self.turns.update_one(doc! { "_id": id.to_string() }, set)).await?;
        if updated.matched_count == 0 {
            return Err(StoreError::Refused(format!("turn '{id}' is not on record; record it first")));
        }
        Ok(())
    }
}
