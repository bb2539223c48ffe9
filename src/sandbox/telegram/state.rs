//! Telegram as a state machine: bots, chats, messages and updates. It does no I/O and is told the
//! time.
//!
//! Each bot lives in chats of its own: two bots in one group are two groups here.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;

use crate::domain::ids::ChatKey;

use super::chaos::Dice;
use super::drafts::DraftEnds;
use super::error::ApiError;
use super::events::{Author, ChatEvent, SeenDraft, SeenMessage, What};
use super::flood::Flood;
use super::limits::Limits;
use super::people::Attachment;
use super::updates::{Delivery, Failure, Retry, Updates};

/// Everything that is.
#[derive(Debug)]
pub struct World {
    pub(super) bots: BTreeMap<i64, Bot>,
    pub(super) epoch_s: u64,
    pub(super) opens_chats: bool,
    pub(super) retry: Retry,
    pub(super) limits: Limits,
    pub(super) dice: Dice,
    pub(super) draft_ends: DraftEnds,
    now_ms: u64,
    journal: Vec<ChatEvent>,
    stirred: bool,
    failed_deliveries: u64,
}

/// A bot and all it knows.
#[derive(Debug, Default)]
pub(super) struct Bot {
    pub(super) revoked: bool,
    pub(super) chats: HashMap<i64, Chat>,
    /// The counter that private chats and basic groups share.
    pub(super) last_message_id: i64,
    pub(super) updates: Updates,
    pub(super) flood: Flood,
    /// By scope and language.
    pub(super) commands: BTreeMap<(String, String), Value>,
}

/// A chat as one bot sees it.
#[derive(Debug, Default)]
pub(super) struct Chat {
    pub(super) last_message_id: i64,
    /// The topics there have been, and whether each is still there.
    pub(super) topics: BTreeMap<i32, bool>,
    pub(super) messages: BTreeMap<i64, Message>,
    /// By topic: a chat shows one at a time.
    pub(super) drafts: BTreeMap<Option<i32>, SeenDraft>,
    /// Why the bot can't write here.
    pub(super) closed: Option<String>,
    pub(super) migrated_to: Option<i64>,
}

/// A message that stands in a chat.
#[derive(Debug, Clone)]
pub(super) struct Message {
    pub(super) author: Author,
    pub(super) topic: Option<i32>,
    pub(super) text: String,
    pub(super) entities: Vec<Value>,
    pub(super) attachment: Option<Attachment>,
    pub(super) markup: Option<Value>,
    pub(super) reply_to: Option<i64>,
    pub(super) at_ms: u64,
    pub(super) edited_ms: Option<u64>,
}

impl World {
    /// A world that begins at the Unix time `epoch_s` (seconds).
    pub fn new(epoch_s: u64) -> Self {
        Self {
            bots: BTreeMap::new(),
            epoch_s,
            opens_chats: false,
            retry: Retry::default(),
            limits: Limits::default(),
            dice: Dice::default(),
            draft_ends: DraftEnds::default(),
            now_ms: 0,
            journal: Vec::new(),
            stirred: false,
            failed_deliveries: 0,
        }
    }

    /// Opens a chat, and a topic in it, as if somebody had written there.
    pub fn open_chat(&mut self, key: ChatKey) {
        let chat = self.bot(key.bot).chats.entry(key.chat).or_default();
        chat.topics.extend(key.topic.map(|topic| (topic, true)));
    }

    /// Deletes a topic: writing there answers "message thread not found".
    pub fn delete_topic(&mut self, key: ChatKey) {
        if let (Some(chat), Some(topic)) = (self.bot(key.bot).chats.get_mut(&key.chat), key.topic) {
            chat.topics.insert(topic, false);
            chat.messages.retain(|_, message| message.topic != Some(topic));
        }
    }

    /// Closes a chat to the bot with Telegram's words after "Forbidden: ", or opens it again.
    pub fn close_chat(&mut self, bot: i64, chat: i64, why: Option<&str>) {
        self.bot(bot).chats.entry(chat).or_default().closed = why.map(str::to_owned);
    }

    /// Makes a group a supergroup with the id `to`.
    pub fn migrate_chat(&mut self, bot: i64, from: i64, to: i64) {
        self.bot(bot).chats.entry(to).or_default();
        self.bot(bot).chats.entry(from).or_default().migrated_to = Some(to);
    }

    /// All that the chats showed, in order.
    pub fn journal(&self) -> &[ChatEvent] {
        &self.journal
    }

    /// Forgets the journal and the flood windows that have ended, for runs that are too long to
    /// keep them.
    pub fn clear_journal(&mut self) {
        self.journal.clear();
        let now = self.now_ms;
        self.bots.values_mut().for_each(|bot| bot.flood.forget_past(now));
    }

    /// The messages that stand in a chat now, in order.
    pub fn chat_view(&self, bot: i64, chat: i64) -> Vec<SeenMessage> {
        let chat = self.bots.get(&bot).and_then(|bot| bot.chats.get(&chat));
        chat.into_iter().flat_map(|chat| &chat.messages).map(|(id, message)| message.seen(*id)).collect()
    }

    /// How many updates wait for a bot.
    pub fn pending_count(&self, bot: i64) -> usize {
        self.bots.get(&bot).map_or(0, |bot| bot.updates.pending_count())
    }

    /// Takes an update out of a bot's queue, for whoever hands it on by himself; null when it is
    /// not there.
    pub fn take_update(&mut self, bot: i64, update_id: i64) -> Value {
        self.bot(bot).updates.take(update_id).unwrap_or(Value::Null)
    }

    /// The bot of a token.
    ///
    /// # Errors
    /// 404 for what is no token, 401 for the token of no bot.
    pub fn bot_of(&mut self, token: &str) -> Result<i64, ApiError> {
        let (id, secret) = token.split_once(':').ok_or_else(ApiError::not_found)?;
        let id: i64 = id.parse().map_err(|_| ApiError::not_found())?;
        if id <= 0 || secret.is_empty() || self.bot(id).revoked {
            return Err(ApiError::unauthorized());
        }
        Ok(id)
    }

    /// The updates that may be POSTed to webhooks now.
    pub fn take_deliveries(&mut self, now_ms: u64) -> Vec<Delivery> {
        let now = self.tick(now_ms);
        self.bots.iter_mut().flat_map(|(id, bot)| bot.updates.take_deliveries(now, *id)).collect()
    }

    /// When the next retry of any webhook is due.
    pub fn next_retry_ms(&self) -> Option<u64> {
        self.bots.values().filter_map(|bot| bot.updates.next_retry_ms()).min()
    }

    /// When something next happens by itself: a retry, or the end of a draft.
    pub fn next_event_ms(&self) -> Option<u64> {
        self.next_retry_ms().into_iter().chain(self.draft_ends.first_ms()).min()
    }

    /// A webhook took a delivery. Where the [`Chaos`](super::Chaos) wants it, Telegram does not hear of that and
    /// brings the update once more.
    pub fn acknowledged(&mut self, delivery: &Delivery) {
        self.stirred = true;
        let (now, first_ms) = (self.now_ms, self.retry.first_ms);
        let again = self.comes_twice(delivery.bot, delivery.update_id).then_some(now + first_ms);
        self.bot(delivery.bot).updates.acknowledged(delivery.epoch, delivery.update_id, again);
    }

    /// A webhook did not take a delivery.
    pub fn delivery_failed(&mut self, now_ms: u64, delivery: &Delivery, failure: Failure) {
        let (now, retry) = (self.tick(now_ms), self.retry);
        self.stirred = true;
        self.failed_deliveries += 1;
        self.bot(delivery.bot).updates.failed(now, delivery, failure, retry);
    }

    /// How often a webhook did not take a delivery.
    pub fn failed_deliveries(&self) -> u64 {
        self.failed_deliveries
    }

    /// Whether queues or webhooks have changed since it was last asked.
    pub fn take_stirred(&mut self) -> bool {
        std::mem::take(&mut self.stirred)
    }

    pub(super) fn stir(&mut self) {
        self.stirred = true;
    }

    pub(super) fn bot(&mut self, id: i64) -> &mut Bot {
        self.bots.entry(id).or_default()
    }

    pub(super) fn record(&mut self, key: ChatKey, what: What) {
        let ChatKey { bot, chat, topic } = key;
        self.journal.push(ChatEvent { at_ms: self.now_ms, bot, chat, topic, what });
    }

    /// Sets the clock, which never runs back; what ends by itself until then ends.
    pub(super) fn tick(&mut self, now_ms: u64) -> u64 {
        let now = self.now_ms.max(now_ms);
        self.expire_drafts(now);
        self.now_ms = now;
        now
    }

    /// Sets the clock without looking at what ends by itself.
    pub(super) fn wind(&mut self, now_ms: u64) {
        self.now_ms = self.now_ms.max(now_ms);
    }

    pub(super) fn unix_s(&self, at_ms: u64) -> u64 {
        self.epoch_s + at_ms / 1000
    }
}

impl Bot {
    /// The next message id of a chat: supergroups count their own, all others share one counter.
    pub(super) fn next_message_id(&mut self, chat_id: i64) -> i64 {
        let own = is_supergroup(chat_id);
        let last = match self.chats.get_mut(&chat_id).filter(|_| own) {
            Some(chat) => &mut chat.last_message_id,
            None => &mut self.last_message_id,
        };
        *last += 1;
        *last
    }
}

impl Chat {
    pub(super) fn is_forum(&self) -> bool {
        !self.topics.is_empty()
    }
}

impl Message {
    /// A message with only a text.
    pub(super) fn new(author: Author, topic: Option<i32>, text: &str, at_ms: u64) -> Self {
        Self {
            author,
            topic,
            text: text.to_owned(),
            entities: Vec::new(),
            attachment: None,
            markup: None,
            reply_to: None,
            at_ms,
            edited_ms: None,
        }
    }

    fn seen(&self, message_id: i64) -> SeenMessage {
        let (text, entities) = (self.text.clone(), self.entities.clone());
        SeenMessage { message_id, topic: self.topic, author: self.author, text, entities }
    }
}

/// Whether the id is a supergroup's or a channel's.
pub(super) fn is_supergroup(chat_id: i64) -> bool {
    chat_id <= -1_000_000_000_000
}

#[cfg(test)]
#[path = "state_tests.rs"]
mod tests;
