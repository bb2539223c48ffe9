//! What an Outbox is built from.

use crate::domain::line::{BeatStyle, Uncertain};
use crate::messages::{
    AttemptFailed, ChunkDelivered, ChunkReturned, CutChunk, PartAttempted, PenaltyReceived, RemarkMade,
    StatusShown, TurnClosed,
};
use crate::port::Port;

/// Whom the Outbox may tell what.
pub struct OutboxPorts {
    /// To Conversation.
    pub remark_made: Port<RemarkMade>,
    /// To Conversation: for the ledger, that a part was surely not sent.
    pub attempt_failed: Port<AttemptFailed>,
    /// To Conversation: for the ledger, what is to be deleted.
    pub status_shown: Port<StatusShown>,
    /// To Conversation: for the ledger, how long to be silent.
    pub penalty_received: Port<PenaltyReceived>,
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
    /// Answers are shown as drafts while they are written.
    pub drafts: bool,
    /// How heartbeats show.
    pub beat_style: BeatStyle,
    /// What waits for a chat that must be paced is sent together when it is more than so many
    /// characters.
    pub merge_above_chars: usize,
    /// What to do when Telegram did not answer a send.
    pub uncertain: Uncertain,
}
