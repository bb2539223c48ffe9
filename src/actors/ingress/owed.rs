//! Turns that are owed: from before a restart, and those of a conversation whose stations panicked.

use std::time::Duration;

use actix::{AsyncContext, Context, Handler};

use super::{Ingress, Shard, count_down};
use crate::domain::commands::{BROKEN_INSIDE, PARKED};
use crate::domain::record::StoredTurn;
use crate::messages::{AbandonTurn, LoadUnfinished, Lost, StationLost, UnfinishedLoaded};

/// So often the whole server may panic while a turn is unfinished; then the turn may be why, and is
/// not taken up again.
const PANICS: u32 = 5;

/// Turns from before a restart are begun so many at a time, so that they do not all ask the model
/// and Telegram at once.
const BEGUN_AT_ONCE: usize = 20;

/// Between two times that some of them are begun.
const BEGUN_EVERY: Duration = Duration::from_millis(200);

impl Ingress {
    pub(super) fn owe(&mut self, turn: StoredTurn) {
        *self.owed_in_chat.entry(turn.key()).or_default() += 1;
        self.owed.push_back(turn);
    }

    pub(super) fn begin_owed(&mut self, ctx: &mut Context<Self>) {
        for _ in 0..BEGUN_AT_ONCE {
            let Some(turn) = self.owed.pop_front() else { return };
            count_down(&mut self.owed_in_chat, turn.key());
            if turn.panics >= PANICS {
                self.abandon(turn, format!("the server panicked {PANICS} times over it"), Some(PARKED));
            } else {
                self.begin(turn);
            }
        }
        if !self.owed.is_empty() {
            ctx.run_later(BEGUN_EVERY, Self::begin_owed);
        }
    }

    pub(super) fn abandon(&mut self, turn: StoredTurn, reason: String, notice: Option<&'static str>) {
        let key = turn.key();
        let conversation = self.conversations.entry(key).or_insert_with(|| (self.ports.open)(key));
        conversation.abandon_turn.tell_if_there(AbandonTurn { turn, reason, notice });
    }

    pub(super) fn load_unfinished(&self, lost: Option<Lost>) {
        let (bot, reply_to) = (self.settings.bot, self.ports.unfinished_loaded.clone());
        self.ports.load_unfinished.tell_if_there(LoadUnfinished { bot, lost, reply_to });
    }

    /// The turns of a conversation whose stations panicked are given up; its user is told once.
    pub(super) fn give_up(&mut self, lost: Lost, turns: Vec<StoredTurn>) {
        // Those that have not begun can't be why, and are yet to begin.
        let begun = |turn: &StoredTurn| {
            self.in_flight.contains_key(&turn.id) && self.owed.iter().all(|owed| owed.id != turn.id)
        };
        let turns: Vec<_> = turns.into_iter().filter(begun).collect();
        for (position, turn) in turns.into_iter().enumerate() {
            let notice = (position == 0).then_some(BROKEN_INSIDE);
            self.abandon(turn, format!("{} panicked", lost.role), notice);
        }
    }
}

impl Handler<UnfinishedLoaded> for Ingress {
    type Result = ();

    fn handle(&mut self, UnfinishedLoaded { lost, turns }: UnfinishedLoaded, ctx: &mut Context<Self>) {
        if let Some(lost) = lost {
            return self.give_up(lost, turns);
        }
        let Shard { index, count } = self.settings.shard;
        let turns: Vec<_> = turns.into_iter().filter(|turn| turn.key().shard(count) == index).collect();
        if !turns.is_empty() {
            tracing::info!(turns = turns.len(), "taking up the turns that were owed when the server stopped");
        }
        for turn in turns {
            self.in_flight.insert(turn.id, turn.key());
            *self.in_chat.entry(turn.key()).or_default() += 1;
            self.owe(turn);
        }
        self.begin_owed(ctx);
        if let Some(recovered) = self.ports.recovered.take() {
            let _app_is_gone = recovered.send(());
        }
    }
}

impl Handler<StationLost> for Ingress {
    type Result = ();

    fn handle(&mut self, StationLost { key, role, crew }: StationLost, _: &mut Context<Self>) {
        // A fresh crew may have taken the place of the lost one already.
        if self.conversations.get(&key).is_none_or(|conversation| conversation.crew != crew) {
            return;
        }
        self.conversations.remove(&key);
        self.load_unfinished(Some(Lost { key, role }));
    }
}

#[cfg(test)]
#[path = "owed_tests.rs"]
mod tests;
