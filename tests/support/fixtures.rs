//! Recordings that stand beside the project.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// The recordings, if they are here: `FIXTURES`, or beside the project. Without them it
/// says so past the test harness, which swallows what passing tests print.
///
/// # Panics
/// In CI, where nothing may be left out.
fn folder(name: &str) -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/fixtures");
    let folder = std::env::var_os("FIXTURES").map_or_else(beside, PathBuf::from).join(name);
    if folder.is_dir() {
        return Some(folder);
    }
    let _ = writeln!(
        std::io::stderr(),
        "SKIPPED: no recordings in {}; set FIXTURES to their folder",
        folder.display()
    );
    assert!(std::env::var_os("CI").is_none(), "no recordings in {}", folder.display());
    None
}

/// Name and bytes of every file directly in the folder `name` of the recordings, by name; nothing
/// where there are no recordings.
pub fn files(name: &str) -> Vec<(String, Vec<u8>)> {
    let Some(folder) = folder(name) else { return Vec::new() };
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries.filter(|path| path.is_file()).collect();
    files.sort();
    assert!(!files.is_empty(), "{name} is empty");
    files
        .iter()
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(path).unwrap()))
        .collect()
}
