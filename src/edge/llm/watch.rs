//! A stream that must not fall silent.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures::Stream;
use tokio::time::{Instant, Sleep, sleep_until};

/// What is as good as for ever, and still can be added to any instant.
const FOR_EVER: Duration = Duration::from_secs(60 * 60 * 24 * 365);

/// A sign of life from below a [`Watch`]: something came that is no item.
#[derive(Debug, Clone, Default)]
pub struct Pulse(Arc<AtomicBool>);

impl Pulse {
    /// Something came.
    pub fn beat(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn take(&self) -> bool {
        self.0.swap(false, Ordering::Relaxed)
    }
}

/// The stream fell silent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Silence {
    /// Nothing came at all.
    BeforeFirst,
    /// Nothing came after the last item or beat.
    Between,
}

/// How long a stream may be silent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// From `started` to the first item. Beats don't prolong it.
    pub first: Duration,
    /// From an item or a beat to the next.
    pub idle: Duration,
}

/// Hands on a stream's items, and says when they stay away for too long.
///
/// There is one timer for all items, and none as long as the stream is never waited for.
pub struct Watch<S> {
    inner: Pin<Box<S>>,
    pulse: Pulse,
    patience: Patience,
    started: Instant,
    /// When the stream was last waited for after something had come.
    last: Option<Instant>,
    came: bool,
    alarm: Option<Pin<Box<Sleep>>>,
}

impl<S: Stream> Watch<S> {
    /// Watches `inner`; the first item is due `patience.first` after `started`.
    pub fn new(inner: S, pulse: Pulse, started: Instant, patience: Patience) -> Self {
        Self { inner: Box::pin(inner), pulse, patience, started, last: None, came: false, alarm: None }
    }

    fn poll_silence(&mut self, cx: &mut Context<'_>) -> Poll<Silence> {
        let alive = self.pulse.take();
        if self.came || (alive && self.last.is_some()) {
            self.came = false;
            self.last = Some(Instant::now());
        }
        let (deadline, silence) = match self.last {
            Some(last) => (after(last, self.patience.idle), Silence::Between),
            None => (after(self.started, self.patience.first), Silence::BeforeFirst),
        };
        let alarm = self.alarm.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        // It may only ring too early, never too late: rung early, it is set anew.
        if alarm.deadline() > deadline {
            alarm.as_mut().reset(deadline);
        }
        loop {
            ready!(alarm.as_mut().poll(cx));
            if alarm.deadline() >= deadline {
                return Poll::Ready(silence);
            }
            alarm.as_mut().reset(deadline);
        }
    }
}

fn after(start: Instant, wait: Duration) -> Instant {
    start + wait.min(FOR_EVER)
}

impl<S: Stream> Stream for Watch<S> {
    type Item = Result<S::Item, Silence>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match self.inner.as_mut().poll_next(cx) {
            Poll::Ready(Some(item)) => {
                self.came = true;
                Poll::Ready(Some(Ok(item)))
            }
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => self.poll_silence(cx).map(|silence| Some(Err(silence))),
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::{StreamExt, stream};
    use tokio::time::{advance, sleep};

    use super::*;

    const PATIENCE: Patience = Patience { first: Duration::from_secs(60), idle: Duration::from_secs(10) };

    /// A stream whose items come after these many seconds each; a minus is a beat only.
    fn at(pauses: &'static [i64], pulse: Pulse) -> impl Stream<Item = i64> {
        stream::iter(pauses)
            .then(move |&pause| {
                let pulse = pulse.clone();
                async move {
                    sleep(Duration::from_secs(pause.unsigned_abs())).await;
                    pulse.beat();
                    pause
                }
            })
            .filter(|&pause| std::future::ready(pause >= 0))
    }

    async fn watched(pauses: &'static [i64]) -> (Vec<Result<i64, Silence>>, u64) {
        let (pulse, started) = (Pulse::default(), Instant::now());
        let mut watch = Watch::new(at(pauses, pulse.clone()), pulse, started, PATIENCE);
        let mut items = Vec::new();
        while let Some(item) = watch.next().await {
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
    async fn beats_do_not_prolong_the_wait_for_the_first() {
        assert_eq!(watched(&[-25, -25, 25]).await, (vec![Err(Silence::BeforeFirst)], 60));
    }

    #[tokio::test(start_paused = true)]
    async fn silence_between_items_is_told_when_it_is_due() {
        assert_eq!(watched(&[1, 9, 11]).await, (vec![Ok(1), Ok(9), Err(Silence::Between)], 20));
    }

    #[tokio::test(start_paused = true)]
    async fn beats_count_as_life_between_items() {
        assert_eq!(watched(&[1, -9, -9, 9]).await.0, [Ok(1), Ok(9)]);
        assert_eq!(watched(&[1, -9, -11, 9]).await, (vec![Ok(1), Err(Silence::Between)], 20));
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_reader_is_not_the_streams_fault() {
        let (pulse, started) = (Pulse::default(), Instant::now());
        let mut watch = Watch::new(at(&[1, 0, 0, 5], pulse.clone()), pulse, started, PATIENCE);
        for _ in 0..3 {
            assert!(watch.next().await.is_some_and(|item| item.is_ok()));
            advance(Duration::from_secs(100)).await;
        }
        assert_eq!(watch.next().await, Some(Ok(5)));
        assert_eq!(watch.next().await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn endless_patience_does_not_overflow() {
        let patience = Patience { first: Duration::MAX, idle: Duration::MAX };
        let mut watch = Watch::new(at(&[1, 1], Pulse::default()), Pulse::default(), Instant::now(), patience);
        assert_eq!(watch.next().await, Some(Ok(1)));
        assert_eq!(watch.next().await, Some(Ok(1)));
    }
}
