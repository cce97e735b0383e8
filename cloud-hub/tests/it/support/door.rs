//! The hub's own broker behind its door, with a chain of its own.

use std::net::SocketAddr;

use cloud_hub::broker::cuts::Cuts;
use cloud_hub::broker::door::{Door, DoorKeys};
use cloud_hub::broker::embedded::{BrokerError, EmbeddedBroker};
use cloud_hub::broker::quota::DoorLimits;
use percolate_common::identity::names::Principal;
use percolate_runtime::tasks::TaskGroup;

use super::chain::{Papers, TestChain, hub, node};
use super::eventually;
use super::guest::Guest;
use super::node::Door as WayIn;

pub(crate) struct DoorGround {
    pub(crate) chain: TestChain,
    pub(crate) broker: EmbeddedBroker,
    pub(crate) hub: Papers,
    pub(crate) port: u16,
    _tasks: TaskGroup,
}

impl DoorGround {
    pub(crate) async fn start() -> Self {
        Self::start_with(DoorLimits::default()).await
    }

    pub(crate) async fn start_with(limits: DoorLimits) -> Self {
        let chain = TestChain::new(1);
        let (broker, door, cuts) = Self::opened(&chain, "127.0.0.1:0".parse().unwrap(), limits).unwrap();
        let port = door.address().port();
        let (tasks, run) = (TaskGroup::new(), broker.clone());
        tasks.spawn_restarting("broker", move |stop| run.clone().run(stop));
        tasks.spawn("door", |stop| door.run(stop));
        tasks.spawn("door_cuts", |stop| cuts.run(stop));
        eventually("the broker", || async { broker.is_running().then_some(()) }).await;
        let hub = chain.papers(&hub());
        Self { chain, broker, hub, port, _tasks: tasks }
    }

    /// Opens a door there, and nobody comes in.
    pub(crate) fn open_at(address: SocketAddr) -> Result<(), BrokerError> {
        Self::opened(&TestChain::new(1), address, DoorLimits::default()).map(drop)
    }

    fn opened(
        chain: &TestChain,
        address: SocketAddr,
        limits: DoorLimits,
    ) -> Result<(EmbeddedBroker, Door, Cuts), BrokerError> {
        let broker = EmbeddedBroker::default();
        let keys = DoorKeys {
            own: chain.door_certificate(),
            roots: chain.roots(),
            chain: chain.id,
            admission: chain.list.clone(),
            changes: chain.list.changes(),
            clock: chain.tls_clock(),
        };
        let (door, cuts) = Door::open(address, broker.clone(), keys, limits)?;
        Ok((broker, door, cuts))
    }

    /// The way in with these papers, or with none.
    pub(crate) fn way(&self, papers: Option<&Papers>) -> WayIn {
        WayIn { tls: Some(self.chain.link_tls(papers)), ..self.port.into() }
    }

    /// Papers that are in order, for somebody by name.
    pub(crate) fn papers(&self, who: &str) -> Papers {
        self.chain.papers(&principal(who))
    }

    /// The hub, hearing everything.
    pub(crate) async fn listener(&self) -> Guest {
        Guest::come(self.way(Some(&self.hub)), "hub", &["percolate/v1/#"], None).await.unwrap()
    }
}

/// Whose papers somebody has who calls himself so: his own, if he is a node.
pub(crate) fn principal(who: &str) -> Principal {
    match who.strip_prefix('n').and_then(|number| number.parse().ok()) {
        _ if who == "hub" => hub(),
        Some(number) => node(number),
        None => node(11),
    }
}
