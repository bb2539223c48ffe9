//! What Telegram does to a text before it is a message: parse, trim, measure.

use serde_json::{Value, json};

use super::entities;
use super::error::ApiError;
use super::limits::EntityRules;
use super::markup::parsed;
use super::params::Params;

/// The longest text of a message, in UTF-16 code units.
pub(crate) const LONGEST_UTF16: usize = 4096;

/// A text as it will be shown, with its entities.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Formatted {
    pub(super) text: String,
    pub(super) entities: Vec<Value>,
}

/// How the text of a call is read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading {
    /// What happens to entities that break a rule.
    pub(super) rules: EntityRules,
    /// The refusal of a text that is too long.
    pub(super) too_long: &'static str,
    /// Whether nothing but white space will do, as in a draft.
    pub(super) may_be_empty: bool,
}

impl Reading {
    /// Of the text of a message.
    pub(super) fn message(rules: EntityRules, too_long: &'static str) -> Self {
        Self { rules, too_long, may_be_empty: false }
    }

    /// The text that a call carries, trimmed.
    ///
    /// # Errors
    /// Telegram's refusals of empty, of broken and of long texts.
    pub(super) fn read(self, params: &Params) -> Result<Formatted, ApiError> {
        let given = self.given(params)?;
        let trimmed = trim(&given.text, given.entities);
        if is_blank(&trimmed.text) {
            let nothing = Formatted { text: String::new(), entities: Vec::new() };
            let empty = ApiError::bad_request("message text is empty");
            return if self.may_be_empty { Ok(nothing) } else { Err(empty) };
        }
        if utf16_len(&trimmed.text) > LONGEST_UTF16 {
            return Err(ApiError::bad_request(self.too_long));
        }
        Ok(trimmed)
    }

    fn given(self, params: &Params) -> Result<Formatted, ApiError> {
        let text = params.text("text").unwrap_or_default();
        let mode = params.text("parse_mode").unwrap_or_default().to_ascii_lowercase();
        if !mode.is_empty() {
            return entities::of_markup(parsed(&text, &mode)?, self.rules);
        }
        let list = params.json("entities")?.and_then(|list| list.as_array().cloned());
        let entities = entities::checked(&text, list.unwrap_or_default(), self.rules)?;
        Ok(Formatted { text, entities })
    }
}

/// A marked text as the chat shows it, whatever its length.
///
/// # Errors
/// Telegram's refusal of broken marks.
pub(crate) fn without_marks(params: &Params) -> Result<String, ApiError> {
    let reading = Reading { rules: EntityRules::Lenient, too_long: "", may_be_empty: true };
    reading.given(params).map(|given| given.text)
}

/// Without the white space around it; the entities move along.
fn trim(raw: &str, entities: Vec<Value>) -> Formatted {
    let cut = utf16_len(raw) - utf16_len(raw.trim_start());
    let text = raw.trim().to_owned();
    let end = utf16_len(&text);
    let entities = entities.into_iter().filter_map(|entity| moved(entity, cut, end)).collect();
    Formatted { text, entities }
}

/// The entity moved back by `cut` and clipped to `end`; none when nothing of it is left.
fn moved(mut entity: Value, cut: usize, end: usize) -> Option<Value> {
    let number = |name: &str| entity.get(name)?.as_u64()?.try_into().ok();
    let (offset, length): (usize, usize) = (number("offset")?, number("length")?);
    let from = offset.saturating_sub(cut);
    let to = (offset + length).saturating_sub(cut).min(end);
    if to <= from {
        return None;
    }
    entity["offset"] = json!(from);
    entity["length"] = json!(to - from);
    Some(entity)
}

/// The length of a text as Telegram counts it: UTF-16 code units.
pub(super) fn utf16_len(text: &str) -> usize {
    text.chars().map(char::len_utf16).sum()
}

fn is_blank(text: &str) -> bool {
    let unseen = |c: char| matches!(c, '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{AD}');
    text.chars().all(|c| c.is_whitespace() || unseen(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: Value) -> Result<Formatted, ApiError> {
        Reading::message(EntityRules::Lenient, "message is too long").read(&Params::from_json(body))
    }

    #[test]
    fn blank_is_empty_and_the_limit_counts_utf16() {
        for text in ["", " \n\t", "\u{200b}"] {
            let error = read(json!({"text": text})).expect_err("blank");
            assert_eq!(error.description, "Bad Request: message text is empty");
        }
        assert!(read(json!({"text": "🍳".repeat(2048)})).is_ok());
        let error = read(json!({"text": "🍳".repeat(2048) + "x"})).expect_err("too long");
        assert_eq!(error.description, "Bad Request: message is too long");
    }

    #[test]
    fn entities_move_with_the_trimmed_text() {
        let entities =
            json!([{"type": "bold", "offset": 2, "length": 9}, {"type": "code", "offset": 0, "length": 2}]);
        let read = read(json!({"text": " \nHello\n", "entities": entities})).expect("a text");
        assert_eq!(read.text, "Hello");
        assert_eq!(read.entities, [json!({"type": "bold", "offset": 0, "length": 5})]);
    }

    #[test]
    fn an_unknown_parse_mode_is_refused() {
        let error = read(json!({"text": "x", "parse_mode": "rtf"})).expect_err("unknown");
        assert_eq!(error.description, "Bad Request: unsupported parse_mode");
    }
}
