//! The Chat Completions shape: the messages that the model reads and writes.
//!
//! Names and JSON follow the API, because the same values travel to the model, into the store and
//! into exports.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Who wrote a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The instructions.
    System,
    /// The person in the chat.
    User,
    /// The model.
    Assistant,
    /// A tool's result.
    Tool,
}

/// One message of a conversation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChatMessage {
    /// Who wrote it.
    pub role: Role,
    /// The text; `null` where an assistant message only asks for tools.
    #[serde(default)]
    pub content: Option<String>,
    /// The tools that an assistant message asks for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<ToolCall>,
    /// On a tool's result: the call that it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_call_id: Option<String>,
    /// What the model thought before it asked for tools. DeepSeek and Kimi want it back with the calls, or
    /// refuse all that follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning_content: Option<String>,
}

impl ChatMessage {
    /// The instructions that stand before every conversation.
    pub fn system(text: impl Into<String>) -> Self {
        Self::text(Role::System, text)
    }

    /// What the person said.
    pub fn user(text: impl Into<String>) -> Self {
        Self::text(Role::User, text)
    }

    /// What the model answered.
    pub fn assistant(text: impl Into<String>) -> Self {
        Self::text(Role::Assistant, text)
    }

    /// A tool's result, for the call `tool_call_id`.
    pub fn tool(tool_call_id: impl Into<String>, result: impl Into<String>) -> Self {
        Self { tool_call_id: Some(tool_call_id.into()), ..Self::text(Role::Tool, result) }
    }

    fn text(role: Role, text: impl Into<String>) -> Self {
        Self {
            role,
            content: Some(text.into()),
            tool_calls: Vec::new(),
            tool_call_id: None,
            reasoning_content: None,
        }
    }
}

/// A tool call as the model asks for it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolCall {
    /// The provider's id of the call; results refer to it. Never empty here: a provider that
    /// sends none gets a made-up one.
    pub id: String,
    /// Always `function`.
    #[serde(rename = "type", default = "function_type")]
    pub kind: String,
    /// Which function, with what.
    pub function: FunctionCall,
    /// What a provider wants back untouched with the call (Gemini's thought signatures).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extra_content: Option<Value>,
}

impl ToolCall {
    /// A call of the function `name` with `arguments` (JSON text).
    pub fn function(id: impl Into<String>, name: impl Into<String>, arguments: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            kind: function_type(),
            function: FunctionCall { name: name.into(), arguments: arguments.into() },
            extra_content: None,
        }
    }
}

fn function_type() -> String {
    "function".to_owned()
}

/// The function of a tool call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FunctionCall {
    /// The tool's name.
    pub name: String,
    /// JSON text, as the model wrote it: not always valid.
    #[serde(default)]
    pub arguments: String,
}

/// A tool as it is offered to the model.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolSpec {
    /// Letters, digits and underscores.
    pub name: &'static str,
    /// What it does and when to use it, for the model.
    pub description: &'static str,
    /// JSON schema of its arguments.
    pub parameters: Value,
}

/// A complete answer of the model, however it came.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Reply {
    /// The text; empty when there was none, or when it came before, as it was written.
    pub content: String,
    /// The tools asked for, in order of their index.
    pub tool_calls: Vec<ToolCall>,
    /// What it thought before it asked for tools, where the provider says so in `reasoning_content`.
    pub reasoning: Option<String>,
    /// Why it ended: `stop`, `tool_calls`, `length`, `content_filter`, or what a provider says.
    pub finish_reason: Option<String>,
    /// Tokens used, where the provider says.
    pub usage: Option<Usage>,
}

/// Tokens used by one or more model calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens read.
    #[serde(default)]
    pub prompt_tokens: u64,
    /// Tokens written.
    #[serde(default)]
    pub completion_tokens: u64,
    /// Both.
    #[serde(default)]
    pub total_tokens: u64,
}

impl std::ops::AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        self.prompt_tokens += other.prompt_tokens;
        self.completion_tokens += other.completion_tokens;
        self.total_tokens += other.total_tokens;
    }
}
