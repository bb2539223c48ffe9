//! Turns that are owed: from before a restart, and those of a conversation whose stations panicked.

use std::time::Duration;

use actix::{AsyncContext, Context, Handler};

use super::{Ingress, Shard, ToConversation, count_down};
use crate::domain::commands::{BROKEN_INSIDE, PARKED};
use crate::domain::ids::ChatKey;
use crate::domain::record::StoredTurn;
use crate::messages::{AbandonTurn, LoadUnfinished, Lost, StationLost, UnfinishedLoaded, UserSaid};
use crate::port::Undelivered;

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
            self.begin(turn);
        }
        if !self.owed.is_empty() {
            ctx.run_later(BEGUN_EVERY, Self::begin_owed);
        }
    }

    /// Tells the turn's conversation, or has it wait where that is lost.
    pub(super) fn begin(&mut self, turn: StoredTurn) {
        let key = turn.key();
        if let Some(behind) = self.behind_lost.get_mut(&key) {
            return behind.push(turn);
        }
        let told = if turn.panics >= PANICS {
            self.abandon(turn.clone(), format!("the server panicked {PANICS} times over it"), Some(PARKED))
        } else {
            self.conversation(key).user_said.tell(UserSaid { turn: turn.clone() })
        };
        if told.is_err() {
            // Its stations have just panicked, and the report is still on its way.
            self.behind_lost.insert(key, vec![turn]);
        }
    }

    fn abandon(
        &mut self,
        turn: StoredTurn,
        reason: String,
        notice: Option<&'static str>,
    ) -> Result<(), Undelivered> {
        self.conversation(turn.key()).abandon_turn.tell(AbandonTurn { turn, reason, notice })
    }

    fn conversation(&mut self, key: ChatKey) -> &ToConversation {
        self.conversations.entry(key).or_insert_with(|| (self.ports.open)(key))
    }

    pub(super) fn load_unfinished(&self, lost: Option<Lost>) {
        let (bot, reply_to) = (self.settings.bot, self.ports.unfinished_loaded.clone());
        self.ports.load_unfinished.tell_if_there(LoadUnfinished { bot, lost, reply_to });
    }

    /// The turns of a conversation whose stations panicked are given up; its user is told once.
    fn give_up(&mut self, lost: Lost, turns: Vec<StoredTurn>) {
        let behind = self.behind_lost.remove(&lost.key).unwrap_or_default();
        // Those that have not begun can't be why, and are yet to begin.
        let begun = |turn: &StoredTurn| {
            let mut waiting = self.owed.iter().chain(&behind);
            self.in_flight.contains_key(&turn.id) && waiting.all(|waiting| waiting.id != turn.id)
        };
        let turns: Vec<_> = turns.into_iter().filter(begun).collect();
        for (position, turn) in turns.into_iter().enumerate() {
            let notice = (position == 0).then_some(BROKEN_INSIDE);
            if self.abandon(turn, format!("{} panicked", lost.role), notice).is_err() {
                tracing::error!(chat = %lost.key, "a conversation that was just opened is gone; the turn waits for a restart");
            }
        }
        for turn in behind {
            self.begin(turn);
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
        // Nobody asked it anything any more, and a fresh crew may have taken its place.
        if self.conversations.get(&key).is_none_or(|conversation| conversation.crew != crew) {
            return;
        }
        self.conversations.remove(&key);
        self.behind_lost.entry(key).or_default();
        self.load_unfinished(Some(Lost { key, role }));
    }
}

#[cfg(test)]
#[path = "owed_tests.rs"]
mod tests;
