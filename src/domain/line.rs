//! The rules of a chat's line of calls to Telegram: what is owed, in which order, and what may be
//! dropped.
//!
//! The line is asked for its next call, makes one at a time, and is told how it went. The text of
//! an answer is an obligation; "✓" and "Thinking..." are not, and go as soon as there is text.

mod drafts;
mod job;
mod on_screen;

use std::collections::VecDeque;

use super::chunking::Chunk;
use super::commands::{CHECK_MARK, THINKING, thinking_for};
use super::ids::TurnId;
use super::markdown::Rendered;
use super::record::Part;

use on_screen::OnScreen;

pub use job::{BeatStyle, Call, Closed, Job, Report, Step, Task, Uncertain};

/// Failed calls in a turn after which its "✓" and "Thinking..." are left to stand.
const CLEAR_FAILURES: u32 = 6;

/// Messages of one `deleteMessages`, at most (Bot API).
const DELETED_AT_ONCE: usize = 100;

/// A chat's line of calls.
#[derive(Debug)]
pub struct Line {
    style: BeatStyle,
    /// Answers are shown as drafts while they are written.
    drafts: bool,
    jobs: VecDeque<Job>,
    turns: Vec<OnScreen>,
}

impl Line {
    /// An empty line.
    pub fn new(style: BeatStyle) -> Self {
        Self { style, drafts: false, jobs: VecDeque::new(), turns: Vec::new() }
    }

    /// Adds to what the chat is owed.
    pub fn push(&mut self, turn: TurnId, task: Task) {
        if task == Task::Cut && !self.may_cut(turn) {
            return;
        }
        self.on_screen(turn);
        self.jobs.push_back(Job::new(turn, task));
    }

    /// Whether a part of the turn may be asked for: not when one is already, nor when the turn has
    /// ended while the word that there is one was on its way.
    fn may_cut(&self, turn: TurnId) -> bool {
        let open = self.turns.iter().any(|on_screen| on_screen.turn == turn && !on_screen.discarded);
        open && !self.jobs.iter().any(|job| job.turn == turn && job.task == Task::Cut)
    }

    /// The turn has nothing more to show: its word that there was something crossed its end.
    pub fn forget(&mut self, turn: TurnId) {
        if self.jobs.iter().all(|job| job.turn != turn) {
            self.turns.retain(|on_screen| on_screen.turn != turn || !on_screen.status.is_empty());
        }
    }

    /// Messages of a turn that are to be deleted.
    pub fn status(&self, turn: TurnId) -> &[i64] {
        let on_screen = self.turns.iter().find(|on_screen| on_screen.turn == turn);
        on_screen.map_or(&[], |on_screen| &on_screen.status)
    }

    /// Takes over what another process has left of a turn in the chat, to be deleted with the rest.
    /// The first part that it will be told to send may stand in a message that grows.
    pub fn take_over(&mut self, turn: TurnId, status: Vec<i64>, growing: Option<i64>) {
        let on_screen = self.on_screen(turn);
        on_screen.status.extend(status);
        on_screen.growing = growing.map(|message_id| (1, message_id));
    }

    /// Puts a job back that can't be done now: its chat must wait. Text comes before clearing away,
    /// and a beat that is late is dropped. Returns whether to wait: not when something else may be
    /// done now.
    pub fn put_back(&mut self, mut job: Job, wait_ms: u64) -> bool {
        job.waited_ms += wait_ms.max(1);
        if job.task != Task::Cut {
            job.attempts = job.attempts.saturating_sub(1);
        }
        let text = self.jobs.iter().take_while(|job| job.task.is_text()).count();
        match job.task {
            Task::Think { .. } => return false,
            Task::Clear | Task::RefreshDraft => self.jobs.insert(text, job),
            _ => self.jobs.push_front(job),
        }
        text == 0 || self.jobs.front().is_some_and(|job| job.waited_ms > 0)
    }

    /// The turn's answer begins: what was only to bridge the wait is not sent any more.
    pub fn first_chunk(&mut self, turn: TurnId) {
        self.on_screen(turn).answering = true;
        // A "✓" that is on its turn is the first thing that the chat shows; one that had to wait for
        // long says nothing that the answer does not say.
        let wanted = |job: &Job| job.task == Task::Acknowledge && !job.is_scarce();
        self.jobs.retain(|job| job.turn != turn || !job.task.bridges_the_wait() || wanted(job));
    }

    /// The turn is over: after what is owed comes the notice, if any, then the clearing away. With
    /// `discard`, parts that wait to be sent are dropped; one that Telegram may have is reported.
    pub fn close(&mut self, turn: TurnId, notice: Option<String>, discard: bool) -> Option<Report> {
        self.on_screen(turn).discarded |= discard;
        self.first_chunk(turn);
        let unanswered = self.jobs.iter().find(|job| discard && job.turn == turn && job.is_unanswered());
        let unanswered = unanswered.map(|job| report(job.clone(), None, None).unsure());
        if discard {
            self.jobs.retain(|job| job.turn != turn || !job.task.is_text());
        }
        let keep = (discard && self.drafts).then_some(Task::KeepDraft);
        let tasks = keep.into_iter().chain(notice.map(Task::Notice)).chain([Task::Clear, Task::Close]);
        // Not behind what only says that other questions wait.
        let waits = |job: &Job| job.turn != turn && job.task.bridges_the_wait();
        let own = self.jobs.iter().rposition(|job| job.turn == turn).map_or(0, |last| last + 1);
        let place = self.jobs.iter().position(waits).unwrap_or(self.jobs.len()).max(own);
        for (offset, task) in tasks.enumerate() {
            self.jobs.insert(place + offset, Job::new(turn, task));
        }
        unanswered
    }

    /// What to do next, if anything.
    pub fn next_step(&mut self) -> Option<Step> {
        while let Some(mut job) = self.jobs.pop_front() {
            if job.task == Task::Close {
                return Some(Step::Closed(self.closed(job.turn)));
            }
            if job.task == Task::Cut {
                return Some(Step::Cut(job));
            }
            if job.task == Task::KeepDraft {
                let Some(kept) = self.kept_draft(job) else { continue };
                job = kept;
            }
            if let Some(call) = self.call(&job) {
                job.attempts += 1;
                return Some(Step::Call(job, call));
            }
        }
        self.jobs.shrink_to_fit();
        None
    }

    /// The call was done; `message_id` is the sent message's.
    pub fn succeeded(&mut self, job: Job, message_id: Option<i64>) -> Option<Report> {
        let (style, is_draft) = (self.style, self.is_draft(&job));
        let on_screen = self.on_screen(job.turn);
        match &job.task {
            Task::Acknowledge => on_screen.status.extend(message_id),
            Task::Think { .. } if is_draft => on_screen.shows_draft(1, None),
            Task::RefreshDraft => on_screen.drafts_shown += 1,
            Task::Think { .. } => {
                on_screen.status.extend(message_id);
                if style == BeatStyle::Edit {
                    on_screen.counting = on_screen.counting.or(message_id);
                }
            }
            Task::Notice(_) => on_screen.notice = message_id.map(Ok),
            Task::Remark(_) => {}
            Task::Clear => {
                on_screen.status.drain(..on_screen.status.len().min(DELETED_AT_ONCE));
                if !on_screen.status.is_empty() {
                    self.jobs.push_front(Job::new(job.turn, Task::Clear));
                }
            }
            Task::Deliver { part, frame } if is_draft => {
                on_screen.shows_draft(*part, Some(frame.clone()));
                if *part == 1 || !on_screen.status.is_empty() {
                    self.jobs.push_front(Job::new(job.turn, Task::Clear));
                }
            }
            Task::Deliver { part, frame } => {
                on_screen.draft = None;
                let before = on_screen.growing.take().filter(|(growing, ..)| growing == part);
                let message_id = message_id.or(before.map(|(_, message_id)| message_id));
                if let Some(id) = message_id.filter(|_| !frame.closes) {
                    on_screen.growing = Some((*part, id));
                }
                if *part == 1 || !on_screen.status.is_empty() {
                    self.jobs.push_front(Job::new(job.turn, Task::Clear));
                }
                return Some(report(job, message_id, None));
            }
            Task::Close | Task::Cut | Task::KeepDraft => {}
        }
        None
    }

    /// Puts a part back that is to be sent as a message when the chat may have one.
    pub fn put_first(&mut self, job: Job) {
        self.jobs.push_front(job);
    }

    /// Telegram refused a part for now and did not show it: it is cut anew when the chat may have
    /// it, and then carries what has come meanwhile; but not one that it may have, which is to be the same.
    /// Any other job is put back as it is. Returns whether the part is to be taken back.
    pub fn held_back(&mut self, job: Job) -> bool {
        let is_part = matches!(job.task, Task::Deliver { .. });
        let is_cut_anew = is_part && !job.unsure && !self.on_screen(job.turn).discarded;
        if is_cut_anew {
            self.jobs.retain(|other| other.turn != job.turn || other.task != Task::Cut);
            self.jobs.push_front(Job { task: Task::Cut, recorded: false, ..job });
        } else if job.task == Task::Clear || self.is_worth_repeating(&job) {
            self.put_back(job, 0);
        }
        is_cut_anew
    }

    /// Telegram did not answer: what was sent may be in the chat. A "✓" is not said again: nobody could
    /// delete the first. A part: with [`Uncertain::Note`] it is taken to
    /// be there and noted in the ledger; with [`Uncertain::Repeat`] it is sent again, like anything
    /// else that must arrive.
    pub fn unanswered(&mut self, job: Job, uncertain: Uncertain, reason: &str) -> Option<Report> {
        match (&job.task, uncertain) {
            (Task::Deliver { part, .. }, Uncertain::Note) if !self.grows(job.turn, *part) => {
                let mut report = self.succeeded(job, None)?;
                report.part.uncertain = true;
                Some(report)
            }
            (Task::Acknowledge, _) => None,
            _ => self.failed(Job { unsure: true, ..job }, true, reason).map(Report::unsure),
        }
    }

    /// Whether the part has a message in which it grows.
    pub fn grows(&mut self, turn: TurnId, part: u32) -> bool {
        self.on_screen(turn).growing.is_some_and(|(growing, _)| growing == part)
    }

    /// The message in which the turn's answer grew is gone: the next frame is a new message.
    pub fn lost_message(&mut self, turn: TurnId) -> bool {
        self.on_screen(turn).growing.take().is_some()
    }

    /// Telegram did not like how the part looks: it is sent once more as plain text. Gives the job
    /// back when there is nothing to leave out.
    pub fn without_entities(&mut self, mut job: Job) -> Option<Job> {
        match &mut job.task {
            Task::Deliver { frame, .. } if !frame.chunk.entities.is_empty() => {
                frame.chunk.entities.clear();
                self.jobs.push_front(job);
                None
            }
            _ => Some(job),
        }
    }

    /// The call failed. A `passing` failure puts what is owed back to the front of the line.
    pub fn failed(&mut self, job: Job, passing: bool, reason: &str) -> Option<Report> {
        if passing && self.is_worth_repeating(&job) {
            self.repeat(job);
            return None;
        }
        match &job.task {
            Task::Deliver { .. } => Some(report(job, None, Some(reason.to_owned()))),
            Task::Notice(_) => {
                self.on_screen(job.turn).notice = Some(Err(reason.to_owned()));
                None
            }
            Task::Clear => {
                self.on_screen(job.turn).status.clear();
                None
            }
            _ => None,
        }
    }

    /// What only tidies up lets the text go first.
    fn repeat(&mut self, job: Job) {
        let text = self.jobs.iter().take_while(|job| job.task.is_text()).count();
        self.jobs.insert(if job.task == Task::Clear { text } else { 0 }, job);
    }

    /// Whether there is text to send before anything else.
    pub fn has_text_first(&self) -> bool {
        self.jobs.front().is_some_and(|job| job.task.is_text())
    }

    fn is_worth_repeating(&mut self, job: &Job) -> bool {
        match job.task {
            // Of an answer that was ended early, what its draft showed is still sent.
            Task::Deliver { ref frame, .. } => {
                !self.on_screen(job.turn).discarded || self.drafts && frame.closes
            }
            Task::Notice(_) | Task::Remark(_) => true,
            Task::Acknowledge => !self.on_screen(job.turn).answering,
            Task::Clear => {
                let on_screen = self.on_screen(job.turn);
                on_screen.clear_failures += 1;
                on_screen.clear_failures < CLEAR_FAILURES
            }
            Task::RefreshDraft => self.on_screen(job.turn).draft.is_some(),
            Task::Think { .. } | Task::Cut | Task::KeepDraft | Task::Close => false,
        }
    }

    /// The call that a job is; none when it is not wanted any more.
    pub fn call(&mut self, job: &Job) -> Option<Call> {
        let (style, is_draft) = (self.style, self.is_draft(job));
        let on_screen = self.on_screen(job.turn);
        match &job.task {
            Task::Think { .. } if on_screen.answering => None,
            Task::Think { .. } if is_draft => {
                Some(Call::Draft { draft_id: job.turn.draft_id(1), message: Rendered::default() })
            }
            Task::RefreshDraft => self.draft_call(job.turn),
            Task::Acknowledge if on_screen.discarded => None,
            Task::Acknowledge => Some(Call::Send(CHECK_MARK.into())),
            Task::Think { seconds } => Some(beat(style, *seconds, on_screen.counting)),
            Task::Deliver { part, frame } if is_draft => {
                Some(Call::Draft { draft_id: job.turn.draft_id(*part), message: rendered(&frame.chunk) })
            }
            Task::Deliver { part, frame } => {
                let message = rendered(&frame.chunk);
                match on_screen.growing.filter(|(growing, _)| growing == part) {
                    Some((_, message_id)) => Some(Call::Edit { message_id, message }),
                    None => Some(Call::Send(message)),
                }
            }
            Task::Notice(text) => Some(Call::Send(text.as_str().into())),
            Task::Remark(text) => Some(Call::Send((*text).into())),
            Task::Clear => {
                let messages: Vec<_> = on_screen.status.iter().copied().take(DELETED_AT_ONCE).collect();
                (!messages.is_empty()).then_some(Call::Delete(messages))
            }
            Task::Cut | Task::KeepDraft | Task::Close => None,
        }
    }

    fn closed(&mut self, turn: TurnId) -> Closed {
        let notice = self.on_screen(turn).notice.take();
        self.turns.retain(|on_screen| on_screen.turn != turn);
        Closed { turn, notice }
    }

    fn on_screen(&mut self, turn: TurnId) -> &mut OnScreen {
        let position = self.turns.iter().position(|on_screen| on_screen.turn == turn);
        let position = position.unwrap_or_else(|| {
            self.turns.reserve_exact(1);
            self.turns.push(OnScreen::new(turn));
            self.turns.len() - 1
        });
        &mut self.turns[position]
    }
}

impl Task {
    fn bridges_the_wait(&self) -> bool {
        matches!(self, Self::Acknowledge | Self::Think { .. })
    }

    fn is_text(&self) -> bool {
        matches!(self, Self::Cut | Self::Deliver { .. })
    }
}

fn beat(style: BeatStyle, seconds: u64, counting: Option<i64>) -> Call {
    match (style, counting) {
        (BeatStyle::Typing, _) => Call::Typing,
        (BeatStyle::Message, _) => Call::Send(THINKING.into()),
        (BeatStyle::Edit, None) => Call::Send(thinking_for(seconds).into()),
        (BeatStyle::Edit, Some(message_id)) => {
            Call::Edit { message_id, message: thinking_for(seconds).into() }
        }
    }
}

fn rendered(chunk: &Chunk) -> Rendered {
    Rendered { text: chunk.text.clone(), entities: chunk.entities.clone() }
}

fn report(job: Job, message_id: Option<i64>, refused: Option<String>) -> Report {
    let (number, end_bytes, closes) = match job.task {
        Task::Deliver { part, frame } => (part, frame.chunk.end_bytes, frame.closes),
        _ => (0, 0, true),
    };
    let (delivered, attempts) = (refused.is_none(), job.attempts);
    let part = Part { message_id, delivered, uncertain: false, grows: !closes, attempts, end_bytes };
    Report { turn: job.turn, number, part, closes, refused, chat_closed: false }
}

#[cfg(test)]
mod tests;
