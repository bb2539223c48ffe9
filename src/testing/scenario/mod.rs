//! Scenario files: what happens and when, readable by people who do not write Rust.
//!
//! ```toml
//! about = "A tool, then a streamed answer."
//!
//! [[when]]                       # what happens, in virtual time
//! at_ms = 0
//! user_says = "How many grams is a cup of flour?"
//!
//! [[model]]                      # how the model answers its first request ...
//! after_ms = 800
//! calls = [{ tool = "convert_units", arguments = '{"value":1,"from":"cup","to":"g","ingredient":"flour"}' }]
//!
//! [[model]]                      # ... and its second
//! after_ms = 1200
//! says = ["About ", "125 g."]
//! every_ms = 100
//! ```
//!
//! [`play`] gives everything that a snapshot shows; [`file::Scenario`] lists all that can be said.

pub mod file;
mod play;
mod show;
mod tools;

pub use file::Scenario;
pub use play::{Played, play, play_with_words};
