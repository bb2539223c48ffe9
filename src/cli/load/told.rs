//! What the options say, and where the results go.

use std::io::{self, Write};
use std::path::Path;

use crate::load::peers::Peer;
use crate::load::report::Report;

pub(super) fn read_baseline(file: &Path) -> Result<Report, String> {
    let failed = |error: &dyn std::fmt::Display| format!("the baseline {}: {error}", file.display());
    let text = std::fs::read_to_string(file).map_err(|error| failed(&error))?;
    Report::read(&text).map_err(|error| failed(&error))
}

/// The first chat and how many there are of `A..B`, both ends included.
pub(super) fn chats_in(range: &str) -> Result<(i64, u64), String> {
    let ends =
        range.split_once("..").and_then(|(from, to)| Some((from.parse().ok()?, to.parse::<i64>().ok()?)));
    match ends {
        Some((from, to)) if 1 <= from && from <= to => Ok((from, (to - from + 1).unsigned_abs())),
        _ => Err(format!("'{range}' is no range of chats: expected FIRST..LAST, from 1 on")),
    }
}

/// A load test on another machine: `1001..2000=http://b:9001,http://b:9002`.
pub(super) fn peer_of(text: &str) -> Result<Peer, String> {
    let expected = || format!("'{text}' is no peer: expected FIRST..LAST=TELEGRAM,MODEL with two addresses");
    let (range, urls) = text.split_once('=').ok_or_else(expected)?;
    let (telegram, model) = urls.split_once(',').ok_or_else(expected)?;
    let (first_chat, count) = chats_in(range)?;
    let url = |url: &str| match reqwest::Url::parse(url) {
        Ok(parsed) if parsed.has_host() => Ok(url.trim_end_matches('/').to_owned()),
        _ => Err(expected()),
    };
    let last_chat = first_chat + count.cast_signed() - 1;
    Ok(Peer { first_chat, last_chat, telegram_url: url(telegram)?, model_url: url(model)? })
}

/// A bare address gets the webhook's usual path.
pub(super) fn webhook_of(url: &str) -> Result<String, String> {
    let parsed = reqwest::Url::parse(url).map_err(|error| format!("'{url}' is no address: {error}"))?;
    let path = parsed.path().trim_end_matches('/').to_owned();
    Ok(if path.is_empty() { format!("{}/webhook", url.trim_end_matches('/')) } else { url.to_owned() })
}

/// Found out before the load test, not after it.
pub(super) fn look_whether_writable(file: &Path) -> Result<(), String> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if file.is_dir() {
        return Err(format!("{} is a folder: name a file to write", file.display()));
    }
    let tried = tempfile::tempfile_in(folder).map(drop);
    tried.map_err(|error| format!("{} can't be written: {error}", file.display()))
}

pub(super) fn write(file: &Path, text: &str) -> Result<(), String> {
    std::fs::write(file, text).map_err(|error| format!("{} can't be written: {error}", file.display()))
}

pub(super) fn say(text: &str) -> Result<(), String> {
    match io::stdout().lock().write_all(text.as_bytes()) {
        // Whoever reads, `head` for example, has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.map_err(|error| format!("standard output: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_have_two_ends() {
        assert_eq!(chats_in("1001..2000"), Ok((1001, 1000)));
        assert_eq!(chats_in("5..5"), Ok((5, 1)));
        for range in ["", "5", "0..5", "6..5", "a..b"] {
            assert!(chats_in(range).is_err(), "{range}");
        }
    }

    #[test]
    fn a_peer_has_chats_and_two_addresses() {
        let peer = peer_of("1001..2000=http://b:9001,http://b:9002/").unwrap();
        assert_eq!((peer.first_chat, peer.last_chat), (1001, 2000));
        assert_eq!((peer.telegram_url.as_str(), peer.model_url.as_str()), ("http://b:9001", "http://b:9002"));
        for text in ["1..2", "1..2=http://b:1", "2..1=http://b:1,http://b:2", "1..2=b,http://b:2"] {
            assert!(peer_of(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_address_without_a_path_gets_the_webhooks() {
        assert_eq!(webhook_of("http://a:1").unwrap(), "http://a:1/webhook");
        assert_eq!(webhook_of("http://a:1/").unwrap(), "http://a:1/webhook");
        assert_eq!(webhook_of("http://a:1/x/y").unwrap(), "http://a:1/x/y");
        assert!(webhook_of("a").is_err());
    }
}
