//! The test kit: for this project's tests, and for whoever adds an actor.
//!
//! Time is tokio's and paused: it stands still while anything runs and jumps to the next timer when
//! everything waits, so minutes of a conversation take milliseconds and a run repeats to the byte.
//! Telegram, the model and the store are in memory ([`sandbox`](crate::sandbox)).
//!
//! # An actor alone
//!
//! An actor is built from ports, so any neighbour can be a [`probe`]: it takes every message and
//! the flow records it.
//!
//! ```
//! use std::time::Duration;
//!
//! use actix::{Actor, Context};
//! use brigade::actors::heartbeat::{Heartbeat, HeartbeatSettings};
//! use brigade::domain::ids::TurnId;
//! use brigade::messages::{FirstChunk, Thinking, TurnStarted};
//! use brigade::port::{Port, Station};
//! use brigade::testing::{in_paused_time, probe};
//!
//! let recorded = in_paused_time(async {
//!     let me = Station::shared("heartbeat");
//!     let outbox = probe();
//!     let settings = HeartbeatSettings { every: Duration::from_secs(5), max_beats: 24 };
//!     let thinking = Port::<Thinking>::new(me, Station::shared("outbox"), outbox.recipient());
//!     let heartbeat = Heartbeat::new(thinking, settings).start();
//!
//!     let turn = TurnId { bot: 1, update: 1 };
//!     heartbeat.send(TurnStarted { turn }).await.unwrap();
//!     tokio::time::sleep(Duration::from_secs(12)).await;
//!     heartbeat.send(FirstChunk { turn }).await.unwrap();
//!     tokio::time::sleep(Duration::from_secs(60)).await;
//! });
//! let lines: Vec<_> = recorded.flow.iter().map(|line| line.to_string()).collect();
//! assert_eq!(
//!     lines,
//!     [
//!         "   5.000  heartbeat          -> outbox             thinking, beat 1 after 5 s",
//!         "  10.000  heartbeat          -> outbox             thinking, beat 2 after 10 s",
//!     ]
//! );
//! ```
//!
//! # The whole house
//!
//! A [`scenario`] file says what happens and when; playing it gives the flow, what the chats
//! showed, and the stored turns. `tests/flows/*.toml` are such files, `snapshots/` what they gave.
//! `brigade flow FILE` plays one on its own, and draws it too.

mod house;
mod probe;
mod recorded;
pub mod scenario;

pub use house::{BOT, House};
pub use probe::{Probe, probe};
pub use recorded::{Recorded, in_paused_time, in_paused_time_with_words};
