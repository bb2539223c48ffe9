//! Flood control of one bot: who called how often, and which windows are open.
//!
//! A call over a limit opens a window. Until it ends, every call of the same kind to the same chat
//! is refused too and makes it longer. Nothing here tells a chat's limit from the overall one to
//! the caller: both are just 429, as at Telegram.

use std::collections::{BTreeMap, HashMap, VecDeque};

use serde::Serialize;

use super::limits::Limits;

/// What is counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Budget {
    /// Messages and edits in one chat.
    Messages,
    /// Typing and drafts in one chat.
    Signals,
    /// Deleting in one chat.
    Deletes,
    /// Messages and edits in all chats of a bot.
    Overall,
}

impl Budget {
    /// The budget that a method draws on; those about no message draw on none.
    pub fn of(method: &str) -> Option<Self> {
        match method.to_ascii_lowercase().as_str() {
            "sendmessage" | "editmessagetext" => Some(Self::Messages),
            "sendchataction" | "sendmessagedraft" => Some(Self::Signals),
            "deletemessage" | "deletemessages" => Some(Self::Deletes),
            _ => None,
        }
    }
}

/// A time in which a chat, or a bot in all its chats, had to be silent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct FloodWindow {
    /// Whose window.
    pub bot: i64,
    /// Which chat's; none for the overall limit.
    pub chat: Option<i64>,
    /// What was counted.
    pub budget: Budget,
    /// When the call over the limit came, in milliseconds since the world began.
    pub opened_ms: u64,
    /// From when on calls pass again, in milliseconds since the world began.
    pub until_ms: u64,
    /// Calls that came in spite of it; each has made it longer.
    pub calls_inside: u64,
}

/// Why a call was refused: for the record, the caller is not told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flooded {
    /// Which budget was used up.
    pub budget: Budget,
    /// Whether the caller had been told to wait.
    pub inside_window: bool,
    /// What the caller is told, in seconds.
    pub retry_after_s: u64,
}

/// A budget of a chat; the overall one belongs to none.
type Lane = (Budget, Option<i64>);

#[derive(Debug, Clone, Copy)]
enum Rule {
    /// `burst` at once, then one each `every_ms`.
    Bucket { burst: u32, every_ms: u64 },
    /// At most so many in any `per_ms`.
    Sliding { calls: u32, per_ms: u64 },
}

/// What a lane has been used for.
#[derive(Debug, Default)]
struct Meter {
    /// When a bucket will be full again.
    full_ms: u64,
    /// The newest calls.
    times: VecDeque<u64>,
}

#[derive(Debug)]
struct Open {
    window: FloodWindow,
    /// What the last penalty made of it.
    length_ms: u64,
}

/// The state of one bot.
#[derive(Debug, Default)]
pub(super) struct Flood {
    meters: HashMap<Lane, Meter>,
    /// The newest window of each lane, open or not.
    newest: BTreeMap<Lane, Open>,
    past: Vec<FloodWindow>,
}

impl Flood {
    /// Counts a call, or refuses it.
    ///
    /// # Errors
    /// What the caller has to be told.
    pub(super) fn admit(
        &mut self,
        now_ms: u64,
        limits: &Limits,
        (bot, chat, budget): (i64, i64, Budget),
    ) -> Result<(), Flooded> {
        let mine = (budget, Some(chat));
        let lanes = match budget {
            Budget::Messages => vec![mine, (Budget::Overall, None)],
            _ => vec![mine],
        };
        if let Some(flooded) = self.penalise(now_ms, limits, &lanes) {
            return Err(flooded);
        }
        for lane in &lanes {
            let wait_ms = self.wait_ms(now_ms, limits, *lane);
            if wait_ms > 0 {
                let retry_after_s = wait_ms.div_ceil(1000).max(limits.retry_after_s);
                return Err(self.open(now_ms, bot, *lane, retry_after_s));
            }
        }
        lanes.iter().for_each(|lane| self.count(now_ms, limits, *lane));
        Ok(())
    }

    /// Tells a caller to wait so many seconds, whatever was counted. Told so before, it was inside.
    pub(super) fn told(
        &mut self,
        now_ms: u64,
        limits: &Limits,
        (bot, chat, budget): (i64, i64, Budget),
        seconds: u64,
    ) -> Flooded {
        let lane = (budget, Some(chat));
        match self.penalise(now_ms, limits, &[lane]) {
            None => self.open(now_ms, bot, lane, seconds),
            Some(flooded) => flooded,
        }
    }

    /// Opens a window of so many seconds.
    fn open(&mut self, now_ms: u64, bot: i64, lane: Lane, retry_after_s: u64) -> Flooded {
        let (budget, chat) = lane;
        let length_ms = retry_after_s.saturating_mul(1000);
        let until_ms = now_ms.saturating_add(length_ms);
        let window = FloodWindow { bot, chat, budget, opened_ms: now_ms, until_ms, calls_inside: 0 };
        let before = self.newest.insert(lane, Open { window, length_ms });
        self.past.extend(before.map(|open| open.window));
        Flooded { budget, inside_window: false, retry_after_s }
    }

    /// Lengthens the windows that a call is inside of; the longest decides what it is told.
    fn penalise(&mut self, now_ms: u64, limits: &Limits, lanes: &[Lane]) -> Option<Flooded> {
        let told = |lane: &Lane| {
            let open = self.newest.get_mut(lane).filter(|open| open.window.until_ms > now_ms)?;
            let retry_after_s = open.lengthen(now_ms, limits);
            Some(Flooded { budget: lane.0, inside_window: true, retry_after_s })
        };
        lanes.iter().filter_map(told).max_by_key(|flooded| flooded.retry_after_s)
    }

    fn wait_ms(&self, now_ms: u64, limits: &Limits, lane: Lane) -> u64 {
        let Some(meter) = self.meters.get(&lane) else { return 0 };
        rules(limits, lane).into_iter().map(|rule| meter.wait_ms(now_ms, rule)).max().unwrap_or(0)
    }

    fn count(&mut self, now_ms: u64, limits: &Limits, lane: Lane) {
        let meter = self.meters.entry(lane).or_default();
        rules(limits, lane).into_iter().for_each(|rule| meter.fill(now_ms, rule));
        let most = rules(limits, lane).into_iter().map(Rule::remembers).max().unwrap_or(0);
        meter.times.push_back(now_ms);
        let surplus = meter.times.len().saturating_sub(most as usize);
        meter.times.drain(..surplus);
    }

    /// All windows there have been, by when they opened.
    pub(super) fn windows(&self) -> Vec<FloodWindow> {
        let newest = self.newest.values().map(|open| open.window);
        let mut windows: Vec<_> = self.past.iter().copied().chain(newest).collect();
        windows.sort_by_key(|window| (window.opened_ms, window.budget, window.chat));
        windows
    }

    /// Forgets the windows that have ended.
    pub(super) fn forget_past(&mut self, now_ms: u64) {
        self.past.clear();
        self.newest.retain(|_, open| open.window.until_ms > now_ms);
    }
}

fn rules(limits: &Limits, (budget, chat): Lane) -> Vec<Rule> {
    let is_private = chat.is_some_and(|chat| chat > 0);
    let sliding = |calls, per_ms| Rule::Sliding { calls, per_ms };
    match budget {
        Budget::Messages if is_private => {
            vec![Rule::Bucket { burst: limits.private_burst, every_ms: limits.private_every_ms }]
        }
        Budget::Messages => vec![sliding(limits.group_messages, limits.group_per_ms)],
        Budget::Signals => vec![
            sliding(limits.signal_burst, limits.signal_burst_per_ms),
            sliding(limits.signals, limits.signals_per_ms),
        ],
        Budget::Deletes => vec![sliding(limits.deletes, limits.deletes_per_ms)],
        Budget::Overall => vec![sliding(limits.overall_messages, limits.overall_per_ms)],
    }
}

impl Rule {
    /// How many calls it has to know of.
    fn remembers(self) -> u32 {
        match self {
            Self::Bucket { .. } => 0,
            Self::Sliding { calls, .. } => calls,
        }
    }
}

impl Meter {
    /// How long until the rule lets one more pass.
    fn wait_ms(&self, now_ms: u64, rule: Rule) -> u64 {
        match rule {
            Rule::Bucket { burst: 0, .. } | Rule::Sliding { calls: 0, .. } => 0,
            Rule::Bucket { burst, every_ms } => {
                let spare_ms = every_ms.saturating_mul(u64::from(burst - 1));
                self.full_ms.saturating_sub(spare_ms).saturating_sub(now_ms)
            }
            Rule::Sliding { calls, per_ms } => {
                let oldest = self.times.len().checked_sub(calls as usize);
                let leaves_ms =
                    oldest.and_then(|at| self.times.get(at)).map(|at_ms| at_ms.saturating_add(per_ms));
                leaves_ms.unwrap_or(0).saturating_sub(now_ms)
            }
        }
    }

    fn fill(&mut self, now_ms: u64, rule: Rule) {
        if let Rule::Bucket { every_ms, .. } = rule {
            self.full_ms = self.full_ms.max(now_ms).saturating_add(every_ms);
        }
    }
}

impl Open {
    /// Returns the seconds that are left now.
    fn lengthen(&mut self, now_ms: u64, limits: &Limits) -> u64 {
        let grown = self.length_ms.saturating_mul(limits.penalty_percent.max(100)) / 100;
        let longest_ms = limits.longest_window_s.saturating_mul(1000).max(self.length_ms);
        self.length_ms = grown.min(longest_ms);
        let until_ms = self.window.until_ms.max(now_ms.saturating_add(self.length_ms));
        let left_s = (until_ms - now_ms).div_ceil(1000);
        self.window.until_ms = now_ms.saturating_add(left_s.saturating_mul(1000));
        self.window.calls_inside += 1;
        left_s
    }
}

#[cfg(test)]
#[path = "flood_tests.rs"]
mod tests;
