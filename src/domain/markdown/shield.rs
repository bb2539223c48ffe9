//! A paragraph's text made ready for `pulldown_cmark`: so that it reads nothing but inline marks,
//! and leaves alone what is not to be read.
//!
//! Formulas, bare addresses and stars that are no emphasis are replaced by as many letters or
//! dots; lines are indented by so much that none of them begins a block; a first line is put
//! before them, behind which no line defines a link. Where each stretch came from is kept, and the
//! original is what is shown.

use super::marks::{self, Marks};
use super::opaque::Matter;

/// The first line.
pub(super) const PREFIX: &str = "x\n    ";
const INDENT: &str = "    ";
/// Takes part in words and is not shown: stands between punctuation and a run of marks.
const JOINER: char = '\u{2060}';

/// A stretch of the prepared text that is the original's, byte for byte.
#[derive(Debug, Clone, Copy)]
struct Stretch {
    prepared: usize,
    original: usize,
    length: usize,
}

/// A text prepared for reading.
#[derive(Debug)]
pub(super) struct Shielded<'a> {
    original: &'a str,
    /// What is to be read.
    pub prepared: String,
    stretches: Vec<Stretch>,
}

/// Prepares `original`. With `close`, marks that are open at its end are closed.
pub(super) fn shield(original: &str, close: bool) -> Shielded<'_> {
    let mut shielded = Shielded { original, prepared: PREFIX.to_owned(), stretches: Vec::new() };
    let marks = marks::scan(original);
    let bytes = replaced(original, &marks);
    let mut joins: Vec<usize> = Vec::new();
    for run in marks.runs.iter().filter(|run| !run.is_literal) {
        joins.extend(run.softened.0.then_some(run.start));
        joins.extend(run.softened.1.then_some(run.start + run.length));
    }
    let mut joins = joins.into_iter().peekable();
    let mut start = 0;
    for (position, c) in bytes.char_indices().chain([(bytes.len(), '\0')]) {
        let joins_here = joins.next_if_eq(&position).is_some();
        if joins_here || position == bytes.len() || c == '\n' {
            let end = if c == '\n' { position + 1 } else { position };
            shielded.add(&bytes, start, end);
            start = end;
        }
        match c {
            '\n' => shielded.prepared.push_str(INDENT),
            _ if joins_here => shielded.prepared.push(JOINER),
            _ => {}
        }
    }
    if close {
        shielded.prepared.push_str(&closers(&marks));
    }
    shielded
}

/// `original`, with what is not to be read replaced byte by byte.
fn replaced(original: &str, marks: &Marks) -> String {
    let mut bytes = original.as_bytes().to_vec();
    let hidden = marks.opaque.iter().filter(|o| matches!(o.matter, Matter::Formula | Matter::Address));
    for opaque in hidden {
        let stretch = bytes.get_mut(opaque.start..opaque.end).unwrap_or_default();
        stretch.iter_mut().filter(|byte| **byte != b'\n').for_each(|byte| *byte = b'x');
    }
    for run in marks.runs.iter().filter(|run| run.is_literal) {
        bytes.get_mut(run.start..run.start + run.length).unwrap_or_default().fill(b'.');
    }
    bytes.iter_mut().filter(|byte| **byte == b'\r').for_each(|byte| *byte = b' ');
    // Whole characters were replaced by ASCII: the bytes are UTF-8.
    String::from_utf8(bytes).unwrap_or_default()
}

/// What closes what is open, innermost first. A link whose address is still being written leads
/// nowhere: as far as it goes the address is one and was replaced.
fn closers(marks: &Marks) -> String {
    let closer = |open: &marks::Open| match *open {
        marks::Open::Emphasis(mark, length) => mark.to_string().repeat(length),
        marks::Open::Code(length) => "`".repeat(length),
        marks::Open::Target => ")".to_owned(),
        marks::Open::Bracket | marks::Open::Other => String::new(),
    };
    marks.open.iter().rev().map(closer).collect()
}

impl<'a> Shielded<'a> {
    fn add(&mut self, bytes: &str, start: usize, end: usize) {
        let text = bytes.get(start..end).unwrap_or_default();
        let stretch = Stretch { prepared: self.prepared.len(), original: start, length: text.len() };
        self.stretches.push(stretch);
        self.prepared.push_str(text);
    }

    /// What was prepared.
    pub fn original(&self) -> &'a str {
        self.original
    }

    /// The original's stretches behind a stretch of the prepared text, with their places.
    pub fn originals(&self, start: usize, end: usize) -> impl Iterator<Item = (usize, &'a str)> {
        let first = self.stretches.partition_point(|stretch| stretch.prepared + stretch.length <= start);
        let stretches = self.stretches.get(first..).unwrap_or_default().iter();
        stretches.take_while(move |stretch| stretch.prepared < end).filter_map(move |stretch| {
            let skip = start.saturating_sub(stretch.prepared);
            let take = stretch.length.min(end.saturating_sub(stretch.prepared));
            let range = stretch.original + skip..stretch.original + take.max(skip);
            Some((range.start, self.original.get(range)?))
        })
    }
}
