//! The model: a trait for what a turn needs of it, and the Chat Completions client.

pub mod chat_completions;
pub mod error;
mod event;
mod events;
pub mod pieces;
pub mod provider_error;
pub mod reply;
mod request;
mod retry_after;
mod secret;
mod surrogates;
mod template;
mod tool_calls;
pub mod watch;
mod wire;

use std::sync::Arc;

use futures::future::BoxFuture;
use futures::stream::BoxStream;

use crate::domain::chat::{ChatMessage, Reply, ToolSpec};

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

/// The pieces of a streamed answer. After an error or [`Piece::End`] it ends.
pub type Pieces = BoxStream<'static, Result<Piece, ModelError>>;

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
