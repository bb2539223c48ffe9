//! One process serves a bot: the claim that it holds in the store.

use std::sync::Arc;
use std::time::Duration;

use crate::edge::store::owner::Owner;
use crate::edge::store::{Store, StoreError};

/// Between two times that this process says it is still there.
const CLAIM_EVERY: Duration = Duration::from_secs(2);

/// Between two looks whether another process still serves the bot.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(200);

/// Waits until no other process serves the bot: both would answer what is owed.
pub(super) async fn alone(store: &dyn Store, bot: i64, owner: &Owner) -> Result<(), StoreError> {
    let mut told = false;
    loop {
        match store.claim(bot, owner).await {
            Ok(true) => return Ok(()),
            Ok(false) if !told => {
                tracing::warn!("another process serves this bot; waiting until it ends");
                told = true;
            }
            Ok(false) => {}
            Err(error @ (StoreError::Refused(_) | StoreError::Denied(_))) => return Err(error),
            Err(error @ StoreError::Away(_)) => {
                tracing::debug!("could not look whether another process serves this bot: {error}")
            }
        }
        tokio::time::sleep(LOOK_AGAIN_AFTER).await;
    }
}

/// Says again and again that this process serves the bot. Ends when another one does.
pub(super) async fn keep_claim(store: Arc<dyn Store>, bot: i64, owner: Owner) {
    loop {
        tokio::time::sleep(CLAIM_EVERY).await;
        match store.claim(bot, &owner).await {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => tracing::debug!("could not say that this process serves the bot: {error}"),
        }
    }
}
