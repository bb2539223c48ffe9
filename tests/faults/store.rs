//! The store as an operator sees it, and its outages.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use brigade::domain::record::StoredTurn;
use brigade::edge::store::mongo::MongoStore;
use brigade::edge::store::sqlite::{self, SqliteStore};
use brigade::edge::store::{Filter, Store, StoreError, Stored};
use rusqlite::Connection;

use super::bot::signal;
use super::mongo::{self, Server};
use super::plan::Kind;
use super::question::BOT;

/// A store that can be made to go away.
pub enum Stage {
    /// The embedded one: an outage is a transaction that somebody else does not end.
    Sqlite { folder: PathBuf, holding: Option<Connection> },
    /// MongoDB: an outage is a server that has stopped in its tracks.
    Mongo { server: Server, store: Arc<dyn Store>, stopped: bool },
}

impl Stage {
    /// One for a run in `folder`; none, said out loud, where it can't be had.
    pub async fn build(kind: Kind, folder: &Path) -> Option<Self> {
        match kind {
            Kind::Sqlite => Some(Self::Sqlite { folder: folder.join("data"), holding: None }),
            Kind::Mongo => match Server::start().await {
                Ok(server) => {
                    let store = MongoStore::connect(&server.uri(), DATABASE).await.expect("a usable URI");
                    Some(Self::Mongo { server, store: Arc::new(store), stopped: false })
                }
                Err(reason) => {
                    mongo::skipped(&reason);
                    None
                }
            },
        }
    }

    /// What the bot is told of it.
    pub fn settings(&self) -> Vec<(String, String)> {
        match self {
            Self::Sqlite { .. } => Vec::new(),
            Self::Mongo { server, .. } => vec![
                ("MONGODB_URI".to_owned(), server.uri()),
                ("MONGODB_DATABASE".to_owned(), DATABASE.to_owned()),
            ],
        }
    }

    /// Whether it can be asked now.
    pub fn can_be_read(&self) -> bool {
        match self {
            // Whoever holds the embedded store keeps nobody from reading it.
            Self::Sqlite { folder, .. } => folder.join(sqlite::FILE).exists(),
            Self::Mongo { stopped, .. } => !stopped,
        }
    }

    fn open(&self) -> Arc<dyn Store> {
        match self {
            Self::Sqlite { folder, .. } => Arc::new(SqliteStore::open(folder).expect("the store opens")),
            Self::Mongo { store, .. } => store.clone(),
        }
    }

    /// Every turn.
    pub async fn turns(&self) -> Vec<StoredTurn> {
        read(|| self.open().turns(Filter::default())).await
    }

    /// The turns that are owed. Nobody may hold the store.
    pub async fn unfinished(&self) -> Vec<StoredTurn> {
        read(|| self.open().unfinished(BOT)).await
    }

    /// How many turns are owed, at little cost; none when it can't be said now.
    pub async fn owed(&self) -> Option<usize> {
        match self {
            Self::Sqlite { folder, .. } => owed_in(&folder.join(sqlite::FILE)).ok(),
            Self::Mongo { .. } => Some(self.unfinished().await.len()),
        }
    }

    /// Takes it away.
    pub fn go_away(&mut self) {
        match self {
            Self::Sqlite { folder, holding } => *holding = hold(&folder.join(sqlite::FILE)).ok(),
            Self::Mongo { server, stopped, .. } => {
                if let Some(process) = server.process() {
                    signal(process, "STOP");
                    *stopped = true;
                }
            }
        }
    }

    /// Brings it back.
    pub fn come_back(&mut self) {
        match self {
            Self::Sqlite { holding, .. } => drop(holding.take()),
            Self::Mongo { server, stopped, .. } => {
                if let Some(process) = server.process().filter(|_| *stopped) {
                    signal(process, "CONT");
                }
                *stopped = false;
            }
        }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.come_back();
    }
}

const DATABASE: &str = "brigade_faults";

fn owed_in(file: &Path) -> rusqlite::Result<usize> {
    let connection = Connection::open_with_flags(file, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    let count = "SELECT count(*) FROM turns WHERE state IN ('accepted', 'answered')";
    let count: i64 = connection.query_row(count, [], |row| row.get(0))?;
    Ok(usize::try_from(count).unwrap_or(0))
}

fn hold(file: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(file)?;
    connection.busy_timeout(Duration::from_secs(2))?;
    connection.execute_batch("BEGIN EXCLUSIVE")?;
    Ok(connection)
}

/// Reads from a store that may just be coming back.
async fn read<T>(call: impl Fn() -> Stored<T>) -> T {
    let mut tries = 0;
    loop {
        match call().await {
            Ok(found) => return found,
            Err(StoreError::Away(_)) if tries < 50 => tries += 1,
            Err(error) => panic!("the store can't be read: {error}"),
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
