//! The turn that a conversation is at: its place in the record, its messages and its ledger.

use actix::{Actor, AsyncContext, SpawnHandle};

use super::Conversation;
use crate::domain::chat::ChatMessage;
use crate::domain::record::{Answer, Kind, Part, State, StoredTurn, Timings};
use crate::domain::turn::Turn;

pub(super) struct Running {
    pub stored: StoredTurn,
    /// None before the model is asked.
    pub turn: Option<Turn>,
    /// The model's call or the tools at work.
    pub call: Option<SpawnHandle>,
    pub ledger: Vec<Part>,
    /// Bytes of the answer that the chat had before this process took the turn up.
    pub base_bytes: usize,
    pub timings: Timings,
    /// The model is done; the rest is delivery.
    pub complete: bool,
    pub stopped: bool,
    /// How it ended, once it has; `Accepted` or `Answered` while it runs.
    pub state: State,
    pub failure: Option<String>,
}

impl Running {
    pub fn new(stored: StoredTurn) -> Self {
        Self {
            turn: None,
            call: None,
            base_bytes: stored.delivery.iter().map(|part| part.end_bytes).max().unwrap_or(0),
            ledger: stored.delivery.clone(),
            timings: stored.timings,
            complete: false,
            stopped: false,
            state: stored.state,
            failure: None,
            stored,
        }
    }

    pub fn is_open(&self) -> bool {
        matches!(self.state, State::Accepted | State::Answered)
    }

    pub fn is_unasked(&self) -> bool {
        self.turn.is_none() && self.is_open()
    }

    /// Only answers of the model can be stopped.
    pub fn is_stoppable(&self) -> bool {
        self.is_open() && matches!(self.stored.kind, Kind::Text | Kind::Retry)
    }

    pub fn close(&mut self, state: State, failure: Option<String>) {
        self.state = state;
        self.failure = failure;
    }

    pub fn cancel_call(&mut self, ctx: &mut <Conversation as Actor>::Context) {
        if let Some(call) = self.call.take() {
            ctx.cancel_future(call);
        }
    }

    pub fn delivered(&mut self, mut part: Part, now_ms: u64) {
        part.end_bytes += self.base_bytes;
        if part.delivered {
            self.timings.first_chunk_ms.get_or_insert(now_ms);
            self.timings.last_chunk_ms = Some(now_ms);
        }
        self.ledger.push(part);
    }

    fn shown_bytes(&self) -> usize {
        self.ledger.iter().filter(|part| part.delivered).map(|part| part.end_bytes).max().unwrap_or(0)
    }

    pub fn is_all_delivered(&self) -> bool {
        let length = self.turn.as_ref().map_or(0, |turn| turn.answer().trim_end().len());
        self.complete && self.shown_bytes() >= length
    }

    /// The answer as it is stored: whole, or what was shown when the user ended it.
    pub fn answer(&self) -> Option<Answer> {
        let usage = self.turn.as_ref().and_then(Turn::usage);
        let messages = self.messages()?;
        Some(Answer { messages, stopped: self.stopped, usage, timings: self.timings })
    }

    fn messages(&self) -> Option<Vec<ChatMessage>> {
        match &self.turn {
            Some(turn) if self.stopped => Some(turn.stopped(self.shown_bytes())),
            Some(turn) => self.complete.then(|| turn.answered()),
            None if self.stopped => Some(self.stored.messages.clone()),
            None => None,
        }
    }

    /// What the history keeps: what was asked, all messages, and whether it was answered.
    pub fn for_history(mut self) -> (Kind, Vec<ChatMessage>, bool) {
        let answered = self.state == State::Delivered && self.shown_bytes() > 0;
        let messages = self.messages().unwrap_or_else(|| match self.turn.take() {
            Some(turn) => turn.messages().to_vec(),
            None => std::mem::take(&mut self.stored.messages),
        });
        (self.stored.kind, messages, answered)
    }
}
