use std::time::Duration;

use actix::{Actor, Addr, AsyncContext, Context};
use tokio::sync::oneshot;

use super::super::{Ingress, IngressPorts, IngressSettings, Shard, ToConversation};
use crate::domain::ids::{ChatKey, TurnId};
use crate::domain::record::StoredTurn;
use crate::domain::time::Clock;
use crate::edge::store::Recorded;
use crate::messages::{Drain, Lost, StationLost, UnfinishedLoaded, UpdateRecorded};
use crate::port::{Port, Station};
use crate::testing::{Probe, in_paused_time, turn};

fn key(chat: i64) -> ChatKey {
    ChatKey { bot: 77, chat, topic: None }
}

fn said(chat: i64, seq: i64) -> StoredTurn {
    StoredTurn { id: TurnId { bot: 77, update: chat * 10 + seq }, ..turn(key(chat), seq, "Hello") }
}

/// Its conversations are these, in the order in which it opens them; the last one stands for all that follow.
fn ingress(conversations: Vec<Addr<Probe>>) -> Ingress {
    let [me, persistence] = ["ingress", "persistence"].map(Station::shared);
    let all = Probe.start();
    let mut crew = 0;
    let ports = IngressPorts {
        record_update: Port::new(me, persistence, all.clone().recipient()),
        update_recorded: Port::new(persistence, me, all.clone().recipient()),
        load_unfinished: Port::new(me, persistence, all.clone().recipient()),
        unfinished_loaded: Port::new(persistence, me, all.recipient()),
        recovered: None,
        open: Box::new(move |key| {
            crew += 1;
            let conversation = &conversations[conversations.len().min(crew) - 1];
            let at = Station::of("conversation", key);
            ToConversation {
                crew: crew as u64,
                user_said: Port::new(me, at, conversation.clone().recipient()),
                abandon_turn: Port::new(me, at, conversation.clone().recipient()),
            }
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

fn recorded(turn: &StoredTurn) -> UpdateRecorded {
    UpdateRecorded { turn: turn.id, result: Ok(Recorded::New(Box::new(turn.clone()))) }
}

#[test]
fn what_is_recorded_while_the_server_stops_does_not_overtake_what_is_owed() {
    let recorded = in_paused_time(async {
        let ingress = ingress(vec![Probe.start()]).start();
        let owed = (1..=21).map(|chat| said(chat, 1)).collect();
        ingress.send(UnfinishedLoaded { lost: None, turns: owed }).await.unwrap();
        let (empty, _emptied) = oneshot::channel();
        ingress.send(Drain { empty }).await.unwrap();
        for turn in [said(21, 2), said(22, 1)] {
            ingress.send(recorded(&turn)).await.unwrap();
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    });
    let begun: Vec<_> = recorded.flow.iter().map(ToString::to_string).collect();
    let begun_in = |chat: i64| begun.iter().any(|line| line.contains(&format!("-> conversation {chat} ")));
    assert!((1..=20).all(begun_in), "{begun:#?}");
    assert!(!begun_in(21), "turn 1 of this chat is left for the next start, and turn 2 behind it");
    assert!(begun_in(22));
}

/// When the second turn of a conversation is recorded, whose stations panic over the first.
#[derive(Clone, Copy, PartialEq)]
enum Second {
    BeforeThePanicIsKnown,
    BeforeTheFirstIsGivenUp,
}

fn what_a_lost_conversation_is_told(second: Second) -> Vec<String> {
    let recorded = in_paused_time(async move {
        let context = Context::new();
        let lost_conversation = context.address();
        let life = tokio::task::spawn_local(context.into_future(Probe));
        let ingress = ingress(vec![lost_conversation, Probe.start()]).start();
        let turns = [said(42, 1), said(42, 2)];
        let lost = Lost { key: key(42), role: "outbox" };

        ingress.send(recorded(&turns[0])).await.unwrap();
        life.abort();
        assert!(life.await.is_err());
        if second == Second::BeforeThePanicIsKnown {
            ingress.send(recorded(&turns[1])).await.unwrap();
        }
        ingress.send(StationLost { key: lost.key, role: lost.role, crew: 1 }).await.unwrap();
        if second == Second::BeforeTheFirstIsGivenUp {
            ingress.send(recorded(&turns[1])).await.unwrap();
        }
        ingress.send(UnfinishedLoaded { lost: Some(lost), turns: turns.to_vec() }).await.unwrap();
    });
    let told = |line: String| line.split_once("ingress            -> ").map(|(_, told)| told.to_owned());
    recorded.flow.iter().filter_map(|line| told(line.to_string())).skip(1).collect()
}

#[test]
fn a_turn_that_finds_its_conversation_lost_begins_when_those_before_it_are_given_up() {
    assert_eq!(
        what_a_lost_conversation_is_told(Second::BeforeThePanicIsKnown),
        [
            "conversation 42    turn 1: user said 5 characters (text)",
            "conversation 42    turn 2: user said 5 characters (text)",
            "conversation 42    undelivered: the receiver has ended",
            "persistence        load the unfinished turns of 42",
            "conversation 42    abandon turn 77:421: outbox panicked",
            "conversation 42    turn 2: user said 5 characters (text)",
        ]
    );
}

#[test]
fn a_turn_that_comes_while_a_lost_conversation_is_looked_after_is_not_given_up() {
    assert_eq!(
        what_a_lost_conversation_is_told(Second::BeforeTheFirstIsGivenUp),
        [
            "conversation 42    turn 1: user said 5 characters (text)",
            "persistence        load the unfinished turns of 42",
            "conversation 42    abandon turn 77:421: outbox panicked",
            "conversation 42    turn 2: user said 5 characters (text)",
        ]
    );
}
