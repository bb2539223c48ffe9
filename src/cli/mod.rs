//! The command line: one file for each command.

mod flow;
mod load;
mod logging;
mod sandbox;
mod serve;
mod transcripts;

use std::io;
use std::mem::ManuallyDrop;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tokio::runtime::LocalRuntime;

use crate::config::{self, Config, ConfigError, Environment, Secrets};
use crate::edge::store::sqlite;
use crate::server::{ServerError, WhenAway};
use transcripts::TranscriptsError;

/// The exit code for settings and scenarios that can't be used; clap's own for wrong arguments.
const WRONG_SETTINGS: u8 = 2;

/// A Telegram bot server for language models.
///
/// Every accepted message is answered once, in order, to its last word, and is on record.
#[derive(Debug, Parser)]
#[command(version, about, arg_required_else_help = true)]
struct Arguments {
    /// Read settings from FILE instead of ./config.toml.
    ///
    /// The file may be partial. The environment overrides it: any key as
    /// BRIGADE_<SECTION>__<KEY>, for example BRIGADE_HEARTBEAT__EVERY_MS=3000.
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(serve::Serve),
    Sandbox(sandbox::Sandbox),
    Flow(flow::Flow),
    Load(Box<load::Load>),
    #[command(subcommand)]
    Transcripts(transcripts::TranscriptsCommand),
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error("{0}")]
    Config(#[from] ConfigError),
    #[error("{0}")]
    Server(#[from] ServerError),
    #[error("{0}")]
    Transcripts(#[from] transcripts::TranscriptsError),
    #[error("{0}")]
    Flow(#[from] flow::FlowError),
    #[error("{0}")]
    Load(#[from] load::LoadError),
    #[error("{0}")]
    Sandbox(String),
    #[error("this thread can't wait for connections: {0}; see the limit of open files (ulimit -n)")]
    Runtime(io::Error),
}

/// Runs the command that the process was started with.
pub fn run() -> ExitCode {
    let arguments = Arguments::parse();
    match run_command(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failed) => {
            eprintln!("error: {failed}");
            match failed {
                Failed::Config(_) => ExitCode::from(WRONG_SETTINGS),
                Failed::Server(error) if error.is_of_settings() => ExitCode::from(WRONG_SETTINGS),
                Failed::Load(error) if error.is_of_settings() => ExitCode::from(WRONG_SETTINGS),
                Failed::Flow(error) if error.is_of_the_file() => ExitCode::from(WRONG_SETTINGS),
                _ => ExitCode::FAILURE,
            }
        }
    }
}

fn run_command(arguments: Arguments) -> Result<(), Failed> {
    let settings = || config::load(arguments.config.as_deref(), Path::new("."), &Environment::of_process());
    // Not dropped: nobody waits for what is still on its way.
    let runtime = || LocalRuntime::new().map(ManuallyDrop::new).map_err(Failed::Runtime);
    match arguments.command {
        Command::Serve(serve) => {
            let (config, secrets) = settings()?;
            serve.log(&config);
            runtime()?.block_on(serve.run(&config, &secrets))
        }
        Command::Sandbox(sandbox) => {
            let (config, _) = settings()?;
            runtime()?.block_on(sandbox.run(config))
        }
        // A scenario brings its own settings and its own runtime.
        Command::Flow(flow) => Ok(flow.run()?),
        // The bot that is tested reads its settings itself.
        Command::Load(load) => runtime()?.block_on(load.run(arguments.config)),
        Command::Transcripts(command) => {
            let (config, secrets) = settings()?;
            runtime()?.block_on(show_transcripts(command, &config, &secrets))
        }
    }
}

async fn show_transcripts(
    command: transcripts::TranscriptsCommand,
    config: &Config,
    secrets: &Secrets,
) -> Result<(), Failed> {
    let path = &config.store.path;
    if secrets.mongodb_uri.is_none() && !path.join(sqlite::FILE).is_file() {
        // Opened, it would be made.
        let nothing =
            format!("there is no store in '{}': see store.path, or set MONGODB_URI", path.display());
        return Err(TranscriptsError::NothingFound(nothing).into());
    }
    let store =
        crate::server::open_store(config, secrets, WhenAway::Fail).await.map_err(ServerError::from)?;
    match transcripts::run(command, store, &mut std::io::stdout().lock()).await {
        // Whoever reads, `head` for example, has seen enough.
        Err(TranscriptsError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        told => Ok(told?),
    }
}
