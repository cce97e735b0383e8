//! A node made by hand: it speaks the wire through the real link, and does only what a test tells it to.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use percolate_common::entropy::SeededEntropy;
use percolate_common::ids::NodeId;
use percolate_common::journal::{AuthorId, Incarnation, JournalId, SigningKey, StreamKind};
use percolate_common::wire::envelope::Batch;
use percolate_common::wire::session::{
    Ack, FromHub, FromNode, Hello, Nudge, Position, Presence, Resend, SignedHead, Verdict, Welcome,
};
use percolate_common::wire::topic::{Topic, client_id, node_subscriptions};
use percolate_runtime::broker::{BrokerAddresses, Credentials};
use percolate_runtime::mqtt::{Link, LinkConfig, LinkEvent, LinkTls, Presence as Retained, PublishError, Publisher};
use percolate_runtime::tasks::TaskGroup;
use tokio::sync::mpsc;

use super::DEADLINE;
use super::events::{NOON_MS, Written};

/// How much of what was not waited for is shown when a test fails.
const PASSED_OVER_SHOWN: usize = 6;

/// Wait for the answer to a greeting before it is repeated, at first; it doubles.
const HELLO_RETRY: Duration = Duration::from_millis(300);

/// Where somebody meets the hub, and what is shown there.
#[derive(Debug, Clone)]
pub(crate) struct Door {
    pub(crate) brokers: BrokerAddresses,
    pub(crate) credentials: Option<Credentials>,
    pub(crate) tls: Option<LinkTls>,
}

impl From<u16> for Door {
    /// The hub's own broker, which asks nobody.
    fn from(port: u16) -> Self {
        Self { brokers: SocketAddr::from(([127, 0, 0, 1], port)).into(), credentials: None, tls: None }
    }
}

/// What came from the hub.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Heard {
    Up,
    Down,
    Session(FromHub),
    Batch(Box<Batch>),
    Nudge(Nudge),
}

/// A node.
pub(crate) struct TestNode {
    pub(crate) node: NodeId,
    pub(crate) incarnation: Incarnation,
    pub(crate) key: SigningKey,
    pub(crate) sales: Written,
    pub(crate) ops: Written,
    /// How far it has read the hub's journals.
    pub(crate) positions: Vec<Position>,
    pub(crate) session: u64,
    /// The number of its last greeting.
    pub(crate) boot: u64,
    publisher: Publisher,
    events: mpsc::Receiver<LinkEvent>,
    _tasks: TaskGroup,
}

impl TestNode {
    /// The key that a node has.
    pub(crate) fn key_of(number: u32) -> SigningKey {
        SigningKey::from_random(&[u8::try_from(number % 250).unwrap() + 1; 32]).unwrap()
    }

    /// Connects, without a greeting.
    pub(crate) async fn connect(number: u32, door: impl Into<Door>) -> Self {
        let node = NodeId::new(number);
        let incarnation = Incarnation::new(u64::from(number) << 32);
        let journal = |stream| JournalId { author: AuthorId::node(node), incarnation, stream };
        let boot = u64::from(number) + 1_000;
        let (publisher, events, tasks) = link(node, boot, door.into());
        let mut test = Self {
            node,
            incarnation,
            key: Self::key_of(number),
            sales: Written::new(journal(StreamKind::Sales)),
            ops: Written::new(journal(StreamKind::Ops)),
            positions: Vec::new(),
            session: 0,
            boot,
            publisher,
            events,
            _tasks: tasks,
        };
        test.wait_up().await;
        test
    }

    /// Connects and is welcomed.
    pub(crate) async fn in_session(number: u32, door: impl Into<Door>) -> Self {
        let mut node = Self::connect(number, door).await;
        node.greet().await;
        node
    }

    pub(crate) async fn wait_up(&mut self) {
        self.hear("the link", |heard| (*heard == Heard::Up).then_some(())).await;
    }

    pub(crate) fn hello(&self) -> Hello {
        let heads = [&self.sales, &self.ops].map(|journal| SignedHead::sign(&self.key, &journal.id, &journal.head()));
        Hello {
            wire_min: 1,
            wire_max: 1,
            incarnation: self.incarnation.get(),
            store: self.node.get() / 10,
            machine: [1; 16].into(),
            boot: self.boot,
            now_ms: NOON_MS,
            public_key: (*self.key.public_key().as_bytes()).into(),
            heads: heads.to_vec(),
            positions: self.positions.clone(),
            version: "0.1.0".to_owned(),
            marks: None,
            number: None,
        }
    }

    /// Says hello until it is answered, as a node does whose first greeting nobody heard.
    ///
    /// On a busy machine a greeting is repeated that was heard after all. Each opens a session, and ends the one
    /// before: only the answer to the last one counts. The boot number tells which one is answered; nothing else
    /// depends on it.
    pub(crate) async fn introduce(&mut self, mut hello: Hello) -> Welcome {
        let answered = async {
            let mut patience = HELLO_RETRY;
            loop {
                self.boot += 1;
                hello.boot = self.boot;
                let frame = FromNode::Hello(hello.clone()).encode().unwrap();
                self.publish(Topic::UpSession(self.node), &frame).await;
                if let Ok(welcome) = tokio::time::timeout(patience, self.welcome_to(hello.boot)).await {
                    return welcome;
                }
                patience *= 2;
            }
        };
        tokio::time::timeout(DEADLINE, answered).await.expect("the greeting was not answered")
    }

    /// Greets and is welcomed.
    pub(crate) async fn greet(&mut self) -> Welcome {
        let welcome = self.introduce(self.hello()).await;
        assert_eq!(welcome.verdict, Verdict::Welcome);
        assert_eq!(welcome.boot, self.boot);
        self.session = welcome.session;
        welcome
    }

    async fn welcome_to(&mut self, boot: u64) -> Welcome {
        self.hear("a welcome", |heard| match heard {
            Heard::Session(FromHub::Welcome(welcome)) if welcome.boot == boot => Some(welcome.clone()),
            _ => None,
        })
        .await
    }

    pub(crate) async fn send(&self, batch: &Batch) {
        self.publish(Topic::Up(self.node, batch.journal.stream), &batch.encode().unwrap()).await;
    }

    /// Sends everything of its sales in batches of `size` from `seq_lo` on, in the present session.
    pub(crate) async fn send_sales(&self, seq_lo: u64, size: u64) {
        let last = self.sales.head().seq;
        let mut lo = seq_lo;
        while lo <= last {
            let hi = (lo + size - 1).min(last);
            self.send(&self.sales.batch(lo, hi, self.session)).await;
            lo = hi + 1;
        }
    }

    pub(crate) async fn acknowledge(&self, position: Position) {
        let ack = FromNode::Ack(Ack { position, session: self.session, reader_ms: NOON_MS, parked: None });
        self.publish(Topic::UpSession(self.node), &ack.encode().unwrap()).await;
    }

    pub(crate) async fn ask_again(&self, position: Position) {
        let resend = FromNode::Resend(Resend { position, session: self.session });
        self.publish(Topic::UpSession(self.node), &resend.encode().unwrap()).await;
    }

    /// Publishes, waiting for room in the link's queue.
    pub(crate) async fn publish(&self, topic: Topic, frame: &[u8]) {
        self.publish_to(&topic.to_string(), frame).await;
    }

    pub(crate) async fn publish_to(&self, topic: &str, frame: &[u8]) {
        let mut ticks = tokio::time::interval(Duration::from_millis(2));
        loop {
            match self.publisher.try_publish(topic, Bytes::copy_from_slice(frame), false) {
                Err(PublishError::Full) => ticks.tick().await,
                // A frame that a dead link does not take is lost, as it would be in the network.
                Ok(()) | Err(PublishError::Down) => return,
                Err(error @ PublishError::TooLarge { .. }) => panic!("{error}"),
            };
        }
    }

    /// Waits for something that the hub says; what comes before it is passed over.
    pub(crate) async fn hear<T>(&mut self, what: &str, mut pick: impl FnMut(&Heard) -> Option<T>) -> T {
        let mut passed_over = VecDeque::new();
        let heard = tokio::time::timeout(DEADLINE, async {
            loop {
                let heard = read(self.events.recv().await.expect("the link has ended"));
                if let Some(found) = pick(&heard) {
                    return found;
                }
                passed_over.push_back(heard);
                if passed_over.len() > PASSED_OVER_SHOWN {
                    passed_over.pop_front();
                }
            }
        });
        let found = heard.await.ok();
        found.unwrap_or_else(|| panic!("n{} did not hear {what}; what came last: {passed_over:?}", self.node))
    }

    /// The next thing that the hub says on the session topic.
    pub(crate) async fn answer(&mut self) -> FromHub {
        self.hear("an answer", |heard| match heard {
            Heard::Session(answer) => Some(answer.clone()),
            _ => None,
        })
        .await
    }

    /// Waits until its sales are acknowledged up to `seq`, in the present session.
    pub(crate) async fn sales_acked(&mut self, seq: u64) -> Ack {
        self.sales_acked_beyond(seq - 1).await
    }

    /// Waits for the first acknowledgement of its sales in the present session that reaches beyond `seq`.
    pub(crate) async fn sales_acked_beyond(&mut self, seq: u64) -> Ack {
        let (id, session) = (self.sales.id, self.session);
        self.hear(&format!("an ack of {id} beyond {seq}"), |heard| match heard {
            Heard::Session(FromHub::Ack(ack)) if ack.session == session && ack.position.journal() == Some(id) => {
                (ack.position.seq() > seq).then(|| ack.clone())
            }
            _ => None,
        })
        .await
    }
}

fn link(node: NodeId, boot: u64, door: Door) -> (Publisher, mpsc::Receiver<LinkEvent>, TaskGroup) {
    let presence = |online| Retained {
        topic: Topic::Presence(node).to_string(),
        payload: Bytes::from(Presence { boot, online }.encode().unwrap()),
    };
    let config = LinkConfig {
        brokers: door.brokers,
        tls: door.tls,
        credentials: door.credentials,
        client_id: client_id(node),
        subscriptions: node_subscriptions(node),
        will: Some(presence(false)),
        online: Some(presence(true)),
        keep_alive: Duration::from_secs(10),
        retry_max: percolate_runtime::mqtt::RETRY_MAX,
    };
    let (link, publisher, events) = Link::new(config, Arc::new(SeededEntropy::new(boot)));
    let tasks = TaskGroup::new();
    tasks.spawn("test_node_link", |stop| link.run(stop));
    (publisher, events, tasks)
}

fn read(event: LinkEvent) -> Heard {
    match event {
        LinkEvent::Up => Heard::Up,
        LinkEvent::Down { .. } => Heard::Down,
        LinkEvent::Message { topic, payload } => match topic.parse().unwrap() {
            Topic::DownSession(_) => Heard::Session(FromHub::decode(&payload).unwrap()),
            Topic::Down(_) => Heard::Batch(Box::new(Batch::decode(&payload).unwrap())),
            Topic::AllDown(_) => Heard::Nudge(Nudge::decode(&payload).unwrap()),
            other => panic!("nothing should come to {other}"),
        },
    }
}
