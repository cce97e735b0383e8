//! A line between a shop and the world that is as slow as one says: a TCP relay on loopback.
//!
//! It lets through so many bits a second each way, hands on each piece so much later, counts what it handed on, and can be
//! cut and mended while it runs. All connections share the line, as those of a shop do. What is counted is the payload of
//! TCP: its own heads, some 40 bytes a segment, are not.

mod pace;
mod relay;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

pub use pace::Pace;
use relay::{Lane, carry};

/// How slow a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Slowness {
    /// Bits a second each way; none is as fast as it goes.
    pub bits_per_second: Option<u64>,
    /// How much later a piece arrives than it was sent, one way.
    pub delay: Duration,
}

/// What a line handed on so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counted {
    /// Bytes towards the target.
    pub up_bytes: u64,
    /// Bytes from the target.
    pub down_bytes: u64,
    /// Connections that reached the target.
    pub connections: u64,
}

#[derive(Debug, Default)]
struct Counters {
    up: AtomicU64,
    down: AtomicU64,
    connections: AtomicU64,
}

/// What a line is: connections of before the last cut are gone, also if it was mended at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct State {
    is_cut: bool,
    cuts: u64,
}

/// A line that runs until it is dropped.
#[derive(Debug)]
pub struct Line {
    address: SocketAddr,
    counters: Arc<Counters>,
    state: watch::Sender<State>,
    _tasks: JoinSet<()>,
}

impl Line {
    /// A line to `target`, an address or the path of a unix socket, on a free port of loopback.
    ///
    /// # Errors
    /// If no port can be had.
    pub async fn start(target: &str, slowness: Slowness) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (sender, state) = watch::channel(State::default());
        let counters = Arc::new(Counters::default());
        let lanes = (Lane::new(slowness), Lane::new(slowness));
        let mut tasks = JoinSet::new();
        let (target, counted) = (target.to_owned(), counters.clone());
        tasks.spawn(async move {
            let mut links = JoinSet::new();
            while let Ok((client, _peer)) = listener.accept().await {
                while links.try_join_next().is_some() {}
                links.spawn(connection(client, target.clone(), lanes.clone(), counted.clone(), state.clone()));
            }
        });
        Ok(Self { address, counters, state: sender, _tasks: tasks })
    }

    /// Where to connect to.
    #[must_use]
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// Drops all connections with what is under way on them, and every new one at once.
    pub fn cut(&self) {
        self.state.send_modify(|state| *state = State { is_cut: true, cuts: state.cuts + 1 });
    }

    /// Lets connections through again.
    pub fn mend(&self) {
        self.state.send_modify(|state| state.is_cut = false);
    }

    /// What it has handed on since it was started.
    #[must_use]
    pub fn counted(&self) -> Counted {
        Counted {
            up_bytes: self.counters.up.load(Ordering::Relaxed),
            down_bytes: self.counters.down.load(Ordering::Relaxed),
            connections: self.counters.connections.load(Ordering::Relaxed),
        }
    }
}

async fn connection(
    client: TcpStream,
    target: String,
    (up, down): (Lane, Lane),
    counters: Arc<Counters>,
    mut state: watch::Receiver<State>,
) {
    let begun = *state.borrow();
    if begun.is_cut {
        return;
    }
    let carried = async {
        client.set_nodelay(true)?;
        if target.starts_with('/') {
            let server = UnixStream::connect(target).await?.into_split();
            between(client, server, (&up, &down), &counters).await;
        } else {
            let server = TcpStream::connect(target).await?;
            server.set_nodelay(true)?;
            between(client, server.into_split(), (&up, &down), &counters).await;
        }
        io::Result::Ok(())
    };
    tokio::select! {
        _ended = carried => {}
        _cut = state.wait_for(|state| state.cuts > begun.cuts) => {}
    }
}

async fn between(
    client: TcpStream,
    (from_server, to_server): (impl AsyncRead + Unpin, impl AsyncWrite + Unpin),
    (up, down): (&Lane, &Lane),
    counters: &Counters,
) {
    counters.connections.fetch_add(1, Ordering::Relaxed);
    let (from_client, to_client) = client.into_split();
    tokio::join!(carry(from_client, to_server, up, &counters.up), carry(from_server, to_client, down, &counters.down));
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::{Counted, Line, Slowness};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::task::JoinSet;

    /// A server that says back what it hears.
    async fn echo(tasks: &mut JoinSet<()>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("its address").to_string();
        tasks.spawn(async move {
            let mut links = JoinSet::new();
            while let Ok((mut stream, _peer)) = listener.accept().await {
                links.spawn(async move {
                    let (mut from, mut to) = stream.split();
                    let _ended = tokio::io::copy(&mut from, &mut to).await;
                });
            }
        });
        address
    }

    async fn said_back(stream: &mut TcpStream, bytes: &[u8]) -> Vec<u8> {
        stream.write_all(bytes).await.expect("sent");
        let mut back = vec![0; bytes.len()];
        stream.read_exact(&mut back).await.expect("said back");
        back
    }

    #[tokio::test]
    async fn every_byte_is_handed_on_in_order_and_counted() {
        let mut tasks = JoinSet::new();
        let slowness = Slowness { bits_per_second: Some(80_000_000), delay: std::time::Duration::from_millis(1) };
        let line = Line::start(&echo(&mut tasks).await, slowness).await.expect("a line");
        let bytes: Vec<u8> = (0..100_000_u32).flat_map(|n| n.to_le_bytes()).take(50_000).collect();
        let mut stream = TcpStream::connect(line.address()).await.expect("connected");
        assert_eq!(said_back(&mut stream, &bytes).await, bytes);
        let mut other = TcpStream::connect(line.address()).await.expect("connected");
        assert_eq!(said_back(&mut other, b"hello").await, b"hello");
        assert_eq!(line.counted(), Counted { up_bytes: 50_005, down_bytes: 50_005, connections: 2 });
    }

    #[tokio::test]
    async fn a_line_leads_to_a_unix_socket() {
        let path = std::env::temp_dir().join(format!("slow-line-{}", std::process::id()));
        let listener = tokio::net::UnixListener::bind(&path).expect("a socket");
        let line = Line::start(&path.to_string_lossy(), Slowness::default()).await.expect("a line");
        let mut stream = TcpStream::connect(line.address()).await.expect("connected");
        stream.write_all(b"hello").await.expect("sent");
        let (mut there, _peer) = listener.accept().await.expect("it came");
        let mut heard = [0; 5];
        there.read_exact(&mut heard).await.expect("heard");
        std::fs::remove_file(&path).expect("removed");
        assert_eq!((&heard, line.counted().connections), (b"hello", 1));
    }

    #[tokio::test]
    async fn the_end_of_one_side_reaches_the_other() {
        let mut tasks = JoinSet::new();
        let line = Line::start(&echo(&mut tasks).await, Slowness::default()).await.expect("a line");
        let mut stream = TcpStream::connect(line.address()).await.expect("connected");
        stream.write_all(b"bye").await.expect("sent");
        stream.shutdown().await.expect("ended");
        let mut back = Vec::new();
        stream.read_to_end(&mut back).await.expect("the rest, and the end");
        assert_eq!(back, b"bye");
    }

    #[tokio::test]
    async fn a_line_that_is_cut_drops_all_and_one_that_is_mended_carries_again() {
        let mut tasks = JoinSet::new();
        let line = Line::start(&echo(&mut tasks).await, Slowness::default()).await.expect("a line");
        let mut stream = TcpStream::connect(line.address()).await.expect("connected");
        assert_eq!(said_back(&mut stream, b"one").await, b"one");
        line.cut();
        let mut rest = Vec::new();
        let ended = stream.read_to_end(&mut rest).await;
        assert!(ended.is_err() || rest.is_empty(), "nothing comes after the cut");
        let mut refused = TcpStream::connect(line.address()).await.expect("the relay itself is there");
        assert_eq!(refused.read(&mut [0]).await.unwrap_or(0), 0);
        line.mend();
        let mut stream = TcpStream::connect(line.address()).await.expect("connected");
        assert_eq!(said_back(&mut stream, b"two").await, b"two");
        line.cut();
        line.mend();
        assert_eq!(stream.read(&mut [0]).await.unwrap_or(0), 0, "a cut that is mended at once is a cut");
        assert_eq!(line.counted(), Counted { up_bytes: 6, down_bytes: 6, connections: 2 });
    }
}
