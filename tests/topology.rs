//! The list of edges, the scenarios and the picture in `src/ARCHITECTURE.md` agree.
//!
//! `UPDATE_TOPOLOGY=1 cargo test --test topology` draws the picture anew.

use std::collections::BTreeSet;
use std::path::Path;

use brigade::app::topology::{EDGES, diagram, table};
use brigade::testing::scenario::{Scenario, play};

const BEGIN: &str = "<!-- topology: drawn from src/app/topology.rs -->\n```mermaid\n";
const END: &str = "```\n<!-- topology ends -->";

/// Edges that only two messages crossing on their way make use of: unit tests show them.
const RACES: [&str; 1] = ["chunker NothingToCut outbox"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn the_list_is_reviewed_like_code() {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(root().join("snapshots"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!("topology", table()));
}

#[test]
fn the_picture_is_drawn_from_the_list() {
    let path = root().join("src/ARCHITECTURE.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once(BEGIN).expect("the picture's place in ARCHITECTURE.md");
    let (drawn, after) = rest.split_once(END).expect("the end of the picture in ARCHITECTURE.md");
    if std::env::var_os("UPDATE_TOPOLOGY").is_some() {
        std::fs::write(&path, format!("{before}{BEGIN}{}{END}{after}", diagram())).unwrap();
    } else {
        assert_eq!(drawn, diagram(), "draw it anew: UPDATE_TOPOLOGY=1 cargo test --test topology");
    }
}

#[test]
fn every_listed_edge_is_used_by_a_scenario() {
    std::panic::set_hook(Box::new(|_| {}));
    let mut used = BTreeSet::new();
    for file in std::fs::read_dir(root().join("tests/flows")).unwrap() {
        let scenario = Scenario::read(&file.unwrap().path()).unwrap();
        for line in play(&scenario).unwrap().flow {
            let (from, to) = line.roles();
            used.extend(line.name.as_ref().map(|name| format!("{from} {name} {to}")));
        }
    }
    let _default = std::panic::take_hook();
    let listed = EDGES.iter().map(|edge| format!("{} {} {}", edge.from, edge.message, edge.to));
    let unused: Vec<_> =
        listed.filter(|edge| !used.contains(edge) && !RACES.contains(&edge.as_str())).collect();
    assert!(unused.is_empty(), "listed, but no scenario uses them: {unused:?}");
}
