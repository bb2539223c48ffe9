//! A run: people speak, the bot dies, all settles.

use std::collections::{HashMap, VecDeque};
use std::io::{IsTerminal, Write as _};
use std::process::ExitStatus;
use std::time::Duration;

use brigade::domain::ids::TurnId;
use brigade::domain::record::{Part, State, StoredTurn};
use brigade::sandbox::server::{Options, Sandbox};
use brigade::sandbox::telegram::updates::Retry;
use tempfile::TempDir;
use tokio::time::Instant;

use super::bot::{Bot, Lives, free_port};
use super::check;
use super::plan::{Ending, Kind, Plan, Random};
use super::question::{BOT, CHATS, Question, Said, key_of, user_in};
use super::report;
use super::settings;
use super::store::Stage;
use super::weather::Weather;

/// Turns that are owed at once, at most.
const IN_FLIGHT: usize = 80;
/// Turns that are owed at once, at least.
const FEW_IN_FLIGHT: usize = 12;
/// How long nothing may move at the end before what is owed counts as lost.
const PATIENCE: Duration = Duration::from_secs(45);
/// One life in so many begins while the store is away.
const AWAY_EVERY: usize = 12;
/// For so long, in milliseconds.
const AWAY_MS: u64 = 3_000;
/// How long a life may outlast its share of the turns when its step does not come.
const STEP_PATIENCE: Duration = Duration::from_secs(2);

/// The end of a life, and what was on record then.
pub struct Death {
    /// When, in the simulated Telegram's time: that of its being noticed.
    pub at_ms: u64,
    /// When the life began.
    pub began_ms: u64,
    /// When the life before had ended.
    pub serves_ms: u64,
    /// How it was to end.
    pub ending: Option<Ending>,
    /// How it ended.
    pub status: ExitStatus,
    /// The turns that were owed; not known where the next life took them up at once.
    pub owed: HashMap<TurnId, Owed>,
}

/// A turn that was owed when the bot died.
pub struct Owed {
    /// How far it had come.
    pub state: State,
    /// What had been sent of it.
    pub ledger: Vec<Part>,
}

/// All that a run leaves to look at.
pub struct Run {
    /// What was to happen.
    pub plan: Plan,
    /// What was said.
    pub said: Vec<Said>,
    /// How lives ended, in order; the last was told to stop when all had settled.
    pub deaths: Vec<Death>,
    /// What they wrote.
    pub lives: Lives,
    /// Telegram and the model.
    pub sandbox: Sandbox,
    /// The store.
    pub stage: Stage,
    /// Where the bot ran.
    pub folder: TempDir,
    bot: Option<Bot>,
    /// The next life, which has begun, and when.
    heir: Option<(Bot, u64)>,
    began_ms: u64,
    serves_ms: u64,
    endings: VecDeque<Ending>,
    /// When the life has had its share of the turns, and it is time for its end.
    due: Option<Instant>,
    /// What happened to it.
    pub weather: Weather,
    random: Random,
    numbers: Vec<usize>,
    /// The last question in each chat's session.
    asked: Vec<Option<Question>>,
    owed: usize,
    began: Instant,
    /// When the progress was last shown.
    told_s: u64,
}

/// Plays a plan and looks at what came of it.
///
/// # Panics
/// When something was lost.
pub async fn all(plan: Plan) {
    let Some(mut run) = Run::build(plan).await else { return };
    run.play().await;
    let breaches = check::all(&run).await;
    report::verdict(run, &breaches).await;
}

impl Run {
    async fn build(plan: Plan) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let stage = Stage::build(plan.kind, folder.path()).await?;
        let retry = Retry { first_ms: 20, most_ms: 200 };
        let options = Options { retry, open_chats: true, ..Options::default() };
        let sandbox = Sandbox::start(options).await.expect("the sandbox starts");
        let settings = settings::all(&plan, &sandbox, &stage);
        let ports = (plan.kind == Kind::Sqlite).then(|| [free_port(), free_port()]);
        let weather = Weather::begin(&plan, &sandbox);
        Some(Self {
            plan,
            said: Vec::new(),
            deaths: Vec::new(),
            lives: Lives::new(folder.path(), settings, ports),
            sandbox,
            stage,
            folder,
            bot: None,
            heir: None,
            began_ms: 0,
            serves_ms: 0,
            endings: plan.endings(),
            due: None,
            weather,
            random: Random::new(plan.seed, 4),
            numbers: vec![0; CHATS],
            asked: (0..CHATS).map(|_| None).collect(),
            owed: 0,
            began: Instant::now(),
            told_s: 0,
        })
    }

    async fn play(&mut self) {
        self.live();
        let mut looked = Instant::now();
        while self.said.len() < self.plan.turns || !self.endings.is_empty() {
            self.step().await;
            if looked.elapsed() > Duration::from_millis(150) {
                looked = Instant::now();
                self.look().await;
            }
        }
        self.weather.clear(&self.sandbox, &mut self.stage);
        self.settle().await;
        self.end().await;
    }

    async fn step(&mut self) {
        tokio::time::sleep(Duration::from_millis(4)).await;
        self.weather.change(self.said.len(), &self.sandbox, &mut self.stage);
        if let Some(status) = self.bot.as_mut().and_then(Bot::ended) {
            self.died(status).await;
            self.live();
        }
        let waiting = self.owed + self.sandbox.world().with(|world, _| world.pending_count(BOT));
        self.lead_to_the_end(self.said.len().saturating_sub(waiting));
        // The checks say how long a write may take: a store that is slow of itself is not given more than
        // it can do in that time.
        let in_flight = if matches!(self.stage, Stage::Mongo { .. }) { IN_FLIGHT / 4 } else { IN_FLIGHT };
        let most = (self.plan.share() * 3).clamp(FEW_IN_FLIGHT, in_flight);
        for _ in waiting..most.min(waiting + 4) {
            self.say();
        }
    }

    fn say(&mut self) {
        if self.said.len() >= self.plan.turns {
            return;
        }
        let chat = self.random.below(CHATS as u64) as usize;
        let number = self.numbers[chat];
        self.numbers[chat] += 1;
        let last = self.asked[chat].take();
        let question = Question::drawn(chat, number, last.as_ref(), &mut self.random);
        let key = key_of(chat);
        let update = self.sandbox.say(key, user_in(key), &question.text);
        let (at_ms, number, wanted) =
            (self.sandbox.world().now_ms(), question.number, question.wanted.clone());
        self.said.push(Said { turn: TurnId { bot: BOT, update }, key, number, wanted, at_ms });
        self.asked[chat] = question.last_after(last);
    }

    fn live(&mut self) {
        if self.heir.is_none() && self.deaths.len() % AWAY_EVERY == 3 && !self.endings.is_empty() {
            self.weather.begin_outage(AWAY_MS, &self.sandbox, &mut self.stage);
        }
        let now_ms = self.sandbox.world().now_ms();
        let (bot, began_ms) = self.heir.take().unwrap_or_else(|| {
            let fail_at = self.endings.front().and_then(Ending::fail_at);
            (self.lives.begin(fail_at), now_ms)
        });
        (self.bot, self.began_ms, self.serves_ms) = (Some(bot), began_ms, now_ms);
        self.due = None;
    }

    /// Ends the life when so many turns have ended that it has had its share.
    fn lead_to_the_end(&mut self, ended: usize) {
        let Some(ending) = self.endings.front() else { return };
        let (deaths, kills) = (self.plan.kills - self.endings.len(), self.plan.kills);
        if ended < self.plan.turns * (deaths + 1) / (kills + 1) {
            return;
        }
        let due = *self.due.get_or_insert_with(|| Instant::now() + patience(ending));
        let Some(bot) = self.bot.as_mut().filter(|_| Instant::now() >= due) else { return };
        match ending {
            Ending::Told { .. } if !self.lives.listens(self.deaths.len() + 1) => {}
            Ending::Replaced if !self.lives.serves(self.deaths.len() + 1) => {}
            Ending::Replaced => self.replace(),
            Ending::Told { twice } => {
                bot.signal("TERM");
                if *twice {
                    bot.signal("TERM");
                }
                self.due = Some(Instant::now() + Duration::from_secs(3_600));
            }
            _ => bot.kill(),
        }
    }

    /// The next life begins, and when it waits for its place, this one is told to stop.
    fn replace(&mut self) {
        let Some(bot) = &self.bot else { return };
        if self.heir.is_none() {
            self.lives.move_on();
            let fail_at = self.endings.get(1).and_then(Ending::fail_at);
            self.heir = Some((self.lives.begin(fail_at), self.sandbox.world().now_ms()));
        } else if self.heir.as_mut().is_some_and(|(heir, _)| heir.ended().is_some()) {
            // Its port was taken for a moment.
            self.lives.count -= 1;
            let fail_at = self.endings.get(1).and_then(Ending::fail_at);
            self.heir = Some((self.lives.begin(fail_at), self.sandbox.world().now_ms()));
        } else if self.lives.waits(self.lives.count) {
            bot.signal("TERM");
            self.due = Some(Instant::now() + Duration::from_secs(3_600));
        }
    }

    /// What was on record is read before the next life can change it.
    async fn died(&mut self, status: ExitStatus) {
        let at_ms = self.sandbox.world().now_ms();
        self.weather.end_outage(&self.sandbox, &mut self.stage);
        // Nobody may change it meanwhile.
        let frozen = self.heir.is_none() && self.stage.can_be_read();
        let unfinished = if frozen { self.unfinished_at_rest().await } else { Vec::new() };
        let owed = |turn: StoredTurn| (turn.id, Owed { state: turn.state, ledger: turn.delivery });
        let owed = unfinished.into_iter().map(owed).collect();
        let ending = self.endings.pop_front();
        let (began_ms, serves_ms) = (self.began_ms, self.serves_ms);
        self.deaths.push(Death { at_ms, began_ms, serves_ms, ending, status, owed });
    }

    /// What is owed when the writes that the dead had sent are done, too.
    async fn unfinished_at_rest(&self) -> Vec<StoredTurn> {
        let mut before = self.stage.unfinished().await;
        loop {
            tokio::time::sleep(Duration::from_millis(50)).await;
            let now = self.stage.unfinished().await;
            if now == before {
                return now;
            }
            before = now;
        }
    }

    async fn look(&mut self) {
        if self.stage.can_be_read() {
            self.owed = self.stage.owed().await.unwrap_or(self.owed);
        }
        if self.plan.shows_progress {
            self.show_progress();
        }
    }

    fn show_progress(&mut self) {
        let mut err = std::io::stderr();
        let (end, every_s) = if err.is_terminal() { ("\r", 0) } else { ("\n", 5) };
        let seconds = self.began.elapsed().as_secs();
        if seconds >= self.told_s + every_s {
            self.told_s = seconds;
            let (said, turns, deaths) = (self.said.len(), self.plan.turns, self.deaths.len());
            let (kills, owed, away) = (self.plan.kills, self.owed, self.weather.away.len());
            let line = format!(
                "{said:>6} of {turns} turns, {deaths:>3} of {kills} deaths, {away} outages, {owed:>3} owed, {seconds} s"
            );
            let _nobody_looks = write!(err, "{line}{end}");
        }
    }

    /// Waits until nothing is owed, for as long as that becomes less.
    async fn settle(&mut self) {
        let mut moved = (Instant::now(), usize::MAX);
        while moved.0.elapsed() < PATIENCE {
            if let Some(status) = self.bot.as_mut().and_then(Bot::ended) {
                self.died(status).await;
                self.live();
            }
            self.look().await;
            let pending = self.sandbox.world().with(|world, _| world.pending_count(BOT));
            let left = self.owed + if self.plan.kind == Kind::Mongo { pending.min(1) } else { pending };
            if left == 0 {
                return;
            }
            if left < moved.1 {
                moved = (Instant::now(), left);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// The last life ends in order.
    async fn end(&mut self) {
        let Some(mut bot) = self.bot.take() else { return };
        let mut told = false;
        for _ in 0..500 {
            if !told && self.lives.listens(self.lives.count) {
                told = true;
                bot.signal("TERM");
            }
            if let Some(status) = bot.ended() {
                self.endings.clear();
                return self.died(status).await;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

fn patience(ending: &Ending) -> Duration {
    match ending {
        Ending::Killed(ms) => Duration::from_millis(*ms),
        Ending::AtStep(_) if ending.fail_at().is_some() => STEP_PATIENCE,
        Ending::Panicked(_) if ending.fail_at().is_some() => STEP_PATIENCE,
        _ => Duration::ZERO,
    }
}
