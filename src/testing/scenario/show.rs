//! A played scenario as people review it: the flow, the chats, the turns on record.

use std::collections::BTreeMap;
use std::fmt;

use super::Played;
use crate::domain::chat::{ChatMessage, Role};
use crate::domain::record::StoredTurn;
use crate::flow::FlowLine;
use crate::sandbox::telegram::{ChatEvent, What};

/// Characters of a text that are shown; of a longer one the beginning and the length.
const SHOWN_CHARS: usize = 90;

impl fmt::Display for Played {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n", self.about.trim())?;
        self.flow_section(f)?;
        self.chat_sections(f)?;
        self.record_section(f)?;
        if !self.problems.is_empty() {
            writeln!(f, "\nproblems")?;
        }
        self.problems.iter().try_for_each(|problem| writeln!(f, "  {problem}"))
    }
}

impl Played {
    /// The lines of the flow that are to be shown: all, or those of the one chat.
    pub fn shown_flow(&self) -> impl Iterator<Item = &FlowLine> {
        self.flow.iter().filter(|line| self.shows_station(&line.from) || self.shows_station(&line.to))
    }

    fn flow_section(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "flow")?;
        self.shown_flow().try_for_each(|line| writeln!(f, "{line}"))
    }

    /// Whether a station is one of a chat that is shown, in whichever topic.
    fn shows_station(&self, name: &str) -> bool {
        let Some(chat) = self.show_only else { return true };
        let key = name.rsplit(' ').next().unwrap_or_default();
        key.split('/').next() == Some(chat.to_string().as_str())
    }

    fn shows(&self, chat: i64) -> bool {
        self.show_only.is_none_or(|only| only == chat)
    }

    fn chat_sections(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut chats: BTreeMap<(i64, Option<i32>), Vec<&ChatEvent>> = BTreeMap::new();
        for event in self.journal.iter().filter(|event| self.shows(event.chat)) {
            chats.entry((event.chat, event.topic)).or_default().push(event);
        }
        for ((chat, topic), events) in &chats {
            let topic = topic.map(|topic| format!("/{topic}")).unwrap_or_default();
            writeln!(f, "\nchat {chat}{topic}")?;
            screen(events).iter().try_for_each(|line| writeln!(f, "{line}"))?;
        }
        Ok(())
    }

    fn record_section(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\non record")?;
        let shown = self.turns.iter().filter(|turn| self.shows(turn.chat));
        shown.into_iter().try_for_each(|turn| show_turn(turn, f))?;
        let mut others: BTreeMap<&str, usize> = BTreeMap::new();
        for turn in self.turns.iter().filter(|turn| !self.shows(turn.chat)) {
            *others.entry(turn.state.as_str()).or_default() += 1;
        }
        others.iter().try_for_each(|(state, count)| writeln!(f, "  and in other chats: {count} {state}"))
    }
}

/// A line for each message, with what became of it.
fn screen(events: &[&ChatEvent]) -> Vec<String> {
    let mut lines: Vec<(Option<i64>, String)> = Vec::new();
    for event in events {
        let at = seconds(event.at_ms);
        match &event.what {
            What::UserSaid { message_id, text } => {
                lines.push((Some(*message_id), format!("{at}  #{message_id:<3} user  {}", excerpt(text))));
            }
            What::Shown { message_id, text } => {
                lines.push((Some(*message_id), format!("{at}  #{message_id:<3} bot   {}", excerpt(text))));
            }
            What::Edited { message_id, text } => {
                add(&mut lines, *message_id, &format!(" [{}: {}]", at.trim(), excerpt(text)));
            }
            What::Deleted { message_id } => {
                add(&mut lines, *message_id, &format!(" [deleted {}]", at.trim()))
            }
            What::Typing => lines.push((None, format!("{at}       bot   is typing"))),
            What::DraftShown { text, .. } => {
                lines.push((None, format!("{at}       draft {}", excerpt(text))));
            }
            What::DraftGone { why, .. } => lines.push((None, format!("{at}       draft gone: {why:?}"))),
        }
    }
    lines.into_iter().map(|(_, line)| line).collect()
}

fn add(lines: &mut [(Option<i64>, String)], message_id: i64, what: &str) {
    if let Some((_, line)) = lines.iter_mut().find(|(id, _)| *id == Some(message_id)) {
        line.push_str(what);
    }
}

fn seconds(ms: u64) -> String {
    format!("{:>4}.{:03}", ms / 1000, ms % 1000)
}

fn excerpt(text: &str) -> String {
    let length = text.chars().count();
    let line = text.replace('\n', "⏎");
    match line.char_indices().nth(SHOWN_CHARS) {
        Some((end, _)) => format!("{}… ({length} characters)", &line[..end]),
        None => line,
    }
}

fn show_turn(turn: &StoredTurn, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let stopped = if turn.stopped { ", stopped" } else { "" };
    writeln!(f, "  turn {} of chat {}: {}{stopped}", turn.seq, turn.key(), turn.state.as_str())?;
    if let Some(failure) = &turn.failure {
        writeln!(f, "    failure    {failure}")?;
    }
    turn.messages.iter().try_for_each(|message| show_message(message, f))?;
    for (number, part) in turn.delivery.iter().enumerate() {
        let message = part.message_id.map_or("no message".to_owned(), |id| format!("message {id}"));
        let (number, end, attempts) = (number + 1, part.end_bytes, part.attempts);
        writeln!(f, "    part {number:<5} {message}, to byte {end}, attempts {attempts}")?;
    }
    let times = turn.timings;
    let known = [
        ("first delta", times.first_delta_ms),
        ("first chunk", times.first_chunk_ms),
        ("saved", times.saved_ms),
        ("last chunk", times.last_chunk_ms),
    ];
    let known = known.iter().filter_map(|(name, ms)| Some(format!("{name} {}", seconds((*ms)?).trim())));
    let known: Vec<_> = known.collect();
    if known.is_empty() { Ok(()) } else { writeln!(f, "    after      {}", known.join(", ")) }
}

fn show_message(message: &ChatMessage, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let role = match message.role {
        Role::System => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
        Role::Tool => "tool",
    };
    if let Some(content) = &message.content {
        writeln!(f, "    {role:<10} {}", excerpt(content))?;
    }
    for call in &message.tool_calls {
        writeln!(f, "    {role:<10} calls {} {}", call.function.name, excerpt(&call.function.arguments))?;
    }
    Ok(())
}
