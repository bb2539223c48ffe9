//! From a connection string to a client.

use std::time::Duration;

use mongodb::error::{Error, ErrorKind};
use mongodb::options::{
    Acknowledgment, ClientOptions, CollectionOptions, ReadPreference, SelectionCriteria, WriteConcern,
};
use mongodb::{Client, Database};

use super::{StoreError, Turns};

/// How long to look for a primary, unless the URI says otherwise.
const FIND_SERVER: Duration = Duration::from_secs(5);
/// How long a write may take to reach a majority, unless the URI says otherwise.
const REACH_MAJORITY: Duration = Duration::from_secs(10);

/// Where the store is, and how to speak with it.
#[derive(Clone)]
pub(super) struct Target {
    uri: String,
    options: ClientOptions,
    database: String,
}

/// Reads the connection string.
pub(super) async fn target(uri: &str, database: &str) -> Result<Target, StoreError> {
    check_name(database)?;
    let mut options = ClientOptions::parse(uri).await.map_err(|error| unusable(uri, &error))?;
    options.app_name.get_or_insert_with(|| "brigade".to_owned());
    options.server_selection_timeout.get_or_insert(FIND_SERVER);
    let wait = options.write_concern.as_ref().and_then(|concern| concern.w_timeout).unwrap_or(REACH_MAJORITY);
    let durable = WriteConcern::builder().w(Acknowledgment::Majority).journal(true).w_timeout(wait).build();
    options.write_concern = Some(durable);
    options.selection_criteria = Some(SelectionCriteria::ReadPreference(ReadPreference::Primary));
    Ok(Target { uri: uri.to_owned(), options, database: database.to_owned() })
}

impl Target {
    /// Makes a client and the two handles that the store uses.
    pub(super) fn connect(&self) -> Result<(Database, Turns), StoreError> {
        let (concern, criteria) =
            (self.options.write_concern.clone(), self.options.selection_criteria.clone());
        let client =
            Client::with_options(self.options.clone()).map_err(|error| unusable(&self.uri, &error))?;
        let database = client.database(&self.database);
        let turns = CollectionOptions::builder().write_concern(concern).selection_criteria(criteria).build();
        let turns = database.collection_with_options("turns", turns);
        Ok((database, turns))
    }
}

fn check_name(database: &str) -> Result<(), StoreError> {
    if database.is_empty() || database.len() > 63 || database.contains(['/', '\\', '.', ' ', '"', '$', '\0'])
    {
        return Err(StoreError::Refused(format!(
            "'{database}' is no name of a MongoDB database; use 1 to 63 letters, digits, '-' and '_'"
        )));
    }
    Ok(())
}

/// Says that a URI can't be used, in the driver's words only where they can't quote a secret: it
/// names the piece it stumbled on, and in a URI with an unescaped '@' or '/' that is of the password.
fn unusable(uri: &str, error: &Error) -> StoreError {
    let lower = uri.to_lowercase();
    let secret = ["@", "password", "token"].iter().any(|mark| lower.contains(mark));
    let said = if secret { String::new() } else { format!(" ({})", error.kind) };
    if let ErrorKind::DnsResolve { .. } = error.kind.as_ref() {
        return StoreError::Away(format!(
            "the hosts of the MongoDB URI can't be looked up{said}; check its name and the DNS"
        ));
    }
    StoreError::Refused(format!(
        "the MongoDB URI can't be used{said}; expected 'mongodb://user:password@host:27017/?options' with special \
         characters in user and password percent-encoded"
    ))
}

#[cfg(test)]
mod tests {
    use super::super::MongoStore;
    use super::*;
    use crate::edge::store::Store;

    #[tokio::test]
    async fn a_password_is_in_no_error_about_the_uri() {
        let uris = [
            "mongodb://cook:hunter2@",
            "mongodb://cook:hunter2@host:hunter2/",
            "mongodb://cook:x@hunter2/y@host/",
            "mongodb://cook:x/hunter2@host",
            "mongodb://cook:x:hunter2@host",
            "mongodb://cook:%hunter2@host",
            "mongodb://cook:hunter2@host/?authMechanism=hunter2",
            "mongodb://host/?tls=true&tlsCertificateKeyFilePassword=hunter2",
            "mongodb://host/?authMechanismProperties=AWS_SESSION_TOKEN:hunter2&w=-1",
            "cook:hunter2@host",
        ];
        for uri in uris {
            let error =
                MongoStore::connect(uri, "brigade").await.err().unwrap_or_else(|| panic!("{uri} is taken"));
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{uri}: {error}");
        }
    }

    #[tokio::test]
    async fn a_uri_without_secrets_is_refused_in_the_drivers_words() {
        let error = MongoStore::connect("mongodb://host:99999", "brigade").await.err().unwrap();
        assert!(matches!(&error, StoreError::Refused(text) if text.contains("99999")), "{error}");
    }

    #[tokio::test]
    async fn a_server_that_is_not_there_is_away_and_keeps_the_password() {
        // The listener is gone at the end of the line: connections are refused.
        let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let uri = format!("mongodb://cook:hunter2@127.0.0.1:{closed}/?serverSelectionTimeoutMS=50");
        let store = MongoStore::connect(&uri, "brigade").await.unwrap();
        for answer in [store.prepare().await, store.ping().await] {
            let error = answer.unwrap_err();
            assert!(matches!(error, StoreError::Away(_)), "{error}");
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
        }
    }

    #[tokio::test]
    async fn a_bad_database_name_is_refused() {
        for name in ["", "a.b", "a b", "a/b", &"x".repeat(64)] {
            let error = MongoStore::connect("mongodb://127.0.0.1", name).await.err().unwrap();
            assert!(matches!(&error, StoreError::Refused(_)), "{name}: {error}");
        }
    }
}
