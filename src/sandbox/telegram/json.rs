//! The objects that Telegram answers with.

use serde_json::{Value, json};

use super::events::Author;
use super::people::first_name;
use super::state::{Message, World, is_supergroup};

/// A bot's User.
pub(super) fn bot_user(bot: i64) -> Value {
    json!({"id": bot, "is_bot": true, "first_name": "Brigade", "username": bot_name(bot)})
}

fn bot_name(bot: i64) -> String {
    format!("brigade_{bot}_sandbox_bot")
}

/// What `getMe` answers.
pub(super) fn me(bot: i64) -> Value {
    let mut user = bot_user(bot);
    for (name, value) in [
        ("can_join_groups", true),
        ("can_read_all_group_messages", true),
        ("supports_inline_queries", false),
        ("can_connect_to_business", false),
        ("has_main_web_app", false),
    ] {
        user[name] = json!(value);
    }
    user
}

/// A person's User.
pub(super) fn user(id: i64) -> Value {
    json!({"id": id, "is_bot": false, "first_name": first_name(id), "language_code": "en"})
}

/// A Chat; a chat with topics is a forum.
pub(super) fn chat(id: i64, is_forum: bool) -> Value {
    if id > 0 {
        return json!({"id": id, "type": "private", "first_name": first_name(id)});
    }
    if !is_supergroup(id) {
        return json!({"id": id, "type": "group", "title": "Kitchen", "all_members_are_administrators": true});
    }
    let mut chat = json!({"id": id, "type": "supergroup", "title": "Kitchen"});
    if is_forum {
        chat["is_forum"] = json!(true);
    }
    chat
}

/// What `getChat` answers.
pub(super) fn full_chat(id: i64, is_forum: bool) -> Value {
    let mut full = chat(id, is_forum);
    full["accent_color_id"] = json!(0);
    full["max_reaction_count"] = json!(11);
    full["permissions"] = json!({"can_send_messages": true});
    let no_gifts =
        ["unlimited_gifts", "limited_gifts", "unique_gifts", "premium_subscription", "gifts_from_channels"];
    full["accepted_gift_types"] = no_gifts.iter().map(|kind| ((*kind).to_owned(), json!(false))).collect();
    full
}

impl World {
    /// A Message as Telegram gives it; nothing when the chat does not have it.
    pub(super) fn message_json(&self, bot: i64, chat_id: i64, message_id: i64) -> Option<Value> {
        let mut json = self.bare_message_json(bot, chat_id, message_id)?;
        let message = self.bots.get(&bot)?.chats.get(&chat_id)?.messages.get(&message_id)?;
        if let Some(replied) = message.reply_to.and_then(|id| self.bare_message_json(bot, chat_id, id)) {
            json["reply_to_message"] = replied;
        }
        Some(json)
    }

    /// Without the message that it replies to: Telegram nests them one deep.
    fn bare_message_json(&self, bot: i64, chat_id: i64, message_id: i64) -> Option<Value> {
        let place = self.bots.get(&bot)?.chats.get(&chat_id)?;
        let message = place.messages.get(&message_id)?;
        let mut json = json!({
            "message_id": message_id,
            "from": author_json(bot, message.author),
            "chat": chat(chat_id, place.is_forum()),
            "date": self.unix_s(message.at_ms),
        });
        match &message.attachment {
            Some(attachment) => attachment.add_to(&mut json),
            None => json["text"] = json!(message.text),
        }
        self.add_optional(&mut json, message);
        Some(json)
    }

    fn add_optional(&self, json: &mut Value, message: &Message) {
        if let Some(topic) = message.topic {
            json["message_thread_id"] = json!(topic);
            json["is_topic_message"] = json!(true);
        }
        if !message.entities.is_empty() {
            json["entities"] = json!(message.entities);
        }
        if let Some(markup) = message.markup.as_ref().filter(|markup| markup.get("inline_keyboard").is_some())
        {
            json["reply_markup"] = markup.clone();
        }
        if let Some(at) = message.edited_ms {
            json["edit_date"] = json!(self.unix_s(at));
        }
    }
}

fn author_json(bot: i64, author: Author) -> Value {
    match author {
        Author::Bot => bot_user(bot),
        Author::User(id) => user(id),
    }
}
