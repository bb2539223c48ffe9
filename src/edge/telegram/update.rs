//! What this bot reads of an update.
//!
//! Read by hand from the JSON instead of through the client library's `Update`: the library turns
//! an update with one field that it does not know into an error and the words in it are lost,
//! while a bot that promises an answer must find the text in whatever surrounds it.

use serde_json::Value;

use crate::domain::record::User;

/// The kinds of updates this bot asks Telegram for (`allowed_updates`).
pub const ALLOWED_UPDATES: [&str; 2] = ["message", "stopped_message_generation"];

/// One update, reduced to what the bot needs.
#[derive(Debug, Clone, PartialEq)]
pub struct Update {
    /// Telegram's `update_id`.
    pub id: i64,
    /// Its kind as Telegram names it: `message`, `edited_message`, …; `unknown` where there is
    /// none.
    pub kind: String,
    /// The message, when it is a `message` that names its chat and its id.
    pub message: Option<Message>,
    /// The stop button, when it is a `stopped_message_generation` that names its chat and draft.
    pub stopped: Option<StoppedDraft>,
}

/// The stop button of a draft was pressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoppedDraft {
    /// Telegram's id of the chat.
    pub chat: i64,
    /// The topic, where there is one.
    pub topic: Option<i32>,
    /// The draft that it stood under.
    pub draft_id: i64,
}

/// A message, reduced to what the bot needs.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// Telegram's id of the message.
    pub message_id: i64,
    /// Telegram's id of the chat.
    pub chat: i64,
    /// The forum topic; none in the General topic and outside forums.
    pub topic: Option<i32>,
    /// Who sent it; a chat that speaks for itself has the chat's id.
    pub user: User,
    /// It was sent by a bot.
    pub from_bot: bool,
    /// Seconds since 1970.
    pub date_s: i64,
    /// What is in it.
    pub content: Content,
}

/// What a message holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// Words.
    Text(String),
    /// Something that a person sent and the bot does not understand: "photo".
    Other(&'static str),
    /// Nothing that a person said: someone joined, a title changed.
    Service,
}

/// A body that is no update.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoUpdate {
    /// Not JSON at all.
    #[error("the body is no json: {0}")]
    NoJson(String),
    /// JSON without a whole-numbered `update_id`.
    #[error("the json has no update_id that is a whole number")]
    NoId,
}

/// What people send, as the field is called and as a person would.
const OTHER_CONTENT: [(&str, &str); 22] = [
    ("animation", "animation"),
    ("audio", "audio file"),
    ("checklist", "checklist"),
    ("contact", "contact"),
    ("dice", "dice"),
    ("document", "file"),
    ("game", "game"),
    ("giveaway", "giveaway"),
    ("invoice", "invoice"),
    ("live_photo", "live photo"),
    ("location", "location"),
    ("paid_media", "paid media"),
    ("photo", "photo"),
    ("poll", "poll"),
    ("rich_message", "formatted message"),
    ("sticker", "sticker"),
    ("story", "story"),
    ("successful_payment", "payment"),
    ("venue", "place"),
    ("video", "video"),
    ("video_note", "video message"),
    ("voice", "voice message"),
];

impl Update {
    /// Reads an update from a webhook's body.
    ///
    /// # Errors
    /// [`NoUpdate`] when it is no JSON object with an `update_id`; anything else odd in it is
    /// passed over.
    pub fn from_json(body: &[u8]) -> Result<Self, NoUpdate> {
        let value: Value =
            serde_json::from_slice(body).map_err(|error| NoUpdate::NoJson(error.to_string()))?;
        Self::from_value(&value)
    }

    /// Reads an update from parsed JSON.
    ///
    /// # Errors
    /// [`NoUpdate::NoId`] without an `update_id`.
    pub fn from_value(value: &Value) -> Result<Self, NoUpdate> {
        let id = value.get("update_id").and_then(Value::as_i64).ok_or(NoUpdate::NoId)?;
        let message = value.get("message").and_then(read_message);
        let stopped = value.get("stopped_message_generation").and_then(read_stopped);
        Ok(Self { id, kind: kind(value), message, stopped })
    }

    /// The chat and the topic that it is about, where it is of a kind that is handled.
    pub fn place(&self) -> Option<(i64, Option<i32>)> {
        let stopped = self.stopped.map(|stopped| (stopped.chat, stopped.topic));
        self.message.as_ref().map(|message| (message.chat, message.topic)).or(stopped)
    }
}

fn kind(value: &Value) -> String {
    if value.get("message").is_some() {
        return "message".to_owned();
    }
    let names = value.as_object().into_iter().flat_map(|object| object.keys());
    names.filter(|name| *name != "update_id").min().cloned().unwrap_or_else(|| "unknown".to_owned())
}

fn read_message(message: &Value) -> Option<Message> {
    let chat = &message["chat"];
    let chat_id = chat["id"].as_i64()?;
    let topic = message["message_thread_id"].as_i64().and_then(|topic| i32::try_from(topic).ok());
    let in_topic = message["is_topic_message"].as_bool() == Some(true);
    Some(Message {
        message_id: message["message_id"].as_i64()?,
        chat: chat_id,
        topic: topic.filter(|_| in_topic),
        user: read_user(&message["from"])
            .or_else(|| read_user(&message["sender_chat"]))
            .unwrap_or_else(|| User { id: chat_id, ..User::default() }),
        from_bot: message["from"]["is_bot"].as_bool() == Some(true) && message.get("sender_chat").is_none(),
        date_s: message["date"].as_i64().unwrap_or(0),
        content: read_content(message),
    })
}

fn read_stopped(stopped: &Value) -> Option<StoppedDraft> {
    let topic = stopped["message_thread_id"].as_i64().and_then(|topic| i32::try_from(topic).ok());
    let draft_id = &stopped["draft_id"];
    // Documented as a number, sent as a text (field).
    let draft_id = draft_id.as_i64().or_else(|| draft_id.as_str()?.parse().ok())?;
    Some(StoppedDraft { chat: stopped["chat"]["id"].as_i64()?, topic, draft_id })
}

fn read_user(user: &Value) -> Option<User> {
    let text = |name: &str| user[name].as_str().map(str::to_owned);
    Some(User {
        id: user["id"].as_i64()?,
        username: text("username"),
        first_name: text("first_name").or_else(|| text("title")),
        last_name: text("last_name"),
    })
}

fn read_content(message: &Value) -> Content {
    if let Some(text) = message["text"].as_str().filter(|text| !text.trim().is_empty()) {
        return Content::Text(text.to_owned());
    }
    // A venue also carries its location, and an animation a document: the better name is first.
    let better = ["venue", "animation"].into_iter().find(|name| message.get(name).is_some());
    let found = OTHER_CONTENT.into_iter().find(|(field, _)| match better {
        Some(better) => *field == better,
        None => message.get(field).is_some(),
    });
    found.map_or(Content::Service, |(_, name)| Content::Other(name))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn content(message: Value) -> Content {
        let mut whole = json!({"message_id": 1, "chat": {"id": 5}});
        whole.as_object_mut().unwrap().extend(message.as_object().unwrap().clone());
        Update::from_value(&json!({"update_id": 1, "message": whole})).unwrap().message.unwrap().content
    }

    #[test]
    fn bodies_that_are_no_update() {
        assert!(matches!(Update::from_json(b"<html>"), Err(NoUpdate::NoJson(_))));
        for body in ["[]", "{}", "7", r#"{"update_id":"7"}"#, r#"{"update_id":1.5}"#] {
            assert_eq!(Update::from_json(body.as_bytes()), Err(NoUpdate::NoId), "{body}");
        }
        let deep = "[".repeat(100_000);
        assert!(matches!(Update::from_json(deep.as_bytes()), Err(NoUpdate::NoJson(_))));
    }

    #[test]
    fn text_is_found_among_what_nobody_knows() {
        let odd = json!({"text": "hi", "reply_to_message": {"rich_message": 7}, "new_in_2031": [1]});
        assert_eq!(content(odd), Content::Text("hi".into()));
        assert_eq!(content(json!({"photo": [], "caption": "look"})), Content::Other("photo"));
        assert_eq!(content(json!({"location": {}, "venue": {}})), Content::Other("place"));
        assert_eq!(content(json!({"new_chat_title": "x"})), Content::Service);
    }

    #[test]
    fn the_stop_button_names_its_draft() {
        for id in [json!(7), json!("7")] {
            let pressed = json!({"chat": {"id": 5}, "draft_id": id});
            let update = json!({"update_id": 1, "stopped_message_generation": pressed});
            let update = Update::from_value(&update).unwrap();
            assert_eq!(update.stopped, Some(StoppedDraft { chat: 5, topic: None, draft_id: 7 }));
            assert_eq!(
                (update.place(), update.kind.as_str()),
                (Some((5, None)), "stopped_message_generation")
            );
        }
        let odd = json!({"update_id": 1, "stopped_message_generation": {"draft_id": 7}});
        assert_eq!(Update::from_value(&odd).unwrap().stopped, None);
    }

    #[test]
    fn only_forum_messages_have_a_topic() {
        let topic = |is_topic: bool| {
            let message = json!({"message_id": 1, "chat": {"id": -5}, "text": "x",
                "message_thread_id": 9, "is_topic_message": is_topic});
            Update::from_value(&json!({"update_id": 1, "message": message})).unwrap().message.unwrap().topic
        };
        assert_eq!((topic(true), topic(false)), (Some(9), None));
    }
}
