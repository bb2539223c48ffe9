//! brigade: a Telegram bot server whose stations are actors.
#![forbid(unsafe_code)]

pub mod actors;
pub mod app;
pub mod config;
pub mod domain;
pub mod edge;
pub mod messages;
pub mod port;
