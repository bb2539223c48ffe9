//! What a conversation owes to the store, in order, and what need not be written because something newer
//! says it.

use std::collections::VecDeque;

use crate::domain::chat::ChatMessage;
use crate::domain::ids::TurnId;
use crate::domain::record::{Answer, Ledger, Outcome};
use crate::messages::AnswerSaved;
use crate::port::Port;

/// A write that is tried until the store takes it.
pub(super) enum Write {
    Ledger(Ledger),
    Messages(Vec<ChatMessage>),
    Answer { answer: Answer, reply_to: Port<AnswerSaved> },
    Outcome(Outcome),
}

impl Write {
    fn says_all_of(&self, other: &Self) -> bool {
        let Self::Ledger(ledger) = other else { return false };
        match self {
            Self::Ledger(_) => true,
            Self::Outcome(outcome) => {
                outcome.delivery.is_some() && ledger.closed_until_ms.is_none() && !ledger.begun_again
            }
            Self::Messages(_) | Self::Answer { .. } => false,
        }
    }
}

/// What is to be done when a write has been added.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Then {
    /// Nothing: another is under way.
    Wait,
    /// It may be held back for a while: nobody waits for it, and another may take its place.
    Hold,
    /// The first is to be written.
    Begin,
}

/// The writes of a conversation.
#[derive(Default)]
pub(super) struct Owed {
    writes: VecDeque<(TurnId, Write)>,
    /// The first is under way.
    begun: bool,
}

impl Owed {
    /// Adds a write of `turn`, for a ledger of which an Outbox waits where it is `awaited`.
    pub fn push(&mut self, turn: TurnId, write: Write, awaited: bool) -> Then {
        let is_ledger = matches!(write, Write::Ledger(_));
        let waiting = self.writes.len() - usize::from(self.begun);
        // A ledger that an Outbox waits for gives way to none but a ledger.
        if waiting > 0 && (is_ledger || !awaited) {
            self.writes.pop_back_if(|(of, last)| *of == turn && write.says_all_of(last));
        }
        self.writes.push_back((turn, write));
        let can_wait = is_ledger && !awaited && self.writes.len() == 1;
        match can_wait {
            _ if self.begun => Then::Wait,
            true => Then::Hold,
            false => Then::Begin,
        }
    }

    /// The first is under way now; none when nothing is owed.
    pub fn begin(&mut self) -> Option<(TurnId, &Write)> {
        self.begun = !self.writes.is_empty();
        self.writes.front().map(|(turn, write)| (*turn, write))
    }

    /// Whether the first is under way.
    pub fn has_begun(&self) -> bool {
        self.begun
    }

    /// The first, which was under way, is done.
    pub fn done(&mut self) -> Option<(TurnId, Write)> {
        self.begun = false;
        self.writes.pop_front()
    }

    /// Whether a ledger of `turn` is still to be written.
    pub fn owes_ledger(&self, turn: TurnId) -> bool {
        self.writes.iter().any(|(of, write)| *of == turn && matches!(write, Write::Ledger(_)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::record::{State, Timings};

    const TURN: TurnId = TurnId { bot: 1, update: 1 };
    const NEXT: TurnId = TurnId { bot: 1, update: 2 };

    fn ledger(status: i64) -> Write {
        Write::Ledger(Ledger { status: vec![status], ..Ledger::default() })
    }

    fn outcome() -> Write {
        let (state, timings) = (State::Delivered, Timings::default());
        Write::Outcome(Outcome { state, failure: None, delivery: Some(Vec::new()), timings })
    }

    /// What is written, in order: the ids of ledgers, "end" for outcomes.
    fn all(owed: &mut Owed) -> Vec<String> {
        let next = || {
            owed.begin()?;
            owed.done().map(|(turn, write)| match write {
                Write::Ledger(ledger) => format!("{} of {}", ledger.status[0], turn.update),
                _ => format!("end of {}", turn.update),
            })
        };
        std::iter::from_fn(next).collect()
    }

    #[test]
    fn a_ledger_that_nobody_waits_for_is_held_back_and_gives_way() {
        let mut owed = Owed::default();
        assert_eq!(owed.push(TURN, ledger(1), false), Then::Hold);
        assert_eq!(owed.push(TURN, ledger(2), false), Then::Hold);
        assert_eq!(owed.push(TURN, ledger(3), true), Then::Begin);
        assert_eq!(all(&mut owed), ["3 of 1"]);
        assert_eq!(owed.push(TURN, ledger(4), false), Then::Hold);
        assert_eq!(owed.push(TURN, outcome(), false), Then::Begin);
        assert_eq!(all(&mut owed), ["end of 1"]);
    }

    #[test]
    fn what_is_under_way_is_written() {
        let mut owed = Owed::default();
        assert_eq!(owed.push(TURN, ledger(1), true), Then::Begin);
        assert!(owed.begin().is_some() && owed.has_begun());
        assert_eq!(owed.push(TURN, ledger(2), false), Then::Wait);
        assert_eq!(owed.push(TURN, ledger(3), true), Then::Wait);
        assert_eq!(owed.push(NEXT, ledger(4), false), Then::Wait);
        assert_eq!(all(&mut owed), ["1 of 1", "3 of 1", "4 of 2"]);
        assert!(!owed.owes_ledger(TURN) && !owed.has_begun());
    }

    #[test]
    fn only_what_is_said_again_is_left_out() {
        let closed = Ledger { status: vec![1], closed_until_ms: Some(5), ..Ledger::default() };
        let begun_again = Ledger { status: vec![2], begun_again: true, ..Ledger::default() };
        for kept in [closed, begun_again] {
            let (mut owed, status) = (Owed::default(), kept.status[0]);
            owed.push(TURN, Write::Ledger(kept), false);
            owed.push(TURN, outcome(), false);
            assert_eq!(all(&mut owed), [format!("{status} of 1"), "end of 1".to_owned()]);
        }
        let mut owed = Owed::default();
        owed.push(TURN, ledger(1), true);
        assert_eq!(owed.push(TURN, outcome(), true), Then::Begin);
        assert_eq!(all(&mut owed), ["1 of 1", "end of 1"], "an Outbox waits for the ledger");
    }
}
