//! The bytes of a response, made into what an event reader can read to the end.

use bytes::{Buf, Bytes};

/// What an event may be longer than the text in it.
const EVENT_OVERHEAD: usize = 64 * 1024;

/// One event is too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("one event of the answer is longer than {0} bytes; see llm.max_answer_bytes")]
pub(super) struct EventTooLong(usize);

#[derive(Clone, Copy, PartialEq)]
enum Body {
    Unknown,
    Events,
    Whole,
}

/// Passes a response's bytes on. A body that is no event stream (JSON, a page of HTML) becomes one
/// event.
pub(super) struct Wire {
    body: Body,
    /// Bytes that have come since the last event: no event may be without end.
    since_event: usize,
    max_event_bytes: usize,
}

impl Wire {
    /// What ends an event that the end of input cut short.
    pub const END: Bytes = Bytes::from_static(b"\n\n");

    /// `max_answer_bytes` bounds the text; escapes may make it several times as long on the wire.
    pub fn new(max_answer_bytes: usize) -> Self {
        let max_event_bytes = max_answer_bytes.saturating_mul(4).saturating_add(EVENT_OVERHEAD);
        Self { body: Body::Unknown, since_event: 0, max_event_bytes }
    }

    /// An event is complete.
    pub fn event(&mut self) {
        self.since_event = 0;
    }

    /// The bytes as the event reader is to see them.
    ///
    /// # Errors
    /// [`EventTooLong`].
    pub fn pass(&mut self, mut bytes: Bytes) -> Result<Bytes, EventTooLong> {
        self.since_event = self.since_event.saturating_add(bytes.len());
        if self.since_event > self.max_event_bytes {
            return Err(EventTooLong(self.max_event_bytes));
        }
        let opens = self.body == Body::Unknown;
        if opens {
            // White space before the body says nothing of what it is, and belongs to neither kind.
            let start = bytes.iter().position(|byte| !byte.is_ascii_whitespace()).unwrap_or(bytes.len());
            bytes.advance(start);
        }
        if opens && let Some(first) = bytes.first() {
            self.body = if is_field_start(*first) { Body::Events } else { Body::Whole };
        }
        Ok(if self.body == Body::Whole { on_one_line(&bytes, opens) } else { bytes })
    }
}

/// Whether an event stream may begin so: with `data`, `event`, `id`, `retry`, a comment or a byte
/// order mark.
fn is_field_start(byte: u8) -> bool {
    b"deir:\xef".contains(&byte)
}

/// Line ends are only space in JSON, but would end the event.
fn on_one_line(bytes: &[u8], opens: bool) -> Bytes {
    let prefix: &[u8] = if opens { b"data: " } else { b"" };
    let flat = bytes.iter().map(|&byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { byte });
    prefix.iter().copied().chain(flat).collect()
}

/// An error with all its causes, on one line.
pub(super) fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        next = cause.source();
    }
    text
}
