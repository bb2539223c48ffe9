//! Where a reader would cut.

use super::entities::{Cell, cells, cluster_starts};
use super::glyph::{ATTRIBUTES, Glyph, Names, Stop};

/// A good end for a send, from the best to the worst.
const ENDS: [fn(&[Glyph], usize) -> bool; 5] = [
    |glyphs, cut| glyphs[cut].stop() == Stop::Block,
    |glyphs, cut| glyphs[cut].stop() == Stop::Item,
    |glyphs, cut| glyphs[cut].stop() == Stop::Line,
    ends_sentence,
    |glyphs, cut| glyphs[cut].ch.is_whitespace(),
];

/// Where to cut `glyphs`, which are more than `window`, at or before `window`. Looks at one glyph
/// behind it.
///
/// No cut falls inside an entity, unless that begins where the send does and goes on behind the
/// window. Of the places left it takes the best in the last third; else the end of the last
/// grapheme cluster that fits.
pub(super) fn natural(glyphs: &[Glyph], window: usize, names: &Names) -> usize {
    let Some(seen) = glyphs.get(..=window) else { return glyphs.len() };
    let text: String = seen.iter().map(|glyph| glyph.ch).collect();
    let starts = cluster_starts(&text);
    // Without a style there is nothing to tear.
    let has_style = seen.iter().any(|glyph| glyph.look != 0);
    let cells = if has_style { cells(seen, &starts, names) } else { Vec::new() };
    let shared = shared(&cells);
    Place { seen, starts, cells, shared }.cut(window)
}

/// Whether a cut there is one of the best in a send that can hold so many.
pub(super) fn is_late(cut: usize, window: usize) -> bool {
    cut >= last_third(window)
}

fn last_third(window: usize) -> usize {
    (window - window / 3).max(1)
}

struct Place<'a> {
    seen: &'a [Glyph],
    starts: Vec<bool>,
    /// None where no glyph has a style.
    cells: Vec<Cell>,
    /// The attributes that all glyphs seen have in common: entities that must be cut.
    shared: [bool; ATTRIBUTES],
}

fn shared(cells: &[Cell]) -> [bool; ATTRIBUTES] {
    let first = cells.first().copied().unwrap_or_default();
    std::array::from_fn(|at| cells.iter().all(|cell| cell[at] == first[at]))
}

impl Place<'_> {
    fn cut(&self, window: usize) -> usize {
        let from = last_third(window);
        for ends in ENDS {
            let found = (from..=window).rev().find(|&cut| ends(self.seen, cut) && self.is_clean(cut));
            if let Some(cut) = found {
                return cut;
            }
        }
        match self.entity_start(window) {
            Some(start) if start > 0 => self.cut(start),
            _ => self.cluster_cut(window),
        }
    }

    /// Whether nothing is torn that need not be.
    fn is_clean(&self, cut: usize) -> bool {
        self.starts[cut] && self.torn(cut).is_none()
    }

    /// An attribute that goes on across `cut` though it need not be cut.
    fn torn(&self, cut: usize) -> Option<usize> {
        let before = self.cells.get(cut.checked_sub(1)?)?;
        let behind = self.cells.get(cut)?;
        (0..ATTRIBUTES).find(|&at| before[at] != 0 && before[at] == behind[at] && !self.shared[at])
    }

    /// Where the outermost entity that a cut at `cut` would tear begins.
    fn entity_start(&self, cut: usize) -> Option<usize> {
        let mut start = None;
        let mut at = cut;
        while self.torn(at).is_some() {
            at -= 1;
            start = Some(at);
        }
        start
    }

    /// The last cluster boundary that fits; a cluster that does not fit is cut.
    fn cluster_cut(&self, window: usize) -> usize {
        (1..=window).rev().find(|&cut| self.starts[cut]).unwrap_or(window)
    }
}

fn ends_sentence(glyphs: &[Glyph], cut: usize) -> bool {
    let closers = ['"', '\'', '”', '’', '»', ')', ']', '*', '_'];
    let mut before = glyphs[..cut].iter().rev().map(|glyph| glyph.ch);
    let Some(last) = before.find(|c| !closers.contains(c)) else { return false };
    let spaced = glyphs[cut].ch.is_whitespace();
    matches!(last, '。' | '！' | '？') || spaced && matches!(last, '.' | '!' | '?' | '…' | '؟' | '।')
}

/// How many glyphs fit into one send, where there are more than that.
pub(super) fn window<'a>(
    glyphs: impl Iterator<Item = &'a Glyph>,
    chars: usize,
    units: usize,
) -> Option<usize> {
    let mut used = 0;
    for (count, glyph) in glyphs.enumerate() {
        used += glyph.ch.len_utf16();
        if count == chars || used > units {
            return Some(count);
        }
    }
    None
}
