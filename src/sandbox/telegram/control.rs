//! `/sandbox/…`: what a person, or a program that stands for people, does to the world over HTTP.
//! Telegram has nothing like it.

use actix_web::web::{Data, Json, Query, ServiceConfig};
use actix_web::{HttpResponse, web};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::domain::ids::ChatKey;

use super::chaos::Chaos;
use super::faults::Fault;
use super::limits::Limits;
use super::people::Attachment;
use super::shared::SharedWorld;

/// Where somebody speaks. In a private chat the user is the chat.
#[derive(Deserialize)]
struct Place {
    bot: i64,
    chat: i64,
    topic: Option<i32>,
    user: Option<i64>,
}

#[derive(Deserialize)]
struct Saying {
    #[serde(flatten)]
    place: Place,
    text: Option<String>,
    attachment: Option<Attachment>,
}

#[derive(Deserialize)]
struct RawUpdate {
    bot: i64,
    update: Value,
}

#[derive(Deserialize)]
struct Blocking {
    bot: i64,
    chat: i64,
    blocked: bool,
}

#[derive(Deserialize)]
struct Looking {
    bot: i64,
    chat: i64,
}

#[derive(Deserialize)]
struct OfBot {
    bot: i64,
}

/// Adds the routes to a server.
pub(super) fn routes(config: &mut ServiceConfig) {
    config
        .route("/sandbox/say", web::post().to(say))
        .route("/sandbox/update", web::post().to(update))
        .route("/sandbox/block", web::post().to(block))
        .route("/sandbox/fault", web::post().to(fault))
        .route("/sandbox/limits", web::post().to(limits))
        .route("/sandbox/chaos", web::post().to(chaos))
        .route("/sandbox/stop", web::post().to(stop))
        .route("/sandbox/draft", web::get().to(draft))
        .route("/sandbox/stats", web::get().to(stats))
        .route("/sandbox/windows", web::get().to(windows))
        .route("/sandbox/chat", web::get().to(chat))
        .route("/sandbox/journal", web::get().to(journal))
        .route("/sandbox/calls", web::get().to(calls));
}

async fn say(world: Data<SharedWorld>, saying: Json<Saying>) -> HttpResponse {
    let Saying { place, text, attachment } = saying.into_inner();
    let key = ChatKey { bot: place.bot, chat: place.chat, topic: place.topic };
    let user = place.user.unwrap_or(place.chat);
    let id = world.with(|world, now| match attachment {
        Some(attachment) => world.send(now, key, user, attachment),
        None => world.say(now, key, user, &text.unwrap_or_default()),
    });
    HttpResponse::Ok().json(json!({"update_id": id}))
}

async fn update(world: Data<SharedWorld>, raw: Json<RawUpdate>) -> HttpResponse {
    let RawUpdate { bot, update } = raw.into_inner();
    let id = world.with(|world, now| world.push_raw_update(now, bot, update));
    HttpResponse::Ok().json(json!({"update_id": id}))
}

async fn block(world: Data<SharedWorld>, wanted: Json<Blocking>) -> HttpResponse {
    let id = world.with(|world, now| world.block(now, wanted.bot, wanted.chat, wanted.blocked));
    HttpResponse::Ok().json(json!({"update_id": id}))
}

async fn fault(world: Data<SharedWorld>, fault: Json<Fault>) -> HttpResponse {
    world.fault(fault.into_inner());
    HttpResponse::Ok().json(json!({}))
}

/// A profile's name, or an object with a profile and the values that differ from it.
async fn limits(world: Data<SharedWorld>, told: Json<Value>) -> HttpResponse {
    match Limits::try_from(told.into_inner()) {
        Ok(limits) => {
            world.set_limits(limits);
            HttpResponse::Ok().json(limits)
        }
        Err(why) => HttpResponse::BadRequest().json(json!({"error": why})),
    }
}

async fn chaos(world: Data<SharedWorld>, chaos: Json<Chaos>) -> HttpResponse {
    world.set_chaos(chaos.into_inner());
    HttpResponse::Ok().json(json!({}))
}

/// The person presses the stop button; `update_id` is null when there is none.
async fn stop(world: Data<SharedWorld>, place: Json<Place>) -> HttpResponse {
    let key = ChatKey { bot: place.bot, chat: place.chat, topic: place.topic };
    let id = world.with(|world, now| world.stop_draft(now, key));
    HttpResponse::Ok().json(json!({"update_id": id}))
}

async fn draft(world: Data<SharedWorld>, place: Query<Place>) -> HttpResponse {
    let key = ChatKey { bot: place.bot, chat: place.chat, topic: place.topic };
    HttpResponse::Ok().json(world.draft(key))
}

async fn stats(world: Data<SharedWorld>) -> HttpResponse {
    HttpResponse::Ok().json(world.stats())
}

async fn windows(world: Data<SharedWorld>, of: Query<OfBot>) -> HttpResponse {
    HttpResponse::Ok().json(world.flood_windows(of.bot))
}

async fn chat(world: Data<SharedWorld>, at: Query<Looking>) -> HttpResponse {
    HttpResponse::Ok().json(world.view(at.bot, at.chat))
}

async fn journal(world: Data<SharedWorld>) -> HttpResponse {
    HttpResponse::Ok().json(world.journal())
}

async fn calls(world: Data<SharedWorld>) -> HttpResponse {
    HttpResponse::Ok().json(world.calls())
}
