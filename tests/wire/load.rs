//! `brigade load` with this very server as the bot.

use brigade::load::report::Report;

use super::binary::{BOT, Brigade, until};
use super::house::free_port;

type Found = (Option<i32>, Report, String);

/// Runs a load test. Returns its exit code, what it wrote as JSON, and its log.
async fn load(args: &[&str]) -> Found {
    try_to_load(args).await.unwrap_or_else(|log| panic!("no report: {log}"))
}

/// The same; its log where it writes no JSON.
async fn try_to_load(args: &[&str]) -> Result<Found, String> {
    let folder = tempfile::tempdir().expect("a folder");
    let args: Vec<_> =
        ["load", "--json", "-", "--ramp", "0", "--think-ms", "0"].iter().chain(args).copied().collect();
    let (code, out, log) = Brigade::start(folder.path(), &args, &[]).finish().await;
    let report = Report::read(&out).map_err(|error| format!("{error}\n{out}\n{log}"))?;
    Ok((code, report, log))
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
async fn what_a_lost_reply_brings_about_is_no_fault() {
    // A send whose reply is lost is made again: by default the bot rather says a thing twice than not.
    let args = ["--fault", "lost_reply=40", "--chats", "4", "--turns", "2"];
    let pace = ["--first-ms", "5", "--gap-ms", "0", "--deltas", "200"];
    let (code, report, log) = load(&[&args[..], &pace].concat()).await;
    assert_eq!((code, log.as_str()), (Some(0), ""), "{:?}", report.violations);
    assert!(report.counts.sends > report.counts.turns * 3, "something was sent again: {:?}", report.counts);
}

#[tokio::test]
async fn a_wrong_answer_is_found() {
    let args =
        ["--turn-timeout", "0.2", "--chats", "2", "--turns", "1", "--first-ms", "900", "--deltas", "5"];
    let (code, report, log) = load(&args).await;
    assert_eq!(code, Some(1));
    assert_eq!(report.violations.by_kind.get("unanswered"), Some(&2), "{:?}", report.violations);
    assert!(log.contains("what must not happen"), "{log}");
}

#[tokio::test]
async fn a_bot_that_dies_is_reported() {
    let args = ["--chats", "1", "--turns", "1", "--first-ms", "3000", "--bot", "/bin/sh", "--bot-arg=-c"];
    let listens = "import os,socket,time\ns=socket.create_server(('127.0.0.1',int(os.environ['PORT'])))\n\
                   time.sleep(6)";
    let script = format!("--bot-arg=exec python3 -c \"{listens}\"");
    let (code, report, _) = load(&[&args[..], &[script.as_str()]].concat()).await;
    assert_eq!(code, Some(1));
    assert!(report.violations.by_kind.contains_key("the bot's end"), "{:?}", report.violations);
    assert_eq!(report.counts.questions, 1);
}

#[tokio::test]
async fn the_bot_is_held_to_its_own_settings() {
    let args = ["--chats", "2", "--turns", "1", "--first-ms", "1700", "--gap-ms", "0", "--deltas", "200"];
    let settings =
        ["--bot-env", "BRIGADE_HEARTBEAT__EVERY_MS=500", "--bot-env", "BRIGADE_DELIVERY__CHUNK_CHARS=80"];
    let (code, report, log) = load(&[&args[..], &settings].concat()).await;
    assert_eq!((code, log.as_str()), (Some(0), ""), "{:?}", report.violations);
    assert_eq!(report.latencies.added.count, 2);
    let folder = tempfile::tempdir().expect("a folder");
    let args = ["load", "--bot-env", "BRIGADE_HEARTBEAT__EVERY_MS=soon"];
    let (code, _, log) = Brigade::start(folder.path(), &args, &[]).finish().await;
    assert!(code == Some(2) && log.contains("heartbeat.every_ms"), "{log}");
}

#[tokio::test]
async fn a_chats_questions_reach_the_bot_in_order_though_it_refuses_some() {
    let args = ["--chats", "1", "--rate", "40", "--duration", "0.2", "--first-ms", "5", "--gap-ms", "0"];
    let few = ["--deltas", "5", "--bot-env", "BRIGADE_HTTP__MAX_TURNS_PER_CHAT=2"];
    for trouble in [&[][..], &["--fault", "doubled_webhook=1"]] {
        let (code, report, log) = load(&[&args[..], &few, trouble].concat()).await;
        assert_eq!((code, log.as_str()), (Some(0), ""), "{trouble:?}: {:?}", report.violations);
        assert!(report.counts.refused_updates > 0, "{trouble:?}: {:?}", report.counts);
    }
}

#[tokio::test]
async fn where_nothing_can_be_written_or_looked_into_is_said_before_the_test() {
    let folder = tempfile::tempdir().expect("a folder");
    for (args, why) in [
        (["load", "--report", "nowhere/out.html"], "nowhere/out.html can't be written"),
        (["load", "--json", "."], "is a folder"),
        (["load", "--store", "nowhere"], "no embedded store"),
    ] {
        let against: &[&str] = if args[1] == "--store" { &["--against", "http://127.0.0.1:9"] } else { &[] };
        let args: Vec<_> = args.iter().chain(against).copied().collect();
        let (code, out, log) = Brigade::start(folder.path(), &args, &[]).finish().await;
        assert_eq!((code, out.as_str()), (Some(2), ""), "{log}");
        assert!(log.contains(why), "{log}");
    }
}

#[tokio::test]
async fn a_test_that_is_ended_before_its_bot_is_there_leaves_nothing_behind() {
    let folder = tempfile::tempdir().expect("a folder");
    let temporary = [("TMPDIR".to_owned(), folder.path().display().to_string())];
    let args = ["load", "--chats", "1", "--bot", "/bin/sleep", "--bot-arg", "3271"];
    let mut load = Brigade::start(folder.path(), &args, &temporary);
    until("the bot's folder", async || std::fs::read_dir(folder.path()).expect("a folder").next().map(drop))
        .await;
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    load.signal("TERM");
    assert_eq!(load.ended().await, Some(1), "{}", load.log());
    assert!(load.log().contains("ended before the bot took updates"), "{}", load.log());
    assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 0);
    let left = std::fs::read_dir("/proc").expect("processes").filter_map(Result::ok).any(|process| {
        std::fs::read(process.path().join("cmdline")).is_ok_and(|line| line == b"/bin/sleep\x003271\0")
    });
    assert!(!left, "its bot runs on");
}

#[tokio::test]
async fn several_machines_load_one_bot() {
    // Another process may take a free port first.
    for _ in 0..5 {
        match two_load_tests_of_one_bot().await {
            Ok([(known, 24), (other, 4)]) => return assert_eq!((known, other), (Some(0), Some(0))),
            Err(log) if log.contains("can't listen") => {}
            wrong => panic!("{wrong:?}"),
        }
    }
    panic!("no ports could be had");
}

/// The exit codes of both, and how many turns they measured.
async fn two_load_tests_of_one_bot() -> Result<[(Option<i32>, u64); 2], String> {
    let folder = tempfile::tempdir().expect("a folder");
    let [bot, telegram, model, other_telegram, other_model] = [(); 5].map(|()| free_port());
    let at = |port: u16| format!("http://127.0.0.1:{port}");
    let settings = [
        ("TELEGRAM_BOT_TOKEN", format!("{BOT}:load-test")),
        ("TELEGRAM_API_URL", at(telegram)),
        ("TELEGRAM_WEBHOOK_URL", at(bot)),
        ("TELEGRAM_WEBHOOK_SECRET", "word".to_owned()),
        ("OPENAI_BASE_URL", at(model) + "/v1"),
        ("PORT", bot.to_string()),
        ("BRIGADE_PACING__PRIVATE_EVERY_MS", "100".to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value));
    let mut server = Brigade::start(folder.path(), &["serve"], &settings);
    let peer = format!("1001..1002={},{}", at(other_telegram), at(other_model));
    let against = |range: &str, turns: &str, telegram: u16, model: u16, more: &[&str]| {
        let (against, telegram, model) = (at(bot), telegram.to_string(), model.to_string());
        let args = ["--against", &against, "--secret", "word", "--chat-range", range, "--turns", turns];
        let ports = ["--telegram-port", &telegram, "--model-port", &model];
        let pace = ["--first-ms", "5", "--gap-ms", "1", "--deltas", "100"];
        let args = [&args[..], &ports, &pace, more].concat();
        let args: Vec<_> = args.into_iter().map(str::to_owned).collect();
        async move {
            let args: Vec<_> = args.iter().map(String::as_str).collect();
            let (code, report, _) = try_to_load(&args).await?;
            assert_eq!(report.violations.first, []);
            Ok::<_, String>((code, report.latencies.added.count))
        }
    };
    let (known, other) = tokio::join!(
        // It must not end before the other.
        against("1..2", "12", telegram, model, &["--peer", &peer]),
        against("1001..1002", "2", other_telegram, other_model, &[]),
    );
    server.kill();
    Ok([known?, other?])
}

#[tokio::test]
async fn what_can_not_be_run_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    for (args, words) in [
        (&["load", "--profile", "nothing.toml"][..], "nothing.toml"),
        (&["load", "--chats", "0"], "chats"),
        (&["load", "--duration", "1e19"], "duration_s"),
        (&["load", "--fault", "bad_luck=1"], "bad_luck"),
        (&["load", "--baseline", "nothing.json"], "nothing.json"),
    ] {
        let (code, _, log) = Brigade::start(folder.path(), args, &[]).finish().await;
        assert_eq!(code, Some(2), "{args:?}");
        assert!(log.contains(words), "{log}");
    }
}
