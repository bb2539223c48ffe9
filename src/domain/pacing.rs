//! How fast Telegram may be called: one accountant for each chat, one for all of them.
//!
//! Sources: Bot API FAQ ("My bot is hitting limits": about one message a second in a chat, 20 a
//! minute in a group, about 30 a second over all); a TDLib maintainer (sends and edits share a
//! budget); field reports (typing and drafts share another one, 20 calls in 5 s and 40 in 30 s).

use std::collections::VecDeque;

/// Doublings of a chat's spacing after penalties, at most.
const SLOWEST: u32 = 4;

/// A spacing with room for a burst: so many calls at once, then one every `every_ms`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Between calls, in milliseconds; 0 for no limit.
    pub every_ms: u64,
    /// Calls that may come at once after a rest, at least 1.
    pub burst: u32,
}

/// What kind of call it is: each kind has a budget of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// Sends and edits.
    Text,
    /// Typing and drafts.
    Preview,
    /// Deletes.
    Delete,
}

/// The limits of calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rates {
    /// Sends and edits in a private chat.
    pub private_text: Rate,
    /// Sends and edits in a group, all its topics together.
    pub group_text: Rate,
    /// Typing and drafts in a chat.
    pub preview: Rate,
    /// Deletes in a chat.
    pub delete: Rate,
    /// Sends and edits over all chats; and as many other calls.
    pub overall: Rate,
    /// How long a chat without a penalty takes to get from one spacing to the next faster one.
    pub recover_ms: u64,
}

/// When the next call of a [`Rate`] is due: the generic cell rate algorithm, one number.
#[derive(Debug, Clone, Copy, Default)]
struct Budget {
    /// When all calls so far would have been due one by one.
    spent_until_ms: i64,
}

impl Budget {
    fn free_at_ms(self, rate: Rate, slower: u32) -> i64 {
        let every = spacing(rate, slower);
        // A penalised chat gets no burst: it was the burst that was punished.
        let burst = if slower > 0 { 1 } else { i64::from(rate.burst.max(1)) };
        self.spent_until_ms - every * (burst - 1)
    }

    fn spend(&mut self, rate: Rate, slower: u32, now_ms: i64) {
        self.spent_until_ms = self.spent_until_ms.max(now_ms) + spacing(rate, slower);
    }
}

fn spacing(rate: Rate, slower: u32) -> i64 {
    i64::try_from(rate.every_ms << slower).unwrap_or(i64::MAX / 4)
}

/// What Telegram's 429s ask for, in a chat or over all.
#[derive(Debug, Clone, Copy, Default)]
struct Penalty {
    /// Nothing may be sent before.
    closed_until_ms: i64,
    /// Doublings of the spacing at the last 429.
    slower: u32,
}

impl Penalty {
    /// Recovery is gradual: one doubling less for every `recover_ms` since the window ended.
    fn slower_at(self, rates: &Rates, now_ms: i64) -> u32 {
        let rested_ms = u64::try_from(now_ms - self.closed_until_ms).unwrap_or(0);
        let steps = rested_ms.checked_div(rates.recover_ms).unwrap_or(u64::MAX);
        self.slower.saturating_sub(u32::try_from(steps).unwrap_or(u32::MAX))
    }

    fn close(&mut self, until_ms: i64) {
        self.closed_until_ms = self.closed_until_ms.max(until_ms);
    }

    fn slow_down(&mut self, rates: &Rates, now_ms: i64) {
        self.slower = (self.slower_at(rates, now_ms) + 1).min(SLOWEST);
    }
}

/// One chat's accountant.
#[derive(Debug, Clone, Default)]
pub struct ChatPace {
    text: Budget,
    preview: Budget,
    delete: Budget,
    penalty: Penalty,
    /// The chat's turn among all chats, for its text and for anything else.
    slots_ms: [Option<i64>; 2],
}

impl ChatPace {
    /// When a call may be made, as far as this chat is concerned.
    fn free_at_ms(&self, rates: &Rates, is_group: bool, class: Class, now_ms: i64) -> i64 {
        let slower = self.penalty.slower_at(rates, now_ms);
        let (budget, rate) = self.budget(rates, is_group, class);
        budget.free_at_ms(rate, slower).max(self.penalty.closed_until_ms)
    }

    fn budget(&self, rates: &Rates, is_group: bool, class: Class) -> (Budget, Rate) {
        match class {
            Class::Text if is_group => (self.text, rates.group_text),
            Class::Text => (self.text, rates.private_text),
            Class::Preview => (self.preview, rates.preview),
            Class::Delete => (self.delete, rates.delete),
        }
    }

    fn spend(&mut self, rates: &Rates, is_group: bool, class: Class, now_ms: i64) {
        let slower = self.penalty.slower_at(rates, now_ms);
        let (mut budget, rate) = self.budget(rates, is_group, class);
        budget.spend(rate, slower, now_ms);
        match class {
            Class::Text => self.text = budget,
            Class::Preview => self.preview = budget,
            Class::Delete => self.delete = budget,
        }
    }

    fn penalise(&mut self, rates: &Rates, retry_after_ms: u64, now_ms: i64) {
        self.penalty.slow_down(rates, now_ms);
        self.close(retry_after_ms, now_ms);
    }

    /// Nothing goes to the chat for so long.
    pub fn close(&mut self, for_ms: u64, now_ms: i64) {
        self.penalty.close(now_ms.saturating_add(i64::try_from(for_ms).unwrap_or(i64::MAX)));
        self.slots_ms = [None; 2];
    }

    /// Whether forgetting it changes nothing.
    fn is_at_rest(&self, rates: &Rates, now_ms: i64) -> bool {
        let spent = [self.text, self.preview, self.delete].iter().map(|budget| budget.spent_until_ms).max();
        spent.is_none_or(|spent| spent <= now_ms)
            && self.penalty.closed_until_ms <= now_ms
            && self.penalty.slower_at(rates, now_ms) == 0
            && self.slots_ms.iter().flatten().all(|slot| slot + SLOT_LASTS_MS <= now_ms)
    }
}

/// Whether a call may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grant {
    /// Now; it is paid for.
    Now,
    /// Not before so many milliseconds; ask again then.
    In(u64),
}

/// The accountant as an Outbox asks it.
pub trait Pacer: Send + Sync {
    /// Whether a call may be made in `chat` now. With [`Grant::Now`] it is paid for.
    fn ask(&self, chat: i64, class: Class) -> Grant;

    /// Telegram answered 429 in `chat`: nothing goes there for so many milliseconds.
    fn penalise(&self, chat: i64, retry_after_ms: u64);

    /// A window that Telegram gave `chat` before, to another process, is open for so many milliseconds still.
    fn close(&self, chat: i64, for_ms: u64);
}

/// Chats whose 429s within [`TOGETHER_MS`] are taken for one of the whole bot: a chat's own limit
/// is met by one chat at a time.
const MANY_CHATS: usize = 4;

/// See [`MANY_CHATS`].
const TOGETHER_MS: i64 = 1_000;

/// A slot that was not used so long after its time is forgotten.
const SLOT_LASTS_MS: i64 = 2_000;

/// The accountant over all chats.
#[derive(Debug)]
pub struct Overall {
    rates: Rates,
    /// For text, and for anything else: what only decorates or tidies up takes no place from text.
    budgets: [Budget; 2],
    penalty: Penalty,
    /// When chats were penalised, which, and until when.
    recent: VecDeque<(i64, i64, i64)>,
}

impl Overall {
    /// One that has not granted anything.
    pub fn new(rates: Rates) -> Self {
        Self { rates, budgets: [Budget::default(); 2], penalty: Penalty::default(), recent: VecDeque::new() }
    }

    /// Whether the chat may make a call now. Chats are served in the order in which they were
    /// ready: each gets a slot of its own in the overall rate, so that none can crowd out others.
    pub fn ask(&mut self, pace: &mut ChatPace, is_group: bool, class: Class, now_ms: i64) -> Grant {
        let free = pace.free_at_ms(&self.rates, is_group, class, now_ms).max(self.penalty.closed_until_ms);
        if free > now_ms {
            return Grant::In(free.abs_diff(now_ms));
        }
        let side = usize::from(class != Class::Text);
        let slot = pace.slots_ms[side].filter(|slot| slot + SLOT_LASTS_MS > now_ms);
        let slot = slot.unwrap_or_else(|| self.reserve(side, now_ms));
        if slot > now_ms {
            pace.slots_ms[side] = Some(slot);
            return Grant::In(slot.abs_diff(now_ms));
        }
        pace.slots_ms[side] = None;
        pace.spend(&self.rates, is_group, class, now_ms);
        Grant::Now
    }

    fn reserve(&mut self, side: usize, now_ms: i64) -> i64 {
        let slower = self.penalty.slower_at(&self.rates, now_ms);
        let slot = self.budgets[side].free_at_ms(self.rates.overall, slower).max(now_ms);
        self.budgets[side].spend(self.rates.overall, slower, now_ms);
        slot
    }

    /// Telegram answered 429 to a call in `chat`. Nothing goes there inside the window; when many
    /// chats are penalised at once it is the bot that called too often, and nothing goes anywhere in the window
    /// that they have in common.
    pub fn penalise(&mut self, pace: &mut ChatPace, chat: i64, retry_after_ms: u64, now_ms: i64) {
        pace.penalise(&self.rates, retry_after_ms, now_ms);
        self.recent.retain(|(at, other, _)| now_ms - at <= TOGETHER_MS && *other != chat);
        self.recent.push_back((now_ms, chat, pace.penalty.closed_until_ms));
        if self.recent.len() >= MANY_CHATS {
            self.penalty.slow_down(&self.rates, now_ms);
            let common = self.recent.iter().map(|(_, _, until)| *until).min();
            self.penalty.close(common.unwrap_or(now_ms));
            self.recent.clear();
        }
    }

    /// Whether forgetting a chat's accountant changes nothing.
    pub fn may_forget(&self, pace: &ChatPace, now_ms: i64) -> bool {
        pace.is_at_rest(&self.rates, now_ms)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RATES: Rates = Rates {
        private_text: Rate { every_ms: 1_000, burst: 3 },
        group_text: Rate { every_ms: 3_000, burst: 1 },
        preview: Rate { every_ms: 750, burst: 10 },
        delete: Rate { every_ms: 100, burst: 10 },
        overall: Rate { every_ms: 33, burst: 30 },
        recover_ms: 60_000,
    };

    /// When `count` calls are granted to a chat that always asks again when told to.
    fn granted(
        overall: &mut Overall,
        pace: &mut ChatPace,
        is_group: bool,
        from_ms: i64,
        count: usize,
    ) -> Vec<i64> {
        let mut now = from_ms;
        let mut times = Vec::new();
        while times.len() < count {
            match overall.ask(pace, is_group, Class::Text, now) {
                Grant::Now => times.push(now - from_ms),
                Grant::In(wait) => now += i64::try_from(wait).unwrap(),
            }
        }
        times
    }

    #[test]
    fn a_private_chat_has_a_burst_and_a_group_is_evenly_spaced() {
        let mut overall = Overall::new(RATES);
        let private = granted(&mut overall, &mut ChatPace::default(), false, 10_000, 5);
        assert_eq!(private, [0, 0, 0, 1_000, 2_000]);
        let mut overall = Overall::new(RATES);
        let group = granted(&mut overall, &mut ChatPace::default(), true, 10_000, 4);
        assert_eq!(group, [0, 3_000, 6_000, 9_000]);
    }

    #[test]
    fn after_a_penalty_the_chat_is_slower_and_recovers_gradually() {
        let mut overall = Overall::new(RATES);
        let mut pace = ChatPace::default();
        overall.penalise(&mut pace, 5, 7_000, 0);
        assert_eq!(overall.ask(&mut pace, false, Class::Text, 0), Grant::In(7_000));
        assert_eq!(overall.ask(&mut pace, false, Class::Delete, 6_999), Grant::In(1));
        assert_eq!(granted(&mut overall, &mut pace, false, 7_000, 3), [0, 2_000, 4_000]);
        assert_eq!(granted(&mut overall, &mut pace, false, 67_000, 5), [0, 0, 0, 1_000, 2_000]);
    }

    #[test]
    fn many_chats_penalised_at_once_are_the_whole_bot() {
        let mut overall = Overall::new(RATES);
        for chat in 0..3 {
            overall.penalise(&mut ChatPace::default(), chat, 5_000, 100);
        }
        let mut other = ChatPace::default();
        assert_eq!(overall.ask(&mut other, false, Class::Text, 100), Grant::Now);
        overall.penalise(&mut ChatPace::default(), 3, 5_000, 100);
        assert_eq!(overall.ask(&mut other, false, Class::Text, 100), Grant::In(5_000));
    }

    #[test]
    fn a_chats_own_long_window_is_not_that_of_the_whole_bot() {
        let mut overall = Overall::new(RATES);
        for (chat, window_ms) in [(0, 3_000), (1, 3_600_000), (2, 4_000), (3, 3_600_000)] {
            overall.penalise(&mut ChatPace::default(), chat, window_ms, 100);
        }
        let mut other = ChatPace::default();
        assert_eq!(overall.ask(&mut other, false, Class::Text, 100), Grant::In(3_000));
    }

    #[test]
    fn windows_of_an_earlier_process_are_the_chats_own() {
        let mut overall = Overall::new(RATES);
        for _ in 0..8 {
            let mut pace = ChatPace::default();
            pace.close(7_200_000, 100);
            assert_eq!(overall.ask(&mut pace, false, Class::Text, 100), Grant::In(7_200_000));
        }
        assert_eq!(overall.ask(&mut ChatPace::default(), false, Class::Text, 100), Grant::Now);
    }

    #[test]
    fn chats_are_served_in_the_order_in_which_they_were_ready() {
        let rates = Rates { overall: Rate { every_ms: 100, burst: 1 }, ..RATES };
        let mut overall = Overall::new(rates);
        let mut paces = vec![ChatPace::default(); 4];
        let mut ask = |pace: &mut ChatPace, now| overall.ask(pace, false, Class::Text, now);
        let first: Vec<_> = paces.iter_mut().map(|pace| ask(pace, 1_000)).collect();
        assert_eq!(first, [Grant::Now, Grant::In(100), Grant::In(200), Grant::In(300)]);
        // The first asks again at once: it comes after all that wait.
        assert_eq!(ask(&mut paces[0], 1_050), Grant::In(350));
        let later: Vec<_> = (1..4).map(|chat| ask(&mut paces[chat], 1_000 + 100 * chat as i64)).collect();
        assert_eq!(later, [Grant::Now; 3]);
    }

    #[test]
    fn deletes_take_no_place_from_text() {
        let rates = Rates { overall: Rate { every_ms: 100, burst: 1 }, ..RATES };
        let mut overall = Overall::new(rates);
        for _ in 0..50 {
            overall.ask(&mut ChatPace::default(), false, Class::Delete, 1_000);
        }
        assert_eq!(overall.ask(&mut ChatPace::default(), false, Class::Text, 1_000), Grant::Now);
    }

    proptest! {
        #[test]
        fn no_more_calls_than_the_rate_allows(asks in prop::collection::vec(0i64..2_000, 1..200)) {
            let mut overall = Overall::new(RATES);
            let mut pace = ChatPace::default();
            let mut now = 0;
            let mut times: Vec<i64> = Vec::new();
            for pause in asks {
                now += pause;
                if overall.ask(&mut pace, false, Class::Text, now) == Grant::Now {
                    times.push(now);
                }
            }
            for (position, time) in times.iter().enumerate() {
                let within = times[..=position].iter().filter(|other| time - **other < 10_000).count();
                prop_assert!(within <= 3 + 10, "{within} calls in ten seconds");
            }
        }
    }
}
