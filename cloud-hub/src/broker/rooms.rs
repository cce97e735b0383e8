//! Where the connections of one run meet: each node in one of many rooms, the hub's links in a room of their own.
//!
//! Whoever comes or goes makes mqtt5 walk all that its router knows, so a router is for some tens of nodes; what is said is handed
//! from room to room, for nodes hear the hub and nobody else. Why so: docs/adr/0038.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use mqtt5::broker::config::BrokerConfig;
use mqtt5::broker::router::MessageRouter;
use mqtt5::broker::storage::client_queue::QueueLimits;
use mqtt5::broker::{
    BrokerEventHandler, ClientPublishEvent, DynamicStorage, MemoryBackend, PublishAction, RetainedSetEvent,
    StorageBackend,
};
use mqtt5::packet::publish::PublishPacket;
use percolate_common::ids::NodeId;
use percolate_common::wire::topic::{NODES_A_STORE, Topic};
use tokio::time::Instant;

/// Rooms for nodes: of 20,000 there are 40 in each.
const ROOMS: usize = 512;

/// A deadline that is over by so much is waited for no longer, however coarse the clock of the timers is.
const TICK: Duration = Duration::from_millis(10);

/// Limits of each room.
#[derive(Debug, Clone, Copy)]
pub(super) struct RoomLimits {
    /// What waits for one client.
    pub(super) queue: QueueLimits,
    /// Topics that keep a message.
    pub(super) kept_messages: usize,
    /// The largest message that is kept, in bytes.
    pub(super) kept_bytes: usize,
}

/// Where some connections meet.
#[derive(Clone)]
pub(super) struct Room {
    pub(super) config: Arc<BrokerConfig>,
    pub(super) router: Arc<MessageRouter>,
    pub(super) storage: Arc<DynamicStorage>,
}

/// The rooms of one run.
pub(super) struct Rooms {
    hub: Room,
    nodes: Vec<Room>,
}

impl Rooms {
    /// Empty rooms: limits of the hub's room, and of those of nodes.
    pub(super) fn new(config: &BrokerConfig, of_hub: RoomLimits, of_node: RoomLimits) -> Self {
        let (hub, storage) = router(of_hub);
        let hub = Arc::new(hub);
        let to_hub = Arc::new(ToHub(hub.clone()));
        let to_hub_config = Arc::new(config.clone().with_event_handler(to_hub.clone()));
        let room = |_number| {
            let (router, storage) = router(of_node);
            Room { config: to_hub_config.clone(), router: Arc::new(router.with_event_handler(to_hub.clone())), storage }
        };
        let nodes: Vec<Room> = (0..ROOMS).map(room).collect();
        let to_nodes = ToNodes(nodes.iter().map(|room| room.router.clone()).collect());
        let config = Arc::new(config.clone().with_event_handler(Arc::new(to_nodes)));
        Self { hub: Room { config, router: hub, storage }, nodes }
    }

    /// Where a node belongs, or one of the hub's links.
    pub(super) fn of(&self, node: Option<NodeId>) -> &Room {
        node.and_then(|node| self.nodes.get(number_of(node))).unwrap_or(&self.hub)
    }

    /// Forgets what is over.
    pub(super) async fn tidy(&self) -> mqtt5::Result<()> {
        for room in self.nodes.iter().chain([&self.hub]) {
            room.storage.cleanup_expired().await?;
            room.router.sweep_sessions().await;
        }
        Ok(())
    }
}

fn router(limits: RoomLimits) -> (MessageRouter, Arc<DynamicStorage>) {
    let storage = Arc::new(DynamicStorage::Memory(MemoryBackend::with_queue_limits(limits.queue)));
    let router = MessageRouter::with_storage(storage.clone())
        .with_fallback_queue_limits(limits.queue)
        .with_retained_limits(limits.kept_messages, limits.kept_bytes);
    (router, storage)
}

/// The room of a node: all of one store in one, and stores in a row in rooms in a row.
fn number_of(node: NodeId) -> usize {
    usize::try_from(node.get() / NODES_A_STORE).map_or(0, |store| store % ROOMS)
}

type Heard<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Hands on what nodes say, to the hub's links.
struct ToHub(Arc<MessageRouter>);

impl BrokerEventHandler for ToHub {
    /// What is not kept is of no use in the room. What is kept comes by [`Self::on_retained_set`], and so does a will.
    fn on_client_publish<'a>(&'a self, said: ClientPublishEvent) -> Heard<'a, PublishAction> {
        Box::pin(async move {
            if said.retain {
                return PublishAction::Continue;
            }
            self.0.route_message(&packet(&said), None).await;
            PublishAction::Handled
        })
    }

    fn on_retained_set<'a>(&'a self, kept: RetainedSetEvent) -> Heard<'a, ()> {
        Box::pin(async move {
            let mut packet = PublishPacket::new(&*kept.topic, kept.payload, kept.qos);
            packet.retain = true;
            self.0.route_message(&packet, None).await;
        })
    }
}

/// Hands on what the hub says to nodes. The hub's other links may hear it, too.
struct ToNodes(Vec<Arc<MessageRouter>>);

impl BrokerEventHandler for ToNodes {
    fn on_client_publish<'a>(&'a self, said: ClientPublishEvent) -> Heard<'a, PublishAction> {
        Box::pin(async move {
            let rooms = match said.topic.parse() {
                Ok(Topic::Down(node) | Topic::DownSession(node)) => {
                    self.0.get(number_of(node)).map(std::slice::from_ref).unwrap_or_default()
                }
                Ok(Topic::AllDown(_)) => &*self.0,
                Ok(Topic::Up(..) | Topic::UpSession(_) | Topic::Presence(_) | Topic::HubDownlink) | Err(_) => &[],
            };
            // Nobody is waited for who does not take what is for him: it would be the hub that waits, and all nodes with it.
            let now = Instant::now();
            let long_ago = now.checked_sub(TICK).unwrap_or(now);
            for room in rooms {
                room.route_message_with_deadline(&packet(&said), None, long_ago).await;
            }
            PublishAction::Continue
        })
    }
}

fn packet(said: &ClientPublishEvent) -> PublishPacket {
    let mut packet = PublishPacket::new(&*said.topic, said.payload.clone(), said.qos);
    packet.retain = said.retain;
    packet
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use bytes::Bytes;
    use mqtt5::QoS;
    use mqtt5::broker::router::{DeliveryLanes, LaneReceivers, SubscriptionRequest};
    use tokio::sync::oneshot;

    use super::*;

    const QUEUE: QueueLimits = QueueLimits { max_messages: 4, max_bytes: 1_024 };
    const LIMITS: RoomLimits = RoomLimits { queue: QUEUE, kept_messages: 10, kept_bytes: 100 };

    #[test]
    fn a_store_is_in_one_room_and_no_room_is_crowded() {
        let room = |node: u32| number_of(NodeId::new(node));
        assert!((10..20).all(|node| room(node) == room(11)));
        let mut count = BTreeMap::new();
        (1..=20_000).for_each(|store| *count.entry(room(store * 10 + 1)).or_insert(0) += 1);
        assert_eq!((count.len(), count.values().max()), (ROOMS, Some(&40)));
    }

    /// A connection that has room for one message, and hears its session's topic.
    async fn connected(room: &Room, node: NodeId) -> LaneReceivers {
        let (lanes, heard) = DeliveryLanes::channel(1);
        let name = format!("n{node}");
        let queue = room.router.queue_handle(&name);
        room.router.register_client(name.clone(), lanes, queue, oneshot::channel().0).await;
        let filter = Topic::DownSession(node).to_string();
        room.router.subscribe(SubscriptionRequest::new(name, filter, QoS::AtLeastOnce)).await.unwrap();
        heard
    }

    fn says(node: NodeId) -> ClientPublishEvent {
        ClientPublishEvent {
            client_id: "hub-1".into(),
            user_id: None,
            topic: Topic::DownSession(node).to_string().into(),
            payload: Bytes::from_static(b"heard"),
            qos: QoS::AtLeastOnce,
            retain: false,
            packet_id: Some(1),
            response_topic: None,
            correlation_data: None,
        }
    }

    #[tokio::test]
    async fn the_hub_waits_for_no_node_that_takes_nothing() {
        let rooms = Rooms::new(&BrokerConfig::default(), LIMITS, LIMITS);
        let node = NodeId::new(11);
        let mut heard = connected(rooms.of(Some(node)), node).await;
        let to_nodes = rooms.of(None).config.event_handler.clone().unwrap();
        // One has room on the connection, the next waits in the queue, and nobody has taken the first.
        for _ in 0..2 {
            tokio::select! {
                biased;
                _done = to_nodes.on_client_publish(says(node)) => {}
                () = std::future::ready(()) => panic!("the hub waits for a node"),
            }
        }
        assert!(heard.try_recv().is_ok(), "what there was room for is heard");
    }
}
