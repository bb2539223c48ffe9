//! The bytes of a response, made into what an event parser can read to the end.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures::Stream;

use super::watch::Pulse;

/// What an event may be longer than the text in it.
const EVENT_OVERHEAD: usize = 64 * 1024;

/// How many bytes have come since the last event: no event may be without end.
#[derive(Debug, Clone, Default)]
pub(super) struct SinceEvent(Arc<AtomicUsize>);

impl SinceEvent {
    /// An event is complete.
    pub fn reset(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    fn add(&self, bytes: usize) -> usize {
        self.0.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes)
    }
}

/// Why no more bytes come.
#[derive(Debug, thiserror::Error)]
pub(super) enum WireError {
    /// The connection failed: the causes, joined.
    #[error("the connection broke off: {0}")]
    Lost(String),
    /// One event is too long.
    #[error("one event of the answer is longer than {0} bytes; see llm.max_answer_bytes")]
    EventTooLong(usize),
}

#[derive(Clone, Copy, PartialEq)]
enum Body {
    Unknown,
    Events,
    Whole,
    Over,
}

/// Hands on a response's bytes. A body that is no event stream (JSON, a page of HTML) becomes one
/// event, and an event that the end of input cuts short is closed.
pub(super) struct Wire<S> {
    inner: Pin<Box<S>>,
    pulse: Pulse,
    since_event: SinceEvent,
    max_event_bytes: usize,
    body: Body,
}

impl<S> Wire<S> {
    /// `max_answer_bytes` bounds the text; escapes may make it several times as long on the wire.
    pub fn new(inner: S, pulse: Pulse, since_event: SinceEvent, max_answer_bytes: usize) -> Self {
        let max_event_bytes = max_answer_bytes.saturating_mul(4).saturating_add(EVENT_OVERHEAD);
        Self { inner: Box::pin(inner), pulse, since_event, max_event_bytes, body: Body::Unknown }
    }

    fn pass(&mut self, bytes: Bytes) -> Result<Bytes, WireError> {
        self.pulse.beat();
        if self.since_event.add(bytes.len()) > self.max_event_bytes {
            return Err(WireError::EventTooLong(self.max_event_bytes));
        }
        let opens = self.body == Body::Unknown;
        if opens && let Some(first) = bytes.iter().find(|byte| !byte.is_ascii_whitespace()) {
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

impl<S, E> Stream for Wire<S>
where
    S: Stream<Item = Result<Bytes, E>>,
    E: std::error::Error,
{
    type Item = Result<Bytes, WireError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.body == Body::Over {
            return Poll::Ready(None);
        }
        let next = ready!(self.inner.as_mut().poll_next(cx));
        Poll::Ready(Some(match next {
            Some(Ok(bytes)) => self.pass(bytes),
            Some(Err(error)) => Err(WireError::Lost(causes(&error))),
            None => {
                self.body = Body::Over;
                Ok(Bytes::from_static(b"\n\n"))
            }
        }))
    }
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
