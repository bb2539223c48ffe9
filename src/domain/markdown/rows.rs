//! A table that is being read: its rows are kept until the widths of its columns are known.

use super::glyph::{Stop, Style};
use super::inline::{self, Place};
use super::out::{Ahead, Lead, Out, Shape};
use super::table::{self, Align, Mapped, Row};

/// Bytes of rows that are kept; the columns are as wide as these rows need.
const KEPT_BYTES: usize = 4096;

/// A table that is being read.
#[derive(Debug)]
pub(super) struct Rows {
    lead: Lead,
    style: Style,
    aligns: Vec<Align>,
    kept: Vec<Row>,
    kept_bytes: usize,
    /// Of the columns, once they are known.
    widths: Option<Vec<usize>>,
    begun: bool,
}

impl Rows {
    /// A table without rows.
    pub fn new(lead: Lead, aligns: Vec<Align>, out: &mut Out) -> Self {
        let style = Style { pre: out.names.pre(None), quote: lead.quote, ..Style::default() };
        Self { lead, style, aligns, kept: Vec::new(), kept_bytes: 0, widths: None, begun: false }
    }

    /// A row, which begins at `source`.
    pub fn push(&mut self, line: &str, source: usize, out: &mut Out) {
        let row = row(line, source, |text| {
            let inks = inline::read(text, Place::Cell, &mut out.names);
            let shown = |c| if c == '\n' { ' ' } else { c };
            inks.into_iter().map(|ink| (shown(ink.ch), ink.end)).collect()
        });
        self.keep(row, line.len());
        if self.widths.is_some() || self.kept_bytes > KEPT_BYTES {
            self.write_kept(out);
        }
    }

    /// The row below the header.
    pub fn push_delimiter(&mut self, line: &str, source: usize) {
        let dashes = |text: &str| text.bytes().enumerate().map(|(at, _)| ('-', at + 1)).collect();
        let row = Row { is_delimiter: true, ..row(line, source, dashes) };
        self.keep(row, line.len());
    }

    /// Bytes of rows that are kept.
    pub fn pending_bytes(&self) -> usize {
        if self.widths.is_some() { 0 } else { self.kept_bytes }
    }

    /// Writes what stands before the table, while its columns' widths are not known.
    pub fn approach(&mut self, out: &mut Out) -> Option<Ahead> {
        if self.widths.is_some() {
            return None;
        }
        out.approach(&mut self.lead);
        let chars = self.kept.iter().flat_map(|row| &row.cells).map(Vec::len).sum();
        Some(Ahead { chars, stop: Stop::Item, quote: self.lead.quote })
    }

    fn keep(&mut self, row: Row, bytes: usize) {
        self.kept.push(row);
        self.kept_bytes += bytes;
    }

    fn write_kept(&mut self, out: &mut Out) {
        let kept = std::mem::take(&mut self.kept);
        let widths = self.widths.take().unwrap_or_else(|| table::widths(&kept));
        for row in &kept {
            self.write(&table::layout(row, &widths, &self.aligns), out);
        }
        self.widths = Some(widths);
    }

    fn write(&mut self, line: &[(char, Option<usize>)], out: &mut Out) {
        if std::mem::replace(&mut self.begun, true) {
            out.line_end(1, Stop::Item, self.style);
        } else {
            out.begin(&mut self.lead, Shape::Block);
        }
        for (c, end) in line {
            match end {
                Some(end) => out.put(*c, *end, self.style),
                None => out.space(1, self.style),
            }
        }
    }

    /// That was all.
    pub fn finish(mut self, out: &mut Out) {
        self.write_kept(out);
    }
}

/// A row whose cells are read by `read`.
fn row(line: &str, source: usize, mut read: impl FnMut(&str) -> Vec<Mapped>) -> Row {
    let mut row = Row::default();
    for (start, end) in table::cells(line) {
        let text = line.get(start..end).unwrap_or_default();
        row.cells.push(read(text).into_iter().map(|(c, at)| (c, source + start + at)).collect());
        let bar = line.get(end..).and_then(|rest| rest.find('|')).map_or(end, |bar| end + bar + 1);
        row.bars.push(source + bar);
    }
    row
}
