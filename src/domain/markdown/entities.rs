//! From styled characters to a text and its entities, within Telegram's rules: offsets in UTF-16
//! code units, nothing of zero length, nothing that overlaps in part, no cluster split.

use unicode_segmentation::UnicodeSegmentation;

use super::glyph::{ATTRIBUTES, Glyph, Names};

/// What an entity does to its text. The names are Telegram's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntityKind {
    /// A block quote.
    Blockquote,
    /// Text that leads to an address.
    TextLink {
        /// The address.
        url: String,
    },
    /// Bold text.
    Bold,
    /// Italic text.
    Italic,
    /// Struck out text.
    Strikethrough,
    /// Monospace text within a line.
    Code,
    /// A monospace block.
    Pre {
        /// The language it is written in, if it was named.
        language: Option<String>,
    },
}

/// A stretch of a text that looks different.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entity {
    /// How it looks.
    pub kind: EntityKind,
    /// Where it begins, in UTF-16 code units.
    pub offset: usize,
    /// How long it is, in UTF-16 code units.
    pub length: usize,
}

/// A text with its entities, as `sendMessage` takes them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rendered {
    /// The text, without white space at its ends.
    pub text: String,
    /// Its entities: sorted, outer ones before inner ones.
    pub entities: Vec<Entity>,
}

impl<T: Into<String>> From<T> for Rendered {
    /// Plain text, as it is.
    fn from(text: T) -> Self {
        Self { text: text.into(), entities: Vec::new() }
    }
}

/// What the glyphs say, trimmed.
pub(super) fn rendered(glyphs: &[Glyph], names: &Names) -> Rendered {
    let glyphs = trimmed(glyphs);
    let text: String = glyphs.iter().map(|glyph| glyph.ch).collect();
    if glyphs.iter().all(|glyph| glyph.look == 0) {
        return Rendered { text, entities: Vec::new() };
    }
    let starts = cluster_starts(&text);
    let cells = cells(glyphs, &starts, names);
    let spans = spans(&cells);
    let entities = entities(glyphs, &starts, spans, names);
    Rendered { text, entities }
}

/// The glyphs without white space at the ends: Telegram drops it.
pub(super) fn trimmed(glyphs: &[Glyph]) -> &[Glyph] {
    let blank = |glyph: &Glyph| glyph.ch.is_whitespace();
    let start = glyphs.iter().position(|glyph| !blank(glyph)).unwrap_or(glyphs.len());
    let end = glyphs.iter().rposition(|glyph| !blank(glyph)).map_or(start, |last| last + 1);
    glyphs.get(start..end).unwrap_or_default()
}

/// For each character, and for the end, whether a grapheme cluster begins there.
pub(super) fn cluster_starts(text: &str) -> Vec<bool> {
    // Below the combining marks only "\r\n" is a cluster of two characters (UAX 29).
    if text.chars().all(|c| c < '\u{300}' && c != '\r') {
        return vec![true; text.chars().count() + 1];
    }
    let mut starts = Vec::with_capacity(text.len() + 1);
    for cluster in text.graphemes(true) {
        starts.extend(cluster.chars().enumerate().map(|(position, _)| position == 0));
    }
    starts.push(true);
    starts
}

/// The attributes of a character.
pub(super) type Cell = [u32; ATTRIBUTES];

/// The attributes of each character. All of a cluster look like its first: an entity must not
/// begin or end inside one.
pub(super) fn cells(glyphs: &[Glyph], starts: &[bool], names: &Names) -> Vec<Cell> {
    let mut cells: Vec<Cell> = Vec::with_capacity(glyphs.len());
    for (glyph, start) in glyphs.iter().zip(starts) {
        let cell = cells.last().copied().filter(|_| !start);
        cells.push(cell.unwrap_or_else(|| names.style(glyph.look).attributes()));
    }
    cells
}

/// An entity in characters.
struct Span {
    attribute: usize,
    value: u32,
    start: usize,
    end: usize,
}

/// Runs of equal attributes, made to nest: where an outer one ends inside an inner one, the inner
/// one ends too and begins again.
fn spans(cells: &[Cell]) -> Vec<Span> {
    let ends = run_ends(cells);
    let mut open: Vec<Span> = Vec::new();
    let mut done = Vec::new();
    for (position, cell) in cells.iter().enumerate() {
        let kept = open.iter().take_while(|span| cell[span.attribute] == span.value).count();
        close(&mut open, kept, position, &mut done);
        let mut new: Vec<usize> = (0..ATTRIBUTES)
            .filter(|&attribute| cell[attribute] != 0)
            .filter(|&attribute| open.iter().all(|span| span.attribute != attribute))
            .collect();
        new.sort_by_key(|&attribute| std::cmp::Reverse(ends[position][attribute]));
        let span = |attribute| Span { attribute, value: cell[attribute], start: position, end: position };
        open.extend(new.into_iter().map(span));
    }
    close(&mut open, 0, cells.len(), &mut done);
    done
}

fn close(open: &mut Vec<Span>, kept: usize, position: usize, done: &mut Vec<Span>) {
    done.extend(open.drain(kept..).map(|span| Span { end: position, ..span }));
}

/// For each character and attribute, where its run of equal values ends.
fn run_ends(cells: &[Cell]) -> Vec<[usize; ATTRIBUTES]> {
    let mut ends = vec![[cells.len(); ATTRIBUTES]; cells.len()];
    for position in (1..cells.len()).rev() {
        for attribute in 0..ATTRIBUTES {
            let same = cells[position - 1][attribute] == cells[position][attribute];
            ends[position - 1][attribute] = if same { ends[position][attribute] } else { position };
        }
    }
    ends
}

fn entities(glyphs: &[Glyph], starts: &[bool], spans: Vec<Span>, names: &Names) -> Vec<Entity> {
    let mut units = Vec::with_capacity(glyphs.len() + 1);
    units.push(0);
    for glyph in glyphs {
        units.push(units.last().copied().unwrap_or(0) + glyph.ch.len_utf16());
    }
    let mut spans: Vec<Span> = spans.into_iter().map(|span| without_space(span, glyphs, starts)).collect();
    spans.retain(|span| span.start < span.end);
    spans.sort_by_key(|span| (span.start, std::cmp::Reverse(span.end)));
    spans
        .iter()
        .map(|span| Entity {
            kind: kind(span, names),
            offset: units[span.start],
            length: units[span.end] - units[span.start],
        })
        .collect()
}

/// Marks of words do not cover the space around them; Telegram would cut it off as well.
fn without_space(mut span: Span, glyphs: &[Glyph], starts: &[bool]) -> Span {
    if !(1..=4).contains(&span.attribute) {
        return span;
    }
    let blank = |position: usize| glyphs[position].ch.is_whitespace() && starts[position + 1];
    while span.start < span.end && blank(span.start) {
        span.start += 1;
    }
    while span.start < span.end && starts[span.end - 1] && blank(span.end - 1) {
        span.end -= 1;
    }
    span
}

fn kind(span: &Span, names: &Names) -> EntityKind {
    match span.attribute {
        0 => EntityKind::Blockquote,
        1 => EntityKind::TextLink { url: names.url(span.value).to_owned() },
        2 => EntityKind::Bold,
        3 => EntityKind::Italic,
        4 => EntityKind::Strikethrough,
        5 => EntityKind::Code,
        _ => EntityKind::Pre { language: names.language(span.value).map(str::to_owned) },
    }
}
