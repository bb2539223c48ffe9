//! Outbox: the only one that calls Telegram. One call at a time, in the order of its
//! [`Line`], as fast as the [`Pacer`] allows; what fails for a while is repeated after a wait.

mod calls;
mod ports;

use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, ActorFutureExt, AsyncContext, Context, Handler, WrapFuture};
use backon::ExponentialBackoff;

use crate::domain::ids::ChatKey;
use crate::domain::line::{Call, Job, Line, Report, Step, Task};
use crate::domain::pacing::{Grant, Pacer};
use crate::domain::record::Part;
use crate::edge::telegram::{BotApi, TelegramError};
use crate::failpoint;
use crate::messages::{
    Acknowledge, ChunkDelivered, ChunkReady, ChunkReturned, CutChunk, DeliverChunk, DeliverySaved,
    FirstChunk, NothingToCut, PartAttempted, Remark, Thinking, TurnClosed, TurnEnded,
};
use crate::port::{Station, witness};

pub use ports::{OutboxPorts, OutboxSettings};

use calls::{Done, LONGEST_WAIT, Making, growing_waits, make};

/// Added to a wait that Telegram asks for: a call inside the window would lengthen it.
const RETRY_AFTER_MARGIN_MS: u64 = 250;

const TELEGRAM: Station = Station::shared("telegram");

/// The actor.
pub struct Outbox {
    ports: OutboxPorts,
    api: Arc<dyn BotApi>,
    pacer: Arc<dyn Pacer>,
    settings: OutboxSettings,
    me: Station,
    /// Where to send: the conversation, or what it has become.
    to: ChatKey,
    line: Line,
    state: State,
    /// The growing waits of repeated failures.
    waits: Option<ExponentialBackoff>,
}

#[derive(PartialEq, Eq)]
enum State {
    Idle,
    Calling,
    /// The Chunker cuts the part for this job.
    Cutting(Job),
    /// The attempt goes on record before it is made.
    Recording(Job),
    Waiting,
}

impl Outbox {
    /// An Outbox of the conversation `key`, with nothing to send.
    pub fn new(
        key: ChatKey,
        ports: OutboxPorts,
        api: Arc<dyn BotApi>,
        pacer: Arc<dyn Pacer>,
        settings: OutboxSettings,
    ) -> Self {
        Self {
            ports,
            api,
            pacer,
            settings,
            me: Station::of("outbox", key),
            to: key,
            line: Line::new(settings.beat_style),
            state: State::Idle,
            waits: None,
        }
    }

    fn go_on(&mut self, ctx: &mut Context<Self>) {
        while self.state == State::Idle {
            match self.line.next_step() {
                Some(Step::Closed(closed)) => self.ports.turn_closed.tell_if_there(TurnClosed { closed }),
                Some(Step::Call(job, call)) => {
                    if let Some(job) = self.granted(job, ctx) {
                        self.call(job, call, ctx);
                    }
                }
                Some(Step::Cut(job)) => {
                    if let Some(job) = self.granted(job, ctx) {
                        self.have_cut(job);
                    }
                }
                None => return,
            }
        }
    }

    /// Gives the job back when its call may be made now; otherwise it goes back into the line.
    fn granted(&mut self, job: Job, ctx: &mut Context<Self>) -> Option<Job> {
        match self.pacer.ask(self.to.chat, job.class(self.line.style())) {
            Grant::Now => Some(job),
            Grant::In(wait_ms) => {
                if self.line.put_back(job, wait_ms) {
                    self.wait(Duration::from_millis(wait_ms), ctx);
                }
                None
            }
        }
    }

    fn have_cut(&mut self, job: Job) {
        let merge_above_chars = match (job.is_scarce(), job.waited_ms) {
            (true, _) => 0,
            (false, 1..) => self.settings.merge_above_chars,
            (false, 0) => usize::MAX,
        };
        self.ports.cut_chunk.tell_if_there(CutChunk { turn: job.turn, merge_above_chars });
        self.state = State::Cutting(job);
    }

    fn wait(&mut self, wait: Duration, ctx: &mut Context<Self>) {
        self.state = State::Waiting;
        ctx.run_later(wait, |this, ctx| {
            this.state = State::Idle;
            this.go_on(ctx);
        });
    }

    fn call(&mut self, job: Job, call: Call, ctx: &mut Context<Self>) {
        self.state = State::Calling;
        witness(self.me, TELEGRAM, &Making(&call), call.words());
        let called = make(self.api.as_ref(), self.to, call);
        ctx.spawn(called.into_actor(self).map(|result, this, ctx| this.called(job, result, ctx)));
    }

    fn called(&mut self, job: Job, result: Result<Option<i64>, TelegramError>, ctx: &mut Context<Self>) {
        self.state = State::Idle;
        let report = match result {
            Ok(message_id) => {
                self.waits = None;
                failpoint::reach_if(matches!(job.task, Task::Acknowledge), "after_ack");
                failpoint::reach_if(matches!(job.task, Task::Deliver { .. }), "after_send");
                witness(TELEGRAM, self.me, &Done(message_id), None);
                self.line.succeeded(job, message_id)
            }
            Err(error) => {
                witness(TELEGRAM, self.me, &error, None);
                self.failed(job, &error, ctx)
            }
        };
        if let Some(report) = report {
            self.ports.chunk_delivered.tell_if_there(ChunkDelivered { report });
        }
        self.go_on(ctx);
    }

    fn failed(&mut self, job: Job, error: &TelegramError, ctx: &mut Context<Self>) -> Option<Report> {
        match error {
            TelegramError::Migrated(chat) => {
                self.to.chat = *chat;
                self.line.failed(job, true, &error.to_string())
            }
            TelegramError::RetryAfter(window) => {
                let window_ms = u64::try_from(window.as_millis()).unwrap_or(u64::MAX);
                self.pacer.penalise(self.to.chat, window_ms.saturating_add(RETRY_AFTER_MARGIN_MS));
                tracing::warn!(chat = %self.to, "{error}");
                let turn = job.turn;
                if self.line.held_back(job) {
                    self.ports.chunk_returned.tell_if_there(ChunkReturned { turn });
                }
                None
            }
            TelegramError::TopicGone(_) if self.to.topic.take().is_some() => {
                self.line.failed(job, true, &error.to_string())
            }
            // The server is about to stop; the turn is taken up again when there is a token.
            TelegramError::Unauthorised(_) => {
                self.wait(LONGEST_WAIT, ctx);
                self.line.failed(job, true, &error.to_string())
            }
            _ if error.is_passing() => {
                let wait = self.waits.get_or_insert_with(growing_waits).next().unwrap_or(LONGEST_WAIT);
                tracing::warn!(chat = %self.to, "telegram call failed, trying again in {wait:?}: {error}");
                if job.task != Task::Clear || !self.line.has_text_first() {
                    self.wait(wait, ctx);
                }
                match error {
                    TelegramError::Uncertain(_) => {
                        self.line.unanswered(job, self.settings.uncertain, &error.to_string())
                    }
                    _ => self.line.failed(job, true, &error.to_string()),
                }
            }
            TelegramError::Refused(_) => {
                let Some(job) = self.line.without_entities(job) else {
                    tracing::warn!(chat = %self.to, "sent once more as plain text: {error}");
                    return None;
                };
                if self.line.lost_message(job.turn) {
                    return self.line.failed(job, true, &error.to_string());
                }
                self.given_up(job, error)
            }
            _ => self.given_up(job, error),
        }
    }

    fn edit(&mut self, job: Job, ctx: &mut Context<Self>) {
        if let Some(call) = self.line.call(&job) {
            self.call(job, call, ctx);
        }
    }

    fn given_up(&mut self, job: Job, error: &TelegramError) -> Option<Report> {
        tracing::error!(chat = %self.to, "telegram call given up: {error}");
        let report = self.line.failed(job, false, &error.to_string());
        let chat_closed = matches!(error, TelegramError::ChatClosed(_));
        report.map(|report| Report { chat_closed, ..report })
    }
}

impl Actor for Outbox {
    type Context = Context<Self>;
}

impl Handler<Acknowledge> for Outbox {
    type Result = ();

    fn handle(&mut self, Acknowledge { turn }: Acknowledge, ctx: &mut Context<Self>) {
        self.line.push(turn, Task::Acknowledge);
        self.go_on(ctx);
    }
}

impl Handler<Thinking> for Outbox {
    type Result = ();

    fn handle(&mut self, Thinking { turn, seconds, .. }: Thinking, ctx: &mut Context<Self>) {
        self.line.push(turn, Task::Think { seconds });
        self.go_on(ctx);
    }
}

impl Handler<FirstChunk> for Outbox {
    type Result = ();

    fn handle(&mut self, FirstChunk { turn }: FirstChunk, _: &mut Context<Self>) {
        self.line.first_chunk(turn);
    }
}

impl Handler<ChunkReady> for Outbox {
    type Result = ();

    fn handle(&mut self, ChunkReady { turn }: ChunkReady, ctx: &mut Context<Self>) {
        self.line.push(turn, Task::Cut);
        self.go_on(ctx);
    }
}

impl Handler<DeliverChunk> for Outbox {
    type Result = ();

    fn handle(&mut self, DeliverChunk { turn, part, frame }: DeliverChunk, ctx: &mut Context<Self>) {
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Cutting(job) if job.turn == turn => {
                let attempts = job.attempts + 1;
                let end_bytes = frame.chunk.end_bytes;
                let job = Job { task: Task::Deliver { part, frame }, attempts, ..job };
                // An edit may be repeated: what was attempted need not be on record.
                if self.line.grows(turn, part).is_some() {
                    return self.edit(job, ctx);
                }
                let attempt =
                    Part { message_id: None, delivered: false, uncertain: false, attempts, end_bytes };
                failpoint::reach("before_attempt_recorded");
                self.ports.part_attempted.tell_if_there(PartAttempted { turn, part: attempt });
                self.state = State::Recording(job);
            }
            // The turn was ended meanwhile: nobody waits for the part any more.
            other => self.state = other,
        }
    }
}

impl Handler<NothingToCut> for Outbox {
    type Result = ();

    fn handle(&mut self, NothingToCut { turn }: NothingToCut, ctx: &mut Context<Self>) {
        if matches!(&self.state, State::Cutting(job) if job.turn == turn) {
            self.state = State::Idle;
            self.line.forget(turn);
            self.go_on(ctx);
        }
    }
}

impl Handler<DeliverySaved> for Outbox {
    type Result = ();

    fn handle(&mut self, DeliverySaved { turn }: DeliverySaved, ctx: &mut Context<Self>) {
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Recording(job) if job.turn == turn => {
                failpoint::reach("after_attempt_recorded");
                self.edit(job, ctx);
            }
            other => self.state = other,
        }
    }
}

impl Handler<Remark> for Outbox {
    type Result = ();

    fn handle(&mut self, Remark { turn, text }: Remark, ctx: &mut Context<Self>) {
        self.line.push(turn, Task::Remark(text));
        self.go_on(ctx);
    }
}

impl Handler<TurnEnded> for Outbox {
    type Result = ();

    fn handle(&mut self, ended: TurnEnded, ctx: &mut Context<Self>) {
        self.line.close(ended.turn, ended.notice, ended.discard);
        let unsent =
            matches!(&self.state, State::Cutting(job) | State::Recording(job) if job.turn == ended.turn);
        if ended.discard && unsent {
            self.state = State::Idle;
        }
        self.go_on(ctx);
    }
}
