//! Load tests from several machines: a bot knows one address of Telegram and one of the model, so whoever
//! has these hands on what is about the chats of others.

use std::io;

use futures::StreamExt;
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, Response};

use super::http::{Connection, Request, json_response};

/// Another load test of the same bot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// The number of its first chat.
    pub first_chat: i64,
    /// The number of its last chat.
    pub last_chat: i64,
    /// Where its simulated Telegram is, without a path.
    pub telegram_url: String,
    /// Where its simulated model is, without a path.
    pub model_url: String,
}

/// All others.
#[derive(Debug)]
pub(super) struct Peers {
    all: Vec<Peer>,
    client: Client,
}

impl Peers {
    /// # Errors
    /// When no client can be made.
    pub(super) fn new(all: Vec<Peer>) -> Result<Self, reqwest::Error> {
        Ok(Self { all, client: Client::builder().no_proxy().build()? })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Whose chat it is; none when it is one of this load test.
    pub(super) fn with(&self, chat: i64) -> Option<&Peer> {
        self.all.iter().find(|peer| (peer.first_chat..=peer.last_chat).contains(&chat))
    }

    /// Has the other Telegram do a call. Returns its answer; none when it gives none.
    pub(super) async fn call(&self, peer: &Peer, request: &Request) -> Option<Vec<u8>> {
        let told = async {
            let response = self.post(&peer.telegram_url, request).await?;
            let status = response.status().as_u16();
            Ok::<_, reqwest::Error>(json_response(status, "", &response.text().await?))
        };
        match told.await {
            Err(error) if !error.is_connect() => None,
            told => Some(told.unwrap_or_else(|error| away(&error))),
        }
    }

    /// Has the other model answer, and hands its answer on as it comes.
    pub(super) async fn complete(
        &self,
        peer: &Peer,
        request: &Request,
        connection: &mut Connection,
    ) -> io::Result<()> {
        let response = match self.post(&peer.model_url, request).await {
            Ok(response) => response,
            Err(error) => return connection.write(&away(&error)).await,
        };
        let content_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let head = format!(
            "HTTP/1.1 {}\r\ncontent-type: {}\r\ntransfer-encoding: chunked\r\n\r\n",
            response.status(),
            content_type.unwrap_or("application/json")
        );
        connection.write(head.as_bytes()).await?;
        let mut body = response.bytes_stream();
        while let Some(read) = body.next().await {
            // What breaks off there breaks off here.
            let bytes = read.map_err(io::Error::other)?;
            let mut chunk = format!("{:x}\r\n", bytes.len()).into_bytes();
            chunk.extend_from_slice(&bytes);
            chunk.extend_from_slice(b"\r\n");
            connection.write(&chunk).await?;
        }
        connection.write(b"0\r\n\r\n").await
    }

    async fn post(&self, url: &str, request: &Request) -> Result<Response, reqwest::Error> {
        let post = self.client.post(format!("{url}{}", request.path)).body(request.body.clone());
        post.header(CONTENT_TYPE, &request.content_type).send().await
    }
}

fn away(error: &reqwest::Error) -> Vec<u8> {
    let why = format!("the load test that has this chat can't be reached: {error}");
    json_response(
        502,
        "",
        &serde_json::json!({"ok": false, "error_code": 502, "description": why}).to_string(),
    )
}
