//! Recorded answers of real providers, read whole and byte by byte, and compared with what a
//! plain walk through their JSON finds.

#[path = "support/fixtures.rs"]
mod fixtures;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::Duration;

use brigade::domain::chat::Reply;
use brigade::edge::llm::pieces::{Limits, pieces};
use brigade::edge::llm::provider_error::of_response;
use brigade::edge::llm::reply::parse_reply;
use brigade::edge::llm::{ModelError, Piece};
use bytes::Bytes;
use fixtures::files;
use futures::{StreamExt, stream};
use serde_json::Value;

const LIMITS: Limits = Limits {
    first_token: Duration::from_secs(60),
    idle: Duration::from_secs(60),
    max_answer_bytes: 1_000_000,
};

/// What an answer holds, found the simple way.
#[derive(Debug, Default, PartialEq)]
struct Found {
    content: String,
    refusal: String,
    calls: BTreeMap<String, (String, String)>,
    tokens: Option<u64>,
    is_error: bool,
}

impl Found {
    fn walk(&mut self, event: &Value, member: &str) {
        self.is_error |= event.get("error").is_some_and(|error| !error.is_null());
        for usage in [event.pointer("/x_groq/usage"), event.get("usage")].into_iter().flatten() {
            self.tokens = usage["total_tokens"].as_u64().or(self.tokens);
        }
        for choice in event["choices"].as_array().into_iter().flatten() {
            if choice.get("index").is_none_or(|index| index == 0) {
                self.message(&choice[member]);
            }
        }
    }

    fn message(&mut self, message: &Value) {
        match &message["content"] {
            Value::Array(parts) => {
                let texts = parts
                    .iter()
                    .filter(|part| part["type"] == "text")
                    .filter_map(|part| part["text"].as_str());
                self.content.extend(texts);
            }
            Value::Null => {}
            Value::String(text) => self.content += text,
            other => self.content += &other.to_string(),
        }
        self.refusal += message["refusal"].as_str().unwrap_or_default();
        for (position, call) in message["tool_calls"].as_array().into_iter().flatten().enumerate() {
            let index = call["index"].as_u64().map_or(position, |index| index as usize);
            let (name, arguments) = self.calls.entry(format!("{index:03}")).or_default();
            let function = call.get("function").or_else(|| call.get("custom")).unwrap();
            if name.is_empty() {
                *name = function["name"].as_str().unwrap_or_default().to_owned();
            }
            let text = function.get("arguments").or_else(|| function.get("input"));
            *arguments += text.and_then(Value::as_str).unwrap_or_default();
        }
    }

    fn check(&self, reply: &Reply, name: &str) {
        let content = if self.content.is_empty() { &self.refusal } else { &self.content };
        assert_eq!(&reply.content, content, "{name}");
        let calls =
            reply.tool_calls.iter().map(|call| (call.function.name.clone(), call.function.arguments.clone()));
        assert_eq!(calls.collect::<Vec<_>>(), self.calls.values().cloned().collect::<Vec<_>>(), "{name}");
        assert!(reply.tool_calls.iter().all(|call| !call.id.is_empty()), "{name}: a call without an id");
        assert_eq!(reply.usage.map(|usage| usage.total_tokens), self.tokens, "{name}");
    }
}

fn found_in_stream(bytes: &[u8]) -> Found {
    let mut found = Found::default();
    for line in std::str::from_utf8(bytes).unwrap().lines() {
        let data = line.strip_prefix("data:").unwrap_or_default().trim();
        if !data.is_empty() && data != "[DONE]" {
            found.walk(&serde_json::from_str(data).unwrap(), "delta");
        }
    }
    found
}

/// Texts and outcome when the bytes come in reads of this size.
async fn read(bytes: &[u8], size: usize) -> (Vec<String>, Result<Reply, ModelError>) {
    let reads: Vec<_> =
        bytes.chunks(size).map(|read| Ok::<_, Infallible>(Bytes::copy_from_slice(read))).collect();
    let mut pieces = pieces(stream::iter(reads), LIMITS);
    let mut texts = Vec::new();
    while let Some(piece) = pieces.next().await {
        match piece {
            Ok(Piece::Text(text)) => texts.push(text),
            Ok(Piece::End(reply)) => {
                assert_eq!(reply.content, "", "all text comes before the end");
                let content = texts.concat();
                return (texts, Ok(Reply { content, ..reply }));
            }
            Err(error) => return (texts, Err(error)),
        }
    }
    panic!("a stream without an outcome");
}

#[tokio::test(start_paused = true)]
async fn every_stream_comes_out_whole() {
    let files = files("llm_streams");
    let mut failed = 0;
    for (name, bytes) in &files {
        let found = found_in_stream(bytes);
        let (texts, outcome) = read(bytes, bytes.len()).await;
        assert_eq!(
            (read(bytes, 1).await.0.concat(), read(bytes, 1).await.1),
            (texts.concat(), outcome.clone()),
            "{name}"
        );
        assert_eq!(outcome.is_err(), found.is_error, "{name}: {outcome:?}");
        assert!(!name.contains("midstream-error") || found.is_error, "{name}: its error was not seen");
        match outcome {
            Ok(reply) => {
                found.check(&reply, name);
            }
            Err(error) => {
                failed += 1;
                assert!(!matches!(error, ModelError::Broken(_) | ModelError::TimedOut(_)), "{name}: {error}");
                assert_eq!(texts.concat(), found.content, "{name}");
            }
        }
    }
    println!("{} streams, {failed} of them errors", files.len());
}

#[tokio::test(start_paused = true)]
async fn every_whole_reply_comes_out_whole() {
    let files = files("llm_full");
    for (name, bytes) in &files {
        let mut found = Found::default();
        found.walk(&serde_json::from_slice(bytes).unwrap(), "message");
        let reply = parse_reply(bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        found.check(&reply, name);
        for size in [1, bytes.len()] {
            let (texts, outcome) = read(bytes, size).await;
            assert_eq!((texts.concat(), outcome), (reply.content.clone(), Ok(reply.clone())), "{name}");
        }
    }
    println!("{} whole replies", files.len());
}

/// The kind that a file's name promises, and whether `error` is of that kind.
fn is_as_named(name: &str, status: u16, error: &ModelError) -> bool {
    let says = |word: &str| name.contains(word);
    match status {
        400 if says("context-length") => matches!(error, ModelError::ContextTooLong(_)),
        // The words of these two are about the key.
        400 if says("gemini-400") || says("xai-400") => matches!(error, ModelError::Unauthorised(_)),
        401 | 403 => matches!(error, ModelError::Unauthorised(_)),
        429 => matches!(error, ModelError::RateLimited { .. }),
        500.. => matches!(error, ModelError::Overloaded(_)),
        _ => matches!(error, ModelError::BadRequest(_)),
    }
}

#[tokio::test(start_paused = true)]
async fn every_error_is_told_apart() {
    let files = files("llm_full/errors");
    for (name, bytes) in &files {
        let status =
            name.split('-').find_map(|part| part.parse().ok().filter(|status| (200..600).contains(status)));
        let status: u16 = status.unwrap();
        let inside = parse_reply(bytes).expect_err(name);
        if status == 200 {
            assert!(matches!(inside, ModelError::BadRequest(_)), "{name}: {inside}");
        } else {
            let error = of_response(status, None, bytes);
            assert!(is_as_named(name, status, &error), "{name}: {error}");
            assert!(error.to_string().contains(&status.to_string()), "{name}: {error}");
        }
        if name.contains("context-length") {
            assert!(matches!(inside, ModelError::ContextTooLong(_)), "{name}: {inside}");
        }
        assert_eq!(read(bytes, 1).await.1, read(bytes, bytes.len()).await.1, "{name}");
        assert_eq!(read(bytes, 1).await.1, Err(inside), "{name}");
    }
    println!("{} errors", files.len());
}
