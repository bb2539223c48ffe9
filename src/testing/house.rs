//! The whole house in memory: the real actors between a simulated Telegram, model and store.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::actors::conversation::Faculties;
use crate::app::{App, Limiter, Settings, SharedBreaker, World};
use crate::config::Config;
use crate::domain::ids::ChatKey;
use crate::domain::record::{State, StoredTurn};
use crate::domain::time::Clock;
use crate::edge::intake::Intake;
use crate::edge::telegram::bot_api::Identity;
use crate::edge::telegram::update::{ALLOWED_UPDATES, Update};
use crate::edge::tools::Toolbox;
use crate::sandbox::model::memory::MemoryModel;
use crate::sandbox::store::MemoryStore;
use crate::sandbox::telegram::memory::MemoryTelegram;

/// The id of the bot that the house serves.
pub const BOT: i64 = 77;

/// When a test's time begins, in milliseconds since 1970.
pub(super) const ORIGIN_MS: i64 = 1_700_000_000_000;

/// The longest wait between two tries to hand an update in, as Telegram's.
const LONGEST_RETRY: Duration = Duration::from_secs(60);

/// How often it is looked whether all turns have ended.
const LOOK_EVERY: Duration = Duration::from_millis(500);

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
    chats: RefCell<HashMap<i64, Line>>,
}

/// A chat's updates on their way in.
#[derive(Default)]
struct Line {
    last: Value,
    /// Telegram holds the next update back until the one before was taken.
    turn: Rc<Mutex<()>>,
}

impl House {
    /// A house whose actors do not run yet. Call it where time is paused.
    pub fn new(config: Config, telegram: MemoryTelegram, model: MemoryModel, tools: Toolbox) -> Self {
        telegram.world().with(|world, _| {
            world.number_updates_from(BOT, 1);
            world.allow_updates(BOT, &ALLOWED_UPDATES);
        });
        Self {
            telegram,
            model,
            store: MemoryStore::default(),
            tools,
            config,
            clock: Clock::starting_at(ORIGIN_MS),
            app: None,
            chats: RefCell::default(),
        }
    }

    /// Starts the actors, in the `LocalSet` around.
    pub async fn start(&mut self) {
        let breaker = Arc::new(SharedBreaker::new(self.config.llm.breaker(), self.clock));
        let faculties = Faculties {
            model: Arc::new(self.model.clone()),
            breaker,
            tools: self.tools.clone(),
            clock: self.clock,
        };
        let pacer = Arc::new(Limiter::new(self.config.pacing.rates(), self.clock));
        let (api, store) = (Arc::new(self.telegram.clone()), Arc::new(self.store.clone()));
        let world = World { api, store, faculties, pacer };
        let bot = Identity { id: BOT, username: "brigade_bot".to_owned() };
        self.app = Some(App::start(world, Settings::from_config(&self.config, &bot, "".into())).await);
    }

    /// Hands an update in as Telegram does: after those of the same chat, and again and again,
    /// with growing waits, until it is taken.
    pub fn deliver(&self, update: Value) {
        let Some(app) = &self.app else { return };
        let Ok(parsed) = Update::from_value(&update) else { return };
        let chat = parsed.place().map_or(0, |(chat, _)| chat);
        let mut chats = self.chats.borrow_mut();
        let line = chats.entry(chat).or_default();
        line.last = update;
        tokio::task::spawn_local(hand_in(app.intake(), parsed, line.turn.clone()));
    }

    /// Hands a chat's last update in once more.
    pub fn deliver_again(&self, chat: i64) {
        let last = self.chats.borrow().get(&chat).map(|line| line.last.clone());
        if let Some(update) = last {
            self.deliver(update);
        }
    }

    /// Waits until every update was taken and every turn has ended, at most `patience`.
    pub async fn settled(&self, patience: Duration) {
        let end = Instant::now() + patience;
        // The first look is late enough for what has just been handed in to have begun.
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            if !self.is_busy() || Instant::now() >= end {
                return;
            }
        }
    }

    fn is_busy(&self) -> bool {
        let on_the_way = |line: &Line| line.turn.try_lock().is_err();
        let owed = |turn: &StoredTurn| matches!(turn.state, State::Accepted | State::Answered);
        self.chats.borrow().values().any(on_the_way) || self.store.all().iter().any(owed)
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
