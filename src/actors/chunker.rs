//! Chunker: coalesces the model's deltas into sends.
//!
//! It says when there is enough for a send, and cuts when the Outbox can send. Whatever arrives
//! meanwhile waits in its buffer, however long Telegram takes, and a chat that had to wait gets more
//! at once.

use actix::{Actor, Context, Handler};

use crate::domain::chunking::{Boundary, MESSAGE_UTF16};
use crate::domain::cutting::{AnswerCutter, Format, Frame, Streaming};
use crate::domain::ids::TurnId;
use crate::messages::{
    AnswerCut, AnswerEnded, AnswerResumed, ChunkReady, ChunkReturned, CutChunk, DeliverChunk, DeltaArrived,
    DiscardRest, FirstChunk, NothingToCut,
};
use crate::port::Port;

/// Whom the Chunker may tell what.
pub struct ChunkerPorts {
    /// To Heartbeat: stop.
    pub heartbeat_first_chunk: Port<FirstChunk>,
    /// To Outbox: what bridges the wait is not needed any more.
    pub outbox_first_chunk: Port<FirstChunk>,
    /// To Conversation.
    pub answer_cut: Port<AnswerCut>,
    /// To Outbox.
    pub chunk_ready: Port<ChunkReady>,
    /// To Outbox.
    pub nothing_to_cut: Port<NothingToCut>,
    /// To Outbox.
    pub deliver_chunk: Port<DeliverChunk>,
}

/// What the Chunker needs to know.
#[derive(Debug, Clone, Copy)]
pub struct ChunkerSettings {
    /// How an answer comes into the chat.
    pub streaming: Streaming,
    /// How an answer is shown.
    pub format: Format,
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
    cutter: AnswerCutter,
    parts: u32,
    /// `FirstChunk` was said.
    begun: bool,
    /// What stands in the growing message.
    framed_chars: usize,
    /// The last part handed out is one that stays as it is.
    last_closed: bool,
    /// The Outbox knows that there is something to send.
    announced: bool,
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
        let ChunkerSettings { format, boundary, chunk_chars, .. } = self.settings;
        self.answer.get_or_insert_with(|| Answer {
            turn,
            cutter: AnswerCutter::new(format, boundary, chunk_chars),
            parts: 0,
            begun: false,
            framed_chars: 0,
            last_closed: true,
            announced: false,
            complete: false,
        })
    }

    fn announce(&mut self) {
        let Some(answer) = self.answer.as_mut().filter(|answer| !answer.announced) else { return };
        let ready = match self.settings.streaming {
            Streaming::Edit | Streaming::Draft if !answer.complete => {
                answer.cutter.has_more_than(answer.framed_chars)
            }
            _ => answer.cutter.is_ready(answer.complete),
        };
        if !ready {
            if answer.complete {
                let (turn, parts) = (answer.turn, answer.parts);
                self.ports.answer_cut.tell_if_there(AnswerCut { turn, parts });
            }
            return;
        }
        answer.announced = true;
        let turn = answer.turn;
        if !std::mem::replace(&mut answer.begun, true) {
            self.ports.heartbeat_first_chunk.tell_if_there(FirstChunk { turn });
            self.ports.outbox_first_chunk.tell_if_there(FirstChunk { turn });
        }
        self.ports.chunk_ready.tell_if_there(ChunkReady { turn });
    }

    fn cut(&mut self, turn: TurnId, merge_above_chars: usize) {
        let chunk_chars = self.settings.chunk_chars;
        let Some(answer) = self.answer.as_mut().filter(|answer| answer.turn == turn) else {
            return self.ports.nothing_to_cut.tell_if_there(NothingToCut { turn, is_over: true });
        };
        answer.announced = false;
        let merges = answer.cutter.waiting_chars() > merge_above_chars.max(chunk_chars);
        let max_chars = if merges { MESSAGE_UTF16 } else { chunk_chars };
        let frame = match self.settings.streaming {
            Streaming::Edit | Streaming::Draft => answer.cutter.grow(answer.complete),
            Streaming::Chunks => {
                let chunk = answer.cutter.cut(answer.complete, max_chars);
                chunk.map(|chunk| Frame { chunk, closes: true })
            }
        };
        let Some(frame) = frame else {
            self.ports.nothing_to_cut.tell_if_there(NothingToCut { turn, is_over: false });
            if answer.complete {
                // What is left has no words: nothing else will end the answer.
                let parts = answer.parts;
                self.ports.answer_cut.tell_if_there(AnswerCut { turn, parts });
            }
            return;
        };
        let part = answer.parts + 1;
        answer.last_closed = frame.closes;
        answer.parts += u32::from(frame.closes);
        answer.framed_chars = if frame.closes { 0 } else { answer.cutter.waiting_chars() };
        self.ports.deliver_chunk.tell_if_there(DeliverChunk { turn, part, frame });
        self.announce();
    }
}

impl Actor for Chunker {
    type Context = Context<Self>;
}

impl Handler<DeltaArrived> for Chunker {
    type Result = ();

    fn handle(&mut self, DeltaArrived { turn, text }: DeltaArrived, _: &mut Context<Self>) {
        self.answer(turn).cutter.push(&text);
        self.announce();
    }
}

impl Handler<AnswerResumed> for Chunker {
    type Result = ();

    fn handle(&mut self, AnswerResumed { turn, answer, end_bytes }: AnswerResumed, _: &mut Context<Self>) {
        let ChunkerSettings { format, boundary, chunk_chars, .. } = self.settings;
        let resumed = AnswerCutter::new(format, boundary, chunk_chars).resume(&answer, end_bytes);
        let answer = self.answer(turn);
        answer.cutter = resumed;
        answer.complete = true;
        self.announce();
    }
}

impl Handler<AnswerEnded> for Chunker {
    type Result = ();

    fn handle(&mut self, AnswerEnded { turn }: AnswerEnded, _: &mut Context<Self>) {
        self.answer(turn).complete = true;
        self.announce();
    }
}

impl Handler<CutChunk> for Chunker {
    type Result = ();

    fn handle(&mut self, CutChunk { turn, merge_above_chars }: CutChunk, _: &mut Context<Self>) {
        self.cut(turn, merge_above_chars);
    }
}

impl Handler<ChunkReturned> for Chunker {
    type Result = ();

    fn handle(&mut self, ChunkReturned { turn }: ChunkReturned, _: &mut Context<Self>) {
        if let Some(answer) = self.answer.as_mut().filter(|answer| answer.turn == turn) {
            if answer.last_closed {
                answer.cutter.uncut();
                answer.parts = answer.parts.saturating_sub(1);
            }
            // The Outbox knows: it has it in its line again.
            answer.announced = true;
        }
    }
}

impl Handler<DiscardRest> for Chunker {
    type Result = ();

    fn handle(&mut self, DiscardRest { turn }: DiscardRest, _: &mut Context<Self>) {
        self.answer.take_if(|answer| answer.turn == turn);
    }
}
