//! Calls to the world that can be ended: when another process takes this one's place, nothing that
//! still runs in this one may reach Telegram or the store.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::timeout;

/// Counts calls while they are made. Clones count together.
#[derive(Debug, Clone, Default)]
pub struct Calls(Arc<Counters>);

#[derive(Debug, Default)]
struct Counters {
    closed: AtomicBool,
    begun: AtomicU64,
    ended: AtomicU64,
    /// One has begun or ended.
    changed: Notify,
}

/// A call is under way as long as this lives.
#[derive(Debug)]
pub struct UnderWay(Arc<Counters>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.ended.fetch_add(1, SeqCst);
        self.0.changed.notify_waiters();
    }
}

impl Calls {
    /// Begins a call, unless [`close`](Self::close) was called before.
    pub fn begin(&self) -> Option<UnderWay> {
        if self.0.closed.load(SeqCst) {
            return None;
        }
        self.0.begun.fetch_add(1, SeqCst);
        let under_way = UnderWay(self.0.clone());
        self.0.changed.notify_waiters();
        // They may have been closed before this one was counted.
        (!self.0.closed.load(SeqCst)).then_some(under_way)
    }

    /// Makes a call; never returns when it may not begin.
    pub async fn make<T>(&self, call: impl Future<Output = T>) -> T {
        let Some(_under_way) = self.begin() else { return pending().await };
        call.await
    }

    /// From now on no call begins. Those under way are not touched.
    pub fn close(&self) {
        self.0.closed.store(true, SeqCst);
    }

    /// Waits until no call has been under way, and none has begun, for `calm`.
    pub async fn rest(&self, calm: Duration) {
        loop {
            let changed = self.0.changed.notified();
            let ended = self.0.ended.load(SeqCst);
            let is_under_way = self.0.begun.load(SeqCst) > ended;
            if is_under_way {
                changed.await;
            } else if timeout(calm, changed).await.is_err() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::future::join;
    use tokio::time::{Instant, sleep};

    use super::*;

    const CALM: Duration = Duration::from_millis(100);

    #[tokio::test(start_paused = true)]
    async fn a_call_under_way_ends_and_none_begins_after() {
        let calls = Calls::default();
        let began = Instant::now();
        let under_way = calls.make(sleep(Duration::from_millis(700)));
        let closing = async {
            calls.close();
            assert!(timeout(Duration::from_secs(60), calls.make(async {})).await.is_err());
        };
        let (under_way, ()) = join(timeout(Duration::from_secs(1), under_way), closing).await;
        assert!(under_way.is_ok());
        calls.rest(CALM).await;
        assert!(began.elapsed() < Duration::from_secs(61));
    }

    #[tokio::test(start_paused = true)]
    async fn they_rest_when_none_has_begun_for_a_while() {
        let calls = Calls::default();
        let began = Instant::now();
        let busy = async {
            for _ in 0..3 {
                calls.make(sleep(Duration::from_millis(40))).await;
                sleep(Duration::from_millis(60)).await;
            }
        };
        join(busy, calls.rest(CALM)).await;
        assert_eq!(began.elapsed(), Duration::from_millis(340));
        assert!(timeout(CALM, calls.make(pending::<()>())).await.is_err());
        calls.rest(CALM).await;
    }
}
