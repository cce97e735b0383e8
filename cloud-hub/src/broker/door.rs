//! The door: the way into the hub's own broker for whoever shows a certificate of the chain.
//!
//! The broker shakes hands with one after the other, so that a silent one stops all, and tells its hooks nothing of
//! certificates (mqtt5 0.49, read in its source 2026-11). So the door does that, and gives the broker the connection, under an
//! address that it has made up and noted before. Why so: docs/adr/0028.

use std::error::Error;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use metrics::{counter, gauge};
use percolate_common::identity::certificate::Certificate;
use percolate_common::identity::names::{ChainId, Principal};
use percolate_runtime::system::monotonic_now;
use percolate_runtime::tls::{
    Accepted, Admission, Clients, Handshakes, OwnCertificate, Roots, TlsClock, server_config,
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::cuts::{Cuts, word};
use super::embedded::{BrokerError, EmbeddedBroker};
use super::one_run::Unserved;
use super::pace::Pace;
use super::peers::{Peer, Peers};
use super::quota::{DoorLimits, Quotas, TooOften};

/// Connections that wait with the system until there is time to shake hands. Linux has 4,096 at most, unless it is told
/// otherwise (`net.core.somaxconn`).
const WAITING_MAX: u32 = 16 * 1_024;

/// Whom the door lets in, and how it shows who it is itself.
#[derive(Debug, Clone)]
pub struct DoorKeys {
    /// What it shows.
    pub own: Arc<OwnCertificate>,
    /// Whom it believes.
    pub roots: Roots,
    /// Whose certificates it takes.
    pub chain: ChainId,
    /// Who is let in of those.
    pub admission: Arc<dyn Admission>,
    /// A number that changes whenever somebody may not be let in any more.
    pub changes: watch::Receiver<u64>,
    /// By which certificates are judged.
    pub clock: Arc<TlsClock>,
}

/// The door. It listens; nobody is let in before it runs.
#[derive(Debug)]
pub struct Door {
    handshakes: Handshakes,
    address: SocketAddr,
    broker: EmbeddedBroker,
    peers: Peers,
    chain: ChainId,
    admission: Arc<dyn Admission>,
    quotas: Quotas,
}

impl Door {
    /// Listens in front of a broker that does not run yet, which from now on takes nobody but those whom the door lets in.
    /// Port 0 takes a free one. Give [`Door::run`] and [`Cuts::run`] to a task group.
    ///
    /// # Errors
    /// [`BrokerError::Door`] if the address is taken or not ours; [`BrokerError::DoorAddress`] if the hub's own link could not
    /// come in there; [`BrokerError::Tls`].
    pub fn open(
        at: SocketAddr,
        broker: EmbeddedBroker,
        keys: DoorKeys,
        limits: DoorLimits,
    ) -> Result<(Self, Cuts), BrokerError> {
        let DoorKeys { own, roots, chain, admission, changes, clock } = keys;
        let config = server_config(own, &roots, Clients::Needed(admission.clone()), clock.clone())?;
        // The link's dialler takes no IPv6 address in digits where it speaks TLS.
        if let IpAddr::V6(ip) = at.ip()
            && !ip.is_unspecified()
            && !ip.is_loopback()
        {
            return Err(BrokerError::DoorAddress { address: at });
        }
        let failed = |source| BrokerError::Door { address: at, source };
        let listener = listen(at).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let handshakes = Handshakes::new("mqtts", listener, config, limits.handshakes);
        let peers = broker.stand_behind(address, limits.messages);
        let cuts = Cuts::new(peers.clone(), admission.clone(), changes, clock);
        let quotas = Quotas::new(limits);
        Ok((Self { handshakes, address, broker, peers, chain, admission, quotas }, cuts))
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Lets in whoever may come, until it is stopped. Then all connections end.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut visits = JoinSet::new();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                accepted = self.handshakes.accept() => {
                    if let Some(visit) = self.receive(accepted) {
                        visits.spawn(visit);
                    }
                }
                // A visit that panicked has ended like any other; its connection is closed.
                Some(_ended) = visits.join_next() => {}
            }
            gauge!("hub_door_connections").set(f64::from(u32::try_from(visits.len()).unwrap_or(u32::MAX)));
        }
    }

    /// What becomes of a connection, if it does not end at once.
    fn receive(&mut self, accepted: Accepted) -> Option<impl Future<Output = ()> + Send + use<>> {
        let Accepted { stream, peer: from, certificate } = accepted;
        let (certificate, principal) = self.known(certificate)?;
        let cut = CancellationToken::new();
        let pace = match &principal {
            Principal::Node(node) => match self.quotas.arrive(*node, &cut, monotonic_now()) {
                Ok((pace, surplus)) => {
                    counter!("hub_door_cut_total", "cause" => "surplus")
                        .increment(surplus.try_into().unwrap_or(u64::MAX));
                    Some(pace)
                }
                Err(TooOften) => {
                    tracing::warn!(node.id = %node, "node {node} connects too often: it is not let in for a while");
                    refuse("often");
                    return None;
                }
            },
            // The hub's own, which carries what all nodes say.
            Principal::Hub(_) => None,
            Principal::Broker => {
                refuse("kind");
                return None;
            }
        };
        tracing::debug!(peer.address = %from, peer.name = principal.common_name(), "somebody was let in");
        let visit = Visit {
            broker: self.broker.clone(),
            peers: self.peers.clone(),
            admission: self.admission.clone(),
            peer: Peer { principal, certificate, cut },
            pace,
        };
        Some(visit.take_place(stream))
    }

    fn known(&self, certificate: Option<Certificate>) -> Option<(Certificate, Principal)> {
        let known = certificate.and_then(|shown| shown.principal(&self.chain).map(|principal| (shown, principal)));
        if known.is_none() {
            refuse("kind");
        }
        known
    }
}

/// Listens with room for all who come at the same moment after the hub was away: whoever finds none tries again later and
/// later.
fn listen(at: SocketAddr) -> io::Result<TcpListener> {
    let socket = if at.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(at)?;
    socket.listen(WAITING_MAX)
}

/// Somebody who was let in, from the door to the end.
struct Visit {
    broker: EmbeddedBroker,
    peers: Peers,
    admission: Arc<dyn Admission>,
    peer: Peer,
    pace: Option<Pace>,
}

impl Visit {
    async fn take_place<S: AsyncRead + AsyncWrite + Send + Unpin + 'static>(self, stream: S) {
        let Self { broker, peers, admission, peer, pace } = self;
        let (name, certificate, cut) = (peer.principal.common_name(), peer.certificate.clone(), peer.cut.clone());
        let node = match &peer.principal {
            Principal::Node(node) => Some(*node),
            Principal::Hub(_) | Principal::Broker => None,
        };
        let noted = peers.note(peer);
        // A revocation that came during the handshake has not met this peer; any later one does.
        if let Err(refusal) = admission.admits(&certificate) {
            return refuse(word(refusal));
        }
        match broker.serve(stream, (node, noted.address()), pace, &cut).await {
            Ok(()) => {}
            Err(Unserved::Down) => refuse("broker"),
            Err(Unserved::Full) => {
                tracing::error!(peer.name = name, "{name} is not let in: the broker takes no more clients");
                refuse("full");
            }
            Err(error @ Unserved::Ended(_)) => {
                tracing::debug!(peer.name = name, error = &error as &dyn Error, "a connection of {name} has ended");
            }
        }
    }
}

/// Counts somebody who is not let in after a handshake that was well.
fn refuse(cause: &'static str) {
    counter!("hub_door_refused_total", "cause" => cause).increment(1);
}
