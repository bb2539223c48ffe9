//! One message from one actor to another.

use brigade::domain::ids::TurnId;
use brigade::flow::FlowLayer;
use brigade::messages::DeltaArrived;
use brigade::port::{Port, Station};
use brigade::testing::probe;
use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use tokio::task::LocalSet;
use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;

/// Messages of one run.
const MESSAGES: usize = 1_000;

/// Tells a neighbour, and has it take the messages.
fn tell(bencher: Bencher, subscriber: impl Subscriber + Send + Sync) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let (runtime, actors) = (runtime.expect("a runtime can be made"), LocalSet::new());
    let (from, to) = (Station::shared("conversation"), Station::shared("chunker"));
    let turn = TurnId { bot: 1, update: 1 };
    tracing::subscriber::with_default(subscriber, || {
        let port =
            actors.block_on(&runtime, async { Port::<DeltaArrived>::new(from, to, probe().recipient()) });
        bencher.counter(ItemsCount::new(MESSAGES)).bench_local(|| {
            actors.block_on(&runtime, async {
                for _ in 0..MESSAGES {
                    let text = String::from("word ");
                    black_box(&port).tell(DeltaArrived { turn, text }).expect("the probe is there");
                    tokio::task::yield_now().await;
                }
            });
        });
    });
}

/// As in production: the log takes nothing below `info`, and nobody listens to the flow.
#[divan::bench]
fn nobody_listens(bencher: Bencher) {
    tell(bencher, tracing_subscriber::registry().with(FlowLayer::new(drop)).with(LevelFilter::INFO));
}

/// Every message has its line.
#[divan::bench]
fn with_a_listener(bencher: Bencher) {
    let take = |line| {
        black_box(line);
    };
    tell(bencher, tracing_subscriber::registry().with(FlowLayer::new(take)).with(LevelFilter::DEBUG));
}
