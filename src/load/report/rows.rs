//! The figures in the order in which a person wants them, each with what it means.

use std::fmt::Write;

use super::{Latency, Report, baseline_named};

/// A figure.
#[derive(Debug)]
pub(super) struct Row {
    /// What it is called; empty for a heading's.
    pub(super) name: String,
    pub(super) value: Option<f64>,
    pub(super) unit: &'static str,
    /// In a sentence.
    pub(super) means: &'static str,
}

/// Figures that belong together.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) title: &'static str,
    pub(super) rows: Vec<Row>,
}

fn row(name: &str, value: impl Into<Option<f64>>, unit: &'static str, means: &'static str) -> Row {
    Row { name: name.to_owned(), value: value.into(), unit, means }
}

/// All figures of a report; the same rows for every report.
pub(super) fn groups(report: &Report) -> Vec<Group> {
    vec![work(report), waiting(report), cost(report), telegram(report), measuring(report)]
}

fn work(report: &Report) -> Group {
    let (counts, took) = (report.counts, report.took_s);
    Group {
        title: "Work done",
        rows: vec![
            row("time", took, "s", "From the first question to the last answer."),
            row("questions", counts.questions as f64, "", "Messages that people wrote."),
            row("turns", counts.turns as f64, "", "Questions whose whole answer is in the chat."),
            row(
                "turns a second",
                report.turns_per_s(),
                "/s",
                "Over the whole run, the ramp and the end included.",
            ),
            row("deltas a second", report.deltas_per_s(), "/s", "Pieces of answers that the model streamed."),
            row(
                "wrong",
                report.violations.count as f64,
                "",
                "Answers that are not to the letter, out of order, doubled or lost; \"✓\" or \"Thinking...\" that stay or come at the wrong time; turns that are not once on record.",
            ),
            row(
                "right on record",
                report.stored_right.map(|right| right as f64),
                "",
                "Turns that the store holds once, delivered, with the whole answer.",
            ),
        ],
    }
}

fn waiting(report: &Report) -> Group {
    let of = &report.latencies;
    let mut rows = Vec::new();
    let mut add = |name: &str, latency: &Latency, means: &'static str| {
        for (at, value) in [("p50", latency.p50_ms), ("p99", latency.p99_ms), ("max", latency.max_ms)] {
            rows.push(row(&format!("{name}, {at}"), value, "ms", if at == "p50" { means } else { "" }));
        }
    };
    add(
        "added",
        &of.added,
        "What the bot itself adds to the first words: from the delta that fills the first chunk to Telegram receiving it. Half are below p50, 99 of 100 below p99.",
    );
    add(
        "to ✓",
        &of.check_mark,
        "From the moment a person meant to ask to \"✓\": the question is then on record.",
    );
    add(
        "to first chunk",
        &of.first_chunk,
        "From the question to the first words in the chat; most of it is the model's own time.",
    );
    add(
        "last delta to last chunk",
        &of.tail,
        "From the model's last piece to the chat having all of the answer.",
    );
    add("whole turn", &of.turn, "From the question to the last words in the chat.");
    Group { title: "Waiting", rows }
}

fn cost(report: &Report) -> Group {
    let bot = &report.bot;
    let mb = |kb: Option<u64>| kb.map(|kb| kb as f64 / 1024.0);
    Group {
        title: "What the bot used",
        rows: vec![
            row(
                "CPU for a turn",
                bot.cpu_ms_per_turn,
                "ms",
                "Processor time of the bot's process, user and system, divided by the turns.",
            ),
            row("CPU for a delta", bot.cpu_us_per_delta, "µs", "The same divided by the deltas."),
            row("CPU, busy", bot.plateau_percent, "%", "Of one core, while most turns were open."),
            row(
                "CPU, busiest thread",
                bot.plateau_thread_percent,
                "%",
                "The same of its busiest thread: at 100 % it is at its end, however many cores there are.",
            ),
            row("CPU in all", bot.cpu_s, "s", "Processor time from the first question to the last answer."),
            row("memory before", mb(bot.idle_rss_kb), "MB", "Resident before the first question."),
            row("memory, most", mb(bot.peak_rss_kb), "MB", "The most that was resident."),
            row(
                "memory for an open turn",
                bot.rss_kb_per_open_turn,
                "kB",
                "What it grew by, divided by the most turns that were open at once.",
            ),
            row(
                "file descriptors, most",
                bot.peak_fds.map(|fds| fds as f64),
                "",
                "Connections and files that the bot had open.",
            ),
            row("ready after", report.ready_ms, "ms", "From the bot's start until it took updates."),
        ],
    }
}

fn telegram(report: &Report) -> Group {
    let counts = report.counts;
    Group {
        title: "Telegram",
        rows: vec![
            row("calls", counts.telegram_calls as f64, "", "Bot API calls about a chat."),
            row(
                "messages and edits",
                counts.sends as f64,
                "",
                "Of these, what Telegram counts against its limits.",
            ),
            row(
                "429",
                counts.too_many_requests as f64,
                "",
                "Calls that were answered \"Too Many Requests\".",
            ),
            row(
                "held",
                counts.held_ms as f64 / 1000.0,
                "s",
                "For how long chats had to be silent after a 429, all together.",
            ),
            row(
                "updates again",
                counts.refused_updates as f64,
                "",
                "Updates that the bot did not take at once and that were brought again.",
            ),
        ],
    }
}

fn measuring(report: &Report) -> Group {
    let simulators = &report.simulators;
    Group {
        title: "The measuring itself",
        rows: vec![
            row(
                "CPU, busy",
                simulators.plateau_percent,
                "%",
                "Of one core, while most turns were open: simulators, people and judge use one. Near 100 %, the figures are theirs and not the bot's.",
            ),
            row("CPU in all", simulators.cpu_s, "s", "Processor time of the measuring process."),
            row(
                "deltas late, p99",
                report.latencies.late.p99_ms,
                "ms",
                "By how much the simulated model was late; timers alone make it 1 ms.",
            ),
        ],
    }
}

/// A number as long as it is interesting.
pub(super) fn number(value: Option<f64>) -> String {
    match value {
        None => "-".to_owned(),
        Some(value) if value.fract() == 0.0 && value.abs() < 1e12 => thousands(value),
        Some(value) if value.abs() >= 1000.0 => thousands(value.round()),
        Some(value) if value.abs() >= 100.0 => format!("{value:.0}"),
        Some(value) if value.abs() >= 10.0 => format!("{value:.1}"),
        Some(value) => format!("{value:.2}"),
    }
}

fn thousands(value: f64) -> String {
    let digits = format!("{:.0}", value.abs());
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if value < 0.0 { format!("-{text}") } else { text }
}

/// The ratio of a figure to the baseline's.
pub(super) fn ratio(value: Option<f64>, baseline: Option<f64>) -> String {
    match (value, baseline) {
        (Some(value), Some(baseline)) if baseline != 0.0 => format!("{:.2}", value / baseline),
        _ => "-".to_owned(),
    }
}

/// The report as a table for a terminal.
pub fn table(report: &Report, baseline: Option<&Report>) -> String {
    let mut out = String::new();
    // Writing into a text can't fail.
    let _ = writeln!(out, "{}: {}", report.load.profile, report.load.about);
    let _ = writeln!(out, "{} chats, seed {}\n", report.load.chats, report.load.seed);
    let before = baseline.map(groups).unwrap_or_default();
    for (at, group) in groups(report).iter().enumerate() {
        let heads = if baseline.is_some() { ("this run", "baseline", "ratio") } else { ("", "", "") };
        let head = format!("{:<30} {:>14}    {:>14} {:>7}", group.title, heads.0, heads.1, heads.2);
        let _ = writeln!(out, "{}", head.trim_end());
        for (nth, row) in group.rows.iter().enumerate() {
            let mut line = format!("  {:<28} {:>14} {:<2}", row.name, number(row.value), row.unit);
            if let Some(old) = before.get(at).map(|group| &group.rows[nth]) {
                let _ = write!(line, " {:>14} {:>7}", number(old.value), ratio(row.value, old.value));
            }
            let _ = writeln!(out, "{}", line.trim_end());
        }
        out.push('\n');
    }
    if let Some(baseline) = baseline {
        let _ = writeln!(out, "{}", baseline_named(report, baseline));
    }
    out.push_str(&ending(report));
    out
}

fn ending(report: &Report) -> String {
    let mut out = String::new();
    for violation in &report.violations.first {
        let _ = writeln!(
            out,
            "wrong: chat {} turn {}: {}: {}",
            violation.chat, violation.turn, violation.kind, violation.seen
        );
    }
    let more = report.violations.count.saturating_sub(report.violations.first.len() as u64);
    if more > 0 {
        let _ = writeln!(out, "wrong: {more} more");
    }
    let _ = writeln!(out, "Would it hold twice the load? {}", report.verdict.headline);
    for reason in &report.verdict.reasons {
        let _ = writeln!(out, "{reason}");
    }
    out
}
