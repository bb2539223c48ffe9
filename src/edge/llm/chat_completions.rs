//! The Chat Completions client: [`Model`] over HTTP.

use std::error::Error;
use std::future::{Future, poll_fn};
use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{Stream, StreamExt};
use http_body_util::{BodyDataStream, Full};
use hyper::body::Incoming;
use hyper::header::PROXY_AUTHORIZATION;
use hyper::{Method, Request as HttpRequest, Response};
use hyper_util::client::legacy::Error as HttpError;
use hyper_util::client::proxy::matcher::Matcher;
use tokio::time::{Instant, timeout_at};

use super::connect::{HttpClient, client};
use super::endpoint::{Endpoint, SettingsError};
use super::pieces::{Limits, pieces_since};
use super::provider_error::of_response;
use super::request::{Delivery, body};
use super::retry_after::retry_after;
use super::secret::Secret;
use super::socket::Rest;
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

/// A model behind an API that speaks Chat Completions. Cheap to clone; clones share connections.
#[derive(Clone)]
pub struct ChatCompletions(Arc<Inner>);

struct Inner {
    client: HttpClient,
    endpoint: Endpoint,
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
    /// When `base_url` is no http(s) address, the key can't be sent, or TLS can't be set up.
    pub fn new(settings: Settings) -> Result<Self, SettingsError> {
        let api_key = settings.api_key.filter(|key| !key.trim().is_empty());
        let mut endpoint = Endpoint::new(&settings.base_url, api_key.as_deref())?;
        let proxies = if endpoint.is_local { Matcher::builder().build() } else { Matcher::from_system() };
        let (client, proxy_authorization) = client(&endpoint.uri, &proxies, settings.connect_timeout)
            .map_err(|error| SettingsError(format!("no tls: {error}")))?;
        endpoint.headers.extend(proxy_authorization.map(|value| (PROXY_AUTHORIZATION, value)));
        let limits = Limits {
            first_token: settings.first_token_timeout,
            idle: settings.idle_timeout,
            max_answer_bytes: settings.max_answer_bytes,
        };
        Ok(Self(Arc::new(Inner {
            client,
            endpoint,
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
            let rest = response.extensions().get::<Rest>().cloned();
            let answer = pieces_since(started, body_bytes(response), inner.limits.clone());
            Ok(Pieces::new(Streamed { answer, rest, inner }))
        })
    }
}

impl Inner {
    async fn complete(&self, request: &Request) -> Result<Reply, ModelError> {
        let started = Instant::now();
        let reply = async {
            let response = self.send(request, Delivery::Whole).await?;
            whole(pieces_since(started, body_bytes(response), self.limits.clone())).await
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
    async fn send_stream(&self, request: &Request) -> Result<Response<Incoming>, ModelError> {
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

    async fn send(&self, request: &Request, delivery: Delivery) -> Result<Response<Incoming>, Refusal> {
        let json = body(&self.model, request, delivery)
            .map_err(|error| ModelError::BadRequest(format!("it can't be written as json: {error}")))?;
        let mut post = HttpRequest::new(Full::from(json));
        *post.method_mut() = Method::POST;
        *post.uri_mut() = self.endpoint.uri.clone();
        *post.headers_mut() = self.endpoint.headers.clone();
        let response = self.client.request(post).await.map_err(|error| self.unreachable(&error))?;
        if response.status().is_success() { Ok(response) } else { Err(refusal(response).await) }
    }

    fn unreachable(&self, error: &HttpError) -> ModelError {
        let place = &self.endpoint.place;
        let cause = causes(error);
        if lacks_files(error) {
            return ModelError::NoSockets(cause);
        }
        if is_of(error, |error| error.kind() == ErrorKind::TimedOut) {
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
fn lacks_files(error: &HttpError) -> bool {
    // EMFILE and ENFILE have these numbers on all Unix systems.
    is_of(error, |error| matches!(error.raw_os_error(), Some(23 | 24)))
}

/// Whether an error of such a kind is the cause.
fn is_of(error: &HttpError, kind: impl Fn(&std::io::Error) -> bool) -> bool {
    let mut causes = std::iter::successors(Some(error as &(dyn Error + 'static)), |&error| error.source());
    causes.any(|cause| cause.downcast_ref().is_some_and(&kind))
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
async fn refusal(response: Response<Incoming>) -> Refusal {
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
    let mut bytes = body_bytes(response);
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

fn body_bytes(
    response: Response<Incoming>,
) -> impl Stream<Item = Result<Bytes, hyper::Error>> + Unpin + Send {
    BodyDataStream::new(response.into_body())
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

/// A streamed answer. Its errors don't tell the key; its connection goes to rest when it is asked to.
struct Streamed<A> {
    answer: A,
    rest: Option<Rest>,
    inner: Arc<Inner>,
}

impl<A> Drop for Streamed<A> {
    fn drop(&mut self) {
        // The next answer over this connection is wanted at once.
        self.ask_for(Duration::ZERO);
    }
}

impl<A> Streamed<A> {
    fn ask_for(&self, rest: Duration) {
        if let Some(connection) = &self.rest {
            connection.ask(rest);
        }
    }
}

impl<A: Answer> Answer for Streamed<A> {
    fn poll_more(
        &mut self,
        cx: &mut Context<'_>,
        text: &mut String,
    ) -> Poll<Option<Result<More, ModelError>>> {
        let more = ready!(self.answer.poll_more(cx, text));
        Poll::Ready(more.map(|more| more.map_err(|error| self.inner.hide_key(error))))
    }

    fn rest(&mut self, rest: Duration) {
        // A stream that may not be silent for longer is looked at before.
        self.ask_for(rest.min(self.inner.limits.idle / 4));
    }
}
