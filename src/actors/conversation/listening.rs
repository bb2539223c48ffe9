//! Listening to the model: a task of its own reads the stream, and tells the Conversation of words
//! only when something can be made of them. A delta wakes nobody else.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::rc::Rc;
use std::task::Poll;

use actix::{Actor, AsyncContext, Context, Handler, Message, SpawnHandle, WeakAddr};
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, poll};
use tokio::task::{AbortHandle, yield_now};

use super::Conversation;
use crate::domain::ids::TurnId;
use crate::domain::turn::Turn;
use crate::edge::llm::{ModelError, Piece, Pieces};

/// How a call was asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    pub streamed: bool,
    pub with_tools: bool,
}

/// What the model says, once it has begun to.
pub(super) type Coming = BoxFuture<'static, Result<Pieces, ModelError>>;

/// To itself: what the model said, or that its stream panicked.
pub(super) struct Heard {
    turn: TurnId,
    /// Counts the turn's calls.
    call: u32,
    asked: Asked,
    piece: Result<Piece, ModelError>,
}

impl Message for Heard {
    type Result = ();
}

/// To itself: reading the model's stream panicked.
struct Broken(Box<dyn std::any::Any + Send>);

impl Message for Broken {
    type Result = ();
}

/// How much of an answer has been cut, in bytes: what is there behind it is what the Chunker can make a
/// send of. The Conversation tells its listener so.
pub(super) type CutBytes = Rc<Cell<usize>>;

/// What a turn is waiting for.
pub(super) enum Work {
    /// A future in the actor's context: tools, or a wait.
    Context(SpawnHandle),
    /// A task that listens to the model.
    Listener { _until_dropped: Listener },
}

impl Work {
    pub fn cancel(self, ctx: &mut Context<Conversation>) {
        match self {
            Self::Context(handle) => {
                ctx.cancel_future(handle);
            }
            Self::Listener { .. } => {}
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Dropped, it ends the listening: with the call, the turn or the Conversation.
pub(super) struct Listener(AbortHandle);

/// While a send is on its way, words are handed on when there are so many, though more may have come.
const MOST_HELD_BYTES: usize = 128;

/// How much was cut is looked at when so much has come, not with each delta: mostly nothing has changed, and
/// it has left the caches.
const LOOK_BYTES: usize = 64;

/// Words that are kept until they are enough, and to whom they then go.
struct Ear {
    me: WeakAddr<Conversation>,
    turn: TurnId,
    call: u32,
    asked: Asked,
    cut_bytes: CutBytes,
    least_bytes: usize,
    /// How much of the answer is there.
    heard_bytes: usize,
    /// How much must be there for a send, by the last look at how much was cut.
    enough_bytes: usize,
    /// How much must be there for the next look.
    look_bytes: usize,
    held: String,
    spoke: bool,
}

impl Ear {
    /// Hears the answer to its end.
    async fn listen(mut self, pieces: Coming) {
        let mut pieces = match pieces.await {
            Ok(pieces) => pieces,
            Err(error) => return self.hear(Err(error)),
        };
        while let Some(piece) = self.next(&mut pieces).await {
            self.hear(piece);
        }
    }

    async fn next(&mut self, pieces: &mut Pieces) -> Option<Result<Piece, ModelError>> {
        if !self.held.is_empty() && self.is_enough() {
            if let Poll::Ready(piece) = poll!(pieces.next()) {
                return piece;
            }
            // The connection's task may have more that it could not hand on yet.
            yield_now().await;
            if let Poll::Ready(piece) = poll!(pieces.next()) {
                return piece;
            }
            self.hand_on();
        }
        pieces.next().await
    }

    /// Whether a send can be made: a character has at least one byte.
    fn is_enough(&mut self) -> bool {
        if self.heard_bytes >= self.look_bytes {
            self.enough_bytes = self.cut_bytes.get() + self.least_bytes;
            self.look_bytes = self.enough_bytes.min(self.heard_bytes + LOOK_BYTES);
        }
        self.heard_bytes >= self.enough_bytes
    }

    fn hear(&mut self, piece: Result<Piece, ModelError>) {
        let Ok(Piece::Text(text)) = piece else {
            self.hand_on();
            return self.tell(piece);
        };
        let was_enough = self.is_enough();
        self.heard_bytes += text.len();
        let is_enough = self.is_enough();
        if self.held.is_empty() {
            self.held = text;
        } else {
            let missing_bytes = self.enough_bytes.saturating_sub(self.heard_bytes);
            self.held.reserve(text.len().max(missing_bytes));
            self.held.push_str(&text);
        }
        // What makes a send goes at once, what comes while that is on its way together.
        let goes_on = is_enough && (!was_enough || self.held.len() >= MOST_HELD_BYTES);
        if !self.spoke || goes_on {
            self.hand_on();
        }
    }

    fn hand_on(&mut self) {
        if !self.held.is_empty() {
            self.spoke = true;
            let text = std::mem::take(&mut self.held);
            self.tell(Ok(Piece::Text(text)));
        }
    }

    fn tell(&self, piece: Result<Piece, ModelError>) {
        let Self { turn, call, asked, .. } = *self;
        // A Conversation that has ended wants nothing more.
        let _gone = self.me.upgrade().map(|me| me.try_send(Heard { turn, call, asked, piece }).is_ok());
    }
}

impl Conversation {
    pub(super) fn listen(&mut self, pieces: Coming, asked: Asked, ctx: &Context<Self>) {
        let me = ctx.address().downgrade();
        let least_bytes = self.settings.hold_bytes;
        let Some(running) = &mut self.running else { return };
        running.calls += 1;
        let (turn, call, cut_bytes) = (running.stored.id, running.calls, running.cut_bytes.clone());
        let heard_bytes = running.turn.as_ref().map_or(0, Turn::next_from);
        let ear = Ear {
            me: me.clone(),
            turn,
            call,
            asked,
            cut_bytes,
            least_bytes,
            heard_bytes,
            enough_bytes: 0,
            look_bytes: 0,
            held: String::new(),
            spoke: false,
        };
        let task = tokio::task::spawn_local(async move {
            // A panic here is one of this chat's, and goes the way of all of them.
            if let Err(panic) = AssertUnwindSafe(ear.listen(pieces)).catch_unwind().await {
                let _gone = me.upgrade().map(|me| me.try_send(Broken(panic)));
            }
        });
        running.call = Some(Work::Listener { _until_dropped: Listener(task.abort_handle()) });
    }
}

impl Handler<Heard> for Conversation {
    type Result = ();

    fn handle(&mut self, Heard { turn, call, asked, piece }: Heard, ctx: &mut Context<Self>) {
        let is_running = self.running.as_ref().is_some_and(|running| running.calls == call);
        if is_running && self.is_at(Some(turn)) {
            self.heard(piece, asked, ctx);
        }
    }
}

impl Handler<Broken> for Conversation {
    type Result = ();

    fn handle(&mut self, Broken(panic): Broken, _: &mut <Self as Actor>::Context) {
        resume_unwind(panic);
    }
}
