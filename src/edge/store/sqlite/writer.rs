//! The thread that owns the writing connection and commits in groups.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::errors::{during, thread_ended};
use super::gathering::Gathering;
use super::{Haste, StoreError, Stored};

/// Writes that share one commit at most. A writer waits for the whole group, so this bounds what
/// one waits for all.
const GROUP: u32 = 256;

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
        let queue = Arc::new(Queue::default());
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
#[derive(Default)]
struct Queue {
    waiting: Mutex<Writes>,
    changed: Condvar,
}

#[derive(Default)]
struct Writes {
    writes: VecDeque<Box<dyn Write>>,
    gathering: Gathering,
    /// No more will come, or nobody is there to take them.
    closed: bool,
}

impl Queue {
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
        waiting.writes.push_back(write);
        let is_earlier = waiting.gathering.came(haste, real_now());
        drop(waiting);
        if is_earlier {
            self.changed.notify_one();
        }
    }

    fn hurry(&self) {
        if self.lock().gathering.hurry(real_now()) {
            self.changed.notify_one();
        }
    }

    /// What is to be committed together next. None at the end.
    fn next_group(&self) -> Option<Vec<Box<dyn Write>>> {
        let mut waiting = self.lock();
        while !waiting.closed {
            let Some(goes_at) = waiting.gathering.goes_at() else {
                waiting = self.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let left = goes_at.saturating_duration_since(real_now());
            if left.is_zero() {
                break;
            }
            let woken = self.changed.wait_timeout(waiting, left);
            waiting = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
        let count = waiting.gathering.go(GROUP, real_now());
        let group: Vec<_> = waiting.writes.drain(..count as usize).collect();
        (!group.is_empty()).then_some(group)
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the thread waits in real time, also where a runtime's is paused"
)]
fn real_now() -> Instant {
    Instant::now()
}

/// The thread has ended, maybe by a panic: nothing waits in vain.
struct Closing<'a>(&'a Queue);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        let mut waiting = self.0.lock();
        *waiting = Writes { closed: true, ..Writes::default() };
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
    use std::time::Duration;

    use super::*;

    fn push(queue: &Queue, writes: u32, haste: Haste) {
        for _ in 0..writes {
            let waiter = oneshot::channel().0;
            queue.push(Box::new(Waiting { work: Some(|_: &Connection| Ok(())), done: None, waiter }), haste);
        }
    }

    /// How many writes each of the next groups has.
    fn groups(queue: &Arc<Queue>) -> mpsc::Receiver<u32> {
        let (sender, receiver) = mpsc::channel();
        let queue = queue.clone();
        thread::spawn(move || {
            while let Some(group) = queue.next_group() {
                let _ = sender.send(group.len() as u32);
            }
        });
        receiver
    }

    /// None when it does not come, or when there is no more.
    fn next(groups: &mpsc::Receiver<u32>) -> Option<u32> {
        groups.recv_timeout(Duration::from_secs(10)).ok()
    }

    #[test]
    fn what_waits_is_taken_in_groups_of_bounded_size() {
        let queue = Arc::<Queue>::default();
        push(&queue, GROUP + 3, Haste::InCompany);
        let groups = groups(&queue);
        assert_eq!((next(&groups), next(&groups)), (Some(GROUP), Some(3)));
    }

    #[test]
    fn a_thread_that_waits_is_woken_by_what_comes() {
        let queue = Arc::<Queue>::default();
        let groups = groups(&queue);
        for haste in [Haste::AtOnce, Haste::Soon, Haste::InCompany] {
            push(&queue, 1, haste);
            assert_eq!(next(&groups), Some(1), "{haste:?}");
        }
    }

    #[test]
    fn at_the_end_all_that_waits_is_written() {
        let queue = Arc::<Queue>::default();
        push(&queue, 1, Haste::InCompany);
        drop(Handle(queue.clone()));
        let groups = groups(&queue);
        assert_eq!((next(&groups), next(&groups)), (Some(1), None));
    }
}
