//! The model in memory, under paused time.

use tokio::time::Instant;

use crate::domain::chat::{ChatMessage, ToolCall};

use super::*;

fn request(text: &str) -> Request {
    Request { messages: vec![ChatMessage::user(text).into()], tools: Arc::new([]) }
}

async fn all(model: &MemoryModel, text: &str) -> Vec<Result<Piece, ModelError>> {
    model.stream(request(text)).await.expect("accepted").collect().await
}

#[tokio::test(start_paused = true)]
async fn a_stream_follows_its_timeline_and_ends_with_the_whole() {
    let model = MemoryModel::new();
    let began = Instant::now();
    let mut pieces =
        model.stream(request("#first=800 #gap=50 #delta=3 #say=Hello you")).await.expect("accepted");
    let mut seen = Vec::new();
    while let Some(piece) = pieces.next().await {
        seen.push((began.elapsed().as_millis(), piece.expect("no error")));
    }
    let [(800, first), (850, second), (900, third), (950, Piece::End(reply))] = seen.as_slice() else {
        panic!("{seen:?}")
    };
    let text = |text: &str| Piece::Text(text.to_owned());
    assert_eq!([first, second, third], [&text("Hel"), &text("lo "), &text("you")]);
    assert_eq!(reply.content, "");
    assert_eq!(reply.usage.map(|used| used.completion_tokens), Some(3));
}

#[tokio::test(start_paused = true)]
async fn the_whole_answer_comes_when_the_first_words_would() {
    let model = MemoryModel::new();
    let began = Instant::now();
    let reply =
        model.complete(request("#first=800 #gap=50 #delta=3 #say=Hello you")).await.expect("answered");
    assert_eq!((reply.content.as_str(), began.elapsed().as_millis()), ("Hello you", 800));
}

#[tokio::test(start_paused = true)]
async fn tool_calls_are_joined_from_their_fragments() {
    let call = ToolCall::function("call_1", "convert_units", r#"{"value":1,"from":"cup","to":"g"}"#);
    let model = MemoryModel::queue([Script::tools(std::slice::from_ref(&call))]);
    let pieces = all(&model, "x").await;
    let [Ok(Piece::End(reply))] = pieces.as_slice() else { panic!("{pieces:?}") };
    assert_eq!(reply.tool_calls, [call]);
}

#[tokio::test(start_paused = true)]
async fn failures_are_told_apart() {
    let model = MemoryModel::new();
    let refused = |text: &'static str| {
        let model = model.clone();
        async move { model.stream(request(text)).await.err().expect(text) }
    };
    assert!(matches!(refused("#fail=401").await, ModelError::Unauthorised(_)));
    assert!(matches!(refused("#fail=429").await, ModelError::RateLimited { wait: Some(_), .. }));
    assert!(matches!(refused("#fail=503").await, ModelError::Overloaded(_)));
    assert!(matches!(refused("#fail=400").await, ModelError::BadRequest(_)));
    assert!(matches!(refused("#fail=context").await, ModelError::ContextTooLong(_)));
    let broken = all(&model, "x #break=3 #delta=3").await;
    assert!(matches!(broken.as_slice(), [Ok(Piece::Text(_)), Err(ModelError::Broken(_))]), "{broken:?}");
    let whole = model.complete(request("x #break=3")).await;
    assert!(matches!(whole, Err(ModelError::Broken(_))), "{whole:?}");
}

#[tokio::test(start_paused = true)]
async fn a_request_runs_until_it_ends_or_is_dropped() {
    let model = MemoryModel::new();
    let pieces = model.stream(request("#hang")).await.expect("accepted");
    assert_eq!(model.running(), 1);
    drop(pieces);
    assert_eq!(model.running(), 0);
    let whole = model.complete(request("#hang"));
    assert_eq!(model.running(), 1);
    drop(whole);
    all(&model, "#say=x").await;
    assert_eq!((model.running(), model.requests().len()), (0, 3));
}

#[tokio::test(start_paused = true)]
async fn scripts_come_in_order_and_then_the_messages_count() {
    let model = MemoryModel::queue([Script::answer("one"), Script::deltas(["t", "wo"])]);
    let mut texts = Vec::new();
    for _ in 0..3 {
        texts.push(model.complete(request("#say=three")).await.expect("answered").content);
    }
    assert_eq!(texts, ["one", "two", "three"]);
}
