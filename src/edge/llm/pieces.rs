//! From the bytes of a response to the pieces of an answer.

use std::error::Error;
use std::str::Utf8Error;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use futures::{Stream, StreamExt};
use tokio::time::Instant;

use super::events::{EventReader, StreamEvent};
use super::reply::ReplyBuilder;
use super::watch::{Patience, Silence, Watch};
use super::wire::{Wire, causes};
use super::{Answer, ModelError, More, Pieces};
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
/// answer in JSON. All text that one read brought is one piece.
///
/// To be polled inside a tokio runtime.
pub fn pieces<S, E>(bytes: S, limits: Limits) -> Pieces
where
    S: Stream<Item = Result<Bytes, E>> + Unpin + Send + 'static,
    E: Error + 'static,
{
    Pieces::new(pieces_since(Instant::now(), bytes, Arc::new(limits)))
}

/// Like [`pieces`], for a request that began at `started`.
pub(super) fn pieces_since<S, E>(started: Instant, bytes: S, limits: Arc<Limits>) -> impl Answer + use<S, E>
where
    S: Stream<Item = Result<Bytes, E>> + Unpin + Send,
    E: Error,
{
    let patience = Patience { first: limits.first_token, idle: limits.idle };
    Reader {
        watch: Watch::new(bytes, started, patience),
        wire: Wire::new(limits.max_answer_bytes),
        over: false,
        unread: Bytes::new(),
        events: EventReader::default(),
        limits,
        state: State::Reading(ReplyBuilder::default()),
    }
}

/// Kept small: of each chat that streams, it is read with every delta, and has left the caches before.
struct Reader<S> {
    watch: Watch<S>,
    wire: Wire,
    /// No more bytes will come.
    over: bool,
    /// What has come and was not read yet.
    unread: Bytes,
    events: EventReader,
    limits: Arc<Limits>,
    state: State,
}

enum State {
    Reading(ReplyBuilder),
    /// The end is known; None when it was handed on.
    Ended(Option<Result<Reply, ModelError>>),
}

impl<S, E> Reader<S>
where
    S: Stream<Item = Result<Bytes, E>> + Unpin,
    E: Error,
{
    /// Reads until there is text, or nothing more to read.
    fn poll_read(&mut self, cx: &mut Context<'_>, text: &mut String) -> Poll<()> {
        let had_bytes = text.len();
        while let State::Reading(builder) = &self.state {
            let (is_done, new_bytes) = (builder.is_done(), text.len() - had_bytes);
            if new_bytes >= MAX_PIECE_BYTES {
                break;
            }
            if self.read_event(text) {
                continue;
            }
            if self.over {
                self.close(text);
                continue;
            }
            if new_bytes > 0 && !is_done {
                break;
            }
            match self.watch.poll_next_unpin(cx) {
                Poll::Ready(item) => self.take_bytes(item, text),
                Poll::Pending if is_done => self.close(text),
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(())
    }

    fn take_bytes(&mut self, item: Option<Result<Result<Bytes, E>, Silence>>, text: &mut String) {
        match item {
            Some(Ok(Ok(bytes))) => match self.wire.pass(bytes) {
                Ok(bytes) => self.unread = bytes,
                Err(error) => self.fail(ModelError::TooLong(error.to_string()), text),
            },
            Some(Ok(Err(error))) => {
                let error = ModelError::Broken(format!("the connection broke off: {}", causes(&error)));
                self.broke_off(error, text);
            }
            Some(Err(silence)) => self.broke_off(silent(silence, &self.limits), text),
            None => {
                self.over = true;
                self.unread = Wire::END;
            }
        }
    }
}

impl<S: Stream> Reader<S> {
    /// Takes the next event of what has come, if there is one in full.
    fn read_event(&mut self, text: &mut String) -> bool {
        let Self { unread, events, state: State::Reading(builder), .. } = self else { return false };
        let mut rest = &unread[..];
        let alike = if events.is_between_events() { builder.push_alike(rest, text) } else { None };
        let pushed = if let Some(behind) = alike {
            rest = behind;
            not_too_long(builder, &self.limits)
        } else {
            let Some(event) = events.next(&mut rest) else {
                *unread = Bytes::new();
                return false;
            };
            push(builder, event, &self.limits, text)
        };
        let read = unread.len() - rest.len();
        unread.advance(read);
        self.wire.event();
        self.watch.event();
        if let Err(error) = pushed {
            self.fail(error, text);
        }
        true
    }

    fn close(&mut self, text: &mut String) {
        let State::Reading(builder) = &mut self.state else { return };
        let outcome = if builder.is_complete() {
            let mut reply = std::mem::take(builder).finish();
            text.push_str(&std::mem::take(&mut reply.content));
            Ok(reply)
        } else {
            Err(ModelError::Broken("the stream ended early: no finish_reason and no [DONE] came".to_owned()))
        };
        self.state = State::Ended(Some(outcome));
    }

    /// Nothing more comes, which changes nothing in an answer that may end here.
    fn broke_off(&mut self, error: ModelError, text: &mut String) {
        match &self.state {
            State::Reading(builder) if builder.is_complete() => self.close(text),
            _ => self.state = State::Ended(Some(Err(error))),
        }
    }

    /// What came is wrong, which changes nothing behind the end. Behind a finish reason it does: providers
    /// give one and tell of an error then.
    fn fail(&mut self, error: ModelError, text: &mut String) {
        match &self.state {
            State::Reading(builder) if builder.is_done() => self.close(text),
            _ => self.state = State::Ended(Some(Err(error))),
        }
    }
}

fn push(
    builder: &mut ReplyBuilder,
    event: Result<StreamEvent<'_>, Utf8Error>,
    limits: &Limits,
    text: &mut String,
) -> Result<(), ModelError> {
    let event = event.map_err(|error| ModelError::Broken(format!("it is no valid utf-8: {error}")))?;
    if builder.is_done() {
        // What comes after the end changes nothing.
        return Ok(());
    }
    if event.is_error {
        return Err(builder.push_error(event.data));
    }
    builder.push(event.data, text)?;
    not_too_long(builder, limits)
}

fn not_too_long(builder: &ReplyBuilder, limits: &Limits) -> Result<(), ModelError> {
    let max = limits.max_answer_bytes;
    if builder.bytes() <= max {
        return Ok(());
    }
    Err(ModelError::TooLong(format!(
        "it is longer than {max} bytes; raise llm.max_answer_bytes to allow that"
    )))
}

fn silent(silence: Silence, limits: &Limits) -> ModelError {
    ModelError::TimedOut(match silence {
        Silence::BeforeFirst => {
            format!("no first word within {:?} (llm.first_token_timeout_ms)", limits.first_token)
        }
        Silence::Between => format!("the answer stood still for {:?} (llm.idle_timeout_ms)", limits.idle),
    })
}

impl<S, E> Answer for Reader<S>
where
    S: Stream<Item = Result<Bytes, E>> + Unpin + Send,
    E: Error,
{
    fn poll_more(
        &mut self,
        cx: &mut Context<'_>,
        text: &mut String,
    ) -> Poll<Option<Result<More, ModelError>>> {
        let had_bytes = text.len();
        ready!(self.poll_read(cx, text));
        if text.len() > had_bytes {
            return Poll::Ready(Some(Ok(More::Text)));
        }
        let State::Ended(outcome) = &mut self.state else { return Poll::Ready(None) };
        Poll::Ready(outcome.take().map(|outcome| outcome.map(More::End)))
    }
}

#[cfg(test)]
#[path = "pieces_tests.rs"]
mod tests;
