//! Connections to the model's server: straight or by a proxy, with TLS or without.
//!
//! reqwest's can't be asked for a rest (see `socket`), so they are made here, of the parts that reqwest itself
//! is made of, and set as it sets them.

use std::io::{Error, ErrorKind};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::future::{BoxFuture, FutureExt, TryFutureExt};
use http_body_util::Full;
use hyper::Uri;
use hyper::header::HeaderValue;
use hyper::http::uri::Scheme;
use hyper::rt::{Read, Write};
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, MaybeHttpsStream};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::client::proxy::matcher::Matcher;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::ClientConfig;
use rustls::crypto::ring;
use tower_service::Service;

use super::socket::Socket;

/// The kernel asks a silent peer so often whether it is there, three times before it gives up.
const KEEPALIVE: Duration = Duration::from_secs(15);

/// What was sent must be acknowledged in this time; Linux only.
#[cfg(target_os = "linux")]
const USER_TIMEOUT: Duration = Duration::from_secs(30);

type BoxError = Box<dyn std::error::Error + Send + Sync>;

type Opening<T> = BoxFuture<'static, Result<T, BoxError>>;

/// Sends requests over connections that it keeps for the next.
pub(super) type HttpClient = Client<InTime, Full<Bytes>>;

/// A connection of any kind. Behind a pointer, as one with TLS would otherwise give each its size.
pub(super) trait Link: Read + Write + Connection + Unpin + Send {}

impl<T: Read + Write + Connection + Unpin + Send> Link for T {}

impl Connection for Box<dyn Link> {
    fn connected(&self) -> Connected {
        (**self).connected()
    }
}

/// A client for requests to `url`, by the proxy that is named for it, and what that proxy must be told with
/// each request.
///
/// # Errors
/// When TLS can't be set up.
pub(super) fn client(
    url: &Uri,
    proxies: &Matcher,
    connect_timeout: Duration,
) -> Result<(HttpClient, Option<HeaderValue>), rustls::Error> {
    let tcp = tcp(connect_timeout);
    let to_proxy = |is_to_proxy| -> Result<_, rustls::Error> {
        Ok(HttpsConnector::from((Dial { tcp: tcp.clone(), is_to_proxy }, tls(&[])?)))
    };
    let mut authorization = None;
    let opener = match proxies.intercept(url) {
        None => Opener::Straight(Dial { tcp: tcp.clone(), is_to_proxy: false }),
        Some(proxy) if url.scheme() == Some(&Scheme::HTTP) => {
            authorization = proxy.basic_auth().cloned();
            Opener::Forwarded(to_proxy(true)?, proxy.uri().clone())
        }
        Some(proxy) => {
            let tunnel = Tunnel::new(proxy.uri().clone(), to_proxy(false)?);
            Opener::Tunneled(match proxy.basic_auth() {
                Some(authorization) => tunnel.with_auth(authorization.clone()),
                None => tunnel,
            })
        }
    };
    let inner = HttpsConnector::from((opener, tls(&[b"http/1.1"])?));
    let connector = InTime { inner, limit: connect_timeout };
    let client = Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build(connector);
    Ok((client, authorization))
}

fn tcp(connect_timeout: Duration) -> HttpConnector {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    // For each of a host's addresses its share of it.
    tcp.set_connect_timeout(Some(connect_timeout));
    tcp.set_keepalive(Some(KEEPALIVE));
    tcp.set_keepalive_interval(Some(KEEPALIVE));
    tcp.set_keepalive_retries(Some(3));
    #[cfg(target_os = "linux")]
    tcp.set_tcp_user_timeout(Some(USER_TIMEOUT));
    tcp
}

/// What TLS is to be like; `protocols` are what is to be spoken over it.
fn tls(protocols: &[&[u8]]) -> Result<Arc<ClientConfig>, rustls::Error> {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let mut config = builder.with_safe_default_protocol_versions()?.with_webpki_roots().with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    Ok(Arc::new(config))
}

/// Opens a connection to a host.
#[derive(Clone)]
pub(super) struct Dial {
    tcp: HttpConnector,
    is_to_proxy: bool,
}

impl Service<Uri> for Dial {
    type Response = TokioIo<Socket>;
    type Error = BoxError;
    type Future = Opening<Self::Response>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.tcp.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, host: Uri) -> Self::Future {
        let is_to_proxy = self.is_to_proxy;
        let socket = move |tcp: TokioIo<_>| TokioIo::new(Socket::new(tcp.into_inner(), is_to_proxy));
        self.tcp.call(host).map_ok(socket).err_into().boxed()
    }
}

/// Opens what a request is sent over.
#[derive(Clone)]
pub(super) enum Opener {
    /// A connection to its host.
    Straight(Dial),
    /// A connection to a proxy that passes requests on, and where that is.
    Forwarded(HttpsConnector<Dial>, Uri),
    /// A connection by a proxy that does not see what goes over it.
    Tunneled(Tunnel<HttpsConnector<Dial>>),
}

impl Service<Uri> for Opener {
    type Response = Box<dyn Link>;
    type Error = BoxError;
    type Future = Opening<Self::Response>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        match self {
            Self::Straight(dial) => dial.poll_ready(cx),
            Self::Forwarded(dial, _) => dial.poll_ready(cx),
            Self::Tunneled(tunnel) => tunnel.poll_ready(cx).map_err(Into::into),
        }
    }

    fn call(&mut self, host: Uri) -> Self::Future {
        match self {
            Self::Straight(dial) => dial.call(host).map_ok(|stream| Box::new(stream) as _).boxed(),
            Self::Forwarded(dial, proxy) => {
                dial.call(proxy.clone()).map_ok(|stream| Box::new(stream) as _).boxed()
            }
            Self::Tunneled(tunnel) => {
                tunnel.call(host).map_ok(|stream| Box::new(stream) as _).err_into().boxed()
            }
        }
    }
}

/// Opens a connection, with all that belongs to it, within a limit.
#[derive(Clone)]
pub(super) struct InTime {
    inner: HttpsConnector<Opener>,
    limit: Duration,
}

impl Service<Uri> for InTime {
    type Response = Box<dyn Link>;
    type Error = BoxError;
    type Future = Opening<Self::Response>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, host: Uri) -> Self::Future {
        let opening = tokio::time::timeout(self.limit, self.inner.call(host));
        Box::pin(async move {
            match opening.await.map_err(|_| Error::from(ErrorKind::TimedOut))?? {
                MaybeHttpsStream::Http(stream) => Ok(stream),
                with_tls => Ok(Box::new(with_tls) as _),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use hyper::Request;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio::task::JoinHandle;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(20);

    /// A proxy that takes one request, and what it got.
    async fn proxy(answer: &'static str) -> (String, JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://user:pass@{}", listener.local_addr().unwrap());
        let got = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut bytes = Vec::new();
            while !bytes.ends_with(b"\r\n\r\n") {
                assert!(stream.read_buf(&mut bytes).await.unwrap() > 0, "the request broke off");
            }
            stream.write_all(answer.as_bytes()).await.unwrap();
            String::from_utf8(bytes).unwrap()
        });
        (address, got)
    }

    async fn ask(url: &str, proxies: &Matcher) -> Result<u16, String> {
        let uri: Uri = url.parse().unwrap();
        let (client, authorization) = client(&uri, proxies, LIMIT).unwrap();
        let mut request = Request::get(uri);
        if let Some(authorization) = authorization {
            request = request.header("proxy-authorization", authorization);
        }
        let answer = client.request(request.body(Full::default()).unwrap()).await;
        answer.map(|answer| answer.status().as_u16()).map_err(|error| super::super::wire::causes(&error))
    }

    #[tokio::test]
    async fn a_proxy_passes_plain_requests_on() {
        let (address, got) = proxy("HTTP/1.1 204 No Content\r\n\r\n").await;
        let proxies = Matcher::builder().all(address).build();
        assert_eq!(ask("http://model.example/v1", &proxies).await, Ok(204));
        let got = got.await.unwrap().to_lowercase();
        assert!(got.starts_with("get http://model.example/v1 http/1.1\r\n"), "{got}");
        assert!(got.contains("proxy-authorization: basic dxnlcjpwyxnz\r\n"), "{got}");
    }

    #[tokio::test]
    async fn a_proxy_is_asked_for_a_tunnel_where_there_is_tls() {
        let (address, got) = proxy("HTTP/1.1 403 Forbidden\r\n\r\n").await;
        let proxies = Matcher::builder().all(address).build();
        let error = ask("https://model.example/v1", &proxies).await.unwrap_err();
        assert!(error.contains("tunnel error"), "{error}");
        let got = got.await.unwrap().to_lowercase();
        assert!(got.starts_with("connect model.example:443 http/1.1\r\n"), "{got}");
        assert!(got.contains("proxy-authorization: basic dxnlcjpwyxnz\r\n"), "{got}");
    }

    #[tokio::test]
    async fn some_hosts_need_no_proxy() {
        let proxies = Matcher::builder().all("http://127.0.0.1:1").no("127.0.0.1").build();
        let (address, got) = proxy("HTTP/1.1 204 No Content\r\n\r\n").await;
        let url = address.replace("user:pass@", "");
        assert_eq!(ask(&url, &proxies).await, Ok(204));
        assert!(got.await.unwrap().starts_with("GET / HTTP/1.1\r\n"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_never_speaks_tls_is_given_up_in_time() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        let began = tokio::time::Instant::now();
        let error = ask(&url, &Matcher::builder().build()).await.unwrap_err();
        assert!(error.contains("timed out") && began.elapsed() < LIMIT * 2, "{error}");
    }
}
