//! A whole bot: the real binary between a simulated Telegram, a simulated model and a real store.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use brigade::domain::commands::{CHECK_MARK, THINKING};
use brigade::domain::ids::{ChatKey, TurnId};
use brigade::domain::record::{State, StoredTurn};
use brigade::edge::http::{SECRET_HEADER, WEBHOOK_PATH};
use brigade::edge::store::mongo::MongoStore;
use brigade::edge::store::sqlite::{self, SqliteStore};
use brigade::edge::store::{Filter, Store};
use brigade::sandbox::server::{Options, Sandbox};
use brigade::sandbox::telegram::updates::Retry;
use brigade::sandbox::telegram::{ChatEvent, What};
use reqwest::{Body, Client};
use tempfile::TempDir;

use super::binary::{BOT, Brigade, KEY, TOKEN, WEBHOOK_SECRET, until};
use super::mongo;

/// How updates come and where turns are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// By webhook, in the embedded store.
    WebhookSqlite,
    /// By polling, in MongoDB.
    PollingMongo,
}

/// The two servers of the world outside.
pub async fn sandbox(telegram_port: u16, model_port: u16) -> std::io::Result<Sandbox> {
    let retry = Retry { first_ms: 50, most_ms: 500 };
    let options = Options { telegram_port, model_port, retry, open_chats: true, ..Options::default() };
    Sandbox::start(options).await
}

/// The private chat of the person `user`.
pub fn chat_of(user: i64) -> ChatKey {
    ChatKey { bot: BOT, chat: user, topic: None }
}

/// A port that was free a moment ago: whoever takes it must be ready to try another.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port on 127.0.0.1");
    listener.local_addr().expect("the address of a listener").port()
}

/// The bot and its world.
pub struct House {
    /// The binary while it runs, and after its end until the next start.
    pub bot: Option<Brigade>,
    /// Telegram and the model.
    pub sandbox: Sandbox,
    /// Which one it is.
    pub kind: Kind,
    /// The folder in which the binary runs.
    pub folder: TempDir,
    settings: Vec<(String, String)>,
    database: Option<(String, String)>,
    store: Option<Arc<dyn Store>>,
    port: u16,
    client: Client,
}

impl House {
    /// A house in which the bot does not run yet; none, said out loud, where the store can't be
    /// had.
    pub async fn build(kind: Kind) -> Option<Self> {
        let database = match kind {
            Kind::WebhookSqlite => None,
            Kind::PollingMongo => {
                let name = format!("brigade_wire_{}", uuid::Uuid::new_v4().simple());
                Some((mongo::shared().await?.to_owned(), name))
            }
        };
        let client = Client::builder().no_proxy().timeout(Duration::from_secs(60)).build();
        let mut house = Self {
            bot: None,
            sandbox: sandbox(0, 0).await.expect("the sandbox starts"),
            kind,
            folder: tempfile::tempdir().expect("a folder"),
            settings: Vec::new(),
            database,
            store: None,
            port: 0,
            client: client.expect("a client"),
        };
        house.set("TELEGRAM_BOT_TOKEN", TOKEN);
        house.set("OPENAI_API_KEY", KEY);
        house.set("BRIGADE_HTTP__HOST", "127.0.0.1");
        // A model that fails here fails for good; how it is asked again is tested in paused time.
        house.set("BRIGADE_LLM__TURN_DEADLINE_MS", "0");
        // This Telegram has no limits; how the limits are kept is tested in paused time.
        for key in ["PRIVATE", "GROUP", "PREVIEW", "DELETE", "OVERALL"] {
            house.set(&format!("BRIGADE_PACING__{key}_EVERY_MS"), "0");
        }
        let (telegram, model) = (house.sandbox.telegram_url.clone(), house.sandbox.model_url.clone());
        house.set("TELEGRAM_API_URL", telegram);
        house.set("OPENAI_BASE_URL", model);
        if let Some((uri, name)) = house.database.clone() {
            house.set("MONGODB_URI", uri);
            house.set("MONGODB_DATABASE", name);
        }
        Some(house)
    }

    /// A house in which the bot runs.
    pub async fn open(kind: Kind) -> Option<Self> {
        let mut house = Self::build(kind).await?;
        house.start().await;
        Some(house)
    }

    /// Sets a variable of the environment for the next start.
    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        self.settings.retain(|(set, _)| set != name);
        self.settings.push((name.to_owned(), value.into()));
    }

    /// The variables for the next start.
    pub fn settings(&self) -> &[(String, String)] {
        &self.settings
    }

    /// Starts the binary and waits until updates may come.
    pub async fn start(&mut self) {
        self.start_with(&[]).await;
    }

    /// The same with further arguments for `serve`.
    pub async fn start_with(&mut self, more: &[&str]) {
        // Another process may take the free port first: then the binary says so and ends.
        for _ in 0..5 {
            self.begin_with(more);
            if self.is_ready().await {
                return self.open_store().await;
            }
            let log = self.bot().log();
            assert!(log.contains(brigade::server::CHOOSE_ANOTHER_PORT), "it ended at start:\n{log}");
        }
        panic!("no port could be had");
    }

    /// Starts the binary without waiting for it.
    pub fn begin_with(&mut self, more: &[&str]) {
        (self.bot, self.store) = (None, None);
        if self.kind == Kind::WebhookSqlite {
            self.port = free_port();
            self.set("PORT", self.port.to_string());
            self.set("TELEGRAM_WEBHOOK_URL", format!("http://127.0.0.1:{}", self.port));
            self.set("TELEGRAM_WEBHOOK_SECRET", WEBHOOK_SECRET);
        }
        let args: Vec<_> = ["serve"].iter().chain(more).copied().collect();
        self.bot = Some(Brigade::start(self.folder.path(), &args, &self.settings));
    }

    /// Waits until updates may come. Returns whether they may; the binary may end before.
    pub async fn is_ready(&mut self) -> bool {
        let words = match self.kind {
            Kind::WebhookSqlite => "telegram sends updates to",
            Kind::PollingMongo => "polling for updates",
        };
        self.bot().logs(words).await
    }

    /// The store as another process sees it. It is closed before the next start, so that the
    /// binary finds what a lone process would.
    pub async fn open_store(&mut self) {
        self.store = Some(match &self.database {
            None => Arc::new(SqliteStore::open(&self.folder.path().join("data")).expect("opens")),
            Some((uri, name)) => Arc::new(MongoStore::connect(uri, name).await.expect("a usable URI")),
        });
    }

    /// The binary.
    pub fn bot(&mut self) -> &mut Brigade {
        self.bot.as_mut().expect("it was started")
    }

    /// Kills the binary in the middle of whatever it does.
    pub fn kill(&mut self) {
        self.store = None;
        self.bot().kill();
    }

    /// Runs a statement in the embedded store's file.
    pub fn damage_store(&mut self, sql: &str) {
        self.store = None;
        let file = self.folder.path().join("data").join(brigade::edge::store::sqlite::FILE);
        let connection = rusqlite::Connection::open(file).expect("the store's file");
        connection.execute_batch(sql).expect("a statement");
    }

    /// Asks the binary to end and waits until it has. Returns its exit code.
    pub async fn terminate(&mut self) -> Option<i32> {
        self.bot().signal("TERM");
        self.bot().ended().await
    }

    /// Ends the binary in order and cleans up.
    pub async fn close(mut self) {
        assert_eq!(self.terminate().await, Some(0), "an orderly end");
        if let Some((uri, name)) = self.database.take() {
            let client = mongodb::Client::with_uri_str(uri).await.expect("a usable URI");
            client.database(&name).drop().await.expect("the test's database is dropped");
        }
    }

    /// The person `user` writes in their private chat.
    pub fn say(&self, user: i64, text: &str) -> TurnId {
        TurnId { bot: BOT, update: self.sandbox.say(chat_of(user), user, text) }
    }

    /// The person `user` asks, and waits for the end of the turn.
    pub async fn ask(&self, user: i64, text: &str) -> StoredTurn {
        let turn = self.say(user, text);
        self.ended(turn).await
    }

    /// A turn on record.
    pub async fn turn(&self, turn: TurnId) -> Option<StoredTurn> {
        self.store.as_ref().expect("an open store").turn(turn).await.expect("read")
    }

    /// All turns of a person's private chat.
    pub async fn turns(&self, user: i64) -> Vec<StoredTurn> {
        let filter = Filter { chat: Some(user), ..Filter::default() };
        self.store.as_ref().expect("an open store").turns(filter).await.expect("read")
    }

    /// Waits until a turn is on record, and returns it.
    pub async fn recorded(&self, turn: TurnId) -> StoredTurn {
        until("the record of a turn", async || self.turn(turn).await).await
    }

    /// Waits for the end of a turn, and returns it.
    pub async fn ended(&self, turn: TurnId) -> StoredTurn {
        until("the end of a turn", async || {
            self.turn(turn).await.filter(|turn| matches!(turn.state, State::Delivered | State::Failed))
        })
        .await
    }

    /// How many updates Telegram still has for the bot.
    pub fn pending(&self) -> usize {
        self.sandbox.world().with(|world, _| world.pending_count(BOT))
    }

    /// What happened in a person's private chat.
    pub fn journal(&self, user: i64) -> Vec<ChatEvent> {
        self.sandbox.world().journal().into_iter().filter(|event| event.chat == user).collect()
    }

    /// All that the bot sent to a person, in order.
    pub fn shown(&self, user: i64) -> Vec<String> {
        let text = |event: ChatEvent| match event.what {
            What::Shown { text, .. } => Some(text),
            _ => None,
        };
        self.journal(user).into_iter().filter_map(text).collect()
    }

    /// What the bot sent to a person but "✓" and "Thinking...", in order.
    pub fn told(&self, user: i64) -> Vec<String> {
        let mut shown = self.shown(user);
        shown.retain(|text| text != CHECK_MARK && !text.starts_with(THINKING));
        shown
    }

    /// The texts that stand in a person's private chat now.
    pub fn view(&self, user: i64) -> Vec<String> {
        self.sandbox.world().view(BOT, user).into_iter().map(|message| message.text).collect()
    }

    /// Waits until the bot has sent so many texts but "✓" and "Thinking..." to a person.
    pub async fn told_so_many(&self, user: i64, count: usize) {
        until("texts in the chat", async || (self.told(user).len() >= count).then_some(())).await;
    }

    /// Posts a body to the webhook. Returns the status, or the error of the connection.
    pub async fn post(&self, body: impl Into<Body>, secret: Option<&str>) -> reqwest::Result<u16> {
        let mut request = self.client.post(self.url(WEBHOOK_PATH)).body(body);
        if let Some(secret) = secret {
            request = request.header(SECRET_HEADER, secret);
        }
        Ok(request.send().await?.status().as_u16())
    }

    /// Asks the health check. Returns the status, or the error of the connection.
    pub async fn health(&self) -> reqwest::Result<u16> {
        Ok(self.client.get(self.url("/healthz")).send().await?.status().as_u16())
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// Every value in the whole database, as text.
    pub async fn all_values(&self) -> Vec<String> {
        match &self.database {
            None => self.cells(),
            Some((uri, name)) => {
                let client = mongodb::Client::with_uri_str(uri).await.expect("a usable URI");
                documents(&client.database(name)).await
            }
        }
    }

    fn cells(&self) -> Vec<String> {
        let file = self.folder.path().join("data").join(sqlite::FILE);
        let connection = rusqlite::Connection::open(file).expect("opens");
        let mut tables =
            connection.prepare("SELECT name FROM sqlite_master WHERE type = 'table'").expect("reads");
        let tables = tables.query_map([], |row| row.get::<_, String>(0)).expect("reads");
        let mut cells = Vec::new();
        for table in tables {
            let mut rows =
                connection.prepare(&format!("SELECT * FROM \"{}\"", table.expect("a name"))).expect("reads");
            let columns = rows.column_count();
            let mut rows = rows.query([]).expect("reads");
            while let Some(row) = rows.next().expect("reads") {
                cells.extend((0..columns).map(|at| cell(row.get_ref(at).expect("a value"))));
            }
        }
        cells
    }
}

fn cell(value: rusqlite::types::ValueRef<'_>) -> String {
    use rusqlite::types::ValueRef::{Blob, Text};
    match value {
        Text(bytes) | Blob(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        other => format!("{other:?}"),
    }
}

async fn documents(database: &mongodb::Database) -> Vec<String> {
    use futures::TryStreamExt;
    let mut all = Vec::new();
    for name in database.list_collection_names().await.expect("read") {
        let collection = database.collection::<mongodb::bson::Document>(&name);
        let found = collection.find(mongodb::bson::doc! {}).await.expect("read");
        let found: Vec<_> = found.try_collect().await.expect("read");
        all.extend(found.iter().map(ToString::to_string));
    }
    all
}
