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
    Ledger {
        ledger: Ledger,
        /// The turn's answer is on record, or written before it.
        is_answered: bool,
    },
    Messages(Vec<ChatMessage>),
    Answer(SavedAnswer),
    Outcome(Outcome),
}

/// An answer, and who is told that it is on record.
pub(super) struct SavedAnswer {
    pub answer: Answer,
    pub reply_to: Port<AnswerSaved>,
    /// A ledger is written with it that would have been written before or after it.
    pub took_ledger: bool,
}

impl Write {
    /// Whether it may wait for a ledger that follows. That of an answer which is being written is of most use to
    /// another process.
    fn may_wait(&self) -> bool {
        matches!(self, Self::Ledger { is_answered: true, .. } | Self::Answer(_))
    }

    fn says_all_of(&self, other: &Self) -> bool {
        let Self::Ledger { ledger, .. } = other else { return false };
        match self {
            Self::Ledger { .. } => true,
            Self::Outcome(outcome) => {
                outcome.delivery.is_some() && ledger.closed_until_ms.is_none() && !ledger.begun_again
            }
            Self::Messages(_) | Self::Answer(_) => false,
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
        let may_wait = write.may_wait();
        let waits = self.writes.len() > usize::from(self.begun);
        let last = self.writes.pop_back_if(|(of, _)| waits && *of == turn);
        self.writes.extend(together(last.map(|(_, last)| last), write, awaited).map(|write| (turn, write)));
        let can_wait = may_wait && !awaited && self.writes.len() == 1;
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

    /// Whether the end of a turn is under way.
    pub fn is_ending_a_turn(&self) -> bool {
        self.begun && matches!(self.writes.front(), Some((_, Write::Outcome(_))))
    }

    /// The first, which was under way, is done.
    pub fn done(&mut self) -> Option<(TurnId, Write)> {
        self.begun = false;
        self.writes.pop_front()
    }

    /// Whether a ledger of `turn` is still to be written.
    pub fn owes_ledger(&self, turn: TurnId) -> bool {
        let is_ledger = |write: &Write| match write {
            Write::Ledger { .. } => true,
            Write::Answer(saved) => saved.took_ledger,
            Write::Messages(_) | Write::Outcome(_) => false,
        };
        self.writes.iter().any(|(of, write)| *of == turn && is_ledger(write))
    }
}

/// What is to be written of a turn's last write that waits and of one that comes after it.
fn together(last: Option<Write>, next: Write, awaited: bool) -> impl Iterator<Item = Write> {
    let (last, next) = match (last, next) {
        (Some(Write::Answer(saved)), Write::Ledger { ledger, .. }) => {
            let answer = Answer { ledger, ..saved.answer };
            (None, Write::Answer(SavedAnswer { answer, took_ledger: true, ..saved }))
        }
        (Some(Write::Ledger { .. }), Write::Answer(saved)) => {
            (None, Write::Answer(SavedAnswer { took_ledger: true, ..saved }))
        }
        // A ledger that an Outbox waits for gives way to none but one that is newer.
        (Some(last), next)
            if next.says_all_of(&last) && (matches!(next, Write::Ledger { .. }) || !awaited) =>
        {
            (None, next)
        }
        apart => apart,
    };
    last.into_iter().chain([next])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::record::{State, Timings};
    use crate::port::Station;
    use crate::testing::{in_paused_time, probe};

    const TURN: TurnId = TurnId { bot: 1, update: 1 };
    const NEXT: TurnId = TurnId { bot: 1, update: 2 };

    fn ledger(status: i64) -> Write {
        Write::Ledger { ledger: of_status(status), is_answered: true }
    }

    fn of_status(status: i64) -> Ledger {
        Ledger { status: vec![status], ..Ledger::default() }
    }

    fn answer(status: i64) -> Write {
        let answer = Answer {
            messages: Vec::new(),
            stopped: false,
            ledger: Ledger { status: vec![status], ..Ledger::default() },
            usage: None,
            timings: Timings::default(),
        };
        let [from, to] = ["persistence", "conversation"].map(Station::shared);
        let reply_to = Port::new(from, to, probe().recipient());
        Write::Answer(SavedAnswer { answer, reply_to, took_ledger: false })
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
                Write::Ledger { ledger, .. } => {
                    format!("{} of {}", ledger.status[0], turn.update)
                }
                Write::Answer(saved) => format!("answer and {}", saved.answer.ledger.status[0]),
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
    fn a_note_is_made_at_once_and_gives_way_where_it_has_to_wait() {
        let note = |status| Write::Ledger { ledger: of_status(status), is_answered: false };
        let kept = in_paused_time(async {
            let mut owed = Owed::default();
            assert_eq!(owed.push(TURN, note(1), false), Then::Begin);
            assert!(owed.begin().is_some());
            assert_eq!(owed.push(TURN, note(2), true), Then::Wait);
            assert_eq!(owed.push(TURN, note(3), false), Then::Wait);
            assert_eq!(owed.push(TURN, answer(4), false), Then::Wait);
            assert!(owed.owes_ledger(TURN), "the answer has it");
            all(&mut owed)
        });
        assert_eq!(kept.result, ["1 of 1", "answer and 4"]);
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
    fn an_answer_is_held_back_for_its_ledger_and_goes_with_it() {
        let [before, after, under_way, behind_another] = in_paused_time(async {
            let mut owed = Owed::default();
            assert_eq!(owed.push(TURN, ledger(1), false), Then::Hold);
            assert_eq!(owed.push(TURN, answer(2), false), Then::Hold);
            let before = all(&mut owed);

            assert_eq!(owed.push(TURN, answer(2), false), Then::Hold);
            assert!(!owed.owes_ledger(TURN));
            assert_eq!(owed.push(TURN, ledger(3), true), Then::Begin);
            assert!(owed.owes_ledger(TURN));
            let after = all(&mut owed);

            owed.push(TURN, answer(2), true);
            owed.begin();
            assert_eq!(owed.push(TURN, ledger(3), true), Then::Wait);
            let under_way = all(&mut owed);

            owed.push(TURN, answer(2), false);
            assert_eq!(owed.push(NEXT, ledger(3), false), Then::Begin);
            [before, after, under_way, all(&mut owed)]
        })
        .result;
        assert_eq!(before, ["answer and 2"]);
        assert_eq!(after, ["answer and 3"]);
        assert_eq!(under_way, ["answer and 2", "3 of 1"]);
        assert_eq!(behind_another, ["answer and 2", "3 of 2"]);
    }

    #[test]
    fn only_what_is_said_again_is_left_out() {
        let closed = Ledger { status: vec![1], closed_until_ms: Some(5), ..Ledger::default() };
        let begun_again = Ledger { status: vec![2], begun_again: true, ..Ledger::default() };
        for kept in [closed, begun_again] {
            let (mut owed, status) = (Owed::default(), kept.status[0]);
            owed.push(TURN, Write::Ledger { ledger: kept, is_answered: true }, false);
            owed.push(TURN, outcome(), false);
            assert_eq!(all(&mut owed), [format!("{status} of 1"), "end of 1".to_owned()]);
        }
        let mut owed = Owed::default();
        owed.push(TURN, ledger(1), true);
        assert_eq!(owed.push(TURN, outcome(), true), Then::Begin);
        assert_eq!(all(&mut owed), ["1 of 1", "end of 1"], "an Outbox waits for the ledger");
    }
}
