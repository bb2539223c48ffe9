//! Nothing lost: the real binary is killed, told to stop, made to panic, cut off from its store and
//! lied to by Telegram, by a schedule that a seed gives; then chats, store and log are read.
//!
//! `cargo test` runs a short schedule on each store. `make faults TURNS=10000 KILLS=100 SEED=7` runs
//! a long one. The simulated Telegram and model live in this process and outlive every bot.

#[path = "faults/bot.rs"]
mod bot;
#[path = "faults/chat.rs"]
mod chat;
#[path = "faults/check.rs"]
mod check;
#[path = "faults/lives.rs"]
mod lives;
#[path = "support/mongo.rs"]
#[allow(dead_code, reason = "some of it is for tests/store.rs and tests/wire.rs")]
mod mongo;
#[path = "faults/plan.rs"]
mod plan;
#[path = "faults/question.rs"]
mod question;
#[path = "faults/report.rs"]
mod report;
#[path = "faults/run.rs"]
mod run;
#[path = "faults/settings.rs"]
mod settings;
#[path = "faults/store.rs"]
mod store;
#[path = "faults/tools.rs"]
mod tools;
#[path = "faults/weather.rs"]
mod weather;

use plan::{Kind, Plan};

#[tokio::test]
async fn nothing_is_lost_in_the_embedded_store() {
    run::all(Plan { seed: 1, turns: 300, kills: 26, kind: Kind::Sqlite, shows_progress: false }).await;
}

#[tokio::test]
async fn nothing_is_lost_in_mongodb() {
    run::all(Plan { seed: 2, turns: 200, kills: 20, kind: Kind::Mongo, shows_progress: false }).await;
}

#[tokio::test]
#[ignore = "long: make faults TURNS=10000 KILLS=100 SEED=7 STORE=sqlite"]
async fn nothing_is_lost_in_a_long_run() {
    run::all(Plan::from_environment()).await;
}
