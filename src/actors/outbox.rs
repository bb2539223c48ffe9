//! Outbox: the only one that calls Telegram. One call at a time, in the order of its
//! [`Line`], as fast as the [`Pacer`] allows; what fails for a while is repeated after a wait.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, ActorFutureExt, AsyncContext, Context, Handler, WrapFuture};
use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

use crate::domain::ids::ChatKey;
use crate::domain::line::{BeatStyle, Call, Job, Line, Report, Step, Task, Uncertain};
use crate::domain::pacing::{Grant, Pacer};
use crate::domain::record::Part;
use crate::edge::telegram::{BotApi, Called, TelegramError};
use crate::messages::{
    Acknowledge, ChunkDelivered, ChunkReady, ChunkReturned, CutChunk, DeliverChunk, DeliverySaved,
    FirstChunk, PartAttempted, Remark, Thinking, TurnClosed, TurnEnded,
};
use crate::port::{Port, Station, length, witness};

/// Added to a wait that Telegram asks for: a call inside the window would lengthen it.
const RETRY_AFTER_MARGIN_MS: u64 = 250;

const TELEGRAM: Station = Station::shared("telegram");

/// Whom the Outbox may tell what.
pub struct OutboxPorts {
    /// To Conversation: for the ledger, before the send.
    pub part_attempted: Port<PartAttempted>,
    /// To Conversation: for the ledger, after it.
    pub chunk_delivered: Port<ChunkDelivered>,
    /// To Chunker.
    pub cut_chunk: Port<CutChunk>,
    /// To Chunker.
    pub chunk_returned: Port<ChunkReturned>,
    /// To Conversation.
    pub turn_closed: Port<TurnClosed>,
}

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

/// What an Outbox needs to know.
#[derive(Debug, Clone, Copy)]
pub struct OutboxSettings {
    /// How heartbeats show.
    pub beat_style: BeatStyle,
    /// What waits for a chat that must be paced is sent together when it is more than so many
    /// characters.
    pub merge_above_chars: usize,
    /// What to do when Telegram did not answer a send.
    pub uncertain: Uncertain,
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
                witness(TELEGRAM, self.me, &Done(message_id), None);
                self.line.succeeded(job, message_id)
            }
            Err(error) => {
                witness(TELEGRAM, self.me, &error, None);
                self.failed(job, &error, ctx)
            }
        };
        if let Some(report) = report {
            self.report(report);
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
                self.wait(wait, ctx);
                match error {
                    TelegramError::Uncertain(_) => {
                        self.line.unanswered(job, self.settings.uncertain, &error.to_string())
                    }
                    _ => self.line.failed(job, true, &error.to_string()),
                }
            }
            TelegramError::Refused(text) => {
                let Some(job) = self.line.without_entities(job) else {
                    tracing::warn!(chat = %self.to, "sending as plain text: {text}");
                    return None;
                };
                tracing::error!(chat = %self.to, "telegram call given up: {error}");
                self.line.failed(job, false, &error.to_string())
            }
            _ => {
                tracing::error!(chat = %self.to, "telegram call given up: {error}");
                self.line.failed(job, false, &error.to_string())
            }
        }
    }

    fn report(&self, report: Report) {
        self.ports.chunk_delivered.tell_if_there(ChunkDelivered { report });
    }
}

/// Between repeated calls that fail, at most.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

fn growing_waits() -> ExponentialBackoff {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(500))
        .with_max_delay(LONGEST_WAIT)
        .without_max_times()
        .build()
}

fn make(api: &dyn BotApi, to: ChatKey, call: Call) -> Called<Option<i64>> {
    match call {
        Call::Send(message) => {
            let sent = api.send_message(to, message);
            Box::pin(async move { sent.await.map(Some) })
        }
        Call::Edit { message_id, text } => nothing(api.edit_message_text(to, message_id, text)),
        Call::Delete(message_ids) => nothing(api.delete_messages(to, message_ids)),
        Call::Typing => nothing(api.send_typing(to)),
    }
}

fn nothing(called: Called<()>) -> Called<Option<i64>> {
    Box::pin(async move { called.await.map(|()| None) })
}

impl Call {
    fn words(&self) -> Option<&str> {
        match self {
            Self::Send(message) => Some(&message.text),
            Self::Edit { text, .. } => Some(text),
            Self::Delete(_) | Self::Typing => None,
        }
    }
}

/// A call's line in the flow.
struct Making<'a>(&'a Call);

impl fmt::Display for Making<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Call::Send(message) => {
                write!(f, "sendMessage, {}", length(&message.text))?;
                match message.entities.len() {
                    0 => Ok(()),
                    1 => f.write_str(" and 1 entity"),
                    count => write!(f, " and {count} entities"),
                }
            }
            Call::Edit { message_id, .. } => write!(f, "editMessageText {message_id}"),
            Call::Delete(messages) => write!(f, "deleteMessages {messages:?}"),
            Call::Typing => f.write_str("sendChatAction typing"),
        }
    }
}

/// A finished call's line in the flow.
struct Done(Option<i64>);

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(message) => write!(f, "message {message}"),
            None => f.write_str("done"),
        }
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

    fn handle(&mut self, DeliverChunk { turn, part, chunk }: DeliverChunk, _: &mut Context<Self>) {
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Cutting(job) if job.turn == turn => {
                let attempts = job.attempts + 1;
                let end_bytes = chunk.end_bytes;
                let attempt =
                    Part { message_id: None, delivered: false, uncertain: false, attempts, end_bytes };
                self.ports.part_attempted.tell_if_there(PartAttempted { turn, part: attempt });
                self.state = State::Recording(Job { task: Task::Deliver { part, chunk }, attempts, ..job });
            }
            // The turn was ended meanwhile: nobody waits for the part any more.
            other => self.state = other,
        }
    }
}

impl Handler<DeliverySaved> for Outbox {
    type Result = ();

    fn handle(&mut self, DeliverySaved { turn }: DeliverySaved, ctx: &mut Context<Self>) {
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Recording(job) if job.turn == turn => {
                if let Some(call) = self.line.call(&job) {
                    self.call(job, call, ctx);
                }
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
