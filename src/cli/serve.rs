//! `brigade serve`: the bot on Telegram.

use clap::{Args, ValueEnum};

use super::Failed;
use super::logging::{self, FlowOptions};
use crate::config::{Config, Secrets};
use crate::server::{Server, ServerError, Updates, listen, webhook_secret};
use crate::stop::Stop;

/// Run the bot on Telegram.
///
/// Needs TELEGRAM_BOT_TOKEN and OPENAI_API_KEY in the environment (the key unless OPENAI_BASE_URL
/// leads to a server that needs none), or files named by <NAME>_FILE. Updates come by webhook when
/// TELEGRAM_WEBHOOK_URL is set (listening on PORT, default 8080), otherwise by polling, which needs
/// no port. Turns are kept in MongoDB when MONGODB_URI is set, otherwise in the folder `store.path`
/// (default ./data).
///
/// SIGTERM and Ctrl-C end it in order: running turns may end within shutdown.grace_ms, the rest is
/// taken up at the next start. A second signal ends it at once.
#[derive(Debug, Args)]
pub struct Serve {
    /// How updates come; without it, by webhook when TELEGRAM_WEBHOOK_URL is set.
    #[arg(long, value_enum)]
    mode: Option<Mode>,

    #[command(flatten)]
    flow: FlowOptions,
}

/// How updates come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Mode {
    /// Telegram posts them to POST /webhook.
    Webhook,
    /// The server asks for them; a webhook that is set is removed.
    Polling,
}

impl Serve {
    pub(super) fn log(&self, config: &Config) {
        logging::log(&config.log.filter, self.flow);
    }

    /// Only an operator who asks for polling by name has a webhook removed for it: it may be that
    /// of the same bot in production.
    fn updates(&self, config: &Config, secrets: &Secrets) -> Result<Updates, ServerError> {
        let address = config.telegram.webhook_url.clone();
        match self.mode {
            Some(Mode::Polling) => Ok(Updates::Polling { remove_webhook: true }),
            None if address.is_empty() => Ok(Updates::Polling { remove_webhook: false }),
            Some(Mode::Webhook) | None => {
                webhook_secret(secrets, &address)?;
                Ok(Updates::Webhook { listener: listen(config)?, address })
            }
        }
    }

    pub(super) async fn run(self, config: &Config, secrets: &Secrets) -> Result<(), Failed> {
        allow_open_files(config.http.max_turns_in_flight);
        let mut first = Stop::listen();
        let server = tokio::select! {
            biased;
            () = first.asked() => return Ok(()),
            started = Server::start(config, secrets, self.updates(config, secrets)?) => started?,
        };
        let mut second = Stop::listen();
        // In a task of its own: what is awaited here is polled with every task of this thread.
        let running = async move { server.run(first.asked(), second.asked_twice()).await };
        match tokio::task::spawn_local(running).await {
            Ok(ended) => Ok(ended?),
            Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
        }
    }
}

/// Each turn in flight may have a connection to the model and one to Telegram open.
const FILES_FOR_A_TURN: u64 = 2;

/// Lets the process have as many connections open as the system allows; the usual limit is far lower.
fn allow_open_files(turns: usize) {
    let wanted = FILES_FOR_A_TURN * u64::try_from(turns).unwrap_or(u64::MAX / FILES_FOR_A_TURN);
    match rlimit::increase_nofile_limit(u64::MAX) {
        Ok(limit) if limit < wanted => tracing::info!(
            "at most {limit} open files: http.max_turns_in_flight = {turns} may want {wanted}; see ulimit -n"
        ),
        Ok(_) => {}
        Err(error) => tracing::warn!("the limit of open files can't be raised: {error}"),
    }
}
