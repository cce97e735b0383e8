//! Ends the connections of those who came in lawfully and may not stay.

use std::sync::Arc;
use std::time::Duration;

use metrics::counter;
use percolate_runtime::tls::{Admission, Refusal, TlsClock};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::peers::{Peer, Peers};

/// How often it is looked for certificates that have ended. A connection outlives its certificate by no more.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// Looks after those whom the door has let in.
#[derive(Debug)]
pub struct Cuts {
    peers: Peers,
    admission: Arc<dyn Admission>,
    changes: watch::Receiver<u64>,
    clock: Arc<TlsClock>,
}

impl Cuts {
    pub(super) const fn new(
        peers: Peers,
        admission: Arc<dyn Admission>,
        changes: watch::Receiver<u64>,
        clock: Arc<TlsClock>,
    ) -> Self {
        Self { peers, admission, changes, clock }
    }

    /// Cuts off whoever is no longer let in, as soon as that changes, and whoever's certificate has ended, until it is stopped.
    pub async fn run(mut self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            self.changes.mark_unchanged();
            self.look();
            tokio::select! {
                () = stop.cancelled() => {}
                () = changed(&mut self.changes) => {}
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
    }

    /// Compares everybody with what holds now.
    fn look(&self) {
        for peer in self.peers.all() {
            if let Some(cause) = self.cause(&peer) {
                peer.cut.cancel();
                counter!("hub_door_cut_total", "cause" => cause).increment(1);
                let name = peer.principal.common_name();
                tracing::warn!(peer.name = name, cause, "{name} was cut off");
            }
        }
    }

    /// Why somebody may not stay.
    fn cause(&self, peer: &Peer) -> Option<&'static str> {
        if self.clock.now() > peer.certificate.not_after {
            return Some("expired");
        }
        self.admission.admits(&peer.certificate).err().map(word)
    }
}

/// Waits for a change; where nothing changes any more, for ever.
async fn changed(changes: &mut watch::Receiver<u64>) {
    if changes.changed().await.is_err() {
        std::future::pending().await
    }
}

/// A refusal's word in the metrics.
pub(super) const fn word(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::Unknown => "unknown",
        Refusal::Revoked => "revoked",
        Refusal::NotThisKind => "kind",
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

    use percolate_common::identity::certificate::Certificate;
    use percolate_common::identity::names::Principal;
    use percolate_common::ids::NodeId;
    use percolate_common::time::{Clock, UtcMillis};
    use percolate_runtime::tls::Refusal;

    use super::super::peers::Noted;
    use super::super::peers::made::peer;
    use super::*;

    struct SetClock(AtomicI64);

    impl Clock for SetClock {
        fn now(&self) -> UtcMillis {
            UtcMillis::new(self.0.load(Ordering::SeqCst))
        }
    }

    /// Lets in everybody or, once it is told so, the hub alone.
    #[derive(Debug, Default)]
    struct HubAlone(AtomicBool);

    impl Admission for HubAlone {
        fn admits(&self, certificate: &Certificate) -> Result<(), Refusal> {
            let is_out = self.0.load(Ordering::SeqCst) && certificate.common_name != "hub";
            if is_out { Err(Refusal::Revoked) } else { Ok(()) }
        }
    }

    struct Ground {
        clock: Arc<SetClock>,
        admission: Arc<HubAlone>,
        change: watch::Sender<u64>,
        cuts: Cuts,
        node: (CancellationToken, Noted),
        hub: (CancellationToken, Noted),
    }

    fn ground() -> Ground {
        let (clock, admission) = (Arc::new(SetClock(AtomicI64::new(1_500))), Arc::new(HubAlone::default()));
        let (change, changes) = watch::channel(0);
        let peers = Peers::default();
        let tls_clock = Arc::new(TlsClock::new(clock.clone(), UtcMillis::new(0)));
        let cuts = Cuts::new(peers.clone(), admission.clone(), changes, tls_clock);
        let come = |principal| {
            let peer = peer(principal);
            (peer.cut.clone(), peers.note(peer))
        };
        let node = come(Principal::Node(NodeId::new(11)));
        let hub = come(Principal::Hub("ingest".parse().unwrap()));
        Ground { clock, admission, change, cuts, node, hub }
    }

    #[test]
    fn who_may_stay_stays_and_whose_time_is_over_is_cut() {
        let ground = ground();
        ground.clock.0.store(2_000, Ordering::SeqCst);
        ground.cuts.look();
        assert!(!ground.node.0.is_cancelled() && !ground.hub.0.is_cancelled(), "the last instant still holds");
        ground.clock.0.store(2_001, Ordering::SeqCst);
        ground.cuts.look();
        assert!(ground.node.0.is_cancelled() && ground.hub.0.is_cancelled());
    }

    #[tokio::test]
    async fn a_change_cuts_those_whom_it_concerns_at_once() {
        let Ground { admission, change, cuts, node, hub, .. } = ground();
        let stop = CancellationToken::new();
        let changing = async {
            admission.0.store(true, Ordering::SeqCst);
            change.send_modify(|changes| *changes += 1);
            node.0.cancelled().await;
            stop.cancel();
        };
        tokio::join!(cuts.run(stop.clone()), changing);
        assert!(!hub.0.is_cancelled());
    }
}
