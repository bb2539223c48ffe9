//! The model: a trait for what a turn needs of it, and the Chat Completions client.

pub mod chat_completions;
mod connect;
mod endpoint;
pub mod error;
mod event;
mod events;
pub mod pieces;
pub mod provider_error;
pub mod reply;
mod request;
mod retry_after;
mod secret;
mod socket;
mod surrogates;
mod template;
mod tool_calls;
pub mod watch;
mod wire;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures::future::BoxFuture;
use futures::{Stream, StreamExt};

use crate::domain::chat::{ChatMessage, Reply, ToolSpec};

pub use endpoint::SettingsError;
pub use error::ModelError;

/// What is asked of the model.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// Instructions, history and this turn so far.
    pub messages: Vec<Arc<ChatMessage>>,
    /// The tools offered; none when the rounds are used up or there are no tools.
    pub tools: Arc<[ToolSpec]>,
}

/// What a streamed answer brings, in order: any number of texts, then one end.
#[derive(Debug, Clone, PartialEq)]
pub enum Piece {
    /// More text: all that one read of the connection brought. Never empty.
    Text(String),
    /// The answer is complete: tool calls joined from their fragments, and all else but the text, which
    /// came before.
    End(Reply),
}

/// What a look at a streamed answer has found.
#[derive(Debug, Clone, PartialEq)]
pub enum More {
    /// Text, which is where it was to be put.
    Text,
    /// What [`Piece::End`] has.
    End(Reply),
}

/// A streamed answer as it comes. After an error or [`More::End`] it ends.
pub trait Answer: Send {
    /// Puts the text that has come at the end of `text`: a delta needs no room of its own.
    fn poll_more(
        &mut self,
        cx: &mut Context<'_>,
        text: &mut String,
    ) -> Poll<Option<Result<More, ModelError>>>;

    /// Nothing that comes within `rest` will be used, so it may stay where it is meanwhile. Instead of what
    /// was said before; zero wants everything at once.
    fn rest(&mut self, _rest: Duration) {}
}

/// The pieces of a streamed answer. After an error or [`Piece::End`] it ends.
pub struct Pieces(Box<dyn Answer>);

impl Pieces {
    /// The pieces of `answer`.
    pub fn new(answer: impl Answer + 'static) -> Self {
        Self(Box::new(answer))
    }

    /// Pieces that are there one by one.
    pub fn of(pieces: impl Stream<Item = Result<Piece, ModelError>> + Unpin + Send + 'static) -> Self {
        Self::new(OneByOne(pieces))
    }
}

impl Answer for Pieces {
    fn poll_more(
        &mut self,
        cx: &mut Context<'_>,
        text: &mut String,
    ) -> Poll<Option<Result<More, ModelError>>> {
        self.0.poll_more(cx, text)
    }

    fn rest(&mut self, rest: Duration) {
        self.0.rest(rest);
    }
}

impl Stream for Pieces {
    type Item = Result<Piece, ModelError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut text = String::new();
        let more = ready!(self.poll_more(cx, &mut text));
        Poll::Ready(more.map(|more| {
            more.map(|more| match more {
                More::Text => Piece::Text(text),
                More::End(reply) => Piece::End(reply),
            })
        }))
    }
}

struct OneByOne<S>(S);

impl<S> Answer for OneByOne<S>
where
    S: Stream<Item = Result<Piece, ModelError>> + Unpin + Send,
{
    fn poll_more(
        &mut self,
        cx: &mut Context<'_>,
        text: &mut String,
    ) -> Poll<Option<Result<More, ModelError>>> {
        let piece = ready!(self.0.poll_next_unpin(cx));
        Poll::Ready(piece.map(|piece| {
            piece.map(|piece| match piece {
                Piece::Text(more) => {
                    text.push_str(&more);
                    More::Text
                }
                Piece::End(reply) => More::End(reply),
            })
        }))
    }
}

/// A language model that answers with text or asks for tools.
///
/// Dropping a returned future or stream ends the request at once.
pub trait Model: Send + Sync {
    /// Asks for the whole answer.
    fn complete(&self, request: Request) -> BoxFuture<'static, Result<Reply, ModelError>>;

    /// Asks for the answer as it is written. The future ends when the model has accepted the
    /// request.
    fn stream(&self, request: Request) -> BoxFuture<'static, Result<Pieces, ModelError>>;
}
