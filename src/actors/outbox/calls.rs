//! From a line's call to the Bot API's, and what the flow says of it.

use std::fmt;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

use crate::domain::ids::ChatKey;
use crate::domain::line::Call;
use crate::edge::telegram::{BotApi, Called};
use crate::port::length;

/// Between repeated calls that fail, at most.
pub(super) const LONGEST_WAIT: Duration = Duration::from_secs(30);

pub(super) fn growing_waits() -> Box<ExponentialBackoff> {
    let waits = ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(500))
        .with_max_delay(LONGEST_WAIT)
        .without_max_times()
        .build();
    Box::new(waits)
}

pub(super) fn make(api: &dyn BotApi, to: ChatKey, call: Call) -> Called<Option<i64>> {
    match call {
        Call::Send(message) => {
            let sent = api.send_message(to, message);
            Box::pin(async move { sent.await.map(Some) })
        }
        Call::Edit { message_id, message } => nothing(api.edit_message_text(to, message_id, message)),
        Call::Draft { draft_id, message } => nothing(api.send_message_draft(to, draft_id, message)),
        Call::Delete(message_ids) => nothing(api.delete_messages(to, message_ids)),
        Call::Typing => nothing(api.send_typing(to)),
    }
}

fn nothing(called: Called<()>) -> Called<Option<i64>> {
    Box::pin(async move { called.await.map(|()| None) })
}

impl Call {
    pub(super) fn words(&self) -> Option<&str> {
        match self {
            Self::Send(message) | Self::Edit { message, .. } | Self::Draft { message, .. } => {
                Some(&message.text)
            }
            Self::Delete(_) | Self::Typing => None,
        }
    }
}

/// A call's line in the flow.
pub(super) struct Making<'a>(pub &'a Call);

impl fmt::Display for Making<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Call::Send(message) => {
                write!(f, "sendMessage, {}", length(&message.text))?;
                match message.entities.len() {
                    0 => Ok(()),
                    1 => f.write_str(" and 1 entity"),
                    count => write!(f, " and {count} entities"),
                }
            }
            Call::Edit { message_id, message } => {
                write!(f, "editMessageText {message_id}, {}", length(&message.text))
            }
            Call::Draft { draft_id, message } => {
                write!(f, "sendMessageDraft {draft_id}, {}", length(&message.text))
            }
            Call::Delete(messages) => write!(f, "deleteMessages {messages:?}"),
            Call::Typing => f.write_str("sendChatAction typing"),
        }
    }
}

/// A finished call's line in the flow.
pub(super) struct Done(pub Option<i64>);

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(message) => write!(f, "message {message}"),
            None => f.write_str("done"),
        }
    }
}
