//! How long a provider asks to wait.

use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822;
use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};

/// Nobody means a longer wait than a day.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// The wait in `retry-after-ms` (milliseconds) or `retry-after` (seconds, whole or not, or a
/// date), at most a day. `None` where it is missing or makes no sense.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    let exact = text("retry-after-ms").and_then(|text| seconds(text, 1000.0));
    let wait = exact.or_else(|| {
        let text = text(RETRY_AFTER.as_str())?;
        seconds(text, 1.0).or_else(|| until(text, headers))
    });
    wait.map(|wait| wait.min(LONGEST))
}

fn seconds(text: &str, per_second: f64) -> Option<Duration> {
    let number: f64 = text.parse().ok()?;
    if number > LONGEST.as_secs_f64() * per_second {
        return Some(LONGEST);
    }
    Duration::try_from_secs_f64(number / per_second).ok()
}

/// A date is meant by the clock of the provider, which `date` tells.
fn until(text: &str, headers: &HeaderMap) -> Option<Duration> {
    let date = |text: &str| rfc2822::parse(text).ok().map(|zoned| zoned.timestamp());
    let told = headers.get(DATE).and_then(|value| date(value.to_str().ok()?));
    let wait = date(text)?.duration_since(told.unwrap_or_else(Timestamp::now));
    Some(Duration::try_from(wait).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(headers: &[(&'static str, &'static str)]) -> Option<f64> {
        let pairs = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        retry_after(&pairs.collect()).map(|wait| wait.as_secs_f64())
    }

    #[test]
    fn seconds_and_milliseconds() {
        assert_eq!(wait(&[("retry-after", "7")]), Some(7.0));
        assert_eq!(wait(&[("retry-after", " 0.25 ")]), Some(0.25));
        assert_eq!(wait(&[("retry-after", "7"), ("retry-after-ms", "1500")]), Some(1.5));
    }

    #[test]
    fn dates_go_by_the_providers_clock() {
        let date = ("date", "Wed, 21 Oct 2015 07:27:30 GMT");
        assert_eq!(wait(&[date, ("retry-after", "Wed, 21 Oct 2015 07:28:00 GMT")]), Some(30.0));
        assert_eq!(wait(&[("retry-after", "Wed, 21 Oct 2015 07:28:00 GMT")]), Some(0.0));
    }

    #[test]
    fn nonsense_is_none_and_long_waits_are_cut() {
        for value in ["", "soon", "-3", "NaN", "-inf"] {
            assert_eq!(wait(&[("retry-after", value)]), None, "{value}");
        }
        assert_eq!(wait(&[("retry-after", "1e300")]), Some(86_400.0));
        assert_eq!(wait(&[]), None);
    }
}
