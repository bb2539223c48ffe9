//! What Telegram and the store do to the bot, as the seed wants it.

use std::time::Duration;

use brigade::sandbox::server::Sandbox;
use brigade::sandbox::telegram::{Chaos, Fault, Trouble};
use tokio::time::Instant;

use super::plan::{Plan, Random};
use super::question::{CHATS, key_of};
use super::store::Stage;

/// Messages between two penalties.
const CALM_MESSAGES: usize = 40;

/// The troubles of a run.
pub struct Weather {
    random: Random,
    next_flood: usize,
    /// When how many messages have been sent, the store goes away next.
    outages: Vec<usize>,
    away_until: Option<Instant>,
    /// The store's outages so far.
    pub away: Vec<Outage>,
}

/// A time without a store, in the simulated Telegram's time.
#[derive(Debug, Clone, Copy)]
pub struct Outage {
    /// When it began.
    pub from_ms: u64,
    /// When it ended, if it has.
    pub to_ms: u64,
}

/// A write that failed is tried again after this at most.
const REPEATED_MS: u64 = 6_000;

/// A write that nothing disturbs is done by then.
const RECORDED_MS: u64 = 500;

impl Outage {
    /// Whether what came to be at `at_ms`, in a life from `began_ms` to `end_ms`, may not have been
    /// recorded for want of a store.
    pub fn kept_off_record(&self, at_ms: u64, began_ms: u64, end_ms: u64) -> bool {
        let in_life = self.to_ms > began_ms && self.from_ms <= end_ms;
        in_life && self.from_ms <= at_ms + RECORDED_MS && at_ms <= self.to_ms.saturating_add(REPEATED_MS)
    }
}

/// Troubles by rate: one call in fifteen meets one.
pub fn chaos(seed: u64) -> Chaos {
    Chaos {
        seed,
        server_error_percent: 2,
        lost_reply_percent: 1,
        unreachable_percent: 1,
        slow_percent: 3,
        slow_most_ms: SLOW_MOST_MS,
        doubled_webhook_percent: 5,
    }
}

/// The longest that a call waits in the simulated Telegram.
pub const SLOW_MOST_MS: u64 = 150;

impl Weather {
    /// The weather of a run, which has begun.
    pub fn begin(plan: &Plan, sandbox: &Sandbox) -> Self {
        sandbox.world().set_chaos(chaos(plan.seed));
        let count = plan.kills / 10 + 1;
        let outages = (1..=count).map(|n| plan.turns * n / (count + 1)).rev().collect();
        let random = Random::new(plan.seed, 3);
        Self { random, next_flood: CALM_MESSAGES, outages, away_until: None, away: Vec::new() }
    }

    /// Does what is due when so many messages have been sent.
    pub fn change(&mut self, said: usize, sandbox: &Sandbox, stage: &mut Stage) {
        if said >= self.next_flood {
            self.next_flood += CALM_MESSAGES;
            sandbox.world().fault(self.penalty());
        }
        if self.away_until.is_some_and(|until| Instant::now() >= until) {
            self.end_outage(sandbox, stage);
        }
        if self.away_until.is_none() && self.outages.last().is_some_and(|at| said >= *at) {
            self.outages.pop();
            // Longer than the embedded store waits for its file, one time in two.
            let ms = if self.away.len().is_multiple_of(2) { 6_000 } else { self.random.within(300, 2_000) };
            self.begin_outage(ms, sandbox, stage);
        }
    }

    /// The store is away for so many milliseconds.
    pub fn begin_outage(&mut self, ms: u64, sandbox: &Sandbox, stage: &mut Stage) {
        self.away.push(Outage { from_ms: sandbox.world().now_ms(), to_ms: u64::MAX });
        stage.go_away();
        self.away_until = Some(Instant::now() + Duration::from_millis(ms));
    }

    /// The store comes back, when it was away.
    pub fn end_outage(&mut self, sandbox: &Sandbox, stage: &mut Stage) {
        stage.come_back();
        if self.away_until.take().is_some()
            && let Some(outage) = self.away.last_mut()
        {
            outage.to_ms = sandbox.world().now_ms();
        }
    }

    fn penalty(&mut self) -> Fault {
        let chat = key_of(self.random.below(CHATS as u64) as usize).chat;
        let method = self.random.one_of(&["sendMessage", "sendMessage", "deleteMessage", "deleteMessages"]);
        Fault::on(method, Trouble::RetryAfter(self.random.within(1, 2))).in_chat(chat)
    }

    /// From now on all is well.
    pub fn clear(&mut self, sandbox: &Sandbox, stage: &mut Stage) {
        sandbox.world().set_chaos(Chaos::default());
        sandbox.world().clear_faults();
        self.end_outage(sandbox, stage);
    }
}
