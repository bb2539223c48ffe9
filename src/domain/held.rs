//! Text of a streamed answer that is held until a send can be made of it, so that a delta wakes nobody.

use std::cell::Cell;

/// While a send is on its way, text is given on when there is so much, though more may have come.
const MOST_HELD_BYTES: usize = 128;

/// How much was cut is looked at when so much has come, not with each delta: mostly nothing has changed, and
/// it has left the caches.
const LOOK_BYTES: usize = 64;

/// What has come of an answer and was not given on yet.
#[derive(Debug)]
pub struct HeldText {
    text: String,
    least_bytes: usize,
    /// How much of the answer had come when this was last looked at.
    come_bytes: usize,
    /// How much of that was given on.
    given_bytes: usize,
    /// How much must have come for a send, by the last look at how much was cut.
    enough_bytes: usize,
    /// How much must have come for the next look.
    look_bytes: usize,
    /// Whether anything was given on: the first words are not held.
    has_spoken: bool,
}

impl HeldText {
    /// For an answer of which `come_bytes` are there already. A send needs at least `least_bytes`: as many as
    /// it has characters, as none is shorter than a byte.
    pub fn new(least_bytes: usize, come_bytes: usize) -> Self {
        let (text, given_bytes) = (String::new(), come_bytes);
        Self { text, least_bytes, come_bytes, given_bytes, enough_bytes: 0, look_bytes: 0, has_spoken: false }
    }

    /// Where more of the answer is to be put, at the end.
    pub fn text(&mut self) -> &mut String {
        &mut self.text
    }

    /// More has come of the answer, of which `cut_bytes` have become sends. Tells whether what is held is to
    /// be given on now: what completes a send is, what comes while that is on its way gathers.
    pub fn grew(&mut self, cut_bytes: &Cell<usize>) -> bool {
        let was_enough = self.is_enough(cut_bytes);
        let is_first = self.come_bytes == self.given_bytes;
        self.come_bytes = self.given_bytes + self.text.len();
        let is_enough = self.is_enough(cut_bytes);
        let goes_on = !self.has_spoken || is_enough && (!was_enough || self.text.len() >= MOST_HELD_BYTES);
        if is_first && !goes_on {
            // What is missing will come: room for it is made once.
            self.text.reserve(self.enough_bytes.saturating_sub(self.come_bytes));
        }
        goes_on
    }

    /// Whether what is held is to be given on if nothing more has come.
    pub fn is_due(&mut self, cut_bytes: &Cell<usize>) -> bool {
        !self.text.is_empty() && self.is_enough(cut_bytes)
    }

    /// How much of the answer has come.
    pub fn come_bytes(&self) -> usize {
        self.come_bytes
    }

    /// How much is missing that a send needs at least; no end of it where every delta may show: how often that
    /// does is not for words to decide.
    pub fn missing_bytes(&self) -> usize {
        if self.least_bytes == 0 { usize::MAX } else { self.enough_bytes.saturating_sub(self.come_bytes) }
    }

    /// What is held, if anything.
    pub fn take(&mut self) -> Option<String> {
        if self.text.is_empty() {
            return None;
        }
        self.has_spoken = true;
        self.given_bytes += self.text.len();
        self.come_bytes = self.given_bytes;
        Some(std::mem::take(&mut self.text))
    }

    fn is_enough(&mut self, cut_bytes: &Cell<usize>) -> bool {
        if self.come_bytes >= self.look_bytes {
            self.enough_bytes = cut_bytes.get() + self.least_bytes;
            self.look_bytes = self.enough_bytes.min(self.come_bytes + LOOK_BYTES);
        }
        self.come_bytes >= self.enough_bytes
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(bytes: usize) -> String {
        "a".repeat(bytes)
    }

    impl HeldText {
        fn push(&mut self, more: &str, cut_bytes: &Cell<usize>) -> bool {
            self.text().push_str(more);
            self.grew(cut_bytes)
        }
    }

    /// Held text of which the first words were given on.
    fn after(come_bytes: usize, least_bytes: usize) -> HeldText {
        let mut held = HeldText::new(least_bytes, 0);
        assert!(held.push(&text(come_bytes), &Cell::default()));
        assert_eq!(held.take(), Some(text(come_bytes)));
        held
    }

    #[test]
    fn the_first_words_are_not_held() {
        let mut held = HeldText::new(300, 0);
        assert!(held.push(&text(1), &Cell::default()));
    }

    #[test]
    fn what_is_missing_gets_less_until_a_send_can_be_made() {
        let (cut, mut held) = (Cell::default(), after(4, 300));
        held.push(&text(100), &cut);
        assert_eq!((held.come_bytes(), held.missing_bytes()), (104, 196));
        held.push(&text(200), &cut);
        assert_eq!((held.come_bytes(), held.missing_bytes()), (304, 0));
        held.take();
        cut.set(304);
        held.push(&text(1), &cut);
        assert_eq!((held.come_bytes(), held.missing_bytes()), (305, 299));
    }

    #[test]
    fn where_every_delta_may_show_none_is_waited_for() {
        let (cut, mut held) = (Cell::default(), after(4, 0));
        held.push(&text(100), &cut);
        assert_eq!(held.missing_bytes(), usize::MAX);
    }

    #[test]
    fn what_makes_no_send_is_held_until_one_can_be_made() {
        let (cut, mut held) = (Cell::default(), after(4, 300));
        assert!(!held.push(&text(295), &cut));
        assert!(!held.is_due(&cut));
        assert!(held.push(&text(1), &cut));
        assert_eq!(held.take(), Some(text(296)));
        assert_eq!(held.take(), None);
    }

    #[test]
    fn what_comes_while_a_send_is_on_its_way_gathers() {
        let (cut, mut held) = (Cell::default(), after(4, 300));
        assert!(held.push(&text(296), &cut));
        held.take();
        assert!(!held.push(&text(MOST_HELD_BYTES - 1), &cut));
        assert!(held.is_due(&cut), "nothing more may come for long");
        assert!(held.push(&text(1), &cut));
    }

    #[test]
    fn a_cut_is_seen_though_not_with_each_delta() {
        let (cut, mut held) = (Cell::default(), after(4, 300));
        assert!(held.push(&text(296), &cut));
        held.take();
        cut.set(300);
        assert!(!held.push(&text(LOOK_BYTES), &cut));
        assert!(!held.is_due(&cut));
        assert!(!held.push(&text(299 - LOOK_BYTES), &cut));
        assert!(held.push(&text(1), &cut));
    }

    #[test]
    fn an_answer_that_goes_on_has_what_is_there_already() {
        let cut = Cell::new(300);
        let mut held = HeldText::new(300, 400);
        assert!(held.push(&text(4), &cut));
        held.take();
        assert!(!held.push(&text(195), &cut));
        assert!(held.push(&text(1), &cut));
    }

    proptest! {
        /// Whatever comes and is cut, it is given on whole and in order, and little is held of what a send
        /// could be made of.
        #[test]
        fn nothing_is_lost_or_held_for_long(
            deltas in prop::collection::vec(("[a-zß€🎉]{0,90}", any::<bool>()), 0..60),
            least_bytes in 0usize..400,
        ) {
            let (cut, mut held) = (Cell::default(), HeldText::new(least_bytes, 0));
            let (mut come, mut given) = (String::new(), String::new());
            for (delta, is_cut) in deltas {
                come.push_str(&delta);
                if held.push(&delta, &cut) {
                    given.extend(held.take());
                }
                let held_bytes = come.len() - given.len();
                prop_assert!(come.len() < cut.get() + least_bytes || held_bytes < MOST_HELD_BYTES);
                if is_cut {
                    cut.set(given.len());
                }
            }
            given.extend(held.take());
            prop_assert_eq!(given, come);
        }
    }
}
