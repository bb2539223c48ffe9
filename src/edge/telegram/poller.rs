//! Updates by long polling: for a machine that Telegram can't reach.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use futures::future::join_all;
use serde_json::Value;
use tokio::time::Instant;

use super::TelegramError;
use super::bot_api::BotApiClient;
use super::update::{ALLOWED_UPDATES, Update};
use crate::edge::intake::{Intake, Verdict};

/// How long to wait before updates that were not taken are asked for again.
const AFTER_REFUSAL: Duration = Duration::from_secs(1);

/// An empty answer that comes sooner was not held until there is an update.
const HELD_AT_LEAST: Duration = Duration::from_millis(500);

/// Polls for ever: asks for updates, hands them in, and moves on only past those whose verdict is
/// final. Ends only with an error that no waiting mends: [`TelegramError::Unauthorised`].
pub async fn poll(api: BotApiClient, intake: Arc<dyn Intake>, wait_s: u32) -> TelegramError {
    let mut offset = 0;
    let mut waits = waits();
    loop {
        let asked = Instant::now();
        match api.get_updates(offset, wait_s, &ALLOWED_UPDATES).await {
            Ok(batch) => {
                waits = self::waits();
                let (next, all_taken) = hand_in(&batch, offset, intake.as_ref()).await;
                offset = next;
                // A server that does not hold the call would be asked thousands of times a second.
                let spins = batch.is_empty() && asked.elapsed() < HELD_AT_LEAST;
                if !all_taken || spins {
                    tokio::time::sleep(AFTER_REFUSAL).await;
                }
            }
            Err(error @ TelegramError::Unauthorised(_)) => return error,
            Err(error) => {
                let wait = wait_after(&error, &mut waits);
                tracing::warn!("polling failed, trying again in {wait:?}: {}", explain(&error));
                tokio::time::sleep(wait).await;
            }
        }
    }
}

/// Hands a batch in: chats side by side, each chat's updates in their order. Returns the next
/// offset, and whether the whole batch was taken.
async fn hand_in(batch: &[Value], offset: i64, intake: &dyn Intake) -> (i64, bool) {
    let updates: Vec<Update> = batch.iter().filter_map(|value| Update::from_value(value).ok()).collect();
    let mut chats: HashMap<Option<(i64, Option<i32>)>, Vec<Update>> = HashMap::new();
    let ids: Vec<i64> = updates.iter().map(|update| update.id).collect();
    for update in updates {
        chats.entry(update.place()).or_default().push(update);
    }
    let verdicts = join_all(chats.into_values().map(|updates| in_order(updates, intake))).await;
    let taken: HashMap<i64, Verdict> = verdicts.into_iter().flatten().collect();
    let refused = ids.iter().copied().find(|id| !taken.get(id).is_some_and(|verdict| verdict.is_final()));
    match (refused, ids.last()) {
        (Some(first), _) => (first, false),
        (None, Some(last)) => (last + 1, true),
        (None, None) => (offset, batch.is_empty()),
    }
}

/// Stops at the first that is not taken: what follows it in the chat must not overtake it.
async fn in_order(updates: Vec<Update>, intake: &dyn Intake) -> Vec<(i64, Verdict)> {
    let mut verdicts = Vec::new();
    for update in updates {
        let id = update.id;
        let verdict = intake.take(update).await;
        verdicts.push((id, verdict));
        if !verdict.is_final() {
            break;
        }
    }
    verdicts
}

fn waits() -> ExponentialBackoff {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_secs(1))
        .with_max_delay(Duration::from_secs(60))
        .without_max_times()
        .build()
}

fn wait_after(error: &TelegramError, waits: &mut ExponentialBackoff) -> Duration {
    match error {
        TelegramError::RetryAfter(window) => *window,
        _ => waits.next().unwrap_or(Duration::from_secs(60)),
    }
}

fn explain(error: &TelegramError) -> String {
    let hint = match error {
        TelegramError::Conflict(text) if text.contains("webhook") => {
            "\nhint: a webhook is set for this bot, so Telegram gives no updates to polling. \
             Set TELEGRAM_WEBHOOK_URL to use it, or start once with --mode polling to remove it"
        }
        TelegramError::Conflict(_) => {
            "\nhint: another process polls with this bot's token. Stop it, or give this one a bot of its own"
        }
        _ => "",
    };
    format!("{error}{hint}")
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use futures::future::BoxFuture;
    use serde_json::json;

    use super::*;

    /// Refuses some updates, and notes in which order they came.
    struct Picky {
        refuses: Vec<i64>,
        seen: Mutex<Vec<i64>>,
    }

    impl Intake for Picky {
        fn take(&self, update: Update) -> BoxFuture<'static, Verdict> {
            self.seen.lock().unwrap().push(update.id);
            let refused = self.refuses.contains(&update.id);
            Box::pin(std::future::ready(if refused { Verdict::StoreAway } else { Verdict::Accepted }))
        }
    }

    fn batch(updates: &[(i64, i64)]) -> Vec<Value> {
        let update = |(id, chat): &(i64, i64)| json!({"update_id": id, "message": {"message_id": 1, "chat": {"id": chat}, "text": "x"}});
        updates.iter().map(update).collect()
    }

    #[tokio::test]
    async fn the_offset_moves_only_past_what_was_taken() {
        for (refuses, expected, seen) in [
            (vec![], (14, true), vec![10, 11, 12, 13]),
            (vec![11], (11, false), vec![10, 11, 12]),
            (vec![13], (13, false), vec![10, 11, 12, 13]),
        ] {
            let picky = Picky { refuses, seen: Mutex::default() };
            let updates = batch(&[(10, 1), (11, 2), (12, 1), (13, 2)]);
            assert_eq!(hand_in(&updates, 5, &picky).await, expected);
            let mut came = picky.seen.into_inner().unwrap();
            came.sort_unstable();
            assert_eq!(came, seen);
        }
        let picky = Picky { refuses: vec![], seen: Mutex::default() };
        assert_eq!(hand_in(&[], 5, &picky).await, (5, true));
    }
}
