//! What each node may have of the door, however many connections it makes.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use percolate_common::ids::NodeId;
use percolate_runtime::tls::HandshakeLimits;
use tokio_util::sync::CancellationToken;

use super::pace::Pace;
use super::rate::{Rate, Used};

/// How much the door takes of anybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DoorLimits {
    /// Of those who have not shown who they are yet.
    pub handshakes: HandshakeLimits,
    /// Open connections of one node. At the limit its oldest is cut: a node that lost one without noticing gets in again.
    pub connections_max: usize,
    /// New connections of one node. At the limit they are closed before the broker hears of them; the node tries again.
    pub arrivals: Rate,
    /// Bytes that one node may send. At the limit nothing more is read from it until there is room.
    pub bytes: Rate,
    /// Messages that one node may publish. At the limit as above.
    pub messages: Rate,
}

impl Default for DoorLimits {
    fn default() -> Self {
        const MIB: u32 = 1_024 * 1_024;
        Self {
            handshakes: HandshakeLimits::default(),
            connections_max: 8,
            arrivals: Rate { count: 30, per: Duration::from_secs(60), burst: 30 },
            bytes: Rate { count: 4 * MIB, per: Duration::from_secs(1), burst: 8 * MIB },
            messages: Rate { count: 2_000, per: Duration::from_secs(1), burst: 4_000 },
        }
    }
}

/// What the nodes have had. A node that came once is remembered: there are as many as the chain has boxes.
#[derive(Debug)]
pub(super) struct Quotas {
    limits: DoorLimits,
    of_node: BTreeMap<NodeId, Quota>,
}

#[derive(Debug)]
struct Quota {
    arrivals: Used,
    pace: Pace,
    /// The oldest first.
    open: VecDeque<CancellationToken>,
}

/// A node came too often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooOften;

impl Quotas {
    pub(super) fn new(limits: DoorLimits) -> Self {
        Self { limits, of_node: BTreeMap::new() }
    }

    /// Counts a connection that ends when `cut` is cancelled, and is over when it has been. Gives the pace that it keeps, and
    /// how many others were cut for it.
    pub(super) fn arrive(
        &mut self,
        node: NodeId,
        cut: &CancellationToken,
        now: Duration,
    ) -> Result<(Pace, usize), TooOften> {
        let limits = &self.limits;
        let quota = self.of_node.entry(node).or_insert_with(|| Quota {
            arrivals: Used::default(),
            pace: Pace::new(limits.bytes),
            open: VecDeque::new(),
        });
        if !quota.arrivals.try_take(&limits.arrivals, 1, now) {
            return Err(TooOften);
        }
        quota.open.retain(|open| !open.is_cancelled());
        let surplus = (quota.open.len() + 1).saturating_sub(limits.connections_max.max(1));
        quota.open.drain(..surplus).for_each(|oldest| oldest.cancel());
        quota.open.push_back(cut.clone());
        Ok((quota.pace.clone(), surplus))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODE: NodeId = NodeId::new(11);
    const NOW: Duration = Duration::from_secs(1_000);

    fn come(quotas: &mut Quotas, node: NodeId) -> (CancellationToken, Result<usize, TooOften>) {
        let cut = CancellationToken::new();
        let outcome = quotas.arrive(node, &cut, NOW).map(|(_, surplus)| surplus);
        (cut, outcome)
    }

    #[test]
    fn the_ninth_connection_of_a_node_ends_its_first() {
        let mut quotas = Quotas::new(DoorLimits::default());
        let open: Vec<_> = (0..8).map(|_| come(&mut quotas, NODE).0).collect();
        let (other, _) = come(&mut quotas, NodeId::new(12));
        assert!(open.iter().all(|cut| !cut.is_cancelled()));
        // One that is over makes room.
        open[3].cancel();
        assert_eq!(come(&mut quotas, NODE).1, Ok(0));
        assert_eq!(come(&mut quotas, NODE).1, Ok(1));
        let cut: Vec<bool> = open.iter().map(CancellationToken::is_cancelled).collect();
        assert_eq!(cut, [true, false, false, true, false, false, false, false]);
        assert!(!other.is_cancelled());
    }

    #[test]
    fn a_node_that_comes_too_often_is_sent_away_and_no_other() {
        let mut quotas = Quotas::new(DoorLimits::default());
        assert!((0..30).all(|_| come(&mut quotas, NODE).1.is_ok()));
        assert_eq!(come(&mut quotas, NODE).1, Err(TooOften));
        assert_eq!(come(&mut quotas, NodeId::new(12)).1, Ok(0));
    }
}
