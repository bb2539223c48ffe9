//! What an actor holds of a neighbour: a way to tell it one kind of message.
//!
//! Every message that one station tells another passes through [`Port::tell`], which writes one
//! line of the flow: who, to whom, and the message's own sentence. The production log, a test's
//! snapshot and a bug report are made of these lines.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Weak};

use actix::dev::{SendError, ToEnvelope};
use actix::{Actor, Addr, Context, Handler, Recipient};
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
pub struct Port<M: Told>(Arc<Way<dyn Receiver<M>>>);

/// The way from one station to another, which all ports between the two share: the stations of one
/// conversation have some forty.
pub struct Way<R: ?Sized> {
    from: Station,
    to: Station,
    receiver: R,
}

/// Where a way leads. An address keeps its actor alive; a [`Weak`] one is for a back edge, so that a
/// circle of stations can end.
pub trait Receiver<M>: Send + Sync + 'static {
    /// Takes a message into the receiver's mailbox.
    ///
    /// # Errors
    /// When it could not be delivered.
    fn take(&self, message: M) -> Result<(), Undelivered>;
}

impl<M: Told> Receiver<M> for Recipient<M> {
    fn take(&self, message: M) -> Result<(), Undelivered> {
        self.try_send(message).map_err(undelivered)
    }
}

impl<M: Told, A> Receiver<M> for Arc<Addr<A>>
where
    A: Actor<Context = Context<A>> + Handler<M>,
    A::Context: ToEnvelope<A, M>,
{
    fn take(&self, message: M) -> Result<(), Undelivered> {
        self.try_send(message).map_err(undelivered)
    }
}

impl<M: Told, A> Receiver<M> for Weak<Addr<A>>
where
    A: Actor<Context = Context<A>> + Handler<M>,
    A::Context: ToEnvelope<A, M>,
{
    fn take(&self, message: M) -> Result<(), Undelivered> {
        self.upgrade().ok_or(Undelivered::Gone)?.take(message)
    }
}

fn undelivered<M>(error: SendError<M>) -> Undelivered {
    match error {
        SendError::Closed(_) => Undelivered::Gone,
        SendError::Full(_) => Undelivered::Full,
    }
}

impl<R> Way<R> {
    /// A way to `receiver`.
    pub fn new(from: Station, to: Station, receiver: R) -> Arc<Self> {
        Arc::new(Self { from, to, receiver })
    }

    /// A port for one kind of message.
    pub fn port<M: Told>(self: &Arc<Self>) -> Port<M>
    where
        R: Receiver<M>,
    {
        Port(self.clone())
    }
}

impl<M: Told> Port<M> {
    /// A port with a way of its own, which keeps its receiver alive.
    pub fn new(from: Station, to: Station, recipient: Recipient<M>) -> Self {
        Way::new(from, to, recipient).port()
    }

    /// Tells the neighbour, and writes the flow's line.
    ///
    /// # Errors
    /// When the message could not be delivered; what that means is the sender's decision.
    pub fn tell(&self, message: M) -> Result<(), Undelivered> {
        let Way { from, to, receiver } = &*self.0;
        remember(*from, *to, std::any::type_name::<M>());
        write_line(*from, *to, Some(name_of::<M>), &message, message.words());
        receiver.take(message).inspect_err(|why| {
            witness(*from, *to, &format_args!("undelivered: {why}"), None);
        })
    }

    /// Tells a neighbour that may rightly have ended: one of a conversation that is being put
    /// away, or a receiver that no longer wants the answer. The flow still shows it.
    pub fn tell_if_there(&self, message: M) {
        if self.tell(message).is_err() {
            tracing::trace!("{} found {} gone", self.0.from, self.0.to);
        }
    }
}

impl<M: Told> Clone for Port<M> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
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
    /// The last messages of this thread's stations: nothing is formatted for a panic that does not
    /// come.
    static RECENT: RefCell<VecDeque<Recent>> = RefCell::default();
}

/// A message, as whose conversation's and three words.
struct Recent {
    key: Option<ChatKey>,
    from: &'static str,
    to: &'static str,
    message: &'static str,
}

fn remember(from: Station, to: Station, message: &'static str) {
    RECENT.with_borrow_mut(|recent| {
        if recent.len() == REMEMBERED {
            recent.pop_front();
        }
        recent.push_back(Recent { key: from.key.or(to.key), from: from.role, to: to.role, message });
    });
}

/// The last messages from and to the stations of a conversation, oldest first, for the report of a
/// panic.
pub fn recent_flow(key: ChatKey) -> String {
    let line = |Recent { from, to, message, .. }: &Recent| format!("{from} → {to} {}", last_word(message));
    RECENT.with_borrow(|recent| {
        let its_own = recent.iter().filter(|message| message.key == Some(key));
        let lines: Vec<_> = its_own.map(line).collect();
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
