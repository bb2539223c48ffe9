//! The rules of a model call that failed: tried again while nothing of the answer is there, asked
//! once to go on where it broke off, else given up.

use super::ids::TurnId;

/// What an operator decides about failing model calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryRules {
    /// The wait after the first failure, in milliseconds; it doubles with each.
    pub first_wait_ms: u64,
    /// The longest wait, in milliseconds.
    pub most_wait_ms: u64,
    /// A call that brought nothing is repeated only within so many milliseconds of the turn's first; no wait is
    /// longer.
    pub deadline_ms: u64,
}

/// What is done about a failed call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// The same call again, after so many milliseconds.
    TryAgain(u64),
    /// After so many milliseconds, the model is asked to go on with what is there.
    Continue(u64),
    /// Nothing more.
    GiveUp,
}

/// The failures of a turn's model calls so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Failures {
    count: u32,
    continued: bool,
}

impl Failures {
    /// A call failed in a way that may pass, `since_ms` after the turn's first call began;
    /// `begun` when some of the answer is there, `asked_wait_ms` when the provider asks for a wait.
    pub fn remedy(
        &mut self,
        rules: RetryRules,
        turn: TurnId,
        begun: bool,
        asked_wait_ms: Option<u64>,
        since_ms: u64,
    ) -> Remedy {
        let grown = rules.first_wait_ms.saturating_mul(1 << self.count.min(20)).min(rules.most_wait_ms);
        let wait = asked_wait_ms.unwrap_or(0).max(grown);
        let wait = wait + jitter_ms(turn, self.count, grown);
        self.count += 1;
        match (begun, self.continued) {
            (false, false) if since_ms.saturating_add(wait) <= rules.deadline_ms => Remedy::TryAgain(wait),
            // Once, so it needs no deadline: the answer may have been hours in the making. But nobody looks at
            // half an answer for as long as a provider may want.
            (true, false) if wait <= rules.deadline_ms => {
                self.continued = true;
                Remedy::Continue(wait)
            }
            _ => Remedy::GiveUp,
        }
    }

    /// A call succeeded: the next one's failures are counted anew.
    pub fn forget(&mut self) {
        *self = Self::default();
    }
}

/// Up to half of `wait_ms`, so that turns which failed together do not all come back together. It is
/// drawn from the turn's name and nothing else: a replay waits as long.
fn jitter_ms(turn: TurnId, failure: u32, wait_ms: u64) -> u64 {
    // The finishing steps of SplitMix64 (Steele, Lea, Flood 2014).
    let mut bits =
        turn.update.cast_unsigned().wrapping_add(u64::from(failure).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (bits ^ (bits >> 31)) % (wait_ms / 2 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: RetryRules = RetryRules { first_wait_ms: 100, most_wait_ms: 1_000, deadline_ms: 10_000 };
    const TURN: TurnId = TurnId { bot: 1, update: 5 };

    #[test]
    fn waits_grow_and_end_with_the_deadline() {
        let mut failures = Failures::default();
        for (count, least) in [100, 200, 400, 800, 1_000, 1_000].into_iter().enumerate() {
            let Remedy::TryAgain(wait) = failures.remedy(RULES, TURN, false, None, 0) else {
                panic!("given up after {count} failures")
            };
            assert!((least..=least + least / 2).contains(&wait), "{count}: {wait}");
        }
        assert_eq!(failures.remedy(RULES, TURN, false, None, 9_500), Remedy::GiveUp);
    }

    #[test]
    fn a_wait_that_the_provider_asks_for_is_kept_or_given_up_at_once() {
        let asked = |wait| Failures::default().remedy(RULES, TURN, false, Some(wait), 0);
        assert!(matches!(asked(5_000), Remedy::TryAgain(5_000..=5_050)));
        assert_eq!(asked(20_000), Remedy::GiveUp);
    }

    #[test]
    fn an_answer_that_broke_off_is_continued_once() {
        let mut failures = Failures::default();
        assert!(matches!(failures.remedy(RULES, TURN, true, None, 0), Remedy::Continue(_)));
        assert_eq!(failures.remedy(RULES, TURN, true, None, 0), Remedy::GiveUp);
        failures.forget();
        assert!(matches!(failures.remedy(RULES, TURN, true, None, 0), Remedy::Continue(_)));
    }

    #[test]
    fn an_answer_that_took_long_is_continued_too() {
        let remedy = |wait| Failures::default().remedy(RULES, TURN, true, wait, 10 * RULES.deadline_ms);
        assert!(matches!(remedy(None), Remedy::Continue(_)));
        assert_eq!(remedy(Some(RULES.deadline_ms + 1)), Remedy::GiveUp);
    }

    #[test]
    fn turns_that_failed_together_come_back_spread_out() {
        let wait = |update| jitter_ms(TurnId { bot: 1, update }, 0, 1_000);
        let mut waits: Vec<_> = (0..100).map(wait).collect();
        waits.sort_unstable();
        assert!(waits[10] < 150 && waits[90] > 350, "{waits:?}");
    }
}
