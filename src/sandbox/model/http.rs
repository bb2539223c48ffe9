//! The simulated model over HTTP.
