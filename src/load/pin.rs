//! The bot on one core, the rest on another: what is measured of the one is not the other's.

use std::process::Command;

use super::process::allowed_cores;

/// Cores for the two sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cores {
    /// The bot's.
    pub bot: usize,
    /// That of the simulators, the driver and the judge.
    pub load: usize,
}

/// Keeps this process on the second core that it may use, and leaves the first to the bot.
///
/// # Errors
/// When there is only one, or `taskset` is missing or fails.
pub fn pin() -> Result<Cores, String> {
    let cores = allowed_cores(std::process::id());
    let [bot, load, ..] = cores[..] else {
        return Err(format!("--pin needs two cores, and {} can be used", cores.len()));
    };
    let pid = std::process::id().to_string();
    let done = Command::new("taskset").args(["-a", "-p", "-c", &load.to_string(), &pid]).output();
    match done {
        Ok(output) if output.status.success() => Ok(Cores { bot, load }),
        Ok(output) => Err(format!("taskset failed: {}", String::from_utf8_lossy(&output.stderr).trim())),
        Err(error) => Err(format!("--pin needs taskset (of util-linux): {error}")),
    }
}
