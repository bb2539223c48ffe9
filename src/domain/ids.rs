//! Who a message belongs to and which turn it is: small copyable names used everywhere.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A conversation: one bot, one chat and, in a forum, one topic of it.
///
/// Two topics of a group are two conversations with a history each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ChatKey {
    /// Telegram's id of the bot.
    pub bot: i64,
    /// Telegram's id of the chat; negative for groups.
    pub chat: i64,
    /// `message_thread_id` of a forum topic; none elsewhere, and none for the General topic.
    pub topic: Option<i32>,
}

impl ChatKey {
    /// Which of `count` shards a conversation belongs to: always the same, and topics of a group not
    /// all to one.
    pub fn shard(&self, count: usize) -> usize {
        // Chat ids are given one after the other; a multiplication spreads them (Knuth, 6.4).
        let topic = i64::from(self.topic.unwrap_or(0));
        let spread = (self.chat ^ topic.rotate_left(32)).cast_unsigned().wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let count = u64::try_from(count.max(1)).unwrap_or(1);
        usize::try_from((spread >> 32) % count).unwrap_or(0)
    }
}

impl fmt::Display for ChatKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.topic {
            Some(topic) => write!(f, "{}/{topic}", self.chat),
            None => write!(f, "{}", self.chat),
        }
    }
}

/// The name of a turn, `"<bot id>:<update id>"`: the key under which it is stored.
///
/// Taken from the update itself, so a second copy of an update has the same name and storing it
/// twice is a duplicate key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TurnId {
    /// Telegram's id of the bot.
    pub bot: i64,
    /// Telegram's `update_id`, unique for a bot.
    pub update: i64,
}

/// The bits of a draft's id that number the parts of its turn.
const PART_BITS: u32 = 8;

impl TurnId {
    /// The `draft_id` under which a part of the turn's answer (counted from 1) grows: never 0, and
    /// never that of another turn of the bot.
    pub fn draft_id(self, part: u32) -> i64 {
        (self.update << PART_BITS) | i64::from(1 + (part.saturating_sub(1)) % 255)
    }

    /// Whether a draft is of this turn.
    pub fn owns_draft(self, draft_id: i64) -> bool {
        self.draft_id(1) >> PART_BITS == draft_id >> PART_BITS
    }
}

impl fmt::Display for TurnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.bot, self.update)
    }
}

/// A text that is no turn id.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("'{0}' is no turn id: expected '<bot id>:<update id>'")]
pub struct NoTurnId(String);

impl FromStr for TurnId {
    type Err = NoTurnId;

    fn from_str(text: &str) -> Result<Self, NoTurnId> {
        let parts = text
            .split_once(':')
            .and_then(|(bot, update)| Some(Self { bot: bot.parse().ok()?, update: update.parse().ok()? }));
        parts.ok_or_else(|| NoTurnId(text.to_owned()))
    }
}

impl Serialize for TurnId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TurnId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_id_reads_back_what_it_prints() {
        let id = TurnId { bot: 77, update: -3 };
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!("77".parse::<TurnId>(), Err(NoTurnId("77".into())));
    }

    #[test]
    fn conversations_spread_over_shards() {
        let mut counts = [0; 4];
        for chat in 1_000_000..1_004_000 {
            counts[ChatKey { bot: 77, chat, topic: None }.shard(4)] += 1;
        }
        assert!(counts.iter().all(|count| (900..1_100).contains(count)), "{counts:?}");
        assert_eq!(ChatKey { bot: 77, chat: -5, topic: Some(i32::MIN) }.shard(1), 0);
    }

    #[test]
    fn drafts_belong_to_one_turn() {
        for update in [0, 1, -7, 900_000_000, i64::MAX, i64::MIN] {
            let turn = TurnId { bot: 77, update };
            for part in [0, 1, 2, 255, 256, 1_000] {
                let draft = turn.draft_id(part);
                assert!(draft != 0 && turn.owns_draft(draft), "{update} {part}");
            }
        }
        let (turn, next) = (TurnId { bot: 77, update: 41 }, TurnId { bot: 77, update: 42 });
        assert!(!turn.owns_draft(next.draft_id(1)) && !next.owns_draft(turn.draft_id(255)));
        assert_ne!(turn.draft_id(1), turn.draft_id(2));
    }
}
