//! A circuit breaker: while the model's provider is dead, turns are not piled up before it.
//!
//! Closed, it lets every call pass. After so many failures in a row it opens: calls are refused at
//! once. After a while it lets one call pass to see; its success closes the breaker.

/// When the breaker opens, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerRules {
    /// Failures in a row, over all chats; 0 for no breaker.
    pub failures: u32,
    /// Between two calls that are let pass while it is open, in milliseconds.
    pub open_ms: u64,
}

/// The breaker's state.
#[derive(Debug, Clone, Copy)]
pub struct CircuitBreaker {
    rules: BreakerRules,
    in_a_row: u32,
    /// The next call may pass then, in milliseconds since 1970.
    next_try_ms: i64,
}

impl CircuitBreaker {
    /// A closed breaker.
    pub fn new(rules: BreakerRules) -> Self {
        Self { rules, in_a_row: 0, next_try_ms: 0 }
    }

    /// Whether a call may pass now.
    pub fn lets_pass(&mut self, now_ms: i64) -> bool {
        if !self.is_open() {
            return true;
        }
        let passes = now_ms >= self.next_try_ms;
        if passes {
            self.close_until(now_ms);
        }
        passes
    }

    /// A call succeeded, or was refused for a reason of its own: the provider is there.
    pub fn succeeded(&mut self) {
        self.in_a_row = 0;
    }

    /// A call failed because of the provider. Returns whether that opened the breaker.
    pub fn failed(&mut self, now_ms: i64) -> bool {
        let was_open = self.is_open();
        self.in_a_row = self.in_a_row.saturating_add(1);
        if self.is_open() {
            self.close_until(now_ms);
        }
        self.is_open() && !was_open
    }

    fn is_open(&self) -> bool {
        self.rules.failures > 0 && self.in_a_row >= self.rules.failures
    }

    fn close_until(&mut self, now_ms: i64) {
        self.next_try_ms = now_ms.saturating_add(i64::try_from(self.rules.open_ms).unwrap_or(i64::MAX));
    }
}

/// The breaker as a Conversation sees it: one for all chats.
pub trait Breaker: Send + Sync {
    /// Whether the model may be called now.
    fn lets_pass(&self) -> bool;

    /// How a call went, as far as the provider is concerned.
    fn report(&self, succeeded: bool);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_after_failures_in_a_row_and_closes_after_one_success() {
        let mut breaker = CircuitBreaker::new(BreakerRules { failures: 3, open_ms: 1_000 });
        for _ in 0..2 {
            assert!(!breaker.failed(0) && breaker.lets_pass(0));
        }
        breaker.succeeded();
        assert!(!breaker.failed(0) && !breaker.failed(0) && breaker.failed(0));
        assert!(!breaker.lets_pass(999));
        assert!(breaker.lets_pass(1_000), "one call to see");
        assert!(!breaker.lets_pass(1_500), "and only one");
        assert!(!breaker.failed(1_600), "it was open before");
        assert!(!breaker.lets_pass(2_500));
        assert!(breaker.lets_pass(2_600));
        breaker.succeeded();
        assert!(breaker.lets_pass(2_601) && breaker.lets_pass(2_601));
    }

    #[test]
    fn without_a_limit_it_never_opens() {
        let mut breaker = CircuitBreaker::new(BreakerRules { failures: 0, open_ms: 1_000 });
        assert!((0..100).all(|_| !breaker.failed(0) && breaker.lets_pass(0)));
    }
}
