//! Pictures of small flows, and texts that try to break them.

use std::path::Path;

use proptest::prelude::*;

use super::collapse::{runs, summary};
use super::diagram::Diagram;
use super::{FlowLine, mermaid, svg};

fn line(at_ms: u64, from: &str, to: &str, line: &str) -> FlowLine {
    FlowLine { at_ms, from: from.to_owned(), to: to.to_owned(), line: line.to_owned(), ..FlowLine::default() }
}

fn small_flow() -> Vec<FlowLine> {
    let deltas = (0..40).map(|number| line(800 + 10 * number, "conversation 42", "chunker 42", DELTA));
    let mut flow = vec![
        line(0, "edge", "ingress", "take update 1 (message)"),
        line(0, "ingress", "conversation 42", "turn 1: user said 6 characters (text)"),
        line(0, "ingress", "edge", "accepted"),
        line(0, "conversation 42", "model", "ask, streamed: 1 messages, 4 tools"),
    ];
    flow.extend(deltas);
    flow.extend([
        line(1200, "chunker 42", "outbox 42", "deliver part 1: 800 characters"),
        line(1200, "outbox 42", "telegram", "sendMessage, 800 characters"),
        line(1250, "telegram", "outbox 42", "message 2; <ok> & \"done\" #1"),
        line(4800, "outbox 42", "outbox 42", "looks after itself"),
        line(4800, "outbox 42", "conversation 42", "part 1 delivered as message 2"),
        line(4800, "app", "ingress", &format!("drain{}", ", and wait".repeat(20))),
    ]);
    flow
}

const DELTA: &str = "delta of 20 characters arrived";

fn assert_snapshot(name: &str, picture: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(Path::new(env!("CARGO_MANIFEST_DIR")).join("snapshots"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, picture));
}

#[test]
fn a_small_flow_as_mermaid() {
    assert_snapshot("diagram_mermaid", &mermaid("A short answer.", &small_flow()));
}

#[test]
fn a_small_flow_as_svg() {
    let picture = svg("A short answer.", &small_flow());
    assert_eq!(well_formed(&picture), Ok(()));
    assert_snapshot("diagram_svg", &picture);
}

#[test]
fn an_empty_flow_is_a_picture_too() {
    assert_eq!(mermaid("", &[]), "sequenceDiagram\n");
    assert_eq!(well_formed(&svg("", &[])), Ok(()));
}

#[test]
fn stations_stand_by_role_then_by_chat() {
    let flow = [
        line(0, "oven", "telegram", ""),
        line(0, "conversation 43", "model", ""),
        line(0, "chunker 42", "conversation 42", ""),
        line(0, "chunker 43", "edge", ""),
    ];
    let stations = Diagram::of(&flow).stations;
    let chats = ["conversation 43", "conversation 42", "model", "chunker 43", "chunker 42"];
    assert_eq!(stations, [&["edge"], &chats[..], &["telegram", "oven"]].concat());
}

#[test]
fn messages_that_differ_in_numbers_are_one_arrow() {
    let told = |sentences: &[&str]| {
        let flow: Vec<_> = sentences.iter().map(|told| line(0, "a", "b", told)).collect();
        runs(&flow).map(summary).collect::<Vec<_>>()
    };
    assert_eq!(told(&["part 1", "part 2"]), ["part 1", "part 2"]);
    assert_eq!(told(&["part 9", "part 10", "part 11"]), ["part 9–11 × 3"]);
    assert_eq!(told(&["done", "done", "done", "gone"]), ["done × 3", "gone"]);
    let deltas = ["delta of 1 character", "delta of 12 characters", "delta of 7 characters"];
    assert_eq!(told(&deltas), ["delta of 1–12 characters × 3"]);
}

#[test]
fn a_run_ends_where_the_edge_changes_or_time_stands_out() {
    let beats: Vec<_> = (0..3).map(|beat| line(5000 * beat, "heartbeat", "outbox", "thinking")).collect();
    assert_eq!(runs(&beats).count(), 3);
    let mut flow = vec![line(0, "a", "b", DELTA); 6];
    flow[3].to = "c".to_owned();
    assert_eq!(runs(&flow).map(<[_]>::len).collect::<Vec<_>>(), [3, 1, 1, 1]);
}

#[test]
fn the_words_of_a_run_are_one_text() {
    let delta = |words: &str| FlowLine { words: Some(words.to_owned()), ..line(0, "a", "b", DELTA) };
    let flow = [delta("Hello"), delta(" wor"), delta("ld")];
    assert_eq!(Diagram::of(&flow).arrows[0].label, format!("{DELTA} × 3 “Hello world”"));
}

proptest! {
    #[test]
    fn no_text_breaks_a_picture(about in TEXT, from in TEXT, to in TEXT, told in TEXT, words in TEXT) {
        let flow = [FlowLine { words: Some(words), ..line(7, &from, &to, &told) }];
        prop_assert_eq!(well_formed(&svg(&about, &flow)), Ok(()));
        let lines = 4 + usize::from(from != to) + usize::from(!about.trim().is_empty());
        let text = mermaid(&about, &flow);
        prop_assert_eq!(text.lines().count(), lines, "{}", text);
        // The arrow has two of them.
        prop_assert_eq!(text.matches(['<', '>', '%', '{', '$', '&', '\u{2028}']).count(), 2, "{}", text);
    }
}

/// Any text, and often what XML or Mermaid take for their own.
const TEXT: &str = "([<>&\"'\\x00-\\x1f\\x7f-\\x9f;#%{}$\\u{fffe}\\u{2028}👨‍👩‍👧]|]]>|<!--|\\PC){0,60}";

/// Whether a text is XML as pictures have it: elements that are closed in order, attributes in
/// double quotes, no entities but the five and numbers, no characters that XML forbids.
fn well_formed(xml: &str) -> Result<(), String> {
    let forbidden = |char: char| char.is_control() && char != '\n' || matches!(char, '\u{fffe}' | '\u{ffff}');
    if let Some(char) = xml.chars().find(|char| forbidden(*char)) {
        return Err(format!("forbidden character {char:?}"));
    }
    let mut open: Vec<&str> = Vec::new();
    let mut rest = xml.strip_suffix('\n').unwrap_or(xml);
    while let Some((text, after)) = rest.split_once('<') {
        entities(text)?;
        let (tag, after) = after.split_once('>').ok_or("a tag without an end")?;
        rest = after;
        match tag.strip_prefix('/') {
            Some(name) if open.pop() == Some(name) => {}
            Some(name) => return Err(format!("{name} is closed out of order")),
            None => open.extend(opened(tag)?),
        }
    }
    let whole = open.is_empty() && rest.is_empty();
    if whole { Ok(()) } else { Err(format!("left open: {open:?}, left over: {rest:?}")) }
}

/// The name of the element that a tag opens, none where it closes it at once.
fn opened(tag: &str) -> Result<Option<&str>, String> {
    let (tag, closed) = tag.strip_suffix('/').map_or((tag, false), |tag| (tag, true));
    let (name, mut attributes) = tag.split_once(' ').unwrap_or((tag, ""));
    while !attributes.is_empty() {
        let wrong = || format!("attributes of {tag:?}");
        let (_, after) = attributes.split_once("=\"").ok_or_else(wrong)?;
        let (value, after) = after.split_once('"').ok_or_else(wrong)?;
        entities(value)?;
        attributes = after.trim_start();
    }
    if name.chars().all(|char| char.is_ascii_lowercase()) {
        Ok((!closed).then_some(name))
    } else {
        Err(format!("an element called {name:?}"))
    }
}

fn entities(text: &str) -> Result<(), String> {
    let known = ["amp;", "lt;", "gt;", "quot;", "#39;"];
    let mut ampersands = text.split('&').skip(1);
    let strange = ampersands.find(|after| !known.iter().any(|entity| after.starts_with(entity)));
    if text.contains('>') {
        Err(format!("a bare > in {text:?}"))
    } else {
        strange.map_or(Ok(()), |e| Err(e.into()))
    }
}
