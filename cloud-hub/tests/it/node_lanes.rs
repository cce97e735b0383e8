//! Processes that share the lanes of nodes, on one database; files have one process. And nodes that know of no lanes.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use cloud_hub::kernel::journal::Journal;
use cloud_hub::sync::node_lanes::{HEARD_ON, NodeLanes};
use cloud_hub::sync::store::{LANE_LEASE_MS, lanes_held, lanes_take};
use percolate_common::wire::session::FromNode;
use percolate_common::wire::topic::LANES;
use percolate_runtime::mqtt::{Outlet, PublishError, Publisher};
use percolate_runtime::system::monotonic_now;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::support::eventually;
use crate::support::ground::{Ground, is_server};
use crate::support::hub::TestHub;
use crate::support::node::TestNode;

/// A link that is always up.
struct Nowhere;

impl Outlet for Nowhere {
    fn offer(&self, _topic: &str, _payload: Bytes, _retain: bool) -> Result<(), PublishError> {
        Ok(())
    }
}

/// A process that takes in its share.
struct Replica {
    journal: Journal,
    leaving: CancellationToken,
    task: JoinHandle<()>,
}

impl Replica {
    #[expect(clippy::disallowed_methods, reason = "it is its own process, which a test ends by hand")]
    fn start(ground: &Ground, me: u64) -> Self {
        let (journal, leaving) = (ground.journal(), CancellationToken::new());
        let publisher = Publisher::inline(Arc::new(Nowhere));
        let lanes = NodeLanes::new(journal.db().clone(), publisher, me, leaving.clone());
        let task = tokio::spawn(async move { lanes.run(CancellationToken::new()).await.unwrap() });
        Self { journal, leaving, task }
    }

    /// How many lanes each has, as this one reads it.
    async fn shares(&self) -> BTreeMap<u64, u8> {
        let held = self.journal.db().read_async(lanes_held).await.unwrap();
        let mut shares = BTreeMap::new();
        held.holders.values().for_each(|holder| *shares.entry(*holder).or_default() += 1);
        shares
    }

    async fn sees(&self, what: &str, shares: &[(u64, u8)]) {
        let expected: BTreeMap<_, _> = shares.iter().copied().collect();
        eventually(what, || async { (self.shares().await == expected).then_some(()) }).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_have_equal_shares_whoever_comes_stops_or_is_killed() {
    if !is_server() {
        return;
    }
    let ground = Ground::new();
    let first = Replica::start(&ground, 1);
    first.sees("one to have all", &[(1, LANES)]).await;
    let second = Replica::start(&ground, 2);
    first.sees("two to have a half each", &[(1, LANES / 2), (2, LANES / 2)]).await;
    let third = Replica::start(&ground, u64::MAX);
    first.sees("three to have a third each", &[(1, LANES / 3), (2, LANES / 3), (u64::MAX, LANES / 3)]).await;
    let begin = monotonic_now();
    second.leaving.cancel();
    first.sees("the other two to have what the second had", &[(1, LANES / 2), (u64::MAX, LANES / 2)]).await;
    let taken = monotonic_now().saturating_sub(begin);
    assert!(taken.as_millis() < u128::from(LANE_LEASE_MS.unsigned_abs()) / 2, "no lease had to run out: {taken:?}");
    second.task.await.unwrap();
    assert!(monotonic_now().saturating_sub(begin) >= HEARD_ON, "it hears on until the others have looked");
    // Killed: nobody gives anything back.
    third.task.abort();
    first.sees("the last one to have all", &[(1, LANES)]).await;
    for replica in [first.journal, second.journal, third.journal] {
        replica.db().stop().await;
    }
    first.task.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_comes_back_under_its_name_has_its_lanes_at_once_and_others_have_not() {
    if !is_server() {
        return;
    }
    let ground = Ground::new();
    let killed = Replica::start(&ground, 1);
    killed.sees("one to have all", &[(1, LANES)]).await;
    killed.task.abort();
    let all = (0..LANES).collect();
    let taken = killed.journal.db().write("lanes", move |tx| lanes_take(tx, 2, &all)).await;
    assert!(taken.unwrap().is_empty(), "its lease runs");
    let begin = monotonic_now();
    let again = Replica::start(&ground, 1);
    again.sees("it to have all again", &[(1, LANES)]).await;
    let taken = monotonic_now().saturating_sub(begin);
    assert!(taken.as_millis() < u128::from(LANE_LEASE_MS.unsigned_abs()) / 2, "no lease had to run out: {taken:?}");
    again.task.abort();
    for journal in [killed.journal, again.journal] {
        journal.db().stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_says_no_lane_is_taken_in_and_one_on_anothers_is_not() {
    let hub = TestHub::start().await;
    let mut node = TestNode::in_session(11, hub.door(11)).await;
    node.sales.write(3);
    let (first, rest) = (node.sales.batch(1, 1, node.session), node.sales.batch(2, 3, node.session));
    node.publish_to("percolate/v1/n11/up/sales", &first.encode().unwrap()).await;
    node.sales_acked(1).await;
    let hello = FromNode::Hello(node.hello()).encode().unwrap();
    // The hub's own broker lets nobody speak on another's lane.
    node.publish_to("percolate/v1/n11/up/session/l3", &hello).await;
    node.send(&rest).await;
    node.sales_acked(3).await;
    assert_eq!(hub.rows("/v1/sync/dead-letters").await, Vec::<serde_json::Value>::new());
}
