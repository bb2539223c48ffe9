//! A store in memory: the trait [`Store`] without a disk, for tests under paused time.

use std::collections::BTreeMap;
use std::future::ready;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use uuid::Uuid;

use crate::domain::chat::ChatMessage;
use crate::domain::ids::{ChatKey, TurnId};
use crate::domain::record::{Answer, Ledger, NewTurn, Outcome, State, StoredTurn, place_after};
use crate::edge::store::owner::Owner;
use crate::edge::store::{Filter, Haste, Recorded, SessionSummary, Store, StoreError, Stored};

/// A store without a disk. Clones are handles on the same turns.
#[derive(Clone, Default)]
pub struct MemoryStore(Arc<Mutex<Shelf>>);

#[derive(Default)]
struct Shelf {
    turns: BTreeMap<TurnId, StoredTurn>,
    away: bool,
    answers_written: BTreeMap<TurnId, u32>,
}

impl MemoryStore {
    /// From now on every call but that for a ledger fails with [`StoreError::Away`], or works again.
    pub fn set_away(&self, away: bool) {
        self.shelf().away = away;
    }

    /// All turns, by chat and `seq`.
    pub fn all(&self) -> Vec<StoredTurn> {
        sorted(self.shelf().turns.values().cloned())
    }

    /// How often a turn's answer was written: once, when all is well.
    pub fn answers_written(&self, id: TurnId) -> u32 {
        self.shelf().answers_written.get(&id).copied().unwrap_or(0)
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<T: Send + 'static>(&self, work: impl FnOnce(&mut Shelf) -> Result<T, StoreError>) -> Stored<T> {
        let mut shelf = self.shelf();
        let result = match shelf.away {
            true => Err(StoreError::Away("the memory store was told to be away".into())),
            false => work(&mut shelf),
        };
        Box::pin(ready(result))
    }

    fn matching(&self, filter: &Filter) -> Stored<Vec<StoredTurn>> {
        let filter = filter.clone();
        self.with(move |shelf| {
            Ok(sorted(shelf.turns.values().filter(|turn| matches(&filter, turn)).cloned()))
        })
    }
}

fn matches(filter: &Filter, turn: &StoredTurn) -> bool {
    filter.user.is_none_or(|user| turn.user.id == user)
        && filter.chat.is_none_or(|chat| turn.chat == chat)
        && filter.session.is_none_or(|session| turn.session == session)
}

fn is_owed(bot: i64, turn: &StoredTurn) -> bool {
    turn.bot == bot && matches!(turn.state, State::Accepted | State::Answered)
}

fn sorted(turns: impl Iterator<Item = StoredTurn>) -> Vec<StoredTurn> {
    let mut turns: Vec<_> = turns.collect();
    turns.sort_by_key(|turn| (turn.key(), turn.seq));
    turns
}

fn found(shelf: &mut Shelf, id: TurnId) -> Result<&mut StoredTurn, StoreError> {
    shelf.turns.get_mut(&id).ok_or_else(|| StoreError::Refused(format!("turn {id} is not on record")))
}

impl Store for MemoryStore {
    fn with_own_connections(&self) -> Result<Arc<dyn Store>, StoreError> {
        Ok(Arc::new(self.clone()))
    }

    fn record(&self, turn: NewTurn) -> Stored<Recorded> {
        self.with(|shelf| {
            if shelf.turns.contains_key(&turn.id) {
                return Ok(Recorded::Duplicate);
            }
            let before = shelf.turns.values().filter(|before| before.key() == turn.key);
            let last = before.max_by_key(|before| before.seq).map(StoredTurn::place);
            let place = place_after(last, turn.id, turn.kind);
            let stored = StoredTurn::accepted(turn, place);
            shelf.turns.insert(stored.id, stored.clone());
            Ok(Recorded::New(Box::new(stored)))
        })
    }

    fn save_answer(&self, id: TurnId, answer: Answer, _: Haste) -> Stored<()> {
        self.with(|shelf| {
            let turn = found(shelf, id)?;
            turn.state = State::Answered;
            turn.messages = answer.messages;
            turn.stopped = answer.stopped;
            turn.set_ledger(answer.ledger);
            turn.usage = answer.usage;
            turn.timings = answer.timings;
            *shelf.answers_written.entry(id).or_default() += 1;
            Ok(())
        })
    }

    fn save_delivery(&self, id: TurnId, ledger: Ledger, _: bool) -> Stored<()> {
        // As in the embedded store, a note is no commit.
        Box::pin(ready(found(&mut self.shelf(), id).map(|turn| turn.set_ledger(ledger))))
    }

    fn save_messages(&self, id: TurnId, messages: Vec<ChatMessage>) -> Stored<()> {
        self.with(|shelf| {
            found(shelf, id)?.messages = messages;
            Ok(())
        })
    }

    fn count_panic(&self, ids: Vec<TurnId>) -> Stored<()> {
        self.with(|shelf| ids.into_iter().try_for_each(|id| found(shelf, id).map(|turn| turn.panics += 1)))
    }

    fn save_outcome(&self, id: TurnId, outcome: Outcome) -> Stored<()> {
        self.with(|shelf| {
            let turn = found(shelf, id)?;
            turn.state = outcome.state;
            turn.failure = outcome.failure;
            turn.delivery = outcome.delivery.unwrap_or(std::mem::take(&mut turn.delivery));
            turn.status.clear();
            turn.timings = outcome.timings;
            Ok(())
        })
    }

    fn history(&self, key: ChatKey, session: Uuid, before: i64, limit: usize) -> Stored<Vec<StoredTurn>> {
        self.with(|shelf| {
            let fits = |turn: &&StoredTurn| turn.key() == key && turn.session == session && turn.seq < before;
            let turns = sorted(shelf.turns.values().filter(fits).cloned());
            Ok(turns[turns.len().saturating_sub(limit)..].to_vec())
        })
    }

    fn unfinished(&self, bot: i64) -> Stored<Vec<StoredTurn>> {
        self.with(|shelf| Ok(sorted(shelf.turns.values().filter(|turn| is_owed(bot, turn)).cloned())))
    }

    fn turn(&self, id: TurnId) -> Stored<Option<StoredTurn>> {
        self.with(|shelf| Ok(shelf.turns.get(&id).cloned()))
    }

    fn sessions(&self, filter: Filter, limit: usize) -> Stored<Vec<SessionSummary>> {
        self.with(|shelf| {
            let mut sessions: BTreeMap<Uuid, Vec<StoredTurn>> = BTreeMap::new();
            for turn in sorted(shelf.turns.values().filter(|turn| matches(&filter, turn)).cloned()) {
                sessions.entry(turn.session).or_default().push(turn);
            }
            let mut summaries: Vec<_> = sessions.into_values().filter_map(|turns| summary(&turns)).collect();
            summaries.sort_by_key(|session| std::cmp::Reverse(session.last_ms));
            summaries.truncate(limit);
            Ok(summaries)
        })
    }

    fn turns(&self, filter: Filter) -> Stored<Vec<StoredTurn>> {
        self.matching(&filter)
    }

    fn claim(&self, _: i64, _: &Owner) -> Stored<bool> {
        // Nobody else can have it.
        self.with(|_| Ok(true))
    }

    fn release(&self, _: i64, _: &Owner) -> Stored<()> {
        self.with(|_| Ok(()))
    }

    fn ping(&self) -> Stored<()> {
        self.with(|_| Ok(()))
    }
}

fn summary(turns: &[StoredTurn]) -> Option<SessionSummary> {
    let (first, last) = (turns.first()?, turns.last()?);
    Some(SessionSummary {
        session: first.session,
        chat: first.chat,
        topic: first.topic,
        user: first.user.id,
        username: first.user.username.clone(),
        turns: i64::try_from(turns.len()).unwrap_or(i64::MAX),
        first_ms: first.timings.accepted_at_ms,
        last_ms: last.timings.accepted_at_ms,
    })
}
