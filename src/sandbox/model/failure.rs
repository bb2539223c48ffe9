//! A provider's refusals.

/// A refusal as the provider words it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// HTTP status.
    pub status: u16,
    /// `error.type`.
    pub kind: String,
    /// `error.code`, where there is one.
    pub code: Option<String>,
    /// `error.message`.
    pub message: String,
    /// The header `Retry-After`, in seconds.
    pub retry_after_s: Option<u64>,
}

impl Failure {
    /// The usual words of a status.
    pub fn of_status(status: u16) -> Self {
        let (kind, code, message) = match status {
            401 | 403 => ("invalid_request_error", Some("invalid_api_key"), "Incorrect API key provided."),
            429 => ("requests", Some("rate_limit_exceeded"), "Rate limit reached. Please try again in 2s."),
            500.. => (
                "server_error",
                None,
                "The server had an error while processing your request. Sorry about that!",
            ),
            _ => ("invalid_request_error", None, "This request is not valid."),
        };
        Self {
            status,
            kind: kind.to_owned(),
            code: code.map(str::to_owned),
            message: message.to_owned(),
            retry_after_s: (status == 429).then_some(2),
        }
    }

    /// The conversation is longer than the model can read.
    pub fn context_too_long() -> Self {
        Self {
            code: Some("context_length_exceeded".into()),
            message: "This model's maximum context length is 8192 tokens. Please reduce the length of the messages."
                .into(),
            ..Self::of_status(400)
        }
    }

    /// By a status as text, or `context`.
    pub(super) fn named(name: &str) -> Self {
        match name {
            "context" => Self::context_too_long(),
            number => Self::of_status(
                number.parse().ok().filter(|status| (400..600).contains(status)).unwrap_or(500),
            ),
        }
    }
}
