//! How long what comes of an answer may wait unread, because no send can be made of it.

use std::time::Duration;

/// How fast an answer comes, and so when the next send of it may be complete.
#[derive(Debug)]
pub struct Lull {
    most: Duration,
    /// When the first words were there, and how much of the answer.
    began: Option<(Duration, usize)>,
}

impl Lull {
    /// Nothing waits for longer than `most`; zero for not at all.
    pub fn new(most: Duration) -> Self {
        Self { most, began: None }
    }

    /// For how long nothing can be made of what comes, `now`, when `come_bytes` of the answer are there and
    /// `missing_bytes` are not that the next send needs at least.
    ///
    /// It is half of the time in which so much comes on average: the closer a send, the shorter the wait. An
    /// answer that becomes much faster is late by `most`, and so is the end of each.
    pub fn next(&mut self, now: Duration, come_bytes: usize, missing_bytes: usize) -> Duration {
        let (began, first_bytes) = *self.began.get_or_insert((now, come_bytes));
        let bytes = come_bytes.saturating_sub(first_bytes) as u128;
        let missing = now.saturating_sub(began).as_micros().saturating_mul(missing_bytes as u128);
        let half_us = missing.checked_div(2 * bytes).unwrap_or(0);
        Duration::from_micros(u64::try_from(half_us).unwrap_or(u64::MAX)).min(self.most)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn the_first_words_say_nothing_of_the_pace() {
        let mut lull = Lull::new(ms(100));
        assert_eq!(lull.next(ms(500), 4, 296), ms(0));
        assert_eq!(lull.next(ms(500), 4, 296), ms(0));
    }

    #[test]
    fn the_closer_a_send_the_shorter_the_wait() {
        let mut lull = Lull::new(ms(100));
        lull.next(ms(0), 4, 296);
        assert_eq!(lull.next(ms(40), 8, 292), ms(100));
        assert_eq!(lull.next(ms(2800), 284, 16), ms(80));
        assert_eq!(lull.next(ms(2880), 292, 8), ms(40));
        assert_eq!(lull.next(ms(2960), 300, 0), ms(0));
    }

    #[test]
    fn a_fast_answer_does_not_wait() {
        let mut lull = Lull::new(ms(100));
        lull.next(ms(0), 4, 296);
        assert!(lull.next(ms(1), 100, 200) < ms(2));
    }

    #[test]
    fn zero_is_not_at_all() {
        let mut lull = Lull::new(ms(0));
        lull.next(ms(0), 4, 296);
        assert_eq!(lull.next(ms(40), 8, 292), ms(0));
    }

    proptest! {
        #[test]
        fn never_longer_than_the_most(
            most in 0u64..1000,
            looks in prop::collection::vec((0u64..1 << 40, 0usize..1 << 30, 0usize..1 << 30), 0..20),
        ) {
            let mut lull = Lull::new(ms(most));
            for (now, come, missing) in looks {
                prop_assert!(lull.next(ms(now), come, missing) <= ms(most));
            }
        }
    }
}
