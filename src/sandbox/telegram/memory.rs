//! Telegram in memory: the trait [`BotApi`] over a [`World`], in tokio time.

use std::time::Duration;

use serde_json::{Value, json};

use crate::domain::ids::ChatKey;
use crate::domain::markdown::{Entity, EntityKind, Rendered};
use crate::edge::telegram::{BotApi, Called, TelegramError};

use super::chaos::Chaos;
use super::error::ApiError;
use super::events::{ChatEvent, SeenDraft, SeenMessage};
use super::faults::Fault;
use super::limits::Limits;
use super::params::Params;
use super::people::Attachment;
use super::shared::{Answer, CallRecord, SharedWorld};
use super::state::World;

/// When the worlds of tests begin, in Unix seconds: always the same, so runs repeat.
const EPOCH_S: u64 = 1_700_000_000;

/// A Telegram without a network. Clones are handles on the same world.
///
/// Chats open by themselves, so a test need not begin with somebody writing.
#[derive(Debug, Clone)]
pub struct MemoryTelegram {
    world: SharedWorld,
    latency_ms: u64,
}

impl Default for MemoryTelegram {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryTelegram {
    /// A new world in which calls take no time.
    pub fn new() -> Self {
        let mut world = World::new(EPOCH_S);
        world.open_chats_by_themselves(true);
        Self::over(SharedWorld::new(world))
    }

    /// The same world as somebody else's.
    pub fn over(world: SharedWorld) -> Self {
        Self { world, latency_ms: 0 }
    }

    /// Every call takes so many milliseconds: half before it is executed, half after.
    pub fn with_latency_ms(self, latency_ms: u64) -> Self {
        Self { latency_ms, ..self }
    }

    /// A trouble for calls to come.
    pub fn fault(&self, fault: Fault) {
        self.world.fault(fault);
    }

    /// The world behind it.
    pub fn world(&self) -> &SharedWorld {
        &self.world
    }

    /// All that the chats showed so far, in order.
    pub fn journal(&self) -> Vec<ChatEvent> {
        self.world.journal()
    }

    /// The messages that stand in a chat now, in order.
    pub fn view(&self, key: ChatKey) -> Vec<SeenMessage> {
        let mut seen = self.world.view(key.bot, key.chat);
        seen.retain(|message| message.topic == key.topic);
        seen
    }

    /// The calls made so far, in order.
    pub fn calls(&self) -> Vec<CallRecord> {
        self.world.calls()
    }

    /// The person `user` writes `text`. Returns the Update that a webhook would get.
    pub fn say(&self, key: ChatKey, user: i64, text: &str) -> Value {
        self.world.with(|world, now| {
            let id = world.say(now, key, user, text);
            world.take_update(key.bot, id)
        })
    }

    /// The person `user` sends something that is no text. Returns the Update that a webhook would
    /// get.
    pub fn send(&self, key: ChatKey, user: i64, attachment: Attachment) -> Value {
        self.world.with(|world, now| {
            let id = world.send(now, key, user, attachment);
            world.take_update(key.bot, id)
        })
    }

    /// The person of a private chat presses the stop button of the draft. Returns the Update; null
    /// when there is no button, or when the bot did not ask for such updates
    /// ([`World::allow_updates`]).
    pub fn stop_draft(&self, key: ChatKey) -> Value {
        self.world.with(|world, now| match world.stop_draft(now, key) {
            Some(id) => world.take_update(key.bot, id),
            None => Value::Null,
        })
    }

    /// The draft that a conversation shows now.
    pub fn draft(&self, key: ChatKey) -> Option<SeenDraft> {
        self.world.draft(key)
    }

    /// Telegram's limits from now on.
    pub fn set_limits(&self, limits: Limits) {
        self.world.set_limits(limits);
    }

    /// Troubles by rate from now on. Whoever hands updates on asks [`Self::comes_twice`].
    pub fn set_chaos(&self, chaos: Chaos) {
        self.world.set_chaos(chaos);
    }

    /// Whether the chaos delivers an Update of `bot` twice.
    pub fn comes_twice(&self, bot: i64, update: &Value) -> bool {
        let id = update["update_id"].as_i64();
        id.is_some_and(|id| self.world.with(|world, _| world.comes_twice(bot, id)))
    }

    /// Calls any method about a conversation, as the trait's methods do.
    pub fn call(&self, key: ChatKey, method: &'static str, mut params: Value) -> Called<Value> {
        params["chat_id"] = json!(key.chat);
        params["message_thread_id"] = json!(key.topic);
        let (world, half) = (self.world.clone(), Duration::from_millis(self.latency_ms / 2));
        let rest = Duration::from_millis(self.latency_ms) - half;
        Box::pin(async move {
            pause(half).await;
            let answer = world.call(key.bot, method, &Params::from_json(params)).await;
            pause(rest).await;
            result_of(answer)
        })
    }
}

/// A sleep of nothing still waits for the timer's next millisecond.
async fn pause(time: Duration) {
    if !time.is_zero() {
        tokio::time::sleep(time).await;
    }
}

impl BotApi for MemoryTelegram {
    fn send_message(&self, to: ChatKey, message: Rendered) -> Called<i64> {
        let call = self.call(to, "sendMessage", text_of(&message));
        Box::pin(async move {
            let id = call.await?["message_id"].as_i64();
            id.ok_or_else(|| TelegramError::Uncertain("the message has no id".into()))
        })
    }

    fn edit_message_text(&self, to: ChatKey, message_id: i64, message: Rendered) -> Called<()> {
        let mut params = text_of(&message);
        params["message_id"] = json!(message_id);
        let call = self.call(to, "editMessageText", params);
        done(call, "message is not modified")
    }

    fn send_message_draft(&self, to: ChatKey, draft_id: i64, message: Rendered) -> Called<()> {
        let mut params = text_of(&message);
        params["draft_id"] = json!(draft_id);
        params["can_stop"] = json!(true);
        params["keep_on_stop"] = json!(true);
        done(self.call(to, "sendMessageDraft", params), "\0")
    }

    fn delete_messages(&self, from: ChatKey, message_ids: Vec<i64>) -> Called<()> {
        let call = match message_ids.as_slice() {
            [one] => self.call(from, "deleteMessage", json!({"message_id": one})),
            many => self.call(from, "deleteMessages", json!({"message_ids": many})),
        };
        done(call, "message to delete not found")
    }

    fn send_typing(&self, to: ChatKey) -> Called<()> {
        done(self.call(to, "sendChatAction", json!({"action": "typing"})), "\0")
    }
}

/// A text with its entities as the Bot API has them.
fn text_of(message: &Rendered) -> Value {
    let entities: Vec<_> = message.entities.iter().map(entity).collect();
    let mut params = json!({"text": message.text});
    if !entities.is_empty() {
        params["entities"] = json!(entities);
    }
    params
}

/// An entity as the Bot API has it.
fn entity(entity: &Entity) -> Value {
    let (kind, more) = match &entity.kind {
        EntityKind::Blockquote => ("blockquote", None),
        EntityKind::Bold => ("bold", None),
        EntityKind::Italic => ("italic", None),
        EntityKind::Strikethrough => ("strikethrough", None),
        EntityKind::Code => ("code", None),
        EntityKind::Pre { language } => ("pre", language.as_ref().map(|language| ("language", language))),
        EntityKind::TextLink { url } => ("text_link", Some(("url", url))),
    };
    let mut json = json!({"type": kind, "offset": entity.offset, "length": entity.length});
    if let Some((name, value)) = more {
        json[name] = json!(value);
    }
    json
}

/// The refusal `unless` is success: the chat is as wanted.
fn done(call: Called<Value>, unless: &'static str) -> Called<()> {
    Box::pin(async move {
        match call.await {
            Ok(_) => Ok(()),
            Err(TelegramError::Refused(why)) if why.contains(unless) => Ok(()),
            Err(error) => Err(error),
        }
    })
}

fn result_of(answer: Answer) -> Result<Value, TelegramError> {
    match answer {
        Answer::Said(said) => said.map_err(told_apart),
        Answer::HtmlPage => Err(TelegramError::Server("502, and the answer is a page of HTML".into())),
        Answer::Lost { .. } => {
            Err(TelegramError::Uncertain("the connection closed before the answer".into()))
        }
        Answer::Unreachable => Err(TelegramError::Unreachable("connection refused".into())),
    }
}

/// As the real client tells errors apart.
fn told_apart(error: ApiError) -> TelegramError {
    let text = error.description;
    if let Some(to) = error.migrate_to {
        return TelegramError::Migrated(to);
    }
    match error.code {
        429 => TelegramError::RetryAfter(Duration::from_secs(error.retry_after_s.unwrap_or(1))),
        401 | 404 => TelegramError::Unauthorised(text),
        403 => TelegramError::ChatClosed(text),
        400 if text.contains("message thread not found") => TelegramError::TopicGone(text),
        400 if text.contains("chat not found") => TelegramError::ChatClosed(text),
        409 => TelegramError::Conflict(text),
        500.. => TelegramError::Server(text),
        _ => TelegramError::Refused(text),
    }
}

#[cfg(test)]
mod tests {
    use super::super::events::What;
    use super::super::faults::Trouble;
    use super::*;

    const KEY: ChatKey = ChatKey { bot: 7, chat: 42, topic: None };

    #[tokio::test(start_paused = true)]
    async fn a_call_takes_its_latency_and_is_executed_half_way() {
        let telegram = MemoryTelegram::new().with_latency_ms(50);
        let id = telegram.send_message(KEY, "Hello".into()).await.expect("sent");
        assert_eq!(telegram.world().now_ms(), 50);
        let [event] = telegram.journal().try_into().expect("one event");
        assert_eq!((event.at_ms, event.what), (25, What::Shown { message_id: id, text: "Hello".into() }));
    }

    #[tokio::test(start_paused = true)]
    async fn a_lost_reply_was_executed_and_an_unreachable_call_was_not() {
        let telegram = MemoryTelegram::new();
        telegram.fault(Fault::on("sendMessage", Trouble::LostReply));
        telegram.fault(Fault::on("sendMessage", Trouble::Unreachable).nth(2));
        let lost = telegram.send_message(KEY, "one".into()).await;
        let refused = telegram.send_message(KEY, "two".into()).await;
        assert!(matches!(lost, Err(TelegramError::Uncertain(_))), "{lost:?}");
        assert!(matches!(refused, Err(TelegramError::Unreachable(_))), "{refused:?}");
        let texts: Vec<_> = telegram.view(KEY).into_iter().map(|message| message.text).collect();
        assert_eq!(texts, ["one"]);
    }

    #[tokio::test(start_paused = true)]
    async fn errors_are_told_apart_as_the_outbox_needs_them() {
        let telegram = MemoryTelegram::new();
        let cases = [
            (Trouble::RetryAfter(7), TelegramError::RetryAfter(Duration::from_secs(7))),
            (Trouble::Migrated(-1009), TelegramError::Migrated(-1009)),
            (
                Trouble::Forbidden("user is deactivated".into()),
                TelegramError::ChatClosed("Forbidden: user is deactivated".into()),
            ),
            (Trouble::Server(502), TelegramError::Server("Bad Gateway".into())),
            (Trouble::BadRequest("no".into()), TelegramError::Refused("Bad Request: no".into())),
        ];
        for (trouble, expected) in cases {
            telegram.fault(Fault::on("sendMessage", trouble));
            assert_eq!(telegram.send_message(KEY, "x".into()).await, Err(expected));
        }
        let statuses: Vec<_> = telegram.calls().iter().map(|call| call.status).collect();
        assert_eq!(statuses, [429, 400, 403, 502, 400]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_chat_that_is_as_wanted_is_success() {
        let telegram = MemoryTelegram::new();
        let id = telegram.send_message(KEY, "x".into()).await.expect("sent");
        assert_eq!(telegram.edit_message_text(KEY, id, "x".into()).await, Ok(()));
        assert_eq!(telegram.delete_messages(KEY, vec![id]).await, Ok(()));
        assert_eq!(telegram.delete_messages(KEY, vec![id]).await, Ok(()));
        let gone = telegram.edit_message_text(KEY, id, "y".into()).await;
        assert_eq!(gone, Err(TelegramError::Refused("Bad Request: message to edit not found".into())));
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_person_says_comes_back_as_an_update() {
        let telegram = MemoryTelegram::new();
        let update = telegram.say(KEY, 42, "/start now");
        assert_eq!(update["message"]["text"], "/start now");
        assert_eq!(update["message"]["entities"][0]["length"], 6);
        assert_eq!(telegram.world().with(|world, _| world.pending_count(7)), 0);
    }
}
