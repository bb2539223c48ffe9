//! What an Outbox is built from.

use crate::domain::line::{BeatStyle, Uncertain};
use crate::messages::{ChunkDelivered, ChunkReturned, CutChunk, PartAttempted, TurnClosed};
use crate::port::Port;

/// Whom the Outbox may tell what.
pub struct OutboxPorts {
    /// To Conversation: for the ledger, before the send.
    pub part_attempted: Port<PartAttempted>,
    /// To Conversation: for the ledger, after it.
    pub chunk_delivered: Port<ChunkDelivered>,
    /// To Chunker.
    pub cut_chunk: Port<CutChunk>,
    /// To Chunker.
    pub chunk_returned: Port<ChunkReturned>,
    /// To Conversation.
    pub turn_closed: Port<TurnClosed>,
}

/// What an Outbox needs to know.
#[derive(Debug, Clone, Copy)]
pub struct OutboxSettings {
    /// How heartbeats show.
    pub beat_style: BeatStyle,
    /// What waits for a chat that must be paced is sent together when it is more than so many
    /// characters.
    pub merge_above_chars: usize,
    /// What to do when Telegram did not answer a send.
    pub uncertain: Uncertain,
}
