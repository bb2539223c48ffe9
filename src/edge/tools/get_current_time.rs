//! The time, anywhere.

use std::sync::Arc;

use futures::future::BoxFuture;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{Timestamp, Zoned};
use serde_json::{Value, json};

use super::{Tool, ToolError, arguments};
use crate::domain::chat::ToolSpec;

/// How many near names an error suggests.
const SUGGESTIONS: usize = 5;

/// The tool `get_current_time`.
#[derive(Clone)]
pub struct GetCurrentTime {
    clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
}

impl GetCurrentTime {
    /// A tool that takes the time from `clock`.
    pub fn new(clock: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self { clock: Arc::new(clock) }
    }
}

impl Default for GetCurrentTime {
    fn default() -> Self {
        Self::new(Timestamp::now)
    }
}

impl Tool for GetCurrentTime {
    fn spec(&self) -> ToolSpec {
        ToolSpec {
            name: "get_current_time",
            description: "Tells the current weekday, date, time and UTC offset in a time zone. Use it whenever the \
                answer depends on what day or time it is now.",
            parameters: json!({
                "type": "object",
                "properties": {"timezone": {
                    "type": "string",
                    "description": "IANA time zone such as 'Europe/Berlin' or 'Asia/Tokyo'. UTC when left out."
                }},
                "additionalProperties": false
            }),
        }
    }

    fn call(&self, arguments: Value) -> BoxFuture<'static, Result<String, ToolError>> {
        let result =
            arguments::optional_text(&arguments, "timezone").and_then(|name| zone(name.unwrap_or("UTC")));
        let told = result.map(|zone| tell(&(self.clock)().to_zoned(zone)));
        Box::pin(std::future::ready(told))
    }
}

fn tell(now: &Zoned) -> String {
    let name = now.time_zone().iana_name().unwrap_or("UTC");
    let iso = now.strftime("%Y-%m-%dT%H:%M:%S%:z");
    format!(
        "{} in {name} (UTC{}), ISO 8601: {iso}",
        now.strftime("%A, %-d %B %Y, %H:%M:%S"),
        now.strftime("%:z")
    )
}

/// Names are taken in any case, and with spaces for underscores.
fn zone(name: &str) -> Result<TimeZone, ToolError> {
    let joined = name.split_whitespace().collect::<Vec<_>>().join("_");
    if ["utc", "gmt", "z"].contains(&joined.to_lowercase().as_str()) {
        return Ok(TimeZone::UTC);
    }
    let database = jiff::tz::db();
    database.get(&joined).map_err(|_| unknown(name, &joined, database))
}

fn unknown(name: &str, joined: &str, database: &TimeZoneDatabase) -> ToolError {
    let shown: String = name.chars().take(60).collect();
    let near = near(joined, database);
    let hint = if near.is_empty() {
        "give an IANA name such as 'Europe/Berlin'".to_owned()
    } else {
        format!("did you mean {}?", near.join(", "))
    };
    ToolError(format!("there is no time zone '{shown}'; {hint}"))
}

/// The names whose place, or any part of it, is written most like `name`.
fn near(name: &str, database: &TimeZoneDatabase) -> Vec<String> {
    let wanted = last_part(&name.to_lowercase()).chars().take(40).collect::<String>();
    let mut ranked: Vec<(usize, String)> = database
        .available()
        .map(|zone| zone.to_string())
        .filter(|zone| zone.contains('/') && !zone.starts_with("Etc/"))
        .map(|zone| (likeness(&wanted, &zone.to_lowercase()), zone))
        .filter(|(distance, _)| *distance <= wanted.chars().count() / 3)
        .collect();
    ranked.sort();
    ranked.into_iter().take(SUGGESTIONS).map(|(_, zone)| zone).collect()
}

fn last_part(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

fn likeness(wanted: &str, zone: &str) -> usize {
    let place = last_part(zone);
    if wanted.chars().count() >= 3 && place.contains(wanted) { 0 } else { distance(wanted, place) }
}

/// How many letters must be changed, added or taken away.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (line, letter) in from.chars().enumerate() {
        let mut corner = row[0];
        row[0] = line + 1;
        for (at, other) in to.iter().enumerate() {
            let changed = corner + usize::from(letter != *other);
            corner = row[at + 1];
            row[at + 1] = changed.min(row[at] + 1).min(corner + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn told(arguments: Value) -> Result<String, String> {
        let clock = || "2026-01-15T12:00:05Z".parse().unwrap();
        GetCurrentTime::new(clock).call(arguments).await.map_err(|error| error.0)
    }

    #[tokio::test]
    async fn utc_unless_told_otherwise() {
        let expected =
            "Thursday, 15 January 2026, 12:00:05 in UTC (UTC+00:00), ISO 8601: 2026-01-15T12:00:05+00:00";
        for arguments in
            [json!({}), json!({"timezone": null}), json!({"timezone": " utc "}), json!({"timezone": "GMT"})]
        {
            assert_eq!(told(arguments).await.as_deref(), Ok(expected));
        }
    }

    #[tokio::test]
    async fn any_zone_in_any_case() {
        let expected = "Thursday, 15 January 2026, 21:00:05 in Asia/Tokyo (UTC+09:00), ISO 8601: 2026-01-15T21:00:05+09:00";
        for name in ["Asia/Tokyo", "asia/TOKYO"] {
            assert_eq!(told(json!({"timezone": name})).await.as_deref(), Ok(expected));
        }
        let kolkata = told(json!({"timezone": "Asia/Kolkata"})).await.unwrap();
        assert!(kolkata.contains("17:30:05 in Asia/Kolkata (UTC+05:30)"), "{kolkata}");
        assert!(
            told(json!({"timezone": "america/new york"}))
                .await
                .unwrap()
                .contains("07:00:05 in America/New_York")
        );
    }

    #[tokio::test]
    async fn unknown_zones_bring_near_names() {
        for (name, expected) in [
            ("Tokio", "Asia/Tokyo"),
            ("Europe/Belrin", "Europe/Berlin"),
            ("Paris", "Europe/Paris"),
            ("york", "America/New_York"),
        ] {
            let error = told(json!({"timezone": name})).await.unwrap_err();
            assert!(
                error.contains(&format!("there is no time zone '{name}'")) && error.contains(expected),
                "{error}"
            );
        }
        let error = told(json!({"timezone": "x".repeat(10_000)})).await.unwrap_err();
        assert!(error.contains("IANA") && error.len() < 200, "{error}");
    }

    #[tokio::test]
    async fn bad_arguments_are_explained() {
        for arguments in [json!({"timezone": 5}), json!({"timezone": ["UTC"]}), json!({"timezone": ""})] {
            assert!(told(arguments).await.unwrap_err().contains("must be a text"));
        }
    }

    #[tokio::test]
    async fn the_real_clock_runs() {
        assert!(GetCurrentTime::default().call(json!({})).await.unwrap().contains(" in UTC "));
    }
}
