//! Sessions and turns as text for a terminal.

use std::io::{self, Write};

use crate::domain::chat::{ChatMessage, Role};
use crate::domain::record::{State, StoredTurn, User};
use crate::domain::transcript::{rfc3339_ms, rfc3339_s};
use crate::edge::store::SessionSummary;

/// Where the text of a message begins.
const INDENT: usize = 12;

/// A table of sessions, its columns as wide as they need to be.
pub(super) fn table(sessions: &[SessionSummary], out: &mut dyn Write) -> io::Result<()> {
    let head = ["SESSION", "CHAT", "TOPIC", "USER", "NAME", "TURNS", "FIRST", "LAST"].map(str::to_owned);
    let rows: Vec<[String; 8]> = std::iter::once(head).chain(sessions.iter().map(row)).collect();
    let widths: [usize; 8] =
        std::array::from_fn(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0));
    for row in rows {
        let cells: Vec<_> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        writeln!(out, "{}", cells.join("  ").trim_end())?;
    }
    Ok(())
}

fn row(session: &SessionSummary) -> [String; 8] {
    [
        session.session.to_string(),
        session.chat.to_string(),
        session.topic.map_or_else(|| "-".to_owned(), |topic| topic.to_string()),
        session.user.to_string(),
        session.username.as_deref().map_or_else(|| "-".to_owned(), |name| printable(&format!("@{name}"))),
        session.turns.to_string(),
        rfc3339_ms(session.first_ms),
        rfc3339_ms(session.last_ms),
    ]
}

/// The turns of one session, each with all that is known of it.
pub(super) fn session(turns: &[StoredTurn], out: &mut dyn Write) -> io::Result<()> {
    let Some(first) = turns.first() else { return Ok(()) };
    writeln!(out, "session {}  chat {}  user {}", first.session, first.key(), person(&first.user))?;
    for turn in turns {
        writeln!(out)?;
        let another = (turn.user.id != first.user.id).then(|| format!("  by {}", person(&turn.user)));
        self::turn(turn, &another.unwrap_or_default(), out)?;
    }
    Ok(())
}

fn turn(turn: &StoredTurn, by: &str, out: &mut dyn Write) -> io::Result<()> {
    let stopped = if turn.stopped { ", stopped by the user" } else { "" };
    let (kind, state) = (turn.kind.as_str(), turn.state.as_str());
    writeln!(
        out,
        "#{} {}  {kind}, {state}{stopped}  turn {}{by}",
        turn.seq,
        rfc3339_s(turn.date_s),
        turn.id
    )?;
    for message in &turn.messages {
        self::message(message, out)?;
    }
    if turn.state != State::Accepted {
        line("delivery", &delivery(turn), out)?;
    }
    if let Some(reason) = &turn.failure {
        line("failure", reason, out)?;
    }
    Ok(())
}

fn message(message: &ChatMessage, out: &mut dyn Write) -> io::Result<()> {
    let role = match message.role {
        Role::System => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
        Role::Tool => "tool",
    };
    if let Some(text) = &message.content {
        line(role, text, out)?;
    }
    for call in &message.tool_calls {
        line(role, &format!("calls {}({})", call.function.name, call.function.arguments), out)?;
    }
    Ok(())
}

fn delivery(turn: &StoredTurn) -> String {
    let shown = turn.delivery.iter().filter(|part| part.delivered).count();
    let attempts: u32 = turn.delivery.iter().map(|part| part.attempts).fold(0, u32::saturating_add);
    let parts = turn.delivery.len();
    let after = |name, ms: Option<u64>| ms.map(|ms| format!(", {name} after {ms} ms")).unwrap_or_default();
    let first = after("first word", turn.timings.first_delta_ms);
    let last = after("all of it", turn.timings.last_chunk_ms);
    format!("{shown} of {parts} parts in {attempts} attempts{first}{last}")
}

fn person(user: &User) -> String {
    let name = user.username.as_ref().map(|name| format!("@{name} "));
    let names =
        [&user.first_name, &user.last_name].into_iter().flatten().cloned().collect::<Vec<_>>().join(" ");
    let names = if names.is_empty() { names } else { format!(" ({names})") };
    printable(&format!("{}{}{names}", name.unwrap_or_default(), user.id))
}

/// A label and a text whose further lines stand under its first.
fn line(label: &str, text: &str, out: &mut dyn Write) -> io::Result<()> {
    let text = text.lines().map(printable).collect::<Vec<_>>().join(&format!("\n{:INDENT$}", ""));
    let line = format!("  {label:<width$}{text}", width = INDENT - 2);
    writeln!(out, "{}", line.trim_end())
}

/// Text that can't move the cursor, colour the screen or turn the reading direction: anyone may
/// write to the bot, and the operator's terminal must not obey them.
fn printable(text: &str) -> String {
    let harmless = |c: char| {
        !(c.is_control() && c != '\t' || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'))
    };
    text.chars().fold(String::with_capacity(text.len()), |mut shown, c| {
        if harmless(c) {
            shown.push(c)
        } else {
            shown.extend(c.escape_unicode())
        }
        shown
    })
}
