//! Every message between stations, in the order in which one update meets them.
//!
//! A request is an imperative (`DeliverChunk`), a fact a past participle (`ChunkDelivered`). Each
//! says who sends it, when, and what answers it; its `Display` is its line in the flow, without
//! the words of the user or the model.

mod lines;

use actix::Message;
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::domain::chat::ChatMessage;
use crate::domain::cutting::Frame;
use crate::domain::ids::{ChatKey, TurnId};
use crate::domain::line::{Closed, Report};
use crate::domain::record::{Answer, Ledger, NewTurn, Outcome, Part, StoredTurn};
use crate::edge::intake::Verdict;
use crate::edge::store::{Recorded, StoreError};
use crate::edge::telegram::update::Update;
use crate::port::{Port, Told};

macro_rules! told {
    ($($message:ident),+ $(,)?) => { $(
        impl Message for $message { type Result = (); }
        impl Told for $message {}
    )+ };
}

told!(
    TakeUpdate,
    RecordUpdate,
    UpdateRecorded,
    LoadUnfinished,
    UnfinishedLoaded,
    LoadHistory,
    HistoryLoaded,
    TurnStarted,
    AnswerEnded,
    FirstChunk,
    ChunkReady,
    AnswerCut,
    CutChunk,
    NothingToCut,
    ChunkReturned,
    PartAttempted,
    SaveDelivery,
    DeliverySaved,
    AttemptFailed,
    StatusShown,
    PenaltyReceived,
    TakeOver,
    SaveMessages,
    Remark,
    RemarkMade,
    Acknowledge,
    Thinking,
    ChunkDelivered,
    AbandonTurn,
    DiscardRest,
    TurnEnded,
    TurnClosed,
    SaveAnswer,
    AnswerSaved,
    SaveOutcome,
    TurnSettled,
    StationLost,
    Drain,
);

/// From the webhook or the poller to Ingress, for each update. Answered through `verdict`; a
/// dropped `verdict` means that the update was not taken.
pub struct TakeUpdate {
    /// The update.
    pub update: Update,
    /// Where the answer goes.
    pub verdict: oneshot::Sender<Verdict>,
}

/// From Ingress to Persistence, before anything else is done with an update. Answered by
/// [`UpdateRecorded`].
pub struct RecordUpdate {
    /// What to record.
    pub turn: NewTurn,
    /// Who asks.
    pub reply_to: Port<UpdateRecorded>,
}

/// From Persistence to Ingress: the update is on record, was so before, or could not be recorded.
pub struct UpdateRecorded {
    /// Which turn.
    pub turn: TurnId,
    /// How it went.
    pub result: Result<Recorded, StoreError>,
}

/// From Ingress to Persistence, at start and when a conversation's stations have panicked. Answered
/// by [`UnfinishedLoaded`].
pub struct LoadUnfinished {
    /// Whose turns.
    pub bot: i64,
    /// Only those of a conversation that was lost, and which station panicked.
    pub lost: Option<Lost>,
    /// Who asks.
    pub reply_to: Port<UnfinishedLoaded>,
}

/// A conversation whose stations have panicked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lost {
    /// Which one.
    pub key: ChatKey,
    /// The station that did.
    pub role: &'static str,
}

/// From Persistence to Ingress: the turns that are owed, from before a restart or a panic.
pub struct UnfinishedLoaded {
    /// Whether they are those of a conversation that was lost.
    pub lost: Option<Lost>,
    /// By chat and `seq`.
    pub turns: Vec<StoredTurn>,
}

/// From Ingress to the chat's Conversation: a turn that is on record.
pub struct UserSaid {
    /// The turn.
    pub turn: StoredTurn,
}

impl Message for UserSaid {
    type Result = ();
}

impl Told for UserSaid {
    fn words(&self) -> Option<&str> {
        Some(self.turn.question())
    }
}

/// From Conversation to Outbox, for a turn from before a restart: what is left of it in the chat.
pub struct TakeOver {
    /// The turn.
    pub turn: TurnId,
    /// Messages to be deleted when the answer is there.
    pub status: Vec<i64>,
    /// The message in which the next part has begun to show.
    pub growing: Option<i64>,
    /// Telegram's window that the chat is still in, in milliseconds; 0 for none.
    pub closed_for_ms: u64,
}

/// From Conversation to Outbox, at once for each question: say "✓".
pub struct Acknowledge {
    /// For which turn.
    pub turn: TurnId,
}

/// From Conversation to Persistence, when a session's first question meets an empty memory.
/// Answered by [`HistoryLoaded`].
pub struct LoadHistory {
    /// The conversation.
    pub key: ChatKey,
    /// The session.
    pub session: Uuid,
    /// Only turns before this `seq`.
    pub before: i64,
    /// At most so many, the newest.
    pub limit: usize,
    /// Who asks.
    pub reply_to: Port<HistoryLoaded>,
}

/// From Persistence to Conversation: the turns so far, oldest first.
pub struct HistoryLoaded {
    /// The session.
    pub session: Uuid,
    /// Only turns before this `seq` were asked for.
    pub before: i64,
    /// Its turns.
    pub turns: Vec<StoredTurn>,
}

/// From Conversation to Heartbeat, when a turn begins: beat until [`FirstChunk`] or
/// [`TurnEnded`].
pub struct TurnStarted {
    /// Which turn.
    pub turn: TurnId,
}

/// From Conversation to Chunker, as the model writes: one for all that came at once.
pub struct DeltaArrived {
    /// Of which turn.
    pub turn: TurnId,
    /// The text.
    pub text: String,
}

impl Message for DeltaArrived {
    type Result = ();
}

impl Told for DeltaArrived {
    fn words(&self) -> Option<&str> {
        Some(&self.text)
    }
}

/// From Heartbeat to Outbox, every `heartbeat.every_ms`: say "Thinking...".
pub struct Thinking {
    /// For which turn.
    pub turn: TurnId,
    /// Counts the beats from 1.
    pub beat: u32,
    /// Seconds since the turn began.
    pub seconds: u64,
}

/// From Conversation to Chunker: the answer is complete, send the rest.
pub struct AnswerEnded {
    /// Which turn.
    pub turn: TurnId,
}

/// From Chunker to Heartbeat and to Outbox: the answer's first send is on its way.
#[derive(Clone, Copy)]
pub struct FirstChunk {
    /// Of which turn.
    pub turn: TurnId,
}

/// From Chunker to Outbox: there is enough for a send. Answered by [`CutChunk`], when the chat may
/// have it.
pub struct ChunkReady {
    /// Of which turn.
    pub turn: TurnId,
}

/// From Conversation to Chunker: an answer that is on record, of which the chat has a part.
pub struct AnswerResumed {
    /// Of which turn.
    pub turn: TurnId,
    /// All of it.
    pub answer: String,
    /// What the chat has, in bytes.
    pub end_bytes: usize,
}

impl Message for AnswerResumed {
    type Result = ();
}

impl Told for AnswerResumed {
    fn words(&self) -> Option<&str> {
        Some(&self.answer)
    }
}

/// From Chunker to Conversation: the answer is complete and all of it is cut.
pub struct AnswerCut {
    /// Of which turn.
    pub turn: TurnId,
    /// How many parts it has; a part that is returned is cut, and this said, again.
    pub parts: u32,
}

/// From Outbox to Chunker: the chat may have a send now. Answered by [`DeliverChunk`].
pub struct CutChunk {
    /// Of which turn.
    pub turn: TurnId,
    /// When more characters than that wait, they are sent together, as many as a message holds:
    /// the chat had to wait. Otherwise it is a send like any other.
    pub merge_above_chars: usize,
}

/// From Outbox to Conversation: a part is about to be sent. Answered, when all of that is on record which
/// must be, by [`DeliverySaved`].
pub struct PartAttempted {
    /// Of which turn.
    pub turn: TurnId,
    /// As the ledger has it before the send.
    pub part: Part,
}

/// From Outbox to Conversation: the part that was about to be sent is surely not in the chat, and will
/// be attempted again.
pub struct AttemptFailed {
    /// Of which turn.
    pub turn: TurnId,
}

/// From Outbox to Conversation: "✓" or "Thinking..." was sent, or is gone.
pub struct StatusShown {
    /// Of which turn.
    pub turn: TurnId,
    /// All that is to be deleted now.
    pub status: Vec<i64>,
}

/// From Outbox to Conversation: Telegram asks for silence in the chat.
pub struct PenaltyReceived {
    /// In which turn.
    pub turn: TurnId,
    /// For how long, in milliseconds.
    pub window_ms: u64,
}

/// From Conversation to Persistence: write the turn's ledger, when it has changed: before a part is
/// sent, when the chat has it, when there is more to delete, when Telegram asks for silence.
pub struct SaveDelivery {
    /// In which conversation: writes of one keep their order.
    pub key: ChatKey,
    /// Of which turn.
    pub turn: TurnId,
    /// All of it.
    pub ledger: Ledger,
    /// The turn's answer is on record, or is to be before this.
    pub is_answered: bool,
    /// The Outbox, when it waits for it.
    pub reply_to: Option<Port<DeliverySaved>>,
    /// All that it adds to the ledger before is an attempt of which no later process must know: it need
    /// not be written where that one is on record.
    pub may_be_left_out: bool,
}

/// From Conversation to Persistence: write the tools that the turn has had run so far.
pub struct SaveMessages {
    /// In which conversation: writes of one keep their order.
    pub key: ChatKey,
    /// Of which turn.
    pub turn: TurnId,
    /// All of the turn's messages.
    pub messages: Vec<ChatMessage>,
}

/// From Persistence to Outbox: the ledger is on record as far as it must be, or the store has kept the chat
/// waiting for long enough. Send.
pub struct DeliverySaved {
    /// Of which turn.
    pub turn: TurnId,
}

/// From Conversation to Outbox: say something before the answer, in passing.
pub struct Remark {
    /// In which turn.
    pub turn: TurnId,
    /// What.
    pub text: &'static str,
}

/// From Outbox to Conversation: the remark was said.
pub struct RemarkMade {
    /// In which turn.
    pub turn: TurnId,
}

/// From Chunker to Outbox, instead of [`DeliverChunk`]: there is nothing that could be sent now.
pub struct NothingToCut {
    /// Of which turn.
    pub turn: TurnId,
    /// The turn has been given up meanwhile, and nothing will come. Otherwise what has come since it was
    /// said that a chunk is ready has changed where the answer can be cut.
    pub is_over: bool,
}

/// From Outbox to Chunker: Telegram did not take the part; it may go into a larger one.
pub struct ChunkReturned {
    /// Of which turn.
    pub turn: TurnId,
}

/// From Chunker to Outbox: send a part, now.
pub struct DeliverChunk {
    /// Of which turn.
    pub turn: TurnId,
    /// Counts the parts from 1.
    pub part: u32,
    /// The part, as it is to stand now.
    pub frame: Frame,
}

impl Message for DeliverChunk {
    type Result = ();
}

impl Told for DeliverChunk {
    fn words(&self) -> Option<&str> {
        Some(&self.frame.chunk.text)
    }
}

/// From Outbox to Conversation: the chat has the part, or will never have it.
pub struct ChunkDelivered {
    /// What became of it.
    pub report: Report,
}

/// From Ingress to Conversation: the turn can't go on, say so and end it.
pub struct AbandonTurn {
    /// The turn.
    pub turn: StoredTurn,
    /// Why, for the operator.
    pub reason: String,
    /// What the user is told: once for all turns that are lost together.
    pub notice: Option<&'static str>,
}

/// From Conversation to Chunker, when a turn ends early: what is not sent yet is dropped.
pub struct DiscardRest {
    /// Of which turn.
    pub turn: TurnId,
}

/// From Conversation to Persistence, when the answer is complete: write it, once. Answered by
/// [`AnswerSaved`].
pub struct SaveAnswer {
    /// In which conversation: writes of one keep their order.
    pub key: ChatKey,
    /// Of which turn.
    pub turn: TurnId,
    /// The answer.
    pub answer: Answer,
    /// Who asks.
    pub reply_to: Port<AnswerSaved>,
}

/// From Persistence to Conversation: the answer is on record.
pub struct AnswerSaved {
    /// Of which turn.
    pub turn: TurnId,
}

/// From Conversation to Heartbeat and to Outbox: the turn is over. The Outbox first does what it
/// owes, then answers with [`TurnClosed`].
#[derive(Clone)]
pub struct TurnEnded {
    /// Which turn.
    pub turn: TurnId,
    /// Something to say at the end.
    pub notice: Option<String>,
    /// Drop parts that are not sent yet.
    pub discard: bool,
}

/// From Outbox to Conversation: the chat shows the turn's end.
pub struct TurnClosed {
    /// How the line ended.
    pub closed: Closed,
}

/// From Conversation to Persistence: write how the turn ended. Answered, to Ingress, by
/// [`TurnSettled`].
pub struct SaveOutcome {
    /// In which conversation: writes of one keep their order.
    pub key: ChatKey,
    /// Which turn.
    pub turn: TurnId,
    /// How it ended.
    pub outcome: Outcome,
}

/// From Persistence to Ingress: how the turn ended is on record, its place is free.
pub struct TurnSettled {
    /// Which turn.
    pub turn: TurnId,
}

/// From `app` to Ingress: an actor of this conversation panicked.
pub struct StationLost {
    /// Whose.
    pub key: ChatKey,
    /// Which one.
    pub role: &'static str,
    /// Which of the crews that this conversation has had.
    pub crew: u64,
}

/// From `app` to Ingress: take nothing more, and say when the last turn has ended.
pub struct Drain {
    /// Told when no turn is in flight.
    pub empty: oneshot::Sender<()>,
}
