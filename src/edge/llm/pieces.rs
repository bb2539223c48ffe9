//! From the bytes of a response to the pieces of an answer.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::{Stream, StreamExt};
use sse_stream::{Error as SseError, Sse, SseByteStream};
use tokio::time::Instant;

use super::reply::ReplyBuilder;
use super::watch::{Patience, Pulse, Silence, Watch};
use super::wire::{SinceEvent, Wire, WireError};
use super::{ModelError, Piece, Pieces};
use crate::domain::chat::Reply;

/// A piece is handed on at this size even when more has come, so that a fast sender is read in
/// turns.
const MAX_PIECE_BYTES: usize = 64 * 1024;

/// What an answer may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// To the first event, from the beginning of the request.
    pub first_token: Duration,
    /// Silence between events. A comment or any other byte ends a silence.
    pub idle: Duration,
    /// Size of text and tool calls, in bytes.
    pub max_answer_bytes: usize,
}

/// Reads an answer from the body of a response, however it is cut: an event stream, or a whole
/// answer in JSON. All text that has come when the stream is polled is one piece.
///
/// To be polled inside a tokio runtime.
pub fn pieces<S, E>(bytes: S, limits: Limits) -> Pieces
where
    S: Stream<Item = Result<Bytes, E>> + Send + 'static,
    E: std::error::Error + 'static,
{
    pieces_since(Instant::now(), bytes, limits)
}

/// Like [`pieces`], for a request that began at `started`.
pub(super) fn pieces_since<S, E>(started: Instant, bytes: S, limits: Limits) -> Pieces
where
    S: Stream<Item = Result<Bytes, E>> + Send + 'static,
    E: std::error::Error + 'static,
{
    let (pulse, since_event) = (Pulse::default(), SinceEvent::default());
    let wire = Wire::new(bytes, pulse.clone(), since_event.clone(), limits.max_answer_bytes);
    let patience = Patience { first: limits.first_token, idle: limits.idle };
    let events = Watch::new(SseByteStream::new(wire), pulse, started, patience);
    let builder = Some(ReplyBuilder::default());
    Box::pin(Reader { events, since_event, limits, builder, shown: 0, tail: String::new(), outcome: None })
}

struct Reader<S> {
    events: Watch<S>,
    since_event: SinceEvent,
    limits: Limits,
    /// None when the end is known.
    builder: Option<ReplyBuilder>,
    /// How much of the builder's text has been handed on, in bytes.
    shown: usize,
    /// Text that is still to be handed on before the outcome.
    tail: String,
    outcome: Option<Result<Reply, ModelError>>,
}

type Event = Result<Result<Sse, SseError>, Silence>;

impl<S: Stream<Item = Result<Sse, SseError>>> Reader<S> {
    /// Reads all that has come; the text of it, or nothing when there is nothing to wait for.
    fn poll_text(&mut self, cx: &mut Context<'_>) -> Poll<String> {
        while let Some(builder) = &self.builder {
            if builder.content().len() - self.shown >= MAX_PIECE_BYTES {
                return Poll::Ready(self.take_text());
            }
            match self.events.poll_next_unpin(cx) {
                Poll::Ready(Some(event)) => self.take_event(event),
                Poll::Ready(None) => self.close(),
                Poll::Pending if builder.is_done() => self.close(),
                Poll::Pending if builder.content().len() == self.shown => return Poll::Pending,
                Poll::Pending => return Poll::Ready(self.take_text()),
            }
        }
        Poll::Ready(std::mem::take(&mut self.tail))
    }

    fn take_text(&mut self) -> String {
        let Some(builder) = &self.builder else { return String::new() };
        let text = builder.content()[self.shown..].to_owned();
        self.shown += text.len();
        text
    }

    fn take_event(&mut self, event: Event) {
        self.since_event.reset();
        let Some(builder) = &mut self.builder else { return };
        if builder.is_done() {
            // It is complete: what comes after it, or does not come, changes nothing.
            if !matches!(event, Ok(Ok(_))) {
                self.close();
            }
            return;
        }
        if let Err(error) = push(builder, event, &self.limits) {
            self.end(Err(error));
        }
    }

    fn close(&mut self) {
        let Some(builder) = self.builder.as_ref() else { return };
        if !builder.is_complete() {
            let error =
                ModelError::Broken("the stream ended early: no finish_reason and no [DONE] came".to_owned());
            return self.end(Err(error));
        }
        let Some(builder) = self.builder.take() else { return };
        let reply = builder.finish();
        self.tail = reply.content[self.shown..].to_owned();
        self.outcome = Some(Ok(reply));
    }

    fn end(&mut self, outcome: Result<Reply, ModelError>) {
        self.tail = self.take_text();
        self.builder = None;
        self.outcome = Some(outcome);
    }
}

fn push(builder: &mut ReplyBuilder, event: Event, limits: &Limits) -> Result<(), ModelError> {
    let sse = event.map_err(|silence| silent(silence, limits))?.map_err(unreadable)?;
    let data = sse.data.as_deref().unwrap_or_default();
    if sse.event.as_deref() == Some("error") {
        return Err(builder.push_error(data));
    }
    builder.push(data)?;
    if builder.bytes() > limits.max_answer_bytes {
        return Err(too_long(limits.max_answer_bytes));
    }
    Ok(())
}

fn too_long(max: usize) -> ModelError {
    ModelError::TooLong(format!("it is longer than {max} bytes; raise llm.max_answer_bytes to allow that"))
}

fn silent(silence: Silence, limits: &Limits) -> ModelError {
    ModelError::TimedOut(match silence {
        Silence::BeforeFirst => {
            format!("no first word within {:?} (llm.first_token_timeout_ms)", limits.first_token)
        }
        Silence::Between => format!("the answer stood still for {:?} (llm.idle_timeout_ms)", limits.idle),
    })
}

fn unreadable(error: SseError) -> ModelError {
    ModelError::Broken(match &error {
        SseError::Body(cause) => match cause.downcast_ref::<WireError>() {
            Some(cause @ WireError::EventTooLong(_)) => return ModelError::TooLong(cause.to_string()),
            Some(cause) => cause.to_string(),
            None => cause.to_string(),
        },
        SseError::Utf8Parse(cause) => format!("it is no valid utf-8: {cause}"),
        other => other.to_string(),
    })
}

impl<S: Stream<Item = Result<Sse, SseError>>> Stream for Reader<S> {
    type Item = Result<Piece, ModelError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let text = std::task::ready!(self.poll_text(cx));
        if !text.is_empty() {
            return Poll::Ready(Some(Ok(Piece::Text(text))));
        }
        Poll::Ready(self.outcome.take().map(|outcome| outcome.map(Piece::End)))
    }
}

#[cfg(test)]
#[path = "pieces_tests.rs"]
mod tests;
