//! The command, file in and picture out.

use clap::{CommandFactory, Parser};

use super::{Flow, FlowError, Format};

#[derive(Debug, Parser)]
struct Alone {
    #[command(flatten)]
    flow: Flow,
}

const TALK: &str = "about = \"Two words.\"\n[[when]]\nat_ms = 0\nuser_says = \"Well?\"\n\
                    [[model]]\nafter_ms = 100\nsays = [\"Very \", \"well.\"]\n";

/// What the command writes for a scenario, and how it ends.
fn run(scenario: &str, options: &[&str]) -> (String, Result<(), FlowError>) {
    let folder = tempfile::tempdir().unwrap();
    let (file, out) = (folder.path().join("talk.toml"), folder.path().join("out"));
    std::fs::write(&file, scenario).unwrap();
    let fixed = ["flow", file.to_str().unwrap(), "--out", out.to_str().unwrap()];
    let ended = Alone::parse_from(fixed.iter().chain(options)).flow.run();
    (std::fs::read_to_string(out).unwrap_or_default(), ended)
}

#[test]
fn the_arguments_are_consistent() {
    Alone::command().debug_assert();
}

#[test]
fn the_text_is_that_of_the_snapshots() {
    let (text, ended) = run(TALK, &[]);
    ended.unwrap();
    assert!(text.starts_with("Two words.\n\nflow\n   0.000  ingress "), "{text}");
    assert!(text.contains("\non record\n  turn 1 of chat 42: delivered\n"), "{text}");
    assert!(!text.contains("\"Very well.\""), "{text}");
}

#[test]
fn words_are_shown_when_asked_for() {
    let (text, _) = run(TALK, &["--text"]);
    assert!(text.contains("delta of 10 characters arrived \"Very well.\""), "{text}");
    let (picture, _) = run(TALK, &["--text", "--format", "svg"]);
    assert!(picture.contains("“Very well.”"), "{picture}");
}

#[test]
fn the_format_follows_the_name() {
    let format =
        |options: &[&str]| Alone::parse_from([&["flow", "talk.toml"], options].concat()).flow.format();
    assert_eq!(format(&[]), Format::Text);
    assert_eq!(format(&["--out", "talk.svg"]), Format::Svg);
    assert_eq!(format(&["--out", "talk.mmd"]), Format::Mermaid);
    assert_eq!(format(&["--out", "talk.svg", "--format", "text"]), Format::Text);
}

#[test]
fn one_chat_alone_with_all_its_topics() {
    let two = TALK
        .replace("at_ms = 0", "at_ms = 0\ntopic = 9\nchats = 2")
        .replace("after", "every_time = true\nafter");
    let (picture, ended) = run(&two, &["--only", "43", "--format", "mermaid"]);
    ended.unwrap();
    assert!(picture.contains("conversation 43/9") && !picture.contains(" 42"), "{picture}");
}

#[test]
fn what_cannot_be_played_names_file_and_key() {
    let why = |scenario| {
        let error = run(scenario, &[]).1.unwrap_err();
        assert!(error.is_of_the_file(), "{error}");
        error.to_string()
    };
    let unknown = why("about = \"x\"\n[[when]]\nat = 1");
    assert!(unknown.contains("talk.toml") && unknown.contains("`at`"), "{unknown}");
    let setting = why("about = \"x\"\n[settings]\nheartbeat.evry_ms = 1");
    assert!(setting.contains("talk.toml") && setting.contains("settings.heartbeat.evry_ms"), "{setting}");
    assert!(why("about =").contains("talk.toml"));
    let missing = Alone::parse_from(["flow", "no/such.toml"]).flow.run().unwrap_err();
    assert_eq!(missing.to_string(), "no/such.toml: there is no such file");
}

#[test]
fn problems_are_told_and_the_flow_is_shown() {
    let stopped = TALK.replace("after_ms = 100", "then = \"hang\"") + "[[when]]\nat_ms = 1000\nkill = true\n";
    let (text, ended) = run(&stopped, &[]);
    let error = ended.unwrap_err();
    assert!(!error.is_of_the_file());
    assert!(error.to_string().contains("talk.toml went wrong:\n  "), "{error}");
    assert!(text.contains("\nproblems\n"), "{text}");
}
