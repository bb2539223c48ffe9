//! The stored turn: inbox entry, delivery ledger and transcript in one document.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::chat::{ChatMessage, Usage};
use super::ids::{ChatKey, TurnId};

/// What an update asks of the bot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Words for the model.
    Text,
    /// `/start`: a greeting.
    Start,
    /// `/help`: the list of commands.
    Help,
    /// `/restart`: a new session.
    Restart,
    /// `/stop`: end the running answer.
    Stop,
    /// `/retry`: ask the last question again.
    Retry,
    /// The stop button of a draft was pressed; the text is the draft's id.
    StopDraft,
    /// A photo, a voice message and the like, which the bot does not understand.
    Unsupported,
}

impl Kind {
    /// The name under which it is stored: that of its JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Start => "start",
            Self::Help => "help",
            Self::Restart => "restart",
            Self::Stop => "stop",
            Self::Retry => "retry",
            Self::StopDraft => "stop_draft",
            Self::Unsupported => "unsupported",
        }
    }
}

/// Who sent a message, as Telegram tells it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct User {
    /// Telegram's id of the user; of the chat where a chat speaks for itself.
    pub id: i64,
    /// Without the `@`.
    #[serde(default)]
    pub username: Option<String>,
    /// First name.
    #[serde(default)]
    pub first_name: Option<String>,
    /// Last name.
    #[serde(default)]
    pub last_name: Option<String>,
}

/// An accepted update before the store has given it its place in the chat.
#[derive(Debug, Clone, PartialEq)]
pub struct NewTurn {
    /// Its name.
    pub id: TurnId,
    /// Where it was said.
    pub key: ChatKey,
    /// Who said it.
    pub user: User,
    /// Telegram's id of the user's message.
    pub message_id: i64,
    /// When Telegram took the message, in seconds since 1970.
    pub date_s: i64,
    /// What it asks.
    pub kind: Kind,
    /// The user's words; for [`Kind::Unsupported`] what was sent instead ("photo").
    pub text: String,
    /// When this server took it, in milliseconds since 1970.
    pub accepted_at_ms: i64,
}

/// A turn's place in its chat, given once, when it is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Place {
    /// Counts the turns of the conversation from 1, without gaps.
    pub seq: i64,
    /// The session: that of the turn before, or a new one after `/restart` and at the start.
    pub session: Uuid,
}

/// The place of a chat's first turn; nothing was said before it.
pub const FIRST_SEQ: i64 = 1;

/// The rule of sessions: a chat's first turn and every `/restart` begin one, others go on.
///
/// The id is made from the turn's own name, so that it needs no randomness and a replay gives the
/// same one.
pub fn place_after(before: Option<Place>, id: TurnId, kind: Kind) -> Place {
    let new_session = || Uuid::new_v5(&Uuid::NAMESPACE_OID, id.to_string().as_bytes());
    match before {
        None => Place { seq: FIRST_SEQ, session: new_session() },
        Some(last) if kind == Kind::Restart => Place { seq: last.seq + 1, session: new_session() },
        Some(last) => Place { seq: last.seq + 1, session: last.session },
    }
}

/// How far a turn has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Recorded; the answer is not complete.
    Accepted,
    /// The answer is complete and stored; the chat may not have all of it.
    Answered,
    /// The chat has all of it.
    Delivered,
    /// It ended without an answer, and the user was told (or can't be).
    Failed,
}

impl State {
    /// The name under which it is stored: that of its JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Answered => "answered",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
        }
    }
}

/// One send of an answer: the delivery ledger's entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Telegram's id of the message that shows it; none when it was refused.
    pub message_id: Option<i64>,
    /// Whether the chat has it, as far as is known. An entry that is not delivered and has no
    /// message was attempted: the chat may have it.
    pub delivered: bool,
    /// Telegram did not answer, and it was not sent again: by `delivery.uncertain = "note"`, or
    /// because the answer was ended.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub uncertain: bool,
    /// It is not complete: its message is to be edited until it is.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub grows: bool,
    /// Calls made for it.
    pub attempts: u32,
    /// Where the part ends in the answer, in bytes of UTF-8: what comes after is still owed.
    pub end_bytes: usize,
}

/// When things happened, in milliseconds after the turn was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Timings {
    /// When this server took the update, in milliseconds since 1970.
    pub accepted_at_ms: i64,
    /// The model's first word.
    #[serde(default)]
    pub first_delta_ms: Option<u64>,
    /// The chat has the first part.
    #[serde(default)]
    pub first_chunk_ms: Option<u64>,
    /// The chat has the last part.
    #[serde(default)]
    pub last_chunk_ms: Option<u64>,
    /// The answer is on record.
    #[serde(default)]
    pub saved_ms: Option<u64>,
}

/// A turn as the store holds it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StoredTurn {
    /// Its name.
    #[serde(rename = "_id")]
    pub id: TurnId,
    /// Telegram's id of the bot.
    pub bot: i64,
    /// Telegram's id of the chat.
    pub chat: i64,
    /// The forum topic, where there is one.
    pub topic: Option<i32>,
    /// Who asked.
    pub user: User,
    /// Telegram's id of the user's message.
    pub message_id: i64,
    /// When Telegram took the message, in seconds since 1970.
    pub date_s: i64,
    /// Counts the turns of the conversation from 1.
    pub seq: i64,
    /// The session.
    pub session: Uuid,
    /// What was asked.
    pub kind: Kind,
    /// How far it has come.
    pub state: State,
    /// Why it failed, for the operator.
    #[serde(default)]
    pub failure: Option<String>,
    /// The user ended it: the answer is what was shown.
    #[serde(default)]
    pub stopped: bool,
    /// The turn's messages in the Chat Completions shape. The final assistant message is one
    /// content with the full answer.
    pub messages: Vec<ChatMessage>,
    /// The sends of the answer.
    #[serde(default)]
    pub delivery: Vec<Part>,
    /// See [`Ledger::status`].
    #[serde(default)]
    pub status: Vec<i64>,
    /// See [`Ledger::closed_until_ms`].
    #[serde(default)]
    pub closed_until_ms: Option<i64>,
    /// See [`Ledger::begun_again`].
    #[serde(default)]
    pub begun_again: bool,
    /// How often the whole server has panicked while the turn was unfinished.
    #[serde(default)]
    pub panics: u32,
    /// Tokens of all model calls of the turn.
    #[serde(default)]
    pub usage: Option<Usage>,
    /// When things happened.
    pub timings: Timings,
}

/// Notes which turn a `/stop` has stopped.
const STOPPED: &str = "stopped ";

impl StoredTurn {
    /// A turn as it is first recorded.
    pub fn accepted(new: NewTurn, place: Place) -> Self {
        Self {
            id: new.id,
            bot: new.key.bot,
            chat: new.key.chat,
            topic: new.key.topic,
            user: new.user,
            message_id: new.message_id,
            date_s: new.date_s,
            seq: place.seq,
            session: place.session,
            kind: new.kind,
            state: State::Accepted,
            failure: None,
            stopped: false,
            messages: vec![ChatMessage::user(new.text)],
            delivery: Vec::new(),
            status: Vec::new(),
            closed_until_ms: None,
            begun_again: false,
            panics: 0,
            usage: None,
            timings: Timings { accepted_at_ms: new.accepted_at_ms, ..Timings::default() },
        }
    }

    /// What a `/stop` that ends `turn` is on record as, before it does: with a note `stopped 77:500000001`.
    pub fn stopping(&self, turn: TurnId) -> Vec<ChatMessage> {
        let said = ChatMessage::user(self.question());
        vec![said, ChatMessage::system(format!("{STOPPED}{turn}"))]
    }

    /// The turn that a `/stop` has stopped, if it is on record as [`stopping`](Self::stopping) one.
    pub fn stopped_turn(&self) -> Option<TurnId> {
        let note = self.messages.get(1)?.content.as_deref()?;
        note.strip_prefix(STOPPED)?.parse().ok().filter(|_| self.kind == Kind::Stop)
    }

    /// For how long Telegram still wants silence, in milliseconds, when it is `now_ms` (since 1970).
    ///
    /// The clock that wrote it down may have been wrong, and put right since: one that reads less than when
    /// the turn was accepted says nothing, and would have the chat wait for hours.
    pub fn closed_for_ms(&self, now_ms: i64) -> u64 {
        let now_ms = now_ms.max(self.timings.accepted_at_ms);
        self.closed_until_ms.and_then(|until| u64::try_from(until.saturating_sub(now_ms)).ok()).unwrap_or(0)
    }

    /// The conversation it belongs to.
    pub fn key(&self) -> ChatKey {
        ChatKey { bot: self.bot, chat: self.chat, topic: self.topic }
    }

    /// Its place in the conversation.
    pub fn place(&self) -> Place {
        Place { seq: self.seq, session: self.session }
    }

    /// Gives it another ledger.
    pub fn set_ledger(&mut self, ledger: Ledger) {
        self.delivery = ledger.delivery;
        self.status = ledger.status;
        self.closed_until_ms = ledger.closed_until_ms;
        self.begun_again = ledger.begun_again;
    }

    /// Its ledger.
    pub fn ledger(&self) -> Ledger {
        Ledger {
            delivery: self.delivery.clone(),
            status: self.status.clone(),
            closed_until_ms: self.closed_until_ms,
            begun_again: self.begun_again,
        }
    }

    /// What the user said.
    pub fn question(&self) -> &str {
        self.messages.first().and_then(|message| message.content.as_deref()).unwrap_or_default()
    }
}

/// What of a turn stands in the chat: on record as it changes, so that after a kill exactly the rest
/// is sent and nothing is left behind.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Ledger {
    /// The sends of the answer.
    pub delivery: Vec<Part>,
    /// Telegram's ids of messages that are to be deleted: "✓", "Thinking..." and what was shown of
    /// an answer that was begun again.
    pub status: Vec<i64>,
    /// Telegram asked for silence in the chat until then, in milliseconds since 1970.
    pub closed_until_ms: Option<i64>,
    /// The user is still to be told that the answer was begun again.
    pub begun_again: bool,
}

/// The complete answer of a turn, written once.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// All messages of the turn, from the user's to the final assistant's.
    pub messages: Vec<ChatMessage>,
    /// The user ended it early.
    pub stopped: bool,
    /// What of the turn stands in the chat so far; that of another answer that it takes the place of is gone.
    pub ledger: Ledger,
    /// Tokens of all model calls.
    pub usage: Option<Usage>,
    /// Times known so far.
    pub timings: Timings,
}

/// How a turn ended, written after its answer (or instead of it).
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// [`State::Delivered`] or [`State::Failed`].
    pub state: State,
    /// Why it failed, for the operator.
    pub failure: Option<String>,
    /// The sends of the answer; none leaves what is on record.
    pub delivery: Option<Vec<Part>>,
    /// All times.
    pub timings: Timings,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_lasts_until_restart() {
        let id = |update| TurnId { bot: 1, update };
        let first = place_after(None, id(10), Kind::Text);
        let second = place_after(Some(first), id(11), Kind::Text);
        let restart = place_after(Some(second), id(12), Kind::Restart);
        assert_eq!((first.seq, second.seq, restart.seq), (1, 2, 3));
        assert_eq!(first.session, second.session);
        assert_ne!(second.session, restart.session);
    }

    #[test]
    fn stored_names_are_those_of_the_json() {
        let commands = [Kind::Start, Kind::Help, Kind::Restart, Kind::Stop, Kind::Retry];
        for kind in commands.into_iter().chain([Kind::Text, Kind::StopDraft, Kind::Unsupported]) {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
        for state in [State::Accepted, State::Answered, State::Delivered, State::Failed] {
            assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
        }
    }

    #[test]
    fn what_a_stop_has_stopped_is_not_what_its_sender_wrote() {
        let key = ChatKey { bot: 1, chat: 2, topic: None };
        let target = TurnId { bot: 1, update: 5 };
        let said = |text: &str| StoredTurn { kind: Kind::Stop, ..crate::testing::turn(key, 6, text) };
        for text in ["/stop", "/stop 1:5", "stopped 1:5"] {
            let mut stop = said(text);
            assert_eq!(stop.stopped_turn(), None, "{text}");
            stop.messages = stop.stopping(target);
            assert_eq!((stop.stopped_turn(), stop.question()), (Some(target), text));
        }
    }

    #[test]
    fn a_window_is_no_longer_than_a_clock_that_was_put_right_can_explain() {
        let key = ChatKey { bot: 1, chat: 2, topic: None };
        let mut turn = crate::testing::turn(key, 1, "Hello");
        let accepted = turn.timings.accepted_at_ms;
        assert_eq!(turn.closed_for_ms(accepted), 0);
        turn.closed_until_ms = Some(accepted + 20_000);
        let hour_ms = 3_600_000;
        let left = [0, 5_000, 20_000, hour_ms, -hour_ms].map(|later| turn.closed_for_ms(accepted + later));
        assert_eq!(left, [20_000, 15_000, 0, 0, 20_000]);
    }
}
