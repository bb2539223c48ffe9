//! The rendered answer as it grows: blocks with what stands between and before them.

use std::collections::VecDeque;

use super::glyph::{Glyph, Names, Stop, Style};

/// Columns of white space that a line is indented by, at most.
const MAX_INDENT: usize = 24;

/// By so many characters the rendering grows at least: what waits is seldom more than one send, for
/// which doubling would take too much.
const GROWTH: usize = 64;

/// A list item's marker that is still to be written: with the item's first text.
#[derive(Debug, Clone)]
pub(super) struct Marker {
    /// Its characters, with where they end in the source.
    pub text: Vec<(char, usize)>,
    /// It stands behind another marker.
    pub same_line: bool,
    /// White space before it.
    pub indent: usize,
    /// Where the markers of quotes in quotes before it end.
    pub marks: Vec<usize>,
    /// There is a blank line before it.
    pub blank: bool,
    /// It goes on with a list, or is inside one.
    pub in_list: bool,
    pub quote: u32,
}

/// What stands before a block's text.
#[derive(Debug, Clone, Default)]
pub(super) struct Lead {
    pub markers: Vec<Marker>,
    /// There is a blank line before it.
    pub blank: bool,
    /// It is inside a list item.
    pub in_item: bool,
    /// White space before each of its lines.
    pub indent: usize,
    /// Where the markers of quotes in quotes on its first line end.
    pub marks: Vec<usize>,
    pub quote: u32,
    /// What separates it from the block before, and its markers, are written.
    pub approached: bool,
}

/// What a block is to what comes before and after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// May stand behind a list item's marker.
    Text,
    /// As text; no cut behind it if it can be helped.
    Heading,
    /// Begins on a line of its own.
    Block,
}

/// What is known of a block whose text can't be written yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ahead {
    /// Characters that it will have, at least.
    pub chars: usize,
    /// The best place for a cut among them.
    pub stop: Stop,
    pub quote: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Last {
    Nothing,
    Marker,
    Shape(Shape),
}

/// The rendered answer.
#[derive(Debug)]
pub(super) struct Out {
    pub glyphs: VecDeque<Glyph>,
    pub names: Names,
    last: Last,
    last_quote: u32,
    last_end: usize,
}

impl Out {
    /// Nothing yet.
    pub fn new() -> Self {
        Self {
            glyphs: VecDeque::new(),
            names: Names::default(),
            last: Last::Nothing,
            last_quote: 0,
            last_end: 0,
        }
    }

    /// Writes a character that ends in the source at `end`.
    pub fn put(&mut self, ch: char, end: usize, style: Style) {
        let ch = match ch {
            '\r' => ' ',
            '\0' => char::REPLACEMENT_CHARACTER,
            ch => ch,
        };
        self.last_end = end.max(self.last_end);
        let look = self.names.look(style);
        self.push(Glyph::new(ch, self.last_end, look, Stop::Inside));
    }

    fn push(&mut self, glyph: Glyph) {
        self.expect(1);
        self.glyphs.push_back(glyph);
    }

    /// Makes room for so many characters.
    pub fn expect(&mut self, chars: usize) {
        let missing = (self.glyphs.len() + chars).saturating_sub(self.glyphs.capacity());
        if missing > 0 {
            self.glyphs.reserve_exact(chars.max(GROWTH).max(self.glyphs.len() / 4));
        }
    }

    /// Writes white space that the source does not have.
    pub fn space(&mut self, columns: usize, style: Style) {
        for _ in 0..columns {
            self.put(' ', self.last_end, style);
        }
    }

    /// Ends the line.
    pub fn line_end(&mut self, lines: usize, stop: Stop, style: Style) {
        for line in 0..lines {
            let stop = if line == 0 { stop } else { Stop::Inside };
            let look = self.names.look(style);
            self.push(Glyph::new('\n', self.last_end, look, stop));
        }
    }

    /// White space before a line, and the markers of quotes in quotes.
    pub fn line_start(&mut self, indent: usize, marks: &[usize], style: Style) {
        self.space(indent.min(MAX_INDENT), style);
        for mark in marks {
            self.put('>', *mark, style);
            self.space(1, style);
        }
    }

    /// Writes what separates a block from the one before, and its markers: the same whatever the
    /// block will be.
    pub fn approach(&mut self, lead: &mut Lead) {
        if !std::mem::replace(&mut lead.approached, true) {
            self.markers(&std::mem::take(&mut lead.markers));
            if self.last != Last::Marker {
                let tight = lead.in_item && !lead.blank;
                self.gap(if tight { 1 } else { 2 }, Stop::Block, lead.quote);
            }
        }
    }

    /// Writes what stands before a block.
    pub fn begin(&mut self, lead: &mut Lead, shape: Shape) {
        self.approach(lead);
        let style = Style { quote: lead.quote, ..Style::default() };
        let own_line = shape == Shape::Block || lead.quote != self.last_quote;
        if self.last == Last::Marker {
            if own_line {
                self.line_end(1, Stop::Inside, Style::default());
            } else {
                self.space(1, style);
            }
            self.line_start(0, &lead.marks, style);
        } else {
            let indent = if shape == Shape::Block { 0 } else { lead.indent };
            self.line_start(indent, &lead.marks, style);
        }
        self.last = Last::Shape(shape);
        self.last_quote = lead.quote;
    }

    /// Writes the markers of list items.
    pub fn markers(&mut self, markers: &[Marker]) {
        for marker in markers {
            let style = Style { quote: marker.quote, ..Style::default() };
            if self.last == Last::Marker && marker.same_line && marker.quote == self.last_quote {
                self.space(1, style);
                self.line_start(0, &marker.marks, style);
            } else {
                let tight = marker.in_list || self.last == Last::Shape(Shape::Text);
                let lines = if tight && !marker.blank { 1 } else { 2 };
                self.gap(lines, if lines == 1 { Stop::Item } else { Stop::Block }, marker.quote);
                self.line_start(marker.indent, &marker.marks, style);
            }
            for (ch, end) in &marker.text {
                self.put(*ch, *end, style);
            }
            self.last = Last::Marker;
            self.last_quote = marker.quote;
        }
    }

    /// What stands between two blocks.
    fn gap(&mut self, lines: usize, stop: Stop, quote: u32) {
        let stop = if self.last == Last::Shape(Shape::Heading) { Stop::Inside } else { stop };
        let lines = if self.last == Last::Nothing { 0 } else { lines };
        let quote = if quote == self.last_quote { quote } else { 0 };
        self.line_end(lines, stop, Style { quote, ..Style::default() });
    }
}
