//! The rules of a chat's line of calls to Telegram: what is owed, in which order, and what may be
//! dropped.
//!
//! The line is asked for its next call, makes one at a time, and is told how it went. The text of
//! an answer is an obligation; "✓" and "Thinking..." are not, and go as soon as there is text.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::chunking::Chunk;
use super::commands::{CHECK_MARK, THINKING, thinking_for};
use super::cutting::Frame;
use super::ids::TurnId;
use super::markdown::Rendered;
use super::pacing::Class;
use super::record::Part;

/// Failed calls in a turn after which its "✓" and "Thinking..." are left to stand.
const CLEAR_FAILURES: u32 = 3;

/// Messages of one `deleteMessages`, at most (Bot API).
const DELETED_AT_ONCE: usize = 100;

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
}

/// A wait of more than that is no pacing but scarcity: a penalty, or a group's slow rhythm.
const LONG_WAIT_MS: u64 = 2_000;

impl Job {
    fn new(turn: TurnId, task: Task) -> Self {
        Self { turn, task, attempts: 0, waited_ms: 0 }
    }

    /// Whether sends have become scarce for its chat: the part then carries all that is there.
    pub fn is_scarce(&self) -> bool {
        self.attempts > 0 || self.waited_ms > LONG_WAIT_MS
    }

    /// Which budget its call is paid from.
    pub fn class(&self, style: BeatStyle) -> Class {
        match self.task {
            Task::Clear => Class::Delete,
            Task::Think { .. } if style == BeatStyle::Typing => Class::Preview,
            _ => Class::Text,
        }
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

/// What a turn has in the chat besides its answer.
#[derive(Debug)]
struct OnScreen {
    turn: TurnId,
    /// "✓" and "Thinking...": to be deleted.
    status: Vec<i64>,
    /// The message that counts the seconds ([`BeatStyle::Edit`]).
    counting: Option<i64>,
    /// The part that grows, its message, and what stands in it.
    growing: Option<(u32, i64, Rendered)>,
    /// Times that clearing away has failed.
    clear_failures: u32,
    /// The turn was ended early: nothing more of its answer is sent.
    discarded: bool,
    /// The first chunk is there or on its way.
    answering: bool,
    notice: Option<Result<i64, String>>,
}

/// A chat's line of calls.
#[derive(Debug)]
pub struct Line {
    style: BeatStyle,
    jobs: VecDeque<Job>,
    turns: Vec<OnScreen>,
}

impl Line {
    /// An empty line.
    pub fn new(style: BeatStyle) -> Self {
        Self { style, jobs: VecDeque::new(), turns: Vec::new() }
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
            self.turns.retain(|on_screen| on_screen.turn != turn);
        }
    }

    /// How heartbeats show.
    pub fn style(&self) -> BeatStyle {
        self.style
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
            Task::Clear => self.jobs.insert(text, job),
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
    /// `discard`, parts that wait to be sent are dropped.
    pub fn close(&mut self, turn: TurnId, notice: Option<String>, discard: bool) {
        self.on_screen(turn).discarded |= discard;
        self.first_chunk(turn);
        if discard {
            self.jobs.retain(|job| job.turn != turn || !job.task.is_text());
        }
        let tasks = notice.map(Task::Notice).into_iter().chain([Task::Clear, Task::Close]);
        // Not behind what only says that other questions wait.
        let waits = |job: &Job| job.turn != turn && job.task.bridges_the_wait();
        let place = self.jobs.iter().position(waits).unwrap_or(self.jobs.len());
        for (offset, task) in tasks.enumerate() {
            self.jobs.insert(place + offset, Job::new(turn, task));
        }
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
            if let Some(call) = self.call(&job) {
                job.attempts += 1;
                return Some(Step::Call(job, call));
            }
        }
        None
    }

    /// The call was done; `message_id` is the sent message's.
    pub fn succeeded(&mut self, job: Job, message_id: Option<i64>) -> Option<Report> {
        let style = self.style;
        let on_screen = self.on_screen(job.turn);
        match &job.task {
            Task::Acknowledge => on_screen.status.extend(message_id),
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
            Task::Deliver { part, frame } => {
                let before = on_screen.growing.take().filter(|(growing, ..)| growing == part);
                let message_id = message_id.or(before.map(|(_, message_id, _)| message_id));
                if let Some(id) = message_id.filter(|_| !frame.closes) {
                    on_screen.growing = Some((*part, id, rendered(&frame.chunk)));
                }
                if *part == 1 || !on_screen.status.is_empty() {
                    self.jobs.push_front(Job::new(job.turn, Task::Clear));
                }
                return Some(report(job, message_id, None));
            }
            Task::Close | Task::Cut => {}
        }
        None
    }

    /// Telegram refused a part for now and did not show it: it is cut anew when the chat may have
    /// it, and then carries what has come meanwhile. Any other job is put back as it is. Returns
    /// whether the part is to be taken back.
    pub fn held_back(&mut self, job: Job) -> bool {
        let is_part = matches!(job.task, Task::Deliver { .. });
        if is_part && self.on_screen(job.turn).discarded {
            return false;
        }
        if is_part {
            self.jobs.retain(|other| other.turn != job.turn || other.task != Task::Cut);
            self.jobs.push_front(Job { task: Task::Cut, ..job });
        } else if self.is_worth_repeating(&job) {
            self.put_back(job, 0);
        }
        is_part
    }

    /// Telegram did not answer: the part may be in the chat. With [`Uncertain::Note`] it is taken to
    /// be there and noted in the ledger; with [`Uncertain::Repeat`] it is sent again, like anything
    /// else that must arrive.
    pub fn unanswered(&mut self, job: Job, uncertain: Uncertain, reason: &str) -> Option<Report> {
        match (&job.task, uncertain) {
            (Task::Deliver { part, .. }, Uncertain::Note) if self.grows(job.turn, *part).is_none() => {
                let mut report = self.succeeded(job, None)?;
                report.part.uncertain = true;
                Some(report)
            }
            _ => self.failed(job, true, reason),
        }
    }

    /// The message in which a part grows, and what stands in it.
    pub fn grows(&mut self, turn: TurnId, part: u32) -> Option<(i64, Rendered)> {
        let growing = self.on_screen(turn).growing.as_ref().filter(|(growing, ..)| *growing == part);
        growing.map(|(_, message_id, message)| (*message_id, message.clone()))
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
            Task::Deliver { .. } => !self.on_screen(job.turn).discarded,
            Task::Notice(_) | Task::Remark(_) => true,
            Task::Acknowledge => !self.on_screen(job.turn).answering,
            Task::Clear => {
                let on_screen = self.on_screen(job.turn);
                on_screen.clear_failures += 1;
                on_screen.clear_failures < CLEAR_FAILURES
            }
            Task::Think { .. } | Task::Cut | Task::Close => false,
        }
    }

    /// The call that a job is; none when it is not wanted any more.
    pub fn call(&mut self, job: &Job) -> Option<Call> {
        let style = self.style;
        let on_screen = self.on_screen(job.turn);
        match &job.task {
            Task::Think { .. } if on_screen.answering => None,
            Task::Acknowledge if on_screen.discarded => None,
            Task::Acknowledge => Some(Call::Send(CHECK_MARK.into())),
            Task::Think { seconds } => Some(beat(style, *seconds, on_screen.counting)),
            Task::Deliver { part, frame } => {
                let message = rendered(&frame.chunk);
                match on_screen.growing.as_ref().filter(|(growing, ..)| growing == part) {
                    Some((_, message_id, _)) => Some(Call::Edit { message_id: *message_id, message }),
                    None => Some(Call::Send(message)),
                }
            }
            Task::Notice(text) => Some(Call::Send(text.as_str().into())),
            Task::Remark(text) => Some(Call::Send((*text).into())),
            Task::Clear => {
                let messages: Vec<_> = on_screen.status.iter().copied().take(DELETED_AT_ONCE).collect();
                (!messages.is_empty()).then_some(Call::Delete(messages))
            }
            Task::Cut | Task::Close => None,
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
            self.turns.push(OnScreen {
                turn,
                status: Vec::new(),
                counting: None,
                growing: None,
                clear_failures: 0,
                discarded: false,
                answering: false,
                notice: None,
            });
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
    let part = Part { message_id, delivered, uncertain: false, attempts, end_bytes };
    Report { turn: job.turn, number, part, closes, refused, chat_closed: false }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TURN: TurnId = TurnId { bot: 1, update: 5 };

    fn deliver(part: u32, text: &str) -> Task {
        Task::Deliver {
            part,
            frame: Frame {
                chunk: Chunk { text: text.into(), entities: Vec::new(), end_bytes: text.len() },
                closes: true,
            },
        }
    }

    /// Makes the next call; it succeeds with the given message id.
    fn make(line: &mut Line, message_id: i64) -> Option<Call> {
        match line.next_step()? {
            Step::Call(job, call) => {
                line.succeeded(job, Some(message_id));
                Some(call)
            }
            Step::Cut(_) | Step::Closed(_) => None,
        }
    }

    #[test]
    fn status_messages_are_deleted_after_the_first_chunk_and_before_the_second() {
        let mut line = Line::new(BeatStyle::Message);
        line.push(TURN, Task::Acknowledge);
        line.push(TURN, Task::Think { seconds: 5 });
        assert_eq!(make(&mut line, 1), Some(Call::Send("✓".into())));
        assert_eq!(make(&mut line, 2), Some(Call::Send("Thinking...".into())));
        line.push(TURN, Task::Think { seconds: 10 });
        line.first_chunk(TURN);
        line.push(TURN, deliver(1, "one"));
        line.push(TURN, deliver(2, "two"));
        assert_eq!(make(&mut line, 3), Some(Call::Send("one".into())));
        assert_eq!(make(&mut line, 4), Some(Call::Delete(vec![1, 2])));
        assert_eq!(make(&mut line, 5), Some(Call::Send("two".into())));
        line.close(TURN, None, false);
        assert_eq!(line.next_step(), Some(Step::Closed(Closed { turn: TURN, notice: None })));
        assert_eq!(line.next_step(), None);
    }

    #[test]
    fn a_beat_on_its_way_when_the_answer_begins_is_deleted_too() {
        let mut line = Line::new(BeatStyle::Message);
        line.push(TURN, Task::Think { seconds: 5 });
        let Some(Step::Call(beat, _)) = line.next_step() else { panic!("a beat") };
        line.first_chunk(TURN);
        line.push(TURN, deliver(1, "one"));
        line.succeeded(beat, Some(9));
        assert_eq!(make(&mut line, 10), Some(Call::Send("one".into())));
        assert_eq!(make(&mut line, 0), Some(Call::Delete(vec![9])));
    }

    #[test]
    fn text_is_repeated_until_it_passes_and_bridges_are_dropped() {
        let mut line = Line::new(BeatStyle::Message);
        line.push(TURN, Task::Think { seconds: 5 });
        line.push(TURN, deliver(1, "one"));
        let Some(Step::Call(beat, _)) = line.next_step() else { panic!("a beat") };
        assert_eq!(line.failed(beat, true, "429"), None);
        for _ in 0..20 {
            let Some(Step::Call(part, Call::Send(text))) = line.next_step() else { panic!("a part") };
            assert_eq!(text, "one".into());
            assert_eq!(line.failed(part, true, "429"), None);
        }
        let Some(Step::Call(part, _)) = line.next_step() else { panic!("a part") };
        let report = line.succeeded(part, Some(3)).expect("a report");
        assert_eq!((report.part.attempts, report.part.message_id), (21, Some(3)));
    }

    #[test]
    fn a_refused_part_is_reported() {
        let mut line = Line::new(BeatStyle::Message);
        line.push(TURN, deliver(1, "one"));
        let Some(Step::Call(part, _)) = line.next_step() else { panic!("a part") };
        let report = line.failed(part, false, "blocked").expect("a report");
        assert_eq!((report.part.delivered, report.refused.as_deref()), (false, Some("blocked")));
    }

    #[test]
    fn closing_with_discard_drops_what_waits_and_tells_the_notice() {
        let mut line = Line::new(BeatStyle::Message);
        line.push(TURN, Task::Acknowledge);
        make(&mut line, 1);
        line.push(TURN, deliver(1, "one"));
        line.close(TURN, Some("sorry".into()), true);
        assert_eq!(make(&mut line, 2), Some(Call::Send("sorry".into())));
        assert_eq!(make(&mut line, 0), Some(Call::Delete(vec![1])));
        assert_eq!(line.next_step(), Some(Step::Closed(Closed { turn: TURN, notice: Some(Ok(2)) })));
    }

    #[test]
    fn a_part_that_telegram_holds_back_is_cut_anew_with_what_has_come_meanwhile() {
        let mut line = Line::new(BeatStyle::Message);
        line.push(TURN, deliver(1, "one"));
        let Some(Step::Call(part, _)) = line.next_step() else { panic!("a part") };
        line.push(TURN, Task::Cut);
        assert!(line.held_back(part));
        let Some(Step::Cut(job)) = line.next_step() else { panic!("a cut") };
        assert!(job.is_scarce() && job.attempts == 1);
        assert_eq!(line.next_step(), None);
    }

    #[test]
    fn text_comes_before_clearing_away_when_both_must_wait() {
        let mut line = Line::new(BeatStyle::Message);
        line.push(TURN, Task::Acknowledge);
        make(&mut line, 1);
        line.push(TURN, Task::Clear);
        line.push(TURN, Task::Cut);
        let Some(Step::Call(clear, Call::Delete(_))) = line.next_step() else { panic!("a delete") };
        assert!(!line.put_back(clear, 100), "there is text that may be sent");
        let Some(Step::Cut(text)) = line.next_step() else { panic!("text") };
        assert!(line.put_back(text, 100), "now there is nothing but to wait");
        assert!(matches!(line.next_step(), Some(Step::Cut(_))));
    }

    #[test]
    fn the_counting_message_is_edited() {
        let mut line = Line::new(BeatStyle::Edit);
        line.push(TURN, Task::Think { seconds: 5 });
        line.push(TURN, Task::Think { seconds: 10 });
        assert_eq!(make(&mut line, 7), Some(Call::Send("Thinking... 5 s".into())));
        let Some(Step::Call(job, call)) = line.next_step() else { panic!("a beat") };
        assert_eq!(call, Call::Edit { message_id: 7, message: "Thinking... 10 s".into() });
        line.succeeded(job, None);
        line.close(TURN, None, false);
        assert_eq!(make(&mut line, 0), Some(Call::Delete(vec![7])));
    }
}
