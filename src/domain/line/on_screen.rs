//! What a turn has in the chat besides its answer.

use crate::domain::cutting::Frame;
use crate::domain::ids::TurnId;

#[derive(Debug)]
pub(super) struct OnScreen {
    pub turn: TurnId,
    /// To be deleted: "✓", "Thinking...", and what was shown of an answer that was begun again.
    pub status: Vec<i64>,
    /// The message that counts the seconds ([`BeatStyle::Edit`](super::BeatStyle::Edit)).
    pub counting: Option<i64>,
    /// The part that grows, and its message.
    pub growing: Option<(u32, i64)>,
    pub draft: Option<Draft>,
    /// Times that a draft has been shown.
    pub drafts_shown: u32,
    /// Times that clearing away has failed.
    pub clear_failures: u32,
    /// The turn was ended early: nothing more of its answer is sent.
    pub discarded: bool,
    /// The first chunk is there or on its way.
    pub answering: bool,
    pub notice: Option<Result<i64, String>>,
}

/// The draft that a person sees.
#[derive(Debug, Clone)]
pub(super) struct Draft {
    pub part: u32,
    /// What it shows; none is "Thinking…".
    pub frame: Option<Frame>,
}

impl OnScreen {
    pub fn new(turn: TurnId) -> Self {
        Self {
            turn,
            status: Vec::new(),
            counting: None,
            growing: None,
            draft: None,
            drafts_shown: 0,
            clear_failures: 0,
            discarded: false,
            answering: false,
            notice: None,
        }
    }

    pub fn shows_draft(&mut self, part: u32, frame: Option<Frame>) {
        self.draft = Some(Draft { part, frame });
        self.drafts_shown += 1;
    }
}
