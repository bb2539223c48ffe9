//! A bot's queue of updates: polled with an offset, or delivered to a webhook chat by chat.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};

use serde_json::{Value, json};

/// Telegram keeps an update for so long.
const KEPT_MS: u64 = 24 * 60 * 60 * 1000;

/// Kinds that Telegram sends only when they are named in `allowed_updates`.
const ONLY_WHEN_NAMED: [&str; 4] =
    ["chat_member", "message_reaction", "message_reaction_count", "stopped_message_generation"];

/// How long a webhook that failed is left alone: doubling from the first to the most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// After the first failure, in milliseconds.
    pub first_ms: u64,
    /// At most, in milliseconds.
    pub most_ms: u64,
}

impl Default for Retry {
    fn default() -> Self {
        Self { first_ms: 1_000, most_ms: 60_000 }
    }
}

impl Retry {
    fn after_ms(self, failures: u32) -> u64 {
        let factor = 1u64.checked_shl(failures.saturating_sub(1)).unwrap_or(u64::MAX);
        self.first_ms.saturating_mul(factor).min(self.most_ms)
    }
}

/// Where updates are delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Where to POST.
    pub url: String,
    /// For the header `X-Telegram-Bot-Api-Secret-Token`.
    pub secret_token: Option<String>,
    /// How many updates are under way at once.
    pub max_connections: usize,
    /// As given.
    pub ip_address: Option<String>,
    /// Whether a certificate came with it.
    pub has_custom_certificate: bool,
}

/// An update on its way to a webhook.
#[derive(Debug, Clone, PartialEq)]
pub struct Delivery {
    /// Whose update.
    pub bot: i64,
    /// Which update.
    pub update_id: i64,
    /// Which setting of the webhook: reports for an older one are ignored.
    pub epoch: u64,
    /// Where to POST it.
    pub webhook: Webhook,
    /// The Update.
    pub update: Value,
}

/// Updates that wait for each other: those of a chat. One without a chat waits for none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Lane {
    Chat(i64),
    Alone(i64),
}

#[derive(Debug)]
struct Pending {
    update: Value,
    lane: Lane,
    at_ms: u64,
    failures: u32,
    retry_ms: u64,
    doubled: bool,
}

/// The queue of one bot.
#[derive(Debug)]
pub(super) struct Updates {
    next_id: i64,
    pending: BTreeMap<i64, Pending>,
    lanes: HashMap<Lane, VecDeque<i64>>,
    /// The first of each lane that may go now, those that wait for a retry, those under way.
    ready: BTreeSet<i64>,
    retrying: BTreeSet<(u64, i64)>,
    flying: HashSet<i64>,
    webhook: Option<Webhook>,
    epoch: u64,
    last_error: Option<(u64, String)>,
    allowed: Vec<String>,
    poll: u64,
}

impl Default for Updates {
    fn default() -> Self {
        Self {
            next_id: 500_000_001,
            pending: BTreeMap::new(),
            lanes: HashMap::new(),
            ready: BTreeSet::new(),
            retrying: BTreeSet::new(),
            flying: HashSet::new(),
            webhook: None,
            epoch: 0,
            last_error: None,
            allowed: Vec::new(),
            poll: 0,
        }
    }
}

impl Updates {
    pub(super) fn number_from(&mut self, first: i64) {
        self.next_id = first;
    }

    /// Queues `{kind: body}` and returns its id. A kind that is not allowed gets an id and is
    /// forgotten, as in Telegram.
    pub(super) fn push(&mut self, now_ms: u64, kind: &str, body: Value) -> i64 {
        let id = self.next_id;
        self.next_id += 1;
        if self.allows(kind) {
            self.queue(now_ms, id, json!({"update_id": id, kind: body}));
        }
        id
    }

    /// Queues an update as it is. Without `update_id` it gets the next; with one that is queued
    /// already it is dropped.
    pub(super) fn push_raw(&mut self, now_ms: u64, mut update: Value) -> i64 {
        let id = update.get("update_id").and_then(Value::as_i64).unwrap_or(self.next_id);
        self.next_id = self.next_id.max(id.saturating_add(1));
        if let Value::Object(fields) = &mut update {
            fields.insert("update_id".into(), json!(id));
        }
        if !self.pending.contains_key(&id) {
            self.queue(now_ms, id, update);
        }
        id
    }

    fn allows(&self, kind: &str) -> bool {
        match self.allowed.as_slice() {
            [] => !ONLY_WHEN_NAMED.contains(&kind),
            named => named.iter().any(|name| name == kind),
        }
    }

    /// What may be queued from now on; empty stands for the usual kinds.
    pub(super) fn allow(&mut self, kinds: Vec<String>) {
        self.allowed = kinds;
    }

    fn queue(&mut self, now_ms: u64, id: i64, update: Value) {
        self.expire(now_ms);
        let lane = chat_of(&update).map_or(Lane::Alone(id), Lane::Chat);
        let line = self.lanes.entry(lane).or_default();
        line.push_back(id);
        if line.len() == 1 {
            self.ready.insert(id);
        }
        self.pending
            .insert(id, Pending { update, lane, at_ms: now_ms, failures: 0, retry_ms: 0, doubled: false });
    }

    fn expire(&mut self, now_ms: u64) {
        while let Some(entry) = self.pending.first_entry() {
            if entry.get().at_ms + KEPT_MS > now_ms {
                return;
            }
            let id = *entry.key();
            self.forget(id);
        }
    }

    /// Takes an update out; the next of its chat may go.
    fn forget(&mut self, id: i64) {
        let Some(gone) = self.pending.remove(&id) else { return };
        self.ready.remove(&id);
        self.flying.remove(&id);
        self.retrying.remove(&(gone.retry_ms, id));
        let Some(line) = self.lanes.get_mut(&gone.lane) else { return };
        let was_first = line.front() == Some(&id);
        line.retain(|other| *other != id);
        match line.front() {
            None => drop(self.lanes.remove(&gone.lane)),
            Some(next) if was_first => drop(self.ready.insert(*next)),
            Some(_) => {}
        }
    }

    /// Takes an update out of the queue.
    pub(super) fn take(&mut self, id: i64) -> Option<Value> {
        let update = self.pending.get(&id)?.update.clone();
        self.forget(id);
        Some(update)
    }

    /// How many updates wait.
    pub(super) fn pending_count(&self) -> usize {
        self.pending.len()
    }

    /// Forgets all that waits.
    pub(super) fn drop_pending(&mut self) {
        let ids: Vec<_> = self.pending.keys().copied().collect();
        ids.into_iter().for_each(|id| self.forget(id));
    }

    /// Begins a poll: whoever polled before is done for. Returns the poll's number.
    pub(super) fn begin_poll(&mut self) -> u64 {
        self.poll += 1;
        self.poll
    }

    /// The number of the newest poll.
    pub(super) fn newest_poll(&self) -> u64 {
        self.poll
    }

    /// Confirms all before `offset` (a negative one counts from the end) and returns the next.
    pub(super) fn poll(&mut self, now_ms: u64, offset: i64, limit: usize) -> Vec<Value> {
        self.expire(now_ms);
        let from = match usize::try_from(-offset) {
            Ok(back @ 1..) => {
                let count = self.pending.len();
                self.pending.keys().nth(count.saturating_sub(back)).copied().unwrap_or(0)
            }
            _ => offset,
        };
        let confirmed: Vec<_> = self.pending.range(..from).map(|(id, _)| *id).collect();
        confirmed.into_iter().for_each(|id| self.forget(id));
        self.pending.values().take(limit).map(|pending| pending.update.clone()).collect()
    }

    /// The webhook, where one is set.
    pub(super) fn webhook(&self) -> Option<&Webhook> {
        self.webhook.as_ref()
    }

    /// Sets or removes the webhook. What was under way to the old one is delivered to the new one.
    pub(super) fn set_webhook(&mut self, webhook: Option<Webhook>) {
        self.webhook = webhook;
        self.epoch += 1;
        self.last_error = None;
        self.flying.clear();
        self.retrying.clear();
        self.ready = self.lanes.values().filter_map(|line| line.front().copied()).collect();
    }

    /// The newest failure of the webhook: when, and what.
    pub(super) fn last_error(&self) -> Option<&(u64, String)> {
        self.last_error.as_ref()
    }

    /// The kinds that were asked for; empty stands for the usual ones.
    pub(super) fn allowed(&self) -> &[String] {
        &self.allowed
    }

    /// The updates that may be POSTed now; each is under way until it is reported.
    pub(super) fn take_deliveries(&mut self, now_ms: u64, bot: i64) -> Vec<Delivery> {
        self.expire(now_ms);
        let Some(webhook) = self.webhook.clone() else { return Vec::new() };
        while let Some((_, id)) = self.retrying.first().copied().filter(|(at, _)| *at <= now_ms) {
            self.retrying.pop_first();
            self.ready.insert(id);
        }
        let mut taken = Vec::new();
        while self.flying.len() < webhook.max_connections {
            let Some(id) = self.ready.pop_first() else { break };
            let Some(pending) = self.pending.get(&id) else { continue };
            self.flying.insert(id);
            let (update, webhook) = (pending.update.clone(), webhook.clone());
            taken.push(Delivery { bot, update_id: id, epoch: self.epoch, webhook, update });
        }
        taken
    }

    /// When the next retry is due.
    pub(super) fn next_retry_ms(&self) -> Option<u64> {
        self.retrying.first().map(|(at, _)| *at)
    }

    /// The webhook took it. With `again_ms` it comes once more then, unless it has already.
    pub(super) fn acknowledged(&mut self, epoch: u64, id: i64, again_ms: Option<u64>) {
        if epoch != self.epoch || !self.flying.contains(&id) {
            return;
        }
        match (again_ms, self.pending.get_mut(&id).filter(|pending| !pending.doubled)) {
            (Some(again_ms), Some(pending)) => {
                (pending.doubled, pending.retry_ms) = (true, again_ms);
                self.flying.remove(&id);
                self.retrying.insert((again_ms, id));
            }
            _ => self.forget(id),
        }
    }

    /// The webhook did not take it: it and its chat wait.
    pub(super) fn failed(&mut self, now_ms: u64, delivery: &Delivery, failure: Failure, retry: Retry) {
        if delivery.epoch != self.epoch || !self.flying.remove(&delivery.update_id) {
            return;
        }
        self.last_error = Some((now_ms, failure.message));
        let Some(pending) = self.pending.get_mut(&delivery.update_id) else { return };
        pending.failures += 1;
        let wait = failure.retry_after_ms.unwrap_or_else(|| retry.after_ms(pending.failures));
        pending.retry_ms = now_ms + wait;
        self.retrying.insert((pending.retry_ms, delivery.update_id));
    }
}

/// Why a delivery failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// For `last_error_message`.
    pub message: String,
    /// The webhook's own `Retry-After`, in milliseconds.
    pub retry_after_ms: Option<u64>,
}

/// The chat that an update is about.
fn chat_of(update: &Value) -> Option<i64> {
    let of = |body: &Value| body.pointer("/chat/id").or_else(|| body.pointer("/message/chat/id"))?.as_i64();
    update.as_object()?.values().find_map(of)
}

#[cfg(test)]
#[path = "updates_tests.rs"]
mod tests;
