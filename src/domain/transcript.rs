//! From stored turns to the shape in which conversations are exported, one object a session.

use std::collections::HashMap;

use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use super::chat::ChatMessage;
use super::record::{Kind, StoredTurn, Timings};

/// A session as it is exported. All times are RFC 3339 in UTC.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Transcript {
    /// Telegram's id of the user who asked first.
    pub user_id: i64,
    /// The session.
    pub chat_session_id: Uuid,
    /// When its first turn was accepted.
    pub chat_session_created_at: String,
    /// When the last thing happened in it.
    pub last_updated_at: String,
    /// The message that began it.
    pub session_info: SessionInfo,
    /// What was said, in order, in the Chat Completions shape: of a question without an answer, the
    /// question. Commands are left out.
    pub messages: Vec<ChatMessage>,
}

/// The message that began a session, as Telegram told it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SessionInfo {
    /// Telegram's id of the user.
    pub user_id: i64,
    /// Telegram's id of the chat.
    pub chat_id: i64,
    /// Telegram's id of the message.
    pub message_id: i64,
    /// When Telegram took it.
    pub timestamp: String,
    /// Without the `@`.
    pub username: Option<String>,
    /// First name.
    pub first_name: Option<String>,
    /// Last name.
    pub last_name: Option<String>,
}

/// The transcripts of turns in any order: the sessions in the order in which they began.
pub fn transcripts(turns: Vec<StoredTurn>) -> Vec<Transcript> {
    let mut sessions: HashMap<Uuid, Vec<StoredTurn>> = HashMap::new();
    for turn in turns {
        sessions.entry(turn.session).or_default().push(turn);
    }
    let mut sessions: Vec<_> = sessions.into_values().filter_map(in_order).collect();
    sessions.sort_by_key(|(first, _)| (first.timings.accepted_at_ms, first.id));
    sessions.into_iter().map(|(first, turns)| transcript(&first, turns)).collect()
}

/// When the last thing happened in a turn, in milliseconds since 1970.
pub fn last_event_ms(timings: &Timings) -> i64 {
    let after = [timings.first_delta_ms, timings.first_chunk_ms, timings.last_chunk_ms, timings.saved_ms];
    let latest = after.into_iter().flatten().max().unwrap_or(0);
    timings.accepted_at_ms.saturating_add_unsigned(latest)
}

/// Milliseconds since 1970 as RFC 3339 in UTC; times that no calendar has become the nearest it has.
pub fn rfc3339_ms(ms: i64) -> String {
    clamped(Timestamp::from_millisecond(ms), ms).to_string()
}

/// Seconds since 1970 as RFC 3339 in UTC; times that no calendar has become the nearest it has.
pub fn rfc3339_s(seconds: i64) -> String {
    clamped(Timestamp::from_second(seconds), seconds).to_string()
}

fn clamped(time: Result<Timestamp, jiff::Error>, number: i64) -> Timestamp {
    time.unwrap_or(if number < 0 { Timestamp::MIN } else { Timestamp::MAX })
}

fn in_order(mut turns: Vec<StoredTurn>) -> Option<(StoredTurn, Vec<StoredTurn>)> {
    turns.sort_by_key(|turn| turn.seq);
    let first = turns.first()?.clone();
    Some((first, turns))
}

fn transcript(first: &StoredTurn, turns: Vec<StoredTurn>) -> Transcript {
    let last_event = turns.iter().map(|turn| last_event_ms(&turn.timings)).max().unwrap_or(0);
    Transcript {
        user_id: first.user.id,
        chat_session_id: first.session,
        chat_session_created_at: rfc3339_ms(first.timings.accepted_at_ms),
        last_updated_at: rfc3339_ms(last_event),
        session_info: session_info(first),
        messages: turns.into_iter().filter(is_talk).flat_map(|turn| turn.messages).collect(),
    }
}

fn session_info(first: &StoredTurn) -> SessionInfo {
    SessionInfo {
        user_id: first.user.id,
        chat_id: first.chat,
        message_id: first.message_id,
        timestamp: rfc3339_s(first.date_s),
        username: first.user.username.clone(),
        first_name: first.user.first_name.clone(),
        last_name: first.user.last_name.clone(),
    }
}

fn is_talk(turn: &StoredTurn) -> bool {
    matches!(turn.kind, Kind::Text | Kind::Retry)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::chat::ToolCall;
    use crate::domain::ids::{ChatKey, TurnId};
    use crate::domain::record::{NewTurn, Place, User, place_after};

    fn turn(update: i64, kind: Kind, before: Option<Place>) -> StoredTurn {
        let id = TurnId { bot: 7, update };
        let new = NewTurn {
            id,
            key: ChatKey { bot: 7, chat: -42, topic: None },
            user: User {
                id: 5,
                username: Some("ann".into()),
                first_name: Some("Ann".into()),
                last_name: None,
            },
            message_id: 100 + update,
            date_s: 1_700_000_000 + update,
            kind,
            text: format!("question {update}"),
            accepted_at_ms: 1_700_000_000_250 + update * 1000,
        };
        StoredTurn::accepted(new, place_after(before, id, kind))
    }

    fn answered(mut turn: StoredTurn, text: &str) -> StoredTurn {
        turn.messages.push(ChatMessage::assistant(text));
        turn.timings.first_delta_ms = Some(300);
        turn.timings.last_chunk_ms = Some(900);
        turn.timings.saved_ms = Some(500);
        turn
    }

    #[test]
    fn a_session_is_exported_in_the_agreed_shape() {
        let mut asked = turn(1, Kind::Text, None);
        let call = ToolCall::function("c1", "calculate", "{}");
        asked.messages.push(ChatMessage {
            content: None,
            tool_calls: vec![call],
            ..ChatMessage::assistant("")
        });
        asked.messages.push(ChatMessage::tool("c1", "4"));
        let asked = answered(asked, "4");
        let exported = serde_json::to_value(transcripts(vec![asked.clone()])).unwrap();
        let expected = json!([{
            "user_id": 5,
            "chat_session_id": asked.session.to_string(),
            "chat_session_created_at": "2023-11-14T22:13:21.25Z",
            "last_updated_at": "2023-11-14T22:13:22.15Z",
            "session_info": {
                "user_id": 5, "chat_id": -42, "message_id": 101, "timestamp": "2023-11-14T22:13:21Z",
                "username": "ann", "first_name": "Ann", "last_name": null,
            },
            "messages": [
                { "role": "user", "content": "question 1" },
                { "role": "assistant", "content": null, "tool_calls": [
                    { "id": "c1", "type": "function", "function": { "name": "calculate", "arguments": "{}" } },
                ] },
                { "role": "tool", "content": "4", "tool_call_id": "c1" },
                { "role": "assistant", "content": "4" },
            ],
        }]);
        assert_eq!(exported, expected);
    }

    #[test]
    fn commands_are_left_out_and_unanswered_questions_stay() {
        let start = turn(1, Kind::Start, None);
        let asked = answered(turn(2, Kind::Text, Some(start.place())), "a");
        let stop = turn(3, Kind::Stop, Some(asked.place()));
        let retry = answered(turn(4, Kind::Retry, Some(stop.place())), "b");
        let photo = turn(5, Kind::Unsupported, Some(retry.place()));
        let waiting = turn(6, Kind::Text, Some(photo.place()));
        let exported = transcripts(vec![waiting, photo, retry, stop, asked, start]);
        let said: Vec<_> = exported[0].messages.iter().filter_map(|it| it.content.as_deref()).collect();
        assert_eq!(said, ["question 2", "a", "question 4", "b", "question 6"]);
        assert_eq!(exported[0].session_info.message_id, 101);
        assert_eq!(exported[0].last_updated_at, "2023-11-14T22:13:26.25Z");
    }

    #[test]
    fn sessions_come_in_the_order_in_which_they_began() {
        let first = turn(1, Kind::Text, None);
        let restart = turn(2, Kind::Restart, Some(first.place()));
        let exported = transcripts(vec![restart.clone(), first.clone()]);
        let sessions: Vec<_> = exported.iter().map(|it| it.chat_session_id).collect();
        assert_eq!(sessions, [first.session, restart.session]);
        assert_eq!(exported[1].messages, []);
    }

    #[test]
    fn times_beyond_the_calendar_do_not_stop_an_export() {
        assert_eq!(rfc3339_ms(i64::MAX), Timestamp::MAX.to_string());
        assert_eq!(rfc3339_s(i64::MIN), Timestamp::MIN.to_string());
        let timings = Timings { accepted_at_ms: i64::MAX, saved_ms: Some(u64::MAX), ..Timings::default() };
        assert_eq!(last_event_ms(&timings), i64::MAX);
    }
}
