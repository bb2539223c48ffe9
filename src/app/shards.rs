//! The actors spread over the cores: each shard a thread with its own Ingress, Persistence and
//! conversations, and its own clients. A conversation is always in the same one.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use futures::FutureExt;
use futures::future::{BoxFuture, join_all, pending, select, select_all};
use tokio::runtime::LocalRuntime;
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
    threads: Vec<Thread>,
    bot: i64,
}

impl Shards {
    /// Starts so many shards as there are worlds, the first in this thread, which needs a `LocalRuntime`
    /// or a `LocalSet` around it. Returns when all have taken up what is owed.
    ///
    /// # Errors
    /// When a shard's thread can't be started or ends at once.
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
                _ => shards.start_in_thread(index, world, settings).await?,
            };
            shards.apps.push(app);
        }
        Ok(shards)
    }

    async fn start_in_thread(&mut self, index: usize, world: World, settings: Settings) -> io::Result<App> {
        let (started, app) = oneshot::channel();
        let thread = Thread::start(format!("shard-{index}"), async move {
            // Whoever starts the shards waits for it.
            let _gone = started.send(App::start(world, settings).await);
        })?;
        match app.await {
            Ok(app) => {
                self.threads.push(thread);
                Ok(app)
            }
            Err(_) => Err(thread.failure()),
        }
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

/// A thread that runs what it began with, and all that this has spawned, until it is dropped.
struct Thread {
    stop: Option<oneshot::Sender<()>>,
    handle: Option<JoinHandle<io::Result<()>>>,
}

impl Thread {
    fn start(name: String, begin: impl Future<Output = ()> + Send + 'static) -> io::Result<Self> {
        let (stop, stopped) = oneshot::channel::<()>();
        let handle = thread::Builder::new().name(name).spawn(move || {
            let runtime = LocalRuntime::new()?;
            runtime.block_on(async {
                let work = pin!(begin.then(|()| pending::<()>()));
                // It ends when the sender is dropped, though what it began with may wait for a store that is
                // away.
                let _stopped = select(work, stopped).await;
            });
            // Dropped, it would wait for whoever resolves a name, which may take minutes.
            runtime.shutdown_background();
            Ok(())
        })?;
        Ok(Self { stop: Some(stop), handle: Some(handle) })
    }

    /// Why it has ended, when it has by itself.
    fn failure(mut self) -> io::Error {
        let ended = self.handle.take().map(JoinHandle::join);
        match ended {
            Some(Ok(Err(error))) => error,
            _ => io::Error::other("a shard's thread has ended"),
        }
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        drop(self.stop.take());
        // A panic in it has been told of.
        let _panicked = self.handle.take().map(JoinHandle::join);
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

#[cfg(test)]
mod tests {
    use super::*;

    /// As a connection does that goes back into its pool.
    struct SpawnsAtItsEnd(std::sync::mpsc::Sender<bool>);

    impl Drop for SpawnsAtItsEnd {
        fn drop(&mut self) {
            let spawned = std::panic::catch_unwind(|| tokio::spawn(async {}));
            self.0.send(spawned.is_ok()).unwrap();
        }
    }

    #[test]
    fn what_still_runs_in_a_shard_ends_in_its_runtime() {
        let (sender, ended) = std::sync::mpsc::channel();
        let (began, begun) = oneshot::channel();
        let thread = Thread::start("shard-1".to_owned(), async move {
            let held = SpawnsAtItsEnd(sender);
            tokio::task::spawn_local(async move {
                let _held = held;
                began.send(()).unwrap();
                pending::<()>().await;
            });
        });
        begun.blocking_recv().unwrap();
        drop(thread);
        assert_eq!(
            ended.try_recv(),
            Ok(true),
            "it is dropped before the thread has ended, where it can spawn"
        );
    }

    #[test]
    fn a_thread_that_is_stopped_does_not_wait_for_what_it_began_with() {
        let thread = Thread::start("shard-1".to_owned(), pending());
        let (sender, ended) = std::sync::mpsc::channel();
        thread::spawn(move || {
            drop(thread);
            sender.send(())
        });
        assert_eq!(ended.recv_timeout(std::time::Duration::from_secs(10)), Ok(()));
    }
}
