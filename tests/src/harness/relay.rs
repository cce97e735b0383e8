//! A relay that reads along: it passes on what both sides say, and holds the one frame that a test waits for.
//!
//! So a test stops the world at a step of its choice, and the programs know nothing of it.

use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result, anyhow};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, split};
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;

use super::relay_ends::{Ends, Stream};
use super::{Hub, PATIENCE};

/// The type of an MQTT packet that carries a message, in the upper half of its first byte.
const PUBLISH: u8 = 3;

/// Bytes that the length of an MQTT packet may take.
const LENGTH_BYTES_MAX: usize = 4;

/// Bytes that are read at once: an answer to a till is one piece.
const READ_BYTES: usize = 64 * 1024;

/// What is spoken over the relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// MQTT 3.1.1: a frame is a message.
    Mqtt,
    /// A frame is whatever was sent at once.
    Http,
}

/// Where a frame goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// To the server.
    Up,
    /// To the client.
    Down,
}

/// What passes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Where it goes.
    pub way: Way,
    /// The topic of a message.
    pub topic: String,
    /// What it says.
    pub payload: Vec<u8>,
}

/// A frame that stands still, and all behind it.
#[derive(Debug)]
#[must_use = "if it is dropped, the frame and its connection are lost"]
pub struct Held {
    /// What it is.
    pub frame: Frame,
    go_on: oneshot::Sender<()>,
}

impl Held {
    /// Lets it pass, and what stands behind it.
    ///
    /// # Errors
    /// If its connection is gone.
    pub fn let_through(self) -> Result<()> {
        self.go_on.send(()).map_err(|()| anyhow!("the connection of the frame is gone"))
    }
}

/// A frame that will be held.
#[derive(Debug)]
pub struct Awaited(oneshot::Receiver<Held>);

impl Awaited {
    /// Waits for it.
    ///
    /// # Errors
    /// If it does not come in time.
    pub async fn held(self) -> Result<Held> {
        let caught = tokio::time::timeout(PATIENCE, self.0).await.context("waited in vain for a frame")?;
        caught.context("another frame is awaited in its place")
    }
}

struct Trap {
    wants: Box<dyn Fn(&Frame) -> bool + Send>,
    sprung: oneshot::Sender<Held>,
}

/// The frame that is awaited, if one is.
type Awaiting = Arc<Mutex<Option<Trap>>>;

/// A relay between a client and a server.
pub struct Relay {
    address: SocketAddr,
    awaiting: Awaiting,
    cuts: watch::Sender<u32>,
    _tasks: JoinSet<()>,
}

impl fmt::Debug for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relay").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Relay {
    /// Relays what is said in the clear to `target`.
    ///
    /// # Errors
    /// If no port can be had.
    pub async fn start(target: &str, protocol: Protocol) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        Self::between(listener.local_addr()?, Ends::plain(listener, target), protocol)
    }

    /// Relays what the box with this data folder says to its hub's broker: to the box it is the hub, to the hub it is the box.
    ///
    /// # Errors
    /// If no port can be had, or the chain's CA cannot be used.
    pub async fn start_mqtts(hub: &Hub, data: &Path) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        Self::between(listener.local_addr()?, Ends::of_chain(listener, hub, data)?, Protocol::Mqtt)
    }

    fn between(address: SocketAddr, mut ends: Ends, protocol: Protocol) -> Result<Self> {
        let (cuts, cut) = watch::channel(0);
        let awaiting = Awaiting::default();
        let traps = awaiting.clone();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut links = JoinSet::new();
            while let Ok((client, server)) = ends.accept().await {
                let (traps, cut) = (traps.clone(), cut.clone());
                links.spawn(async move {
                    let Ok(server) = server.await else { return };
                    relay(client, server, protocol, traps, cut).await;
                });
            }
        });
        Ok(Self { address, awaiting, cuts, _tasks: tasks })
    }

    /// Where to connect to.
    #[must_use]
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// The next frame of this kind is held.
    pub fn hold(&self, wants: impl Fn(&Frame) -> bool + Send + 'static) -> Awaited {
        let (sprung, caught) = oneshot::channel();
        let trap = Trap { wants: Box::new(wants), sprung };
        *self.awaiting.lock().unwrap_or_else(PoisonError::into_inner) = Some(trap);
        Awaited(caught)
    }

    /// Drops every connection; new ones are let through.
    pub fn interrupt(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }
}

/// The connection was lost with the frame that was held.
struct Lost;

async fn relay(client: Stream, server: Stream, protocol: Protocol, awaiting: Awaiting, mut cut: watch::Receiver<u32>) {
    cut.mark_unchanged();
    let (from_client, to_client) = split(client);
    let (from_server, to_server) = split(server);
    let up = carry(from_client, to_server, Way::Up, protocol, &awaiting);
    let down = carry(from_server, to_client, Way::Down, protocol, &awaiting);
    tokio::select! {
        _ended = async { tokio::try_join!(up, down) } => {}
        _cut = cut.changed() => {}
    }
}

/// Carries one way, to the end of either side. The other way may live longer: what is held there can still arrive.
async fn carry(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    way: Way,
    protocol: Protocol,
    awaiting: &Awaiting,
) -> Result<(), Lost> {
    let mut buffer = Vec::with_capacity(READ_BYTES);
    while from.read_buf(&mut buffer).await.is_ok_and(|read| read > 0) {
        while let Some(length) = protocol.frame_length(&buffer) {
            let bytes: Vec<u8> = buffer.drain(..length).collect();
            let held = protocol.frame(way, &bytes).and_then(|frame| hold(awaiting, frame));
            if let Some(go_on) = held {
                go_on.await.map_err(|_dropped| Lost)?;
            }
            if to.write_all(&bytes).await.is_err() || to.flush().await.is_err() {
                return Ok(());
            }
        }
    }
    Ok(())
}

fn hold(awaiting: &Awaiting, frame: Frame) -> Option<oneshot::Receiver<()>> {
    let trap = awaiting.lock().unwrap_or_else(PoisonError::into_inner).take_if(|trap| (trap.wants)(&frame))?;
    let (go_on, gone_on) = oneshot::channel();
    trap.sprung.send(Held { frame, go_on }).is_ok().then_some(gone_on)
}

impl Protocol {
    /// How long the first frame of the buffer is, once it is there.
    fn frame_length(self, buffer: &[u8]) -> Option<usize> {
        match self {
            Self::Mqtt => mqtt_head(buffer).map(|(head, body)| head + body).filter(|length| *length <= buffer.len()),
            Self::Http => (!buffer.is_empty()).then_some(buffer.len()),
        }
    }

    fn frame(self, way: Way, bytes: &[u8]) -> Option<Frame> {
        match self {
            Self::Mqtt => mqtt_message(way, bytes),
            Self::Http => Some(Frame { way, topic: String::new(), payload: bytes.to_vec() }),
        }
    }
}

/// The lengths of a packet's head and of what follows it.
fn mqtt_head(buffer: &[u8]) -> Option<(usize, usize)> {
    let mut body = 0;
    for at in 0..LENGTH_BYTES_MAX {
        let byte = *buffer.get(1 + at)?;
        body |= usize::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Some((2 + at, body));
        }
    }
    None
}

/// A packet's message, if it carries one.
fn mqtt_message(way: Way, bytes: &[u8]) -> Option<Frame> {
    let first = *bytes.first()?;
    if first >> 4 != PUBLISH {
        return None;
    }
    let (head, _) = mqtt_head(bytes)?;
    let (length, rest) = bytes.get(head..)?.split_first_chunk::<2>()?;
    let (topic, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
    // A message that asks for an answer has a number before its payload.
    let number_bytes = if first & 0b110 == 0 { 0 } else { 2 };
    let topic = std::str::from_utf8(topic).ok()?.to_owned();
    Some(Frame { way, topic, payload: rest.get(number_bytes..)?.to_vec() })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A message at quality 1 with number 7, after an acknowledgement.
    const BYTES: [u8; 15] = [0x40, 2, 0, 7, 0x32, 9, 0, 3, b'a', b'/', b'b', 0, 7, b'h', b'i'];

    #[test]
    fn packets_are_told_apart_and_a_message_is_read() {
        assert_eq!(Protocol::Mqtt.frame_length(&BYTES), Some(4));
        assert_eq!(mqtt_message(Way::Up, &BYTES[..4]), None);
        assert_eq!(Protocol::Mqtt.frame_length(&BYTES[4..]), Some(11));
        let said = Frame { way: Way::Up, topic: "a/b".to_owned(), payload: b"hi".to_vec() };
        assert_eq!(mqtt_message(Way::Up, &BYTES[4..]), Some(said));
    }

    #[test]
    fn half_a_packet_waits_for_its_rest() {
        for length in 4..BYTES.len() {
            assert_eq!(Protocol::Mqtt.frame_length(&BYTES[4..length]), None);
        }
        let long = [&[0x30, 0x80, 1][..], &[0; 128]].concat();
        assert_eq!(Protocol::Mqtt.frame_length(&long[..130]), None);
        assert_eq!(Protocol::Mqtt.frame_length(&long), Some(131));
    }
}
