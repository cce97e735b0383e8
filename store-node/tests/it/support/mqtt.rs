//! The broker's end of a node's connection, played by hand (MQTT 3.1.1): so it can lose frames, hang up and be late.
//!
//! The real broker between real programs is in the end-to-end tests; the client's own manners are in the runtime's.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::in_time;

const CONNECT: u8 = 1;
const PUBLISH: u8 = 3;
const PUBACK: u8 = 4;
const SUBSCRIBE: u8 = 8;
const PINGREQ: u8 = 12;

/// A node that is connected and subscribed.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    /// What it said of itself when it connected.
    pub(crate) connect: Vec<u8>,
}

struct Packet {
    kind: u8,
    flags: u8,
    body: Vec<u8>,
}

/// How many filters a subscription lists: each is a length, a text and a quality.
fn filter_count(mut filters: &[u8]) -> usize {
    let mut count = 0;
    while let [high, low, rest @ ..] = filters {
        filters = &rest[(usize::from(*high) << 8 | usize::from(*low)) + 1..];
        count += 1;
    }
    count
}

impl Connection {
    /// Takes the next connection, up to its subscriptions.
    pub(crate) async fn accept(listener: &TcpListener) -> Self {
        let (stream, _peer) = in_time("a connection of the node", listener.accept()).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let mut connection = Self { stream, connect: Vec::new() };
        let connect = connection.packet().await.expect("a connection begins with a packet");
        assert_eq!(connect.kind, CONNECT);
        connection.connect = connect.body;
        connection.write(&[0x20, 2, 0, 0]).await;
        let subscribe = connection.packet().await.expect("a node subscribes");
        assert_eq!(subscribe.kind, SUBSCRIBE);
        let (id, filters) = subscribe.body.split_at(2);
        let granted = vec![1; filter_count(filters)];
        let length = u8::try_from(id.len() + granted.len()).unwrap();
        connection.write(&[&[0x90, length], id, &granted].concat()).await;
        connection
    }

    /// Takes the next connection, and says that it is not let in.
    pub(crate) async fn refuse(listener: &TcpListener) {
        let (stream, _peer) = in_time("a connection of the node", listener.accept()).await.unwrap();
        let mut connection = Self { stream, connect: Vec::new() };
        connection.packet().await.expect("a connection begins with a packet");
        // 5 is "not authorized".
        connection.write(&[0x20, 2, 0, 5]).await;
        // It hangs up by itself.
        while connection.packet().await.is_some() {}
    }

    /// The next message; nothing when the node has hung up.
    pub(crate) async fn message(&mut self) -> Option<(String, Vec<u8>)> {
        loop {
            let packet = self.packet().await?;
            match packet.kind {
                PUBLISH => {
                    let topic_bytes = usize::from(packet.body[0]) << 8 | usize::from(packet.body[1]);
                    let (topic, rest) = packet.body[2..].split_at(topic_bytes);
                    assert_eq!(packet.flags >> 1 & 3, 1, "a node publishes at least once");
                    let (id, payload) = rest.split_at(2);
                    self.write(&[PUBACK << 4, 2, id[0], id[1]]).await;
                    return Some((String::from_utf8(topic.to_vec()).unwrap(), payload.to_vec()));
                }
                PINGREQ => self.write(&[0xd0, 0]).await,
                other => panic!("a packet of kind {other}"),
            }
        }
    }

    /// Publishes to the node.
    pub(crate) async fn publish(&mut self, topic: &str, payload: &[u8]) {
        let mut packet = vec![PUBLISH << 4];
        let mut length = 2 + topic.len() + payload.len();
        while length > 127 {
            packet.push(u8::try_from(length % 128).unwrap() | 128);
            length /= 128;
        }
        packet.push(u8::try_from(length).unwrap());
        packet.extend_from_slice(&u16::try_from(topic.len()).unwrap().to_be_bytes());
        packet.extend_from_slice(topic.as_bytes());
        packet.extend_from_slice(payload);
        self.write(&packet).await;
    }

    async fn packet(&mut self) -> Option<Packet> {
        in_time("a packet of the node", self.read_packet()).await
    }

    async fn read_packet(&mut self) -> Option<Packet> {
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

    /// A node that has hung up meanwhile hears nothing, as in a network.
    async fn write(&mut self, bytes: &[u8]) {
        let _lost = self.stream.write_all(bytes).await;
    }
}
