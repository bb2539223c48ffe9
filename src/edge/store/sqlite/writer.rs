//! The thread that owns the writing connection and commits in groups.

use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::errors::{during, thread_ended};
use super::{StoreError, Stored};

/// Writes that share one commit at most. A writer waits for the whole group, so this bounds what
/// one waits for all.
const GROUP: usize = 256;

/// How long a write that nobody waits for may wait for others to share its commit: a flush costs more
/// than the writes in it.
const COMPANY: Duration = Duration::from_millis(5);

/// A handle of the writing thread.
#[derive(Clone)]
pub(super) struct Writer {
    queue: Sender<Queued>,
}

struct Queued {
    write: Box<dyn Write>,
    awaited: bool,
}

impl Writer {
    /// Starts the thread. It ends when the last handle is gone and the queue is empty.
    pub(super) fn start(connection: Connection) -> Result<Self, StoreError> {
        let (queue, waiting) = mpsc::channel();
        thread::Builder::new()
            .name("store-write".to_owned())
            .spawn(move || write_all(connection, &waiting))
            .map_err(|error| StoreError::Away(format!("could not start its writing thread: {error}")))?;
        Ok(Self { queue })
    }

    /// Queues a write. What it returns holds once its group is committed, and is told only then.
    pub(super) fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Stored<T> {
        self.queue(work, true)
    }

    /// The same for a write that nobody waits for: it may be committed a little later, with others.
    pub(super) fn run_soon<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Stored<T> {
        self.queue(work, false)
    }

    fn queue<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
        awaited: bool,
    ) -> Stored<T> {
        let (waiter, answer) = oneshot::channel();
        // When the thread is gone the write is dropped here and `answer` says so.
        let write = Box::new(Waiting { work: Some(work), done: None, waiter });
        let _ = self.queue.send(Queued { write, awaited });
        Box::pin(async move { answer.await.unwrap_or_else(|_| Err(thread_ended())) })
    }
}

fn write_all(connection: Connection, waiting: &Receiver<Queued>) {
    while let Ok(first) = waiting.recv() {
        let mut group = gather(first, waiting);
        let committed = commit(&connection, &mut group);
        for write in group {
            write.answer(&committed);
        }
    }
}

/// What is committed together with `first`: all that waits, and, as long as nobody waits for any of
/// it, what comes within [`COMPANY`].
fn gather(first: Queued, waiting: &Receiver<Queued>) -> Vec<Box<dyn Write>> {
    let end = Instant::now() + COMPANY;
    let mut awaited = first.awaited;
    let mut group = vec![first.write];
    while group.len() < GROUP {
        let next = match awaited {
            true => waiting.try_recv().ok(),
            false => waiting.recv_timeout(end.saturating_duration_since(Instant::now())).ok(),
        };
        let Some(next) = next else { break };
        awaited |= next.awaited;
        group.push(next.write);
    }
    group
}

fn commit(connection: &Connection, group: &mut [Box<dyn Write>]) -> Result<(), StoreError> {
    run(connection, "begin a transaction", "BEGIN IMMEDIATE")?;
    let is_alone = group.len() == 1;
    let mut applied = group.iter_mut().map(|write| write.apply(connection, is_alone));
    let done = applied.try_for_each(|applied| applied).and_then(|()| run(connection, "commit", "COMMIT"));
    // Some errors have ended the transaction already.
    if done.is_err() && !connection.is_autocommit() {
        run(connection, "roll back", "ROLLBACK")?;
    }
    done
}

/// What fails a whole group says nothing about any one write of it, so each may be tried again.
fn away(error: StoreError) -> StoreError {
    match error {
        StoreError::Refused(text) => StoreError::Away(text),
        away => away,
    }
}

/// A queued write of any type.
trait Write: Send {
    /// Carries it out inside the group's transaction. An error here is the whole group's; one that
    /// is alone needs no savepoint.
    fn apply(&mut self, transaction: &Connection, is_alone: bool) -> Result<(), StoreError>;

    /// Tells the waiter.
    fn answer(self: Box<Self>, committed: &Result<(), StoreError>);
}

struct Waiting<T, F> {
    work: Option<F>,
    done: Option<Result<T, StoreError>>,
    waiter: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, F> Write for Waiting<T, F>
where
    T: Send,
    F: FnOnce(&Connection) -> Result<T, StoreError> + Send,
{
    fn apply(&mut self, transaction: &Connection, is_alone: bool) -> Result<(), StoreError> {
        let Some(work) = self.work.take() else { return Ok(()) };
        if is_alone {
            self.done = Some(Ok(work(transaction)?));
            return Ok(());
        }
        run(transaction, "set a savepoint", "SAVEPOINT work")?;
        let done = work(transaction);
        // A full disk and the like can end the transaction itself, and the writes before with it.
        if transaction.is_autocommit() {
            let lost = || StoreError::Away("the transaction was rolled back".to_owned());
            return Err(done.err().map_or_else(lost, away));
        }
        if done.is_err() {
            run(transaction, "set a savepoint", "ROLLBACK TO work")?;
        }
        run(transaction, "set a savepoint", "RELEASE work")?;
        self.done = Some(done);
        Ok(())
    }

    fn answer(self: Box<Self>, committed: &Result<(), StoreError>) {
        let done = match (committed, self.done) {
            (Ok(()), Some(done)) => done,
            (Err(error), _) => Err(error.clone()),
            (Ok(()), None) => Err(thread_ended()),
        };
        // Whoever asked may have gone; the write is done all the same.
        let _ = self.waiter.send(done);
    }
}

/// A statement that every group or write needs: it is parsed once. An error ends the transaction, and
/// all of the group with it.
fn run(connection: &Connection, doing: &'static str, statement: &str) -> Result<(), StoreError> {
    let done = connection.prepare_cached(statement).and_then(|mut statement| statement.execute([]));
    done.map(|_| ()).map_err(|error| away(during(doing)(error)))
}
