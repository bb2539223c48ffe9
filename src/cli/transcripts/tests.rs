use clap::Parser;

use super::*;
use crate::domain::chat::{ChatMessage, ToolCall};
use crate::domain::ids::ChatKey;
use crate::domain::record::{
    Answer, Kind, Ledger, NewTurn, Outcome, Part, State, Timings, User, place_after,
};
use crate::edge::store::sqlite::SqliteStore;
use crate::edge::store::{Haste, Recorded};

#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: TranscriptsCommand,
}

fn parse(line: &str) -> Result<TranscriptsCommand, String> {
    let words = std::iter::once("transcripts").chain(line.split_whitespace());
    Cli::try_parse_from(words).map(|cli| cli.command).map_err(|error| error.to_string())
}

fn said(update: i64, user: i64, text: &str) -> NewTurn {
    NewTurn {
        id: TurnId { bot: 7, update },
        key: ChatKey { bot: 7, chat: -42, topic: None },
        user: User {
            id: user,
            username: Some("ann".into()),
            first_name: Some("Ann".into()),
            last_name: None,
        },
        message_id: update,
        date_s: 1_700_000_000,
        kind: Kind::Text,
        text: text.to_owned(),
        accepted_at_ms: 1_700_000_000_000 + update,
    }
}

async fn kitchen() -> (Arc<dyn Store>, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(directory.path()).unwrap();
    for new in [said(1, 5, "6*7?"), said(2, 6, "and \u{1b}[31mred\u{202e}?\nsecond line")] {
        assert!(matches!(store.record(new).await, Ok(Recorded::New(_))));
    }
    let call = ToolCall::function("c1", "calculate", r#"{"expression":"6*7"}"#);
    let asks = ChatMessage { content: None, tool_calls: vec![call], ..ChatMessage::assistant("") };
    let messages = vec![
        ChatMessage::user("6*7?"),
        asks,
        ChatMessage::tool("c1", "42"),
        ChatMessage::assistant("It is 42."),
    ];
    let timings =
        Timings { accepted_at_ms: 1_700_000_000_001, first_delta_ms: Some(30), ..Timings::default() };
    let id = |update| TurnId { bot: 7, update };
    store
        .save_answer(
            id(1),
            Answer { messages, stopped: true, ledger: Ledger::default(), usage: None, timings },
            Haste::AtOnce,
        )
        .await
        .unwrap();
    let part = Part {
        message_id: Some(9),
        delivered: true,
        uncertain: false,
        grows: false,
        attempts: 2,
        end_bytes: 9,
    };
    let delivered = Outcome { state: State::Delivered, failure: None, delivery: Some(vec![part]), timings };
    store.save_outcome(id(1), delivered).await.unwrap();
    let timings = Timings { accepted_at_ms: 1_700_000_000_002, ..timings };
    let failed =
        Outcome { state: State::Failed, failure: Some("no model".into()), delivery: Some(vec![]), timings };
    store.save_outcome(id(2), failed).await.unwrap();
    (Arc::new(store), directory)
}

fn session() -> Uuid {
    place_after(None, TurnId { bot: 7, update: 1 }, Kind::Text).session
}

async fn output(line: &str) -> Result<String, String> {
    let (store, _directory) = kitchen().await;
    let mut out = Vec::new();
    run(parse(line)?, store, &mut out).await.map_err(|error| {
        assert!(out.is_empty(), "nothing is written where nothing is found");
        error.to_string()
    })?;
    Ok(String::from_utf8(out).unwrap())
}

#[tokio::test]
async fn a_list_is_an_aligned_table() {
    let expected = format!(
        "SESSION                               CHAT  TOPIC  USER  NAME  TURNS  FIRST                     LAST\n\
         {}  -42   -      5     @ann  2      2023-11-14T22:13:20.001Z  2023-11-14T22:13:20.002Z\n",
        session()
    );
    assert_eq!(output("list").await.unwrap(), expected);
    assert_eq!(output("list --user 6 --chat -42").await.unwrap(), expected);
    assert!(output("list --limit 1").await.unwrap().ends_with("--limit shows them\n"));
}

#[tokio::test]
async fn a_session_is_shown_with_roles_times_tools_and_failure() {
    let expected = format!(
        "session {}  chat -42  user @ann 5 (Ann)\n\
         \n\
         #1 2023-11-14T22:13:20Z  text, delivered, stopped by the user  turn 7:1\n\
         \x20 user      6*7?\n\
         \x20 assistant calls calculate({{\"expression\":\"6*7\"}})\n\
         \x20 tool      42\n\
         \x20 assistant It is 42.\n\
         \x20 delivery  1 of 1 parts in 2 attempts, first word after 30 ms\n\
         \n\
         #2 2023-11-14T22:13:20Z  text, failed  turn 7:2  by @ann 6 (Ann)\n\
         \x20 user      and \\u{{1b}}[31mred\\u{{202e}}?\n\
         \x20           second line\n\
         \x20 delivery  0 of 0 parts in 0 attempts, first word after 30 ms\n\
         \x20 failure   no model\n",
        session()
    );
    assert_eq!(output(&format!("show {}", session())).await.unwrap(), expected);
    let one = output("show 7:2").await.unwrap();
    assert!(one.contains("#2") && !one.contains("#1"), "{one}");
}

#[tokio::test]
async fn an_export_is_json_or_a_session_a_line() {
    let json: serde_json::Value = serde_json::from_str(&output("export --all").await.unwrap()).unwrap();
    assert_eq!(json[0]["chat_session_id"], session().to_string());
    assert_eq!(json[0]["messages"].as_array().unwrap().len(), 5);
    let lines = output("export --user 6 --format jsonl").await.unwrap();
    assert_eq!(lines.lines().count(), 1);
    let line: serde_json::Value = serde_json::from_str(&lines).unwrap();
    assert_eq!((&line["user_id"], line["messages"].as_array().unwrap().len()), (&6.into(), 1));
}

#[tokio::test]
async fn an_export_goes_to_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("out.json");
    let said = output(&format!("export --all --out {}", file.display())).await.unwrap();
    assert_eq!(said, format!("wrote 1 session to '{}'\n", file.display()));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), output("export --all").await.unwrap());
    let missing = directory.path().join("none/out.json");
    let error = output(&format!("export --all --out {}", missing.display())).await.unwrap_err();
    assert!(error.contains("none/out.json"), "{error}");
}

#[tokio::test]
async fn what_is_not_found_is_said() {
    assert_eq!(output("list --user 99").await.unwrap_err(), "no session of user 99 is on record");
    assert_eq!(output("list --chat 1").await.unwrap_err(), "no session in chat 1 is on record");
    assert_eq!(output("export --user 99").await.unwrap_err(), "no session of user 99 is on record");
    assert_eq!(output("show 7:99").await.unwrap_err(), "no turn '7:99' is on record");
    assert!(output("show nonsense").await.unwrap_err().contains("'nonsense' is neither"));
    let nil = Uuid::nil();
    assert_eq!(
        output(&format!("show {nil}")).await.unwrap_err(),
        format!("no session with id {nil} is on record")
    );
}

#[test]
fn an_export_needs_a_user_or_all() {
    assert!(parse("export").unwrap_err().contains("--user"));
    assert!(parse("export --user 5 --all").unwrap_err().contains("cannot be used with"));
    assert!(parse("export --user -5").is_ok());
    assert!(parse("list --chat -100123").is_ok());
}
