//! Stretches of a paragraph that are not text: escapes, code spans, formulas, tags, addresses.

use super::cursor::char_boundary;

/// What a stretch is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Matter {
    /// A backslash and what it escapes.
    Escape,
    Code,
    /// `$…$`, `$$…$$`, `\(…\)` or `\[…\]`; also one of its marks alone.
    Formula,
    Tag,
    /// A bare address.
    Address,
}

/// A stretch that is not text, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Opaque {
    pub matter: Matter,
    pub start: usize,
    pub end: usize,
}

/// Bytes within which a formula in single dollars must end: prices are not formulas.
const DOLLAR_BYTES: usize = 240;
/// Bytes within which a link's address must end.
const TARGET_BYTES: usize = 2000;
/// Longer runs of backticks are text.
const MAX_BACKTICKS: usize = 32;

/// Finds the stretches of a text, each in its turn.
#[derive(Debug)]
pub(super) struct Opaques<'a> {
    text: &'a str,
    /// Runs of so many backticks are not closed any more.
    unclosed_code: [bool; MAX_BACKTICKS + 1],
    /// Ends that were looked for and do not come any more.
    unclosed: Vec<&'static str>,
    unclosed_target: bool,
    /// Behind the last `$`, nothing before this place closes a formula.
    no_dollar_before: usize,
}

impl<'a> Opaques<'a> {
    /// The stretches of `text`.
    pub fn new(text: &'a str) -> Self {
        Self {
            text,
            unclosed_code: [false; MAX_BACKTICKS + 1],
            unclosed: Vec::new(),
            unclosed_target: false,
            no_dollar_before: 0,
        }
    }

    /// The stretch that begins at `start`, if one does; an error for one that does not end, with
    /// the bytes that open it.
    pub fn at(&mut self, start: usize) -> Result<Option<Opaque>, usize> {
        let rest = self.text.get(start..).unwrap_or_default();
        match rest.as_bytes().first() {
            Some(b'\\') => self.backslash(start, rest),
            Some(b'`') => self.code(start, rest),
            Some(b'$') => self.dollar(start, rest),
            Some(b'<') => self.tag(start, rest),
            Some(b'h' | b'H') => Ok(self.address(start, rest)),
            _ => Ok(None),
        }
    }

    fn backslash(&mut self, start: usize, rest: &str) -> Result<Option<Opaque>, usize> {
        let stretch = |matter, bytes| Ok(Some(Opaque { matter, start, end: start + bytes }));
        match rest.as_bytes().get(1) {
            Some(b'(') => self.formula(start, 2, r"\)"),
            Some(b'[') => self.formula(start, 2, r"\]"),
            Some(b')' | b']') => stretch(Matter::Formula, 2),
            Some(b'\n') => {
                stretch(Matter::Escape, rest.len() - rest.trim_start_matches('\\').trim_start().len())
            }
            Some(byte) if byte.is_ascii_punctuation() => stretch(Matter::Escape, 2),
            _ => stretch(Matter::Escape, 1),
        }
    }

    fn formula(&mut self, start: usize, open: usize, end: &'static str) -> Result<Option<Opaque>, usize> {
        match self.find(start + open, end) {
            Some(end) => Ok(Some(Opaque { matter: Matter::Formula, start, end })),
            None => Err(open),
        }
    }

    /// Where the next `end` ends.
    fn find(&mut self, from: usize, end: &'static str) -> Option<usize> {
        if self.unclosed.contains(&end) {
            return None;
        }
        let found = self.text.get(from..).and_then(|rest| rest.find(end));
        if found.is_none() {
            self.unclosed.push(end);
        }
        Some(from + found? + end.len())
    }

    fn code(&mut self, start: usize, rest: &str) -> Result<Option<Opaque>, usize> {
        let length = backticks(rest);
        if length > MAX_BACKTICKS {
            return Ok(Some(Opaque { matter: Matter::Escape, start, end: start + length }));
        }
        let unclosed = self.unclosed_code.get_mut(length).ok_or(length)?;
        let mut position = start + length;
        while !*unclosed {
            let rest = self.text.get(position..).unwrap_or_default();
            let Some(next) = rest.find('`') else {
                *unclosed = true;
                break;
            };
            let run = backticks(rest.get(next..).unwrap_or_default());
            position += next + run;
            if run == length {
                return Ok(Some(Opaque { matter: Matter::Code, start, end: position }));
            }
        }
        Err(length)
    }

    fn dollar(&mut self, start: usize, rest: &str) -> Result<Option<Opaque>, usize> {
        if rest.starts_with("$$") {
            return self.formula(start, 2, "$$");
        }
        let first = rest.get(1..).and_then(|rest| rest.chars().next());
        if first.is_some_and(char::is_whitespace) {
            return Ok(None);
        }
        let limit = char_boundary(self.text, start.saturating_add(DOLLAR_BYTES));
        let from = self.no_dollar_before.max(start + 1).min(limit);
        for (position, c) in self.text.get(from..limit).unwrap_or_default().char_indices() {
            let position = from + position;
            if c == '\n' {
                self.no_dollar_before = position;
                return Ok(None);
            }
            if c == '$' && position > start + 1 && self.closes_formula(position) {
                return Ok(Some(Opaque { matter: Matter::Formula, start, end: position + 1 }));
            }
        }
        self.no_dollar_before = self.no_dollar_before.max(limit);
        if limit < self.text.len() { Ok(None) } else { Err(1) }
    }

    fn closes_formula(&self, dollar: usize) -> bool {
        let before = self.text.get(..dollar).and_then(|text| text.chars().next_back());
        let is_price = self.text.as_bytes().get(dollar + 1).is_some_and(u8::is_ascii_digit);
        !before.is_none_or(|c| c.is_whitespace() || c == '\\') && !is_price
    }

    fn tag(&mut self, start: usize, rest: &str) -> Result<Option<Opaque>, usize> {
        let opens = |byte: &u8| byte.is_ascii_alphabetic() || matches!(byte, b'/' | b'!' | b'?');
        if !rest.as_bytes().get(1).is_some_and(opens) {
            return Ok(None);
        }
        match self.find(start + 1, ">") {
            Some(end) => Ok(Some(Opaque { matter: Matter::Tag, start, end })),
            None => Err(1),
        }
    }

    fn address(&self, start: usize, rest: &str) -> Option<Opaque> {
        let scheme = ["https://", "http://"].into_iter().find(|scheme| {
            rest.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
        })?;
        let before = self.text.get(..start)?.chars().next_back();
        if before.is_some_and(char::is_alphanumeric) {
            return None;
        }
        let ends =
            |c: char| c.is_whitespace() || matches!(c, '<' | '>' | '"' | '`' | '|' | '\\' | '[' | ']' | '*');
        let address = rest.get(..rest.find(ends).unwrap_or(rest.len()))?;
        let address = address.trim_end_matches(['.', ',', ';', ':', '!', '?', '\'', ')', '_', '~']);
        (address.len() > scheme.len()).then_some(Opaque {
            matter: Matter::Address,
            start,
            end: start + address.len(),
        })
    }

    /// Where the target of a link that opens with the `(` at `start` ends.
    pub fn target_end(&mut self, start: usize) -> Option<usize> {
        if self.unclosed_target {
            return None;
        }
        let bytes = self.text.as_bytes().get(start..)?;
        let mut depth = 0_usize;
        let mut escaped = false;
        for (position, byte) in bytes.iter().enumerate().take(TARGET_BYTES) {
            match byte {
                _ if escaped => {}
                b'(' => depth += 1,
                b')' if depth == 1 => return Some(start + position + 1),
                b')' => depth -= 1,
                _ => {}
            }
            escaped = *byte == b'\\' && !escaped;
        }
        self.unclosed_target = true;
        None
    }
}

fn backticks(rest: &str) -> usize {
    rest.bytes().take_while(|byte| *byte == b'`').count()
}
