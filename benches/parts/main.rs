//! The parts of the work, measured alone: `cargo bench`, and `cargo bench -- NAME` for some of them.
//!
//! What a whole turn costs, in the whole program and beside the floor, is measured by `make bench`;
//! these figures say where to look.

mod cutting;
mod house;
mod ports;
mod sse;
mod store;

fn main() {
    divan::main();
}

/// Deltas of the answer that everything here is measured with.
const DELTAS: usize = 319;

/// An answer of 1,385 characters in 319 deltas, as the seed system measured it in the field.
fn deltas() -> Vec<String> {
    let text = [
        include_str!("../../src/sandbox/model/answers/en_bread.md"),
        include_str!("../../src/sandbox/model/answers/en_pasta.md"),
        include_str!("../../src/sandbox/model/answers/en_omelette.md"),
    ];
    let chars: Vec<char> = text.concat().chars().take(1_385).collect();
    let at = |delta: usize| delta * chars.len() / DELTAS;
    (0..DELTAS).map(|delta| chars[at(delta)..at(delta + 1)].iter().collect()).collect()
}
