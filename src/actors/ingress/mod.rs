//! Ingress: decides who may speak and what it is, has it recorded, and only then tells the chat's
//! Conversation.

mod idle;
mod owed;

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use actix::{Actor, AsyncContext, Context, Handler, SpawnHandle};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::domain::commands;
use crate::domain::ids::{ChatKey, TurnId};
use crate::domain::record::{Kind, NewTurn, StoredTurn, User};
use crate::domain::time::Clock;
use crate::edge::intake::Verdict;
use crate::edge::store::{Recorded, StoreError};
use crate::edge::telegram::update::{Content, Message, StoppedDraft, Update};
use crate::failpoint;
use crate::messages::{
    AbandonTurn, Drain, LoadUnfinished, RecordUpdate, TakeUpdate, TurnSettled, UnfinishedLoaded,
    UpdateRecorded, UserSaid,
};
use crate::port::{Port, Station, witness};

/// What Ingress may tell a Conversation. While it holds this, the Conversation lives.
pub struct ToConversation {
    /// Which of the crews that the conversation has had this is.
    pub crew: u64,
    /// A turn that is on record.
    pub user_said: Port<UserSaid>,
    /// A turn that can't go on.
    pub abandon_turn: Port<AbandonTurn>,
}

/// Whom Ingress may tell what.
pub struct IngressPorts {
    /// To Persistence.
    pub record_update: Port<RecordUpdate>,
    /// Given to Persistence for its answers.
    pub update_recorded: Port<UpdateRecorded>,
    /// To Persistence.
    pub load_unfinished: Port<LoadUnfinished>,
    /// Given to Persistence for its answer.
    pub unfinished_loaded: Port<UnfinishedLoaded>,
    /// To `app`: the turns owed from before have been taken up, updates may come.
    pub recovered: Option<oneshot::Sender<()>>,
    /// Starts the stations of a conversation.
    pub open: Box<dyn FnMut(ChatKey) -> ToConversation>,
}

/// What Ingress needs to know.
#[derive(Debug, Clone)]
pub struct IngressSettings {
    /// Telegram's id of the bot.
    pub bot: i64,
    /// The bot's username, without the `@`.
    pub bot_username: String,
    /// Turns that may be in flight; more are refused until one has ended.
    pub max_turns_in_flight: usize,
    /// Turns of one conversation that may be in flight.
    pub max_turns_per_chat: usize,
    /// After so long without a turn a conversation leaves memory; the store has its history.
    pub idle: Duration,
    /// Conversations without a turn that may stay in memory; of more, those leave that have been
    /// without one for the longest.
    pub max_idle: usize,
    /// Which conversations are its own.
    pub shard: Shard,
}

/// One of the shards over which the conversations are spread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    /// Counted from 0.
    pub index: usize,
    /// How many there are.
    pub count: usize,
}

impl Default for Shard {
    fn default() -> Self {
        Self { index: 0, count: 1 }
    }
}

/// The actor.
pub struct Ingress {
    ports: IngressPorts,
    settings: IngressSettings,
    clock: Clock,
    conversations: HashMap<ChatKey, ToConversation>,
    /// Who waits for which update to be recorded; two copies of one may come at once.
    recording: HashMap<TurnId, Vec<oneshot::Sender<Verdict>>>,
    in_flight: HashMap<TurnId, ChatKey>,
    /// How many of them there are in each conversation.
    in_chat: HashMap<ChatKey, usize>,
    /// Turns that are yet to begin: from before a restart, and what was said behind them since.
    owed: VecDeque<StoredTurn>,
    /// How many of them there are in each conversation.
    owed_in_chat: HashMap<ChatKey, usize>,
    /// What is to begin in conversations whose stations have panicked, when the turns that these had
    /// are given up.
    behind_lost: HashMap<ChatKey, Vec<StoredTurn>>,
    is_stopping: bool,
    /// Who waits until nothing is in flight.
    draining: Option<oneshot::Sender<()>>,
    /// Conversations by when a last turn of theirs ended, each time that one did.
    idle: VecDeque<(Instant, ChatKey)>,
    /// When that was for the last time.
    idle_since: HashMap<ChatKey, Instant>,
    idle_timer: Option<SpawnHandle>,
    /// Updates of kinds that are not handled.
    ignored: u64,
}

impl Ingress {
    /// An Ingress that has taken nothing yet. It first asks for the turns owed from before.
    pub fn new(ports: IngressPorts, settings: IngressSettings, clock: Clock) -> Self {
        Self {
            ports,
            settings,
            clock,
            conversations: HashMap::new(),
            recording: HashMap::new(),
            in_flight: HashMap::new(),
            in_chat: HashMap::new(),
            owed: VecDeque::new(),
            owed_in_chat: HashMap::new(),
            behind_lost: HashMap::new(),
            is_stopping: false,
            draining: None,
            idle: VecDeque::new(),
            idle_since: HashMap::new(),
            idle_timer: None,
            ignored: 0,
        }
    }

    fn take(&mut self, update: &Update, verdict: oneshot::Sender<Verdict>) -> Option<Verdict> {
        let turn = match self.new_turn(update) {
            Ok(turn) => turn,
            Err(why) => return answer(verdict, Verdict::Ignored(why)),
        };
        if self.is_stopping {
            return answer(verdict, Verdict::Stopping);
        }
        if asks_the_model(turn.kind) && (self.is_full() || self.is_full_in(turn.key)) {
            return answer(verdict, Verdict::Full);
        }
        self.record(turn, verdict)
    }

    fn record(&mut self, turn: NewTurn, verdict: oneshot::Sender<Verdict>) -> Option<Verdict> {
        let waiting = self.recording.entry(turn.id).or_default();
        waiting.push(verdict);
        if waiting.len() > 1 {
            return None;
        }
        let id = turn.id;
        let request = RecordUpdate { turn, reply_to: self.ports.update_recorded.clone() };
        if self.ports.record_update.tell(request).is_err() {
            self.answer_all(id, Verdict::StoreAway);
        }
        None
    }

    /// Who may speak, and what it is.
    fn new_turn(&self, update: &Update) -> Result<NewTurn, &'static str> {
        if let Some(stopped) = update.stopped {
            return Ok(self.stop_draft(update.id, stopped));
        }
        let message = update.message.as_ref().ok_or("a kind of update that is not handled")?;
        if message.from_bot {
            return Err("a message of a bot");
        }
        let (kind, text) = self.ask(message)?;
        let bot = self.settings.bot;
        Ok(NewTurn {
            id: TurnId { bot, update: update.id },
            key: ChatKey { bot, chat: message.chat, topic: message.topic },
            user: message.user.clone(),
            message_id: message.message_id,
            date_s: message.date_s,
            kind,
            text,
            accepted_at_ms: self.clock.now_ms(),
        })
    }

    /// Drafts are for private chats, which have the id of their person.
    fn stop_draft(&self, update: i64, stopped: StoppedDraft) -> NewTurn {
        let StoppedDraft { chat, topic, draft_id } = stopped;
        let (bot, accepted_at_ms) = (self.settings.bot, self.clock.now_ms());
        NewTurn {
            id: TurnId { bot, update },
            key: ChatKey { bot, chat, topic },
            user: User { id: chat, ..User::default() },
            message_id: 0,
            date_s: accepted_at_ms / 1_000,
            kind: Kind::StopDraft,
            text: draft_id.to_string(),
            accepted_at_ms,
        }
    }

    fn ask(&self, message: &Message) -> Result<(Kind, String), &'static str> {
        match &message.content {
            Content::Text(text) => {
                let kind = commands::kind_of(text, &self.settings.bot_username);
                Ok((kind.ok_or("a command for another bot")?, text.clone()))
            }
            Content::Other(what) => Ok((Kind::Unsupported, (*what).to_owned())),
            Content::Service => Err("a service message"),
        }
    }

    fn is_full(&self) -> bool {
        self.in_flight.len() + self.recording.len() >= self.settings.max_turns_in_flight
    }

    /// One person who writes and writes must not fill the house.
    fn is_full_in(&self, key: ChatKey) -> bool {
        self.in_chat.get(&key).is_some_and(|count| *count >= self.settings.max_turns_per_chat)
    }

    /// Has a turn begin, behind those of its chat that are owed.
    fn accept(&mut self, turn: StoredTurn) {
        let key = turn.key();
        let waits = self.owed_in_chat.contains_key(&key);
        // What it would wait for does not begin any more.
        if waits && self.is_stopping || self.in_flight.insert(turn.id, key).is_some() {
            return;
        }
        *self.in_chat.entry(key).or_default() += 1;
        if waits { self.owe(turn) } else { self.begin(turn) }
    }

    fn answer_all(&mut self, turn: TurnId, verdict: Verdict) {
        for waiting in self.recording.remove(&turn).unwrap_or_default() {
            answer(waiting, verdict);
        }
    }

    fn end_of_drain(&mut self) {
        if self.in_flight.is_empty()
            && self.recording.is_empty()
            && let Some(empty) = self.draining.take_if(|empty| !empty.is_closed())
        {
            let _nobody_waits = empty.send(());
        }
    }
}

fn count_down(counts: &mut HashMap<ChatKey, usize>, key: ChatKey) {
    if let Some(count) = counts.get_mut(&key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(&key);
        }
    }
}

fn asks_the_model(kind: Kind) -> bool {
    matches!(kind, Kind::Text | Kind::Retry)
}

fn answer(to: oneshot::Sender<Verdict>, verdict: Verdict) -> Option<Verdict> {
    witness(Station::shared("ingress"), Station::shared("edge"), &verdict, None);
    // Whoever asked may have hung up; the update then comes again and is a duplicate.
    let _hung_up = to.send(verdict);
    Some(verdict)
}

impl Actor for Ingress {
    type Context = Context<Self>;

    fn started(&mut self, _: &mut Context<Self>) {
        self.load_unfinished(None);
    }
}

impl Handler<TakeUpdate> for Ingress {
    type Result = ();

    fn handle(&mut self, TakeUpdate { update, verdict }: TakeUpdate, _: &mut Context<Self>) {
        if let Some(Verdict::Ignored(why)) = self.take(&update, verdict) {
            match update.message {
                Some(_) => tracing::debug!(update = update.id, kind = update.kind, "update ignored: {why}"),
                None => {
                    self.ignored += 1;
                    tracing::warn!(
                        update = update.id,
                        kind = update.kind,
                        so_far = self.ignored,
                        "update ignored: {why}"
                    );
                }
            }
        }
    }
}

impl Handler<UpdateRecorded> for Ingress {
    type Result = ();

    fn handle(&mut self, UpdateRecorded { turn, result }: UpdateRecorded, _: &mut Context<Self>) {
        let verdict = match result {
            Ok(Recorded::New(stored)) => {
                failpoint::reach("after_accept");
                self.accept(*stored);
                Verdict::Accepted
            }
            Ok(Recorded::Duplicate) => Verdict::Duplicate,
            Err(error) => {
                match &error {
                    // The store itself is watched, and says so once for all.
                    StoreError::Away(_) | StoreError::Denied(_) => {
                        tracing::debug!(%turn, "update not taken: {error}")
                    }
                    StoreError::Refused(_) => tracing::error!(%turn, "update not taken: {error}"),
                }
                Verdict::StoreAway
            }
        };
        self.answer_all(turn, verdict);
        self.end_of_drain();
    }
}

impl Handler<TurnSettled> for Ingress {
    type Result = ();

    fn handle(&mut self, TurnSettled { turn }: TurnSettled, ctx: &mut Context<Self>) {
        if let Some(key) = self.in_flight.remove(&turn) {
            count_down(&mut self.in_chat, key);
            if !self.in_chat.contains_key(&key) {
                self.rest(key, ctx);
            }
        }
        self.end_of_drain();
    }
}

impl Handler<Drain> for Ingress {
    type Result = ();

    fn handle(&mut self, Drain { empty }: Drain, ctx: &mut Context<Self>) {
        if let Some(timer) = self.idle_timer.take() {
            ctx.cancel_future(timer);
        }
        (self.is_stopping, self.draining) = (true, Some(empty));
        // What has not begun is taken up at the next start, and so is what comes behind it.
        for turn in self.owed.drain(..) {
            self.in_flight.remove(&turn.id);
        }
        self.end_of_drain();
    }
}
