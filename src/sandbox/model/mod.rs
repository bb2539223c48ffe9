//! A simulated model.
//!
//! [`script::Script`] is an answer as a timeline, made from the request alone: the same question
//! gets the same answer. [`directives`] lets the person who asks shape it, [`cook`] knows what to
//! say, [`wishes`] when to ask for a tool. [`http`] and [`memory`] are the two doors.

pub mod cook;
pub mod directives;
pub mod failure;
pub mod http;
pub mod memory;
pub mod script;
pub mod wishes;

mod ask;
mod conversion;
mod language;
mod served;
mod units;
mod wire;

pub use ask::Offered;
pub use directives::DIRECTIVES;
pub use failure::Failure;
pub use memory::MemoryModel;
pub use script::{Script, Step, Whole};
