//! A simulated Telegram.
//!
//! [`state::World`] holds the rules and never waits; [`shared::SharedWorld`] is the handle on it
//! that keeps the time; [`http`] and [`memory`] are the two doors.
//!
//! By default it refuses only what makes no sense. [`Limits`] make it count calls and look at
//! entities as Telegram does, [`Fault`]s and [`Chaos`] make it fail by script and by rate.

pub mod chaos;
pub mod error;
pub mod events;
pub mod faults;
pub mod flood;
pub mod http;
pub mod limits;
pub mod memory;
pub mod params;
pub mod shared;
pub mod state;
pub mod stats;
pub mod updates;
pub mod webhook;

mod commands;
mod control;
mod drafts;
mod entities;
mod html_markup;
mod json;
mod markup;
mod messages;
mod methods;
mod nesting;
mod people;
mod polling;
mod settings;
mod text;

pub use chaos::Chaos;
pub use error::ApiError;
pub use events::{Author, ChatEvent, GoneWhy, SeenDraft, SeenMessage, What};
pub use faults::{Fault, Trouble};
pub use flood::{Budget, FloodWindow};
pub use limits::{EntityRules, Limits};
pub use memory::MemoryTelegram;
pub use params::Params;
pub use people::Attachment;
pub use shared::{Answer, CallRecord, SharedWorld};
pub use state::World;
pub use stats::Stats;
pub(crate) use text::{LONGEST_UTF16, without_marks};
