//! Cutting a streamed answer into sends.
//!
//! The cut depends on the text alone, never on how the deltas happened to arrive: a send is cut
//! only when one character more than it may hold is there, and nothing behind that character is
//! looked at.

use serde::{Deserialize, Serialize};
use unicode_segmentation::GraphemeCursor;

use super::markdown::Entity;

/// Telegram's limit for the text of one message, in UTF-16 code units (Bot API, `sendMessage`).
pub const MESSAGE_UTF16: usize = 4096;

/// Where a send may end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Boundary {
    /// Where a reader would cut: the last paragraph end, else line end, else sentence end, else
    /// space in the last third of the window; else before the last grapheme cluster that fits.
    /// White space at the cut is dropped, as Telegram would.
    #[default]
    Natural,
    /// After exactly `limit_chars` characters, to the letter; before, where a message holds no more. White space
    /// that would fill half a message is dropped.
    Exact,
}

/// One send's worth of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// What to send. Never blank: Telegram refuses blank texts.
    pub text: String,
    /// How it looks.
    pub entities: Vec<Entity>,
    /// Where it ends in the answer, in bytes.
    pub end_bytes: usize,
}

/// Takes an answer's text as it comes and gives it back in sends.
#[derive(Debug)]
pub struct Cutter {
    boundary: Boundary,
    limit_chars: usize,
    buffer: String,
    /// Characters in `buffer`, counted as they come so that a short delta costs nothing.
    buffered_chars: usize,
    /// Bytes of the answer that have left the buffer.
    taken_bytes: usize,
    /// What left the buffer with the last cut, white space included.
    last: String,
}

impl Cutter {
    /// A cutter of sends of `limit_chars` Unicode scalar values.
    pub fn new(boundary: Boundary, limit_chars: usize) -> Self {
        let (buffer, last) = (String::new(), String::new());
        Self { boundary, limit_chars, buffer, buffered_chars: 0, taken_bytes: 0, last }
    }

    /// A cutter for the rest of an answer, of which the chat has all up to `end_bytes`.
    pub fn resume(mut self, answer: &str, end_bytes: usize) -> Self {
        let rest = answer.get(end_bytes..).unwrap_or_default();
        self.taken_bytes = answer.len() - rest.len();
        self.push(rest);
        self
    }

    /// Takes more of the answer.
    pub fn push(&mut self, text: &str) {
        self.buffered_chars += text.chars().count();
        self.buffer.push_str(text);
        self.drop_leading_space();
    }

    /// Characters that wait to be cut.
    pub fn buffered_chars(&self) -> usize {
        self.buffered_chars
    }

    /// Whether there is enough for a send; with `complete`, the rest of the answer is there and is
    /// enough however short.
    pub fn is_ready(&self, complete: bool) -> bool {
        self.place(complete, self.limit_chars).is_some()
    }

    /// Cuts the next send. With `max_chars` above the usual limit it carries all that is there, up
    /// to so many characters: the chat had to wait, and fewer sends are better.
    pub fn cut(&mut self, complete: bool, max_chars: usize) -> Option<Chunk> {
        let cut = self.place(complete, max_chars)?;
        self.last = self.buffer[..cut].to_owned();
        let text = match self.boundary {
            Boundary::Natural => self.last.trim_end().to_owned(),
            Boundary::Exact => self.last.clone(),
        };
        let end_bytes = self.taken_bytes + text.len();
        self.remove(cut);
        self.drop_leading_space();
        Some(Chunk { text, entities: Vec::new(), end_bytes })
    }

    /// All that is there, without taking it.
    pub fn peek(&self) -> Chunk {
        let text = self.buffer.trim_end().to_owned();
        let end_bytes = self.taken_bytes + text.len();
        Chunk { text, entities: Vec::new(), end_bytes }
    }

    /// Takes the last cut back: it was not sent, and the next may carry more.
    pub fn uncut(&mut self) {
        self.taken_bytes -= self.last.len();
        self.buffered_chars += self.last.chars().count();
        self.buffer.insert_str(0, &std::mem::take(&mut self.last));
    }

    /// Where to cut, in bytes of the buffer.
    fn place(&self, complete: bool, max_chars: usize) -> Option<usize> {
        match self.boundary {
            Boundary::Natural => self.natural_place(complete, max_chars),
            Boundary::Exact => self.exact_place(complete, max_chars),
        }
    }

    fn natural_place(&self, complete: bool, max_chars: usize) -> Option<usize> {
        if !complete && self.buffered_chars <= self.limit_chars {
            return None;
        }
        // The answer may go on: one character behind the cut must be there to judge it.
        let there = self.buffered_chars.saturating_sub(usize::from(!complete));
        let limit = max_chars.min(there).max(self.limit_chars);
        match window_bytes(&self.buffer, limit) {
            Some(window) => Some(natural_cut(&self.buffer, window)),
            None => (complete && !self.buffer.trim().is_empty()).then_some(self.buffer.len()),
        }
    }

    fn exact_place(&self, complete: bool, max_chars: usize) -> Option<usize> {
        let sends = (self.buffered_chars.min(max_chars) / self.limit_chars).max(1);
        let is_rest = complete && self.buffered_chars <= max_chars;
        let mut end = 0;
        let mut chars = if is_rest { self.buffered_chars.max(1) } else { sends * self.limit_chars };
        while self.buffer[..end].trim().is_empty() {
            match end_of_chars(&self.buffer[end..], chars) {
                Some(more) => end += more,
                None if complete && !self.buffer.trim().is_empty() => end = self.buffer.len(),
                None => return None,
            }
            chars = self.limit_chars;
        }
        Some(window_bytes(&self.buffer[..end], usize::MAX).unwrap_or(end))
    }

    /// White space at a cut is dropped, as Telegram would.
    fn drop_leading_space(&mut self) {
        let blank = self.buffer.len() - self.buffer.trim_start().len();
        match self.boundary {
            Boundary::Natural if blank > 0 => self.drop_front(blank),
            Boundary::Natural => {}
            // So much at a time, however the deltas arrive.
            Boundary::Exact => {
                if let Some(half) = end_of_chars(&self.buffer[..blank], MESSAGE_UTF16 / 2) {
                    self.drop_front(half);
                    self.drop_leading_space();
                }
            }
        }
    }

    fn drop_front(&mut self, bytes: usize) {
        self.last.push_str(&self.buffer[..bytes]);
        self.remove(bytes);
    }

    fn remove(&mut self, bytes: usize) {
        self.buffered_chars -= self.buffer[..bytes].chars().count();
        self.taken_bytes += bytes;
        self.buffer.drain(..bytes);
    }
}

/// The bytes of the first `count` characters, if there are so many.
fn end_of_chars(text: &str, count: usize) -> Option<usize> {
    let mut ends = text.char_indices().map(|(start, c)| start + c.len_utf8());
    ends.nth(count.checked_sub(1)?)
}

/// The bytes that fit into one send, where the text is longer than that.
fn window_bytes(text: &str, limit_chars: usize) -> Option<usize> {
    let mut units = 0;
    for (count, (start, c)) in text.char_indices().enumerate() {
        units += c.len_utf16();
        if count == limit_chars || units > MESSAGE_UTF16 {
            return Some(start);
        }
    }
    None
}

/// Where a reader would cut `text` at or before `window`; looks at one character behind it.
fn natural_cut(text: &str, window: usize) -> usize {
    let behind = text[window..].chars().next().map_or(0, char::len_utf8);
    let seen = &text[..window + behind];
    let last_third = seen.floor_char_boundary(window - window / 3).max(1);
    [ends_paragraph, ends_line, ends_sentence, ends_word]
        .iter()
        .find_map(|ends| last_cut(seen, last_third, window, *ends))
        .unwrap_or_else(|| grapheme_cut(seen, window))
}

fn last_cut(seen: &str, from: usize, to: usize, ends: fn(&str, usize) -> bool) -> Option<usize> {
    (from..=to).rev().find(|&cut| seen.is_char_boundary(cut) && ends(seen, cut))
}

fn ends_paragraph(text: &str, cut: usize) -> bool {
    text[cut..].starts_with("\n\n") || text[cut..].starts_with("\r\n\r\n")
}

fn ends_line(text: &str, cut: usize) -> bool {
    text[cut..].starts_with('\n') || text[cut..].starts_with("\r\n")
}

fn ends_sentence(text: &str, cut: usize) -> bool {
    let before = text[..cut].trim_end_matches(['"', '\'', '”', '’', '»', ')', ']', '*', '_']);
    let spaced = text[cut..].starts_with(char::is_whitespace);
    before.ends_with(['。', '！', '？']) || spaced && before.ends_with(['.', '!', '?', '…', '؟', '।'])
}

fn ends_word(text: &str, cut: usize) -> bool {
    text[cut..].starts_with(char::is_whitespace)
}

/// The last grapheme boundary at or before `window`. A single cluster longer than the window is
/// cut inside: it could not be sent otherwise.
fn grapheme_cut(text: &str, window: usize) -> usize {
    let mut cursor = GraphemeCursor::new(window, text.len(), true);
    if cursor.is_boundary(text, 0) == Ok(true) {
        return window;
    }
    match cursor.prev_boundary(text, 0) {
        Ok(Some(cut)) if cut > 0 => cut,
        _ => window,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use unicode_segmentation::UnicodeSegmentation;

    use super::*;

    fn cut(text: &str, boundary: Boundary, limit: usize, deltas: &[usize]) -> Vec<Chunk> {
        let mut cutter = Cutter::new(boundary, limit);
        let mut chunks = Vec::new();
        let mut rest = text;
        for chars in deltas.iter().copied().chain(std::iter::repeat(7)) {
            if rest.is_empty() {
                break;
            }
            let end = end_of_chars(rest, chars).unwrap_or(rest.len());
            cutter.push(&rest[..end]);
            rest = &rest[end..];
            chunks.extend(std::iter::from_fn(|| cutter.cut(false, limit)));
        }
        chunks.extend(std::iter::from_fn(|| cutter.cut(true, limit)));
        chunks
    }

    fn texts(text: &str, boundary: Boundary, limit: usize) -> Vec<String> {
        cut(text, boundary, limit, &[]).into_iter().map(|chunk| chunk.text).collect()
    }

    fn without_space(text: &str) -> String {
        text.chars().filter(|c| !c.is_whitespace()).collect()
    }

    #[test]
    fn lengths_around_the_limit() {
        for (length, sends) in [(0, 0), (1, 1), (299, 1), (300, 1), (301, 2), (20_000, 67)] {
            let answer = "x".repeat(length);
            for boundary in [Boundary::Natural, Boundary::Exact] {
                let chunks = texts(&answer, boundary, 300);
                assert_eq!(chunks.len(), sends, "{length} {boundary:?}");
                assert_eq!(chunks.concat(), answer);
            }
        }
    }

    #[test]
    fn a_reader_would_cut_there() {
        let limit = 30;
        let cases = [
            ("One two three four five.\n\nSix seven\neight nine", "One two three four five."),
            ("One two three four five six\nseven. eight nine ten", "One two three four five six"),
            ("One two three four five. Six seven eight nine", "One two three four five."),
            ("One two three four five six seven eight nine", "One two three four five six"),
            ("x.yzabcdefghijklmnopqrstuvwxyzabcdefghijkl", "x.yzabcdefghijklmnopqrstuvwxyz"),
            ("A b.\n\nccccccccccccccccccccccccccccccccccccc", "A b.\n\ncccccccccccccccccccccccc"),
            (
                "二つの文があります。これは二つ目の文で、とても長いのです。はい。",
                "二つの文があります。これは二つ目の文で、とても長いのです。",
            ),
        ];
        for (text, first) in cases {
            assert_eq!(texts(text, Boundary::Natural, limit)[0], first);
        }
    }

    #[test]
    fn a_chat_that_had_to_wait_gets_all_that_is_there() {
        let text = "word ".repeat(1_000);
        for boundary in [Boundary::Natural, Boundary::Exact] {
            let mut cutter = Cutter::new(boundary, 300);
            cutter.push(&text);
            let first = cutter.cut(false, 4096).unwrap();
            assert!((2_700..=4_096).contains(&first.text.chars().count()), "{}", first.text.len());
            cutter.uncut();
            assert_eq!(cutter.cut(false, 4096).unwrap(), first);
            let rest = cutter.cut(true, 4096).unwrap();
            assert_eq!(without_space(&(first.text + &rest.text)), without_space(&text));
        }
    }

    #[test]
    fn a_family_stays_together() {
        let family = "👨‍👩‍👧‍👦";
        let text = format!("{}{family}{family}", "x".repeat(296));
        assert_eq!(texts(&text, Boundary::Natural, 300), ["x".repeat(296), family.repeat(2)]);
    }

    #[test]
    fn no_send_is_blank() {
        assert!(texts(" \n\t ", Boundary::Natural, 300).is_empty());
        assert!(texts(&" ".repeat(700), Boundary::Exact, 300).is_empty());
        let text = format!("{}end", " ".repeat(300));
        assert_eq!(texts(&text, Boundary::Exact, 300), [text]);
    }

    #[test]
    fn a_message_holds_4096_utf16_units() {
        let blanks = " ".repeat(10_000);
        for text in ["🍞".repeat(4000), format!("{blanks}🍞{blanks}{}", "🍞".repeat(4000))] {
            for (boundary, limit) in
                [(Boundary::Natural, 4096), (Boundary::Exact, 4096), (Boundary::Exact, 300)]
            {
                let mut cutter = Cutter::new(boundary, limit);
                cutter.push(&text);
                let mut cut = String::new();
                while let Some(chunk) = cutter.cut(true, 4096) {
                    assert!(
                        chunk.text.encode_utf16().count() <= MESSAGE_UTF16 && !chunk.text.trim().is_empty()
                    );
                    cut += &chunk.text;
                }
                assert_eq!(without_space(&cut), without_space(&text));
            }
        }
    }

    proptest! {
        #[test]
        fn joined_the_sends_are_the_answer(
            text in "(\\PC|[ \n.a-z]|👨‍👩‍👧|é|\u{301}){0,900}",
            limit in 1usize..320,
            deltas in prop::collection::vec(1usize..400, 0..20),
        ) {
            let chunks = cut(&text, Boundary::Natural, limit, &deltas);
            let joined: String = chunks.iter().map(|chunk| chunk.text.as_str()).collect();
            prop_assert_eq!(without_space(&joined), without_space(&text));
            for chunk in &chunks {
                prop_assert!(chunk.text.chars().count() <= limit && !chunk.text.trim().is_empty());
                prop_assert!(text[..chunk.end_bytes].ends_with(&chunk.text));
            }
            prop_assert_eq!(chunks, cut(&text, Boundary::Natural, limit, &[]));
        }

        #[test]
        fn what_is_taken_back_comes_again(
            text in "(\\PC|[ \n.a-z]){0,900}",
            more in "(\\PC|[ \n.a-z]){0,300}",
            max in 50usize..2_000,
        ) {
            let mut cutter = Cutter::new(Boundary::Natural, 50);
            let mut same = Cutter::new(Boundary::Natural, 50);
            cutter.push(&text);
            same.push(&text);
            if cutter.cut(false, max).is_some() {
                cutter.push(&more);
                cutter.uncut();
            } else {
                cutter.push(&more);
            }
            same.push(&more);
            let rest = |cutter: &mut Cutter| {
                std::iter::from_fn(|| cutter.cut(true, 50)).collect::<Vec<_>>()
            };
            prop_assert_eq!(rest(&mut cutter), rest(&mut same));
        }

        #[test]
        fn exact_sends_are_the_answer_to_the_letter(
            text in "[a-zé🍞 \n]{0,900}",
            deltas in prop::collection::vec(1usize..400, 0..20),
        ) {
            let chunks = cut(&text, Boundary::Exact, 100, &deltas);
            let joined: String = chunks.iter().map(|chunk| chunk.text.as_str()).collect();
            prop_assert_eq!(joined.trim_end(), text.trim_end());
            prop_assert!(text.starts_with(&joined));
        }

        #[test]
        fn no_cluster_is_cut_that_fits(text in "(👨‍👩‍👧|🇩🇪|e\u{301}|क्षि|x){0,200}") {
            for chunk in cut(&text, Boundary::Natural, 40, &[3, 1, 50]) {
                let boundaries: Vec<_> = text.grapheme_indices(true).map(|(start, _)| start).collect();
                prop_assert!(chunk.end_bytes == text.len() || boundaries.contains(&chunk.end_bytes));
            }
        }
    }
}
