//! How a world is set up: who may do what, what it refuses, what goes wrong in it.

use super::chaos::{Chaos, Dice};
use super::flood::FloodWindow;
use super::limits::Limits;
use super::state::World;
use super::updates::Retry;

impl World {
    /// Whether a bot may write to a chat that nobody has opened. In Telegram it may not.
    pub fn open_chats_by_themselves(&mut self, yes: bool) {
        self.opens_chats = yes;
    }

    /// The `update_id` of the bot's next update.
    pub fn number_updates_from(&mut self, bot: i64, first: i64) {
        self.bot(bot).updates.number_from(first);
    }

    /// How long webhooks that failed are left alone.
    pub fn set_retry(&mut self, retry: Retry) {
        self.retry = retry;
    }

    /// The limits from now on. What was counted before stays counted.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// The limits.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Troubles by rate from now on, drawn from the beginning of their seed.
    pub fn set_chaos(&mut self, chaos: Chaos) {
        self.dice = Dice::new(chaos);
    }

    /// The times in which chats of a bot had to be silent, by when they began.
    pub fn flood_windows(&self, bot: i64) -> Vec<FloodWindow> {
        self.bots.get(&bot).map(|bot| bot.flood.windows()).unwrap_or_default()
    }

    /// The kinds of updates that a bot gets from now on, as `allowed_updates` says it; an empty
    /// list stands for the usual ones.
    pub fn allow_updates(&mut self, bot: i64, kinds: &[&str]) {
        self.bot(bot).updates.allow(kinds.iter().map(|kind| (*kind).to_owned()).collect());
    }

    /// Makes the token of `bot` invalid, or valid again.
    pub fn revoke(&mut self, bot: i64, revoked: bool) {
        self.bot(bot).revoked = revoked;
    }

    /// Whether [`Chaos`] brings an update twice: always the same for the same update.
    pub fn comes_twice(&self, bot: i64, update_id: i64) -> bool {
        self.dice.doubles(bot, update_id)
    }
}
