//! Chunker: coalesces the model's deltas into sends.
//!
//! It works on one credit: a part is sent only when the one before has been answered for. Whatever
//! arrives meanwhile waits in its buffer, however long Telegram takes.

use actix::{Actor, Context, Handler};

use crate::domain::chunking::{Boundary, Cutter};
use crate::domain::ids::TurnId;
use crate::messages::{AnswerEnded, ChunkDelivered, DeliverChunk, DeltaArrived, DiscardRest, FirstChunk};
use crate::port::Port;

/// Whom the Chunker may tell what.
pub struct ChunkerPorts {
    /// To Heartbeat: stop.
    pub heartbeat_first_chunk: Port<FirstChunk>,
    /// To Outbox: what bridges the wait is not needed any more.
    pub outbox_first_chunk: Port<FirstChunk>,
    /// To Outbox.
    pub deliver_chunk: Port<DeliverChunk>,
}

/// What the Chunker needs to know.
#[derive(Debug, Clone, Copy)]
pub struct ChunkerSettings {
    /// Where a send may end.
    pub boundary: Boundary,
    /// Characters of one send, at most.
    pub chunk_chars: usize,
}

/// The actor.
pub struct Chunker {
    ports: ChunkerPorts,
    settings: ChunkerSettings,
    answer: Option<Answer>,
}

struct Answer {
    turn: TurnId,
    cutter: Cutter,
    parts: u32,
    unanswered: bool,
    complete: bool,
}

impl Chunker {
    /// A Chunker with an empty buffer.
    pub fn new(ports: ChunkerPorts, settings: ChunkerSettings) -> Self {
        Self { ports, settings, answer: None }
    }

    fn answer(&mut self, turn: TurnId) -> &mut Answer {
        if self.answer.as_ref().is_some_and(|answer| answer.turn != turn) {
            self.answer = None;
        }
        let ChunkerSettings { boundary, chunk_chars } = self.settings;
        self.answer.get_or_insert_with(|| Answer {
            turn,
            cutter: Cutter::new(boundary, chunk_chars),
            parts: 0,
            unanswered: false,
            complete: false,
        })
    }

    fn deliver_next(&mut self) {
        let Some(answer) = self.answer.as_mut().filter(|answer| !answer.unanswered) else { return };
        let Some(chunk) = answer.cutter.next(answer.complete) else { return };
        answer.parts += 1;
        answer.unanswered = true;
        let (turn, part) = (answer.turn, answer.parts);
        if part == 1 {
            self.ports.heartbeat_first_chunk.tell_if_there(FirstChunk { turn });
            self.ports.outbox_first_chunk.tell_if_there(FirstChunk { turn });
        }
        self.ports.deliver_chunk.tell_if_there(DeliverChunk { turn, part, chunk });
    }
}

impl Actor for Chunker {
    type Context = Context<Self>;
}

impl Handler<DeltaArrived> for Chunker {
    type Result = ();

    fn handle(&mut self, DeltaArrived { turn, text }: DeltaArrived, _: &mut Context<Self>) {
        self.answer(turn).cutter.push(&text);
        self.deliver_next();
    }
}

impl Handler<AnswerEnded> for Chunker {
    type Result = ();

    fn handle(&mut self, AnswerEnded { turn }: AnswerEnded, _: &mut Context<Self>) {
        self.answer(turn).complete = true;
        self.deliver_next();
    }
}

impl Handler<ChunkDelivered> for Chunker {
    type Result = ();

    fn handle(&mut self, ChunkDelivered { report }: ChunkDelivered, _: &mut Context<Self>) {
        if let Some(answer) = self.answer.as_mut().filter(|answer| answer.turn == report.turn) {
            answer.unanswered = false;
            self.deliver_next();
        }
    }
}

impl Handler<DiscardRest> for Chunker {
    type Result = ();

    fn handle(&mut self, DiscardRest { turn }: DiscardRest, _: &mut Context<Self>) {
        self.answer.take_if(|answer| answer.turn == turn);
    }
}
