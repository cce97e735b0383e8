//! Connections for axum whose handshake is done: so many at once, and none that is silent for ever.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
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
    /// Of these, of one address. At the limit the next is closed, so that one address stops no other.
    pub per_address_max: usize,
    /// The longest from the handshake to the first byte that is read. At the limit a connection is closed.
    pub first_max: Duration,
    /// The longest after it without an answer, or a part of one: bytes that trickle in are no sign of life. At the limit a
    /// connection is closed.
    pub idle_max: Duration,
}

impl Default for HttpsLimits {
    /// Longer idle than any answer takes, and any stream of events is silent.
    fn default() -> Self {
        Self {
            handshakes: HandshakeLimits::default(),
            open_max: 1_024,
            per_address_max: 256,
            first_max: Duration::from_secs(10),
            idle_max: Duration::from_secs(60),
        }
    }
}

#[derive(Debug)]
pub(super) struct TlsListener {
    handshakes: Handshakes,
    places: Arc<Semaphore>,
    guests: Guests,
    limits: HttpsLimits,
}

/// How many connections of each address are open.
#[derive(Debug, Clone, Default)]
struct Guests(Arc<Mutex<BTreeMap<IpAddr, usize>>>);

impl Guests {
    /// Counts one more, unless there are so many.
    fn come(&self, address: IpAddr, at_most: usize) -> Option<Guest> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = all.entry(address).or_default();
        if *count >= at_most {
            return None;
        }
        *count += 1;
        Some(Guest { guests: self.clone(), address })
    }
}

/// One of an address, until it goes.
struct Guest {
    guests: Guests,
    address: IpAddr,
}

impl Drop for Guest {
    fn drop(&mut self) {
        let mut all = self.guests.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = all.get_mut(&self.address) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                all.remove(&self.address);
            }
        }
    }
}

impl TlsListener {
    pub(super) fn new(handshakes: Handshakes, limits: HttpsLimits) -> Self {
        Self { handshakes, places: Arc::new(Semaphore::new(limits.open_max)), guests: Guests::default(), limits }
    }
}

impl Listener for TlsListener {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        // The semaphore is never closed. Without a place nobody would be counted; then nobody is limited either.
        let place = self.places.clone().acquire_owned().await.ok();
        let (stream, peer, guest) = loop {
            let Accepted { stream, peer, .. } = self.handshakes.accept().await;
            match self.guests.come(peer.ip().to_canonical(), self.limits.per_address_max) {
                Some(guest) => break (stream, peer, guest),
                None => {
                    tracing::debug!(peer.address = %peer, "a connection was closed: too many of its address are open")
                }
            }
        };
        // Answers are small: waiting for more of them to fill a packet would be felt at every page.
        if let Err(error) = stream.get_ref().0.set_nodelay(true) {
            tracing::debug!(error = &error as &dyn std::error::Error, "could not set TCP_NODELAY");
        }
        let silent_at = Box::pin(tokio::time::sleep(self.limits.first_max));
        (
            Connection {
                stream,
                idle_max: self.limits.idle_max,
                silent_at,
                is_asked: false,
                _place: place,
                _guest: guest,
            },
            peer,
        )
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
    /// Whether something was read since something was written.
    is_asked: bool,
    _place: Option<OwnedSemaphorePermit>,
    _guest: Guest,
}

impl Connection {
    /// Notes that a question began, or an answer goes on, or, as long as neither does, how long that has been so.
    fn watch<T>(
        &mut self,
        context: &mut Context<'_>,
        is_read: bool,
        outcome: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if outcome.is_ready() {
            if !(is_read && self.is_asked) {
                self.silent_at.as_mut().reset(deadline_in(self.idle_max));
            }
            self.is_asked = is_read;
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
        self.watch(context, true, outcome)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.watch(context, false, outcome)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // That there is nothing to flush is no sign of life.
        match Pin::new(&mut self.stream).poll_flush(context) {
            Poll::Pending => self.watch(context, false, Poll::Pending),
            flushed @ Poll::Ready(_) => flushed,
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.stream).poll_shutdown(context);
        self.watch(context, false, outcome)
    }
}
