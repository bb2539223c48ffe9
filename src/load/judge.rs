//! The judge: looks at every message that a chat shows and knows what it should have been.
//!
//! A chat's questions are answered in their order, each to the letter: the messages of an answer,
//! joined, are what the model wrote, but for white space where they were cut. "✓" and "Thinking..."
//! come and go as promised.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::answer;
use super::profile::Profile;
use super::stats::{Metric, Stats};
use super::violations::{Violations, excerpt};
use crate::domain::commands::{CHECK_MARK, MAYBE_LOST};

#[path = "judge_chat.rs"]
mod chat;
#[path = "judge_turn.rs"]
mod turn;
use chat::{Chat, Status};
use turn::{Fit, Turn};

/// What "Thinking..." begins with, however it is spelt out.
const THINKING: &str = "Thinking";

/// What the model has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// It emitted the delta that fills the first chunk, or the last of a shorter answer.
    Filled,
    /// It emitted the last delta.
    Last,
}

/// A question as the judge is told of it.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) turn: u32,
    /// When the person meant to ask.
    pub(crate) intended: Instant,
    /// When it was asked.
    pub(crate) posted: Instant,
    pub(crate) answer: String,
    /// Told when the chat has the whole answer and nothing else.
    pub(crate) ended: oneshot::Sender<()>,
}

/// What is judged beside the answers.
#[derive(Debug, Clone, Copy)]
struct Rules {
    /// Every question gets a "✓".
    check_mark: bool,
    /// None where nobody promised any.
    thinking: Option<Thinking>,
}

/// What was promised of "Thinking...".
#[derive(Debug, Clone, Copy)]
struct Thinking {
    every: Duration,
    /// So many in a turn.
    most: u32,
}

/// The judge.
#[derive(Debug)]
pub(crate) struct Judge {
    /// What it has found.
    pub(crate) violations: Violations,
    rules: Rules,
    chats: HashMap<i64, Chat>,
    stats: Rc<RefCell<Stats>>,
    open_turns: u64,
}

impl Judge {
    pub(crate) fn new(profile: &Profile, stats: Rc<RefCell<Stats>>) -> Self {
        // Where calls are counted or fail, "✓" and "Thinking..." give way to what matters more.
        let every_ms = Some(profile.bot.thinking_every_ms).filter(|ms| *ms > 0 && !profile.is_ruled());
        let most = profile.bot.max_thinking.unwrap_or(u32::MAX);
        let rules = Rules {
            check_mark: profile.bot.check_mark && !profile.is_ruled(),
            thinking: every_ms.map(|ms| Thinking { every: Duration::from_millis(ms), most }),
        };
        Self { violations: Violations::default(), rules, chats: HashMap::new(), stats, open_turns: 0 }
    }

    /// The number of a chat's next turn.
    pub(crate) fn next_turn(&self, chat: i64) -> u32 {
        self.chats.get(&chat).map_or(0, |chat| chat.asked) + 1
    }

    /// Chats in which something was asked.
    pub(crate) fn chats(&self) -> usize {
        self.chats.len()
    }

    /// Turns that have not ended.
    pub(crate) fn open_turns(&self) -> u64 {
        self.open_turns
    }

    /// The updates of each chat's turns, in order.
    pub(crate) fn updates(&self) -> BTreeMap<i64, Vec<i64>> {
        self.chats.iter().map(|(chat, state)| (*chat, state.updates.clone())).collect()
    }

    /// A question goes to the bot now.
    pub(crate) fn asked(&mut self, chat: i64, asked: Asked) {
        let state = self.chats.entry(chat).or_default();
        state.asked = asked.turn;
        let posted = asked.posted;
        state.turns.push_back(Turn::new(asked));
        if state.turns.len() == 1 {
            state.next_begins(posted);
        }
        self.open_turns += 1;
        self.stats.borrow_mut().counts.questions += 1;
    }

    /// The update that carries the last question.
    pub(crate) fn named(&mut self, chat: i64, update: i64) {
        self.chats.entry(chat).or_default().updates.push(update);
    }

    /// Since when nothing else is to be answered in its chat before this turn; none while something is.
    pub(crate) fn next_since(&self, chat: i64, turn: u32) -> Option<Instant> {
        let next = self.chats.get(&chat)?.turns.front();
        next.filter(|next| next.number == turn)?.next_since
    }

    /// The model has emitted something of a turn's answer.
    pub(crate) fn emitted(&mut self, chat: i64, turn: u32, moment: Moment, at: Instant) {
        let turns = self.chats.get_mut(&chat).map(|chat| &mut chat.turns);
        if let Some(turn) = turns.and_then(|turns| turns.iter_mut().find(|open| open.number == turn)) {
            turn.emitted(moment, at);
        }
    }

    /// A chat shows a new message.
    pub(crate) fn sent(&mut self, chat: i64, id: i64, text: &str, now: Instant) {
        if !self.chats.contains_key(&chat) {
            return self.violations.add(
                chat,
                0,
                "unasked",
                format!("nothing was asked here: {}", excerpt(text)),
            );
        }
        match text.trim() {
            CHECK_MARK => self.check_mark(chat, id, now),
            status if status.starts_with(THINKING) => self.thinking(chat, Some(id), now),
            _ => self.chunk(chat, id, text, now),
        }
    }

    /// A message has a new text.
    pub(crate) fn edited(&mut self, chat: i64, id: i64, text: &str, now: Instant) {
        let Some(state) = self.chats.get_mut(&chat) else { return };
        if state.statuses.iter().any(|status| status.id == id) {
            if text.trim().starts_with(THINKING) {
                return self.thinking(chat, None, now);
            }
            state.statuses.retain(|status| status.id != id);
            return self.chunk(chat, id, text, now);
        }
        let Some(turn) = state.turns.iter_mut().chain(&mut state.ended).find(|turn| turn.shows(id)) else {
            return;
        };
        let number = turn.number;
        let is_right =
            if turn.ended.is_none() { turn.is_still(id, text) } else { turn.regrow(id, text, now) };
        if is_right {
            self.look_at_end(chat, number, now);
        } else {
            self.violations.add(
                chat,
                number,
                "wrong text",
                format!("a message was edited to {}", excerpt(text)),
            );
        }
    }

    /// Messages are gone.
    pub(crate) fn deleted(&mut self, chat: i64, ids: &[i64], now: Instant) {
        let Some(state) = self.chats.get_mut(&chat) else { return };
        state.statuses.retain(|status| !ids.contains(&status.id));
        for turn in state.turns.iter().chain(&state.ended) {
            if let Some(id) = ids.iter().find(|id| turn.shows(**id)) {
                let seen = format!("message {id} of the answer was deleted");
                self.violations.add(chat, turn.number, "deleted", seen);
            }
        }
        self.settle(chat, now);
    }

    /// The chat shows a draft with words of the answer, or with none yet.
    pub(crate) fn drafted(&mut self, chat: i64, text: &str, now: Instant) {
        let has_words = !text.trim().is_empty() && !text.trim().starts_with(THINKING);
        let Some(state) = self.chats.get_mut(&chat) else { return };
        let Some(turn) = state.turns.iter_mut().find(|turn| !turn.is_complete()) else { return };
        let (number, is_first) = (turn.number, turn.first_chunk.is_none() && has_words);
        let silent = turn.silence(now, self.rules.thinking).filter(|_| is_first);
        turn.drafted(has_words, now);
        if has_words && !turn.is_next(text) {
            self.violations.add(chat, number, "wrong text", format!("a draft shows {}", excerpt(text)));
        }
        if let Some(seen) = silent {
            self.violations.add(chat, number, "thinking", seen);
        }
        if is_first {
            self.first_shown(chat, number);
        }
    }

    /// A message was taken, and the bot never learns that it was.
    pub(crate) fn reply_lost(&mut self, chat: i64, text: &str) {
        let lost = &mut self.chats.entry(chat).or_default().lost;
        let is_status = text.trim() == CHECK_MARK || text.trim().starts_with(THINKING);
        *(if is_status { &mut lost.statuses } else { &mut lost.parts }) += 1;
    }

    /// A call was answered 429: the chat is to be silent until then.
    pub(crate) fn held(&mut self, chat: i64, wait: Duration, now: Instant) {
        let state = self.chats.entry(chat).or_default();
        let from = state.held_until.map_or(now, |until| until.max(now));
        let until = from.max(now + wait);
        state.held_until = Some(until);
        let mut stats = self.stats.borrow_mut();
        stats.counts.too_many_requests += 1;
        stats.counts.held_ms += u64::try_from((until - from).as_millis()).unwrap_or(u64::MAX);
    }

    /// Nobody waits for a turn any longer.
    pub(crate) fn give_up(&mut self, chat: i64, turn: u32, after: Duration, now: Instant) {
        let Some(state) = self.chats.get_mut(&chat) else { return };
        let Some(at) = state.turns.iter().position(|open| open.number == turn) else { return };
        let left = state.statuses.iter().filter(|status| status.turn == turn).count();
        let Some(given_up) = state.turns.remove(at) else { return };
        state.statuses.retain(|status| status.turn != turn);
        state.next_begins(now);
        self.open_turns -= 1;
        let kind = if given_up.is_complete() { "status left" } else { "unanswered" };
        let seen = format!(
            "after {} s the chat shows {} of {} bytes of the answer, and {left} \"✓\" or \"Thinking...\"",
            after.as_secs(),
            given_up.shown_bytes(),
            given_up.answer_bytes(),
        );
        if !given_up.is_complete() {
            state.given_up.push(given_up);
        }
        self.violations.add(chat, turn, kind, seen);
    }

    fn check_mark(&mut self, chat: i64, id: i64, now: Instant) {
        let Some(state) = self.chats.get_mut(&chat) else { return };
        let asked = state.asked;
        let Some(turn) = state.turns.iter_mut().find(|turn| !turn.is_acknowledged()) else {
            if state.lost.statuses > 0 {
                return state.statuses.push(Status { id, turn: asked });
            }
            return self.violations.add(chat, asked, "doubled", "a second \"✓\" for one question".to_owned());
        };
        turn.acknowledge(now);
        state.statuses.push(Status { id, turn: turn.number });
        let waited = now - turn.intended;
        self.stats.borrow_mut().record(Metric::CheckMark, waited);
    }

    /// "Thinking..." as a message of its own, or as a new text of one.
    fn thinking(&mut self, chat: i64, id: Option<i64>, now: Instant) {
        let Some(state) = self.chats.get_mut(&chat).filter(|state| state.given_up.is_empty()) else { return };
        let asked = state.asked;
        let Some(turn) = state.turns.iter_mut().find(|turn| !turn.is_complete()) else {
            let seen = "\"Thinking...\" although nothing is to be answered".to_owned();
            return self.violations.add(chat, asked, "thinking", seen);
        };
        let wrong = turn.beat(now, self.rules.thinking);
        let number = turn.number;
        state.statuses.extend(id.map(|id| Status { id, turn: number }));
        if let Some(seen) = wrong {
            self.violations.add(chat, number, "thinking", seen);
        }
    }

    fn chunk(&mut self, chat: i64, id: i64, text: &str, now: Instant) {
        let Some(state) = self.chats.get_mut(&chat) else { return };
        // What brigade says of a lost reply where it does not send again.
        if text == MAYBE_LOST && state.lost.may_repeat() {
            return;
        }
        if state.take_late(id, text, now) {
            return;
        }
        let asked = state.asked;
        let Some(turn) = state.turns.iter_mut().find(|turn| !turn.is_complete()) else {
            let seen = format!("all is answered, and then: {}", excerpt(text));
            return self.violations.add(chat, asked, "doubled", seen);
        };
        let number = turn.number;
        let silent = turn.silence(now, self.rules.thinking);
        let is_first = turn.first_chunk.is_none();
        let fit = turn.take(id, text, now);
        if let (true, Some(seen)) = (is_first, silent) {
            self.violations.add(chat, number, "thinking", seen);
        }
        match fit {
            Fit::Next => {}
            Fit::After(bytes) => {
                let seen = format!("{bytes} bytes of the answer are missing before {}", excerpt(text));
                self.violations.add(chat, number, "missing", seen);
            }
            Fit::Again if state.lost.may_repeat() => turn.show_again(id, text),
            Fit::Again => {
                self.violations.add(chat, number, "doubled", format!("shown twice: {}", excerpt(text)));
            }
            Fit::Nowhere => return self.wrong(chat, number, text),
        }
        if is_first {
            self.first_shown(chat, number);
        }
        self.look_at_end(chat, number, now);
    }

    /// A text that is nowhere in the answer that is due.
    fn wrong(&mut self, chat: i64, turn: u32, text: &str) {
        let (kind, whose) = match answer::named_in(text) {
            Some((other, _)) if other != chat => ("wrong chat", format!("an answer of chat {other}: ")),
            Some((_, other)) if other != turn => ("out of order", format!("an answer of turn {other}: ")),
            _ => ("wrong text", "not in the answer: ".to_owned()),
        };
        self.violations.add(chat, turn, kind, whose + &excerpt(text));
    }

    fn first_shown(&mut self, chat: i64, number: u32) {
        let state = self.chats.get_mut(&chat);
        let turn = state.and_then(|state| state.turns.iter_mut().find(|turn| turn.number == number));
        let Some((turn, first)) = turn.and_then(|turn| turn.first_chunk.map(|first| (turn, first))) else {
            return;
        };
        let mut stats = self.stats.borrow_mut();
        stats.record(Metric::FirstChunk, first - turn.intended);
        if let Some(added) = turn.take_added() {
            stats.record(Metric::Added, added);
        }
    }

    fn look_at_end(&mut self, chat: i64, number: u32, now: Instant) {
        let state = self.chats.get_mut(&chat);
        let turn = state.and_then(|state| state.turns.iter_mut().find(|turn| turn.number == number));
        let Some(turn) = turn.filter(|turn| turn.is_complete()) else { return };
        if std::mem::replace(&mut turn.is_counted, true) {
            return;
        }
        let mut stats = self.stats.borrow_mut();
        stats.counts.turns += 1;
        stats.record(Metric::Turn, now - turn.intended);
        if let Some(added) = turn.take_added() {
            stats.record(Metric::Added, added);
        }
        if let Some(last) = turn.last_emitted {
            stats.record(Metric::Tail, now.saturating_duration_since(last));
        }
        drop(stats);
        self.settle(chat, now);
    }

    /// Ends the turns whose answers are there and whose "✓" and "Thinking..." are gone.
    fn settle(&mut self, chat: i64, now: Instant) {
        let Some(state) = self.chats.get_mut(&chat) else { return };
        while let Some(turn) = state.turns.front() {
            let number = turn.number;
            let statuses = state.statuses.iter().filter(|status| status.turn == number).count();
            if !turn.is_complete() || statuses > state.lost.statuses {
                return;
            }
            state.lost.statuses -= statuses;
            state.statuses.retain(|status| status.turn != number);
            let Some(mut turn) = state.turns.pop_front() else { return };
            if self.rules.check_mark && !turn.is_acknowledged() {
                self.violations.add(chat, number, "no ✓", "the question was answered without it".to_owned());
            }
            // A driver that has given up does not listen.
            let _nobody = turn.ended.take().map(|ended| ended.send(()));
            state.ended = Some(turn);
            state.next_begins(now);
            self.open_turns -= 1;
        }
    }
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
