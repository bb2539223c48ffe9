//! The writes, each with one statement that changes the file: see [`Writer::run`](super::writer::Writer::run).

use rusqlite::{Connection, OptionalExtension, named_params, params};

use super::errors::during;
use super::{Recorded, StoreError, rows};
use crate::domain::chat::ChatMessage;
use crate::domain::ids::{ChatKey, TurnId};
use crate::domain::record::{Answer, NewTurn, Outcome, Place, State, StoredTurn, place_after};

/// Adds a turn at the end of its conversation unless it is there already.
pub(super) fn record(connection: &Connection, new: NewTurn) -> Result<Recorded, StoreError> {
    if exists(connection, new.id)? {
        return Ok(Recorded::Duplicate);
    }
    let place = place_after(last_place(connection, new.key)?, new.id, new.kind);
    let turn = StoredTurn::accepted(new, place);
    rows::insert(connection, &turn)?;
    Ok(Recorded::New(Box::new(turn)))
}

fn exists(connection: &Connection, id: TurnId) -> Result<bool, StoreError> {
    let failed = during("look for a turn");
    let mut statement = connection.prepare_cached("SELECT 1 FROM turns WHERE _id = ?").map_err(&failed)?;
    statement.exists([id.to_string()]).map_err(&failed)
}

fn last_place(connection: &Connection, key: ChatKey) -> Result<Option<Place>, StoreError> {
    const LAST: &str = "SELECT seq, session FROM turns
                        WHERE bot = ? AND chat = ? AND ifnull(topic, 0) = ? ORDER BY seq DESC LIMIT 1";
    let failed = during("read the last turn of a chat");
    let mut statement = connection.prepare_cached(LAST).map_err(&failed)?;
    let last: Option<(i64, String)> = statement
        .query_row(params![key.bot, key.chat, key.topic.unwrap_or(0)], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()
        .map_err(&failed)?;
    last.map(|(seq, session)| Ok(Place { seq, session: rows::word(session, "session")? })).transpose()
}

/// Writes the answer with its ledger and nothing else but the state.
pub(super) fn save_answer(connection: &Connection, id: TurnId, answer: &Answer) -> Result<(), StoreError> {
    const UPDATE: &str = "UPDATE turns SET state = :state, messages = :messages, stopped = :stopped,
                          usage = :usage, timings = :timings, delivery = :delivery, status = :status,
                          closed_until_ms = :closed_until_ms, begun_again = :begun_again WHERE _id = :_id";
    let failed = during("save an answer");
    let changed = connection.prepare_cached(UPDATE).map_err(&failed)?.execute(named_params! {
        ":_id": id.to_string(),
        ":state": State::Answered.as_str(),
        ":messages": rows::json(&answer.messages)?,
        ":stopped": answer.stopped,
        ":usage": answer.usage.as_ref().map(rows::json).transpose()?,
        ":timings": rows::json(&answer.timings)?,
        ":delivery": rows::json(&answer.ledger.delivery)?,
        ":status": rows::json(&answer.ledger.status)?,
        ":closed_until_ms": answer.ledger.closed_until_ms,
        ":begun_again": answer.ledger.begun_again,
    });
    on_record(id, changed.map_err(&failed)?)
}

/// Writes the messages of a turn in progress and nothing else.
pub(super) fn save_messages(
    connection: &Connection,
    id: TurnId,
    messages: &[ChatMessage],
) -> Result<(), StoreError> {
    let failed = during("save the messages of a turn");
    let mut update = connection
        .prepare_cached("UPDATE turns SET messages = :messages WHERE _id = :_id")
        .map_err(&failed)?;
    let changed = update.execute(named_params! {
        ":_id": id.to_string(),
        ":messages": rows::json(&messages)?,
    });
    on_record(id, changed.map_err(&failed)?)
}

/// Adds a panic to each turn.
pub(super) fn count_panic(connection: &Connection, ids: &[TurnId]) -> Result<(), StoreError> {
    const UPDATE: &str = "UPDATE turns SET panics = panics + 1 WHERE _id IN (SELECT value FROM json_each(?))";
    let failed = during("count a panic");
    let ids: Vec<_> = ids.iter().map(TurnId::to_string).collect();
    let counted = connection.prepare_cached(UPDATE).map_err(&failed)?.execute([rows::json(&ids)?]);
    counted.map(|_| ()).map_err(&failed)
}

/// Writes how it ended and leaves the answer alone.
pub(super) fn save_outcome(connection: &Connection, id: TurnId, outcome: &Outcome) -> Result<(), StoreError> {
    const UPDATE: &str = "UPDATE turns SET state = :state, failure = :failure,
                          delivery = ifnull(:delivery, delivery), status = '[]',
                          timings = :timings WHERE _id = :_id";
    let failed = during("save an outcome");
    let changed = connection.prepare_cached(UPDATE).map_err(&failed)?.execute(named_params! {
        ":_id": id.to_string(),
        ":state": outcome.state.as_str(),
        ":failure": outcome.failure,
        ":delivery": outcome.delivery.as_ref().map(rows::json).transpose()?,
        ":timings": rows::json(&outcome.timings)?,
    });
    on_record(id, changed.map_err(&failed)?)
}

fn on_record(id: TurnId, changed: usize) -> Result<(), StoreError> {
    if changed == 0 {
        return Err(StoreError::Refused(format!("turn '{id}' is not on record; record it first")));
    }
    Ok(())
}
