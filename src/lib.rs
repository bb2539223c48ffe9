#![doc = include_str!("ARCHITECTURE.md")]
#![forbid(unsafe_code)]

pub mod actors;
pub mod app;
pub mod cli;
pub mod config;
pub mod domain;
pub mod edge;
pub mod failpoint;
pub mod flow;
pub mod load;
pub mod messages;
pub mod port;
pub mod sandbox;
pub mod server;
pub mod stop;
pub mod testing;
