//! What the model is told of the conversation so far.

use std::collections::VecDeque;
use std::sync::Arc;

use uuid::Uuid;

use super::chat::{ChatMessage, Role};
use super::record::{Kind, State, StoredTurn};

/// How much of a conversation the model reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Turns, the newest.
    pub max_turns: usize,
    /// Characters of all their messages together.
    pub max_chars: usize,
}

/// The turns of a session, oldest first.
#[derive(Debug, Clone)]
pub struct History {
    session: Uuid,
    limits: Limits,
    turns: VecDeque<Past>,
    last_question: Option<String>,
    /// Its answer is the newest of the turns.
    is_answered: bool,
}

#[derive(Debug, Clone)]
struct Past {
    messages: Vec<Arc<ChatMessage>>,
    chars: usize,
}

impl History {
    /// The history of `session`, from its stored turns, oldest first.
    pub fn new(session: Uuid, limits: Limits, turns: impl IntoIterator<Item = StoredTurn>) -> Self {
        let mut history =
            Self { session, limits, turns: VecDeque::new(), last_question: None, is_answered: false };
        for turn in turns {
            let answered = matches!(turn.state, State::Answered | State::Delivered)
                && turn.messages.last().is_some_and(is_an_answer);
            history.ended(turn.kind, turn.messages, answered);
        }
        history
    }

    /// The session it belongs to.
    pub fn session(&self) -> Uuid {
        self.session
    }

    /// Takes a turn that has ended. An unanswered question is not told to the model, but can be
    /// asked again; a retried question takes the place of the one before. A retry without an
    /// answer changes nothing: its question is the one before, or there was none.
    pub fn ended(&mut self, kind: Kind, messages: Vec<ChatMessage>, answered: bool) {
        if !(kind == Kind::Text || kind == Kind::Retry && answered) {
            return;
        }
        let question = messages.first().and_then(|message| message.content.clone());
        if kind == Kind::Retry && self.repeats_newest(question.as_deref()) {
            self.turns.pop_back();
        }
        self.last_question = question;
        self.is_answered = answered;
        if answered {
            let chars = messages.iter().map(message_chars).sum();
            self.turns.push_back(Past { messages: messages.into_iter().map(Arc::new).collect(), chars });
            self.trim();
        }
    }

    /// The question that `/retry` asks again.
    pub fn last_question(&self) -> Option<&str> {
        self.last_question.as_deref()
    }

    /// The messages to put before the question `next`. The turn that it repeats is left out with
    /// `retry`.
    pub fn messages(&self, retry: Option<&str>) -> impl Iterator<Item = &Arc<ChatMessage>> {
        let kept = self.turns.len() - usize::from(self.repeats_newest(retry));
        self.turns.iter().take(kept).flat_map(|turn| &turn.messages)
    }

    /// Whether asking `question` again repeats the newest turn, and not one after it that has no answer.
    fn repeats_newest(&self, question: Option<&str>) -> bool {
        let newest = self.turns.back().and_then(|turn| turn.messages.first()?.content.as_deref());
        self.is_answered && question.is_some() && newest == question
    }

    fn trim(&mut self) {
        let mut chars: usize = self.turns.iter().map(|turn| turn.chars).sum();
        while self.turns.len() > self.limits.max_turns || chars > self.limits.max_chars {
            let Some(oldest) = self.turns.pop_front() else { return };
            chars -= oldest.chars;
        }
    }
}

/// A turn that was stopped before its first words is delivered too, and may end with calls of tools: a provider
/// refuses those that nothing answers.
fn is_an_answer(last: &ChatMessage) -> bool {
    last.role == Role::Assistant && last.tool_calls.is_empty()
}

fn message_chars(message: &ChatMessage) -> usize {
    let calls = message.tool_calls.iter().map(|call| call.function.arguments.chars().count());
    let texts = [&message.content, &message.reasoning_content].into_iter().flatten();
    texts.map(|text| text.chars().count()).sum::<usize>() + calls.sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::chat::ToolCall;
    use crate::domain::ids::{ChatKey, TurnId};
    use crate::domain::record::{NewTurn, Place, User};

    const LIMITS: Limits = Limits { max_turns: 3, max_chars: 40 };

    fn asked(history: &mut History, kind: Kind, question: &str, answer: Option<&str>) {
        let mut messages = vec![ChatMessage::user(question)];
        messages.extend(answer.map(ChatMessage::assistant));
        history.ended(kind, messages, answer.is_some());
    }

    fn contents(history: &History, retry: Option<&str>) -> Vec<String> {
        history.messages(retry).filter_map(|message| message.content.clone()).collect()
    }

    #[test]
    fn keeps_the_newest_turns_that_fit() {
        let mut history = History::new(Uuid::nil(), LIMITS, []);
        for number in 0..5 {
            asked(&mut history, Kind::Text, &format!("q{number}"), Some("a"));
        }
        assert_eq!(contents(&history, None), ["q2", "a", "q3", "a", "q4", "a"]);
        asked(&mut history, Kind::Text, "long", Some(&"x".repeat(34)));
        assert_eq!(contents(&history, None).len(), 2);
        asked(&mut history, Kind::Text, "too long", Some(&"x".repeat(50)));
        assert!(contents(&history, None).is_empty());
    }

    #[test]
    fn a_retry_replaces_the_turn_it_repeats() {
        let mut history = History::new(Uuid::nil(), LIMITS, []);
        asked(&mut history, Kind::Text, "q1", Some("a1"));
        asked(&mut history, Kind::Text, "q2", Some("bad"));
        assert_eq!(history.last_question(), Some("q2"));
        assert_eq!(contents(&history, Some("q2")), ["q1", "a1"]);
        asked(&mut history, Kind::Retry, "q2", Some("good"));
        assert_eq!(contents(&history, None), ["q1", "a1", "q2", "good"]);
    }

    #[test]
    fn an_unanswered_question_can_be_asked_again_but_is_not_told() {
        let mut history = History::new(Uuid::nil(), LIMITS, []);
        asked(&mut history, Kind::Text, "q1", Some("a1"));
        asked(&mut history, Kind::Text, "lost", None);
        assert_eq!(history.last_question(), Some("lost"));
        assert_eq!(contents(&history, Some("lost")), ["q1", "a1"]);
    }

    #[test]
    fn a_retry_of_a_question_without_an_answer_leaves_an_earlier_one_of_the_same_words() {
        let mut history = History::new(Uuid::nil(), LIMITS, []);
        asked(&mut history, Kind::Text, "go on", Some("a1"));
        asked(&mut history, Kind::Text, "go on", None);
        assert_eq!(contents(&history, Some("go on")), ["go on", "a1"]);
        asked(&mut history, Kind::Retry, "go on", Some("a2"));
        assert_eq!(contents(&history, None), ["go on", "a1", "go on", "a2"]);
        assert_eq!(contents(&history, Some("go on")), ["go on", "a1"]);
    }

    fn stored(seq: i64, kind: Kind, messages: Vec<ChatMessage>, state: State) -> StoredTurn {
        let new = NewTurn {
            id: TurnId { bot: 1, update: seq },
            key: ChatKey { bot: 1, chat: 2, topic: None },
            user: User::default(),
            message_id: seq,
            date_s: 0,
            kind,
            text: String::new(),
            accepted_at_ms: 0,
        };
        let turn = StoredTurn::accepted(new, Place { seq, session: Uuid::nil() });
        StoredTurn { messages, state, ..turn }
    }

    #[test]
    fn a_retry_without_an_answer_leaves_the_question_as_it_was() {
        let mut history = History::new(Uuid::nil(), LIMITS, []);
        asked(&mut history, Kind::Retry, "/retry", None);
        assert_eq!(history.last_question(), None);
        asked(&mut history, Kind::Text, "q1", None);
        asked(&mut history, Kind::Retry, "q1", None);
        assert_eq!(history.last_question(), Some("q1"));
        // On record such a turn still has the command for its question.
        let turns = [
            stored(1, Kind::Text, vec![ChatMessage::user("q1")], State::Failed),
            stored(2, Kind::Retry, vec![ChatMessage::user("/retry")], State::Failed),
            stored(3, Kind::Retry, vec![ChatMessage::user("/retry")], State::Delivered),
        ];
        let history = History::new(Uuid::nil(), LIMITS, turns);
        assert_eq!(history.last_question(), Some("q1"));
        assert!(contents(&history, None).is_empty());
    }

    #[test]
    fn a_turn_stopped_before_its_first_words_is_not_told() {
        let turns = [stored(1, Kind::Text, vec![ChatMessage::user("q1")], State::Delivered)];
        let history = History::new(Uuid::nil(), LIMITS, turns);
        assert!(contents(&history, None).is_empty());
        assert_eq!(history.last_question(), Some("q1"));
    }

    #[test]
    fn calls_of_tools_that_nothing_answers_are_not_told() {
        let calls = ChatMessage {
            tool_calls: vec![ToolCall::function("call_1", "clock", "{}")],
            ..ChatMessage::assistant("let me see")
        };
        let turns = [stored(1, Kind::Text, vec![ChatMessage::user("q1"), calls], State::Delivered)];
        assert!(contents(&History::new(Uuid::nil(), LIMITS, turns), None).is_empty());
    }
}
