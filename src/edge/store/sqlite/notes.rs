//! The ledgers of turns that are not ended: a file for each bot, beside the database.
//!
//! A ledger changes with every send, and nobody reads it but a process that takes up what another left. So
//! it is a line at the end of a file and no commit. What the system has taken outlives the process; the disk is
//! flushed a second later, so a machine that fails takes what was noted in its last second with it.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::StoreError;
use crate::domain::ids::TurnId;
use crate::domain::record::{Ledger, Outcome, Part, State, StoredTurn};

/// Between a note and the flush of the disk.
const FLUSHED_AFTER: Duration = Duration::from_secs(1);

/// A file that has grown by so much is written anew, without what is of no use any more.
const GROWTH_BYTES: u64 = 4 << 20;

/// The file that is to take another's place.
const NEW: &str = "ledgers.new";

/// A handle of all bots' files.
#[derive(Clone)]
pub(super) struct Notes(Arc<Shared>);

struct Shared {
    directory: PathBuf,
    books: Mutex<HashMap<i64, Book>>,
    /// To the thread that flushes and writes anew.
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

/// What is of use of the first bytes of a bot's file, in a file of its own.
struct Copied {
    bot: i64,
    original: Arc<File>,
    /// So many bytes of the original are copied.
    from_bytes: u64,
    file: File,
}

#[derive(Serialize, Deserialize)]
struct Line {
    update: i64,
    ledger: Ledger,
    /// The turn's answer was on record.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    answered: bool,
}

impl Notes {
    /// Starts the thread that flushes and writes anew. It ends when the last handle is gone.
    pub(super) fn new(directory: &Path) -> Result<Self, StoreError> {
        let (written, flushes) = mpsc::channel();
        let shared = Shared { directory: directory.to_owned(), books: Mutex::default(), written };
        let notes = Self(Arc::new(shared));
        let weak = Arc::downgrade(&notes.0);
        thread::Builder::new()
            .name("store-notes".to_owned())
            .spawn(move || look_after(&weak, &flushes))
            .map_err(|error| StoreError::Away(format!("could not start its thread for ledgers: {error}")))?;
        Ok(notes)
    }

    /// Notes a turn's ledger in place of the one before.
    pub(super) fn note(&self, id: TurnId, ledger: Ledger, answered: bool) -> Result<(), StoreError> {
        let line = line(&Line { update: id.update, ledger, answered })?;
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
        self.0.is_dirty(book);
        Ok(())
    }

    /// Notes how an answer stands in the chat at its end, where that is all that a later process must know to
    /// end it once more. Returns whether it is.
    pub(super) fn note_end(&self, id: TurnId, outcome: &Outcome) -> Result<bool, StoreError> {
        let is_there = |part: &Part| part.delivered && !part.uncertain;
        let whole = outcome.delivery.as_ref().filter(|delivery| {
            outcome.state == State::Delivered && !delivery.is_empty() && delivery.iter().all(is_there)
        });
        let Some(delivery) = whole else { return Ok(false) };
        self.note(id, Ledger { delivery: delivery.clone(), ..Ledger::default() }, true)?;
        Ok(true)
    }

    /// The turn's ledger is in the database from now on, or of no use any more.
    pub(super) fn is_over(&self, id: TurnId) {
        if let Some(book) = self.0.books().get_mut(&id.bot) {
            book.needed.remove(&id.update);
        }
    }

    /// Puts what was noted into turns that are owed. An answer was put on record with its ledger: what was noted
    /// before is older.
    pub(super) fn complete(&self, bot: i64, turns: &mut [StoredTurn]) -> Result<(), StoreError> {
        let mut noted = read(&self.path(bot))?;
        for turn in turns {
            let is_answered = turn.state == State::Answered;
            if let Some(line) = noted.remove(&turn.id.update).filter(|line| line.answered == is_answered) {
                turn.set_ledger(line.ledger);
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
        Ok(Outcome { delivery: noted.map(|line| line.ledger.delivery), ..outcome })
    }

    /// The bot is this process's, which owes these turns: what was noted of others is of no use.
    pub(super) fn take_over(&self, bot: i64, owed: &[StoredTurn]) -> Result<(), StoreError> {
        let mut books = self.0.books();
        if let Entry::Vacant(place) = books.entry(bot) {
            let mut book = Book::open(self.path(bot), owed.iter().map(|turn| turn.id.update).collect())?;
            let lines = lines_of_use(&book.path, book.bytes, &book.needed);
            let written = lines.and_then(|lines| book.take_place(write_new(&book.path, &lines)?, &[]));
            written.map_err(|error| failed(&book.path, &error))?;
            place.insert(book);
        }
        Ok(())
    }

    /// The bot is not this process's any more.
    pub(super) fn release(&self, bot: i64) {
        let book = self.0.books().remove(&bot);
        if let Some(Err(error)) = book.filter(|book| book.is_dirty).map(|book| book.file.sync_data()) {
            tracing::warn!("the disk did not take the ledgers of bot {bot}: {error}");
        }
    }

    fn path(&self, bot: i64) -> PathBuf {
        self.0.directory.join(format!("bot-{bot}.ledgers"))
    }
}

impl Shared {
    fn books(&self) -> MutexGuard<'_, HashMap<i64, Book>> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_dirty(&self, book: &mut Book) {
        if !std::mem::replace(&mut book.is_dirty, true) {
            // The thread lives as long as this.
            let _told = self.written.send(());
        }
    }

    /// Has the disk take what was noted.
    fn flush(&self) {
        let dirty: Vec<_> = {
            let mut books = self.books();
            let dirty = books.iter_mut().filter_map(|(bot, book)| {
                std::mem::take(&mut book.is_dirty).then(|| (*bot, book.file.clone()))
            });
            dirty.collect()
        };
        for (bot, file) in dirty {
            if let Err(error) = file.sync_data() {
                tracing::warn!("the disk did not take the ledgers of bot {bot}, trying again: {error}");
                if let Some(book) = self.books().get_mut(&bot) {
                    self.is_dirty(book);
                }
            }
        }
    }

    /// Writes anew what has grown. Notes wait only while what came meanwhile is added.
    fn tidy(&self) {
        let full = |(bot, book): (&i64, &Book)| (book.bytes > book.full_at_bytes).then_some(*bot);
        let bots: Vec<_> = self.books().iter().filter_map(full).collect();
        for bot in bots {
            let Err(error) = self.copy(bot).and_then(|copied| self.put_in_place(copied)) else { continue };
            tracing::debug!("the ledgers of bot {bot} can't be written anew and go on growing: {error}");
            if let Some(book) = self.books().get_mut(&bot) {
                book.full_at_bytes = book.bytes + GROWTH_BYTES;
            }
        }
    }

    fn copy(&self, bot: i64) -> io::Result<Copied> {
        let (original, path, from_bytes, needed) = {
            let books = self.books();
            let book = books.get(&bot).ok_or_else(gone)?;
            (book.file.clone(), book.path.clone(), book.bytes, book.needed.clone())
        };
        let file = write_new(&path, &lines_of_use(&path, from_bytes, &needed)?)?;
        Ok(Copied { bot, original, from_bytes, file })
    }

    fn put_in_place(&self, Copied { bot, original, from_bytes, file }: Copied) -> io::Result<()> {
        let mut books = self.books();
        let book = books.get_mut(&bot).filter(|book| Arc::ptr_eq(&book.file, &original)).ok_or_else(gone)?;
        let mut since = File::open(&book.path)?;
        since.seek(SeekFrom::Start(from_bytes))?;
        let mut lines = Vec::new();
        since.read_to_end(&mut lines)?;
        book.take_place(file, &lines)?;
        self.is_dirty(book);
        Ok(())
    }
}

fn gone() -> io::Error {
    io::Error::other("the bot is not this process's any more")
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
        Ok(())
    }

    /// A new file, with these lines added, takes the place of the old one.
    fn take_place(&mut self, mut new: File, lines: &[u8]) -> io::Result<()> {
        new.write_all(lines)?;
        fs::rename(self.path.with_extension(NEW), &self.path)?;
        // This very file: one that could not be opened again would take no more notes.
        self.bytes = new.metadata()?.len();
        self.file = Arc::new(new);
        self.full_at_bytes = self.bytes + GROWTH_BYTES;
        Ok(())
    }
}

/// The last lines of the turns that are needed, of a file's first bytes.
fn lines_of_use(path: &Path, bytes: u64, needed: &HashSet<i64>) -> io::Result<Vec<u8>> {
    let mut lines = Vec::new();
    for last in last_lines(path, bytes)?.into_values().filter(|last| needed.contains(&last.update)) {
        lines.extend(line(&last).map_err(io::Error::other)?);
    }
    Ok(lines)
}

/// A file that is to take the place of that at `path`. Its lines are on the disk, as most of those are that it
/// takes the place of.
fn write_new(path: &Path, lines: &[u8]) -> io::Result<File> {
    let mut file = append(&path.with_extension(NEW))?;
    // One may have been left behind.
    file.set_len(0)?;
    file.write_all(lines)?;
    file.sync_data()?;
    Ok(file)
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

fn read(path: &Path) -> Result<HashMap<i64, Line>, StoreError> {
    last_lines(path, u64::MAX).map_err(|error| failed(path, &error))
}

/// The last line of each turn, in a file's first bytes. A line that is torn was never answered for.
fn last_lines(path: &Path, first_bytes: u64) -> io::Result<HashMap<i64, Line>> {
    let mut bytes = Vec::new();
    match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        file => _ = file?.take(first_bytes).read_to_end(&mut bytes)?,
    }
    let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let mut last = HashMap::new();
    for line in lines {
        match serde_json::from_slice::<Line>(line) {
            Ok(line) => _ = last.insert(line.update, line),
            Err(error) => tracing::warn!("a line of '{}' can't be read: {error}", path.display()),
        }
    }
    Ok(last)
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
fn look_after(shared: &Weak<Shared>, written: &Receiver<()>) {
    while written.recv().is_ok() {
        thread::sleep(FLUSHED_AFTER);
        let Some(shared) = shared.upgrade() else { return };
        shared.flush();
        shared.tidy();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::ChatKey;
    use crate::domain::record::Timings;

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
            notes.note(id(update), ledger(status), false).unwrap();
        }
        for notes in [&notes, &Notes::new(directory.path()).unwrap()] {
            assert_eq!(found(notes), [vec![11], vec![20], vec![]]);
        }
    }

    #[test]
    fn what_was_noted_of_an_answer_on_record_counts_and_nothing_from_before() {
        let directory = tempfile::tempdir().unwrap();
        let notes = Notes::new(directory.path()).unwrap();
        notes.note(id(3), ledger(30), false).unwrap();
        assert_eq!(found(&notes)[2], [0; 0], "the answer was put on record with a newer one");
        notes.note(id(3), ledger(31), true).unwrap();
        assert_eq!(found(&notes)[2], [31]);
    }

    #[test]
    fn the_end_of_an_answer_that_is_there_as_a_whole_is_noted() {
        let directory = tempfile::tempdir().unwrap();
        let notes = Notes::new(directory.path()).unwrap();
        let part = |delivered, uncertain| Part {
            message_id: Some(9),
            delivered,
            uncertain,
            grows: false,
            attempts: 1,
            end_bytes: 5,
        };
        let ended = |state, delivery| {
            let outcome = Outcome { state, failure: None, delivery, timings: Timings::default() };
            notes.note_end(id(3), &outcome).unwrap()
        };
        assert!(!ended(State::Delivered, None));
        assert!(!ended(State::Delivered, Some(vec![])), "what a command says is no answer");
        assert!(!ended(State::Failed, Some(vec![part(true, false)])), "it would be asked again");
        assert!(!ended(State::Delivered, Some(vec![part(true, true)])), "the user would be told again");
        assert!(!ended(State::Delivered, Some(vec![part(true, false), part(false, false)])));
        assert!(ended(State::Delivered, Some(vec![part(true, false)])));
        let mut turns = [owed(3, State::Answered)];
        notes.complete(BOT, &mut turns).unwrap();
        assert_eq!(turns[0].delivery, [part(true, false)]);
    }

    #[test]
    fn a_torn_line_is_none_and_spoils_no_other() {
        let directory = tempfile::tempdir().unwrap();
        let notes = Notes::new(directory.path()).unwrap();
        notes.note(id(1), ledger(10), false).unwrap();
        let path = directory.path().join("bot-77.ledgers");
        append(&path).unwrap().write_all(b"\n{\"update\":1,\"led").unwrap();
        let notes = Notes::new(directory.path()).unwrap();
        assert_eq!(found(&notes)[0], [10]);
        notes.note(id(2), ledger(20), false).unwrap();
        assert_eq!(found(&notes), [vec![10], vec![20], vec![]]);
    }

    #[test]
    fn what_is_of_no_use_leaves_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let notes = Notes::new(directory.path()).unwrap();
        let path = directory.path().join("bot-77.ledgers");
        let bytes = || fs::metadata(&path).unwrap().len();
        for number in 0..60_000 {
            notes.note(id(1 + number % 2), ledger(number), false).unwrap();
        }
        assert!(bytes() > GROWTH_BYTES);
        let copied = notes.0.copy(BOT).unwrap();
        notes.note(id(1), ledger(70_000), false).unwrap();
        notes.0.put_in_place(copied).unwrap();
        assert!(bytes() < 1_000);
        assert_eq!(found(&notes)[..2], [vec![70_000], vec![59_999]], "what came meanwhile is kept");
        let copied = notes.0.copy(BOT).unwrap();
        notes.0.put_in_place(copied).unwrap();
        let late = notes.0.copy(BOT).unwrap();
        notes.release(BOT);
        assert!(notes.0.put_in_place(late).is_err(), "it is another's now");

        let next = Notes::new(directory.path()).unwrap();
        next.take_over(BOT, &[owed(1, State::Accepted)]).unwrap();
        assert_eq!(found(&next)[..2], [vec![70_000], vec![]]);
        next.note(id(2), ledger(5), false).unwrap();
        next.take_over(BOT, &[]).unwrap();
        assert_eq!(found(&next)[..2], [vec![70_000], vec![5]], "it has been taken over");
        next.is_over(id(1));
        let copied = next.0.copy(BOT).unwrap();
        next.0.put_in_place(copied).unwrap();
        assert_eq!(found(&next)[..2], [vec![], vec![5]]);
    }

    #[test]
    fn a_file_that_has_grown_is_written_anew_once() {
        let directory = tempfile::tempdir().unwrap();
        let notes = Notes::new(directory.path()).unwrap();
        let file = || notes.0.books().get(&BOT).unwrap().file.clone();
        notes.note(id(1), ledger(1), false).unwrap();
        let first = file();
        notes.0.tidy();
        assert!(Arc::ptr_eq(&first, &file()), "it is small");
        notes.0.books().get_mut(&BOT).unwrap().full_at_bytes = 0;
        notes.0.tidy();
        assert!(!Arc::ptr_eq(&first, &file()));
        let second = file();
        notes.0.tidy();
        assert!(Arc::ptr_eq(&second, &file()));
        assert_eq!(found(&notes)[0], [1]);
    }
}
