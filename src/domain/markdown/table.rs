//! Tables: told apart, and laid out in columns of equal width.

use unicode_width::UnicodeWidthStr;

use super::cursor::is_space;

/// Bytes that a line of a table may have; a longer one is text.
pub(super) const LINE_BYTES: usize = 4096;
/// Characters within which a line without a bar at its start must show one to be a table's.
const BAR_CHARS: usize = 80;
/// Display columns that a cell is filled up to, at most: beyond that nothing lines up on a phone.
const MAX_FILL: usize = 40;
/// Display columns of all cells together, at most: in a wider table nothing is filled up. A short row of it
/// would become a thousand characters.
const MAX_FILLED: usize = 160;
/// Columns of a table, at most.
const MAX_CELLS: usize = 64;

/// Where a column's text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Align {
    Left,
    Centre,
    Right,
}

/// Whether a line may belong to a table; `None` if more of it is needed to tell.
pub(super) fn is_row(line: &str, ended: bool) -> Option<bool> {
    let has_bar = line.starts_with('|') || line.chars().take(BAR_CHARS).any(|c| c == '|');
    if has_bar {
        return if line.len() > LINE_BYTES { Some(false) } else { ended.then_some(true) };
    }
    let told = ended || line.chars().nth(BAR_CHARS).is_some();
    told.then_some(false)
}

/// Where the cells of a row are, in bytes, without the white space around them. The bar behind a
/// cell, if any, is where the white space behind it ends.
pub(super) fn cells(row: &str) -> Vec<(usize, usize)> {
    let end = row.trim_end_matches(is_space).len();
    let mut start = usize::from(row.starts_with('|'));
    let mut cells = Vec::new();
    let mut escaped = false;
    for (position, c) in row.get(..end).unwrap_or_default().char_indices().skip(start) {
        if c == '|' && !escaped {
            cells.push((start, position));
            start = position + 1;
        }
        escaped = c == '\\' && !escaped;
    }
    if start < end {
        cells.push((start, end));
    }
    cells.into_iter().map(|(start, end)| within_space(row, start, end)).collect()
}

fn within_space(row: &str, start: usize, end: usize) -> (usize, usize) {
    let cell = row.get(start..end).unwrap_or_default();
    let from = start + (cell.len() - cell.trim_start_matches(is_space).len());
    let to = start + cell.trim_end_matches(is_space).len();
    (from, to.max(from))
}

/// How a delimiter row aligns its columns, if it is one.
pub(super) fn aligns(row: &str) -> Option<Vec<Align>> {
    let cells = cells(row);
    if !row.contains('|') || cells.is_empty() || cells.len() > MAX_CELLS {
        return None;
    }
    cells.into_iter().map(|(start, end)| align(row.get(start..end)?)).collect()
}

fn align(cell: &str) -> Option<Align> {
    let left = cell.starts_with(':');
    let right = cell.len() > 1 && cell.ends_with(':');
    let dashes = cell.get(usize::from(left)..cell.len().checked_sub(usize::from(right))?)?;
    if dashes.is_empty() || !dashes.bytes().all(|byte| byte == b'-') {
        return None;
    }
    Some(match (left, right) {
        (true, true) => Align::Centre,
        (false, true) => Align::Right,
        _ => Align::Left,
    })
}

/// A character and where it ends in the source.
pub(super) type Mapped = (char, usize);

/// A row's cells, ready to be laid out.
#[derive(Debug, Clone, Default)]
pub(super) struct Row {
    pub cells: Vec<Vec<Mapped>>,
    /// Where the bar behind each cell ends in the source.
    pub bars: Vec<usize>,
    /// It is the line below the header: as long as it was written, but no longer than its column.
    pub is_delimiter: bool,
}

/// The widths of the columns, up to which cells are filled; none in a table that is too wide for it.
pub(super) fn widths(rows: &[Row]) -> Vec<usize> {
    let mut widths = Vec::new();
    for row in rows.iter().filter(|row| !row.is_delimiter) {
        for (column, cell) in row.cells.iter().enumerate() {
            let width = display_width(cell).min(MAX_FILL);
            match widths.get_mut(column) {
                Some(widest) => *widest = width.max(*widest),
                None => widths.push(width),
            }
        }
    }
    if widths.iter().sum::<usize>() > MAX_FILLED { Vec::new() } else { widths }
}

fn display_width(cell: &[Mapped]) -> usize {
    cell.iter().map(|(c, _)| *c).collect::<String>().width()
}

/// A row's line. White space has no place in the source: its end is `None`.
pub(super) fn layout(row: &Row, widths: &[usize], aligns: &[Align]) -> Vec<(char, Option<usize>)> {
    let mut line = Vec::new();
    for (column, cell) in row.cells.iter().enumerate() {
        let width = widths.get(column).copied().unwrap_or(0);
        let cut = if row.is_delimiter { width.max(1).min(cell.len()) } else { cell.len() };
        let cell = cell.get(..cut).unwrap_or(cell);
        let fill = width.saturating_sub(display_width(cell));
        let before = match aligns.get(column) {
            Some(Align::Centre) => fill / 2,
            Some(Align::Right) => fill,
            _ => 0,
        };
        line.extend(std::iter::repeat_n((' ', None), before));
        line.extend(cell.iter().map(|(c, end)| (*c, Some(*end))));
        line.extend(std::iter::repeat_n((' ', None), fill - before));
        if column + 1 < row.cells.len() {
            line.extend([(' ', None), ('|', row.bars.get(column).copied()), (' ', None)]);
        }
    }
    while line.last().is_some_and(|(c, _)| c.is_whitespace()) {
        line.pop();
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_told_apart() {
        assert_eq!(is_row("| a |", false), None);
        assert_eq!(is_row("| a |", true), Some(true));
        assert_eq!(is_row("a | b", true), Some(true));
        assert_eq!(is_row("no bar", true), Some(false));
        assert_eq!(is_row(&"x".repeat(81), false), Some(false));
        assert_eq!(is_row(&"|".repeat(5000), false), Some(false));
    }

    #[test]
    fn cells_are_found() {
        let texts = |row: &'static str| -> Vec<&str> {
            cells(row).into_iter().map(|(start, end)| &row[start..end]).collect()
        };
        assert_eq!(texts("| a | b |"), ["a", "b"]);
        assert_eq!(texts("a|b"), ["a", "b"]);
        assert_eq!(texts(r"| a \| b | c"), [r"a \| b", "c"]);
        assert_eq!(texts("||x|"), ["", "x"]);
        assert_eq!(texts("|"), [""; 0]);
    }

    #[test]
    fn a_table_that_is_too_wide_is_not_filled_up() {
        let row = |cell: &str, count: usize| {
            let cells = vec![cell.chars().map(|c| (c, 0)).collect(); count];
            Row { cells, bars: vec![0; count], is_delimiter: false }
        };
        let laid_out = |rows: &[Row]| {
            let line = layout(&rows[1], &widths(rows), &[]);
            line.iter().map(|(c, _)| *c).collect::<String>()
        };
        assert_eq!(laid_out(&[row("abcd", 3), row("x", 3)]), "x    | x    | x");
        assert_eq!(laid_out(&[row(&"a".repeat(40), 4), row("x", 4)]).len(), 3 * 43 + 1);
        assert_eq!(laid_out(&[row(&"a".repeat(41), 5), row("x", 5)]), "x | x | x | x | x");
    }

    #[test]
    fn delimiters_align() {
        use Align::{Centre, Left, Right};
        assert_eq!(aligns("|---|:-:|--:|:--|"), Some(vec![Left, Centre, Right, Left]));
        assert_eq!(aligns("- | -"), Some(vec![Left, Left]));
        assert_eq!(aligns("---"), None);
        assert_eq!(aligns("| |"), None);
        assert_eq!(aligns("|:|"), None);
    }
}
