//! A screen in the shop that listens to server-sent events.

use std::net::SocketAddr;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, BufReader};
use tokio::net::{TcpSocket, TcpStream};

use super::http::Request;
use super::in_time;

/// What a slow listener's system keeps for it, in bytes: as little as can be, so that it is soon behind.
const SLOW_BUFFER_BYTES: u32 = 4_096;

/// An event of the feed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Told {
    pub(crate) name: String,
    pub(crate) value: Value,
}

/// Whatever carries a feed.
pub(crate) trait Carrier: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Carrier for T {}

/// A listener that has been answered, and reads only when it is asked to.
pub(crate) struct Listener {
    lines: BufReader<Box<dyn Carrier>>,
    /// What the answer's head said.
    pub(crate) head: String,
    /// Whether the last chunk has come.
    pub(crate) ended_well: bool,
}

impl Listener {
    /// Listens from now on.
    pub(crate) async fn open(address: SocketAddr, token: &str) -> Self {
        Self::answered(address, Box::new(TcpStream::connect(address).await.unwrap()), token).await
    }

    /// As [`Listener::open`], with hardly any room for what it does not read at once.
    pub(crate) async fn open_slow(address: SocketAddr, token: &str) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(SLOW_BUFFER_BYTES).unwrap();
        Self::answered(address, Box::new(socket.connect(address).await.unwrap()), token).await
    }

    /// Listens over a connection that was made for it.
    pub(crate) async fn answered(address: SocketAddr, mut stream: Box<dyn Carrier>, token: &str) -> Self {
        let request = Request::new("GET", "/v1/events").header("authorization", &format!("Bearer {token}"));
        request.send_to(address, &mut stream).await;
        let mut listener = Self { lines: BufReader::new(stream), head: String::new(), ended_well: false };
        // The head is sent once the listener is subscribed: from here on it misses nothing.
        loop {
            let line = in_time("the head of the feed", listener.line()).await.expect("the feed begins with a head");
            if line.is_empty() {
                return listener;
            }
            listener.head.push_str(&line.to_ascii_lowercase());
            listener.head.push('\n');
        }
    }

    async fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = self.lines.read_line(&mut line).await.unwrap_or(0);
        (read > 0).then(|| line.trim_end().to_owned())
    }

    /// The next event; nothing when the feed has ended.
    pub(crate) async fn next(&mut self) -> Option<Told> {
        in_time("an event of the feed", self.read()).await
    }

    async fn read(&mut self) -> Option<Told> {
        let mut name = String::new();
        loop {
            // The sizes of chunks stand on lines of their own, and look like no line of an event.
            let line = self.line().await?;
            if line == "0" {
                // The last one: the connection itself may stay for another request.
                self.ended_well = true;
                return None;
            }
            if let Some(event) = line.strip_prefix("event: ") {
                event.clone_into(&mut name);
            } else if let Some(data) = line.strip_prefix("data: ") {
                return Some(Told { name, value: serde_json::from_str(data).unwrap() });
            }
        }
    }

    /// The next event of a name; what comes before it is passed over.
    pub(crate) async fn hear(&mut self, name: &str) -> Value {
        loop {
            let told = self.next().await.unwrap_or_else(|| panic!("the feed ended before {name}"));
            if told.name == name {
                return told.value;
            }
        }
    }
}
