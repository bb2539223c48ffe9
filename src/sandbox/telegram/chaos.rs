//! Troubles by rate instead of by script: the same seed gives the same troubles to the same calls.
//!
//! What a call meets depends on the seed, on the bot, the method and the chat, and on how often
//! that method was called for that chat. Chats do not disturb each other's luck, so a run over HTTP
//! repeats as far as the calls of each chat come in the same order.

use std::collections::HashMap;

use serde::Deserialize;

use super::faults::Trouble;

/// How often which trouble comes. All are off by default.
///
/// Only calls about a chat, and `getUpdates`, meet troubles: a bot can always start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Chaos {
    /// What the troubles are drawn from.
    pub seed: u64,
    /// Calls of 100 that answer 500, 502 (a page of HTML), 503 or 504 and are not executed.
    pub server_error_percent: u8,
    /// Calls of 100 that are executed but whose answer is lost.
    pub lost_reply_percent: u8,
    /// Calls of 100 that never arrive.
    pub unreachable_percent: u8,
    /// Calls of 100 that are executed late.
    pub slow_percent: u8,
    /// The most that a slow call waits, in milliseconds.
    pub slow_most_ms: u64,
    /// Updates of 100 that a webhook gets a second time although it took them.
    pub doubled_webhook_percent: u8,
}

/// Draws the troubles.
#[derive(Debug, Default)]
pub(super) struct Dice {
    chaos: Chaos,
    calls: HashMap<(i64, String, Option<i64>), u64>,
}

impl Dice {
    pub(super) fn new(chaos: Chaos) -> Self {
        Self { chaos, calls: HashMap::new() }
    }

    /// The trouble of the next such call.
    pub(super) fn meet(&mut self, bot: i64, method: &str, chat: Option<i64>) -> Option<Trouble> {
        let may_meet = chat.is_some() || method.eq_ignore_ascii_case("getUpdates");
        if self.chaos == Chaos::default() || !may_meet {
            return None;
        }
        let method = method.to_ascii_lowercase();
        let number = self.calls.entry((bot, method.clone(), chat)).or_default();
        *number += 1;
        let mut random = Random::new(&[self.chaos.seed, bot as u64, chat.unwrap_or(0) as u64, *number]);
        random.add(method.as_bytes());
        self.chaos.draw(&mut random)
    }

    /// Whether an update comes twice: always the same for the same update.
    pub(super) fn doubles(&self, bot: i64, update_id: i64) -> bool {
        let mut random = Random::new(&[self.chaos.seed, bot as u64, update_id as u64]);
        random.below(100) < u64::from(self.chaos.doubled_webhook_percent)
    }
}

impl Chaos {
    fn draw(&self, random: &mut Random) -> Option<Trouble> {
        let mut left = random.below(100);
        let mut falls_on = |percent: u8| {
            let hit = left < u64::from(percent);
            left = left.saturating_sub(u64::from(percent));
            hit
        };
        if falls_on(self.server_error_percent) {
            return Some(server_error(random));
        }
        if falls_on(self.lost_reply_percent) {
            return Some(Trouble::LostReply);
        }
        if falls_on(self.unreachable_percent) {
            return Some(Trouble::Unreachable);
        }
        falls_on(self.slow_percent).then(|| Trouble::Slow(1 + random.below(self.slow_most_ms.max(1))))
    }
}

fn server_error(random: &mut Random) -> Trouble {
    match random.below(4) {
        0 => Trouble::Server(500),
        1 => Trouble::HtmlPage,
        2 => Trouble::Server(503),
        _ => Trouble::Server(504),
    }
}

/// SplitMix64: small, and the same on every machine for ever, which no library promises.
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(parts: &[u64]) -> Self {
        let mut random = Self(0);
        for part in parts {
            random.0 ^= part;
            random.0 = random.next();
        }
        random
    }

    fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 ^= u64::from(*byte);
            self.0 = self.next();
        }
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`, which is small enough for the bias not to matter.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHAOS: Chaos = Chaos {
        seed: 7,
        server_error_percent: 10,
        lost_reply_percent: 20,
        unreachable_percent: 5,
        slow_percent: 15,
        slow_most_ms: 400,
        doubled_webhook_percent: 30,
    };

    fn met(dice: &mut Dice, chat: i64, calls: usize) -> Vec<Option<Trouble>> {
        (0..calls).map(|_| dice.meet(1, "sendMessage", Some(chat))).collect()
    }

    #[test]
    fn a_seed_repeats_and_chats_do_not_disturb_each_other() {
        let alone = met(&mut Dice::new(CHAOS), 5, 200);
        let mut dice = Dice::new(CHAOS);
        let first = met(&mut dice, 5, 80);
        met(&mut dice, 6, 33);
        let rest = met(&mut dice, 5, 120);
        assert_eq!([first, rest].concat(), alone);
        assert_ne!(met(&mut Dice::new(Chaos { seed: 8, ..CHAOS }), 5, 200), alone);
    }

    #[test]
    fn rates_are_about_what_was_asked_for() {
        let met = met(&mut Dice::new(CHAOS), 5, 10_000);
        let count = |fits: fn(&Trouble) -> bool| met.iter().flatten().filter(|trouble| fits(trouble)).count();
        let errors = count(|trouble| matches!(trouble, Trouble::Server(_) | Trouble::HtmlPage));
        let slow = count(|trouble| matches!(trouble, Trouble::Slow(1..=400)));
        let counts =
            [errors, count(|trouble| *trouble == Trouble::LostReply), slow, met.iter().flatten().count()];
        for (counted, expected) in counts.into_iter().zip([1_000, 2_000, 1_500, 5_000]) {
            assert!(counted.abs_diff(expected) < 200, "{counts:?}");
        }
        let doubled = (0..10_000).filter(|id| Dice::new(CHAOS).doubles(1, *id)).count();
        assert!(doubled.abs_diff(3_000) < 200, "{doubled}");
    }

    #[test]
    fn what_is_about_no_chat_is_spared_and_off_is_off() {
        let all = Chaos { server_error_percent: 100, ..Chaos::default() };
        let mut dice = Dice::new(all);
        assert_eq!(dice.meet(1, "setWebhook", None), None);
        assert!(dice.meet(1, "getUpdates", None).is_some());
        assert!(dice.meet(1, "sendMessage", Some(5)).is_some());
        assert_eq!(Dice::default().meet(1, "sendMessage", Some(5)), None);
    }
}
