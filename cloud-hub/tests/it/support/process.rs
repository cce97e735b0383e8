//! One process of node 11 that numbers its greetings, as nodes do that may have been copied: several may be connected.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use percolate_common::entropy::SeededEntropy;
use percolate_common::ids::NodeId;
use percolate_common::journal::{JournalId, SigningKey};
use percolate_common::wire::envelope::Batch;
use percolate_common::wire::session::{
    Ack, FromHub, FromNode, Hello, Position, Presence, Resend, SignedHead, Verdict, Welcome,
};
use percolate_common::wire::topic::{Topic, node_subscriptions, process_client_id};
use percolate_runtime::mqtt::{Link, LinkConfig, LinkEvent, Presence as Retained, PublishError, Publisher};
use percolate_runtime::tasks::TaskGroup;
use tokio::sync::mpsc;

use super::DEADLINE;
use super::events::{NOON_MS, Written};
use super::node::Door;

/// Which node all of them are.
const NODE: NodeId = NodeId::new(11);

/// The random bytes of its key.
pub(crate) const KEY: [u8; 32] = [12; 32];

/// Wait for the answer to a greeting before the next one, at first; it doubles.
const HELLO_RETRY: Duration = Duration::from_millis(300);

/// The place of an entry of a journal.
pub(crate) fn place(journal: &Written, seq: u64) -> Position {
    let head = journal.heads[usize::try_from(seq).unwrap()];
    Position::new(&journal.id, seq, head.hash.short())
}

/// What is said of a journal in a list of positions.
pub(crate) fn said_of(positions: &[Position], journal: &JournalId) -> Option<u64> {
    positions.iter().find(|position| position.journal().as_ref() == Some(journal)).map(Position::seq)
}

/// A process.
pub(crate) struct Process {
    pub(crate) boot: u64,
    /// The journal of sales of the life that it is in.
    pub(crate) sales: Written,
    pub(crate) session: u64,
    /// The number of its last greeting.
    pub(crate) number: u64,
    key: SigningKey,
    publisher: Publisher,
    events: mpsc::Receiver<LinkEvent>,
    _tasks: TaskGroup,
}

impl Process {
    /// Connects on a disk that holds these sales, without a greeting.
    pub(crate) async fn start(boot: u64, sales: Written, door: Door) -> Self {
        let (publisher, events, tasks) = link(boot, door);
        let key = SigningKey::from_random(&KEY).unwrap();
        let mut process = Self { boot, sales, session: 0, number: 0, key, publisher, events, _tasks: tasks };
        process.hear("the link", |heard| matches!(heard, Heard::Up).then_some(())).await;
        process
    }

    /// Connects and is welcomed.
    pub(crate) async fn in_session(boot: u64, sales: Written, door: Door) -> Self {
        let mut process = Self::start(boot, sales, door).await;
        process.greet().await;
        process
    }

    /// The greeting with the next number.
    pub(crate) fn next_hello(&mut self, marks: Option<Vec<Position>>) -> Hello {
        self.number += 1;
        Hello {
            wire_min: 1,
            wire_max: 1,
            incarnation: self.sales.id.incarnation.get(),
            store: 1,
            machine: [1; 16].into(),
            boot: self.boot,
            now_ms: NOON_MS,
            public_key: (*self.key.public_key().as_bytes()).into(),
            heads: vec![SignedHead::sign(&self.key, &self.sales.id, &self.sales.head())],
            positions: Vec::new(),
            version: "0.1.0".to_owned(),
            marks,
            number: Some(self.number),
        }
    }

    /// Greets until the last greeting is answered.
    pub(crate) async fn introduce(&mut self, marks: Option<Vec<Position>>) -> Welcome {
        let answered = async {
            let mut patience = HELLO_RETRY;
            loop {
                let hello = self.next_hello(marks.clone());
                self.say(&FromNode::Hello(hello)).await;
                if let Ok(welcome) = tokio::time::timeout(patience, self.answer_to_last()).await {
                    return welcome;
                }
                patience *= 2;
            }
        };
        tokio::time::timeout(DEADLINE, answered).await.expect("the greeting was not answered")
    }

    async fn answer_to_last(&mut self) -> Welcome {
        let (boot, number) = (self.boot, self.number);
        let welcome = self.hear("a welcome", |heard| match heard {
            Heard::Session(FromHub::Welcome(welcome)) if (welcome.boot, welcome.number) == (boot, Some(number)) => {
                Some(welcome.clone())
            }
            _ => None,
        });
        let welcome = welcome.await;
        assert_eq!(welcome.incarnation, Some(self.sales.id.incarnation.get()));
        welcome
    }

    /// The session of an answer to a greeting that had no number.
    pub(crate) async fn unnumbered_session(&mut self) -> u64 {
        let boot = self.boot;
        self.hear("a welcome", |heard| match heard {
            Heard::Session(FromHub::Welcome(welcome)) if (welcome.boot, welcome.number) == (boot, None) => {
                Some(welcome.session)
            }
            _ => None,
        })
        .await
    }

    /// Greets and is welcomed.
    pub(crate) async fn greet(&mut self) -> Welcome {
        let welcome = self.introduce(None).await;
        assert_eq!(welcome.verdict, Verdict::Welcome);
        self.session = welcome.session;
        welcome
    }

    pub(crate) async fn say(&self, message: &FromNode) {
        self.publish(Topic::UpSession(NODE), &message.encode().unwrap()).await;
    }

    /// Asks for everything of a journal after a place.
    pub(crate) async fn ask(&self, position: Position) {
        self.say(&FromNode::Resend(Resend { position, session: self.session })).await;
    }

    pub(crate) async fn acknowledge(&self, position: Position) {
        self.say(&FromNode::Ack(Ack { position, session: self.session, reader_ms: NOON_MS, parked: None })).await;
    }

    /// Sends entries of a journal in its session.
    pub(crate) async fn send(&self, journal: &Written, seq_lo: u64, seq_hi: u64) {
        let batch = journal.batch(seq_lo, seq_hi, self.session);
        self.publish(Topic::Up(NODE, journal.id.stream), &batch.encode().unwrap()).await;
    }

    async fn publish(&self, topic: Topic, frame: &[u8]) {
        let topic = topic.to_string();
        let mut ticks = tokio::time::interval(Duration::from_millis(2));
        loop {
            match self.publisher.try_publish(&topic, Bytes::copy_from_slice(frame), false) {
                Err(PublishError::Full) => ticks.tick().await,
                Ok(()) | Err(PublishError::Down) => return,
                Err(error @ PublishError::TooLarge { .. }) => panic!("{error}"),
            };
        }
    }

    async fn hear<T>(&mut self, what: &str, mut pick: impl FnMut(&Heard) -> Option<T>) -> T {
        let heard = tokio::time::timeout(DEADLINE, async {
            loop {
                let event = self.events.recv().await.expect("the link has ended");
                if let Some(found) = pick(&read(event)) {
                    return found;
                }
            }
        });
        heard.await.unwrap_or_else(|_| panic!("boot {} did not hear {what}", self.boot))
    }

    /// The next thing that the hub says in its session, an answer to a greeting excepted.
    pub(crate) async fn answer(&mut self) -> FromHub {
        let own = self.session;
        self.hear("an answer", |heard| {
            let Heard::Session(answer) = heard else { return None };
            let session = match answer {
                FromHub::Welcome(_) => return None,
                FromHub::Ack(ack) => ack.session,
                FromHub::Resend(resend) => resend.session,
                FromHub::Rehello { session }
                | FromHub::Contested { session, .. }
                | FromHub::TotalsDiffer { session, .. } => *session,
            };
            (session == own).then(|| answer.clone())
        })
        .await
    }

    /// The next answer must be an acknowledgement, in its session, of a journal up to an entry.
    pub(crate) async fn acked(&mut self, journal: &Written, seq: u64) {
        match self.answer().await {
            FromHub::Ack(ack) => assert_eq!(ack.position, place(journal, seq)),
            other => panic!("{other:?}"),
        }
    }

    /// The next batch that is sent down in its session.
    pub(crate) async fn batch(&mut self) -> Batch {
        let own = self.session;
        self.hear("a batch", |heard| match heard {
            Heard::Batch(batch) if batch.session == own => Some((**batch).clone()),
            _ => None,
        })
        .await
    }
}

/// What came from the hub.
enum Heard {
    Up,
    Session(FromHub),
    Batch(Box<Batch>),
    Other,
}

fn link(boot: u64, door: Door) -> (Publisher, mpsc::Receiver<LinkEvent>, TaskGroup) {
    let presence = |online| Retained {
        topic: Topic::Presence(NODE).to_string(),
        payload: Bytes::from(Presence { boot, online }.encode().unwrap()),
    };
    let config = LinkConfig {
        brokers: door.brokers,
        tls: door.tls,
        credentials: door.credentials,
        client_id: process_client_id(NODE, boot),
        subscriptions: node_subscriptions(NODE),
        will: Some(presence(false)),
        online: Some(presence(true)),
        keep_alive: Duration::from_secs(10),
        retry_max: percolate_runtime::mqtt::RETRY_MAX,
    };
    let (link, publisher, events) = Link::new(config, Arc::new(SeededEntropy::new(boot)));
    let tasks = TaskGroup::new();
    tasks.spawn("test_process_link", |stop| link.run(stop));
    (publisher, events, tasks)
}

fn read(event: LinkEvent) -> Heard {
    match event {
        LinkEvent::Up => Heard::Up,
        LinkEvent::Down { .. } => Heard::Other,
        LinkEvent::Message { topic, payload } => match topic.parse().unwrap() {
            Topic::DownSession(_) => Heard::Session(FromHub::decode(&payload).unwrap()),
            Topic::Down(_) => Heard::Batch(Box::new(Batch::decode(&payload).unwrap())),
            _ => Heard::Other,
        },
    }
}
