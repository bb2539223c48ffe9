//! The bot under test as a child process.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::net::TcpListener;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

use super::hub::{BOT, Hub};
use super::profile::{Bot as Told, Profile};
use super::webhook::USUAL_CONNECTIONS;
use crate::config::{self, Config, Environment};
use crate::domain::cutting::Streaming;
use crate::domain::line::BeatStyle;
use crate::server::CHOOSE_ANOTHER_PORT;

/// What the simulated Telegram sends with every update.
const SECRET: &str = "load-test-secret";
/// How long the bot may take to listen.
const START_PATIENCE: Duration = Duration::from_secs(30);
/// How long a bot that listens may take to set its webhook; one that never does has to tell nobody.
const HOOK_PATIENCE: Duration = Duration::from_secs(2);
/// How long it may take to end.
const END_PATIENCE: Duration = Duration::from_secs(40);
const SIGTERM: i32 = 15;
const LOOK_EVERY: Duration = Duration::from_millis(2);
/// Another process may take a free port first.
const ATTEMPTS: usize = 5;
/// Of the bot's log, what is shown when it fails.
const LAST_LINES: usize = 15;

/// The names by which this process's own settings would reach the child.
const OWN: [&str; 7] =
    ["TELEGRAM_", "OPENAI_", "MONGODB_", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "BRIGADE_CONFIG"];

/// What is started.
#[derive(Debug, Clone)]
pub struct Program {
    /// The program; this one when missing.
    pub path: Option<PathBuf>,
    /// What it is told, where it is another program.
    pub args: Vec<String>,
    /// Further variables of its environment.
    pub env: Vec<(String, String)>,
    /// Its file of settings, where it is this program.
    pub config: Option<PathBuf>,
    /// The core that it is kept on.
    pub core: Option<usize>,
}

impl Program {
    /// Has the judge hold this server to what its settings promise, where the profile says nothing of it.
    ///
    /// # Errors
    /// Settings that can't be used.
    pub fn promises(&self, profile: &mut Profile) -> Result<(), String> {
        if self.path.is_some() {
            return Ok(());
        }
        let own = std::env::vars_os().filter_map(|(name, value)| {
            let name = name.into_string().ok().filter(|name| name.starts_with("BRIGADE_"))?;
            (name != "BRIGADE_CONFIG").then_some((name, value.into_string().ok()?))
        });
        let all = own.chain(profile.bot.env.clone()).chain(self.env.clone());
        let environment = Environment::from_pairs(all);
        // It begins in an empty folder, so no other file of settings is found.
        let read = config::load(self.config.as_deref(), Path::new("/dev/null"), &environment);
        let Config { delivery, heartbeat, .. } = read.map_err(|error| error.to_string())?.0;
        let (usual, told) = (Told::default(), &mut profile.bot);
        if told.chunk_chars == usual.chunk_chars {
            // What grows is shown from its first words on.
            let grows = delivery.private != Streaming::Chunks;
            told.chunk_chars = if grows { 1 } else { delivery.chunk_chars };
        }
        if told.thinking_every_ms == usual.thinking_every_ms {
            let says = heartbeat.style != BeatStyle::Typing && heartbeat.max_beats > 0;
            told.thinking_every_ms = if says { heartbeat.every_ms } else { 0 };
            told.max_thinking.get_or_insert(heartbeat.max_beats);
        }
        Ok(())
    }
}

/// A running bot. Dropped, it is killed.
#[derive(Debug)]
pub(super) struct Bot {
    child: Child,
    log: PathBuf,
    /// The folder of its store.
    pub(super) store: PathBuf,
    /// From its start until it took updates.
    pub(super) ready: Duration,
}

impl Bot {
    /// Starts it and waits until updates may come.
    ///
    /// # Errors
    /// What it ended with, with the end of its log.
    pub(super) async fn start(program: &Program, hub: &Hub, places: &Places) -> Result<Self, String> {
        let mut last = String::new();
        for attempt in 0..ATTEMPTS {
            let port = free_port().map_err(|error| format!("no port can be had: {error}"))?;
            let mut bot = Self::spawn(program, hub, places, port, attempt)?;
            match bot.until_ready(hub, port).await {
                Ok(()) => return Ok(bot),
                Err(why) if why.contains(CHOOSE_ANOTHER_PORT) => last = why,
                Err(why) => return Err(why),
            }
        }
        Err(last)
    }

    fn spawn(
        program: &Program,
        hub: &Hub,
        places: &Places,
        port: u16,
        attempt: usize,
    ) -> Result<Self, String> {
        let name = program.name()?;
        let failed = |error: io::Error| format!("the bot {name:?} can't be started: {error}");
        let folder = places.folder.join(attempt.to_string());
        fs::create_dir(&folder).map_err(failed)?;
        let (store, log) = (folder.join("store"), folder.join("bot.log"));
        let output = File::create(&log).map_err(failed)?;
        let mut command = program.command(&name);
        for (name, _) in std::env::vars_os() {
            let upper = name.to_string_lossy().to_uppercase();
            if upper == "PORT" || OWN.iter().any(|prefix| upper.starts_with(prefix)) {
                command.env_remove(name);
            }
        }
        command.envs(settings(&hub.profile, places, port, &store));
        if let Some(config) = &program.config {
            command.env("BRIGADE_CONFIG", config);
        }
        command.envs(program.env.iter().map(|(name, value)| (name, value)));
        if program.config.is_none() {
            // Files that the settings name are named as seen from here; no others are to be found.
            command.current_dir(&folder);
        }
        command.stdin(Stdio::null()).stdout(output.try_clone().map_err(failed)?).stderr(output);
        let child = command.kill_on_drop(true).spawn().map_err(failed)?;
        Ok(Self { child, log, store, ready: Duration::ZERO })
    }

    async fn until_ready(&mut self, hub: &Hub, port: u16) -> Result<(), String> {
        let began = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            self.look_whether_it_runs()?;
            if began.elapsed() > START_PATIENCE {
                return Err(self.blame("the bot does not listen on PORT"));
            }
            sleep(LOOK_EVERY).await;
        }
        let listening = began.elapsed();
        while hub.hook.borrow().is_none() && began.elapsed() < listening + HOOK_PATIENCE {
            self.look_whether_it_runs()?;
            sleep(LOOK_EVERY).await;
        }
        self.ready = if hub.hook.borrow().is_some() { began.elapsed() } else { listening };
        if hub.hook.borrow().is_none() {
            let url = format!("http://127.0.0.1:{port}/webhook");
            let set = hub.set_hook(&url, SECRET, USUAL_CONNECTIONS).await;
            set.map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    /// Its process.
    pub(super) fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// Looks whether it runs.
    ///
    /// # Errors
    /// How it ended, with the end of its log.
    pub(super) fn look_whether_it_runs(&mut self) -> Result<(), String> {
        match self.child.try_wait() {
            Ok(None) => Ok(()),
            Ok(Some(status)) => Err(self.blame(&format!("the bot has ended ({status})"))),
            Err(error) => Err(format!("the bot can't be asked whether it runs: {error}")),
        }
    }

    /// Asks it to end and waits until it has.
    ///
    /// # Errors
    /// When it ended badly or had to be killed.
    pub(super) async fn end(&mut self) -> Result<(), String> {
        if let Some(pid) = self.pid() {
            let _sent = Command::new("kill").args(["-TERM", &pid.to_string()]).status().await;
        }
        match timeout(END_PATIENCE, self.child.wait()).await {
            Ok(Ok(status)) if status.success() => Ok(()),
            // Programs that know no orderly end are ended by the signal, or say so as a shell does.
            Ok(Ok(status)) if status.signal() == Some(SIGTERM) || status.code() == Some(128 + SIGTERM) => {
                Ok(())
            }
            Ok(Ok(status)) => Err(self.blame(&format!("the bot ended badly ({status})"))),
            Ok(Err(error)) => Err(format!("the bot can't be waited for: {error}")),
            Err(_) => {
                let _ended_by_itself = self.child.kill().await;
                Err(self.blame(&format!("the bot did not end within {} s", END_PATIENCE.as_secs())))
            }
        }
    }

    fn blame(&self, what: &str) -> String {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let last = lines[lines.len().saturating_sub(LAST_LINES)..].join("\n  ");
        format!("{what}; the end of its log:\n  {last}")
    }
}

/// Where the simulators are, and where the bot may write.
#[derive(Debug)]
pub(super) struct Places {
    pub(super) telegram_url: String,
    pub(super) model_url: String,
    pub(super) folder: PathBuf,
}

impl Program {
    fn name(&self) -> Result<PathBuf, String> {
        match &self.path {
            Some(path) => fs::canonicalize(path)
                .map_err(|error| format!("the bot {} can't be started: {error}", path.display())),
            None => std::env::current_exe().map_err(|error| format!("this program can't be found: {error}")),
        }
    }

    fn command(&self, name: &Path) -> Command {
        let mut command = match self.core {
            Some(core) => {
                let mut command = Command::new("taskset");
                command.args([OsString::from("-c"), core.to_string().into(), name.into()]);
                command
            }
            None => Command::new(name),
        };
        if self.path.is_none() {
            command.arg("serve");
        }
        command.args(&self.args);
        command
    }
}

/// The environment that every bot gets.
fn settings(profile: &Profile, places: &Places, port: u16, store: &Path) -> BTreeMap<String, String> {
    let webhook = format!("http://127.0.0.1:{port}");
    let in_flight = (profile.chats * 2).max(10_000).to_string();
    let store = store.display().to_string();
    let token = format!("{BOT}:load-test");
    let mut all: BTreeMap<String, String> = [
        ("TELEGRAM_BOT_TOKEN", token.as_str()),
        ("TELEGRAM_API_URL", &places.telegram_url),
        ("TELEGRAM_WEBHOOK_URL", &webhook),
        ("TELEGRAM_WEBHOOK_SECRET", SECRET),
        ("OPENAI_API_KEY", "load-test"),
        ("OPENAI_BASE_URL", &places.model_url),
        ("OPENAI_MODEL", "load"),
        ("PORT", &port.to_string()),
        ("BRIGADE_HTTP__HOST", "127.0.0.1"),
        ("BRIGADE_HTTP__MAX_TURNS_IN_FLIGHT", &in_flight),
        ("BRIGADE_STORE__PATH", &store),
        // As many updates at once as Telegram ever sends.
        ("BRIGADE_TELEGRAM__MAX_CONNECTIONS", "100"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    if !profile.limits().is_ok_and(|limits| limits.on) {
        // A Telegram without limits is not paced for: it is the bot that is measured.
        for what in ["PRIVATE", "GROUP", "PREVIEW", "DELETE", "OVERALL"] {
            all.insert(format!("BRIGADE_PACING__{what}_EVERY_MS"), "0".to_owned());
        }
    }
    all.extend(profile.bot.env.clone());
    all
}

fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set_for(profile: &str) -> BTreeMap<String, String> {
        let places = Places {
            telegram_url: "http://t".into(),
            model_url: "http://m/v1".into(),
            folder: PathBuf::from("f"),
        };
        settings(&Profile::find(profile).unwrap(), &places, 8, Path::new("s"))
    }

    #[test]
    fn pacing_is_off_unless_telegram_has_limits() {
        let name = "BRIGADE_PACING__PRIVATE_EVERY_MS";
        assert_eq!(set_for("seed").get(name).map(String::as_str), Some("0"));
        assert_eq!(set_for("limits").get(name), None);
    }

    #[test]
    fn the_profile_has_the_last_word() {
        assert_eq!(set_for("seed")["BRIGADE_LLM__FIRST_CALL"], "stream");
        assert_eq!(set_for("tools").get("BRIGADE_LLM__FIRST_CALL"), None);
        assert_eq!(set_for("seed")["OPENAI_BASE_URL"], "http://m/v1");
    }
}
