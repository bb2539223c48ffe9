//! The embedded store: one SQLite file, one thread that writes and one that reads; beside it a file for each
//! bot with the ledgers of turns that are not ended (`notes.rs`).
//!
//! Writes are committed in groups (`writer.rs`): a durable commit costs one flush of the disk,
//! whether it holds one turn or two hundred.

mod claims;
mod errors;
mod gathering;
mod notes;
mod reader;
mod reads;
mod rows;
mod schema;
mod writer;
mod writes;

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use rusqlite::Connection;
use rusqlite::config::DbConfig;
use uuid::Uuid;

use super::owner::Owner;
use super::{Filter, Haste, Recorded, SessionSummary, Store, StoreError, Stored, readable};
use crate::domain::chat::ChatMessage;
use crate::domain::ids::{ChatKey, TurnId};
use crate::domain::record::{Answer, Ledger, NewTurn, Outcome, StoredTurn};
use claims::Claims;
use notes::Notes;
use reader::Reader;
use writer::Writer;

/// The name of the database inside the store's directory.
pub const FILE: &str = "brigade.sqlite3";

/// Locked while a store is being opened.
const LOCK: &str = "brigade.lock";

/// A [`Store`] in one file on this machine.
///
/// Handles are cheap to clone. A call is queued when it is made, not when its future is first
/// polled, and is carried out even if nobody awaits it. When the last handle is dropped, the
/// threads finish what is queued and end.
#[derive(Clone)]
pub struct SqliteStore {
    writer: Writer,
    reader: Reader,
    claims: Claims,
    notes: Notes,
}

impl SqliteStore {
    /// Opens the store in `directory`, making the directory and the file where they are missing
    /// and bringing an older file up to date. It blocks while it does so.
    ///
    /// # Errors
    /// [`StoreError::Away`] when the directory or the file can't be made or opened;
    /// [`StoreError::Refused`] when the file is damaged, is no database, was written by a newer
    /// version, or lies on a file system that can't do write-ahead logging.
    pub fn open(directory: &Path) -> Result<Self, StoreError> {
        std::fs::create_dir_all(directory).map_err(|error| {
            StoreError::Away(format!(
                "could not create the directory '{}': {error}; make its parent writable or choose another",
                directory.display()
            ))
        })?;
        let file = directory.join(FILE);
        let named = |error| errors::of_file(&file, error);
        let _alone = alone(directory)?;
        let mut write = connect(&file).and_then(schema::prepare_file).map_err(named)?;
        schema::migrate(&mut write).map_err(named)?;
        let read = connect(&file).and_then(schema::forbid_writes).map_err(named)?;
        let (claims, notes) = (Claims::new(directory), Notes::new(directory)?);
        Ok(Self { writer: Writer::start(write)?, reader: Reader::start(read)?, claims, notes })
    }

    /// What was noted of a turn is of no use when `written` is.
    fn over(&self, id: TurnId, written: Stored<()>) -> Stored<()> {
        let notes = self.notes.clone();
        Box::pin(async move { written.await.inspect(|()| notes.is_over(id)) })
    }
}

/// Holds back others who open the same store until the returned file is closed: SQLite answers
/// "locked" at once, without waiting, to whoever else is switching a new file to write-ahead logging.
fn alone(directory: &Path) -> Result<File, StoreError> {
    let path = directory.join(LOCK);
    let locked = File::create(&path).and_then(|file| file.lock().map(|()| file));
    locked.map_err(|error| {
        StoreError::Away(format!("could not lock '{}': {error}; make its directory writable", path.display()))
    })
}

fn connect(file: &Path) -> Result<Connection, StoreError> {
    let failed = errors::during("open it");
    let connection = Connection::open(file).map_err(&failed)?;
    // Otherwise a statement is parsed again whenever what is bound to it has changed, to plan it anew.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map_err(&failed)?;
    Ok(connection)
}

impl Store for SqliteStore {
    fn with_own_connections(&self) -> Result<Arc<dyn Store>, StoreError> {
        Ok(Arc::new(self.clone()))
    }

    fn record(&self, turn: NewTurn) -> Stored<Recorded> {
        self.writer.run(Haste::Soon, move |connection| writes::record(connection, turn))
    }

    fn save_answer(&self, id: TurnId, answer: Answer, haste: Haste) -> Stored<()> {
        self.over(id, self.writer.run(haste, move |connection| writes::save_answer(connection, id, &answer)))
    }

    fn save_delivery(&self, id: TurnId, ledger: Ledger, is_answered: bool) -> Stored<()> {
        let noted = self.notes.note(id, ledger, is_answered);
        Box::pin(async { noted })
    }

    fn hurry(&self) {
        self.writer.hurry();
    }

    fn save_messages(&self, id: TurnId, messages: Vec<ChatMessage>) -> Stored<()> {
        self.writer.run(Haste::InCompany, move |connection| writes::save_messages(connection, id, &messages))
    }

    fn count_panic(&self, ids: Vec<TurnId>) -> Stored<()> {
        self.writer.run(Haste::AtOnce, move |connection| writes::count_panic(connection, &ids))
    }

    fn save_outcome(&self, id: TurnId, outcome: Outcome) -> Stored<()> {
        let notes = self.notes.clone();
        let haste = match notes.note_end(id, &outcome) {
            Ok(true) => Haste::Sometime,
            Ok(false) => Haste::InCompany,
            Err(error) => return Box::pin(async { Err(error) }),
        };
        let written = self.writer.run(haste, move |connection| {
            writes::save_outcome(connection, id, &notes.complete_outcome(id, outcome)?)
        });
        self.over(id, written)
    }

    fn history(&self, key: ChatKey, session: Uuid, before: i64, limit: usize) -> Stored<Vec<StoredTurn>> {
        self.reader.run(move |connection| reads::history(connection, key, session, before, limit))
    }

    fn unfinished(&self, bot: i64) -> Stored<Vec<StoredTurn>> {
        let (notes, claims) = (self.notes.clone(), self.claims.clone());
        self.reader.run(move |connection| {
            let mut owed = reads::unfinished(connection, bot)?;
            notes.complete(bot, &mut owed)?;
            if claims.has(bot) {
                notes.take_over(bot, &owed)?;
            }
            Ok(owed)
        })
    }

    fn turn(&self, id: TurnId) -> Stored<Option<StoredTurn>> {
        self.reader.run(move |connection| reads::turn(connection, id))
    }

    fn sessions(&self, filter: Filter, limit: usize) -> Stored<Vec<SessionSummary>> {
        self.reader.run(move |connection| reads::sessions(connection, &filter, limit))
    }

    fn turns(&self, filter: Filter) -> Stored<Vec<StoredTurn>> {
        self.reader.run(move |connection| reads::turns(connection, &filter))
    }

    fn claim(&self, bot: i64, _: &Owner) -> Stored<bool> {
        let claimed = self.claims.claim(bot);
        Box::pin(async move { claimed })
    }

    fn release(&self, bot: i64, _: &Owner) -> Stored<()> {
        self.notes.release(bot);
        self.claims.release(bot);
        Box::pin(async { Ok(()) })
    }

    fn ping(&self) -> Stored<()> {
        // Through the writer: a store that can be read but takes no writes is away.
        self.writer.run(Haste::AtOnce, |_| Ok(()))
    }
}

#[cfg(test)]
mod tests;
