//! The Bot API over HTTP.
//!
//! Payloads and error texts are teloxide-core's; the sending is not. Its own `JsonRequest` sleeps
//! for ten seconds on every 5xx, can't tell a request that was never sent from one without an
//! answer, and takes an answer whose message it can't read whole for a failure although the
//! message is in the chat. Here each of these is told apart.

use std::sync::Arc;
use std::time::Duration;

use reqwest::{Client, Url};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use teloxide_core::ApiError;
use teloxide_core::payloads::{
    DeleteMessage, DeleteMessages, DeleteWebhook, EditMessageText, GetMe, SendChatAction, SendMessage,
    SetMyCommands,
};
use teloxide_core::requests::Payload;
use teloxide_core::types::{
    BotCommand, ChatAction, ChatId, MessageEntity, MessageEntityKind, MessageId, ThreadId,
};
use tokio::sync::Notify;

use super::answer::{api_error, no_answer, read_answer, redirected};
use super::{BotApi, Called, TelegramError};
use crate::domain::ids::ChatKey;
use crate::domain::markdown::{Entity, EntityKind, Rendered};
use crate::edge::calls::Calls;

/// A bot's connection to the Bot API. Clones share their connections.
#[derive(Clone)]
pub struct BotApiClient {
    client: Client,
    /// Where the methods are, with a slash at the end; read once. Holds the token: never shown.
    base: Option<Arc<Url>>,
    timeout: Duration,
    revoked: Arc<Notify>,
    calls: Calls,
}

/// Who the bot is.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Identity {
    /// Telegram's id of the bot.
    pub id: i64,
    /// Without the `@`.
    #[serde(default)]
    pub username: String,
}

/// What `setWebhook` is told.
#[derive(Clone, Serialize)]
pub struct Webhook {
    /// Where updates go.
    pub url: String,
    /// Sent back with every update.
    pub secret_token: String,
    /// Kinds of updates.
    pub allowed_updates: Vec<&'static str>,
    /// Updates at once.
    pub max_connections: u8,
}

#[derive(Serialize)]
struct GetUpdates<'a> {
    offset: i64,
    timeout: u32,
    allowed_updates: &'a [&'a str],
}

/// `sendMessageDraft` (Bot API 9.5), which the library does not know yet.
#[derive(Serialize)]
struct SendMessageDraft {
    chat_id: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_thread_id: Option<i32>,
    draft_id: i64,
    text: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    entities: Vec<MessageEntity>,
    /// Clients show a stop button; without one Android locks its send button (field).
    can_stop: bool,
    /// What was shown stays until the message takes its place.
    keep_on_stop: bool,
}

#[derive(Deserialize)]
struct Sent {
    message_id: i64,
}

impl BotApiClient {
    /// A client for the bot with `token` at `api_url`; each call may take `timeout`.
    pub fn new(client: Client, api_url: &str, token: &str, timeout: Duration) -> Self {
        let base = Url::parse(&format!("{}/bot{token}/", api_url.trim().trim_end_matches('/')));
        let base = base.ok().map(Arc::new);
        Self { client, base, timeout, revoked: Arc::default(), calls: Calls::default() }
    }

    /// The same bot through connections of another client's.
    pub fn through(&self, client: Client) -> Self {
        Self { client, ..self.clone() }
    }

    /// The calls that this client and its like make.
    pub fn calls(&self) -> &Calls {
        &self.calls
    }

    /// Waits until Telegram no longer knows the token: nothing works any more until the operator has
    /// another.
    pub async fn revoked(&self) {
        self.revoked.notified().await;
    }

    /// `getMe`: who the bot is.
    ///
    /// # Errors
    /// [`TelegramError::Unauthorised`] also for 404, which this method answers to a token of the
    /// wrong shape.
    pub async fn get_me(&self) -> Result<Identity, TelegramError> {
        match self.payload(&GetMe::new()).await {
            Err(TelegramError::Refused(text)) if text.contains("Not Found") => {
                Err(TelegramError::Unauthorised(text))
            }
            answer => answer,
        }
    }

    /// `setWebhook`.
    ///
    /// # Errors
    /// Any [`TelegramError`].
    pub async fn set_webhook(&self, webhook: &Webhook) -> Result<(), TelegramError> {
        self.call("setWebhook", webhook, self.timeout).await.map(ignore)
    }

    /// `deleteWebhook`; updates that wait are kept.
    ///
    /// # Errors
    /// Any [`TelegramError`].
    pub async fn delete_webhook(&self) -> Result<(), TelegramError> {
        self.payload(&DeleteWebhook::new()).await.map(ignore)
    }

    /// `setMyCommands`: the menu in the chat.
    ///
    /// # Errors
    /// Any [`TelegramError`].
    pub async fn set_my_commands(&self, commands: &[(&str, &str)]) -> Result<(), TelegramError> {
        let commands = commands.iter().map(|(name, text)| BotCommand::new(*name, *text));
        self.payload(&SetMyCommands::new(commands)).await.map(ignore)
    }

    /// `getUpdates`: the updates from `offset` on, after at most `wait_s` seconds.
    ///
    /// # Errors
    /// [`TelegramError::Conflict`] while a webhook is set or another process polls.
    pub async fn get_updates(
        &self,
        offset: i64,
        wait_s: u32,
        allowed_updates: &[&str],
    ) -> Result<Vec<Value>, TelegramError> {
        let request = GetUpdates { offset, timeout: wait_s, allowed_updates };
        let patience = self.timeout + Duration::from_secs(wait_s.into());
        self.call("getUpdates", &request, patience).await
    }

    async fn payload<P: Payload + Serialize, R: DeserializeOwned>(
        &self,
        payload: &P,
    ) -> Result<R, TelegramError> {
        // The library spells methods with a capital, which not every server takes.
        let (first, rest) = P::NAME.split_at(1);
        let method = format!("{}{rest}", first.to_lowercase());
        self.call(&method, payload, self.timeout).await
    }

    /// Where a method is.
    fn url(&self, method: &str) -> Option<Url> {
        let mut url = self.base.as_deref()?.clone();
        url.path_segments_mut().ok()?.pop_if_empty().push(method);
        Some(url)
    }

    async fn call<R: DeserializeOwned>(
        &self,
        method: &str,
        payload: &impl Serialize,
        timeout: Duration,
    ) -> Result<R, TelegramError> {
        let Some(url) = self.url(method) else {
            return Err(TelegramError::Unreachable("telegram.api_url is no usable address".to_owned()));
        };
        let request = self.client.post(url).json(payload).timeout(timeout);
        let answer = self.calls.make(async {
            let response = request.send().await.map_err(no_answer)?;
            let status = response.status();
            if status.is_redirection() {
                return Err(redirected(&response));
            }
            let body = response.bytes().await.map_err(no_answer)?;
            read_answer(status, &body)
        });
        let answer = answer.await;
        if matches!(answer, Err(TelegramError::Unauthorised(_))) {
            self.revoked.notify_one();
        }
        answer
    }
}

fn ignore(_: IgnoredAny) {}

fn message(id: i64) -> Result<MessageId, TelegramError> {
    let id = i32::try_from(id).map_err(|_| TelegramError::Refused(format!("{id} is no message id")))?;
    Ok(MessageId(id))
}

fn entity(entity: Entity) -> MessageEntity {
    let kind = match entity.kind {
        EntityKind::Blockquote => MessageEntityKind::Blockquote,
        EntityKind::Bold => MessageEntityKind::Bold,
        EntityKind::Italic => MessageEntityKind::Italic,
        EntityKind::Strikethrough => MessageEntityKind::Strikethrough,
        EntityKind::Code => MessageEntityKind::Code,
        EntityKind::Pre { language } => MessageEntityKind::Pre { language },
        EntityKind::TextLink { url } => match url.parse() {
            Ok(url) => MessageEntityKind::TextLink { url },
            // An address that is none: its text stands for itself.
            Err(_) => MessageEntityKind::Italic,
        },
    };
    MessageEntity::new(kind, entity.offset, entity.length)
}

fn thread(key: ChatKey) -> Option<ThreadId> {
    key.topic.map(|topic| ThreadId(MessageId(topic)))
}

impl BotApiClient {
    /// Text must not wait for long behind a call that only tidies up.
    fn tidying(&self) -> Duration {
        self.timeout.min(Duration::from_secs(5))
    }

    async fn delete_message(&self, chat: ChatId, id: MessageId) -> Result<(), TelegramError> {
        match self.call("deleteMessage", &DeleteMessage::new(chat, id), self.tidying()).await {
            Err(TelegramError::Refused(text)) if api_error(&text) == ApiError::MessageToDeleteNotFound => {
                Ok(())
            }
            answer => answer.map(ignore),
        }
    }

    /// One that Telegram refuses to delete keeps no other from being deleted.
    async fn delete_one_by_one(&self, chat: ChatId, ids: &[MessageId]) -> Result<(), TelegramError> {
        let mut all = Ok(());
        for id in ids {
            match self.delete_message(chat, *id).await {
                Err(refused @ TelegramError::Refused(_)) => all = Err(refused),
                deleted => deleted?,
            }
        }
        all
    }
}

impl BotApi for BotApiClient {
    fn send_message(&self, to: ChatKey, message: Rendered) -> Called<i64> {
        let this = self.clone();
        let mut payload = SendMessage::new(ChatId(to.chat), message.text);
        let entities: Vec<_> = message.entities.into_iter().map(entity).collect();
        payload.entities = (!entities.is_empty()).then_some(entities);
        payload.message_thread_id = thread(to);
        Box::pin(async move { this.payload::<_, Sent>(&payload).await.map(|sent| sent.message_id) })
    }

    fn edit_message_text(&self, to: ChatKey, message_id: i64, text: Rendered) -> Called<()> {
        let this = self.clone();
        Box::pin(async move {
            let mut payload = EditMessageText::new(ChatId(to.chat), message(message_id)?, text.text);
            let entities: Vec<_> = text.entities.into_iter().map(entity).collect();
            payload.entities = (!entities.is_empty()).then_some(entities);
            match this.payload(&payload).await {
                Err(TelegramError::Refused(text)) if text.contains("message is not modified") => Ok(()),
                answer => answer.map(ignore),
            }
        })
    }

    fn send_message_draft(&self, to: ChatKey, draft_id: i64, message: Rendered) -> Called<()> {
        let this = self.clone();
        let payload = SendMessageDraft {
            chat_id: to.chat,
            message_thread_id: to.topic,
            draft_id,
            text: message.text,
            entities: message.entities.into_iter().map(entity).collect(),
            can_stop: true,
            keep_on_stop: true,
        };
        // A draft is disposable: the message must not wait for it for long.
        Box::pin(async move { this.call("sendMessageDraft", &payload, this.tidying()).await.map(ignore) })
    }

    fn delete_messages(&self, from: ChatKey, message_ids: Vec<i64>) -> Called<()> {
        let this = self.clone();
        let chat = ChatId(from.chat);
        Box::pin(async move {
            let ids = message_ids.into_iter().map(message).collect::<Result<Vec<_>, _>>()?;
            if let [id] = ids[..] {
                return this.delete_message(chat, id).await;
            }
            let payload = DeleteMessages::new(chat, ids.clone());
            match this.call("deleteMessages", &payload, this.tidying()).await {
                // A Bot API server from before 7.0 does not know the method.
                Err(TelegramError::Refused(text)) if text.contains("Not Found") => {
                    this.delete_one_by_one(chat, &ids).await
                }
                answer => answer.map(ignore),
            }
        })
    }

    fn send_typing(&self, to: ChatKey) -> Called<()> {
        let this = self.clone();
        let mut payload = SendChatAction::new(ChatId(to.chat), ChatAction::Typing);
        payload.message_thread_id = thread(to);
        Box::pin(async move { this.payload(&payload).await.map(ignore) })
    }
}
