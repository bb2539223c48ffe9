//! One turn in memory: all actors and rules, and no network, disk or waiting.

use std::time::Duration;

use brigade::config::Config;
use brigade::edge::tools::Toolbox;
use brigade::sandbox::model::{MemoryModel, Script};
use brigade::sandbox::telegram::MemoryTelegram;
use brigade::testing::House;
use divan::Bencher;
use tokio::task::LocalSet;

use crate::deltas;

/// A paused minute is enough for every turn here.
const PATIENCE: Duration = Duration::from_secs(60);

fn config() -> Config {
    let mut config = Config::default();
    config.llm.first_call = brigade::domain::turn::FirstCall::Stream;
    config.pacing.private_every_ms = 0;
    config.pacing.overall_every_ms = 0;
    config.pacing.delete_every_ms = 0;
    config
}

/// Turns of one chat, each with 319 deltas 42 ms apart.
#[divan::bench(args = [1, 10], sample_count = 20)]
fn turns_in_memory(bencher: Bencher, turns: usize) {
    let runtime = || {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_time().start_paused(true).build().expect("a runtime can be made")
    };
    let deltas = deltas();
    bencher.counter(divan::counter::ItemsCount::new(turns)).with_inputs(runtime).bench_values(|runtime| {
        let _entered = runtime.enter();
        let script = Script::deltas(deltas.clone()).gap_ms(42);
        let model = MemoryModel::choosing(move |_| script.clone());
        LocalSet::new().block_on(&runtime, play(model, turns));
    });
}

async fn play(model: MemoryModel, turns: usize) {
    let mut house = House::new(config(), MemoryTelegram::new(), model, Toolbox::default());
    house.start().await;
    for _ in 0..turns {
        house.deliver(house.telegram.say(House::key(42, None), 7, "What's for dinner?"));
        house.settled(PATIENCE).await;
    }
    assert!(house.stop(PATIENCE).await);
    assert_eq!(house.store.all().len(), turns);
}
