//! The shape of the file and how an older one is brought up to date.

use std::time::Duration;

use rusqlite::{Connection, TransactionBehavior};

use super::StoreError;
use super::errors::during;

/// How long to wait for another process that is writing to the same file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// What each version adds to the one before; the file's `user_version` counts those it has.
///
/// Only ever add to the end: files with the earlier steps are out there.
const STEPS: &[&str] = &[
    "
    CREATE TABLE turns (
        _id        TEXT    NOT NULL PRIMARY KEY,
        bot        INTEGER NOT NULL,
        chat       INTEGER NOT NULL,
        topic      INTEGER,
        user       TEXT    NOT NULL,
        user_id    INTEGER NOT NULL,
        message_id INTEGER NOT NULL,
        date_s     INTEGER NOT NULL,
        seq        INTEGER NOT NULL,
        session    TEXT    NOT NULL,
        kind       TEXT    NOT NULL,
        state      TEXT    NOT NULL,
        failure    TEXT,
        stopped    INTEGER NOT NULL,
        messages   TEXT    NOT NULL,
        delivery   TEXT    NOT NULL,
        usage      TEXT,
        timings    TEXT    NOT NULL
    ) STRICT;
    CREATE UNIQUE INDEX turns_place ON turns (chat, ifnull(topic, 0), bot, seq);
    CREATE INDEX turns_unfinished ON turns (bot, chat, seq) WHERE state IN ('accepted', 'answered');
    CREATE INDEX turns_session ON turns (session, seq);
    CREATE INDEX turns_user ON turns (user_id, session);
",
    "
    ALTER TABLE turns ADD COLUMN status TEXT NOT NULL DEFAULT '[]';
    ALTER TABLE turns ADD COLUMN closed_until_ms INTEGER;
    ALTER TABLE turns ADD COLUMN begun_again INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE turns ADD COLUMN panics INTEGER NOT NULL DEFAULT 0;
",
];

/// Sets up the connection that writes: what is committed stays, whatever happens to the machine.
pub(super) fn prepare_file(connection: Connection) -> Result<Connection, StoreError> {
    let failed = during("prepare it for writing");
    connection.busy_timeout(BUSY_TIMEOUT).map_err(&failed)?;
    let journal: String =
        connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0)).map_err(&failed)?;
    if journal != "wal" {
        return Err(StoreError::Refused(format!(
            "its file system can't do write-ahead logging (journal mode is '{journal}'); choose a directory on a local disk"
        )));
    }
    connection.pragma_update(None, "synchronous", "FULL").map_err(&failed)?;
    Ok(connection)
}

/// Sets up the connection that reads.
pub(super) fn forbid_writes(connection: Connection) -> Result<Connection, StoreError> {
    let failed = during("prepare it for reading");
    connection.busy_timeout(BUSY_TIMEOUT).map_err(&failed)?;
    connection.pragma_update(None, "query_only", true).map_err(&failed)?;
    Ok(connection)
}

/// Takes the steps that the file does not have yet, all or none.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    let failed = during("bring its tables up to date");
    if missing_steps(connection)?.is_empty() {
        return Ok(());
    }
    let transaction =
        connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(&failed)?;
    // Read again: another process may have taken the steps while this one waited for its turn.
    for step in missing_steps(&transaction)? {
        let version = version(&transaction)?;
        transaction.execute_batch(step).map_err(&failed)?;
        transaction.pragma_update(None, "user_version", version + 1).map_err(&failed)?;
    }
    transaction.commit().map_err(&failed)
}

fn missing_steps(connection: &Connection) -> Result<&'static [&'static str], StoreError> {
    let version = version(connection)?;
    usize::try_from(version).ok().and_then(|taken| STEPS.get(taken..)).ok_or_else(|| {
        StoreError::Refused(format!(
            "its tables are of version {version}, this program knows up to {}; use the newer program",
            STEPS.len()
        ))
    })
}

fn version(connection: &Connection) -> Result<i64, StoreError> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(during("read its version"))
}
