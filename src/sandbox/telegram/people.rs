//! What people do: write, send things, correct themselves, block the bot.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::domain::ids::ChatKey;

use super::events::{Author, What};
use super::json::user;
use super::state::{Message, World};
use super::text::utf16_len;

/// Something that a person sends that is no text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Attachment {
    /// A sticker.
    Sticker,
    /// A photo without a caption.
    Photo,
    /// A voice message.
    Voice,
    /// A file.
    Document,
    /// A place.
    Location,
}

const NAMES: [&str; 8] = ["Ada", "Bruno", "Carla", "Dimitri", "Elif", "Farid", "Greta", "Hiro"];

/// A person's first name, always the same for an id.
pub(super) fn first_name(user: i64) -> &'static str {
    NAMES[user.rem_euclid(NAMES.len() as i64) as usize]
}

impl Attachment {
    fn name(self) -> &'static str {
        match self {
            Self::Sticker => "sticker",
            Self::Photo => "photo",
            Self::Voice => "voice",
            Self::Document => "document",
            Self::Location => "location",
        }
    }

    /// Adds what a Message has for it.
    pub(super) fn add_to(self, message: &mut Value) {
        let file = |name: &str| json!({"file_id": format!("sandbox-{name}"), "file_unique_id": name, "file_size": 1024});
        let mut body = file(self.name());
        let more = match self {
            Self::Sticker => {
                json!({"type": "regular", "width": 512, "height": 512, "is_animated": false, "is_video": false, "emoji": "🍳"})
            }
            Self::Photo => json!({"width": 640, "height": 480}),
            Self::Voice => json!({"duration": 3, "mime_type": "audio/ogg"}),
            Self::Document => json!({"file_name": "recipe.pdf", "mime_type": "application/pdf"}),
            Self::Location => return message["location"] = json!({"latitude": 48.86, "longitude": 2.35}),
        };
        for (name, value) in more.as_object().into_iter().flatten() {
            body[name] = value.clone();
        }
        message[self.name()] = if self == Self::Photo { json!([body]) } else { body };
    }
}

impl World {
    /// The person `user` writes `text`; the chat and the topic open if they have to. Returns the
    /// update's id.
    pub fn say(&mut self, now_ms: u64, key: ChatKey, user: i64, text: &str) -> i64 {
        let now = self.tick(now_ms);
        let mut message = Message::new(Author::User(user), key.topic, text.trim(), now);
        message.entities = command_entity(&message.text).into_iter().collect();
        self.user_sends(now, key, message)
    }

    /// The person `user` replies to a message. Returns the update's id.
    pub fn reply(&mut self, now_ms: u64, key: ChatKey, user: i64, to: i64, text: &str) -> i64 {
        let now = self.tick(now_ms);
        let mut message = Message::new(Author::User(user), key.topic, text.trim(), now);
        message.reply_to = Some(to);
        self.user_sends(now, key, message)
    }

    /// The person `user` sends something that is no text. Returns the update's id.
    pub fn send(&mut self, now_ms: u64, key: ChatKey, user: i64, attachment: Attachment) -> i64 {
        let now = self.tick(now_ms);
        let text = format!("[{}]", attachment.name());
        let mut message = Message::new(Author::User(user), key.topic, &text, now);
        message.attachment = Some(attachment);
        self.user_sends(now, key, message)
    }

    fn user_sends(&mut self, now_ms: u64, key: ChatKey, message: Message) -> i64 {
        self.open_chat(key);
        let text = message.text.clone();
        let message_id = self.add_message(key, message);
        self.record(key, What::UserSaid { message_id, text });
        let body = self.message_json(key.bot, key.chat, message_id).unwrap_or(Value::Null);
        self.push(now_ms, key.bot, "message", body)
    }

    /// A person corrects what they wrote. Returns the update's id; none when there is no such
    /// message of a person.
    pub fn correct(&mut self, now_ms: u64, key: ChatKey, message_id: i64, text: &str) -> Option<i64> {
        let now = self.tick(now_ms);
        let message = self.bot(key.bot).chats.get_mut(&key.chat)?.messages.get_mut(&message_id)?;
        if message.author == Author::Bot {
            return None;
        }
        message.text = text.trim().to_owned();
        message.edited_ms = Some(now);
        self.record(key, What::Edited { message_id, text: text.trim().to_owned() });
        let body = self.message_json(key.bot, key.chat, message_id)?;
        Some(self.push(now, key.bot, "edited_message", body))
    }

    /// The person of a private chat blocks the bot, or takes it back; the bot gets the
    /// `my_chat_member` update. Returns its id.
    pub fn block(&mut self, now_ms: u64, bot: i64, chat: i64, blocked: bool) -> i64 {
        let now = self.tick(now_ms);
        self.close_chat(bot, chat, blocked.then_some("bot was blocked by the user"));
        let member = |kicked: bool| {
            let me = super::json::bot_user(bot);
            match kicked {
                true => json!({"user": me, "status": "kicked", "until_date": 0}),
                false => json!({"user": me, "status": "member"}),
            }
        };
        let body = json!({
            "chat": super::json::chat(chat, false),
            "from": user(chat),
            "date": self.unix_s(now),
            "old_chat_member": member(!blocked),
            "new_chat_member": member(blocked),
        });
        self.push(now, bot, "my_chat_member", body)
    }

    /// Queues an Update as it is, whatever it is. Without `update_id` it gets the next. Returns
    /// the id.
    pub fn push_raw_update(&mut self, now_ms: u64, bot: i64, update: Value) -> i64 {
        let now = self.tick(now_ms);
        self.stir();
        self.bot(bot).updates.push_raw(now, update)
    }

    pub(super) fn push(&mut self, now_ms: u64, bot: i64, kind: &str, body: Value) -> i64 {
        self.stir();
        self.bot(bot).updates.push(now_ms, kind, body)
    }
}

/// Telegram's clients mark a command at the start of a message; bot libraries rely on it.
fn command_entity(text: &str) -> Option<Value> {
    let rest = text.strip_prefix('/')?;
    let name = rest.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '@')).next()?;
    let length = 1 + utf16_len(name);
    (length > 1).then(|| json!({"type": "bot_command", "offset": 0, "length": length}))
}
