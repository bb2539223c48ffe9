//! A turn's calls to the model, and what follows from what they bring.

use std::fmt;
use std::sync::Arc;

use actix::Context;
use futures::{FutureExt, TryFutureExt, future};

use super::Conversation;
use super::listening::{Asked, Coming};
use crate::domain::chat::{ChatMessage, Reply};
use crate::domain::commands;
use crate::domain::ids::TurnId;
use crate::domain::record::{Kind, State};
use crate::domain::turn::{Failure, Next, Turn};
use crate::edge::llm::{ModelError, Piece, Pieces, Request};
use crate::failpoint;
use crate::messages::{AnswerEnded, AnswerResumed, DeltaArrived};
use crate::port::{Station, length, witness};

const MODEL: Station = Station::shared("model");

impl Conversation {
    /// Asks the running turn's question, or goes on with the delivery of an answer that is on
    /// record.
    pub(super) fn ask(&mut self, ctx: &mut Context<Self>) {
        let Some(running) = &mut self.running else { return };
        if running.stored.state == State::Answered {
            return self.deliver_recorded();
        }
        if running.stored.messages.len() > 1 {
            let (turn, next) = Turn::resume(self.settings.rules, running.stored.messages.clone());
            running.turn = Some(turn);
            return self.go_on(next, ctx);
        }
        let again = self.history.as_ref().and_then(|history| history.last_question()).map(str::to_owned);
        let question = match running.stored.kind {
            Kind::Retry => again,
            _ => Some(running.stored.question().to_owned()),
        };
        let Some(question) = question else {
            return self.say_and_end(commands::NOTHING_TO_RETRY.to_owned());
        };
        let (turn, next) = Turn::begin(self.settings.rules, question);
        running.turn = Some(turn);
        self.go_on(next, ctx);
    }

    fn deliver_recorded(&mut self) {
        let Some(running) = &mut self.running else { return };
        if running.stored.stopped {
            // All that was to be shown of it is.
            running.stopped = true;
            return self.end(State::Delivered, None, None, true);
        }
        let turn = Turn::recorded(self.settings.rules, running.stored.messages.clone());
        let id = running.stored.id;
        let (answer, end_bytes) = (turn.answer().to_owned(), running.whole_bytes());
        running.turn = Some(turn);
        running.complete = true;
        self.ports.answer_resumed.tell_if_there(AnswerResumed { turn: id, answer, end_bytes });
    }

    pub(super) fn go_on(&mut self, next: Next, ctx: &mut Context<Self>) {
        match next {
            Next::Ask { streamed, with_tools } => self.call_model(streamed, with_tools, ctx),
            Next::RunTools(calls) => self.run_tools(calls, ctx),
            Next::Answered => self.answered(),
            Next::Failed(failure) => self.fail(failure, ctx),
        }
    }

    fn answered(&mut self) {
        let Some(running) = &mut self.running else { return };
        running.complete = true;
        let turn = running.stored.id;
        if let Some(running) = &self.running {
            self.save_answer(running);
        }
        self.ports.answer_ended.tell_if_there(AnswerEnded { turn });
    }

    pub(super) fn call_model(&mut self, streamed: bool, with_tools: bool, ctx: &mut Context<Self>) {
        // Half an answer stands in the chat: whatever became of other calls, this one is worth a try.
        let turn = self.running.as_ref().and_then(|running| running.turn.as_ref());
        let is_continuing = turn.is_some_and(Turn::is_continuing);
        if !is_continuing && !self.with.breaker.lets_pass() {
            let why = "the model's provider is down and was not asked";
            return self.fail(Failure::told(why, commands::MODEL_AWAY), ctx);
        }
        let now_ms = self.with.clock.now_ms();
        let request = self.request(with_tools);
        witness(self.me(), MODEL, &Asking { request: &request, streamed }, None);
        let model = &self.with.model;
        let pieces: Coming = if streamed {
            model.stream(request)
        } else {
            let whole = model.complete(request).map_ok(Piece::End);
            future::ready(Ok(Pieces::of(whole.into_stream()))).boxed()
        };
        if let Some(running) = &mut self.running {
            running.asked_at_ms.get_or_insert(now_ms);
        }
        self.listen(pieces, Asked { streamed, with_tools }, ctx);
    }

    /// Whether the turn is still running: actix lets a cancelled future run once more when it was
    /// ready already.
    pub(super) fn is_at(&self, turn: Option<TurnId>) -> bool {
        self.running.as_ref().is_some_and(|running| running.is_open() && Some(running.stored.id) == turn)
    }

    fn request(&self, with_tools: bool) -> Request {
        let running = self.running.as_ref();
        let own = running.and_then(|running| running.turn.as_ref()).map_or(&[][..], Turn::messages);
        let retry = running.filter(|running| running.stored.kind == Kind::Retry);
        let retry = retry.and(own.first()).and_then(|message| message.content.as_deref());
        let instructions = Some(&self.settings.instructions).filter(|text| !text.trim().is_empty());
        let system = instructions.map(|text| ChatMessage::system(text.as_ref()));
        let past = self.history.iter().flat_map(|history| history.messages(retry)).cloned();
        let continuation = running.and_then(|running| running.turn.as_ref()).map(Turn::continuation);
        let own = own.iter().cloned().chain(continuation.into_iter().flatten()).map(Arc::new);
        let messages = system.map(Arc::new).into_iter().chain(past).chain(own).collect();
        let tools = if with_tools { self.with.tools.specs() } else { [].into() };
        Request { messages, tools }
    }

    pub(super) fn heard(&mut self, piece: Result<Piece, ModelError>, asked: Asked, ctx: &mut Context<Self>) {
        match piece {
            Ok(Piece::Text(text)) => self.show(text),
            Ok(Piece::End(reply)) => {
                self.with.breaker.report(true);
                self.replied(reply, asked.streamed, ctx);
            }
            Err(error) => {
                witness(MODEL, self.me(), &error, None);
                self.forget_call();
                self.call_failed(&error, asked, ctx);
            }
        }
    }

    fn show(&mut self, text: String) {
        let Some(running) = &mut self.running else { return };
        let Some(turn) = &mut running.turn else { return };
        if running.timings.first_delta_ms.is_none() {
            let since_ms = self.with.clock.since_ms(running.timings.accepted_at_ms);
            running.timings.first_delta_ms = Some(since_ms);
        }
        let delta = DeltaArrived { turn: running.stored.id, text: turn.heard(text) };
        self.ports.delta_arrived.tell_if_there(delta);
    }

    fn replied(&mut self, reply: Reply, streamed: bool, ctx: &mut Context<Self>) {
        let turn = self.running.as_ref().and_then(|running| running.turn.as_ref());
        let said = if streamed { turn.map_or("", Turn::said) } else { &reply.content };
        witness(MODEL, self.me(), &Replied { reply: &reply, said }, None);
        failpoint::reach(if streamed { "after_stream" } else { "after_first_call" });
        self.forget_call();
        if let Some(running) = &mut self.running {
            running.failures.forget();
        }
        let turn = self.running.as_ref().and_then(|running| running.turn.as_ref());
        let is_answer = turn.is_some_and(|turn| !turn.wants_tools(&reply));
        if !streamed && is_answer && !reply.content.trim().is_empty() {
            self.show(reply.content.clone());
        }
        let turn = self.running.as_mut().and_then(|running| running.turn.as_mut());
        if let Some(next) = turn.map(|turn| turn.replied(reply)) {
            self.go_on(next, ctx);
        }
    }

    pub(super) fn forget_call(&mut self) {
        if let Some(running) = &mut self.running {
            running.call = None;
        }
    }
}

/// A model call's line in the flow.
struct Asking<'a> {
    request: &'a Request,
    streamed: bool,
}

impl fmt::Display for Asking<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (messages, tools) = (self.request.messages.len(), self.request.tools.len());
        let how = if self.streamed { "streamed" } else { "whole" };
        write!(f, "ask, {how}: {messages} messages, {tools} tools")
    }
}

/// A reply's line in the flow.
struct Replied<'a> {
    reply: &'a Reply,
    said: &'a str,
}

impl fmt::Display for Replied<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.reply.tool_calls.iter().map(|call| call.function.name.as_str()).collect();
        match names.is_empty() {
            true => write!(f, "replied: {}", length(self.said)),
            false => write!(f, "asks for {}", names.join(", ")),
        }
    }
}
