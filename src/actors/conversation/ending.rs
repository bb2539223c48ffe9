//! How a turn ends: what the Outbox shows of it, and what goes on record.

use actix::Context;

use super::running::Running;
use super::{Aside, Conversation};
use crate::domain::commands;
use crate::domain::line::Closed;
use crate::domain::record::{Outcome, Part, State, StoredTurn, Timings};
use crate::domain::turn::{self, Failure, Turn};
use crate::failpoint;
use crate::messages::{DiscardRest, SaveAnswer, SaveOutcome, TurnEnded};

impl Conversation {
    /// A turn that needs no model: says `text`, which ends it.
    pub(super) fn say_and_end(&mut self, text: String) {
        self.end(State::Delivered, None, Some(text), false);
    }

    pub(super) fn fail(&mut self, failure: Failure, ctx: &mut Context<Self>) {
        let Some(running) = &mut self.running else { return };
        running.cancel_call(ctx);
        let turn = running.stored.id;
        tracing::warn!(chat = %self.key, %turn, "turn failed: {}", failure.reason);
        self.ports.discard_rest.tell_if_there(DiscardRest { turn });
        self.end(State::Failed, Some(failure.reason), failure.for_user, true);
    }

    /// The running turn has its end: the Outbox shows it, then [`TurnClosed`](crate::messages::TurnClosed)
    /// comes.
    pub(super) fn end(
        &mut self,
        state: State,
        failure: Option<String>,
        notice: Option<String>,
        discard: bool,
    ) {
        let Some(running) = &mut self.running else { return };
        if !running.is_open() {
            return;
        }
        running.close(state, failure);
        let ended = TurnEnded { turn: running.stored.id, notice, discard };
        self.ports.heartbeat_turn_ended.tell_if_there(ended.clone());
        self.ports.outbox_turn_ended.tell_if_there(ended);
    }

    /// A turn that ends beside the running one.
    pub(super) fn end_aside(
        &mut self,
        stored: &StoredTurn,
        state: State,
        failure: Option<String>,
        notice: Option<&str>,
    ) {
        let (ledger, is_answered) = (stored.ledger(), stored.state == State::Answered);
        let aside = Aside { accepted: stored.timings, state, failure, ledger, is_answered };
        self.aside.insert(stored.id, aside);
        let notice = notice.map(str::to_owned);
        let ended = TurnEnded { turn: stored.id, notice, discard: true };
        self.ports.outbox_turn_ended.tell_if_there(ended);
    }

    pub(super) fn all_delivered(&mut self, ctx: &mut Context<Self>) {
        let Some(running) = &self.running else { return };
        if running.shown_bytes() == 0 {
            return self.fail(turn::nothing_to_show(), ctx);
        }
        failpoint::reach("after_last_part");
        let maybe_lost = running.has_gaps().then_some(commands::MAYBE_LOST);
        let cut_short = running.turn.as_ref().and_then(Turn::cut_short);
        let notices: Vec<_> = cut_short.into_iter().chain(maybe_lost).collect();
        let notice = (!notices.is_empty()).then(|| notices.join("\n\n"));
        self.end(State::Delivered, None, notice, false);
    }

    pub(super) fn closed(&mut self, closed: Closed, ctx: &mut Context<Self>) {
        if let Some(aside) = self.aside.remove(&closed.turn) {
            let timings = self.timed(aside.accepted);
            return self.save_outcome(&closed, aside.state, aside.failure, None, timings);
        }
        let running = self.running.take_if(|running| running.stored.id == closed.turn);
        let Some(mut running) = running else { return };
        if running.stopped {
            self.save_answer(&running);
        }
        let (kind, messages, answered) = running.for_history();
        let (state, failure, timings) = (running.state, running.failure.take(), running.timings);
        self.save_outcome(&closed, state, failure, Some(running.final_delivery()), timings);
        if let Some(history) = &mut self.history {
            history.ended(kind, messages, answered);
        }
        self.begin_next(ctx);
    }

    pub(super) fn timed(&self, mut timings: Timings) -> Timings {
        timings.last_chunk_ms = Some(self.with.clock.since_ms(timings.accepted_at_ms));
        timings
    }

    pub(super) fn save_answer(&self, running: &Running) {
        if let Some(answer) = running.answer() {
            let reply_to = self.ports.answer_saved.clone();
            let save = SaveAnswer { key: self.key, turn: running.stored.id, answer, reply_to };
            self.ports.save_answer.tell_if_there(save);
        }
    }

    pub(super) fn save_outcome(
        &self,
        closed: &Closed,
        state: State,
        failure: Option<String>,
        delivery: Option<Vec<Part>>,
        timings: Timings,
    ) {
        let untold = closed.notice.as_ref().and_then(|notice| notice.as_ref().err());
        let untold = untold.map(|reason| format!("the user could not be told: {reason}"));
        let state = if untold.is_some() { State::Failed } else { state };
        let reasons: Vec<_> = failure.into_iter().chain(untold).collect();
        let failure = (!reasons.is_empty()).then(|| reasons.join("; "));
        let outcome = Outcome { state, failure, delivery, timings };
        self.ports.save_outcome.tell_if_there(SaveOutcome { key: self.key, turn: closed.turn, outcome });
    }
}
