use std::time::Duration;

use actix::Actor;
use tokio::sync::oneshot;

use super::super::{Ingress, IngressPorts, IngressSettings, Shard, ToConversation};
use crate::domain::ids::{ChatKey, TurnId};
use crate::domain::record::StoredTurn;
use crate::domain::time::Clock;
use crate::edge::store::Recorded;
use crate::messages::{Drain, UnfinishedLoaded, UpdateRecorded};
use crate::port::{Port, Station};
use crate::testing::{in_paused_time, probe, turn};

fn key(chat: i64) -> ChatKey {
    ChatKey { bot: 77, chat, topic: None }
}

fn said(chat: i64, seq: i64) -> StoredTurn {
    StoredTurn { id: TurnId { bot: 77, update: chat * 10 + seq }, ..turn(key(chat), seq, "Hello") }
}

fn ingress() -> Ingress {
    let [me, persistence] = ["ingress", "persistence"].map(Station::shared);
    let all = probe();
    let conversation = probe();
    let ports = IngressPorts {
        record_update: Port::new(me, persistence, all.recipient()),
        update_recorded: Port::new(persistence, me, all.recipient()),
        load_unfinished: Port::new(me, persistence, all.recipient()),
        unfinished_loaded: Port::new(persistence, me, all.recipient()),
        recovered: None,
        open: Box::new(move |key| ToConversation {
            crew: 1,
            user_said: Port::new(me, Station::of("conversation", key), conversation.recipient()),
            abandon_turn: Port::new(me, Station::of("conversation", key), conversation.recipient()),
        }),
    };
    let settings = IngressSettings {
        bot: 77,
        bot_username: String::new(),
        max_turns_in_flight: 100,
        max_turns_per_chat: 10,
        idle: Duration::from_secs(60),
        max_idle: 100,
        shard: Shard::default(),
    };
    Ingress::new(ports, settings, Clock::starting_at(0))
}

#[test]
fn what_is_recorded_while_the_server_stops_does_not_overtake_what_is_owed() {
    let recorded = in_paused_time(async {
        let ingress = ingress().start();
        let owed = (1..=21).map(|chat| said(chat, 1)).collect();
        ingress.send(UnfinishedLoaded { lost: None, turns: owed }).await.unwrap();
        let (empty, _emptied) = oneshot::channel();
        ingress.send(Drain { empty }).await.unwrap();
        for turn in [said(21, 2), said(22, 1)] {
            let result = Ok(Recorded::New(Box::new(turn.clone())));
            ingress.send(UpdateRecorded { turn: turn.id, result }).await.unwrap();
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    });
    let begun: Vec<_> = recorded.flow.iter().map(ToString::to_string).collect();
    let begun_in = |chat: i64| begun.iter().any(|line| line.contains(&format!("-> conversation {chat} ")));
    assert!((1..=20).all(begun_in), "{begun:#?}");
    assert!(!begun_in(21), "turn 1 of this chat is left for the next start, and turn 2 behind it");
    assert!(begun_in(22));
}
