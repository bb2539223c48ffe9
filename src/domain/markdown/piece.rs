//! Where a paragraph may be taken apart.

use super::LOOK_AHEAD;
use super::entities::cluster_starts;
use super::marks::{self, Marks};

/// Where the first piece of `text` ends and where the next begins, if it is there in full.
pub(super) fn piece(text: &str, least: usize) -> Option<(usize, usize)> {
    let start = text.char_indices().nth(least)?.0;
    let end_of = |chars: usize| text.char_indices().nth(chars).map(|(end, _)| end);
    let closed = |seen: &Marks| {
        let gap = seen.gaps.iter().find(|gap| gap.depth == 0 && gap.start >= start)?;
        Some((gap.start, gap.end))
    };
    // What is closed stays closed: mostly a short look is enough.
    let glance = end_of(least.saturating_mul(4)).map(|end| marks::scan(text.get(..end).unwrap_or(text)));
    if let Some(piece) = glance.as_ref().and_then(closed) {
        return Some(piece);
    }
    let window = end_of(LOOK_AHEAD);
    let seen = marks::scan(text.get(..window.unwrap_or(text.len()))?);
    closed(&seen).or_else(|| Some(forced(text, &seen, window?)))
}

/// Where a piece ends in which something is open everywhere.
fn forced(text: &str, seen: &Marks, window: usize) -> (usize, usize) {
    let late = seen.gaps.iter().filter(|gap| gap.start >= window / 2);
    let least = late.min_by_key(|gap| (gap.depth, std::cmp::Reverse(gap.start)));
    least.map_or_else(|| hard_end(text, window), |gap| (gap.start, gap.end))
}

/// The last cluster boundary before `window`: there is no white space.
fn hard_end(text: &str, window: usize) -> (usize, usize) {
    let behind = text.get(window..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
    let seen = text.get(..window + behind).unwrap_or(text);
    let starts = cluster_starts(seen);
    let boundary = seen.char_indices().zip(starts).skip(1).filter(|(_, starts)| *starts).last();
    let end = boundary.map_or(window, |((end, _), _)| end);
    (end, end)
}
