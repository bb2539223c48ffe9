//! What a request asks: the last question, and how far its turn has come.

use serde_json::Value;

use crate::domain::chat::{ChatMessage, Role, ToolCall, ToolSpec};

/// A tool as the request offers it.
#[derive(Debug, Clone, PartialEq)]
pub struct Offered {
    /// Its name.
    pub name: String,
    /// JSON schema of its arguments.
    pub parameters: Value,
}

impl From<&ToolSpec> for Offered {
    fn from(spec: &ToolSpec) -> Self {
        Self { name: spec.name.to_owned(), parameters: spec.parameters.clone() }
    }
}

/// A tool call of this turn and what came of it.
pub(super) struct Served<'a> {
    pub(super) call: &'a ToolCall,
    pub(super) result: &'a str,
}

/// The turn that a request belongs to.
pub(super) struct Turn<'a> {
    /// The last thing that the person said.
    pub(super) question: &'a str,
    /// How often the model has asked for tools since.
    pub(super) rounds: usize,
    /// The results since.
    pub(super) served: Vec<Served<'a>>,
}

impl<'a> Turn<'a> {
    /// Reads the turn from a request's messages.
    pub(super) fn read(messages: &'a [ChatMessage]) -> Self {
        let last = messages.iter().rposition(|message| message.role == Role::User);
        let question = last.and_then(|at| messages[at].content.as_deref()).unwrap_or_default();
        let since = &messages[last.map_or(0, |at| at + 1)..];
        let rounds = since.iter().filter(|message| !message.tool_calls.is_empty()).count();
        let calls = since.iter().flat_map(|message| &message.tool_calls);
        let result = |call: &ToolCall| {
            let answers = |message: &&ChatMessage| message.tool_call_id.as_deref() == Some(&call.id);
            since.iter().rev().find(answers)?.content.as_deref()
        };
        let served = calls.filter_map(|call| Some(Served { call, result: result(call)? })).collect();
        Self { question, rounds, served }
    }
}
