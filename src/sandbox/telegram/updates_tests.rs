//! The queue of updates: offsets, chats, retries.

use serde_json::{Value, json};

use super::*;

fn said(chat: i64) -> Value {
    json!({"chat": {"id": chat}, "text": "hi"})
}

fn with_webhook(max_connections: usize) -> Updates {
    let mut updates = Updates::default();
    updates.set_webhook(Some(Webhook {
        url: "http://127.0.0.1/".into(),
        secret_token: None,
        max_connections,
        ip_address: None,
        has_custom_certificate: false,
    }));
    updates
}

fn ids(deliveries: &[Delivery]) -> Vec<i64> {
    deliveries.iter().map(|delivery| delivery.update_id).collect()
}

#[test]
fn an_offset_confirms_and_a_negative_one_counts_from_the_end() {
    let mut updates = Updates::default();
    let pushed: Vec<_> = (0..4).map(|n| updates.push(0, "message", said(n))).collect();
    assert_eq!(updates.poll(0, 0, 2).len(), 2);
    assert_eq!(updates.poll(0, pushed[1], 100).len(), 3);
    let last = updates.poll(0, -1, 100);
    assert_eq!(last[0]["update_id"], json!(pushed[3]));
    assert_eq!(updates.pending_count(), 1);
}

#[test]
fn the_next_update_of_a_chat_waits_for_the_one_before() {
    let mut updates = with_webhook(40);
    let first = updates.push(0, "message", said(1));
    let second = updates.push(0, "message", said(1));
    let other = updates.push(0, "message", said(2));
    let taken = updates.take_deliveries(0, 7);
    assert_eq!(ids(&taken), [first, other]);
    assert_eq!(updates.take_deliveries(0, 7), []);
    updates.acknowledged(taken[0].epoch, first, None);
    assert_eq!(ids(&updates.take_deliveries(0, 7)), [second]);
}

#[test]
fn no_more_than_max_connections_are_under_way() {
    let mut updates = with_webhook(2);
    for chat in 0..5 {
        updates.push(0, "message", said(chat));
    }
    assert_eq!(updates.take_deliveries(0, 7).len(), 2);
    assert_eq!(updates.take_deliveries(0, 7).len(), 0);
}

#[test]
fn a_failure_waits_twice_as_long_each_time_and_honours_retry_after() {
    let mut updates = with_webhook(1);
    updates.push(0, "message", said(1));
    let mut now = 0;
    for (wait, asked) in [(1_000, None), (2_000, None), (7_000, Some(7_000)), (8_000, None)] {
        let taken = updates.take_deliveries(now, 7);
        let failure = Failure { message: "no".into(), retry_after_ms: asked };
        updates.failed(now, &taken[0], failure, Retry::default());
        assert_eq!(updates.next_retry_ms(), Some(now + wait));
        assert_eq!(updates.take_deliveries(now + wait - 1, 7), []);
        now += wait;
    }
    assert_eq!(Retry::default().after_ms(40), 60_000);
    assert_eq!(Retry::default().after_ms(90), 60_000);
}

#[test]
fn a_new_webhook_gets_what_was_under_way_to_the_old_one() {
    let mut updates = with_webhook(1);
    let id = updates.push(0, "message", said(1));
    let old = updates.take_deliveries(0, 7);
    updates.set_webhook(updates.webhook().cloned());
    updates.acknowledged(old[0].epoch, id, None);
    assert_eq!(ids(&updates.take_deliveries(0, 7)), [id]);
}

#[test]
fn updates_are_dropped_after_a_day_and_kinds_not_allowed_never_come() {
    let mut updates = Updates::default();
    updates.push(0, "message", said(1));
    updates.push(0, "chat_member", said(1));
    assert_eq!(updates.poll(KEPT_MS - 1, 0, 100).len(), 1);
    assert_eq!(updates.poll(KEPT_MS, 0, 100).len(), 0);
    updates.allow(vec!["edited_message".into()]);
    updates.push(KEPT_MS, "message", said(1));
    assert_eq!(updates.pending_count(), 0);
}

#[test]
fn an_update_that_was_taken_may_come_once_more_before_the_next_of_its_chat() {
    let mut updates = with_webhook(1);
    let first = updates.push(0, "message", said(1));
    let second = updates.push(0, "message", said(1));
    let epoch = updates.take_deliveries(0, 7)[0].epoch;
    updates.acknowledged(epoch, first, Some(500));
    assert_eq!(updates.take_deliveries(499, 7), []);
    assert_eq!(ids(&updates.take_deliveries(500, 7)), [first]);
    updates.acknowledged(epoch, first, Some(900));
    assert_eq!(ids(&updates.take_deliveries(501, 7)), [second]);
    assert_eq!(updates.last_error(), None);
}

#[test]
fn a_second_copy_comes_again_once_the_first_is_acknowledged() {
    let mut updates = Updates::default();
    let copy = json!({"update_id": 9, "message": said(1)});
    assert_eq!(updates.push_raw(0, copy.clone()), 9);
    updates.push_raw(0, copy.clone());
    assert_eq!(updates.poll(0, 0, 100).len(), 1);
    assert_eq!(updates.poll(0, 10, 100).len(), 0);
    updates.push_raw(0, copy);
    assert_eq!(updates.poll(0, 0, 100).len(), 1);
}
