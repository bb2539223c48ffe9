//! The fields of a document that updates set and filters name.

use mongodb::bson::serde_helpers::HumanReadable;
use mongodb::bson::{Document, doc, serialize_to_raw_document_buf};
use serde::Serialize;

use crate::domain::chat::{ChatMessage, Usage};
use crate::domain::ids::ChatKey;
use crate::domain::record::{Answer, Ledger, Outcome, Part, State, Timings};
use crate::edge::store::{Filter, StoreError};

#[derive(Serialize)]
struct AnswerFields<'a> {
    state: State,
    messages: &'a [ChatMessage],
    stopped: bool,
    #[serde(flatten)]
    ledger: LedgerFields<'a>,
    usage: Option<Usage>,
    timings: Timings,
}

/// What an answer sets.
pub(super) fn of_answer(answer: &Answer) -> impl Serialize {
    AnswerFields {
        state: State::Answered,
        messages: &answer.messages,
        stopped: answer.stopped,
        ledger: of_ledger(&answer.ledger),
        usage: answer.usage,
        timings: answer.timings,
    }
}

#[derive(Serialize)]
pub(super) struct LedgerFields<'a> {
    delivery: &'a [Part],
    status: &'a [i64],
    closed_until_ms: Option<i64>,
    begun_again: bool,
}

/// What a ledger sets.
pub(super) fn of_ledger(ledger: &Ledger) -> LedgerFields<'_> {
    let Ledger { delivery, status, closed_until_ms, begun_again } = ledger;
    LedgerFields { delivery, status, closed_until_ms: *closed_until_ms, begun_again: *begun_again }
}

#[derive(Serialize)]
struct MessagesFields<'a> {
    messages: &'a [ChatMessage],
}

/// What a turn in progress sets.
pub(super) fn of_messages(messages: &[ChatMessage]) -> impl Serialize {
    MessagesFields { messages }
}

#[derive(Serialize)]
struct OutcomeFields<'a> {
    state: State,
    failure: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delivery: Option<&'a [Part]>,
    status: [i64; 0],
    timings: Timings,
}

/// What an outcome sets: never the answer.
pub(super) fn of_outcome(outcome: &Outcome) -> impl Serialize {
    OutcomeFields {
        state: outcome.state,
        failure: outcome.failure.as_deref(),
        delivery: outcome.delivery.as_deref(),
        status: [],
        timings: outcome.timings,
    }
}

/// Fields as a document.
///
/// By way of the raw form, as inserts go: the direct way reads `{"$oid": ...}` and the like, which
/// a provider may send in a tool call, as values of MongoDB's own.
pub(super) fn document(fields: &impl Serialize) -> Result<Document, StoreError> {
    serialize_to_raw_document_buf(&HumanReadable(fields))
        .and_then(Document::try_from)
        .map_err(|error| StoreError::Refused(format!("could not write a value as BSON: {error}")))
}

/// A filter for the turns of a bot that are owed.
pub(super) fn of_unfinished(bot: i64) -> Document {
    doc! { "bot": bot, "state": { "$in": ["accepted", "answered"] } }
}

/// A filter for one conversation.
pub(super) fn of_conversation(key: ChatKey) -> Document {
    doc! { "chat": key.chat, "topic": key.topic, "bot": key.bot }
}

/// The filter of an operator, as one of documents.
pub(super) fn of_filter(filter: &Filter) -> Document {
    let mut fields = Document::new();
    if let Some(user) = filter.user {
        fields.insert("user.id", user);
    }
    if let Some(chat) = filter.chat {
        fields.insert("chat", chat);
    }
    if let Some(session) = filter.session {
        fields.insert("session", session.to_string());
    }
    fields
}
