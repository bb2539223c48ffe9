//! Real answers of models, rendered for Telegram whole and in sends.

#[path = "support/fixtures.rs"]
mod fixtures;

use brigade::domain::chunking::{Boundary, MESSAGE_UTF16};
use brigade::domain::markdown::{
    Entity, EntityKind, MarkdownChunk, MarkdownCutter, Rendered, render, render_partial,
};
use pulldown_cmark::{Event, Options, Parser, TagEnd};
use unicode_segmentation::UnicodeSegmentation;

/// Name and text of every answer.
fn answers() -> Vec<(String, String)> {
    let files = fixtures::files("answers").into_iter().filter(|(name, _)| name.ends_with(".md"));
    files.map(|(name, bytes)| (name, String::from_utf8(bytes).unwrap())).collect()
}

/// The chunks when the text comes in deltas of so many characters.
fn cut(text: &str, limit: usize, delta: usize) -> Vec<MarkdownChunk> {
    let mut cutter = MarkdownCutter::new(Boundary::Natural);
    let mut chunks = Vec::new();
    let chars: Vec<char> = text.chars().collect();
    for delta in chars.chunks(delta) {
        cutter.push(&delta.iter().collect::<String>());
        chunks.extend(std::iter::from_fn(|| cutter.next(false, limit)));
    }
    chunks.extend(std::iter::from_fn(|| cutter.next(true, limit)));
    chunks
}

/// Entities are within the text, sorted, nested, and split no cluster.
fn check_entities(name: &str, text: &str, entities: &[Entity]) {
    let mut boundaries = vec![0];
    for cluster in text.graphemes(true) {
        boundaries.push(boundaries.last().unwrap() + cluster.encode_utf16().count());
    }
    let mut open: Vec<&Entity> = Vec::new();
    for entity in entities {
        let end = entity.offset + entity.length;
        assert!(entity.length > 0 && boundaries.binary_search(&end).is_ok(), "{name}: {entity:?}");
        assert!(boundaries.binary_search(&entity.offset).is_ok(), "{name}: {entity:?}");
        open.retain(|outer| outer.offset + outer.length > entity.offset);
        for outer in &open {
            assert!(
                outer.offset <= entity.offset && end <= outer.offset + outer.length,
                "{name}: {entity:?}"
            );
            let is_code = matches!(outer.kind, EntityKind::Code | EntityKind::Pre { .. });
            assert!(!is_code && outer.kind != entity.kind, "{name}: {entity:?} in {outer:?}");
        }
        open.push(entity);
    }
}

fn check_joined(name: &str, whole: &Rendered, chunks: &[MarkdownChunk]) {
    let mut rest = whole.text.as_str();
    for chunk in chunks {
        let after = rest.trim_start().strip_prefix(chunk.text.as_str());
        rest = after.unwrap_or_else(|| panic!("{name}: {:?} is not how {rest:?} begins", chunk.text));
    }
    assert_eq!(rest.trim(), "", "{name}");
}

fn check_resumed(name: &str, text: &str, chunks: &[MarkdownChunk], limit: usize) {
    for (position, chunk) in chunks.iter().enumerate() {
        let mut resumed =
            MarkdownCutter::new(Boundary::Natural).resume(&text[..chunk.end_bytes], chunk.end_bytes);
        resumed.push(&text[chunk.end_bytes..]);
        let follow: Vec<_> = std::iter::from_fn(|| resumed.next(true, limit)).collect();
        assert_eq!(follow, chunks[position + 1..], "{name}");
    }
}

#[test]
fn every_answer_comes_out_whole_in_valid_sends() {
    let answers = answers();
    let mut sends = 0;
    for (name, text) in &answers {
        let whole = render(text);
        check_entities(name, &whole.text, &whole.entities);
        for limit in [20, 100, 300, 1000, 4096] {
            let chunks = cut(text, limit, 5);
            sends += chunks.len();
            for chunk in &chunks {
                let units = chunk.text.encode_utf16().count();
                assert!(
                    (1..=MESSAGE_UTF16).contains(&units) && chunk.text.chars().count() <= limit,
                    "{name}"
                );
                assert_eq!(chunk.text.trim(), chunk.text, "{name}");
                check_entities(name, &chunk.text, &chunk.entities);
            }
            check_joined(name, &whole, &chunks);
            for delta in [1, 97, usize::MAX / 2] {
                assert_eq!(chunks, cut(text, limit, delta), "{name}: {limit} {delta}");
            }
            if limit >= 100 {
                check_resumed(name, text, &chunks, limit);
            }
        }
    }
    println!("{} answers, {sends} sends", answers.len());
}

#[test]
fn every_preview_of_every_answer_is_valid() {
    for (name, text) in answers() {
        let ends: Vec<usize> = text.char_indices().map(|(end, _)| end).collect();
        for end in ends.iter().step_by(1 + ends.len() / 200) {
            let shown = render_partial(&text[..*end]);
            check_entities(&name, &shown.text, &shown.entities);
        }
    }
}

/// No letter of an answer is lost: with its links' addresses and its fences' languages counted.
#[test]
fn every_letter_of_every_answer_is_shown() {
    for (name, text) in answers() {
        let shown = render(&text);
        let mut letters: Vec<char> = shown.text.chars().collect();
        for entity in &shown.entities {
            match &entity.kind {
                EntityKind::TextLink { url } => letters.extend(url.chars()),
                EntityKind::Pre { language: Some(language) } => letters.extend(language.chars()),
                _ => {}
            }
        }
        let sorted = |letters: Vec<char>| {
            let mut letters: Vec<char> = letters.into_iter().filter(|c| c.is_alphabetic()).collect();
            letters.sort_unstable();
            letters
        };
        let source = text.replace("<br>", "");
        assert_eq!(sorted(letters), sorted(source.chars().collect()), "{name}");
    }
}

/// The letters that a reader of the whole text takes for bold, italic and code, outside of tables
/// and headings.
fn marked(text: &str) -> [String; 3] {
    let mut marked = [const { String::new() }; 3];
    let mut depth = [0_usize; 2];
    let mut skipped = 0_usize;
    let change = |depth: &mut [usize; 2], skipped: &mut usize, tag: TagEnd, by: isize| match tag {
        TagEnd::Strong => depth[0] = depth[0].saturating_add_signed(by),
        TagEnd::Emphasis => depth[1] = depth[1].saturating_add_signed(by),
        TagEnd::Table | TagEnd::Heading(_) | TagEnd::CodeBlock => {
            *skipped = skipped.saturating_add_signed(by)
        }
        _ => {}
    };
    for event in Parser::new_ext(text, Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH) {
        match event {
            Event::Start(tag) => change(&mut depth, &mut skipped, tag.to_end(), 1),
            Event::End(tag) => change(&mut depth, &mut skipped, tag, -1),
            Event::Code(code) if skipped == 0 => marked[2] += &code,
            Event::Text(text) if skipped == 0 => {
                for (marked, depth) in marked.iter_mut().zip(depth) {
                    *marked += if depth > 0 { &text } else { "" };
                }
            }
            _ => {}
        }
    }
    marked.map(|text| text.chars().filter(|c| c.is_alphanumeric()).collect())
}

/// The letters that are shown bold, italic and as code.
fn shown(rendered: &Rendered) -> [String; 3] {
    let units: Vec<u16> = rendered.text.encode_utf16().collect();
    [EntityKind::Bold, EntityKind::Italic, EntityKind::Code].map(|kind| {
        let of_kind = rendered.entities.iter().filter(|entity| entity.kind == kind);
        let texts = of_kind.map(|entity| String::from_utf16_lossy(&units[entity.offset..][..entity.length]));
        texts.collect::<String>().chars().filter(|c| c.is_alphanumeric()).collect()
    })
}

/// Without its headings and its stars in arithmetic, an answer's marks are what CommonMark says.
#[test]
fn the_marks_of_every_answer_are_read_as_by_commonmark() {
    for (name, text) in answers() {
        let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
        let text: String = lines.flat_map(|line| [line, "\n"]).collect();
        if !name.contains("intraword-star") && !text.contains('\\') {
            assert_eq!(shown(&render(&text)), marked(&text), "{name}");
        }
    }
}
