//! The report as one page that needs nothing else.

use std::fmt::Write;

use super::rows::{Group, groups, number, ratio};
use super::svg::{Series, escape, histogram, lines};
use super::{Holds, Report, baseline_named};
use crate::load::stats::Second;

const STYLE: &str = "
body{font:15px/1.5 system-ui,sans-serif;color:#212529;background:#fff;max-width:1180px;margin:2em auto;padding:0 1em}
h1{font-size:1.5em;margin:0}h2{font-size:1.15em;margin:2em 0 .3em}h3{font-size:1em;margin:0}
.verdict{border-left:6px solid;padding:.6em 1em;margin:1.2em 0;background:#f8f9fa}
.yes{border-color:#2b8a3e}.no{border-color:#c92a2a}.unknown{border-color:#e67700}
.verdict strong{font-size:1.15em}.verdict p{margin:.3em 0 0}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(430px,1fr));gap:1.4em}
figure{margin:0}figcaption,.means{color:#495057;font-size:.88em}
svg{width:100%;height:auto;font:11px system-ui,sans-serif}svg text{fill:#495057}
table{border-collapse:collapse;width:100%}
.figures td:first-child,.figures th:first-child{width:13em}
.figures td:not(.means){white-space:nowrap}.figures td:nth-child(2),.figures th:nth-child(2){width:7em}
.figures.two td:nth-child(3),.figures.two th:nth-child(3){width:7em}.figures.two td:nth-child(4),.figures.two th:nth-child(4){width:4em}td,th{padding:.15em .6em;text-align:right;vertical-align:top}
td:first-child,th:first-child,td:last-child,th:last-child{text-align:left}
tr{border-top:1px solid #e9ecef}th{font-weight:600}.wrong td{text-align:left}
";

/// What a line of a chart is called and what it shows of a second.
type Line = (&'static str, fn(&Second) -> Option<f64>);

/// The page.
pub fn page(report: &Report, baseline: Option<&Report>) -> String {
    let title = format!("Load test: {} chats, profile {}", report.load.chats, report.load.profile);
    let title = escape(&title);
    let body = [
        format!("<h1>{title}</h1><p>{}</p>", escape(&report.load.about)),
        verdict(report),
        wrong(report),
        figures(report, baseline),
        charts(report, baseline),
        method(report),
    ];
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\"><title>{title}</title><style>{STYLE}</style></head><body>\n{}\n</body></html>\n",
        body.join("\n")
    )
}

fn verdict(report: &Report) -> String {
    let class = match report.verdict.holds_twice {
        Holds::Yes => "yes",
        Holds::No => "no",
        Holds::Unknown => "unknown",
    };
    let reasons: String =
        report.verdict.reasons.iter().map(|reason| format!("<p>{}</p>", escape(reason))).collect();
    let headline = escape(&report.verdict.headline);
    format!(
        "<div class=\"verdict {class}\">Would it hold twice the load?<br><strong>{headline}</strong>{reasons}</div>"
    )
}

fn wrong(report: &Report) -> String {
    if report.is_clean() {
        let stored = if report.stored_right.is_some() { ", stored once" } else { "" };
        return format!("<p>Every answer was right: in order, to the letter, shown once{stored}.</p>");
    }
    let told = &report.violations.first;
    let rows: String = told
        .iter()
        .map(|one| {
            let (kind, seen) = (escape(&one.kind), escape(&one.seen));
            format!("<tr><td>{}</td><td>{}</td><td>{kind}</td><td>{seen}</td></tr>", one.chat, one.turn)
        })
        .collect();
    format!(
        "<h2>What went wrong</h2><p>The first {} of {}.</p><table class=\"wrong\"><tr><th>chat</th><th>turn</th>\
         <th>kind</th><th>seen</th></tr>{rows}</table>",
        told.len(),
        report.violations.count
    )
}

fn figures(report: &Report, baseline: Option<&Report>) -> String {
    let before = baseline.map(groups);
    let tables = groups(report)
        .iter()
        .enumerate()
        .map(|(at, group)| figures_of(group, before.as_ref().map(|groups| &groups[at])))
        .collect::<String>();
    let beside = baseline.map(|baseline| format!("<p>{}</p>", escape(&baseline_named(report, baseline))));
    format!("<h2>Figures</h2>{}{tables}", beside.unwrap_or_default())
}

fn figures_of(group: &Group, before: Option<&Group>) -> String {
    let more = before.map_or("", |_| "<th>baseline</th><th>ratio</th>");
    let two = before.map_or("", |_| " two");
    let mut out = format!(
        "<table class=\"figures{two}\"><tr><th>{}</th><th>this run</th>{more}<th>what it means</th></tr>",
        group.title
    );
    for (nth, row) in group.rows.iter().enumerate() {
        let _ = write!(out, "<tr><td>{}</td><td>{} {}</td>", escape(&row.name), number(row.value), row.unit);
        if let Some(old) = before.map(|group| &group.rows[nth]) {
            let _ = write!(
                out,
                "<td>{} {}</td><td>{}</td>",
                number(old.value),
                row.unit,
                ratio(row.value, old.value)
            );
        }
        let _ = write!(out, "<td class=\"means\">{}</td></tr>", escape(row.means));
    }
    out + "</table><br>"
}

/// Lines of this run and, dashed, of the baseline.
fn over_time(report: &Report, baseline: Option<&Report>, unit: &str, of: &[Line]) -> String {
    let runs = [(Some(report), false), (baseline, true)];
    let series: Vec<_> = runs
        .into_iter()
        .filter_map(|(run, is_baseline)| Some((run?, is_baseline)))
        .flat_map(|(run, is_baseline)| {
            of.iter().map(move |(name, value)| Series {
                name: if is_baseline { "baseline" } else { name },
                points: run.timeline.iter().map(|second| (second.at_s, value(second))).collect(),
                is_baseline,
            })
        })
        .collect();
    lines(&series, unit)
}

fn charts(report: &Report, baseline: Option<&Report>) -> String {
    let time = |title: &str, unit: &str, of: &[Line], means: &str| {
        figure(title, &over_time(report, baseline, unit, of), means)
    };
    let bars = |title: &str, of: fn(&Report) -> &[super::Bar], means: &str| {
        figure(title, &histogram(of(report), baseline.map_or(&[], of)), means)
    };
    let all = [
        time(
            "Added latency",
            "ms",
            &[("p50", |s| s.added_p50_ms), ("p99", |s| s.added_p99_ms)],
            "What the bot added to the first words of the turns of each second. A line that climbs means that it falls behind.",
        ),
        time(
            "Time to the first chunk",
            "ms",
            &[("p50", |s| s.first_chunk_p50_ms), ("p99", |s| s.first_chunk_p99_ms)],
            "How long people waited for the first words, the model's own time included.",
        ),
        bars(
            "Added latency",
            |r| &r.latencies.added.bars,
            "How many turns in a hundred had which added latency. A long tail to the right is what a few people suffer from.",
        ),
        bars(
            "Time to the first chunk",
            |r| &r.latencies.first_chunk.bars,
            "How many turns in a hundred showed their first words after how long.",
        ),
        time(
            "Throughput",
            "/s",
            &[("deltas", |s| Some(s.deltas_per_s))],
            "Pieces of answers streamed in each second.",
        ),
        time(
            "Turns",
            "",
            &[("open", |s| Some(s.open_turns as f64)), ("ended in the second", |s| Some(s.turns_per_s))],
            "Answers under way at once, and answers completed in each second.",
        ),
        time(
            "Processor",
            "%",
            &[("bot", |s| s.usage.bot_cpu_percent), ("simulators", |s| s.usage.load_cpu_percent)],
            "Of one core. When a line reaches 100 % for each core of its side, that side is at its end.",
        ),
        time(
            "The bot's memory",
            "MB",
            &[("resident", |s| s.usage.bot_rss_kb.map(|kb| kb as f64 / 1024.0))],
            "It should follow the open turns and then stay flat.",
        ),
        time(
            "The bot's file descriptors",
            "",
            &[("open", |s| s.usage.bot_fds.map(|fds| fds as f64))],
            "Connections and files. It should stay flat once most turns are open.",
        ),
        time(
            "How exact the measuring was",
            "ms",
            &[("deltas late, p99", |s| s.late_p99_ms)],
            "By how much the simulated model was late with its deltas. Where this is more than some milliseconds, the machine was too busy, and latencies of that time are not the bot's alone.",
        ),
        time(
            "Telegram's refusals",
            "",
            &[
                ("429 in the second", |s| Some(s.too_many_requests as f64)),
                ("seconds held", |s| Some(s.held_s)),
            ],
            "How often Telegram said \"too many requests\", and for how long it then held chats.",
        ),
    ];
    format!("<h2>Over time</h2><div class=\"charts\">{}</div>", all.concat())
}

fn figure(title: &str, chart: &str, means: &str) -> String {
    format!("<figure><h3>{}</h3>{chart}<figcaption>{}</figcaption></figure>", escape(title), escape(means))
}

fn method(report: &Report) -> String {
    let load = &report.load;
    let loop_kind = match load.rate_per_s {
        Some(rate) => format!(
            "Questions came {rate} times a second as a Poisson process, whoever still waited for an answer. Every \
             time is measured from the moment at which a question was due, so a bot that falls behind can't hide it \
             by being asked less often (coordinated omission is corrected)."
        ),
        None => "Each person waited for the answer and thought before asking again, so a slow bot is asked less \
                 often, as it would be by people. Every time is measured from the moment at which a person meant to \
                 ask: the end of the ramp's or the thinking's pause, not the moment at which the bot took the \
                 message. No question was left out in between, so there is nothing else to correct."
            .to_owned(),
    };
    let drawn: String = load
        .drawn
        .iter()
        .map(|(name, what)| format!("<li>{}: {}</li>", escape(name), escape(what)))
        .collect();
    format!(
        "<h2>How it was measured</h2><p>{loop_kind}</p><p>The latencies are kept in HdrHistograms with three \
         significant digits. Added latency begins when the model emits the delta with which one character more than \
         a chunk holds is there, or the last delta of a shorter answer. Processor time and memory are those of the \
         bot's process alone; simulated Telegram, simulated model, people and judge are another process. Where both \
         are on one machine, their loopback traffic is paid for by both.</p><ul>{drawn}<li>seed: {}</li><li>bot: {}{}\
         </li><li>measured with brigade {}</li></ul>",
        load.seed,
        escape(&load.bot),
        if load.is_pinned { ", on a core of its own" } else { "" },
        escape(&report.version)
    )
}
