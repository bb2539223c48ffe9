//! Looks at the bot and at this process each second, and shows how it goes.

use std::collections::HashMap;
use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};

use super::bot::Bot;
use super::hub::Hub;
use super::process;
use super::stats::{Metric, Usage, quantile_ms};

/// A last second that is shorter has too few of the kernel's ticks.
const SHORTEST_SECOND: Duration = Duration::from_millis(200);

/// Processor time so far.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cpu {
    pub(super) bot: Option<Duration>,
    pub(super) load: Option<Duration>,
}

impl Cpu {
    pub(super) fn now(pid: Option<u32>) -> Self {
        Self { bot: pid.and_then(process::cpu), load: process::cpu(std::process::id()) }
    }

    pub(super) fn since(self, before: Self) -> Self {
        let gone = |now: Option<Duration>, then: Option<Duration>| Some(now?.saturating_sub(then?));
        Self { bot: gone(self.bot, before.bot), load: gone(self.load, before.load) }
    }
}

/// Looks at both processes, second by second.
pub(super) struct Watch {
    pid: Option<u32>,
    began: Instant,
    last: Instant,
    cpu: Cpu,
    threads: HashMap<OsString, Duration>,
}

impl Watch {
    pub(super) fn begin(pid: Option<u32>) -> Self {
        let now = Instant::now();
        Self { pid, began: now, last: now, cpu: Cpu::now(pid), threads: threads_of(pid) }
    }

    /// Looks each second. Ends only when the bot has, and says how it did.
    pub(super) async fn over(&mut self, hub: &Hub, bot: &mut Option<Bot>) -> String {
        let mut second = interval(Duration::from_secs(1));
        second.set_missed_tick_behavior(MissedTickBehavior::Delay);
        second.tick().await;
        loop {
            second.tick().await;
            self.look(hub);
            hub.world.forget_past();
            show_progress(hub);
            if let Some(Err(why)) = bot.as_mut().map(Bot::look_whether_it_runs) {
                return why;
            }
        }
    }

    /// Ends the last second, which is shorter. What is too short to tell anything of belongs to none.
    pub(super) fn end(&mut self, hub: &Hub) {
        if self.last.elapsed() >= SHORTEST_SECOND || hub.stats.borrow().timeline.is_empty() {
            self.look(hub);
        }
    }

    fn look(&mut self, hub: &Hub) {
        let (now, cpu, threads) = (Instant::now(), Cpu::now(self.pid), threads_of(self.pid));
        let (used, length) = (cpu.since(self.cpu), now - self.last);
        let share = |used: Option<Duration>| Some(100.0 * used?.as_secs_f64() / length.as_secs_f64());
        let usage = Usage {
            bot_cpu_percent: share(used.bot),
            bot_thread_percent: share(process::busiest(&threads, &self.threads)),
            load_cpu_percent: share(used.load),
            bot_rss_kb: self.pid.and_then(process::rss_kb),
            bot_fds: self.pid.and_then(process::fds),
        };
        let open = hub.judge.borrow().open_turns();
        hub.stats.borrow_mut().close_second(now - self.began, length, open, usage);
        (self.last, self.cpu, self.threads) = (now, cpu, threads);
    }
}

fn threads_of(pid: Option<u32>) -> HashMap<OsString, Duration> {
    pid.map(process::threads).unwrap_or_default()
}

/// One line that is written over and over, for people.
fn show_progress(hub: &Hub) {
    let mut out = io::stderr();
    if !out.is_terminal() {
        return;
    }
    let (stats, judge) = (hub.stats.borrow(), hub.judge.borrow());
    let Some(now) = stats.timeline.last() else { return };
    let added = stats.of(Metric::Added);
    let quantile = |q: f64| quantile_ms(added, q).map_or("-".to_owned(), |ms| format!("{ms:.1}"));
    let percent = |share: Option<f64>| share.map_or("-".to_owned(), |share| format!("{share:.0} %"));
    // Nobody is hurt when this line can't be written.
    let _unseen = write!(
        out,
        "\r{:4.0} s  chats {}  open turns {}  turns/s {:.0}  deltas/s {:.0}  added p50 {} p99 {} ms  bot {}  \
         load {}  429 {}  wrong {} \x1b[K",
        now.at_s,
        judge.chats(),
        now.open_turns,
        now.turns_per_s,
        now.deltas_per_s,
        quantile(0.5),
        quantile(0.99),
        percent(now.usage.bot_cpu_percent),
        percent(now.usage.load_cpu_percent),
        stats.counts.too_many_requests,
        judge.violations.count,
    );
}
