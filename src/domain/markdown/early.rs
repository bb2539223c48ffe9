//! What is told before its piece ends is what the whole says, and it is told soon.

use proptest::prelude::*;

use super::document::Document;
use super::glyph::{Glyph, Names, Stop, Style};
use super::properties::{cases, cut, looks, markdown, without_joiners};
use super::{MarkdownChunk, MarkdownCutter, render};
use crate::domain::chunking::Boundary;

/// Bits of what is told early, and of what looks like it.
#[rustfmt::skip]
const BITS: &[&str] = &[
    "word", "a", "I", "he", "Hour", "http", "https://a.b/c_d", "https://", "x2", "3", "**bold**", "*it*", "__b__", "_i_",
    "~~gone~~", "`c d`", "``c`d``", "**a *b* c**", "[l](https://a.b/c)", "[l*](u)", "[b]", "(", ")", "“", "”", "'", "\"",
    "&amp;", "&", ";", "&#32;", "&nbsp;", "snake_case", "2*3", "$x$", "$5", "\\(y\\)", "\\*", "\\", "<br>", "<b>", "<", ">", "#", "##",
    "日本語", "。", "「", "」", "한국", "각", "é", "e\u{301}", "👍🏽", "🇩🇪", "क्षि", "\u{a0}", "\u{3000}", "-", "—", ".", ",", "!",
    "*", "**", "***", "_", "~~", "`", "[", "](", "]", "|", "\n", "\n- ", "\n> ", "\n\n", "\n# ", "\\\n", "  \n", "x*", "*x", "\r",
];

/// So long that no underline makes it one.
fn no_heading() -> String {
    "so long that it is no heading whatever comes ".repeat(3)
}

fn prose(bits: usize) -> impl Strategy<Value = String> {
    let bit = prop_oneof![
        6 => Just(" ".to_owned()),
        4 => prop::sample::select(BITS).prop_map(str::to_owned),
        3 => "[a-z]{1,9}",
    ];
    let any = prop::collection::vec(bit, 0..bits).prop_map(|bits| bits.concat());
    let starts = ["", "# ", "- ", "> "].map(str::to_owned).into_iter().chain([no_heading()]);
    (prop::sample::select(starts.collect::<Vec<_>>()), any).prop_map(|(start, text)| format!("{start}{text}"))
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![3 => prose(120), 1 => markdown(60), 1 => prose(500)]
}

/// What a document came to: a link by its address, and whether it is the same as the one before.
fn told(document: &mut Document) -> Vec<(char, usize, Stop, Style, String, bool)> {
    let glyphs = document.out.glyphs.make_contiguous();
    let names: &Names = &document.out.names;
    let mut link_before = 0;
    let tell = |glyph: &Glyph| {
        let style = names.style(glyph.look);
        let same = std::mem::replace(&mut link_before, style.link) == style.link;
        (
            glyph.ch,
            glyph.end(),
            glyph.stop(),
            Style { link: 0, ..style },
            names.url(style.link).to_owned(),
            same,
        )
    };
    glyphs.iter().map(tell).collect()
}

/// Stretches of `text` of so many characters, again and again.
fn stretches<'a>(text: &'a str, chars: &'a [usize]) -> impl Iterator<Item = &'a str> {
    let mut rest = text;
    let mut chars = chars.iter().cycle();
    std::iter::from_fn(move || {
        let chars = chars.next().copied().unwrap_or(1);
        let end = rest.char_indices().nth(chars).map_or(rest.len(), |(end, _)| end);
        let stretch = rest.get(..end)?;
        rest = rest.get(end..)?;
        (!stretch.is_empty()).then_some(stretch)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases()))]

    #[test]
    fn settling_changes_nothing(text in any_text(), deltas in prop::collection::vec(1usize..12, 1..6), every in 1usize..4) {
        let mut whole = Document::new();
        whole.push(&text);
        whole.finish(false);
        let mut settled = Document::new();
        for (number, delta) in stretches(&text, &deltas).enumerate() {
            settled.push(delta);
            if number % every == 0 {
                settled.settle();
            }
        }
        settled.finish(false);
        prop_assert_eq!(told(&mut settled), told(&mut whole));
    }

    #[test]
    fn asking_and_looking_changes_no_chunk(
        text in any_text(),
        limit in prop_oneof![1usize..60, Just(300)],
        deltas in prop::collection::vec(1usize..12, 1..6),
        asks in prop::collection::vec(prop::option::of(1usize..100), 1..6),
    ) {
        let mut cutter = MarkdownCutter::new(Boundary::Natural);
        let mut chunks: Vec<MarkdownChunk> = Vec::new();
        for (delta, ask) in stretches(&text, &deltas).zip(asks.iter().cycle()) {
            cutter.push(delta);
            match ask {
                Some(limit) => {
                    cutter.is_ready(false, *limit);
                }
                None => {
                    cutter.peek();
                }
            }
            if cutter.is_ready(false, limit) {
                chunks.extend(cutter.next(false, limit));
            }
        }
        chunks.extend(std::iter::from_fn(|| cutter.next(true, limit)));
        prop_assert_eq!(chunks, cut(&text, &[limit], &[usize::MAX], Boundary::Natural));
    }

    #[test]
    fn a_look_shows_how_the_rendering_begins(text in any_text(), deltas in prop::collection::vec(1usize..12, 1..6)) {
        // A cluster at the end may be another when more of it is there.
        let text = without_joiners(&text);
        let whole = render(&text);
        let whole = looks(&whole.text, &whole.entities);
        let mut cutter = MarkdownCutter::new(Boundary::Natural);
        for delta in stretches(&text, &deltas) {
            cutter.push(delta);
            let shown = cutter.peek();
            prop_assert!(whole.starts_with(&looks(&shown.text, &shown.entities)), "{:?}", shown.text);
        }
    }

    #[test]
    fn plain_words_are_ready_one_delta_late_at_most(words in prop::collection::vec("[a-gi-z][a-z]{0,11}", 30..300), limit in 20usize..400) {
        let text = words.join(" ");
        let start = 100.min(text.len());
        let mut cutter = MarkdownCutter::new(Boundary::Natural);
        cutter.push(&text[..start]);
        let (mut sent, mut there) = (0, start);
        while cutter.is_ready(false, limit) {
            sent = cutter.next(false, limit).expect("a chunk").end_bytes;
        }
        for delta in stretches(&text[start..], &[4]) {
            let was_due = text[sent..there].trim_start().len() >= limit + 2;
            cutter.push(delta);
            there += delta.len();
            let is_ready = cutter.is_ready(false, limit);
            prop_assert!(is_ready || !was_due, "{:?}", &text[sent..there]);
            if is_ready {
                sent = cutter.next(false, limit).expect("a chunk").end_bytes;
            }
        }
    }

    #[test]
    fn nobody_waits_for_what_a_line_behind_the_cut_will_be(
        blocks in prop::collection::vec((prop::sample::select(&["", "- ", "> ", "1. "][..]), prop::collection::vec("[a-gi-z][a-z]{0,11}", 1..60)), 4..30),
    ) {
        let text: Vec<String> = blocks.iter().map(|(mark, words)| format!("{mark}{}", words.join(" "))).collect();
        let text = text.join("\n\n");
        let mut cutter = MarkdownCutter::new(Boundary::Natural);
        let (mut sent, mut there) = (0, 0);
        for delta in stretches(&text, &[4]) {
            // White space and markers are not always shown.
            let was_due = there - sent > 300 + 4 * (1 + text[sent..there].matches('\n').count());
            cutter.push(delta);
            there += delta.len();
            let is_ready = cutter.is_ready(false, 300);
            prop_assert!(is_ready || !was_due, "{:?}", &text[sent..there]);
            if is_ready {
                sent = cutter.next(false, 300).expect("a chunk").end_bytes;
            }
        }
    }

    #[test]
    fn closed_marks_are_ready_at_the_next_space(
        words in prop::collection::vec(prop::sample::select(&["word", "**bold words here**", "`c`", "it's", "*i*", "[a link](https://a.b/c_d)", "he", "https://a.b/c_d", "$x$"][..]), 30..200),
        limit in 20usize..400,
    ) {
        let start = no_heading();
        let text = format!("{start}{} end.", words.join(" "));
        let whole = render(&text).text;
        // Where each word ends in the source and in the rendering.
        let mut ends = vec![(start.len() - 1, start.len() - 1)];
        for word in &words {
            let (end, shown) = ends[ends.len() - 1];
            ends.push((end + 1 + word.len(), shown + 1 + render(word).text.len()));
        }
        let mut cutter = MarkdownCutter::new(Boundary::Natural);
        let mut rest = whole.as_str();
        let mut there = 0;
        let deltas: Vec<usize> = std::iter::once(start.len()).chain(std::iter::repeat_n(4, text.len())).collect();
        for delta in stretches(&text, &deltas) {
            cutter.push(delta);
            there += delta.len();
            let told = ends.get(ends.partition_point(|(end, _)| *end < there).wrapping_sub(1));
            let sent = whole.len() - rest.len();
            prop_assert!(cutter.is_ready(false, limit) || told.is_none_or(|(_, shown)| *shown <= sent + limit), "{:?}", &text[..there]);
            while let Some(chunk) = cutter.next(false, limit) {
                rest = rest.strip_prefix(chunk.text.as_str()).expect("the rendering").trim_start();
            }
        }
    }
}
