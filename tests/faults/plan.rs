//! What a run does, all of it drawn from its seed.

use std::collections::VecDeque;
use std::env;

use brigade::failpoint::STEPS;

/// SplitMix64: small, and the same on every machine.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// The numbers of a seed, for one purpose.
    pub fn new(seed: u64, purpose: u64) -> Self {
        let mut random = Self(seed.wrapping_mul(0x2545_F491_4F6C_DD1D) ^ purpose);
        random.next();
        random
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }

    /// A number from `least` to `most`.
    pub fn within(&mut self, least: u64, most: u64) -> u64 {
        least + self.below(most - least + 1)
    }

    /// One of these.
    pub fn one_of<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len() as u64) as usize]
    }
}

/// How updates come and where turns are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// By webhook, in the embedded store.
    Sqlite,
    /// By polling, in MongoDB.
    Mongo,
}

/// A run.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Gives everything that chance decides.
    pub seed: u64,
    /// Messages that people send.
    pub turns: usize,
    /// Deaths of the bot.
    pub kills: usize,
    /// How updates come and where turns are kept.
    pub kind: Kind,
    /// Whether a person is looking.
    pub shows_progress: bool,
}

impl Plan {
    /// The run that `TURNS`, `KILLS`, `SEED` and `STORE` ask for.
    pub fn from_environment() -> Self {
        let number = |name: &str, default: u64| match env::var(name) {
            Ok(text) if !text.is_empty() => {
                text.parse().unwrap_or_else(|_| panic!("{name} is '{text}'; it must be a number"))
            }
            _ => default,
        };
        let kind = match env::var("STORE").unwrap_or_default().as_str() {
            "" | "sqlite" => Kind::Sqlite,
            "mongodb" => Kind::Mongo,
            other => panic!("STORE is '{other}'; it must be sqlite or mongodb"),
        };
        let (turns, kills) = (number("TURNS", 10_000) as usize, number("KILLS", 100) as usize);
        Self { seed: number("SEED", 7), turns, kills, kind, shows_progress: true }
    }

    /// Whether a part that may have arrived is sent again.
    pub fn repeats(&self) -> bool {
        !self.seed.is_multiple_of(3)
    }

    /// Settings that differ from seed to seed.
    pub fn settings(&self) -> Vec<(&'static str, &'static str)> {
        let mut random = Random::new(self.seed, 1);
        vec![
            ("BRIGADE_DELIVERY__UNCERTAIN", if self.repeats() { "repeat" } else { "note" }),
            ("BRIGADE_LLM__FIRST_CALL", random.one_of(&["whole", "stream"])),
            ("BRIGADE_DELIVERY__PRIVATE", random.one_of(&["chunks", "chunks", "edit", "draft"])),
            ("BRIGADE_DELIVERY__GROUP", random.one_of(&["chunks", "edit"])),
            ("BRIGADE_HEARTBEAT__STYLE", random.one_of(&["message", "edit"])),
        ]
    }

    /// A bot may die before it has a message's id or a tool's result on record; this much later it had
    /// time to, on a busy machine and with a Persistence that has panicked and is ending in order. The
    /// MongoDB-compatible server of these tests needs seconds for a write when it has many to do.
    pub fn recorded_ms(&self) -> u64 {
        match self.kind {
            Kind::Sqlite => 1_500,
            Kind::Mongo => 8_000,
        }
    }

    /// The turns that a life has for its share.
    pub fn share(&self) -> usize {
        self.turns / (self.kills + 1)
    }

    /// The bot's deaths, in order: all named steps among them, when there are enough.
    pub fn endings(&self) -> VecDeque<Ending> {
        let mut random = Random::new(self.seed, 2);
        let most = (self.share() as u64 / 4).clamp(2, 25);
        let mut endings: Vec<_> = STEPS.iter().map(|step| Ending::at(step, most, &mut random)).collect();
        endings.push(Ending::Replaced);
        while endings.len() < self.kills.max(STEPS.len() + 1) {
            endings.push(Ending::drawn(most, &mut random));
        }
        for last in (1..endings.len()).rev() {
            endings.swap(last, random.below(last as u64 + 1) as usize);
        }
        endings.truncate(self.kills);
        endings.into()
    }
}

/// How a life of the bot ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// `kill -9`, so many milliseconds after its share of the turns.
    Killed(u64),
    /// At a named step, when it comes to it for the n-th time.
    AtStep(String),
    /// It panics at a named step; when it survives that, it is killed later.
    Panicked(String),
    /// SIGTERM; twice, or once.
    Told { twice: bool },
    /// SIGTERM when the next life waits for its place, as a deployment does it.
    Replaced,
}

impl Ending {
    fn at(step: &str, most: u64, random: &mut Random) -> Self {
        Self::AtStep(format!("{step}:{}", random.within(1, most)))
    }

    fn drawn(most: u64, random: &mut Random) -> Self {
        match random.below(10) {
            0..4 => Self::Killed(random.below(400)),
            4..7 => {
                let step = random.one_of(&STEPS);
                Self::at(step, most, random)
            }
            7 => {
                let step = random.one_of(&STEPS);
                Self::Panicked(format!("{step}:{}:panic", random.within(1, most)))
            }
            8 => Self::Told { twice: random.below(3) == 0 },
            _ => Self::Replaced,
        }
    }

    /// What the bot is told of it when it starts.
    pub fn fail_at(&self) -> Option<&str> {
        match self {
            // A release build has no fail points; there the bot is killed instead.
            Self::AtStep(at) | Self::Panicked(at) if cfg!(debug_assertions) => Some(at),
            _ => None,
        }
    }
}
