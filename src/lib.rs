//! brigade: a Telegram bot server whose stations are actors.
#![forbid(unsafe_code)]

pub mod domain;
pub mod edge;
pub mod sandbox;
