//! The signals by which a person, a supervisor or CI ends a process in order.

use futures::future::{pending, select_all};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Listens for SIGINT and SIGTERM, from when it is made.
#[derive(Debug)]
pub struct Stop(Vec<Signal>);

impl Stop {
    /// Begins to listen. Where that can't be done, the signals' default ends the process, which loses nothing.
    pub fn listen() -> Self {
        let kinds = [SignalKind::interrupt(), SignalKind::terminate()];
        Self(kinds.into_iter().filter_map(|kind| signal(kind).ok()).collect())
    }

    /// Waits until the process is asked to stop.
    pub async fn asked(&mut self) {
        if self.0.is_empty() {
            return pending().await;
        }
        select_all(self.0.iter_mut().map(|signal| Box::pin(signal.recv()))).await;
    }

    /// Waits until it is asked to for the second time.
    pub async fn asked_twice(&mut self) {
        self.asked().await;
        self.asked().await;
    }
}
