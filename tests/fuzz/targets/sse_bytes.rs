//! Any bytes from the model: they are an answer or an error, and the same one however they are cut.

#![no_main]

use std::convert::Infallible;
use std::time::Duration;

use brigade::domain::chat::Reply;
use brigade::edge::llm::pieces::{Limits, pieces};
use brigade::edge::llm::provider_error::of_response;
use brigade::edge::llm::reply::parse_reply;
use brigade::edge::llm::{ModelError, Piece};
use bytes::Bytes;
use futures::StreamExt;
use libfuzzer_sys::fuzz_target;
use tokio::runtime::{Builder, Runtime};

const LIMITS: Limits = Limits {
    first_token: Duration::from_secs(3600),
    idle: Duration::from_secs(3600),
    max_answer_bytes: 8 * 1024,
};

thread_local! {
    static RUNTIME: Runtime = Builder::new_current_thread().enable_time().build().expect("a runtime");
}

fuzz_target!(|data: &[u8]| {
    // How it is cut stands at the end, so that a recording is an input as it is.
    let (bytes, sizes) = data.split_at(data.len() - data.len().min(3));
    let _whole = parse_reply(bytes);
    let _refusal = of_response(400, None, bytes);
    let (shown, reply) = read(bytes, &[usize::MAX]);
    let (again, same) = read(bytes, &sizes.iter().map(|size| usize::from(*size) + 1).collect::<Vec<_>>());
    assert_eq!(reply.is_ok(), same.is_ok(), "{reply:?} {same:?}");
    if let (Ok(reply), Ok(same)) = (reply, same) {
        assert_eq!(reply, same);
        assert_eq!((&shown, reply.content.as_str()), (&again, ""));
    }
});

/// What the user would see, and how it ends.
fn read(bytes: &[u8], sizes: &[usize]) -> (String, Result<Reply, ModelError>) {
    let sizes = if sizes.is_empty() { &[1][..] } else { sizes };
    let mut rest = bytes;
    let mut reads = Vec::new();
    for size in sizes.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (now, later) = rest.split_at((*size).min(rest.len()));
        reads.push(Ok::<_, Infallible>(Bytes::copy_from_slice(now)));
        rest = later;
    }
    let all: Vec<_> = RUNTIME.with(|runtime| {
        runtime.block_on(async { pieces(futures::stream::iter(reads), LIMITS).collect().await })
    });
    let mut shown = String::new();
    let mut end = None;
    for piece in all {
        assert!(end.is_none(), "something comes after the end");
        match piece {
            Ok(Piece::Text(text)) => {
                assert!(!text.is_empty());
                shown += &text;
            }
            Ok(Piece::End(reply)) => end = Some(Ok(reply)),
            Err(error) => end = Some(Err(error)),
        }
    }
    (shown, end.expect("it ends"))
}
