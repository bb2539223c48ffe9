//! Joins what the model sends into one [`Reply`]. Pure: no I/O, no time.

use serde_json::Value;

use super::error::ModelError;
use super::event::{Choice, Event, Message, WireUsage, repair};
use super::provider_error::{in_body, of_event, quote};
use super::surrogates::Surrogates;
use super::template::Template;
use super::tool_calls::ToolCalls;
use crate::domain::chat::{Reply, Usage};

/// Reads a whole (not streamed) answer.
///
/// # Errors
/// An error object in the body is the error that it tells of; what can't be understood, or has no
/// answer in it, is [`ModelError::Broken`].
pub fn parse_reply(body: &[u8]) -> Result<Reply, ModelError> {
    let text = std::str::from_utf8(body)
        .map_err(|error| ModelError::Broken(format!("the answer is no valid utf-8: {error}")))?;
    let (mut builder, mut content) = (ReplyBuilder::default(), String::new());
    builder.push(text, &mut content)?;
    if builder.is_complete() {
        let reply = builder.finish();
        return Ok(Reply { content: content + &reply.content, ..reply });
    }
    Err(ModelError::Broken(format!("the body holds no answer: {}", quote(text))))
}

/// Collects the events of one streamed answer, or the one body of a whole answer; the text goes to
/// whoever gives them.
#[derive(Debug, Default)]
pub struct ReplyBuilder {
    /// Text so far.
    text_bytes: usize,
    /// All else, once there is any: apart, as it is not looked at with each delta.
    rest: Option<Box<Rest>>,
    surrogates: Surrogates,
    template: Template,
    /// A delta with something in it was seen: whole messages beside deltas only repeat them.
    streamed: bool,
    /// A whole message was seen: nothing more need come.
    whole: bool,
    done: bool,
}

#[derive(Debug, Default)]
struct Rest {
    refusal: String,
    reasoning: String,
    /// Of reasoning that is not kept.
    unkept_bytes: usize,
    calls: ToolCalls,
    finish_reason: Option<String>,
    usage: Option<Usage>,
}

impl Rest {
    fn bytes(&self) -> usize {
        self.refusal.len() + self.reasoning.len() + self.unkept_bytes + self.calls.bytes()
    }
}

impl ReplyBuilder {
    /// Takes the data of one event: JSON, `[DONE]`, or nothing. The words in it are added to `text`.
    ///
    /// # Errors
    /// An error object in the event is the error that it tells of; data that can't be understood
    /// is [`ModelError::Broken`].
    pub fn push(&mut self, data: &str, text: &mut String) -> Result<(), ModelError> {
        let data = data.trim();
        if data.is_empty() || self.done {
            return Ok(());
        }
        if data == "[DONE]" {
            self.done = true;
            return Ok(());
        }
        if let Some((words, b"")) = self.template.words(data.as_bytes()) {
            self.streamed = true;
            self.say(words, text);
            return Ok(());
        }
        match Event::read(data) {
            Ok(event) => self.take(event, data, text),
            Err(error) => self.push_odd(data, &error, text),
        }
    }

    /// Takes the event that `bytes` begin with, if it is like the one before but for its words, and tells
    /// what is behind it: the shortest way that nearly all events go.
    pub fn push_alike<'a>(&mut self, bytes: &'a [u8], text: &mut String) -> Option<&'a [u8]> {
        let (words, behind) = self.template.words(bytes.strip_prefix(b"data: ")?)?;
        let behind = behind.strip_prefix(b"\n\n").filter(|_| !self.done)?;
        self.streamed = true;
        self.say(words, text);
        Some(behind)
    }

    /// Takes the data of an event that is named `error`, which is an error whatever it holds.
    pub fn push_error(&mut self, data: &str) -> ModelError {
        of_event(data)
    }

    /// Size of text, reasoning and tool calls so far, in bytes.
    pub fn bytes(&self) -> usize {
        self.text_bytes + self.rest.as_ref().map_or(0, |rest| rest.bytes())
    }

    /// Whether `[DONE]` was seen: nothing after it counts.
    pub fn is_done(&self) -> bool {
        self.done
    }

    /// Whether the answer may end here: a finish reason, `[DONE]` or a whole message was seen.
    pub fn is_complete(&self) -> bool {
        self.done || self.whole || self.rest.as_ref().is_some_and(|rest| rest.finish_reason.is_some())
    }

    /// The joined answer, but for its text. A refusal is its text when there was no other.
    pub fn finish(self) -> Reply {
        let Rest { refusal, reasoning, calls, finish_reason, usage, .. } = *self.rest.unwrap_or_default();
        let content = if self.text_bytes == 0 { refusal } else { String::new() };
        let tool_calls = calls.finish();
        let reasoning = Some(reasoning).filter(|text| !text.is_empty() && !tool_calls.is_empty());
        Reply { content, tool_calls, reasoning, finish_reason, usage }
    }

    fn rest(&mut self) -> &mut Rest {
        self.rest.get_or_insert_default()
    }

    fn say(&mut self, words: &str, text: &mut String) {
        self.text_bytes += words.len();
        text.push_str(words);
    }

    fn take(&mut self, event: Event<'_>, data: &str, text: &mut String) -> Result<(), ModelError> {
        if may_be_error(&event)
            && let Some(error) = serde_json::from_str(data).ok().as_ref().and_then(in_body)
        {
            return Err(error);
        }
        if let Some(words) = event.lone_words() {
            self.template.learn(data, words);
        }
        self.join(event, text)
    }

    /// Data that is not what it should be: several lines that are each an event, members of the
    /// wrong kind, halves of surrogate pairs. Rare, so it may take several passes.
    fn push_odd(
        &mut self,
        data: &str,
        error: &serde_json::Error,
        text: &mut String,
    ) -> Result<(), ModelError> {
        if let Ok(value) = serde_json::from_str::<Value>(data) {
            return self.push_value(value, text);
        }
        if data.contains('\n') && data.lines().all(is_event) {
            return data.lines().try_for_each(|line| self.push(line, text));
        }
        if let Some(mended) = self.surrogates.mend(data)
            && let Ok(value) = serde_json::from_str::<Value>(&mended)
        {
            return self.push_value(value, text);
        }
        Err(not_understood(data, error))
    }

    fn push_value(&mut self, mut value: Value, text: &mut String) -> Result<(), ModelError> {
        if let Some(error) = in_body(&value) {
            return Err(error);
        }
        repair(&mut value);
        let event = Event::read_odd(&value).map_err(|error| not_understood(&value.to_string(), &error))?;
        self.join(event, text)
    }

    fn join(&mut self, event: Event<'_>, text: &mut String) -> Result<(), ModelError> {
        let usage = event.usage.or(event.x_groq.and_then(|groq| groq.usage));
        if let Some(usage) = usage {
            self.rest().usage = Some(usage_of(usage));
        }
        let choices = event.choices.into_iter().flatten();
        choices
            .filter(|choice| choice.index.0.unwrap_or(0) == 0)
            .try_for_each(|choice| self.join_choice(choice, text))
    }

    fn join_choice(&mut self, choice: Choice<'_>, text: &mut String) -> Result<(), ModelError> {
        if let Some(delta) = &choice.delta {
            self.think(delta);
        }
        // Both may be there: a whole answer with an empty delta, or deltas with the message so far.
        match (choice.delta, choice.message) {
            (Some(delta), _) if !delta.is_empty() => {
                self.streamed = true;
                self.join_message(delta, false, text);
            }
            (delta, Some(message)) if !self.streamed && !self.whole => {
                self.whole = delta.is_none() || !message.is_empty();
                if self.rest.as_ref().is_none_or(|rest| rest.reasoning.is_empty()) {
                    self.think(&message);
                }
                self.join_message(message, true, text);
            }
            _ => {}
        }
        match &*choice.finish_reason.0 {
            "" => Ok(()),
            // The first is OpenRouter's, the second DeepSeek's.
            reason @ ("error" | "insufficient_system_resource") => {
                Err(ModelError::Broken(format!("the provider ended it with finish_reason '{reason}'")))
            }
            reason => {
                // The first is Mistral's, the second that of gateways to Anthropic.
                let is_length = matches!(reason, "model_length" | "max_tokens");
                self.rest().finish_reason = Some(if is_length { "length" } else { reason }.to_owned());
                Ok(())
            }
        }
    }

    fn think(&mut self, message: &Message<'_>) {
        if !message.reasoning_content.0.is_empty() {
            self.rest().reasoning.push_str(&message.reasoning_content.0);
        } else if !message.reasoning.0.is_empty() {
            self.rest().unkept_bytes += message.reasoning.0.len();
        }
    }

    fn join_message(&mut self, message: Message<'_>, whole: bool, text: &mut String) {
        self.say(&message.content.0, text);
        if !message.refusal.0.is_empty() {
            self.rest().refusal.push_str(&message.refusal.0);
        }
        for call in message.tool_calls.into_iter().flatten() {
            self.rest().calls.join(call, whole);
        }
    }
}

/// Whether it is worth a second look: hardly any event of a healthy stream is.
fn may_be_error(event: &Event<'_>) -> bool {
    let Some(choices) = &event.choices else { return true };
    event.error.is_some()
        || event.x_groq.as_ref().is_some_and(|groq| groq.error.is_some())
        || choices.iter().any(|choice| choice.error.is_some())
}

fn is_event(line: &str) -> bool {
    let line = line.trim();
    line.is_empty() || line == "[DONE]" || (line.starts_with('{') && line.ends_with('}'))
}

fn not_understood(data: &str, error: &serde_json::Error) -> ModelError {
    ModelError::Broken(format!("it can't be understood ({error}): {}", quote(data)))
}

fn usage_of(wire: WireUsage) -> Usage {
    let prompt_tokens = wire.prompt_tokens.0.unwrap_or(0);
    let completion_tokens = wire.completion_tokens.0.unwrap_or(0);
    let both = prompt_tokens.saturating_add(completion_tokens);
    Usage { prompt_tokens, completion_tokens, total_tokens: wire.total_tokens.0.unwrap_or(both) }
}

#[cfg(test)]
#[path = "reply_tests.rs"]
mod tests;
