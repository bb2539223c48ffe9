//! Persistence: the only one that touches the store.
//!
//! What can be refused (a new update) is tried once; what is owed (an answer, its outcome, a read
//! that a turn waits for) is tried until the store takes it. Writes of one conversation keep their
//! order: no turn ends on record before the one that came before it.

mod owed;

use std::collections::{HashMap, HashSet};
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, AsyncContext, Context, Handler, Message};
use backon::{ExponentialBuilder, Retryable};
use futures::FutureExt;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::domain::ids::{ChatKey, TurnId};
use crate::domain::record::{Ledger, NewTurn, State};
use crate::edge::store::{Haste, Recorded, Store, StoreError, Stored};
use crate::failpoint;
use crate::messages::{
    AnswerSaved, DeliverySaved, HistoryLoaded, LoadHistory, LoadUnfinished, RecordUpdate, SaveAnswer,
    SaveDelivery, SaveMessages, SaveOutcome, TurnSettled, UnfinishedLoaded, UpdateRecorded,
};
use crate::port::Port;

use owed::{Owed, SavedAnswer, Then, Write};

/// The actor.
pub struct Persistence {
    store: Arc<dyn Store>,
    turn_settled: Port<TurnSettled>,
    /// Writes owed, by conversation.
    owed: HashMap<ChatKey, Owed>,
    /// Conversations of which the only write is one that another may soon take the place of.
    held: Vec<ChatKey>,
    /// Outboxes that wait for their ledger.
    ledgers: HashMap<TurnId, Awaited>,
    /// When those that have waited for long enough are looked for next. One timer for all of them.
    watch: Option<Watch>,
    /// A ledger was waited for in vain, and nothing has been written since.
    store_is_late: bool,
    /// When the store took the last write.
    last_taken: Instant,
    /// Updates that may or may not be on record, because the store went away meanwhile. When one
    /// comes again and is a duplicate, its turn has never begun.
    uncertain: HashSet<TurnId>,
}

/// How long a send waits for its ledger: the store may be away, and the answer must go on.
const LEDGER_PATIENCE: Duration = Duration::from_secs(3);

/// The same when the one before has waited in vain.
const LATE_LEDGER_PATIENCE: Duration = Duration::from_millis(200);

/// How long a ledger that nobody waits for is held back: with Telegram near, the next one soon takes its
/// place.
const HELD: Duration = Duration::from_millis(10);

/// An Outbox that waits.
struct Awaited {
    reply_to: Port<DeliverySaved>,
    until: Instant,
}

/// A timer.
struct Watch {
    ends: Instant,
    timer: AbortHandle,
}

/// To itself: the store has taken the first of a conversation's writes, or given it up.
struct Written {
    key: ChatKey,
    result: Result<(), StoreError>,
}

impl Message for Written {
    type Result = ();
}

/// To itself: what is held back has been for long enough.
struct LetGo;

impl Message for LetGo {
    type Result = ();
}

/// To itself: what the store says of an update.
struct Tried {
    turn: TurnId,
    reply_to: Port<UpdateRecorded>,
    result: Result<Recorded, StoreError>,
}

impl Message for Tried {
    type Result = ();
}

/// To itself: a ledger may have been waited for long enough.
struct Late;

impl Message for Late {
    type Result = ();
}

/// To itself: a call of the store panicked.
struct Broken(Box<dyn std::any::Any + Send>);

impl Message for Broken {
    type Result = ();
}

impl Handler<Broken> for Persistence {
    type Result = ();

    fn handle(&mut self, Broken(panic): Broken, _: &mut Context<Self>) {
        resume_unwind(panic);
    }
}

/// Does `work` in a task of its own, then tells this actor of it. A future that is spawned in the
/// actor's context would be polled with every message, and all chats share this actor.
fn afterwards<M>(ctx: &Context<Persistence>, work: impl Future<Output = M> + 'static) -> AbortHandle
where
    M: Message<Result = ()> + Send + 'static,
    Persistence: Handler<M>,
{
    let me = ctx.address().downgrade();
    let task = tokio::task::spawn_local(async move {
        // When the actor has ended, so has the server.
        let _gone = match AssertUnwindSafe(work).catch_unwind().await {
            Ok(done) => me.upgrade().map(|me| me.try_send(done).is_ok()),
            Err(panic) => me.upgrade().map(|me| me.try_send::<Broken>(Broken(panic)).is_ok()),
        };
    });
    task.abort_handle()
}

/// Does `work` in a task of its own. Only a panic is told to this actor, and ends it.
fn beside(ctx: &Context<Persistence>, work: impl Future<Output = ()> + 'static) {
    let me = ctx.address().downgrade();
    tokio::task::spawn_local(async move {
        if let Err(panic) = AssertUnwindSafe(work).catch_unwind().await {
            let _gone = me.upgrade().map(|me| me.try_send(Broken(panic)).is_ok());
        }
    });
}

impl Persistence {
    /// A Persistence over `store`, which tells Ingress of settled turns.
    pub fn new(store: Arc<dyn Store>, turn_settled: Port<TurnSettled>) -> Self {
        Self {
            store,
            turn_settled,
            owed: HashMap::new(),
            held: Vec::new(),
            ledgers: HashMap::new(),
            watch: None,
            store_is_late: false,
            last_taken: Instant::now(),
            uncertain: HashSet::new(),
        }
    }

    fn owe(&mut self, key: ChatKey, turn: TurnId, write: Write, ctx: &mut Context<Self>) {
        let awaited = self.ledgers.contains_key(&turn);
        let owed = self.owed.entry(key).or_default();
        if awaited || owed.is_ending_a_turn() {
            // What is under way has time, and what is behind it may have none.
            self.store.hurry();
        }
        match owed.push(turn, write, awaited) {
            Then::Wait => {}
            Then::Hold => self.hold(key, ctx),
            Then::Begin => self.write_next(key, ctx),
        }
    }

    fn hold(&mut self, key: ChatKey, ctx: &mut Context<Self>) {
        if self.held.is_empty() {
            afterwards(ctx, async {
                tokio::time::sleep(HELD).await;
                LetGo
            });
        }
        self.held.push(key);
    }

    fn write_next(&mut self, key: ChatKey, ctx: &mut Context<Self>) {
        let Some(owed) = self.owed.get_mut(&key) else { return };
        let Some((turn, write)) = owed.begin() else {
            self.owed.remove(&key);
            return;
        };
        let is_awaited = self.ledgers.contains_key(&turn);
        let store = self.store.clone();
        let mut written = match write {
            Write::Ledger { ledger, is_answered } => {
                let (ledger, is_answered) = (ledger.clone(), *is_answered);
                until_taken("save a ledger", move || store.save_delivery(turn, ledger.clone(), is_answered))
            }
            Write::Messages(messages) => {
                let messages = messages.clone();
                until_taken("save a turn so far", move || store.save_messages(turn, messages.clone()))
            }
            Write::Answer(SavedAnswer { answer, .. }) => {
                failpoint::reach("before_answer_saved");
                let (answer, haste) = (answer.clone(), haste(is_awaited, &answer.ledger));
                until_taken("save an answer", move || store.save_answer(turn, answer.clone(), haste))
            }
            Write::Outcome(outcome) => {
                failpoint::reach("before_outcome_saved");
                let outcome = outcome.clone();
                until_taken("save how a turn ended", move || store.save_outcome(turn, outcome.clone()))
            }
        };
        // What is done at once needs no task.
        match (&mut written).now_or_never() {
            Some(result) => {
                let is_note = matches!(write, Write::Ledger { .. });
                self.written(key, result, !is_note, ctx);
            }
            None => drop(afterwards(ctx, async move { Written { key, result: written.await } })),
        }
    }

    /// The first of a conversation's writes is over, which shows how commits fare unless it needed none.
    fn written(
        &mut self,
        key: ChatKey,
        result: Result<(), StoreError>,
        shows_commits: bool,
        ctx: &mut Context<Self>,
    ) {
        let Some((turn, write)) = self.owed.get_mut(&key).and_then(Owed::done) else { return };
        match result {
            Err(error) => tracing::error!(%turn, "a write was given up: {error}"),
            Ok(()) if shows_commits => {
                self.store_is_late = false;
                self.last_taken = Instant::now();
            }
            Ok(()) => {}
        }
        failpoint::reach_if(matches!(write, Write::Answer(_)), "after_answer_saved");
        failpoint::reach_if(matches!(write, Write::Outcome(_)), "after_outcome_saved");
        match write {
            Write::Answer(saved) => saved.reply_to.tell_if_there(AnswerSaved { turn }),
            Write::Outcome(_) => self.turn_settled.tell_if_there(TurnSettled { turn }),
            Write::Ledger { .. } | Write::Messages(_) => {}
        }
        // Only the last of its ledgers is the one that the Outbox waits for.
        if !self.owed.get(&key).is_some_and(|owed| owed.owes_ledger(turn)) {
            self.ledger_saved(turn);
        }
        self.write_next(key, ctx);
    }
}

impl Persistence {
    fn await_ledger(&mut self, turn: TurnId, reply_to: Port<DeliverySaved>, ctx: &mut Context<Self>) {
        let patience = if self.store_is_late { LATE_LEDGER_PATIENCE } else { LEDGER_PATIENCE };
        let until = Instant::now() + patience;
        self.ledgers.insert(turn, Awaited { reply_to, until });
        self.watch(until, ctx);
    }

    fn watch(&mut self, until: Instant, ctx: &Context<Self>) {
        if self.watch.as_ref().is_some_and(|watch| watch.ends <= until) {
            return;
        }
        let timer = afterwards(ctx, async move {
            tokio::time::sleep_until(until).await;
            Late
        });
        if let Some(later) = self.watch.replace(Watch { ends: until, timer }) {
            later.timer.abort();
        }
    }

    /// Those that have waited until now. When the store takes others' writes, it is slow and worth waiting
    /// for.
    fn late_ledgers(&mut self, now: Instant) -> Vec<TurnId> {
        let is_slow = now - self.last_taken < LEDGER_PATIENCE;
        let mut late = Vec::new();
        for (turn, awaited) in &mut self.ledgers {
            if awaited.until <= now && is_slow {
                awaited.until = now + LEDGER_PATIENCE;
            } else if awaited.until <= now {
                late.push(*turn);
            }
        }
        late.sort_unstable();
        late
    }

    fn ledger_saved(&mut self, turn: TurnId) {
        if let Some(awaited) = self.ledgers.remove(&turn) {
            awaited.reply_to.tell_if_there(DeliverySaved { turn });
        }
    }
}

/// How soon an answer is to be on record, for whose ledger an Outbox waits where it `is_awaited`.
fn haste(is_awaited: bool, ledger: &Ledger) -> Haste {
    match is_awaited {
        true if ledger.delivery.len() <= 1 => Haste::AtOnce,
        true => Haste::Soon,
        false => Haste::InCompany,
    }
}

/// Repeats what the store did not take because it was away, with growing waits, without end.
fn until_taken<T: Send + 'static>(
    what: &'static str,
    call: impl FnMut() -> Stored<T> + Send + 'static,
) -> Stored<T> {
    let waits = ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(100))
        .with_max_delay(Duration::from_secs(5))
        .without_max_times();
    let attempts =
        call.retry(waits).sleep(tokio::time::sleep).when(StoreError::may_pass).notify(move |error, wait| {
            tracing::debug!("could not {what}, trying again in {wait:?}: {error}")
        });
    Box::pin(attempts)
}

impl Actor for Persistence {
    type Context = Context<Self>;
}

impl Handler<RecordUpdate> for Persistence {
    type Result = ();

    fn handle(&mut self, RecordUpdate { turn, reply_to }: RecordUpdate, ctx: &mut Context<Self>) {
        let id = turn.id;
        let never_begun = self.uncertain.contains(&id);
        let recorded = record(self.store.clone(), turn, never_begun);
        afterwards(ctx, async move { Tried { turn: id, reply_to, result: recorded.await } });
    }
}

impl Handler<Tried> for Persistence {
    type Result = ();

    fn handle(&mut self, Tried { turn, reply_to, result }: Tried, _: &mut Context<Self>) {
        match &result {
            Err(error) if error.may_pass() => self.uncertain.insert(turn),
            _ => self.uncertain.remove(&turn),
        };
        reply_to.tell_if_there(UpdateRecorded { turn, result });
    }
}

impl Handler<Written> for Persistence {
    type Result = ();

    fn handle(&mut self, Written { key, result }: Written, ctx: &mut Context<Self>) {
        self.written(key, result, true, ctx);
    }
}

impl Handler<LetGo> for Persistence {
    type Result = ();

    fn handle(&mut self, LetGo: LetGo, ctx: &mut Context<Self>) {
        for key in std::mem::take(&mut self.held) {
            if self.owed.get(&key).is_some_and(|owed| !owed.has_begun()) {
                self.write_next(key, ctx);
            }
        }
    }
}

impl Handler<Late> for Persistence {
    type Result = ();

    fn handle(&mut self, Late: Late, ctx: &mut Context<Self>) {
        self.watch = None;
        for turn in self.late_ledgers(Instant::now()) {
            tracing::debug!(%turn, "a part is sent before its attempt is on record: the store is away");
            self.store_is_late = true;
            self.ledger_saved(turn);
        }
        if let Some(next) = self.ledgers.values().map(|awaited| awaited.until).min() {
            self.watch(next, ctx);
        }
    }
}

/// Records a turn; with `never_begun`, a duplicate is a turn that is on record but was never told
/// to anybody.
async fn record(store: Arc<dyn Store>, turn: NewTurn, never_begun: bool) -> Result<Recorded, StoreError> {
    let id = turn.id;
    match store.record(turn).await? {
        Recorded::Duplicate if never_begun => {
            let stored = store.turn(id).await?.filter(|turn| turn.state == State::Accepted);
            Ok(stored.map_or(Recorded::Duplicate, |turn| Recorded::New(Box::new(turn))))
        }
        recorded => Ok(recorded),
    }
}

impl Handler<LoadUnfinished> for Persistence {
    type Result = ();

    fn handle(&mut self, LoadUnfinished { bot, lost, reply_to }: LoadUnfinished, ctx: &mut Context<Self>) {
        let store = self.store.clone();
        let loaded = until_taken("read the unfinished turns", move || store.unfinished(bot));
        let reply = async move {
            // To serve without them would be to forget what was promised.
            let mut turns =
                loaded.await.unwrap_or_else(|error| panic!("the unfinished turns can't be read: {error}"));
            turns.retain(|turn| lost.is_none_or(|lost| turn.key() == lost.key));
            reply_to.tell_if_there(UnfinishedLoaded { lost, turns });
        };
        beside(ctx, reply);
    }
}

impl Handler<LoadHistory> for Persistence {
    type Result = ();

    fn handle(&mut self, request: LoadHistory, ctx: &mut Context<Self>) {
        let LoadHistory { key, session, before, limit, reply_to } = request;
        let store = self.store.clone();
        let loaded = until_taken("read a history", move || store.history(key, session, before, limit));
        let reply = async move {
            let turns = loaded.await.unwrap_or_else(|error| {
                tracing::error!(chat = %key, "a history can't be read, the turn goes on without: {error}");
                Vec::new()
            });
            reply_to.tell_if_there(HistoryLoaded { session, before, turns });
        };
        beside(ctx, reply);
    }
}

impl Handler<SaveAnswer> for Persistence {
    type Result = ();

    fn handle(&mut self, SaveAnswer { key, turn, answer, reply_to }: SaveAnswer, ctx: &mut Context<Self>) {
        let saved = SavedAnswer { answer, reply_to, took_ledger: false };
        self.owe(key, turn, Write::Answer(saved), ctx);
    }
}

impl Handler<SaveOutcome> for Persistence {
    type Result = ();

    fn handle(&mut self, SaveOutcome { key, turn, outcome }: SaveOutcome, ctx: &mut Context<Self>) {
        self.owe(key, turn, Write::Outcome(outcome), ctx);
    }
}

impl Handler<SaveDelivery> for Persistence {
    type Result = ();

    fn handle(&mut self, request: SaveDelivery, ctx: &mut Context<Self>) {
        let SaveDelivery { key, turn, ledger, is_answered, reply_to, may_be_left_out } = request;
        let is_all_on_record = !self.owed.contains_key(&key);
        if let Some(reply_to) = reply_to {
            if may_be_left_out && is_all_on_record {
                return reply_to.tell_if_there(DeliverySaved { turn });
            }
            self.await_ledger(turn, reply_to, ctx);
        }
        self.owe(key, turn, Write::Ledger { ledger, is_answered }, ctx);
    }
}

impl Handler<SaveMessages> for Persistence {
    type Result = ();

    fn handle(&mut self, SaveMessages { key, turn, messages }: SaveMessages, ctx: &mut Context<Self>) {
        self.owe(key, turn, Write::Messages(messages), ctx);
    }
}

#[cfg(test)]
mod left_out_tests;
