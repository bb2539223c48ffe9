//! brigade: a Telegram bot server whose stations are actors.
#![forbid(unsafe_code)]

pub mod cli;
pub mod domain;
pub mod edge;
