//! Whether each turn is on record once, with the whole answer.

use std::path::Path;

use super::answer::{self, Plan};
use super::hub::{BOT, Hub};
use super::violations::excerpt;
use crate::domain::ids::TurnId;
use crate::domain::record::{State, StoredTurn};
use crate::edge::store::sqlite::{FILE, SqliteStore};
use crate::edge::store::{Filter, Store};

/// Whether a folder holds an embedded store.
pub(super) fn is_there(folder: &Path) -> bool {
    folder.join(FILE).is_file()
}

/// Looks at all turns of a load test. Returns how many are as they should be.
///
/// # Errors
/// When the store can't be read.
pub(super) async fn check(hub: &Hub, folder: &Path) -> Result<u64, String> {
    let failed = |error| format!("the store in {} can't be looked into: {error}", folder.display());
    let store = SqliteStore::open(folder).map_err(failed)?;
    let asked = hub.judge.borrow().updates();
    let mut right = 0;
    for (chat, updates) in asked {
        let filter = Filter { chat: Some(chat), ..Filter::default() };
        let stored = store.turns(filter).await.map_err(failed)?;
        for (turn, update) in (1..).zip(updates) {
            let id = TurnId { bot: BOT, update };
            match wrong(hub, (chat, turn), id, &stored) {
                Some(seen) => hub.judge.borrow_mut().violations.add(chat, turn, "store", seen),
                None => right += 1,
            }
        }
    }
    Ok(right)
}

/// What is wrong with a turn's record.
fn wrong(hub: &Hub, (chat, turn): (i64, u32), id: TurnId, stored: &[StoredTurn]) -> Option<String> {
    let of_turn: Vec<_> = stored.iter().filter(|stored| stored.id == id).collect();
    let [found] = of_turn.as_slice() else {
        return Some(format!("on record {} times", of_turn.len()));
    };
    if found.state != State::Delivered {
        return Some(format!("on record as {}", found.state.as_str()));
    }
    let asks = |text: &str| answer::last_question(text).is_some_and(|(of, nth, _)| (of, nth) == (chat, turn));
    if !found.messages.first().and_then(|message| message.content.as_deref()).is_some_and(asks) {
        return Some("on record with another question".to_owned());
    }
    let answer = found.messages.last().and_then(|message| message.content.as_deref()).unwrap_or_default();
    (answer != Plan::of(&hub.profile, chat, turn).text)
        .then(|| format!("on record with another answer: {}", excerpt(answer)))
}
