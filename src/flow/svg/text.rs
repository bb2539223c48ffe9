//! Text in a picture: how wide it is, how it is shortened, how XML takes it.

use unicode_segmentation::UnicodeSegmentation;

/// How many columns of a monospace font a text takes. Where fonts differ, the wider is assumed.
pub(super) fn columns(text: &str) -> i64 {
    text.chars().map(columns_of).sum()
}

fn columns_of(char: char) -> i64 {
    match u32::from(char) {
        0..0x1100 | 0x2000..0x2300 => 1,
        // Most of what follows is as wide as two letters: CJK, symbols, emoji.
        _ => 2,
    }
}

/// A text in at most so many columns, with an ellipsis where something was left out.
pub(super) fn shortened(text: &str, most: i64) -> String {
    if columns(text) <= most {
        return text.to_owned();
    }
    let mut left = most - 1;
    let fits = |grapheme: &&str| {
        left -= columns(grapheme);
        left >= 0
    };
    let kept: String = text.graphemes(true).take_while(fits).collect();
    kept.trim_end().to_owned() + "…"
}

/// A text on one line that can stand in an XML element or attribute.
pub(super) fn escaped(text: &str) -> String {
    text.trim().chars().map(escaped_char).collect()
}

fn escaped_char(char: char) -> String {
    match char {
        '<' => "&lt;".to_owned(),
        '>' => "&gt;".to_owned(),
        '&' => "&amp;".to_owned(),
        '"' => "&quot;".to_owned(),
        '\'' => "&#39;".to_owned(),
        '\n' => "⏎".to_owned(),
        // XML has no way to write most of these.
        _ if char.is_control() => " ".to_owned(),
        '\u{fffe}' | '\u{ffff}' => "\u{fffd}".to_owned(),
        _ => char.to_string(),
    }
}
