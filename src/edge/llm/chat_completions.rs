//! The Chat Completions client: [`Model`] over HTTP.

use std::future::{Future, poll_fn};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{StreamExt, TryStreamExt};
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, Response, Url};
use tokio::time::{Instant, timeout_at};

use super::pieces::{Limits, pieces_since};
use super::provider_error::of_response;
use super::request::{Delivery, body};
use super::retry_after::retry_after;
use super::secret::Secret;
use super::wire::causes;
use super::{Answer, Model, ModelError, More, Pieces, Request};
use crate::domain::chat::Reply;
use crate::edge::redirect;

/// The most that is read of a refusal.
const MAX_REFUSAL_BYTES: usize = 64 * 1024;

/// How to reach the model, and for how long to wait for it.
#[derive(Clone)]
pub struct Settings {
    /// Where the API is, such as `https://api.openai.com/v1`; a slash at the end makes no
    /// difference, a query is kept.
    pub base_url: String,
    /// The key, sent as a bearer token. Local servers often need none.
    pub api_key: Option<String>,
    /// The model's name, as the provider calls it.
    pub model: String,
    /// To open a connection.
    pub connect_timeout: Duration,
    /// From the request to the first event, or to the whole answer when it is not streamed.
    pub first_token_timeout: Duration,
    /// Silence in the middle of a streamed answer.
    pub idle_timeout: Duration,
    /// Size of an answer (text and tool calls), in bytes.
    pub max_answer_bytes: usize,
}

/// Settings that no client can be made of.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the language model can't be set up: {0}")]
pub struct SettingsError(String);

/// A model behind an API that speaks Chat Completions. Cheap to clone; clones share connections.
#[derive(Clone)]
pub struct ChatCompletions(Arc<Inner>);

struct Inner {
    client: Client,
    url: Url,
    key: Secret,
    model: String,
    limits: Arc<Limits>,
    connect_timeout: Duration,
    /// The provider has refused `stream_options` before.
    plain_streams: AtomicBool,
}

impl ChatCompletions {
    /// A client with connections of its own. Nothing is sent yet.
    ///
    /// # Errors
    /// When `base_url` is no http(s) address, or TLS can't be set up.
    pub fn new(settings: Settings) -> Result<Self, SettingsError> {
        let api_key = settings.api_key.filter(|key| !key.trim().is_empty());
        let url = endpoint(&settings.base_url, api_key.is_some())?;
        let builder = redirect::no_followers().connect_timeout(settings.connect_timeout);
        let builder = if is_local(&url) { builder.no_proxy() } else { builder };
        let client = builder.build().map_err(|error| SettingsError(causes(&error)))?;
        let limits = Limits {
            first_token: settings.first_token_timeout,
            idle: settings.idle_timeout,
            max_answer_bytes: settings.max_answer_bytes,
        };
        Ok(Self(Arc::new(Inner {
            client,
            url,
            key: Secret(api_key),
            model: settings.model,
            limits: Arc::new(limits),
            connect_timeout: settings.connect_timeout,
            plain_streams: AtomicBool::new(false),
        })))
    }
}

impl Model for ChatCompletions {
    fn complete(&self, request: Request) -> BoxFuture<'static, Result<Reply, ModelError>> {
        let inner = self.0.clone();
        Box::pin(async move {
            let answer = inner.complete(&request).await;
            answer.map_err(|error| inner.hide_key(error))
        })
    }

    fn stream(&self, request: Request) -> BoxFuture<'static, Result<Pieces, ModelError>> {
        let inner = self.0.clone();
        Box::pin(async move {
            let started = Instant::now();
            let response = inner.in_time(started, inner.send_stream(&request)).await;
            let response = response.map_err(|error| inner.hide_key(error))?;
            let answer = pieces_since(started, plain_errors(response), inner.limits.clone());
            Ok(Pieces::new(WithoutKey { answer, inner }))
        })
    }
}

impl Inner {
    async fn complete(&self, request: &Request) -> Result<Reply, ModelError> {
        let started = Instant::now();
        let reply = async {
            let response = self.send(request, Delivery::Whole).await?;
            whole(pieces_since(started, plain_errors(response), self.limits.clone())).await
        };
        self.in_time(started, reply).await
    }

    async fn in_time<T>(
        &self,
        started: Instant,
        work: impl Future<Output = Result<T, ModelError>>,
    ) -> Result<T, ModelError> {
        let limit = self.limits.first_token.min(Duration::from_secs(24 * 60 * 60));
        timeout_at(started + limit, work).await.unwrap_or_else(|_| {
            Err(ModelError::TimedOut(format!("no answer within {limit:?} (llm.first_token_timeout_ms)")))
        })
    }

    /// Sends once, or twice to a provider that turns out not to know `stream_options`.
    async fn send_stream(&self, request: &Request) -> Result<Response, ModelError> {
        if self.plain_streams.load(Ordering::Relaxed) {
            return Ok(self.send(request, Delivery::PlainStream).await?);
        }
        match self.send(request, Delivery::Stream).await {
            Err(Refusal { about_stream_options: true, .. }) => {
                let response = self.send(request, Delivery::PlainStream).await?;
                self.plain_streams.store(true, Ordering::Relaxed);
                Ok(response)
            }
            sent => Ok(sent?),
        }
    }

    async fn send(&self, request: &Request, delivery: Delivery) -> Result<Response, Refusal> {
        let json = body(&self.model, request, delivery)
            .map_err(|error| ModelError::BadRequest(format!("it can't be written as json: {error}")))?;
        let mut post = self.client.post(self.url.clone()).header(CONTENT_TYPE, "application/json").body(json);
        if let Some(key) = &self.key.0 {
            post = post.bearer_auth(key.trim());
        }
        let response = post.send().await.map_err(|error| self.unreachable(error))?;
        if response.status().is_success() { Ok(response) } else { Err(refusal(response).await) }
    }

    fn unreachable(&self, error: reqwest::Error) -> ModelError {
        let place = redirect::place(&self.url);
        let error = error.without_url();
        let cause = causes(&error);
        if lacks_files(&error) {
            return ModelError::NoSockets(cause);
        }
        if cause.contains("timed out") {
            let limit = self.connect_timeout;
            return ModelError::TimedOut(format!(
                "no connection to {place} within {limit:?} (llm.connect_timeout_ms)"
            ));
        }
        ModelError::Broken(format!("can't reach {place}: {cause}; check OPENAI_BASE_URL and the network"))
    }

    fn hide_key(&self, error: ModelError) -> ModelError {
        error.map_text(|text| self.key.hide(&text))
    }
}

/// Whether the process, or the machine, has as many files and connections open as it may.
fn lacks_files(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut causes = std::iter::successors(Some(error), |error| error.source());
    // EMFILE and ENFILE have these numbers on all Unix systems.
    let lacks = |error: &std::io::Error| matches!(error.raw_os_error(), Some(23 | 24));
    causes.any(|cause| cause.downcast_ref().is_some_and(lacks))
}

/// A request that brought no answer.
struct Refusal {
    error: ModelError,
    /// The provider does not take `stream_options`; without them it may.
    about_stream_options: bool,
}

impl From<ModelError> for Refusal {
    fn from(error: ModelError) -> Self {
        Self { error, about_stream_options: false }
    }
}

impl From<Refusal> for ModelError {
    fn from(refusal: Refusal) -> Self {
        refusal.error
    }
}

/// What a response says that is no success. A body that breaks off is used as far as it came.
async fn refusal(response: Response) -> Refusal {
    let status = response.status().as_u16();
    let wait = retry_after(response.headers());
    if response.status().is_redirection() {
        let target = redirect::target(response.headers());
        return ModelError::BadRequest(format!(
            "http {status}: it redirects to {target}; change OPENAI_BASE_URL"
        ))
        .into();
    }
    let mut body = Vec::new();
    let mut bytes = response.bytes_stream();
    while let Some(Ok(chunk)) = bytes.next().await {
        body.extend_from_slice(&chunk);
        if body.len() > MAX_REFUSAL_BYTES {
            break;
        }
    }
    let error = of_response(status, wait, &body);
    let words = String::from_utf8_lossy(&body);
    let about_options = words.contains("stream_options") || words.contains("include_usage");
    let about_stream_options = about_options && matches!(error, ModelError::BadRequest(_));
    Refusal { error, about_stream_options }
}

fn plain_errors(
    response: Response,
) -> impl futures::Stream<Item = Result<Bytes, reqwest::Error>> + Unpin + Send {
    response.bytes_stream().map_err(reqwest::Error::without_url)
}

async fn whole(mut answer: impl Answer) -> Result<Reply, ModelError> {
    let mut content = String::new();
    while let Some(more) = poll_fn(|cx| answer.poll_more(cx, &mut content)).await {
        if let More::End(reply) = more? {
            return Ok(Reply { content, ..reply });
        }
    }
    Err(ModelError::Broken("the answer has no end".to_owned()))
}

/// An answer whose errors don't tell the key.
struct WithoutKey<A> {
    answer: A,
    inner: Arc<Inner>,
}

impl<A: Answer> Answer for WithoutKey<A> {
    fn poll_more(
        &mut self,
        cx: &mut Context<'_>,
        text: &mut String,
    ) -> Poll<Option<Result<More, ModelError>>> {
        let more = ready!(self.answer.poll_more(cx, text));
        Poll::Ready(more.map(|more| more.map_err(|error| self.inner.hide_key(error))))
    }
}

/// The address of the call: `base_url` with `chat/completions` at the end of its path.
fn endpoint(base_url: &str, has_key: bool) -> Result<Url, SettingsError> {
    let bad = |why: &str| {
        SettingsError(format!(
            "OPENAI_BASE_URL is no usable address ({why}); give one such as https://api.openai.com/v1"
        ))
    };
    let mut url = Url::parse(base_url.trim()).map_err(|error| bad(&error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(bad("it must begin with http:// or https://"));
    }
    if has_key {
        // One of the two only, or there would be two authorization headers.
        let stripped = url.set_username("").and_then(|()| url.set_password(None));
        stripped.map_err(|()| bad("its user name can't be read"))?;
    }
    if !url.path().trim_end_matches('/').ends_with("/chat/completions") {
        let mut path = url.path_segments_mut().map_err(|()| bad("it has no path"))?;
        path.pop_if_empty().extend(["chat", "completions"]);
    }
    Ok(url)
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
            assert_eq!(endpoint(base, true).map(String::from).as_deref(), Ok(expected));
        }
        assert_eq!(endpoint("https://u:p@a.b", false).unwrap().username(), "u");
    }

    #[test]
    fn useless_addresses_are_refused_without_being_shown() {
        for base in ["", "api.openai.com/v1", "ftp://a.b", "mailto:u:secret@b", "http://u:secret@:x"] {
            let error = endpoint(base, true).unwrap_err().to_string();
            assert!(error.contains("OPENAI_BASE_URL") && !error.contains("secret"), "{error}");
        }
    }
}
