//! `parse_mode`: texts whose formatting is written into them.

use serde_json::{Value, json};

use super::error::ApiError;
use super::html_markup::from_html;
use super::text::{Formatted, utf16_len};

/// The text that a reader sees, with its entities.
///
/// # Errors
/// Telegram's "can't parse entities: …".
pub(super) fn parsed(text: &str, mode: &str) -> Result<Formatted, ApiError> {
    let parsed = match mode {
        "html" => from_html(text),
        "markdown" => Markdown::new(text, false).read(),
        "markdownv2" => Markdown::new(text, true).read(),
        _ => return Err(ApiError::bad_request("unsupported parse_mode")),
    };
    parsed.map_err(|why| ApiError::bad_request(&format!("can't parse entities: {why}")))
}

/// The text read so far.
#[derive(Default)]
pub(super) struct Shown {
    pub(super) text: String,
    pub(super) entities: Vec<Value>,
}

impl Shown {
    pub(super) fn here(&self) -> usize {
        utf16_len(&self.text)
    }

    /// Adds what began at `from` and ends here; nothing for nothing.
    pub(super) fn close(&mut self, kind: &str, from: usize, more: Option<(&str, &str)>) {
        let length = self.here() - from;
        if length == 0 {
            return;
        }
        let mut entity = json!({"type": kind, "offset": from, "length": length});
        if let Some((name, value)) = more {
            entity[name] = json!(value);
        }
        self.entities.push(entity);
    }

    pub(super) fn finish(mut self) -> Formatted {
        self.entities.sort_by_key(|entity| entity["offset"].as_u64());
        Formatted { text: self.text, entities: self.entities }
    }
}

/// Markers and what they begin and end, the longer ones first.
const V2: [(&str, &str); 6] = [
    ("__", "underline"),
    ("||", "spoiler"),
    ("*", "bold"),
    ("_", "italic"),
    ("~", "strikethrough"),
    ("[", "text_link"),
];
const V1: [(&str, &str); 3] = [("*", "bold"), ("_", "italic"), ("[", "text_link")];
const RESERVED: &str = "_*[]()~`>#+-=|{}.!";

struct Open {
    kind: &'static str,
    marker: &'static str,
    from: usize,
    at: usize,
}

struct Markdown<'a> {
    source: &'a str,
    at: usize,
    v2: bool,
    open: Vec<Open>,
    quote: Option<usize>,
    shown: Shown,
}

impl<'a> Markdown<'a> {
    fn new(source: &'a str, v2: bool) -> Self {
        Self { source, at: 0, v2, open: Vec::new(), quote: None, shown: Shown::default() }
    }

    fn rest(&self) -> &'a str {
        &self.source[self.at..]
    }

    fn read(mut self) -> Result<Formatted, String> {
        while let Some(c) = self.rest().chars().next() {
            if !self.escaped() && !self.quoted() && !self.code()? && !self.marked()? {
                self.plain(c)?;
            }
        }
        self.end_quote();
        match self.open.pop() {
            Some(open) => Err(self.unended(open.kind, open.at)),
            None => Ok(self.shown.finish()),
        }
    }

    fn unended(&self, kind: &str, at: usize) -> String {
        if !self.v2 {
            return format!("Can't find end of the entity starting at byte offset {at}");
        }
        let name: String = kind.split('_').map(|word| word[..1].to_uppercase() + &word[1..]).collect();
        format!("Can't find end of {name} entity at byte offset {at}")
    }

    fn escaped(&mut self) -> bool {
        let may = |c: char| if self.v2 { ('\u{1}'..='\u{7e}').contains(&c) } else { "_*`[".contains(c) };
        let next = self.rest().strip_prefix('\\').and_then(|rest| rest.chars().next()).filter(|c| may(*c));
        if let Some(c) = next {
            self.shown.text.push(c);
            self.at += 1 + c.len_utf8();
        }
        next.is_some()
    }

    /// A `>` that begins a line; the quote ends with the first line without one.
    fn quoted(&mut self) -> bool {
        let line_start = self.at == 0 || self.source[..self.at].ends_with('\n');
        if !self.v2 || !line_start {
            return false;
        }
        if !self.rest().starts_with('>') {
            self.end_quote();
            return false;
        }
        self.quote.get_or_insert(self.shown.here());
        self.at += 1;
        true
    }

    fn end_quote(&mut self) {
        if let Some(from) = self.quote.take() {
            self.shown.close("blockquote", from, None);
        }
    }

    /// Code takes all literally, up to its end.
    fn code(&mut self) -> Result<bool, String> {
        let fence = ["```", "`"].into_iter().find(|fence| self.rest().starts_with(fence));
        let Some(fence) = fence else { return Ok(false) };
        let kind = if fence.len() == 3 { "pre" } else { "code" };
        let body = &self.rest()[fence.len()..];
        let end = body.find(fence).ok_or_else(|| self.unended(kind, self.at))?;
        let (language, code) = match body[..end].split_once('\n') {
            Some((word, code)) if kind == "pre" && !word.contains(char::is_whitespace) => (word, code),
            _ => ("", &body[..end]),
        };
        let from = self.shown.here();
        self.shown.text += code;
        self.shown.close(kind, from, (!language.is_empty()).then_some(("language", language)));
        self.at += 2 * fence.len() + end;
        Ok(true)
    }

    fn marked(&mut self) -> Result<bool, String> {
        if self.rest().starts_with("](") && self.open.last().is_some_and(|open| open.marker == "[") {
            return self.link_end();
        }
        let markers: &[(&str, &str)] = if self.v2 { &V2 } else { &V1 };
        let found = markers.iter().find(|(marker, _)| self.rest().starts_with(marker));
        let Some(&(marker, kind)) = found else { return Ok(false) };
        if self.open.last().is_some_and(|open| open.marker == marker && marker != "[") {
            let open = self.open.pop().map_or(0, |open| open.from);
            self.shown.close(kind, open, None);
        } else {
            self.open.push(Open { kind, marker, from: self.shown.here(), at: self.at });
        }
        self.at += marker.len();
        Ok(true)
    }

    fn link_end(&mut self) -> Result<bool, String> {
        let body = &self.rest()[2..];
        let end = body
            .find(')')
            .ok_or_else(|| format!("Can't find end of a URL at byte offset {}", self.at + 2))?;
        let from = self.open.pop().map_or(0, |open| open.from);
        self.shown.close("text_link", from, Some(("url", &body[..end].replace('\\', ""))));
        self.at += 3 + end;
        Ok(true)
    }

    fn plain(&mut self, c: char) -> Result<(), String> {
        if self.v2 && RESERVED.contains(c) {
            return Err(format!("Character '{c}' is reserved and must be escaped with the preceding '\\'"));
        }
        self.shown.text.push(c);
        self.at += c.len_utf8();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, mode: &str) -> (String, Vec<(String, u64, u64)>) {
        let read = parsed(text, mode).unwrap_or_else(|error| panic!("{text}: {error}"));
        let part = |entity: &Value| {
            let number = |name: &str| entity[name].as_u64().unwrap_or_default();
            (entity["type"].as_str().unwrap_or_default().to_owned(), number("offset"), number("length"))
        };
        (read.text, read.entities.iter().map(part).collect())
    }

    fn refused(text: &str, mode: &str) -> String {
        parsed(text, mode).expect_err(text).description
    }

    fn entity(kind: &str, offset: u64, length: u64) -> (String, u64, u64) {
        (kind.to_owned(), offset, length)
    }

    #[test]
    fn markdown_v2_is_read() {
        let (text, entities) =
            read("🍳 *bold _both_* `a\\b`\n>quote\n>more\n[x](https://a.b/)\\.", "markdownv2");
        assert_eq!(text, "🍳 bold both a\\b\nquote\nmore\nx.");
        let expected = [
            entity("bold", 3, 9),
            entity("italic", 8, 4),
            entity("code", 13, 3),
            entity("blockquote", 17, 11),
            entity("text_link", 28, 1),
        ];
        assert_eq!(entities, expected);
        assert_eq!(read("```rust\nfn\n```", "markdownv2").1, [entity("pre", 0, 3)]);
    }

    #[test]
    fn markdown_v2_is_strict() {
        for (text, why) in [
            ("Soup.", "Character '.' is reserved and must be escaped with the preceding '\\'"),
            ("a *b", "Can't find end of Bold entity at byte offset 2"),
            ("`b", "Can't find end of Code entity at byte offset 0"),
        ] {
            assert_eq!(
                refused(text, "MarkdownV2".to_ascii_lowercase().as_str()),
                format!("Bad Request: can't parse entities: {why}")
            );
        }
    }

    #[test]
    fn the_old_markdown_is_lenient_but_ends() {
        assert_eq!(
            read("*Soup* is on. (1+1)", "markdown"),
            ("Soup is on. (1+1)".into(), vec![entity("bold", 0, 4)])
        );
        let why = "Bad Request: can't parse entities: Can't find end of the entity starting at byte offset 5";
        assert_eq!(refused("snake_case", "markdown"), why);
    }

    #[test]
    fn html_is_read() {
        let (text, entities) =
            read("<b>Hot</b> &amp; <i>s<u>ou</u>r</i> &lt;&#33;&gt; <a href=\"https://a.b/\">x</a>", "html");
        assert_eq!(text, "Hot & sour <!> x");
        let expected = [
            entity("bold", 0, 3),
            entity("italic", 6, 4),
            entity("underline", 7, 2),
            entity("text_link", 15, 1),
        ];
        assert_eq!(entities, expected);
        let code = parsed("<pre><code class=\"language-rust\">x</code></pre>", "html").expect("code");
        assert_eq!(code.entities, [json!({"type": "pre", "offset": 0, "length": 1, "language": "rust"})]);
    }

    #[test]
    fn html_is_strict() {
        for (text, why) in [
            ("<b>x", "Can't find end tag corresponding to start tag \"b\""),
            ("x</b>", "Unexpected end tag at byte offset 1"),
            ("<b>x</i>", "Unmatched end tag at byte offset 4, expected \"</b>\", found \"</i>\""),
            ("a <h1>x</h1>", "Unsupported start tag \"h1\" at byte offset 2"),
            ("<", "Unclosed start tag at byte offset 0"),
        ] {
            assert_eq!(refused(text, "html"), format!("Bad Request: can't parse entities: {why}"));
        }
    }
}
