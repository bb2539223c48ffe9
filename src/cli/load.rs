//! `brigade load`: many simulated people, and what became of their questions.

mod told;

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::Failed;
use crate::edge::store::sqlite;
use crate::load::bot::Program;
use crate::load::distribution::Distribution;
use crate::load::pin::pin;
use crate::load::profile::{Profile, set_fault};
use crate::load::report::{Report, page, table};
use crate::load::run::{Options, Tested, run};
use told::{chats_in, look_whether_writable, peer_of, read_baseline, say, webhook_of, write};

/// Let many simulated people talk with a bot, measure it, and judge every word.
///
/// Starts a bot of its own with a simulated Telegram and a simulated model, lets people ask, and
/// looks whether every answer comes whole, once and in order. Figures come as a table, with
/// --report as a page, with --json as data. The bot is another process: what it uses is measured
/// apart from what measuring it costs.
///
/// Exits with 1 when an answer was wrong or the bot failed, and with 2 when the profile or an
/// option can't be used.
#[derive(Debug, Args)]
#[command(
    after_help = "Profiles: seed (319 deltas, 1,385 characters, 42 ms apart), burst (64 chats, no pauses), \
tools (rounds of tools), limits (Telegram's flood limits), or a file like them.

Distributions: 42, uniform:LOW,HIGH, normal:MEAN,SD, lognormal:MEDIAN,SIGMA, exp:MEAN.

Examples:
  brigade load
  brigade load --chats 1000 --pin --report load.html --json load.json
  brigade load --profile burst --duration 20 --baseline load.json
  brigade load --rate 50 --chats 1000 --duration 60
  brigade load --against http://127.0.0.1:8080 --secret WORD --telegram-port 9001 --model-port 9002"
)]
pub(super) struct Load {
    /// What is done: seed, burst, tools, limits, or a TOML file.
    #[arg(long, value_name = "NAME|FILE", default_value = "seed")]
    profile: String,

    /// People who talk with the bot, each in a chat.
    #[arg(long, value_name = "N")]
    chats: Option<u64>,

    /// The chats from A to B, to load one bot from several machines: see --peer.
    #[arg(long, value_name = "A..B", conflicts_with = "chats")]
    chat_range: Option<String>,

    /// Questions that each chat asks.
    #[arg(long, value_name = "N")]
    turns: Option<u32>,

    /// Ask for so many seconds; answers that are under way then are waited for.
    #[arg(long, value_name = "S")]
    duration: Option<f64>,

    /// Let the chats begin over so many seconds.
    #[arg(long, value_name = "S")]
    ramp: Option<f64>,

    /// Ask N times a second over all chats, as a Poisson process that waits for no answer.
    #[arg(long, value_name = "N")]
    rate: Option<f64>,

    /// From an answer to the next question, in milliseconds.
    #[arg(long, value_name = "DIST")]
    think_ms: Option<Distribution>,

    /// From the request to the model's first delta, in milliseconds.
    #[arg(long, value_name = "DIST")]
    first_ms: Option<Distribution>,

    /// From one delta to the next, in milliseconds.
    #[arg(long, value_name = "DIST")]
    gap_ms: Option<Distribution>,

    /// Deltas of an answer.
    #[arg(long, value_name = "DIST")]
    deltas: Option<Distribution>,

    /// Rounds of tools before an answer.
    #[arg(long, value_name = "DIST")]
    tool_rounds: Option<Distribution>,

    /// Telegram's flood limits. With limits, the bot's own pacing is on, otherwise it is off.
    #[arg(long, value_enum)]
    limits: Option<LimitsName>,

    /// Troubles at Telegram, in percent of its calls: server_error, lost_reply, unreachable, slow,
    /// doubled_webhook. May be given several times.
    #[arg(long, value_name = "KIND=PERCENT")]
    fault: Vec<String>,

    /// What everything is drawn from.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,

    /// How long a turn may take before it counts as unanswered, in seconds. It begins when nothing else is to
    /// be answered in its chat.
    #[arg(long, value_name = "S")]
    turn_timeout: Option<f64>,

    /// Test this program instead. It gets TELEGRAM_API_URL, TELEGRAM_BOT_TOKEN, TELEGRAM_WEBHOOK_URL,
    /// TELEGRAM_WEBHOOK_SECRET, OPENAI_BASE_URL, OPENAI_API_KEY, OPENAI_MODEL and PORT.
    #[arg(long, value_name = "PATH")]
    bot: Option<PathBuf>,

    /// An argument for it. May be given several times.
    #[arg(long, value_name = "ARG", requires = "bot", allow_hyphen_values = true)]
    bot_arg: Vec<String>,

    /// A further variable of the bot's environment. May be given several times.
    #[arg(long, value_name = "NAME=VALUE")]
    bot_env: Vec<String>,

    /// Test a bot that runs already: where its webhook is. The simulators' addresses on this machine
    /// are printed; the bot must have been told them.
    #[arg(long, value_name = "URL", conflicts_with_all = ["bot", "bot_env", "pin"])]
    against: Option<String>,

    /// With --against: what Telegram sends with every update (TELEGRAM_WEBHOOK_SECRET).
    #[arg(long, value_name = "WORD", requires = "against")]
    secret: Option<String>,

    /// With --against: its process on this machine, to measure what it uses.
    #[arg(long, value_name = "ID", requires = "against")]
    pid: Option<u32>,

    /// With --against: the folder of its embedded store, to look into at the end. Its bot must be number 77.
    #[arg(long, value_name = "FOLDER", requires = "against")]
    store: Option<PathBuf>,

    /// With --against: another load test of the same bot, on another machine, and where its Telegram and its
    /// model are. The bot needs to know only this one's, which is to end last. May be given several times.
    #[arg(long, value_name = "A..B=TELEGRAM,MODEL", requires = "against")]
    peer: Vec<String>,

    /// The simulated Telegram's port; 0 takes a free one. Any other listens on all addresses.
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    telegram_port: u16,

    /// The simulated model's port; 0 takes a free one. Any other listens on all addresses.
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    model_port: u16,

    /// Keep the bot on one core and everything else on another.
    #[arg(long)]
    pin: bool,

    /// Write everything that was found as JSON; - for standard output, in place of the table.
    #[arg(long, value_name = "FILE|-")]
    json: Option<PathBuf>,

    /// Write a page with charts.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,

    /// Set this run beside one that was written with --json.
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
}

/// Telegram's limits by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum LimitsName {
    /// No call is counted.
    Off,
    /// As Telegram is believed to be.
    Telegram,
    /// The published numbers without any burst, and harsh penalties.
    Strict,
}

/// Why a load test is not a success.
#[derive(Debug, thiserror::Error)]
pub(super) enum LoadError {
    /// It can't be run as it was asked for.
    #[error("{0}")]
    Usage(String),
    /// It was not run to its end.
    #[error("the load test failed: {0}")]
    Broken(String),
    /// It was, and this is what came of it.
    #[error("the load test found what must not happen, {0} times")]
    Wrong(u64),
}

impl LoadError {
    /// Whether the options are at fault.
    pub(super) fn is_of_settings(&self) -> bool {
        matches!(self, Self::Usage(_))
    }
}

impl Load {
    pub(super) async fn run(self, config: Option<PathBuf>) -> Result<(), Failed> {
        Ok(self.measure(config).await?)
    }

    async fn measure(self, config: Option<PathBuf>) -> Result<(), LoadError> {
        let baseline = self.baseline.as_deref().map(read_baseline).transpose().map_err(LoadError::Usage)?;
        let options = self.options(config).map_err(LoadError::Usage)?;
        for file in self.json.iter().chain(&self.report).filter(|file| *file != Path::new("-")) {
            look_whether_writable(file).map_err(LoadError::Usage)?;
        }
        let report = run(options).await.map_err(LoadError::Broken)?;
        self.tell(&report, baseline.as_ref()).map_err(LoadError::Broken)?;
        if report.interrupted && report.counts.turns == 0 {
            return Err(LoadError::Broken("it was ended before a question was answered".to_owned()));
        }
        if report.is_clean() { Ok(()) } else { Err(LoadError::Wrong(report.violations.count)) }
    }

    fn options(&self, config: Option<PathBuf>) -> Result<Options, String> {
        let (mut profile, first_chat) = self.profile()?;
        profile.check()?;
        if let Some(folder) = self.store.as_ref().filter(|folder| !folder.join(sqlite::FILE).is_file()) {
            return Err(format!("there is no embedded store in {}: see --store", folder.display()));
        }
        let cores = if self.pin { Some(pin()?) } else { None };
        let bot = self.tested(config, cores.map(|cores| cores.bot))?;
        if let Tested::Child(program) = &bot {
            program.promises(&mut profile)?;
        }
        Ok(Options {
            profile,
            name: self.profile.clone(),
            first_chat,
            bot,
            peers: self.peer.iter().map(|peer| peer_of(peer)).collect::<Result<_, _>>()?,
            telegram_port: self.telegram_port,
            model_port: self.model_port,
            store: self.store.clone(),
            is_pinned: cores.is_some(),
        })
    }

    /// The profile with what the command line changes in it, and the first chat.
    fn profile(&self) -> Result<(Profile, i64), String> {
        let mut profile = Profile::find(&self.profile)?;
        let mut first_chat = 1;
        if let Some(range) = &self.chat_range {
            (first_chat, profile.chats) = chats_in(range)?;
        }
        profile.chats = self.chats.unwrap_or(profile.chats);
        if self.turns.is_some() || self.duration.is_some() {
            // Who gives one of the two means that and not both.
            (profile.turns, profile.duration_s) = (self.turns, self.duration);
        }
        profile.ramp_s = self.ramp.unwrap_or(profile.ramp_s);
        profile.rate_per_s = self.rate.or(profile.rate_per_s);
        profile.seed = self.seed.unwrap_or(profile.seed);
        profile.turn_timeout_s = self.turn_timeout.unwrap_or(profile.turn_timeout_s);
        let model = &mut profile.model;
        for (drawn, told) in [
            (&mut profile.think_ms, self.think_ms),
            (&mut model.first_ms, self.first_ms),
            (&mut model.gap_ms, self.gap_ms),
            (&mut model.deltas, self.deltas),
            (&mut model.tool_rounds, self.tool_rounds),
        ] {
            *drawn = told.unwrap_or(*drawn);
        }
        if let Some(limits) = self.limits {
            profile.telegram.limits = Some(limits.name().into());
        }
        profile.faults.seed = profile.seed;
        self.fault.iter().try_for_each(|fault| set_fault(&mut profile.faults, fault))?;
        if profile.faults == (crate::sandbox::telegram::Chaos { seed: profile.seed, ..Default::default() }) {
            profile.faults = Default::default();
        }
        Ok((profile, first_chat))
    }

    fn tested(&self, config: Option<PathBuf>, core: Option<usize>) -> Result<Tested, String> {
        if let Some(url) = &self.against {
            let (url, pid) = (webhook_of(url)?, self.pid);
            return Ok(Tested::Running { url, secret: self.secret.clone().unwrap_or_default(), pid });
        }
        let pair = |text: &String| match text.split_once('=') {
            Some((name, value)) => Ok((name.to_owned(), value.to_owned())),
            None => Err(format!("'{text}' sets no variable: expected NAME=VALUE")),
        };
        let env = self.bot_env.iter().map(pair).collect::<Result<_, _>>()?;
        let whole = |path: PathBuf| {
            std::fs::canonicalize(&path).map_err(|error| format!("{} can't be read: {error}", path.display()))
        };
        let config = config.map(whole).transpose()?;
        Ok(Tested::Child(Program { path: self.bot.clone(), args: self.bot_arg.clone(), env, config, core }))
    }

    /// What is said comes before what is written, which may fail.
    fn tell(&self, report: &Report, baseline: Option<&Report>) -> Result<(), String> {
        let json = serde_json::to_string_pretty(report).map_err(|error| error.to_string())?;
        let file = self.json.as_deref().filter(|file| *file != Path::new("-"));
        let is_said_as_json = self.json.is_some() && file.is_none();
        say(&if is_said_as_json { json.clone() + "\n" } else { table(report, baseline) })?;
        if let Some(file) = &self.report {
            write(file, &page(report, baseline))?;
        }
        file.map_or(Ok(()), |file| write(file, &json))
    }
}

impl LimitsName {
    fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Telegram => "telegram",
            Self::Strict => "strict",
        }
    }
}
