//! The body of a Chat Completions request.

use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;

use super::Request;
use crate::domain::chat::{ChatMessage, ToolSpec};

/// How the answer is to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Delivery {
    /// All at once.
    Whole,
    /// As it is written, with the usage at the end.
    Stream,
    /// As it is written, from a provider that does not know `stream_options`.
    PlainStream,
}

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    messages: Vec<&'a ChatMessage>,
    stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_options: Option<StreamOptions>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Tool<'a>>,
}

#[derive(Serialize)]
struct StreamOptions {
    include_usage: bool,
}

#[derive(Serialize)]
struct Tool<'a> {
    r#type: &'static str,
    function: Function<'a>,
}

#[derive(Serialize)]
struct Function<'a> {
    name: &'a str,
    description: &'a str,
    parameters: &'a Value,
}

/// The request as JSON.
pub(super) fn body(
    model: &str,
    temperature: Option<f64>,
    request: &Request,
    delivery: Delivery,
) -> serde_json::Result<Vec<u8>> {
    // A history of some length is written without growing again and again.
    let content = |message: &Arc<ChatMessage>| message.content.as_ref().map_or(0, String::len);
    let content_bytes: usize = request.messages.iter().map(content).sum();
    let mut json = Vec::with_capacity(content_bytes + content_bytes / 8 + 4_096);
    let body = Body {
        model,
        messages: request.messages.iter().map(Arc::as_ref).collect(),
        stream: delivery != Delivery::Whole,
        stream_options: (delivery == Delivery::Stream).then_some(StreamOptions { include_usage: true }),
        temperature: temperature.filter(|temperature| temperature.is_finite()),
        tools: request.tools.iter().map(tool).collect(),
    };
    serde_json::to_writer(&mut json, &body)?;
    Ok(json)
}

fn tool(spec: &ToolSpec) -> Tool<'_> {
    let function = Function { name: spec.name, description: spec.description, parameters: &spec.parameters };
    Tool { r#type: "function", function }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn sent(tools: Vec<ToolSpec>, delivery: Delivery) -> Value {
        let request = Request { messages: vec![ChatMessage::user("hi").into()], tools: tools.into() };
        serde_json::from_slice(&body("m", Some(0.5), &request, delivery).unwrap()).unwrap()
    }

    #[test]
    fn a_whole_call_asks_for_no_stream_and_leaves_out_empty_tools() {
        let expected = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}], "stream": false,
            "temperature": 0.5});
        assert_eq!(sent(Vec::new(), Delivery::Whole), expected);
    }

    #[test]
    fn a_stream_asks_for_the_usage_where_it_may() {
        assert_eq!(sent(Vec::new(), Delivery::Stream)["stream_options"], json!({"include_usage": true}));
        assert_eq!(sent(Vec::new(), Delivery::PlainStream).get("stream_options"), None);
    }

    #[test]
    fn tools_are_functions() {
        let spec = ToolSpec { name: "t", description: "d", parameters: json!({"type": "object"}) };
        let expected = json!([{"type": "function",
            "function": {"name": "t", "description": "d", "parameters": {"type": "object"}}}]);
        assert_eq!(sent(vec![spec], Delivery::Whole)["tools"], expected);
    }
}
