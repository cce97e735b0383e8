//! A hub played by hand: it speaks the wire, keeps what it takes, and does only what a test tells it to.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;

use percolate_common::ids::NodeId;
use percolate_common::journal::{Hash, Head, JournalId, StreamKind};
use percolate_common::sync::inbound::{Judgement, judge};
use percolate_common::time::UtcMillis;
use percolate_common::wire::envelope::Batch;
use percolate_common::wire::session::{
    Ack, FromHub, FromNode, Hello, Nudge, Position, Presence, Resend, Verdict, Welcome,
};
use percolate_common::wire::topic::Topic;
use tokio::net::TcpListener;

use super::in_time;
use super::menu::MenuJournal;
use super::mqtt::Connection;
use super::node::{NODE, NOON_MS};

/// How much of what was not waited for is shown when a test fails.
const PASSED_OVER_SHOWN: usize = 8;

/// What came from the node.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Heard {
    Presence(Presence),
    Session(FromNode),
    Batch(Box<Batch>),
}

/// The hub.
#[derive(Debug)]
pub(crate) struct TestHub {
    /// Nobody listens while it is away.
    listener: Option<TcpListener>,
    address: SocketAddr,
    connection: Option<Connection>,
    /// The boot number of the greeting that is being answered.
    pub(crate) boot: u64,
    /// Its incarnation and its number.
    asked: (Option<u64>, Option<u64>),
    pub(crate) session: u64,
    /// What its clock says.
    pub(crate) now_ms: i64,
    /// The node's journals as far as they were taken: heads after 0, 1, 2 … entries.
    pub(crate) held: BTreeMap<JournalId, Vec<Head>>,
    /// The entries themselves.
    events: BTreeMap<JournalId, Vec<Vec<u8>>>,
}

impl TestHub {
    pub(crate) async fn listen() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self {
            address: listener.local_addr().unwrap(),
            listener: Some(listener),
            connection: None,
            boot: 0,
            asked: (None, None),
            session: 0,
            now_ms: NOON_MS,
            held: BTreeMap::new(),
            events: BTreeMap::new(),
        }
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    fn listener(&self) -> &TcpListener {
        self.listener.as_ref().expect("the hub is away")
    }

    /// Hangs up, and is nowhere: whoever comes is turned away by its machine.
    pub(crate) fn go_away(&mut self) {
        (self.listener, self.connection) = (None, None);
    }

    /// Listens again where it was.
    pub(crate) async fn come_back(&mut self) {
        self.listener = Some(TcpListener::bind(self.address).await.unwrap());
    }

    /// Refuses the node's next connection by the broker's word.
    pub(crate) async fn refuse(&self) {
        Connection::refuse(self.listener()).await;
    }

    /// Takes the node's next connection, and hangs up before a word.
    pub(crate) async fn hang_up_on_the_next(&self) {
        drop(in_time("a connection of the node", self.listener().accept()).await.unwrap());
    }

    /// How far it holds a stream of the node's only life.
    pub(crate) fn held_seq(&self, stream: StreamKind) -> u64 {
        self.held_head(stream).map_or(0, |(seq, _)| seq)
    }

    /// The last entry of that.
    pub(crate) fn held_head(&self, stream: StreamKind) -> Option<(u64, Hash)> {
        let (_, heads) = self.held.iter().find(|(id, _)| id.stream == stream)?;
        heads.last().map(|head| (head.seq, head.hash)).filter(|(seq, _)| *seq > 0)
    }

    /// Takes the node's next connection, and its greeting.
    pub(crate) async fn connect(&mut self) -> Hello {
        self.connection = Some(Connection::accept(self.listener()).await);
        self.hello().await
    }

    /// Takes another connection of the node beside the present one.
    pub(crate) async fn meet(&self) -> Connection {
        Connection::accept(self.listener()).await
    }

    /// What the node said of itself when it connected.
    pub(crate) fn connect_packet(&self) -> &[u8] {
        &self.connection.as_ref().unwrap().connect
    }

    /// The node's next greeting.
    pub(crate) async fn hello(&mut self) -> Hello {
        self.hear("a greeting", |heard| match heard {
            Heard::Session(FromNode::Hello(hello)) => Some(hello.clone()),
            _ => None,
        })
        .await
    }

    /// Answers the last greeting with a verdict, and with how far it holds the node's journals.
    pub(crate) async fn answer(&mut self, verdict: Verdict) {
        self.welcome(verdict, None).await;
    }

    /// Answers the last greeting with a verdict, how far it holds the node's journals, and where both are alike.
    pub(crate) async fn welcome(&mut self, verdict: Verdict, agreed: Option<Vec<Position>>) {
        let positions = self.held.iter().map(|(id, heads)| position(id, heads.last().unwrap())).collect();
        self.session += 1;
        let (incarnation, number) = self.asked;
        let welcome = Welcome {
            boot: self.boot,
            verdict,
            session: self.session,
            positions,
            hub_ms: self.now_ms,
            agreed,
            incarnation,
            number,
            parked: None,
        };
        self.say(&FromHub::Welcome(welcome)).await;
    }

    /// Takes the node's next connection and welcomes it.
    pub(crate) async fn greet(&mut self) -> Hello {
        let hello = self.connect().await;
        self.answer(Verdict::Welcome).await;
        hello
    }

    /// Hangs up. What was on its way is lost.
    pub(crate) fn hang_up(&mut self) {
        self.connection = None;
    }

    pub(crate) async fn say(&mut self, message: &FromHub) {
        self.publish(Topic::DownSession(NodeId::new(NODE)), &message.encode().unwrap()).await;
    }

    /// Sends entries of the menu.
    pub(crate) async fn send_menu(&mut self, menu: &MenuJournal, seq_lo: u64, seq_hi: u64) {
        let batch = menu.batch(seq_lo, seq_hi, self.session);
        self.send(&batch).await;
    }

    /// Gives an older life of the node back what it asks for.
    pub(crate) async fn give_back(&mut self, asked: &Resend) {
        let (id, after) = (asked.position.journal().unwrap(), usize::try_from(asked.position.seq()).unwrap());
        let heads = &self.held[&id];
        assert_eq!(heads[after].hash.short(), asked.position.hash(), "it asks from a place that both hold");
        let batch = Batch {
            journal: id,
            seq_lo: asked.position.seq() + 1,
            hash_before: asked.position.hash(),
            events: self.events[&id][after..].to_vec(),
            stock_totals: Vec::new(),
            sent_at: UtcMillis::new(self.now_ms),
            session: self.session,
            last_seq: heads.last().unwrap().seq,
        };
        self.send(&batch).await;
    }

    pub(crate) async fn send(&mut self, batch: &Batch) {
        self.publish(Topic::Down(NodeId::new(NODE)), &batch.encode().unwrap()).await;
    }

    /// Sends the whole menu and waits until the node has it.
    pub(crate) async fn serve_menu(&mut self, menu: &MenuJournal) {
        self.send_menu(menu, 1, menu.head().seq).await;
        self.menu_acked(menu, menu.head().seq).await;
    }

    pub(crate) async fn nudge(&mut self, menu: &MenuJournal) {
        let nudge = Nudge { head: position(&menu.id, &menu.head()) };
        self.publish(Topic::AllDown(menu.id.stream), &nudge.encode().unwrap()).await;
    }

    pub(crate) async fn publish(&mut self, topic: Topic, frame: &[u8]) {
        self.connection.as_mut().expect("nobody is connected").publish(&topic.to_string(), frame).await;
    }

    /// Acknowledges a journal up to a sequence number that is held.
    pub(crate) async fn acknowledge(&mut self, id: JournalId, seq: u64) {
        let head = self.held[&id][usize::try_from(seq).unwrap()];
        let ack = Ack { position: position(&id, &head), session: self.session, reader_ms: self.now_ms, parked: None };
        self.say(&FromHub::Ack(ack)).await;
    }

    /// Asks for a journal again from after a sequence number that is held.
    pub(crate) async fn ask_again(&mut self, id: JournalId, seq: u64) {
        let head = self.held[&id][usize::try_from(seq).unwrap()];
        self.say(&FromHub::Resend(Resend { position: position(&id, &head), session: self.session })).await;
    }

    /// The next thing that the node says; nothing when it has hung up.
    async fn next(&mut self) -> Option<Heard> {
        let (topic, payload) = self.connection.as_mut().expect("nobody is connected").message().await?;
        Some(match topic.parse().unwrap() {
            Topic::UpSession(_) => {
                let said = FromNode::decode(&payload).unwrap();
                if let FromNode::Hello(hello) = &said {
                    self.boot = hello.boot;
                    self.asked = (Some(hello.incarnation), hello.number);
                }
                Heard::Session(said)
            }
            Topic::Up(..) => Heard::Batch(Box::new(Batch::decode(&payload).unwrap())),
            Topic::Presence(_) => Heard::Presence(Presence::decode(&payload).unwrap()),
            other => panic!("a node has nothing to say to {other}"),
        })
    }

    /// Waits for something that the node says; what comes before it is passed over.
    pub(crate) async fn hear<T>(&mut self, what: &str, mut pick: impl FnMut(&Heard) -> Option<T>) -> T {
        let mut passed_over = VecDeque::new();
        loop {
            let Some(heard) = self.next().await else { panic!("the node hung up before {what}: {passed_over:#?}") };
            if let Some(found) = pick(&heard) {
                return found;
            }
            passed_over.push_back(heard);
            if passed_over.len() > PASSED_OVER_SHOWN {
                passed_over.pop_front();
            }
        }
    }

    /// Everything that the node says until it hangs up.
    pub(crate) async fn heard_to_the_end(&mut self) -> Vec<Heard> {
        let mut all = Vec::new();
        while let Some(heard) = self.next().await {
            all.push(heard);
        }
        all
    }

    /// The next thing that the node says about journals.
    pub(crate) async fn reply(&mut self) -> FromNode {
        self.hear("a reply", |heard| match heard {
            Heard::Session(FromNode::Mark(_)) => None,
            Heard::Session(reply) => Some(reply.clone()),
            _ => None,
        })
        .await
    }

    /// Waits until the node acknowledges the menu up to `seq`.
    pub(crate) async fn menu_acked(&mut self, menu: &MenuJournal, seq: u64) -> Ack {
        let (id, hash) = (menu.id, menu.heads[usize::try_from(seq).unwrap()].hash.short());
        let ack = self
            .hear(&format!("an acknowledgement of {id} up to {seq}"), |heard| match heard {
                Heard::Session(FromNode::Ack(ack)) if ack.position.journal() == Some(id) => {
                    (ack.position.seq() == seq).then(|| ack.clone())
                }
                _ => None,
            })
            .await;
        assert_eq!(ack.position.hash(), hash, "the node's chain is the hub's");
        assert_eq!(ack.session, self.session);
        ack
    }

    /// The next batch of a stream, whatever it holds.
    pub(crate) async fn batch(&mut self, stream: StreamKind) -> Batch {
        self.hear(&format!("a batch of {stream}"), |heard| match heard {
            Heard::Batch(batch) if batch.journal.stream == stream => Some((**batch).clone()),
            _ => None,
        })
        .await
    }

    /// Takes a batch in as a hub does: what continues is held.
    pub(crate) fn take(&mut self, batch: &Batch) {
        assert_eq!(batch.session, self.session, "a batch of the present session");
        let heads = self.held.entry(batch.journal).or_insert_with(|| vec![batch.journal.genesis()]);
        let held = *heads.last().unwrap();
        let hash_at = |seq: u64| Ok::<_, ()>(Some(heads[usize::try_from(seq).unwrap()].hash));
        match judge(held, batch, hash_at).unwrap() {
            Judgement::Append(entries) => {
                let new: Vec<Head> = entries.iter().map(|entry| entry.head).collect();
                let bytes = entries.iter().map(|entry| entry.bytes.to_vec());
                self.events.entry(batch.journal).or_default().extend(bytes);
                heads.extend(new);
            }
            Judgement::Repeat => {}
            other => panic!("{other:?} of {batch:?}"),
        }
    }

    /// Takes and acknowledges batches until a stream is held up to `seq`.
    pub(crate) async fn take_until(&mut self, stream: StreamKind, seq: u64) -> JournalId {
        loop {
            let batch = self.batch(stream).await;
            self.take(&batch);
            let held = self.held[&batch.journal].last().unwrap().seq;
            self.acknowledge(batch.journal, held).await;
            if held >= seq {
                assert_eq!(held, seq);
                return batch.journal;
            }
        }
    }
}

/// A position at a head.
pub(crate) fn position(id: &JournalId, head: &Head) -> Position {
    Position::new(id, head.seq, head.hash.short())
}
