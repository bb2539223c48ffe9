//! The rules of one turn: when the model is asked, when tools run, and what the answer is.

use super::chat::{ChatMessage, Reply, Role, ToolCall, Usage};
use serde::{Deserialize, Serialize};

/// How the first model call of a turn is made. Calls after tool results always stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FirstCall {
    /// Not streamed: an answer without tools comes in one piece.
    #[default]
    Whole,
    /// Streamed: the first words arrive sooner.
    Stream,
}

/// What an operator decides about turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TurnRules {
    /// How the first call is made.
    pub first_call: FirstCall,
    /// How often the model may have tools run before it must answer.
    pub max_tool_rounds: u32,
    /// Characters of a tool's result that the model is given; the rest is cut.
    pub max_tool_result_chars: usize,
}

/// What a turn needs next.
#[derive(Debug, Clone, PartialEq)]
pub enum Next {
    /// Ask the model.
    Ask {
        /// Whether the answer is to be streamed.
        streamed: bool,
        /// Whether tools are offered; not once the rounds are used up.
        with_tools: bool,
    },
    /// Run these tools, all at once.
    RunTools(Vec<ToolCall>),
    /// The answer is complete.
    Answered,
    /// There is no answer.
    Failed(Failure),
}

/// Why a turn ended without an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// For the operator and the record.
    pub reason: String,
    /// For the person in the chat; none where they can't be reached.
    pub for_user: Option<String>,
}

impl Failure {
    /// A failure that the user is told about.
    pub fn told(reason: impl Into<String>, for_user: impl Into<String>) -> Self {
        Self { reason: reason.into(), for_user: Some(for_user.into()) }
    }

    /// A failure whose user can't be reached.
    pub fn silent(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), for_user: None }
    }
}

/// A turn in progress: this turn's messages and the answer so far.
#[derive(Debug, Clone)]
pub struct Turn {
    rules: TurnRules,
    /// The user's message, then each round of tool calls and results.
    messages: Vec<ChatMessage>,
    answer: String,
    rounds: u32,
    /// Text of the running call has been shown.
    spoke: bool,
    usage: Option<Usage>,
}

impl Turn {
    /// A turn that asks `question`, and its first step.
    pub fn begin(rules: TurnRules, question: impl Into<String>) -> (Self, Next) {
        let messages = vec![ChatMessage::user(question)];
        let turn = Self { rules, messages, answer: String::new(), rounds: 0, spoke: false, usage: None };
        let next = Next::Ask {
            streamed: rules.first_call == FirstCall::Stream,
            with_tools: rules.max_tool_rounds > 0,
        };
        (turn, next)
    }

    /// A turn whose answer is complete and on record, with its stored messages.
    pub fn recorded(rules: TurnRules, mut messages: Vec<ChatMessage>) -> Self {
        let answer = messages.pop().and_then(|message| message.content).unwrap_or_default();
        Self { rules, messages, answer, rounds: 0, spoke: false, usage: None }
    }

    /// Takes text that the model wrote for the user; returns what to show for it.
    ///
    /// Text written before a round of tools and text written after it are two paragraphs.
    pub fn heard(&mut self, text: String) -> String {
        let new_paragraph = !self.spoke && !self.answer.is_empty();
        self.spoke = true;
        let shown = if new_paragraph { format!("\n\n{text}") } else { text };
        self.answer.push_str(&shown);
        shown
    }

    /// Takes the end of a model call.
    pub fn replied(&mut self, reply: Reply) -> Next {
        if let Some(usage) = reply.usage {
            *self.usage.get_or_insert_default() += usage;
        }
        if self.wants_tools(&reply) {
            return self.tools_wanted(reply);
        }
        match (self.answer.trim().is_empty(), reply.tool_calls.is_empty()) {
            (false, _) => Next::Answered,
            (true, true) => Next::Failed(empty_answer(reply.finish_reason.as_deref())),
            (true, false) => Next::Failed(self.rounds_exhausted()),
        }
    }

    /// Whether the reply asks for tools that it may still have; its text is then no answer.
    pub fn wants_tools(&self, reply: &Reply) -> bool {
        !reply.tool_calls.is_empty() && self.rounds < self.rules.max_tool_rounds
    }

    fn tools_wanted(&mut self, reply: Reply) -> Next {
        self.rounds += 1;
        // What was shown belongs to the one final content; it would stand in the transcript twice.
        let content = (!self.spoke && !reply.content.is_empty()).then_some(reply.content);
        self.spoke = false;
        let tool_calls = reply.tool_calls;
        self.messages.push(ChatMessage {
            role: Role::Assistant,
            content,
            tool_calls: tool_calls.clone(),
            tool_call_id: None,
        });
        Next::RunTools(tool_calls)
    }

    fn rounds_exhausted(&self) -> Failure {
        Failure::told(
            format!("the model still asked for tools after {} rounds (llm.max_tool_rounds)", self.rounds),
            "I used all the tool calls I am allowed without finding an answer. Please ask in smaller steps.",
        )
    }

    /// Takes the results of a round, in the order of its calls.
    pub fn tools_ran(&mut self, results: impl IntoIterator<Item = (String, String)>) -> Next {
        let limit = self.rules.max_tool_result_chars;
        let messages = results.into_iter().map(|(id, text)| ChatMessage::tool(id, shorten(text, limit)));
        self.messages.extend(messages);
        Next::Ask { streamed: true, with_tools: self.rounds < self.rules.max_tool_rounds }
    }

    /// The answer so far, as shown or about to be.
    pub fn answer(&self) -> &str {
        &self.answer
    }

    /// This turn's messages so far.
    pub fn messages(&self) -> &[ChatMessage] {
        &self.messages
    }

    /// Tokens of all calls so far.
    pub fn usage(&self) -> Option<Usage> {
        self.usage
    }

    /// The turn's messages as they are stored when the answer is complete.
    pub fn answered(&self) -> Vec<ChatMessage> {
        let mut messages = self.messages.clone();
        messages.push(ChatMessage::assistant(self.answer.trim_end()));
        messages
    }

    /// The turn's messages as they are stored when the user ended it after `shown_bytes` of the
    /// answer: what was shown is the answer, and a round of tools without results is left out.
    pub fn stopped(&self, shown_bytes: usize) -> Vec<ChatMessage> {
        let mut messages = self.messages.clone();
        if messages.last().is_some_and(|message| !message.tool_calls.is_empty()) {
            messages.pop();
        }
        let shown = self.answer.get(..shown_bytes).unwrap_or(&self.answer);
        if !shown.trim().is_empty() {
            messages.push(ChatMessage::assistant(shown));
        }
        messages
    }
}

/// An answer of marks alone: there is nothing in it that a chat can show.
pub fn nothing_to_show() -> Failure {
    Failure::told("the model's answer has nothing that a chat can show", EMPTY)
}

const EMPTY: &str = "My language model gave an empty answer. Send /retry to ask again.";

fn empty_answer(finish_reason: Option<&str>) -> Failure {
    let reason =
        format!("the model's answer has no text (finish_reason {})", finish_reason.unwrap_or("none"));
    let for_user = match finish_reason {
        Some("length") => {
            "I thought so long that no room was left for an answer. Please ask in smaller steps."
        }
        Some("content_filter") => "My language model's provider does not let me answer this.",
        _ => EMPTY,
    };
    Failure::told(reason, for_user)
}

fn shorten(text: String, max_chars: usize) -> String {
    match text.char_indices().nth(max_chars) {
        None => text,
        Some((end, _)) => format!("{}… (cut after {max_chars} characters)", &text[..end]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: TurnRules =
        TurnRules { first_call: FirstCall::Whole, max_tool_rounds: 2, max_tool_result_chars: 10 };

    fn text(content: &str) -> Reply {
        Reply { content: content.into(), finish_reason: Some("stop".into()), ..Reply::default() }
    }

    fn tools(content: &str) -> Reply {
        let call = ToolCall::function("c1", "calculate", "{}");
        Reply { content: content.into(), tool_calls: vec![call], ..Reply::default() }
    }

    #[test]
    fn a_direct_answer() {
        let (mut turn, next) = Turn::begin(RULES, "hi");
        assert_eq!(next, Next::Ask { streamed: false, with_tools: true });
        turn.heard("hello ".into());
        assert_eq!(turn.replied(text("hello ")), Next::Answered);
        assert_eq!(turn.answered(), [ChatMessage::user("hi"), ChatMessage::assistant("hello")]);
    }

    #[test]
    fn tools_then_a_streamed_answer_until_the_rounds_are_used_up() {
        let (mut turn, _) = Turn::begin(RULES, "hi");
        assert!(matches!(turn.replied(tools("let me see")), Next::RunTools(calls) if calls.len() == 1));
        let next = turn.tools_ran([("c1".to_owned(), "0123456789abc".to_owned())]);
        assert_eq!(next, Next::Ask { streamed: true, with_tools: true });
        assert_eq!(turn.messages()[1].content.as_deref(), Some("let me see"));
        let result = turn.messages()[2].content.clone().unwrap();
        assert_eq!(result, "0123456789… (cut after 10 characters)");
        turn.replied(tools(""));
        let next = turn.tools_ran([("c1".to_owned(), "4".to_owned())]);
        assert_eq!(next, Next::Ask { streamed: true, with_tools: false });
        assert!(matches!(turn.replied(tools("")), Next::Failed(failure) if failure.for_user.is_some()));
    }

    #[test]
    fn text_before_and_after_tools_is_one_answer_in_two_paragraphs() {
        let (mut turn, _) = Turn::begin(RULES, "hi");
        turn.heard("Let me see.".into());
        turn.replied(tools("Let me see."));
        turn.tools_ran([("c1".to_owned(), "4".to_owned())]);
        assert_eq!(turn.heard("It is".into()), "\n\nIt is");
        turn.heard(" 4.".into());
        assert_eq!(turn.replied(text("It is 4.")), Next::Answered);
        let stored = turn.answered();
        assert_eq!(stored[1].content, None);
        assert_eq!(stored.last().unwrap().content.as_deref(), Some("Let me see.\n\nIt is 4."));
    }

    #[test]
    fn an_empty_answer_is_a_failure() {
        for reply in ["", " \n"] {
            let (mut turn, _) = Turn::begin(RULES, "hi");
            turn.heard(reply.into());
            assert!(matches!(turn.replied(text(reply)), Next::Failed(_)));
        }
    }

    #[test]
    fn a_stopped_answer_is_what_was_shown() {
        let (mut turn, _) = Turn::begin(RULES, "hi");
        turn.replied(tools(""));
        assert_eq!(turn.stopped(0), [ChatMessage::user("hi")]);
        turn.tools_ran([("c1".to_owned(), "4".to_owned())]);
        turn.heard("It is four.".into());
        assert_eq!(turn.stopped(5).last(), Some(&ChatMessage::assistant("It is")));
    }
}
