//! An answer in Markdown, read as it comes: lines, the containers around them, and the blocks
//! they make.
//!
//! What is written to [`Out`] depends on the text alone, and is never taken back.

use super::code::Code;
use super::cursor::{char_boundary, is_space};
use super::glyph::Style;
use super::head::{self, Container, Head, Kind, OpenLeaf, Opened};
use super::levels::{BULLET, Levels};
use super::out::{Lead, Marker, Out, Shape};
use super::paragraph::Paragraph;
use super::rows::Rows;
use super::table::Align;

/// Bytes of a line that are handed on at a time.
const STEP: usize = 1024;
/// How long a rule is drawn.
const RULE_CHARS: usize = 3;

#[derive(Debug)]
enum Leaf {
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
    levels: Levels,
    leaf: Leaf,
    /// Markers of items that have no text yet.
    pending: Vec<Marker>,
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
        self.unread.drain(..self.read);
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
            return false;
        };
        let line = (line.to_owned(), end.is_some());
        self.look_at = 0;
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

    fn close_leaf(&mut self) {
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

    fn lead(&mut self, head: &Head, start: usize) -> Lead {
        Lead {
            markers: std::mem::take(&mut self.pending),
            blank: std::mem::take(&mut self.blank),
            in_item: self.levels.in_item(),
            indent: self.levels.indent(),
            marks: head.marks.iter().map(|mark| start + mark).collect(),
            quote: self.levels.quote(),
        }
    }

    /// A line of a paragraph. How much of it is not shown.
    fn text(&mut self, head: &Head, goes_on: bool, start: usize, text: &str) -> usize {
        let mut skipped = 0;
        if !goes_on {
            skipped = self.task(head, start + head.text, text);
            let lead = self.lead(head, start);
            self.leaf = Leaf::Paragraph(Paragraph::new(lead, Shape::Text));
        }
        if let Leaf::Paragraph(paragraph) = &mut self.leaf {
            let marks = head.marks.iter().map(|mark| start + mark).collect();
            paragraph.line(start + head.text + skipped, marks);
        }
        skipped
    }

    /// The box of a task takes the place of a bullet, or stands behind a number.
    fn task(&mut self, head: &Head, source: usize, text: &str) -> usize {
        let is_first = matches!(head.opened.last(), Some(Opened { container: Container::Item { .. }, .. }));
        let drawn = match text.as_bytes().get(..4) {
            Some([b'[', b' ', b']', b' ' | b'\t']) => '☐',
            Some([b'[', b'x' | b'X', b']', b' ' | b'\t']) => '☑',
            _ => return 0,
        };
        let Some(marker) = self.pending.last_mut().filter(|_| is_first) else { return 0 };
        if marker.text.first().is_some_and(|(c, _)| *c == BULLET) {
            marker.text.clear();
        } else {
            marker.text.push((' ', source));
        }
        marker.text.push((drawn, source + 3));
        3
    }

    fn heading(&mut self, head: &Head, start: usize, text: &str) -> usize {
        let level = text.bytes().take_while(|byte| *byte == b'#').count();
        let mut heading = Paragraph::new(self.lead(head, start), Shape::Heading);
        heading.line(start + head.text + level, Vec::new());
        self.leaf = Leaf::Heading(heading);
        level
    }

    fn code_line(&mut self, head: &Head, goes_on: bool, start: usize) -> usize {
        if !goes_on {
            let lead = self.lead(head, start);
            self.leaf = Leaf::Indented(Code::new(lead, None, &mut self.out));
        }
        if let Leaf::Fence { code, .. } | Leaf::Indented(code) = &mut self.leaf {
            code.line(head.spare);
        }
        0
    }

    /// A line that is there to its end.
    fn line(&mut self, head: Head, start: usize, text: &str) {
        let lead_of = |document: &mut Self| document.lead(&head, start);
        match &head.kind {
            Kind::Rule => {
                let lead = lead_of(self);
                self.rule(&lead, start + head.text, text);
            }
            Kind::Fence { mark, length, indent, language } => {
                let lead = lead_of(self);
                let code = Code::new(lead, language.clone(), &mut self.out);
                self.leaf = Leaf::Fence { code, mark: *mark, length: *length, indent: *indent };
            }
            Kind::FenceEnd => self.close_leaf(),
            Kind::Underline => self.underline(),
            Kind::Delimiter(aligns) => self.table(aligns.clone(), start + head.text, text),
            Kind::Row => {
                if let Leaf::Table(rows) = &mut self.leaf {
                    rows.push(text, start + head.text, &mut self.out);
                }
            }
            _ => {}
        }
    }

    fn rule(&mut self, lead: &Lead, source: usize, text: &str) {
        self.out.begin(lead, Shape::Block);
        let style = Style { quote: lead.quote, ..Style::default() };
        let marks = text.char_indices().filter(|(_, c)| !is_space(*c)).take(RULE_CHARS);
        for (position, c) in marks {
            self.out.put('—', source + position + c.len_utf8(), style);
        }
    }

    fn underline(&mut self) {
        if let Leaf::Paragraph(paragraph) = &mut self.leaf {
            paragraph.underlined();
        }
        self.close_leaf();
    }

    fn table(&mut self, aligns: Vec<Align>, source: usize, delimiter: &str) {
        let Leaf::Paragraph(paragraph) = std::mem::replace(&mut self.leaf, Leaf::Nothing) else { return };
        let (lead, header, header_source) = paragraph.split_header(&mut self.out);
        let mut rows = Rows::new(lead, aligns, &mut self.out);
        rows.push(&header, header_source, &mut self.out);
        rows.push_delimiter(delimiter, source);
        self.leaf = Leaf::Table(rows);
    }
}
