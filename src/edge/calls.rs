//! Calls to the world that can be ended: when another process takes this one's place, nothing that
//! still runs in this one may reach Telegram or the store.

use std::future::pending;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

/// Counts calls while they are made. Clones count together.
#[derive(Debug, Clone)]
pub struct Calls(watch::Sender<State>);

#[derive(Debug, Default)]
struct State {
    closed: bool,
    under_way: usize,
}

impl Default for Calls {
    fn default() -> Self {
        Self(watch::Sender::new(State::default()))
    }
}

/// A call is under way as long as this lives.
#[derive(Debug)]
pub struct UnderWay(watch::Sender<State>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.send_modify(|state| state.under_way -= 1);
    }
}

impl Calls {
    /// Begins a call, unless [`close`](Self::close) was called before.
    pub fn begin(&self) -> Option<UnderWay> {
        let begin = |state: &mut State| {
            state.under_way += usize::from(!state.closed);
            !state.closed
        };
        self.0.send_if_modified(begin).then(|| UnderWay(self.0.clone()))
    }

    /// Makes a call; never returns when it may not begin.
    pub async fn make<T>(&self, call: impl Future<Output = T>) -> T {
        let Some(_under_way) = self.begin() else { return pending().await };
        call.await
    }

    /// From now on no call begins. Those under way are not touched.
    pub fn close(&self) {
        self.0.send_modify(|state| state.closed = true);
    }

    /// Waits until no call has been under way, and none has begun, for `calm`.
    pub async fn rest(&self, calm: Duration) {
        let mut seen = self.0.subscribe();
        loop {
            // The sender is there as long as `self` is.
            drop(seen.wait_for(|state| state.under_way == 0).await);
            if timeout(calm, seen.changed()).await.is_err() {
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
