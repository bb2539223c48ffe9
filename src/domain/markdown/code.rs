//! Code blocks, character by character.

use super::cursor::{TAB, is_space};
use super::glyph::{Stop, Style};
use super::out::{Lead, Out, Shape};

/// A code block that is being read. Blank lines at its ends and white space at the ends of its
/// lines are not shown; tabs are, as spaces: Telegram makes one space of a tab.
#[derive(Debug)]
pub(super) struct Code {
    lead: Lead,
    style: Style,
    begun: bool,
    /// Lines that ended since the last character.
    lines: usize,
    /// Columns of white space since the last character or line end.
    space: usize,
    column: usize,
}

impl Code {
    /// A code block without lines.
    pub fn new(lead: Lead, language: Option<String>, out: &mut Out) -> Self {
        let style = Style { pre: out.names.pre(language), quote: lead.quote, ..Style::default() };
        Self { lead, style, begun: false, lines: 0, space: 0, column: 0 }
    }

    /// A line begins with `space` columns of white space.
    pub fn line(&mut self, space: usize) {
        self.space = space;
        self.column = space;
    }

    /// More of the line, which begins at `source`.
    pub fn push(&mut self, text: &str, source: usize, out: &mut Out) {
        for (start, c) in text.char_indices() {
            match c {
                '\r' => {}
                '\t' => self.skip(TAB - self.column % TAB),
                c if is_space(c) => self.skip(1),
                c => self.put(c, source + start + c.len_utf8(), out),
            }
        }
    }

    fn skip(&mut self, columns: usize) {
        self.space += columns;
        self.column += columns;
    }

    fn put(&mut self, c: char, end: usize, out: &mut Out) {
        if !self.begun {
            out.begin(&mut self.lead, Shape::Block);
        } else if self.lines > 0 {
            let stop = match (self.space, self.lines) {
                (0, 1) => Stop::Item,
                (0, _) => Stop::Block,
                _ => Stop::Line,
            };
            out.line_end(self.lines, stop, self.style);
        }
        out.space(self.space, self.style);
        out.put(c, end, self.style);
        (self.begun, self.lines, self.space) = (true, 0, 0);
        self.column += 1;
    }

    /// The line is there to its end.
    pub fn line_ends(&mut self) {
        self.lines += 1;
        (self.space, self.column) = (0, 0);
    }

    /// That was all.
    pub fn finish(self, out: &mut Out) {
        if !self.begun {
            out.markers(&self.lead.markers);
        }
    }
}
