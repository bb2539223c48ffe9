//! Runs of `*`, `_` and `~`: which may open emphasis and which may close it.
//!
//! CommonMark's rules, with three exceptions for what models write: next to Chinese, Japanese or
//! Korean, which is written without spaces, punctuation does not keep `**` from opening or
//! closing; stars in arithmetic (`2*3*4`) are not emphasis; nor is a single tilde (`10~20`).

/// A run of marks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    /// Where it is, in bytes.
    pub start: usize,
    /// How many marks it has; they are one byte each.
    pub length: usize,
    pub can_open: bool,
    pub can_close: bool,
    /// It is not to be read as emphasis.
    pub is_literal: bool,
    /// It must be shown letters in place of the punctuation before or behind it.
    pub softened: (bool, bool),
}

/// The run of `mark` that `rest`, the text from `start` on, begins with.
pub(super) fn run(text: &str, start: usize, mark: char, rest: &str) -> Run {
    let length = rest.chars().take_while(|c| *c == mark).count();
    let before = text.get(..start).and_then(|text| text.chars().next_back());
    let behind = rest.chars().nth(length);
    let soft = mark == '*' && (before.is_some_and(is_cjk) || behind.is_some_and(is_cjk));
    let softened = (soft && before.is_some_and(is_punctuation), soft && behind.is_some_and(is_punctuation));
    let (left, right) = flanks(before, behind, softened);
    let (can_open, can_close) = match mark {
        '_' => (
            left && (!right || before.is_some_and(is_punctuation)),
            right && (!left || behind.is_some_and(is_punctuation)),
        ),
        _ => (left, right),
    };
    let is_literal = is_literal(mark, length, before, behind);
    Run { start, length, can_open, can_close, is_literal, softened }
}

/// Whether a run is left-flanking, and whether it is right-flanking.
fn flanks(before: Option<char>, behind: Option<char>, softened: (bool, bool)) -> (bool, bool) {
    let blank_before = before.is_none_or(char::is_whitespace);
    let blank_behind = behind.is_none_or(char::is_whitespace);
    let mark_before = before.is_some_and(is_punctuation) && !softened.0;
    let mark_behind = behind.is_some_and(is_punctuation) && !softened.1;
    let left = !blank_behind && (!mark_behind || blank_before || mark_before);
    let right = !blank_before && (!mark_before || blank_behind || mark_behind);
    (left, right)
}

fn is_literal(mark: char, length: usize, before: Option<char>, behind: Option<char>) -> bool {
    let digit = |c: Option<char>| c.is_some_and(|c| c.is_ascii_digit());
    let word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    match (mark, length) {
        ('~', 2) => false,
        ('~', _) => true,
        ('*', 1) => word(before) && word(behind) && (digit(before) || digit(behind)),
        ('*', 2) => digit(before) && digit(behind),
        _ => false,
    }
}

fn is_punctuation(c: char) -> bool {
    !c.is_alphanumeric() && !c.is_whitespace()
}

/// Whether `c` belongs to a script that is written without spaces, or to its punctuation.
fn is_cjk(c: char) -> bool {
    matches!(c,
        '\u{1100}'..='\u{11ff}' | '\u{2e80}'..='\u{a4cf}' | '\u{a960}'..='\u{a97f}'
        | '\u{ac00}'..='\u{d7ff}' | '\u{f900}'..='\u{faff}' | '\u{fe30}'..='\u{fe4f}'
        | '\u{ff00}'..='\u{ffef}' | '\u{20000}'..='\u{3ffff}')
}
