//! The `brigade` command.

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// Every chat allocates and frees at every delta, on several threads (benches/README.md).
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    brigade::cli::run()
}
