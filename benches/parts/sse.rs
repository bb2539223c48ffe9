//! From the bytes of a stream to pieces of text.

use std::convert::Infallible;
use std::time::Duration;

use brigade::edge::llm::Piece;
use brigade::edge::llm::pieces::{Limits, pieces};
use bytes::Bytes;
use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use futures::{Stream, StreamExt, stream};
use serde_json::json;

use crate::{DELTAS, deltas};

const LIMITS: Limits =
    Limits { first_token: Duration::from_secs(60), idle: Duration::from_secs(60), max_answer_bytes: 1 << 20 };

/// The events of a stream as providers write them.
fn events() -> Vec<Bytes> {
    let event = |delta: serde_json::Value, finish_reason: Option<&str>| {
        let choice = json!({"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish_reason});
        let body = json!({"id": "chatcmpl-00000001", "object": "chat.completion.chunk", "created": 1_700_000_000,
            "model": "gpt-4o-mini", "service_tier": "default", "system_fingerprint": "fp_1",
            "choices": [choice], "usage": null});
        Bytes::from(format!("data: {body}\n\n"))
    };
    let texts = deltas().into_iter().map(|text| event(json!({"content": text}), None));
    let end = [event(json!({}), Some("stop")), Bytes::from("data: [DONE]\n\n")];
    texts.chain(end).collect()
}

/// Reads all; how many pieces of text there were.
async fn read<S>(bytes: S) -> usize
where
    S: Stream<Item = Result<Bytes, Infallible>> + Unpin + Send + 'static,
{
    let pieces = pieces(bytes, LIMITS);
    pieces.filter(|piece| std::future::ready(matches!(piece, Ok(Piece::Text(_))))).count().await
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime can be made")
}

/// Each event is a read of its own: a stream at its pace.
#[divan::bench]
fn one_event_a_read(bencher: Bencher) {
    let (runtime, events) = (runtime(), events());
    bencher.counter(ItemsCount::new(DELTAS)).with_inputs(|| events.clone()).bench_values(|events| {
        let paced = stream::iter(events).then(|event| async {
            tokio::task::yield_now().await;
            Ok(event)
        });
        assert_eq!(black_box(runtime.block_on(read(paced.boxed()))), DELTAS);
    });
}

/// All has come before the first read.
#[divan::bench]
fn all_in_one_read(bencher: Bencher) {
    let (runtime, whole) = (runtime(), Bytes::from(events().concat()));
    bencher.counter(ItemsCount::new(DELTAS)).with_inputs(|| whole.clone()).bench_values(|whole| {
        assert_eq!(black_box(runtime.block_on(read(stream::iter([Ok(whole)])))), 1);
    });
}
