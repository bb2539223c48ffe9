//! Sending, editing, deleting, typing.

use serde_json::{Value, json};

use crate::domain::ids::ChatKey;

use super::error::ApiError;
use super::events::{Author, GoneWhy, What};
use super::params::{Params, int_of};
use super::state::{Chat, Message, World};
use super::text::Reading;

/// Bots may delete messages for so long.
const DELETABLE_MS: u64 = 48 * 60 * 60 * 1000;

const NOT_MODIFIED: &str = "message is not modified: specified new message content and reply markup are exactly the same as a current content and reply markup of the message";

/// What a call wants of a chat.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wants {
    Write,
    Type,
    Delete,
}

impl World {
    pub(super) fn send_message(&mut self, now_ms: u64, bot: i64, params: &Params) -> Result<Value, ApiError> {
        let key = self.enter(bot, params, Wants::Write)?;
        let new = Reading::message(self.limits.entities, "message is too long").read(params)?;
        let mut message = Message::new(Author::Bot, key.topic, &new.text, now_ms);
        message.entities = new.entities;
        message.markup = params.json("reply_markup")?;
        message.reply_to = self.replied(key, params)?;
        let message_id = self.add_message(key, message);
        self.record(key, What::Shown { message_id, text: new.text });
        self.end_draft(key, GoneWhy::Message);
        Ok(self.message_json(bot, key.chat, message_id).unwrap_or(Value::Null))
    }

    pub(super) fn edit_text(&mut self, now_ms: u64, bot: i64, params: &Params) -> Result<Value, ApiError> {
        let mut key = self.enter(bot, params, Wants::Write)?;
        let message_id = message_id(params)?;
        let new = Reading::message(self.limits.entities, "MESSAGE_TOO_LONG").read(params)?;
        let markup = params.json("reply_markup")?;
        let not_found = || ApiError::bad_request("message to edit not found");
        let chat = self.bot(bot).chats.get_mut(&key.chat);
        let message = chat.and_then(|chat| chat.messages.get_mut(&message_id)).ok_or_else(not_found)?;
        if message.author != Author::Bot {
            return Err(ApiError::bad_request("message can't be edited"));
        }
        if (&message.text, &message.entities, &message.markup) == (&new.text, &new.entities, &markup) {
            return Err(ApiError::bad_request(NOT_MODIFIED));
        }
        message.text.clone_from(&new.text);
        (message.entities, message.markup, message.edited_ms) = (new.entities, markup, Some(now_ms));
        key.topic = message.topic;
        self.record(key, What::Edited { message_id, text: new.text });
        Ok(self.message_json(bot, key.chat, message_id).unwrap_or(Value::Null))
    }

    pub(super) fn delete_message(
        &mut self,
        now_ms: u64,
        bot: i64,
        params: &Params,
    ) -> Result<Value, ApiError> {
        let key = self.enter(bot, params, Wants::Delete)?;
        let id = message_id(params)?;
        if !self.chat(key).is_some_and(|chat| chat.messages.contains_key(&id)) {
            return Err(ApiError::bad_request("message to delete not found"));
        }
        self.delete(now_ms, key, &[id])
    }

    /// Skips what is gone, as Telegram does.
    pub(super) fn delete_messages(
        &mut self,
        now_ms: u64,
        bot: i64,
        params: &Params,
    ) -> Result<Value, ApiError> {
        let key = self.enter(bot, params, Wants::Delete)?;
        let list = params.json("message_ids")?;
        let ids: Vec<i64> = match list.as_ref().and_then(Value::as_array) {
            Some(list) if !list.is_empty() => list.iter().filter_map(int_of).collect(),
            _ => return Err(ApiError::bad_request("message identifiers are not specified")),
        };
        if ids.len() > 100 {
            return Err(ApiError::bad_request("too many message identifiers specified"));
        }
        self.delete(now_ms, key, &ids)
    }

    /// All or none.
    fn delete(&mut self, now_ms: u64, key: ChatKey, ids: &[i64]) -> Result<Value, ApiError> {
        let there =
            |chat: &Chat, id: &i64| chat.messages.get(id).map(|message| may_delete(now_ms, key, message));
        let chat = self.chat(key);
        if chat.is_some_and(|chat| ids.iter().any(|id| there(chat, id) == Some(false))) {
            return Err(ApiError::bad_request("message can't be deleted for everyone"));
        }
        for message_id in ids {
            let chat = self.bot(key.bot).chats.get_mut(&key.chat);
            if let Some(gone) = chat.and_then(|chat| chat.messages.remove(message_id)) {
                let what = What::Deleted { message_id: *message_id };
                self.record(ChatKey { topic: gone.topic, ..key }, what);
            }
        }
        Ok(json!(true))
    }

    pub(super) fn chat_action(&mut self, bot: i64, params: &Params) -> Result<Value, ApiError> {
        let key = self.enter(bot, params, Wants::Type)?;
        match params.text("action").unwrap_or_default().as_str() {
            "typing" => self.record(key, What::Typing),
            "choose_sticker" | "find_location" | "playing" => {}
            other if other.starts_with("upload_") || other.starts_with("record_") => {}
            _ => return Err(ApiError::bad_request("wrong parameter action in request")),
        }
        Ok(json!(true))
    }

    /// The conversation that a call names, if the bot may write there.
    pub(super) fn enter_to_write(&mut self, bot: i64, params: &Params) -> Result<ChatKey, ApiError> {
        self.enter(bot, params, Wants::Write)
    }

    /// The conversation that a call names, if the bot may do there what it wants.
    fn enter(&mut self, bot: i64, params: &Params, wants: Wants) -> Result<ChatKey, ApiError> {
        let key = ChatKey { bot, chat: chat_id(params)?, topic: topic(params) };
        let opens = self.opens_chats;
        if opens {
            self.bot(bot).chats.entry(key.chat).or_default();
        }
        let chats = &mut self.bot(bot).chats;
        let chat = chats.get_mut(&key.chat).ok_or_else(|| ApiError::bad_request("chat not found"))?;
        if let Some(to) = chat.migrated_to {
            return Err(ApiError::migrated(to));
        }
        if let Some(why) = chat.closed.as_ref().filter(|_| wants != Wants::Delete) {
            return Err(ApiError::new(403, format!("Forbidden: {why}")));
        }
        match key.topic {
            // The General topic has the id 1: Telegram takes it for typing and nowhere else.
            Some(1) if wants == Wants::Type => Ok(ChatKey { topic: None, ..key }),
            Some(topic) if topic == 1 || !has_topic(chat, topic, opens) => {
                Err(ApiError::bad_request("message thread not found"))
            }
            _ => Ok(key),
        }
    }

    fn replied(&self, key: ChatKey, params: &Params) -> Result<Option<i64>, ApiError> {
        let reply = params.json("reply_parameters")?.unwrap_or_default();
        let wanted = reply.get("message_id").and_then(int_of).or_else(|| params.int("reply_to_message_id"));
        let Some(id) = wanted.filter(|id| *id != 0) else { return Ok(None) };
        if self.chat(key).is_some_and(|chat| chat.messages.contains_key(&id)) {
            return Ok(Some(id));
        }
        let anyway = reply.get("allow_sending_without_reply").and_then(Value::as_bool).unwrap_or(false);
        if anyway || params.flag("allow_sending_without_reply") {
            return Ok(None);
        }
        Err(ApiError::bad_request("message to be replied not found"))
    }

    pub(super) fn chat(&self, key: ChatKey) -> Option<&Chat> {
        self.bots.get(&key.bot)?.chats.get(&key.chat)
    }

    /// Puts a message into an open chat and returns its id.
    pub(super) fn add_message(&mut self, key: ChatKey, message: Message) -> i64 {
        let bot = self.bot(key.bot);
        let id = bot.next_message_id(key.chat);
        bot.chats.entry(key.chat).or_default().messages.insert(id, message);
        id
    }
}

/// Where chats open by themselves, a topic does too, unless it was deleted.
fn has_topic(chat: &mut Chat, topic: i32, opens: bool) -> bool {
    if opens {
        return *chat.topics.entry(topic).or_insert(true);
    }
    chat.topics.get(&topic).copied().unwrap_or(false)
}

/// A bot may delete its own messages and, in private chats, those of the person, for 48 hours.
fn may_delete(now_ms: u64, key: ChatKey, message: &Message) -> bool {
    now_ms < message.at_ms + DELETABLE_MS && (message.author == Author::Bot || key.chat > 0)
}

/// The chat that a call names. `@names` are of no chat here.
pub(super) fn chat_id(params: &Params) -> Result<i64, ApiError> {
    match params.text("chat_id").as_deref().map(str::trim) {
        None | Some("") => Err(ApiError::bad_request("chat_id is empty")),
        Some(text) => text.parse().map_err(|_| ApiError::bad_request("chat not found")),
    }
}

fn topic(params: &Params) -> Option<i32> {
    params.int("message_thread_id").and_then(|id| i32::try_from(id).ok()).filter(|id| *id != 0)
}

fn message_id(params: &Params) -> Result<i64, ApiError> {
    let id = params.int("message_id").filter(|id| *id > 0);
    id.ok_or_else(|| ApiError::bad_request("message identifier is not specified"))
}
