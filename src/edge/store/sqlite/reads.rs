//! The queries.

use rusqlite::types::Value;
use rusqlite::{Connection, Params, Row, params, params_from_iter};
use uuid::Uuid;

use super::errors::during;
use super::rows::{self, COLUMNS};
use super::{Filter, SessionSummary, StoreError, readable};
use crate::domain::ids::{ChatKey, TurnId};
use crate::domain::record::{StoredTurn, User};

/// The last turns of a session before a place, oldest first.
pub(super) fn history(
    connection: &Connection,
    key: ChatKey,
    session: Uuid,
    before: i64,
    limit: usize,
) -> Result<Vec<StoredTurn>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM turns
         WHERE session = ? AND seq < ? AND bot = ? AND chat = ? AND ifnull(topic, 0) = ?
         ORDER BY seq DESC LIMIT ?"
    );
    let topic = key.topic.unwrap_or(0);
    let of_session = params![session.to_string(), before, key.bot, key.chat, topic, at_most(limit)];
    let latest_first = select(connection, &sql, of_session, |row| Ok(rows::turn(row)))?;
    Ok(latest_first.into_iter().rev().filter_map(readable).collect())
}

/// What is owed.
pub(super) fn unfinished(connection: &Connection, bot: i64) -> Result<Vec<StoredTurn>, StoreError> {
    // The states are spelled out as in the partial index, or it would not be used.
    let sql = format!(
        "SELECT {COLUMNS} FROM turns WHERE bot = ? AND state IN ('accepted', 'answered')
         ORDER BY chat, seq, ifnull(topic, 0)"
    );
    let read = select(connection, &sql, [bot], |row| Ok(rows::turn(row)))?;
    Ok(read.into_iter().filter_map(readable).collect())
}

/// One turn.
pub(super) fn turn(connection: &Connection, id: TurnId) -> Result<Option<StoredTurn>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM turns WHERE _id = ?");
    Ok(select(connection, &sql, [id.to_string()], rows::turn)?.pop())
}

/// Turns that match, conversation by conversation.
pub(super) fn turns(connection: &Connection, filter: &Filter) -> Result<Vec<StoredTurn>, StoreError> {
    let (matching, values) = condition(filter);
    let sql =
        format!("SELECT {COLUMNS} FROM turns WHERE {matching} ORDER BY chat, ifnull(topic, 0), bot, seq");
    select(connection, &sql, params_from_iter(values), rows::turn)
}

/// Sessions with turns that match, latest first.
pub(super) fn sessions(
    connection: &Connection,
    filter: &Filter,
    limit: usize,
) -> Result<Vec<SessionSummary>, StoreError> {
    let (matching, mut values) = condition(filter);
    let sql = format!(
        "WITH found AS (
            SELECT session, count(*) AS turns, min(seq) AS first, max(seq) AS last FROM turns
            WHERE session IN (SELECT session FROM turns WHERE {matching}) GROUP BY session
         )
         SELECT found.session, first.chat, first.topic, first.user, found.turns,
                first.timings ->> 'accepted_at_ms' AS first_ms, last.timings ->> 'accepted_at_ms' AS last_ms
         FROM found
         JOIN turns first ON first.session = found.session AND first.seq = found.first
         JOIN turns last ON last.session = found.session AND last.seq = found.last
         ORDER BY last_ms DESC, found.session LIMIT ?"
    );
    values.push(Value::Integer(at_most(limit)));
    select(connection, &sql, params_from_iter(values), summary)
}

fn summary(row: &Row) -> Result<SessionSummary, StoreError> {
    let user: User = rows::get_json(row, "user")?;
    Ok(SessionSummary {
        session: rows::word(rows::get(row, "session")?, "session")?,
        chat: rows::get(row, "chat")?,
        topic: rows::get(row, "topic")?,
        user: user.id,
        username: user.username,
        turns: rows::get(row, "turns")?,
        first_ms: rows::get(row, "first_ms")?,
        last_ms: rows::get(row, "last_ms")?,
    })
}

fn select<T>(
    connection: &Connection,
    sql: &str,
    values: impl Params,
    read: impl Fn(&Row) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    let failed = during("read turns");
    let mut statement = connection.prepare_cached(sql).map_err(&failed)?;
    let mut rows = statement.query(values).map_err(&failed)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(&failed)? {
        found.push(read(row)?);
    }
    Ok(found)
}

fn condition(filter: &Filter) -> (String, Vec<Value>) {
    let wanted = [
        filter.user.map(|user| ("user_id = ?", Value::Integer(user))),
        filter.chat.map(|chat| ("chat = ?", Value::Integer(chat))),
        filter.session.map(|session| ("session = ?", Value::Text(session.to_string()))),
    ];
    let (mut conditions, values): (Vec<_>, Vec<_>) = wanted.into_iter().flatten().unzip();
    conditions.push("true");
    (conditions.join(" AND "), values)
}

fn at_most(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
