//! What never happens in the lives of the bot, whatever the chat.

use brigade::sandbox::telegram::CallRecord;

use super::check::Breach;
use super::plan::Ending;
use super::question::BOT;
use super::run::Run;
use super::tools::{RanAgain, ran_again};

/// Looks at every life.
pub fn all(run: &Run, breaches: &mut Vec<Breach>) {
    tools(run, breaches);
    windows(run, breaches);
    ends(run, breaches);
}

/// What a tool found is not asked for again after a restart.
fn tools(run: &Run, breaches: &mut Vec<Breach>) {
    for RanAgain { chat, call, lives } in ran_again(run) {
        let what = format!("{call} ran in life {} and again in life {}", lives.0, lives.1);
        breaches.push(Breach { rule: "tools", chat, turn: None, what });
    }
}

/// Nothing is sent in a window that the same life of the bot was told of.
fn windows(run: &Run, breaches: &mut Vec<Breach>) {
    let windows = run.sandbox.world().flood_windows(BOT);
    for call in run.sandbox.world().calls().iter().filter(|call| call.inside_window) {
        let serves_ms = serves_ms(run, call);
        let knew = windows.iter().any(|window| {
            let inside = window.opened_ms <= call.at_ms && call.at_ms <= window.until_ms;
            inside && window.chat == call.chat && window.opened_ms >= serves_ms
        });
        if knew {
            let what = format!("{} at {} ms, inside a window", call.method, call.at_ms);
            breaches.push(Breach { rule: "window", chat: call.chat, turn: None, what });
        }
    }
}

fn serves_ms(run: &Run, call: &CallRecord) -> u64 {
    let of_life = run.deaths.iter().find(|death| call.at_ms <= death.at_ms);
    of_life.map_or(0, |death| death.serves_ms)
}

/// Nobody panicked who was not told to, and whoever was told to stop did so in order.
fn ends(run: &Run, breaches: &mut Vec<Breach>) {
    for life in 1..=run.lives.count {
        let log = run.lives.log(life);
        for line in log.lines().filter(|line| line.contains("panicked at")) {
            if !line.contains("src/failpoint.rs") {
                let what = format!("in life {life}: {line}");
                breaches.push(Breach { rule: "panic", chat: None, turn: None, what });
            }
        }
    }
    for (position, death) in run.deaths.iter().enumerate() {
        let told = matches!(death.ending, None | Some(Ending::Told { .. } | Ending::Replaced));
        if told && death.status.code() != Some(0) {
            let what = format!("life {} was told to stop and ended with {}", position + 1, death.status);
            breaches.push(Breach { rule: "stop", chat: None, turn: None, what });
        }
    }
}
