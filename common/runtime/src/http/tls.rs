//! Connections for axum whose handshake is done: so many at once, and none that is silent for ever.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Sleep;
use tokio_rustls::server::TlsStream;

use crate::system::deadline_in;
use crate::tls::{Accepted, HandshakeLimits, Handshakes};

/// How much an HTTPS server bears.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HttpsLimits {
    /// Of handshakes.
    pub handshakes: HandshakeLimits,
    /// Connections that are open at once. At the limit the next handshakes wait.
    pub open_max: usize,
    /// The longest that nothing is read and nothing written. At the limit a connection is closed.
    pub idle_max: Duration,
}

impl Default for HttpsLimits {
    /// Longer idle than any answer takes, and any stream of events is silent.
    fn default() -> Self {
        Self { handshakes: HandshakeLimits::default(), open_max: 1_024, idle_max: Duration::from_secs(60) }
    }
}

#[derive(Debug)]
pub(super) struct TlsListener {
    handshakes: Handshakes,
    places: Arc<Semaphore>,
    idle_max: Duration,
}

impl TlsListener {
    pub(super) fn new(handshakes: Handshakes, limits: HttpsLimits) -> Self {
        Self { handshakes, places: Arc::new(Semaphore::new(limits.open_max)), idle_max: limits.idle_max }
    }
}

impl Listener for TlsListener {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        // The semaphore is never closed. Without a place nobody would be counted; then nobody is limited either.
        let place = self.places.clone().acquire_owned().await.ok();
        let Accepted { stream, peer, .. } = self.handshakes.accept().await;
        // Answers are small: waiting for more of them to fill a packet would be felt at every page.
        if let Err(error) = stream.get_ref().0.set_nodelay(true) {
            tracing::debug!(error = &error as &dyn std::error::Error, "could not set TCP_NODELAY");
        }
        let silent_at = Box::pin(tokio::time::sleep(self.idle_max));
        (Connection { stream, idle_max: self.idle_max, silent_at, _place: place }, peer)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.handshakes.local_addr()
    }
}

/// A connection that ends when it was silent for too long.
pub(super) struct Connection {
    stream: TlsStream<TcpStream>,
    idle_max: Duration,
    silent_at: Pin<Box<Sleep>>,
    _place: Option<OwnedSemaphorePermit>,
}

impl Connection {
    /// Notes that something happened, or, as long as nothing does, how long that has been so.
    fn watch<T>(&mut self, context: &mut Context<'_>, outcome: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if outcome.is_ready() {
            self.silent_at.as_mut().reset(deadline_in(self.idle_max));
            return outcome;
        }
        match self.silent_at.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Err(io::Error::from(io::ErrorKind::TimedOut))),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.stream).poll_read(context, buffer);
        self.watch(context, outcome)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.watch(context, outcome)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // That there is nothing to flush is no sign of life.
        match Pin::new(&mut self.stream).poll_flush(context) {
            Poll::Pending => self.watch(context, Poll::Pending),
            flushed @ Poll::Ready(_) => flushed,
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.stream).poll_shutdown(context);
        self.watch(context, outcome)
    }
}
