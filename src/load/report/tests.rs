use std::time::Duration;

use super::*;
use crate::load::stats::{Metric, Usage};

/// A run of 100 turns in 10 s that took the bot 0.4 s.
fn report() -> Report {
    let mut stats = Stats::new();
    let second = Duration::from_secs(1);
    for n in 1..=10 {
        for ms in [1, 2, 40] {
            stats.record(Metric::Added, Duration::from_millis(ms));
            stats.record(Metric::FirstChunk, Duration::from_millis(1000 + ms));
        }
        (stats.counts.turns, stats.counts.deltas) = (10 * u64::from(n), 3190 * u64::from(n));
        let usage = Usage {
            bot_cpu_percent: Some(30.0),
            bot_thread_percent: Some(25.0),
            load_cpu_percent: Some(20.0),
            bot_rss_kb: Some(20_480),
            bot_fds: Some(50),
        };
        stats.close_second(n * second, second, 50, usage);
    }
    let facts = Facts {
        bot: "brigade".to_owned(),
        is_pinned: true,
        name: "seed",
        took: 10 * second,
        interrupted: false,
        bot_cpu: Some(Duration::from_millis(400)),
        load_cpu: Some(Duration::from_millis(200)),
        bot_cores: 1,
        shares_cores: false,
        idle_rss_kb: Some(10_240),
        most_rss_kb: Some(2_048_000),
        most_fds: Some(1_024),
        ready: Some(Duration::from_millis(45)),
        stored: Some(100),
    };
    Report::from_parts(&stats, &Profile::find("seed").unwrap(), Violations::default(), &facts)
}

fn wrong(seen: &str) -> Report {
    let mut report = report();
    report.violations.add(17, 3, "wrong text", seen.to_owned());
    report.verdict = Verdict::on(&report);
    report
}

#[test]
fn the_figures_follow_from_what_was_counted() {
    let report = report();
    let near =
        |value: Option<f64>, expected: f64| assert!((value.unwrap() - expected).abs() < 0.01, "{value:?}");
    near(report.bot.cpu_ms_per_turn, 4.0);
    near(report.bot.cpu_us_per_delta, 12.54);
    near(report.bot.rss_kb_per_open_turn, 204.8);
    near(report.bot.plateau_percent, 30.0);
    assert_eq!((report.turns_per_s(), report.latencies.added.count), (10.0, 30));
    let counted: u64 = report.latencies.added.bars.iter().map(|bar| bar.count).sum();
    assert_eq!(counted, 30);
    assert!(report.latencies.added.bars.iter().all(|bar| bar.from_ms < bar.to_ms));
}

#[test]
fn a_report_is_read_as_it_was_written() {
    let report = wrong("\"x\"");
    let read = Report::read(&serde_json::to_string(&report).unwrap()).unwrap();
    assert_eq!(page(&read, None), page(&report, None));
    assert_eq!(table(&read, None), table(&report, None));
    assert!(Report::read("{}").is_err());
}

#[test]
fn the_table_has_the_figures_and_the_ratios() {
    let (now, mut before) = (report(), report());
    before.bot.cpu_ms_per_turn = Some(8.0);
    let line = |text: &str| {
        let lines = text.lines().find(|line| line.contains("CPU for a turn")).unwrap();
        lines.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(line(&table(&now, None))[4..], ["4", "ms"]);
    assert_eq!(line(&table(&now, Some(&before)))[4..], ["4", "ms", "8", "0.50"]);
    let table = table(&wrong("was \"x\""), None);
    assert!(table.contains("chat 17 turn 3: wrong text: was \"x\""), "{table}");
}

#[test]
fn the_page_has_the_figures_and_needs_nothing_else() {
    let page = page(&report(), None);
    for wanted in [
        "Would it hold twice the load?",
        "CPU for a turn",
        "<td>4 ms</td>",
        "12.5 µs",
        "Every answer was right",
    ] {
        assert!(page.contains(wanted), "{wanted}");
    }
    assert_eq!(page.matches("<figure>").count(), page.matches("</svg>").count());
    let foreign = page.replace("xmlns=\"http://www.w3.org/2000/svg\"", "");
    for part in ["http", "src=", "href=", "<script", "NaN", "inf"] {
        assert!(!foreign.contains(part), "{part}");
    }
}

#[test]
fn what_was_seen_is_text_on_the_page_and_no_markup() {
    let page = page(&wrong("<script>alert(\"1 & 2\")</script>"), Some(&report()));
    assert!(page.contains("&lt;script&gt;alert(&quot;1 &amp; 2&quot;)"));
    assert!(!page.contains("<script"));
    assert!(page.contains("stroke-dasharray") && page.contains("<th>ratio</th>"));
}

/// What is different in a run, and what follows from it.
type Case = (fn(&mut Report), Holds, &'static str);

#[test]
fn the_verdict_names_what_gives_first() {
    let verdict = |change: fn(&mut Report)| {
        let mut report = report();
        change(&mut report);
        let verdict = Verdict::on(&report);
        (verdict.holds_twice, verdict.headline + &verdict.reasons.join(" "))
    };
    let cases: [Case; 14] = [
        (|_| {}, Holds::Yes, "the bot's core would then stand at some 60 %"),
        (
            |report| report.bot.plateau_percent = Some(60.0),
            Holds::No,
            "the bot's core would have to stand at 120 %",
        ),
        (
            |report| (report.bot.cores, report.bot.plateau_thread_percent) = (4, Some(90.0)),
            Holds::No,
            "busiest thread would have to stand at 180 %",
        ),
        (
            |report| report.simulators.plateau_percent = Some(70.0),
            Holds::Unknown,
            "This machine can't show it",
        ),
        (
            |report| {
                report.load.most_sends_per_s = Some(30.0);
                report.timeline.iter_mut().for_each(|second| second.sends_per_s = 24.0);
            },
            Holds::No,
            "Telegram's 30 messages a second over all chats would have to stand at 160 %",
        ),
        (
            |report| (report.load.limits, report.counts.too_many_requests) = (true, 1),
            Holds::Yes,
            "Telegram answered 429 1 times",
        ),
        (
            |report| {
                (report.bot.plateau_percent, report.simulators.plateau_percent) = (Some(60.0), Some(65.0))
            },
            Holds::No,
            "Here the simulators' core (the measuring itself) gives sooner, at 65 %",
        ),
        (
            |report| report.bot.most_fds = Some(60),
            Holds::No,
            "the bot's limit of open files (ulimit -n) would have to stand at 167 %",
        ),
        (
            |report| report.latencies.added.p99_ms = Some(5_000.0),
            Holds::No,
            "1 of 100 has to wait 5.0 s for the first words",
        ),
        (
            |report| (report.load.rate_per_s, report.load.most_turns_per_s) = (Some(50.0), Some(14.5)),
            Holds::Unknown,
            "Give it more chats",
        ),
        (|report| report.load.is_flat_out = true, Holds::Unknown, "nothing came near its end"),
        (
            |report| (report.load.is_flat_out, report.bot.plateau_percent) = (true, Some(99.0)),
            Holds::Unknown,
            "top speed, 10 turns a second",
        ),
        (|report| report.violations.add(1, 1, "doubled", String::new()), Holds::No, "1 × doubled"),
        (|report| report.bot.plateau_percent = None, Holds::Unknown, "could not be read"),
    ];
    for (change, holds, words) in cases {
        let (told, text) = verdict(change);
        assert_eq!(told, holds, "{text}");
        assert!(text.contains(words), "{text}");
    }
}

#[test]
fn without_an_answer_nothing_can_be_told() {
    let mut report = report();
    (report.counts.turns, report.interrupted) = (0, true);
    let verdict = Verdict::on(&report);
    assert_eq!(verdict.holds_twice, Holds::Unknown, "{}", verdict.headline);
}

#[test]
fn numbers_are_as_long_as_they_are_interesting() {
    let cases = [
        (None, "-"),
        (Some(0.0), "0"),
        (Some(0.128), "0.13"),
        (Some(12.34), "12.3"),
        (Some(1234567.8), "1,234,568"),
    ];
    for (value, text) in cases {
        assert_eq!(rows::number(value), text);
    }
    assert_eq!(rows::ratio(Some(1.0), Some(0.0)), "-");
}

#[test]
fn a_baseline_is_named_and_so_is_what_was_different() {
    let (now, mut before) = (report(), report());
    before.ended_at_s = 0;
    assert!(table(&now, Some(&before)).contains(
        "Baseline: profile seed, 200 chats, seed 1, brigade 0.1.0, ended at 1970-01-01T00:00:00Z.\n"
    ));
    before.load.chats = 64;
    for told in [table(&now, Some(&before)), page(&now, Some(&before))] {
        assert!(told.contains("different are the chats."), "{told}");
    }
    before.load.bot = "brigade BRIGADE_DELIVERY__CHUNK_CHARS=50".to_owned();
    assert!(table(&now, Some(&before)).contains("different are the chats, the bot."));
    // One that was written before reports said so.
    before.load.bot = String::new();
    assert!(table(&now, Some(&before)).contains("different are the chats."));
}

#[test]
fn a_value_that_stands_alone_is_drawn() {
    let points = vec![(1.0, None), (2.0, Some(3.0)), (3.0, None), (4.0, Some(1.0)), (5.0, Some(1.0))];
    let drawn = svg::lines(&[svg::Series { name: "p99", points, is_baseline: false }], "ms");
    assert_eq!(drawn.matches("<circle").count(), 1, "{drawn}");
}
