//! Conversations that nobody uses leave memory.

use actix::{AsyncContext, Context};
use tokio::time::Instant;

use super::Ingress;
use crate::domain::ids::ChatKey;

impl Ingress {
    /// Its last turn has ended: the conversation leaves memory if no other comes for a while.
    pub(super) fn rest(&mut self, key: ChatKey, ctx: &mut Context<Self>) {
        let now = Instant::now();
        self.idle.push_back((now, key));
        self.idle_since.insert(key, now);
        while self.idle_since.len() > self.settings.max_idle
            && let Some((since, oldest)) = self.idle.pop_front()
        {
            self.put_away_one(oldest, since);
        }
        if self.idle_timer.is_none() && !self.is_stopping {
            self.idle_timer = Some(ctx.run_later(self.settings.idle, Self::put_away));
        }
    }

    pub(super) fn put_away(&mut self, ctx: &mut Context<Self>) {
        let idle = self.settings.idle;
        while let Some((since, key)) = self.idle.pop_front_if(|(since, _)| since.elapsed() >= idle) {
            self.put_away_one(key, since);
        }
        let next = self.idle.front().map(|(since, _)| idle.saturating_sub(since.elapsed()));
        self.idle_timer = next.map(|wait| ctx.run_later(wait, Self::put_away));
    }

    fn put_away_one(&mut self, key: ChatKey, since: Instant) {
        // One that has had another turn since stands behind, too.
        if self.idle_since.get(&key) == Some(&since) {
            self.idle_since.remove(&key);
            if !self.in_chat.contains_key(&key) {
                self.conversations.remove(&key);
            }
        }
    }
}
