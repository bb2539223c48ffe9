//! A store whose outages are logged: a line when it goes away, one now and then, one when it is back;
//! and that can be closed.
//!
//! With two hundred chats waiting for it, a line for each call that fails would be thousands a minute.

use std::future::pending;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

use super::owner::Owner;
use super::{Filter, Haste, Recorded, SessionSummary, Store, StoreError, Stored};
use crate::domain::chat::ChatMessage;
use crate::domain::ids::{ChatKey, TurnId};
use crate::domain::record::{Answer, Ledger, NewTurn, Outcome, StoredTurn};
use crate::edge::calls::{Calls, UnderWay};

/// Between two lines that say that the store is away.
const SAID_EVERY: Duration = Duration::from_secs(10);

/// Without a failure for so long, a call that is done is the end of the outage.
const CALM: Duration = Duration::from_secs(1);

/// What all handles of a watched store share.
#[derive(Debug, Clone, Default)]
pub struct Watch {
    outages: Arc<Mutex<Outages>>,
    calls: Calls,
}

impl Watch {
    /// The calls that are made, but for claims.
    pub fn calls(&self) -> &Calls {
        &self.calls
    }
}

#[derive(Debug, Default)]
struct Outages {
    outage: Option<Outage>,
    said: Option<Instant>,
}

#[derive(Debug)]
struct Outage {
    began: Instant,
    last: Instant,
    failures: u64,
}

/// What is to be said.
#[derive(Debug, PartialEq, Eq)]
enum News {
    /// It has gone away.
    Away,
    /// It still is.
    StillAway { after: Duration, failures: u64 },
    /// It takes calls again.
    Back { after: Duration, failures: u64 },
}

impl Outages {
    fn failed(&mut self, now: Instant) -> Option<News> {
        let outage = self.outage.get_or_insert(Outage { began: now, last: now, failures: 0 });
        (outage.last, outage.failures) = (now, outage.failures + 1);
        if self.said.is_some_and(|said| now - said < SAID_EVERY) {
            return None;
        }
        self.said = Some(now);
        let (after, failures) = (now - outage.began, outage.failures);
        Some(if failures == 1 { News::Away } else { News::StillAway { after, failures } })
    }

    fn done(&mut self, now: Instant) -> Option<News> {
        let outage = self.outage.take_if(|outage| now - outage.last >= CALM)?;
        let is_told = self.said.is_some_and(|said| said >= outage.began);
        is_told.then(|| News::Back { after: now - outage.began, failures: outage.failures })
    }
}

/// A handle of a store that is watched.
pub struct Watched {
    store: Arc<dyn Store>,
    watch: Watch,
}

impl Watched {
    /// Watches `store`, with whoever has the same `watch`.
    pub fn new(store: Arc<dyn Store>, watch: Watch) -> Self {
        Self { store, watch }
    }

    fn watched<T: Send + 'static>(
        &self,
        kind: Kind,
        call: Stored<T>,
        under_way: Option<UnderWay>,
    ) -> Stored<T> {
        let outages = self.watch.outages.clone();
        Box::pin(async move {
            let _under_way = under_way;
            let result = call.await;
            tell(&outages, kind, result.as_ref().err());
            result
        })
    }

    /// Makes a call that belongs to a turn: none begins when the calls are closed.
    fn counted<T: Send + 'static>(
        &self,
        kind: Kind,
        call: impl FnOnce(&dyn Store) -> Stored<T>,
    ) -> Stored<T> {
        let Some(under_way) = self.watch.calls.begin() else { return Box::pin(pending()) };
        self.watched(kind, call(self.store.as_ref()), Some(under_way))
    }

    fn write<T: Send + 'static>(&self, call: impl FnOnce(&dyn Store) -> Stored<T>) -> Stored<T> {
        self.counted(Kind::Write, call)
    }

    fn read<T: Send + 'static>(&self, call: impl FnOnce(&dyn Store) -> Stored<T>) -> Stored<T> {
        self.counted(Kind::Read, call)
    }
}

/// What a call shows when it is done: a store that can be read, or takes notes, may take no writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Write,
    Read,
}

/// A call is over. A store that refuses is there.
fn tell(outages: &Mutex<Outages>, kind: Kind, error: Option<&StoreError>) {
    let mut outages = outages.lock().unwrap_or_else(PoisonError::into_inner);
    let away = error.filter(|error| error.may_pass());
    let news = match away {
        Some(_) => outages.failed(Instant::now()),
        None if kind == Kind::Write => outages.done(Instant::now()),
        None => None,
    };
    let why = away.map(StoreError::to_string).unwrap_or_default();
    match news {
        None => {}
        Some(News::Away) => tracing::error!(
            "{why}; until it is back no update is taken, and what turns in flight have to write is kept"
        ),
        Some(News::StillAway { after, failures }) => {
            tracing::error!("for {} s now, in {failures} calls: {why}", after.as_secs());
        }
        Some(News::Back { after, failures }) => {
            tracing::warn!("the store is back after {after:.1?}, in which {failures} calls failed");
        }
    }
}

impl Store for Watched {
    fn with_own_connections(&self) -> Result<Arc<dyn Store>, StoreError> {
        Ok(Arc::new(Self::new(self.store.with_own_connections()?, self.watch.clone())))
    }

    fn record(&self, turn: NewTurn) -> Stored<Recorded> {
        self.write(|store| store.record(turn))
    }

    fn save_answer(&self, id: TurnId, answer: Answer, haste: Haste) -> Stored<()> {
        self.write(|store| store.save_answer(id, answer, haste))
    }

    fn save_delivery(&self, id: TurnId, ledger: Ledger, is_answered: bool) -> Stored<()> {
        // A note shows nothing of how commits fare.
        self.read(|store| store.save_delivery(id, ledger, is_answered))
    }

    fn hurry(&self) {
        self.store.hurry();
    }

    fn save_messages(&self, id: TurnId, messages: Vec<ChatMessage>) -> Stored<()> {
        self.write(|store| store.save_messages(id, messages))
    }

    fn count_panic(&self, ids: Vec<TurnId>) -> Stored<()> {
        self.write(|store| store.count_panic(ids))
    }

    fn save_outcome(&self, id: TurnId, outcome: Outcome) -> Stored<()> {
        self.write(|store| store.save_outcome(id, outcome))
    }

    fn history(&self, key: ChatKey, session: Uuid, before: i64, limit: usize) -> Stored<Vec<StoredTurn>> {
        self.read(|store| store.history(key, session, before, limit))
    }

    fn unfinished(&self, bot: i64) -> Stored<Vec<StoredTurn>> {
        self.read(|store| store.unfinished(bot))
    }

    fn turn(&self, id: TurnId) -> Stored<Option<StoredTurn>> {
        self.read(|store| store.turn(id))
    }

    fn sessions(&self, filter: Filter, limit: usize) -> Stored<Vec<SessionSummary>> {
        self.read(|store| store.sessions(filter, limit))
    }

    fn turns(&self, filter: Filter) -> Stored<Vec<StoredTurn>> {
        self.read(|store| store.turns(filter))
    }

    fn claim(&self, bot: i64, owner: &Owner) -> Stored<bool> {
        self.watched(Kind::Read, self.store.claim(bot, owner), None)
    }

    fn release(&self, bot: i64, owner: &Owner) -> Stored<()> {
        self.watched(Kind::Read, self.store.release(bot, owner), None)
    }

    fn ping(&self) -> Stored<()> {
        self.watched(Kind::Write, self.store.ping(), None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_is_told_when_it_begins_now_and_then_and_when_it_ends() {
        let (mut watch, began) = (Outages::default(), Instant::now());
        let at = |ms: u64| began + Duration::from_millis(ms);
        assert_eq!(watch.done(at(0)), None);
        assert_eq!(watch.failed(at(0)), Some(News::Away));
        let told: Vec<_> = (1..250).filter_map(|tenth| watch.failed(at(tenth * 100))).collect();
        let still = |s, failures| News::StillAway { after: Duration::from_secs(s), failures };
        assert_eq!(told, [still(10, 101), still(20, 201)]);
        assert_eq!(watch.done(at(25_000)), None, "others failed a moment ago");
        let after = Duration::from_secs(26);
        assert_eq!(watch.done(at(26_000)), Some(News::Back { after, failures: 250 }));
        assert_eq!(watch.done(at(40_000)), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_can_be_read_and_takes_no_writes_is_not_back() {
        let outages = Mutex::new(Outages::default());
        let is_away = || outages.lock().unwrap().outage.is_some();
        tell(&outages, Kind::Write, Some(&StoreError::Away("full".into())));
        tokio::time::advance(CALM).await;
        tell(&outages, Kind::Read, None);
        assert!(is_away());
        tell(&outages, Kind::Write, Some(&StoreError::Denied("a new password".into())));
        assert!(is_away());
        tokio::time::advance(CALM).await;
        tell(&outages, Kind::Write, Some(&StoreError::Refused("no such turn".into())));
        assert!(!is_away());
    }

    #[test]
    fn a_store_that_comes_and_goes_is_not_told_of_each_time() {
        let (mut watch, began) = (Outages::default(), Instant::now());
        let mut lines = 0;
        for second in 0..60 {
            let at = began + Duration::from_secs(second);
            let news = if second % 2 == 0 { watch.failed(at) } else { watch.done(at) };
            lines += usize::from(news.is_some());
        }
        assert!(lines <= 12, "{lines} lines in a minute");
    }
}
