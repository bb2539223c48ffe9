use serde_json::json;

use super::*;
use crate::domain::chat::ToolCall;

/// Joins events, each given as the delta of choice 0.
fn joined(deltas: &[Value]) -> Reply {
    let events = deltas.iter().map(|delta| json!({"choices": [{"index": 0, "delta": delta}]}).to_string());
    pushed(events).unwrap()
}

fn calls(deltas: &[Value]) -> Vec<ToolCall> {
    joined(&deltas.iter().map(|calls| json!({"tool_calls": calls})).collect::<Vec<_>>()).tool_calls
}

fn pushed(events: impl IntoIterator<Item = impl AsRef<str>>) -> Result<Reply, ModelError> {
    let (mut builder, mut text) = (ReplyBuilder::default(), String::new());
    events.into_iter().try_for_each(|event| builder.push(event.as_ref(), &mut text))?;
    let reply = builder.finish();
    Ok(Reply { content: text + &reply.content, ..reply })
}

#[test]
fn content_comes_in_many_shapes() {
    let deltas = [
        json!({"content": "a"}),
        json!({"content": null}),
        json!({"content": 12}),
        json!({"content": -1}),
        json!({"content": true}),
        json!({"content": [{"type": "text", "text": "b"}, "c", {"text": "d"}, {"type": "thinking", "thinking": [{"type": "text", "text": "no"}]}]}),
        json!({"content": {"type": "text", "text": "e"}}),
        json!({"reasoning": "no", "reasoning_content": "no"}),
        json!({}),
    ];
    assert_eq!(joined(&deltas).content, "a12-1bcde");
}

#[test]
fn what_was_thought_is_kept_for_the_tools_it_asks_for() {
    let thought = [
        json!({"role": "assistant", "content": null, "reasoning_content": ""}),
        json!({"content": null, "reasoning_content": "I had "}),
        json!({"content": null, "reasoning_content": "better look"}),
    ];
    let asks = json!({"content": "", "tool_calls": [{"index": 0, "id": "a", "function": {"name": "f", "arguments": "{}"}}]});
    let reply = joined(&[&thought[..], std::slice::from_ref(&asks)].concat());
    assert_eq!((reply.reasoning.as_deref(), reply.tool_calls.len()), (Some("I had better look"), 1));
    assert_eq!(joined(&[&thought[..], &[json!({"content": "No."})]].concat()).reasoning, None, "no tools");

    let mut message = asks.clone();
    message["reasoning_content"] = json!("I look");
    let whole = json!({"choices": [{"message": message.clone(), "finish_reason": "tool_calls"}]}).to_string();
    assert_eq!(parse_reply(whole.as_bytes()).unwrap().reasoning.as_deref(), Some("I look"));
    let event = |choice: Value| json!({"choices": [choice]}).to_string();
    let repeated = [
        event(json!({"delta": {"reasoning_content": "I look"}})),
        event(json!({"delta": asks})),
        event(json!({"delta": {}, "message": message, "finish_reason": "tool_calls"})),
    ];
    assert_eq!(pushed(repeated).unwrap().reasoning.as_deref(), Some("I look"), "a whole message repeats it");
}

#[test]
fn words_beside_a_thought_do_not_hide_it() {
    let both = json!({"content": "Hm", "reasoning_content": "a"});
    let asks = json!({"tool_calls": [{"index": 0, "id": "a", "function": {"name": "f", "arguments": "{}"}}]});
    let next = json!({"content": "Hm", "reasoning_content": "b"});
    let reply = joined(&[both, next, asks]);
    assert_eq!((&*reply.content, reply.reasoning.as_deref()), ("HmHm", Some("ab")));
}

#[test]
fn thoughts_count_towards_the_size_of_an_answer() {
    for name in ["reasoning", "reasoning_content"] {
        let mut builder = ReplyBuilder::default();
        let event = json!({"choices": [{"delta": {name: "1234567890"}}]}).to_string();
        for _ in 0..3 {
            builder.push(&event, &mut String::new()).unwrap();
        }
        assert_eq!(builder.bytes(), 30, "{name}");
    }
}

#[test]
fn ends_have_other_names_in_some_providers() {
    let ended =
        |reason: &str| pushed([json!({"choices": [{"delta": {}, "finish_reason": reason}]}).to_string()]);
    for (reason, expected) in
        [("length", "length"), ("model_length", "length"), ("max_tokens", "length"), ("stop", "stop")]
    {
        assert_eq!(ended(reason).unwrap().finish_reason.as_deref(), Some(expected));
    }
    for reason in ["error", "insufficient_system_resource"] {
        assert!(matches!(ended(reason), Err(ModelError::Broken(why)) if why.contains(reason)));
    }
}

#[test]
fn escapes_and_think_tags_are_kept() {
    assert_eq!(
        pushed([r#"{"choices":[{"delta":{"content":"<think>\n\ud83d\ude00\"</think>"}}]}"#]).unwrap().content,
        "<think>\n😀\"</think>"
    );
}

#[test]
fn an_emoji_that_was_cut_in_two_is_joined() {
    let events = [
        r#"{"choices":[{"delta":{"content":"hi \ud83d"}}]}"#,
        r#"{"choices":[{"delta":{"content":"\ude00!"}}]}"#,
    ];
    assert_eq!(pushed(events).unwrap().content, "hi 😀!");
}

#[test]
fn a_refusal_counts_only_without_content() {
    assert_eq!(joined(&[json!({"refusal": "I can"}), json!({"refusal": "not"})]).content, "I cannot");
    assert_eq!(joined(&[json!({"refusal": "no"}), json!({"content": "yes"})]).content, "yes");
}

#[test]
fn only_the_first_choice_counts() {
    let event = r#"{"choices":[{"index":1,"delta":{"content":"no"},"finish_reason":"length"},{"index":0,"delta":{"content":"yes"}}]}"#;
    let reply = pushed([event]).unwrap();
    assert_eq!((reply.content.as_str(), reply.finish_reason), ("yes", None));
}

#[test]
fn interleaved_fragments_join_by_index() {
    let joined = calls(&[
        json!([{"index": 1, "id": "b", "function": {"name": "two", "arguments": ""}}]),
        json!([{"index": 0, "id": "a", "type": "function", "function": {"name": "one", "arguments": "{\"x\""}}]),
        json!([{"index": 1, "function": {"arguments": "{}"}}, {"index": 0, "function": {"arguments": ":1}"}}]),
    ]);
    assert_eq!(joined, [ToolCall::function("a", "one", "{\"x\":1}"), ToolCall::function("b", "two", "{}")]);
}

#[test]
fn repeated_and_empty_ids_and_names_change_nothing() {
    let joined = calls(&[
        json!([{"index": 0, "id": "a", "function": {"name": "one", "arguments": null}}]),
        json!([{"index": 0, "id": "", "function": {"name": null, "arguments": "{"}}]),
        json!([{"index": 0, "id": "a", "function": {"name": "one", "arguments": "}"}}]),
        json!([{"index": 0, "id": null, "function": {"name": ""}}]),
        json!([{"index": 0, "id": null, "function": null}]),
    ]);
    assert_eq!(joined, [ToolCall::function("a", "one", "{}")]);
}

#[test]
fn fragments_without_index_join_by_id_then_name_then_order() {
    let joined = calls(&[
        json!([{"id": "a", "function": {"name": "one", "arguments": "{"}}]),
        json!([{"function": {"arguments": "\"x\":"}}]),
        json!([{"id": "b", "function": {"name": "two", "arguments": "["}}]),
        json!([{"id": "a", "function": {"arguments": "1}"}}]),
        json!([{"function": {"arguments": "]"}}]),
    ]);
    assert_eq!(joined, [ToolCall::function("a", "one", "{\"x\":1}"), ToolCall::function("b", "two", "[]")]);
}

#[test]
fn calls_that_share_an_index_stay_apart() {
    let joined = calls(&[
        json!([{"index": 0, "id": "a", "function": {"name": "same", "arguments": "{}"}}]),
        json!([{"index": 0, "id": "b", "function": {"name": "same", "arguments": "{"}}]),
        json!([{"index": 0, "function": {"arguments": "}"}}]),
        json!([{"index": 0, "function": {"name": "other", "arguments": "{}"}}]),
        json!([{"index": 0, "id": "", "function": {"name": "other", "arguments": "{"}}]),
        json!([{"index": 0, "id": "", "function": {"name": "other", "arguments": "}"}}]),
        json!([{"index": 0, "id": "", "function": {"name": "other", "arguments": ""}}]),
    ]);
    let expected = [("a", "same"), ("b", "same"), ("call_1", "other"), ("call_2", "other")];
    assert_eq!(joined, expected.map(|(id, name)| ToolCall::function(id, name, "{}")));
}

#[test]
fn missing_ids_are_made_up_without_clashes() {
    let joined = calls(&[json!([
        {"index": 0, "function": {"name": "one", "arguments": "{}"}},
        {"index": 1, "id": "call_1", "function": {"name": "two", "arguments": "{}"}},
        {"index": 2, "id": "", "function": {"name": "three", "arguments": {"x": 1}}}
    ])]);
    let ids: Vec<&str> = joined.iter().map(|call| call.id.as_str()).collect();
    assert_eq!(ids, ["call_2", "call_1", "call_3"]);
    assert_eq!(joined[2].function.arguments, "{\"x\":1}");
}

#[test]
fn extra_content_stays_with_its_call() {
    let extra = json!({"google": {"thought_signature": "abc"}});
    let joined = calls(&[
        json!([{"index": 0, "id": "a", "extra_content": extra, "function": {"name": "one", "arguments": "{"}}]),
        json!([{"index": 0, "function": {"arguments": "}"}}]),
    ]);
    assert_eq!(joined[0].extra_content, Some(extra));
}

#[test]
fn the_last_usage_and_finish_reason_win() {
    let reply = pushed([
        r#"{"choices":[{"delta":{},"finish_reason":"tool_calls"}],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}"#,
        r#"{"choices":[{"delta":{"content":"late"},"finish_reason":"stop"}],"usage":null}"#,
        r#"{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4.0}}"#,
        "[DONE]",
        "after the end",
    ]);
    let reply = reply.unwrap();
    assert_eq!(reply.usage, Some(Usage { prompt_tokens: 3, completion_tokens: 4, total_tokens: 7 }));
    assert_eq!((reply.content.as_str(), reply.finish_reason.as_deref()), ("late", Some("stop")));
}

#[test]
fn errors_anywhere_are_errors() {
    for event in [
        r#"{"error":{"message":"x","code":500}}"#,
        r#"{"choices":[{"delta":{"content":""},"error":{"code":502,"message":"x"}}]}"#,
        r#"{"choices":[],"error":"the server is overloaded"}"#,
        r#"{"x_groq":{"error":"internal_error"},"choices":[]}"#,
    ] {
        assert!(matches!(pushed([event]), Err(ModelError::Overloaded(_))), "{event}");
    }
    assert!(pushed([r#"{"choices":[{"delta":{"content":"a"}}],"error":null}"#]).is_ok());
    assert!(pushed([r#"{"choices":[{"delta":{},"finish_reason":"error"}]}"#]).is_err());
}

#[test]
fn members_of_the_wrong_kind_count_as_missing() {
    let event = r#"{"choices":[{"index":{},"delta":{"content":"a","tool_calls":"none"}},7,{"index":"0","delta":{"content":"b",
        "tool_calls":[{"index":[],"id":{},"function":"x"},{"index":"0","id":5,"function":{"name":"f","arguments":"{}"}}]}}],"usage":"much"}"#;
    let reply = pushed([event]).unwrap();
    assert_eq!((reply.content.as_str(), reply.usage), ("ab", None));
    assert_eq!(reply.tool_calls, [ToolCall::function("5", "f", "{}")]);
}

#[test]
fn lines_that_are_events_each_are_read_each() {
    let lines = "{\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n{\"type\": \"ping\"}\n{\"choices\":[{\"delta\":{\"content\":\"b\"},\"finish_reason\":\"stop\"}]}\n[DONE]";
    assert_eq!(pushed([lines]).unwrap().content, "ab");
}

#[test]
fn whole_messages_beside_deltas_do_not_double_the_text() {
    let reply = pushed([
        r#"{"choices":[{"delta":{"content":"a"},"message":{"content":"a"}}]}"#,
        r#"{"choices":[{"message":{"content":"a"},"finish_reason":"stop"}]}"#,
    ]);
    assert_eq!(reply.unwrap().content, "a");
    let whole = br#"{"choices":[{"delta":{"role":"assistant","content":""},"message":{"content":"a"}}]}"#;
    assert_eq!(parse_reply(whole).unwrap().content, "a");
}

#[test]
fn a_whole_reply_needs_a_message() {
    let body = br#"{"choices":[{"message":{"content":"hi","tool_calls":[{"index":0,"function":{"name":"a","arguments":"{}"}},
        {"index":0,"function":{"name":"a","arguments":"{}"}}]},"finish_reason":null}]}"#;
    let reply = parse_reply(body).unwrap();
    assert_eq!(reply.content, "hi");
    assert_eq!(reply.tool_calls, ["call_1", "call_2"].map(|id| ToolCall::function(id, "a", "{}")));
    for body in
        [&b"{}"[..], b"", b"[]", b"7", b"{\"choices\":[]}", b"<html>", b"{\"choices\":[{\"mess", b"\xff\xfe"]
    {
        assert!(matches!(parse_reply(body), Err(ModelError::Broken(_))), "{}", String::from_utf8_lossy(body));
    }
}

/// An event in one of the shapes that streams mix, with `words` as they stand in the JSON.
fn shaped(shape: usize, words: &str) -> String {
    let shapes = [
        r#"{"id":"1","choices":[{"index":0,"delta":{"content":"WORDS"},"finish_reason":null}],"usage":null}"#,
        r#"{"id":"1","choices":[{"delta":{"role":"assistant","content":"WORDS"}}]}"#,
        r#"{"id":"1","choices":[{"index":1,"delta":{"content":"WORDS"}}]}"#,
        r#"{"id":"1","choices":[{"index":0,"delta":{"content":"WORDS"},"finish_reason":"stop"}]}"#,
        r#"{"id":"1","choices":[{"index":0,"delta":{"content":"WORDS","refusal":"no"}}]}"#,
        r#"{"id":"1","choices":[{"index":0,"delta":{"content":{"type":"text","text":"WORDS"}}}]}"#,
        r#"{"id":"1","choices":[{"index":0,"delta":{"content":"WORDS"}}],"usage":{"total_tokens":1}}"#,
        r#"{"id":"1","choices":[{"index":0,"message":{"content":"WORDS"}}]}"#,
        r#"{"id":"1","choices":[{"index":0,"delta":{"content":"WORDS"}}],"obfuscation":"WORDS"}"#,
    ];
    shapes[shape].replace("WORDS", words)
}

proptest::proptest! {
    /// What was seen before must not change how an event is read.
    #[test]
    fn events_alike_are_read_as_if_each_was_the_first(
        events in proptest::collection::vec((0usize..9, 1usize..5, "[a-z\"\\\\n {}é🍞\u{1}]{0,4}"), 1..20),
    ) {
        let (mut builder, mut text, mut text_alone) = (ReplyBuilder::default(), String::new(), String::new());
        for (shape, times, words) in events {
            for _ in 0..times {
                let event = shaped(shape, &words);
                let mut alone = ReplyBuilder { streamed: builder.streamed, whole: builder.whole, ..Default::default() };
                let (read, read_alone) = (builder.push(&event, &mut text), alone.push(&event, &mut text_alone));
                proptest::prop_assert_eq!(read, read_alone);
                proptest::prop_assert_eq!(&text, &text_alone);
                proptest::prop_assert_eq!((builder.streamed, builder.whole), (alone.streamed, alone.whole));
            }
        }
    }
}
