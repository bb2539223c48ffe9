//! The Chat Completions client against a server that sends exact bytes, broken ones too.

use std::future::Future;
use std::time::Duration;

use brigade::domain::chat::{ChatMessage, Reply, ToolSpec};
use brigade::edge::llm::chat_completions::{ChatCompletions, Settings};
use brigade::edge::llm::{Answer, Model, ModelError, Piece, Request};
use futures::StreamExt;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

const KEY: &str = "sk-proj-secretsecretsecret1234";
const ANSWER: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"Hello \"}}]}\n\n\
    data: {\"choices\":[{\"delta\":{\"content\":\"wörld\"},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
const SHORT: Duration = Duration::from_millis(200);
const LONG: Duration = Duration::from_secs(20);

/// One step of a server's answer.
#[derive(Clone)]
enum Step {
    Send(Vec<u8>),
    Pause(Duration),
    /// Closes with a reset, not with an orderly end.
    Reset,
    /// Keeps the connection open for good.
    Hang,
}

use Step::{Hang, Pause, Reset, Send};

fn text(text: impl Into<String>) -> Step {
    Send(text.into().into_bytes())
}

fn response(status: &str, headers: &str, body: &str) -> Step {
    text(format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\n\r\n{body}", body.len()))
}

fn opening() -> Step {
    text("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n")
}

fn chunk(bytes: &str) -> Step {
    text(format!("{:x}\r\n{bytes}\r\n", bytes.len()))
}

/// A server whose answers, in order, are these; the requests that it gets come out of the channel.
async fn server(answers: Vec<Vec<Step>>) -> (String, mpsc::UnboundedReceiver<(String, Value)>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base_url = format!("http://{}/v1/", listener.local_addr().unwrap());
    let (seen, requests) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        for steps in answers {
            let (mut socket, _) = listener.accept().await.unwrap();
            let _ = seen.send(read_request(&mut socket).await);
            tokio::spawn(play(socket, steps));
        }
    });
    (base_url, requests)
}

async fn read_request(socket: &mut TcpStream) -> (String, Value) {
    let mut bytes = Vec::new();
    loop {
        let mut buffer = [0; 4096];
        let count = socket.read(&mut buffer).await.unwrap();
        assert!(count > 0, "the request broke off");
        bytes.extend_from_slice(&buffer[..count]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n")
            && let Ok(json) = serde_json::from_str(body)
        {
            return (head.to_lowercase(), json);
        }
    }
}

async fn play(mut socket: TcpStream, steps: Vec<Step>) {
    let _ = socket.set_nodelay(true);
    for step in steps {
        match step {
            Send(bytes) => {
                let _ = socket.write_all(&bytes).await;
                let _ = socket.flush().await;
            }
            Pause(wait) => tokio::time::sleep(wait).await,
            Reset => {
                socket.set_zero_linger().unwrap();
                return;
            }
            Hang => std::future::pending().await,
        }
    }
}

fn model(base_url: &str) -> ChatCompletions {
    with(base_url, |_| {})
}

fn with(base_url: &str, change: impl FnOnce(&mut Settings)) -> ChatCompletions {
    let mut settings = Settings {
        base_url: base_url.to_owned(),
        api_key: Some(KEY.to_owned()),
        model: "test-model".to_owned(),
        connect_timeout: LONG,
        first_token_timeout: LONG,
        idle_timeout: LONG,
        max_answer_bytes: 100_000,
    };
    change(&mut settings);
    ChatCompletions::new(settings).unwrap()
}

fn request() -> Request {
    Request { messages: vec![ChatMessage::user("hi").into()], tools: Vec::new().into() }
}

/// The texts, and what came after them.
async fn streamed(model: &ChatCompletions) -> (Vec<String>, Result<Reply, ModelError>) {
    let mut texts = Vec::new();
    let mut pieces = match model.stream(request()).await {
        Ok(pieces) => pieces,
        Err(error) => return (texts, Err(error)),
    };
    while let Some(piece) = pieces.next().await {
        match piece {
            Ok(Piece::Text(text)) => texts.push(text),
            Ok(Piece::End(reply)) => {
                let content = texts.concat() + &reply.content;
                return (texts, Ok(Reply { content, ..reply }));
            }
            Err(error) => return (texts, Err(error)),
        }
    }
    panic!("a stream without an outcome");
}

async fn answer(steps: Vec<Step>) -> (Vec<String>, Result<Reply, ModelError>) {
    let (base_url, _requests) = server(vec![steps]).await;
    streamed(&model(&base_url)).await
}

async fn refused(steps: Vec<Step>) -> ModelError {
    answer(steps).await.1.expect_err("an error")
}

/// Nothing here may wait for long, whatever goes wrong.
async fn soon<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(10), work).await.expect("it should have ended by now")
}

#[tokio::test]
async fn a_stream_is_asked_for_and_read() {
    let (base_url, mut requests) = server(vec![vec![opening(), text(ANSWER)]]).await;
    let (texts, outcome) = soon(streamed(&model(&base_url))).await;
    assert_eq!((texts.concat().as_str(), outcome.unwrap().content.as_str()), ("Hello wörld", "Hello wörld"));
    let (head, body) = requests.recv().await.unwrap();
    assert!(head.starts_with("post /v1/chat/completions http/1.1"), "{head}");
    assert!(head.contains(&format!("authorization: bearer {KEY}")), "{head}");
    assert_eq!(
        body,
        json!({"model": "test-model", "messages": [{"role": "user", "content": "hi"}], "stream": true,
        "stream_options": {"include_usage": true}})
    );
}

#[tokio::test]
async fn a_whole_answer_is_asked_for_and_read() {
    let body = r#"{"choices":[{"message":{"content":null,"tool_calls":[{"id":"a","function":{"name":"f","arguments":"{}"}}]}}]}"#;
    let (base_url, mut requests) = server(vec![vec![response("200 OK", "", body)]]).await;
    let tools = vec![ToolSpec { name: "f", description: "does", parameters: json!({"type": "object"}) }];
    let request = Request { tools: tools.into(), ..request() };
    let model = with(&base_url, |settings| settings.api_key = None);
    let reply = soon(model.complete(request)).await.unwrap();
    assert_eq!(reply.tool_calls[0].function.name, "f");
    let (head, body) = requests.recv().await.unwrap();
    assert!(!head.contains("authorization"), "{head}");
    assert_eq!(body["stream"], false);
    assert_eq!(body["tools"][0]["function"]["name"], "f");
}

#[tokio::test]
async fn reads_are_pieces_however_they_are_cut() {
    let crlf = ANSWER.replace('\n', "\r\n");
    for stream in [ANSWER, &crlf] {
        let mut steps = vec![opening()];
        for part in stream.as_bytes().chunks(7) {
            steps.extend([Send(part.to_vec()), Pause(Duration::from_millis(1))]);
        }
        let (texts, outcome) = soon(answer(steps)).await;
        assert_eq!(
            (texts.concat(), outcome.unwrap().content),
            ("Hello wörld".to_owned(), "Hello wörld".to_owned())
        );
    }
}

#[tokio::test]
async fn chunks_that_come_together_are_one_piece_and_slow_ones_their_own() {
    let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    let delta =
        |text: &str| chunk(&format!("data: {{\"choices\":[{{\"delta\":{{\"content\":\"{text}\"}}}}]}}\n\n"));
    let steps =
        vec![text(head), delta("a"), Pause(SHORT), delta("b"), Pause(SHORT), chunk("data: [DONE]\n\n"), Hang];
    let (texts, outcome) = soon(answer(steps)).await;
    assert_eq!(texts, ["a", "b"]);
    assert_eq!(outcome.unwrap().content, "ab");
}

#[tokio::test]
async fn what_is_not_wanted_yet_stays_where_it_is() {
    let delta =
        |word: &str| text(format!("data: {{\"choices\":[{{\"delta\":{{\"content\":\"{word}\"}}}}]}}\n\n"));
    let pause = || Pause(SHORT / 10);
    let steps = vec![
        opening(),
        delta("a"),
        pause(),
        delta("b"),
        pause(),
        delta("c"),
        pause(),
        text("data: [DONE]\n\n"),
    ];
    let (base_url, _requests) = server(vec![steps]).await;
    let mut pieces = soon(model(&base_url).stream(request())).await.unwrap();
    assert_eq!(soon(pieces.next()).await, Some(Ok(Piece::Text("a".to_owned()))));
    let rest = Duration::from_millis(500);
    pieces.rest(rest);
    let asked = std::time::SystemTime::now();
    assert_eq!(soon(pieces.next()).await, Some(Ok(Piece::Text("bc".to_owned()))));
    assert!(asked.elapsed().unwrap() > rest / 2);
    assert!(matches!(soon(pieces.next()).await, Some(Ok(Piece::End(_)))));
}

#[tokio::test]
async fn an_answer_that_has_ended_lets_its_connection_notice_that_it_was_closed() {
    let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    let whole = || vec![text(format!("{head}{:x}\r\n{ANSWER}\r\n0\r\n\r\n", ANSWER.len()))];
    let (base_url, _requests) = server(vec![whole(), whole()]).await;
    let model = model(&base_url);
    let mut pieces = soon(model.stream(request())).await.unwrap();
    assert!(matches!(soon(pieces.next()).await, Some(Ok(Piece::Text(_)))));
    pieces.rest(LONG);
    assert!(matches!(soon(pieces.next()).await, Some(Ok(Piece::End(_)))));
    drop(pieces);
    tokio::time::sleep(SHORT / 2).await;
    assert_eq!(soon(streamed(&model)).await.1.unwrap().content, "Hello wörld");
}

#[tokio::test]
async fn a_reset_in_the_middle_keeps_the_text_and_is_broken() {
    let half = &ANSWER[..ANSWER.find("\n\n").unwrap() + 2];
    let (texts, outcome) = soon(answer(vec![opening(), text(half), Pause(SHORT), Reset])).await;
    assert_eq!(texts, ["Hello "]);
    let Err(ModelError::Broken(why)) = outcome else { panic!("should be broken") };
    assert!(why.contains("the connection broke off"), "{why}");
}

#[tokio::test]
async fn an_orderly_end_too_early_is_broken() {
    let half = &ANSWER[..ANSWER.find("\n\n").unwrap() + 2];
    let (_, outcome) = soon(answer(vec![opening(), text(half)])).await;
    assert!(outcome.unwrap_err().to_string().contains("the stream ended early"));
}

#[tokio::test]
async fn nobody_there_cannot_be_reached() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let base_url = format!("http://user:hidden@{address}/v1?token=hidden");
    for outcome in [
        soon(streamed(&with(&base_url, |settings| settings.api_key = None))).await.1,
        soon(model(&base_url).complete(request())).await,
    ] {
        let Err(ModelError::Broken(why)) = outcome else { panic!("should be broken") };
        assert!(why.contains(&format!("can't reach http://{address}")) && !why.contains("hidden"), "{why}");
    }
    assert!(soon(refused(vec![Reset])).await.to_string().contains("can't reach"));
}

#[tokio::test]
async fn a_rate_limit_tells_how_long_to_wait() {
    for (header, wait) in [
        ("retry-after: 7\r\n", Some(7.0)),
        ("retry-after: 0.5\r\n", Some(0.5)),
        ("retry-after-ms: 1500\r\nretry-after: 9\r\n", Some(1.5)),
        ("date: Wed, 21 Oct 2015 07:27:30 GMT\r\nretry-after: Wed, 21 Oct 2015 07:28:00 GMT\r\n", Some(30.0)),
        ("", None),
    ] {
        let body = r#"{"error":{"message":"slow down","code":"rate_limit_exceeded"}}"#;
        let error = soon(refused(vec![response("429 Too Many Requests", header, body)])).await;
        let ModelError::RateLimited { wait: told, message } = error else { panic!("{error}") };
        assert_eq!((told.map(|wait| wait.as_secs_f64()), message.as_str()), (wait, "http 429: slow down"));
    }
}

#[tokio::test]
async fn the_key_is_in_no_error() {
    for body in [
        format!("{{\"error\":{{\"message\":\"Incorrect API key provided: {KEY}.\"}}}}"),
        "{\"error\":{\"message\":\"Incorrect API key provided: sk-proj-****1234.\"}}".to_owned(),
        format!("<p>Bearer {KEY}</p>"),
    ] {
        let error = soon(refused(vec![response("401 Unauthorized", "", &body)])).await;
        let shown = format!("{error} {error:?}");
        assert!(matches!(error, ModelError::Unauthorised(_)) && shown.contains("[api key]"), "{shown}");
        assert!(!shown.contains("secret") && !shown.contains("1234"), "{shown}");
    }
    let midstream = format!("data: {{\"error\":{{\"message\":\"bad {KEY}\",\"code\":401}}}}\n\n");
    let error = soon(refused(vec![opening(), text(midstream)])).await;
    assert_eq!(error, ModelError::Unauthorised("http 401: bad [api key]".to_owned()));
}

#[tokio::test]
async fn garbage_is_broken_and_quoted_briefly() {
    let page = "<html><body><h1>It works!</h1></body></html>\n".repeat(50);
    for body in [page.as_str(), "{\"choices\":[{\"mess", "data: {\"choices\":[{\"del\n\n"] {
        let error = soon(refused(vec![response("200 OK", "content-type: text/html\r\n", body)])).await;
        assert!(matches!(error, ModelError::Broken(_)) && error.to_string().len() < 400, "{error}");
    }
    let error = soon(refused(vec![response("502 Bad Gateway", "", &page)])).await;
    assert!(
        matches!(&error, ModelError::Overloaded(why) if why.contains("It works!") && why.len() < 300),
        "{error}"
    );
}

#[tokio::test]
async fn plain_json_is_accepted_for_a_stream() {
    let body = r#"{"choices":[{"message":{"content":"hi"},"finish_reason":"stop"}]}"#;
    let (texts, outcome) =
        soon(answer(vec![response("200 OK", "content-type: application/json\r\n", body)])).await;
    assert_eq!((texts.concat(), outcome.unwrap().content), ("hi".to_owned(), "hi".to_owned()));
}

#[tokio::test]
async fn a_provider_without_stream_options_is_asked_again_once_and_remembered() {
    let refusal =
        response("400 Bad Request", "connection: close\r\n", r#"{"error":"unknown field stream_options"}"#);
    let good = vec![opening(), text(ANSWER)];
    let (base_url, mut requests) = server(vec![vec![refusal], good.clone(), good]).await;
    let model = model(&base_url);
    for _ in 0..2 {
        assert_eq!(soon(streamed(&model)).await.1.unwrap().content, "Hello wörld");
    }
    let mut asked = Vec::new();
    for _ in 0..3 {
        asked.push(requests.recv().await.unwrap().1.get("stream_options").is_some());
    }
    assert_eq!(asked, [true, false, false]);
}

#[tokio::test]
async fn every_wait_has_its_limit() {
    let (base_url, _requests) = server(vec![vec![Hang], vec![Hang], vec![opening(), Hang]]).await;
    let hasty = with(&base_url, |settings| settings.first_token_timeout = SHORT);
    let whole = soon(hasty.complete(request())).await.unwrap_err();
    assert!(whole.to_string().contains("no answer within 200ms"), "{whole}");
    let head = soon(streamed(&hasty)).await.1.unwrap_err();
    assert!(head.to_string().contains("no answer within 200ms"), "{head}");
    let first = soon(streamed(&hasty)).await.1.unwrap_err();
    assert!(first.to_string().contains("no first word within 200ms"), "{first}");
}

#[tokio::test]
async fn a_stream_that_stands_still_times_out_but_comments_keep_it_alive() {
    let half = &ANSWER[..ANSWER.find("\n\n").unwrap() + 2];
    let mut steps = vec![opening(), text(half)];
    for _ in 0..6 {
        steps.extend([Pause(SHORT / 2), text(": ping\n\n")]);
    }
    let alive = [steps.clone(), vec![text(&ANSWER[half.len()..])]].concat();
    let (base_url, _requests) = server(vec![alive, [steps, vec![Hang]].concat()]).await;
    let model = with(&base_url, |settings| settings.idle_timeout = SHORT * 2);
    assert_eq!(soon(streamed(&model)).await.1.unwrap().content, "Hello wörld");
    let (texts, outcome) = soon(streamed(&model)).await;
    assert_eq!(texts, ["Hello "]);
    assert!(matches!(outcome, Err(ModelError::TimedOut(_))), "{outcome:?}");
}

#[tokio::test]
async fn a_redirect_is_told_not_followed() {
    let steps = vec![response("301 Moved Permanently", "location: https://u:p@example.com/v2?k=1\r\n", "")];
    let error = soon(refused(steps)).await;
    let expected = "http 301: it redirects to https://example.com; change OPENAI_BASE_URL";
    assert_eq!(error, ModelError::BadRequest(expected.to_owned()));
}

#[tokio::test]
async fn dropping_the_stream_closes_the_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let model = model(&format!("http://{}/v1", listener.local_addr().unwrap()));
    let serve = async {
        let (mut socket, _) = listener.accept().await.unwrap();
        read_request(&mut socket).await;
        let Send(head) = opening() else { unreachable!() };
        socket.write_all(&head).await.unwrap();
        socket
    };
    let (mut socket, pieces) = soon(async { tokio::join!(serve, model.stream(request())) }).await;
    drop(pieces.unwrap());
    let end = soon(socket.read(&mut [0; 1])).await;
    assert!(matches!(end, Ok(0) | Err(_)), "{end:?}");
}
