//! Conversation: one chat's (or topic's) history and its turns, one at a time.
//!
//! What a turn needs next is decided by [`Turn`]; here it is done. `model.rs` beside this file
//! holds the calls to the model and the tools.

mod ending;
mod model;
mod ports;
mod running;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use actix::{Actor, Context, Handler};

use crate::domain::commands;
use crate::domain::history::History;
use crate::domain::ids::{ChatKey, TurnId};
use crate::domain::record::{Kind, State, StoredTurn, Timings};
use crate::domain::turn::Failure;
use crate::failpoint;
use crate::messages::{
    AbandonTurn, Acknowledge, AnswerCut, AnswerSaved, ChunkDelivered, DiscardRest, HistoryLoaded,
    LoadHistory, PartAttempted, Remark, SaveDelivery, TurnClosed, TurnEnded, TurnStarted, UserSaid,
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
        let place = stored.place();
        let kind = stored.kind;
        let interrupted = stored.state == State::Accepted && !stored.delivery.is_empty();
        let turn = stored.id;
        self.running = Some(Running::new(stored, self.settings.uncertain));
        if interrupted {
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
            Kind::Stop => self.say_and_end(commands::NOTHING_TO_STOP.to_owned()),
        }
    }

    fn begin_question(&mut self, ctx: &mut Context<Self>) {
        let Some(running) = &self.running else { return };
        let (turn, place) = (running.stored.id, running.stored.place());
        self.ports.turn_started.tell_if_there(TurnStarted { turn });
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
        let stoppable = self.running.as_mut().filter(|running| running.is_stoppable());
        let Some(running) = stoppable else {
            return self.end_aside(stop, State::Delivered, None, Some(commands::NOTHING_TO_STOP));
        };
        running.cancel_call(ctx);
        running.stopped = true;
        let turn = running.stored.id;
        self.ports.discard_rest.tell_if_there(DiscardRest { turn });
        self.end(State::Delivered, None, None, true);
        self.end_aside(stop, State::Delivered, None, Some(commands::STOPPED));
    }
}

impl Actor for Conversation {
    type Context = Context<Self>;
}

impl Handler<UserSaid> for Conversation {
    type Result = ();

    fn handle(&mut self, UserSaid { turn }: UserSaid, ctx: &mut Context<Self>) {
        match turn.kind {
            Kind::Stop => return self.stop(&turn, ctx),
            Kind::Help => return self.end_aside(&turn, State::Delivered, None, Some(commands::HELP)),
            // The answer is on record and comes at once.
            Kind::Text | Kind::Retry if turn.state == State::Answered => {}
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
        if report.refused.is_none() {
            let delivery = running.ledger.clone();
            let confirmed = SaveDelivery { turn: report.turn, delivery, reply_to: None };
            self.ports.save_delivery.tell_if_there(confirmed);
        }
        failpoint::reach_if(report.number == 1, "after_first_chunk");
        match report.refused {
            Some(reason) if report.chat_closed => self.fail(Failure::silent(reason), ctx),
            Some(reason) => self.fail(Failure::told(reason, commands::PART_REFUSED), ctx),
            None if running.is_all_delivered() => self.all_delivered(ctx),
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
        let delivery = running.attempted(part);
        let reply_to = Some(self.ports.delivery_saved.clone());
        self.ports.save_delivery.tell_if_there(SaveDelivery { turn, delivery, reply_to });
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

    fn handle(&mut self, AbandonTurn { turn, reason, tell }: AbandonTurn, _: &mut Context<Self>) {
        let notice = tell.then_some(commands::BROKEN_INSIDE);
        self.end_aside(&turn, State::Failed, Some(reason), notice);
    }
}
