//! What a Conversation is built from.

use std::sync::Arc;
use std::time::Duration;

use crate::domain::breaker::Breaker;
use crate::domain::history::Limits;
use crate::domain::line::Uncertain;
use crate::domain::retry::RetryRules;
use crate::domain::time::Clock;
use crate::domain::turn::TurnRules;
use crate::edge::llm::Model;
use crate::edge::tools::Toolbox;
use crate::messages::{
    Acknowledge, AnswerEnded, AnswerResumed, AnswerSaved, DeliverySaved, DeltaArrived, DiscardRest,
    HistoryLoaded, LoadHistory, Remark, SaveAnswer, SaveDelivery, SaveMessages, SaveOutcome, TakeOver,
    TurnEnded, TurnStarted,
};
use crate::port::Port;

/// Whom a Conversation may tell what.
pub struct ConversationPorts {
    /// To Outbox.
    pub take_over: Port<TakeOver>,
    /// To Outbox.
    pub acknowledge: Port<Acknowledge>,
    /// To Persistence.
    pub load_history: Port<LoadHistory>,
    /// Given to Persistence for its answer.
    pub history_loaded: Port<HistoryLoaded>,
    /// To Heartbeat.
    pub turn_started: Port<TurnStarted>,
    /// To Chunker.
    pub delta_arrived: Port<DeltaArrived>,
    /// To Chunker.
    pub answer_resumed: Port<AnswerResumed>,
    /// To Chunker.
    pub answer_ended: Port<AnswerEnded>,
    /// To Chunker.
    pub discard_rest: Port<DiscardRest>,
    /// To Outbox.
    pub remark: Port<Remark>,
    /// To Persistence.
    pub save_messages: Port<SaveMessages>,
    /// To Persistence.
    pub save_delivery: Port<SaveDelivery>,
    /// Given to Persistence for its answer, which goes to the Outbox.
    pub delivery_saved: Port<DeliverySaved>,
    /// To Heartbeat.
    pub heartbeat_turn_ended: Port<TurnEnded>,
    /// To Outbox.
    pub outbox_turn_ended: Port<TurnEnded>,
    /// To Persistence.
    pub save_answer: Port<SaveAnswer>,
    /// Given to Persistence for its answer.
    pub answer_saved: Port<AnswerSaved>,
    /// To Persistence.
    pub save_outcome: Port<SaveOutcome>,
}

/// What a Conversation needs to know.
#[derive(Debug, Clone)]
pub struct ConversationSettings {
    /// The system message; empty for none.
    pub instructions: Arc<str>,
    /// How much of the conversation the model reads.
    pub history: Limits,
    /// Bytes of an answer behind the last send of which the Chunker can't make the next, so that it need
    /// not be told of each delta; 0 where every delta may show.
    pub hold_bytes: usize,
    /// How long words may wait to be read while no send can be made of them; zero for not at all.
    pub read_every: Duration,
    /// When the model is asked and tools run.
    pub rules: TurnRules,
    /// What is done about model calls that fail.
    pub retry: RetryRules,
    /// What to make of a part of which it is not known whether the chat has it.
    pub uncertain: Uncertain,
    /// For one tool call.
    pub tool_timeout: Duration,
}

/// The world beyond the stations, as a Conversation may use it.
#[derive(Clone)]
pub struct Faculties {
    /// The language model.
    pub model: Arc<dyn Model>,
    /// Whether it may be asked.
    pub breaker: Arc<dyn Breaker>,
    /// What the model may call.
    pub tools: Toolbox,
    /// The time.
    pub clock: Clock,
}
