use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, Addr};
use tokio::time::sleep;

use super::Persistence;
use crate::domain::ids::{ChatKey, TurnId};
use crate::domain::record::{Answer, Kind, Ledger, NewTurn, Part, Timings, User};
use crate::edge::store::Store;
use crate::messages::{SaveAnswer, SaveDelivery};
use crate::port::{Port, Station};
use crate::sandbox::store::MemoryStore;
use crate::testing::{in_paused_time, probe};

const KEY: ChatKey = ChatKey { bot: 77, chat: 42, topic: None };
const TURN: TurnId = TurnId { bot: 77, update: 1 };

fn ledger(parts: usize) -> Ledger {
    let part = |end_bytes| Part {
        message_id: None,
        delivered: false,
        uncertain: false,
        grows: false,
        attempts: 1,
        end_bytes,
    };
    Ledger { delivery: (1..=parts).map(part).collect(), ..Ledger::default() }
}

async fn on_record(store: &MemoryStore, id: TurnId) {
    let new = NewTurn {
        id,
        key: KEY,
        user: User::default(),
        message_id: 1,
        date_s: 0,
        kind: Kind::Text,
        text: "Hello".to_owned(),
        accepted_at_ms: 0,
    };
    store.record(new).await.unwrap();
}

fn persistence(store: &MemoryStore) -> Addr<Persistence> {
    let settled = Port::new(Station::shared("persistence"), Station::shared("ingress"), probe().recipient());
    Persistence::new(Arc::new(store.clone()), settled).start()
}

fn save(parts: usize) -> SaveDelivery {
    SaveDelivery {
        key: KEY,
        turn: TURN,
        ledger: ledger(parts),
        is_answered: true,
        reply_to: None,
        may_be_left_out: false,
    }
}

fn answer() -> SaveAnswer {
    let to = Station::of("conversation", KEY);
    let reply_to = Port::new(Station::shared("persistence"), to, probe().recipient());
    let answer = Answer {
        messages: Vec::new(),
        stopped: false,
        ledger: ledger(0),
        usage: None,
        timings: Timings::default(),
    };
    SaveAnswer { key: KEY, turn: TURN, answer, reply_to }
}

/// An Outbox waits for the attempt of the last of so many parts.
fn attempt(parts: usize) -> SaveDelivery {
    let to = Station::of("outbox", KEY);
    let reply_to = Port::new(Station::shared("persistence"), to, probe().recipient());
    SaveDelivery { reply_to: Some(reply_to), may_be_left_out: true, ..save(parts) }
}

/// The parts on record after a ledger of one part and, so much later, the attempt of a second; and how
/// often the Outbox was answered.
fn parts_on_record(between: Duration) -> (usize, usize) {
    let recorded = in_paused_time(async {
        let store = MemoryStore::default();
        on_record(&store, TURN).await;
        let persistence = persistence(&store);
        persistence.send(save(1)).await.unwrap();
        sleep(between).await;
        persistence.send(attempt(2)).await.unwrap();
        sleep(Duration::from_millis(1)).await;
        store.all()[0].delivery.len()
    });
    let answers = recorded.flow.iter().filter(|line| line.to_string().contains("ledger of turn 77:1 saved"));
    (recorded.result, answers.count())
}

#[test]
fn an_attempt_that_adds_nothing_is_not_written_when_all_before_it_is() {
    assert_eq!(parts_on_record(Duration::from_secs(1)), (1, 1));
}

#[test]
fn an_attempt_takes_with_it_what_waits() {
    assert_eq!(parts_on_record(Duration::ZERO), (2, 1));
}

#[test]
fn notes_do_not_keep_a_part_waiting_for_a_store_that_takes_no_commits() {
    let waited = in_paused_time(async {
        let store = MemoryStore::default();
        let streaming = TurnId { update: 2, ..TURN };
        for id in [TURN, streaming] {
            on_record(&store, id).await;
        }
        let persistence = persistence(&store);
        store.set_away(true);
        persistence.send(answer()).await.unwrap();
        persistence.send(attempt(1)).await.unwrap();
        for _ in 0..10 {
            sleep(Duration::from_millis(500)).await;
            let note = SaveDelivery { turn: streaming, is_answered: false, ..save(1) };
            persistence.send(SaveDelivery { key: ChatKey { chat: 43, ..KEY }, ..note }).await.unwrap();
        }
    });
    let sent = waited.flow.iter().find(|line| line.to_string().contains("ledger of turn 77:1"));
    assert_eq!(sent.map(|line| line.at_ms), Some(3_000));
}
