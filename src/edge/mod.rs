//! Everything that touches the world, each a trait and its real implementation. No actor is known
//! here.

pub mod calls;
pub mod http;
pub mod intake;
pub mod llm;
pub mod redirect;
pub mod store;
pub mod telegram;
pub mod tools;
