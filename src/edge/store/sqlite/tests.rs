//! What only the inside can show: broken disks, foreign files and damaged rows.

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::domain::record::{Kind, User};

fn new_turn(update: i64, text: &str) -> NewTurn {
    NewTurn {
        id: TurnId { bot: 7, update },
        key: ChatKey { bot: 7, chat: 42, topic: None },
        user: User { id: 5, ..User::default() },
        message_id: update,
        date_s: 0,
        kind: Kind::Text,
        text: text.to_owned(),
        accepted_at_ms: 0,
    }
}

fn open() -> (SqliteStore, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    (SqliteStore::open(directory.path()).unwrap(), directory)
}

impl SqliteStore {
    async fn execute(&self, sql: &'static str) {
        let ran = self
            .writer
            .run(Haste::AtOnce, move |connection| connection.execute_batch(sql).map_err(errors::during("x")));
        ran.await.unwrap();
    }
}

/// Holds the writing thread, so that all that is queued until `go` is sent waits as one group.
async fn hold(store: &SqliteStore) -> std::sync::mpsc::Sender<()> {
    let (began, beginning) = tokio::sync::oneshot::channel();
    let (go, gate) = std::sync::mpsc::channel::<()>();
    drop(store.writer.run(Haste::AtOnce, move |_| Ok(began.send(()).is_ok() && gate.recv().is_ok())));
    beginning.await.unwrap();
    go
}

#[tokio::test]
async fn every_commit_is_flushed_to_disk() {
    let (store, _directory) = open();
    let read = |connection: &Connection| {
        let number = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
        let text = |name| connection.pragma_query_value(None, name, |row| row.get::<_, String>(0));
        Ok((number("synchronous").unwrap(), text("journal_mode").unwrap()))
    };
    let full = 2;
    assert_eq!(store.writer.run(Haste::AtOnce, read).await, Ok((full, "wal".to_owned())));
}

#[tokio::test]
async fn a_full_disk_is_away_and_what_was_committed_stays() {
    let (store, _directory) = open();
    assert!(matches!(store.record(new_turn(1, "kept")).await, Ok(Recorded::New(_))));
    store.execute("PRAGMA max_page_count = 1").await;
    let big = "x".repeat(1 << 20);
    let full = futures::future::join_all((2..6).map(|update| store.record(new_turn(update, &big)))).await;
    for answer in full {
        assert!(matches!(&answer, Err(StoreError::Away(text)) if text.contains("full")), "{answer:?}");
    }
    store.execute("PRAGMA max_page_count = 1000000").await;
    assert_eq!(store.turns(Filter::default()).await.unwrap().len(), 1);
    assert!(matches!(store.record(new_turn(2, &big)).await, Ok(Recorded::New(turn)) if turn.seq == 2));
}

#[tokio::test]
async fn a_locked_file_is_away_for_all_that_wait_and_then_takes_calls_again() {
    let (store, directory) = open();
    let brief = |connection: &Connection| {
        connection.busy_timeout(Duration::from_millis(1)).map_err(errors::during("x"))
    };
    store.writer.run(Haste::AtOnce, brief).await.unwrap();
    let other = Connection::open(directory.path().join(FILE)).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let (first, second) = futures::join!(store.record(new_turn(1, "a")), store.ping());
    assert!(matches!(first, Err(StoreError::Away(_))), "{first:?}");
    assert!(matches!(second, Err(StoreError::Away(_))), "{second:?}");
    other.execute_batch("COMMIT").unwrap();
    assert!(matches!(store.record(new_turn(1, "a")).await, Ok(Recorded::New(_))));
}

#[tokio::test]
async fn waiting_writes_share_a_commit() {
    let (store, directory) = open();
    let go = hold(&store).await;
    let mut queued =
        (1..=100).map(|update| store.record(new_turn(update, "a"))).collect::<Vec<_>>().into_iter();
    let other = Connection::open(directory.path().join(FILE)).unwrap();
    let count = || other.query_row("SELECT count(*) FROM turns", [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(count(), 0);
    go.send(()).unwrap();
    // The first to be answered shows that all are there: none was committed alone.
    assert!(matches!(queued.next().unwrap().await, Ok(Recorded::New(_))));
    assert_eq!(count(), 100);
    for (answer, seq) in futures::future::join_all(queued).await.into_iter().zip(2..) {
        assert!(matches!(answer, Ok(Recorded::New(turn)) if turn.seq == seq));
    }
}

#[tokio::test]
async fn a_refused_write_leaves_nothing_and_its_group_stays() {
    let (store, _directory) = open();
    store.record(new_turn(1, "a")).await.unwrap();
    store.record(new_turn(2, "a")).await.unwrap();
    let go = hold(&store).await;
    let before = store.record(new_turn(3, "b"));
    // It has changed a row when it fails over the next: two turns can't have the same place.
    let refused = store.writer.run(Haste::AtOnce, |connection| {
        connection.execute("UPDATE turns SET seq = 9", []).map_err(errors::during("x"))
    });
    let after = store.record(new_turn(4, "b"));
    go.send(()).unwrap();
    assert!(matches!(before.await, Ok(Recorded::New(turn)) if turn.seq == 3));
    assert!(matches!(refused.await, Err(StoreError::Refused(_))));
    assert!(matches!(after.await, Ok(Recorded::New(turn)) if turn.seq == 4));
    let places: Vec<_> = store.turns(Filter::default()).await.unwrap().iter().map(|turn| turn.seq).collect();
    assert_eq!(places, [1, 2, 3, 4]);
}

#[tokio::test]
async fn a_failed_commit_is_away_for_all_that_waited_for_it() {
    let (store, _directory) = open();
    // A deferred foreign key is checked by the commit and not before.
    let orphan = "CREATE TABLE child (of TEXT REFERENCES turns (_id) DEFERRABLE INITIALLY DEFERRED);
                  INSERT INTO child VALUES ('nobody')";
    let go = hold(&store).await;
    let before = store.record(new_turn(1, "a"));
    let spoils = store
        .writer
        .run(Haste::AtOnce, move |connection| connection.execute_batch(orphan).map_err(errors::during("x")));
    let after = store.record(new_turn(2, "b"));
    go.send(()).unwrap();
    let (before, spoils, after) = futures::join!(before, spoils, after);
    for answer in [before.map(drop), spoils, after.map(drop)] {
        assert!(matches!(&answer, Err(StoreError::Away(text)) if text.contains("commit")), "{answer:?}");
    }
    assert_eq!(store.turns(Filter::default()).await, Ok(vec![]));
    assert!(matches!(store.record(new_turn(1, "a")).await, Ok(Recorded::New(turn)) if turn.seq == 1));
}

#[tokio::test]
async fn a_damaged_row_is_refused_by_name() {
    let (store, _directory) = open();
    store.record(new_turn(1, "a")).await.unwrap();
    store.execute("UPDATE turns SET messages = 'not json'").await;
    let answer = store.turn(TurnId { bot: 7, update: 1 }).await;
    assert!(
        matches!(&answer, Err(StoreError::Refused(text)) if text.contains("7:1") && text.contains("messages")),
        "{answer:?}"
    );
}

#[tokio::test]
async fn a_damaged_row_keeps_no_other_turn_from_being_taken_up() {
    let (store, _directory) = open();
    for update in [1, 2, 3] {
        store.record(new_turn(update, "a")).await.unwrap();
    }
    store.execute("UPDATE turns SET kind = 'of a newer version' WHERE seq = 2").await;
    let owed: Vec<_> = store.unfinished(7).await.unwrap().iter().map(|turn| turn.seq).collect();
    assert_eq!(owed, [1, 3]);
}

#[tokio::test]
async fn dropping_the_last_handle_finishes_what_is_queued() {
    let (store, directory) = open();
    let queued: Vec<_> = (1..=20).map(|update| store.record(new_turn(update, "a"))).collect();
    drop(store);
    for answer in futures::future::join_all(queued).await {
        assert!(matches!(answer, Ok(Recorded::New(_))), "{answer:?}");
    }
    let again = SqliteStore::open(directory.path()).unwrap();
    assert_eq!(again.turns(Filter::default()).await.unwrap().len(), 20);
}

#[tokio::test]
async fn a_dead_thread_is_away() {
    let (store, _directory) = open();
    let died = store.writer.run::<()>(Haste::AtOnce, |_| panic!("on purpose")).await;
    assert_eq!(died, Err(errors::thread_ended()));
    assert_eq!(store.ping().await, Err(errors::thread_ended()));
}

#[tokio::test]
async fn reads_go_on_while_a_write_waits() {
    let (store, _directory) = open();
    let (go, gate) = std::sync::mpsc::channel::<()>();
    let held = store.writer.run(Haste::AtOnce, move |_| Ok(gate.recv().is_ok()));
    assert_eq!(store.turns(Filter::default()).await, Ok(vec![]));
    go.send(()).unwrap();
    assert_eq!(held.await, Ok(true));
}

#[test]
fn a_directory_that_cannot_be_made_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("a-file");
    std::fs::write(&file, "").unwrap();
    let error = SqliteStore::open(&file.join("below")).err().unwrap();
    assert!(matches!(&error, StoreError::Away(text) if text.contains("below")), "{error}");
}

#[test]
fn a_file_that_is_no_database_is_refused_by_name() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join(FILE), "no database at all ".repeat(100)).unwrap();
    let error = SqliteStore::open(directory.path()).err().unwrap();
    assert!(matches!(&error, StoreError::Refused(text) if text.contains(FILE)), "{error}");
}

#[test]
fn a_file_of_a_newer_version_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let newer = Connection::open(directory.path().join(FILE)).unwrap();
    newer.pragma_update(None, "user_version", 99).unwrap();
    let error = SqliteStore::open(directory.path()).err().unwrap();
    assert!(matches!(&error, StoreError::Refused(text) if text.contains("version 99")), "{error}");
}

#[test]
fn two_who_open_a_new_file_at_once_both_may() {
    let directory = Arc::new(tempfile::tempdir().unwrap());
    let open = |directory: Arc<tempfile::TempDir>| {
        std::thread::spawn(move || SqliteStore::open(directory.path()).map(|_| ()))
    };
    let threads: Vec<_> = (0..4).map(|_| open(directory.clone())).collect();
    for thread in threads {
        assert_eq!(thread.join().unwrap(), Ok(()));
    }
}

#[tokio::test]
async fn the_questions_asked_often_are_answered_from_an_index() {
    let (store, _directory) = open();
    let plan = |sql: &'static str| {
        let read = move |connection: &Connection| {
            let text: Result<String, _> =
                connection.query_row(&format!("EXPLAIN QUERY PLAN {sql}"), [], |row| row.get("detail"));
            text.map_err(errors::during("explain"))
        };
        store.reader.run(read)
    };
    let owed = "SELECT * FROM turns WHERE bot = 1 AND state IN ('accepted', 'answered') ORDER BY chat, seq";
    assert!(plan(owed).await.unwrap().contains("turns_unfinished"));
    let last = "SELECT seq FROM turns WHERE bot = 1 AND chat = 1 AND ifnull(topic, 0) = 0 ORDER BY seq DESC";
    assert!(plan(last).await.unwrap().contains("turns_place"));
    assert!(plan("SELECT * FROM turns WHERE user_id = 1").await.unwrap().contains("turns_user"));
}
