//! What a provider says when it refuses, told apart by status, code and words.

use std::time::Duration;

use serde_json::Value;

use super::error::ModelError;

/// The longest quotation of a provider in an error, in characters.
const QUOTE_CHARS: usize = 200;

const TOO_LONG: &[&str] = &[
    "context_length",
    "context length",
    "context window",
    "context size",
    "context_window",
    "exceed_context",
    "maximum context",
    "max context",
    "too many tokens",
    "too_many_prompt_tokens",
    "too many prompt tokens",
    "prompt is too long",
    "prompt too long",
    "input is too long",
    "input too long",
    "input length",
    "messages is too long",
    "maximum number of tokens",
    "maximum allowed number of input tokens",
    "max_model_len",
    "maximum prompt length",
    "prompt_too_long",
    "string_above_max_length",
    "request too large",
    "request_too_large",
    "reduce the length of",
];
const BAD_KEY: &[&str] = &[
    "authentication",
    "invalid_api_key",
    "api_key_invalid",
    "incorrect api key",
    "invalid api key",
    "api key not valid",
    "unauthorized",
    "unauthenticated",
    "permission_denied",
    "permission_error",
];
const RATE: &[&str] = &[
    "rate_limit",
    "rate limit",
    "ratelimit",
    "too many requests",
    "too_many_requests",
    "insufficient_quota",
    "resource_exhausted",
    "quota",
];
const BUSY: &[&str] = &[
    "server_error",
    "overloaded",
    "internal_error",
    "internal error",
    "api_error",
    "service_unavailable",
    "unavailable",
    "server had an error",
    "capacity",
];
const SLOW: &[&str] = &["timeout", "timed out", "deadline_exceeded"];
const REFUSED: &[&str] =
    &["invalid", "bad_request", "bad request", "not_found", "not found", "unsupported", "content_filter"];

/// The error of an answer whose status is not a success.
///
/// `wait` is what its headers ask for.
pub fn of_response(status: u16, wait: Option<Duration>, body: &[u8]) -> ModelError {
    let text = String::from_utf8_lossy(body);
    let complaint = match serde_json::from_str::<Value>(&text) {
        Ok(value) => Complaint::of_body(&value).unwrap_or_else(|| Complaint::of_text(&text)),
        Err(_) => Complaint::of_text(&text),
    };
    Complaint { status: Some(status), ..complaint }.into_error(wait)
}

/// The error inside a body or event whose status was a success, if it holds one.
pub(super) fn in_body(value: &Value) -> Option<ModelError> {
    Complaint::of_body(value).map(|complaint| complaint.into_error(None))
}

/// The error of an event that is named `error`, whatever its data.
pub(super) fn of_event(data: &str) -> ModelError {
    let value = serde_json::from_str::<Value>(data).ok();
    let complaint =
        value.as_ref().and_then(|value| Complaint::of_body(value).or_else(|| Complaint::of_error(value)));
    complaint.unwrap_or_else(|| Complaint::of_text(data)).into_error(None)
}

/// At most 200 characters of `text` on one line, for an error.
pub(super) fn quote(text: &str) -> String {
    let mut words = String::new();
    for word in text.split_whitespace() {
        if !words.is_empty() {
            words.push(' ');
        }
        words.push_str(word);
        if words.len() > QUOTE_CHARS * 4 {
            break;
        }
    }
    match words.char_indices().nth(QUOTE_CHARS) {
        Some((end, _)) => format!("{}…", &words[..end]),
        None => words,
    }
}

/// What a provider told.
#[derive(Default)]
struct Complaint {
    message: String,
    /// All that may tell the kind, in lower case.
    words: String,
    status: Option<u16>,
}

impl Complaint {
    fn of_text(text: &str) -> Self {
        let message = quote(text);
        Self { words: message.to_lowercase(), message, status: None }
    }

    /// The error in a body: under `error` at the top, in a choice or in Groq's corner, or the body
    /// itself where it is nothing else.
    fn of_body(body: &Value) -> Option<Self> {
        let body = body.as_array().and_then(|list| list.first()).unwrap_or(body);
        let choice = body.get("choices").and_then(|choices| choices.get(0));
        let places = [Some(body), choice, body.get("x_groq")];
        let error =
            places.into_iter().flatten().filter_map(|place| place.get("error")).find_map(Self::of_error);
        match error {
            Some(error) => Some(error.or_status_of(body)),
            None if choice.is_some() => None,
            None => Self::of_bare_body(body),
        }
    }

    fn of_bare_body(body: &Value) -> Option<Self> {
        let says = |name: &str| body.get(name).is_some_and(is_told);
        let named =
            ["object", "type"].iter().any(|name| body.get(name).and_then(Value::as_str) == Some("error"));
        let coded = body.get("message").is_some_and(Value::is_string)
            && ["code", "status", "status_code"].into_iter().any(says);
        let is_error = named || coded || says("detail");
        if is_error { Self::of_error(body) } else { None }
    }

    /// Reads the error itself: text, or an object with something in it.
    fn of_error(error: &Value) -> Option<Self> {
        match error {
            Value::String(text) if !text.trim().is_empty() => Some(Self::of_text(text)),
            Value::Object(fields) if fields.values().any(is_told) => Some(Self::of_object(error)),
            _ => None,
        }
    }

    fn of_object(error: &Value) -> Self {
        let told = ["message", "detail", "error_message", "error"]
            .iter()
            .find_map(|name| error.get(name).filter(|value| is_told(value)));
        let mut message = told.map_or_else(|| plain(error), plain);
        if let Some(raw) = error.pointer("/metadata/raw").filter(|raw| is_told(raw)) {
            message = format!("{message}: {}", plain(raw));
        }
        let tags = ["code", "type", "status"].iter().filter_map(|name| error.get(name)).map(plain);
        let reason = error.pointer("/details/0/reason").map(plain);
        let words = tags.chain(reason).fold(message.clone(), |words, tag| words + "\n" + &tag).to_lowercase();
        Self { message: quote(&message), words, status: status_in(error) }
    }

    fn or_status_of(self, body: &Value) -> Self {
        Self { status: self.status.or_else(|| status_in(body)), ..self }
    }

    fn says(&self, phrases: &[&str]) -> bool {
        phrases.iter().any(|phrase| self.words.contains(phrase))
    }

    fn into_error(self, wait: Option<Duration>) -> ModelError {
        let Self { message, status, .. } = &self;
        let text = match (status, message.is_empty()) {
            (Some(status), true) => format!("http {status}, without a word"),
            (Some(status), false) => format!("http {status}: {message}"),
            (None, true) => "an error without a word".to_owned(),
            (None, false) => message.clone(),
        };
        match status {
            Some(status) => self.kind_of_status(*status, wait, text),
            None => self.kind_of_words(wait, text),
        }
    }

    fn kind_of_status(&self, status: u16, wait: Option<Duration>, text: String) -> ModelError {
        match status {
            401..=403 => ModelError::Unauthorised(text),
            429 => ModelError::RateLimited { wait, message: text },
            408 | 504 | 524 => ModelError::TimedOut(text),
            400 | 413 | 422 | 500 if self.says(TOO_LONG) => ModelError::ContextTooLong(text),
            400 if self.says(BAD_KEY) => ModelError::Unauthorised(text),
            498 | 500.. => ModelError::Overloaded(text),
            _ => ModelError::BadRequest(text),
        }
    }

    fn kind_of_words(&self, wait: Option<Duration>, text: String) -> ModelError {
        if self.says(TOO_LONG) {
            ModelError::ContextTooLong(text)
        } else if self.says(BAD_KEY) {
            ModelError::Unauthorised(text)
        } else if self.says(RATE) {
            ModelError::RateLimited { wait, message: text }
        } else if self.says(BUSY) {
            ModelError::Overloaded(text)
        } else if self.says(SLOW) {
            ModelError::TimedOut(text)
        } else if self.says(REFUSED) {
            ModelError::BadRequest(text)
        } else {
            ModelError::Broken(format!("the provider reports an error: {text}"))
        }
    }
}

fn status_in(value: &Value) -> Option<u16> {
    let names = ["status_code", "status", "code", "raw_status_code"];
    names.iter().filter_map(|name| value.get(name)).find_map(|status| {
        let number = status.as_u64().or_else(|| status.as_str()?.parse().ok())?;
        u16::try_from(number).ok().filter(|status| (400..600).contains(status))
    })
}

/// Whether a member says anything: providers also send nulls and empty values.
fn is_told(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(_) => false,
        Value::String(text) => !text.trim().is_empty(),
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::Array(list) => !list.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn kind(error: &ModelError) -> String {
        let debug = format!("{error:?}");
        debug.split(['(', ' ', '{']).next().unwrap_or_default().to_owned()
    }

    #[test]
    fn statuses_tell_the_kind() {
        for (status, expected) in [
            (400, "BadRequest"),
            (401, "Unauthorised"),
            (402, "Unauthorised"),
            (403, "Unauthorised"),
            (404, "BadRequest"),
            (408, "TimedOut"),
            (413, "BadRequest"),
            (422, "BadRequest"),
            (429, "RateLimited"),
            (500, "Overloaded"),
            (503, "Overloaded"),
            (504, "TimedOut"),
            (529, "Overloaded"),
        ] {
            let error = of_response(status, None, b"{\"error\":{\"message\":\"no\"}}");
            assert_eq!(kind(&error), expected, "{status}");
        }
    }

    #[test]
    fn words_tell_the_kind_where_there_is_no_status() {
        for (error, expected) in [
            (json!({"error": {"type": "overloaded_error", "message": "Overloaded"}}), "Overloaded"),
            (json!({"error": {"type": "rate_limit_error", "message": "slow down"}}), "RateLimited"),
            (json!({"error": {"code": "context_length_exceeded", "message": "x"}}), "ContextTooLong"),
            (json!({"error": {"type": "authentication_error", "message": "x"}}), "Unauthorised"),
            (json!({"error": {"type": "invalid_request_error", "message": "x"}}), "BadRequest"),
            (json!({"error": {"code": "429", "message": "x"}}), "RateLimited"),
            (json!({"error": {"message": "x"}, "status": 503}), "Overloaded"),
            (json!({"error": "upstream timeout"}), "TimedOut"),
            (json!({"error": "oh"}), "Broken"),
            (json!([{"error": {"code": 400, "message": "x"}}]), "BadRequest"),
            (json!({"object": "error", "message": "Invalid model", "code": "1500"}), "BadRequest"),
            (json!({"choices": [{"error": {"code": 502, "message": "x"}}]}), "Overloaded"),
        ] {
            assert_eq!(in_body(&error).as_ref().map(kind).as_deref(), Some(expected), "{error}");
        }
    }

    #[test]
    fn empty_errors_and_other_events_are_none() {
        for body in [
            json!({"type": "ping"}),
            json!({"error": null}),
            json!({"error": ""}),
            json!({"error": {"code": "", "message": ""}}),
            json!({"choices": [], "usage": {}}),
            json!(7),
        ] {
            assert_eq!(in_body(&body), None, "{body}");
        }
    }

    #[test]
    fn quotations_are_short_and_on_one_line() {
        let error = of_response(502, None, "<html>\n<b>bad</b>\n".repeat(500).as_bytes());
        assert!(error.to_string().chars().count() < 320, "{error}");
        assert!(!error.to_string().contains('\n'));
    }
}
