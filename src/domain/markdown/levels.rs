//! The quotes and list items around a line, with what their lines look like.

use super::glyph::Names;
use super::head::{Container, Head, Kind, Opened};
use super::out::Marker;

/// What a bullet list's items begin with.
pub(super) const BULLET: char = '•';

/// A container with what its lines look like.
#[derive(Debug, Clone, Copy)]
struct Level {
    container: Container,
    /// The number that an ordered item is shown with.
    number: u64,
    /// Columns that its marker takes.
    width: usize,
    /// The quote that its text is in.
    quote: u32,
}

/// The containers around a line, from the outermost.
#[derive(Debug, Default)]
pub(super) struct Levels {
    levels: Vec<Level>,
}

impl Levels {
    /// How many there are.
    pub fn count(&self) -> usize {
        self.levels.len()
    }

    /// What they are.
    pub fn containers(&self) -> Vec<Container> {
        self.levels.iter().map(|level| level.container).collect()
    }

    /// The quote that the text is in.
    pub fn quote(&self) -> u32 {
        self.levels.last().map_or(0, |level| level.quote)
    }

    /// Whether the text is inside a list item.
    pub fn in_item(&self) -> bool {
        self.levels.iter().any(|level| matches!(level.container, Container::Item { .. }))
    }

    /// White space before a line: for the items around it that are inside the same quote.
    pub fn indent(&self) -> usize {
        let quote = self.quote();
        self.levels.iter().filter(|level| level.quote == quote).map(|level| level.width).sum()
    }

    /// Closes the containers that a line does not belong to and opens those that it begins. Their
    /// markers; the first has the blank line before it, if there is one. The line begins at
    /// `start`.
    pub fn update(&mut self, head: &Head, start: usize, blank: &mut bool, names: &mut Names) -> Vec<Marker> {
        let before = self.levels.get(head.matched).copied();
        self.levels.truncate(head.matched);
        let mut markers = Vec::new();
        let mut after = 0;
        for (position, opened) in head.opened.iter().enumerate() {
            let sibling = before.filter(|_| position == 0);
            match opened.container {
                Container::Quote => self.open_quote(names),
                Container::Item { mark, number, .. } => {
                    let sibling = sibling.filter(|level| is_item_of(level.container, mark));
                    let number = number.map(|number| shown_number(number, sibling));
                    let text = marker_text(mark, number, start, *opened);
                    let blank = std::mem::take(blank);
                    let in_list = sibling.is_some() || self.in_item();
                    let (indent, quote) = (self.indent(), self.quote());
                    self.open_item(opened.container, number, text.len());
                    let marks = marks_between(head, after, opened.marker.0, start);
                    after = opened.marker.1;
                    markers.push(Marker {
                        text,
                        same_line: position > 0,
                        indent,
                        marks,
                        blank,
                        in_list,
                        quote,
                    });
                }
            }
        }
        if head.kind != Kind::Blank {
            self.forget_empty();
        }
        markers
    }

    fn open_quote(&mut self, names: &mut Names) {
        let quote = match self.quote() {
            0 => names.quote(),
            quote => quote,
        };
        self.levels.push(Level { container: Container::Quote, number: 0, width: 0, quote });
    }

    fn open_item(&mut self, container: Container, number: Option<u64>, marker: usize) {
        let (number, quote) = (number.unwrap_or(0), self.quote());
        self.levels.push(Level { container, number, width: marker + 1, quote });
    }

    fn forget_empty(&mut self) {
        for level in &mut self.levels {
            if let Container::Item { empty, .. } = &mut level.container {
                *empty = false;
            }
        }
    }
}

/// Where the markers of quotes in quotes end that are in this stretch of the line.
fn marks_between(head: &Head, from: usize, to: usize, start: usize) -> Vec<usize> {
    let within = head.marks.iter().filter(|mark| (from + 1..=to).contains(*mark));
    within.map(|mark| start + mark).collect()
}

fn is_item_of(container: Container, mark: char) -> bool {
    matches!(container, Container::Item { mark: its, .. } if its == mark)
}

/// Numbers go up: where a list does not count, it is counted.
fn shown_number(written: u64, sibling: Option<Level>) -> u64 {
    let least = sibling.map_or(0, |level| level.number.saturating_add(1));
    let shown = written.max(least);
    // Each digit needs a place in the source.
    if shown.to_string().len() > written.to_string().len() + 1 { written } else { shown }
}

fn marker_text(mark: char, number: Option<u64>, start: usize, opened: Opened) -> Vec<(char, usize)> {
    let (from, to) = (start + opened.marker.0, start + opened.marker.1);
    let Some(number) = number else { return vec![(BULLET, to)] };
    let text = format!("{number}{mark}");
    // The last character may take the place of the white space behind the marker.
    let last = to.max(from + text.len());
    let end = |position: usize| (last + position + 1).saturating_sub(text.len());
    text.chars().enumerate().map(|(position, c)| (c, end(position))).collect()
}
