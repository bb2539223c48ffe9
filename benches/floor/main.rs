//! The floor: the least that a Rust program could do for the same service.
//!
//! A bare hyper webhook that answers 200 at once, one task a turn on one thread, a streamed Chat
//! Completions call, an event stream cut by hand, "✓" at once, one send per 300 characters, "✓"
//! deleted after the first. No actors, history, store, pacing or retries: what fails is dropped, what
//! comes twice is answered twice, and what the process owes when it ends is lost.
//!
//! It is not a bot to run. It is what brigade's cost is measured against, so it reads the same
//! environment: TELEGRAM_API_URL, OPENAI_BASE_URL, TELEGRAM_BOT_TOKEN, OPENAI_API_KEY,
//! TELEGRAM_WEBHOOK_URL, TELEGRAM_WEBHOOK_SECRET, PORT. Plain http only.

mod http;
mod sse;
mod turn;

use std::convert::Infallible;
use std::error::Error;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde_json::json;
use tokio::net::TcpListener;

use http::Host;
use turn::Turn;

/// The header in which Telegram sends the secret back.
const SECRET_HEADER: &str = "x-telegram-bot-api-secret-token";

/// Whatever went wrong: nothing is told apart here.
type Failed = Box<dyn Error + Send + Sync>;

/// What every turn needs.
struct Floor {
    telegram: Host,
    model: Host,
    secret: String,
}

#[derive(Deserialize)]
struct Update {
    message: Option<Message>,
}

#[derive(Deserialize)]
struct Message {
    chat: Chat,
    text: Option<String>,
}

#[derive(Deserialize)]
struct Chat {
    id: i64,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failed> {
    let floor = Arc::new(Floor::from_environment()?);
    let port = std::env::var("PORT").unwrap_or_else(|_| "8080".to_owned());
    let listener = TcpListener::bind(format!("0.0.0.0:{port}")).await?;
    let serving = tokio::spawn(serve(listener, floor.clone()));
    floor.set_webhook().await?;
    Ok(serving.await?)
}

async fn serve(listener: TcpListener, floor: Arc<Floor>) {
    loop {
        let Ok((connection, _)) = listener.accept().await else { continue };
        let _a_small_delay_at_worst = connection.set_nodelay(true);
        let floor = floor.clone();
        let service = service_fn(move |request| answer(floor.clone(), request));
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(connection), service));
    }
}

/// 200 at once: the turn begins beside it. Anything but the webhook is a health check.
async fn answer(floor: Arc<Floor>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    if request.uri().path() != "/webhook" {
        return Ok(Response::new(Full::from("{\"status\":\"ok\"}")));
    }
    let given = request.headers().get(SECRET_HEADER).map_or(&b""[..], |value| value.as_bytes());
    if given != floor.secret.as_bytes() {
        return Ok(status(StatusCode::UNAUTHORIZED));
    }
    let Ok(body) = request.into_body().collect().await else { return Ok(status(StatusCode::BAD_REQUEST)) };
    if let Ok(Update { message: Some(Message { chat, text: Some(text) }) }) =
        serde_json::from_slice(&body.to_bytes())
    {
        tokio::spawn(async move {
            if let Err(error) = Turn::new(&floor, chat.id).run(&text).await {
                eprintln!("chat {}: {error}", chat.id);
            }
        });
    }
    Ok(status(StatusCode::OK))
}

fn status(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response
}

impl Floor {
    fn from_environment() -> Result<Self, Failed> {
        let token = variable("TELEGRAM_BOT_TOKEN")?;
        let telegram = Host::new(&variable("TELEGRAM_API_URL")?, &format!("/bot{token}"), None)?;
        let key = format!("Bearer {}", variable("OPENAI_API_KEY")?);
        let model = Host::new(&variable("OPENAI_BASE_URL")?, "", Some(key))?;
        Ok(Self { telegram, model, secret: variable("TELEGRAM_WEBHOOK_SECRET")? })
    }

    async fn set_webhook(&self) -> Result<(), Failed> {
        let base = variable("TELEGRAM_WEBHOOK_URL")?;
        let base = base.trim_end_matches('/').trim_end_matches("/webhook");
        let webhook = json!({
            "url": format!("{base}/webhook"),
            "secret_token": self.secret,
            "max_connections": 100,
        });
        self.telegram.post("/setWebhook", webhook.to_string()).await?.whole().await?;
        Ok(())
    }
}

fn variable(name: &str) -> Result<String, Failed> {
    std::env::var(name).map_err(|_| format!("{name} is not set; the floor needs it").into())
}
