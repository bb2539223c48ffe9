//! Which process serves a bot: a document in the collection `claims` that it changes again and again.
//!
//! Nobody's wall clock matters: a process that waits watches the document by a clock of its own, and only
//! while the store answers. A store that was away for everybody leaves the bot to whoever has it.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mongodb::Collection;
use mongodb::bson::{Document, doc};
use tokio::time::Instant;

use super::{Inside, errors, within};
use crate::edge::store::StoreError;
use crate::edge::store::owner::Owner;

/// A claim that has not changed for so long is another's for the taking: three times as long as between
/// two changes.
const GOOD_FOR: Duration = Duration::from_secs(6);

/// What a process knows of claims: all its connections to a database share it.
#[derive(Default)]
pub(super) struct Known {
    others: Seen,
    own: Own,
}

/// Other processes' claims as they were last seen, by bot, and since when.
#[derive(Default)]
struct Seen(Mutex<HashMap<i64, (Claim, Instant)>>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Claim {
    owner: String,
    /// How often the owner has said that it is there.
    beats: i64,
}

impl Claim {
    fn of(found: &Document) -> Self {
        let owner = found.get_str("owner").unwrap_or_default().to_owned();
        Self { owner, beats: found.get_i64("beats").unwrap_or(0) }
    }
}

impl Seen {
    /// Whether this very claim has been seen, and no other, for long enough.
    fn is_stale(&self, bot: i64, claim: &Claim) -> bool {
        let mut seen = self.claims();
        let now = Instant::now();
        let (before, since) = seen.entry(bot).or_insert_with(|| (claim.clone(), now));
        if before != claim {
            (*before, *since) = (claim.clone(), now);
        }
        now - *since >= GOOD_FOR
    }

    fn forget(&self, bot: i64) {
        self.claims().remove(&bot);
    }

    fn claims(&self) -> MutexGuard<'_, HashMap<i64, (Claim, Instant)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// When this process last claimed each of its bots.
#[derive(Default)]
struct Own(Mutex<HashMap<i64, Instant>>);

impl Own {
    fn claims(&self) -> MutexGuard<'_, HashMap<i64, Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has(&self, bot: i64) -> bool {
        self.claims().contains_key(&bot)
    }

    /// Whether another process may have the bot by now: none can before [`GOOD_FOR`] after the last claim.
    fn is_overdue(&self, bot: i64) -> bool {
        self.claims().get(&bot).is_some_and(|claimed| claimed.elapsed() >= GOOD_FOR)
    }
}

impl Inside {
    fn claims(&self) -> Collection<Document> {
        self.database.collection("claims")
    }

    pub(super) async fn claim(&self, bot: i64, owner: &Owner) -> Result<bool, StoreError> {
        let asked = Instant::now();
        let claimed = self.try_to_claim(bot, owner).await;
        if claimed == Ok(true) {
            self.known.own.claims().insert(bot, asked);
        }
        // Whoever could not reach the store, or has it, has watched nobody.
        if claimed != Ok(false) {
            self.known.others.forget(bot);
        }
        claimed
    }

    /// Lets no write begin where another process may serve the bot by now: a process that was cut off, or stood
    /// still, would write over what the other has done. It goes on when the bot has been claimed again.
    pub(super) fn fence(&self, bot: i64) -> Result<(), StoreError> {
        if !self.known.own.is_overdue(bot) {
            return Ok(());
        }
        let seconds = GOOD_FOR.as_secs();
        Err(StoreError::Away(format!(
            "for {seconds} s this process could not say that it serves the bot, and another may; it writes nothing \
             before it has"
        )))
    }

    async fn try_to_claim(&self, bot: i64, owner: &Owner) -> Result<bool, StoreError> {
        let found = within("read who serves the bot", self.claims().find_one(doc! { "_id": bot })).await?;
        let Some(found) = found else {
            // Another process may have had it, and have released it.
            let was_lost = self.known.own.is_overdue(bot);
            return if was_lost { Ok(false) } else { self.insert_claim(bot, owner).await };
        };
        let before = Claim::of(&found);
        let is_mine = before.owner == owner.to_string();
        let ended = || before.owner.parse::<Owner>().is_ok_and(|before| before.has_ended(owner));
        let is_free = || !self.known.own.has(bot) && (ended() || self.known.others.is_stale(bot, &before));
        if !is_mine && !is_free() {
            return Ok(false);
        }
        // Whoever else has seen the same takes it only if nobody has since.
        let filter = doc! { "_id": bot, "owner": before.owner, "beats": before.beats };
        let set = doc! { "$set": { "owner": owner.to_string(), "beats": before.beats + 1 } };
        let taken = within("claim the bot", self.claims().update_one(filter, set)).await?;
        Ok(taken.matched_count == 1)
    }

    async fn insert_claim(&self, bot: i64, owner: &Owner) -> Result<bool, StoreError> {
        let claim = doc! { "_id": bot, "owner": owner.to_string(), "beats": 1_i64 };
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
        self.known.own.claims().remove(&bot);
        let claims = self.claims();
        within("release the bot", claims.delete_one(doc! { "_id": bot, "owner": owner })).await.map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_claim_is_stale_when_it_has_been_watched_and_did_not_change() {
        let seen = Seen::default();
        let claim = |beats| Claim { owner: "another".into(), beats };
        for beats in 1..10 {
            assert!(!seen.is_stale(77, &claim(beats)));
            advance(Duration::from_secs(5)).await;
            assert!(!seen.is_stale(77, &claim(beats)));
        }
        seen.forget(77);
        assert!(!seen.is_stale(77, &claim(9)), "the store was away: it is watched anew");
        assert!(!seen.is_stale(8, &claim(9)));
        advance(GOOD_FOR).await;
        assert!(seen.is_stale(77, &claim(9)) && !seen.is_stale(77, &claim(10)));
    }
}
