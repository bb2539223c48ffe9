//! The Chat Completions protocol: requests read, answers written.

use serde_json::{Value, json};

use crate::domain::chat::{ChatMessage, Reply, Role, ToolCall, Usage};

use super::ask::Offered;
use super::failure::Failure;
use super::script::{Script, Step};

/// A request as it came over the wire.
pub(super) struct Asked {
    pub(super) model: String,
    pub(super) messages: Vec<ChatMessage>,
    pub(super) tools: Vec<Offered>,
    pub(super) stream: bool,
    pub(super) include_usage: bool,
    pub(super) choices: usize,
}

impl Asked {
    /// Reads a request body.
    pub(super) fn read(body: &[u8]) -> Result<Self, Failure> {
        let bad = |message: &str| Failure { message: message.to_owned(), ..Failure::of_status(400) };
        let body: Value = serde_json::from_slice(body)
            .map_err(|_| bad("We could not parse the JSON body of your request."))?;
        let model = body["model"].as_str().filter(|name| !name.is_empty());
        let list = body["messages"].as_array().filter(|list| !list.is_empty());
        Ok(Self {
            model: model.ok_or_else(|| bad("you must provide a model parameter"))?.to_owned(),
            messages: list
                .ok_or_else(|| bad("Missing required parameter: 'messages'."))?
                .iter()
                .enumerate()
                .map(|(at, message)| {
                    read_message(message).ok_or_else(|| bad(&format!("Invalid value: 'messages[{at}]'.")))
                })
                .collect::<Result<_, _>>()?,
            tools: tools(&body),
            stream: body["stream"].as_bool().unwrap_or(false),
            include_usage: body["stream_options"]["include_usage"].as_bool().unwrap_or(false),
            choices: body["n"].as_u64().map_or(1, |n| n.clamp(1, 8) as usize),
        })
    }
}

fn read_message(message: &Value) -> Option<ChatMessage> {
    let role = match message["role"].as_str()? {
        "system" | "developer" => Role::System,
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "tool" | "function" => Role::Tool,
        _ => return None,
    };
    let calls = message["tool_calls"].as_array().into_iter().flatten();
    Some(ChatMessage {
        role,
        content: text_of(&message["content"]),
        tool_calls: calls
            .map(|call| serde_json::from_value::<ToolCall>(call.clone()).ok())
            .collect::<Option<_>>()?,
        tool_call_id: message["tool_call_id"].as_str().map(str::to_owned),
        reasoning_content: None,
    })
}

/// A content is a text or a list of parts.
fn text_of(content: &Value) -> Option<String> {
    match content {
        Value::String(text) => Some(text.clone()),
        Value::Array(parts) => Some(parts.iter().filter_map(|part| part["text"].as_str()).collect()),
        _ => None,
    }
}

/// `tool_choice: "none"` takes the tools away.
fn tools(body: &Value) -> Vec<Offered> {
    if body["tool_choice"] == "none" {
        return Vec::new();
    }
    let functions = body["tools"].as_array().into_iter().flatten().map(|tool| &tool["function"]);
    let offered = |function: &Value| {
        let name = function["name"].as_str()?.to_owned();
        Some(Offered { name, parameters: function["parameters"].clone() })
    };
    functions.filter_map(offered).collect()
}

/// Tokens, at four characters each.
pub(super) fn usage(messages: &[ChatMessage], script: &Script) -> Usage {
    let tokens = |chars: usize| chars.div_ceil(4) as u64;
    let read = messages
        .iter()
        .filter_map(|message| message.content.as_deref())
        .map(|text| text.chars().count())
        .sum();
    let written = script.steps.iter().map(|(_, step)| match step {
        Step::Delta(text) | Step::ToolCallFragment { arguments: text, .. } => text.chars().count(),
        _ => 0,
    });
    let (prompt_tokens, completion_tokens) = (tokens(read), tokens(written.sum()));
    Usage { prompt_tokens, completion_tokens, total_tokens: prompt_tokens + completion_tokens }
}

/// What all chunks and the whole answer of one request share.
#[derive(Clone)]
pub(super) struct Head {
    pub(super) id: String,
    pub(super) created: u64,
    pub(super) model: String,
    pub(super) choices: usize,
    pub(super) usage: Usage,
    pub(super) include_usage: bool,
}

impl Head {
    /// A `chat.completion`.
    pub(super) fn whole(&self, reply: &Reply) -> Value {
        let mut message = json!({"role": "assistant", "content": reply.content, "refusal": null});
        if !reply.tool_calls.is_empty() {
            message["tool_calls"] = json!(reply.tool_calls);
            if reply.content.is_empty() {
                message["content"] = Value::Null;
            }
        }
        let choice = |index: usize| json!({"index": index, "message": message, "logprobs": null, "finish_reason": reply.finish_reason});
        let mut body = self.body("chat.completion", (0..self.choices).map(choice).collect());
        body["usage"] = json!(self.usage);
        body
    }

    /// The first chunk, which says who speaks.
    pub(super) fn opening(&self) -> String {
        self.chunk(&json!({"role": "assistant", "content": "", "refusal": null}), None)
    }

    /// The chunk of a step; nothing for those that are no chunk.
    pub(super) fn step(&self, step: &Step) -> Option<String> {
        match step {
            Step::Delta(text) => Some(self.chunk(&json!({"content": text}), None)),
            Step::ToolCallFragment { index, id, name, arguments } => {
                let mut call = json!({"index": index, "function": {"arguments": arguments}});
                if let (Some(id), Some(name)) = (id, name) {
                    call = json!({"index": index, "id": id, "type": "function", "function": {"name": name, "arguments": arguments}});
                }
                Some(self.chunk(&json!({"tool_calls": [call]}), None))
            }
            Step::End { finish_reason } => Some(self.closing(finish_reason)),
            Step::Error(failure) => Some(event(&failure.to_json())),
            Step::Garbage => Some("data: <html>{\"id\":\n\n".to_owned()),
            Step::Break | Step::Hang => None,
        }
    }

    fn closing(&self, finish_reason: &str) -> String {
        let mut text = self.chunk(&json!({}), Some(finish_reason));
        if self.include_usage {
            let mut last = self.body("chat.completion.chunk", Vec::new());
            last["usage"] = json!(self.usage);
            text += &event(&last);
        }
        text + "data: [DONE]\n\n"
    }

    fn chunk(&self, delta: &Value, finish_reason: Option<&str>) -> String {
        let choice = |index: usize| json!({"index": index, "delta": delta, "logprobs": null, "finish_reason": finish_reason});
        let one = |index: usize| {
            let mut chunk = self.body("chat.completion.chunk", vec![choice(index)]);
            if self.include_usage {
                chunk["usage"] = Value::Null;
            }
            event(&chunk)
        };
        (0..self.choices).map(one).collect()
    }

    fn body(&self, object: &str, choices: Vec<Value>) -> Value {
        json!({
            "id": self.id,
            "object": object,
            "created": self.created,
            "model": self.model,
            "service_tier": "default",
            "system_fingerprint": "fp_sandbox",
            "choices": choices,
        })
    }
}

impl Failure {
    /// The error body: `{"error": {…}}`.
    pub(super) fn to_json(&self) -> Value {
        json!({"error": {"message": self.message, "type": self.kind, "param": null, "code": self.code}})
    }
}

fn event(data: &Value) -> String {
    format!("data: {data}\n\n")
}
