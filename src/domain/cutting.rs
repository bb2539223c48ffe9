//! Cutting an answer into sends, in the format that the operator wants: plain text as it is, or
//! Markdown as text with entities.

use serde::{Deserialize, Serialize};

use super::chunking::{Boundary, Chunk, Cutter, MESSAGE_UTF16};
use super::markdown::{MarkdownChunk, MarkdownCutter};

/// Entities of one message, at most; Telegram drops those behind without a word (TDLib).
const MESSAGE_ENTITIES: usize = 100;

/// A growing message that has more than that is full: a few more words would not be worth an edit.
const FULL_UTF16: usize = 3_600;

/// How an answer is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// Markdown becomes text with entities.
    #[default]
    Markdown,
    /// As it is written; white space at a cut is dropped all the same.
    Plain,
}

/// How an answer comes into the chat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Streaming {
    /// In sends, one after the other.
    #[default]
    Chunks,
    /// In one message that grows, and in the next when it is full.
    Edit,
    /// As a draft that grows and is then sent as a message; private chats only.
    Draft,
}

/// A message as it is to stand now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// What stands in it.
    pub chunk: Chunk,
    /// It will not grow any more.
    pub closes: bool,
}

/// Takes an answer as it comes and gives it back in sends of `limit_chars` characters.
#[derive(Debug)]
pub struct AnswerCutter {
    limit_chars: usize,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Plain(Cutter),
    Markdown(Box<MarkdownCutter>),
}

impl AnswerCutter {
    /// A cutter that has taken nothing yet. [`Boundary::Exact`] is to the letter, and so always
    /// plain.
    pub fn new(format: Format, boundary: Boundary, limit_chars: usize) -> Self {
        let kind = match (format, boundary) {
            (Format::Plain, _) | (_, Boundary::Exact) => Kind::Plain(Cutter::new(boundary, limit_chars)),
            (Format::Markdown, Boundary::Natural) => Kind::Markdown(Box::new(MarkdownCutter::new(boundary))),
        };
        Self { limit_chars, kind }
    }

    /// A cutter for the rest of `answer`, of which the chat has all up to `end_bytes`.
    pub fn resume(self, answer: &str, end_bytes: usize) -> Self {
        let kind = match self.kind {
            Kind::Plain(cutter) => Kind::Plain(cutter.resume(answer, end_bytes)),
            Kind::Markdown(cutter) => Kind::Markdown(Box::new(cutter.resume(answer, end_bytes))),
        };
        Self { kind, ..self }
    }

    /// Takes more of the answer.
    pub fn push(&mut self, text: &str) {
        match &mut self.kind {
            Kind::Plain(cutter) => cutter.push(text),
            Kind::Markdown(cutter) => cutter.push(text),
        }
    }

    /// Characters that wait to be cut.
    pub fn waiting_chars(&self) -> usize {
        match &self.kind {
            Kind::Plain(cutter) => cutter.buffered_chars(),
            Kind::Markdown(cutter) => cutter.waiting_chars(),
        }
    }

    /// Whether a message that shows `shown_chars` of what waits would grow by words.
    pub fn has_more_than(&mut self, shown_chars: usize) -> bool {
        match &mut self.kind {
            // White space at the beginning has left the buffer.
            Kind::Plain(cutter) => cutter.buffered_chars() > shown_chars,
            Kind::Markdown(cutter) => cutter.has_words_behind(shown_chars),
        }
    }

    /// Whether there is enough for a send; with `complete`, the rest of the answer is there and is
    /// enough however short.
    pub fn is_ready(&mut self, complete: bool) -> bool {
        match &mut self.kind {
            Kind::Plain(cutter) => cutter.is_ready(complete),
            Kind::Markdown(cutter) => cutter.is_ready(complete, self.limit_chars),
        }
    }

    /// Cuts the next send; with `max_chars` above the usual limit it carries all that is there, up
    /// to so many characters.
    pub fn cut(&mut self, complete: bool, max_chars: usize) -> Option<Chunk> {
        match &mut self.kind {
            Kind::Plain(cutter) => cutter.cut(complete, max_chars),
            Kind::Markdown(cutter) => {
                if max_chars > self.limit_chars {
                    cutter.settle();
                }
                let there = cutter.waiting_chars().saturating_sub(usize::from(!complete));
                let limit = if complete { max_chars } else { max_chars.min(there) };
                let cut = cutter.next(complete, limit.max(self.limit_chars))?;
                let Some(chars) = chars_before_too_many_entities(&cut) else { return Some(cut.into()) };
                cutter.uncut();
                cutter.next(complete, chars).map(Chunk::from)
            }
        }
    }

    /// The growing message as it is to stand now: all that is there, or, when that is more than a
    /// message holds or the answer is complete, what stays in it.
    pub fn grow(&mut self, complete: bool) -> Option<Frame> {
        let chunk: Chunk = match &mut self.kind {
            Kind::Plain(cutter) => cutter.peek(),
            Kind::Markdown(cutter) => cutter.peek().into(),
        };
        let utf16 = chunk.text.encode_utf16().count();
        let is_full = utf16 > FULL_UTF16 || chunk.entities.len() > MESSAGE_ENTITIES;
        let closed = if complete || is_full { self.cut(complete, MESSAGE_UTF16) } else { None };
        if complete || closed.is_some() {
            return closed.map(|chunk| Frame { chunk, closes: true });
        }
        // A send may be as long as a message: there is no cut before there is more than that.
        (utf16 > 0 && utf16 <= MESSAGE_UTF16).then_some(Frame { chunk, closes: false })
    }

    /// Takes the last cut back: it was not sent, and the next may carry more.
    pub fn uncut(&mut self) {
        match &mut self.kind {
            Kind::Plain(cutter) => cutter.uncut(),
            Kind::Markdown(cutter) => cutter.uncut(),
        }
    }
}

/// How many characters of `chunk` stand before the first entity that Telegram would drop, if there is one.
fn chars_before_too_many_entities(chunk: &MarkdownChunk) -> Option<usize> {
    let mut left = chunk.entities.get(MESSAGE_ENTITIES)?.offset;
    let before = chunk.text.chars().take_while(|c| {
        let is_before = left > 0;
        left = left.saturating_sub(c.len_utf16());
        is_before
    });
    Some(before.count())
}

impl From<MarkdownChunk> for Chunk {
    fn from(chunk: MarkdownChunk) -> Self {
        let MarkdownChunk { text, entities, end_bytes } = chunk;
        Self { text, entities, end_bytes }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::markdown::EntityKind;
    use super::*;

    fn rest(cutter: &mut AnswerCutter) -> Vec<String> {
        std::iter::from_fn(|| cutter.cut(true, 60)).map(|chunk| chunk.text).collect()
    }

    #[test]
    fn markdown_becomes_entities_and_plain_text_stays() {
        for (format, text, entities) in [(Format::Markdown, "bold", 1), (Format::Plain, "**bold**", 0)] {
            let mut cutter = AnswerCutter::new(format, Boundary::Natural, 300);
            cutter.push("**bold**");
            assert!(cutter.is_ready(true));
            let chunk = cutter.cut(true, 300).expect("a chunk");
            assert_eq!((chunk.text.as_str(), chunk.entities.len(), chunk.end_bytes), (text, entities, 8));
            assert!(!cutter.is_ready(true));
        }
    }

    #[test]
    fn a_message_has_no_more_entities_than_telegram_shows() {
        let line = |number: usize| format!("- **[Name {number}](https://example.com/{number})** text\n");
        let answer: String = (0..60).map(line).collect();
        let urls = |chunks: &[Chunk]| {
            let entities = chunks.iter().flat_map(|chunk| &chunk.entities);
            entities.filter(|entity| matches!(entity.kind, EntityKind::TextLink { .. })).count()
        };
        let mut cutter = AnswerCutter::new(Format::Markdown, Boundary::Natural, 300);
        cutter.push(&answer);
        let chunks: Vec<_> = std::iter::from_fn(|| cutter.cut(true, MESSAGE_UTF16)).collect();
        assert!(chunks.iter().all(|chunk| chunk.entities.len() <= MESSAGE_ENTITIES));
        assert_eq!((chunks.len(), urls(&chunks)), (2, 60));
        let mut growing = AnswerCutter::new(Format::Markdown, Boundary::Natural, 300);
        let mut closed = Vec::new();
        for number in 0..60 {
            growing.push(&line(number));
            while let Some(frame) = growing.grow(number == 59) {
                assert!(frame.chunk.entities.len() <= MESSAGE_ENTITIES);
                if !frame.closes {
                    break;
                }
                closed.push(frame.chunk);
            }
        }
        assert_eq!((closed.len(), urls(&closed)), (2, 60));
    }

    #[test]
    fn a_message_grows_until_it_is_cut_however_long_a_send_may_be() {
        for format in [Format::Markdown, Format::Plain] {
            let mut cutter = AnswerCutter::new(format, Boundary::Natural, MESSAGE_UTF16);
            cutter.push(&"word ".repeat(760));
            let frame = cutter.grow(false).expect("3,799 characters");
            assert!(!frame.closes && frame.chunk.text.len() > FULL_UTF16, "{format:?}");
            cutter.push(&"word ".repeat(100));
            assert!(cutter.grow(false).expect("more than a message").closes, "{format:?}");
        }
    }

    proptest! {
        #[test]
        fn a_growing_message_ends_as_what_is_cut(
            parts in prop::collection::vec("(\\*\\*|`|\n\n|- |[a-z ]|é|👨‍👩‍👧){0,600}", 0..12),
        ) {
            for format in [Format::Markdown, Format::Plain] {
                let mut cutter = AnswerCutter::new(format, Boundary::Natural, 300);
                let mut closed = Vec::new();
                for part in &parts {
                    cutter.push(part);
                    while let Some(Frame { chunk, closes: true }) = cutter.grow(false) {
                        closed.push(chunk.text);
                    }
                }
                while let Some(Frame { chunk, closes }) = cutter.grow(true) {
                    prop_assert!(closes && chunk.text.encode_utf16().count() <= MESSAGE_UTF16);
                    closed.push(chunk.text);
                }
                let mut whole = AnswerCutter::new(format, Boundary::Natural, 300);
                whole.push(&parts.concat());
                let whole: String = std::iter::from_fn(|| whole.cut(true, MESSAGE_UTF16)).map(|chunk| chunk.text).collect();
                let letters = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
                prop_assert_eq!(letters(&closed.concat()), letters(&whole));
            }
        }

        #[test]
        fn what_is_ready_can_be_cut_and_what_is_taken_back_comes_again(
            parts in prop::collection::vec("(\\*\\*|`|\n\n|- |[a-z ]|é|👨‍👩‍👧){0,60}", 0..12),
            max in 20usize..400,
        ) {
            for format in [Format::Markdown, Format::Plain] {
                let mut cutter = AnswerCutter::new(format, Boundary::Natural, 20);
                let mut same = AnswerCutter::new(format, Boundary::Natural, 20);
                for part in &parts {
                    cutter.push(part);
                    same.push(part);
                    if cutter.is_ready(false) {
                        prop_assert!(cutter.cut(false, max).is_some());
                        cutter.is_ready(false);
                        cutter.uncut();
                    }
                }
                prop_assert_eq!(rest(&mut cutter), rest(&mut same));
            }
        }
    }
}
