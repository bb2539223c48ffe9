//! The whole house in memory: the real actors between a simulated Telegram, model and store.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::Mutex;

use crate::actors::conversation::Faculties;
use crate::app::{App, World};
use crate::config::Config;
use crate::domain::ids::ChatKey;
use crate::domain::time::Clock;
use crate::edge::intake::Intake;
use crate::edge::telegram::bot_api::Identity;
use crate::edge::telegram::update::Update;
use crate::edge::tools::Toolbox;
use crate::sandbox::model::memory::MemoryModel;
use crate::sandbox::store::MemoryStore;
use crate::sandbox::telegram::memory::MemoryTelegram;
use crate::server;

/// The id of the bot that the house serves.
pub const BOT: i64 = 77;

/// When a test's time begins, in milliseconds since 1970.
const ORIGIN_MS: i64 = 1_700_000_000_000;

/// The longest wait between two tries to hand an update in, as Telegram's.
const LONGEST_RETRY: Duration = Duration::from_secs(60);

/// The world around the actors, and the actors while they run.
pub struct House {
    /// Telegram.
    pub telegram: MemoryTelegram,
    /// The model.
    pub model: MemoryModel,
    /// The store.
    pub store: MemoryStore,
    /// The tools offered to the model.
    pub tools: Toolbox,
    /// The settings.
    pub config: Config,
    clock: Clock,
    app: Option<App>,
    /// Telegram holds a chat's next update back until the one before was taken.
    chats: Rc<RefCell<HashMap<i64, Rc<Mutex<()>>>>>,
}

impl House {
    /// A house whose actors do not run yet. Call it where time is paused.
    pub fn new(config: Config, telegram: MemoryTelegram, model: MemoryModel, tools: Toolbox) -> Self {
        Self {
            telegram,
            model,
            store: MemoryStore::default(),
            tools,
            config,
            clock: Clock::starting_at(ORIGIN_MS),
            app: None,
            chats: Rc::default(),
        }
    }

    /// Starts the actors, in the `LocalSet` around.
    pub fn start(&mut self) {
        let faculties =
            Faculties { model: Arc::new(self.model.clone()), tools: self.tools.clone(), clock: self.clock };
        let world =
            World { api: Arc::new(self.telegram.clone()), store: Arc::new(self.store.clone()), faculties };
        let bot = Identity { id: BOT, username: "brigade_bot".to_owned() };
        self.app = Some(App::start(world, server::settings(&self.config, &bot, "".into())));
    }

    /// Hands an update in as Telegram does: after those of the same chat, and again and again,
    /// with growing waits, until it is taken.
    pub fn deliver(&self, update: &Value) {
        let Some(app) = &self.app else { return };
        let Ok(update) = Update::from_value(update) else { return };
        let chat = update.message.as_ref().map_or(0, |message| message.chat);
        let turn = self.chats.borrow_mut().entry(chat).or_default().clone();
        tokio::task::spawn_local(hand_in(app.intake(), update, turn));
    }

    /// The conversation of a private chat with the bot.
    pub fn key(chat: i64, topic: Option<i32>) -> ChatKey {
        ChatKey { bot: BOT, chat, topic }
    }

    /// Takes no more updates, and waits at most `grace` until no turn is in flight; then lets the
    /// stations end. Returns whether all turns ended.
    pub async fn stop(&mut self, grace: Duration) -> bool {
        let Some(app) = self.app.take() else { return true };
        tokio::time::timeout(grace, app.drain()).await.is_ok()
    }
}

async fn hand_in(intake: Arc<dyn Intake>, update: Update, turn: Rc<Mutex<()>>) {
    let _my_turn = turn.lock().await;
    let mut wait = Duration::from_secs(1);
    while !intake.take(update.clone()).await.is_final() {
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(LONGEST_RETRY);
    }
}
