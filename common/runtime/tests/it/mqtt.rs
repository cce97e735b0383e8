//! The link against a broker that is played by hand, so that it can misbehave on purpose.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use percolate_common::entropy::SeededEntropy;
use percolate_runtime::broker::Credentials;
use percolate_runtime::mqtt::{
    DownReason, FILTERS_MAX, FRAME_BYTES_MAX, HearError, Link, LinkConfig, LinkEvent, Presence, PublishError, Publisher,
};
use percolate_runtime::tasks::TaskGroup;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;

const DEADLINE: Duration = Duration::from_secs(20);
const LONG: Duration = Duration::from_secs(30);
const SHORT: Duration = Duration::from_secs(1);

const CONNECT: u8 = 1;
const PUBLISH: u8 = 3;
const SUBSCRIBE: u8 = 8;
const UNSUBSCRIBE: u8 = 10;

struct Bench {
    tasks: TaskGroup,
    listener: TcpListener,
    publisher: Publisher,
    events: mpsc::Receiver<LinkEvent>,
}

/// The broker's end of one connection.
struct Peer {
    stream: TcpStream,
}

struct Packet {
    kind: u8,
    flags: u8,
    body: Vec<u8>,
}

impl Bench {
    async fn new(keep_alive: Duration) -> Self {
        Self::with(keep_alive, |_config| {}).await
    }

    /// A link whose configuration was changed before its start.
    async fn with(keep_alive: Duration, change: impl FnOnce(&mut LinkConfig)) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut config = LinkConfig {
            brokers: listener.local_addr().unwrap().into(),
            tls: None,
            credentials: None,
            client_id: "n11".to_owned(),
            subscriptions: vec!["down/one".to_owned(), "down/two".to_owned()],
            will: Some(Presence { topic: "presence".to_owned(), payload: Bytes::from_static(b"gone") }),
            online: Some(Presence { topic: "presence".to_owned(), payload: Bytes::from_static(b"here") }),
            keep_alive,
            retry_max: percolate_runtime::mqtt::RETRY_MAX,
        };
        change(&mut config);
        let (link, publisher, events) = Link::new(config, Arc::new(SeededEntropy::new(1)));
        let tasks = TaskGroup::new();
        tasks.spawn("link", |stop| link.run(stop));
        Self { tasks, listener, publisher, events }
    }

    async fn accept(&self) -> Peer {
        let (stream, _) = timeout(DEADLINE, self.listener.accept()).await.unwrap().unwrap();
        Peer { stream }
    }

    /// Takes a connection all the way up, and checks what every connection must do.
    async fn accept_up(&mut self) -> Peer {
        let mut peer = self.accept().await;
        let connect = peer.take(CONNECT).await;
        assert_eq!(connect.body[7] & 0b10, 0b10, "a clean session");
        assert!(
            connect.body.ends_with(b"\x00\x03n11\x00\x08presence\x00\x04gone"),
            "client and will: {:?}",
            connect.body
        );
        peer.send(&[0x20, 2, 0, 0]).await;
        let subscribe = peer.take(SUBSCRIBE).await;
        assert_eq!(&subscribe.body[2..], b"\x00\x08down/one\x01\x00\x08down/two\x01");
        assert_eq!(self.publish("early"), Err(PublishError::Down), "not before it is subscribed");
        assert!(!self.publisher.is_up());
        peer.send(&[0x90, 4, subscribe.body[0], subscribe.body[1], 1, 1]).await;
        let presence = peer.take(PUBLISH).await;
        assert_eq!(presence.flags & 1, 1, "retained");
        assert_eq!(presence.message(), ("presence".to_owned(), b"here".to_vec()));
        assert_eq!(self.event().await, LinkEvent::Up);
        assert!(self.publisher.is_up());
        peer
    }

    async fn event(&mut self) -> LinkEvent {
        timeout(DEADLINE, self.events.recv()).await.unwrap().unwrap()
    }

    async fn down(&mut self) -> DownReason {
        match self.event().await {
            LinkEvent::Down { reason } => reason,
            other @ (LinkEvent::Up | LinkEvent::Message { .. }) => panic!("down, not {other:?}"),
        }
    }

    fn publish(&self, text: &'static str) -> Result<(), PublishError> {
        self.publisher.try_publish("up/sales", Bytes::from_static(text.as_bytes()), false)
    }

    async fn stop(&self) {
        assert!(self.tasks.stop(LONG).await.is_clean());
    }
}

impl Peer {
    async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    async fn publish(&mut self, payload: &[u8]) {
        let mut packet = vec![0x30];
        let mut length = 2 + 8 + payload.len();
        while length > 127 {
            packet.push(u8::try_from(length % 128).unwrap() | 128);
            length /= 128;
        }
        packet.push(u8::try_from(length).unwrap());
        packet.extend_from_slice(b"\x00\x08down/one");
        packet.extend_from_slice(payload);
        self.send(&packet).await;
    }

    /// The next packet; nothing when the link has hung up.
    async fn next(&mut self) -> Option<Packet> {
        let head = self.stream.read_u8().await.ok()?;
        let (mut length, mut shift) = (0, 0);
        loop {
            let byte = self.stream.read_u8().await.ok()?;
            length |= usize::from(byte & 127) << shift;
            shift += 7;
            if byte < 128 {
                break;
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).await.ok()?;
        Some(Packet { kind: head >> 4, flags: head & 15, body })
    }

    /// The next packet of a kind.
    async fn take(&mut self, kind: u8) -> Packet {
        timeout(DEADLINE, async {
            loop {
                let packet = self.next().await.expect("the link hung up");
                if packet.kind == kind {
                    return packet;
                }
            }
        })
        .await
        .unwrap()
    }

    async fn hung_up(&mut self) {
        timeout(DEADLINE, async { while self.next().await.is_some() {} }).await.unwrap();
    }
}

impl Packet {
    /// Topic and payload of a publish with QoS 1.
    fn message(&self) -> (String, Vec<u8>) {
        let (length, rest) = self.body.split_at(2);
        let (topic, rest) = rest.split_at(usize::from(u16::from_be_bytes([length[0], length[1]])));
        (String::from_utf8(topic.to_vec()).unwrap(), rest[2..].to_vec())
    }
}

#[tokio::test]
async fn frames_go_both_ways() {
    let mut bench = Bench::new(LONG).await;
    let mut peer = bench.accept_up().await;
    bench.publish("hello").unwrap();
    assert_eq!(peer.take(PUBLISH).await.message(), ("up/sales".to_owned(), b"hello".to_vec()));
    peer.publish(b"ack").await;
    let expected = LinkEvent::Message { topic: "down/one".to_owned(), payload: Bytes::from_static(b"ack") };
    assert_eq!(bench.event().await, expected);
    bench.stop().await;
    peer.hung_up().await;
    assert_eq!(bench.publish("too late"), Err(PublishError::Down));
}

#[tokio::test]
async fn after_a_drop_it_connects_subscribes_and_says_it_is_there_again() {
    let mut bench = Bench::new(LONG).await;
    for _ in 0..3 {
        let peer = bench.accept_up().await;
        drop(peer);
        assert!(matches!(bench.down().await, DownReason::Lost { .. }));
        assert_eq!(bench.publish("while down"), Err(PublishError::Down));
        assert!(!bench.publisher.is_up());
    }
    bench.accept_up().await;
    bench.stop().await;
}

#[tokio::test]
async fn what_was_not_acknowledged_is_lost_with_its_connection_and_the_owner_sends_it_again() {
    let mut bench = Bench::new(LONG).await;
    let mut peer = bench.accept_up().await;
    bench.publish("first").unwrap();
    peer.take(PUBLISH).await;
    drop(peer);
    bench.down().await;

    let mut peer = bench.accept_up().await;
    bench.publish("again").unwrap();
    let next = peer.take(PUBLISH).await.message();
    assert_eq!(next.1, b"again", "nothing of the old connection comes by itself");
    bench.stop().await;
}

#[tokio::test]
async fn a_frame_over_the_limit_is_refused_both_ways_and_the_link_stays_up() {
    let mut bench = Bench::new(LONG).await;
    let mut peer = bench.accept_up().await;
    let large = Bytes::from(vec![7; FRAME_BYTES_MAX + 1]);
    let refused = bench.publisher.try_publish("up/sales", large.clone(), false);
    assert_eq!(refused, Err(PublishError::TooLarge { bytes: FRAME_BYTES_MAX + 1 }));
    let allowed = large.slice(..FRAME_BYTES_MAX);
    bench.publisher.try_publish("up/sales", allowed.clone(), false).unwrap();
    assert_eq!(peer.take(PUBLISH).await.message().1, allowed);

    peer.publish(&large).await;
    peer.publish(&allowed).await;
    let LinkEvent::Message { payload, .. } = bench.event().await else { panic!("a message") };
    assert_eq!(payload.len(), FRAME_BYTES_MAX, "the larger one is not handed over");
    bench.stop().await;
}

#[tokio::test]
async fn a_packet_far_over_the_limit_ends_the_connection() {
    let mut bench = Bench::new(LONG).await;
    let mut peer = bench.accept_up().await;
    // The head alone says two megabytes.
    peer.send(&[0x30, 0x80, 0x80, 0x80, 0x01]).await;
    assert!(matches!(bench.down().await, DownReason::Lost { .. }));
    peer.hung_up().await;
    bench.stop().await;
}

#[tokio::test]
async fn a_refused_subscription_is_a_refusal_and_not_a_link() {
    let mut bench = Bench::new(LONG).await;
    let mut peer = bench.accept().await;
    peer.take(CONNECT).await;
    peer.send(&[0x20, 2, 0, 0]).await;
    let subscribe = peer.take(SUBSCRIBE).await;
    peer.send(&[0x90, 4, subscribe.body[0], subscribe.body[1], 1, 0x80]).await;
    let reason = bench.down().await;
    assert_eq!(reason, DownReason::Refused { detail: "the subscription to down/two".to_owned() });
    peer.hung_up().await;
    bench.accept_up().await;
    bench.stop().await;
}

#[tokio::test]
async fn a_refused_connection_is_a_refusal_and_an_absent_broker_is_not() {
    let mut bench = Bench::new(LONG).await;
    let mut peer = bench.accept().await;
    peer.take(CONNECT).await;
    peer.send(&[0x20, 2, 0, 5]).await;
    assert!(matches!(bench.down().await, DownReason::Refused { .. }));
    bench.listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    assert!(matches!(bench.down().await, DownReason::Unreachable { .. }), "nobody listens any more");
    bench.stop().await;
}

#[tokio::test]
async fn a_password_is_shown_to_the_broker_and_in_no_text() {
    let mut shown = String::new();
    let mut bench = Bench::with(LONG, |config| {
        config.credentials = Some(Credentials::new("n11", "open sesame"));
        shown = format!("{config:?}");
    })
    .await;
    assert!(shown.contains("n11") && !shown.contains("sesame"), "{shown}");
    let mut peer = bench.accept().await;
    let connect = peer.take(CONNECT).await;
    assert_eq!(connect.body[7] & 0b1100_0000, 0b1100_0000, "a user and a password");
    assert!(connect.body.ends_with(b"\x00\x03n11\x00\x0bopen sesame"), "{:?}", connect.body);
    // As a broker that does not know them answers.
    peer.send(&[0x20, 2, 0, 5]).await;
    let reason = bench.down().await;
    assert!(matches!(&reason, DownReason::Refused { .. }) && !format!("{reason:?} {reason}").contains("sesame"));
    bench.stop().await;
}

#[tokio::test]
async fn after_each_failure_the_next_broker_is_tried() {
    let other = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let second = other.local_addr().unwrap();
    let mut bench =
        Bench::with(LONG, |config| config.brokers = format!("{},{second}", config.brokers).parse().unwrap()).await;
    // The first hangs up as soon as it is called, the second takes the link and loses it.
    drop(bench.accept().await);
    bench.down().await;
    let first = std::mem::replace(&mut bench.listener, other);
    drop(bench.accept_up().await);
    bench.down().await;
    // After the last comes the first again.
    bench.listener = first;
    bench.accept_up().await;
    bench.stop().await;
}

#[tokio::test]
async fn a_broker_that_falls_silent_is_left() {
    let mut bench = Bench::new(SHORT).await;
    let mut peer = bench.accept_up().await;
    // No ping is answered.
    let reason = bench.down().await;
    assert!(matches!(reason, DownReason::Silent | DownReason::Lost { .. }), "{reason:?}");
    peer.hung_up().await;
    bench.accept_up().await;
    bench.stop().await;
}

#[tokio::test]
async fn a_reader_that_does_not_read_costs_the_connection_and_not_the_link() {
    let mut bench = Bench::new(SHORT).await;
    let mut peer = bench.accept_up().await;
    for _ in 0..300 {
        peer.publish(b"x").await;
    }
    // The link reads on until its queue is full, waits half a keep-alive for its reader and hangs up.
    peer.hung_up().await;
    let mut messages = 0;
    let reason = loop {
        match bench.event().await {
            LinkEvent::Message { .. } => messages += 1,
            LinkEvent::Down { reason } => break reason,
            LinkEvent::Up => panic!("down first"),
        }
    };
    assert_eq!(reason, DownReason::ReaderSlow);
    assert_eq!(messages, 256, "what fitted is handed over in order");
    bench.accept_up().await;
    bench.stop().await;
}

#[tokio::test]
async fn a_full_queue_refuses_and_a_slow_reader_does_not_lock_it_up() {
    let mut bench = Bench::new(LONG).await;
    let mut peer = bench.accept_up().await;
    // The broker acknowledges nothing: after 100 frames in flight the others wait.
    let mut taken = 0;
    let refusal = timeout(DEADLINE, async {
        loop {
            match bench.publish("x") {
                Ok(()) => taken += 1,
                Err(refusal) => break refusal,
            }
            tokio::task::yield_now().await;
        }
    });
    assert_eq!(refusal.await.unwrap(), PublishError::Full);
    assert!(taken >= 256, "{taken}");
    // Incoming frames still come through.
    peer.publish(b"ack").await;
    assert!(matches!(bench.event().await, LinkEvent::Message { .. }));
    bench.stop().await;
}

fn more(filters: &[&str]) -> BTreeSet<String> {
    filters.iter().map(|filter| (*filter).to_owned()).collect()
}

#[tokio::test]
async fn what_a_link_hears_changes_while_it_is_up_and_is_asked_for_again_on_the_next_connection() {
    let mut bench = Bench::new(LONG).await;
    let mut peer = bench.accept_up().await;
    assert!(bench.publisher.hears_all());
    bench.publisher.hear(more(&["l1", "l2"])).unwrap();
    assert!(!bench.publisher.hears_all(), "nothing was granted yet");
    let subscribe = peer.take(SUBSCRIBE).await;
    assert_eq!(&subscribe.body[2..], b"\x00\x02l1\x01\x00\x02l2\x01");
    bench.publisher.hear(more(&["l2", "l3"])).unwrap();
    let second = peer.take(SUBSCRIBE).await;
    assert_eq!(&second.body[2..], b"\x00\x02l3\x01", "only what is new");
    assert_eq!(&peer.take(UNSUBSCRIBE).await.body[2..], b"\x00\x02l1", "and only what is old");
    // Answered in another order than asked.
    peer.send(&[0x90, 3, second.body[0], second.body[1], 1]).await;
    peer.send(&[0x90, 4, subscribe.body[0], subscribe.body[1], 1, 1]).await;
    peer.publish(b"x").await;
    assert!(matches!(bench.event().await, LinkEvent::Message { .. }), "it is up once");
    assert!(bench.publisher.hears_all());
    drop(peer);
    bench.down().await;
    assert!(!bench.publisher.hears_all());
    bench.publisher.hear(more(&["l3"])).unwrap();
    let mut peer = bench.accept().await;
    peer.take(CONNECT).await;
    peer.send(&[0x20, 2, 0, 0]).await;
    let all = peer.take(SUBSCRIBE).await;
    assert_eq!(&all.body[2..], b"\x00\x08down/one\x01\x00\x08down/two\x01\x00\x02l3\x01");
    bench.stop().await;
}

#[tokio::test]
async fn a_filter_that_is_refused_later_ends_the_connection() {
    let mut bench = Bench::new(LONG).await;
    let mut peer = bench.accept_up().await;
    bench.publisher.hear(more(&["l1", "l2"])).unwrap();
    let subscribe = peer.take(SUBSCRIBE).await;
    peer.send(&[0x90, 4, subscribe.body[0], subscribe.body[1], 1, 0x80]).await;
    assert_eq!(bench.down().await, DownReason::Refused { detail: "the subscription to l2".to_owned() });
    bench.stop().await;
}

#[tokio::test]
async fn a_link_has_no_more_filters_than_it_may() {
    let bench = Bench::new(LONG).await;
    let many: BTreeSet<_> = (1..FILTERS_MAX).map(|number| number.to_string()).collect();
    assert_eq!(bench.publisher.hear(many.clone()), Err(HearError::TooMany { filters: FILTERS_MAX + 1 }));
    bench.publisher.hear(many.into_iter().skip(1).collect()).unwrap();
    bench.stop().await;
}
