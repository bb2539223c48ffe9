//! What holds for every text, every way in which it comes, and every limit.

use proptest::prelude::*;
use unicode_segmentation::UnicodeSegmentation;

use super::{Entity, EntityKind, MarkdownChunk, MarkdownCutter, Rendered, render, render_partial};
use crate::domain::chunking::{Boundary, MESSAGE_UTF16};

/// Bits of what models write, and of what they should not.
#[rustfmt::skip]
const BITS: &[&str] = &[
    "*", "**", "***", "_", "__", "~", "~~", "`", "``", "```", "```py\n", "\n```\n", "~~~\n", "    ",
    "\t", "\n", "\n", "\n\n", "  \n", "\\\n", "\r\n", "# ", "## ", "- ", "* ", "+ ", "1. ", "2) ",
    "10. ", "\n- ", "\n  - ", "\n1. ", "\n   - ", "> ", "\n> ", ">> ", "- [ ] ", "[x] ", "---\n",
    "\n===\n", "***\n", "| a | b |\n", "|---|:-:|\n", "|", " | ", "| **x** | 名前 |\n", "|--|\n", "[",
    "]", "](", ")", "[a](https://a.b)", "![x](http://i.i/x_y)", "[r][1]", "[1]: x\n", "<b>", "</b>",
    "<", ">", "<br>", "<https://a.b>", "https://a.b/c_d_e", "$", "$$", "\\(", "\\)", "\\[", "\\]", "\\",
    "\\*", "&amp;", "&", "&nGt;", "\0", "word", "a b c", "two words. ", "2*3*4", "snake_case_word",
    "**bold**", "*it*", "`c`", "中文。", "日本語", "「」", "한국어", "שלום", "مرحبا", "👨‍👩‍👧‍👦", "🇩🇪", "🇩",
    "e\u{301}", "\u{301}", "\u{200d}", "क्षि", "\u{600}", "\u{fe0f}", "\u{a0}", "\u{3000}", "\u{2028}",
    " ", " ", " ", "a", "b", ".", ",", "!", "x",
];

pub(super) fn markdown(bits: usize) -> impl Strategy<Value = String> {
    let bit = prop_oneof![
        8 => prop::sample::select(BITS).prop_map(str::to_owned),
        1 => "\\PC{1,6}",
        1 => "[a-z ]{1,60}",
        1 => (prop::sample::select(BITS), 1usize..40).prop_map(|(bit, times)| bit.repeat(times)),
    ];
    prop::collection::vec(bit, 0..bits).prop_map(|bits| bits.concat())
}

fn cutter(boundary: Boundary) -> MarkdownCutter {
    MarkdownCutter::new(boundary)
}

/// The chunks when the text comes in deltas of so many characters.
pub(super) fn cut(text: &str, limits: &[usize], deltas: &[usize], boundary: Boundary) -> Vec<MarkdownChunk> {
    let mut cutter = cutter(boundary);
    let mut chunks = Vec::new();
    let mut limits = limits.iter().copied().cycle();
    let mut limit = limits.next().unwrap_or(300);
    let mut rest = text;
    let mut deltas = deltas.iter().copied().cycle();
    while !rest.is_empty() {
        let chars = deltas.next().unwrap_or(usize::MAX);
        let end = rest.char_indices().nth(chars).map_or(rest.len(), |(end, _)| end);
        cutter.push(&rest[..end]);
        rest = &rest[end..];
        while let Some(chunk) = cutter.next(false, limit) {
            chunks.push(chunk);
            limit = limits.next().unwrap_or(300);
        }
    }
    while let Some(chunk) = cutter.next(true, limit) {
        chunks.push(chunk);
        limit = limits.next().unwrap_or(300);
    }
    chunks
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
        assert!(
            boundaries.binary_search(&entity.offset).is_ok() && boundaries.binary_search(&end).is_ok(),
            "{entity:?} {text:?}"
        );
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

fn check_chunk(chunk: &MarkdownChunk, limit: usize) {
    let units = chunk.text.encode_utf16().count();
    assert!((1..=MESSAGE_UTF16).contains(&units) && chunk.text.chars().count() <= limit);
    assert!(!chunk.text.trim().is_empty() && chunk.text.trim() == chunk.text, "{chunk:?}");
    check_entities(&chunk.text, &chunk.entities);
}

/// Joined, the chunks are the rendering, but for white space where it was cut.
fn check_joined(whole: &Rendered, chunks: &[MarkdownChunk]) {
    let mut rest = whole.text.as_str();
    for chunk in chunks {
        let after = rest.trim_start().strip_prefix(chunk.text.as_str());
        rest = after.unwrap_or_else(|| panic!("{:?} is not how {rest:?} begins", chunk.text));
    }
    assert_eq!(rest.trim(), "");
}

/// No chunk ends inside a cluster of the rendering that fits into a send.
fn check_clusters(whole: &Rendered, chunks: &[MarkdownChunk], limit: usize) {
    let mut rest = whole.text.as_str();
    for chunk in chunks {
        rest = rest.trim_start().strip_prefix(chunk.text.as_str()).unwrap_or_default();
        let end = whole.text.len() - rest.len();
        let next = end + (rest.len() - rest.trim_start().len());
        for (start, cluster) in whole.text.grapheme_indices(true) {
            let is_cut = [end, next].iter().all(|cut| start < *cut && *cut < start + cluster.len());
            assert!(!is_cut || cluster.chars().count() > limit, "{cluster:?} is cut");
        }
    }
}

/// How each visible character looks.
pub(super) fn looks(text: &str, entities: &[Entity]) -> Vec<(char, Vec<EntityKind>)> {
    let mut looks = Vec::new();
    let mut offset = 0;
    for c in text.chars() {
        let covers = |entity: &&Entity| (entity.offset..entity.offset + entity.length).contains(&offset);
        let mut kinds: Vec<_> = entities.iter().filter(covers).map(|entity| entity.kind.clone()).collect();
        kinds.sort_by_key(|kind| format!("{kind:?}"));
        if !c.is_whitespace() {
            looks.push((c, kinds));
        }
        offset += c.len_utf16();
    }
    looks
}

fn check_all(text: &str, limits: &[usize], deltas: &[usize], boundary: Boundary) {
    let whole = render(text);
    check_entities(&whole.text, &whole.entities);
    let chunks = cut(text, limits, deltas, boundary);
    let at = |position: usize| limits[position % limits.len()];
    for (position, chunk) in chunks.iter().enumerate() {
        check_chunk(chunk, at(position));
    }
    check_joined(&whole, &chunks);
    assert_eq!(chunks, cut(text, limits, &[usize::MAX], boundary));
    for (position, chunk) in chunks.iter().enumerate() {
        check_resumed(text, chunk.end_bytes, &chunks[position + 1..], at, position + 1, boundary);
    }
}

/// From the end of any chunk the same chunks follow, whether the source behind it is known yet.
fn check_resumed(
    text: &str,
    end: usize,
    follow: &[MarkdownChunk],
    at: impl Fn(usize) -> usize,
    first: usize,
    boundary: Boundary,
) {
    for known in [end, text.len()] {
        let mut resumed = cutter(boundary).resume(&text[..known], end);
        resumed.push(&text[known..]);
        for (position, chunk) in follow.iter().enumerate() {
            assert_eq!(resumed.next(true, at(first + position)).as_ref(), Some(chunk));
        }
        assert_eq!(resumed.next(true, 300), None);
    }
}

#[test]
fn a_told_address_is_cut_between_its_characters() {
    let text = "See [the page](日本語の長い住所\u{2028}です) and ![](図\u{3000}の名前) then.";
    for limit in 1..60 {
        check_all(text, &[limit], &[3], Boundary::Natural);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases()))]

    #[test]
    fn every_chunk_is_valid_and_all_are_the_rendering(
        text in markdown(60),
        limits in prop::collection::vec(prop_oneof![1usize..12, 12usize..80, Just(300), Just(4096)], 1..4),
        deltas in prop::collection::vec(1usize..30, 1..8),
    ) {
        check_all(&text, &limits, &deltas, Boundary::Natural);
    }

    #[test]
    fn long_texts_too(
        text in markdown(700),
        limit in prop_oneof![20usize..400, Just(4096)],
        delta in 1usize..50,
    ) {
        check_all(&text, &[limit], &[delta], Boundary::Natural);
        let chunks = cut(&text, &[limit], &[delta], Boundary::Natural);
        check_clusters(&render(&text), &chunks, limit);
    }

    #[test]
    fn exact_cuts_too(text in markdown(40), limit in 1usize..80, delta in 1usize..20) {
        check_all(&text, &[limit], &[delta], Boundary::Exact);
    }

    #[test]
    fn any_text_at_all(text in "(?s).{0,300}", limit in 1usize..100, delta in 1usize..20) {
        check_all(&text, &[limit], &[delta], Boundary::Natural);
    }

    #[test]
    fn chunks_look_like_the_rendering(text in markdown(80), limit in 30usize..200) {
        // A cluster at a cut may be two where the text was one.
        let text = without_joiners(&text);
        let whole = render(&text);
        let chunks = cut(&text, &[limit], &[7], Boundary::Natural);
        let joined: Vec<_> = chunks.iter().flat_map(|chunk| looks(&chunk.text, &chunk.entities)).collect();
        prop_assert_eq!(joined, looks(&whole.text, &whole.entities));
    }

    #[test]
    fn a_preview_is_valid(text in markdown(60)) {
        let shown = render_partial(&text);
        check_entities(&shown.text, &shown.entities);
        prop_assert_eq!(shown.text.trim(), shown.text.as_str());
    }

    #[test]
    fn words_are_never_lost(words in prop::collection::vec("[a-z]{3,8}", 1..60), marks in prop::collection::vec(
        prop::sample::select(&["*", "**", "_", "~~", "\n", "\n\n", "\n- ", "\n> ", "\n1. ", "\n# ", " ", "[", "] ", "$", "|", "\n|--|\n", "<", "> "][..]), 1..60)) {
        let text: String = words.iter().zip(marks.iter().cycle()).flat_map(|(word, mark)| [word.as_str(), *mark]).collect();
        let shown = render(&text).text;
        let letters = |text: &str| text.chars().filter(char::is_ascii_lowercase).collect::<String>();
        prop_assert_eq!(letters(&shown), letters(&text));
    }
}

/// The text without characters that make one cluster with a letter beside them.
pub(super) fn without_joiners(text: &str) -> String {
    let is_one = |pair: String| pair.graphemes(true).count() == 1;
    text.chars().filter(|c| !is_one(format!("a{c}")) && !is_one(format!("{c}a"))).collect()
}

/// `PROPTEST_CASES`, or few enough for every build.
pub(super) fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(60)
}

/// What makes readers slow, five characters at a time: ten times as much takes ten times as long.
#[test]
fn no_text_takes_long() {
    let lines = "- item **bold** and `code`\n";
    let patterns = [
        "*a ",
        "**a",
        "_a*",
        "`a ``b ",
        "[a](",
        "[",
        "](",
        "> ",
        "- ",
        "1. a\n",
        "| a ",
        "|a|\n|-|\n",
        "$a ",
        "\\(",
        "<a ",
        "~~a ",
        "```\n",
        "\t",
        " ",
        "\n",
        "a",
        "a\n",
        "\u{301}",
        "中",
        "&amp;",
        "***a** b",
        lines,
        "> - a\n",
        "[a](b",
        "*a _b* ",
    ];
    for pattern in patterns {
        let text = pattern.repeat(100_000_usize.div_ceil(pattern.len()));
        let chunks = cut(&text, &[300], &[5], Boundary::Natural);
        assert!(chunks.len() <= text.len());
    }
}
