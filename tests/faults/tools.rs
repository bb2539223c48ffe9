//! Which tools ran when, read from the flow of every life.

use std::collections::HashMap;
use std::fs;

use super::run::Run;

/// A tool that ran again although its result was on record.
pub struct RanAgain {
    /// Whose.
    pub chat: Option<i64>,
    /// The call's id, which the simulated model makes from the question and the round.
    pub call: String,
    /// The lives in which it ran.
    pub lives: (usize, usize),
}

/// All of them.
pub fn ran_again(run: &Run) -> Vec<RanAgain> {
    let mut recorded: HashMap<String, usize> = HashMap::new();
    let mut again = Vec::new();
    for life in 1..=run.lives.count {
        let flow =
            String::from_utf8_lossy(&fs::read(run.lives.path(life, "flow")).unwrap_or_default()).into_owned();
        let end_ms = flow.lines().filter_map(at_ms).next_back().unwrap_or(0);
        for line in flow.lines() {
            let Some((station, call)) = line.split_once(" result of ") else { continue };
            let call = call.trim().to_owned();
            match recorded.get(&call) {
                Some(before) if *before < life => {
                    let lives = (*before, life);
                    recorded.remove(&call);
                    again.push(RanAgain { chat: chat_of(station), call, lives });
                }
                _ if at_ms(line).is_some_and(|at| had_time(run, life, at, end_ms)) => {
                    recorded.insert(call, life);
                }
                _ => {}
            }
        }
    }
    again
}

/// Whether what came at `at_ms` in a life that ended at `end_ms` was on record by then.
fn had_time(run: &Run, life: usize, at_ms: u64, end_ms: u64) -> bool {
    let began_ms = run.deaths.get(life - 1).map_or(0, |death| death.began_ms);
    let outages = &run.weather.away;
    let away =
        outages.iter().any(|outage| outage.kept_off_record(began_ms + at_ms, began_ms, began_ms + end_ms));
    at_ms + run.plan.recorded_ms() < end_ms && !away
}

/// "   5.000  tools ...": when a line was written, in its life.
fn at_ms(line: &str) -> Option<u64> {
    let (seconds, millis) = line.split_whitespace().next()?.split_once('.')?;
    Some(seconds.parse::<u64>().ok()? * 1000 + millis.parse::<u64>().ok()?)
}

/// "... -> conversation 42": the chat of the station that was told.
fn chat_of(stations: &str) -> Option<i64> {
    stations.split_whitespace().next_back()?.parse().ok()
}
