//! The model over HTTP: Chat Completions, whole and streamed.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use actix_web::http::{StatusCode, header};
use actix_web::web::{Bytes, Data, Path, Payload, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, web};
use futures::{Stream, StreamExt, stream};
use serde_json::{Value, json};

use super::failure::Failure;
use super::script::{Script, Step, Whole};
use super::wire::{Asked, Head, usage};

/// The longest request that is read, in bytes.
const LONGEST_BODY: usize = 16 * 1024 * 1024;
/// The models that are listed; any other name is answered too.
const MODELS: [&str; 2] = ["sandbox-cook", "gpt-4o-mini"];

/// What the requests of one server share.
#[derive(Debug, Default)]
pub(in crate::sandbox) struct Counter(AtomicU64);

/// Adds Chat Completions to a server.
pub(in crate::sandbox) fn routes(config: &mut ServiceConfig) {
    config
        .route("/v1/chat/completions", web::post().to(complete))
        .route("/v1/models", web::get().to(models))
        .route("/v1/models/{model}", web::get().to(model))
        .default_service(web::to(unknown));
}

async fn complete(counter: Data<Counter>, request: HttpRequest, payload: Payload) -> HttpResponse {
    let body = match payload.to_bytes_limited(LONGEST_BODY).await {
        Ok(Ok(body)) => body,
        Ok(Err(_)) | Err(_) => return refused(&Failure::of_status(413)),
    };
    let asked = match authorised(&request).and_then(|()| Asked::read(&body)) {
        Ok(asked) => asked,
        Err(failure) => return refused(&failure),
    };
    let script = Script::for_request(&asked.messages, &asked.tools);
    let head = Head {
        id: format!("chatcmpl-sandbox{:08}", counter.0.fetch_add(1, Ordering::Relaxed)),
        created: now_s(),
        usage: usage(&asked.messages, &script),
        model: asked.model,
        choices: asked.choices,
        include_usage: asked.include_usage,
    };
    if asked.stream { streamed(head, script).await } else { whole(&head, &script).await }
}

async fn whole(head: &Head, script: &Script) -> HttpResponse {
    tokio::time::sleep(Duration::from_millis(script.first_ms)).await;
    match script.whole() {
        Whole::Reply(reply) => HttpResponse::Ok().json(head.whole(&reply)),
        Whole::Failed(failure) => refused(&failure),
        Whole::Garbage => {
            HttpResponse::Ok().content_type("text/html").body("<html>not what you expected</html>")
        }
        Whole::Hanging => std::future::pending().await,
        Whole::Broken => HttpResponse::Ok().content_type("application/json").streaming(cut_off()),
    }
}

/// The beginning of an answer. It has to leave before the connection breaks, or nothing would.
fn cut_off() -> impl Stream<Item = Result<Bytes, io::Error>> + 'static {
    let start = Bytes::from_static(b"{\"id\":\"chatcmpl-sandbox\",\"object\":\"chat.comp");
    stream::iter([Ok(start)]).chain(stream::once(async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        Err(aborted())
    }))
}

async fn streamed(head: Head, script: Script) -> HttpResponse {
    if let [(gap, Step::Error(failure))] = script.steps.as_slice() {
        tokio::time::sleep(Duration::from_millis(script.first_ms + gap)).await;
        return refused(failure);
    }
    HttpResponse::Ok()
        .content_type("text/event-stream; charset=utf-8")
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        .streaming(chunks(head, script))
}

/// The bytes of a stream, each when the script says.
fn chunks(head: Head, script: Script) -> impl Stream<Item = Result<Bytes, io::Error>> + 'static {
    let mut steps: VecDeque<_> = script.steps.into();
    let opening = if let Some(first) = steps.front_mut() {
        first.0 += script.first_ms;
        head.opening()
    } else {
        String::new()
    };
    stream::unfold((head, steps, opening), |(head, mut steps, opening)| async move {
        let (gap, step) = steps.pop_front()?;
        tokio::time::sleep(Duration::from_millis(gap)).await;
        match &step {
            Step::Hang => return std::future::pending().await,
            Step::Break => return Some((Err(aborted()), (head, VecDeque::new(), String::new()))),
            Step::Error(_) | Step::Garbage | Step::End { .. } => steps.clear(),
            Step::Delta(_) | Step::ToolCallFragment { .. } => {}
        }
        let bytes = Bytes::from(opening + &head.step(&step).unwrap_or_default());
        Some((Ok(bytes), (head, steps, String::new())))
    })
}

async fn models(request: HttpRequest) -> HttpResponse {
    match authorised(&request) {
        Ok(()) => HttpResponse::Ok().json(json!({"object": "list", "data": MODELS.map(described)})),
        Err(failure) => refused(&failure),
    }
}

async fn model(request: HttpRequest, name: Path<String>) -> HttpResponse {
    match authorised(&request) {
        Ok(()) => HttpResponse::Ok().json(described(&name)),
        Err(failure) => refused(&failure),
    }
}

fn described(name: &str) -> Value {
    json!({"id": name, "object": "model", "created": 1_700_000_000, "owned_by": "brigade-sandbox"})
}

async fn unknown(request: HttpRequest) -> HttpResponse {
    let message = format!("Invalid URL ({} {})", request.method(), request.path());
    refused(&Failure { message, ..Failure::of_status(404) })
}

/// Any key will do, but there must be one.
fn authorised(request: &HttpRequest) -> Result<(), Failure> {
    let header = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let key = header.and_then(|value| value.strip_prefix("Bearer ")).map_or("", str::trim);
    if key.is_empty() {
        let message = "You didn't provide an API key. You need to provide it in an Authorization header using Bearer auth.";
        return Err(Failure { message: message.to_owned(), code: None, ..Failure::of_status(401) });
    }
    Ok(())
}

fn refused(failure: &Failure) -> HttpResponse {
    let status = StatusCode::from_u16(failure.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = HttpResponse::build(status);
    if let Some(seconds) = failure.retry_after_s {
        response.insert_header((header::RETRY_AFTER, seconds.to_string()));
    }
    response.json(failure.to_json())
}

fn aborted() -> io::Error {
    io::ErrorKind::ConnectionAborted.into()
}

fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
