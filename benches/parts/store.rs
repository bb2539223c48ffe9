//! Recording turns durably, and beside it what the disk can do.

use std::fs::File;
use std::io::Write;
use std::sync::atomic::{AtomicI64, Ordering};

use brigade::domain::ids::{ChatKey, TurnId};
use brigade::domain::record::{Kind, NewTurn, User};
use brigade::edge::store::Store;
use brigade::edge::store::sqlite::SqliteStore;
use divan::Bencher;
use divan::counter::ItemsCount;
use futures::executor::block_on;
use futures::future::try_join_all;

/// A folder beside the build, on the disk that is to be measured: `/tmp` is often none.
fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder can be made in target/")
}

fn new_turn(update: i64) -> NewTurn {
    NewTurn {
        id: TurnId { bot: 1, update },
        key: ChatKey { bot: 1, chat: update % 1_000, topic: None },
        user: User { id: update % 1_000, first_name: Some("Ann".to_owned()), ..User::default() },
        message_id: update,
        date_s: 1_700_000_000,
        kind: Kind::Text,
        text: "What's for dinner? There is rice and half a cabbage.".to_owned(),
        accepted_at_ms: 1_700_000_000_000,
    }
}

/// Each writer waits until its turn is on the disk.
#[divan::bench(args = [1, 8, 64, 256], sample_count = 200, sample_size = 1)]
fn record(bencher: Bencher, writers: usize) {
    let folder = folder();
    let store = SqliteStore::open(folder.path()).expect("the store opens");
    let next = AtomicI64::new(1);
    bencher.counter(ItemsCount::new(writers)).bench(|| {
        let turns = (0..writers).map(|_| new_turn(next.fetch_add(1, Ordering::Relaxed)));
        block_on(try_join_all(turns.map(|turn| store.record(turn)))).expect("they are recorded");
    });
}

/// The disk's own flush rate: 4 kB appended and flushed, as each commit must.
#[divan::bench(sample_count = 200, sample_size = 1)]
fn flush_of_the_disk(bencher: Bencher) {
    let folder = folder();
    let mut file = File::create(folder.path().join("flushed")).expect("a file can be made");
    bencher.counter(ItemsCount::new(1usize)).bench_local(|| {
        file.write_all(&[7; 4096]).and_then(|()| file.sync_data()).expect("the disk takes it");
    });
}
