//! Listening to the model: a task of its own reads the stream, and tells the Conversation of words
//! only when something can be made of them. A delta wakes nobody else.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::rc::Rc;
use std::task::Poll;

use actix::{Actor, AsyncContext, Context, Handler, Message, SpawnHandle, WeakAddr};
use futures::future::BoxFuture;
use futures::{FutureExt, poll};
use tokio::task::{AbortHandle, yield_now};
use tokio::time::Instant;

use super::Conversation;
use crate::domain::held::HeldText;
use crate::domain::ids::TurnId;
use crate::domain::lull::Lull;
use crate::domain::turn::Turn;
use crate::edge::llm::{Answer, ModelError, More, Piece, Pieces};

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

/// Reads one answer of the model, and tells the Conversation what can be made use of.
struct Ear {
    me: WeakAddr<Conversation>,
    turn: TurnId,
    call: u32,
    asked: Asked,
    cut_bytes: CutBytes,
    held: HeldText,
    lull: Lull,
}

impl Ear {
    /// Hears the answer to its end.
    async fn listen(mut self, pieces: Coming) {
        let mut answer = match pieces.await {
            Ok(answer) => answer,
            Err(error) => return self.tell(Err(error)),
        };
        let began = Instant::now();
        while let Some(more) = self.next(&mut answer).await {
            match more {
                Ok(More::Text) => {
                    if self.held.grew(&self.cut_bytes) {
                        self.hand_on();
                    }
                    let (come_bytes, missing_bytes) = (self.held.come_bytes(), self.held.missing_bytes());
                    answer.rest(self.lull.next(began.elapsed(), come_bytes, missing_bytes));
                }
                Ok(More::End(reply)) => self.end(Ok(Piece::End(reply))),
                Err(error) => self.end(Err(error)),
            }
        }
    }

    async fn next(&mut self, answer: &mut Pieces) -> Option<Result<More, ModelError>> {
        if self.held.is_due(&self.cut_bytes) {
            if let Poll::Ready(more) = poll!(self.more(answer)) {
                return more;
            }
            // The connection's task may have more that it could not hand on yet.
            yield_now().await;
            if let Poll::Ready(more) = poll!(self.more(answer)) {
                return more;
            }
            self.hand_on();
        }
        self.more(answer).await
    }

    fn more(&mut self, answer: &mut Pieces) -> impl Future<Output = Option<Result<More, ModelError>>> {
        poll_fn(|cx| answer.poll_more(cx, self.held.text()))
    }

    fn end(&mut self, end: Result<Piece, ModelError>) {
        self.hand_on();
        self.tell(end);
    }

    fn hand_on(&mut self) {
        if let Some(text) = self.held.take() {
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
        let Some(running) = &mut self.running else { return };
        running.calls += 1;
        let (turn, call, cut_bytes) = (running.stored.id, running.calls, running.cut_bytes.clone());
        let come_bytes = running.turn.as_ref().map_or(0, Turn::next_from);
        let held = HeldText::new(self.settings.hold_bytes, come_bytes);
        let lull = Lull::new(self.settings.read_every);
        let ear = Ear { me: me.clone(), turn, call, asked, cut_bytes, held, lull };
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
