//! `brigade sandbox`: the real server in a world of its own, in this terminal.

mod prompt;
mod screen;

use std::net::TcpListener;
use std::time::Duration;

use clap::Args;
use tokio::sync::broadcast::Receiver;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::sync::oneshot;

use super::Failed;
use super::logging::{self, FlowOptions};
use crate::config::{Config, Secret, Secrets};
use crate::domain::ids::{ChatKey, TurnId};
use crate::domain::record::State;
use crate::edge::store::Store;
use crate::flow::FlowLine;
use crate::sandbox::server::{Options, Sandbox as Sandboxed, serve_only};
use crate::sandbox::telegram::ChatEvent;
use crate::server::{Server, Updates};
use screen::Screen;

/// The bot, the chat and the person of the sandbox.
const BOT: i64 = 1;
const PERSON: i64 = 2;

/// How long a failing model is asked again, unless the settings say otherwise.
const DEADLINE_MS: u64 = 3_000;

/// How often it is looked whether a turn has ended.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Try the whole bot in this terminal: no token, no key, no network.
///
/// The real server, with a simulated Telegram, a simulated model and an embedded store that is
/// thrown away at the end. Type a message and watch what the chat shows. /help lists what a
/// message can ask of the simulated model, such as `#first=12000` for an answer that takes twelve
/// seconds to begin.
#[derive(Debug, Args)]
pub struct Sandbox {
    /// Say TEXT instead of asking at a prompt; may be given several times.
    ///
    /// Each is said when the turn of the one before has ended. The exit code is 0 when all turns
    /// ended well.
    #[arg(long, value_name = "TEXT", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    say: Vec<String>,

    /// With --say: say the next TEXT so many milliseconds after the one before.
    #[arg(long, value_name = "MS", requires = "say")]
    every_ms: Option<u64>,

    /// Print what the chat shows as JSON, one object a line, and at the end one for each turn.
    #[arg(long)]
    json: bool,

    /// Run only the simulated Telegram and model, for a bot or a client of your own, until Ctrl-C.
    ///
    /// Their addresses are printed. A person speaks through HTTP:
    /// curl ADDRESS/sandbox/say -d '{"bot":1,"chat":2,"text":"Hello"}' -H 'content-type: application/json'
    #[arg(long, conflicts_with_all = ["say", "json"])]
    servers_only: bool,

    /// With --servers-only: Telegram's port; 0 takes a free one.
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    telegram_port: u16,

    /// With --servers-only: the model's port; 0 takes a free one.
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    model_port: u16,

    #[command(flatten)]
    flow: FlowOptions,
}

impl Sandbox {
    pub(super) async fn run(self, config: Config) -> Result<(), Failed> {
        let flow = log_quietly(&config);
        let options =
            Options { telegram_port: self.telegram_port, model_port: self.model_port, ..Options::default() };
        if self.servers_only {
            return serve_only(options, print_addresses).await.map_err(failed("the sandbox failed"));
        }
        let world = Sandboxed::start(options).await.map_err(failed("the sandbox can't start"))?;
        let folder = tempfile::tempdir().map_err(failed("no folder for the store can be made"))?;
        let server = start_server(config, &world, folder.path()).await?;
        let store = server.store();
        let (stop, stopped) = oneshot::channel::<()>();
        let stopped = async move {
            let _dropped_is_stop_too = stopped.await;
        };
        let serving = tokio::task::spawn_local(server.run(stopped, std::future::pending()));
        let mut talk = Talk { world, store, screen: Screen::new(self.json, self.flow), flow };
        let all_well = if self.say.is_empty() {
            prompt::talk(&mut talk).await?
        } else {
            self.say_all(&mut talk).await?
        };
        drop(stop);
        // The world outlives the server, which may still have something to say in it.
        serving.await.map_err(|error| Failed::Sandbox(format!("the server is gone: {error}")))??;
        if all_well { Ok(()) } else { Err(Failed::Sandbox("not all turns ended well".to_owned())) }
    }

    async fn say_all(&self, talk: &mut Talk) -> Result<bool, Failed> {
        let mut events = talk.world.subscribe();
        let mut turns = Vec::new();
        for text in &self.say {
            let turn = talk.say(text);
            turns.push(turn);
            match self.every_ms {
                Some(ms) => {
                    let pause = tokio::time::sleep(Duration::from_millis(ms));
                    talk.show_until(&mut events, pause).await;
                }
                None => talk.show_until_ended(&mut events, turn).await?,
            }
        }
        let mut all_well = true;
        for turn in turns {
            talk.show_until_ended(&mut events, turn).await?;
            all_well &= talk.show_end(turn).await? == State::Delivered;
        }
        Ok(all_well)
    }
}

/// A person's talk with the bot, and what is shown of it.
struct Talk {
    world: Sandboxed,
    store: std::sync::Arc<dyn Store>,
    screen: Screen,
    flow: UnboundedReceiver<FlowLine>,
}

impl Talk {
    fn say(&self, text: &str) -> TurnId {
        let key = ChatKey { bot: BOT, chat: PERSON, topic: None };
        TurnId { bot: BOT, update: self.world.say(key, PERSON, text) }
    }

    async fn show_until(&mut self, events: &mut Receiver<ChatEvent>, end: impl Future<Output = ()>) {
        tokio::pin!(end);
        loop {
            tokio::select! {
                biased;
                Some(line) = self.flow.recv() => self.screen.show_flow(line),
                Ok(event) = events.recv() => self.screen.show(&event),
                () = &mut end => return,
            }
        }
    }

    async fn show_until_ended(
        &mut self,
        events: &mut Receiver<ChatEvent>,
        turn: TurnId,
    ) -> Result<(), Failed> {
        while !self.has_ended(turn).await? {
            self.show_until(events, tokio::time::sleep(LOOK_EVERY)).await;
        }
        while let Ok(event) = events.try_recv() {
            self.screen.show(&event);
        }
        Ok(())
    }

    async fn has_ended(&self, turn: TurnId) -> Result<bool, Failed> {
        let stored = self.store.turn(turn).await.map_err(failed("the store failed"))?;
        Ok(stored.is_some_and(|turn| matches!(turn.state, State::Delivered | State::Failed)))
    }

    async fn show_end(&mut self, turn: TurnId) -> Result<State, Failed> {
        let stored = self.store.turn(turn).await.map_err(failed("the store failed"))?;
        let stored = stored.ok_or_else(|| Failed::Sandbox(format!("turn {turn} is not on record")))?;
        self.screen.show_turn(&stored);
        Ok(stored.state)
    }
}

async fn start_server(
    mut config: Config,
    world: &Sandboxed,
    folder: &std::path::Path,
) -> Result<Server, Failed> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(failed("no port can be had"))?;
    let port = listener.local_addr().map_err(failed("no port can be had"))?.port();
    config.telegram.api_url = world.telegram_url.clone();
    config.llm.base_url = world.model_url.clone();
    config.store.path = folder.join("store");
    // Who asks the simulated model to fail does not want to wait for minutes until it is given up.
    if config.llm.turn_deadline_ms == Config::default().llm.turn_deadline_ms {
        config.llm.turn_deadline_ms = DEADLINE_MS;
    }
    let secrets = Secrets {
        bot_token: Some(Secret::new(format!("{BOT}:sandbox"))),
        api_key: Some(Secret::new("sandbox")),
        ..Secrets::default()
    };
    let updates = Updates::Webhook { listener, address: format!("http://127.0.0.1:{port}") };
    Ok(Server::start(&config, &secrets, updates).await?)
}

fn print_addresses(world: &Sandboxed) {
    println!("TELEGRAM_API_URL={}", world.telegram_url);
    println!("OPENAI_BASE_URL={}", world.model_url);
}

fn failed<E: std::fmt::Display>(what: &'static str) -> impl FnOnce(E) -> Failed {
    move |error| Failed::Sandbox(format!("{what}: {error}"))
}

/// The chat has the terminal: only what is wrong is logged, unless the settings say otherwise. The
/// flow is handed on, for what the chat does not show.
fn log_quietly(config: &Config) -> UnboundedReceiver<FlowLine> {
    let wanted = &config.log.filter;
    let filter = if *wanted == Config::default().log.filter { "warn" } else { wanted };
    let (line, lines) = unbounded_channel();
    logging::log_and_take_flow(filter, move |flow| {
        // At the end nobody looks any more.
        let _nobody_looks = line.send(flow);
    });
    lines
}
