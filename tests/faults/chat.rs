//! One chat at the end of a run, with all that is known of it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use brigade::domain::commands::{CHECK_MARK, THINKING};
use brigade::domain::ids::{ChatKey, TurnId};
use brigade::domain::record::{State, StoredTurn};
use brigade::sandbox::telegram::{Author, CallRecord, SeenMessage, What};

use super::question::{BOT, CHATS, Said, key_of, words_in};
use super::run::{Death, Run};
use super::weather::{Outage, SLOW_MOST_MS};

/// From a message in an outage to the time at which it is on record, at most.
const LONGEST_AWAY_MS: u64 = 13_000;

/// A chat.
pub struct Chat<'a> {
    /// Which.
    pub key: ChatKey,
    /// What was said in it, in order.
    pub said: Vec<&'a Said>,
    /// Its turns on record, by their place.
    pub turns: Vec<StoredTurn>,
    /// What the bot has left standing in it.
    pub standing: Vec<SeenMessage>,
    /// When each of the bot's messages appeared.
    pub shown_ms: HashMap<i64, u64>,
    /// When a message was sent whose sender got no answer.
    pub unanswered_ms: Vec<u64>,
    /// The ends of the bot's lives.
    pub deaths: &'a [Death],
    /// The times without a store.
    pub away: &'a [Outage],
    /// See [`Plan::recorded_ms`](super::plan::Plan::recorded_ms).
    pub recorded_ms: u64,
}

/// All chats, by their number.
pub async fn all(run: &Run) -> Vec<Chat<'_>> {
    let mut turns: BTreeMap<ChatKey, Vec<StoredTurn>> = BTreeMap::new();
    for turn in run.stage.turns().await {
        turns.entry(turn.key()).or_default().push(turn);
    }
    let calls = run.sandbox.world().calls();
    let shown = shown(run);
    (0..CHATS)
        .map(key_of)
        .map(|key| Chat {
            key,
            said: run.said.iter().filter(|said| said.key == key).collect(),
            turns: turns.remove(&key).unwrap_or_default(),
            standing: standing(run, key),
            shown_ms: shown.get(&key.chat).cloned().unwrap_or_default(),
            unanswered_ms: calls
                .iter()
                .filter(|call| is_unanswered(call, key))
                .map(|call| call.at_ms)
                .collect(),
            deaths: &run.deaths,
            away: &run.weather.away,
            recorded_ms: run.plan.recorded_ms(),
        })
        .collect()
}

fn shown(run: &Run) -> HashMap<i64, HashMap<i64, u64>> {
    let mut shown: HashMap<i64, HashMap<i64, u64>> = HashMap::new();
    for event in run.sandbox.world().journal() {
        if let What::Shown { message_id, .. } = event.what {
            shown.entry(event.chat).or_default().insert(message_id, event.at_ms);
        }
    }
    shown
}

fn standing(run: &Run, key: ChatKey) -> Vec<SeenMessage> {
    let mut messages = run.sandbox.world().view(BOT, key.chat);
    messages.retain(|message| message.author == Author::Bot && message.topic == key.topic);
    messages
}

fn is_unanswered(call: &CallRecord, key: ChatKey) -> bool {
    call.chat == Some(key.chat) && call.status == 0 && call.method.eq_ignore_ascii_case("sendMessage")
}

/// Whether a message only bridges a wait.
pub fn is_status(text: &str) -> bool {
    text == CHECK_MARK || text.starts_with(THINKING)
}

impl Chat<'_> {
    /// The turn of something said.
    pub fn turn(&self, id: TurnId) -> Option<&StoredTurn> {
        self.turns.iter().find(|turn| turn.id == id)
    }

    /// The ids of the messages that stand and show words of what was said as number `number`.
    pub fn messages_of(&self, number: usize) -> Vec<i64> {
        let shows = |message: &&SeenMessage| words_in(&message.text).any(|(of, _)| of == number);
        self.standing.iter().filter(shows).map(|message| message.message_id).collect()
    }

    /// The words that these messages show, by their places in the answer.
    pub fn words(&self, messages: &[i64], number: usize) -> Vec<usize> {
        let texts = messages.iter().filter_map(|id| self.text(*id));
        texts.flat_map(words_in).filter(|(of, _)| *of == number).map(|(_, at)| at).collect()
    }

    /// What a message that stands says.
    pub fn text(&self, message_id: i64) -> Option<&str> {
        let message = self.standing.iter().find(|message| message.message_id == message_id)?;
        Some(&message.text)
    }

    /// The messages of the ledger, each once.
    pub fn ledger(turn: &StoredTurn) -> Vec<i64> {
        let mut seen = BTreeSet::new();
        let delivered = turn.delivery.iter().filter(|part| part.delivered);
        delivered.filter_map(|part| part.message_id).filter(|id| seen.insert(*id)).collect()
    }

    /// How often nobody could know whether a message of this turn was sent: Telegram did not
    /// answer, or the bot died between the attempt and the confirmation. Of an answer that was not
    /// complete only the first attempt is on record.
    pub fn uncertain_sends(&self, said: &Said, until_ms: u64) -> usize {
        let open = |death: &&Death| {
            let Some(owed) = death.owed.get(&said.turn) else { return false };
            let is_unknown = |id: &i64| owed.ledger.iter().all(|part| part.message_id != Some(*id));
            let was_sent =
                || self.shown_ms.keys().any(|id| is_unknown(id) && self.is_just_before(*id, death));
            let is_incomplete = owed.state == State::Accepted;
            owed.ledger.last().is_some_and(|part| !part.delivered || (is_incomplete && was_sent()))
        };
        let unanswered = self.unanswered_ms.iter().filter(|at| (said.at_ms..=until_ms).contains(at)).count();
        self.deaths.iter().filter(open).count() + unanswered
    }

    /// Whether the bot died before it could be sure to have the message on record.
    pub fn is_just_before(&self, message_id: i64, death: &Death) -> bool {
        let at_ms = self.shown_ms.get(&message_id).copied().unwrap_or(0);
        death.at_ms + SLOW_MOST_MS >= at_ms && death.at_ms <= at_ms + self.recorded_ms
    }

    /// Whether the bot died before it could record a message that it had sent, because there was
    /// no store.
    pub fn was_kept_off_record(&self, message_id: i64) -> bool {
        let at_ms = self.shown_ms.get(&message_id).copied().unwrap_or(0);
        let death = self.deaths.iter().find(|death| death.at_ms >= at_ms);
        death.is_some_and(|death| {
            self.away.iter().any(|outage| outage.kept_off_record(at_ms, death.began_ms, death.at_ms))
                && death.at_ms < at_ms + LONGEST_AWAY_MS
        })
    }
}
