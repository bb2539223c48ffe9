//! One load test from its start to its report.

use std::io::{self, IsTerminal};
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::Instant;

use super::bot::{Bot, Places, Program};
use super::driver::{self, Plan};
use super::http::accept;
use super::hub::Hub;
use super::peers::{Peer, Peers};
use super::profile::Profile;
use super::report::{Facts, Report};
use super::watch::{Cpu, Watch};
use super::webhook::USUAL_CONNECTIONS;
use super::{model, process, stored, telegram};
use crate::sandbox::telegram::{SharedWorld, World, webhook};
use crate::stop::Stop;

/// The first update of a bot with a store of its own.
const FIRST_UPDATE: i64 = 500_000_001;
/// Files and connections besides those of the chats.
const OTHER_FILES: u64 = 200;
/// For the last turns to be on record.
const LAST_WRITES: Duration = Duration::from_secs(1);

/// How a load test is run.
#[derive(Debug, Clone)]
pub struct Options {
    /// What it does.
    pub profile: Profile,
    /// Under which name the profile is known.
    pub name: String,
    /// The number of the first chat.
    pub first_chat: i64,
    /// The bot that is tested.
    pub bot: Tested,
    /// Load tests of the same bot on other machines, whose simulators it does not know.
    pub peers: Vec<Peer>,
    /// The simulated Telegram's port; 0 takes a free one.
    pub telegram_port: u16,
    /// The simulated model's port; 0 takes a free one.
    pub model_port: u16,
    /// The folder of a running bot's embedded store, to look into at the end.
    pub store: Option<PathBuf>,
    /// The bot and what measures it are kept on a core each.
    pub is_pinned: bool,
}

/// The bot that is tested.
#[derive(Debug, Clone)]
pub enum Tested {
    /// Started for the test.
    Child(Program),
    /// Somebody else's, which runs already.
    Running {
        /// Where its webhook is.
        url: String,
        /// What Telegram sends with every update.
        secret: String,
        /// Its process, where it is on this machine.
        pid: Option<u32>,
    },
}

impl Tested {
    /// The program and what it is told beyond what every bot is; the address of one that runs already.
    fn in_words(&self, profile: &Profile) -> String {
        let Program { path, args, env, config, core: _ } = match self {
            Self::Child(program) => program,
            Self::Running { url, .. } => return url.clone(),
        };
        let path = path.as_ref().map_or_else(|| "brigade".to_owned(), |path| path.display().to_string());
        let config = config.iter().map(|file| format!("--config {}", file.display()));
        let env = profile.bot.env.iter().chain(env.iter().map(|(name, value)| (name, value)));
        // Values of variables may be secrets: names are enough to tell that something differs, but for ours.
        let env = env.map(|(name, value)| match name.starts_with("BRIGADE_") {
            true => format!("{name}={value}"),
            false => name.clone(),
        });
        [path].into_iter().chain(args.iter().cloned()).chain(config).chain(env).collect::<Vec<_>>().join(" ")
    }
}

/// Runs a load test. Needs a `LocalRuntime` around it.
///
/// # Errors
/// What kept it from being run to its end. Wrong answers are in the report.
pub async fn run(options: Options) -> Result<Report, String> {
    options.profile.check()?;
    // From now on: the bot must not outlive this process, however early that is told to end.
    let mut stop = Stop::listen();
    look_for_room(options.profile.chats)?;
    let folder = tempfile::tempdir().map_err(|error| format!("no folder can be made: {error}"))?;
    let peers = Peers::new(options.peers.clone()).map_err(|error| error.to_string())?;
    let world = world(&options.profile)?;
    let hub = Rc::new(Hub::new(options.profile.clone(), world, peers, first_update(&options)));
    let (telegram, model) = (listen(options.telegram_port).await?, listen(options.model_port).await?);
    let places = Places {
        telegram_url: url(&telegram, "")?,
        model_url: url(&model, "/v1")?,
        folder: folder.path().to_owned(),
    };
    let serving = serve(hub.clone(), telegram, model);
    let testing = test(&options, &hub, &places, &mut stop);
    tokio::select! {
        failed = serving => Err(format!("the simulators failed: {}", failed.err().map_or_else(String::new, |error| error.to_string()))),
        report = testing => report,
    }
}

/// Each answer on its way is a connection on either side.
fn look_for_room(chats: u64) -> Result<(), String> {
    let wanted = chats.saturating_add(OTHER_FILES);
    // The usual limit is far lower than what the system allows.
    let most = rlimit::increase_nofile_limit(u64::MAX).ok();
    match most.or_else(|| process::most_open_files(std::process::id())).filter(|most| *most < wanted) {
        Some(most) => Err(format!(
            "{chats} chats need about {wanted} open connections, and the system allows this process {most}: raise \
             it with ulimit -Hn"
        )),
        None => Ok(()),
    }
}

fn world(profile: &Profile) -> Result<SharedWorld, String> {
    let mut world = World::new(super::webhook::now_s());
    world.open_chats_by_themselves(true);
    world.set_limits(profile.limits()?);
    world.set_chaos(profile.faults);
    Ok(SharedWorld::new(world))
}

/// A bot that runs on has taken updates before, and must not take new ones for old.
fn first_update(options: &Options) -> i64 {
    match options.bot {
        Tested::Child(_) => FIRST_UPDATE,
        // From the first chat on below 2^31, where some client libraries end. Other machines have other first
        // chats, and must not have the same updates.
        Tested::Running { .. } => {
            (super::webhook::now_s() % 200_000) as i64 * 10_000 + ((options.first_chat - 1) << 31)
        }
    }
}

async fn listen(port: u16) -> Result<TcpListener, String> {
    // A bot that runs elsewhere must reach a port that was asked for by its number.
    let address = if port == 0 { Ipv4Addr::LOCALHOST } else { Ipv4Addr::UNSPECIFIED };
    TcpListener::bind((address, port))
        .await
        .map_err(|error| format!("can't listen on {address}:{port}: {error}"))
}

fn url(listener: &TcpListener, path: &str) -> Result<String, String> {
    let port = listener.local_addr().map_err(|error| error.to_string())?.port();
    Ok(format!("http://127.0.0.1:{port}{path}"))
}

async fn serve(hub: Rc<Hub>, telegram: TcpListener, model: TcpListener) -> io::Result<()> {
    let (for_telegram, for_model) = (hub.clone(), hub.clone());
    let telegram = accept(telegram, move |connection| telegram::serve(for_telegram.clone(), connection));
    let model = accept(model, move |connection| model::serve(for_model.clone(), connection));
    let world = hub.world.clone();
    let ruled = async {
        if !hub.ruled {
            return std::future::pending().await;
        }
        tokio::try_join!(telegram::watch(hub.clone()), async {
            webhook::deliver(world).await.map_err(io::Error::other)
        })
        .map(drop)
    };
    tokio::try_join!(telegram, model, ruled).map(drop)
}

async fn test(options: &Options, hub: &Rc<Hub>, places: &Places, stop: &mut Stop) -> Result<Report, String> {
    let mut bot = tokio::select! {
        bot = meet(options, hub, places) => bot?,
        () = stop.asked() => return Err("it was ended before the bot took updates".to_owned()),
    };
    let pid = match (&bot, &options.bot) {
        (Some(bot), _) => bot.pid(),
        (None, Tested::Running { pid, .. }) => *pid,
        (None, Tested::Child(_)) => None,
    };
    let idle_rss_kb = pid.and_then(process::rss_kb);
    let (bot_cores, shares_cores) = cores_of(options, pid);
    let most_fds = pid.and_then(process::most_open_files);
    let (end, ended) = watch::channel(false);
    let began = Instant::now();
    let before = Cpu::now(pid);
    let plan = Plan { first_chat: options.first_chat, began, stopped: ended };
    let driving = tokio::task::spawn_local(driver::drive(hub.clone(), plan));
    let mut watch = Watch::begin(pid);
    let (interrupted, died) = tokio::select! {
        ended = driving => {
            ended.map_err(|failed| failed.to_string()).flatten()?;
            (false, None)
        }
        how = watch.over(hub, &mut bot) => (false, Some(how)),
        () = stop.asked() => (true, None),
    };
    // Nobody asks any more; whoever still waits has been forgotten.
    end.send_replace(true);
    watch.end(hub);
    let took = began.elapsed();
    let used = Cpu::now(pid).since(before);
    if hub.ruled {
        hub.stats.borrow_mut().counts.refused_updates = hub.world.with(|world, _| world.failed_deliveries());
    }
    if io::stderr().is_terminal() {
        eprintln!();
    }
    // Whatever the bot still says while it ends is judged too.
    let ended_badly = match (died, &mut bot) {
        (None, Some(bot)) => bot.end().await.err(),
        (died, _) => died,
    };
    if let Some(how) = &ended_badly {
        hub.judge.borrow_mut().violations.add(0, 0, "the bot's end", how.clone());
    }
    let is_whole = !interrupted && ended_badly.is_none();
    let stored = if is_whole { look_into_store(options, hub, bot.as_ref()).await? } else { None };
    let facts = Facts {
        name: &options.name,
        bot: options.bot.in_words(&options.profile),
        is_pinned: options.is_pinned,
        took,
        interrupted,
        bot_cpu: used.bot,
        load_cpu: used.load,
        bot_cores,
        shares_cores,
        idle_rss_kb,
        most_rss_kb: pid.and_then(|_| process::memory_kb()),
        most_fds,
        ready: bot.as_ref().map(|bot| bot.ready),
        stored,
    };
    Ok(Report::of(hub, &facts))
}

/// How many cores the bot may use, and whether this process may use one of them too.
fn cores_of(options: &Options, pid: Option<u32>) -> (usize, bool) {
    match pid {
        _ if options.is_pinned => (1, false),
        Some(pid) => {
            let (bots, ours) = (process::allowed_cores(pid), process::allowed_cores(std::process::id()));
            (bots.len().max(1), bots.iter().any(|core| ours.contains(core)))
        }
        None => (1, false),
    }
}

/// Starts the bot, or gets to know the one that runs.
async fn meet(options: &Options, hub: &Rc<Hub>, places: &Places) -> Result<Option<Bot>, String> {
    match &options.bot {
        Tested::Child(program) => Bot::start(program, hub, places).await.map(Some),
        Tested::Running { url, secret, .. } => {
            eprintln!("TELEGRAM_API_URL={}", places.telegram_url);
            eprintln!("OPENAI_BASE_URL={}", places.model_url);
            let set = hub.set_hook(url, secret, 2 * USUAL_CONNECTIONS).await;
            set.map_err(|error| error.to_string())?;
            hub.webhook_set.set(true);
            Ok(None)
        }
    }
}

async fn look_into_store(options: &Options, hub: &Hub, bot: Option<&Bot>) -> Result<Option<u64>, String> {
    if bot.is_none() && options.store.is_some() {
        // A bot that runs on writes the end of a turn after the chat has the answer.
        tokio::time::sleep(LAST_WRITES).await;
    }
    let folder = options.store.clone().or_else(|| bot.map(|bot| bot.store.clone()));
    match folder.filter(|folder| stored::is_there(folder)) {
        Some(folder) => stored::check(hub, &folder).await.map(Some),
        None => Ok(None),
    }
}
