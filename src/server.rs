//! The whole server: settings in, edges and actors connected, updates flowing, an orderly end.

mod claim;
mod parts;

use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use actix_web::HttpServer;
use actix_web::dev::ServerHandle;
use actix_web::web::Data;
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::app::{Settings, Shards, count_panic};
use crate::config::{Config, Http, Secrets};
use crate::domain::commands;
use crate::edge::http::{Gate, WEBHOOK_PATH, routes};
use crate::edge::intake::Intake;
use crate::edge::llm::SettingsError;
use crate::edge::store::owner::Owner;
use crate::edge::store::watched::Watch;
use crate::edge::store::{Store, StoreError};
use crate::edge::telegram::TelegramError;
use crate::edge::telegram::bot_api::{BotApiClient, Webhook};
use crate::edge::telegram::poller;
use crate::edge::telegram::update::ALLOWED_UPDATES;
use claim::{alone, keep_claim};
pub use parts::{WhenAway, open_store};
use parts::{body_limits, bot_api, instructions, model, until_reached, watched_store, worlds};

/// How updates come.
#[derive(Debug)]
pub enum Updates {
    /// Telegram posts them to `POST /webhook`.
    Webhook {
        /// Where the web server listens.
        listener: TcpListener,
        /// Its public base address, which Telegram is told; empty when somebody else tells it.
        address: String,
    },
    /// The server asks for them.
    Polling {
        /// Whether to remove a webhook that is set: it may be that of the same bot in production.
        remove_webhook: bool,
    },
}

/// Why the server can't start or go on.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// A setting without which nothing works.
    #[error("{0}")]
    Missing(&'static str),
    /// A file of instructions that can't be read.
    #[error("the instructions in {} can't be read: {error}; check llm.instructions", path.display())]
    Instructions {
        /// Which file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The store can't be opened.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// Telegram refused.
    #[error("{0}")]
    Telegram(#[from] TelegramError),
    /// The port can't be had.
    #[error("can't listen on {address}: {error}; {CHOOSE_ANOTHER_PORT} or another address with http.host")]
    Listen {
        /// Where.
        address: String,
        /// Why.
        error: std::io::Error,
    },
    /// The http client can't be made.
    #[error("the http client can't be made: {0}")]
    Client(#[from] reqwest::Error),
    /// The model's client can't be made.
    #[error("{0}")]
    Model(#[from] SettingsError),
    /// A thread can't be had.
    #[error("the actors can't be started: {0}")]
    Shards(std::io::Error),
    /// Another process serves the bot.
    #[error(
        "another process has taken this one's place, because this one did not say for a while that it was there; \
         the other answers what is owed"
    )]
    Replaced,
    /// Something that all chats of a shard share panicked.
    #[error("something that all chats share panicked; what is owed is taken up at the next start")]
    Lost,
}

impl ServerError {
    /// Whether the settings are at fault, not the world.
    pub fn is_of_settings(&self) -> bool {
        matches!(self, Self::Missing(_) | Self::Instructions { .. } | Self::Model(_))
    }
}

/// What to do when a port is taken, as [`ServerError::Listen`] says it.
pub const CHOOSE_ANOTHER_PORT: &str = "choose another port with PORT";

/// A running server.
pub struct Server {
    app: Shards,
    api: BotApiClient,
    gate: Data<Gate>,
    store: Arc<dyn Store>,
    watch: Watch,
    http: Option<ServerHandle>,
    /// Has updates come. Ends with what keeps them from coming.
    reception: JoinHandle<TelegramError>,
    grace: Duration,
    bot: i64,
    owner: Owner,
    /// Ends when another process has taken this one's place.
    claim: JoinHandle<()>,
}

/// When the store has had nothing to do for so long, it knows what Telegram has answered.
const CALM: Duration = Duration::from_millis(50);

/// For the store to take the last writes, when everything else has ended.
const LAST_WORDS: Duration = Duration::from_secs(2);

impl Server {
    /// Starts the server; waits for a MongoDB or a Telegram that can't be reached now. Telegram is told where
    /// updates go, or asked for them, in a task of its own, whose failure ends [`run`](Self::run). Runs in a
    /// `LocalRuntime` or a `LocalSet`.
    ///
    /// # Errors
    /// [`ServerError`], each with what to do.
    pub async fn start(config: &Config, secrets: &Secrets, updates: Updates) -> Result<Self, ServerError> {
        let secret = match &updates {
            Updates::Webhook { address, .. } => webhook_secret(secrets, address)?,
            Updates::Polling { .. } => String::new(),
        };
        let (api, instructions) = (bot_api(config, secrets)?, instructions(config)?);
        // Settings that can't be used are told before anything is waited for.
        model(config, secrets)?;
        let watch = Watch::default();
        let store = watched_store(config, secrets, &watch).await?;
        let bot = until_reached("reach telegram", || api.get_me(), TelegramError::is_passing).await?;
        tracing::info!(bot = bot.id, "this is @{}", bot.username);
        let owner = Owner::this_process();
        alone(store.as_ref(), bot.id, &owner).await?;
        let claim = tokio::task::spawn_local(keep_claim(store.clone(), bot.id, owner.clone()));
        let mut settings = Settings::from_config(config, &bot, instructions);
        if matches!(updates, Updates::Polling { .. }) {
            // Telegram gives nothing that comes after an update that was not taken, whosever it is.
            settings.ingress.max_turns_per_chat = usize::MAX;
        }
        let worlds = worlds(config, secrets, &store, &api)?;
        let app = Shards::start(bot.id, worlds, &settings).await.map_err(ServerError::Shards)?;
        let gate = Gate::new(app.intake(), secret, body_limits(&config.http));
        let grace = Duration::from_millis(config.shutdown.grace_ms);
        let gate = Data::new(gate);
        // Beside what is owed, which is answered already: Telegram may be away for long, and an end must be
        // orderly all the same.
        let (http, reception) = match updates {
            Updates::Webhook { listener, address } => {
                let http = serve_http(listener, gate.clone())?;
                let webhook = webhook(config, gate.secret(), &address);
                (Some(http), tokio::task::spawn_local(by_webhook(api.clone(), webhook)))
            }
            Updates::Polling { remove_webhook } => {
                let (intake, wait_s) = (app.intake(), config.telegram.poll_timeout_s);
                let polling = by_polling(api.clone(), remove_webhook, intake, wait_s);
                (None, tokio::task::spawn_local(polling))
            }
        };
        Ok(Self { app, api, gate, store, watch, http, reception, grace, bot: bot.id, owner, claim })
    }

    /// Where the turns are kept.
    pub fn store(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    /// Serves until `stop` is ready, then ends in order: nothing new is taken, running turns may
    /// end within `shutdown.grace_ms`, the rest stays on record. When `stop_at_once` is ready, it
    /// ends without waiting.
    ///
    /// # Errors
    /// [`ServerError::Lost`] after a panic that concerns all chats, [`ServerError::Telegram`] when
    /// the token was revoked.
    pub async fn run(
        mut self,
        stop: impl Future<Output = ()>,
        stop_at_once: impl Future<Output = ()>,
    ) -> Result<(), ServerError> {
        let ended = tokio::select! {
            biased;
            () = self.app.lost() => Err(ServerError::Lost),
            ended = &mut self.claim => Err(ended.map_or(ServerError::Lost, |()| ServerError::Replaced)),
            () = self.api.revoked() => Err(ServerError::Telegram(TelegramError::Unauthorised("401".to_owned()))),
            ended = &mut self.reception => Err(ended.map_or(ServerError::Lost, ServerError::Telegram)),
            () = stop => Ok(()),
        };
        self.gate.stop();
        self.reception.abort();
        match &ended {
            Ok(()) => {
                tracing::info!("stopping: running turns may end within {:?}", self.grace);
                tokio::select! {
                    biased;
                    () = stop_at_once => {
                        tracing::warn!("stopped at once; what is owed is taken up at the next start");
                    }
                    () = self.finish() => {}
                }
            }
            // Parts that were refused with the token are not uncertain.
            Err(ServerError::Telegram(_)) => self.rest().await,
            Err(_) => {}
        }
        self.api.calls().close();
        if let Some(http) = self.http {
            http.stop(false).await;
        }
        self.claim.abort();
        // Nothing is lost without these: the next process then waits for a few seconds, or takes up a
        // turn once more than it should.
        if matches!(ended, Err(ServerError::Lost)) {
            let counted = tokio::time::timeout(LAST_WORDS, count_panic(self.store.as_ref(), self.bot)).await;
            tracing::debug!("the panic is counted in the turns that were being worked on: {counted:?}");
        }
        self.watch.calls().close();
        let released = tokio::time::timeout(LAST_WORDS, self.store.release(self.bot, &self.owner)).await;
        tracing::debug!("another process may serve the bot: {released:?}");
        ended
    }
}

impl Server {
    /// Lets running turns end, or at least what they are telling Telegram.
    async fn finish(&self) {
        tokio::select! {
            biased;
            () = self.app.drain() => tracing::info!("stopped, nothing is owed"),
            () = tokio::time::sleep(self.grace) => {
                tracing::warn!("stopped; turns that took too long are taken up at the next start");
            }
        }
        self.rest().await;
    }

    /// What is being told Telegram ends, nothing more begins, and the store takes what is known of it: a part
    /// whose fate is not on record may be sent again by the next process.
    async fn rest(&self) {
        self.api.calls().close();
        let rest = async {
            self.api.calls().rest(Duration::ZERO).await;
            self.watch.calls().rest(CALM).await;
        };
        let rested = tokio::time::timeout(LAST_WORDS, rest).await;
        tracing::debug!("what was under way is on record: {}", rested.is_ok());
    }
}

/// What Telegram is to be told of the webhook; none when that is left to somebody else.
fn webhook(config: &Config, secret: &str, address: &str) -> Option<Webhook> {
    let base = address.trim().trim_end_matches('/').trim_end_matches(WEBHOOK_PATH);
    (!base.is_empty()).then(|| Webhook {
        url: format!("{base}{WEBHOOK_PATH}"),
        secret_token: secret.to_owned(),
        allowed_updates: ALLOWED_UPDATES.to_vec(),
        max_connections: config.telegram.max_connections,
    })
}

async fn by_webhook(api: BotApiClient, webhook: Option<Webhook>) -> TelegramError {
    show_menu(&api).await;
    match webhook {
        None => tracing::warn!("TELEGRAM_WEBHOOK_URL is not set: setWebhook is left to you"),
        Some(webhook) => {
            let set =
                until_reached("set the webhook", || api.set_webhook(&webhook), TelegramError::is_passing);
            if let Err(error) = set.await {
                return error;
            }
            tracing::info!("telegram sends updates to {}", webhook.url);
        }
    }
    std::future::pending().await
}

async fn by_polling(
    api: BotApiClient,
    remove_webhook: bool,
    intake: Arc<dyn Intake>,
    wait_s: u32,
) -> TelegramError {
    show_menu(&api).await;
    if remove_webhook {
        let removed = until_reached("remove the webhook", || api.delete_webhook(), TelegramError::is_passing);
        if let Err(error) = removed.await {
            return error;
        }
    }
    tracing::info!("polling for updates");
    poller::poll(api, intake, wait_s).await
}

async fn show_menu(api: &BotApiClient) {
    if let Err(error) = api.set_my_commands(&commands::MENU).await {
        tracing::warn!("the menu of commands can't be set: {error}");
    }
}

/// What Telegram is to send with every update: the secret that is set, or a new one, which
/// Telegram is told at every start, so that nobody needs to keep it.
///
/// # Errors
/// [`ServerError::Missing`] when there is no public `address` either: nobody would know the secret.
pub fn webhook_secret(secrets: &Secrets, address: &str) -> Result<String, ServerError> {
    match &secrets.webhook_secret {
        Some(secret) => Ok(secret.reveal().to_owned()),
        None if address.is_empty() => Err(ServerError::Missing(
            "webhook mode needs TELEGRAM_WEBHOOK_URL, this server's public address; \
             or, where you call setWebhook yourself, TELEGRAM_WEBHOOK_SECRET",
        )),
        None => Ok(Uuid::new_v4().simple().to_string()),
    }
}

/// Takes the port that the settings name.
///
/// # Errors
/// [`ServerError::Listen`].
pub fn listen(config: &Config) -> Result<TcpListener, ServerError> {
    let Http { host, port, .. } = &config.http;
    let listener = TcpListener::bind((host.as_str(), *port));
    let listener =
        listener.map_err(|error| ServerError::Listen { address: format!("{host}:{port}"), error })?;
    tracing::info!("listening on http://{host}:{port}{WEBHOOK_PATH}");
    Ok(listener)
}

fn serve_http(listener: TcpListener, gate: Data<Gate>) -> Result<ServerHandle, ServerError> {
    let server = HttpServer::new(move || actix_web::App::new().configure(routes(gate.clone())))
        .workers(1)
        .disable_signals()
        .listen(listener)
        .map_err(|error| ServerError::Listen { address: "the webhook's port".to_owned(), error })?
        .run();
    let handle = server.handle();
    tokio::task::spawn_local(server);
    Ok(handle)
}
