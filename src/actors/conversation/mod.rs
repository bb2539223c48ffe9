//! Conversation: one chat's (or topic's) history and its turns, one at a time.
//!
//! What a turn needs next is decided by [`Turn`](crate::domain::turn::Turn); here it is done. `model.rs` and
//! `tools.rs` beside this file hold the calls to the model and the tools.

mod ending;
mod failing;
mod listening;
mod model;
mod ports;
mod running;
mod tools;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use actix::{Actor, Context, Handler};

use crate::domain::commands;
use crate::domain::history::History;
use crate::domain::ids::{ChatKey, TurnId};
use crate::domain::record::{FIRST_SEQ, Kind, Ledger, State, StoredTurn, Timings};
use crate::domain::turn::Failure;
use crate::failpoint;
use crate::messages::{
    AbandonTurn, Acknowledge, AnswerCut, AnswerSaved, AttemptFailed, ChunkDelivered, DiscardRest,
    HistoryLoaded, LoadHistory, PartAttempted, PenaltyReceived, Remark, RemarkMade, SaveDelivery,
    SaveMessages, StatusShown, TakeOver, TurnClosed, TurnEnded, TurnStarted, UserSaid,
};
use crate::port::Station;

pub use ports::{ConversationPorts, ConversationSettings, Faculties};
use running::Running;

/// The actor.
pub struct Conversation {
    key: ChatKey,
    ports: ConversationPorts,
    settings: Arc<ConversationSettings>,
    with: Faculties,
    history: Option<History>,
    waiting: VecDeque<StoredTurn>,
    running: Option<Running>,
    /// Turns that end beside the running one: commands that overtake, and turns given up.
    aside: HashMap<TurnId, Aside>,
}

struct Aside {
    accepted: Timings,
    state: State,
    failure: Option<String>,
    ledger: Ledger,
    is_answered: bool,
}

impl Conversation {
    /// A Conversation that has not read its history yet.
    pub fn new(
        key: ChatKey,
        ports: ConversationPorts,
        settings: Arc<ConversationSettings>,
        with: Faculties,
    ) -> Self {
        Self {
            key,
            ports,
            settings,
            with,
            history: None,
            waiting: VecDeque::new(),
            running: None,
            aside: HashMap::new(),
        }
    }

    fn me(&self) -> Station {
        Station::of("conversation", self.key)
    }

    fn begin_next(&mut self, ctx: &mut Context<Self>) {
        if self.running.is_some() {
            return;
        }
        let Some(stored) = self.waiting.pop_front() else { return };
        // Mostly it was the only one.
        self.waiting.shrink_to_fit();
        let place = stored.place();
        let kind = stored.kind;
        let shows_another = stored.state == State::Accepted && !stored.delivery.is_empty();
        let interrupted = shows_another || stored.begun_again;
        let turn = stored.id;
        self.running = Some(Running::new(stored, self.settings.uncertain));
        if interrupted {
            // What it had shown is to be deleted when the new answer is there.
            if let Some(running) = &mut self.running {
                running.stored.begun_again = true;
            }
            self.save_ledger();
            self.ports.remark.tell_if_there(Remark { turn, text: commands::BEGUN_AGAIN });
        }
        match kind {
            Kind::Text | Kind::Retry => self.begin_question(ctx),
            Kind::Restart => {
                self.history = Some(History::new(place.session, self.settings.history, []));
                self.say_and_end(commands::RESTARTED.to_owned());
            }
            Kind::Unsupported => {
                let what = self.running.as_ref().map_or("", |running| running.stored.question());
                self.say_and_end(commands::only_text(what));
            }
            Kind::Start => self.say_and_end(commands::GREETING.to_owned()),
            Kind::Help => self.say_and_end(commands::HELP.to_owned()),
            Kind::Stop | Kind::StopDraft => self.say_and_end(commands::NOTHING_TO_STOP.to_owned()),
        }
    }

    fn begin_question(&mut self, ctx: &mut Context<Self>) {
        let Some(running) = &self.running else { return };
        let (turn, place) = (running.stored.id, running.stored.place());
        self.ports.turn_started.tell_if_there(TurnStarted { turn });
        if place.seq == FIRST_SEQ {
            self.history = Some(History::new(place.session, self.settings.history, []));
        }
        if running.stored.state == State::Answered
            || self.history.as_ref().is_some_and(|history| history.session() == place.session)
        {
            return self.ask(ctx);
        }
        let request = LoadHistory {
            key: self.key,
            session: place.session,
            before: place.seq,
            // Commands are turns too and are left out of the history; half may be commands.
            limit: self.settings.history.max_turns * 2,
            reply_to: self.ports.history_loaded.clone(),
        };
        self.ports.load_history.tell_if_there(request);
    }

    fn stop(&mut self, stop: &StoredTurn, ctx: &mut Context<Self>) {
        // A button stops the answer under which it stood, and no other; a command that has stopped one
        // before a restart stops no other either.
        let draft: Option<i64> = stop.question().parse().ok().filter(|_| stop.kind == Kind::StopDraft);
        let target = stop.stopped_turn();
        let meant = |running: &&mut Running| {
            running.is_stoppable()
                && draft.is_none_or(|draft| running.stored.id.owns_draft(draft))
                && target.is_none_or(|target| running.stored.id == target)
        };
        let Some(running) = self.running.as_mut().filter(meant) else {
            let notice = if target.is_some() { commands::STOPPED } else { commands::NOTHING_TO_STOP };
            let notice = (stop.kind == Kind::Stop).then_some(notice);
            return self.end_aside(stop, State::Delivered, None, notice);
        };
        running.cancel_call(ctx);
        running.stopped = true;
        let turn = running.stored.id;
        if stop.kind == Kind::Stop && target.is_none() {
            let messages = stop.stopping(turn);
            self.ports.save_messages.tell_if_there(SaveMessages { key: self.key, turn: stop.id, messages });
        }
        self.ports.discard_rest.tell_if_there(DiscardRest { turn });
        self.end(State::Delivered, None, None, true);
        self.end_aside(stop, State::Delivered, None, Some(commands::STOPPED));
    }

    /// A turn from before a restart: what the chat shows of it is to be deleted (of an answer that is
    /// not complete all parts, for it will be another), and Telegram may still want silence.
    fn take_over(&self, turn: &mut StoredTurn) {
        if turn.state == State::Accepted {
            turn.status.extend(turn.delivery.iter().filter_map(|part| part.message_id));
        }
        let closed_for_ms = turn.closed_for_ms(self.with.clock.now_ms());
        let growing = turn.delivery.last().filter(|_| turn.state == State::Answered);
        let growing = growing.filter(|part| part.grows).and_then(|part| part.message_id);
        if turn.status.is_empty() && growing.is_none() && closed_for_ms == 0 {
            return;
        }
        let status = turn.status.clone();
        self.ports.take_over.tell_if_there(TakeOver { turn: turn.id, status, growing, closed_for_ms });
    }

    fn save_ledger(&self) {
        if let Some(running) = &self.running {
            self.save(running.stored.id, running.ledger(), running.is_answered());
        }
    }

    fn save(&self, turn: TurnId, ledger: Ledger, is_answered: bool) {
        let (key, reply_to, may_be_left_out) = (self.key, None, false);
        let save = SaveDelivery { key, turn, ledger, is_answered, reply_to, may_be_left_out };
        self.ports.save_delivery.tell_if_there(save);
    }

    /// Changes what is on record of a turn beside its parts, whether it runs, waits or ends beside
    /// the running one. Returns its ledger then, and whether it is answered.
    fn note(&mut self, turn: TurnId, change: impl FnOnce(&mut Ledger)) -> Option<(Ledger, bool)> {
        let running = self.running.as_mut().filter(|running| running.stored.id == turn);
        if let Some(running) = running {
            let mut ledger = running.ledger();
            change(&mut ledger);
            running.stored.status.clone_from(&ledger.status);
            running.stored.closed_until_ms = ledger.closed_until_ms;
            return Some((ledger, running.is_answered()));
        }
        if let Some(waiting) = self.waiting.iter_mut().find(|waiting| waiting.id == turn) {
            let mut ledger = waiting.ledger();
            change(&mut ledger);
            waiting.status.clone_from(&ledger.status);
            waiting.closed_until_ms = ledger.closed_until_ms;
            return Some((ledger, waiting.state == State::Answered));
        }
        let aside = self.aside.get_mut(&turn)?;
        change(&mut aside.ledger);
        Some((aside.ledger.clone(), aside.is_answered))
    }
}

impl Actor for Conversation {
    type Context = Context<Self>;
}

impl Handler<UserSaid> for Conversation {
    type Result = ();

    fn handle(&mut self, UserSaid { mut turn }: UserSaid, ctx: &mut Context<Self>) {
        self.take_over(&mut turn);
        match turn.kind {
            Kind::Stop | Kind::StopDraft => return self.stop(&turn, ctx),
            Kind::Help => return self.end_aside(&turn, State::Delivered, None, Some(commands::HELP)),
            // The answer is on record and comes at once.
            Kind::Text | Kind::Retry if turn.state == State::Answered => {}
            // It has its "✓" from before a restart.
            Kind::Text | Kind::Retry if !turn.status.is_empty() => {}
            Kind::Text | Kind::Retry => self.ports.acknowledge.tell_if_there(Acknowledge { turn: turn.id }),
            Kind::Start | Kind::Restart | Kind::Unsupported => {}
        }
        let place = self.waiting.partition_point(|waiting| waiting.seq < turn.seq);
        self.waiting.insert(place, turn);
        self.begin_next(ctx);
    }
}

impl Handler<HistoryLoaded> for Conversation {
    type Result = ();

    fn handle(&mut self, HistoryLoaded { session, before, turns }: HistoryLoaded, ctx: &mut Context<Self>) {
        // A history that a turn asked for which has been stopped since would lack that turn.
        let wanted = |running: &Running| running.is_unasked() && running.stored.seq == before;
        if !self.running.as_ref().is_some_and(wanted) {
            return;
        }
        self.history = Some(History::new(session, self.settings.history, turns));
        if self
            .running
            .as_ref()
            .is_some_and(|running| running.stored.session == session && running.is_unasked())
        {
            self.ask(ctx);
        }
    }
}

impl Handler<ChunkDelivered> for Conversation {
    type Result = ();

    fn handle(&mut self, ChunkDelivered { report }: ChunkDelivered, ctx: &mut Context<Self>) {
        let since = |timings: &Timings| self.with.clock.since_ms(timings.accepted_at_ms);
        let running = self.running.as_mut().filter(|running| running.stored.id == report.turn);
        let Some(running) = running else { return };
        failpoint::reach("before_confirm_saved");
        let now_ms = since(&running.timings);
        running.delivered(report.number, report.closes, report.part, now_ms);
        let (is_open, all_delivered) = (running.is_open(), running.is_all_delivered());
        if report.refused.is_none() {
            self.save_ledger();
        }
        failpoint::reach_if(report.number == 1, "after_first_chunk");
        match report.refused {
            // Its end is decided.
            _ if !is_open => {}
            Some(reason) if report.chat_closed => self.fail(Failure::silent(reason), ctx),
            Some(reason) => self.fail(Failure::told(reason, commands::PART_REFUSED), ctx),
            None if all_delivered => self.all_delivered(ctx),
            None => {}
        }
    }
}

impl Handler<AnswerCut> for Conversation {
    type Result = ();

    fn handle(&mut self, AnswerCut { turn, parts }: AnswerCut, ctx: &mut Context<Self>) {
        let running = self.running.as_mut().filter(|running| running.stored.id == turn);
        let Some(running) = running else { return };
        running.cut_into = Some(parts);
        if running.is_all_delivered() {
            self.all_delivered(ctx);
        }
    }
}

impl Handler<PartAttempted> for Conversation {
    type Result = ();

    fn handle(&mut self, PartAttempted { turn, part }: PartAttempted, _: &mut Context<Self>) {
        let running = self.running.as_mut().filter(|running| running.stored.id == turn);
        let Some(running) = running else {
            let ended = TurnEnded { turn, notice: None, discard: true };
            return self.ports.outbox_turn_ended.tell_if_there(ended);
        };
        running.attempted(part);
        self.ports.save_delivery.tell_if_there(SaveDelivery {
            key: self.key,
            turn,
            ledger: running.ledger(),
            is_answered: running.is_answered(),
            reply_to: Some(self.ports.delivery_saved.clone()),
            may_be_left_out: !running.attempt_must_be_on_record(),
        });
    }
}

impl Handler<AttemptFailed> for Conversation {
    type Result = ();

    fn handle(&mut self, AttemptFailed { turn }: AttemptFailed, _: &mut Context<Self>) {
        if let Some(running) = self.running.as_mut().filter(|running| running.stored.id == turn) {
            running.forget_attempt();
            running.cut_bytes.set(running.shown_bytes());
            self.save_ledger();
        }
    }
}

impl Handler<RemarkMade> for Conversation {
    type Result = ();

    fn handle(&mut self, RemarkMade { turn }: RemarkMade, _: &mut Context<Self>) {
        if let Some(running) = self.running.as_mut().filter(|running| running.stored.id == turn) {
            running.stored.begun_again = false;
            self.save_ledger();
        }
    }
}

impl Handler<StatusShown> for Conversation {
    type Result = ();

    fn handle(&mut self, StatusShown { turn, status }: StatusShown, _: &mut Context<Self>) {
        let mut grew = false;
        let ledger = self.note(turn, |ledger| {
            grew = status.len() > ledger.status.len();
            ledger.status = status;
        });
        // That something is gone need not be known: to delete it again does no harm.
        if let Some((ledger, is_answered)) = ledger.filter(|_| grew) {
            self.save(turn, ledger, is_answered);
        }
    }
}

impl Handler<PenaltyReceived> for Conversation {
    type Result = ();

    fn handle(&mut self, PenaltyReceived { turn, window_ms }: PenaltyReceived, _: &mut Context<Self>) {
        let window_ms = i64::try_from(window_ms).unwrap_or(i64::MAX);
        let until = self.with.clock.now_ms().saturating_add(window_ms);
        let ledger = self.note(turn, |ledger| ledger.closed_until_ms = Some(until));
        if let Some((ledger, is_answered)) = ledger {
            self.save(turn, ledger, is_answered);
        }
    }
}

impl Handler<TurnClosed> for Conversation {
    type Result = ();

    fn handle(&mut self, TurnClosed { closed }: TurnClosed, ctx: &mut Context<Self>) {
        self.closed(closed, ctx);
    }
}

impl Handler<AnswerSaved> for Conversation {
    type Result = ();

    fn handle(&mut self, AnswerSaved { turn }: AnswerSaved, _: &mut Context<Self>) {
        if let Some(running) = self.running.as_mut().filter(|running| running.stored.id == turn) {
            running.timings.saved_ms = Some(self.with.clock.since_ms(running.timings.accepted_at_ms));
        }
    }
}

impl Handler<AbandonTurn> for Conversation {
    type Result = ();

    fn handle(&mut self, abandon: AbandonTurn, _: &mut Context<Self>) {
        let AbandonTurn { mut turn, reason, notice } = abandon;
        // What was shown of an answer that is not complete stays, in the chat and on record, and the notice says
        // why: what is taken over of it would be deleted.
        let delivery = std::mem::take(&mut turn.delivery);
        self.take_over(&mut turn);
        turn.delivery = delivery;
        self.end_aside(&turn, State::Failed, Some(reason), notice);
    }
}
