//! Telegram's side of the webhook, without its rules: posts an update until the bot takes it.

use std::rc::Rc;
use std::time::Duration;

use reqwest::header::RETRY_AFTER;
use reqwest::{Client, Response};
use serde_json::json;
use tokio::sync::Semaphore;

use super::hub::Hub;

/// How long a webhook may take to answer.
const PATIENCE: Duration = Duration::from_secs(60);
/// After a failure that does not say for how long.
const AGAIN_AFTER: Duration = Duration::from_millis(500);
/// Updates at once where the bot says nothing about it, as Telegram has it.
pub(crate) const USUAL_CONNECTIONS: usize = 40;

/// Where updates go.
#[derive(Clone)]
pub(crate) struct Hook {
    client: Client,
    pub(crate) url: String,
    pub(crate) secret: String,
    room: Rc<Semaphore>,
}

impl Hook {
    /// A hook with so many connections.
    ///
    /// # Errors
    /// When no client can be made.
    pub(crate) fn new(url: String, secret: String, connections: usize) -> Result<Self, reqwest::Error> {
        let client = Client::builder().timeout(PATIENCE).no_proxy().build()?;
        Ok(Self { client, url, secret, room: Rc::new(Semaphore::new(connections)) })
    }

    /// Posts once. Returns how long to wait before the next attempt, if it needs one.
    async fn post(&self, body: String) -> Result<(), Duration> {
        let request = self.client.post(&self.url).body(body);
        let request = request.header("content-type", "application/json");
        let request = request.header("X-Telegram-Bot-Api-Secret-Token", &self.secret);
        match request.send().await {
            Ok(response) if response.status().is_success() => {
                // Read to its end, so that the connection can be used again.
                response.bytes().await.map(drop).map_err(|_| AGAIN_AFTER)
            }
            Ok(response) => Err(wait(&response)),
            Err(_) => Err(AGAIN_AFTER),
        }
    }
}

fn wait(response: &Response) -> Duration {
    let seconds = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    seconds.map_or(AGAIN_AFTER, Duration::from_secs)
}

impl Hub {
    /// Brings a person's message to the bot, again and again until it takes it. The chat's next waits until then,
    /// as in Telegram.
    pub(super) async fn deliver(&self, chat: i64, update: i64, message: i64, text: &str) {
        let Some(hook) = self.hook.borrow().clone() else { return };
        let lane = self.lanes.borrow_mut().entry(chat).or_default().clone();
        let _my_turn = lane.lock().await;
        let person = json!({"id": chat, "is_bot": false, "first_name": "Ada", "language_code": "en"});
        let body = json!({"update_id": update, "message": {
            "message_id": message,
            "from": person,
            "chat": {"id": chat, "type": "private", "first_name": "Ada"},
            "date": now_s(),
            "text": text,
        }});
        let body = body.to_string();
        loop {
            let Ok(room) = hook.room.acquire().await else { return };
            let posted = hook.post(body.clone()).await;
            drop(room);
            match posted {
                Ok(()) => return,
                Err(wait) => {
                    self.stats.borrow_mut().counts.refused_updates += 1;
                    tokio::time::sleep(wait).await;
                }
            }
        }
    }
}

pub(super) fn now_s() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}
