//! What the settings ask for: clients, stores, and what each shard has of the world.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use backon::{ExponentialBuilder, Retryable};
use reqwest::Client;

use super::ServerError;
use crate::actors::conversation::Faculties;
use crate::app::{Limiter, SharedBreaker, World};
use crate::config::{Config, Http, Secrets};
use crate::domain::time::Clock;
use crate::edge::http::BodyLimits;
use crate::edge::llm::chat_completions::{self, ChatCompletions};
use crate::edge::redirect;
use crate::edge::store::mongo::MongoStore;
use crate::edge::store::sqlite::SqliteStore;
use crate::edge::store::watched::{Watch, Watched};
use crate::edge::store::{Store, StoreError};
use crate::edge::telegram::bot_api::BotApiClient;
use crate::edge::tools::Toolbox;

/// A connection to Telegram that nobody used for so long is not used again: many servers close theirs
/// after 5 s, and a message that is sent at that very moment may have been sent or not.
const IDLE_CONNECTION: Duration = Duration::from_secs(4);

/// A connection that is not there by then is given up. Before the call itself is: it is then known that
/// Telegram has got nothing, and the call can be made again.
const CONNECT: Duration = Duration::from_secs(10);

pub(super) fn bot_api(config: &Config, secrets: &Secrets) -> Result<BotApiClient, ServerError> {
    let token = secrets.bot_token.as_ref().ok_or(ServerError::Missing(
        "TELEGRAM_BOT_TOKEN is not set; get a token from @BotFather, or try 'brigade sandbox', which needs none",
    ))?;
    let timeout = Duration::from_millis(config.telegram.call_timeout_ms);
    Ok(BotApiClient::new(telegram_client(config)?, &config.telegram.api_url, token.reveal(), timeout))
}

fn telegram_client(config: &Config) -> Result<Client, reqwest::Error> {
    let call = Duration::from_millis(config.telegram.call_timeout_ms);
    let connect = CONNECT.min(call / 2);
    redirect::no_followers().connect_timeout(connect).pool_idle_timeout(IDLE_CONNECTION).build()
}

pub(super) fn model(config: &Config, secrets: &Secrets) -> Result<ChatCompletions, ServerError> {
    let llm = &config.llm;
    if secrets.api_key.is_none() && llm.base_url == Config::default().llm.base_url {
        return Err(ServerError::Missing(
            "OPENAI_API_KEY is not set; set it, or OPENAI_BASE_URL for a server that needs none",
        ));
    }
    let settings = chat_completions::Settings {
        base_url: llm.base_url.clone(),
        api_key: secrets.api_key.as_ref().map(|key| key.reveal().to_owned()),
        model: llm.model.clone(),
        connect_timeout: Duration::from_millis(llm.connect_timeout_ms),
        first_token_timeout: Duration::from_millis(llm.first_token_timeout_ms),
        idle_timeout: Duration::from_millis(llm.idle_timeout_ms),
        max_answer_bytes: llm.max_answer_bytes,
    };
    Ok(ChatCompletions::new(settings)?)
}

/// A world for each shard, with clients of its own; only the accountant and the circuit breaker are
/// shared, and the embedded store, whose one writer is a thread already.
pub(super) fn worlds(
    config: &Config,
    secrets: &Secrets,
    store: &Arc<dyn Store>,
    api: &BotApiClient,
) -> Result<Vec<World>, ServerError> {
    let clock = wall_clock();
    let pacer = Arc::new(Limiter::new(config.pacing.rates(), clock));
    let breaker = Arc::new(SharedBreaker::new(config.llm.breaker(), clock));
    let mut worlds = Vec::new();
    for shard in 0..config.runtime.shards() {
        let store = if shard == 0 { store.clone() } else { store.with_own_connections()? };
        let model = Arc::new(model(config, secrets)?);
        let faculties = Faculties { model, breaker: breaker.clone(), tools: toolbox(config), clock };
        worlds.push(World {
            api: Arc::new(api.through(telegram_client(config)?)),
            store,
            faculties,
            pacer: pacer.clone(),
        });
    }
    Ok(worlds)
}

fn toolbox(config: &Config) -> Toolbox {
    if config.llm.max_tool_rounds == 0 { Toolbox::default() } else { Toolbox::standard() }
}

pub(super) fn instructions(config: &Config) -> Result<Arc<str>, ServerError> {
    let read = |path: &PathBuf| {
        fs::read_to_string(path).map_err(|error| ServerError::Instructions { path: path.clone(), error })
    };
    let texts = config.llm.instructions.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    Ok(texts.iter().map(|text| text.trim()).collect::<Vec<_>>().join("\n\n").into())
}

/// What to do when MongoDB can't be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenAway {
    /// Wait until it can.
    Wait,
    /// Say so.
    Fail,
}

/// Opens the store that the settings name.
///
/// # Errors
/// [`StoreError`] when the settings are wrong, or the store is away and is not to be waited for.
pub async fn open_store(
    config: &Config,
    secrets: &Secrets,
    when_away: WhenAway,
) -> Result<Arc<dyn Store>, StoreError> {
    let Some(uri) = &secrets.mongodb_uri else {
        let path = &config.store.path;
        tracing::info!("turns are kept in the embedded store in {}", path.display());
        return Ok(Arc::new(SqliteStore::open(path)?));
    };
    let store = MongoStore::connect(uri.reveal(), &config.store.mongodb_database).await?;
    let is_away = |error: &StoreError| matches!(error, StoreError::Away(_)) && when_away == WhenAway::Wait;
    until_reached("reach mongodb", || store.prepare(), is_away).await?;
    tracing::info!("turns are kept in mongodb, database {}", config.store.mongodb_database);
    Ok(Arc::new(store))
}

pub(super) async fn watched_store(
    config: &Config,
    secrets: &Secrets,
    watch: &Watch,
) -> Result<Arc<dyn Store>, StoreError> {
    let store = open_store(config, secrets, WhenAway::Wait).await?;
    Ok(Arc::new(Watched::new(store, watch.clone())))
}

pub(super) fn body_limits(http: &Http) -> BodyLimits {
    let timeout = Duration::from_millis(http.body_timeout_ms);
    BodyLimits { max_bytes: http.max_body_bytes, timeout }
}

pub(super) async fn until_reached<T, E, F>(
    what: &str,
    call: impl FnMut() -> F,
    is_passing: impl FnMut(&E) -> bool,
) -> Result<T, E>
where
    E: std::fmt::Display,
    F: Future<Output = Result<T, E>>,
{
    let waits = ExponentialBuilder::default()
        .with_min_delay(Duration::from_secs(1))
        .with_max_delay(Duration::from_secs(30))
        .without_max_times();
    call.retry(waits)
        .sleep(tokio::time::sleep)
        .when(is_passing)
        .notify(|error, wait| tracing::warn!("could not {what}, trying again in {wait:?}: {error}"))
        .await
}

fn wall_clock() -> Clock {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Clock::starting_at(i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX))
}
