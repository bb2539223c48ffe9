//! Paragraphs and headings, read piece by piece.
//!
//! A piece ends at the first white space behind [`PIECE_CHARS`] characters where no mark is open;
//! where there is none within [`LOOK_AHEAD`] characters, at the white space where the least is.
//! The text alone says where pieces end, so a piece can be read as soon as its end is there. Of a
//! piece without an end, what [`settled`] says is told can be written before; the piece is read
//! whole all the same, and only the rest of it written.

use super::LOOK_AHEAD;
use super::cursor::is_space;
use super::glyph::{Names, Stop, Style};
use super::inline::{self, Ink, Place};
use super::out::{Ahead, Lead, Out, Shape};
use super::piece::piece;
use super::settled::settled;
use super::table;

/// Characters of a piece, at least.
const PIECE_CHARS: usize = 64;
/// Characters that a line may have to become a heading by an underline.
const UNDERLINED_CHARS: usize = 80;

/// Where a line of a paragraph comes from.
#[derive(Debug, Clone)]
struct Line {
    /// Where it begins in the paragraph's text.
    start: usize,
    /// Where it begins in the source.
    source: usize,
    marks: Vec<usize>,
}

/// A paragraph or heading that is being read.
#[derive(Debug)]
pub(super) struct Paragraph {
    lead: Lead,
    shape: Shape,
    /// What is not written yet.
    text: String,
    lines: Vec<Line>,
    /// Lines so far, written or not.
    count: usize,
    /// Where the last line begins in the text.
    last_line: usize,
    /// The last line, written or not.
    line: String,
    begun: bool,
    /// How long the text must be to look for pieces again.
    look_at: usize,
    /// How much of the text is written though its piece has no end yet.
    settled: usize,
    /// The characters that this was.
    settled_inks: usize,
    /// How long the text must be to settle more of it.
    settle_at: usize,
    /// What ends the formula that a line began.
    formula: Option<&'static str>,
}

impl Paragraph {
    /// A paragraph without text.
    pub fn new(lead: Lead, shape: Shape) -> Self {
        Self {
            lead,
            shape,
            text: String::new(),
            lines: Vec::new(),
            count: 0,
            last_line: 0,
            line: String::new(),
            begun: false,
            look_at: 0,
            settled: 0,
            settled_inks: 0,
            settle_at: 0,
            formula: None,
        }
    }

    /// A line begins at `source`.
    pub fn line(&mut self, source: usize, marks: Vec<usize>) {
        if self.count > 0 {
            self.text.push('\n');
        }
        self.count += 1;
        self.last_line = self.text.len();
        self.line.clear();
        self.look_at = 0;
        self.lines.push(Line { start: self.text.len(), source, marks });
    }

    /// More of the line is there.
    pub fn push(&mut self, text: &str, out: &mut Out) {
        let mut text = text;
        if self.line.is_empty() {
            let shown = text.trim_start_matches(is_space);
            if let Some(line) = self.lines.last_mut() {
                line.source += text.len() - shown.len();
            }
            text = shown;
        }
        self.text.push_str(text);
        self.line.push_str(text);
        self.write_pieces(out);
    }

    /// The line is there to its end.
    pub fn line_ends(&mut self) {
        let line = &self.line;
        self.formula = match self.formula {
            Some(end) => Some(end).filter(|end| !line.contains(end)),
            None => [(r"\[", r"\]"), ("$$", "$$")]
                .into_iter()
                .find(|(start, end)| {
                    line.get(start.len()..).is_some_and(|rest| line.starts_with(start) && !rest.contains(end))
                })
                .map(|(_, end)| end),
        };
        let length = self.text.trim_end_matches(['\r']).len();
        self.text.truncate(length);
    }

    /// Whether the lines that come are part of a formula.
    pub fn in_formula(&self) -> bool {
        self.formula.is_some()
    }

    /// Whether an underline would make it a heading.
    pub fn can_be_underlined(&self) -> bool {
        self.count == 1 && !self.begun && self.text.chars().nth(UNDERLINED_CHARS).is_none()
    }

    /// It is a heading.
    pub fn underlined(&mut self) {
        self.shape = Shape::Heading;
    }

    /// The cells of the last line, if a delimiter row would make it a table's header.
    pub fn header_cells(&self) -> Option<usize> {
        self.may_be_header(true).then(|| table::cells(&self.line).len())
    }

    /// The last line is a table's header: what comes before it is the paragraph.
    pub fn split_header(mut self, out: &mut Out) -> (Lead, String, usize) {
        let line = self.text.split_off(self.last_line);
        let source = self.lines.pop().map_or(0, |line| line.source);
        let mut lead = self.lead.clone();
        if self.count > 1 {
            self.text.pop();
            lead.markers.clear();
            lead.marks.clear();
            lead.blank = false;
            lead.approached = false;
            self.finish(out, false);
        }
        (lead, line, source)
    }

    fn may_be_header(&self, ended: bool) -> bool {
        let line = &self.line;
        (self.count == 1 || line.starts_with('|'))
            && !self.in_formula()
            && table::is_row(line, ended) != Some(false)
            && self.shape == Shape::Text
    }

    /// Writes what is decided.
    fn write_pieces(&mut self, out: &mut Out) {
        while self.text.len() >= self.look_at {
            let decided = self.decided();
            let piece = self.text.get(..decided).and_then(|text| piece(text, self.least()));
            let Some((end, next)) = piece else {
                self.look_at = self.text.len() + PIECE_CHARS.max(self.text.len() / 4);
                return;
            };
            self.write(end, next, Place::Paragraph, out);
        }
    }

    fn least(&self) -> usize {
        if self.shape == Shape::Heading { LOOK_AHEAD } else { PIECE_CHARS }
    }

    /// Bytes of the text that are not written.
    pub fn pending_bytes(&self) -> usize {
        self.text.len() - self.settled
    }

    /// Writes all that no more text can change, piece or not. Where marks stay open for long it
    /// does not look at the text again for each few bytes of it.
    pub fn settle(&mut self, out: &mut Out) {
        if self.text.len() < self.settle_at {
            return;
        }
        self.look_at = 0;
        self.write_pieces(out);
        let settled = settled(self.text.get(..self.decided()).unwrap_or_default());
        if settled > self.settled {
            self.write_settled(settled, out);
        }
        self.settle_at = self.text.len() + 1.max(self.text.len() / 64);
    }

    /// Writes what stands before the paragraph, while its only line may still be a heading or a
    /// table's header.
    pub fn approach(&mut self, out: &mut Out) -> Option<Ahead> {
        let is_open = self.count == 1 && !self.begun && self.decided() == 0;
        if !is_open || self.line.contains('|') {
            return None;
        }
        out.approach(&mut self.lead);
        let text = self.text.get(..settled(&self.text)).unwrap_or_default();
        let chars = shown(text, &mut Names::default()).len();
        Some(Ahead { chars, stop: Stop::Inside, quote: self.lead.quote })
    }

    fn write_settled(&mut self, settled: usize, out: &mut Out) {
        self.begin(out);
        let inks = shown(self.text.get(..settled).unwrap_or_default(), &mut out.names);
        self.put(&inks, out);
        self.settled = settled;
        self.settled_inks = self.settled_inks.max(inks.len());
    }

    fn begin(&mut self, out: &mut Out) {
        if !std::mem::replace(&mut self.begun, true) {
            out.begin(&mut self.lead, self.shape);
        }
    }

    /// How much of the text cannot become something else: a heading or a table.
    fn decided(&self) -> usize {
        if self.shape == Shape::Text && self.can_be_underlined() {
            return 0;
        }
        if self.may_be_header(false) { self.last_line.saturating_sub(1) } else { self.text.len() }
    }

    /// Writes the text before `end`, and the white space up to `next`.
    fn write(&mut self, end: usize, next: usize, place: Place, out: &mut Out) {
        self.begin(out);
        let mut inks = inline::read(self.text.get(..end).unwrap_or_default(), place, &mut out.names);
        let space = self.text.get(end..next).unwrap_or_default();
        if space.contains('\n') {
            inks.push(Ink { ch: '\n', style: Style::default(), end: next });
        } else {
            let ink = |(start, c): (usize, char)| Ink {
                ch: c,
                style: Style::default(),
                end: end + start + c.len_utf8(),
            };
            inks.extend(space.char_indices().map(ink));
        }
        self.put(&inks, out);
        self.forget(next);
    }

    /// Writes the characters that are not written yet.
    fn put(&self, inks: &[Ink], out: &mut Out) {
        let new = inks.get(self.settled_inks..).unwrap_or_default();
        out.expect(new.len());
        for ink in new {
            self.ink(*ink, out);
        }
    }

    fn ink(&self, ink: Ink, out: &mut Out) {
        let bold = ink.style.bold || self.shape == Shape::Heading && !ink.style.code;
        let style = Style { bold, quote: self.lead.quote, ..ink.style };
        let line = self.lines.partition_point(|line| line.start < ink.end).saturating_sub(1);
        if ink.ch == '\n' {
            let next = self.lines.partition_point(|line| line.start <= ink.end).saturating_sub(1);
            let next = self.lines.get(next).filter(|line| line.start == ink.end);
            let marks = next.map_or(&[][..], |line| &line.marks);
            out.line_end(1, Stop::Line, style);
            out.line_start(self.lead.indent, marks, style);
        } else if let Some(line) = self.lines.get(line) {
            out.put(ink.ch, line.source + ink.end.saturating_sub(line.start), style);
        }
    }

    /// Drops the text before `next`.
    fn forget(&mut self, next: usize) {
        self.text.drain(..next.min(self.text.len()));
        self.last_line = self.last_line.saturating_sub(next);
        (self.look_at, self.settled, self.settled_inks, self.settle_at) = (0, 0, 0, 0);
        let gone = self.lines.partition_point(|line| line.start <= next).saturating_sub(1);
        self.lines.drain(..gone);
        for line in &mut self.lines {
            line.source += next.saturating_sub(line.start);
            line.start = line.start.saturating_sub(next);
        }
    }

    /// Writes the rest. `unfinished`: there is more to come that is not there yet.
    pub fn finish(mut self, out: &mut Out, unfinished: bool) {
        while let Some((end, next)) = piece(&self.text, self.least()) {
            self.write(end, next, Place::Paragraph, out);
        }
        let mut end = self.text.trim_end_matches([' ', '\t', '\r', '\n']).len();
        let text = self.text.get(..end).unwrap_or_default();
        if self.shape == Shape::Heading {
            end = without_closing(text).len();
        } else if unfinished {
            end = text.trim_end_matches(['*', '_', '~', '`']).len();
        }
        let place = if unfinished { Place::Unfinished } else { Place::Paragraph };
        if end > 0 {
            self.write(end, end, place, out);
        } else if !self.begun {
            out.markers(&self.lead.markers);
        }
    }
}

/// The characters of a beginning of a paragraph, without the spaces at its end: they are dropped
/// should the line end behind them.
fn shown(beginning: &str, names: &mut Names) -> Vec<Ink> {
    let mut inks = inline::read(beginning, Place::Paragraph, names);
    while inks.last().is_some_and(|ink| matches!(ink.ch, ' ' | '\t')) {
        inks.pop();
    }
    inks
}

/// A heading without the closing sequence of `#`.
fn without_closing(text: &str) -> &str {
    let before = text.trim_end_matches('#');
    if before.is_empty() || before.ends_with([' ', '\t']) { before.trim_end() } else { text }
}
