//! Which process serves a bot: a document in the collection `claims`, good for a while and renewed.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mongodb::Collection;
use mongodb::bson::{Bson, Document, doc};

use super::{Inside, errors, within};
use crate::edge::store::StoreError;
use crate::edge::store::owner::Owner;

/// How long a claim is good that is not renewed: three times as long as between two renewals.
const GOOD_FOR: Duration = Duration::from_secs(6);

impl Inside {
    fn claims(&self) -> Collection<Document> {
        self.database.collection("claims")
    }

    pub(super) async fn claim(&self, bot: i64, owner: &Owner) -> Result<bool, StoreError> {
        let now_ms = now_ms();
        let found = within("read who serves the bot", self.claims().find_one(doc! { "_id": bot })).await?;
        let Some(found) = found else { return self.insert_claim(bot, owner, now_ms).await };
        let before = found.get_str("owner").unwrap_or_default();
        let is_mine = before == owner.to_string();
        let until_ms = found.get_i64("until_ms").unwrap_or(0);
        let ended = before.parse::<Owner>().is_ok_and(|before| before.has_ended(owner));
        if !is_mine && until_ms > now_ms && !ended {
            return Ok(false);
        }
        // Whoever else has seen the same takes it only if nobody has since.
        let filter = doc! { "_id": bot, "owner": before, "until_ms": until_ms };
        let set = doc! { "$set": { "owner": owner.to_string(), "until_ms": until(now_ms) } };
        let taken = within("claim the bot", self.claims().update_one(filter, set)).await?;
        Ok(taken.matched_count == 1)
    }

    async fn insert_claim(&self, bot: i64, owner: &Owner, now_ms: i64) -> Result<bool, StoreError> {
        let claim = doc! { "_id": bot, "owner": owner.to_string(), "until_ms": Bson::Int64(until(now_ms)) };
        let claims = self.claims();
        let insert = async {
            match claims.insert_one(claim).await {
                Err(error) if errors::is_duplicate_key(&error) => Ok(false),
                inserted => inserted.map(|_| true),
            }
        };
        within("claim the bot", insert).await
    }

    pub(super) async fn release(&self, bot: i64, owner: String) -> Result<(), StoreError> {
        let claims = self.claims();
        within("release the bot", claims.delete_one(doc! { "_id": bot, "owner": owner })).await.map(|_| ())
    }
}

fn until(now_ms: i64) -> i64 {
    now_ms + i64::try_from(GOOD_FOR.as_millis()).unwrap_or(i64::MAX)
}

fn now_ms() -> i64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX)
}
