//! The commands that are no server.

use serde_json::Value;

use super::binary::Brigade;
use super::house::House;

async fn sandbox(args: &[&str]) -> (Option<i32>, String, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let args: Vec<_> = ["sandbox"].iter().chain(args).copied().collect();
    Brigade::start(folder.path(), &args, &[]).finish().await
}

#[tokio::test]
async fn a_script_gets_what_the_chat_shows_as_lines_of_json() {
    let said = "How many grams is a cup of flour? #first=5 #gap=1";
    let (code, out, log) = sandbox(&["--json", "--say", said, "--say", "/help"]).await;
    assert_eq!((code, log.as_str()), (Some(0), ""));
    let lines: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    let of_kind = |kind: &str| lines.iter().filter(|line| line["what"]["kind"] == kind).collect::<Vec<_>>();
    assert_eq!(of_kind("user_said")[0]["what"]["text"], said);
    assert_eq!(of_kind("shown")[0]["what"]["text"], "✓");
    assert_eq!(of_kind("deleted").len(), 1);
    let turns: Vec<_> = of_kind("turn").iter().map(|line| line["turn"]["state"].clone()).collect();
    assert_eq!(turns, ["delivered", "delivered"]);
    let times: Vec<_> = lines.iter().filter_map(|line| line["at_ms"].as_u64()).collect();
    assert!(times.is_sorted() && !times.is_empty(), "{times:?}");
}

#[tokio::test]
async fn a_turn_that_fails_shows_in_the_exit_code() {
    let (code, out, log) = sandbox(&["--say", "#fail=500 #first=5 x"]).await;
    assert_eq!(code, Some(1), "{out}\n{log}");
    assert!(out.contains("turn 1 failed"), "{out}");
    assert!(log.contains("not all turns ended well"), "{log}");
}

#[tokio::test]
async fn what_is_piped_in_is_answered_to_the_end() {
    let folder = tempfile::tempdir().expect("a folder");
    let input = folder.path().join("input");
    std::fs::write(&input, "#first=500 #say=the slow one\n/help\n").expect("a file");
    let input = std::fs::File::open(input).expect("a file");
    let (code, out, log) =
        Brigade::start_with_input(folder.path(), &["sandbox", "--json"], &[], input).finish().await;
    assert_eq!((code, log.as_str()), (Some(0), ""));
    assert!(out.contains("the slow one"), "the answer that a command overtook is missing: {out}");
}

#[tokio::test]
async fn transcripts_of_no_store_make_none() {
    let folder = tempfile::tempdir().expect("a folder");
    let (code, out, log) = Brigade::start(folder.path(), &["transcripts", "list"], &[]).finish().await;
    assert_eq!((code, out.as_str()), (Some(1), ""));
    assert!(log.contains("there is no store in 'data'"), "{log}");
    assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 0);
}

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().expect("an object").keys().map(String::as_str).collect()
}

fn sorted<const N: usize>(mut names: [&str; N]) -> [&str; N] {
    names.sort_unstable();
    names
}

pub async fn an_export_has_the_agreed_shape(mut house: House) {
    house.start().await;
    let turn = house.ask(2, "How many grams is a cup of flour? #first=5 #gap=1").await;
    house.ask(2, "/help").await;
    house.ask(3, "#first=5 #say=somebody else").await;
    let args = ["transcripts", "export", "--user", "2"];
    let (code, out, log) = Brigade::start(house.folder.path(), &args, house.settings()).finish().await;
    assert_eq!((code, log.as_str()), (Some(0), ""), "beside the running server");
    let sessions: Value = serde_json::from_str(&out).expect("JSON");
    let [session] = sessions.as_array().expect("a list").as_slice() else { panic!("{out}") };
    let names = [
        "user_id",
        "chat_session_id",
        "chat_session_created_at",
        "last_updated_at",
        "session_info",
        "messages",
    ];
    assert_eq!(keys(session), sorted(names));
    let info = &session["session_info"];
    let names = ["user_id", "chat_id", "message_id", "timestamp", "username", "first_name", "last_name"];
    assert_eq!(keys(info), sorted(names));
    for (id, of) in [("user_id", info), ("chat_id", info), ("user_id", session)] {
        assert_eq!(of[id], 2);
    }
    assert_eq!(info["message_id"], turn.message_id);
    assert_eq!(session["chat_session_id"], turn.session.to_string());
    for time in ["chat_session_created_at", "last_updated_at"] {
        let text = session[time].as_str().expect("a time");
        assert!(text.starts_with("20") && text.contains('T') && text.ends_with('Z'), "{text}");
    }
    assert_eq!(session["messages"], serde_json::to_value(&turn.messages).expect("JSON"));

    let nobody = ["transcripts", "export", "--user", "9"];
    let (code, out, log) = Brigade::start(house.folder.path(), &nobody, house.settings()).finish().await;
    assert_eq!((code, out.as_str()), (Some(1), ""));
    assert!(log.contains("no session of user 9"), "{log}");
    house.close().await;
}
