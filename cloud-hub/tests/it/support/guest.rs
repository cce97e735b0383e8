//! Somebody at a broker, with a name, who says and hears whatever a test wants: the real link, and no protocol above it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use percolate_common::entropy::SeededEntropy;
use percolate_common::ids::NodeId;
use percolate_common::wire::topic::{hub_client_id, process_client_id};
use percolate_runtime::mqtt::{DownReason, Link, LinkConfig, LinkEvent, Presence, Publisher, RETRY_MAX};
use percolate_runtime::tasks::TaskGroup;
use tokio::sync::mpsc;

use super::DEADLINE;
use super::node::Door;

pub(crate) struct Guest {
    publisher: Publisher,
    events: mpsc::Receiver<LinkEvent>,
    tasks: TaskGroup,
}

impl Guest {
    /// Comes as `name` (hub, n11, or any other), and is let in with its subscriptions or told why not.
    pub(crate) async fn come(
        door: Door,
        name: &str,
        subscriptions: &[&str],
        will: Option<Presence>,
    ) -> Result<Self, DownReason> {
        let config = LinkConfig {
            brokers: door.brokers,
            tls: door.tls,
            credentials: door.credentials,
            client_id: client_id(name),
            subscriptions: subscriptions.iter().map(|filter| (*filter).to_owned()).collect(),
            will,
            online: None,
            keep_alive: Duration::from_secs(10),
            retry_max: RETRY_MAX,
        };
        let (link, publisher, events) = Link::new(config, Arc::new(SeededEntropy::new(1)));
        let tasks = TaskGroup::new();
        tasks.spawn("guest_link", |stop| link.run(stop));
        let mut guest = Self { publisher, events, tasks };
        match guest.event().await {
            LinkEvent::Up => Ok(guest),
            LinkEvent::Down { reason } => Err(reason),
            LinkEvent::Message { topic, .. } => panic!("{topic} came before the link was up"),
        }
    }

    /// Says something.
    pub(crate) fn say(&self, topic: &str, payload: &Bytes) {
        self.publisher.try_publish(topic, payload.clone(), false).unwrap();
    }

    /// The next message: where, and what.
    pub(crate) async fn hear(&mut self) -> (String, Bytes) {
        match self.event().await {
            LinkEvent::Message { topic, payload } => (topic, payload),
            other @ (LinkEvent::Up | LinkEvent::Down { .. }) => panic!("a message, not {other:?}"),
        }
    }

    /// Why the connection ended; what is heard before is passed over.
    pub(crate) async fn end(&mut self) -> DownReason {
        loop {
            match self.event().await {
                LinkEvent::Down { reason } => return reason,
                LinkEvent::Message { .. } => {}
                LinkEvent::Up => panic!("the link came up again before it was down"),
            }
        }
    }

    /// Waits until the link is up, or down, again.
    pub(crate) async fn next_try(&mut self) -> Result<(), DownReason> {
        match self.event().await {
            LinkEvent::Up => Ok(()),
            LinkEvent::Down { reason } => Err(reason),
            LinkEvent::Message { topic, .. } => panic!("{topic} came before the link was up"),
        }
    }

    /// Hangs up without a word, so that the broker says its will.
    pub(crate) async fn cut(self) {
        assert!(self.tasks.stop(DEADLINE).await.is_clean());
    }

    async fn event(&mut self) -> LinkEvent {
        tokio::time::timeout(DEADLINE, self.events.recv()).await.expect("nothing came").expect("the link has ended")
    }
}

/// The id of a process of somebody; a second one does not push the first out.
fn client_id(name: &str) -> String {
    static PROCESSES: AtomicU64 = AtomicU64::new(1);
    let process = PROCESSES.fetch_add(1, Ordering::Relaxed);
    let node = name.strip_prefix('n').and_then(|number| number.parse().ok()).map(NodeId::new);
    match node {
        _ if name == "hub" => hub_client_id("test", process),
        Some(node) if name == format!("n{node}") => process_client_id(node, process),
        Some(_) | None => name.to_owned(),
    }
}
