//! What a process uses, as Linux tells it; elsewhere nothing is told.

use std::fs;
use std::time::Duration;

/// The kernel counts a process's time in hundredths of a second for whoever asks, on every machine
/// that Linux runs on today.
const TICK: Duration = Duration::from_millis(10);

/// The processor time that a process has used, its threads together.
pub(super) fn cpu(pid: u32) -> Option<Duration> {
    cpu_of(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// Resident memory, in kilobytes.
pub(super) fn rss_kb(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Open file descriptors.
pub(super) fn fds(pid: u32) -> Option<u64> {
    Some(fs::read_dir(format!("/proc/{pid}/fd")).ok()?.count() as u64)
}

/// The name in the second field may hold anything, spaces and brackets too.
fn cpu_of(stat: &str) -> Option<Duration> {
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at)?.parse::<u32>().ok();
    Some(TICK * (ticks(11)? + ticks(12)?))
}

/// The cores on which this process may run.
pub(super) fn allowed_cores() -> Vec<usize> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    list.map(|list| cores_in(list.trim())).unwrap_or_default()
}

/// A list such as `0-3,8`.
fn cores_in(list: &str) -> Vec<usize> {
    let span = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some(first.parse().ok()?..=last.parse::<usize>().ok()?)
    };
    list.split(',').filter_map(span).flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_strange_name_does_not_shift_the_fields() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194560 1 0 0 0 250 50 0 0 20 0 4 0 1 1 1";
        assert_eq!(cpu_of(stat), Some(Duration::from_secs(3)));
        assert_eq!(cpu_of("nothing"), None);
    }

    #[test]
    fn lists_of_cores_are_read() {
        assert_eq!(cores_in("0-3,8"), [0, 1, 2, 3, 8]);
        assert_eq!(cores_in("5"), [5]);
        assert_eq!(cores_in(""), [0; 0]);
    }

    #[test]
    fn this_process_uses_something() {
        if cfg!(target_os = "linux") {
            let pid = std::process::id();
            assert!(cpu(pid).is_some() && rss_kb(pid) > Some(0) && fds(pid) > Some(0));
            assert!(!allowed_cores().is_empty());
        }
    }
}
