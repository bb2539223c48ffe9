//! What becomes of the `entities` of a call.
//!
//! [`EntityRules::Telegram`] follows TDLib's `fix_formatted_text`, which the Bot API server runs
//! (`td/telegram/MessageEntity.cpp`), with the server's words for what it can't parse.

use serde_json::{Value, json};

use super::error::ApiError;
use super::limits::EntityRules;
use super::nesting;
use super::params::int_of;
use super::text::{Formatted, utf16_len};

/// The most entities that Telegram takes from a bot, custom emoji not counted (TDLib's
/// `MAX_USER_ENTITY_COUNT`).
const MOST: usize = 100;

/// Offsets and lengths beyond it are refused whatever the text.
const FARTHEST: i64 = 1_000_000;

/// Types that Telegram finds in the text by itself and ignores in a call.
const FOUND: [&str; 8] =
    ["mention", "hashtag", "cashtag", "bot_command", "url", "email", "phone_number", "bank_card_number"];

/// What may be combined with what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Sort {
    /// Quotes: can't be nested.
    Quote,
    /// `code` and `pre`: hold nothing, and stand in nothing but a quote.
    Code,
    /// Links and the like: can't hold each other.
    Link,
    /// Bold and the like: Telegram splits them where they overlap.
    Style,
}

/// An entity, in UTF-16 code units.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entity {
    pub(super) kind: String,
    pub(super) sort: Sort,
    pub(super) from: usize,
    pub(super) to: usize,
    /// What belongs to its type: the url, the language.
    pub(super) more: Option<(&'static str, Value)>,
}

impl Entity {
    pub(super) fn named(&self) -> String {
        format!("{} at UTF-16 offset {}, length {}", self.kind, self.from, self.to - self.from)
    }

    fn to_json(&self) -> Value {
        let mut json = json!({"type": self.kind, "offset": self.from, "length": self.to - self.from});
        if let Some((name, value)) = &self.more {
            json[*name] = value.clone();
        }
        json
    }
}

/// The entities of a call as they may stay.
///
/// # Errors
/// Those of the rules.
pub(super) fn checked(text: &str, list: Vec<Value>, rules: EntityRules) -> Result<Vec<Value>, ApiError> {
    let kept = match rules {
        EntityRules::Lenient => return Ok(list),
        EntityRules::Telegram => parsed(&list).and_then(|entities| fixed(text, entities)),
        EntityRules::Strict => strict(text, &list),
    };
    let kept = kept.map_err(|why| ApiError::bad_request(&why))?;
    Ok(kept.iter().map(Entity::to_json).collect())
}

/// What a `parse_mode` found, combined as Telegram combines it.
///
/// # Errors
/// Those of the rules.
pub(super) fn of_markup(read: Formatted, rules: EntityRules) -> Result<Formatted, ApiError> {
    if rules == EntityRules::Lenient {
        return Ok(read);
    }
    let entities = checked(&read.text, read.entities, EntityRules::Telegram)?;
    Ok(Formatted { entities, ..read })
}

fn parsed(list: &[Value]) -> Result<Vec<Entity>, String> {
    list.iter().filter_map(|entity| parse(entity).transpose()).collect()
}

fn unreadable(why: &str) -> String {
    format!("can't parse MessageEntity: {why}")
}

/// Nothing for a type that Telegram finds by itself.
fn parse(entity: &Value) -> Result<Option<Entity>, String> {
    let fields = entity.as_object().ok_or_else(|| unreadable("expected an Object"))?;
    let missing = |name: &str| unreadable(&format!("Can't find field \"{name}\""));
    let number = |name: &str| fields.get(name).and_then(int_of).ok_or_else(|| missing(name));
    let kind = fields.get("type").and_then(Value::as_str).ok_or_else(|| missing("type"))?;
    let (offset, length) = (number("offset")?, number("length")?);
    if FOUND.contains(&kind) {
        return Ok(None);
    }
    let sort = sort_of(kind).ok_or_else(|| unreadable("Unsupported type specified"))?;
    for (name, value) in [("offset", offset), ("length", length)] {
        if !(0..=FARTHEST).contains(&value) {
            return Err(format!("receive an entity with incorrect {name} {value}"));
        }
    }
    let (from, to) = (offset as usize, (offset + length) as usize);
    Ok(Some(Entity { kind: kind.to_owned(), sort, from, to, more: more(kind, entity)? }))
}

fn sort_of(kind: &str) -> Option<Sort> {
    match kind {
        "blockquote" | "expandable_blockquote" => Some(Sort::Quote),
        "code" | "pre" => Some(Sort::Code),
        "text_link" | "text_mention" | "custom_emoji" | "date_time" => Some(Sort::Link),
        "bold" | "italic" | "underline" | "strikethrough" | "spoiler" => Some(Sort::Style),
        _ => None,
    }
}

/// What belongs to the type.
fn more(kind: &str, entity: &Value) -> Result<Option<(&'static str, Value)>, String> {
    let field = |name: &str| entity.get(name).cloned().unwrap_or_default();
    match kind {
        "text_link" => {
            let url = field("url").as_str().unwrap_or_default().trim().to_owned();
            check_link(&url).map_err(|why| format!("entity URL '{url}' is invalid: {why}"))?;
            Ok(Some(("url", json!(url))))
        }
        "pre" => match field("language") {
            Value::Null => Ok(None),
            Value::String(language) if language.is_empty() => Ok(None),
            Value::String(language) => Ok(Some(("language", json!(language)))),
            _ => Err(unreadable("Field \"language\" must be of type String")),
        },
        "text_mention" => match entity.pointer("/user/id").and_then(int_of) {
            Some(1..) => Ok(Some(("user", field("user")))),
            _ => Err("user not found".to_owned()),
        },
        "custom_emoji" => match int_of(&field("custom_emoji_id")) {
            Some(id) => Ok(Some(("custom_emoji_id", json!(id.to_string())))),
            None => Err(unreadable("Field \"custom_emoji_id\" must be a valid Number")),
        },
        _ => Ok(None),
    }
}

/// Telegram takes links of the web and its own, with or without a scheme.
fn check_link(url: &str) -> Result<(), &'static str> {
    let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
    let scheme = scheme.to_ascii_lowercase();
    if matches!(scheme.as_str(), "tg" | "ton" | "tonsite") {
        return Ok(());
    }
    if let Some(plain) = url.split_once(':').filter(|(name, _)| matches!(*name, "mailto" | "tel")) {
        return if plain.1.is_empty() { Err("Wrong HTTP URL") } else { Ok(()) };
    }
    if !matches!(scheme.as_str(), "http" | "https") {
        return Err("Unsupported URL protocol");
    }
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = host.rsplit('@').next().unwrap_or_default();
    match host {
        "" => Err("URL host is empty"),
        host if host.contains('.') || host.starts_with('[') => Ok(()),
        _ => Err("Wrong HTTP URL"),
    }
}

/// As Telegram does it: empty ones go, what overlaps is split or dropped, what is out of range is
/// refused, white space at the start is left out.
fn fixed(text: &str, mut entities: Vec<Entity>) -> Result<Vec<Entity>, String> {
    entities.retain(|entity| entity.from < entity.to);
    let entities = nesting::fixed(entities);
    entities.iter().try_for_each(|entity| placed(text, entity))?;
    let units: Vec<u16> = text.encode_utf16().collect();
    let entities = entities.into_iter().filter_map(|entity| without_space(&units, entity)).collect();
    Ok(at_most(MOST, nesting::fixed(entities)))
}

/// Styles are the first that are left out.
fn at_most(most: usize, mut entities: Vec<Entity>) -> Vec<Entity> {
    let mut left = most;
    for styles in [false, true] {
        entities.retain(|entity| {
            if (entity.sort == Sort::Style) != styles || entity.kind == "custom_emoji" {
                return true;
            }
            let fits = left > 0;
            left = left.saturating_sub(1);
            fits
        });
    }
    entities
}

fn placed(text: &str, entity: &Entity) -> Result<(), String> {
    let Entity { from, to, .. } = entity;
    match place(text, *from) {
        Place::Boundary => {}
        Place::Inside(byte) => {
            return Err(format!("entity begins in a middle of a UTF-16 symbol at byte offset {byte}"));
        }
        Place::Beyond => {
            return Err(format!("entity begins after the end of the text at UTF-16 offset {from}"));
        }
    }
    let begins = format!("entity beginning at UTF-16 offset {from}");
    match place(text, *to) {
        Place::Boundary => Ok(()),
        Place::Inside(byte) => {
            Err(format!("{begins} ends in a middle of a UTF-16 symbol at byte offset {byte}"))
        }
        Place::Beyond => Err(format!("{begins} ends after the end of the text at UTF-16 offset {to}")),
    }
}

enum Place {
    Boundary,
    /// Within a surrogate pair that ends at this byte.
    Inside(usize),
    Beyond,
}

fn place(text: &str, at: usize) -> Place {
    let mut here = 0;
    for (byte, c) in text.char_indices() {
        match here {
            _ if here == at => return Place::Boundary,
            _ if here > at => return Place::Inside(byte),
            _ => here += c.len_utf16(),
        }
    }
    match here {
        _ if here == at => Place::Boundary,
        _ if here > at => Place::Inside(text.len()),
        _ => Place::Beyond,
    }
}

/// Without the white space at its start; nothing when there is nothing else.
fn without_space(units: &[u16], mut entity: Entity) -> Option<Entity> {
    let is_space = |unit: &u16| *unit == u16::from(b' ') || *unit == u16::from(b'\n');
    let covered = units.get(entity.from..entity.to)?;
    entity.from += covered.iter().take_while(|unit| is_space(unit)).count();
    (entity.from < entity.to).then_some(entity)
}

/// Whatever Telegram would refuse, split or drop is refused, with the reason.
fn strict(text: &str, list: &[Value]) -> Result<Vec<Entity>, String> {
    let kind = |entity: &Value| entity["type"].as_str().unwrap_or_default().to_owned();
    if let Some(found) = list.iter().map(kind).find(|kind| FOUND.contains(&kind.as_str())) {
        return Err(format!("entity of a type that Telegram finds by itself: {found}"));
    }
    let entities = parsed(list)?;
    if entities.len() > MOST {
        return Err(format!("more than {MOST} entities: {}", entities.len()));
    }
    let units: Vec<u16> = text.encode_utf16().collect();
    for entity in &entities {
        alone(text, &units, entity).map_err(|why| format!("{why}: {}", entity.named()))?;
    }
    match nesting::violation(&nesting::sorted(entities.clone())) {
        Some(why) => Err(why),
        None => Ok(nesting::sorted(entities)),
    }
}

/// What is wrong with an entity whatever the others are.
fn alone(text: &str, units: &[u16], entity: &Entity) -> Result<(), &'static str> {
    if entity.from == entity.to {
        return Err("entity of zero length");
    }
    if entity.to > utf16_len(text) {
        return Err("entity beyond the end of the text");
    }
    let splits = |at: usize| matches!(place(text, at), Place::Inside(_));
    if splits(entity.from) || splits(entity.to) {
        return Err("entity splits a surrogate pair");
    }
    without_space(units, entity.clone()).map(|_| ()).ok_or("entity of nothing but white space")
}

#[cfg(test)]
#[path = "entities_tests.rs"]
mod tests;
