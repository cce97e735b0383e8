//! Who is behind each of the door's own connections to the broker, which itself sees addresses of this machine and no more.

use std::collections::BTreeMap;
use std::net::SocketAddr;
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

/// Everybody whom the door has let in, by the door's local address towards the broker. A clone is the same.
#[derive(Debug, Clone, Default)]
pub(super) struct Peers(Arc<RwLock<BTreeMap<SocketAddr, Peer>>>);

impl Peers {
    /// Notes who speaks from an address that is bound, and not connected yet. Let go of what is given back while the address
    /// is still bound: whoever gets it next is nobody's peer.
    pub(super) fn note(&self, local: SocketAddr, peer: Peer) -> Noted {
        let cut = peer.cut.clone();
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(local, peer);
        Noted { peers: self.clone(), local, cut }
    }

    /// Who speaks from an address.
    pub(super) fn principal(&self, local: SocketAddr) -> Option<Principal> {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        all.get(&local).map(|peer| peer.principal.clone())
    }

    /// Everybody.
    pub(super) fn all(&self) -> Vec<Peer> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }
}

/// A peer that is forgotten again with this.
#[derive(Debug)]
pub(super) struct Noted {
    peers: Peers,
    local: SocketAddr,
    cut: CancellationToken,
}

impl Drop for Noted {
    fn drop(&mut self) {
        self.peers.0.write().unwrap_or_else(PoisonError::into_inner).remove(&self.local);
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
