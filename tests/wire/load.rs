//! `brigade load` with this very server as the bot.

use brigade::load::report::Report;

use super::binary::Brigade;

/// Runs a load test. Returns its exit code, what it wrote as JSON, and its log.
async fn load(args: &[&str]) -> (Option<i32>, Report, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let args: Vec<_> =
        ["load", "--json", "-", "--ramp", "0", "--think-ms", "0"].iter().chain(args).copied().collect();
    let (code, out, log) = Brigade::start(folder.path(), &args, &[]).finish().await;
    let report = Report::read(&out).unwrap_or_else(|error| panic!("{error}\n{out}\n{log}"));
    (code, report, log)
}

#[tokio::test]
async fn right_answers_are_right() {
    let args = [
        "--chats",
        "20",
        "--turns",
        "2",
        "--first-ms",
        "exp:20",
        "--gap-ms",
        "1",
        "--deltas",
        "uniform:80,200",
    ];
    let (code, report, log) = load(&args).await;
    assert_eq!((code, log.as_str()), (Some(0), ""), "{:?}", report.violations);
    assert_eq!((report.counts.questions, report.counts.turns, report.stored_right), (40, 40, Some(40)));
    assert!(report.counts.deltas > 40 * 80);
    for latency in [&report.latencies.check_mark, &report.latencies.added, &report.latencies.turn] {
        assert_eq!(latency.count, 40);
    }
    let linux = cfg!(target_os = "linux");
    assert_eq!(report.bot.cpu_s.is_some_and(|cpu_s| cpu_s > 0.0), linux, "{:?}", report.bot);
}

#[tokio::test]
async fn rounds_of_tools_and_questions_that_wait_for_no_answer_are_right_too() {
    let args = ["--profile", "tools", "--chats", "3", "--turns", "4", "--rate", "40"];
    let pace = ["--first-ms", "5", "--gap-ms", "1", "--deltas", "50", "--tool-rounds", "2"];
    let (code, report, log) = load(&[&args[..], &pace].concat()).await;
    assert_eq!((code, log.as_str()), (Some(0), ""), "{:?}", report.violations);
    // Two rounds of tools and then the answer.
    assert_eq!((report.counts.turns, report.counts.model_calls), (12, 36));
}

#[tokio::test]
async fn a_wrong_answer_is_found() {
    // A send whose reply is lost is made again: by default the bot rather says a thing twice than not.
    let args = ["--fault", "lost_reply=40", "--chats", "4", "--turns", "1", "--turn-timeout", "4"];
    let pace = ["--first-ms", "5", "--gap-ms", "0", "--deltas", "200"];
    let (code, report, log) = load(&[&args[..], &pace].concat()).await;
    assert_eq!(code, Some(1));
    assert!(report.violations.by_kind.contains_key("doubled"), "{:?}", report.violations);
    assert!(log.contains("what must not happen"), "{log}");
}

#[tokio::test]
async fn what_can_not_be_run_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    for (args, words) in [
        (&["load", "--profile", "nothing.toml"][..], "nothing.toml"),
        (&["load", "--chats", "0"], "chats"),
        (&["load", "--fault", "bad_luck=1"], "bad_luck"),
        (&["load", "--baseline", "nothing.json"], "nothing.json"),
    ] {
        let (code, _, log) = Brigade::start(folder.path(), args, &[]).finish().await;
        assert_eq!(code, Some(2), "{args:?}");
        assert!(log.contains(words), "{log}");
    }
}
