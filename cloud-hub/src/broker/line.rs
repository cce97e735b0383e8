//! A connection that two have: the broker reads and writes on it, and whoever let it in keeps hold of it, to take it away.
//!
//! The broker is given the stream itself, TLS and all, and no copy of what is said on it: a store costs one descriptor.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use mqtt5::broker::transport::WebSocketTransport;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::Sleep;

use super::pace::Pace;

/// How long saying goodbye may take.
const PARTING: Duration = Duration::from_secs(5);

/// What is said on the connection, until it is taken away.
type Held<S> = Arc<Mutex<Option<S>>>;

/// The broker's end.
pub(super) struct Line<S> {
    held: Held<S>,
    from: SocketAddr,
    pace: Option<Pace>,
    /// Until when nothing is read: what was read before was too much for the time.
    wait: Option<Pin<Box<Sleep>>>,
}

/// The end of whoever let the connection in.
pub(super) struct Hold<S>(Held<S>);

/// Gives both ends. The broker knows the other side as `from`; no more is read of it than `pace` allows.
pub(super) fn line<S>(stream: S, from: SocketAddr, pace: Option<Pace>) -> (Hold<S>, Line<S>) {
    let held = Arc::new(Mutex::new(Some(stream)));
    (Hold(held.clone()), Line { held, from, pace, wait: None })
}

impl<S> Hold<S> {
    fn take(&self) -> Option<S> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Ends the connection at once. The broker finds it broken when it is polled next.
    pub(super) fn cut(&self) {
        drop(self.take());
    }
}

impl<S: AsyncWrite + Unpin> Hold<S> {
    /// Ends the connection in order, once the broker is done with it.
    pub(super) async fn part(self) {
        if let Some(mut stream) = self.take() {
            // Whoever has gone already need not hear of it.
            let _heard = tokio::time::timeout(PARTING, stream.shutdown()).await;
        }
    }
}

impl<S: Unpin> Line<S> {
    fn poll<T>(&self, poll: impl FnOnce(Pin<&mut S>) -> Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        match &mut *self.held.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(stream) => poll(Pin::new(stream)),
            None => Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into())),
        }
    }

    fn is_cut(&self) -> bool {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Line<S> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let line = self.get_mut();
        let is_cut = line.is_cut();
        if let Some(wait) = line.wait.as_mut().filter(|_| !is_cut) {
            ready!(wait.as_mut().poll(context));
            line.wait = None;
        }
        let before = buffer.filled().len();
        ready!(line.poll(|stream| stream.poll_read(context, buffer)))?;
        let read = buffer.filled().len().saturating_sub(before);
        let wait = line.pace.as_ref().map(|pace| pace.take(read)).filter(|wait| !wait.is_zero());
        line.wait = wait.map(|wait| Box::pin(tokio::time::sleep(wait)));
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Line<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll(|stream| stream.poll_write(context, bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll(|stream| stream.poll_flush(context))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll(|stream| stream.poll_shutdown(context))
    }
}

/// The broker's one kind of transport that is whatever reads and writes. Nothing of WebSockets is in it.
impl<S: AsyncRead + AsyncWrite + Send + Unpin> WebSocketTransport for Line<S> {
    fn peer_addr(&self) -> mqtt5::Result<SocketAddr> {
        Ok(self.from)
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv6Addr;

    use tokio::io::{AsyncReadExt, DuplexStream, duplex};

    use super::super::rate::Rate;
    use super::*;

    const FROM: SocketAddr = SocketAddr::new(std::net::IpAddr::V6(Ipv6Addr::LOCALHOST), 0);

    /// A line with little room on it, and its other end.
    fn lined(pace: Option<Pace>) -> (Hold<DuplexStream>, Line<DuplexStream>, DuplexStream) {
        let (node, stream) = duplex(16);
        let (hold, line) = line(stream, FROM, pace);
        (hold, line, node)
    }

    #[tokio::test]
    async fn both_ways_to_the_end_and_goodbye() {
        let (hold, mut line, mut node) = lined(None);
        let talk = async {
            node.write_all(b"a question that is longer than the line").await.unwrap();
            let mut answer = String::new();
            node.read_to_string(&mut answer).await.unwrap();
            answer
        };
        let answers = async {
            let mut question = [0; 39];
            line.read_exact(&mut question).await.unwrap();
            line.write_all(&question.to_ascii_uppercase()).await.unwrap();
            hold.part().await;
            line
        };
        let (answer, mut line) = tokio::join!(talk, answers);
        assert_eq!(answer, "A QUESTION THAT IS LONGER THAN THE LINE");
        assert_eq!(line.read(&mut [0; 1]).await.unwrap_err().kind(), io::ErrorKind::ConnectionAborted);
    }

    #[tokio::test]
    async fn who_is_cut_hears_it_at_once_and_the_broker_when_it_looks_next() {
        let (hold, mut line, mut node) = lined(None);
        // The broker waits for room to write, as it does for somebody who does not listen.
        let stalled = line.write_all(&[7; 64]);
        tokio::pin!(stalled);
        tokio::select! {
            biased;
            _ = &mut stalled => panic!("there is room"),
            () = std::future::ready(()) => hold.cut(),
        }
        assert_eq!(stalled.await.unwrap_err().kind(), io::ErrorKind::ConnectionAborted);
        let mut heard = Vec::new();
        node.read_to_end(&mut heard).await.unwrap();
        assert_eq!(heard, [7; 16]);
    }

    #[tokio::test]
    async fn who_is_made_to_wait_is_cut_without_waiting() {
        let rate = Rate { count: 1, per: Duration::from_secs(60 * 60), burst: 1 };
        let (hold, mut line, mut node) = lined(Some(Pace::new(rate)));
        node.write_all(&[7; 8]).await.unwrap();
        line.read_exact(&mut [0; 8]).await.unwrap();
        hold.cut();
        assert_eq!(line.read(&mut [0; 1]).await.unwrap_err().kind(), io::ErrorKind::ConnectionAborted);
    }

    #[tokio::test]
    async fn a_node_that_sends_too_fast_is_made_to_wait_and_loses_nothing() {
        let rate = Rate { count: 100_000, per: Duration::from_secs(1), burst: 16 };
        let (_hold, mut line, mut node) = lined(Some(Pace::new(rate)));
        let sends = async {
            node.write_all(&[7; 1_024]).await.unwrap();
            drop(node);
        };
        let begin = percolate_runtime::system::monotonic_now();
        let mut all = Vec::new();
        let ((), heard) = tokio::join!(sends, line.read_to_end(&mut all));
        assert_eq!(heard.unwrap(), 1_024);
        let least = Duration::from_secs(1) * (1_024 - 2 * 16) / 100_000;
        assert!(percolate_runtime::system::monotonic_now() - begin >= least);
    }
}
