//! The JSON of one stream event or whole answer, read as leniently as providers write it.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

/// One event, or one whole answer: they differ only in `delta` and `message`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Event<'a> {
    #[serde(borrow)]
    pub choices: Option<Vec<Choice<'a>>>,
    pub usage: Option<WireUsage>,
    pub x_groq: Option<Groq>,
    pub error: Option<IgnoredAny>,
}

/// What Groq adds: the usage of a stream stands here.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Groq {
    pub usage: Option<WireUsage>,
    pub error: Option<IgnoredAny>,
}

/// One of the answers asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Choice<'a> {
    pub index: Count,
    #[serde(borrow)]
    pub delta: Option<Message<'a>>,
    #[serde(borrow)]
    pub message: Option<Message<'a>>,
    #[serde(borrow)]
    pub finish_reason: Text<'a>,
    pub error: Option<IgnoredAny>,
}

/// A message, or what an event adds to it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Message<'a> {
    #[serde(borrow)]
    pub content: Text<'a>,
    #[serde(borrow)]
    pub refusal: Text<'a>,
    #[serde(borrow)]
    pub tool_calls: Option<Vec<Call<'a>>>,
    #[serde(borrow)]
    pub reasoning_content: Text<'a>,
    /// The same under another name (OpenRouter, Groq, vLLM), which is not to be given back.
    #[serde(borrow)]
    pub reasoning: Text<'a>,
}

impl Message<'_> {
    /// Whether it says nothing for the reader, and asks for nothing.
    pub fn is_empty(&self) -> bool {
        let no_calls = self.tool_calls.as_ref().is_none_or(Vec::is_empty);
        self.content.0.is_empty() && self.refusal.0.is_empty() && no_calls
    }

    /// Whether no text of it stands elsewhere than in its content.
    fn says_nothing_else(&self) -> bool {
        [&self.refusal, &self.reasoning_content, &self.reasoning].iter().all(|text| text.0.is_empty())
    }
}

/// A tool call or a fragment of one. A custom tool's name and input stand for a function's.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Call<'a> {
    pub index: Count,
    #[serde(borrow)]
    pub id: Text<'a>,
    #[serde(borrow, alias = "custom")]
    pub function: Option<Function<'a>>,
    pub extra_content: Option<Value>,
}

/// The function of a tool call or of a fragment.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Function<'a> {
    #[serde(borrow)]
    pub name: Text<'a>,
    #[serde(borrow, alias = "input")]
    pub arguments: Arguments<'a>,
}

/// Tokens used, each number missing or odd in some provider.
#[derive(Debug, Default, Clone, Copy, Deserialize)]
#[serde(default)]
pub(super) struct WireUsage {
    pub prompt_tokens: Count,
    pub completion_tokens: Count,
    pub total_tokens: Count,
}

impl<'a> Event<'a> {
    /// Reads well-formed JSON in one pass, borrowing from `json`.
    pub fn read(json: &'a str) -> serde_json::Result<Self> {
        serde_json::from_str(json)
    }

    /// The words, if it is a delta of the first choice that says nothing else, and they stand in the
    /// JSON as they are.
    pub fn lone_words(&self) -> Option<&'a str> {
        let Some([Choice { index, delta: Some(delta), message: None, finish_reason, error: None }]) =
            self.choices.as_deref()
        else {
            return None;
        };
        let is_plain = self.usage.is_none() && self.x_groq.is_none() && self.error.is_none();
        let is_first = index.0.unwrap_or(0) == 0 && finish_reason.0.is_empty();
        match (&delta.content.0, &delta.tool_calls) {
            (Cow::Borrowed(words), None) if is_plain && is_first && delta.says_nothing_else() => {
                Some(words).filter(|words| !words.is_empty()).copied()
            }
            _ => None,
        }
    }

    /// Reads JSON that has members of the wrong kind: those count as missing.
    pub fn read_odd(value: &'a Value) -> serde_json::Result<Self> {
        Self::deserialize(value)
    }
}

/// Takes out what has the wrong kind, so that [`Event::read_odd`] can read the rest.
pub(super) fn repair(value: &mut Value) {
    keep(value, "usage", Value::is_object);
    keep(value, "x_groq", Value::is_object);
    for choice in objects(value, "choices") {
        keep(choice, "index", is_plain);
        for name in ["delta", "message"] {
            keep(choice, name, Value::is_object);
            if let Some(message) = choice.get_mut(name) {
                objects(message, "tool_calls").for_each(repair_call);
            }
        }
    }
}

fn repair_call(call: &mut Value) {
    keep(call, "index", is_plain);
    keep(call, "id", is_plain);
    keep(call, "function", Value::is_object);
}

fn is_plain(value: &Value) -> bool {
    value.is_number() || value.is_string()
}

fn keep(value: &mut Value, name: &str, fits: fn(&Value) -> bool) {
    if let Some(object) = value.as_object_mut()
        && !object.get(name).is_none_or(fits)
    {
        object.remove(name);
    }
}

fn objects<'a>(value: &'a mut Value, name: &str) -> impl Iterator<Item = &'a mut Value> {
    keep(value, name, Value::is_array);
    let list = value.get_mut(name).and_then(Value::as_array_mut);
    list.into_iter().flat_map(|list| {
        list.retain(Value::is_object);
        list
    })
}

/// Text that may come as a string, a number, null, a part or a list of parts. Parts that hold no
/// text for the reader (thinking, references) count as empty.
#[derive(Debug, Default, Clone, PartialEq)]
pub(super) struct Text<'a>(pub Cow<'a, str>);

#[derive(Default, Deserialize)]
#[serde(default)]
struct Part<'a> {
    #[serde(borrow, rename = "type")]
    kind: Text<'a>,
    #[serde(borrow)]
    text: Text<'a>,
    #[serde(borrow)]
    refusal: Text<'a>,
}

impl<'a> Part<'a> {
    fn into_text(self) -> Text<'a> {
        match &*self.kind.0 {
            "" | "text" | "output_text" => self.text,
            "refusal" => self.refusal,
            _ => Text::default(),
        }
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("text")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Text(Cow::Borrowed(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Text(Cow::Owned(text.to_owned())))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Text(Cow::Owned(number.to_string())))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Text(Cow::Owned(number.to_string())))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Self::Value, E> {
        Ok(Text(Cow::Owned(number.to_string())))
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Text::default())
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(Text::default())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Self::Value, A::Error> {
        let mut text = String::new();
        while let Some(part) = parts.next_element::<Text<'de>>()? {
            text.push_str(&part.0);
        }
        Ok(Text(Cow::Owned(text)))
    }

    fn visit_map<A: MapAccess<'de>>(self, part: A) -> Result<Self::Value, A::Error> {
        Part::deserialize(MapAccessDeserializer::new(part)).map(Part::into_text)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextVisitor)
    }
}

/// A call's arguments: JSON text, or (from a few providers) the JSON itself.
#[derive(Debug, Default)]
pub(super) struct Arguments<'a>(pub Cow<'a, str>);

struct ArgumentsVisitor;

impl<'de> Visitor<'de> for ArgumentsVisitor {
    type Value = Arguments<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("arguments")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Arguments(Cow::Borrowed(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Arguments(Cow::Owned(text.to_owned())))
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(Arguments::default())
    }

    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<Self::Value, A::Error> {
        let value = Value::deserialize(MapAccessDeserializer::new(object))?;
        Ok(Arguments(Cow::Owned(value.to_string())))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Arguments<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ArgumentsVisitor)
    }
}

/// A whole number that may come as text, as a fraction, as null or not at all.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Count(pub Option<u64>);

struct CountVisitor;

impl Visitor<'_> for CountVisitor {
    type Value = Count;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a number")
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Count, E> {
        Ok(Count(Some(number)))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Count, E> {
        Ok(Count(u64::try_from(number).ok()))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Count, E> {
        Ok(Count((number >= 0.0).then_some(number as u64)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Count, E> {
        Ok(Count(text.trim().parse().ok()))
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Count, E> {
        Ok(Count(None))
    }

    fn visit_unit<E: Error>(self) -> Result<Count, E> {
        Ok(Count(None))
    }
}

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(CountVisitor)
    }
}
