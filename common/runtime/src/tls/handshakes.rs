//! Takes connections and shakes hands with many at once, so that one who is silent stops nobody.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use metrics::counter;
use percolate_common::identity::certificate::Certificate;
use rustls::ServerConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::trouble;

/// What is read of somebody who was refused, in bytes, so that he hears why.
const PARTING_BYTES_MAX: usize = 64 * 1024;

/// How long nobody is taken after the system could take nobody, for want of descriptors or memory.
const ACCEPT_RETRY: Duration = Duration::from_secs(1);

/// How much may be under way at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HandshakeLimits {
    /// Handshakes at once. At the limit the next connections wait with the system.
    pub at_once_max: usize,
    /// Handshakes at once of one address. At the limit the next connection is closed.
    pub per_address_max: usize,
    /// The longest that one may take. At the limit it is closed.
    pub time_max: Duration,
}

impl Default for HandshakeLimits {
    fn default() -> Self {
        Self { at_once_max: 256, per_address_max: 64, time_max: Duration::from_secs(10) }
    }
}

/// A connection whose handshake is done.
pub struct Accepted {
    /// What is said on it.
    pub stream: TlsStream<TcpStream>,
    /// From where.
    pub peer: SocketAddr,
    /// The certificate that was shown and admitted, where one is asked for.
    pub certificate: Option<Certificate>,
}

impl fmt::Debug for Accepted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Accepted").field("peer", &self.peer).finish_non_exhaustive()
    }
}

/// A listener that gives out connections whose handshake is done, in the order in which they get there.
#[derive(Debug)]
pub struct Handshakes {
    name: &'static str,
    listener: TcpListener,
    config: Arc<ServerConfig>,
    limits: HandshakeLimits,
    under_way: JoinSet<(IpAddr, Option<Accepted>)>,
    of_address: BTreeMap<IpAddr, usize>,
}

impl Handshakes {
    /// Shakes hands with whoever connects to `listener`. `name` is the metrics' word for it.
    #[must_use]
    pub fn new(name: &'static str, listener: TcpListener, config: Arc<ServerConfig>, limits: HandshakeLimits) -> Self {
        Self { name, listener, config, limits, under_way: JoinSet::new(), of_address: BTreeMap::new() }
    }

    /// Where it listens.
    ///
    /// # Errors
    /// If the system cannot say.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// The next connection. Handshakes that are under way go on when this is not waited for; they end with the value.
    pub async fn accept(&mut self) -> Accepted {
        loop {
            let has_room = self.under_way.len() < self.limits.at_once_max.max(1);
            tokio::select! {
                Some(ended) = self.under_way.join_next() => {
                    // A handshake that panicked has lost its address: all counts begin anew with those that are left.
                    let Ok((address, accepted)) = ended else { self.of_address.clear(); continue };
                    self.forget(address);
                    if let Some(accepted) = accepted {
                        return accepted;
                    }
                }
                taken = self.listener.accept(), if has_room => match taken {
                    Ok((stream, peer)) => self.begin(stream, peer),
                    Err(error) => self.bear(&error).await,
                },
            }
        }
    }

    fn begin(&mut self, stream: TcpStream, peer: SocketAddr) {
        let address = peer.ip().to_canonical();
        let count = self.of_address.entry(address).or_default();
        if *count >= self.limits.per_address_max {
            count_outcome(self.name, "crowded");
            tracing::debug!(peer.address = %peer, listener = self.name, "a connection was closed: too many of its address shake hands");
            return;
        }
        *count += 1;
        let shaken = shake(self.name, stream, peer, self.config.clone(), self.limits.time_max);
        self.under_way.spawn(async move { (address, shaken.await) });
    }

    fn forget(&mut self, address: IpAddr) {
        if let Some(count) = self.of_address.get_mut(&address) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.of_address.remove(&address);
            }
        }
    }

    /// Somebody who went away while he waited is no failure; a system that has no more descriptors needs time.
    async fn bear(&self, error: &io::Error) {
        let gone = [io::ErrorKind::ConnectionAborted, io::ErrorKind::ConnectionReset, io::ErrorKind::ConnectionRefused];
        if !gone.contains(&error.kind()) {
            tracing::error!(error = error as &dyn Error, listener = self.name, "no connection can be taken");
            tokio::time::sleep(ACCEPT_RETRY).await;
        }
    }
}

fn count_outcome(name: &'static str, outcome: &'static str) {
    counter!("tls_handshakes_total", "listener" => name, "outcome" => outcome).increment(1);
}

async fn shake(
    name: &'static str,
    stream: TcpStream,
    peer: SocketAddr,
    config: Arc<ServerConfig>,
    time_max: Duration,
) -> Option<Accepted> {
    // What is sent is small: waiting for more of it to fill a packet would be felt at the till.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(error = &error as &dyn Error, "could not set TCP_NODELAY");
    }
    let outcome = tokio::time::timeout(time_max, shake_at_leisure(stream, peer, config)).await;
    let (accepted, word) = match outcome {
        Ok(Ok(accepted)) => (Some(accepted), "done"),
        Ok(Err(error)) => {
            let trouble = trouble(&error);
            let error = &error as &dyn Error;
            tracing::debug!(peer.address = %peer, listener = name, ?trouble, error, "a handshake failed");
            (None, "refused")
        }
        Err(_elapsed) => (None, "slow"),
    };
    count_outcome(name, word);
    accepted
}

async fn shake_at_leisure(stream: TcpStream, peer: SocketAddr, config: Arc<ServerConfig>) -> io::Result<Accepted> {
    let stream = match TlsAcceptor::from(config).accept(stream).into_fallible().await {
        Ok(stream) => stream,
        Err((error, stream)) => {
            part(stream).await;
            return Err(error);
        }
    };
    let (_, session) = stream.get_ref();
    let shown = session.peer_certificates().and_then(<[_]>::first);
    let certificate = match shown.map(|leaf| Certificate::read(leaf)) {
        Some(read) => Some(read.map_err(io::Error::other)?),
        None => None,
    };
    Ok(Accepted { stream, peer, certificate })
}

/// Ends a connection so that its other end hears why: a socket that is closed with unread bytes in it takes what was sent
/// back. At the end of the handshake's time it is cut off.
async fn part(mut stream: TcpStream) {
    let mut unread = PARTING_BYTES_MAX;
    let mut bytes = [0; 1_024];
    if stream.shutdown().await.is_err() {
        return;
    }
    while unread > 0 {
        match stream.read(&mut bytes).await {
            Ok(0) | Err(_) => return,
            Ok(read) => unread = unread.saturating_sub(read),
        }
    }
}
