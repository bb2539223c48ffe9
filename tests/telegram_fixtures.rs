//! Recorded updates and answers of Telegram, read by the edge and compared with what a plain walk
//! through their JSON finds; the updates also go to the real binary's webhook.

#[allow(dead_code, reason = "most of it is for tests/wire.rs")]
#[path = "support/binary.rs"]
mod binary;
#[path = "support/fixtures.rs"]
mod fixtures;
#[allow(dead_code, reason = "most of it is for tests/wire.rs")]
#[path = "support/house.rs"]
mod house;
#[path = "support/mongo.rs"]
mod mongo;

use std::net::TcpListener;
use std::time::Duration;

use actix_web::{App, HttpResponse, HttpServer, web};
use brigade::domain::ids::ChatKey;
use brigade::domain::record::State;
use brigade::edge::telegram::bot_api::BotApiClient;
use brigade::edge::telegram::update::{Content, Update};
use brigade::edge::telegram::{BotApi, TelegramError};
use fixtures::files;
use reqwest::Client;
use serde_json::{Value, json};

use binary::WEBHOOK_SECRET;
use house::{House, Kind};

/// What people send that is no text, by the field of the message.
const SENT: [&str; 20] = [
    "animation",
    "audio",
    "checklist",
    "contact",
    "dice",
    "document",
    "game",
    "giveaway",
    "invoice",
    "location",
    "paid_media",
    "photo",
    "poll",
    "rich_message",
    "sticker",
    "story",
    "successful_payment",
    "video",
    "video_note",
    "voice",
];

fn updates() -> Vec<(String, Value)> {
    let read = |(name, bytes): (String, Vec<u8>)| {
        let value = serde_json::from_slice(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        (name, value)
    };
    files("telegram_updates").into_iter().map(read).collect()
}

fn said(update: &Value) -> Option<&str> {
    update["message"]["text"].as_str().filter(|text| !text.trim().is_empty())
}

#[test]
fn every_update_is_read_and_its_text_found() {
    let mut texts = 0;
    for (name, value) in updates() {
        let update =
            Update::from_json(value.to_string().as_bytes()).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(Some(update.id), value["update_id"].as_i64(), "{name}");
        let kinds: Vec<_> = value.as_object().into_iter().flat_map(|object| object.keys()).collect();
        assert!(kinds.contains(&&update.kind), "{name}: {}", update.kind);
        assert_ne!(update.kind, "update_id", "{name}");
        let message = &value["message"];
        assert_eq!(update.kind == "message", !message.is_null(), "{name}");
        assert_eq!(update.message.is_some(), !message.is_null(), "{name}");
        let Some(read) = update.message else { continue };
        assert_eq!(Some(read.chat), message["chat"]["id"].as_i64(), "{name}");
        assert_eq!(Some(read.message_id), message["message_id"].as_i64(), "{name}");
        if let Some(id) = message["from"]["id"].as_i64() {
            assert_eq!(read.user.id, id, "{name}");
        }
        let is_sent = SENT.iter().any(|field| !message[field].is_null());
        match (said(&value), &read.content) {
            (Some(text), content) => {
                assert_eq!(content, &Content::Text(text.to_owned()), "{name}");
                texts += 1;
            }
            (None, Content::Other(_)) => assert!(is_sent, "{name}: {:?}", read.content),
            (None, content) => assert_eq!((content, is_sent), (&Content::Service, false), "{name}"),
        }
    }
    println!("{texts} texts");
}

/// Answers every call with this status and body.
fn serve(status: u16, body: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let app = move || {
        let body = body.clone();
        App::new().default_service(web::to(move || {
            let body = body.clone();
            async move { HttpResponse::build(status.try_into().expect("a status")).body(body) }
        }))
    };
    let server = HttpServer::new(app).workers(1).disable_signals().listen(listener).expect("listens");
    tokio::spawn(server.run());
    url
}

/// Which error an answer is, as its JSON says.
fn is_told_apart(answer: &Value, error: &TelegramError) -> bool {
    let (parameters, text) = (&answer["parameters"], answer["description"].as_str().unwrap_or_default());
    match error {
        TelegramError::Migrated(chat) => parameters["migrate_to_chat_id"].as_i64() == Some(*chat),
        TelegramError::RetryAfter(wait) => parameters["retry_after"].as_f64() == Some(wait.as_secs_f64()),
        _ if !parameters.is_null() => false,
        TelegramError::Unauthorised(said) => answer["error_code"] == 401 && said == text,
        TelegramError::ChatClosed(said) => {
            said == text && (answer["error_code"] == 403 || text.contains("chat not found"))
        }
        TelegramError::Conflict(said) => answer["error_code"] == 409 && said == text,
        TelegramError::Server(said) => answer["error_code"].as_u64() >= Some(500) && said == text,
        TelegramError::TopicGone(said) => said == text && text.contains("thread not found"),
        TelegramError::Refused(said) => {
            let told_by_code = [401, 403, 409, 429].map(|code| json!(code));
            said == text && !told_by_code.contains(&answer["error_code"])
        }
        TelegramError::Uncertain(said) => answer["error_code"] == 504 && said == text,
        TelegramError::Unreachable(_) => false,
    }
}

#[tokio::test]
async fn every_refusal_is_told_apart() {
    let client = Client::builder().no_proxy().build().expect("a client");
    let to = ChatKey { bot: 77, chat: 5, topic: None };
    for (name, bytes) in files("telegram_responses") {
        let answer: Value = serde_json::from_slice(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        // The code as the status, where it is one; the answer in the body is what counts.
        let code = answer["error_code"].as_u64().filter(|code| (400..600).contains(code));
        for status in [code.map_or(400, |code| code as u16), 200] {
            let url = serve(status, bytes.clone());
            let api = BotApiClient::new(client.clone(), &url, "77:x", Duration::from_secs(30));
            let error = api.send_message(to, "hello".into()).await.expect_err(&name);
            assert!(is_told_apart(&answer, &error), "{name} with status {status}: {error:?}");
        }
    }
}

#[tokio::test]
async fn every_update_is_taken_by_the_webhook_and_the_bot_goes_on() {
    let updates = updates();
    if updates.is_empty() {
        return;
    }
    let house = House::open(Kind::WebhookSqlite).await.expect("needs nothing");
    let mut texts = Vec::new();
    for ((name, mut update), id) in updates.into_iter().zip(1_000..) {
        update["update_id"] = json!(id);
        let status = house.post(update.to_string(), Some(WEBHOOK_SECRET)).await.expect("an answer");
        assert_eq!(status, 200, "{name}");
        let is_bot =
            update["message"]["from"]["is_bot"] == true && update["message"]["sender_chat"].is_null();
        if said(&update).is_some_and(|text| !text.starts_with('/')) && !is_bot {
            texts.push((name, id));
        }
    }
    assert!(!texts.is_empty());
    for (name, id) in texts {
        let turn = house.ended(brigade::domain::ids::TurnId { bot: binary::BOT, update: id }).await;
        assert_eq!(turn.state, State::Delivered, "{name}: {:?}", turn.failure);
    }
    let turn = house.ask(5, "#first=5 #say=still here").await;
    assert_eq!(turn.state, State::Delivered);
    assert_eq!(house.told(5).last().map(String::as_str), Some("still here"));
    house.close().await;
}
