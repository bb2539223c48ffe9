//! A simulated Telegram.
//!
//! [`state::World`] holds the rules and never waits; [`shared::SharedWorld`] is the handle on it
//! that keeps the time; [`http`] and [`memory`] are the two doors.

pub mod error;
pub mod events;
pub mod faults;
pub mod http;
pub mod memory;
pub mod params;
pub mod shared;
pub mod state;
pub mod updates;
pub mod webhook;

mod commands;
mod control;
mod html_markup;
mod json;
mod markup;
mod messages;
mod methods;
mod people;
mod polling;
mod text;

pub use error::ApiError;
pub use events::{Author, ChatEvent, SeenMessage, What};
pub use faults::{Fault, Trouble};
pub use memory::MemoryTelegram;
pub use params::Params;
pub use people::Attachment;
pub use shared::{Answer, CallRecord, SharedWorld};
pub use state::World;
