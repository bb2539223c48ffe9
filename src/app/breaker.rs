//! The circuit breaker that all Conversations share.

use std::sync::{Mutex, PoisonError};

use crate::domain::breaker::{Breaker, BreakerRules, CircuitBreaker};
use crate::domain::time::Clock;

/// A breaker behind a lock that is held for a comparison, never across an await.
pub struct SharedBreaker {
    clock: Clock,
    breaker: Mutex<CircuitBreaker>,
}

impl SharedBreaker {
    /// A closed breaker.
    pub fn new(rules: BreakerRules, clock: Clock) -> Self {
        Self { clock, breaker: Mutex::new(CircuitBreaker::new(rules)) }
    }

    fn with<T>(&self, act: impl FnOnce(&mut CircuitBreaker, i64) -> T) -> T {
        let mut breaker = self.breaker.lock().unwrap_or_else(PoisonError::into_inner);
        act(&mut breaker, self.clock.now_ms())
    }
}

impl Breaker for SharedBreaker {
    fn lets_pass(&self) -> bool {
        self.with(CircuitBreaker::lets_pass)
    }

    fn report(&self, succeeded: bool) {
        if succeeded {
            return self.with(|breaker, _| breaker.succeeded());
        }
        if self.with(CircuitBreaker::failed) {
            tracing::error!(
                "the model's provider fails again and again: questions are refused at once until it answers"
            );
        }
    }
}
