//! The rules of one turn: when the model is asked, when tools run, and what the answer is.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::chat::{ChatMessage, Reply, Role, ToolCall, Usage};
use super::commands;

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
    /// Where in the answer it begins.
    said_from: usize,
    usage: Option<Usage>,
    /// The model was asked to go on with an answer that broke off; tools are not offered any more.
    continuing: bool,
    /// Why the last call ended.
    finish_reason: Option<String>,
}

/// A call as the provider is told of it later. Some refuse arguments that are no JSON object, though the model
/// wrote them (vLLM), or fail with them again and again (llama.cpp).
fn readable(mut call: ToolCall) -> ToolCall {
    let arguments = &mut call.function.arguments;
    if !serde_json::from_str::<Value>(arguments).is_ok_and(|arguments| arguments.is_object()) {
        *arguments = "{}".to_owned();
    }
    call
}

/// What stands between text that was written before a round of tools and after it.
const NEW_PARAGRAPH: &str = "\n\n";

/// What the model is told to go on with an answer that broke off.
const CONTINUE: &str = "Your answer above broke off in the middle because the connection failed. \
    Continue it from exactly the character where it stops: repeat nothing, add no remark, \
    and begin with a space only if one belongs there.";

impl Turn {
    /// A turn that asks `question`, and its first step.
    pub fn begin(rules: TurnRules, question: impl Into<String>) -> (Self, Next) {
        let turn = Self::with(rules, vec![ChatMessage::user(question)], String::new());
        let next = Next::Ask {
            streamed: rules.first_call == FirstCall::Stream,
            with_tools: rules.max_tool_rounds > 0,
        };
        (turn, next)
    }

    /// A turn whose answer is complete and on record, with its stored messages.
    pub fn recorded(rules: TurnRules, mut messages: Vec<ChatMessage>) -> Self {
        let answer = messages.pop().and_then(|message| message.content).unwrap_or_default();
        Self::with(rules, messages, answer)
    }

    /// A turn that was in the middle of its tools when the server stopped, with its stored messages:
    /// tools whose results are there are not run again.
    pub fn resume(rules: TurnRules, messages: Vec<ChatMessage>) -> (Self, Next) {
        let mut turn = Self::with(rules, messages, String::new());
        let rounds = turn.messages.iter().filter(|message| !message.tool_calls.is_empty()).count();
        turn.rounds = u32::try_from(rounds).unwrap_or(u32::MAX);
        let missing = turn.missing_results();
        let next = if missing.is_empty() { turn.ask_again() } else { Next::RunTools(missing) };
        (turn, next)
    }

    fn with(rules: TurnRules, messages: Vec<ChatMessage>, answer: String) -> Self {
        Self {
            rules,
            messages,
            answer,
            rounds: 0,
            spoke: false,
            said_from: 0,
            usage: None,
            continuing: false,
            finish_reason: None,
        }
    }

    /// Takes text that the model wrote for the user; returns what to show for it.
    ///
    /// Text written before a round of tools and text written after it are two paragraphs.
    pub fn heard(&mut self, text: String) -> String {
        let text_bytes = text.len();
        let begins = !self.spoke;
        let new_paragraph = self.next_is_a_paragraph();
        self.spoke = true;
        let shown = if new_paragraph { format!("{NEW_PARAGRAPH}{text}") } else { text };
        if self.answer.capacity() - self.answer.len() < shown.len() {
            // Doubled, it would be half empty, in each of many chats.
            self.answer.reserve_exact(shown.len().max(self.answer.len() / 4));
        }
        self.answer.push_str(&shown);
        if begins {
            self.said_from = self.answer.len() - text_bytes;
        }
        shown
    }

    fn next_is_a_paragraph(&self) -> bool {
        !self.spoke && !self.answer.is_empty()
    }

    /// Where in the answer, in bytes, the next text will stand.
    pub fn next_from(&self) -> usize {
        self.answer.len() + if self.next_is_a_paragraph() { NEW_PARAGRAPH.len() } else { 0 }
    }

    /// Takes the end of a model call.
    pub fn replied(&mut self, reply: Reply) -> Next {
        if let Some(usage) = reply.usage {
            *self.usage.get_or_insert_default() += usage;
        }
        if self.wants_tools(&reply) {
            return self.tools_wanted(reply);
        }
        // What was said before a round of tools is no answer, but one that broke off and has no more words is.
        let is_silent = self.said().trim().is_empty() && !self.continuing;
        self.finish_reason.clone_from(&reply.finish_reason);
        match (is_silent, reply.tool_calls.is_empty()) {
            (false, _) => Next::Answered,
            (true, true) => Next::Failed(empty_answer(reply.finish_reason.as_deref())),
            (true, false) => Next::Failed(self.rounds_exhausted()),
        }
    }

    /// What the user is to be told of an answer that the provider has ended before its end.
    pub fn cut_short(&self) -> Option<&'static str> {
        match self.finish_reason.as_deref() {
            Some("length") => Some(commands::CUT_BY_LENGTH),
            Some("content_filter") => Some(commands::CUT_BY_FILTER),
            _ => None,
        }
    }

    /// Whether the reply asks for tools that it may still have; its text is then no answer.
    pub fn wants_tools(&self, reply: &Reply) -> bool {
        !reply.tool_calls.is_empty() && self.rounds < self.rules.max_tool_rounds && !self.continuing
    }

    /// The model is asked to go on with the answer that broke off.
    pub fn continue_answer(&mut self) {
        self.continuing = true;
        self.said_from = self.answer.len();
    }

    /// Whether the next call is to go on with an answer that broke off.
    pub fn is_continuing(&self) -> bool {
        self.continuing
    }

    fn tools_wanted(&mut self, reply: Reply) -> Next {
        self.rounds += 1;
        // What was shown belongs to the one final content; it would stand in the transcript twice.
        let content = (!self.spoke && !reply.content.is_empty()).then_some(reply.content);
        self.spoke = false;
        self.messages.push(ChatMessage {
            role: Role::Assistant,
            content,
            tool_calls: reply.tool_calls.iter().cloned().map(readable).collect(),
            tool_call_id: None,
            reasoning_content: reply.reasoning,
        });
        Next::RunTools(reply.tool_calls)
    }

    fn rounds_exhausted(&self) -> Failure {
        Failure::told(
            format!("the model still asked for tools after {} rounds (llm.max_tool_rounds)", self.rounds),
            "I used all the tool calls I am allowed without finding an answer. Please ask in smaller steps.",
        )
    }

    /// Takes a tool's result; results stand in the order of their calls, whenever they come. With
    /// the last of a round comes what is next.
    pub fn tool_ran(&mut self, call_id: &str, result: String) -> Option<Next> {
        let (asked, calls) = self.last_round()?;
        let order = |id: &str| calls.iter().position(|call| call.id == id);
        let place = self.messages[asked + 1..]
            .iter()
            .take_while(|there| there.tool_call_id.as_deref().and_then(order) < order(call_id))
            .count();
        let message = ChatMessage::tool(call_id, shorten(result, self.rules.max_tool_result_chars));
        self.messages.insert(asked + 1 + place, message);
        self.missing_results().is_empty().then(|| self.ask_again())
    }

    fn ask_again(&self) -> Next {
        Next::Ask { streamed: true, with_tools: self.rounds < self.rules.max_tool_rounds }
    }

    /// The last message that asks for tools, and its calls.
    fn last_round(&self) -> Option<(usize, Vec<ToolCall>)> {
        let asked = self.messages.iter().rposition(|message| !message.tool_calls.is_empty())?;
        Some((asked, self.messages[asked].tool_calls.clone()))
    }

    fn missing_results(&self) -> Vec<ToolCall> {
        let Some((asked, mut calls)) = self.last_round() else { return Vec::new() };
        // A provider may give two calls the same id: each result answers one of them.
        let results = self.messages[asked + 1..].iter();
        let mut there: Vec<_> = results.filter_map(|message| message.tool_call_id.as_deref()).collect();
        calls.retain(|call| match there.iter().position(|id| *id == call.id) {
            Some(position) => {
                there.swap_remove(position);
                false
            }
            None => true,
        });
        calls
    }

    /// The answer so far, as shown or about to be.
    pub fn answer(&self) -> &str {
        &self.answer
    }

    /// Whether the model call that is running has brought text.
    pub fn spoke(&self) -> bool {
        self.spoke
    }

    /// The text of the model call that is running.
    pub fn said(&self) -> &str {
        let said = self.answer.get(self.said_from..).filter(|_| self.spoke);
        said.unwrap_or_default()
    }

    /// This turn's messages so far.
    pub fn messages(&self) -> &[ChatMessage] {
        &self.messages
    }

    /// What the model is told when it is to go on with an answer that broke off; otherwise nothing.
    pub fn continuation(&self) -> impl Iterator<Item = ChatMessage> {
        let told =
            self.continuing.then(|| [ChatMessage::assistant(&*self.answer), ChatMessage::user(CONTINUE)]);
        told.into_iter().flatten()
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
        // A round whose tools have not all answered is left out.
        if !self.missing_results().is_empty()
            && let Some((asked, _)) = self.last_round()
        {
            messages.truncate(asked);
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
    fn what_a_call_says_is_told_from_what_was_said_before() {
        let (mut turn, _) = Turn::begin(RULES, "hi");
        assert_eq!((turn.next_from(), turn.said()), (0, ""));
        turn.heard("let me ".into());
        turn.heard("see".into());
        assert_eq!((turn.next_from(), turn.said()), (10, "let me see"));
        turn.replied(tools(""));
        assert_eq!((turn.next_from(), turn.said()), (12, ""));
        assert_eq!(turn.heard("well".into()), "\n\nwell");
        assert_eq!((turn.next_from(), turn.said()), (16, "well"));
        turn.continue_answer();
        turn.heard(", then".into());
        assert_eq!((turn.said(), turn.answer()), (", then", "let me see\n\nwell, then"));
    }

    #[test]
    fn tools_then_a_streamed_answer_until_the_rounds_are_used_up() {
        let (mut turn, _) = Turn::begin(RULES, "hi");
        assert!(matches!(turn.replied(tools("let me see")), Next::RunTools(calls) if calls.len() == 1));
        let next = turn.tool_ran("c1", "0123456789abc".to_owned());
        assert_eq!(next, Some(Next::Ask { streamed: true, with_tools: true }));
        assert_eq!(turn.messages()[1].content.as_deref(), Some("let me see"));
        let result = turn.messages()[2].content.clone().unwrap();
        assert_eq!(result, "0123456789… (cut after 10 characters)");
        turn.replied(tools(""));
        let next = turn.tool_ran("c1", "4".to_owned());
        assert_eq!(next, Some(Next::Ask { streamed: true, with_tools: false }));
        assert!(matches!(turn.replied(tools("")), Next::Failed(failure) if failure.for_user.is_some()));
    }

    #[test]
    fn a_provider_is_told_of_calls_that_it_can_read_and_the_tools_what_the_model_wrote() {
        for arguments in ["", "{\"note\": \"The", "[1]", "null"] {
            let (mut turn, _) = Turn::begin(RULES, "hi");
            let asked = vec![
                ToolCall::function("c1", "calculate", arguments),
                ToolCall::function("c2", "calculate", "{\"a\": 1}"),
            ];
            let reply = Reply { tool_calls: asked.clone(), reasoning: Some("I look".into()), ..tools("") };
            assert_eq!(turn.replied(reply), Next::RunTools(asked));
            let told = &turn.messages()[1];
            let told_arguments: Vec<_> =
                told.tool_calls.iter().map(|call| &*call.function.arguments).collect();
            assert_eq!(told_arguments, ["{}", "{\"a\": 1}"], "{arguments}");
            assert_eq!(told.reasoning_content.as_deref(), Some("I look"));
        }
    }

    #[test]
    fn text_before_and_after_tools_is_one_answer_in_two_paragraphs() {
        let (mut turn, _) = Turn::begin(RULES, "hi");
        turn.heard("Let me see.".into());
        turn.replied(tools("Let me see."));
        turn.tool_ran("c1", "4".to_owned());
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
    fn what_was_said_before_tools_is_no_answer() {
        let (mut turn, _) = Turn::begin(RULES, "hi");
        turn.heard("Let me look that up.".into());
        turn.replied(tools("Let me look that up."));
        turn.tool_ran("c1", "4".to_owned());
        turn.heard(" \n".into());
        assert!(matches!(turn.replied(text(" \n")), Next::Failed(_)));
        let (mut turn, _) = Turn::begin(RULES, "hi");
        turn.heard("It is".into());
        turn.continue_answer();
        assert_eq!(turn.replied(text("")), Next::Answered, "it broke off, and there was no more");
    }

    #[test]
    fn an_answer_that_the_provider_ended_is_said_to_be_cut_short() {
        for (reason, is_cut) in [("stop", false), ("length", true), ("content_filter", true)] {
            let (mut turn, _) = Turn::begin(RULES, "hi");
            turn.heard("It is fo".into());
            let reply = Reply { finish_reason: Some(reason.into()), ..text("It is fo") };
            assert_eq!((turn.replied(reply), turn.cut_short().is_some()), (Next::Answered, is_cut));
        }
    }

    #[test]
    fn a_stopped_answer_is_what_was_shown() {
        let (mut turn, _) = Turn::begin(RULES, "hi");
        turn.replied(tools(""));
        assert_eq!(turn.stopped(0), [ChatMessage::user("hi")]);
        turn.tool_ran("c1", "4".to_owned());
        turn.heard("It is four.".into());
        assert_eq!(turn.stopped(5).last(), Some(&ChatMessage::assistant("It is")));
    }

    #[test]
    fn results_stand_in_the_order_of_their_calls_and_none_is_asked_for_twice() {
        let (mut turn, _) = Turn::begin(RULES, "hi");
        let calls = ["c1", "c2", "c3"].map(|id| ToolCall::function(id, "calculate", "{}")).to_vec();
        turn.replied(Reply { tool_calls: calls, ..Reply::default() });
        assert_eq!(turn.tool_ran("c3", "3".to_owned()), None);
        assert_eq!(turn.tool_ran("c1", "1".to_owned()), None);
        let (mut resumed, next) = Turn::resume(RULES, turn.messages().to_vec());
        assert!(matches!(next, Next::RunTools(calls) if calls.len() == 1 && calls[0].id == "c2"));
        assert_eq!(
            resumed.tool_ran("c2", "2".to_owned()),
            Some(Next::Ask { streamed: true, with_tools: true })
        );
        let results: Vec<_> = resumed.messages()[2..].iter().map(|message| message.content.clone()).collect();
        assert_eq!(results, ["1", "2", "3"].map(|text| Some(text.to_owned())));
        let (_, next) = Turn::resume(RULES, resumed.messages().to_vec());
        assert_eq!(next, Next::Ask { streamed: true, with_tools: true });
    }

    #[test]
    fn an_answer_that_broke_off_goes_on_in_the_same_paragraph() {
        let (mut turn, _) = Turn::begin(RULES, "hi");
        turn.heard("It is fo".into());
        turn.continue_answer();
        let told: Vec<_> = turn.continuation().collect();
        assert_eq!(told[0], ChatMessage::assistant("It is fo"));
        assert_eq!(turn.heard("ur.".into()), "ur.");
        assert_eq!(turn.replied(tools("ur.")), Next::Answered);
        assert_eq!(turn.answered(), [ChatMessage::user("hi"), ChatMessage::assistant("It is four.")]);
    }
}
