//! What the simulators, the driver and the judge of one load test share. All run on one thread.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use serde_json::json;
use tokio::sync::{Mutex, oneshot};
use tokio::time::Instant;

use super::answer::{self, Plan};
use super::judge::{Asked, Judge, Moment};
use super::peers::Peers;
use super::profile::Profile;
use super::stats::Stats;
use super::webhook::Hook;
use crate::domain::ids::ChatKey;
use crate::sandbox::telegram::{Params, SharedWorld};

/// The bot that is tested.
pub(crate) const BOT: i64 = 77;

/// Shared by all parts of a load test.
pub(crate) struct Hub {
    /// What is done.
    pub(crate) profile: Profile,
    /// Who is right.
    pub(crate) judge: RefCell<Judge>,
    /// What was measured.
    pub(crate) stats: Rc<RefCell<Stats>>,
    /// The simulated Telegram with all its rules; answers the rare calls in any case.
    pub(crate) world: SharedWorld,
    /// Whether it answers the frequent calls too, because limits or faults are on.
    pub(crate) ruled: bool,
    /// Who has the chats of other machines.
    pub(super) peers: Peers,
    /// Where updates go.
    pub(crate) hook: RefCell<Option<Hook>>,
    /// Somebody has said where; what else is said later does not count.
    pub(crate) webhook_set: Cell<bool>,
    /// Where a chat's updates go one after the other.
    pub(super) lanes: RefCell<HashMap<i64, Rc<Mutex<()>>>>,
    message_id: Cell<i64>,
    update_id: Cell<i64>,
}

impl Hub {
    pub(super) fn new(profile: Profile, world: SharedWorld, peers: Peers, first_update: i64) -> Self {
        let stats = Rc::new(RefCell::new(Stats::new()));
        let ruled = profile.is_ruled();
        world.with(|world, _| world.number_updates_from(BOT, first_update));
        Self {
            judge: RefCell::new(Judge::new(&profile, stats.clone())),
            profile,
            stats,
            world,
            ruled,
            peers,
            hook: RefCell::default(),
            webhook_set: Cell::new(false),
            lanes: RefCell::default(),
            message_id: Cell::new(0),
            update_id: Cell::new(first_update - 1),
        }
    }

    /// Has updates go there, though the bot has not said so.
    ///
    /// # Errors
    /// When no client can be made.
    pub(super) async fn set_hook(
        &self,
        url: &str,
        secret: &str,
        connections: usize,
    ) -> Result<(), reqwest::Error> {
        self.hook.replace(Some(Hook::new(url.to_owned(), secret.to_owned(), connections)?));
        if self.ruled {
            let told = json!({"url": url, "secret_token": secret, "max_connections": connections.min(100)});
            self.world.call(BOT, "setWebhook", &Params::from_json(told)).await;
        }
        Ok(())
    }

    /// The next id of a message.
    pub(crate) fn next_message(&self) -> i64 {
        self.message_id.set(self.message_id.get() + 1);
        self.message_id.get()
    }

    /// Asks the next question in a chat. `intended` is when the person meant to: what is measured
    /// is measured from then.
    pub(crate) fn ask(self: &Rc<Self>, chat: i64, intended: Instant) -> (u32, oneshot::Receiver<()>) {
        let turn = self.judge.borrow().next_turn(chat);
        let (ended, ends) = oneshot::channel();
        let text = answer::question(chat, turn);
        let answer = Plan::of(&self.profile, chat, turn).text;
        let posted = Instant::now();
        let asked = Asked { turn, intended, posted, answer, ended };
        // Before the bot hears of it, the judge must know.
        self.judge.borrow_mut().asked(chat, asked);
        let update = if self.ruled {
            let key = ChatKey { bot: BOT, chat, topic: None };
            self.world.with(|world, now| world.say(now, key, chat, &text))
        } else {
            self.update_id.set(self.update_id.get() + 1);
            let (hub, update, message) = (self.clone(), self.update_id.get(), self.next_message());
            tokio::task::spawn_local(async move { hub.deliver(chat, update, message, &text).await });
            update
        };
        self.judge.borrow_mut().named(chat, update);
        (turn, ends)
    }

    /// The model has emitted something of an answer.
    pub(crate) fn emitted(&self, chat: i64, turn: u32, moment: Moment, at: Instant) {
        self.judge.borrow_mut().emitted(chat, turn, moment, at);
    }
}
