//! Every edge between stations: who tells whom what, and how many may be on their way.
//!
//! The wiring above this file makes the ports, this list names them. A test plays all scenarios
//! and fails when a message goes over an edge that is not listed, or a listed edge is never used.

use std::fmt::Write;

/// One kind of message from one station to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edge {
    /// Who tells.
    pub from: &'static str,
    /// What: the message's name.
    pub message: &'static str,
    /// Whom.
    pub to: &'static str,
    /// How many may be on their way or unanswered, and why no more.
    pub outstanding: &'static str,
}

const fn edge(
    from: &'static str,
    message: &'static str,
    to: &'static str,
    outstanding: &'static str,
) -> Edge {
    Edge { from, message, to, outstanding }
}

const ONE_A_TURN: &str = "1 for each turn";

/// All edges, in the order in which one update meets them.
pub const EDGES: &[Edge] = &[
    edge("ingress", "LoadUnfinished", "persistence", "1, at start, and 1 for each panic"),
    edge("persistence", "UnfinishedLoaded", "ingress", "1, at start, and 1 for each panic"),
    edge("edge", "TakeUpdate", "ingress", "telegram.max_connections, or one for each polled chat"),
    edge("ingress", "RecordUpdate", "persistence", "http.max_turns_in_flight, and commands"),
    edge("persistence", "UpdateRecorded", "ingress", "http.max_turns_in_flight"),
    edge("ingress", "UserSaid", "conversation", "http.max_turns_in_flight, and commands"),
    edge("conversation", "TakeOver", "outbox", "1 for each turn from before a restart"),
    edge("conversation", "Acknowledge", "outbox", ONE_A_TURN),
    edge("outbox", "StatusShown", "conversation", "1: one call at a time"),
    edge("conversation", "TurnStarted", "heartbeat", "1: one turn runs at a time"),
    edge("conversation", "LoadHistory", "persistence", "1: one turn runs at a time"),
    edge("persistence", "HistoryLoaded", "conversation", "1: one turn runs at a time"),
    edge("conversation", "Remark", "outbox", "1: one turn runs at a time"),
    edge("outbox", "RemarkMade", "conversation", "1: one turn runs at a time"),
    edge("heartbeat", "Thinking", "outbox", "heartbeat.max_beats for each turn"),
    edge(
        "conversation",
        "DeltaArrived",
        "chunker",
        "one for each read of the stream, llm.max_answer_bytes in all",
    ),
    edge("conversation", "SaveMessages", "persistence", "1 for each tool call"),
    edge("conversation", "SaveAnswer", "persistence", ONE_A_TURN),
    edge("persistence", "AnswerSaved", "conversation", ONE_A_TURN),
    edge("conversation", "AnswerEnded", "chunker", ONE_A_TURN),
    edge("conversation", "AnswerResumed", "chunker", ONE_A_TURN),
    edge("chunker", "AnswerCut", "conversation", "1 for each turn, again when a part was returned"),
    edge("chunker", "FirstChunk", "heartbeat", ONE_A_TURN),
    edge("chunker", "FirstChunk", "outbox", ONE_A_TURN),
    edge("chunker", "ChunkReady", "outbox", "1: said again when this is answered"),
    edge("outbox", "CutChunk", "chunker", "1: one call at a time"),
    edge("chunker", "NothingToCut", "outbox", "1: answers CutChunk"),
    edge("chunker", "DeliverChunk", "outbox", "1: answers CutChunk"),
    edge("outbox", "PartAttempted", "conversation", "1: one call at a time"),
    edge("conversation", "SaveDelivery", "persistence", "1: one call at a time"),
    edge("persistence", "DeliverySaved", "outbox", "1: one call at a time"),
    edge("outbox", "AttemptFailed", "conversation", "1: one call at a time"),
    edge("outbox", "PenaltyReceived", "conversation", "1: one call at a time"),
    edge("outbox", "ChunkReturned", "chunker", "1: one call at a time"),
    edge("outbox", "ChunkDelivered", "conversation", "1: one call at a time"),
    edge("conversation", "DiscardRest", "chunker", ONE_A_TURN),
    edge("conversation", "TurnEnded", "heartbeat", ONE_A_TURN),
    edge("conversation", "TurnEnded", "outbox", ONE_A_TURN),
    edge("outbox", "TurnClosed", "conversation", ONE_A_TURN),
    edge("conversation", "SaveOutcome", "persistence", ONE_A_TURN),
    edge("persistence", "TurnSettled", "ingress", ONE_A_TURN),
    edge("app", "StationLost", "ingress", "1 for each panic"),
    edge("ingress", "AbandonTurn", "conversation", ONE_A_TURN),
    edge("app", "Drain", "ingress", "1, at the end"),
];

/// Whether a message may go there.
pub fn is_listed(from: &str, message: &str, to: &str) -> bool {
    EDGES.iter().any(|edge| (edge.from, edge.message, edge.to) == (from, message, to))
}

/// The edges as a Mermaid flowchart: an arrow for each pair of stations, with its messages.
pub fn diagram() -> String {
    let mut pairs: Vec<(&str, &str, Vec<&str>)> = Vec::new();
    for edge in EDGES {
        match pairs.iter_mut().find(|(from, to, _)| (*from, *to) == (edge.from, edge.to)) {
            Some((_, _, messages)) => messages.push(edge.message),
            None => pairs.push((edge.from, edge.to, vec![edge.message])),
        }
    }
    let mut text = "flowchart LR\n".to_owned();
    for (from, to, messages) in pairs {
        // Writing to a text can't fail.
        let _ = writeln!(text, "  {from} -->|{}| {to}", messages.join("<br>"));
    }
    text
}

/// The edges as a table in plain text.
pub fn table() -> String {
    let mut text = String::new();
    for Edge { from, message, to, outstanding } in EDGES {
        // Writing to a text can't fail.
        let _ = writeln!(text, "{from:<13} {message:<17} {to:<13} {outstanding}");
    }
    text
}
