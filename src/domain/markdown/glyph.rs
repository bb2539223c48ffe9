//! The rendered answer, character by character: what [`super::document`] makes and
//! [`super::cut`] cuts.

use std::fmt;

/// How a character looks. `0` is "none" in the numbered members; equal numbers are one entity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Style {
    pub bold: bool,
    pub italic: bool,
    pub strike: bool,
    pub code: bool,
    /// A link of [`Names`].
    pub link: u32,
    /// A code block or table of [`Names`].
    pub pre: u32,
    /// A block quote.
    pub quote: u32,
}

/// What the style of a character can say, from the outermost entity to the innermost.
pub(super) const ATTRIBUTES: usize = 7;

impl Style {
    /// The attributes as numbers, in the order in which entities that begin and end together nest.
    pub fn attributes(self) -> [u32; ATTRIBUTES] {
        [
            self.quote,
            self.link,
            u32::from(self.bold),
            u32::from(self.italic),
            u32::from(self.strike),
            u32::from(self.code),
            self.pre,
        ]
    }
}

/// How good a place before a character is for a cut, as far as the blocks are concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) enum Stop {
    /// The text alone tells.
    #[default]
    Inside,
    /// A line ends.
    Line,
    /// A list item, a table row, or a stretch of code ends.
    Item,
    /// A block ends.
    Block,
}

/// Bits of a [`Stop`].
pub(super) const STOP_BITS: u32 = 2;

impl Stop {
    /// The one whose number the lowest bits are.
    pub fn from_bits(bits: u32) -> Self {
        match bits & ((1 << STOP_BITS) - 1) {
            0 => Self::Inside,
            1 => Self::Line,
            2 => Self::Item,
            _ => Self::Block,
        }
    }
}

/// One character of the rendered answer. Kept small: every chat that streams holds hundreds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Glyph {
    pub ch: char,
    /// How it looks: a style of [`Names`].
    pub look: u32,
    /// Where it ends in the source, and in the lowest bits what kind of place it is.
    end_and_stop: u32,
}

impl Glyph {
    /// A character that is told in full at `end`.
    pub fn new(ch: char, end: usize, look: u32, stop: Stop) -> Self {
        let end = number(end).min(u32::MAX >> STOP_BITS);
        Self { ch, look, end_and_stop: end << STOP_BITS | stop as u32 }
    }

    /// Where in the source, in bytes, the character is told in full. Never less than that of the
    /// glyph before, and more wherever neither of the two is white space.
    pub fn end(self) -> usize {
        (self.end_and_stop >> STOP_BITS) as usize
    }

    /// How good a place for a cut is before it.
    pub fn stop(self) -> Stop {
        Stop::from_bits(self.end_and_stop)
    }
}

impl fmt::Debug for Glyph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (ch, look) = (self.ch, self.look);
        write!(f, "{ch:?} to {}, look {look}, {:?}", self.end(), self.stop())
    }
}

/// Styles that are looked through for one that is there already.
const RECENT_STYLES: usize = 8;

/// What the numbers of a [`Glyph`] and a [`Style`] stand for.
#[derive(Debug, Default)]
pub(super) struct Names {
    styles: Vec<Style>,
    links: Vec<String>,
    languages: Vec<Option<String>>,
    quotes: u32,
}

impl Names {
    /// A number for a style; 0 for the plain one. The same style may have several.
    pub fn look(&mut self, style: Style) -> u32 {
        if style == Style::default() {
            return 0;
        }
        let recent = self.styles.iter().rev().take(RECENT_STYLES).position(|known| *known == style);
        if let Some(back) = recent {
            return number(self.styles.len() - back);
        }
        self.styles.push(style);
        number(self.styles.len())
    }

    /// The style with that number.
    pub fn style(&self, look: u32) -> Style {
        at(&self.styles, look).copied().unwrap_or_default()
    }

    /// A number for a link to `url`.
    pub fn link(&mut self, url: &str) -> u32 {
        self.links.push(url.to_owned());
        number(self.links.len())
    }

    /// A number for a code block.
    pub fn pre(&mut self, language: Option<String>) -> u32 {
        self.languages.push(language);
        number(self.languages.len())
    }

    /// A number for a block quote.
    pub fn quote(&mut self) -> u32 {
        self.quotes = self.quotes.saturating_add(1);
        self.quotes
    }

    /// The address of a link.
    pub fn url(&self, link: u32) -> &str {
        at(&self.links, link).map_or("", String::as_str)
    }

    /// The language of a code block.
    pub fn language(&self, pre: u32) -> Option<&str> {
        at(&self.languages, pre).and_then(Option::as_deref)
    }
}

fn number(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

fn at<T>(names: &[T], number: u32) -> Option<&T> {
    names.get(usize::try_from(number).ok()?.checked_sub(1)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_glyph_keeps_where_it_ends_and_what_place_it_is() {
        for stop in [Stop::Inside, Stop::Line, Stop::Item, Stop::Block] {
            for end in [0, 1, 1_048_576, (1 << 30) - 1] {
                let glyph = Glyph::new('x', end, 7, stop);
                assert_eq!((glyph.end(), glyph.stop()), (end, stop));
            }
        }
        assert_eq!(size_of::<Glyph>(), 12);
    }
}
