//! As little HTTP as the simulators need: requests read, bytes written, connections kept.
//!
//! The simulators share a machine with the bot that they measure, and at ninety thousand events a
//! second what a web framework does for each would be a good part of what one core can do.

use std::io;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// The longest request that is read, in bytes.
const LONGEST_REQUEST: usize = 64 * 1024 * 1024;
/// A buffer above this is given back between requests, in bytes.
const KEPT_BUFFER: usize = 16 * 1024;
const MOST_HEADERS: usize = 64;

/// A request.
#[derive(Debug)]
pub(super) struct Request {
    /// As it stands in the first line.
    pub(super) path: String,
    /// Empty when there is none.
    pub(super) content_type: String,
    /// Whole.
    pub(super) body: Bytes,
}

/// A connection that a bot has opened.
#[derive(Debug)]
pub(super) struct Connection {
    stream: TcpStream,
    buffer: BytesMut,
    closes: bool,
}

/// How the body's end is found.
enum Length {
    Known(usize),
    Chunked,
}

struct Head {
    bytes: usize,
    length: Length,
    path: String,
    content_type: String,
    expects: bool,
    closes: bool,
}

/// Takes connections for as long as it is polled; each is served by a task of its own.
pub(super) async fn accept<F: Future<Output = ()> + 'static>(
    listener: TcpListener,
    serve: impl Fn(Connection) -> F,
) -> io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        // Small writes must not wait for each other.
        stream.set_nodelay(true)?;
        tokio::task::spawn_local(serve(Connection::new(stream)));
    }
}

impl Connection {
    fn new(stream: TcpStream) -> Self {
        Self { stream, buffer: BytesMut::new(), closes: false }
    }

    /// The next request; none when the other side has closed.
    pub(super) async fn request(&mut self) -> io::Result<Option<Request>> {
        if self.closes {
            return Ok(None);
        }
        if self.buffer.is_empty() && self.buffer.capacity() > KEPT_BUFFER {
            self.buffer = BytesMut::new();
        }
        let Some(head) = self.head().await? else { return Ok(None) };
        self.buffer.advance(head.bytes);
        self.closes = head.closes;
        if head.expects {
            self.write(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
        }
        let body = match head.length {
            Length::Known(bytes) => self.exactly(bytes).await?,
            Length::Chunked => self.chunked().await?,
        };
        Ok(Some(Request { path: head.path, content_type: head.content_type, body }))
    }

    /// Writes all of it.
    pub(super) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await
    }

    async fn head(&mut self) -> io::Result<Option<Head>> {
        loop {
            if let Some(head) = parse_head(&self.buffer)? {
                return Ok(Some(head));
            }
            if self.more().await? == 0 {
                return if self.buffer.is_empty() { Ok(None) } else { Err(broken("the head breaks off")) };
            }
        }
    }

    async fn more(&mut self) -> io::Result<usize> {
        if self.buffer.len() > LONGEST_REQUEST {
            return Err(broken("the request is too long"));
        }
        self.stream.read_buf(&mut self.buffer).await
    }

    async fn at_least(&mut self, bytes: usize) -> io::Result<()> {
        self.buffer.reserve(bytes.min(LONGEST_REQUEST).saturating_sub(self.buffer.len()));
        while self.buffer.len() < bytes {
            if self.more().await? == 0 {
                return Err(broken("the body breaks off"));
            }
        }
        Ok(())
    }

    async fn exactly(&mut self, bytes: usize) -> io::Result<Bytes> {
        self.at_least(bytes).await?;
        Ok(self.buffer.split_to(bytes).freeze())
    }

    async fn chunked(&mut self) -> io::Result<Bytes> {
        let mut body = BytesMut::new();
        loop {
            let line = self.line().await?;
            let size = line.split(';').next().unwrap_or_default().trim();
            let size = usize::from_str_radix(size, 16).map_err(|_| broken("a chunk without a length"))?;
            if size == 0 {
                while !self.line().await?.is_empty() {}
                return Ok(body.freeze());
            }
            if body.len() + size > LONGEST_REQUEST {
                return Err(broken("the request is too long"));
            }
            body.extend_from_slice(&self.exactly(size).await?);
            self.line().await?;
        }
    }

    async fn line(&mut self) -> io::Result<String> {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|pair| pair == b"\r\n") {
                let line = self.buffer.split_to(end);
                self.buffer.advance(2);
                return Ok(String::from_utf8_lossy(&line).into_owned());
            }
            if self.more().await? == 0 {
                return Err(broken("the body breaks off"));
            }
        }
    }
}

/// The head of a request, when all of it is there.
fn parse_head(buffer: &[u8]) -> io::Result<Option<Head>> {
    let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut parsed = httparse::Request::new(&mut headers);
    let bytes = match parsed.parse(buffer) {
        Ok(httparse::Status::Complete(bytes)) => bytes,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(error) => return Err(broken(&error.to_string())),
    };
    let path = parsed.path.unwrap_or_default().to_owned();
    let mut head = Head {
        bytes,
        length: Length::Known(0),
        path,
        content_type: String::new(),
        expects: false,
        closes: false,
    };
    for header in parsed.headers.iter() {
        head.take(header.name, &String::from_utf8_lossy(header.value))?;
    }
    Ok(Some(head))
}

impl Head {
    fn take(&mut self, name: &str, value: &str) -> io::Result<()> {
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        if is("content-length") {
            let bytes = value.trim().parse().ok().filter(|bytes| *bytes <= LONGEST_REQUEST);
            self.length = Length::Known(bytes.ok_or_else(|| broken("a content-length that is none"))?);
        } else if is("transfer-encoding") && value.eq_ignore_ascii_case("chunked") {
            self.length = Length::Chunked;
        } else if is("content-type") {
            value.clone_into(&mut self.content_type);
        } else if is("expect") {
            self.expects = true;
        } else if is("connection") {
            self.closes = value.eq_ignore_ascii_case("close");
        }
        Ok(())
    }
}

fn broken(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

/// A whole response with a JSON body. `more` are further header lines, each with its line end.
pub(super) fn json_response(status: u16, more: &str, body: &str) -> Vec<u8> {
    let reason = if status == 200 { "OK" } else { "No" };
    let length = body.len();
    format!(
        "HTTP/1.1 {status} {reason}\r\ncontent-type: application/json\r\n{more}content-length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(sent: &[&str]) -> Vec<io::Result<Request>> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let mut connection = Connection::new(listener.accept().await.unwrap().0);
        let sending = async {
            for piece in sent {
                client.write_all(piece.as_bytes()).await.unwrap();
                tokio::task::yield_now().await;
            }
            client.shutdown().await.unwrap();
        };
        let receiving = async {
            let mut all = Vec::new();
            while let Some(request) = connection.request().await.transpose() {
                let is_end = request.is_err();
                all.push(request);
                if is_end {
                    break;
                }
            }
            all
        };
        tokio::join!(sending, receiving).1
    }

    #[tokio::test]
    async fn requests_follow_each_other_in_any_pieces() {
        let sent = [
            "POST /a HTTP/1.1\r\nContent-Le",
            "ngth: 5\r\n\r\nhel",
            "loPOST /b HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
            "2;x=y\r\nde\r\n0\r\n\r\nGET /c HTTP/1.1\r\nConnection: close\r\n\r\n",
        ];
        let got = read(&sent).await;
        let got: Vec<_> = got
            .iter()
            .map(|request| request.as_ref().map(|r| (r.path.as_str(), &r.body[..])).unwrap())
            .collect();
        assert_eq!(got, [("/a", &b"hello"[..]), ("/b", b"abcde"), ("/c", b"")]);
    }

    #[tokio::test]
    async fn what_breaks_off_or_is_no_http_is_an_error() {
        for sent in ["POST /a HTTP/1.1\r\nContent-Length: 5\r\n\r\nhe", "POST /a", "\u{1}\r\n\r\n"] {
            let got = read(&[sent]).await;
            assert!(got.len() == 1 && got[0].is_err(), "{sent:?}: {got:?}");
        }
    }
}
