//! A turn as a row and back. Nested values are JSON text under the names of the stored turn.

use rusqlite::{Connection, Row, named_params};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::StoreError;
use super::errors::during;
use crate::domain::record::StoredTurn;

/// The columns that [`turn`] reads.
pub(super) const COLUMNS: &str = "_id, bot, chat, topic, user, message_id, date_s, seq, session, kind, \
                                  state, failure, stopped, messages, delivery, status, closed_until_ms, \
                                  begun_again, panics, usage, timings";

const INSERT: &str = "
    INSERT INTO turns (_id, bot, chat, topic, user, user_id, message_id, date_s, seq, session, kind,
                       state, failure, stopped, messages, delivery, status, closed_until_ms, begun_again,
                       panics, usage, timings)
    VALUES (:_id, :bot, :chat, :topic, :user, :user_id, :message_id, :date_s, :seq, :session, :kind,
            :state, :failure, :stopped, :messages, :delivery, :status, :closed_until_ms, :begun_again,
            :panics, :usage, :timings)";

/// Adds a turn.
pub(super) fn insert(connection: &Connection, turn: &StoredTurn) -> Result<(), StoreError> {
    let failed = during("insert a turn");
    let mut statement = connection.prepare_cached(INSERT).map_err(&failed)?;
    let added = statement.execute(named_params! {
        ":_id": turn.id.to_string(),
        ":bot": turn.bot,
        ":chat": turn.chat,
        ":topic": turn.topic,
        ":user": json(&turn.user)?,
        ":user_id": turn.user.id,
        ":message_id": turn.message_id,
        ":date_s": turn.date_s,
        ":seq": turn.seq,
        ":session": turn.session.to_string(),
        ":kind": turn.kind.as_str(),
        ":state": turn.state.as_str(),
        ":failure": turn.failure,
        ":stopped": turn.stopped,
        ":messages": json(&turn.messages)?,
        ":delivery": json(&turn.delivery)?,
        ":status": json(&turn.status)?,
        ":closed_until_ms": turn.closed_until_ms,
        ":begun_again": turn.begun_again,
        ":panics": turn.panics,
        ":usage": turn.usage.as_ref().map(json).transpose()?,
        ":timings": json(&turn.timings)?,
    });
    added.map(|_| ()).map_err(&failed)
}

/// Reads a turn from a row with [`COLUMNS`].
pub(super) fn turn(row: &Row) -> Result<StoredTurn, StoreError> {
    let id: String = get(row, "_id")?;
    read(row, &id).map_err(|error| match error {
        StoreError::Refused(text) => StoreError::Refused(format!("turn '{id}': {text}")),
        away => away,
    })
}

fn read(row: &Row, id: &str) -> Result<StoredTurn, StoreError> {
    Ok(StoredTurn {
        id: word(id.to_owned(), "_id")?,
        bot: get(row, "bot")?,
        chat: get(row, "chat")?,
        topic: get(row, "topic")?,
        user: get_json(row, "user")?,
        message_id: get(row, "message_id")?,
        date_s: get(row, "date_s")?,
        seq: get(row, "seq")?,
        session: word(get(row, "session")?, "session")?,
        kind: word(get(row, "kind")?, "kind")?,
        state: word(get(row, "state")?, "state")?,
        failure: get(row, "failure")?,
        stopped: get(row, "stopped")?,
        messages: get_json(row, "messages")?,
        delivery: get_json(row, "delivery")?,
        status: get_json(row, "status")?,
        closed_until_ms: get(row, "closed_until_ms")?,
        begun_again: get(row, "begun_again")?,
        panics: get(row, "panics")?,
        usage: get::<Option<String>>(row, "usage")?.map(|text| parse(&text, "usage")).transpose()?,
        timings: get_json(row, "timings")?,
    })
}

/// A value as JSON text.
pub(super) fn json(value: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value)
        .map_err(|error| StoreError::Refused(format!("could not write a value as JSON: {error}")))
}

/// One column of a row.
pub(super) fn get<T: rusqlite::types::FromSql>(row: &Row, column: &str) -> Result<T, StoreError> {
    row.get(column).map_err(during("read a column"))
}

/// One column that holds JSON text.
pub(super) fn get_json<T: DeserializeOwned>(row: &Row, column: &str) -> Result<T, StoreError> {
    parse(&get::<String>(row, column)?, column)
}

/// A value that is one word of JSON, such as an id or a state.
pub(super) fn word<T: DeserializeOwned>(text: String, column: &str) -> Result<T, StoreError> {
    serde_json::from_value(Value::String(text)).map_err(|error| unreadable(column, &error))
}

fn parse<T: DeserializeOwned>(text: &str, column: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|error| unreadable(column, &error))
}

fn unreadable(column: &str, error: &serde_json::Error) -> StoreError {
    StoreError::Refused(format!(
        "column '{column}' can't be read: {error}; repair the row or restore a backup"
    ))
}
