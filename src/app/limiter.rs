//! The accountant that all Outboxes share: the one thing that shards have in common.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::domain::pacing::{ChatPace, Class, Grant, Overall, Pacer, Rates};
use crate::domain::time::Clock;

/// Questions between two looks for chats that may be forgotten.
const SWEEP_EVERY: u32 = 4_096;

/// Paces all calls of a bot. The lock is held for a few additions, never across an await.
pub struct Limiter {
    clock: Clock,
    books: Mutex<Books>,
}

struct Books {
    overall: Overall,
    chats: HashMap<i64, ChatPace>,
    asked: u32,
}

impl Limiter {
    /// A limiter that has granted nothing yet.
    pub fn new(rates: Rates, clock: Clock) -> Self {
        Self {
            clock,
            books: Mutex::new(Books { overall: Overall::new(rates), chats: HashMap::new(), asked: 0 }),
        }
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Books {
    /// Chats at rest are forgotten, so that the books do not grow with every chat ever seen.
    fn sweep(&mut self, now_ms: i64) {
        self.asked += 1;
        if self.asked >= SWEEP_EVERY {
            self.asked = 0;
            self.chats.retain(|_, pace| !self.overall.may_forget(pace, now_ms));
        }
    }
}

impl Pacer for Limiter {
    fn ask(&self, chat: i64, class: Class) -> Grant {
        let now_ms = self.clock.now_ms();
        let mut books = self.books();
        books.sweep(now_ms);
        let Books { overall, chats, .. } = &mut *books;
        overall.ask(chats.entry(chat).or_default(), chat < 0, class, now_ms)
    }

    fn penalise(&self, chat: i64, retry_after_ms: u64) {
        let now_ms = self.clock.now_ms();
        let Books { overall, chats, .. } = &mut *self.books();
        overall.penalise(chats.entry(chat).or_default(), chat, retry_after_ms, now_ms);
    }

    fn close(&self, chat: i64, for_ms: u64) {
        let now_ms = self.clock.now_ms();
        self.books().chats.entry(chat).or_default().close(for_ms, now_ms);
    }
}
