//! The body of a Chat Completions request.

use memchr::memchr3_iter;
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
struct Head<'a> {
    model: &'a str,
    stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_options: Option<StreamOptions>,
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
pub(super) fn body(model: &str, request: &Request, delivery: Delivery) -> serde_json::Result<Vec<u8>> {
    // A history of some length is written without growing again and again.
    let content_bytes: usize =
        request.messages.iter().map(|message| message.content.as_ref().map_or(0, String::len)).sum();
    let mut json = Vec::with_capacity(content_bytes + content_bytes / 8 + 4_096);
    let head = Head {
        model,
        stream: delivery != Delivery::Whole,
        stream_options: (delivery == Delivery::Stream).then_some(StreamOptions { include_usage: true }),
        tools: request.tools.iter().map(tool).collect(),
    };
    serde_json::to_writer(&mut json, &head)?;
    // The messages become its last member.
    json.pop();
    json.extend(b",\"messages\":");
    let mut before = b'[';
    for message in &request.messages {
        json.push(before);
        write_message(&mut json, message)?;
        before = b',';
    }
    json.extend(if before == b'[' { &b"[]}"[..] } else { b"]}" });
    Ok(json)
}

/// A message, like serde_json; faster where there is nothing in it but text, as in nearly every one.
fn write_message(json: &mut Vec<u8>, message: &ChatMessage) -> serde_json::Result<()> {
    let ChatMessage { role, content: Some(content), tool_calls, tool_call_id: None, .. } = message else {
        return serde_json::to_writer(json, message);
    };
    if !tool_calls.is_empty() || message.reasoning_content.is_some() {
        return serde_json::to_writer(json, message);
    }
    json.extend(b"{\"role\":");
    serde_json::to_writer(&mut *json, role)?;
    json.extend(b",\"content\":");
    write_text(json, content)?;
    json.push(b'}');
    Ok(())
}

/// A string, like serde_json, which looks at each byte of a history of some ten thousand with every turn.
fn write_text(json: &mut Vec<u8>, text: &str) -> serde_json::Result<()> {
    let bytes = text.as_bytes();
    // Not `any`: without an early end, it is done for many bytes at once.
    let is_rare = bytes.iter().fold(false, |is_rare, byte| is_rare | (*byte < b' ' && *byte != b'\n'));
    if is_rare {
        return serde_json::to_writer(json, text);
    }
    json.push(b'"');
    let mut written = 0;
    for at in memchr3_iter(b'"', b'\\', b'\n', bytes) {
        json.extend_from_slice(&bytes[written..at]);
        json.extend([b'\\', if bytes[at] == b'\n' { b'n' } else { bytes[at] }]);
        written = at + 1;
    }
    json.extend_from_slice(&bytes[written..]);
    json.push(b'"');
    Ok(())
}

fn tool(spec: &ToolSpec) -> Tool<'_> {
    let function = Function { name: spec.name, description: spec.description, parameters: &spec.parameters };
    Tool { r#type: "function", function }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::chat::ToolCall;

    fn sent(tools: Vec<ToolSpec>, delivery: Delivery) -> Value {
        let request = Request { messages: vec![ChatMessage::user("hi").into()], tools: tools.into() };
        serde_json::from_slice(&body("m", &request, delivery).unwrap()).unwrap()
    }

    #[test]
    fn a_whole_call_asks_for_no_stream_and_leaves_out_empty_tools() {
        let expected =
            json!({"model": "m", "messages": [{"role": "user", "content": "hi"}], "stream": false});
        assert_eq!(sent(Vec::new(), Delivery::Whole), expected);
    }

    #[test]
    fn a_stream_asks_for_the_usage_where_it_may() {
        assert_eq!(sent(Vec::new(), Delivery::Stream)["stream_options"], json!({"include_usage": true}));
        assert_eq!(sent(Vec::new(), Delivery::PlainStream).get("stream_options"), None);
    }

    #[test]
    fn no_messages_are_an_empty_list() {
        let request = Request { messages: Vec::new(), tools: [].into() };
        let body: Value = serde_json::from_slice(&body("m", &request, Delivery::Whole).unwrap()).unwrap();
        assert_eq!(body["messages"], json!([]));
    }

    #[test]
    fn messages_are_written_as_serde_json_writes_them() {
        let call = ToolCall::function("c1", "f", "{\"a\":1}");
        let reasoning_content = Some("I'd better look".to_owned());
        let asks =
            ChatMessage { tool_calls: vec![call], reasoning_content, ..ChatMessage::assistant("I look") };
        let messages = [ChatMessage::system("be\nbrief"), asks, ChatMessage::tool("c1", "\"4\"")];
        let request = Request { messages: messages.clone().map(Into::into).into(), tools: [].into() };
        let body: Value = serde_json::from_slice(&body("m", &request, Delivery::Whole).unwrap()).unwrap();
        assert_eq!(body["messages"], json!(messages));
    }

    proptest::proptest! {
        #[test]
        fn text_is_written_as_serde_json_writes_it(text in "([a-zé🍞]|[\"\\\\/\n\u{7f}\u{2028}]|[\u{0}-\u{1f}]?){0,40}") {
            let mut written = Vec::new();
            write_text(&mut written, &text).unwrap();
            proptest::prop_assert_eq!(written, serde_json::to_vec(&text).unwrap());
        }
    }

    #[test]
    fn tools_are_functions() {
        let spec = ToolSpec { name: "t", description: "d", parameters: json!({"type": "object"}) };
        let expected = json!([{"type": "function",
            "function": {"name": "t", "description": "d", "parameters": {"type": "object"}}}]);
        assert_eq!(sent(vec![spec], Delivery::Whole)["tools"], expected);
    }
}
