//! `brigade transcripts`: what was said, for the operator's eyes and for export.

mod show;

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Subcommand, ValueEnum};
use uuid::Uuid;

use crate::domain::ids::TurnId;
use crate::domain::record::StoredTurn;
use crate::domain::transcript::{Transcript, transcripts};
use crate::edge::store::{Filter, Store, StoreError};

/// Read the conversations on record.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum TranscriptsCommand {
    /// List sessions, the latest first.
    ///
    /// A session is what a chat holds from its first message, or a /restart, to the next /restart.
    List {
        /// Only sessions in which this user spoke (Telegram's user id).
        #[arg(long, value_name = "ID", allow_negative_numbers = true)]
        user: Option<i64>,
        /// Only sessions of this chat (Telegram's chat id; groups have negative ones).
        #[arg(long, value_name = "ID", allow_negative_numbers = true)]
        chat: Option<i64>,
        /// How many at most.
        #[arg(long, value_name = "N", default_value_t = 20)]
        limit: usize,
    },
    /// Show a session or one turn, with its tool calls, times and delivery.
    Show {
        /// A session's id, as `list` shows it, or a turn's: `<bot id>:<update id>`.
        #[arg(value_name = "SESSION-OR-TURN")]
        id: String,
    },
    /// Export sessions as JSON in the Chat Completions shape.
    ///
    /// One object a session, with its messages in order. Commands are left out. A user's export
    /// holds only what that user said and was answered, in groups too.
    Export {
        /// Whose sessions (Telegram's user id). One of --user, --session and --all is needed.
        #[arg(
            long,
            value_name = "ID",
            allow_negative_numbers = true,
            required_unless_present_any = ["all", "session"],
            conflicts_with = "all"
        )]
        user: Option<i64>,
        /// Everyone's sessions.
        #[arg(long)]
        all: bool,
        /// Only this session.
        #[arg(long, value_name = "SESSION")]
        session: Option<Uuid>,
        /// How to write it.
        #[arg(long, value_enum, default_value_t = Format::Json)]
        format: Format,
        /// Write to this file, replacing it, and not to standard output.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
}

/// How an export is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// One array, indented.
    Json,
    /// One session a line.
    Jsonl,
}

/// Why there is nothing to see.
#[derive(Debug, thiserror::Error)]
pub enum TranscriptsError {
    /// The store can't be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Nothing on record matches; it says what was looked for.
    #[error("{0}")]
    NothingFound(String),
    /// Neither kind of id.
    #[error(
        "'{0}' is neither a session's id nor a turn's; take one from 'transcripts list', or '<bot id>:<update id>'"
    )]
    NoId(String),
    /// The output can't be written.
    #[error("could not write the output: {0}")]
    Output(#[from] io::Error),
    /// The file of an export can't be written.
    #[error("could not write '{}': {error}; check the path and the space on its disk", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
}

/// Runs a command, writing what it finds to `out`.
///
/// # Errors
/// [`TranscriptsError`], among them that nothing was found: then nothing was written.
pub async fn run(
    command: TranscriptsCommand,
    store: Arc<dyn Store>,
    out: &mut dyn Write,
) -> Result<(), TranscriptsError> {
    match command {
        TranscriptsCommand::List { user, chat, limit } => {
            list(&*store, Filter { user, chat, session: None }, limit, out).await
        }
        TranscriptsCommand::Show { id } => show(&*store, &id, out).await,
        TranscriptsCommand::Export { user, session, format, out: file, all: _ } => {
            let found = matching(&*store, Filter { user, chat: None, session }).await?;
            export(&transcripts(found), format, file.as_deref(), out)
        }
    }
}

async fn list(
    store: &dyn Store,
    filter: Filter,
    limit: usize,
    out: &mut dyn Write,
) -> Result<(), TranscriptsError> {
    let sessions = store.sessions(filter.clone(), limit).await?;
    if sessions.is_empty() {
        return Err(nothing(&filter));
    }
    show::table(&sessions, out)?;
    if sessions.len() == limit {
        writeln!(out, "the latest {limit}; there may be more: --limit shows them")?;
    }
    Ok(())
}

async fn show(store: &dyn Store, id: &str, out: &mut dyn Write) -> Result<(), TranscriptsError> {
    let turns = if let Ok(session) = id.parse::<Uuid>() {
        matching(store, Filter { session: Some(session), ..Filter::default() }).await?
    } else if let Ok(turn) = id.parse::<TurnId>() {
        store.turn(turn).await?.into_iter().collect()
    } else {
        return Err(TranscriptsError::NoId(id.to_owned()));
    };
    if turns.is_empty() {
        return Err(TranscriptsError::NothingFound(format!("no turn '{id}' is on record")));
    }
    Ok(show::session(&turns, out)?)
}

async fn matching(store: &dyn Store, filter: Filter) -> Result<Vec<StoredTurn>, TranscriptsError> {
    let turns = store.turns(filter.clone()).await?;
    if turns.is_empty() { Err(nothing(&filter)) } else { Ok(turns) }
}

fn nothing(filter: &Filter) -> TranscriptsError {
    let wanted = [
        filter.user.map(|user| format!(" of user {user}")),
        filter.chat.map(|chat| format!(" in chat {chat}")),
        filter.session.map(|session| format!(" with id {session}")),
    ];
    let wanted: String = wanted.into_iter().flatten().collect();
    TranscriptsError::NothingFound(format!("no session{wanted} is on record"))
}

fn export(
    sessions: &[Transcript],
    format: Format,
    file: Option<&Path>,
    out: &mut dyn Write,
) -> Result<(), TranscriptsError> {
    let Some(path) = file else { return Ok(write(sessions, format, out)?) };
    let written = File::create(path).and_then(|file| write(sessions, format, &mut BufWriter::new(file)));
    written.map_err(|error| TranscriptsError::File { path: path.to_owned(), error })?;
    let plural = if sessions.len() == 1 { "" } else { "s" };
    Ok(writeln!(out, "wrote {} session{plural} to '{}'", sessions.len(), path.display())?)
}

fn write(sessions: &[Transcript], format: Format, mut out: &mut dyn Write) -> io::Result<()> {
    match format {
        Format::Json => {
            serde_json::to_writer_pretty(&mut out, sessions)?;
            writeln!(out)?;
        }
        Format::Jsonl => {
            for session in sessions {
                serde_json::to_writer(&mut out, session)?;
                writeln!(out)?;
            }
        }
    }
    out.flush()
}

#[cfg(test)]
mod tests;
