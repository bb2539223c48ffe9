//! Where everything in the picture stands, in pixels.

use super::text::columns;
use crate::flow::collapse::LONGEST_PAUSE_MS;
use crate::flow::diagram::{Arrow, Diagram, seconds};

/// The width of a column of a label's font, 11 pixels high: more than any common font needs.
pub(super) const LABEL_CELL: i64 = 7;
/// The same of a head's font, 12 pixels high and bold.
pub(super) const HEAD_CELL: i64 = 8;
/// The height of a head.
pub(super) const HEAD: i64 = 26;
/// Free space above heads.
pub(super) const ABOVE_HEADS: i64 = 8;
/// From one arrow to the next.
pub(super) const ROW: i64 = 25;
/// The height of a gap in time.
pub(super) const GAP: i64 = 30;
/// Free space at the edges of the picture.
pub(super) const EDGE: i64 = 16;
/// How far a message to the sender itself goes to the right.
pub(super) const LOOP: i64 = 26;

/// The height of the title.
const TITLE: i64 = 22;
/// The least width of the picture, for the title's sake.
const LEAST_WIDTH: i64 = 720;
/// Between heads.
const BETWEEN_HEADS: i64 = 14;
/// What an arrow needs more than its label.
const AROUND_LABEL: i64 = 26;
/// A longer label is shortened where its arrow has no more room.
const LABEL_COLUMNS: i64 = 44;
/// Arrows after which the heads are repeated ...
const HEADS_EVERY: usize = 40;
/// ... unless so few are left that the heads at the bottom are near.
const FEW: usize = 12;

/// Where everything stands.
pub(super) struct Layout {
    /// The right end of the times.
    pub(super) times: i64,
    /// The middle of each station's lifeline.
    pub(super) stations: Vec<i64>,
    /// From top to bottom.
    pub(super) rows: Vec<Row>,
    pub(super) width: i64,
    pub(super) height: i64,
}

/// A row of the picture.
pub(super) struct Row {
    /// Its upper end.
    pub(super) y: i64,
    pub(super) what: What,
}

/// What a row shows.
pub(super) enum What {
    Heads,
    /// So much time passes.
    Gap(u64),
    /// The arrow with this position, and its time where it is another than before.
    Arrow(usize, Option<String>),
}

impl What {
    pub(super) fn height(&self) -> i64 {
        match self {
            Self::Heads => ABOVE_HEADS + HEAD + 6,
            Self::Gap(_) => GAP,
            Self::Arrow(..) => ROW,
        }
    }
}

impl Layout {
    /// Lays a diagram out.
    pub(super) fn of(diagram: &Diagram<'_>) -> Self {
        let (rows, bottom) = placed(rows(diagram));
        let widest = rows.iter().map(|row| time_width(&row.what)).max().unwrap_or_default();
        let times = EDGE + widest;
        let stations = lifelines(diagram, times + EDGE);
        let width = (right_end(diagram, &stations) + EDGE).max(LEAST_WIDTH);
        Self { times, stations, rows, width, height: bottom + EDGE }
    }
}

/// How wide the head of a station is.
pub(super) fn head_width(station: &str) -> i64 {
    columns(station) * HEAD_CELL + 20
}

fn time_width(what: &What) -> i64 {
    match what {
        What::Heads => columns("seconds") * LABEL_CELL,
        What::Gap(ms) => columns(&gap_text(*ms)) * LABEL_CELL,
        What::Arrow(_, time) => time.as_deref().map_or(0, columns) * LABEL_CELL,
    }
}

/// What stands beside a gap.
pub(super) fn gap_text(ms: u64) -> String {
    format!("+{}", seconds(ms))
}

fn rows(diagram: &Diagram<'_>) -> Vec<What> {
    let mut rows = vec![What::Heads];
    let mut shown = None;
    for (position, arrow) in diagram.arrows.iter().enumerate() {
        if position > 0 && position % HEADS_EVERY == 0 && diagram.arrows.len() - position > FEW {
            rows.push(What::Heads);
        }
        let passed = arrow.since_ms.saturating_sub(shown.unwrap_or_default());
        rows.extend((passed > LONGEST_PAUSE_MS).then_some(What::Gap(passed)));
        rows.push(What::Arrow(position, time(arrow, shown)));
        shown = Some(arrow.until_ms);
    }
    rows.push(What::Heads);
    rows
}

fn time(arrow: &Arrow, shown: Option<u64>) -> Option<String> {
    let since = seconds(arrow.since_ms);
    if arrow.since_ms != arrow.until_ms {
        return Some(format!("{since}–{}", seconds(arrow.until_ms)));
    }
    (shown != Some(arrow.since_ms)).then_some(since)
}

fn placed(rows: Vec<What>) -> (Vec<Row>, i64) {
    let mut bottom = EDGE + TITLE;
    let mut place = |what: What| {
        let y = bottom;
        bottom += what.height();
        Row { y, what }
    };
    (rows.into_iter().map(&mut place).collect(), bottom)
}

/// Every lifeline as far to the left as heads and labels let it.
fn lifelines(diagram: &Diagram<'_>, left: i64) -> Vec<i64> {
    let heads: Vec<i64> = diagram.stations.iter().map(|station| head_width(station)).collect();
    let mut lifelines: Vec<i64> = Vec::new();
    for (position, head) in heads.iter().enumerate() {
        let beside_head = match position.checked_sub(1) {
            Some(before) => lifelines[before] + (heads[before] + head) / 2 + BETWEEN_HEADS,
            None => left + head / 2,
        };
        let arrows = diagram.arrows.iter().filter(|arrow| ends(arrow).1 == position);
        let behind_labels = arrows.map(|arrow| lifelines[ends(arrow).0] + wanted(arrow));
        lifelines.push(behind_labels.fold(beside_head, i64::max));
    }
    lifelines
}

/// The lifelines between which an arrow's label stands.
fn ends(arrow: &Arrow) -> (usize, usize) {
    let (left, right) = (arrow.from.min(arrow.to), arrow.from.max(arrow.to));
    if left == right { (left, right + 1) } else { (left, right) }
}

fn wanted(arrow: &Arrow) -> i64 {
    let aside = if arrow.from == arrow.to { LOOP } else { 0 };
    columns(&arrow.label).min(LABEL_COLUMNS) * LABEL_CELL + AROUND_LABEL + aside
}

fn right_end(diagram: &Diagram<'_>, lifelines: &[i64]) -> i64 {
    let (Some(station), Some(last)) = (diagram.stations.last(), lifelines.last()) else { return 0 };
    let loops = diagram.arrows.iter().filter(|arrow| ends(arrow).1 == lifelines.len());
    loops.map(|arrow| last + wanted(arrow)).fold(last + head_width(station) / 2, i64::max)
}

impl Layout {
    /// How many columns of a label have room at an arrow.
    pub(super) fn room(&self, arrow: &Arrow) -> i64 {
        let (left, right) = ends(arrow);
        let aside = if arrow.from == arrow.to { LOOP } else { 0 };
        let end = self.stations.get(right).copied().unwrap_or(self.width);
        (end - self.stations[left] - aside - AROUND_LABEL + LABEL_CELL) / LABEL_CELL
    }
}
