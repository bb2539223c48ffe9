//! Delivers updates to webhooks, as [`super::state::World`] says which may go when.

use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use reqwest::header::RETRY_AFTER;
use reqwest::{Client, Response, StatusCode, redirect};
use serde_json::Value;

use super::params::Params;
use super::shared::SharedWorld;
use super::updates::{Delivery, Failure};

/// How long a webhook may take to answer.
const PATIENCE: Duration = Duration::from_secs(60);
/// The longest `Retry-After` that is honoured, in seconds.
const LONGEST_WAIT_S: u64 = 3_600;

/// Delivers for as long as it is polled.
///
/// # Errors
/// None but that of a client which can't be built.
pub async fn deliver(world: SharedWorld) -> Result<(), reqwest::Error> {
    let client = Client::builder().timeout(PATIENCE).no_proxy().redirect(redirect::Policy::none()).build()?;
    let mut posts = FuturesUnordered::new();
    loop {
        let mut stirred = std::pin::pin!(world.stirred());
        stirred.as_mut().enable();
        let (deliveries, retry) = world.with(|world, now| {
            let deliveries = world.take_deliveries(now);
            (deliveries, world.next_event_ms().map(|at| at.saturating_sub(now)))
        });
        posts.extend(deliveries.into_iter().map(|delivery| post(&client, &world, delivery)));
        let nap = tokio::time::sleep(Duration::from_millis(retry.unwrap_or_default()));
        tokio::select! {
            () = stirred => {}
            () = nap, if retry.is_some() => {}
            Some(()) = posts.next() => {}
        }
    }
}

async fn post(client: &Client, world: &SharedWorld, delivery: Delivery) {
    let mut request = client.post(&delivery.webhook.url).json(&delivery.update);
    if let Some(secret) = &delivery.webhook.secret_token {
        request = request.header("X-Telegram-Bot-Api-Secret-Token", secret);
    }
    match request.send().await {
        Ok(response) if response.status().is_success() => {
            let reply = response.json::<Value>().await.unwrap_or_default();
            world.with(|world, _| world.acknowledged(&delivery));
            call_back(world, delivery.bot, reply).await;
        }
        Ok(response) => fail(world, &delivery, refusal(&response)),
        Err(error) => fail(world, &delivery, trouble(&error)),
    }
}

/// A webhook may answer with a method call; nobody learns its result.
async fn call_back(world: &SharedWorld, bot: i64, reply: Value) {
    let mut params = Params::from_json(reply);
    if let Some(Value::String(method)) = params.remove("method") {
        world.call(bot, &method, &params).await;
    }
}

fn fail(world: &SharedWorld, delivery: &Delivery, failure: Failure) {
    world.with(|world, now| world.delivery_failed(now, delivery, failure));
}

fn refusal(response: &Response) -> Failure {
    let status: StatusCode = response.status();
    let wait =
        response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse::<u64>().ok());
    Failure {
        message: format!("Wrong response from the webhook: {status}"),
        retry_after_ms: wait.map(|seconds| seconds.min(LONGEST_WAIT_S) * 1000),
    }
}

fn trouble(error: &reqwest::Error) -> Failure {
    let message = if error.is_timeout() {
        "Read timeout expired"
    } else if error.is_connect() {
        "Connection refused"
    } else {
        "Connection closed unexpectedly"
    };
    Failure { message: message.to_owned(), retry_after_ms: None }
}
