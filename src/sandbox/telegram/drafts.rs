//! `sendMessageDraft`: a text that a person sees grow and that never becomes a message by itself.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::domain::ids::ChatKey;

use super::error::ApiError;
use super::events::{GoneWhy, SeenDraft, What};
use super::params::Params;
use super::state::World;
use super::text::Reading;

/// A draft lives so long from its last update (documented for the method).
const LIVES_MS: u64 = 30_000;

/// What clients show for a draft without a text.
const THINKING: &str = "Thinking…";

/// When which draft ends, the first one first.
#[derive(Debug, Default)]
pub(super) struct DraftEnds(BTreeSet<(u64, i64, i64, Option<i32>)>);

impl DraftEnds {
    pub(super) fn first_ms(&self) -> Option<u64> {
        self.0.first().map(|(at_ms, ..)| *at_ms)
    }

    fn due(&self, now_ms: u64) -> Option<(u64, ChatKey)> {
        let (at_ms, bot, chat, topic) = self.0.first().copied().filter(|(at_ms, ..)| *at_ms <= now_ms)?;
        Some((at_ms, ChatKey { bot, chat, topic }))
    }

    fn insert(&mut self, at_ms: u64, key: ChatKey) {
        self.0.insert((at_ms, key.bot, key.chat, key.topic));
    }

    fn remove(&mut self, at_ms: u64, key: ChatKey) {
        self.0.remove(&(at_ms, key.bot, key.chat, key.topic));
    }
}

impl World {
    /// The words of the two refusals that only this method has are reported by implementers; the
    /// order of the checks is that of the open-source Bot API server.
    pub(super) fn send_draft(&mut self, now_ms: u64, bot: i64, params: &Params) -> Result<Value, ApiError> {
        let new =
            Reading { rules: self.limits.entities, too_long: "message is too long", may_be_empty: true }
                .read(params)?;
        let key = self.enter_to_write(bot, params)?;
        if key.chat <= 0 {
            return Err(ApiError::bad_request("TEXTDRAFT_PEER_INVALID"));
        }
        let id = params.int("draft_id").filter(|id| *id != 0);
        let draft = SeenDraft {
            draft_id: id.ok_or_else(|| ApiError::bad_request("RANDOM_ID_INVALID"))?,
            text: new.text,
            entities: new.entities,
            can_stop: params.flag("can_stop"),
            keep_on_stop: params.flag("keep_on_stop"),
            until_ms: now_ms + LIVES_MS,
        };
        self.show_draft(key, draft);
        Ok(json!(true))
    }

    /// A draft with another id takes the place of the one before.
    fn show_draft(&mut self, key: ChatKey, draft: SeenDraft) {
        if self.draft(key).is_some_and(|before| before.draft_id != draft.draft_id) {
            self.end_draft(key, GoneWhy::Replaced);
        }
        let text = if draft.text.is_empty() { THINKING.to_owned() } else { draft.text.clone() };
        self.record(key, What::DraftShown { draft_id: draft.draft_id, text });
        // Whoever keeps the time has to look at the new end.
        self.stir();
        self.draft_ends.insert(draft.until_ms, key);
        let drafts = &mut self.bot(key.bot).chats.entry(key.chat).or_default().drafts;
        if let Some(before) = drafts.insert(key.topic, draft.clone())
            && before.until_ms != draft.until_ms
        {
            self.draft_ends.remove(before.until_ms, key);
        }
    }

    /// Ends the draft of a conversation, where there is one.
    pub(super) fn end_draft(&mut self, key: ChatKey, why: GoneWhy) {
        let chat = self.bot(key.bot).chats.get_mut(&key.chat);
        if let Some(gone) = chat.and_then(|chat| chat.drafts.remove(&key.topic)) {
            self.draft_ends.remove(gone.until_ms, key);
            self.record(key, What::DraftGone { draft_id: gone.draft_id, why });
        }
    }

    pub(super) fn expire_drafts(&mut self, now_ms: u64) {
        while let Some((at_ms, key)) = self.draft_ends.due(now_ms) {
            self.wind(at_ms);
            self.draft_ends.remove(at_ms, key);
            self.end_draft(key, GoneWhy::Expired);
        }
    }

    /// The draft that a conversation shows, as of the last time that anything happened.
    pub fn draft(&self, key: ChatKey) -> Option<&SeenDraft> {
        self.bots.get(&key.bot)?.chats.get(&key.chat)?.drafts.get(&key.topic)
    }

    /// The person of a private chat presses the stop button of the draft. Returns the id of the
    /// update; none when there is no button. The bot gets the update only if it asked for
    /// `stopped_message_generation`.
    ///
    /// A draft that stays loses its button.
    pub fn stop_draft(&mut self, now_ms: u64, key: ChatKey) -> Option<i64> {
        let now = self.tick(now_ms);
        let chat = self.bot(key.bot).chats.get_mut(&key.chat)?;
        let draft = chat.drafts.get_mut(&key.topic).filter(|draft| draft.can_stop)?;
        draft.can_stop = false;
        let (id, stays) = (draft.draft_id, draft.keep_on_stop);
        if !stays {
            self.end_draft(key, GoneWhy::Stopped);
        }
        // The server writes the id as text although the documentation says integer (field).
        let mut body = json!({"chat": super::json::chat(key.chat, false), "draft_id": id.to_string()});
        if let Some(topic) = key.topic {
            body["message_thread_id"] = json!(topic);
        }
        Some(self.push(now, key.bot, "stopped_message_generation", body))
    }
}

#[cfg(test)]
#[path = "drafts_tests.rs"]
mod tests;
