//! Any body at the webhook's door: it is an update or it is not, and an update can be recorded and
//! read back as it was.

#![no_main]

use brigade::domain::commands;
use brigade::domain::ids::{ChatKey, TurnId};
use brigade::domain::record::{Kind, NewTurn, StoredTurn, place_after};
use brigade::edge::telegram::update::{Content, Message, Update};
use libfuzzer_sys::fuzz_target;

const BOT: i64 = 77;

fuzz_target!(|body: &[u8]| {
    let Ok(update) = Update::from_json(body) else { return };
    if let Some(turn) = update.message.as_ref().and_then(|message| turn(update.id, message)) {
        let stored = StoredTurn::accepted(turn.clone(), place_after(None, turn.id, turn.kind));
        let json = serde_json::to_vec(&stored).expect("a turn can be written");
        let read: StoredTurn = serde_json::from_slice(&json).expect("a turn that was written can be read");
        assert_eq!(read, stored);
    }
});

/// As Ingress makes it.
fn turn(update: i64, message: &Message) -> Option<NewTurn> {
    let (kind, text) = match &message.content {
        Content::Text(text) => (commands::kind_of(text, "cook_bot")?, text.clone()),
        Content::Other(what) => (Kind::Unsupported, (*what).to_owned()),
        Content::Service => return None,
    };
    assert!(!text.trim().is_empty());
    Some(NewTurn {
        id: TurnId { bot: BOT, update },
        key: ChatKey { bot: BOT, chat: message.chat, topic: message.topic },
        user: message.user.clone(),
        message_id: message.message_id,
        date_s: message.date_s,
        kind,
        text,
        accepted_at_ms: 0,
    })
}
