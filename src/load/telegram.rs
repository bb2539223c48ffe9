//! The simulated Bot API: the frequent calls by the shortest way, unless limits or faults ask for
//! Telegram's rules, and the rare ones always by those.

use std::borrow::Cow;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::broadcast::error::RecvError;
use tokio::time::Instant;

use super::http::{Connection, Request, json_response};
use super::hub::{BOT, Hub};
use super::webhook::{USUAL_CONNECTIONS, now_s};
use crate::sandbox::telegram::http::params_of;
use crate::sandbox::telegram::{Answer, ApiError, LONGEST_UTF16, Params, What, without_marks};

/// What a frequent call says, where it is written as JSON with numbers as numbers.
#[derive(Deserialize)]
struct Frequent<'a> {
    chat_id: i64,
    #[serde(borrow, default)]
    text: Cow<'a, str>,
    #[serde(default)]
    message_id: i64,
    #[serde(default)]
    message_ids: Vec<i64>,
    /// What the text's marks mean.
    #[serde(borrow, default)]
    parse_mode: Cow<'a, str>,
}

/// The calls that bots make all the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Method {
    SendMessage,
    EditMessageText,
    DeleteMessage,
    DeleteMessages,
    SendMessageDraft,
    /// Of which the judge wants to know nothing.
    SendChatAction,
}

impl Method {
    /// Names are case-insensitive, and some client libraries write `SendMessage`.
    fn of(name: &str) -> Option<Self> {
        let frequent = [
            ("sendMessage", Self::SendMessage),
            ("editMessageText", Self::EditMessageText),
            ("deleteMessage", Self::DeleteMessage),
            ("deleteMessages", Self::DeleteMessages),
            ("sendMessageDraft", Self::SendMessageDraft),
            ("sendChatAction", Self::SendChatAction),
        ];
        frequent.into_iter().find(|(known, _)| name.eq_ignore_ascii_case(known)).map(|(_, method)| method)
    }
}

/// Serves a bot's connection until it closes.
pub(super) async fn serve(hub: Rc<Hub>, mut connection: Connection) {
    while let Ok(Some(request)) = connection.request().await {
        let now = Instant::now();
        let method =
            request.path.split('?').next().unwrap_or_default().rsplit('/').next().unwrap_or_default();
        let elsewhere = match hub.peers.is_empty() {
            true => None,
            false => chat_of(&request).await.and_then(|chat| hub.peers.with(chat)),
        };
        let short =
            if hub.ruled || elsewhere.is_some() { None } else { frequent(&hub, method, &request, now) };
        let answer = match (short, elsewhere) {
            (Some(answer), _) => Some(answer),
            (None, Some(peer)) => hub.peers.call(peer, &request).await,
            (None, None) => by_the_rules(&hub, method, &request, now).await,
        };
        // Without an answer nobody learns whether it was done.
        let Some(answer) = answer else { return };
        if connection.write(&answer).await.is_err() {
            return;
        }
    }
}

async fn chat_of(request: &Request) -> Option<i64> {
    let params = params_of(&request.content_type, request.body.clone()).await.ok()?;
    with_query(params, &request.path).int("chat_id")
}

/// The frequent calls, without any rule.
fn frequent(hub: &Hub, method: &str, request: &Request, now: Instant) -> Option<Vec<u8>> {
    let method = Method::of(method)?;
    let call: Frequent = serde_json::from_slice(&request.body).ok()?;
    // Marked text is read by the rules.
    call.parse_mode.is_empty().then(|| act(hub, method, &call, now))
}

fn act(hub: &Hub, method: Method, call: &Frequent<'_>, now: Instant) -> Vec<u8> {
    count(hub, Some(method));
    let chat = call.chat_id;
    if let (Method::SendMessage | Method::EditMessageText, Some(error)) = (method, refusal_of(&call.text)) {
        return refused(&error);
    }
    match method {
        Method::SendMessage => {
            let id = hub.next_message();
            hub.judge.borrow_mut().sent(chat, id, &call.text, now);
            message(chat, id, &call.text)
        }
        Method::EditMessageText => {
            hub.judge.borrow_mut().edited(chat, call.message_id, &call.text, now);
            message(chat, call.message_id, &call.text)
        }
        Method::DeleteMessage => {
            hub.judge.borrow_mut().deleted(chat, &[call.message_id], now);
            done()
        }
        Method::DeleteMessages => {
            hub.judge.borrow_mut().deleted(chat, &call.message_ids, now);
            done()
        }
        Method::SendMessageDraft => {
            hub.judge.borrow_mut().drafted(chat, &call.text, now);
            done()
        }
        Method::SendChatAction => done(),
    }
}

/// Why Telegram would not take a text.
fn refusal_of(text: &str) -> Option<ApiError> {
    if text.trim().is_empty() {
        return Some(ApiError::bad_request("message text is empty"));
    }
    // No text has more UTF-16 units than bytes.
    let is_long = text.len() > LONGEST_UTF16 && text.encode_utf16().count() > LONGEST_UTF16;
    is_long.then(|| ApiError::bad_request("message is too long"))
}

fn count(hub: &Hub, method: Option<Method>) {
    let counts = &mut hub.stats.borrow_mut().counts;
    counts.telegram_calls += 1;
    counts.sends += u64::from(matches!(method, Some(Method::SendMessage | Method::EditMessageText)));
}

fn done() -> Vec<u8> {
    json_response(200, "", "{\"ok\":true,\"result\":true}")
}

fn message(chat: i64, id: i64, text: &str) -> Vec<u8> {
    let text = Value::from(text);
    let body = format!(
        "{{\"ok\":true,\"result\":{{\"message_id\":{id},\"from\":{{\"id\":{BOT},\"is_bot\":true,\"first_name\":\
         \"Load\",\"username\":\"load_bot\"}},\"chat\":{{\"id\":{chat},\"type\":\"private\",\"first_name\":\"Ada\"}},\
         \"date\":{},\"text\":{text}}}}}",
        now_s()
    );
    json_response(200, "", &body)
}

/// Any call by Telegram's rules; nothing when the caller gets no answer.
async fn by_the_rules(hub: &Hub, method: &str, request: &Request, now: Instant) -> Option<Vec<u8>> {
    let params = match params_of(&request.content_type, request.body.clone()).await {
        Ok(params) => with_query(params, &request.path),
        Err(error) => return Some(refused(&error)),
    };
    if method.eq_ignore_ascii_case("setWebhook") {
        take_hook(hub, &params);
    }
    let frequent = Method::of(method);
    if let (false, Some(frequent), Some(chat)) = (hub.ruled, frequent, params.int("chat_id")) {
        // A client library that writes numbers as text, forms in place of JSON, or marked text.
        return Some(match lenient(&params, chat) {
            Ok(call) => act(hub, frequent, &call, now),
            Err(error) => refused(&error),
        });
    }
    let chat = params.int("chat_id");
    if chat.is_some() {
        count(hub, frequent);
    }
    match hub.world.call(BOT, method, &params).await {
        Answer::Said(Ok(result)) => {
            Some(json_response(200, "", &json!({"ok": true, "result": result}).to_string()))
        }
        Answer::Said(Err(error)) => {
            if let (Some(chat), Some(seconds)) = (chat, error.retry_after_s) {
                hub.judge.borrow_mut().held(chat, Duration::from_secs(seconds), now);
            }
            Some(refused(&error))
        }
        Answer::HtmlPage => Some(json_response(502, "", "<html>502 Bad Gateway</html>")),
        Answer::Lost { was_done } => {
            if let (true, Some(Method::SendMessage), Some(chat)) = (was_done, frequent, chat) {
                hub.judge.borrow_mut().reply_lost(chat, &params.text("text").unwrap_or_default());
            }
            None
        }
        Answer::Unreachable => None,
    }
}

fn lenient(params: &Params, chat_id: i64) -> Result<Frequent<'static>, ApiError> {
    let ids = params.json("message_ids").ok().flatten();
    let ids = ids.as_ref().and_then(Value::as_array).into_iter().flatten();
    Ok(Frequent {
        chat_id,
        text: without_marks(params)?.into(),
        message_id: params.int("message_id").unwrap_or_default(),
        message_ids: ids.filter_map(Value::as_i64).collect(),
        parse_mode: Cow::Borrowed(""),
    })
}

/// Some clients put parameters into the address.
fn with_query(params: Params, path: &str) -> Params {
    let query = path.split_once('?').map_or("", |(_, query)| query);
    let pairs = actix_web::web::Query::<Vec<(String, String)>>::from_query(query);
    let pairs = pairs.map(|pairs| pairs.into_inner()).unwrap_or_default();
    params.or(pairs.into_iter().map(|(name, text)| (name, Value::String(text))).collect())
}

fn refused(error: &ApiError) -> Vec<u8> {
    let wait = error.retry_after_s.map(|seconds| format!("retry-after: {seconds}\r\n")).unwrap_or_default();
    json_response(error.code, &wait, &error.to_json().to_string())
}

/// The bot says where updates are to go. A hook that was given by hand stays.
fn take_hook(hub: &Hub, params: &Params) {
    let Some(url) = params.text("url").filter(|url| !url.is_empty()) else { return };
    let secret = params.text("secret_token").unwrap_or_default();
    let connections = params.int("max_connections").and_then(|count| usize::try_from(count).ok());
    let connections = connections.filter(|count| *count > 0).unwrap_or(USUAL_CONNECTIONS);
    if let (false, Ok(hook)) = (hub.webhook_set.get(), super::webhook::Hook::new(url, secret, connections)) {
        hub.hook.replace(Some(hook));
        hub.webhook_set.set(true);
    }
}

/// Tells the judge what the chats show, where the rules say what that is.
pub(super) async fn watch(hub: Rc<Hub>) -> io::Result<()> {
    let mut events = hub.world.subscribe();
    loop {
        let event = match events.recv().await {
            Ok(event) => event,
            Err(RecvError::Closed) => return Ok(()),
            Err(RecvError::Lagged(_)) => {
                return Err(io::Error::other(
                    "the simulated Telegram was faster than the judge: try fewer chats",
                ));
            }
        };
        let (now, mut judge) = (Instant::now(), hub.judge.borrow_mut());
        match event.what {
            What::Shown { message_id, text } => judge.sent(event.chat, message_id, &text, now),
            What::Edited { message_id, text } => judge.edited(event.chat, message_id, &text, now),
            What::Deleted { message_id } => judge.deleted(event.chat, &[message_id], now),
            What::DraftShown { text, .. } => judge.drafted(event.chat, &text, now),
            What::UserSaid { .. } | What::Typing | What::DraftGone { .. } => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_answered_as_telegram_answers() {
        let answer = String::from_utf8(message(5, 9, "say \"hi\"\n✓")).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let value: Value = serde_json::from_str(body).unwrap();
        assert!(head.contains(&format!("content-length: {}", body.len())));
        assert_eq!(
            (&value["result"]["text"], &value["result"]["message_id"]),
            (&json!("say \"hi\"\n✓"), &json!(9))
        );
        assert_eq!(value["result"]["chat"]["id"], 5);
    }

    #[test]
    fn numbers_may_be_text() {
        let params = Params::from_json(json!({"chat_id": "5", "message_ids": "[1,2]", "text": "x"}));
        let call = lenient(&params, 5).unwrap();
        assert_eq!((call.chat_id, call.message_ids.as_slice(), &*call.text), (5, &[1, 2][..], "x"));
    }

    #[test]
    fn marked_text_is_judged_as_the_chat_shows_it() {
        let shown = |text: &str, mode: &str| {
            let params = Params::from_json(json!({"chat_id": 5, "text": text, "parse_mode": mode}));
            lenient(&params, 5).map(|call| call.text.into_owned()).map_err(|error| error.code)
        };
        assert_eq!(shown("a\\. *b*", "MarkdownV2").as_deref(), Ok("a. b"));
        assert_eq!(shown("a <b>b</b>", "HTML").as_deref(), Ok("a b"));
        assert_eq!(shown("a. b", "MarkdownV2"), Err(400));
    }

    #[test]
    fn a_query_gives_what_the_body_does_not() {
        let params = Params::from_json(json!({"chat_id": 5}));
        let params = with_query(params, "/bot1:x/sendMessage?chat_id=6&text=a+b");
        assert_eq!((params.int("chat_id"), params.text("text").as_deref()), (Some(5), Some("a b")));
    }

    #[test]
    fn names_of_methods_are_taken_as_clients_spell_them() {
        assert_eq!(Method::of("sendMessage"), Some(Method::SendMessage));
        assert_eq!(Method::of("SendMessage"), Some(Method::SendMessage));
        assert_eq!(Method::of("deletemessages"), Some(Method::DeleteMessages));
        assert_eq!(Method::of("getMe"), None);
    }
}
