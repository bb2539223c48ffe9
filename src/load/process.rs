//! What a process uses, as Linux tells it; elsewhere nothing is told.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs;
use std::time::Duration;

/// The kernel counts a process's time in hundredths of a second for whoever asks, on every machine
/// that Linux runs on today.
const TICK: Duration = Duration::from_millis(10);

/// The processor time that a process has used, its threads together.
pub(super) fn cpu(pid: u32) -> Option<Duration> {
    cpu_of(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// The processor time that each thread of a process has used.
pub(super) fn threads(pid: u32) -> HashMap<OsString, Duration> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let used = |task: fs::DirEntry| {
        let stat = fs::read_to_string(task.path().join("stat")).ok()?;
        Some((task.file_name(), cpu_of(&stat)?))
    };
    tasks.filter_map(used).collect()
}

/// What the thread that used most has used since `before`.
pub(super) fn busiest(
    now: &HashMap<OsString, Duration>,
    before: &HashMap<OsString, Duration>,
) -> Option<Duration> {
    let since = |(thread, used): (&OsString, &Duration)| {
        used.saturating_sub(before.get(thread).copied().unwrap_or_default())
    };
    now.iter().map(since).max()
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

/// How many files and connections a process may have open, and one that it starts.
pub(super) fn most_open_files(pid: u32) -> Option<u64> {
    open_files_in(&fs::read_to_string(format!("/proc/{pid}/limits")).ok()?)
}

/// The memory of this machine, in kilobytes.
pub(super) fn memory_kb() -> Option<u64> {
    let all = fs::read_to_string("/proc/meminfo").ok()?;
    let line = all.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.split_whitespace().next()?.parse().ok()
}

fn open_files_in(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// The name in the second field may hold anything, spaces and brackets too.
fn cpu_of(stat: &str) -> Option<Duration> {
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at)?.parse::<u32>().ok();
    Some(TICK * (ticks(11)? + ticks(12)?))
}

/// The cores on which a process may run.
pub(super) fn allowed_cores(pid: u32) -> Vec<usize> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
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
    fn the_limit_of_open_files_is_the_soft_one() {
        let limits = "Limit                     Soft Limit           Hard Limit           Units\n\
            Max open files            1024                 524288               files\n";
        assert_eq!(open_files_in(limits), Some(1024));
        assert_eq!(open_files_in(""), None);
    }

    #[test]
    fn lists_of_cores_are_read() {
        assert_eq!(cores_in("0-3,8"), [0, 1, 2, 3, 8]);
        assert_eq!(cores_in("5"), [5]);
        assert_eq!(cores_in(""), [0; 0]);
    }

    #[test]
    fn the_busiest_thread_is_the_one_that_used_most_since() {
        let used = |threads: &[(&str, u64)]| {
            threads.iter().map(|(thread, ms)| ((*thread).into(), Duration::from_millis(*ms))).collect()
        };
        let (before, now) = (used(&[("1", 900), ("2", 100)]), used(&[("1", 910), ("2", 300), ("3", 50)]));
        assert_eq!(busiest(&now, &before), Some(Duration::from_millis(200)));
        assert_eq!(busiest(&HashMap::new(), &before), None);
    }

    #[test]
    fn this_process_uses_something() {
        if cfg!(target_os = "linux") {
            let pid = std::process::id();
            assert!(cpu(pid).is_some() && rss_kb(pid) > Some(0) && fds(pid) > Some(0));
            assert!(!allowed_cores(pid).is_empty() && !threads(pid).is_empty());
            assert!(memory_kb() > rss_kb(pid) && most_open_files(pid) > fds(pid));
        }
    }
}
