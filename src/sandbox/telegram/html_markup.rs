//! `parse_mode: "HTML"`.

use super::markup::Shown;
use super::text::Formatted;

const KINDS: [(&str, &str); 15] = [
    ("b", "bold"),
    ("strong", "bold"),
    ("i", "italic"),
    ("em", "italic"),
    ("u", "underline"),
    ("ins", "underline"),
    ("s", "strikethrough"),
    ("strike", "strikethrough"),
    ("del", "strikethrough"),
    ("tg-spoiler", "spoiler"),
    ("span", "spoiler"),
    ("code", "code"),
    ("pre", "pre"),
    ("a", "text_link"),
    ("blockquote", "blockquote"),
];

struct Open<'a> {
    tag: &'a str,
    attributes: &'a str,
    from: usize,
}

/// Reads Telegram's HTML.
pub(super) fn from_html(source: &str) -> Result<Formatted, String> {
    let mut shown = Shown::default();
    let mut open: Vec<Open<'_>> = Vec::new();
    let mut at = 0;
    while let Some(c) = source[at..].chars().next() {
        let rest = &source[at..];
        if c == '<' {
            let length = rest.find('>').ok_or_else(|| format!("Unclosed start tag at byte offset {at}"))?;
            match rest[1..length].strip_prefix('/') {
                Some(tag) => end_tag(&mut shown, &mut open, tag.trim(), at)?,
                None => open.push(start_tag(&rest[1..length], shown.here(), at)?),
            }
            at += length + 1;
        } else if let Some((character, length)) = character_reference(rest) {
            shown.text.push(character);
            at += length;
        } else {
            shown.text.push(c);
            at += c.len_utf8();
        }
    }
    match open.pop() {
        Some(open) => Err(format!("Can't find end tag corresponding to start tag \"{}\"", open.tag)),
        None => Ok(shown.finish()),
    }
}

fn start_tag(tag: &str, from: usize, at: usize) -> Result<Open<'_>, String> {
    let (tag, attributes) = tag.split_once(char::is_whitespace).unwrap_or((tag, ""));
    match KINDS.iter().any(|(known, _)| *known == tag) {
        true => Ok(Open { tag, attributes, from }),
        false => Err(format!("Unsupported start tag \"{tag}\" at byte offset {at}")),
    }
}

fn end_tag(shown: &mut Shown, open: &mut Vec<Open<'_>>, tag: &str, at: usize) -> Result<(), String> {
    let begun = open.pop().ok_or_else(|| format!("Unexpected end tag at byte offset {at}"))?;
    if begun.tag != tag {
        let expected = begun.tag;
        return Err(format!(
            "Unmatched end tag at byte offset {at}, expected \"</{expected}>\", found \"</{tag}>\""
        ));
    }
    let kind = KINDS.iter().find(|(known, _)| *known == tag).map_or("", |(_, kind)| kind);
    match kind {
        "text_link" => {
            if let Some(url) = attribute(begun.attributes, "href") {
                shown.close(kind, begun.from, Some(("url", url)));
            }
        }
        // Code inside pre only names the language.
        "code" if open.last().is_some_and(|outer| outer.tag == "pre") => {
            let language =
                attribute(begun.attributes, "class").and_then(|class| class.strip_prefix("language-"));
            shown.close("pre", begun.from, language.map(|name| ("language", name)));
        }
        "pre"
            if shown
                .entities
                .last()
                .is_some_and(|last| last["type"] == "pre" && last["offset"] == begun.from) => {}
        _ => shown.close(kind, begun.from, None),
    }
    Ok(())
}

fn attribute<'a>(attributes: &'a str, name: &str) -> Option<&'a str> {
    let rest = attributes.split_once(name)?.1.trim_start().strip_prefix('=')?.trim_start();
    match rest.chars().next()? {
        quote @ ('"' | '\'') => rest[1..].split(quote).next(),
        _ => rest.split_whitespace().next(),
    }
}

/// `&lt;` and its kin, with their length in bytes.
fn character_reference(text: &str) -> Option<(char, usize)> {
    let name = text.strip_prefix('&')?.split(';').next()?;
    let character = match name {
        "lt" => '<',
        "gt" => '>',
        "amp" => '&',
        "quot" => '"',
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix('x') {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code)?
        }
    };
    let length = 1 + name.len() + usize::from(text[1 + name.len()..].starts_with(';'));
    Some((character, length))
}
