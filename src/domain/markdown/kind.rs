//! What kind of text a line has, behind the markers of its containers.

use super::cursor::{TAB, is_space};
use super::head::{Kind, OpenLeaf, Reader};
use super::table;

/// Bytes within which a line must show that it is a rule, an underline or the start of a fence.
const MARK_BYTES: usize = 240;

impl Reader<'_> {
    /// A line in a fence.
    pub fn code_line(&mut self, mark: char, length: usize, indent: usize) -> Option<Kind> {
        let rest = self.cursor.content();
        let run = rest.chars().take_while(|c| *c == mark).count();
        let behind = rest.get(run..).unwrap_or_default();
        let maybe_end = self.cursor.indent() < TAB && behind.chars().all(is_space);
        if maybe_end && rest.len() < MARK_BYTES {
            if !self.ended {
                return None;
            }
            if run >= length {
                return Some(Kind::FenceEnd);
            }
        }
        self.cursor.skip_columns(indent);
        Some(Kind::CodeLine)
    }

    /// What kind of line it is, behind its containers.
    pub fn kind(&mut self, all: bool) -> Option<Kind> {
        let Some(first) = self.ahead()? else { return Some(Kind::Blank) };
        let in_paragraph = self.opened.is_empty() && matches!(self.leaf, OpenLeaf::Paragraph { .. });
        if self.cursor.indent() >= TAB {
            if !in_paragraph {
                self.cursor.skip_columns(TAB);
            }
            return Some(if in_paragraph { Kind::Text } else { Kind::Indented });
        }
        let own = if all && self.opened.is_empty() { self.goes_on(first)? } else { None };
        if own.is_some() {
            return own;
        }
        match first {
            '#' if self.is_heading()? => Some(Kind::Heading),
            '`' | '~' => Some(self.fence(first)?.unwrap_or(Kind::Text)),
            '-' | '*' | '_' if self.is_rule(first)? => Some(Kind::Rule),
            '[' if !self.opened.is_empty() && !self.task_is_told() => None,
            _ => Some(Kind::Text),
        }
    }

    /// Lines that only mean something to what is open.
    fn goes_on(&mut self, first: char) -> Option<Option<Kind>> {
        match self.leaf {
            OpenLeaf::Paragraph { underline, header, .. } => {
                if underline && matches!(first, '-' | '=') && self.is_underline(first)? {
                    return Some(Some(Kind::Underline));
                }
                match header {
                    Some(cells) => self.delimiter(cells),
                    None => Some(None),
                }
            }
            OpenLeaf::Table => {
                let is_row = table::is_row(self.cursor.content(), self.ended)?;
                Some(is_row.then_some(Kind::Row))
            }
            _ => Some(None),
        }
    }

    /// Whether the line consists of `marks` and what is told apart by `is_mark`, to its end.
    fn consists_of(&self, is_mark: impl Fn(char) -> bool, bytes: usize) -> Option<bool> {
        let rest = self.cursor.content();
        if rest.len() > bytes || !rest.chars().all(is_mark) {
            return Some(false);
        }
        self.ended.then_some(true)
    }

    pub fn is_rule(&self, mark: char) -> Option<bool> {
        let consists = self.consists_of(|c| c == mark || is_space(c), MARK_BYTES)?;
        Some(consists && self.cursor.content().chars().filter(|c| *c == mark).count() >= 3)
    }

    fn is_underline(&self, mark: char) -> Option<bool> {
        let consists = self.consists_of(|c| c == mark || is_space(c), MARK_BYTES)?;
        let rest = self.cursor.content().trim_end_matches(is_space);
        Some(consists && rest.chars().all(|c| c == mark))
    }

    fn delimiter(&self, cells: usize) -> Option<Option<Kind>> {
        if !self.consists_of(|c| is_space(c) || matches!(c, '|' | ':' | '-'), table::LINE_BYTES)? {
            return Some(None);
        }
        let aligns = table::aligns(self.cursor.content());
        Some(aligns.filter(|aligns| aligns.len() == cells).map(Kind::Delimiter))
    }

    fn is_heading(&self) -> Option<bool> {
        let rest = self.cursor.content();
        let level = rest.bytes().take(7).take_while(|byte| *byte == b'#').count();
        match rest.chars().nth(level) {
            None if !self.ended => None,
            behind => Some(level <= 6 && behind.is_none_or(is_space)),
        }
    }

    fn fence(&self, mark: char) -> Option<Option<Kind>> {
        let rest = self.cursor.content();
        let length = rest.chars().take_while(|c| *c == mark).count();
        let info = rest.get(length..).unwrap_or_default();
        let not_one = length < 3 && !info.is_empty() || mark == '`' && info.contains('`');
        if not_one || rest.len() > MARK_BYTES {
            return Some(None);
        }
        if !self.ended {
            return None;
        }
        let language = info.split_whitespace().next().map(str::to_owned);
        let fence = Kind::Fence { mark, length, indent: self.cursor.indent(), language };
        Some((length >= 3).then_some(fence))
    }

    /// Whether enough is there to tell a task from a link.
    fn task_is_told(&self) -> bool {
        self.ended || self.cursor.content().len() > 3
    }
}
