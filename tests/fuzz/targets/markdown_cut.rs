//! Any text as an answer, cut anywhere: what is sent is valid and, joined, the rendering. The rules
//! are those of `domain/markdown/properties.rs`.

#![no_main]

use brigade::domain::chunking::{Boundary, Chunk, MESSAGE_UTF16};
use brigade::domain::cutting::{AnswerCutter, Format, Frame};
use brigade::domain::markdown::{Entity, EntityKind, render, render_partial};
use libfuzzer_sys::fuzz_target;
use unicode_segmentation::UnicodeSegmentation;

fuzz_target!(|data: &[u8]| {
    // How it is cut stands at the end, so that an answer is an input as it is.
    let (text, how) = data.split_at(data.len() - data.len().min(3));
    let text = String::from_utf8_lossy(text);
    let at = |position: usize| how.get(position).copied().map_or(7, usize::from);
    let (delta, limit, format) = (at(0) + 1, at(1) * 2 + 20, at(2));
    let format = if format % 8 == 0 { Format::Plain } else { Format::Markdown };
    check(&text, delta, limit, format);
    let shown = render_partial(&text);
    check_entities(&shown.text, &shown.entities);
});

fn check(text: &str, delta: usize, limit: usize, format: Format) {
    let cutter = || AnswerCutter::new(format, Boundary::Natural, limit);
    let chunks = cut(cutter(), text, delta, limit);
    for chunk in &chunks {
        check_chunk(chunk, limit);
    }
    let whole = if format == Format::Markdown { render(text).text } else { text.to_owned() };
    check_joined(&whole, &chunks);
    if let Some(middle) = chunks.get(chunks.len() / 2) {
        let mut resumed = cutter().resume(text, middle.end_bytes);
        let rest: Vec<_> = std::iter::from_fn(|| resumed.cut(true, limit)).collect();
        assert_eq!(rest, chunks[chunks.len() / 2 + 1..]);
    }
    check_growing(cutter(), text, delta);
}

/// The chunks when the text comes in deltas of so many characters.
fn cut(mut cutter: AnswerCutter, text: &str, delta: usize, limit: usize) -> Vec<Chunk> {
    let mut chunks = Vec::new();
    for part in deltas(text, delta) {
        cutter.push(part);
        while cutter.is_ready(false) {
            chunks.push(cutter.cut(false, limit).expect("what is ready can be cut"));
        }
    }
    chunks.extend(std::iter::from_fn(|| cutter.cut(true, limit)));
    chunks
}

fn deltas(text: &str, chars: usize) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let end = rest.char_indices().nth(chars).map_or(rest.len(), |(end, _)| end);
        let (part, later) = rest.split_at(end);
        rest = later;
        (!part.is_empty()).then_some(part)
    })
}

/// A message that grows is valid at any time.
fn check_growing(mut cutter: AnswerCutter, text: &str, delta: usize) {
    let limit = MESSAGE_UTF16;
    for part in deltas(text, delta * 20) {
        cutter.push(part);
        while let Some(Frame { chunk, closes }) = cutter.grow(false) {
            check_chunk(&chunk, limit);
            if !closes {
                break;
            }
        }
    }
    while let Some(Frame { chunk, .. }) = cutter.grow(true) {
        check_chunk(&chunk, limit);
    }
}

fn check_chunk(chunk: &Chunk, limit: usize) {
    let units = chunk.text.encode_utf16().count();
    assert!((1..=MESSAGE_UTF16).contains(&units) && chunk.text.chars().count() <= limit, "{chunk:?}");
    assert!(!chunk.text.trim().is_empty(), "{chunk:?}");
    check_entities(&chunk.text, &chunk.entities);
}

/// Joined, the chunks are the rendering, but for white space where it was cut.
fn check_joined(whole: &str, chunks: &[Chunk]) {
    let mut rest = whole;
    for chunk in chunks {
        let after = rest.trim_start().strip_prefix(chunk.text.trim_start());
        rest = after.unwrap_or_else(|| panic!("{:?} is not how {rest:?} begins", chunk.text));
    }
    assert_eq!(rest.trim(), "");
}

fn check_entities(text: &str, entities: &[Entity]) {
    let mut boundaries = vec![0];
    for cluster in text.graphemes(true) {
        boundaries.push(boundaries[boundaries.len() - 1] + cluster.encode_utf16().count());
    }
    let mut open: Vec<&Entity> = Vec::new();
    let mut before = 0;
    for entity in entities {
        let end = entity.offset + entity.length;
        assert!(entity.length > 0 && before <= entity.offset, "{entities:?}");
        let whole = boundaries.binary_search(&entity.offset).is_ok() && boundaries.binary_search(&end).is_ok();
        assert!(whole, "{entity:?} {text:?}");
        before = entity.offset;
        open.retain(|outer| outer.offset + outer.length > entity.offset);
        for outer in &open {
            assert!(end <= outer.offset + outer.length, "{outer:?} {entity:?}");
            assert!(!matches!(outer.kind, EntityKind::Code | EntityKind::Pre { .. }), "{outer:?} {entity:?}");
            assert_ne!(std::mem::discriminant(&outer.kind), std::mem::discriminant(&entity.kind));
        }
        open.push(entity);
    }
}
