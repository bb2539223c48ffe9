//! The text of an event stream, cut out by hand: what stands in `"content":"…"` of each line.

const CONTENT: &str = "\"content\":\"";

/// Takes the bytes as they come.
#[derive(Default)]
pub struct Events {
    /// The line that is not complete yet.
    line: Vec<u8>,
}

impl Events {
    /// Adds the text of all events that are complete with `bytes` to `text`.
    pub fn push(&mut self, bytes: &[u8], text: &mut String) {
        let mut lines = bytes.split(|byte| *byte == b'\n').peekable();
        while let Some(line) = lines.next() {
            if lines.peek().is_none() {
                self.line.extend_from_slice(line);
            } else if self.line.is_empty() {
                read(line, text);
            } else {
                self.line.extend_from_slice(line);
                read(&self.line, text);
                self.line.clear();
            }
        }
    }
}

fn read(line: &[u8], text: &mut String) {
    if let Ok(line) = std::str::from_utf8(line)
        && let Some(at) = line.find(CONTENT)
    {
        unescape(&line[at + CONTENT.len()..], text);
    }
}

/// Adds a JSON string, up to its quote.
fn unescape(mut json: &str, text: &mut String) {
    while let Some(at) = json.find(['"', '\\']) {
        text.push_str(&json[..at]);
        if json[at..].starts_with('"') {
            return;
        }
        json = escaped(&json[at + 1..], text);
    }
}

/// Adds what an escape stands for, and returns what is behind it.
fn escaped<'a>(json: &'a str, text: &mut String) -> &'a str {
    let mut rest = json.chars();
    match rest.next() {
        Some('u') => return unit(rest.as_str(), text),
        Some('n') => text.push('\n'),
        Some('t') => text.push('\t'),
        Some('r') => text.push('\r'),
        Some(same) => text.push(same),
        None => {}
    }
    rest.as_str()
}

/// Adds the character of one `\uXXXX`, or of two that are a pair.
fn unit<'a>(json: &'a str, text: &mut String) -> &'a str {
    let read = |at: usize| u16::from_str_radix(json.get(at..at + 4)?, 16).ok();
    let units = [read(0), json.get(4..6).filter(|escape| *escape == "\\u").and_then(|_| read(6))];
    let first = char::decode_utf16(units.into_iter().flatten()).next();
    text.push(first.and_then(Result::ok).unwrap_or(char::REPLACEMENT_CHARACTER));
    let is_pair = units[0].is_some_and(|unit| (0xd800..0xdc00).contains(&unit)) && units[1].is_some();
    json.get(if is_pair { 10 } else { 4 }..).unwrap_or_default()
}
