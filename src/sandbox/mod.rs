//! The world in miniature: a simulated Telegram and a simulated model, for people, tests and load.
//!
//! Both exist twice over the same rules. Over HTTP on loopback ([`server::Sandbox`]) they speak the
//! protocols so exactly that client libraries work with only their base URL changed. In memory
//! ([`telegram::memory::MemoryTelegram`], [`model::memory::MemoryModel`]) they stand behind the
//! traits of the edges and follow tokio time, so a test under paused time replays byte for byte.
//!
//! The rules themselves do no I/O: [`telegram::state::World`] is Telegram as a state machine that
//! is told the time, [`model::script::Script`] is a model's answer as a timeline.

pub mod model;
pub mod server;
pub mod store;
pub mod telegram;
