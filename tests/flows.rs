//! Plays every scenario in `tests/flows/` and holds it against its snapshot in `snapshots/`.
//!
//! Review with `make flows`. A snapshot without a scenario fails too.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use brigade::testing::scenario::{Scenario, play};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn names(folder: &str, ending: &str) -> BTreeSet<String> {
    let folder = root().join(folder);
    let files = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    names.filter_map(|name| name.strip_suffix(ending).map(str::to_owned)).collect()
}

fn scenario(name: &str) -> Result<Scenario, String> {
    Scenario::read(&root().join("tests/flows").join(format!("{name}.toml")))
}

#[test]
fn every_scenario_plays_as_its_snapshot_says() {
    // Stations that a scenario has panic print nothing of use.
    std::panic::set_hook(Box::new(|_| {}));
    let played: Vec<_> =
        names("tests/flows", ".toml").into_iter().map(|name| (play_named(&name), name)).collect();
    let _default = std::panic::take_hook();
    assert!(played.len() >= 30, "there are only {} scenarios", played.len());
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(root().join("snapshots"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    let _bound = settings.bind_to_scope();
    let mut failed = Vec::new();
    for (played, name) in played {
        let text = match played {
            Ok(text) => text,
            Err(why) => {
                failed.push(format!("{name}: {why}"));
                continue;
            }
        };
        let compared = std::panic::catch_unwind(|| insta::assert_snapshot!(name.clone(), text));
        failed.extend(compared.is_err().then(|| format!("{name}: differs from its snapshot")));
    }
    assert!(failed.is_empty(), "\n{}", failed.join("\n"));
}

fn play_named(name: &str) -> Result<String, String> {
    let played = play(&scenario(name)?)?;
    match played.problems.is_empty() {
        true => Ok(played.to_string()),
        false => Err(format!("{}\n{played}", played.problems.join("\n"))),
    }
}

#[test]
fn every_snapshot_has_its_scenario() {
    let mut expected: BTreeSet<PathBuf> =
        names("tests/flows", ".toml").into_iter().map(PathBuf::from).collect();
    expected.extend(OTHER_SNAPSHOTS.map(PathBuf::from));
    let there: BTreeSet<PathBuf> = names("snapshots", ".snap").into_iter().map(PathBuf::from).collect();
    let orphans: Vec<_> = there.difference(&expected).collect();
    assert!(orphans.is_empty(), "snapshots without a scenario: {orphans:?}; remove them");
}

/// Snapshots that other tests hold.
const OTHER_SNAPSHOTS: [&str; 1] = ["topology"];

#[test]
fn ten_runs_give_the_same_bytes() {
    for name in ["two_chats_at_once", "three_tool_rounds", "panic_in_one_chat"] {
        std::panic::set_hook(Box::new(|_| {}));
        let first = play_named(name);
        for _ in 1..10 {
            assert_eq!(play_named(name), first, "{name}");
        }
        let _default = std::panic::take_hook();
    }
}

#[test]
fn a_scenario_that_makes_no_sense_says_why() {
    let wrong = |text: &str| Scenario::parse(text).map(|_| ()).unwrap_err();
    assert!(wrong("about = 1").contains("about"));
    assert!(wrong("about = \"x\"\n[[when]]\nat = 1").contains("at_ms"));
    let odd = Scenario::parse("about = \"x\"\n[settings]\nheartbeat.evry_ms = 1").unwrap();
    assert!(play(&odd).unwrap_err().contains("every_ms"));
}
