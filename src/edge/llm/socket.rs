//! A connection that may be left alone for a while.
//!
//! To be woken for each delta of an answer costs more than all else that is done with it, and a send is made
//! of seventy. So the kernel keeps what comes while nothing can be made of it: the connection is not watched
//! meanwhile, and one read brings several deltas.

use std::io::{self, ErrorKind, IoSlice, Read};
use std::net;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper_util::client::legacy::connect::{Connected, Connection};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep_until};

/// Rests end at whole multiples of this, so that connections share a wake-up.
const BEAT: Duration = Duration::from_millis(25);

/// What one read behind a rest may bring; several deltas have room in it. Room has to be cleared first.
const ROOM_BYTES: usize = 2048;

/// Where a connection is asked for a rest. Each response has its connection's among its extensions.
#[derive(Debug, Clone, Default)]
pub(super) struct Rest(Arc<AtomicU32>);

impl Rest {
    /// Nothing is wanted of the connection for so long, from its next read on. It goes to rest if all that
    /// had come was read. Instead of what was asked before; zero wants everything at once.
    pub fn ask(&self, rest: Duration) {
        self.0.store(u32::try_from(rest.as_millis()).unwrap_or(u32::MAX), Ordering::Relaxed);
    }

    fn take(&self) -> Duration {
        Duration::from_millis(self.0.swap(0, Ordering::Relaxed).into())
    }
}

/// A connection that rests when it is asked to. Sending ends a rest.
pub(super) struct Socket {
    stream: Stream,
    is_to_proxy: bool,
    rest: Rest,
    /// Ends a rest; kept for the next.
    alarm: Option<Pin<Box<Sleep>>>,
    is_resting: bool,
    /// Whether the last read brought less than it had room for.
    is_drained: bool,
    /// The last read was one behind a rest, and brought all that was there.
    has_just_read: bool,
}

enum Stream {
    /// The runtime is told of all that comes.
    Watched(TcpStream),
    /// Nobody is.
    Unwatched(net::TcpStream),
    /// It could not be made the one or the other.
    Lost,
}

impl Socket {
    /// Of a connection. To a proxy that passes requests on, requests say the whole address.
    pub fn new(stream: TcpStream, is_to_proxy: bool) -> Self {
        Self {
            stream: Stream::Watched(stream),
            is_to_proxy,
            rest: Rest::default(),
            alarm: None,
            is_resting: false,
            is_drained: false,
            has_just_read: false,
        }
    }

    fn go_to_rest(&mut self, rest: Duration) -> io::Result<()> {
        let Some(until) = last_beat(Instant::now() + rest) else { return Ok(()) };
        match &mut self.alarm {
            Some(alarm) => alarm.as_mut().reset(until),
            None => self.alarm = Some(Box::pin(sleep_until(until))),
        }
        self.is_resting = true;
        self.has_just_read = false;
        if let Stream::Watched(_) = self.stream
            && let Stream::Watched(stream) = std::mem::replace(&mut self.stream, Stream::Lost)
        {
            self.stream = Stream::Unwatched(stream.into_std()?);
        }
        Ok(())
    }

    fn watched(&mut self) -> io::Result<Pin<&mut TcpStream>> {
        if let Stream::Unwatched(_) = self.stream
            && let Stream::Unwatched(stream) = std::mem::replace(&mut self.stream, Stream::Lost)
        {
            self.stream = Stream::Watched(TcpStream::from_std(stream)?);
        }
        match &mut self.stream {
            Stream::Watched(stream) => Ok(Pin::new(stream)),
            _ => Err(ErrorKind::NotConnected.into()),
        }
    }

    fn for_sending(&mut self) -> io::Result<Pin<&mut TcpStream>> {
        self.rest.take();
        self.is_resting = false;
        self.watched()
    }

    fn poll_receive(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let rest = self.rest.take();
        if !rest.is_zero() && self.is_drained {
            self.go_to_rest(rest)?;
        } else if std::mem::take(&mut self.has_just_read) {
            // TLS asks for more at once. Who uses the words comes first: mostly it asks for the next rest.
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if self.is_resting
            && let Some(alarm) = &mut self.alarm
        {
            ready!(alarm.as_mut().poll(cx));
            self.is_resting = false;
        }
        if let Stream::Unwatched(stream) = &mut self.stream {
            let room = buf.remaining().min(ROOM_BYTES);
            match stream.read(buf.initialize_unfilled_to(room)) {
                Ok(bytes) => {
                    buf.advance(bytes);
                    self.is_drained = bytes < room;
                    self.has_just_read = self.is_drained && bytes > 0;
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        let received = self.watched()?.poll_read(cx, buf);
        self.is_drained = buf.remaining() > 0;
        received
    }
}

/// The last beat that is not after `due`; none when that is over.
fn last_beat(due: Instant) -> Option<Instant> {
    static FIRST: LazyLock<Instant> = LazyLock::new(Instant::now);
    let past_ns = due.saturating_duration_since(*FIRST).as_nanos() % BEAT.as_nanos();
    let beat = due.checked_sub(Duration::from_nanos(past_ns as u64))?;
    (beat > Instant::now()).then_some(beat)
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.poll_receive(cx, buf)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.for_sending()?.poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.for_sending()?.poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // The kernel has what was written.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.for_sending()?.poll_shutdown(cx)
    }
}

impl Connection for Socket {
    fn connected(&self) -> Connected {
        Connected::new().proxy(self.is_to_proxy).extra(self.rest.clone())
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    const REST: Duration = Duration::from_millis(100);

    /// A socket and its other end.
    async fn pair() -> (Socket, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (Socket::new(stream, false), listener.accept().await.unwrap().0)
    }

    /// What the next read brings. No rest here is for so long.
    async fn read(socket: &mut Socket) -> String {
        let mut buffer = [0; 8192];
        let read = tokio::time::timeout(Duration::from_secs(20), socket.read(&mut buffer));
        let bytes = read.await.expect("it rests for too long").unwrap();
        String::from_utf8(buffer[..bytes].to_vec()).unwrap()
    }

    /// A socket that has read something and was asked for a rest then, and its other end.
    async fn at_rest() -> (Socket, TcpStream) {
        let (mut socket, mut other) = pair().await;
        other.write_all(b"a").await.unwrap();
        assert_eq!(read(&mut socket).await, "a");
        socket.rest.ask(REST);
        (socket, other)
    }

    fn is_unwatched(socket: &Socket) -> bool {
        matches!(socket.stream, Stream::Unwatched(_))
    }

    #[tokio::test]
    async fn what_comes_in_a_rest_is_read_at_once_behind_it() {
        let (mut socket, mut other) = at_rest().await;
        let began = Instant::now();
        for word in [b"b", b"c", b"d"] {
            other.write_all(word).await.unwrap();
        }
        assert_eq!(read(&mut socket).await, "bcd");
        assert!(began.elapsed() >= REST / 2 && is_unwatched(&socket));
    }

    #[tokio::test]
    async fn a_second_look_behind_a_rest_leaves_time_to_ask_for_the_next() {
        let (mut socket, mut other) = at_rest().await;
        other.write_all(b"b").await.unwrap();
        assert_eq!(read(&mut socket).await, "b");
        let mut buffer = [0; 8];
        assert!(futures::poll!(pin!(socket.read(&mut buffer))).is_pending());
        assert!(is_unwatched(&socket));
        other.write_all(b"c").await.unwrap();
        assert_eq!(read(&mut socket).await, "c");
    }

    #[tokio::test]
    async fn it_is_watched_again_when_nothing_came() {
        let (mut socket, mut other) = at_rest().await;
        let late = async {
            tokio::time::sleep(REST * 2).await;
            other.write_all(b"b").await.unwrap();
        };
        let (text, ()) = tokio::join!(read(&mut socket), late);
        assert_eq!(text, "b");
        assert!(!is_unwatched(&socket));
    }

    #[tokio::test]
    async fn it_does_not_rest_before_all_is_read() {
        let (mut socket, mut other) = at_rest().await;
        other.write_all("b".repeat(3 * ROOM_BYTES).as_bytes()).await.unwrap();
        assert_eq!(read(&mut socket).await.len(), ROOM_BYTES);
        socket.rest.ask(Duration::from_secs(3600));
        assert_eq!(read(&mut socket).await.len(), ROOM_BYTES);
    }

    #[tokio::test]
    async fn sending_ends_a_rest() {
        let (mut socket, mut other) = at_rest().await;
        socket.rest.ask(Duration::from_secs(3600));
        assert!(tokio::time::timeout(REST, read(&mut socket)).await.is_err());
        socket.rest.ask(Duration::from_secs(3600));
        socket.write_all(b"again").await.unwrap();
        let mut request = [0; 5];
        other.read_exact(&mut request).await.unwrap();
        other.write_all(b"b").await.unwrap();
        assert_eq!(read(&mut socket).await, "b");
    }

    #[tokio::test]
    async fn an_end_in_a_rest_is_seen_behind_it() {
        let (mut socket, other) = at_rest().await;
        drop(other);
        assert_eq!(read(&mut socket).await, "");
    }

    #[tokio::test]
    async fn rests_end_at_the_same_instants() {
        let now = Instant::now();
        let due: Vec<_> =
            (0..25).filter_map(|ms| last_beat(now + REST + Duration::from_millis(ms))).collect();
        assert!(due.windows(2).filter(|pair| pair[0] != pair[1]).count() <= 1);
        assert!(due.iter().all(|beat| *beat <= now + REST + Duration::from_millis(25)));
        assert_eq!(last_beat(now), None);
    }
}
