//! The only place that starts actors and connects them.
//!
//! Every port is made here, so that this file read from top to bottom is the list of who may tell
//! whom what. Ingress and Persistence are shared by all chats; Conversation, Chunker, Heartbeat
//! and Outbox are started for each conversation when its first turn comes.

mod breaker;
mod limiter;
mod shards;
pub mod topology;

use std::cell::{Cell, RefCell};
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::{Arc, Weak};
use std::time::Duration;

use actix::{Actor, Addr, AsyncContext, Context};
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::{Notify, oneshot};
use tokio::task::AbortHandle;

use crate::actors::chunker::{Chunker, ChunkerPorts, ChunkerSettings};
use crate::actors::conversation::{Conversation, ConversationPorts, ConversationSettings, Faculties};
use crate::actors::heartbeat::{Heartbeat, HeartbeatSettings};
use crate::actors::ingress::{Ingress, IngressPorts, IngressSettings, Shard, ToConversation};
use crate::actors::outbox::{Outbox, OutboxPorts, OutboxSettings};
use crate::actors::persistence::Persistence;
use crate::config::Config;
use crate::domain::cutting::Streaming;
use crate::domain::history::Limits;
use crate::domain::ids::ChatKey;
use crate::domain::pacing::Pacer;
use crate::domain::retry::RetryRules;
use crate::domain::turn::TurnRules;
use crate::edge::intake::{Intake, Verdict};
use crate::edge::store::{Store, StoreError};
use crate::edge::telegram::BotApi;
use crate::edge::telegram::bot_api::Identity;
use crate::edge::telegram::update::Update;
pub use breaker::SharedBreaker;
pub use limiter::Limiter;
pub use shards::Shards;

use crate::messages::{Drain, StationLost, TakeUpdate};
use crate::port::{Port, Station, Way, recent_flow};

/// The tracing target of stations that start and end.
pub const STATIONS: &str = "stations";

const EDGE: Station = Station::shared("edge");
const APP: Station = Station::shared("app");
const INGRESS: Station = Station::shared("ingress");
const PERSISTENCE: Station = Station::shared("persistence");

/// The world as the actors may use it.
#[derive(Clone)]
pub struct World {
    /// Telegram; only the Outbox gets it.
    pub api: Arc<dyn BotApi>,
    /// The store; only Persistence gets it.
    pub store: Arc<dyn Store>,
    /// The model, the tools and the clock; only the Conversation gets them.
    pub faculties: Faculties,
    /// How fast Telegram may be called: the one thing that all shards share.
    pub pacer: Arc<dyn Pacer>,
}

/// What the actors need to know.
#[derive(Debug, Clone)]
pub struct Settings {
    /// For Ingress.
    pub ingress: IngressSettings,
    /// For every Conversation whose answers come in chunks.
    pub conversation: Arc<ConversationSettings>,
    /// For every Conversation whose answers grow.
    pub growing_conversation: Arc<ConversationSettings>,
    /// For every Chunker of a private chat.
    pub chunker: ChunkerSettings,
    /// What is different in a group.
    pub group_streaming: Streaming,
    /// For every Heartbeat.
    pub heartbeat: HeartbeatSettings,
    /// For every Outbox.
    pub outbox: OutboxSettings,
}

impl Settings {
    /// What the actors need to know, from the settings that people write.
    pub fn from_config(config: &Config, bot: &Identity, instructions: Arc<str>) -> Self {
        let Config { llm, delivery, heartbeat, history, http, conversation, .. } = config;
        let conversation_settings = ConversationSettings {
            instructions,
            hold_bytes: delivery.chunk_chars,
            read_every: Duration::from_millis(llm.read_every_ms),
            history: Limits { max_turns: history.max_turns, max_chars: history.max_chars },
            rules: TurnRules {
                first_call: llm.first_call,
                max_tool_rounds: llm.max_tool_rounds,
                max_tool_result_chars: llm.max_tool_result_chars,
            },
            retry: RetryRules {
                first_wait_ms: llm.retry_first_ms,
                most_wait_ms: llm.retry_most_ms,
                deadline_ms: llm.turn_deadline_ms,
            },
            uncertain: delivery.uncertain,
            tool_timeout: Duration::from_millis(llm.tool_timeout_ms),
        };
        Self {
            ingress: IngressSettings {
                bot: bot.id,
                bot_username: bot.username.clone(),
                max_turns_in_flight: http.max_turns_in_flight,
                max_turns_per_chat: http.max_turns_per_chat,
                idle: Duration::from_millis(conversation.idle_ms),
                max_idle: conversation.max_idle,
                shard: Shard::default(),
            },
            growing_conversation: Arc::new(ConversationSettings {
                hold_bytes: 0,
                ..conversation_settings.clone()
            }),
            conversation: Arc::new(conversation_settings),
            chunker: ChunkerSettings {
                streaming: delivery.private,
                format: delivery.format,
                boundary: delivery.chunk_boundary,
                chunk_chars: delivery.chunk_chars,
            },
            group_streaming: delivery.group,
            heartbeat: HeartbeatSettings {
                every: Duration::from_millis(heartbeat.every_ms),
                max_beats: heartbeat.max_beats,
            },
            outbox: OutboxSettings {
                drafts: delivery.private == Streaming::Draft,
                beat_style: heartbeat.style,
                merge_above_chars: delivery.merge_above_chars,
                uncertain: delivery.uncertain,
            },
        }
    }
}

/// The running actors, as the edges see them.
pub struct App {
    door: Door,
    drain: Port<Drain>,
    lost: Arc<Notify>,
}

impl App {
    /// Starts the shared actors, and returns when the turns owed from before a restart have been
    /// taken up: only then may updates come, or a turn could begin twice. Needs a `LocalRuntime` or
    /// a `LocalSet` around it.
    pub async fn start(world: World, settings: Settings) -> Self {
        let lost = Arc::new(Notify::new());
        let (recovered, recovery) = oneshot::channel();
        let (ingress_context, ingress) = station::<Ingress>();
        let (persistence_context, persistence) = station::<Persistence>();
        let clock = world.faculties.clock;
        let store = world.store.clone();
        let ingress_settings = settings.ingress.clone();
        let floor = Floor {
            world,
            settings,
            crews: Cell::default(),
            ingress: ingress.clone(),
            persistence: persistence.clone(),
        };

        let to_persistence = strong(INGRESS, PERSISTENCE, &persistence);
        let from_persistence = weak(PERSISTENCE, INGRESS, &ingress);
        let ports = IngressPorts {
            record_update: to_persistence.port(),
            update_recorded: from_persistence.port(),
            load_unfinished: to_persistence.port(),
            unfinished_loaded: from_persistence.port(),
            recovered: Some(recovered),
            open: Box::new(move |key| floor.open(key)),
        };
        let settled = from_persistence.port();
        spawn_shared(PERSISTENCE, persistence_context, Persistence::new(store, settled), lost.clone());
        spawn_shared(INGRESS, ingress_context, Ingress::new(ports, ingress_settings, clock), lost.clone());
        tokio::select! {
            // An error means that Ingress is gone, which `lost` tells.
            _lost = recovery => {}
            // Whoever serves is to learn of it too.
            () = lost.notified() => lost.notify_one(),
        }
        let door = Door(strong(EDGE, INGRESS, &ingress).port());
        Self { door, drain: strong(APP, INGRESS, &ingress).port(), lost }
    }

    /// Where updates go in.
    pub fn intake(&self) -> Arc<dyn Intake> {
        Arc::new(self.door.clone())
    }

    /// Takes no more updates and waits until no turn is in flight.
    pub async fn drain(&self) {
        let (empty, emptied) = oneshot::channel();
        if self.drain.tell(Drain { empty }).is_ok() {
            // An error means that Ingress is gone: there is nothing to wait for.
            let _gone = emptied.await;
        }
    }

    /// Waits until an actor that all chats share has panicked: the process can't go on.
    pub async fn lost(&self) {
        self.lost.notified().await;
    }
}

/// The way in: hands an update to Ingress and waits for its verdict.
#[derive(Clone)]
struct Door(Port<TakeUpdate>);

impl Intake for Door {
    fn take(&self, update: Update) -> BoxFuture<'static, Verdict> {
        let (verdict, answered) = oneshot::channel();
        let told = self.0.tell(TakeUpdate { update, verdict });
        Box::pin(async move {
            match told {
                Ok(()) => answered.await.unwrap_or(Verdict::Stopping),
                Err(_gone) => Verdict::Stopping,
            }
        })
    }
}

/// The whole server has panicked: counts it in the turns that were being worked on, the first
/// unfinished of each chat. A turn that has brought the server down again and again is not taken up
/// any more.
///
/// # Errors
/// [`StoreError`] when the store does not take it.
pub async fn count_panic(store: &dyn Store, bot: i64) -> Result<(), StoreError> {
    let mut turns = store.unfinished(bot).await?;
    turns.sort_by_key(|turn| (turn.key(), turn.seq));
    turns.dedup_by_key(|turn| turn.key());
    store.count_panic(turns.iter().map(|turn| turn.id).collect()).await
}

/// What is needed to start a conversation's stations.
struct Floor {
    world: World,
    settings: Settings,
    /// Crews started so far.
    crews: Cell<u64>,
    ingress: Arc<Addr<Ingress>>,
    persistence: Arc<Addr<Persistence>>,
}

impl Floor {
    fn streaming(&self, key: ChatKey) -> Streaming {
        let is_group = key.chat < 0;
        if is_group { self.settings.group_streaming } else { self.settings.chunker.streaming }
    }

    fn chunker_settings(&self, key: ChatKey) -> ChunkerSettings {
        ChunkerSettings { streaming: self.streaming(key), ..self.settings.chunker }
    }

    /// A message that grows is fed with every delta: it shows what is there whenever it may.
    fn conversation_settings(&self, key: ChatKey) -> Arc<ConversationSettings> {
        match self.streaming(key) {
            Streaming::Chunks => self.settings.conversation.clone(),
            Streaming::Edit | Streaming::Draft => self.settings.growing_conversation.clone(),
        }
    }

    fn outbox_settings(&self, key: ChatKey) -> OutboxSettings {
        OutboxSettings { drafts: self.streaming(key) == Streaming::Draft, ..self.settings.outbox }
    }

    /// Starts the four stations of a conversation.
    fn open(&self, key: ChatKey) -> ToConversation {
        let [me, chunker_at, heartbeat_at, outbox_at] =
            ["conversation", "chunker", "heartbeat", "outbox"].map(|role| Station::of(role, key));
        let (conversation_context, conversation) = station::<Conversation>();
        let (chunker_context, chunker) = station::<Chunker>();
        let (heartbeat_context, heartbeat) = station::<Heartbeat>();
        let (outbox_context, outbox) = station::<Outbox>();
        self.crews.set(self.crews.get() + 1);
        let crew = Crew::new(key, self.crews.get(), &self.ingress);
        let World { api, faculties, pacer, .. } = &self.world;
        let settings = &self.settings;

        let to_me = weak(outbox_at, me, &conversation);
        let to_chunker = weak(outbox_at, chunker_at, &chunker);
        let ports = OutboxPorts {
            remark_made: to_me.port(),
            attempt_failed: to_me.port(),
            status_shown: to_me.port(),
            penalty_received: to_me.port(),
            part_attempted: to_me.port(),
            chunk_delivered: to_me.port(),
            cut_chunk: to_chunker.port(),
            chunk_returned: to_chunker.port(),
            turn_closed: to_me.port(),
        };
        crew.join(
            "outbox",
            outbox_context,
            Outbox::new(key, ports, api.clone(), pacer.clone(), self.outbox_settings(key)),
        );

        let thinking = strong(heartbeat_at, outbox_at, &outbox).port();
        crew.join("heartbeat", heartbeat_context, Heartbeat::new(thinking, settings.heartbeat));

        let to_outbox = strong(chunker_at, outbox_at, &outbox);
        let ports = ChunkerPorts {
            heartbeat_first_chunk: strong(chunker_at, heartbeat_at, &heartbeat).port(),
            outbox_first_chunk: to_outbox.port(),
            answer_cut: weak(chunker_at, me, &conversation).port(),
            chunk_ready: to_outbox.port(),
            nothing_to_cut: to_outbox.port(),
            deliver_chunk: to_outbox.port(),
        };
        crew.join("chunker", chunker_context, Chunker::new(ports, self.chunker_settings(key)));

        let to_outbox = strong(me, outbox_at, &outbox);
        let to_chunker = strong(me, chunker_at, &chunker);
        let to_heartbeat = strong(me, heartbeat_at, &heartbeat);
        let to_persistence = strong(me, PERSISTENCE, &self.persistence);
        let from_persistence = weak(PERSISTENCE, me, &conversation);
        let ports = ConversationPorts {
            take_over: to_outbox.port(),
            acknowledge: to_outbox.port(),
            load_history: to_persistence.port(),
            history_loaded: from_persistence.port(),
            turn_started: to_heartbeat.port(),
            delta_arrived: to_chunker.port(),
            answer_resumed: to_chunker.port(),
            answer_ended: to_chunker.port(),
            discard_rest: to_chunker.port(),
            remark: to_outbox.port(),
            save_messages: to_persistence.port(),
            save_delivery: to_persistence.port(),
            delivery_saved: weak(PERSISTENCE, outbox_at, &outbox).port(),
            heartbeat_turn_ended: to_heartbeat.port(),
            outbox_turn_ended: to_outbox.port(),
            save_answer: to_persistence.port(),
            answer_saved: from_persistence.port(),
            save_outcome: to_persistence.port(),
        };
        let actor = Conversation::new(key, ports, self.conversation_settings(key), faculties.clone());
        crew.join("conversation", conversation_context, actor);

        let from_ingress = strong(INGRESS, me, &conversation);
        ToConversation {
            crew: crew.number,
            user_said: from_ingress.port(),
            abandon_turn: from_ingress.port(),
        }
    }
}

/// The stations of one conversation: they work together or not at all. A panic in one ends the
/// others, and Ingress is told.
struct Crew {
    key: ChatKey,
    number: u64,
    members: RefCell<Vec<AbortHandle>>,
    lost: Port<StationLost>,
}

impl Crew {
    fn new(key: ChatKey, number: u64, ingress: &Arc<Addr<Ingress>>) -> Rc<Self> {
        Rc::new(Self { key, number, members: RefCell::default(), lost: weak(APP, INGRESS, ingress).port() })
    }

    fn join<A: Actor<Context = Context<A>>>(
        self: &Rc<Self>,
        role: &'static str,
        context: Context<A>,
        actor: A,
    ) {
        let crew = self.clone();
        let member = spawn(Station::of(role, self.key), context, actor, move || crew.lose(role));
        self.members.borrow_mut().push(member);
    }

    fn lose(&self, role: &'static str) {
        let (key, crew, flow) = (self.key, self.number, recent_flow(self.key));
        tracing::error!(chat = %key, "the {role} of this chat panicked; its turns in flight are given up; what its stations said last: {flow}");
        for member in self.members.borrow_mut().drain(..) {
            member.abort();
        }
        self.lost.tell_if_there(StationLost { key, role, crew });
    }
}

/// A context and the address that others need before the actor can be built. It is alive as long as
/// that is held.
fn station<A: Actor<Context = Context<A>>>() -> (Context<A>, Arc<Addr<A>>) {
    let mut context = Context::new();
    // Without bound: actix counts a mailbox's room for each sender and would not bound it anyway.
    // Work is bounded by credits instead: turns in flight, one unanswered part for each chat.
    context.set_mailbox_capacity(0);
    let address = Arc::new(context.address());
    (context, address)
}

/// A way that keeps its receiver alive.
fn strong<A: Actor>(from: Station, to: Station, address: &Arc<Addr<A>>) -> Arc<Way<Arc<Addr<A>>>> {
    Way::new(from, to, address.clone())
}

/// A back edge, or what is given to another station for its answer: holds nobody alive.
fn weak<A: Actor>(from: Station, to: Station, address: &Arc<Addr<A>>) -> Arc<Way<Weak<Addr<A>>>> {
    Way::new(from, to, Arc::downgrade(address))
}

fn spawn<A: Actor<Context = Context<A>>>(
    at: Station,
    context: Context<A>,
    actor: A,
    panicked: impl FnOnce() + 'static,
) -> AbortHandle {
    // actix swallows a panic: without this the actor would be gone without a word.
    let life = Life::begin(at);
    // An async block would take the actor's room twice.
    let watched = AssertUnwindSafe(context.into_future(actor)).catch_unwind().map(move |ended| {
        if ended.is_err() {
            tracing::debug!(target: STATIONS, %at, "panicked");
            panicked();
        }
        drop(life);
    });
    tokio::task::spawn_local(watched).abort_handle()
}

/// Says when a station starts and ends, however it ends.
struct Life(Station);

impl Life {
    fn begin(at: Station) -> Self {
        tracing::debug!(target: STATIONS, %at, "started");
        Self(at)
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        tracing::debug!(target: STATIONS, at = %self.0, "ended");
    }
}

fn spawn_shared<A: Actor<Context = Context<A>>>(
    at: Station,
    context: Context<A>,
    actor: A,
    lost: Arc<Notify>,
) {
    spawn(at, context, actor, move || {
        tracing::error!("{at} panicked: the server can't go on");
        lost.notify_one();
    });
}
