//! Drafts: shown at most once a second, kept alive, and given up where Telegram will have none.

use std::time::Duration;

use actix::{ActorFutureExt, AsyncContext, Context, WrapFuture};
use tokio::time::Instant;

use super::calls::{Done, Making, make};
use super::{Outbox, State, TELEGRAM};
use crate::domain::ids::TurnId;
use crate::domain::line::{Call, Job, Task};
use crate::edge::telegram::TelegramError;
use crate::port::witness;

/// Between two frames of a draft: more would be spent on what nobody can read.
const FRAME_EVERY: Duration = Duration::from_secs(1);

/// A draft lives 30 s from its last update (Bot API); early enough for a call that has to wait.
const REFRESH_AFTER: Duration = Duration::from_secs(20);

impl Outbox {
    /// How long a part that may become a frame must still wait.
    pub(super) fn until_next_frame_ms(&self, job: &Job) -> u64 {
        let next = self.next_frame.filter(|_| job.task == Task::Cut && self.line.has_drafts());
        let wait = next.map_or(Duration::ZERO, |next| next.saturating_duration_since(Instant::now()));
        u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)
    }

    /// A draft was shown: it is shown again when nothing newer has been before it expires.
    pub(super) fn keep_draft_alive(&mut self, turn: TurnId, ctx: &mut Context<Self>) {
        self.next_frame = Some(Instant::now() + FRAME_EVERY);
        let shown = self.line.draft_shown(turn);
        ctx.run_later(REFRESH_AFTER, move |this, ctx| {
            if shown.is_some() && this.line.draft_shown(turn) == shown {
                this.line.push(turn, Task::RefreshDraft);
                this.go_on(ctx);
            }
        });
    }

    /// Shows what the message will show, then has the message recorded and sent, whatever became of
    /// the draft.
    pub(super) fn show_last_draft(&mut self, job: Job, draft: Call, ctx: &mut Context<Self>) {
        self.state = State::Calling;
        witness(self.me, TELEGRAM, &Making(&draft), draft.words());
        let called = make(self.api.as_ref(), self.to, draft);
        ctx.spawn(called.into_actor(self).map(|result, this, ctx| {
            match &result {
                Ok(_) => witness(TELEGRAM, this.me, &Done(None), None),
                Err(error) => witness(TELEGRAM, this.me, error, None),
            }
            this.state = State::Idle;
            if let Err(TelegramError::RetryAfter(window)) = result {
                this.penalised(job.turn, window);
                this.line.put_back(job, 0);
                return this.go_on(ctx);
            }
            this.record(job);
        }));
    }

    /// Telegram refused a draft: a server from before drafts, or a chat that has none.
    pub(super) fn without_drafts(&mut self, job: Job, error: &TelegramError) {
        tracing::warn!(chat = %self.to, "no drafts here, messages grow by edits instead: {error}");
        self.line.refuse_drafts();
        self.hold_back(job);
    }
}
