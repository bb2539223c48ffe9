//! A stand-in for any station.

use actix::{Actor, Context, Handler, Recipient};

use crate::port::Told;

/// An actor that takes every message and does nothing: what it was told is in the flow.
pub struct Probe;

impl Actor for Probe {
    type Context = Context<Self>;
}

impl<M: Told> Handler<M> for Probe {
    type Result = ();

    fn handle(&mut self, _: M, _: &mut Context<Self>) {}
}

/// A running [`Probe`]; it ends when the last port to it is gone.
#[derive(Clone)]
pub struct ProbeHandle(actix::Addr<Probe>);

impl ProbeHandle {
    /// Where a port to the probe leads.
    pub fn recipient<M: Told>(&self) -> Recipient<M> {
        self.0.clone().recipient()
    }
}

/// Starts a probe.
pub fn probe() -> ProbeHandle {
    ProbeHandle(Probe.start())
}
