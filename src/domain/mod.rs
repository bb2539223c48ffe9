//! The rules: pure functions and small state machines. Nothing here knows an actor, the network,
//! the disk or the clock on the wall.

pub mod breaker;
pub mod chat;
pub mod chunking;
pub mod commands;
pub mod cutting;
pub mod held;
pub mod history;
pub mod ids;
pub mod line;
pub mod lull;
pub mod markdown;
pub mod pacing;
pub mod record;
pub mod retry;
pub mod time;
pub mod transcript;
pub mod turn;
