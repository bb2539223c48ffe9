//! The thread that owns the reading connection, so that a long export never delays a write.

use std::sync::mpsc::{self, Sender};
use std::thread;

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::errors::thread_ended;
use super::{StoreError, Stored};

type Read = Box<dyn FnOnce(&Connection) + Send>;

/// A handle of the reading thread.
#[derive(Clone)]
pub(super) struct Reader {
    queue: Sender<Read>,
}

impl Reader {
    /// Starts the thread. It ends when the last handle is gone and the queue is empty.
    pub(super) fn start(connection: Connection) -> Result<Self, StoreError> {
        let (queue, waiting) = mpsc::channel::<Read>();
        thread::Builder::new()
            .name("store-read".to_owned())
            .spawn(move || waiting.into_iter().for_each(|read| read(&connection)))
            .map_err(|error| StoreError::Away(format!("could not start its reading thread: {error}")))?;
        Ok(Self { queue })
    }

    /// Queues a read. It sees every write that was answered before.
    pub(super) fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Stored<T> {
        let (waiter, answer) = oneshot::channel();
        let read: Read = Box::new(move |connection| {
            // Nobody needs an answer that nobody waits for.
            if !waiter.is_closed() {
                let _ = waiter.send(work(connection));
            }
        });
        // When the thread is gone the read is dropped here and `answer` says so.
        let _ = self.queue.send(read);
        Box::pin(async move { answer.await.unwrap_or_else(|_| Err(thread_ended())) })
    }
}
