//! One turn as the judge follows it.

use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::{Asked, Moment, Thinking};

/// A "Thinking..." may be so much early or late, in percent of what was promised.
const EARLY_PERCENT: u32 = 70;
const LATE_PERCENT: u32 = 150;

/// How a text stands to what is due of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fit {
    /// It is what comes next.
    Next,
    /// It comes so many bytes later.
    After(usize),
    /// It was there before.
    Again,
    /// It is not in the answer.
    Nowhere,
}

/// A message that shows a part of the answer.
#[derive(Debug, Clone, Copy)]
struct Shown {
    id: i64,
    start: usize,
    end: usize,
}

/// A turn that has not ended.
#[derive(Debug)]
pub(super) struct Turn {
    pub(super) number: u32,
    pub(super) intended: Instant,
    pub(super) ended: Option<oneshot::Sender<()>>,
    pub(super) first_chunk: Option<Instant>,
    pub(super) last_emitted: Option<Instant>,
    /// Since when nothing else is to be answered before it; none while something is.
    pub(super) next_since: Option<Instant>,
    answer: String,
    acknowledged: bool,
    filled: Option<Instant>,
    shown: Vec<Shown>,
    /// Up to where the chat shows the answer, in bytes.
    at: usize,
    /// The last "Thinking...", or when waiting for the first began.
    beat_from: Instant,
    beats: u32,
    added_taken: bool,
    /// It has been counted as answered.
    pub(super) is_counted: bool,
}

impl Turn {
    pub(super) fn new(asked: Asked) -> Self {
        Self {
            number: asked.turn,
            intended: asked.intended,
            ended: Some(asked.ended),
            first_chunk: None,
            last_emitted: None,
            next_since: None,
            answer: asked.answer,
            acknowledged: false,
            filled: None,
            shown: Vec::new(),
            at: 0,
            beat_from: asked.posted,
            beats: 0,
            added_taken: false,
            is_counted: false,
        }
    }

    pub(super) fn is_complete(&self) -> bool {
        !self.shown.is_empty() && self.answer[self.at..].trim_start().is_empty()
    }

    pub(super) fn is_acknowledged(&self) -> bool {
        self.acknowledged
    }

    pub(super) fn shown_bytes(&self) -> usize {
        self.at
    }

    pub(super) fn answer_bytes(&self) -> usize {
        self.answer.len()
    }

    pub(super) fn shows(&self, id: i64) -> bool {
        self.shown.iter().any(|shown| shown.id == id)
    }

    /// "✓" is there. The bot has taken the question only now.
    pub(super) fn acknowledge(&mut self, now: Instant) {
        self.acknowledged = true;
        self.wait_from(now);
    }

    /// Nothing else is to be answered before it any longer.
    pub(super) fn be_next(&mut self, now: Instant) {
        self.next_since = Some(now);
        self.wait_from(now);
    }

    fn wait_from(&mut self, now: Instant) {
        if self.beats == 0 {
            self.beat_from = now;
        }
    }

    /// A draft is there, which shows words or that there will be some.
    pub(super) fn drafted(&mut self, has_words: bool, now: Instant) {
        self.beat_from = now;
        if has_words {
            self.first_chunk.get_or_insert(now);
        }
    }

    /// The first time counts: a bot that asks the model again has made the person wait.
    pub(super) fn emitted(&mut self, moment: Moment, at: Instant) {
        match moment {
            Moment::Filled => drop(self.filled.get_or_insert(at)),
            Moment::Last => self.last_emitted = Some(at),
        }
    }

    /// Takes "Thinking..."; returns what is wrong with it.
    pub(super) fn beat(&mut self, now: Instant, thinking: Option<Thinking>) -> Option<String> {
        let waited = now - self.beat_from;
        self.beats += 1;
        self.beat_from = now;
        if self.first_chunk.is_some() {
            return Some("\"Thinking...\" after the first chunk".to_owned());
        }
        let every = thinking?.every;
        let fits = every * EARLY_PERCENT / 100 <= waited && waited <= every * LATE_PERCENT / 100;
        (!fits).then(|| {
            format!("\"Thinking...\" number {} came after {:.1} s", self.beats, waited.as_secs_f64())
        })
    }

    /// What is wrong when the first chunk comes now: nothing was said for too long.
    pub(super) fn silence(&self, now: Instant, thinking: Option<Thinking>) -> Option<String> {
        let waited = now - self.beat_from;
        let Thinking { every, .. } = thinking.filter(|thinking| self.beats < thinking.most)?;
        (waited > every * LATE_PERCENT / 100).then(|| {
            let seconds = waited.as_secs_f64();
            format!("no \"Thinking...\" in the {seconds:.1} s before the first chunk ({} before)", self.beats)
        })
    }

    /// Whether a text is what comes next.
    pub(super) fn is_next(&self, text: &str) -> bool {
        self.answer[self.skip_space(self.at)..].starts_with(text.trim())
    }

    /// Whether a text is anywhere in the answer.
    pub(super) fn has(&self, text: &str) -> bool {
        self.answer.contains(text.trim())
    }

    /// Takes a new message.
    pub(super) fn take(&mut self, id: i64, text: &str, now: Instant) -> Fit {
        let text = text.trim();
        let start = self.skip_space(self.at);
        let fit = if text.is_empty() {
            Fit::Nowhere
        } else if self.answer[start..].starts_with(text) {
            self.show(id, start, text, now);
            Fit::Next
        } else if self.answer[..self.at].contains(text) {
            Fit::Again
        } else if let Some(gap) = self.answer[start..].find(text) {
            self.show(id, start + gap, text, now);
            Fit::After(gap)
        } else {
            Fit::Nowhere
        };
        if fit != Fit::Nowhere {
            self.first_chunk.get_or_insert(now);
        }
        fit
    }

    /// Whether a message with this text shows what it showed before. It may be formatted now, for example.
    pub(super) fn is_still(&self, id: i64, text: &str) -> bool {
        let is_shown = |shown: &Shown| self.answer[shown.start..shown.end].trim() == text.trim();
        self.shown.iter().filter(|shown| shown.id == id).any(is_shown)
    }

    /// Gives a message that shows a part another text; false when that is wrong.
    pub(super) fn regrow(&mut self, id: i64, text: &str, now: Instant) -> bool {
        let text = text.trim();
        let last = self.shown.len().saturating_sub(1);
        let Some((nth, shown)) = self.shown.iter_mut().enumerate().find(|(_, shown)| shown.id == id) else {
            return false;
        };
        if nth < last {
            return self.is_still(id, text);
        }
        let fits = !text.is_empty() && self.answer[shown.start..].starts_with(text);
        if fits {
            shown.end = shown.start + text.len();
            self.at = shown.end;
            self.first_chunk.get_or_insert(now);
        }
        fits
    }

    /// What the bot added to the time of the first chunk, once, when it can be told.
    pub(super) fn take_added(&mut self) -> Option<Duration> {
        if self.added_taken {
            return None;
        }
        let (first, filled) = (self.first_chunk?, self.filled?);
        self.added_taken = true;
        // A bot that sends less at once than was reckoned with can't be measured so.
        first.checked_duration_since(filled)
    }

    /// A message shows a part that another shows already, and takes its place: what grows now is this one.
    pub(super) fn show_again(&mut self, id: i64, text: &str) {
        let same =
            self.shown.iter_mut().rev().find(|shown| self.answer[shown.start..shown.end] == *text.trim());
        if let Some(shown) = same {
            shown.id = id;
        }
    }

    fn show(&mut self, id: i64, start: usize, text: &str, now: Instant) {
        let end = start + text.len();
        self.shown.push(Shown { id, start, end });
        self.at = end;
        self.first_chunk.get_or_insert(now);
    }

    fn skip_space(&self, from: usize) -> usize {
        self.answer.len() - self.answer[from..].trim_start().len()
    }
}
