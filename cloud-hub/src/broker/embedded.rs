//! The embedded MQTT broker: it carries frames and holds nothing of record. It may be killed and wiped at any time.
//!
//! It listens on the loopback only, and takes whom its [`super::door`] has let in, and nobody else. A node's certificate opens
//! its own topics and no others.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mqtt5::broker::config::{BrokerConfig, StorageBackend, StorageConfig};
use mqtt5::broker::{BrokerShutdownHandle, MqttBroker};
use percolate_common::wire::topic::LANES;
use percolate_runtime::tls::TlsError;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::access::Access;
use super::peers::Peers;
use super::rate::Rate;

/// Where it listens for its door: on a free port of this machine.
const HERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// The largest packet either way, in bytes; a client that sends a larger one is cut off.
const PACKET_BYTES_MAX: usize = 512 * 1024;

/// Clients at one time; the next one is refused.
///
/// mqtt5 0.49 takes no more than this from one address (read in its source 2026-11), and all of ours are this machine's.
const CLIENTS_MAX: usize = 10_000;

/// Messages that wait for one client; beyond it the oldest are dropped, and asked for again by whoever misses them.
const QUEUED_MESSAGES_MAX: usize = 10_000;

/// Bytes that wait for one client, as above.
const QUEUED_BYTES_MAX: usize = 64 * 1024 * 1024;

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

/// Why the broker does not run.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// There is no port for it, or another program has taken the one that it had.
    #[error("the broker could not listen on {address}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// The cause.
        #[source]
        source: mqtt5::MqttError,
    },
    /// The door's address is taken or not ours.
    #[error("nobody could be let in to the broker on {address}")]
    Door {
        /// The address.
        address: SocketAddr,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The door would be where the hub itself cannot come in.
    #[error("the hub's own link cannot be dialled at {address}: listen on [::] or on an IPv4 address")]
    DoorAddress {
        /// What was asked for.
        address: SocketAddr,
    },
    /// The door cannot speak TLS.
    #[error("nobody can be let in to the broker over TLS")]
    Tls(#[from] TlsError),
    /// It ended although nobody stopped it.
    #[error("the broker ended by itself")]
    Ended,
    /// It failed while it ran.
    #[error("the broker failed")]
    Failed(#[source] mqtt5::MqttError),
}

/// The embedded broker. A clone is the same broker.
#[derive(Clone)]
pub struct EmbeddedBroker {
    address: SocketAddr,
    access: Arc<Access>,
    /// Bound at the start and not yet running.
    bound: Arc<Mutex<Option<MqttBroker>>>,
    running: watch::Sender<Option<Running>>,
}

/// Handles on a broker that runs.
#[derive(Clone)]
struct Running {
    shutdown: BrokerShutdownHandle,
}

impl fmt::Debug for EmbeddedBroker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmbeddedBroker").field("address", &self.address).finish_non_exhaustive()
    }
}

impl EmbeddedBroker {
    /// Listens. Give [`EmbeddedBroker::run`] to a task group that makes it anew if it ends.
    ///
    /// # Errors
    /// [`BrokerError::Bind`].
    pub async fn start() -> Result<Self, BrokerError> {
        let access = Arc::new(Access::default());
        let (broker, address) = bind(HERE, &access).await?;
        let (running, _) = watch::channel(None);
        Ok(Self { address, access, bound: Arc::new(Mutex::new(Some(broker))), running })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where one meets it: the door's address, if there is one.
    #[must_use]
    pub fn meeting(&self) -> SocketAddr {
        self.access.door().unwrap_or(self.address)
    }

    /// From now on takes the peers that are noted here, and no more than so much of a node. There is one door.
    pub(super) fn stand_behind(&self, door: SocketAddr, messages: Rate) -> Peers {
        self.access.stand_behind(door, messages)
    }

    /// Whether it takes connections.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.running.borrow().is_some()
    }

    /// Serves until it is stopped. Each run begins with nothing: no session, no queue, no retained message.
    ///
    /// # Errors
    /// [`BrokerError`] if it ended otherwise: run it again.
    pub async fn run(self, stop: CancellationToken) -> Result<(), BrokerError> {
        let bound = self.bound.lock().unwrap_or_else(PoisonError::into_inner).take();
        let mut broker = match bound {
            Some(broker) => broker,
            None => bind(self.address, &self.access).await?.0,
        };
        let shutdown = broker.shutdown_handle();
        let handles = Running { shutdown: shutdown.clone() };
        let mut ready = broker.ready_receiver();
        // However this run ends, nobody takes the broker for running afterwards.
        let _guard = NotRunning { running: &self.running };
        let serving = broker.run();
        tokio::pin!(serving);
        // Before it takes connections it would not hear that it should stop.
        tokio::select! {
            ended = &mut serving => return Err(by_itself(ended)),
            _up = ready.wait_for(|up| *up) => self.running.send_replace(Some(handles)),
        };
        tokio::select! {
            ended = &mut serving => return Err(by_itself(ended)),
            () = stop.cancelled() => shutdown.shutdown(),
        }
        serving.await.map_err(BrokerError::Failed)
    }

    /// Ends the present run at once. What supervises it starts an empty broker on the same address.
    pub fn stop(&self) {
        if let Some(running) = &*self.running.borrow() {
            running.shutdown.shutdown();
        }
    }
}

fn by_itself(ended: mqtt5::Result<()>) -> BrokerError {
    ended.map_or_else(BrokerError::Failed, |()| BrokerError::Ended)
}

/// Says that nothing runs, when it is dropped.
struct NotRunning<'b> {
    running: &'b watch::Sender<Option<Running>>,
}

impl Drop for NotRunning<'_> {
    fn drop(&mut self) {
        self.running.send_replace(None);
    }
}

async fn bind(address: SocketAddr, access: &Arc<Access>) -> Result<(MqttBroker, SocketAddr), BrokerError> {
    let storage = StorageConfig::new()
        .with_backend(StorageBackend::Memory)
        .with_max_queued_messages_per_client(QUEUED_MESSAGES_MAX)
        .with_max_queued_bytes_per_client(QUEUED_BYTES_MAX);
    let config = BrokerConfig::default()
        .with_bind_address(address)
        .with_max_clients(CLIENTS_MAX)
        .with_max_packet_size(PACKET_BYTES_MAX)
        .with_client_channel_capacity(CONNECTION_MESSAGES_MAX)
        .with_max_retained_messages(RETAINED_MESSAGES_MAX)
        .with_max_retained_message_size(RETAINED_BYTES_MAX)
        .with_max_subscriptions_per_client(SUBSCRIPTIONS_MAX)
        .with_session_expiry(SESSION_EXPIRY)
        .with_sys_topics_enabled(false)
        .with_storage(storage);
    let failed = |source| BrokerError::Bind { address, source };
    let broker = MqttBroker::with_config(config).await.map_err(failed)?;
    let bound = broker.local_addr().unwrap_or(address);
    Ok((broker.with_auth_provider(access.clone()), bound))
}
