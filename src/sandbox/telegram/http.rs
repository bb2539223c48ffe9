//! The simulated Telegram over HTTP.
