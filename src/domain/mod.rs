//! The rules: pure functions and small state machines. Nothing here knows an actor, the network,
//! the disk or the clock on the wall.

pub mod chat;
pub mod ids;
pub mod record;
pub mod transcript;
