//! What a method of the Bot API answers, and which of [`TelegramError`]s it is.

use std::time::Duration;

use reqwest::{Response, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use teloxide_core::ApiError;

use super::TelegramError;
use crate::edge::redirect;

/// What every method answers. `ok` may be missing.
#[derive(Deserialize)]
struct Envelope<R> {
    ok: Option<bool>,
    #[serde(default = "Option::default")]
    result: Option<R>,
    error_code: Option<u16>,
    description: Option<String>,
    parameters: Option<Parameters>,
}

#[derive(Deserialize, Default)]
struct Parameters {
    /// Seconds; some servers send a fraction.
    retry_after: Option<f64>,
    migrate_to_chat_id: Option<i64>,
}

/// Reads what a method answered.
///
/// # Errors
/// The error that the answer is, or [`TelegramError::Uncertain`] when it is none.
pub(super) fn read_answer<R: DeserializeOwned>(status: StatusCode, body: &[u8]) -> Result<R, TelegramError> {
    match serde_json::from_slice::<Envelope<R>>(body) {
        Ok(Envelope { result: Some(result), .. }) => Ok(result),
        // Some servers answer null where Telegram answers true.
        Ok(Envelope { ok: Some(true), .. }) => serde_json::from_str("null")
            .map_err(|_| TelegramError::Uncertain("the answer holds nothing".to_owned())),
        Ok(envelope) if envelope.description.is_some() || envelope.parameters.is_some() => {
            Err(refusal(status, envelope))
        }
        _ => Err(no_envelope(status)),
    }
}

fn refusal<R>(status: StatusCode, envelope: Envelope<R>) -> TelegramError {
    let text = envelope.description.unwrap_or_default();
    let parameters = envelope.parameters.unwrap_or_default();
    let code = envelope.error_code.unwrap_or(status.as_u16());
    if let Some(chat) = parameters.migrate_to_chat_id {
        return TelegramError::Migrated(chat);
    }
    if let Some(seconds) = parameters.retry_after {
        return TelegramError::RetryAfter(wait(seconds));
    }
    match code {
        429 => TelegramError::RetryAfter(wait(seconds_in(&text).unwrap_or(1.0))),
        401 => TelegramError::Unauthorised(text),
        403 => TelegramError::ChatClosed(text),
        409 => TelegramError::Conflict(text),
        504 => TelegramError::Uncertain(text),
        500.. => TelegramError::Server(text),
        400 if text.contains("message thread not found") => TelegramError::TopicGone(text),
        _ if closes_chat(&text) => TelegramError::ChatClosed(text),
        _ => TelegramError::Refused(text),
    }
}

/// Telegram gives every answer an envelope: this one is of a server that stands before it.
fn no_envelope(status: StatusCode) -> TelegramError {
    let text = format!("status {status} without a readable body");
    match status.as_u16() {
        429 => TelegramError::RetryAfter(wait(1.0)),
        // It did not pass the call on, and may do so later.
        401 | 403 | 404 | 407 | 408 => TelegramError::Unreachable(format!(
            "{text}; check TELEGRAM_API_URL, or see what stands before it"
        )),
        // It passed the call on.
        502 | 504 => TelegramError::Uncertain(text),
        500.. => TelegramError::Server(text),
        400..=499 => TelegramError::Refused(text),
        _ => TelegramError::Uncertain(text),
    }
}

fn wait(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::from_secs(1))
}

/// The number in "Too Many Requests: retry after 14".
fn seconds_in(text: &str) -> Option<f64> {
    text.rsplit(' ').next()?.parse().ok()
}

fn closes_chat(text: &str) -> bool {
    matches!(
        api_error(text),
        ApiError::BotBlocked
            | ApiError::ChatNotFound
            | ApiError::UserDeactivated
            | ApiError::GroupDeactivated
            | ApiError::BotKicked
            | ApiError::BotKickedFromSupergroup
            | ApiError::BotKickedFromChannel
            | ApiError::CantInitiateConversation
            | ApiError::CantTalkWithBots
    )
}

pub(super) fn api_error(text: &str) -> ApiError {
    serde_json::from_value(Value::from(text)).unwrap_or_else(|_| ApiError::Unknown(text.to_owned()))
}

/// Nothing was done, and whatever stands before Telegram may be gone later.
pub(super) fn redirected(response: &Response) -> TelegramError {
    let target = redirect::target(response.headers());
    TelegramError::Unreachable(format!(
        "{} leads to {target}; change TELEGRAM_API_URL, or see what stands before it",
        response.status()
    ))
}

/// The URL holds the token and must not be shown.
pub(super) fn no_answer(error: reqwest::Error) -> TelegramError {
    let unsent = error.is_connect() || error.is_builder();
    let error = error.without_url();
    let mut text = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    if unsent { TelegramError::Unreachable(text) } else { TelegramError::Uncertain(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct Sent {
        message_id: i64,
    }

    fn error(status: u16, body: &str) -> TelegramError {
        let status = StatusCode::from_u16(status).unwrap();
        read_answer::<Sent>(status, body.as_bytes()).map(|sent| sent.message_id).unwrap_err()
    }

    #[test]
    fn answers_are_told_apart() {
        let cases = [
            (
                429,
                r#"{"ok":false,"error_code":429,"description":"x","parameters":{"retry_after":1.5}}"#,
                TelegramError::RetryAfter(Duration::from_millis(1500)),
            ),
            (
                429,
                r#"{"ok":false,"error_code":429,"description":"Too Many Requests: retry after 14"}"#,
                TelegramError::RetryAfter(Duration::from_secs(14)),
            ),
            (429, "<html>", TelegramError::RetryAfter(Duration::from_secs(1))),
            (
                400,
                r#"{"description":"x","parameters":{"migrate_to_chat_id":-42}}"#,
                TelegramError::Migrated(-42),
            ),
            (
                403,
                r#"{"ok":false,"error_code":403,"description":"Forbidden: x"}"#,
                TelegramError::ChatClosed("Forbidden: x".into()),
            ),
            (
                400,
                r#"{"ok":false,"error_code":400,"description":"Bad Request: chat not found"}"#,
                TelegramError::ChatClosed("Bad Request: chat not found".into()),
            ),
            (
                400,
                r#"{"ok":false,"error_code":400,"description":"Bad Request: odd"}"#,
                TelegramError::Refused("Bad Request: odd".into()),
            ),
            (
                401,
                r#"{"ok":false,"error_code":401,"description":"Unauthorized"}"#,
                TelegramError::Unauthorised("Unauthorized".into()),
            ),
            (
                200,
                r#"{"ok":false,"error_code":504,"description":"Gateway Timeout"}"#,
                TelegramError::Uncertain("Gateway Timeout".into()),
            ),
            (
                502,
                r#"{"ok":false,"error_code":502,"description":"Bad Gateway"}"#,
                TelegramError::Server("Bad Gateway".into()),
            ),
        ];
        for (status, body, expected) in cases {
            assert_eq!(error(status, body), expected, "{body}");
        }
        assert!(matches!(error(503, "<html>"), TelegramError::Server(_)));
        for status in [502, 504] {
            assert!(matches!(error(status, "<html>"), TelegramError::Uncertain(_)), "{status}");
        }
        for status in [401, 403, 404, 407, 408] {
            assert!(matches!(error(status, "<html>"), TelegramError::Unreachable(_)), "{status}");
        }
        assert!(matches!(error(413, "<html>"), TelegramError::Refused(_)));
        assert!(matches!(error(200, "<html>"), TelegramError::Uncertain(_)));
        assert!(matches!(error(200, r#"{"ok":true}"#), TelegramError::Uncertain(_)));
        let nothing = read_answer::<serde::de::IgnoredAny>(StatusCode::OK, br#"{"ok":true,"result":null}"#);
        assert!(nothing.is_ok());
    }

    #[test]
    fn a_sent_message_needs_no_more_than_its_id() {
        let body = br#"{"ok":true,"result":{"message_id":7,"new_in_2031":{"x":[]}}}"#;
        assert_eq!(read_answer::<Sent>(StatusCode::OK, body).unwrap().message_id, 7);
    }
}
