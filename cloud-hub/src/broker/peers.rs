//! Who is behind each connection that the door has brought the broker, which itself knows addresses and no more.

use std::collections::BTreeMap;
use std::net::{Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use percolate_common::identity::certificate::Certificate;
use percolate_common::identity::names::Principal;
use tokio_util::sync::CancellationToken;

/// Somebody whom the door has let in.
#[derive(Debug, Clone)]
pub(super) struct Peer {
    pub(super) principal: Principal,
    pub(super) certificate: Certificate,
    /// Ends the connection at once; has been cancelled when it has ended.
    pub(super) cut: CancellationToken,
}

/// Everybody whom the door has let in, by the address under which the broker knows the connection. A clone is the same.
#[derive(Debug, Clone, Default)]
pub(super) struct Peers(Arc<All>);

#[derive(Debug, Default)]
struct All {
    there: RwLock<BTreeMap<SocketAddr, Peer>>,
    noted: AtomicU64,
}

/// The address of the connection of a number: one that no machine has, of a network that nobody gives out.
fn made_up(number: u64) -> SocketAddr {
    const NETWORK: u128 = 0xfd00_7065_7263_6f6c << 64;
    SocketAddr::from((Ipv6Addr::from_bits(NETWORK | u128::from(number)), 0))
}

impl Peers {
    /// Notes who has a connection, under an address that nobody had before and nobody will have again. The peer is forgotten
    /// with what is given back.
    pub(super) fn note(&self, peer: Peer) -> Noted {
        let address = made_up(self.0.noted.fetch_add(1, Ordering::Relaxed));
        let cut = peer.cut.clone();
        self.0.there.write().unwrap_or_else(PoisonError::into_inner).insert(address, peer);
        Noted { peers: self.clone(), address, cut }
    }

    /// Who speaks from an address.
    pub(super) fn principal(&self, address: SocketAddr) -> Option<Principal> {
        let all = self.0.there.read().unwrap_or_else(PoisonError::into_inner);
        all.get(&address).map(|peer| peer.principal.clone())
    }

    /// Everybody.
    pub(super) fn all(&self) -> Vec<Peer> {
        self.0.there.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }
}

/// A peer that is forgotten again with this.
#[derive(Debug)]
pub(super) struct Noted {
    peers: Peers,
    address: SocketAddr,
    cut: CancellationToken,
}

impl Noted {
    /// Under which address the broker is to know the connection.
    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Noted {
    fn drop(&mut self) {
        self.peers.0.there.write().unwrap_or_else(PoisonError::into_inner).remove(&self.address);
        self.cut.cancel();
    }
}

/// Peers for tests of this folder.
#[cfg(test)]
pub(super) mod made {
    use percolate_common::identity::serial::Serial;
    use percolate_common::journal::SigningKey;
    use percolate_common::time::UtcMillis;

    use super::*;

    /// Somebody whose certificate holds from 1 s to 2 s after 1970.
    pub(in crate::broker) fn peer(principal: Principal) -> Peer {
        let certificate = Certificate {
            serial: Serial::from_slice(&[1]).unwrap(),
            not_before: UtcMillis::new(1_000),
            not_after: UtcMillis::new(2_000),
            common_name: principal.common_name(),
            uris: Vec::new(),
            public_key: SigningKey::from_random(&[1; 32]).unwrap().public_key(),
        };
        Peer { principal, certificate, cut: CancellationToken::new() }
    }
}
