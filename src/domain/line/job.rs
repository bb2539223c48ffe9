//! What a line is made of: jobs, calls, and what is told of them.

use serde::{Deserialize, Serialize};

use crate::domain::cutting::Frame;
use crate::domain::ids::TurnId;
use crate::domain::markdown::Rendered;
use crate::domain::record::Part;

/// How the Heartbeat shows in the chat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BeatStyle {
    /// A new message each time.
    #[default]
    Message,
    /// One message that counts the seconds.
    Edit,
    /// The chat action "typing".
    Typing,
}

/// What to do when Telegram did not answer a send, so that the chat may have it or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Uncertain {
    /// Send it again: no word is lost, some may come twice.
    #[default]
    Repeat,
    /// Do not send it again, and say so: nothing comes twice, a part may be missing.
    Note,
}

/// Something the chat is owed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// For which turn.
    pub turn: TurnId,
    /// What.
    pub task: Task,
    /// Calls made for it so far.
    pub attempts: u32,
    /// How long it had to wait for its chat, in milliseconds.
    pub waited_ms: u64,
    /// That it is about to be sent is on record.
    pub recorded: bool,
    /// Telegram has not answered a call for it: the chat may have it.
    pub unsure: bool,
}

/// A wait of more than that is no pacing but scarcity: a penalty, or a group's slow rhythm.
const LONG_WAIT_MS: u64 = 2_000;

impl Job {
    pub(super) fn new(turn: TurnId, task: Task) -> Self {
        Self { turn, task, attempts: 0, waited_ms: 0, recorded: false, unsure: false }
    }

    /// Whether it is a part on record of which nobody knows whether the chat has it.
    pub(super) fn is_unanswered(&self) -> bool {
        matches!(self.task, Task::Deliver { .. }) && self.recorded && self.unsure
    }

    /// Whether sends have become scarce for its chat: the part then carries all that is there.
    pub fn is_scarce(&self) -> bool {
        self.attempts > 0 || self.waited_ms > LONG_WAIT_MS
    }
}

/// What a job does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Task {
    /// Say "✓".
    Acknowledge,
    /// Say "Thinking...", after so many seconds.
    Think {
        /// Seconds since the turn began.
        seconds: u64,
    },
    /// Have the next part of the answer cut, and send it.
    Cut,
    /// Send a part of the answer.
    Deliver {
        /// Counts the parts of the answer from 1.
        part: u32,
        /// The part, as it is to stand now.
        frame: Frame,
    },
    /// Show the draft once more before it expires.
    RefreshDraft,
    /// The answer ends early: what the draft shows of it becomes a message.
    KeepDraft,
    /// Say something with which the turn ends; a turn whose notice is refused has failed.
    Notice(String),
    /// Say something in passing; it is lost when it is refused.
    Remark(&'static str),
    /// Delete "✓" and "Thinking...".
    Clear,
    /// Report that all before is done.
    Close,
}

/// A call to the Bot API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Call {
    /// `sendMessage`.
    Send(Rendered),
    /// `editMessageText`.
    Edit {
        /// Which message.
        message_id: i64,
        /// What is to stand in it.
        message: Rendered,
    },
    /// `sendMessageDraft`.
    Draft {
        /// Which draft.
        draft_id: i64,
        /// What it is to show; an empty text shows "Thinking…".
        message: Rendered,
    },
    /// `deleteMessage` or `deleteMessages`.
    Delete(Vec<i64>),
    /// `sendChatAction` with `typing`.
    Typing,
}

/// What the line does next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Make this call for this job.
    Call(Job, Call),
    /// Have a part cut for this job.
    Cut(Job),
    /// Everything of the turn is done.
    Closed(Closed),
}

/// How a turn's line ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closed {
    /// Which turn.
    pub turn: TurnId,
    /// The notice's fate, where there was one: its message, or why it was refused.
    pub notice: Option<Result<i64, String>>,
}

/// What became of a part of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Of which turn.
    pub turn: TurnId,
    /// Counts the parts from 1.
    pub number: u32,
    /// The ledger's entry.
    pub part: Part,
    /// Whether it stays as it is.
    pub closes: bool,
    /// Why it was refused, when it was.
    pub refused: Option<String>,
    /// It was refused because nothing can be said in the chat any more.
    pub chat_closed: bool,
}

impl Report {
    /// Nobody knows whether the chat has it.
    pub(super) fn unsure(self) -> Self {
        let part = Part { delivered: false, uncertain: true, ..self.part };
        Self { part, ..self }
    }
}
