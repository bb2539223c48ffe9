//! Heartbeat: says "Thinking..." at an even pace until the answer begins.

use std::time::Duration;

use actix::{Actor, AsyncContext, Context, Handler, SpawnHandle};
use tokio::time::Instant;

use crate::domain::ids::TurnId;
use crate::messages::{FirstChunk, Thinking, TurnEnded, TurnStarted};
use crate::port::Port;

/// What the Heartbeat needs to know.
#[derive(Debug, Clone, Copy)]
pub struct HeartbeatSettings {
    /// Between two beats, and before the first.
    pub every: Duration,
    /// Beats in one turn.
    pub max_beats: u32,
}

/// The actor.
pub struct Heartbeat {
    thinking: Port<Thinking>,
    settings: HeartbeatSettings,
    beating: Option<Beating>,
}

struct Beating {
    turn: TurnId,
    since: Instant,
    beats: u32,
    timer: SpawnHandle,
}

impl Heartbeat {
    /// A Heartbeat that tells the Outbox.
    pub fn new(thinking: Port<Thinking>, settings: HeartbeatSettings) -> Self {
        Self { thinking, settings, beating: None }
    }

    /// Each beat is reckoned from the turn's start, so that late ones do not push the next.
    fn arm(&self, since: Instant, beat: u32, ctx: &mut Context<Self>) -> SpawnHandle {
        let due = since + self.settings.every * beat;
        ctx.run_later(due.saturating_duration_since(Instant::now()), Self::beat)
    }

    fn beat(&mut self, ctx: &mut Context<Self>) {
        let Some(Beating { turn, since, beats, .. }) = self.beating.take() else { return };
        let beat = beats + 1;
        let seconds = since.elapsed().as_secs();
        self.thinking.tell_if_there(Thinking { turn, beat, seconds });
        if beat < self.settings.max_beats {
            let timer = self.arm(since, beat + 1, ctx);
            self.beating = Some(Beating { turn, since, beats: beat, timer });
        }
    }

    fn stop(&mut self, turn: TurnId, ctx: &mut Context<Self>) {
        if let Some(beating) = self.beating.take_if(|beating| beating.turn == turn) {
            ctx.cancel_future(beating.timer);
        }
    }
}

impl Actor for Heartbeat {
    type Context = Context<Self>;
}

impl Handler<TurnStarted> for Heartbeat {
    type Result = ();

    fn handle(&mut self, TurnStarted { turn }: TurnStarted, ctx: &mut Context<Self>) {
        if let Some(beating) = self.beating.take() {
            ctx.cancel_future(beating.timer);
        }
        if self.settings.max_beats > 0 {
            let since = Instant::now();
            let timer = self.arm(since, 1, ctx);
            self.beating = Some(Beating { turn, since, beats: 0, timer });
        }
    }
}

impl Handler<FirstChunk> for Heartbeat {
    type Result = ();

    fn handle(&mut self, FirstChunk { turn }: FirstChunk, ctx: &mut Context<Self>) {
        self.stop(turn, ctx);
    }
}

impl Handler<TurnEnded> for Heartbeat {
    type Result = ();

    fn handle(&mut self, TurnEnded { turn, .. }: TurnEnded, ctx: &mut Context<Self>) {
        self.stop(turn, ctx);
    }
}
