//! The thread that owns the writing connection and commits in groups.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::errors::{during, thread_ended};
use super::{Haste, StoreError, Stored};

/// Writes that share one commit at most. A writer waits for the whole group, so this bounds what
/// one waits for all.
const GROUP: usize = 256;
/// So many that wait are company enough: their commit waits for no more.
const COMPANY: usize = 16;
/// How long a write that has time may wait for others to share its commit.
const PATIENCE: Duration = Duration::from_millis(10);

/// A handle of the writing thread.
#[derive(Clone)]
pub(super) struct Writer(Arc<Handle>);

/// When the last one is gone, the thread ends.
struct Handle(Arc<Queue>);

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.lock().closed = true;
        self.0.changed.notify_one();
    }
}

impl Writer {
    /// Starts the thread. It ends when the last handle is gone and the queue is empty.
    pub(super) fn start(connection: Connection) -> Result<Self, StoreError> {
        let queue = Arc::new(Queue::new(PATIENCE));
        let waiting = queue.clone();
        thread::Builder::new()
            .name("store-write".to_owned())
            .spawn(move || write_all(connection, &waiting))
            .map_err(|error| StoreError::Away(format!("could not start its writing thread: {error}")))?;
        Ok(Self(Arc::new(Handle(queue))))
    }

    /// Queues a write, which changes the file with one statement at most: SQLite carries out a statement as a
    /// whole or not at all, so what fails leaves nothing behind in its group's transaction. What it returns
    /// holds once the group is committed, and is told only then.
    pub(super) fn run<T: Send + 'static>(
        &self,
        haste: Haste,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Stored<T> {
        let (waiter, answer) = oneshot::channel();
        self.0.0.push(Box::new(Waiting { work: Some(work), done: None, waiter }), haste);
        Box::pin(async move { answer.await.unwrap_or_else(|_| Err(thread_ended())) })
    }

    /// Somebody waits for what is queued.
    pub(super) fn hurry(&self) {
        self.0.0.hurry();
    }
}

/// Writes that wait for the thread.
struct Queue {
    /// See [`PATIENCE`].
    patience: Duration,
    waiting: Mutex<Writes>,
    changed: Condvar,
}

#[derive(Default)]
struct Writes {
    writes: VecDeque<Box<dyn Write>>,
    /// That of the least patient of them.
    patience: Duration,
    /// The last commit was shared, so the next is likely to be.
    has_company: bool,
    /// No more will come, or nobody is there to take them.
    closed: bool,
}

impl Queue {
    fn new(patience: Duration) -> Self {
        Self { patience, waiting: Mutex::default(), changed: Condvar::new() }
    }

    /// How long a write may wait for others to share its commit, as a flush costs more than the writes in
    /// it. One that somebody waits for does so only where others are likely to come.
    fn patience(&self, haste: Haste, has_company: bool) -> Duration {
        match haste {
            Haste::AtOnce => Duration::ZERO,
            Haste::Soon if !has_company => Duration::ZERO,
            Haste::Soon | Haste::InCompany => self.patience,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Writes> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The thread is woken only where that changes what it does. What is pushed after its end is dropped,
    /// which tells its waiter.
    fn push(&self, write: Box<dyn Write>, haste: Haste) {
        let mut waiting = self.lock();
        if waiting.closed {
            return;
        }
        let patience = self.patience(haste, waiting.has_company);
        let is_more_urgent = waiting.writes.is_empty() || patience < waiting.patience;
        if is_more_urgent {
            waiting.patience = patience;
        }
        waiting.writes.push_back(write);
        let wakes = is_more_urgent || waiting.writes.len() == COMPANY;
        drop(waiting);
        if wakes {
            self.changed.notify_one();
        }
    }

    fn hurry(&self) {
        let mut waiting = self.lock();
        let patience = self.patience(Haste::Soon, waiting.has_company);
        if !waiting.writes.is_empty() && patience < waiting.patience {
            waiting.patience = patience;
            self.changed.notify_one();
        }
    }

    /// What is to be committed together next: all that waits, and what comes while all of it has patience
    /// and is not company enough. None at the end.
    fn next_group(&self) -> Option<Vec<Box<dyn Write>>> {
        let idle = |waiting: &mut Writes| waiting.writes.is_empty() && !waiting.closed;
        let mut waiting = self.changed.wait_while(self.lock(), idle).unwrap_or_else(PoisonError::into_inner);
        let began = Instant::now();
        while !waiting.closed && waiting.writes.len() < COMPANY {
            let left = waiting.patience.saturating_sub(began.elapsed());
            if left.is_zero() {
                break;
            }
            let woken = self.changed.wait_timeout(waiting, left);
            waiting = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
        let count = waiting.writes.len().min(GROUP);
        let group: Vec<_> = waiting.writes.drain(..count).collect();
        // What is left has waited.
        waiting.patience = Duration::ZERO;
        waiting.has_company = count > 1;
        (!group.is_empty()).then_some(group)
    }
}

/// The thread has ended, maybe by a panic: nothing waits in vain.
struct Closing<'a>(&'a Queue);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        let mut waiting = self.0.lock();
        waiting.closed = true;
        waiting.writes.clear();
    }
}

fn write_all(connection: Connection, queue: &Queue) {
    let _closing = Closing(queue);
    while let Some(mut group) = queue.next_group() {
        let committed = commit(&connection, &mut group);
        for write in group {
            write.answer(&committed);
        }
    }
}

fn commit(connection: &Connection, group: &mut [Box<dyn Write>]) -> Result<(), StoreError> {
    run(connection, "begin a transaction", "BEGIN IMMEDIATE")?;
    let mut applied = group.iter_mut().map(|write| write.apply(connection));
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
    /// Carries it out inside the group's transaction. An error here is the whole group's.
    fn apply(&mut self, transaction: &Connection) -> Result<(), StoreError>;

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
    fn apply(&mut self, transaction: &Connection) -> Result<(), StoreError> {
        let Some(work) = self.work.take() else { return Ok(()) };
        let done = work(transaction);
        // A full disk and the like can end the transaction itself, and the writes before with it.
        if transaction.is_autocommit() {
            let lost = || StoreError::Away("the transaction was rolled back".to_owned());
            return Err(done.err().map_or_else(lost, away));
        }
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

/// A statement that every group needs: it is parsed once. An error ends the transaction, and all of the
/// group with it.
fn run(connection: &Connection, doing: &'static str, statement: &str) -> Result<(), StoreError> {
    let done = connection.prepare_cached(statement).and_then(|mut statement| statement.execute([]));
    done.map(|_| ()).map_err(|error| away(during(doing)(error)))
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn write() -> Box<dyn Write> {
        Box::new(Waiting { work: Some(|_: &Connection| Ok(())), done: None, waiter: oneshot::channel().0 })
    }

    /// How many writes the next group has; none when it does not come.
    fn group(queue: &Arc<Queue>) -> Option<usize> {
        let (sender, receiver) = mpsc::channel();
        let queue = queue.clone();
        thread::spawn(move || sender.send(queue.next_group().map_or(0, |group| group.len())));
        receiver.recv_timeout(Duration::from_secs(10)).ok()
    }

    /// A queue of which what has time waits for longer than any test.
    fn queue() -> Arc<Queue> {
        Arc::new(Queue::new(HOUR))
    }

    fn push(queue: &Queue, writes: usize, haste: Haste) {
        (0..writes).for_each(|_| queue.push(write(), haste));
    }

    #[test]
    fn what_has_time_goes_with_what_has_none() {
        let queue = queue();
        push(&queue, 2, Haste::InCompany);
        push(&queue, 1, Haste::AtOnce);
        push(&queue, 1, Haste::InCompany);
        assert_eq!(group(&queue), Some(4));
    }

    #[test]
    fn what_somebody_waits_for_waits_only_where_others_are_likely_to_come() {
        let queue = queue();
        push(&queue, 1, Haste::Soon);
        assert_eq!(group(&queue), Some(1), "nobody else was there");
        push(&queue, 2, Haste::AtOnce);
        assert_eq!(group(&queue), Some(2));
        push(&queue, 1, Haste::Soon);
        assert_eq!(queue.lock().patience, HOUR, "there was company");
        push(&queue, 1, Haste::AtOnce);
        assert_eq!(group(&queue), Some(2));
    }

    #[test]
    fn company_enough_waits_for_no_more() {
        let queue = queue();
        push(&queue, COMPANY, Haste::InCompany);
        assert_eq!(group(&queue), Some(COMPANY));
    }

    #[test]
    fn what_has_time_can_be_hurried() {
        let queue = queue();
        queue.hurry();
        push(&queue, 1, Haste::InCompany);
        queue.hurry();
        assert_eq!(group(&queue), Some(1));
    }

    #[test]
    fn at_the_end_all_that_waits_is_written_at_once() {
        let queue = queue();
        push(&queue, 1, Haste::InCompany);
        drop(Handle(queue.clone()));
        assert_eq!((group(&queue), group(&queue)), (Some(1), Some(0)));
    }
}
