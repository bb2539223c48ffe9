//! Outbox: the only one that calls Telegram. One call at a time, in the order of its
//! [`Line`]; what fails for a while is repeated after a wait.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, ActorFutureExt, AsyncContext, Context, Handler, WrapFuture};
use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

use crate::domain::ids::ChatKey;
use crate::domain::line::{BeatStyle, Call, Job, Line, Report, Step, Task};
use crate::edge::telegram::{BotApi, Called, TelegramError};
use crate::messages::{
    Acknowledge, ChunkDelivered, DeliverChunk, FirstChunk, Thinking, TurnClosed, TurnEnded,
};
use crate::port::{Port, Station, length, witness};

/// Added to a wait that Telegram asks for: a call inside the window would lengthen it.
const RETRY_AFTER_MARGIN: Duration = Duration::from_millis(250);

const TELEGRAM: Station = Station::shared("telegram");

/// Whom the Outbox may tell what.
pub struct OutboxPorts {
    /// To Conversation: for the ledger.
    pub conversation_chunk_delivered: Port<ChunkDelivered>,
    /// To Chunker: send the next.
    pub chunker_chunk_delivered: Port<ChunkDelivered>,
    /// To Conversation.
    pub turn_closed: Port<TurnClosed>,
}

/// The actor.
pub struct Outbox {
    ports: OutboxPorts,
    api: Arc<dyn BotApi>,
    me: Station,
    /// Where to send: the conversation, or what it has become.
    to: ChatKey,
    line: Line,
    state: State,
    /// The growing waits of repeated failures.
    waits: Option<ExponentialBackoff>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Idle,
    Calling,
    Waiting,
}

impl Outbox {
    /// An Outbox of the conversation `key`, with nothing to send.
    pub fn new(ports: OutboxPorts, api: Arc<dyn BotApi>, key: ChatKey, style: BeatStyle) -> Self {
        Self {
            ports,
            api,
            me: Station::of("outbox", key),
            to: key,
            line: Line::new(style),
            state: State::Idle,
            waits: None,
        }
    }

    fn go_on(&mut self, ctx: &mut Context<Self>) {
        while self.state == State::Idle {
            match self.line.next_step() {
                Some(Step::Call(job, call)) => self.call(job, call, ctx),
                Some(Step::Closed(closed)) => self.ports.turn_closed.tell_if_there(TurnClosed { closed }),
                None => return,
            }
        }
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
        if let TelegramError::Migrated(chat) = error {
            self.to.chat = *chat;
            return self.line.failed(job, true, &error.to_string());
        }
        let passing = error.is_passing();
        if passing {
            let wait = self.wait_after(error);
            tracing::warn!(chat = %self.to, "telegram call failed, trying again in {wait:?}: {error}");
            self.state = State::Waiting;
            ctx.run_later(wait, |this, ctx| {
                this.state = State::Idle;
                this.go_on(ctx);
            });
        } else {
            tracing::error!(chat = %self.to, "telegram call given up: {error}");
        }
        self.line.failed(job, passing, &error.to_string())
    }

    fn wait_after(&mut self, error: &TelegramError) -> Duration {
        match error {
            TelegramError::RetryAfter(window) => *window + RETRY_AFTER_MARGIN,
            _ => self.waits.get_or_insert_with(growing_waits).next().unwrap_or(LONGEST_WAIT),
        }
    }

    fn report(&self, report: Report) {
        let delivered = ChunkDelivered { report };
        self.ports.conversation_chunk_delivered.tell_if_there(delivered.clone());
        self.ports.chunker_chunk_delivered.tell_if_there(delivered);
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
        Call::Send(text) => {
            let sent = api.send_message(to, text);
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
            Self::Send(text) | Self::Edit { text, .. } => Some(text),
            Self::Delete(_) | Self::Typing => None,
        }
    }
}

/// A call's line in the flow.
struct Making<'a>(&'a Call);

impl fmt::Display for Making<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Call::Send(text) => write!(f, "sendMessage, {}", length(text)),
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

impl Handler<DeliverChunk> for Outbox {
    type Result = ();

    fn handle(&mut self, DeliverChunk { turn, part, chunk }: DeliverChunk, ctx: &mut Context<Self>) {
        self.line.push(turn, Task::Deliver { part, chunk });
        self.go_on(ctx);
    }
}

impl Handler<TurnEnded> for Outbox {
    type Result = ();

    fn handle(&mut self, ended: TurnEnded, ctx: &mut Context<Self>) {
        self.line.close(ended.turn, ended.notice, ended.discard);
        self.go_on(ctx);
    }
}
