//! One chat as the judge follows it.

use std::collections::VecDeque;

use tokio::time::Instant;

use super::turn::Turn;

/// A "✓" or "Thinking..." that stands in a chat.
#[derive(Debug, Clone, Copy)]
pub(super) struct Status {
    pub(super) id: i64,
    pub(super) turn: u32,
}

/// What a chat shows and what it waits for.
#[derive(Debug, Default)]
pub(super) struct Chat {
    /// Turns so far.
    pub(super) asked: u32,
    /// The updates of all turns, in order.
    pub(super) updates: Vec<i64>,
    /// Those that have not ended.
    pub(super) turns: VecDeque<Turn>,
    /// The one that ended last.
    pub(super) ended: Option<Turn>,
    /// Nobody waits for these any longer, but their answers may still come.
    pub(super) given_up: Vec<Turn>,
    pub(super) statuses: Vec<Status>,
    pub(super) lost: Lost,
    pub(super) held_until: Option<Instant>,
}

/// Messages that the chat got and whose senders never learnt of it. What is sent again for that is no fault,
/// and what can't be deleted as its id is not known is none.
#[derive(Debug, Default)]
pub(super) struct Lost {
    pub(super) parts: usize,
    pub(super) statuses: usize,
}

impl Lost {
    /// Whether a part of an answer may be there twice. Each lost reply is an excuse once.
    pub(super) fn may_repeat(&mut self) -> bool {
        let may = self.parts > 0;
        self.parts -= usize::from(may);
        may
    }
}

impl Chat {
    /// Whether a text is part of an earlier answer, and may be: of one that nobody waits for any longer, or of
    /// the last one, which is shown again.
    pub(super) fn take_late(&mut self, id: i64, text: &str, now: Instant) -> bool {
        let due = self.turns.iter().find(|turn| !turn.is_complete());
        if due.is_some_and(|due| due.is_next(text)) {
            return false;
        }
        let mut whole = self.turns.iter().filter(|turn| turn.is_complete()).chain(&self.ended);
        if whole.any(|turn| turn.has(text)) && self.lost.may_repeat() {
            return true;
        }
        let Some(late) = self.given_up.iter_mut().find(|turn| turn.has(text)) else { return false };
        late.take(id, text, now);
        self.given_up.retain(|turn| !turn.is_complete());
        self.next_begins(now);
        true
    }

    pub(super) fn next_begins(&mut self, now: Instant) {
        if let Some(next) = self.turns.front_mut() {
            next.be_next(now);
        }
    }
}
