//! Turns that another process has left.

use std::time::Duration;

use super::{House, in_paused_time, turn};
use crate::config::Config;
use crate::domain::chat::ChatMessage;
use crate::domain::record::{Answer, Kind, Ledger, NewTurn, Part, State, StoredTurn, Timings};
use crate::edge::store::{Haste, Store};
use crate::edge::tools::Toolbox;
use crate::sandbox::model::memory::MemoryModel;
use crate::sandbox::telegram::memory::MemoryTelegram;

/// What the chat shows and what is on record, of a turn whose process died when the answer that the user
/// had stopped was on record, and the turn's end was not.
fn taken_up(messages: Vec<ChatMessage>, delivery: Vec<Part>) -> (usize, StoredTurn) {
    let recorded = in_paused_time(async move {
        let mut house =
            House::new(Config::default(), MemoryTelegram::new(), MemoryModel::new(), Toolbox::default());
        let key = House::key(42, None);
        let StoredTurn { id, user, message_id, date_s, timings, .. } = turn(key, 1, "Tell me.");
        let (text, accepted_at_ms) = ("Tell me.".to_owned(), timings.accepted_at_ms);
        let new = NewTurn { id, key, user, message_id, date_s, kind: Kind::Text, text, accepted_at_ms };
        house.store.record(new).await.unwrap();
        let timings = Timings { accepted_at_ms, ..Timings::default() };
        let ledger = Ledger { delivery, ..Ledger::default() };
        let answer = Answer { messages, stopped: true, ledger, usage: None, timings };
        house.store.save_answer(id, answer, Haste::AtOnce).await.unwrap();
        house.start().await;
        house.settled(Duration::from_secs(60)).await;
        (house.telegram.view(key).len(), house.store.all().remove(0))
    });
    recorded.result
}

#[test]
fn an_answer_that_was_stopped_before_its_first_word_stays_without_one_after_a_kill() {
    let question = ChatMessage::user("Tell me.");
    let (shown, stored) = taken_up(vec![question.clone()], Vec::new());
    assert_eq!((shown, stored.state, stored.stopped), (0, State::Delivered, true));
    assert_eq!(stored.messages, [question]);
}

#[test]
fn an_answer_that_was_stopped_in_the_middle_stays_as_it_was_shown_after_a_kill() {
    let messages = vec![ChatMessage::user("Tell me."), ChatMessage::assistant("Once upon")];
    let part = |end_bytes, message_id: Option<i64>| Part {
        message_id,
        delivered: message_id.is_some(),
        uncertain: message_id.is_none(),
        grows: false,
        attempts: 1,
        end_bytes,
    };
    let delivery = vec![part(9, Some(5)), part(20, None)];
    let (shown, stored) = taken_up(messages.clone(), delivery.clone());
    assert_eq!((shown, stored.state, stored.messages), (0, State::Delivered, messages));
    assert_eq!(stored.delivery, delivery);
}
