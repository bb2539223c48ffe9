//! What is done about a model call that failed.

use std::time::Duration;

use actix::{AsyncContext, Context};

use super::Conversation;
use super::listening::{Asked, Work};
use crate::domain::commands;
use crate::domain::retry::Remedy;
use crate::domain::turn::Failure;
use crate::edge::llm::ModelError;

impl Conversation {
    /// A call failed that was asked for so: streamed, with tools.
    pub(super) fn call_failed(&mut self, error: &ModelError, asked: Asked, ctx: &mut Context<Self>) {
        // One that brought words found the provider there: many of them break off when a connection does.
        if !(error.is_of_the_provider() && self.has_begun()) {
            self.with.breaker.report(!error.is_of_the_provider());
        }
        match self.remedy(error) {
            Remedy::TryAgain(wait_ms) => self.ask_after(wait_ms, asked, error, ctx),
            Remedy::Continue(wait_ms) => {
                if let Some(turn) = self.running.as_mut().and_then(|running| running.turn.as_mut()) {
                    turn.continue_answer();
                }
                let asked = Asked { streamed: true, with_tools: false };
                self.ask_after(wait_ms, asked, error, ctx);
            }
            Remedy::GiveUp => {
                let for_user = if self.has_begun() { commands::BROKE_OFF } else { error.for_user() };
                self.fail(Failure::told(error.to_string(), for_user), ctx);
            }
        }
    }

    fn remedy(&mut self, error: &ModelError) -> Remedy {
        let begun = self.has_begun();
        let Some(running) = self.running.as_mut().filter(|_| error.is_passing()) else {
            return Remedy::GiveUp;
        };
        let since_ms = running.asked_at_ms.map_or(0, |asked| self.with.clock.since_ms(asked));
        let turn = running.stored.id;
        running.failures.remedy(self.settings.retry, turn, begun, error.wait_ms(), since_ms)
    }

    /// Whether some of what the failed call was to bring is there.
    fn has_begun(&self) -> bool {
        let turn = self.running.as_ref().and_then(|running| running.turn.as_ref());
        turn.is_some_and(|turn| turn.spoke())
    }

    fn ask_after(
        &mut self,
        wait_ms: u64,
        Asked { streamed, with_tools }: Asked,
        error: &ModelError,
        ctx: &mut Context<Self>,
    ) {
        let Some(running) = &mut self.running else { return };
        let turn = running.stored.id;
        tracing::warn!(chat = %self.key, %turn, "the model is asked again in {wait_ms} ms: {error}");
        let asked = ctx.run_later(Duration::from_millis(wait_ms), move |this, ctx| {
            if this.is_at(Some(turn)) {
                this.call_model(streamed, with_tools, ctx);
            }
        });
        running.call = Some(Work::Context(asked));
    }
}
