//! A client for one host, with connections that are used again.

use std::sync::Mutex;

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::Failed;

type Connection = SendRequest<Full<Bytes>>;

/// One host and the path below which its methods are.
pub struct Host {
    /// `127.0.0.1:8081`
    authority: String,
    host: HeaderValue,
    path: String,
    authorization: Option<HeaderValue>,
    idle: Mutex<Vec<Connection>>,
}

/// A response whose body is still to be read; its connection goes back when it has been.
pub struct Answer<'a> {
    response: Response<Incoming>,
    connection: Option<Connection>,
    host: &'a Host,
}

impl Host {
    /// The host of `url`, with `below` added to its path.
    pub fn new(url: &str, below: &str, authorization: Option<String>) -> Result<Self, Failed> {
        let rest = url.strip_prefix("http://").ok_or("the floor speaks plain http only")?;
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        Ok(Self {
            authority: authority.to_owned(),
            host: HeaderValue::from_str(authority)?,
            path: format!("{}{below}", path.trim_end_matches('/')),
            authorization: authorization.map(|value| HeaderValue::from_str(&value)).transpose()?,
            idle: Mutex::default(),
        })
    }

    /// Posts JSON.
    pub async fn post(&self, method: &str, json: String) -> Result<Answer<'_>, Failed> {
        let mut request = Request::post(format!("{}{method}", self.path))
            .header(HOST, self.host.clone())
            .header(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization.clone());
        }
        let mut connection = self.connection().await?;
        let response = connection.send_request(request.body(Full::from(json))?).await?;
        if !response.status().is_success() {
            return Err(format!("{method} was answered {}", response.status()).into());
        }
        Ok(Answer { response, connection: Some(connection), host: self })
    }

    async fn connection(&self) -> Result<Connection, Failed> {
        while let Some(mut idle) = self.take_idle() {
            if idle.ready().await.is_ok() {
                return Ok(idle);
            }
        }
        let stream = TcpStream::connect(&self.authority).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(sender)
    }

    fn take_idle(&self) -> Option<Connection> {
        self.idle.lock().ok()?.pop()
    }
}

impl Answer<'_> {
    /// More of the body; nothing at its end.
    pub async fn more(&mut self) -> Result<Option<Bytes>, Failed> {
        while let Some(frame) = self.response.frame().await {
            if let Ok(data) = frame?.into_data() {
                return Ok(Some(data));
            }
        }
        if let (Some(connection), Ok(mut idle)) = (self.connection.take(), self.host.idle.lock()) {
            idle.push(connection);
        }
        Ok(None)
    }

    /// All of the body.
    pub async fn whole(mut self) -> Result<BytesMut, Failed> {
        let mut body = BytesMut::new();
        while let Some(data) = self.more().await? {
            body.extend_from_slice(&data);
        }
        Ok(body)
    }
}
