//! Telegram over HTTP: `/bot{token}/{method}`, as client libraries call it.

use std::io;

use actix_web::http::{StatusCode, header};
use actix_web::web::{Bytes, Data, Path, Payload, Query, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, web};
use futures::stream;
use serde_json::{Value, json};

use super::control;
use super::error::ApiError;
use super::params::Params;
use super::shared::{Answer, SharedWorld};

/// The longest body that is read, in bytes: Telegram's limit for uploads.
const LONGEST_BODY: usize = 50 * 1024 * 1024;

/// Adds the Bot API and the sandbox's own `/sandbox/…` to a server.
pub(in crate::sandbox) fn routes(config: &mut ServiceConfig) {
    control::routes(config);
    config
        .route("/bot{token}/{method}", web::get().to(call))
        .route("/bot{token}/{method}", web::post().to(call))
        .default_service(web::to(|| async { respond(Answer::Said(Err(ApiError::not_found()))) }));
}

async fn call(
    world: Data<SharedWorld>,
    path: Path<(String, String)>,
    request: HttpRequest,
    query: Query<Vec<(String, String)>>,
    payload: Payload,
) -> HttpResponse {
    let (token, method) = path.into_inner();
    let body = match payload.to_bytes_limited(LONGEST_BODY).await {
        Ok(Ok(body)) => body,
        Ok(Err(_)) | Err(_) => return said(Err(ApiError::new(413, "Request Entity Too Large"))),
    };
    let asked = params_of(content_type(&request), body).await;
    let asked = asked.map(|params| params.or(from_pairs(query.into_inner())));
    let bot = world.with(|world, _| world.bot_of(&token));
    match bot.and_then(|bot| Ok((bot, asked?))) {
        Ok((bot, params)) => respond(world.call(bot, &method, &params).await),
        Err(error) => said(Err(error)),
    }
}

fn content_type(request: &HttpRequest) -> &str {
    let header = request.headers().get(header::CONTENT_TYPE);
    header.and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// A call's parameters, in whatever form a client library writes them.
///
/// # Errors
/// Telegram's own, for a body that can't be read.
pub(crate) async fn params_of(content_type: &str, body: Bytes) -> Result<Params, ApiError> {
    let unreadable = || ApiError::bad_request("can't parse the request");
    if body.is_empty() {
        return Ok(Params::default());
    }
    if let Ok(boundary) = multer::parse_boundary(content_type) {
        return from_multipart(body, boundary).await.map_err(|_| unreadable());
    }
    if content_type.starts_with("application/json") {
        return match serde_json::from_slice(&body) {
            Ok(value @ Value::Object(_)) => Ok(Params::from_json(value)),
            _ => Err(ApiError::bad_request("can't parse JSON object")),
        };
    }
    let text = std::str::from_utf8(&body).map_err(|_| unreadable())?;
    let pairs = Query::<Vec<(String, String)>>::from_query(text).map_err(|_| unreadable())?;
    Ok(from_pairs(pairs.into_inner()))
}

/// A file stands as its name: nothing here looks into one.
async fn from_multipart(body: Bytes, boundary: String) -> Result<Params, multer::Error> {
    let whole = stream::iter([Ok::<_, io::Error>(body)]);
    let mut parts = multer::Multipart::new(whole, boundary);
    let mut pairs = Vec::new();
    while let Some(part) = parts.next_field().await? {
        let name = part.name().unwrap_or_default().to_owned();
        let file = part.file_name().map(str::to_owned);
        let text = part.text().await?;
        pairs.push((name, file.unwrap_or(text)));
    }
    Ok(from_pairs(pairs))
}

fn from_pairs(pairs: Vec<(String, String)>) -> Params {
    pairs.into_iter().map(|(name, text)| (name, Value::String(text))).collect()
}

fn said(result: Result<Value, ApiError>) -> HttpResponse {
    respond(Answer::Said(result))
}

fn respond(answer: Answer) -> HttpResponse {
    match answer {
        Answer::Said(Ok(result)) => HttpResponse::Ok().json(json!({"ok": true, "result": result})),
        Answer::Said(Err(error)) => {
            let status = StatusCode::from_u16(error.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            let mut response = HttpResponse::build(status);
            if let Some(seconds) = error.retry_after_s {
                response.insert_header((header::RETRY_AFTER, seconds));
            }
            response.json(error.to_json())
        }
        Answer::HtmlPage => HttpResponse::BadGateway()
            .content_type("text/html")
            .body("<html><head><title>502 Bad Gateway</title></head><body><center><h1>502 Bad Gateway</h1></center></body></html>"),
        Answer::Lost { .. } | Answer::Unreachable => broken(),
    }
}

/// Closes the connection in place of an answer.
fn broken() -> HttpResponse {
    let error = io::Error::from(io::ErrorKind::ConnectionAborted);
    HttpResponse::Ok().streaming(stream::iter([Err::<Bytes, _>(error)]))
}
