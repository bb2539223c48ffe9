//! What every store promises, asked of both: the embedded one and MongoDB.

#[path = "support/store_contract.rs"]
mod contract;
#[path = "support/mongo.rs"]
mod mongo;

use std::sync::Arc;
use std::time::Duration;

use brigade::edge::store::mongo::MongoStore;
use brigade::edge::store::owner::Owner;
use brigade::edge::store::sqlite::SqliteStore;
use brigade::edge::store::{Recorded, Store, StoreError};
use tempfile::TempDir;

/// A fresh store of one kind, and the means to open it again.
pub enum Stage {
    /// The embedded store, in a directory of its own.
    Sqlite(TempDir),
    /// A database of its own.
    Mongo {
        /// Where the server is.
        uri: String,
        /// The name of the database.
        database: String,
    },
}

impl Stage {
    /// Opens the store. Each call is a process of its own, as far as the store can tell.
    pub async fn open(&self) -> Arc<dyn Store> {
        match self {
            Self::Sqlite(directory) => Arc::new(SqliteStore::open(directory.path()).expect("opens")),
            Self::Mongo { uri, database } => {
                Arc::new(MongoStore::connect(uri, database).await.expect("a usable URI"))
            }
        }
    }
}

async fn on_sqlite<F: Future<Output = ()>>(promise: impl FnOnce(Stage) -> F) {
    promise(Stage::Sqlite(tempfile::tempdir().expect("a directory"))).await;
}

async fn on_mongo<F: Future<Output = ()>>(promise: impl FnOnce(Stage) -> F) {
    let Some(uri) = mongo::shared().await else { return };
    let database = format!("brigade_test_{}", uuid::Uuid::new_v4().simple());
    promise(Stage::Mongo { uri: uri.to_owned(), database: database.clone() }).await;
    let client = mongodb::Client::with_uri_str(uri).await.expect("a usable URI");
    client.database(&database).drop().await.expect("the test's database is dropped");
}

macro_rules! promises {
    ($($promise:ident)*) => {
        mod sqlite {
            $(#[tokio::test] async fn $promise() { super::on_sqlite(super::contract::$promise).await; })*
        }
        mod mongodb_ {
            $(#[tokio::test] async fn $promise() { super::on_mongo(super::contract::$promise).await; })*
        }
    };
}

promises! {
    turns_count_from_one_in_each_conversation
    a_turn_recorded_twice_is_a_duplicate_and_stays_as_it_was
    fifty_copies_at_once_make_one_turn
    fifty_turns_at_once_get_places_without_gaps
    two_processes_share_the_places_of_a_chat
    topics_and_bots_are_conversations_of_their_own
    a_session_lasts_until_restart
    an_outcome_leaves_the_answer_alone
    a_failed_turn_keeps_its_question
    saving_again_changes_nothing
    an_unknown_turn_is_refused
    a_ledger_is_kept_until_the_turn_has_ended
    a_ledger_is_there_for_the_next_process
    messages_so_far_change_nothing_else
    panics_are_counted_in_the_turns_that_are_named
    one_process_serves_a_bot
    one_refused_write_does_not_spoil_the_others
    history_is_the_last_of_a_session_oldest_first
    unfinished_turns_come_in_order
    sessions_come_latest_first_and_match
    turns_come_by_conversation_and_match
    any_text_comes_back_as_it_went
    what_is_stored_is_there_after_reopening
    an_empty_store_has_nothing_and_takes_calls
}

#[tokio::test]
async fn a_mongodb_that_goes_is_away() {
    let server = match mongo::Server::start().await {
        Ok(server) => server,
        Err(reason) => return mongo::skipped(&reason),
    };
    let uri = format!("{}/?serverSelectionTimeoutMS=300", server.uri());
    let store = MongoStore::connect(&uri, "brigade").await.expect("a usable URI");
    assert_eq!(store.prepare().await, Ok(()));
    assert!(store.record(contract::said(1, "a")).await.is_ok());
    drop(server);
    let answer = store.record(contract::said(2, "b")).await;
    assert!(matches!(answer, Err(StoreError::Away(_))), "{answer:?}");
    assert!(matches!(store.ping().await, Err(StoreError::Away(_))));
}

#[tokio::test]
async fn a_mongodb_document_is_readable_by_people() {
    on_mongo(|stage| async move {
        let Stage::Mongo { uri, database } = &stage else { panic!("not MongoDB") };
        stage.open().await.record(contract::said(1, "hello")).await.expect("recorded");
        let client = mongodb::Client::with_uri_str(uri).await.expect("a usable URI");
        let turns = client.database(database).collection::<mongodb::bson::Document>("turns");
        let turn = turns.find_one(mongodb::bson::doc! { "_id": "7:1" }).await.expect("read").expect("one");
        let session = turn.get_str("session").expect("text");
        assert!(uuid::Uuid::parse_str(session).is_ok(), "{session}");
        assert_eq!(turn.get_str("state").expect("text"), "accepted");
        assert_eq!(turn.get_i64("seq").expect("a number"), 1);
    })
    .await;
}

#[tokio::test]
async fn a_mongodb_document_that_cant_be_read_keeps_no_other_turn_from_being_taken_up() {
    on_mongo(|stage| async move {
        let Stage::Mongo { uri, database } = &stage else { panic!("not MongoDB") };
        let store = stage.open().await;
        for update in 1..=3 {
            store.record(contract::said(update, "a")).await.expect("recorded");
        }
        let client = mongodb::Client::with_uri_str(uri).await.expect("a usable URI");
        let turns = client.database(database).collection::<mongodb::bson::Document>("turns");
        let later = mongodb::bson::doc! { "$set": { "kind": "of a newer version" } };
        turns.update_one(mongodb::bson::doc! { "_id": "7:2" }, later.clone()).await.expect("updated");
        let owed = store.unfinished(7).await.expect("read");
        assert_eq!(owed.iter().map(|turn| turn.id.update).collect::<Vec<_>>(), [1, 3]);
        turns.update_one(mongodb::bson::doc! { "_id": "7:3" }, later).await.expect("updated");
        let next = store.record(contract::said(4, "a")).await;
        assert!(matches!(&next, Ok(Recorded::New(turn)) if turn.seq == 4), "{next:?}");
    })
    .await;
}

#[tokio::test]
async fn who_was_cut_off_from_mongodb_does_not_write_over_its_successor() {
    on_mongo(|stage| async move {
        let (before, after) = (stage.open().await, stage.open().await);
        let another_shard = before.with_own_connections().expect("more connections");
        let (old, new) = (elsewhere(), Owner::this_process());
        assert_eq!(before.claim(7, &old).await, Ok(true));
        another_shard.record(contract::said(1, "a")).await.expect("recorded");
        assert_eq!(after.claim(7, &new).await, Ok(false));
        six_seconds_pass().await;
        assert_eq!(after.claim(7, &new).await, Ok(true), "it has heard nothing for so long");
        let id = contract::said(1, "a").id;
        for shard in [&before, &another_shard] {
            let written = shard.save_messages(id, Vec::new()).await;
            assert!(
                matches!(&written, Err(StoreError::Away(why)) if why.contains("another may")),
                "{written:?}"
            );
            let recorded = shard.record(contract::said(2, "a")).await;
            assert!(matches!(&recorded, Err(StoreError::Away(_))), "{recorded:?}");
        }
        assert_eq!(after.save_messages(id, Vec::new()).await, Ok(()));
        assert_eq!(after.release(7, &new).await, Ok(()));
        assert_eq!(before.claim(7, &old).await, Ok(false), "another has had it meanwhile");
    })
    .await;
}

#[tokio::test]
async fn who_was_cut_off_from_mongodb_and_has_no_successor_goes_on() {
    on_mongo(|stage| async move {
        let (store, owner) = (stage.open().await, elsewhere());
        let another_shard = store.with_own_connections().expect("more connections");
        assert_eq!(store.claim(7, &owner).await, Ok(true));
        six_seconds_pass().await;
        let refused = another_shard.record(contract::said(1, "a")).await;
        assert!(matches!(&refused, Err(StoreError::Away(_))), "{refused:?}");
        assert_eq!(store.claim(7, &owner).await, Ok(true));
        another_shard.record(contract::said(1, "a")).await.expect("recorded");
    })
    .await;
}

/// A process of another machine: nobody here can tell whether it has ended.
fn elsewhere() -> Owner {
    format!("{} 1 elsewhere", uuid::Uuid::new_v4()).parse().expect("an owner")
}

async fn six_seconds_pass() {
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(6)).await;
    tokio::time::resume();
}
