//! Load tests: many simulated people talk with a bot, and every word of every answer is judged.
//!
//! The bot is a process of its own; Telegram, the model, the people and the judge are this one, on
//! one thread, so that what the bot uses can be told from what measuring it costs. [`profile`] says
//! what happens, [`run`] does it, [`report`] tells of it.

pub mod bot;
pub mod distribution;
pub mod peers;
pub mod pin;
pub mod profile;
pub mod report;
pub mod run;
pub mod stats;
pub mod violations;

mod answer;
mod driver;
mod http;
mod hub;
mod judge;
mod model;
mod process;
mod stored;
mod telegram;
mod watch;
mod webhook;
