//! When the writes that wait are committed together.
//!
//! A flush of the disk costs more than the writes that share it, so a write that has time waits for others.
//! How many shared the last commit tells how many are likely to come.

use std::time::{Duration, Instant};

use super::Haste;

/// How long a write that nobody waits for may wait for others to share its commit.
const PATIENCE: Duration = Duration::from_millis(10);
/// The same for one of which nothing is lost with the process: at the pace of some dozens of chats another
/// comes by then.
const LONG_PATIENCE: Duration = Duration::from_millis(250);
/// How long any write that has time may wait where others shared the last commit, and more are likely to come.
const PATIENCE_IN_COMPANY: Duration = Duration::from_millis(20);
/// So many that wait are company enough: their commit waits for no more.
const COMPANY: u32 = 64;
/// Where so many shared the last commit, the machine is busy with flushes: even what goes at once waits.
const CROWD: u32 = 32;
/// How long it does.
const PATIENCE_IN_A_CROWD: Duration = Duration::from_millis(5);
/// When nobody has come for so long for each who shared the last commit, all who write are likely to wait
/// already: writers who come one after the other lose so much of their time at most.
const SILENCE_FOR_EACH: Duration = Duration::from_micros(100);
/// It is no silence before so many could have come at the pace of the last commit's.
const GAPS_IN_SILENCE: u32 = 16;

/// The writes that wait for the next commit, by when they came.
#[derive(Debug, Default)]
pub(super) struct Gathering {
    waiting: Option<Waiting>,
    /// Writes in the last commit, but for those that would have come along with any.
    company: u32,
    /// How long after the one before each of them came, on average.
    gap: Duration,
}

#[derive(Debug)]
struct Waiting {
    writes: u32,
    /// Of them, those that tell how many are likely to come: not what has all the time in the world.
    telling: u32,
    first_came: Instant,
    last_came: Instant,
    /// When the least patient of them goes.
    until: Instant,
    is_awaited: bool,
}

impl Gathering {
    /// A write has come. True when the commit is to be earlier than before.
    pub(super) fn came(&mut self, haste: Haste, now: Instant) -> bool {
        let before = self.goes_at();
        let until = now + self.patience(haste);
        let waiting = self.waiting.get_or_insert(Waiting {
            writes: 0,
            telling: 0,
            first_came: now,
            last_came: now,
            until,
            is_awaited: false,
        });
        waiting.writes += 1;
        if haste != Haste::Sometime {
            if waiting.telling == 0 {
                waiting.first_came = now;
            }
            waiting.telling += 1;
            waiting.last_came = now;
        }
        waiting.until = waiting.until.min(until);
        waiting.is_awaited |= matches!(haste, Haste::AtOnce | Haste::Soon);
        self.is_earlier_than(before)
    }

    /// Somebody waits for what has come. True when the commit is to be earlier than before.
    pub(super) fn hurry(&mut self, now: Instant) -> bool {
        let before = self.goes_at();
        let until = now + self.patience(Haste::Soon);
        if let Some(waiting) = &mut self.waiting {
            waiting.until = waiting.until.min(until);
            waiting.is_awaited = true;
        }
        self.is_earlier_than(before)
    }

    /// When those that wait are to be committed if no more come; none when none wait.
    pub(super) fn goes_at(&self) -> Option<Instant> {
        let waiting = self.waiting.as_ref()?;
        if waiting.writes >= COMPANY {
            return Some(waiting.first_came);
        }
        let silence = (SILENCE_FOR_EACH * self.company).max(self.gap * GAPS_IN_SILENCE);
        let all_came = waiting.last_came + silence;
        Some(if waiting.is_awaited { waiting.until.min(all_came) } else { waiting.until })
    }

    /// Those that wait are committed, `most` of them at most. How many.
    pub(super) fn go(&mut self, most: u32, now: Instant) -> u32 {
        let Some(waiting) = self.waiting.take() else { return 0 };
        let gone = waiting.writes.min(most);
        self.company = waiting.telling.min(most);
        let gaps = waiting.telling.saturating_sub(1);
        self.gap = (waiting.last_came - waiting.first_came).checked_div(gaps).unwrap_or_default();
        let left = waiting.writes - gone;
        if left > 0 {
            // They have waited.
            self.waiting = Some(Waiting {
                writes: left,
                telling: left,
                first_came: now,
                last_came: now,
                until: now,
                is_awaited: true,
            });
        }
        gone
    }

    /// How long a write may wait. One that somebody waits for does so only where others are likely to come.
    fn patience(&self, haste: Haste) -> Duration {
        match haste {
            Haste::AtOnce if self.company < CROWD => Duration::ZERO,
            Haste::AtOnce => PATIENCE_IN_A_CROWD,
            Haste::Sometime => LONG_PATIENCE,
            Haste::Soon if self.company < 2 => Duration::ZERO,
            Haste::InCompany if self.company < 2 => PATIENCE,
            Haste::Soon | Haste::InCompany => PATIENCE_IN_COMPANY,
        }
    }

    fn is_earlier_than(&self, before: Option<Instant>) -> bool {
        self.goes_at().is_some_and(|at| before.is_none_or(|before| at < before))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MOST: u32 = 256;

    fn us(us: u64) -> Duration {
        Duration::from_micros(us)
    }

    #[expect(clippy::disallowed_methods, reason = "a beginning; the rest is counted from it")]
    fn beginning() -> Instant {
        Instant::now()
    }

    /// Where the last commit had so many writes, which came a tenth of a millisecond apart.
    fn after_a_commit_of(writes: u32) -> (Gathering, Instant) {
        let (mut gathering, mut now) = (Gathering::default(), beginning());
        for _ in 0..writes {
            now += us(100);
            gathering.came(Haste::InCompany, now);
        }
        gathering.go(MOST, now);
        (gathering, now)
    }

    /// How long the first of the writes waits when each comes at its time, in microseconds.
    fn waits_us(last: u32, writes: &[(u64, Haste)]) -> u128 {
        let (mut gathering, now) = after_a_commit_of(last);
        for (at, haste) in writes {
            gathering.came(*haste, now + us(*at));
        }
        let goes_at = gathering.goes_at().expect("somebody waits");
        goes_at.saturating_duration_since(now + us(writes[0].0)).as_micros()
    }

    #[test]
    fn alone_only_what_nobody_waits_for_waits() {
        for last in [0, 1] {
            assert_eq!(waits_us(last, &[(0, Haste::AtOnce)]), 0);
            assert_eq!(waits_us(last, &[(0, Haste::Soon)]), 0);
            assert_eq!(waits_us(last, &[(0, Haste::InCompany)]), 10_000);
            assert_eq!(waits_us(last, &[(0, Haste::Sometime)]), 250_000);
        }
    }

    #[test]
    fn what_has_time_goes_with_what_has_none() {
        assert_eq!(waits_us(1, &[(0, Haste::InCompany), (700, Haste::AtOnce), (700, Haste::InCompany)]), 700);
        assert_eq!(waits_us(1, &[(0, Haste::Sometime), (100_000, Haste::Soon)]), 100_000);
        assert_eq!(waits_us(1, &[(0, Haste::Sometime), (100_000, Haste::InCompany)]), 110_000);
    }

    #[test]
    fn what_has_all_the_time_is_no_sign_of_others() {
        let (mut gathering, now) = after_a_commit_of(1);
        gathering.came(Haste::Sometime, now);
        gathering.came(Haste::Soon, now + us(90_000));
        assert_eq!(gathering.go(MOST, now + us(90_000)), 2);
        gathering.came(Haste::Soon, now + us(100_000));
        assert_eq!(gathering.goes_at(), Some(now + us(100_000)), "nobody else is likely to come");
        assert_eq!(waits_us(1, &[(0, Haste::Sometime); 63]), 250_000);
        assert_eq!(waits_us(1, &[(0, Haste::Sometime); 64]), 0, "they are enough by themselves");
    }

    #[test]
    fn what_somebody_waits_for_waits_while_others_come_who_were_there_last_time() {
        let every_half_ms: Vec<_> = (0..60).map(|nth| (nth * 500, Haste::Soon)).collect();
        assert_eq!(waits_us(8, &every_half_ms), 20_000);
        assert_eq!(waits_us(20, &every_half_ms[..4]), 3 * 500 + 20 * 100, "then there is silence");
    }

    #[test]
    fn silence_is_measured_by_how_often_others_came() {
        let (mut gathering, mut now) = (Gathering::default(), beginning());
        for _ in 0..3 {
            now += us(1_000);
            gathering.came(Haste::InCompany, now);
        }
        gathering.go(MOST, now);
        gathering.came(Haste::Soon, now);
        assert_eq!(gathering.goes_at(), Some(now + us(16_000)));
    }

    #[test]
    fn in_a_crowd_even_what_goes_at_once_waits() {
        let every_half_ms: Vec<_> = (0..30).map(|nth| (nth * 500, Haste::AtOnce)).collect();
        assert_eq!(waits_us(31, &every_half_ms), 0);
        assert_eq!(waits_us(32, &every_half_ms), 5_000);
        assert_eq!(waits_us(32, &every_half_ms[..1]), 32 * 100);
    }

    #[test]
    fn company_enough_waits_for_no_more() {
        let at_once: Vec<_> = (0..64).map(|_| (0, Haste::InCompany)).collect();
        assert_eq!(waits_us(64, &at_once[..63]), 20_000);
        assert_eq!(waits_us(64, &at_once), 0);
    }

    #[test]
    fn what_has_time_can_be_hurried() {
        let (mut gathering, now) = after_a_commit_of(1);
        assert!(!gathering.hurry(now), "nobody is there");
        assert!(gathering.came(Haste::InCompany, now), "it is the first");
        assert!(gathering.hurry(now));
        assert_eq!(gathering.goes_at(), Some(now));
    }

    #[test]
    fn what_is_left_has_waited() {
        let (mut gathering, now) = after_a_commit_of(1);
        for _ in 0..5 {
            gathering.came(Haste::InCompany, now);
        }
        assert_eq!((gathering.go(3, now), gathering.goes_at()), (3, Some(now)));
        assert_eq!((gathering.go(3, now), gathering.goes_at()), (2, None));
    }

    fn haste() -> impl Strategy<Value = Haste> {
        prop_oneof![Just(Haste::AtOnce), Just(Haste::Soon), Just(Haste::InCompany), Just(Haste::Sometime)]
    }

    proptest! {
        /// Whatever comes, each write is committed, none waits for longer than it may, and a commit that is
        /// to be earlier than its thread knows is told of.
        #[test]
        fn none_waits_for_longer_than_it_may(writes in prop::collection::vec((0_u64..3_000, haste(), any::<bool>()), 1..200)) {
            let (mut gathering, mut now) = (Gathering::default(), beginning());
            let mut came: std::collections::VecDeque<(Instant, Duration)> = std::collections::VecDeque::new();
            let mut sleeps_until: Option<Instant> = None;
            for (after, haste, is_hurried) in writes {
                now += us(after);
                while let Some(wakes) = sleeps_until.filter(|wakes| *wakes <= now) {
                    if gathering.goes_at().is_some_and(|at| at <= wakes) {
                        for (came, may_wait) in came.drain(..gathering.go(MOST, wakes) as usize) {
                            prop_assert!(wakes.saturating_duration_since(came) <= may_wait);
                        }
                    }
                    sleeps_until = gathering.goes_at();
                }
                let may_wait = if haste == Haste::Sometime { LONG_PATIENCE } else { PATIENCE_IN_COMPANY };
                came.push_back((now, may_wait));
                let is_earlier = gathering.came(haste, now) | (is_hurried && gathering.hurry(now));
                let goes_at = gathering.goes_at();
                prop_assert_eq!(is_earlier, sleeps_until.is_none_or(|until| goes_at.unwrap() < until));
                if is_earlier {
                    sleeps_until = goes_at;
                }
            }
            prop_assert_eq!(gathering.go(MOST, now) as usize, came.len());
        }
    }
}
