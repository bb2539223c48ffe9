//! Where the model is asked, and who asks.

use std::net::IpAddr;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hyper::Uri;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use percent_encoding::percent_decode_str;
use reqwest::Url;

use crate::edge::redirect;

/// Settings that no client can be made of.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the language model can't be set up: {0}")]
pub struct SettingsError(pub(super) String);

/// What all requests have in common.
pub(super) struct Endpoint {
    /// Their address, without who asks.
    pub uri: Uri,
    /// As much of it as errors may show.
    pub place: String,
    /// What they say beside their body.
    pub headers: HeaderMap,
    /// Whether it is on this machine.
    pub is_local: bool,
}

impl Endpoint {
    /// Below `base_url`, for who has `api_key`. Without one, a name and a password in the address are told.
    ///
    /// # Errors
    /// When `base_url` is no http(s) address, or the key has characters that can't be sent.
    pub fn new(base_url: &str, api_key: Option<&str>) -> Result<Self, SettingsError> {
        let url = address(base_url)?;
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
        let bearer = api_key.map(|key| format!("Bearer {}", key.trim()));
        if let Some(authorization) = bearer.or_else(|| basic_authorization(&url)) {
            let mut authorization = HeaderValue::from_str(&authorization).map_err(|_| {
                SettingsError("OPENAI_API_KEY has characters that no key may have".to_owned())
            })?;
            authorization.set_sensitive(true);
            headers.insert(AUTHORIZATION, authorization);
        }
        let (place, is_local) = (redirect::place(&url), is_local(&url));
        Ok(Self { uri: plain_uri(url)?, place, headers, is_local })
    }
}

/// The address of the call: `base_url` with `chat/completions` at the end of its path.
fn address(base_url: &str) -> Result<Url, SettingsError> {
    let mut url = Url::parse(base_url.trim()).map_err(|error| unusable(&error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(unusable("it must begin with http:// or https://"));
    }
    if !url.path().trim_end_matches('/').ends_with("/chat/completions") {
        let mut path = url.path_segments_mut().map_err(|()| unusable("it has no path"))?;
        path.pop_if_empty().extend(["chat", "completions"]);
    }
    Ok(url)
}

fn unusable(why: &str) -> SettingsError {
    SettingsError(format!(
        "OPENAI_BASE_URL is no usable address ({why}); give one such as https://api.openai.com/v1"
    ))
}

/// An address as requests name it: who asks is no part of it.
fn plain_uri(mut url: Url) -> Result<Uri, SettingsError> {
    url.set_fragment(None);
    let stripped = url.set_username("").and_then(|()| url.set_password(None));
    stripped.map_err(|()| unusable("its user name can't be read"))?;
    url.as_str().parse().map_err(|_| unusable("it has characters that no address may have"))
}

/// A name and a password in the address are sent as such.
fn basic_authorization(url: &Url) -> Option<String> {
    let (name, password) = (url.username(), url.password().unwrap_or_default());
    let decoded = |text| percent_decode_str(text).collect::<Vec<u8>>();
    let both = [decoded(name), b":".to_vec(), decoded(password)].concat();
    (both.len() > 1).then(|| format!("Basic {}", BASE64_STANDARD.encode(both)))
}

fn is_local(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_completed() {
        for (base, expected) in [
            ("https://a.b/v1", "https://a.b/v1/chat/completions"),
            ("https://a.b/v1/", "https://a.b/v1/chat/completions"),
            (" http://a.b:81 ", "http://a.b:81/chat/completions"),
            ("https://a.b/v1?api-version=3", "https://a.b/v1/chat/completions?api-version=3"),
            ("https://a.b/v1/chat/completions", "https://a.b/v1/chat/completions"),
            ("https://u:p@a.b/v1", "https://a.b/v1/chat/completions"),
        ] {
            let uri = Endpoint::new(base, None).map(|endpoint| endpoint.uri.to_string());
            assert_eq!(uri.as_deref(), Ok(expected));
        }
    }

    #[test]
    fn a_name_in_the_address_is_sent_where_there_is_no_key() {
        let sent = |base: &str, key| Endpoint::new(base, key).unwrap().headers.remove(AUTHORIZATION);
        assert_eq!(sent("https://us%3Aer:p%20w@a.b", None).unwrap(), "Basic dXM6ZXI6cCB3");
        assert_eq!(sent("https://user:word@a.b", Some(" key ")).unwrap(), "Bearer key");
        assert_eq!(sent("https://a.b", None), None);
    }

    #[test]
    fn a_key_that_no_header_takes_is_refused_without_being_shown() {
        let error = Endpoint::new("https://a.b", Some("sk-secret\n1")).err().unwrap().to_string();
        assert!(error.contains("OPENAI_API_KEY") && !error.contains("secret"), "{error}");
    }

    #[test]
    fn useless_addresses_are_refused_without_being_shown() {
        for base in ["", "api.openai.com/v1", "ftp://a.b", "mailto:u:secret@b", "http://u:secret@:x"] {
            let error = Endpoint::new(base, None).err().unwrap().to_string();
            assert!(error.contains("OPENAI_BASE_URL") && !error.contains("secret"), "{error}");
        }
    }
}
