//! The people: who asks when.

use std::future::ready;
use std::rc::Rc;
use std::time::Duration;

use futures::TryStreamExt;
use futures::stream::FuturesUnordered;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinError;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::hub::Hub;
use super::model::ms;
use crate::sandbox::telegram::chaos::Random;

/// Keeps what is drawn here apart from what the model draws.
const PEOPLE: u64 = 0x70656f;

/// When and by whom questions are asked.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    /// The first chat.
    pub(super) first_chat: i64,
    /// When it began.
    pub(super) began: Instant,
    /// True once nobody is to ask any more.
    pub(super) stopped: watch::Receiver<bool>,
}

impl Plan {
    fn end(&self, hub: &Hub) -> Option<Instant> {
        hub.profile.duration_s.map(|seconds| self.began + ms(seconds * 1000.0))
    }

    /// Waits until then; false when nobody is to ask any more.
    async fn reach(&self, hub: &Hub, when: Instant) -> bool {
        let mut stopped = self.stopped.clone();
        let end = self.end(hub);
        if end.is_some_and(|end| when >= end) {
            return false;
        }
        tokio::select! {
            biased;
            _ = stopped.wait_for(|stopped| *stopped) => false,
            () = sleep_until(when) => true,
        }
    }
}

/// Asks all questions and waits until all are answered or given up.
///
/// # Errors
/// When nobody asked, or a person's task failed.
pub(super) async fn drive(hub: Rc<Hub>, plan: Plan) -> Result<(), String> {
    match hub.profile.rate_per_s {
        Some(rate) => arrivals(&hub, &plan, rate).await,
        None => everybody(&hub, &plan).await,
    }
    .map_err(|failed| format!("what a person does failed: {failed}"))?;
    match hub.stats.borrow().counts.questions {
        0 => Err("no question was asked in that time: ask for longer or more often".to_owned()),
        _ => Ok(()),
    }
}

/// Closed loop: each person asks, waits for the answer, thinks, asks again.
async fn everybody(hub: &Rc<Hub>, plan: &Plan) -> Result<(), JoinError> {
    let chats = hub.profile.chats;
    let people: FuturesUnordered<_> = (0..chats)
        .map(|nth| {
            let start = plan.began + ms(hub.profile.ramp_s * 1000.0 * nth as f64 / chats as f64);
            let chat = plan.first_chat + nth as i64;
            tokio::task::spawn_local(person(hub.clone(), plan.clone(), chat, start))
        })
        .collect();
    people.try_for_each(|()| ready(Ok(()))).await
}

async fn person(hub: Rc<Hub>, plan: Plan, chat: i64, start: Instant) {
    let mut random = Random::new(&[hub.profile.seed, PEOPLE, chat as u64]);
    let mut intended = start;
    for _ in 0..hub.profile.turns.unwrap_or(u32::MAX) {
        if !plan.reach(&hub, intended).await {
            return;
        }
        let (turn, ends) = hub.ask(chat, intended);
        if !has_ended(&hub, chat, turn, ends).await {
            // Somebody who gets no answer goes away.
            return;
        }
        intended = Instant::now() + ms(hub.profile.think_ms.draw(&mut random));
    }
}

/// Waits for the end of a turn; false when there was none in time.
async fn has_ended(hub: &Hub, chat: i64, turn: u32, mut ends: oneshot::Receiver<()>) -> bool {
    let patience = ms(hub.profile.turn_timeout_s * 1000.0);
    let mut until = Instant::now() + patience;
    loop {
        if let Ok(ended) = timeout_at(until, &mut ends).await {
            return ended.is_ok();
        }
        // While earlier questions of the chat are answered, this one is not late.
        until = hub.judge.borrow().next_since(chat, turn).unwrap_or(until) + patience;
        let now = Instant::now();
        if until <= now {
            hub.judge.borrow_mut().give_up(chat, turn, patience, now);
            return false;
        }
    }
}

/// Open loop: questions come when they come, to any chat, whoever still waits for an answer there.
async fn arrivals(hub: &Rc<Hub>, plan: &Plan, rate_per_s: f64) -> Result<(), JoinError> {
    let mut random = Random::new(&[hub.profile.seed, PEOPLE]);
    let waiting = FuturesUnordered::new();
    let chats = hub.profile.chats;
    let most = hub.profile.turns.map_or(u64::MAX, |turns| u64::from(turns) * chats);
    let mut intended = plan.began;
    for _ in 0..most {
        intended += poisson_gap(rate_per_s, &mut random);
        if !plan.reach(hub, intended).await {
            break;
        }
        let chat = plan.first_chat + random.below(reached(hub, plan, intended)) as i64;
        let (turn, ends) = hub.ask(chat, intended);
        let hub = hub.clone();
        waiting.push(tokio::task::spawn_local(async move { has_ended(&hub, chat, turn, ends).await }));
    }
    waiting.try_for_each(|_has_ended| ready(Ok(()))).await
}

fn poisson_gap(rate_per_s: f64, random: &mut Random) -> Duration {
    let mean = 1000.0 / rate_per_s;
    ms(super::distribution::Distribution::Drawn(super::distribution::Shape::Exponential { mean })
        .draw(random))
}

/// How many chats the ramp has reached.
fn reached(hub: &Hub, plan: &Plan, now: Instant) -> u64 {
    let (chats, ramp_s) = (hub.profile.chats, hub.profile.ramp_s);
    let share = if ramp_s > 0.0 { (now - plan.began).as_secs_f64() / ramp_s } else { 1.0 };
    ((share.min(1.0) * chats as f64).ceil() as u64).clamp(1, chats)
}
