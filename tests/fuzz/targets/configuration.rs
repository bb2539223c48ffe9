//! Any configuration file and environment: they are settings, or the error says in lines why not.

#![no_main]

use std::path::PathBuf;

use brigade::config::{Config, Environment, load};
use libfuzzer_sys::fuzz_target;

/// Between the file and the environment's lines in an input.
const BORDER: &str = "\n===\n";

thread_local! {
    static FILE: (tempfile::TempDir, PathBuf) = {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("config.toml");
        (folder, file)
    };
}

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    let (file, lines) = text.split_once(BORDER).unwrap_or((&text, ""));
    // Those would have it read any file of this machine.
    let reads_a_file = |name: &str| name.ends_with("_FILE") || name == "BRIGADE_CONFIG";
    let pairs = lines.lines().filter_map(|line| line.split_once('=')).filter(|(name, _)| !reads_a_file(name));
    let environment = Environment::from_pairs(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let loaded = FILE.with(|(folder, path)| {
        std::fs::write(path, file).expect("the file can be written");
        load(Some(path), folder.path(), &environment)
    });
    match loaded {
        Ok((config, secrets)) => {
            let json = serde_json::to_value(&config).expect("settings can be written");
            assert_eq!(serde_json::from_value::<Config>(json).expect("and read"), config);
            let _shown = format!("{secrets:?}");
        }
        Err(error) => assert!(!error.0.is_empty() && error.0.iter().all(|line| !line.is_empty()), "{error:?}"),
    }
});
