//! Cutting an answer into sends, in the format that the operator wants: plain text as it is, or
//! Markdown as text with entities.

use serde::{Deserialize, Serialize};

use super::chunking::{Boundary, Chunk, Cutter};
use super::markdown::{MarkdownChunk, MarkdownCutter};

/// Entities of one message, at most; Telegram drops those behind without a word (TDLib).
const MESSAGE_ENTITIES: usize = 100;

/// How an answer is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// Markdown becomes text with entities.
    #[default]
    Markdown,
    /// To the letter.
    Plain,
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
                let there = cutter.waiting_chars().saturating_sub(usize::from(!complete));
                let limit = if complete { max_chars } else { max_chars.min(there) };
                cutter.next(complete, limit.max(self.limit_chars)).map(Chunk::from)
            }
        }
    }

    /// Takes the last cut back: it was not sent, and the next may carry more.
    pub fn uncut(&mut self) {
        match &mut self.kind {
            Kind::Plain(cutter) => cutter.uncut(),
            Kind::Markdown(cutter) => cutter.uncut(),
        }
    }
}

impl From<MarkdownChunk> for Chunk {
    fn from(chunk: MarkdownChunk) -> Self {
        let MarkdownChunk { text, mut entities, end_bytes } = chunk;
        entities.truncate(MESSAGE_ENTITIES);
        Self { text, entities, end_bytes }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

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

    proptest! {
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
                        cutter.uncut();
                    }
                }
                prop_assert_eq!(rest(&mut cutter), rest(&mut same));
            }
        }
    }
}
