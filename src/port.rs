//! What an actor holds of a neighbour: a way to tell it one kind of message.
//!
//! Every message that one station tells another passes through [`Port::tell`], which writes one
//! line of the flow: who, to whom, and the message's own sentence. The production log, a test's
//! snapshot and a bug report are made of these lines.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;

use actix::dev::SendError;
use actix::{Recipient, WeakRecipient};
use tracing::Level;

use crate::domain::ids::ChatKey;

/// The tracing target of flow lines.
pub const FLOW: &str = "flow";

/// A message between stations: it answers with nothing but another message, and has one line for
/// people.
pub trait Told: actix::Message<Result = ()> + fmt::Display + Send + 'static {
    /// The words of the user or the model that it carries, which the flow shows only at TRACE.
    fn words(&self) -> Option<&str> {
        None
    }
}

/// The name of a station in the flow: what it is and, where there are many, whose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Station {
    /// What it is: `conversation`.
    pub role: &'static str,
    /// Whose: none for stations that all chats share.
    pub key: Option<ChatKey>,
}

impl Station {
    /// A station that all chats share.
    pub const fn shared(role: &'static str) -> Self {
        Self { role, key: None }
    }

    /// A station of one conversation.
    pub const fn of(role: &'static str, key: ChatKey) -> Self {
        Self { role, key: Some(key) }
    }
}

impl fmt::Display for Station {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.key {
            Some(key) => write!(f, "{} {key}", self.role),
            None => f.write_str(self.role),
        }
    }
}

/// A message could not be delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Undelivered {
    /// The receiver has ended.
    #[error("the receiver has ended")]
    Gone,
    /// The receiver's mailbox is full.
    #[error("the receiver's mailbox is full")]
    Full,
}

/// A way to tell one neighbour one kind of message.
pub struct Port<M: Told> {
    from: Station,
    to: Station,
    line: Line<M>,
}

enum Line<M: Told> {
    /// Keeps the receiver alive.
    Strong(Recipient<M>),
    /// A back edge: does not keep the receiver alive, so that a circle of stations can end.
    Weak(WeakRecipient<M>),
}

impl<M: Told> Port<M> {
    /// A port that keeps its receiver alive.
    pub fn new(from: Station, to: Station, recipient: Recipient<M>) -> Self {
        Self { from, to, line: Line::Strong(recipient) }
    }

    /// A port that does not keep its receiver alive.
    pub fn weak(from: Station, to: Station, recipient: &Recipient<M>) -> Self {
        Self { from, to, line: Line::Weak(recipient.downgrade()) }
    }

    /// Tells the neighbour, and writes the flow's line.
    ///
    /// # Errors
    /// When the message could not be delivered; what that means is the sender's decision.
    pub fn tell(&self, message: M) -> Result<(), Undelivered> {
        remember(self.from, self.to, std::any::type_name::<M>());
        write_line(self.from, self.to, Some(name_of::<M>), &message, message.words());
        let sent = match &self.line {
            Line::Strong(recipient) => recipient.try_send(message),
            Line::Weak(recipient) => match recipient.upgrade() {
                Some(recipient) => recipient.try_send(message),
                None => return self.lost(Undelivered::Gone),
            },
        };
        match sent {
            Ok(()) => Ok(()),
            Err(SendError::Closed(_)) => self.lost(Undelivered::Gone),
            Err(SendError::Full(_)) => self.lost(Undelivered::Full),
        }
    }

    /// Tells a neighbour that may rightly have ended: one of a conversation that is being put
    /// away, or a receiver that no longer wants the answer. The flow still shows it.
    pub fn tell_if_there(&self, message: M) {
        if self.tell(message).is_err() {
            tracing::trace!("{} found {} gone", self.from, self.to);
        }
    }

    fn lost(&self, why: Undelivered) -> Result<(), Undelivered> {
        witness(self.from, self.to, &format_args!("undelivered: {why}"), None);
        Err(why)
    }
}

impl<M: Told> Clone for Port<M> {
    fn clone(&self) -> Self {
        let line = match &self.line {
            Line::Strong(recipient) => Line::Strong(recipient.clone()),
            Line::Weak(recipient) => Line::Weak(recipient.clone()),
        };
        Self { from: self.from, to: self.to, line }
    }
}

/// "1 character", "300 characters": how a line of the flow tells a length.
pub fn length(text: &str) -> String {
    match text.chars().count() {
        1 => "1 character".to_owned(),
        count => format!("{count} characters"),
    }
}

/// Writes a line of the flow for what passes between a station and the world.
pub fn witness(from: Station, to: Station, line: &dyn fmt::Display, words: Option<&str>) {
    write_line(from, to, None, line, words);
}

/// Messages that are remembered for the report of a panic.
const REMEMBERED: usize = 4_096;

thread_local! {
    /// The last messages of this thread's stations, as three words each: nothing is formatted for a
    /// panic that does not come.
    static RECENT: RefCell<VecDeque<(Station, Station, &'static str)>> = RefCell::default();
}

fn remember(from: Station, to: Station, message: &'static str) {
    RECENT.with_borrow_mut(|recent| {
        if recent.len() == REMEMBERED {
            recent.pop_front();
        }
        recent.push_back((from, to, message));
    });
}

/// The last messages from and to the stations of a conversation, oldest first, for the report of a
/// panic.
pub fn recent_flow(key: ChatKey) -> String {
    let its_own = |station: &Station| station.key == Some(key);
    let line = |(from, to, message): &(Station, Station, &str)| {
        format!("{} → {} {}", from.role, to.role, last_word(message))
    };
    RECENT.with_borrow(|recent| {
        let lines = recent.iter().filter(|(from, to, _)| its_own(from) || its_own(to)).map(line);
        let lines: Vec<_> = lines.collect();
        lines[lines.len().saturating_sub(20)..].join(", ")
    })
}

fn write_line(
    from: Station,
    to: Station,
    message: Option<fn() -> &'static str>,
    line: &dyn fmt::Display,
    words: Option<&str>,
) {
    let words = words.filter(|_| tracing::enabled!(target: FLOW, Level::TRACE));
    // The values are worked out only when somebody listens.
    tracing::debug!(target: FLOW, %from, %to, name = message.map(|name| name()), words, "{line}");
}

/// The message's own name, without its modules.
fn name_of<M>() -> &'static str {
    last_word(std::any::type_name::<M>())
}

fn last_word(path: &str) -> &str {
    path.rsplit("::").next().unwrap_or(path)
}
