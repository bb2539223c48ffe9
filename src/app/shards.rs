//! The actors spread over the cores: each shard a thread with its own Ingress, Persistence and
//! conversations, and its own clients. A conversation is always in the same one.

use std::io;
use std::sync::Arc;

use actix_rt::Arbiter;
use futures::future::{BoxFuture, join_all, select_all};
use tokio::sync::oneshot;

use super::{App, Settings, World};
use crate::actors::ingress::Shard;
use crate::domain::ids::ChatKey;
use crate::edge::intake::{Intake, Verdict};
use crate::edge::telegram::update::Update;

/// The running shards.
pub struct Shards {
    apps: Vec<App>,
    /// The threads of all but the first, which is that of whoever started them.
    threads: Vec<Arbiter>,
    bot: i64,
}

impl Shards {
    /// Starts so many shards as there are worlds, the first in this thread, which needs an actix
    /// `System`. Returns when all have taken up what is owed.
    ///
    /// # Errors
    /// When a shard's thread ends at once.
    pub async fn start(bot: i64, worlds: Vec<World>, settings: &Settings) -> io::Result<Self> {
        let count = worlds.len();
        let mut shards = Self { apps: Vec::new(), threads: Vec::new(), bot };
        for (index, world) in worlds.into_iter().enumerate() {
            let mut settings = settings.clone();
            settings.ingress.shard = Shard { index, count };
            for whole in [&mut settings.ingress.max_turns_in_flight, &mut settings.ingress.max_idle] {
                *whole = whole.div_ceil(count);
            }
            let app = match index {
                0 => App::start(world, settings).await,
                _ => shards.start_in_thread(world, settings).await?,
            };
            shards.apps.push(app);
        }
        Ok(shards)
    }

    async fn start_in_thread(&mut self, world: World, settings: Settings) -> io::Result<App> {
        let thread = Arbiter::new();
        let (started, app) = oneshot::channel();
        thread.spawn(async move {
            // Whoever starts the shards waits for it.
            let _gone = started.send(App::start(world, settings).await);
        });
        self.threads.push(thread);
        app.await.map_err(|_| io::Error::other("a shard's thread has ended"))
    }

    /// Where updates go in: each to the shard of its conversation.
    pub fn intake(&self) -> Arc<dyn Intake> {
        Arc::new(Doors { doors: self.apps.iter().map(App::intake).collect(), bot: self.bot })
    }

    /// Takes no more updates and waits until no turn is in flight.
    pub async fn drain(&self) {
        join_all(self.apps.iter().map(App::drain)).await;
    }

    /// Waits until an actor that all chats of a shard share has panicked: the process can't go on.
    pub async fn lost(&self) {
        select_all(self.apps.iter().map(|app| Box::pin(app.lost()))).await;
    }
}

impl Drop for Shards {
    fn drop(&mut self) {
        for thread in &self.threads {
            thread.stop();
        }
    }
}

struct Doors {
    doors: Vec<Arc<dyn Intake>>,
    bot: i64,
}

impl Intake for Doors {
    fn take(&self, update: Update) -> BoxFuture<'static, Verdict> {
        let (chat, topic) = update.place().unwrap_or_default();
        let key = ChatKey { bot: self.bot, chat, topic };
        self.doors[key.shard(self.doors.len())].take(update)
    }
}
