//! The flow as a picture: a self-contained SVG sequence diagram, dark on white.

mod colour;
mod layout;
mod text;

use std::fmt;

use layout::{ABOVE_HEADS, EDGE, GAP, HEAD, HEAD_CELL, LOOP, Layout, ROW, What, gap_text, head_width};
use text::{escaped, shortened};

use super::FlowLine;
use super::diagram::{Arrow, Diagram, seconds};

const FONT: &str = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace";

/// Draws a flow as an SVG sequence diagram, under the sentence `about`.
///
/// Runs of messages that differ in nothing but numbers become one arrow. Pointing at an arrow shows
/// all of its text.
pub fn svg(about: &str, lines: &[FlowLine]) -> String {
    let diagram = Diagram::of(lines);
    let layout = Layout::of(&diagram);
    Picture { about, diagram, layout }.to_string()
}

struct Picture<'a> {
    about: &'a str,
    diagram: Diagram<'a>,
    layout: Layout,
}

impl fmt::Display for Picture<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Layout { width, height, .. } = self.layout;
        write!(f, r#"<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" "#)?;
        writeln!(
            f,
            r##"viewBox="0 0 {width} {height}" font-family="{FONT}" font-size="11" fill="#212529">"##
        )?;
        self.title(f)?;
        self.lifelines(f)?;
        for row in &self.layout.rows {
            match &row.what {
                What::Heads => self.heads(f, row.y + ABOVE_HEADS)?,
                What::Gap(ms) => self.gap(f, row.y, *ms)?,
                What::Arrow(position, time) => {
                    self.time(f, row.y, time.as_deref())?;
                    self.arrow(f, row.y + ROW - 6, &self.diagram.arrows[*position])?;
                }
            }
        }
        writeln!(f, "</svg>")
    }
}

impl Picture<'_> {
    fn title(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let about = self.about.trim();
        let shown = shortened(about, (self.layout.width - 2 * EDGE) / HEAD_CELL);
        writeln!(f, "<title>{}</title>", escaped(about))?;
        writeln!(f, r##"<rect width="100%" height="100%" fill="#ffffff"/>"##)?;
        let (x, y) = (EDGE, EDGE + 12);
        writeln!(f, r#"<text x="{x}" y="{y}" font-size="13" font-weight="bold">{}</text>"#, escaped(&shown))
    }

    fn lifelines(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ends = (self.layout.rows.first(), self.layout.rows.last());
        let (Some(first), Some(last)) = ends else { return Ok(()) };
        for (station, x) in self.diagram.stations.iter().zip(&self.layout.stations) {
            let line = colour::of(station).line;
            write!(
                f,
                r#"<path d="M{x} {}V{}" stroke="{line}" stroke-opacity="0.35"/>"#,
                first.y + HEAD,
                last.y + HEAD
            )?;
        }
        writeln!(f)
    }

    fn heads(&self, f: &mut fmt::Formatter<'_>, y: i64) -> fmt::Result {
        let baseline = y + HEAD / 2 + 4;
        let x = self.layout.times;
        writeln!(f, r##"<text x="{x}" y="{baseline}" text-anchor="end" fill="#868e96">seconds</text>"##)?;
        writeln!(f, r#"<g text-anchor="middle" font-size="12" font-weight="bold">"#)?;
        for (station, x) in self.diagram.stations.iter().zip(&self.layout.stations) {
            let (colour, width) = (colour::of(station), head_width(station));
            let (left, face, line) = (x - width / 2, colour.face, colour.line);
            write!(f, r#"<rect x="{left}" y="{y}" width="{width}" height="{HEAD}" rx="5" fill="{face}" "#)?;
            write!(f, r#"stroke="{line}"/><text x="{x}" y="{baseline}">{}</text>"#, escaped(station))?;
        }
        writeln!(f, "</g>")
    }

    /// The time of a row, and a faint line under what was before it.
    fn time(&self, f: &mut fmt::Formatter<'_>, y: i64, time: Option<&str>) -> fmt::Result {
        let Some(time) = time else { return Ok(()) };
        let (x, right, rule, baseline) = (self.layout.times, self.layout.width - EDGE, y + 3, y + ROW - 3);
        write!(f, r##"<path d="M{} {rule}H{right}" stroke="#e9ecef"/>"##, x + 6)?;
        writeln!(f, r##"<text x="{x}" y="{baseline}" text-anchor="end" fill="#495057">{time}</text>"##)
    }

    /// A band in which the lifelines are broken.
    fn gap(&self, f: &mut fmt::Formatter<'_>, y: i64, ms: u64) -> fmt::Result {
        let (x, top, height) = (self.layout.times, y + 6, GAP - 8);
        let width = self.layout.width - EDGE - x - 6;
        write!(f, r##"<rect x="{}" y="{top}" width="{width}" height="{height}" fill="#f1f3f5"/>"##, x + 6)?;
        write!(f, r##"<g stroke="#adb5bd" stroke-dasharray="2 4">"##)?;
        for x in &self.layout.stations {
            write!(f, r#"<path d="M{x} {top}v{height}"/>"#)?;
        }
        let baseline = top + height / 2 + 4;
        write!(f, r##"</g><text x="{x}" y="{baseline}" text-anchor="end" fill="#868e96">{}"##, gap_text(ms))?;
        writeln!(f, "<title>{} s pass</title></text>", seconds(ms))
    }

    fn arrow(&self, f: &mut fmt::Formatter<'_>, y: i64, arrow: &Arrow) -> fmt::Result {
        let names = &self.diagram.stations;
        let (at, from, to) = (seconds(arrow.since_ms), names[arrow.from], names[arrow.to]);
        let full = format!("{at}  {from} → {to}: {}", arrow.label);
        let line = colour::of(from).line;
        let thick = if arrow.count > 1 { 3 } else { 1 };
        write!(f, "<g><title>{}</title>", escaped(&full))?;
        write!(
            f,
            r#"<path stroke="{line}" stroke-width="{thick}" fill="none" d="{}"/>"#,
            self.shaft(arrow, y)
        )?;
        write!(f, r#"<path fill="{line}" d="{}"/>"#, self.point(arrow, y))?;
        self.label(f, y, arrow)?;
        writeln!(f, "</g>")
    }

    fn shaft(&self, arrow: &Arrow, y: i64) -> String {
        let (from, to) = (self.layout.stations[arrow.from], self.layout.stations[arrow.to]);
        match to - from {
            0 => format!("M{from} {}h{LOOP}v10H{}", y - 10, from + 6),
            // A thick shaft would stick out of the point.
            toward => format!("M{from} {y}H{}", to - 6 * toward.signum()),
        }
    }

    fn point(&self, arrow: &Arrow, y: i64) -> String {
        let (from, to) = (self.layout.stations[arrow.from], self.layout.stations[arrow.to]);
        let back = if from < to { -9 } else { 9 };
        format!("M{to} {y}l{back} -4v8z")
    }

    /// The label in the middle above the shaft, over a white edge that keeps lifelines off it.
    fn label(&self, f: &mut fmt::Formatter<'_>, y: i64, arrow: &Arrow) -> fmt::Result {
        let (from, to) = (self.layout.stations[arrow.from], self.layout.stations[arrow.to]);
        let label = escaped(&shortened(&arrow.label, self.layout.room(arrow)));
        let place = match from == to {
            true => format!(r#"x="{}" y="{}""#, from + LOOP + 6, y - 1),
            false => format!(r#"x="{}" y="{}" text-anchor="middle""#, i64::midpoint(from, to), y - 6),
        };
        let edge = r##"stroke="#ffffff" stroke-width="4" paint-order="stroke""##;
        write!(f, "<text {place} {edge}>{label}</text>")
    }
}
