//! A colour for every role.

use crate::flow::diagram::role;

/// The colour of a head's face, and that of its edge and of the arrows which leave it.
#[derive(Clone, Copy)]
pub(super) struct Colour {
    pub(super) face: &'static str,
    pub(super) line: &'static str,
}

/// The colour of a station.
pub(super) fn of(station: &str) -> Colour {
    let (face, line) = match role(station) {
        "edge" => ("#f1f3f5", "#6c757d"),
        "ingress" => ("#e7f5ff", "#1971c2"),
        "persistence" => ("#fff4e6", "#d9480f"),
        "conversation" => ("#e6fcf5", "#087f5b"),
        "model" => ("#f3f0ff", "#6741d9"),
        "tools" => ("#fff9db", "#a87900"),
        "chunker" => ("#f4fce3", "#5c940d"),
        "heartbeat" => ("#fff0f6", "#c2255c"),
        "outbox" => ("#e3fafc", "#0b7285"),
        "telegram" => ("#edf2ff", "#364fc7"),
        _ => ("#f8f9fa", "#495057"),
    };
    Colour { face, line }
}
