//! A stream that must not fall silent.

use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use futures::{Stream, StreamExt};
use tokio::time::{Instant, Sleep, sleep_until};

/// What is as good as for ever, and still can be added to any instant.
const FOR_EVER: Duration = Duration::from_secs(60 * 60 * 24 * 365);

/// The stream fell silent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Silence {
    /// No event came.
    BeforeFirst,
    /// Nothing came any more.
    Between,
}

/// How long a stream may be silent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// From `started` to the first event. What else comes does not prolong it.
    pub first: Duration,
    /// From whatever comes to the next.
    pub idle: Duration,
}

/// Hands on a stream's items, and says when they stay away for too long. Which of them make up an
/// event is told by whoever reads them.
///
/// There is one timer for all items, and none as long as the stream is never waited for.
pub struct Watch<S> {
    inner: S,
    /// When the next event is due; once there was one, anything that comes puts it off.
    deadline: Instant,
    idle: Duration,
    begun: bool,
    item: bool,
    event: bool,
    alarm: Option<Alarm>,
}

/// A timer, and whom it will wake.
struct Alarm {
    sleep: Pin<Box<Sleep>>,
    deadline: Instant,
    wakes: Option<Waker>,
}

impl Alarm {
    fn new(deadline: Instant) -> Self {
        Self { sleep: Box::pin(sleep_until(deadline)), deadline, wakes: None }
    }

    /// Whether it need not be looked at: it will wake the one who asks, not too late. When it does so
    /// too early it is set anew; mostly something has come again by then.
    fn is_set(&self, deadline: Instant, now: Instant, cx: &Context<'_>) -> bool {
        let wakes = self.wakes.as_ref().is_some_and(|waker| waker.will_wake(cx.waker()));
        wakes && now < self.deadline && self.deadline <= deadline
    }

    fn poll(&mut self, deadline: Instant, cx: &mut Context<'_>) -> Poll<()> {
        if self.deadline > deadline {
            self.set(deadline);
        }
        self.wakes = Some(cx.waker().clone());
        loop {
            ready!(self.sleep.as_mut().poll(cx));
            if self.deadline >= deadline {
                return Poll::Ready(());
            }
            self.set(deadline);
        }
    }

    fn set(&mut self, deadline: Instant) {
        self.deadline = deadline;
        self.sleep.as_mut().reset(deadline);
    }
}

impl<S> Watch<S> {
    /// Watches `inner`; the first event is due `patience.first` after `started`.
    pub fn new(inner: S, started: Instant, patience: Patience) -> Self {
        let (deadline, idle) = (after(started, patience.first), patience.idle);
        Self { inner, deadline, idle, begun: false, item: false, event: false, alarm: None }
    }

    /// What has come holds an event.
    pub fn event(&mut self) {
        self.event = true;
    }

    fn poll_silence(&mut self, cx: &mut Context<'_>) -> Poll<Silence> {
        let now = Instant::now();
        let (item, event) = (std::mem::take(&mut self.item), std::mem::take(&mut self.event));
        self.begun |= event;
        if event || item && self.begun {
            self.deadline = after(now, self.idle);
        }
        let alarm = self.alarm.get_or_insert_with(|| Alarm::new(self.deadline));
        if alarm.is_set(self.deadline, now, cx) {
            return Poll::Pending;
        }
        let silence = if self.begun { Silence::Between } else { Silence::BeforeFirst };
        alarm.poll(self.deadline, cx).map(|()| silence)
    }
}

fn after(start: Instant, wait: Duration) -> Instant {
    start + wait.min(FOR_EVER)
}

impl<S: Stream + Unpin> Stream for Watch<S> {
    type Item = Result<S::Item, Silence>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match self.inner.poll_next_unpin(cx) {
            Poll::Ready(Some(item)) => {
                self.item = true;
                Poll::Ready(Some(Ok(item)))
            }
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => self.poll_silence(cx).map(|silence| Some(Err(silence))),
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::stream::{self, BoxStream};
    use tokio::time::{advance, sleep};

    use super::*;

    const PATIENCE: Patience = Patience { first: Duration::from_secs(60), idle: Duration::from_secs(10) };

    /// A stream whose items come after these many seconds each; one with a minus is no event.
    fn at(pauses: &'static [i64]) -> BoxStream<'static, i64> {
        stream::iter(pauses)
            .then(async |&pause| {
                sleep(Duration::from_secs(pause.unsigned_abs())).await;
                pause
            })
            .boxed()
    }

    /// The next item that is an event.
    async fn next<S: Stream<Item = i64> + Unpin>(watch: &mut Watch<S>) -> Option<Result<i64, Silence>> {
        loop {
            match watch.next().await {
                Some(Ok(beat)) if beat < 0 => {}
                item => {
                    watch.event();
                    return item;
                }
            }
        }
    }

    async fn watched(pauses: &'static [i64]) -> (Vec<Result<i64, Silence>>, u64) {
        let started = Instant::now();
        let mut watch = Watch::new(at(pauses), started, PATIENCE);
        let mut items = Vec::new();
        while let Some(item) = next(&mut watch).await {
            items.push(item);
            if item.is_err() {
                break;
            }
        }
        (items, started.elapsed().as_secs())
    }

    #[tokio::test(start_paused = true)]
    async fn items_in_time_pass() {
        assert_eq!(watched(&[59, 9, 9, 9]).await.0, [Ok(59), Ok(9), Ok(9), Ok(9)]);
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_item_has_its_own_limit() {
        assert_eq!(watched(&[61]).await, (vec![Err(Silence::BeforeFirst)], 60));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_no_event_does_not_prolong_the_wait_for_the_first() {
        assert_eq!(watched(&[-25, -25, 25]).await, (vec![Err(Silence::BeforeFirst)], 60));
    }

    #[tokio::test(start_paused = true)]
    async fn silence_between_items_is_told_when_it_is_due() {
        assert_eq!(watched(&[1, 9, 11]).await, (vec![Ok(1), Ok(9), Err(Silence::Between)], 20));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_no_event_counts_as_life_between_events() {
        assert_eq!(watched(&[1, -9, -9, 9]).await.0, [Ok(1), Ok(9)]);
        assert_eq!(watched(&[1, -9, -11, 9]).await, (vec![Ok(1), Err(Silence::Between)], 20));
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_reader_is_not_the_streams_fault() {
        let mut watch = Watch::new(at(&[1, 0, 0, 5]), Instant::now(), PATIENCE);
        for _ in 0..3 {
            assert!(next(&mut watch).await.is_some_and(|item| item.is_ok()));
            advance(Duration::from_secs(100)).await;
        }
        assert_eq!(next(&mut watch).await, Some(Ok(5)));
        assert_eq!(next(&mut watch).await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn endless_patience_does_not_overflow() {
        let patience = Patience { first: Duration::MAX, idle: Duration::MAX };
        let mut watch = Watch::new(at(&[1, 1]), Instant::now(), patience);
        assert_eq!(next(&mut watch).await, Some(Ok(1)));
        assert_eq!(next(&mut watch).await, Some(Ok(1)));
    }
}
