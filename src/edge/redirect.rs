//! Redirects: a POST that is sent on would come back as a GET. They are told, not followed.

use reqwest::header::{HeaderMap, LOCATION};
use reqwest::{Client, ClientBuilder, Url};

/// Connections that follow no redirects, and send nothing a second time: when to do so is not theirs to
/// decide.
pub fn no_followers() -> ClientBuilder {
    let once = reqwest::retry::never().max_retries_per_request(0);
    Client::builder().redirect(reqwest::redirect::Policy::none()).retry(once)
}

/// Where a redirect leads; as little as [`place`] shows of it.
pub fn target(headers: &HeaderMap) -> String {
    let location = headers.get(LOCATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    Url::parse(location).map_or_else(|_| "another address".to_owned(), |url| place(&url))
}

/// Scheme, host and port: all of an address that may be shown.
pub fn place(url: &Url) -> String {
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}://{}{port}", url.scheme(), url.host_str().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_place_of_an_address_is_shown() {
        let url = Url::parse("https://user:pass@a.b:8443/v1?key=secret").unwrap();
        assert_eq!(place(&url), "https://a.b:8443");
        let mut headers = HeaderMap::new();
        assert_eq!(target(&headers), "another address");
        headers.insert(LOCATION, "/elsewhere".parse().unwrap());
        assert_eq!(target(&headers), "another address");
        headers.insert(LOCATION, "https://a.b/bot77:secret/getMe".parse().unwrap());
        assert_eq!(target(&headers), "https://a.b");
    }
}
