use std::convert::Infallible;

use futures::stream;
use proptest::prelude::*;

use super::*;
use crate::edge::llm::Piece;

const LIMITS: Limits =
    Limits { first_token: Duration::from_secs(60), idle: Duration::from_secs(10), max_answer_bytes: 1000 };

const STREAM: &str = "\u{feff}: hello\r\n\r\nevent: message\r\ndata: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\r\n\r\n\
    data:{\"choices\":[{\"delta\":{\"content\":\"Grüße, \"}}]}\n\n: ping\n\n\
    data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"日本 \\ud83d\\ude00\"}}]}\n\n\
    data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"x\",\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"a\\\"\"}}]}}]}\n\n\
    data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\":1}\"}}]},\"finish_reason\":\"tool_calls\"}]}\r\r\
    data: {\"choices\":[],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2,\"total_tokens\":3}}\n\n\
    data:  [DONE] \n\n";

fn run<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime").block_on(work)
}

type Outcome = (Vec<String>, Option<Result<Reply, ModelError>>);

/// The texts, and what came after them.
fn read(chunks: Vec<Vec<u8>>, slowly: bool) -> Outcome {
    let bytes = stream::iter(chunks).then(move |chunk| async move {
        if slowly {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Ok::<_, Infallible>(Bytes::from(chunk))
    });
    run(collect(pieces(bytes.boxed(), LIMITS)))
}

async fn collect(mut pieces: Pieces) -> Outcome {
    let (mut texts, mut outcome) = (Vec::new(), None);
    while let Some(piece) = pieces.next().await {
        assert!(outcome.is_none(), "a piece after the end");
        match piece {
            Ok(Piece::Text(text)) => texts.push(text),
            Ok(Piece::End(reply)) => {
                assert_eq!(reply.content, "", "all text comes before the end");
                outcome = Some(Ok(reply));
            }
            Err(error) => outcome = Some(Err(error)),
        }
    }
    (texts, outcome)
}

fn read_text(text: &str) -> Outcome {
    read(vec![text.as_bytes().to_vec()], false)
}

fn end_of(text: &str) -> Result<Reply, ModelError> {
    let (texts, outcome) = read_text(text);
    outcome.expect("an outcome").map(|reply| Reply { content: texts.concat(), ..reply })
}

#[test]
fn a_body_that_begins_with_white_space_is_the_same_however_it_is_cut() {
    // The first was found by fuzzing.
    for body in
        ["\n         \n\n        \n [DONE]\n\n\n", " \r\n  data: [DONE]\n\n", "\n \n{\"choices\":\n[]}"]
    {
        let whole = read_text(body);
        for size in 1..body.len() {
            let cut = body.as_bytes().chunks(size).map(<[u8]>::to_vec).collect();
            assert_eq!(read(cut, false), whole, "{body:?} cut at {size}");
        }
    }
    assert_eq!(read_text(&format!("\n {}data: [DONE]\n\n", delta("hi"))).0, ["hi"]);
}

fn delta(text: &str) -> String {
    format!("data: {{\"choices\":[{{\"delta\":{{\"content\":\"{text}\"}}}}]}}\n\n")
}

#[test]
fn one_read_is_one_piece() {
    let (texts, end) = read_text(STREAM);
    assert_eq!(texts, ["Grüße, 日本 😀"]);
    let reply = end.unwrap().unwrap();
    assert_eq!(reply.tool_calls, [crate::domain::chat::ToolCall::function("x", "f", "{\"a\":1}")]);
    assert_eq!((reply.finish_reason.as_deref(), reply.usage.unwrap().total_tokens), (Some("tool_calls"), 3));
}

#[test]
fn a_slow_stream_yields_each_read_as_it_comes() {
    let reads = [
        delta("a") + &delta("b"),
        delta("c"),
        ": only a comment\n\n".to_owned(),
        delta("d") + "data: [DONE]\n\n",
    ];
    let (texts, _) = read(reads.map(String::into_bytes).to_vec(), true);
    assert_eq!(texts, ["ab", "c", "d"]);
}

#[test]
fn an_unterminated_last_event_counts() {
    assert_eq!(end_of(STREAM.trim_end()).unwrap().content, "Grüße, 日本 😀");
    let last = "data: {\"choices\":[{\"delta\":{\"content\":\"b\"},\"finish_reason\":\"stop\"}]}";
    assert_eq!(end_of(&(delta("a") + last)).unwrap().content, "ab");
}

#[test]
fn the_end_needs_a_finish_reason_or_done() {
    assert!(end_of("data: [DONE]").is_ok());
    for text in ["", "\n\n", ": ping\n\n", &delta("a"), "data: {\"type\": \"ping\"}\n\n"] {
        let Err(ModelError::Broken(why)) = end_of(text) else { panic!("{text}: should be broken") };
        assert!(why.contains("the stream ended early"), "{why}");
    }
}

#[test]
fn text_before_an_error_is_handed_on() {
    let (texts, end) =
        read_text(&(delta("a") + "event: error\ndata: {\"message\": \"overloaded\"}\n\n" + &delta("b")));
    assert_eq!(texts, ["a"]);
    assert!(matches!(end, Some(Err(ModelError::Overloaded(_)))), "{end:?}");
}

#[test]
fn what_looks_like_an_event_inside_another_is_none() {
    let (texts, end) = read_text(&(delta("a") + "event: error\n" + &delta("b")));
    assert_eq!(texts, ["a"]);
    assert!(matches!(end, Some(Err(_))), "{end:?}");
    let reads = [delta("a") + ": a comment, and ", delta("b") + "data: [DONE]\n\n"];
    let (texts, end) = read(reads.map(String::into_bytes).to_vec(), false);
    assert_eq!((texts.concat(), end.unwrap().is_ok()), ("a".to_owned(), true));
}

#[test]
fn what_follows_done_changes_nothing() {
    let end = end_of(
        &(delta("a") + "data: [DONE]\n\ndata: {\"error\":\"late\"}\n\n" + &delta("b") + "data: \u{0}"),
    );
    assert_eq!(end.unwrap().content, "a");
    let broken = [Ok(Bytes::from(delta("a") + "data: [DONE]\n\n")), Err(std::io::Error::other("reset"))];
    let (texts, end) = run(collect(pieces(stream::iter(broken), LIMITS)));
    assert_eq!((texts.concat(), end.unwrap().is_ok()), ("a".to_owned(), true));
}

#[test]
fn trouble_after_the_finish_reason_changes_nothing() {
    let last = "data: {\"choices\":[{\"delta\":{\"content\":\"b\"},\"finish_reason\":\"stop\"}]}\n\n";
    let broken = [Ok(Bytes::from(delta("a") + last)), Err(std::io::Error::other("reset"))];
    let (texts, end) = run(collect(pieces(stream::iter(broken), LIMITS)));
    assert_eq!((texts.concat(), end.unwrap().is_ok()), ("ab".to_owned(), true));
    let silent = stream::iter([Ok::<_, Infallible>(Bytes::from(delta("a") + last))]).chain(stream::pending());
    assert!(run(collect(pieces(silent, LIMITS))).1.unwrap().is_ok());
}

#[test]
fn done_does_not_wait_for_the_connection_to_close() {
    let bytes =
        stream::iter([Ok::<_, Infallible>(Bytes::from_static(b"data: [DONE]\n\n"))]).chain(stream::pending());
    assert_eq!(run(collect(pieces(bytes, LIMITS))).1, Some(Ok(Reply::default())));
}

#[test]
fn a_refusal_beside_text_that_was_told_before_is_not_told() {
    let refusal = "data: {\"choices\":[{\"delta\":{\"refusal\":\"no\"},\"finish_reason\":\"stop\"}]}\n\n";
    let (texts, end) = read([delta("a"), refusal.to_owned()].map(String::into_bytes).to_vec(), true);
    assert_eq!(texts, ["a"]);
    assert!(end.unwrap().is_ok());
}

#[test]
fn a_refusal_is_handed_on_as_text() {
    let (texts, end) = read_text(
        "data: {\"choices\":[{\"delta\":{\"refusal\":\"I can't.\"},\"finish_reason\":\"stop\"}]}\n\n",
    );
    assert_eq!(texts, ["I can't."]);
    assert!(end.unwrap().is_ok());
}

#[test]
fn plain_json_is_a_whole_answer() {
    let (texts, end) = read_text("\n{\n \"choices\": [\r\n{\"message\": {\"content\": \"hi\"}}]}\n");
    assert_eq!(texts, ["hi"]);
    assert!(end.unwrap().is_ok());
    let error = end_of("{\"error\": {\"code\": 429, \"message\": \"slow down\"}}").unwrap_err();
    assert!(matches!(error, ModelError::RateLimited { .. }), "{error}");
}

#[test]
fn garbage_is_broken_and_quoted_briefly() {
    for body in [
        "<html>\n<h1>502</h1>\n".repeat(100),
        "{\"choices\": [{\"mess".to_owned(),
        "upstream connect error".to_owned(),
    ] {
        let Err(ModelError::Broken(why)) = end_of(&body) else { panic!("{body}: should be broken") };
        assert!(why.contains(&body[..6]) && why.chars().count() < 320, "{why}");
    }
    assert!(matches!(read(vec![b"data: \xff\xfe\n\n".to_vec()], false).1, Some(Err(ModelError::Broken(_)))));
}

#[test]
fn answers_that_are_too_long_are_broken_off() {
    for text in [
        delta(&"a".repeat(1001)),
        "data: ".to_owned() + &"x".repeat(100_000),
        "{".to_owned() + &" ".repeat(100_000),
    ] {
        let Err(ModelError::TooLong(why)) = end_of(&text) else { panic!("should be too long") };
        assert!(why.contains("longer than") && why.contains("max_answer_bytes"), "{why}");
    }
    assert!(end_of(&(delta(&"a".repeat(1000)) + "data: [DONE]")).is_ok());
}

#[test]
fn silence_is_told_apart() {
    let quiet = stream::pending::<Result<Bytes, Infallible>>();
    let (_, end) = run(collect(pieces(quiet, LIMITS)));
    assert_eq!(
        end,
        Some(Err(ModelError::TimedOut("no first word within 60s (llm.first_token_timeout_ms)".to_owned())))
    );
    let stuck = stream::iter([Ok::<_, Infallible>(Bytes::from(delta("a")))]).chain(stream::pending());
    let (texts, end) = run(collect(pieces(stuck, LIMITS)));
    assert_eq!(texts, ["a"]);
    assert_eq!(
        end,
        Some(Err(ModelError::TimedOut("the answer stood still for 10s (llm.idle_timeout_ms)".to_owned())))
    );
}

fn cut(bytes: &[u8], mut at: Vec<usize>) -> Vec<Vec<u8>> {
    at.iter_mut().for_each(|position| *position %= bytes.len() + 1);
    at.sort_unstable();
    let starts = std::iter::once(0).chain(at.iter().copied());
    let ends = at.iter().copied().chain([bytes.len()]);
    starts.zip(ends).map(|(start, end)| bytes[start..end].to_vec()).collect()
}

#[test]
fn every_single_cut_gives_the_same() {
    let (texts, end) = read_text(STREAM);
    for position in 0..=STREAM.len() {
        let (cut_texts, cut_end) = read(cut(STREAM.as_bytes(), vec![position]), true);
        assert_eq!((cut_texts.concat(), cut_end), (texts.concat(), end.clone()), "{position}");
    }
}

proptest! {
    #[test]
    fn any_cuts_give_the_same(positions: Vec<usize>, slowly: bool) {
        let (texts, end) = read_text(STREAM);
        let (cut_texts, cut_end) = read(cut(STREAM.as_bytes(), positions), slowly);
        prop_assert_eq!((cut_texts.concat(), cut_end), (texts.concat(), end));
    }

    #[test]
    fn events_alike_are_the_same_however_they_are_cut(
        events in proptest::collection::vec(
            ("data: ?", "(ab|é|\\\\n|\u{1}|\t)?", "(\n|\r\n|\r){2}|\n(data: \\[DONE\\]|event: error|: ping|x)?\n\n|\n?"),
            0..12,
        ),
        size in 1usize..40,
    ) {
        let json = |words: &str| format!("{{\"choices\":[{{\"delta\":{{\"content\":\"{words}\"}}}}]}}");
        let stream: String =
            events.iter().map(|(field, words, end)| format!("{field}{}{end}", json(words))).collect();
        let (texts, end) = read_text(&stream);
        let chunks = stream.as_bytes().chunks(size).map(<[u8]>::to_vec).collect();
        let (cut_texts, cut_end) = read(chunks, false);
        prop_assert_eq!((cut_texts.concat(), cut_end), (texts.concat(), end));
    }

    #[test]
    fn any_bytes_come_to_an_end(chunks: Vec<Vec<u8>>) {
        prop_assert!(read(chunks, false).1.is_some());
    }

    #[test]
    fn any_data_comes_to_an_end(lines in proptest::collection::vec("(data: ?|event: ?|:|)[\\[\\]{}\":,a-z0-9\\\\ ]{0,20}\r?\n{1,2}", 0..20)) {
        prop_assert!(read_text(&lines.concat()).1.is_some());
    }

    #[test]
    fn any_change_of_a_byte_comes_to_an_end(position in 0..STREAM.len(), byte: u8) {
        let mut bytes = STREAM.as_bytes().to_vec();
        bytes[position] = byte;
        prop_assert!(read(vec![bytes], false).1.is_some());
    }
}
