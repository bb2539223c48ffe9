//! The turn that a conversation is at: its place in the record, its messages and its ledger.

use std::rc::Rc;

use actix::Actor;

use super::Conversation;
use super::listening::{CutBytes, Work};
use crate::domain::chat::ChatMessage;
use crate::domain::line::Uncertain;
use crate::domain::record::{Answer, Kind, Ledger, Part, State, StoredTurn, Timings};
use crate::domain::retry::Failures;
use crate::domain::turn::Turn;

pub(super) struct Running {
    pub stored: StoredTurn,
    /// None before the model is asked.
    pub turn: Option<Turn>,
    /// The model's call or the tools at work.
    pub call: Option<Work>,
    /// Calls of the model so far.
    pub calls: u32,
    pub cut_bytes: CutBytes,
    /// When the model was first asked, in milliseconds since 1970.
    pub asked_at_ms: Option<i64>,
    pub failures: Failures,
    /// The sends of the answer.
    pub delivery: Vec<Part>,
    /// The part that the ledger's last entry is of, while it grows.
    growing: Option<u32>,
    /// The ledger's last part is on its way.
    attempting: bool,
    /// Parts that the answer was cut into, once all of it is.
    pub cut_into: Option<u32>,
    /// The last part that the chat has.
    pub confirmed: u32,
    pub timings: Timings,
    /// The model is done; the rest is delivery.
    pub complete: bool,
    pub stopped: bool,
    /// How it ended, once it has; `Accepted` or `Answered` while it runs.
    pub state: State,
    pub failure: Option<String>,
}

/// The ledger of a turn as this process takes it up. Parts of an answer that is not on record are
/// of no use: the answer will be another. A part that was attempted, with no word of what became of
/// it, is there or not as the operator decides.
fn taken_up(stored: &mut StoredTurn, uncertain: Uncertain) -> Vec<Part> {
    if stored.state != State::Answered {
        return Vec::new();
    }
    let mut delivery = std::mem::take(&mut stored.delivery);
    if stored.stopped {
        return delivery;
    }
    if let Some(last) = delivery.pop_if(|part| !part.delivered)
        && uncertain == Uncertain::Note
    {
        delivery.push(Part { delivered: true, uncertain: true, ..last });
    }
    delivery
}

impl Running {
    pub fn new(mut stored: StoredTurn, uncertain: Uncertain) -> Self {
        let delivery = taken_up(&mut stored, uncertain);
        // The part whose message goes on to grow is the first that will be cut.
        let growing = delivery.last().filter(|part| part.grows).map(|_| 1);
        Self {
            turn: None,
            call: None,
            calls: 0,
            cut_bytes: Rc::default(),
            asked_at_ms: None,
            failures: Failures::default(),
            cut_into: None,
            confirmed: 0,
            delivery,
            growing,
            attempting: false,
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

    /// Some of its parts may not have reached the chat, and were not sent again.
    pub fn has_gaps(&self) -> bool {
        self.delivery.iter().any(|part| part.uncertain)
    }

    /// The ledger at the end: without a part that was to be sent and is not wanted any more.
    pub fn final_delivery(&mut self) -> Vec<Part> {
        self.forget_attempt();
        std::mem::take(&mut self.delivery)
    }

    pub fn close(&mut self, state: State, failure: Option<String>) {
        self.state = state;
        self.failure = failure;
    }

    pub fn cancel_call(&mut self, ctx: &mut <Conversation as Actor>::Context) {
        if let Some(call) = self.call.take() {
            call.cancel(ctx);
        }
    }

    /// Its answer is on record, or on its way there.
    pub fn is_answered(&self) -> bool {
        self.complete || self.stored.state == State::Answered
    }

    /// The turn's ledger as it is to be on record now.
    pub fn ledger(&self) -> Ledger {
        let StoredTurn { status, closed_until_ms, begun_again, .. } = &self.stored;
        let (status, closed_until_ms, begun_again) = (status.clone(), *closed_until_ms, *begun_again);
        Ledger { delivery: self.delivery.clone(), status, closed_until_ms, begun_again }
    }

    /// A part is about to be sent.
    pub fn attempted(&mut self, part: Part) {
        self.cut_bytes.set(part.end_bytes);
        self.forget_attempt();
        self.delivery.push(part);
        self.attempting = true;
    }

    /// Whether what is about to be sent is to be on record before. Of an answer that is not complete it is
    /// enough that something may be shown of it: after a kill, it is begun again and not gone on with.
    pub fn attempt_must_be_on_record(&self) -> bool {
        self.complete || self.delivery.len() <= 1
    }

    /// The part that was about to be sent is not in the chat.
    pub fn forget_attempt(&mut self) {
        if std::mem::take(&mut self.attempting) {
            self.delivery.pop();
        }
    }

    pub fn delivered(&mut self, number: u32, closes: bool, part: Part, now_ms: u64) {
        self.forget_attempt();
        let has_grown = self.growing == Some(number);
        self.growing = (!closes).then_some(number);
        self.confirmed = if closes { number } else { self.confirmed };
        if has_grown && !part.delivered {
            // Its message shows what it showed before.
            return;
        }
        if has_grown {
            // It is one entry, whatever message it stands in now.
            self.delivery.pop();
        }
        if part.delivered {
            self.timings.first_chunk_ms.get_or_insert(now_ms);
            self.timings.last_chunk_ms = Some(now_ms);
        }
        self.delivery.push(part);
    }

    pub fn shown_bytes(&self) -> usize {
        self.delivery.iter().filter(|part| part.delivered).map(|part| part.end_bytes).max().unwrap_or(0)
    }

    /// From where on the answer is to be cut: the message that grows is edited to what it is to be.
    pub fn whole_bytes(&self) -> usize {
        let whole = self.delivery.iter().filter(|part| part.delivered && !part.grows);
        whole.map(|part| part.end_bytes).max().unwrap_or(0)
    }

    pub fn is_all_delivered(&self) -> bool {
        self.complete && self.cut_into.is_some_and(|parts| parts <= self.confirmed)
    }

    /// The answer as it is stored: whole, or what was shown when the user ended it.
    pub fn answer(&self) -> Option<Answer> {
        let usage = self.turn.as_ref().and_then(Turn::usage).or(self.stored.usage);
        let (messages, ledger) = (self.messages()?, self.ledger());
        Some(Answer { messages, stopped: self.stopped, ledger, usage, timings: self.timings })
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
    pub fn for_history(&self) -> (Kind, Vec<ChatMessage>, bool) {
        let answered = self.state == State::Delivered && self.shown_bytes() > 0;
        let messages = self.messages().unwrap_or_else(|| match &self.turn {
            Some(turn) => turn.messages().to_vec(),
            None => self.stored.messages.clone(),
        });
        (self.stored.kind, messages, answered)
    }
}
