//! Runs of messages that differ in nothing but numbers, told once: an answer of 20,000 characters
//! comes in hundreds of deltas, and a picture has room for one arrow of them.

use super::FlowLine;

/// Fewer messages than this are no run.
const SHORTEST: usize = 3;

/// A longer pause ends a run, so that it can be seen.
pub(super) const LONGEST_PAUSE_MS: u64 = 1000;

/// The lines cut into runs; a run of one line is a line that stands alone.
pub(super) fn runs(lines: &[FlowLine]) -> impl Iterator<Item = &[FlowLine]> {
    let alike = lines.chunk_by(are_alike);
    alike.flat_map(|run| run.chunks(if run.len() < SHORTEST { 1 } else { run.len() }))
}

/// What a run says: its sentence, with the range of each number in it, and how often.
pub(super) fn summary(run: &[FlowLine]) -> String {
    let [first, rest @ ..] = run else { return String::new() };
    match rest {
        [] => first.line.clone(),
        _ if rest.iter().all(|line| line.line == first.line) => format!("{} × {}", first.line, run.len()),
        _ => format!("{} × {}", with_ranges(run), run.len()),
    }
}

fn are_alike(one: &FlowLine, next: &FlowLine) -> bool {
    let same_edge = one.from == next.from && one.to == next.to;
    same_edge && next.at_ms.saturating_sub(one.at_ms) <= LONGEST_PAUSE_MS && same_kind(&one.line, &next.line)
}

fn same_kind(one: &str, other: &str) -> bool {
    let (one, other) = (pieces(one), pieces(other));
    let pairs = one.iter().zip(&other);
    one.len() == other.len() && pairs.into_iter().all(|(a, b)| a == b || is_number(a) && is_number(b))
}

fn with_ranges(run: &[FlowLine]) -> String {
    let taken_apart: Vec<_> = run.iter().map(|line| pieces(&line.line)).collect();
    let positions = 0..taken_apart[0].len();
    positions.map(|position| range(taken_apart.iter().map(|pieces| pieces[position].as_str()))).collect()
}

/// `11–20` of numbers, the piece itself of pieces that are all the same.
fn range<'a>(pieces: impl Iterator<Item = &'a str> + Clone) -> String {
    // Digits alone sort as numbers do once the longer of two is the greater.
    let size = |piece: &&str| (piece.len(), piece.to_string());
    let (least, most) = (pieces.clone().min_by_key(size), pieces.max_by_key(size));
    let (least, most) = (least.unwrap_or_default(), most.unwrap_or_default());
    if least == most { least.to_owned() } else { format!("{least}–{most}") }
}

/// A sentence cut where digits begin and end.
fn pieces(line: &str) -> Vec<String> {
    // A delta of one character is of the same kind as any other.
    let plural = |word| if word == "character" { "characters" } else { word };
    let line = line.split(' ').map(plural).collect::<Vec<_>>().join(" ");
    let chars: Vec<char> = line.chars().collect();
    let pieces = chars.chunk_by(|a, b| a.is_ascii_digit() == b.is_ascii_digit());
    pieces.map(|piece| piece.iter().collect()).collect()
}

fn is_number(piece: &str) -> bool {
    piece.starts_with(|first: char| first.is_ascii_digit())
}
