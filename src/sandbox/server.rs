//! Both simulations as servers on loopback.

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::time::{SystemTime, UNIX_EPOCH};

use actix_web::dev::Server;
use actix_web::web::{Data, ServiceConfig};
use actix_web::{App, HttpServer};
use tokio::runtime::LocalRuntime;
use tokio::sync::{broadcast, oneshot};
use tokio::task::spawn_local;

use crate::domain::ids::ChatKey;

use super::model::http as model;
use super::telegram::updates::Retry;
use super::telegram::{Chaos, ChatEvent, Limits, SharedWorld, World, http as telegram, webhook};

/// How the servers are started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Telegram's port; 0 takes a free one.
    pub telegram_port: u16,
    /// The model's port; 0 takes a free one.
    pub model_port: u16,
    /// Threads that each of the two servers has.
    pub workers: usize,
    /// How long webhooks that failed are left alone.
    pub retry: Retry,
    /// Whether a bot may write to a chat that nobody has opened. In Telegram it may not.
    pub open_chats: bool,
    /// Telegram's flood limits and rules for entities; off by default.
    pub limits: Limits,
    /// Troubles by rate; none by default.
    pub chaos: Chaos,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            telegram_port: 0,
            model_port: 0,
            workers: 1,
            retry: Retry::default(),
            open_chats: false,
            limits: Limits::off(),
            chaos: Chaos::default(),
        }
    }
}

/// A running Telegram and a running model, in threads of their own. Dropped, they end.
#[derive(Debug)]
pub struct Sandbox {
    /// In place of `https://api.telegram.org`: without a slash at the end.
    pub telegram_url: String,
    /// In place of `https://api.openai.com/v1`: without a slash at the end.
    pub model_url: String,
    world: SharedWorld,
    stop: Option<oneshot::Sender<()>>,
    ended: Option<oneshot::Receiver<io::Result<()>>>,
}

impl Sandbox {
    /// Starts both servers on 127.0.0.1. They answer from now on.
    ///
    /// # Errors
    /// When a port is taken, or a thread or a client can't be made.
    pub async fn start(options: Options) -> io::Result<Self> {
        let listen = |port: u16| {
            let refused = |error: io::Error| {
                io::Error::new(error.kind(), format!("can't listen on 127.0.0.1:{port}: {error}"))
            };
            TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(refused)
        };
        let (telegram, model) = (listen(options.telegram_port)?, listen(options.model_port)?);
        let telegram_url = format!("http://{}", telegram.local_addr()?);
        let model_url = format!("http://{}/v1", model.local_addr()?);
        let world = SharedWorld::new(world(options));
        let (stop, stopped) = oneshot::channel();
        let (report, ended) = oneshot::channel();
        let serving = world.clone();
        std::thread::Builder::new().name("sandbox".into()).spawn(move || {
            let result = LocalRuntime::new()
                .and_then(|runtime| runtime.block_on(serve(options, telegram, model, serving, stopped)));
            // Whoever dropped the sandbox does not wait for this.
            let _ = report.send(result);
        })?;
        Ok(Self { telegram_url, model_url, world, stop: Some(stop), ended: Some(ended) })
    }

    /// The simulated Telegram.
    pub fn world(&self) -> &SharedWorld {
        &self.world
    }

    /// What the chats show from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<ChatEvent> {
        self.world.subscribe()
    }

    /// The person `user` writes `text`. Returns the update's id.
    pub fn say(&self, key: ChatKey, user: i64, text: &str) -> i64 {
        self.world.with(|world, now| world.say(now, key, user, text))
    }

    /// Ends both servers at once and waits until they are gone.
    ///
    /// # Errors
    /// What a server failed with before.
    pub async fn stop(mut self) -> io::Result<()> {
        drop(self.stop.take());
        self.finish().await
    }

    /// Waits until the servers end by themselves, which they do only when they fail.
    async fn finish(&mut self) -> io::Result<()> {
        match self.ended.take() {
            Some(ended) => {
                ended.await.unwrap_or_else(|_| Err(io::Error::other("the sandbox's thread is gone")))
            }
            None => Ok(()),
        }
    }
}

/// Runs only the two servers until Ctrl-C, for clients in other processes. `ready` is told the
/// addresses.
///
/// # Errors
/// Those of [`Sandbox::start`].
pub async fn serve_only(options: Options, ready: impl FnOnce(&Sandbox)) -> io::Result<()> {
    let mut sandbox = Sandbox::start(options).await?;
    ready(&sandbox);
    tokio::select! {
        result = sandbox.finish() => return result,
        result = tokio::signal::ctrl_c() => result?,
    }
    drop(sandbox.stop.take());
    Ok(())
}

fn world(options: Options) -> World {
    let epoch_s = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let mut world = World::new(epoch_s);
    world.set_retry(options.retry);
    world.open_chats_by_themselves(options.open_chats);
    world.set_limits(options.limits);
    world.set_chaos(options.chaos);
    world
}

async fn serve(
    options: Options,
    telegram: TcpListener,
    model: TcpListener,
    world: SharedWorld,
    stopped: oneshot::Receiver<()>,
) -> io::Result<()> {
    let counter = Data::new(model::Counter::default());
    let shared = Data::new(world.clone());
    let telegram = server(telegram, options.workers, move |config| {
        telegram::routes(config.app_data(shared.clone()));
    })?;
    let model = server(model, options.workers, move |config| {
        model::routes(config.app_data(counter.clone()));
    })?;
    let handles = [telegram.handle(), model.handle()];
    let (telegram, model) = (spawn_local(telegram), spawn_local(model));
    let result = tokio::select! {
        result = telegram => result.unwrap_or_else(|error| Err(io::Error::other(error))),
        result = model => result.unwrap_or_else(|error| Err(io::Error::other(error))),
        result = webhook::deliver(world) => result.map_err(io::Error::other),
        _ = stopped => Ok(()),
    };
    for handle in handles {
        handle.stop(false).await;
    }
    result
}

fn server(
    listener: TcpListener,
    workers: usize,
    routes: impl Fn(&mut ServiceConfig) + Clone + Send + 'static,
) -> io::Result<Server> {
    let server = HttpServer::new(move || App::new().configure(routes.clone()));
    // A client that goes away ends its long poll and its stream.
    let server = server.workers(workers).disable_signals().h1_allow_half_closed(false);
    Ok(server.listen(listener)?.run())
}
