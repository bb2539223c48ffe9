//! Turns as messages carry them.

use super::house::ORIGIN_MS;
use crate::domain::ids::{ChatKey, TurnId};
use crate::domain::record::{Kind, NewTurn, Place, StoredTurn, User};

/// The turn `seq` of a conversation, in which somebody says `text`: as it is just accepted.
pub fn turn(key: ChatKey, seq: i64, text: &str) -> StoredTurn {
    let new = NewTurn {
        id: TurnId { bot: key.bot, update: seq },
        key,
        user: User { id: 7, ..User::default() },
        message_id: seq,
        date_s: ORIGIN_MS / 1000,
        kind: Kind::Text,
        text: text.to_owned(),
        accepted_at_ms: ORIGIN_MS,
    };
    StoredTurn::accepted(new, Place { seq, session: uuid::Uuid::nil() })
}
