//! The world with a clock: one handle for servers, tests and people.

use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;
use tokio::sync::futures::Notified;
use tokio::sync::{Notify, broadcast};
use tokio::time::Instant;

use crate::domain::ids::ChatKey;

use super::chaos::Chaos;
use super::error::ApiError;
use super::events::{ChatEvent, SeenDraft, SeenMessage};
use super::faults::{Fault, Faults, Trouble};
use super::flood::{Budget, FloodWindow, Flooded};
use super::limits::Limits;
use super::params::Params;
use super::state::World;
use super::stats::Stats;

/// How many events a slow subscriber may lag behind.
const EVENTS_KEPT: usize = 16_384;

/// A call that was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CallRecord {
    /// When it was executed or refused, in milliseconds since the world began.
    pub at_ms: u64,
    /// Which bot called.
    pub bot: i64,
    /// The method as it was written.
    pub method: String,
    /// The chat that it was about.
    pub chat: Option<i64>,
    /// The HTTP status of its answer; 0 when the caller got none.
    pub status: u16,
    /// Whether it was made although the caller had been told to wait, and so made the wait longer.
    pub inside_window: bool,
    /// Which flood limit refused it. The caller is not told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused_by: Option<Budget>,
}

/// How a call ended for the caller.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// An answer in Telegram's envelope.
    Said(Result<Value, ApiError>),
    /// A 502 that is a page of HTML.
    HtmlPage,
    /// Taken, but the caller gets no answer.
    Lost {
        /// Whether it was carried out. Telegram may have refused it.
        was_done: bool,
    },
    /// Not executed: there is no connection.
    Unreachable,
}

/// A [`World`] that several can hold: it knows the time, the faults to come and who listens.
#[derive(Debug, Clone)]
pub struct SharedWorld(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    state: Mutex<State>,
    stirred: Notify,
    events: broadcast::Sender<ChatEvent>,
    began: Instant,
}

#[derive(Debug)]
struct State {
    world: World,
    faults: Faults,
    calls: Vec<CallRecord>,
    stats: Stats,
}

impl SharedWorld {
    /// Takes a world over; its time begins now.
    pub fn new(world: World) -> Self {
        let state = State { world, faults: Faults::default(), calls: Vec::new(), stats: Stats::default() };
        let (events, _) = broadcast::channel(EVENTS_KEPT);
        Self(Arc::new(Inner {
            state: Mutex::new(state),
            stirred: Notify::new(),
            events,
            began: Instant::now(),
        }))
    }

    /// Milliseconds since the world began, in tokio time.
    pub fn now_ms(&self) -> u64 {
        let passed = Instant::now().saturating_duration_since(self.0.began);
        u64::try_from(passed.as_millis()).unwrap_or(u64::MAX)
    }

    /// Forgets the journal and the calls, for runs that are too long to keep them.
    pub fn forget_past(&self) {
        let mut state = self.lock();
        state.world.clear_journal();
        state.calls.clear();
    }

    /// Does something with the world at the time now, and tells everybody what came of it.
    pub fn with<T>(&self, act: impl FnOnce(&mut World, u64) -> T) -> T {
        let mut state = self.lock();
        let before = state.world.journal().len();
        let now = self.now_ms();
        // What ends by itself has ended before anybody looks.
        state.world.tick(now);
        let result = act(&mut state.world, now);
        for event in state.world.journal().iter().skip(before) {
            // Nobody listening is no trouble.
            let _ = self.0.events.send(event.clone());
        }
        if state.world.take_stirred() {
            self.0.stirred.notify_waiters();
        }
        result
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls a method, with the troubles that are due. `getUpdates` waits as long as it asks to.
    pub async fn call(&self, bot: i64, method: &str, params: &Params) -> Answer {
        let chat = params.int("chat_id");
        let trouble = self.trouble(bot, method, chat);
        if let Some(Trouble::Slow(ms)) = trouble {
            tokio::time::sleep(Duration::from_millis(ms)).await;
        }
        let said = match trouble {
            None | Some(Trouble::Slow(_) | Trouble::LostReply) => self.execute(bot, method, params).await,
            Some(Trouble::RetryAfter(seconds)) => {
                let about = (bot, method, chat);
                Err(self.with(|world, now| world.told_to_wait(now, about, seconds)))
            }
            Some(trouble) => return self.note(bot, method, chat, (refusal(trouble), None)),
        };
        let flooded = said.as_ref().err().and_then(|error| error.flooded);
        // Whoever loses the answer does not know whether it was done.
        let answer = match trouble {
            Some(Trouble::LostReply) => Answer::Lost { was_done: said.is_ok() },
            _ => Answer::Said(said),
        };
        self.note(bot, method, chat, (answer, flooded))
    }

    /// What a script asks for comes before what chance brings.
    fn trouble(&self, bot: i64, method: &str, chat: Option<i64>) -> Option<Trouble> {
        let mut state = self.lock();
        state.faults.meet(method, chat).or_else(|| state.world.dice.meet(bot, method, chat))
    }

    fn note(
        &self,
        bot: i64,
        method: &str,
        chat: Option<i64>,
        (answer, flooded): (Answer, Option<Flooded>),
    ) -> Answer {
        let record = CallRecord {
            at_ms: self.now_ms(),
            bot,
            method: method.to_owned(),
            chat,
            status: status(&answer),
            inside_window: flooded.is_some_and(|flooded| flooded.inside_window),
            refused_by: flooded.map(|flooded| flooded.budget),
        };
        let mut state = self.lock();
        state.stats.count(&record);
        state.calls.push(record);
        answer
    }

    async fn execute(&self, bot: i64, method: &str, params: &Params) -> Result<Value, ApiError> {
        if method.eq_ignore_ascii_case("getUpdates") {
            return self.get_updates(bot, params).await.map(Value::Array);
        }
        self.with(|world, now| world.call_as(now, bot, method, params))
    }

    async fn get_updates(&self, bot: i64, params: &Params) -> Result<Vec<Value>, ApiError> {
        let poll = self.with(|world, _| world.begin_poll(bot, params))?;
        let end = Instant::now() + Duration::from_millis(poll.timeout_ms);
        loop {
            let mut stirred = pin!(self.stirred());
            stirred.as_mut().enable();
            let updates = self.with(|world, now| world.poll(now, &poll))?;
            if !updates.is_empty() || Instant::now() >= end {
                return Ok(updates);
            }
            // Stirred or at the end of its time, it looks again.
            let _ = tokio::time::timeout_at(end, stirred).await;
        }
    }

    /// A trouble for calls to come.
    pub fn fault(&self, fault: Fault) {
        self.lock().faults.add(fault);
    }

    /// Takes back all troubles still to come.
    pub fn clear_faults(&self) {
        self.lock().faults.clear();
    }

    /// The limits from now on. What was counted before stays counted.
    pub fn set_limits(&self, limits: Limits) {
        self.with(|world, _| world.set_limits(limits));
    }

    /// Troubles by rate from now on, drawn from the beginning of their seed.
    pub fn set_chaos(&self, chaos: Chaos) {
        self.with(|world, _| world.set_chaos(chaos));
    }

    /// How often what was called since the world began.
    pub fn stats(&self) -> Stats {
        self.lock().stats.clone()
    }

    /// The times in which chats of a bot had to be silent, by when they began.
    pub fn flood_windows(&self, bot: i64) -> Vec<FloodWindow> {
        self.with(|world, _| world.flood_windows(bot))
    }

    /// The draft that a conversation shows now.
    pub fn draft(&self, key: ChatKey) -> Option<SeenDraft> {
        self.with(|world, _| world.draft(key).cloned())
    }

    /// The calls made so far, in order.
    pub fn calls(&self) -> Vec<CallRecord> {
        self.lock().calls.clone()
    }

    /// All that the chats showed so far, in order.
    pub fn journal(&self) -> Vec<ChatEvent> {
        self.with(|world, _| world.journal().to_vec())
    }

    /// The messages that stand in a chat now, in order.
    pub fn view(&self, bot: i64, chat: i64) -> Vec<SeenMessage> {
        self.lock().world.chat_view(bot, chat)
    }

    /// What the chats show from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<ChatEvent> {
        self.0.events.subscribe()
    }

    /// Ends when queues or webhooks have changed; enable it before looking.
    pub(super) fn stirred(&self) -> Notified<'_> {
        self.0.stirred.notified()
    }
}

fn refusal(trouble: Trouble) -> Answer {
    let error = match trouble {
        Trouble::Forbidden(why) => ApiError::new(403, format!("Forbidden: {why}")),
        Trouble::BadRequest(why) => ApiError::bad_request(&why),
        Trouble::Migrated(to) => ApiError::migrated(to),
        Trouble::Server(code) => ApiError::server(code),
        Trouble::HtmlPage => return Answer::HtmlPage,
        // The first three are no refusals and do not come here.
        Trouble::Slow(_) | Trouble::LostReply | Trouble::RetryAfter(_) | Trouble::Unreachable => {
            return Answer::Unreachable;
        }
    };
    Answer::Said(Err(error))
}

fn status(answer: &Answer) -> u16 {
    match answer {
        Answer::Said(Ok(_)) => 200,
        Answer::Said(Err(error)) => error.code,
        Answer::HtmlPage => 502,
        Answer::Lost { .. } | Answer::Unreachable => 0,
    }
}

#[cfg(test)]
#[path = "shared_tests.rs"]
mod tests;
