//! An answer in Markdown, read as it comes: lines, the containers around them, and the blocks
//! they make.
//!
//! What is written to [`Out`] depends on the text alone, and is never taken back.

use super::code::Code;
use super::cursor::char_boundary;
use super::head::{self, Head, Kind, OpenLeaf};
use super::levels::Levels;
use super::out::{Ahead, Lead, Marker, Out};
use super::paragraph::Paragraph;
use super::rows::Rows;

/// Bytes of a line that are handed on at a time.
const STEP: usize = 1024;

/// The open block.
#[derive(Debug)]
pub(super) enum Leaf {
    Nothing,
    Paragraph(Paragraph),
    Heading(Paragraph),
    Fence { code: Code, mark: char, length: usize, indent: usize },
    Indented(Code),
    Table(Rows),
}

/// An answer that is being read.
#[derive(Debug)]
pub(super) struct Document {
    /// What is not read yet.
    unread: String,
    /// Where `unread` begins in the source.
    base: usize,
    /// What of `unread` has been read.
    read: usize,
    /// The line's start was read; the rest goes to the open block.
    within_line: bool,
    /// How much must be unread for another look at a line's start, unless the line ends.
    look_at: usize,
    /// How much was unread at the last look.
    looked_at: usize,
    levels: Levels,
    pub leaf: Leaf,
    /// Markers of items that have no text yet.
    pub pending: Vec<Marker>,
    /// A blank line came last.
    blank: bool,
    /// What came out.
    pub out: Out,
}

impl Document {
    /// An empty answer.
    pub fn new() -> Self {
        Self {
            unread: String::new(),
            base: 0,
            read: 0,
            within_line: false,
            look_at: 0,
            looked_at: 0,
            levels: Levels::default(),
            leaf: Leaf::Nothing,
            pending: Vec::new(),
            blank: false,
            out: Out::new(),
        }
    }

    /// How much of the source is there, in bytes.
    pub fn length(&self) -> usize {
        self.base + self.unread.len()
    }

    /// More of the answer is there.
    pub fn push(&mut self, text: &str) {
        self.unread.push_str(text);
        let unread = self.unread.len().saturating_sub(self.read);
        if self.within_line || unread >= self.look_at || text.contains('\n') {
            self.advance(false);
        }
    }

    /// Bytes of the source that are there and not written.
    pub fn pending_bytes(&self) -> usize {
        let in_leaf = match &self.leaf {
            Leaf::Paragraph(paragraph) | Leaf::Heading(paragraph) => paragraph.pending_bytes(),
            Leaf::Table(rows) => rows.pending_bytes(),
            _ => 0,
        };
        self.unread.len() + in_leaf
    }

    /// Writes all that no more text can change, without waiting for enough to make it worth a look.
    pub fn settle(&mut self) {
        if !self.within_line && self.unread.len() > self.looked_at + self.looked_at / 16 {
            self.advance(false);
        }
        if let Leaf::Paragraph(paragraph) | Leaf::Heading(paragraph) = &mut self.leaf {
            paragraph.settle(&mut self.out);
        }
    }

    /// Writes what stands before the open block, if it is not known yet what that will look like.
    pub fn approach(&mut self) -> Option<Ahead> {
        match &mut self.leaf {
            Leaf::Paragraph(paragraph) => paragraph.approach(&mut self.out),
            Leaf::Table(rows) => rows.approach(&mut self.out),
            _ => None,
        }
    }

    /// The answer is there to its end; with `unfinished`, to where it has come so far.
    pub fn finish(&mut self, unfinished: bool) {
        self.advance(true);
        match std::mem::replace(&mut self.leaf, Leaf::Nothing) {
            Leaf::Paragraph(paragraph) | Leaf::Heading(paragraph) => {
                paragraph.finish(&mut self.out, unfinished)
            }
            leaf => {
                self.leaf = leaf;
                self.close_leaf();
            }
        }
        self.write_pending();
    }

    fn advance(&mut self, complete: bool) {
        while if self.within_line { self.read_text(complete) } else { self.read_head(complete) } {}
        if self.read == self.unread.len() {
            // Its room goes too: a chat that waits for words would hold it.
            self.unread = String::new();
        } else {
            self.unread.drain(..self.read);
        }
        self.base += self.read;
        self.read = 0;
    }

    /// Hands a stretch of the line to the open block. Whether there may be more to do.
    fn read_text(&mut self, complete: bool) -> bool {
        let rest = self.unread.get(self.read..).unwrap_or_default();
        let rest = rest.get(..char_boundary(rest, STEP)).unwrap_or(rest);
        let end = rest.find('\n');
        let text = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
        let source = self.base + self.read;
        match &mut self.leaf {
            Leaf::Paragraph(paragraph) | Leaf::Heading(paragraph) => paragraph.push(text, &mut self.out),
            Leaf::Fence { code, .. } | Leaf::Indented(code) => code.push(text, source, &mut self.out),
            Leaf::Nothing | Leaf::Table(_) => {}
        }
        let may_be_more = !rest.is_empty();
        self.read += text.len() + usize::from(end.is_some());
        let is_end = end.is_some() || complete && self.read == self.unread.len();
        if is_end {
            self.line_ends(end.is_some());
        }
        may_be_more
    }

    fn line_ends(&mut self, ended: bool) {
        self.within_line = false;
        match &mut self.leaf {
            Leaf::Paragraph(paragraph) => paragraph.line_ends(),
            Leaf::Heading(_) if ended => self.close_leaf(),
            Leaf::Fence { code, .. } | Leaf::Indented(code) => code.line_ends(),
            Leaf::Nothing | Leaf::Heading(_) | Leaf::Table(_) => {}
        }
    }

    /// Reads the start of a line. Whether there may be more to do.
    fn read_head(&mut self, complete: bool) -> bool {
        let rest = self.unread.get(self.read..).unwrap_or_default();
        if rest.is_empty() {
            self.look_at = 0;
            return false;
        }
        let end = rest.find('\n');
        let line = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
        let containers = self.levels.containers();
        let Some(head) = head::read(line, end.is_some() || complete, &containers, self.open_leaf()) else {
            self.look_at = line.len() + 16.max(line.len() / 4);
            self.looked_at = line.len();
            return false;
        };
        let line = (line.to_owned(), end.is_some());
        (self.look_at, self.looked_at) = (0, 0);
        self.apply(head, &line.0, line.1);
        true
    }

    fn open_leaf(&self) -> OpenLeaf {
        match &self.leaf {
            Leaf::Paragraph(paragraph) => OpenLeaf::Paragraph {
                underline: paragraph.can_be_underlined(),
                header: paragraph.header_cells(),
                formula: paragraph.in_formula(),
            },
            Leaf::Fence { mark, length, indent, .. } => {
                OpenLeaf::Fence { mark: *mark, length: *length, indent: *indent }
            }
            Leaf::Table(_) => OpenLeaf::Table,
            Leaf::Nothing | Leaf::Heading(_) | Leaf::Indented(_) => OpenLeaf::Nothing,
        }
    }

    fn apply(&mut self, head: Head, line: &str, ended: bool) {
        let start = self.base + self.read;
        let goes_on = head.opened.is_empty() && self.goes_on(&head, head.matched == self.levels.count());
        if !goes_on {
            self.close_before(&head);
        }
        if !(goes_on && head.kind == Kind::Text) {
            self.open_levels(&head, start);
        }
        let text = line.get(head.text..).unwrap_or_default();
        let (skipped, whole_line) = match &head.kind {
            Kind::Text => (head.text + self.text(&head, goes_on, start, text), false),
            Kind::Heading => (head.text + self.heading(&head, start, text), false),
            Kind::Indented | Kind::CodeLine => (head.text + self.code_line(&head, goes_on, start), false),
            _ => (line.len() + usize::from(ended), true),
        };
        if whole_line {
            self.line(head, start, text);
        }
        self.read += skipped;
        self.within_line = !whole_line;
    }

    /// Whether the line belongs to the open block.
    fn goes_on(&self, head: &Head, all: bool) -> bool {
        match (&self.leaf, &head.kind) {
            (Leaf::Paragraph(_), Kind::Text | Kind::Underline | Kind::Delimiter(_)) => true,
            (Leaf::Fence { .. }, Kind::CodeLine | Kind::FenceEnd) => true,
            (Leaf::Table(_), Kind::Row) => true,
            (Leaf::Indented(_), Kind::Indented) => all,
            _ => false,
        }
    }

    /// The line does not belong to the open block, which ends; indented code may go on behind
    /// blank lines.
    fn close_before(&mut self, head: &Head) {
        let is_blank = head.kind == Kind::Blank && head.opened.is_empty();
        self.blank |= is_blank;
        match &mut self.leaf {
            Leaf::Indented(code) if is_blank && head.matched == self.levels.count() => code.line_ends(),
            _ => self.close_leaf(),
        }
    }

    /// The open block ends.
    pub fn close_leaf(&mut self) {
        match std::mem::replace(&mut self.leaf, Leaf::Nothing) {
            Leaf::Nothing => {}
            Leaf::Paragraph(paragraph) | Leaf::Heading(paragraph) => paragraph.finish(&mut self.out, false),
            Leaf::Fence { code, .. } | Leaf::Indented(code) => code.finish(&mut self.out),
            Leaf::Table(rows) => rows.finish(&mut self.out),
        }
    }

    fn write_pending(&mut self) {
        let pending = std::mem::take(&mut self.pending);
        self.out.markers(&pending);
    }

    /// Closes the containers that the line does not belong to and opens those that it begins.
    fn open_levels(&mut self, head: &Head, start: usize) {
        if head.matched < self.levels.count() {
            self.write_pending();
        }
        let markers = self.levels.update(head, start, &mut self.blank, &mut self.out.names);
        self.pending.extend(markers);
    }

    /// What stands before a block that this line begins.
    pub fn lead(&mut self, head: &Head, start: usize) -> Lead {
        let markers = std::mem::take(&mut self.pending);
        let after = markers.last().and_then(|marker| marker.text.last()).map_or(0, |(_, end)| *end);
        let marks = head.marks.iter().map(|mark| start + mark).filter(|mark| *mark > after);
        Lead {
            marks: marks.collect(),
            markers,
            blank: std::mem::take(&mut self.blank),
            in_item: self.levels.in_item(),
            indent: self.levels.indent(),
            quote: self.levels.quote(),
            approached: false,
        }
    }
}
