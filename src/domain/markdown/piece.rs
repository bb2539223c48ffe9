//! Where a paragraph may be taken apart.

use super::LOOK_AHEAD;
use super::entities::cluster_starts;
use super::marks::{self, Marks};

/// Where the first piece of `text` ends and where the next begins, if it is there in full.
pub(super) fn piece(text: &str, least: usize) -> Option<(usize, usize)> {
    let start = text.char_indices().nth(least)?.0;
    if let Some(piece) = plain_piece(text, least, start) {
        return Some(piece);
    }
    by_marks(text, least, start)
}

/// The same where the piece has no marks: nothing is open at its end.
fn plain_piece(text: &str, least: usize, start: usize) -> Option<(usize, usize)> {
    let continues = text.get(..start)?.ends_with(char::is_whitespace);
    let from = if continues { start + text.get(start..)?.find(|c: char| !c.is_whitespace())? } else { start };
    let end = from + text.get(from..)?.find(char::is_whitespace)?;
    let next = end + text.get(end..)?.find(|c: char| !c.is_whitespace())?;
    // One that is far away may not be the end: what is too long is cut inside.
    (next - start < 3 * least && marks::is_plain(text.get(..end)?)).then_some((end, next))
}

/// The same by a look at the marks.
fn by_marks(text: &str, least: usize, start: usize) -> Option<(usize, usize)> {
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_piece_without_marks_ends_where_a_look_at_its_marks_says(
            words in prop::collection::vec("[a-z.:/é日]{0,9}|http://[a-z]{1,9}|[a-z]{2100}|\\*|_|`|\\$|<b>|\\[x\\]|&amp;", 0..120),
            spaces in "[ \\t\\n\u{a0}]{1,3}",
            least in 1usize..80,
        ) {
            let text = words.join(&spaces);
            let Some((start, _)) = text.char_indices().nth(least) else { return Ok(()) };
            if let Some(piece) = plain_piece(&text, least, start) {
                prop_assert_eq!(Some(piece), by_marks(&text, least, start));
            }
        }
    }
}
