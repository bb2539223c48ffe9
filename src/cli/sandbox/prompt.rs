//! The prompt: what a person types is said in the chat, what the chat shows stands above it.

use std::io::{BufRead, IsTerminal, stdin};

use rustyline::error::ReadlineError;
use rustyline::history::MemHistory;
use rustyline::{Config, Editor, ExternalPrinter};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::{Talk, failed};
use crate::cli::Failed;
use crate::domain::ids::TurnId;
use crate::sandbox::model::directives::DIRECTIVES;

const WELCOME: &str = "This is the sandbox: the real bot between a simulated Telegram and a simulated model.\n\
    Type a message, for example: How many grams is a cup of flour?\n\
    /help lists what a message can ask of the simulated model; Ctrl-D ends.";

/// Talks until the person ends it, or standard input does, and all that was said has been answered.
/// Returns whether all turns ended well; at a prompt, nobody asks.
///
/// # Errors
/// When the terminal can't be used.
pub async fn talk(talk: &mut Talk) -> Result<bool, Failed> {
    let mut events = talk.world.subscribe();
    talk.screen.say(WELCOME);
    let mut lines = if stdin().is_terminal() { at_a_prompt(talk)? } else { from_a_pipe() };
    let mut turns: Vec<TurnId> = Vec::new();
    loop {
        tokio::select! {
            biased;
            Some(line) = talk.flow.recv() => talk.screen.show_flow(line),
            Ok(event) = events.recv() => talk.screen.show(&event),
            line = lines.recv() => match line {
                Some(line) => {
                    if line == "/help" {
                        show_directives(talk);
                    }
                    turns.push(talk.say(&line));
                }
                None => break,
            },
        }
    }
    // A command may have overtaken the answer before it.
    for turn in turns {
        talk.show_until_ended(&mut events, turn).await?;
    }
    Ok(true)
}

fn show_directives(talk: &mut Talk) {
    talk.screen.say("The simulated model does what a message asks of it:");
    for (directive, meaning) in DIRECTIVES {
        talk.screen.say(format!("  {directive:<13} {meaning}"));
    }
    talk.screen.say("And the bot itself:");
}

/// Lines of a person at a terminal, read in a thread of its own; the channel ends with Ctrl-D.
fn at_a_prompt(talk: &mut Talk) -> Result<UnboundedReceiver<String>, Failed> {
    let unusable = || failed::<ReadlineError>("the terminal can't be used");
    let editor = Editor::<(), MemHistory>::with_history(Config::default(), MemHistory::new());
    let mut editor = editor.map_err(unusable())?;
    let mut printer = editor.create_external_printer().map_err(unusable())?;
    talk.screen.print_through(move |line| {
        // The terminal is gone: there is nobody to show it to.
        let _gone = printer.print(format!("{line}\n"));
    });
    let (typed, lines) = unbounded_channel();
    std::thread::spawn(move || while let Some(()) = read_line(&mut editor, &typed) {});
    Ok(lines)
}

fn read_line(editor: &mut Editor<(), MemHistory>, typed: &UnboundedSender<String>) -> Option<()> {
    // An error is the end of the input, or Ctrl-C.
    let line = editor.readline("> ").ok()?;
    // Without history the line can only not be called back.
    let _forgotten = editor.add_history_entry(&line);
    send(&line, typed)
}

/// Lines of another program; the channel ends with them.
fn from_a_pipe() -> UnboundedReceiver<String> {
    let (typed, lines) = unbounded_channel();
    std::thread::spawn(move || {
        let readable = stdin().lock().lines().map_while(Result::ok);
        let mut sent = readable.map(|line| send(&line, &typed));
        while let Some(Some(())) = sent.next() {}
    });
    lines
}

fn send(line: &str, typed: &UnboundedSender<String>) -> Option<()> {
    let line = line.trim();
    if line.is_empty() { Some(()) } else { typed.send(line.to_owned()).ok() }
}
