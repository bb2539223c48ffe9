//! The stations: thin shells around the rules in [`domain`](crate::domain).
//!
//! Each is built from its ports (what it may tell whom), its settings and traits of the
//! [`edge`](crate::edge); none knows another actor's type. The stations of one conversation that
//! find a neighbour gone say nothing of it: a neighbour ends early only by a panic, which `app`
//! reports to Ingress, and Ingress then gives up the whole conversation's turns in flight.

pub mod chunker;
pub mod conversation;
pub mod heartbeat;
pub mod ingress;
pub mod outbox;
pub mod persistence;
