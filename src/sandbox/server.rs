//! Both simulations as servers on loopback.
