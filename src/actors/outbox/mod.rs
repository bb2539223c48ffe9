//! Outbox: the only one that calls Telegram. One call at a time, in the order of its
//! [`Line`], as fast as the [`Pacer`] allows; what fails for a while is repeated after a wait.

mod calls;
mod drafts;
mod ports;

use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, ActorFutureExt, AsyncContext, Context, Handler, WrapFuture};
use backon::ExponentialBackoff;
use tokio::time::Instant;

use crate::domain::ids::{ChatKey, TurnId};
use crate::domain::line::{Call, Job, Line, Report, Step, Task};
use crate::domain::pacing::{Grant, Pacer};
use crate::domain::record::Part;
use crate::edge::telegram::{BotApi, TelegramError};
use crate::failpoint;
use crate::messages::{
    Acknowledge, AttemptFailed, ChunkDelivered, ChunkReady, ChunkReturned, CutChunk, DeliverChunk,
    DeliverySaved, FirstChunk, NothingToCut, PartAttempted, PenaltyReceived, Remark, RemarkMade, StatusShown,
    TakeOver, Thinking, TurnClosed, TurnEnded,
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
    waits: Option<Box<ExponentialBackoff>>,
    /// The next frame of a draft may be shown then.
    next_frame: Option<Instant>,
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
            line: Line::new(settings.beat_style).with_drafts(settings.drafts),
            state: State::Idle,
            waits: None,
            next_frame: None,
        }
    }

    fn go_on(&mut self, ctx: &mut Context<Self>) {
        while self.state == State::Idle {
            match self.line.next_step() {
                Some(Step::Closed(closed)) => self.ports.turn_closed.tell_if_there(TurnClosed { closed }),
                Some(Step::Call(job, call)) => {
                    if let Some(job) = self.granted(job, ctx) {
                        self.make(job, call, ctx);
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
        let grant = match self.until_next_frame_ms(&job) {
            0 => self.pacer.ask(self.to.chat, self.line.class(&job)),
            wait_ms => Grant::In(wait_ms),
        };
        match grant {
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

    /// Makes a call; that a part is about to be sent goes on record before.
    fn make(&mut self, job: Job, call: Call, ctx: &mut Context<Self>) {
        let is_part = matches!((&job.task, &call), (Task::Deliver { .. }, Call::Send(_)));
        if !is_part || job.recorded {
            return self.call(job, call, ctx);
        }
        match self.line.last_draft(&job) {
            Some(draft) => self.show_last_draft(job, draft, ctx),
            None => self.record(job),
        }
    }

    fn record(&mut self, job: Job) {
        let Task::Deliver { frame, .. } = &job.task else { return };
        let (attempts, end_bytes) = (job.attempts, frame.chunk.end_bytes);
        let (delivered, uncertain, grows) = (false, false, false);
        let part = Part { message_id: None, delivered, uncertain, grows, attempts, end_bytes };
        failpoint::reach("before_attempt_recorded");
        self.ports.part_attempted.tell_if_there(PartAttempted { turn: job.turn, part });
        self.state = State::Recording(Job { recorded: true, ..job });
    }

    fn call(&mut self, job: Job, call: Call, ctx: &mut Context<Self>) {
        self.state = State::Calling;
        witness(self.me, TELEGRAM, &Making(&call), call.words());
        let called = make(self.api.as_ref(), self.to, call);
        ctx.spawn(called.into_actor(self).map(|result, this, ctx| this.called(job, result, ctx)));
    }

    fn called(&mut self, job: Job, result: Result<Option<i64>, TelegramError>, ctx: &mut Context<Self>) {
        self.state = State::Idle;
        let (turn, is_draft) = (job.turn, self.line.is_draft(&job));
        let status = self.line.status(turn).len();
        let report = match result {
            Ok(message_id) => {
                self.waits = None;
                if matches!(job.task, Task::Remark(_)) {
                    self.ports.remark_made.tell_if_there(RemarkMade { turn });
                }
                failpoint::reach_if(matches!(job.task, Task::Acknowledge), "after_ack");
                failpoint::reach_if(matches!(job.task, Task::Deliver { .. }), "after_send");
                witness(TELEGRAM, self.me, &Done(message_id), None);
                let report = self.line.succeeded(job, message_id);
                if is_draft {
                    self.keep_draft_alive(turn, ctx);
                }
                report
            }
            Err(error) => {
                witness(TELEGRAM, self.me, &error, None);
                self.failed(job, &error, ctx)
            }
        };
        if self.line.status(turn).len() != status {
            let status = self.line.status(turn).to_vec();
            self.ports.status_shown.tell_if_there(StatusShown { turn, status });
        }
        if let Some(report) = report {
            self.ports.chunk_delivered.tell_if_there(ChunkDelivered { report });
        }
        self.go_on(ctx);
    }

    fn failed(&mut self, mut job: Job, error: &TelegramError, ctx: &mut Context<Self>) -> Option<Report> {
        if job.recorded && !job.unsure && error.was_not_done() {
            job.recorded = false;
            self.ports.attempt_failed.tell_if_there(AttemptFailed { turn: job.turn });
        }
        let is_part = matches!(job.task, Task::Deliver { .. });
        match error {
            TelegramError::Migrated(chat) => {
                self.to.chat = *chat;
                self.line.failed(job, true, &error.to_string())
            }
            TelegramError::RetryAfter(window) => {
                self.penalised(job.turn, *window);
                tracing::warn!(chat = %self.to, "{error}");
                self.hold_back(job);
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
                let is_away = matches!(error, TelegramError::Unreachable(_));
                if self.line.is_draft(&job) || job.task == Task::Clear && is_away {
                    self.hold_back(job);
                    return None;
                }
                match error {
                    TelegramError::Uncertain(_) => {
                        self.line.unanswered(job, self.settings.uncertain, &error.to_string())
                    }
                    _ => self.line.failed(job, true, &error.to_string()),
                }
            }
            // Not for how it looks: the new message keeps that.
            TelegramError::Refused(text)
                if is_part && is_about_the_message(text) && self.line.lost_message(job.turn) =>
            {
                self.line.failed(job, true, text)
            }
            TelegramError::Refused(_) => {
                let Some(job) = self.line.without_entities(job) else {
                    tracing::warn!(chat = %self.to, "sent once more as plain text: {error}");
                    return None;
                };
                if self.line.is_draft(&job) {
                    self.without_drafts(job, error);
                    return None;
                }
                if is_part && self.line.lost_message(job.turn) {
                    return self.line.failed(job, true, &error.to_string());
                }
                self.given_up(job, error)
            }
            _ => self.given_up(job, error),
        }
    }

    /// Nothing goes to the chat inside its window, not even after a restart.
    fn penalised(&mut self, turn: TurnId, window: Duration) {
        let window_ms = u64::try_from(window.as_millis()).unwrap_or(u64::MAX);
        let window_ms = window_ms.saturating_add(RETRY_AFTER_MARGIN_MS);
        self.pacer.penalise(self.to.chat, window_ms);
        self.ports.penalty_received.tell_if_there(PenaltyReceived { turn, window_ms });
    }

    /// What was not shown goes back: a part to be cut anew, anything else into the line.
    fn hold_back(&mut self, job: Job) {
        let turn = job.turn;
        if self.line.held_back(job) {
            self.ports.chunk_returned.tell_if_there(ChunkReturned { turn });
        }
    }

    fn deliver(&mut self, job: Job, ctx: &mut Context<Self>) {
        if let Some(call) = self.line.call(&job) {
            self.make(job, call, ctx);
        }
    }

    fn given_up(&mut self, job: Job, error: &TelegramError) -> Option<Report> {
        tracing::error!(chat = %self.to, "telegram call given up: {error}");
        let report = self.line.failed(job, false, &error.to_string());
        let chat_closed = matches!(error, TelegramError::ChatClosed(_));
        report.map(|report| Report { chat_closed, ..report })
    }
}

/// Whether an edit was refused because there is no message to edit (any more).
fn is_about_the_message(refusal: &str) -> bool {
    ["message to edit not found", "MESSAGE_ID_INVALID", "message can't be edited"]
        .iter()
        .any(|words| refusal.contains(words))
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
                let closes = frame.closes;
                let job = Job { task: Task::Deliver { part, frame }, ..job };
                if closes && self.line.has_drafts() {
                    // A draft was paid for; the message asks for its own.
                    self.line.put_first(job);
                    return self.go_on(ctx);
                }
                self.deliver(Job { attempts: job.attempts + 1, ..job }, ctx);
            }
            // The turn was ended meanwhile: nobody waits for the part any more.
            other => self.state = other,
        }
    }
}

impl Handler<NothingToCut> for Outbox {
    type Result = ();

    fn handle(&mut self, NothingToCut { turn, is_over }: NothingToCut, ctx: &mut Context<Self>) {
        if matches!(&self.state, State::Cutting(job) if job.turn == turn) {
            self.state = State::Idle;
            if is_over {
                self.line.forget(turn);
            }
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
                self.deliver(job, ctx);
            }
            other => self.state = other,
        }
    }
}

impl Handler<TakeOver> for Outbox {
    type Result = ();

    fn handle(&mut self, take_over: TakeOver, _: &mut Context<Self>) {
        let TakeOver { turn, status, growing, closed_for_ms } = take_over;
        self.line.take_over(turn, status, growing);
        if closed_for_ms > 0 {
            self.pacer.close(self.to.chat, closed_for_ms);
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
        if let Some(report) = self.line.close(ended.turn, ended.notice, ended.discard) {
            self.ports.chunk_delivered.tell_if_there(ChunkDelivered { report });
        }
        let unsent =
            matches!(&self.state, State::Cutting(job) | State::Recording(job) if job.turn == ended.turn);
        if ended.discard && unsent {
            self.state = State::Idle;
        }
        self.go_on(ctx);
    }
}
