//! The ledgers of answers that are being written: a file for each bot, beside the database.
//!
//! Such a ledger changes with every send, and nobody reads it but a process that takes up what another left. So
//! it is a line at the end of a file and no commit. What the system has taken outlives the process; the disk is
//! flushed a second later, so a machine that fails takes what was noted in its last second with it.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::StoreError;
use crate::domain::ids::TurnId;
use crate::domain::record::{Ledger, Outcome, State, StoredTurn};

/// Between a note and the flush of the disk.
const FLUSHED_AFTER: Duration = Duration::from_secs(1);

/// A file that has grown by so much is written anew, without what is of no use any more.
const GROWTH_BYTES: u64 = 4 << 20;

/// A handle of all bots' files.
#[derive(Clone)]
pub(super) struct Notes(Arc<Shared>);

struct Shared {
    directory: PathBuf,
    books: Mutex<HashMap<i64, Book>>,
    /// To the thread that flushes.
    written: Sender<()>,
}

/// One bot's file, as its process has it.
struct Book {
    path: PathBuf,
    file: Arc<File>,
    /// The updates whose turns have a line that may still be needed.
    needed: HashSet<i64>,
    bytes: u64,
    full_at_bytes: u64,
    /// Not flushed.
    is_dirty: bool,
}

#[derive(Serialize, Deserialize)]
struct Line {
    update: i64,
    ledger: Ledger,
}

impl Notes {
    /// Starts the thread that flushes. It ends when the last handle is gone.
    pub(super) fn new(directory: &Path) -> Result<Self, StoreError> {
        let (written, flushes) = mpsc::channel();
        let shared = Shared { directory: directory.to_owned(), books: Mutex::default(), written };
        let notes = Self(Arc::new(shared));
        let weak = Arc::downgrade(&notes.0);
        thread::Builder::new()
            .name("store-notes".to_owned())
            .spawn(move || flush_all(&weak, &flushes))
            .map_err(|error| StoreError::Away(format!("could not start its flushing thread: {error}")))?;
        Ok(notes)
    }

    /// Notes a turn's ledger in place of the one before.
    pub(super) fn note(&self, id: TurnId, ledger: Ledger) -> Result<(), StoreError> {
        let line = line(&Line { update: id.update, ledger })?;
        let mut books = self.0.books();
        let book = match books.entry(id.bot) {
            Entry::Occupied(place) => place.into_mut(),
            Entry::Vacant(place) => {
                let path = self.path(id.bot);
                let needed = read(&path)?.into_keys().collect();
                place.insert(Book::open(path, needed)?)
            }
        };
        book.add(id.update, &line)?;
        if !std::mem::replace(&mut book.is_dirty, true) {
            // The thread lives as long as this.
            let _told = self.0.written.send(());
        }
        Ok(())
    }

    /// The turn's ledger is in the database from now on, or of no use any more.
    pub(super) fn is_over(&self, id: TurnId) {
        if let Some(book) = self.0.books().get_mut(&id.bot) {
            book.needed.remove(&id.update);
        }
    }

    /// Puts what was noted into turns that are owed. A turn whose answer is on record has its ledger there.
    pub(super) fn complete(&self, bot: i64, turns: &mut [StoredTurn]) -> Result<(), StoreError> {
        let mut noted = read(&self.path(bot))?;
        for turn in turns.iter_mut().filter(|turn| turn.state == State::Accepted) {
            if let Some(ledger) = noted.remove(&turn.id.update) {
                turn.set_ledger(ledger);
            }
        }
        Ok(())
    }

    /// Puts what was noted into a turn's end that says nothing of what the chat has.
    pub(super) fn complete_outcome(&self, id: TurnId, outcome: Outcome) -> Result<Outcome, StoreError> {
        let is_needed = |book: &Book| book.needed.contains(&id.update);
        if outcome.delivery.is_some() || !self.0.books().get(&id.bot).is_some_and(is_needed) {
            return Ok(outcome);
        }
        let noted = read(&self.path(id.bot))?.remove(&id.update);
        Ok(Outcome { delivery: noted.map(|ledger| ledger.delivery), ..outcome })
    }

    /// The bot is this process's, which owes these turns: what was noted of others is of no use.
    pub(super) fn take_over(&self, bot: i64, owed: &[StoredTurn]) -> Result<(), StoreError> {
        let mut books = self.0.books();
        if let Entry::Vacant(place) = books.entry(bot) {
            let mut book = Book::open(self.path(bot), owed.iter().map(|turn| turn.id.update).collect())?;
            book.write_anew().map_err(|error| failed(&book.path, &error))?;
            place.insert(book);
        }
        Ok(())
    }

    /// The bot is not this process's any more.
    pub(super) fn release(&self, bot: i64) {
        self.0.books().remove(&bot);
    }

    fn path(&self, bot: i64) -> PathBuf {
        self.0.directory.join(format!("bot-{bot}.ledgers"))
    }
}

impl Shared {
    fn books(&self) -> MutexGuard<'_, HashMap<i64, Book>> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Book {
    fn open(path: PathBuf, needed: HashSet<i64>) -> Result<Self, StoreError> {
        let file = append(&path).map_err(|error| failed(&path, &error))?;
        let bytes = file.metadata().map_or(0, |metadata| metadata.len());
        let file = Arc::new(file);
        Ok(Self { path, file, needed, bytes, full_at_bytes: bytes + GROWTH_BYTES, is_dirty: false })
    }

    fn add(&mut self, update: i64, line: &[u8]) -> Result<(), StoreError> {
        self.file.as_ref().write_all(line).map_err(|error| failed(&self.path, &error))?;
        self.needed.insert(update);
        self.bytes += line.len() as u64;
        if self.bytes > self.full_at_bytes
            && let Err(error) = self.write_anew()
        {
            tracing::debug!("'{}' can't be written anew and goes on growing: {error}", self.path.display());
            self.full_at_bytes = self.bytes + GROWTH_BYTES;
        }
        Ok(())
    }

    /// Writes the last line of each turn that is needed into a new file, which takes the place of the old one.
    fn write_anew(&mut self) -> io::Result<()> {
        let mut lines = Vec::new();
        let mut last = last_lines(&self.path)?;
        last.retain(|update, _| self.needed.contains(update));
        self.needed.retain(|update| last.contains_key(update));
        for (update, ledger) in last {
            lines.extend(line(&Line { update, ledger }).map_err(io::Error::other)?);
        }
        let new = self.path.with_extension("ledgers.new");
        let mut file = File::create(&new)?;
        file.write_all(&lines)?;
        fs::rename(&new, &self.path)?;
        // This very file: one that could not be opened again would take no more notes.
        self.file = Arc::new(file);
        self.bytes = lines.len() as u64;
        self.full_at_bytes = self.bytes + GROWTH_BYTES;
        Ok(())
    }
}

/// A line begins with its break: one that was torn before it does not spoil it.
fn line(line: &Line) -> Result<Vec<u8>, StoreError> {
    let mut bytes = b"\n".to_vec();
    serde_json::to_writer(&mut bytes, line)
        .map_err(|error| StoreError::Refused(format!("could not write a ledger as JSON: {error}")))?;
    Ok(bytes)
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).open(path)
}

fn read(path: &Path) -> Result<HashMap<i64, Ledger>, StoreError> {
    last_lines(path).map_err(|error| failed(path, &error))
}

/// The last ledger of each turn. A line that is torn was never answered for.
fn last_lines(path: &Path) -> io::Result<HashMap<i64, Ledger>> {
    let bytes = match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(HashMap::new()),
        read => read?,
    };
    let lines =
        bytes.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice::<Line>(line).ok());
    Ok(lines.map(|line| (line.update, line.ledger)).collect())
}

fn failed(path: &Path, error: &io::Error) -> StoreError {
    StoreError::Away(format!(
        "could not keep ledgers in '{}': {error}; check that the file and its directory are writable",
        path.display()
    ))
}

#[expect(
    clippy::disallowed_methods,
    reason = "the thread waits in real time, also where a runtime's is paused"
)]
fn flush_all(shared: &Weak<Shared>, written: &Receiver<()>) {
    while written.recv().is_ok() {
        thread::sleep(FLUSHED_AFTER);
        let Some(shared) = shared.upgrade() else { return };
        let dirty: Vec<_> = {
            let mut books = shared.books();
            let dirty = books.values_mut().filter_map(|book| {
                std::mem::take(&mut book.is_dirty).then(|| (book.file.clone(), book.path.clone()))
            });
            dirty.collect()
        };
        drop(shared);
        for (file, path) in dirty {
            if let Err(error) = file.sync_data() {
                tracing::warn!("the disk did not take '{}': {error}", path.display());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::ChatKey;

    const BOT: i64 = 77;

    fn id(update: i64) -> TurnId {
        TurnId { bot: BOT, update }
    }

    fn ledger(status: i64) -> Ledger {
        Ledger { status: vec![status], ..Ledger::default() }
    }

    fn owed(update: i64, state: State) -> StoredTurn {
        let key = ChatKey { bot: BOT, chat: 5, topic: None };
        StoredTurn { state, ..crate::testing::turn(key, update, "a") }
    }

    /// The ids to delete of each of the turns 1 to 3, the last of which has its answer on record.
    fn found(notes: &Notes) -> Vec<Vec<i64>> {
        let mut turns = vec![owed(1, State::Accepted), owed(2, State::Accepted), owed(3, State::Answered)];
        notes.complete(BOT, &mut turns).unwrap();
        turns.into_iter().map(|turn| turn.status).collect()
    }

    #[test]
    fn the_last_note_of_a_turn_without_an_answer_counts() {
        let directory = tempfile::tempdir().unwrap();
        let notes = Notes::new(directory.path()).unwrap();
        assert_eq!(found(&notes).concat(), Vec::<i64>::new(), "there is no file");
        for (update, status) in [(1, 10), (2, 20), (3, 30), (1, 11)] {
            notes.note(id(update), ledger(status)).unwrap();
        }
        for notes in [&notes, &Notes::new(directory.path()).unwrap()] {
            assert_eq!(found(notes), [vec![11], vec![20], vec![]]);
        }
    }

    #[test]
    fn a_torn_line_is_none_and_spoils_no_other() {
        let directory = tempfile::tempdir().unwrap();
        let notes = Notes::new(directory.path()).unwrap();
        notes.note(id(1), ledger(10)).unwrap();
        let path = directory.path().join("bot-77.ledgers");
        append(&path).unwrap().write_all(b"\n{\"update\":1,\"led").unwrap();
        let notes = Notes::new(directory.path()).unwrap();
        assert_eq!(found(&notes)[0], [10]);
        notes.note(id(2), ledger(20)).unwrap();
        assert_eq!(found(&notes), [vec![10], vec![20], vec![]]);
    }

    #[test]
    fn what_is_of_no_use_leaves_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let notes = Notes::new(directory.path()).unwrap();
        let path = directory.path().join("bot-77.ledgers");
        for number in 0..200_000 {
            notes.note(id(1 + number % 2), ledger(number)).unwrap();
        }
        assert!(fs::metadata(&path).unwrap().len() <= GROWTH_BYTES + 1_000);
        assert_eq!(found(&notes)[..2], [vec![199_998], vec![199_999]]);
        notes.is_over(id(2));
        let next = Notes::new(directory.path()).unwrap();
        next.take_over(BOT, &[owed(1, State::Accepted)]).unwrap();
        assert!(fs::metadata(&path).unwrap().len() < 1_000);
        assert_eq!(found(&next)[..2], [vec![199_998], vec![]]);
        next.note(id(2), ledger(5)).unwrap();
        next.take_over(BOT, &[]).unwrap();
        assert_eq!(found(&next)[..2], [vec![199_998], vec![5]], "it has been taken over");
    }
}
