//! A leaner link than the product's: thousands of them fit into one process, and each comes from an address of choice.
//!
//! The packets are written and read by the codec of the product's own client. What that client has besides, queues and
//! timers for each connection, would take more of the cores than the hub that is measured.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context as _, Result, bail};
use bytes::{Bytes, BytesMut};
use percolate_common::identity::names::HUB_DNS_NAME;
use percolate_common::ids::NodeId;
use percolate_common::wire::session::Presence;
use percolate_common::wire::topic::{Topic, node_subscriptions, process_client_id};
use percolate_runtime::mqtt::LinkTls;
use percolate_runtime::tls::greet;
use rumqttc::mqttbytes::v4::{
    Connect, LastWill, Packet, PingReq, PubAck, Publish, Subscribe, SubscribeFilter, SubscribeReasonCode,
};
use rumqttc::mqttbytes::{Error, QoS};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpSocket;

const PACKET_BYTES_MAX: usize = 512 * 1024;

/// As nodes do: how often a quiet link shows that it lives.
const KEEP_ALIVE_S: u16 = 30;

/// What is said and heard on a connection.
trait Said: AsyncRead + AsyncWrite + Unpin + Send + std::fmt::Debug {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send + std::fmt::Debug> Said for T {}

/// A connection to a broker, subscribed, with a will.
#[derive(Debug)]
pub(super) struct Link {
    stream: Box<dyn Said>,
    incoming: BytesMut,
    outgoing: BytesMut,
    packet: u16,
}

impl Link {
    /// Connects as a process of a node, subscribes, and says that it is there.
    pub(super) async fn open(
        (source, door): (Ipv4Addr, SocketAddr),
        tls: &LinkTls,
        node: NodeId,
        boot: u64,
    ) -> Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.bind((source, 0).into())?;
        let stream = socket.connect(door).await?;
        stream.set_nodelay(true)?;
        let stream = Box::new(greet(tls.config(), HUB_DNS_NAME.try_into()?, stream).await?);
        let mut link = Self { stream, incoming: BytesMut::new(), outgoing: BytesMut::new(), packet: 0 };
        let presence = Topic::Presence(node).to_string();
        let mut connect = Connect::new(process_client_id(node, boot));
        connect.keep_alive = KEEP_ALIVE_S;
        let gone = Presence { boot, online: false }.encode()?;
        connect.last_will = Some(LastWill::new(&presence, gone, QoS::AtLeastOnce, true));
        connect.write(&mut link.outgoing)?;
        link.flush().await?;
        let Packet::ConnAck(_) = link.packet().await? else { bail!("no answer to the connection") };
        let filters = node_subscriptions(node).into_iter().map(|path| SubscribeFilter::new(path, QoS::AtLeastOnce));
        let subscribe = Subscribe { pkid: link.number(), ..Subscribe::new_many(filters) };
        subscribe.write(&mut link.outgoing)?;
        link.flush().await?;
        let Packet::SubAck(answer) = link.packet().await? else { bail!("no answer to the subscription") };
        let granted = |code: &SubscribeReasonCode| matches!(code, SubscribeReasonCode::Success(_));
        anyhow::ensure!(answer.return_codes.iter().all(granted), "a subscription was refused");
        link.put(&presence, Presence { boot, online: true }.encode()?, true)?;
        Ok(link)
    }

    fn number(&mut self) -> u16 {
        self.packet = self.packet.checked_add(1).unwrap_or(1);
        self.packet
    }

    /// Writes a frame for the next [`Link::flush`].
    pub(super) fn put(&mut self, topic: &str, payload: Vec<u8>, retain: bool) -> Result<()> {
        let mut publish = Publish::from_bytes(topic, QoS::AtLeastOnce, payload.into());
        publish.pkid = self.number();
        publish.retain = retain;
        publish.write(&mut self.outgoing)?;
        Ok(())
    }

    /// Shows that it lives.
    pub(super) fn ping(&mut self) -> Result<()> {
        PingReq.write(&mut self.outgoing)?;
        Ok(())
    }

    pub(super) async fn flush(&mut self) -> Result<()> {
        self.stream.write_all(&self.outgoing).await?;
        self.stream.flush().await?;
        self.outgoing.clear();
        Ok(())
    }

    /// The next frame that comes; its receipt is confirmed at the next [`Link::flush`]. May be dropped and called again.
    pub(super) async fn frame(&mut self) -> Result<(String, Bytes)> {
        loop {
            let Packet::Publish(frame) = self.packet().await? else { continue };
            if frame.qos == QoS::AtLeastOnce {
                PubAck::new(frame.pkid).write(&mut self.outgoing)?;
            }
            return Ok((frame.topic, frame.payload));
        }
    }

    async fn packet(&mut self) -> Result<Packet> {
        loop {
            match Packet::read(&mut self.incoming, PACKET_BYTES_MAX) {
                Ok(packet) => return Ok(packet),
                Err(Error::InsufficientBytes(_)) => {}
                Err(error) => return Err(error).context("a packet of the broker"),
            }
            let read = self.stream.read_buf(&mut self.incoming).await?;
            anyhow::ensure!(read > 0, "the broker hung up");
        }
    }
}
