//! One run of the hub's own broker, from empty to the end: the parts of mqtt5 that carry messages, without its listeners.
//!
//! mqtt5 0.49 gives a connection to a handler of its own for each; that handler takes what its door brings just as well (read
//! in its source 2026-11). What its server does besides for all of them is done here: it refuses those for whom there is no
//! room, and forgets sessions that are over.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use mqtt5::broker::client_handler::ClientHandler;
use mqtt5::broker::config::BrokerConfig;
use mqtt5::broker::storage::client_queue::QueueLimits;
use mqtt5::broker::sys_topics::BrokerStats;
use mqtt5::broker::transport::BrokerTransport;
use mqtt5::broker::{ResourceLimits, ResourceMonitor};
use percolate_common::ids::NodeId;
use percolate_common::wire::topic::LANES;
use percolate_runtime::files::open_files_max;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{broadcast, mpsc};
use tokio_util::sync::CancellationToken;

use super::access::Access;
use super::line::line;
use super::pace::Pace;
use super::rooms::{Room, RoomLimits, Rooms};

/// Clients at one time; the next one is refused: 20,000 stores, their hub's links, and those that come back before it is
/// noticed that they were gone.
const CLIENTS_MAX: usize = 21_000;

/// What is left of the descriptors that the system lets the hub have: for handshakes, for what comes in otherwise, and for its
/// files. Each client costs one.
const DESCRIPTORS_KEPT: usize = 512;

/// The largest packet either way, in bytes; a client that sends a larger one is cut off.
const PACKET_BYTES_MAX: usize = 512 * 1024;

/// What waits for a node that takes nothing: more than it is sent at a time. Beyond it the oldest is dropped, and asked for again by
/// whoever misses it.
const NODE_QUEUE: QueueLimits = QueueLimits { max_messages: 1_000, max_bytes: 4 * 1024 * 1024 };

/// What waits for a link of the hub, as above.
const QUEUE: QueueLimits = QueueLimits { max_messages: 10_000, max_bytes: 64 * 1024 * 1024 };

/// Messages on their way to one connection; beyond it they wait in the client's queue.
const CONNECTION_MESSAGES_MAX: usize = 1_000;

/// Topics that keep a message: one presence for each client.
const RETAINED_MESSAGES_MAX: usize = CLIENTS_MAX;

/// The largest message that is kept, in bytes; a larger one is not, and a client with such a will is refused.
const RETAINED_BYTES_MAX: usize = 4 * 1024;

/// Filters of one client; the next one is refused. Ours have three at most, and a hub's that could share its lanes has each of
/// them, too.
const SUBSCRIPTIONS_MAX: usize = 8 + LANES as usize;

/// How long what waits for a client outlives its connection: not at all, whatever a client asks for. All of ours begin anew.
const SESSION_EXPIRY: Duration = Duration::ZERO;

/// How often it is looked for sessions that are over and were not tidied up at their end.
const TIDY_EVERY: Duration = Duration::from_secs(60);

/// How long the connections may take to end with the run.
const PARTING: Duration = Duration::from_secs(5);

/// Why somebody is not served, or no longer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unserved {
    /// There is no broker at present.
    #[error("the broker is down")]
    Down,
    /// There are as many as it takes.
    #[error("the broker takes no more clients")]
    Full,
    /// The connection ended.
    #[error("the connection ended")]
    Ended(#[source] mqtt5::MqttError),
}

/// What a run keeps. A clone is the same one; it is over when it says so and all clones are gone.
#[derive(Clone)]
pub(super) struct OneRun {
    rooms: Arc<Rooms>,
    stats: Arc<BrokerStats>,
    monitor: Arc<ResourceMonitor>,
    access: Arc<Access>,
    /// What the library would end its connections by. Ours end by `over`, which those hear, too, that have not said yet who
    /// they are.
    unused: broadcast::Sender<()>,
    over: CancellationToken,
    /// Is closed when no clone is left.
    _alive: mpsc::Sender<()>,
}

impl OneRun {
    /// Begins with nothing: no session, no queue, no retained message. What is given besides tells when all have gone.
    pub(super) fn begin(access: Arc<Access>) -> (Self, Gone) {
        let files_max = open_files_max();
        let clients_max = CLIENTS_MAX.min(files_max.saturating_sub(DESCRIPTORS_KEPT).max(files_max / 2));
        let config = BrokerConfig::default()
            .with_max_clients(clients_max)
            .with_max_packet_size(PACKET_BYTES_MAX)
            .with_client_channel_capacity(CONNECTION_MESSAGES_MAX)
            .with_max_retained_messages(RETAINED_MESSAGES_MAX)
            .with_max_retained_message_size(RETAINED_BYTES_MAX)
            .with_max_subscriptions_per_client(SUBSCRIPTIONS_MAX)
            .with_session_expiry(SESSION_EXPIRY);
        let of_hub = RoomLimits { queue: QUEUE, kept_messages: RETAINED_MESSAGES_MAX, kept_bytes: RETAINED_BYTES_MAX };
        let of_node = RoomLimits { queue: NODE_QUEUE, ..of_hub };
        let limits = ResourceLimits {
            max_connections: clients_max,
            max_connections_per_ip: clients_max,
            // Of these the door has limits of its own, for each node: here nothing waits, and what is too much is lost.
            max_message_rate_per_client: 0,
            max_bandwidth_per_client: 0,
            max_connection_rate: u32::MAX,
            rate_limit_window: Duration::from_secs(1),
        };
        let (alive, gone) = mpsc::channel(1);
        let run = Self {
            rooms: Arc::new(Rooms::new(&config, of_hub, of_node)),
            stats: Arc::new(BrokerStats::new()),
            monitor: Arc::new(ResourceMonitor::new(limits)),
            access,
            unused: broadcast::channel(1).0,
            over: CancellationToken::new(),
            _alive: alive,
        };
        (run, Gone(gone))
    }

    /// Ends all connections.
    pub(super) fn end(&self) {
        self.over.cancel();
    }

    /// Forgets what is over, until the run has ended.
    pub(super) async fn tidy(&self) -> mqtt5::Result<()> {
        while self.over.run_until_cancelled(tokio::time::sleep(TIDY_EVERY)).await.is_some() {
            self.rooms.tidy().await?;
            self.monitor.cleanup_expired_windows().await;
        }
        Ok(())
    }

    /// Carries what a node says, or one of the hub's links, whom the broker knows as `from`, until the connection ends or `cut` is
    /// cancelled.
    pub(super) async fn serve<S>(
        self,
        stream: S,
        (node, from): (Option<NodeId>, SocketAddr),
        pace: Option<Pace>,
        cut: &CancellationToken,
    ) -> Result<(), Unserved>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        if self.over.is_cancelled() {
            return Err(Unserved::Down);
        }
        if !self.monitor.can_accept_connection(from.ip()).await {
            return Err(Unserved::Full);
        }
        let (hold, line) = line(stream, from, pace);
        let Room { config, router, storage } = self.rooms.of(node);
        let serving = ClientHandler::new(
            BrokerTransport::WebSocket(Box::new(line)),
            from,
            config.clone(),
            router.clone(),
            self.access.clone(),
            Some(storage.clone()),
            self.stats.clone(),
            self.monitor.clone(),
            self.unused.subscribe(),
        )
        .run();
        tokio::pin!(serving);
        let served = tokio::select! {
            ended = &mut serving => ended,
            () = cut.cancelled() => { hold.cut(); serving.await }
            () = self.over.cancelled() => { hold.cut(); serving.await }
        };
        hold.part().await;
        served.map_err(Unserved::Ended)
    }
}

/// Tells when all clones of a run are gone.
pub(super) struct Gone(mpsc::Receiver<()>);

impl Gone {
    /// Waits for that, and not for ever.
    pub(super) async fn wait(mut self) {
        if tokio::time::timeout(PARTING, self.0.recv()).await.is_err() {
            tracing::warn!("connections of the broker's last run have not ended yet");
        }
    }
}
