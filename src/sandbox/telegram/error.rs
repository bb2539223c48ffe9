//! A refusal in Telegram's own words.

use serde_json::{Map, Value, json};

use super::flood::Flooded;

/// A Bot API call that failed, as Telegram says it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{description}")]
pub struct ApiError {
    /// Telegram's `error_code`, and the HTTP status.
    pub code: u16,
    /// Telegram's `description`.
    pub description: String,
    /// `parameters.retry_after`, in seconds.
    pub retry_after_s: Option<u64>,
    /// `parameters.migrate_to_chat_id`.
    pub migrate_to: Option<i64>,
    /// Which flood limit it is; for the record only, Telegram does not say.
    pub flooded: Option<Flooded>,
}

impl ApiError {
    /// An error with this code and the whole description.
    pub fn new(code: u16, description: impl Into<String>) -> Self {
        Self { code, description: description.into(), retry_after_s: None, migrate_to: None, flooded: None }
    }

    /// 400 with `what` after "Bad Request: ".
    pub fn bad_request(what: &str) -> Self {
        Self::new(400, format!("Bad Request: {what}"))
    }

    /// 401: the token is of no bot.
    pub fn unauthorized() -> Self {
        Self::new(401, "Unauthorized")
    }

    /// 404: no such method, or no token at all.
    pub fn not_found() -> Self {
        Self::new(404, "Not Found")
    }

    /// 409 with `what` after "Conflict: ".
    pub fn conflict(what: &str) -> Self {
        Self::new(409, format!("Conflict: {what}"))
    }

    /// 429 that asks to wait so many seconds.
    pub fn too_many_requests(retry_after_s: u64) -> Self {
        let description = format!("Too Many Requests: retry after {retry_after_s}");
        Self { retry_after_s: Some(retry_after_s), ..Self::new(429, description) }
    }

    /// 429 of a flood limit.
    pub fn flooded(flooded: Flooded) -> Self {
        Self { flooded: Some(flooded), ..Self::too_many_requests(flooded.retry_after_s) }
    }

    /// 400 that gives the id of the supergroup which a group has become.
    pub fn migrated(to: i64) -> Self {
        Self { migrate_to: Some(to), ..Self::bad_request("group chat was upgraded to a supergroup chat") }
    }

    /// A 5xx with the usual words of its code.
    pub fn server(code: u16) -> Self {
        let words = match code {
            502 => "Bad Gateway",
            503 => "Service Unavailable",
            504 => "Gateway Timeout",
            _ => "Internal Server Error",
        };
        Self::new(code, words)
    }

    /// Telegram's envelope: `{"ok":false,"error_code":…,"description":…,"parameters":…}`.
    pub fn to_json(&self) -> Value {
        let mut body = json!({"ok": false, "error_code": self.code, "description": self.description});
        let parameters = self.parameters();
        if !parameters.is_empty() {
            body["parameters"] = Value::Object(parameters);
        }
        body
    }

    fn parameters(&self) -> Map<String, Value> {
        let retry = self.retry_after_s.map(|seconds| ("retry_after".to_owned(), json!(seconds)));
        let migrate = self.migrate_to.map(|chat| ("migrate_to_chat_id".to_owned(), json!(chat)));
        retry.into_iter().chain(migrate).collect()
    }
}
