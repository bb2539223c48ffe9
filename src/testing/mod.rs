//! The test kit: for this project's tests, and for whoever adds an actor.
//!
//! Time is tokio's and paused: it stands still while anything runs and jumps to the next timer when
//! everything waits, so minutes of a conversation take milliseconds and a run repeats to the byte.
//! Telegram, the model and the store are in memory ([`sandbox`](crate::sandbox)).
//!
//! # An actor alone
//!
//! An actor is built from ports, so any neighbour can be a [`probe`]: it takes every message and
//! the flow records it.
//!
//! ```
//! use std::time::Duration;
//!
//! use actix::Actor;
//! use brigade::actors::heartbeat::{Heartbeat, HeartbeatSettings};
//! use brigade::domain::ids::TurnId;
//! use brigade::messages::{FirstChunk, Thinking, TurnStarted};
//! use brigade::port::{Port, Station};
//! use brigade::testing::{in_paused_time, probe};
//!
//! let recorded = in_paused_time(async {
//!     let me = Station::shared("heartbeat");
//!     let outbox = probe();
//!     let settings = HeartbeatSettings { every: Duration::from_secs(5), max_beats: 24 };
//!     let thinking = Port::<Thinking>::new(me, Station::shared("outbox"), outbox.recipient());
//!     let heartbeat = Heartbeat::new(thinking, settings).start();
//!
//!     let turn = TurnId { bot: 1, update: 1 };
//!     heartbeat.send(TurnStarted { turn }).await.unwrap();
//!     tokio::time::sleep(Duration::from_secs(12)).await;
//!     heartbeat.send(FirstChunk { turn }).await.unwrap();
//!     tokio::time::sleep(Duration::from_secs(60)).await;
//! });
//! let lines: Vec<_> = recorded.flow.iter().map(|line| line.to_string()).collect();
//! assert_eq!(
//!     lines,
//!     [
//!         "   5.000  heartbeat          -> outbox             thinking, beat 1 after 5 s",
//!         "  10.000  heartbeat          -> outbox             thinking, beat 2 after 10 s",
//!     ]
//! );
//! ```
//!
//! # The whole house
//!
//! A [`scenario`] file says what happens and when; playing it gives the flow, what the chats
//! showed, and the stored turns. `tests/flows/*.toml` are such files, `snapshots/` what they gave.
//! `brigade flow FILE` plays one and prints it, `--format svg` draws it.
//!
//! A scenario fails by itself when a station panicked or still lives at the end, when a message
//! went undelivered or over an edge that is not listed, when a turn did not end, and when an answer
//! was written twice.
//!
//! # Adding an actor: the recipe
//!
//! As an example, a `Greeter` between Ingress and Conversation: it passes every turn on, and before
//! a conversation's first one it has the Outbox say hello.
//!
//! **1. The message** goes into `src/messages.rs`, where the story meets it, with its name in the
//! list at the top (`told!`); its line in the flow goes into `src/messages/lines.rs`:
//!
//! ```ignore
//! /// From Greeter to Outbox, before a conversation's first turn: say hello.
//! pub struct Greet {
//!     /// Which turn.
//!     pub turn: TurnId,
//! }
//!
//! impl fmt::Display for Greet {
//!     fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
//!         write!(f, "greet before turn {}", self.turn)
//!     }
//! }
//! ```
//!
//! **2. The actor** goes into `src/actors/greeter.rs`, with `pub mod greeter;` in
//! `src/actors/mod.rs`. It is built from its ports; a rule of more than a line would go into
//! `src/domain/`. Its probe test can stand in the same file:
//!
//! ```
//! # mod messages {
//! #     use std::fmt;
//! #     use brigade::domain::ids::TurnId;
//! #     pub use brigade::messages::UserSaid;
//! #     pub struct Greet { pub turn: TurnId }
//! #     impl actix::Message for Greet { type Result = (); }
//! #     impl brigade::port::Told for Greet {}
//! #     impl fmt::Display for Greet {
//! #         fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
//! #             write!(f, "greet before turn {}", self.turn)
//! #         }
//! #     }
//! # }
//! # use messages::{Greet, UserSaid};
//! # use brigade::{domain, port, testing};
//! # /*
//! //! Greeter: says hello before a conversation's first turn.
//!
//! # */
//! use actix::{Actor, Context, Handler};
//! # /*
//! use crate::messages::{Greet, UserSaid};
//! use crate::port::Port;
//! # */
//! # use port::Port;
//!
//! /// Whom the Greeter may tell what.
//! pub struct GreeterPorts {
//!     /// To Conversation: every turn, as it came.
//!     pub user_said: Port<UserSaid>,
//!     /// To Outbox.
//!     pub greet: Port<Greet>,
//! }
//!
//! /// The actor.
//! pub struct Greeter {
//!     ports: GreeterPorts,
//! }
//!
//! impl Greeter {
//!     /// A Greeter.
//!     pub fn new(ports: GreeterPorts) -> Self {
//!         Self { ports }
//!     }
//! }
//!
//! impl Actor for Greeter {
//!     type Context = Context<Self>;
//! }
//!
//! impl Handler<UserSaid> for Greeter {
//!     type Result = ();
//!
//!     fn handle(&mut self, said: UserSaid, _: &mut Context<Self>) {
//!         if said.turn.seq == 1 {
//!             self.ports.greet.tell_if_there(Greet { turn: said.turn.id });
//!         }
//!         self.ports.user_said.tell_if_there(said);
//!     }
//! }
//!
//! // In the file, this is a #[test] in `mod tests` with `use super::*;`, and `crate` for `brigade`.
//! fn the_first_turn_is_greeted() {
//!     use brigade::port::Station;
//!     use brigade::testing::{House, in_paused_time, probe, turn};
//!
//!     let recorded = in_paused_time(async {
//!         let me = Station::shared("greeter");
//!         let (conversation, outbox) = (probe(), probe());
//!         let ports = GreeterPorts {
//!             user_said: Port::new(me, Station::shared("conversation"), conversation.recipient()),
//!             greet: Port::new(me, Station::shared("outbox"), outbox.recipient()),
//!         };
//!         let greeter = Greeter::new(ports).start();
//!         for seq in [1, 2] {
//!             let turn = turn(House::key(42, None), seq, "Hello?");
//!             greeter.send(UserSaid { turn }).await.unwrap();
//!         }
//!     });
//!     let told: Vec<_> = recorded.flow.iter().map(|line| (line.to.as_str(), line.line.as_str())).collect();
//!     assert_eq!(
//!         told,
//!         [
//!             ("outbox", "greet before turn 77:1"),
//!             ("conversation", "turn 1: user said 6 characters (text)"),
//!             ("conversation", "turn 2: user said 6 characters (text)"),
//!         ]
//!     );
//! }
//! # the_first_turn_is_greeted();
//! ```
//!
//! **3. The neighbours.** The Outbox learns what to do with the message (`src/actors/outbox/mod.rs`):
//! a [`Remark`](crate::domain::line::Task::Remark) is said in passing.
//!
//! ```ignore
//! use crate::messages::Greet; // into the list that is there
//!
//! impl Handler<Greet> for Outbox {
//!     type Result = ();
//!
//!     fn handle(&mut self, Greet { turn }: Greet, ctx: &mut Context<Self>) {
//!         self.line.push(turn, Task::Remark("Welcome!"));
//!         self.go_on(ctx);
//!     }
//! }
//! ```
//!
//! **4. The wiring** is in `src/app.rs`, `Floor::open`: make the station, join it to the crew, and
//! lead Ingress's port to it. The way to a station that comes later in the story is `strong`; one that goes
//! back to a station that holds this one, or is given away for an answer, is `weak`, or the two would
//! keep each other alive for ever.
//!
//! ```ignore
//! use crate::actors::greeter::{Greeter, GreeterPorts};
//!
//! let greeter_at = Station::of("greeter", key);
//! let (greeter_context, greeter) = station::<Greeter>();
//! let ports = GreeterPorts {
//!     user_said: strong(greeter_at, me, &conversation).port(),
//!     greet: strong(greeter_at, outbox_at, &outbox).port(),
//! };
//! crew.join("greeter", greeter_context, Greeter::new(ports));
//!
//! ToConversation {
//!     crew: crew.number,
//!     user_said: strong(INGRESS, greeter_at, &greeter).port(),
//!     abandon_turn: strong(INGRESS, me, &conversation).port(),
//! }
//! ```
//!
//! **5. The edges** are listed in `src/app/topology.rs`: replace `ingress UserSaid conversation` by
//!
//! ```ignore
//! edge("ingress", "UserSaid", "greeter", "http.max_turns_in_flight, and commands"),
//! edge("greeter", "Greet", "outbox", "1 for each conversation"),
//! edge("greeter", "UserSaid", "conversation", "http.max_turns_in_flight, and commands"),
//! ```
//!
//! and draw the picture anew: `UPDATE_TOPOLOGY=1 cargo test --test topology the_picture`.
//!
//! **6. A scenario** in `tests/flows/greeting.toml`:
//!
//! ```toml
//! about = "A new chat is greeted once, before its first answer."
//!
//! [[when]]
//! at_ms = 0
//! user_says = "Hello?"
//!
//! [[when]]
//! at_ms = 5000
//! user_says = "And again?"
//!
//! [[model]]
//! every_time = true
//! after_ms = 500
//! says = ["Yes?"]
//! ```
//!
//! **7. The review.** Take what the change gives, and read what it changed like code:
//!
//! ```sh
//! INSTA_UPDATE=always INSTA_FORCE_PASS=1 cargo test --no-fail-fast --test flows --test topology
//! git diff --stat snapshots
//! git diff snapshots/direct_answer.snap
//! ```
//!
//! `make flows` shows the differences without taking them (one by one, where cargo-insta is
//! installed), `brigade flow tests/flows/greeting.toml --format svg` draws the new flow. Correct what
//! the pages say of the stations (`src/ARCHITECTURE.md`, the doc of `UserSaid`), and commit the
//! snapshots with the code.
//!
//! A station says [`tell_if_there`](crate::port::Port::tell_if_there) to its own conversation: a
//! neighbour that is gone has panicked, and the crew is being put away. It says
//! [`tell`](crate::port::Port::tell), and decides what a lost message means, to everybody else.

mod house;
mod probe;
mod recorded;
pub mod scenario;
#[cfg(test)]
mod taken_up_tests;
mod turns;

pub use house::{BOT, House};
pub use probe::{Probe, probe};
pub use recorded::{Recorded, in_paused_time, in_paused_time_with_words};
pub use turns::turn;
