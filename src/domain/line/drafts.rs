//! Drafts (`sendMessageDraft`): a text that a person sees grow before it is a message. A draft is
//! disposable; what it shows is sent as a message when it is complete or when the answer ends early.

use super::{BeatStyle, Call, Job, Line, Task, rendered};
use crate::domain::cutting::Frame;
use crate::domain::ids::TurnId;
use crate::domain::markdown::Rendered;
use crate::domain::pacing::Class;

impl Line {
    /// The same line, with answers shown as drafts while they are written.
    pub fn with_drafts(self, drafts: bool) -> Self {
        Self { drafts, ..self }
    }

    /// Whether drafts are shown.
    pub fn has_drafts(&self) -> bool {
        self.drafts
    }

    /// Telegram will have no drafts here: from now on messages grow by edits instead.
    pub fn refuse_drafts(&mut self) {
        self.drafts = false;
        self.turns.iter_mut().for_each(|on_screen| on_screen.draft = None);
    }

    /// Which budget a job's call is paid from. Of a part that is yet to be cut it is not known
    /// whether it will be a draft or a message; the message asks for its own.
    pub fn class(&self, job: &Job) -> Class {
        match job.task {
            Task::Clear => Class::Delete,
            Task::Think { .. } if self.drafts || self.style == BeatStyle::Typing => Class::Preview,
            Task::RefreshDraft => Class::Preview,
            Task::Cut if self.drafts => Class::Preview,
            _ => Class::Text,
        }
    }

    /// Whether the job's call only shows a draft: it is not on record, and if it fails a newer one
    /// takes its place.
    pub fn is_draft(&mut self, job: &Job) -> bool {
        match &job.task {
            Task::Think { .. } | Task::RefreshDraft => self.drafts,
            Task::Deliver { part, frame } => self.drafts && !frame.closes && !self.grows(job.turn, *part),
            _ => false,
        }
    }

    /// The draft to show just before the message that takes its place, so that nothing jumps: the
    /// beginning of that message. None when the person sees that already, or sees no draft.
    pub fn last_draft(&mut self, job: &Job) -> Option<Call> {
        let Task::Deliver { part, frame } = &job.task else { return None };
        let on_screen = self.on_screen(job.turn);
        let shown = on_screen.draft.as_ref().filter(|draft| draft.part == *part)?;
        let same = shown.frame.as_ref().is_some_and(|shown| shown.chunk.text == frame.chunk.text);
        on_screen.shows_draft(*part, Some(frame.clone()));
        let call = Call::Draft { draft_id: job.turn.draft_id(*part), message: rendered(&frame.chunk) };
        (!same).then_some(call)
    }

    /// Counts what was shown as the turn's draft; none when there is no draft now. A draft that
    /// still counts the same after a while is about to expire.
    pub fn draft_shown(&self, turn: TurnId) -> Option<u32> {
        let on_screen = self.turns.iter().find(|on_screen| on_screen.turn == turn)?;
        on_screen.draft.as_ref().map(|_| on_screen.drafts_shown)
    }

    pub(super) fn draft_call(&mut self, turn: TurnId) -> Option<Call> {
        let on_screen = self.on_screen(turn);
        let draft = on_screen.draft.as_ref().filter(|_| !on_screen.discarded)?;
        let message = draft.frame.as_ref().map_or_else(Rendered::default, |frame| rendered(&frame.chunk));
        Some(Call::Draft { draft_id: turn.draft_id(draft.part), message })
    }

    /// What the draft shows, as a message to be sent.
    pub(super) fn kept_draft(&mut self, job: Job) -> Option<Job> {
        let draft = self.on_screen(job.turn).draft.clone()?;
        let frame = Frame { closes: true, ..draft.frame? };
        Some(Job { task: Task::Deliver { part: draft.part, frame }, ..job })
    }
}
