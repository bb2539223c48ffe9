//! Cutting an answer into sends as it comes, and rendering it.

use brigade::domain::chunking::Boundary;
use brigade::domain::cutting::{AnswerCutter, Format};
use brigade::domain::markdown::render;
use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};

use crate::{DELTAS, deltas};

/// Takes an answer delta by delta and cuts as soon as there is enough, as the Chunker does.
fn cut(format: Format, deltas: &[String]) -> usize {
    let mut cutter = AnswerCutter::new(format, Boundary::Natural, 300);
    let mut sends = 0;
    for delta in deltas {
        cutter.push(delta);
        while cutter.is_ready(false) && cutter.cut(false, 300).is_some() {
            sends += 1;
        }
    }
    while cutter.is_ready(true) && cutter.cut(true, 300).is_some() {
        sends += 1;
    }
    sends
}

#[divan::bench]
fn plain(bencher: Bencher) {
    let deltas = deltas();
    bencher.counter(ItemsCount::new(DELTAS)).bench(|| cut(Format::Plain, black_box(&deltas)));
}

#[divan::bench]
fn markdown(bencher: Bencher) {
    let deltas = deltas();
    bencher.counter(ItemsCount::new(DELTAS)).bench(|| cut(Format::Markdown, black_box(&deltas)));
}

/// A whole answer at once.
#[divan::bench(args = ["en_bread", "ja_dashi"])]
fn render_whole(bencher: Bencher, answer: &str) {
    let text = match answer {
        "en_bread" => include_str!("../../src/sandbox/model/answers/en_bread.md"),
        _ => include_str!("../../src/sandbox/model/answers/ja_dashi.md"),
    };
    bencher.counter(BytesCount::of_str(text)).bench(|| render(black_box(text)));
}
