//! Cutting an answer in Markdown into sends, as it comes.

use super::document::Document;
use super::entities::{Entity, Rendered, rendered, trimmed};
use super::glyph::{Glyph, Stop, Style};
use super::packed::Packed;
use super::place;
use crate::domain::chunking::{Boundary, MESSAGE_UTF16};

/// One send's worth of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MarkdownChunk {
    /// What to send. Never blank, and without white space at its ends.
    pub text: String,
    /// How it looks.
    pub entities: Vec<Entity>,
    /// Where it ends in the answer's source, in bytes.
    pub end_bytes: usize,
}

/// Takes an answer's source as it comes and gives back what to send.
///
/// Its chunks, one after the other, are the [rendering](super::render) of the answer to the
/// letter, but for white space where it was cut. They depend on the source and on the limits they
/// were asked for with, not on how the source arrived or on when they were asked for.
#[derive(Debug)]
pub struct MarkdownCutter {
    boundary: Boundary,
    document: Document,
    complete: bool,
    /// Where the last chunk ended in the source.
    sent_bytes: usize,
    /// What the last chunk was made of, and where the one before it ended.
    last: (Packed, usize),
}

impl MarkdownCutter {
    /// A cutter that cuts where `boundary` says: after as many characters of the rendering as a
    /// send may hold, or where a reader would.
    pub fn new(boundary: Boundary) -> Self {
        let last = (Packed::default(), 0);
        Self { boundary, document: Document::new(), complete: false, sent_bytes: 0, last }
    }

    /// A cutter for the rest of an answer that begins with `source`, of which the chat has all up
    /// to `end_bytes`, the end of a chunk.
    pub fn resume(mut self, source: &str, end_bytes: usize) -> Self {
        self.push(source);
        self.sent_bytes = end_bytes;
        self
    }

    /// Takes more of the answer.
    pub fn push(&mut self, text: &str) {
        self.document.push(text);
    }

    /// Characters of the rendering that can't change any more and wait to be cut.
    pub fn waiting_chars(&self) -> usize {
        self.document.out.glyphs.len()
    }

    /// Counts to what waits all that can't change any more, though for less than a send it was not
    /// worth a look.
    pub fn settle(&mut self) {
        self.document.settle();
    }

    /// Whether anything but white space waits behind the first `shown_chars`.
    pub fn has_words_behind(&mut self, shown_chars: usize) -> bool {
        if self.waiting_chars() <= shown_chars {
            self.settle();
        }
        let more = self.waiting_chars() > shown_chars;
        self.drop_sent();
        more && !self.document.out.glyphs.is_empty()
    }

    /// Whether there is enough for a send of `limit_chars`; with `complete`, anything is enough.
    pub fn is_ready(&mut self, complete: bool, limit_chars: usize) -> bool {
        self.finish_if(complete);
        if !self.gather(limit_chars) && !self.complete {
            return self.cut_before_open_block(limit_chars).is_some();
        }
        self.drop_sent();
        let glyphs = &self.document.out.glyphs;
        let window = place::window(glyphs.iter(), limit_chars.max(1), MESSAGE_UTF16);
        window.is_some() || self.complete && !glyphs.is_empty()
    }

    /// Whether more than `limit_chars` characters wait, counting, when it matters, what is told and
    /// was not worth a look before.
    fn gather(&mut self, limit_chars: usize) -> bool {
        let missing = limit_chars.checked_sub(self.waiting_chars());
        if missing.is_some_and(|missing| self.document.pending_bytes() <= missing) {
            return false;
        }
        self.drop_sent();
        if self.waiting_chars() <= limit_chars {
            self.settle();
            self.drop_sent();
        }
        self.waiting_chars() > limit_chars
    }

    /// All of the rendering that can't change any more, without taking it.
    pub fn peek(&mut self) -> MarkdownChunk {
        self.settle();
        self.drop_sent();
        let out = &mut self.document.out;
        let glyphs = out.glyphs.make_contiguous();
        let end_bytes = trimmed(glyphs).last().map_or(self.sent_bytes, |glyph| glyph.end());
        let Rendered { text, entities } = rendered(glyphs, &out.names);
        MarkdownChunk { text, entities, end_bytes }
    }

    /// Takes the last chunk back: it was not sent, and the next may carry more.
    pub fn uncut(&mut self) {
        let (glyphs, sent_bytes) = std::mem::take(&mut self.last);
        for glyph in glyphs.unpack().into_iter().rev() {
            self.document.out.glyphs.push_front(glyph);
        }
        self.sent_bytes = sent_bytes;
    }

    fn finish_if(&mut self, complete: bool) {
        if complete && !std::mem::replace(&mut self.complete, true) {
            self.document.finish(false);
        }
    }

    /// The next send of at most `limit_chars` characters as rendered, if there is enough for one
    /// and no more text can change it; with `complete`, the rest of the answer is there and comes
    /// out however short.
    pub fn next(&mut self, complete: bool, limit_chars: usize) -> Option<MarkdownChunk> {
        self.finish_if(complete);
        self.gather(limit_chars);
        self.drop_sent();
        let glyphs = &mut self.document.out.glyphs;
        let window = place::window(glyphs.iter(), limit_chars.max(1), MESSAGE_UTF16);
        match window {
            Some(window) if self.boundary == Boundary::Exact => self.take(window.max(1)),
            Some(window) => {
                let cut = place::natural(glyphs.make_contiguous(), window, &self.document.out.names);
                self.take(cut.max(1))
            }
            None if self.complete => self.take_rest(),
            None => self.cut_before_open_block(limit_chars).and_then(|cut| self.take(cut)),
        }
    }

    /// Where the next send ends, if it ends before the open block, whatever that will be: a line may
    /// become a heading or a table, but when it is long enough to fill the send, and the send is to
    /// be cut before it, nobody needs to wait for that.
    fn cut_before_open_block(&mut self, limit_chars: usize) -> Option<usize> {
        let waiting = self.waiting_chars();
        let is_long = waiting + self.document.pending_bytes() > limit_chars;
        let may_fill = waiting <= limit_chars && is_long && limit_chars <= MESSAGE_UTF16 / 2;
        if self.boundary == Boundary::Exact || !may_fill {
            return None;
        }
        let ahead = self.document.approach()?;
        let end = self.document.length();
        let out = &mut self.document.out;
        let look = out.names.look(Style { quote: ahead.quote, ..Style::default() });
        let any = Glyph::new('x', end, look, Stop::Inside);
        let filled = out.glyphs.iter().copied().chain(std::iter::repeat_n(any, ahead.chars));
        let seen: Vec<Glyph> = filled.take(limit_chars + 1).collect();
        let cut = place::natural(&seen, limit_chars, &out.names);
        let is_before = out.glyphs.get(cut).is_some_and(|glyph| glyph.stop() > ahead.stop);
        (is_before && seen.len() > limit_chars && place::is_late(cut, limit_chars)).then_some(cut)
    }

    /// Drops what the chat has, and the white space behind it.
    fn drop_sent(&mut self) {
        let sent = self.sent_bytes;
        let glyphs = &mut self.document.out.glyphs;
        while glyphs.front().is_some_and(|glyph| glyph.end() <= sent || glyph.ch.is_whitespace()) {
            let dropped = glyphs.pop_front();
            // It comes back with the chunk before it, should that be taken back.
            if let Some(dropped) = dropped.filter(|_| !self.last.0.is_empty()) {
                self.last.0.push(dropped);
            }
        }
    }

    fn take(&mut self, cut: usize) -> Option<MarkdownChunk> {
        let out = &mut self.document.out;
        // What is left has room of its own: a chat that waits for words would hold that of a whole send.
        let rest = out.glyphs.split_off(cut.min(out.glyphs.len()));
        let mut taken = std::mem::replace(&mut out.glyphs, rest);
        let glyphs = taken.make_contiguous();
        let end_bytes = trimmed(glyphs).last()?.end();
        let sent_before = std::mem::replace(&mut self.sent_bytes, end_bytes);
        let Rendered { text, entities } = rendered(glyphs, &out.names);
        self.last = (Packed::new(glyphs), sent_before);
        Some(MarkdownChunk { text, entities, end_bytes })
    }

    /// All that is left: up to the end of the source, closing marks and all.
    fn take_rest(&mut self) -> Option<MarkdownChunk> {
        let mut chunk = self.take(usize::MAX)?;
        chunk.end_bytes = chunk.end_bytes.max(self.document.length());
        self.sent_bytes = chunk.end_bytes;
        Some(chunk)
    }
}
