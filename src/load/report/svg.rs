//! Small charts, as SVG inside of the page.

use std::fmt::Write;

use super::Bar;
use super::latency::BARS_PER_DECADE;
use super::rows::number;

const WIDTH: f64 = 560.0;
const HEIGHT: f64 = 230.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 28.0;
const BOTTOM: f64 = 34.0;
/// Narrower bars than so many can't be told apart.
const MOST_BARS: usize = 60;
const COLOURS: [&str; 3] = ["#1864ab", "#e8590c", "#2b8a3e"];

/// A line of a chart.
pub(super) struct Series<'a> {
    pub(super) name: &'a str,
    /// Time and value; a gap where there is no value.
    pub(super) points: Vec<(f64, Option<f64>)>,
    /// Drawn dashed: an older run.
    pub(super) is_baseline: bool,
}

/// Text that can't be mistaken for markup.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Values over time.
pub(super) fn lines(series: &[Series<'_>], unit: &str) -> String {
    let points = || series.iter().flat_map(|line| &line.points);
    let most_x = points().map(|(x, _)| *x).fold(1.0, f64::max);
    let most_y = nice(points().filter_map(|(_, y)| *y).fold(0.0, f64::max));
    let mut out = frame(most_y, unit);
    let place =
        |x: f64, y: f64| (LEFT + x / most_x * inner_width(), TOP + (1.0 - y / most_y) * inner_height());
    for (at, line) in series.iter().enumerate() {
        let colour = colour(series, at);
        let dash = if line.is_baseline { " stroke-dasharray=\"5 4\" opacity=\"0.6\"" } else { "" };
        let path = path(&line.points, place);
        let _ =
            write!(out, "<path d=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.8\"{dash}/>");
        for (x, y) in alone(&line.points).map(|(x, y)| place(x, y)) {
            let _ = write!(out, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"2.2\" fill=\"{colour}\"/>");
        }
    }
    let step = nice(most_x / 8.0).max(1.0);
    for mark in (0..).map(|nth| f64::from(nth) * step).take_while(|mark| *mark <= most_x) {
        out += &label(LEFT + mark / most_x * inner_width(), HEIGHT - 16.0, "middle", &number(Some(mark)));
    }
    out += &label(WIDTH / 2.0, HEIGHT - 3.0, "middle", "seconds");
    out + &legend(series) + "</svg>"
}

/// How often something took how long.
pub(super) fn histogram(bars: &[Bar], baseline: &[Bar]) -> String {
    let wide = (bars.len().max(baseline.len()) / MOST_BARS + 1) as i32;
    let (bars, baseline) = (&merged(bars, wide), &merged(baseline, wide));
    let all = || bars.iter().chain(baseline);
    let (Some(from), Some(to)) = (
        all().map(|bar| bar.from_ms).min_by(f64::total_cmp),
        all().map(|bar| bar.to_ms).max_by(f64::total_cmp),
    ) else {
        return "<p>Nothing was measured.</p>".to_owned();
    };
    let share = |of: &[Bar], count: u64| {
        100.0 * count as f64 / of.iter().map(|bar| bar.count).sum::<u64>().max(1) as f64
    };
    let tallest = |of: &[Bar]| of.iter().map(|bar| share(of, bar.count)).fold(0.0, f64::max);
    let most = nice(tallest(bars).max(tallest(baseline)));
    let span = (to.log10() - from.log10()).max(0.1);
    let x = |ms: f64| LEFT + (ms.log10() - from.log10()) / span * inner_width();
    let y = |percent: f64| TOP + (1.0 - percent / most) * inner_height();
    let mut out = frame(most, "%");
    for (of, style) in [
        (bars, "fill=\"#1864ab\" opacity=\"0.8\""),
        (baseline, "fill=\"none\" stroke=\"#e8590c\" stroke-dasharray=\"3 2\""),
    ] {
        for bar in of.iter().filter(|bar| bar.count > 0) {
            let (left, right, top) = (x(bar.from_ms), x(bar.to_ms), y(share(of, bar.count)));
            let (width, height) = ((right - left - 1.0).max(1.0), TOP + inner_height() - top);
            let told =
                format!("{} to {} ms: {}", number(Some(bar.from_ms)), number(Some(bar.to_ms)), bar.count);
            let _ = write!(
                out,
                "<rect x=\"{left:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" {style}><title>{told}</title></rect>"
            );
        }
    }
    out += &ticks(from, to, x);
    out + &label(WIDTH / 2.0, HEIGHT - 3.0, "middle", "milliseconds (logarithmic)") + "</svg>"
}

/// Bars that are `wide` times as wide. Those of two runs stand at the same places.
fn merged(bars: &[Bar], wide: i32) -> Vec<Bar> {
    let place =
        |bar: &Bar| ((bar.from_ms.log10() * f64::from(BARS_PER_DECADE)).round() as i32).div_euclid(wide);
    let group = |bars: &[Bar]| Bar {
        from_ms: bars.first().map_or(0.0, |bar| bar.from_ms),
        to_ms: bars.last().map_or(0.0, |bar| bar.to_ms),
        count: bars.iter().map(|bar| bar.count).sum(),
    };
    bars.chunk_by(|one, next| place(one) == place(next)).map(group).collect()
}

/// At most some eight marks of a logarithmic axis.
fn ticks(from: f64, to: f64, x: impl Fn(f64) -> f64) -> String {
    let steps: &[f64] = if to / from > 1000.0 { &[1.0] } else { &[1.0, 2.0, 5.0] };
    let decades = from.log10().floor() as i32..=to.log10().ceil() as i32;
    let marks = decades.flat_map(|decade| steps.iter().map(move |step| step * 10_f64.powi(decade)));
    let inside = marks.filter(|mark| (from..=to).contains(mark));
    inside.map(|mark| label(x(mark), HEIGHT - 16.0, "middle", &number(Some(mark)))).collect()
}

fn inner_width() -> f64 {
    WIDTH - LEFT - RIGHT
}

fn inner_height() -> f64 {
    HEIGHT - TOP - BOTTOM
}

/// The next round number.
fn nice(value: f64) -> f64 {
    if value <= 0.0 {
        return 1.0;
    }
    let decade = 10_f64.powf(value.log10().floor());
    let steps = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0];
    steps.iter().map(|step| step * decade).find(|round| *round >= value).unwrap_or(10.0 * decade)
}

/// The chart without its lines: a grid with numbers.
fn frame(most_y: f64, unit: &str) -> String {
    let mut out =
        format!("<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" xmlns=\"http://www.w3.org/2000/svg\">");
    for share in [0.0, 0.25, 0.5, 0.75, 1.0] {
        let y = TOP + (1.0 - share) * inner_height();
        let _ = write!(
            out,
            "<line x1=\"{LEFT}\" y1=\"{y:.1}\" x2=\"{:.1}\" y2=\"{y:.1}\" stroke=\"#dee2e6\"/>",
            WIDTH - RIGHT
        );
        out += &label(LEFT - 6.0, y + 4.0, "end", &format!("{} {unit}", number(Some(share * most_y))));
    }
    out
}

fn label(x: f64, y: f64, anchor: &str, text: &str) -> String {
    format!("<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{}</text>", escape(text))
}

fn legend(series: &[Series<'_>]) -> String {
    let mut out = String::new();
    let mut x = LEFT;
    for (at, line) in series.iter().enumerate() {
        let colour = colour(series, at);
        let dash = if line.is_baseline { " stroke-dasharray=\"5 4\" opacity=\"0.6\"" } else { "" };
        let _ = write!(
            out,
            "<line x1=\"{x:.1}\" y1=\"14\" x2=\"{:.1}\" y2=\"14\" stroke=\"{colour}\" stroke-width=\"2.5\"{dash}/>",
            x + 18.0
        );
        out += &label(x + 23.0, 18.0, "start", line.name);
        x += 38.0 + 6.6 * line.name.chars().count() as f64;
    }
    out
}

/// A baseline has the colour of the line that it belongs to, which has the same place among its own.
fn colour(series: &[Series<'_>], at: usize) -> &'static str {
    let kind = series[at].is_baseline;
    let place = series[..at].iter().filter(|line| line.is_baseline == kind).count();
    COLOURS[place % COLOURS.len()]
}

/// The pen is lifted where a value is missing.
fn path(points: &[(f64, Option<f64>)], place: impl Fn(f64, f64) -> (f64, f64)) -> String {
    let mut out = String::new();
    let mut is_down = false;
    for (x, y) in points {
        let Some(y) = y else {
            is_down = false;
            continue;
        };
        let (x, y) = place(*x, *y);
        let _ = write!(out, "{}{x:.1} {y:.1}", if is_down { "L" } else { "M" });
        is_down = true;
    }
    out
}

/// Values between two that are missing: a line shows nothing of them.
fn alone(points: &[(f64, Option<f64>)]) -> impl Iterator<Item = (f64, f64)> {
    let is_there = |at: Option<usize>| at.and_then(|at| points.get(at)).is_some_and(|(_, y)| y.is_some());
    points.iter().enumerate().filter_map(move |(at, (x, y))| {
        let has_neighbour = is_there(at.checked_sub(1)) || is_there(Some(at + 1));
        y.filter(|_| !has_neighbour).map(|y| (*x, y))
    })
}
