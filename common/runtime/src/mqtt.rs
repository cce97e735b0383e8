//! The link to a broker: connects for ever, subscribes, says that it is there, and carries frames both ways.
//!
//! A link promises nothing about delivery. One event loop serves one connection and is dropped whole at the first
//! error; what was on its way is lost, and a PUBACK is never shown to anybody. Whoever sends keeps what it sent until
//! the other side's own acknowledgement, and sends it again.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use metrics::{Counter, counter};
use percolate_common::entropy::Entropy;
use rumqttc::{
    AsyncClient, ClientError, ConnectReturnCode, ConnectionError, Event, EventLoop, LastWill, MqttOptions, Outgoing,
    Packet, Publish, QoS, Request, TlsConfiguration, Transport,
};
use rustls::ClientConfig;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::backoff::jittered_delay;
use crate::broker::{BrokerAddress, BrokerAddresses, Credentials};
use crate::filters::Filters;
use crate::network::Unreached;
use crate::system::{deadline_in, monotonic_now};
use crate::tls::{Changes, OwnIdentity, TlsTrouble, trouble};

/// The largest payload, in bytes: what every broker we may meet takes (AWS IoT Core ends at 128 KB).
pub const FRAME_BYTES_MAX: usize = 96 * 1024;

/// How often a link that has nothing to say shows that it lives, where its configuration says nothing else.
pub const KEEP_ALIVE: Duration = Duration::from_secs(30);

/// The longest wait between two tries to connect, where its configuration says nothing else.
pub const RETRY_MAX: Duration = Duration::from_secs(15);

/// The wait before a client whose certificate was revoked tries again.
const REVOKED_RETRY: Duration = Duration::from_secs(60 * 60);

/// The largest packet either way, in bytes; the client drops the connection above it.
const PACKET_BYTES_MAX: usize = 512 * 1024;

/// The longest a connection may take to be made, and a packet to be written, in seconds.
const CONNECTION_TIMEOUT_S: u64 = 30;

/// A link that was up for so long was a good one: the wait before the next try begins small again.
const LASTED_MIN: Duration = Duration::from_secs(1);

/// How many events wait for the reader; at the limit the link stops reading, for at most half a keep-alive.
const EVENTS_MAX: usize = 256;

/// To how many filters a link may subscribe.
pub const FILTERS_MAX: usize = 64;

/// How many frames wait for the network; at the limit [`PublishError::Full`].
const REQUESTS_MAX: usize = 256;

/// How many published frames the broker may leave unacknowledged before the next ones wait.
const INFLIGHT_MAX: u16 = 100;

/// A retained message that says whether a client is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Presence {
    /// Where.
    pub topic: String,
    /// What.
    pub payload: Bytes,
}

/// How to reach a broker, and who we are there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkConfig {
    /// Where the broker is. After each failure the next address is tried.
    pub brokers: BrokerAddresses,
    /// Whom we believe and who we are over TLS; none for a broker on this machine.
    pub tls: Option<LinkTls>,
    /// Who we are to a broker that asks.
    pub credentials: Option<Credentials>,
    /// Our name at the broker; a second connection of the same name ends the first.
    pub client_id: String,
    /// Topic filters to subscribe to on every connection; see [`Publisher::hear`] for those that come and go.
    pub subscriptions: Vec<String>,
    /// What the broker says of us when the connection is lost.
    pub will: Option<Presence>,
    /// What we say of ourselves once subscribed.
    pub online: Option<Presence>,
    /// How often a quiet link shows that it lives: at least a second, usually [`KEEP_ALIVE`].
    pub keep_alive: Duration,
    /// The longest wait between two tries to connect, usually [`RETRY_MAX`]: a line that is mended is noticed after at most
    /// so long.
    pub retry_max: Duration,
}

/// How a link speaks TLS. The certificate that is shown may be replaced behind it, while the link is up.
#[derive(Debug, Clone)]
pub struct LinkTls {
    config: Arc<ClientConfig>,
    own: Option<Arc<OwnIdentity>>,
}

impl LinkTls {
    /// How a link speaks TLS as somebody. It waits for the first certificate, and connects at once when there is another.
    #[must_use]
    pub fn of(config: Arc<ClientConfig>, own: Arc<OwnIdentity>) -> Self {
        Self { config, own: Some(own) }
    }

    /// What speaks TLS.
    #[must_use]
    pub fn config(&self) -> Arc<ClientConfig> {
        self.config.clone()
    }
}

impl From<Arc<ClientConfig>> for LinkTls {
    fn from(config: Arc<ClientConfig>) -> Self {
        Self { config, own: None }
    }
}

/// Two are the same if they are one and the same.
impl PartialEq for LinkTls {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.config, &other.config)
    }
}

impl Eq for LinkTls {}

/// What a link tells its owner, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkEvent {
    /// Connected and subscribed. Nothing of the time before was kept: send again what is not acknowledged.
    Up,
    /// Not connected, or no longer. Comes after each attempt that failed, too.
    Down {
        /// Why.
        reason: DownReason,
    },
    /// A frame came.
    Message {
        /// Its topic.
        topic: String,
        /// Its payload.
        payload: Bytes,
    },
}

/// Why a link is down.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DownReason {
    /// The broker could not be reached.
    #[error("the broker could not be reached: {detail}")]
    Unreachable {
        /// Why, as far as that says it.
        why: Unreached,
        /// What the system said.
        detail: String,
    },
    /// The broker will not have us, or not let us hear what we must.
    #[error("the broker refused us: {detail}")]
    Refused {
        /// What it refused.
        detail: String,
    },
    /// The broker and we do not go together over TLS.
    #[error("the connection is not safe: {trouble}")]
    Certificate {
        /// What is wrong, and with whose certificate.
        trouble: TlsTrouble,
    },
    /// The connection broke.
    #[error("the connection was lost: {detail}")]
    Lost {
        /// What happened.
        detail: String,
    },
    /// Nothing was heard for two and a half keep-alives.
    #[error("the broker fell silent")]
    Silent,
    /// The link's owner did not take its events.
    #[error("the reader of the link was too slow")]
    ReaderSlow,
}

/// Why a frame was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// There is no connection.
    #[error("the link is down")]
    Down,
    /// Too many frames wait already. Try again after the next event.
    #[error("the link's queue is full")]
    Full,
    /// The frame is larger than [`FRAME_BYTES_MAX`].
    #[error("a frame of {bytes} bytes is over the limit of {FRAME_BYTES_MAX}")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
}

/// Why filters were not changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HearError {
    /// Too much waits already. Try again: some of it may have been asked for.
    #[error("the link's queue is full")]
    Full,
    /// More filters than a link may have; nothing was changed.
    #[error("{filters} filters are over the limit of {FILTERS_MAX}")]
    TooMany {
        /// How many there would be.
        filters: usize,
    },
}

/// Takes the frames of a [`Publisher::inline`] in the place of a connection.
pub trait Outlet: Send + Sync {
    /// Takes a frame, or says why not.
    ///
    /// # Errors
    /// [`PublishError`]; the frame was not taken then.
    fn offer(&self, topic: &str, payload: Bytes, retain: bool) -> Result<(), PublishError>;
}

type Client = Arc<RwLock<Option<AsyncClient>>>;

/// Sends frames over the present connection of a link. A clone sends over the same one.
#[derive(Clone)]
pub struct Publisher {
    way: Way,
}

#[derive(Clone)]
enum Way {
    /// With what the link subscribes to.
    Connection(Client, Arc<Mutex<Filters>>),
    Outlet(Arc<dyn Outlet>),
}

impl fmt::Debug for Publisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publisher").finish_non_exhaustive()
    }
}

impl Publisher {
    /// A publisher without a connection: for a simulation, whose network is its own.
    #[must_use]
    pub fn inline(outlet: Arc<dyn Outlet>) -> Self {
        Self { way: Way::Outlet(outlet) }
    }

    /// Whether there is a connection, with its subscriptions.
    #[must_use]
    pub fn is_up(&self) -> bool {
        match &self.way {
            Way::Connection(client, _) => client.read().unwrap_or_else(PoisonError::into_inner).is_some(),
            Way::Outlet(_) => true,
        }
    }

    /// Whether the broker has granted all that was asked for over the present connection.
    #[must_use]
    pub fn hears_all(&self) -> bool {
        match &self.way {
            Way::Connection(_, filters) => filters.lock().unwrap_or_else(PoisonError::into_inner).are_granted(),
            Way::Outlet(_) => true,
        }
    }

    /// Asks the broker to send nothing more over the present connection; what can be sent over it still goes. The next
    /// connection subscribes again.
    pub fn unsubscribe(&self) {
        if let Way::Connection(_, filters) = &self.way {
            filters.lock().unwrap_or_else(PoisonError::into_inner).unsubscribe_all();
        }
    }

    /// Subscribes to these filters, beside those that the link was made with, and to no others any more: over the present
    /// connection, and over each that follows. What the broker refuses ends the connection.
    ///
    /// # Errors
    /// [`HearError`] if the connection takes no request now, or there would be more than [`FILTERS_MAX`] in all.
    pub fn hear(&self, more: BTreeSet<String>) -> Result<(), HearError> {
        match &self.way {
            Way::Connection(_, filters) => filters.lock().unwrap_or_else(PoisonError::into_inner).change(more),
            Way::Outlet(_) => Ok(()),
        }
    }

    /// Gives a frame to the present connection, if there is one and it has room. `Ok` says nothing about its arrival.
    ///
    /// # Errors
    /// [`PublishError`]; the frame was not sent then.
    pub fn try_publish(&self, topic: &str, payload: Bytes, retain: bool) -> Result<(), PublishError> {
        if payload.len() > FRAME_BYTES_MAX {
            return Err(PublishError::TooLarge { bytes: payload.len() });
        }
        let client = match &self.way {
            Way::Connection(client, _) => client.read().unwrap_or_else(PoisonError::into_inner),
            Way::Outlet(outlet) => return outlet.offer(topic, payload, retain),
        };
        let client = client.as_ref().ok_or(PublishError::Down)?;
        client.try_publish(topic, QoS::AtLeastOnce, retain, payload).map_err(|error| match error {
            ClientError::TryRequest(Request::Publish(_)) => PublishError::Full,
            ClientError::Request(_) | ClientError::TryRequest(_) => PublishError::Down,
        })
    }
}

/// A link that does not run yet.
pub struct Link {
    config: LinkConfig,
    entropy: Arc<dyn Entropy>,
    events: mpsc::Sender<LinkEvent>,
    client: Client,
    filters: Arc<Mutex<Filters>>,
    connections: Counter,
    frames_refused: Counter,
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Link {
    /// A link, what to send with, and where its events come out. Give [`Link::run`] to a task group.
    ///
    /// ```no_run
    /// # use std::sync::Arc;
    /// # use percolate_runtime::{mqtt::{KEEP_ALIVE, Link, LinkConfig, RETRY_MAX}, system::OsEntropy, tasks::TaskGroup};
    /// # fn example(tasks: &TaskGroup) {
    /// let config = LinkConfig {
    ///     brokers: "127.0.0.1:1883".parse().unwrap(),
    ///     tls: None,
    ///     credentials: None,
    ///     client_id: "n11".to_owned(),
    ///     subscriptions: vec!["percolate/v1/n11/down/session".to_owned()],
    ///     will: None,
    ///     online: None,
    ///     keep_alive: KEEP_ALIVE,
    ///     retry_max: RETRY_MAX,
    /// };
    /// let (link, publisher, events) = Link::new(config, Arc::new(OsEntropy));
    /// tasks.spawn("mqtt-link", |stop| link.run(stop));
    /// # }
    /// ```
    #[must_use]
    pub fn new(config: LinkConfig, entropy: Arc<dyn Entropy>) -> (Self, Publisher, mpsc::Receiver<LinkEvent>) {
        let (events, receiver) = mpsc::channel(EVENTS_MAX);
        let client = Client::default();
        let filters = Arc::new(Mutex::new(Filters::new(config.subscriptions.clone())));
        let publisher = Publisher { way: Way::Connection(client.clone(), filters.clone()) };
        let link = Self {
            config,
            entropy,
            events,
            client,
            filters,
            connections: counter!("mqtt_connections_total"),
            frames_refused: counter!("mqtt_frames_refused_total"),
        };
        (link, publisher, receiver)
    }

    /// Connects, and connects again, until it is stopped or nobody takes its events. The connection is then cut, so that
    /// the broker speaks the will.
    pub async fn run(self, stop: CancellationToken) {
        stop.run_until_cancelled(self.run_forever()).await;
        self.set(None);
    }

    fn filters(&self) -> MutexGuard<'_, Filters> {
        self.filters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, client: Option<AsyncClient>) {
        if client.is_none() {
            self.filters().end();
        }
        *self.client.write().unwrap_or_else(PoisonError::into_inner) = client;
    }

    async fn run_forever(&self) {
        let mut failures = 0;
        let mut changes = self.config.tls.as_ref().and_then(|tls| tls.own.as_ref()).map(|own| own.changes());
        for tries in 0.. {
            if let Some(changes) = &mut changes {
                changes.some().await;
            }
            let broker = self.config.brokers.for_try(tries);
            let mut up_since = None;
            let ended = self.run_connection(broker, &mut up_since).await;
            self.set(None);
            let Err(End::Down(reason)) = ended else { return };
            let client_id = &self.config.client_id;
            tracing::warn!(client.id = client_id, %broker, %reason, "the link of {client_id} to {broker} is down");
            failures = failures_before(failures, up_since.map(|since| monotonic_now().saturating_sub(since)));
            let wait = wait_after(&reason, failures, self.config.retry_max, &*self.entropy);
            if self.events.send(LinkEvent::Down { reason }).await.is_err() {
                return;
            }
            tokio::select! {
                () = tokio::time::sleep(wait) => failures = failures.saturating_add(1),
                () = another(changes.as_mut()) => failures = 0,
            }
        }
    }

    /// One connection from its making to its end. It never ends well.
    async fn run_connection(&self, broker: &BrokerAddress, up_since: &mut Option<Duration>) -> Result<(), End> {
        if self.config.tls.is_some() && broker.host().starts_with('[') {
            let detail = "name the host: an IPv6 address in digits cannot be dialled over TLS".to_owned();
            return Err(DownReason::Unreachable { why: Unreached::NoName, detail }.into());
        }
        let (client, mut event_loop) = self.connect(broker);
        let silence_max = self.config.keep_alive * 5 / 2;
        let mut silent_at = deadline_in(silence_max.max(Duration::from_secs(CONNECTION_TIMEOUT_S)));
        loop {
            let event = tokio::time::timeout_at(silent_at, event_loop.poll())
                .await
                .map_err(|_elapsed| DownReason::Silent)?
                .map_err(|error| down_reason(&error))?;
            let packet = match event {
                Event::Incoming(packet) => packet,
                Event::Outgoing(Outgoing::Subscribe(number)) => {
                    self.filters().went(number);
                    continue;
                }
                Event::Outgoing(_) => continue,
            };
            silent_at = deadline_in(silence_max);
            #[expect(clippy::wildcard_enum_match_arm, reason = "the other packets are the client's own affair")]
            match packet {
                Packet::ConnAck(_) => {
                    let nothing_to_hear = self.filters().begin(&client)?;
                    if nothing_to_hear {
                        self.come_up(&client, up_since).await?;
                    }
                }
                Packet::SubAck(answer) => {
                    self.filters().answered(&answer)?;
                    self.come_up(&client, up_since).await?;
                }
                Packet::Publish(frame) => self.hand_over(frame).await?,
                _ => {}
            }
        }
    }

    fn connect(&self, broker: &BrokerAddress) -> (AsyncClient, EventLoop) {
        let config = &self.config;
        let mut options = MqttOptions::new(&config.client_id, broker.host(), broker.port());
        options
            .set_clean_session(true)
            .set_keep_alive(config.keep_alive)
            .set_inflight(INFLIGHT_MAX)
            .set_max_packet_size(PACKET_BYTES_MAX, PACKET_BYTES_MAX);
        if let Some(tls) = &config.tls {
            options.set_transport(Transport::tls_with_config(TlsConfiguration::Rustls(tls.config.clone())));
        }
        if let Some(credentials) = &config.credentials {
            options.set_credentials(credentials.user(), credentials.password());
        }
        if let Some(will) = &config.will {
            options.set_last_will(LastWill::new(&will.topic, will.payload.clone(), QoS::AtLeastOnce, true));
        }
        let (client, mut event_loop) = AsyncClient::new(options, REQUESTS_MAX);
        let mut network = event_loop.network_options();
        network.set_tcp_nodelay(true);
        network.set_connection_timeout(CONNECTION_TIMEOUT_S);
        event_loop.set_network_options(network);
        (client, event_loop)
    }

    async fn come_up(&self, client: &AsyncClient, up_since: &mut Option<Duration>) -> Result<(), End> {
        if up_since.is_some() {
            return Ok(());
        }
        *up_since = Some(monotonic_now());
        if let Some(online) = &self.config.online {
            client
                .try_publish(&online.topic, QoS::AtLeastOnce, true, online.payload.clone())
                .map_err(|error| DownReason::Lost { detail: error.to_string() })?;
        }
        self.connections.increment(1);
        self.set(Some(client.clone()));
        tracing::info!(client.id = self.config.client_id, "the link of {} is up", self.config.client_id);
        self.tell(LinkEvent::Up).await
    }

    async fn hand_over(&self, frame: Publish) -> Result<(), End> {
        if frame.payload.len() > FRAME_BYTES_MAX {
            self.frames_refused.increment(1);
            tracing::error!(
                frame.bytes = frame.payload.len(),
                topic = frame.topic,
                "a frame over the limit was refused"
            );
            return Ok(());
        }
        self.tell(LinkEvent::Message { topic: frame.topic, payload: frame.payload }).await
    }

    /// While the reader is behind, nothing is read from the broker and no ping is sent: not longer than the broker bears
    /// it. The reader never waits for the link, so that this cannot lock up.
    async fn tell(&self, event: LinkEvent) -> Result<(), End> {
        match tokio::time::timeout(self.config.keep_alive / 2, self.events.send(event)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(End::NobodyListens),
            Err(_) => Err(DownReason::ReaderSlow.into()),
        }
    }
}

/// The wait before the next try. Whoever was shut out asks seldom: only another certificate helps, and with that one the
/// wait is over.
fn wait_after(reason: &DownReason, failures: u32, retry_max: Duration, entropy: &dyn Entropy) -> Duration {
    match reason {
        DownReason::Certificate { trouble: TlsTrouble::WeAreRevoked } => REVOKED_RETRY,
        DownReason::Certificate { .. }
        | DownReason::Unreachable { .. }
        | DownReason::Refused { .. }
        | DownReason::Lost { .. }
        | DownReason::Silent
        | DownReason::ReaderSlow => jittered_delay(failures, retry_max, entropy),
    }
}

/// Waits for another certificate; for ever where none can come.
async fn another(changes: Option<&mut Changes>) {
    match changes {
        Some(changes) => changes.other().await,
        None => std::future::pending().await,
    }
}

/// How many failures count before the next try: none once a link was up for a while. One that is ended as soon as it is
/// up is a failure like any other, so that a broker which will not keep us is not besieged.
fn failures_before(failures: u32, up_for: Option<Duration>) -> u32 {
    if up_for.is_some_and(|lasted| lasted >= LASTED_MIN) { 0 } else { failures }
}

enum End {
    Down(DownReason),
    NobodyListens,
}

impl From<DownReason> for End {
    fn from(reason: DownReason) -> Self {
        Self::Down(reason)
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the errors of the client differ by its features")]
fn down_reason(error: &ConnectionError) -> DownReason {
    // First: where the broker judges us, its word comes with the first read, as a failure of that.
    if let Some(trouble) = trouble(error) {
        return DownReason::Certificate { trouble };
    }
    let detail = error.to_string();
    match error {
        ConnectionError::ConnectionRefused(ConnectReturnCode::ServiceUnavailable) => {
            DownReason::Unreachable { why: Unreached::NotServing, detail }
        }
        ConnectionError::NetworkTimeout => DownReason::Unreachable { why: Unreached::NoAnswer, detail },
        ConnectionError::Io(error) => DownReason::Unreachable { why: Unreached::of(error), detail },
        ConnectionError::ConnectionRefused(_) => DownReason::Refused { detail },
        _ => DownReason::Lost { detail },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_was_shut_out_asks_seldom() {
        let wait = |trouble| {
            let reason = DownReason::Certificate { trouble };
            wait_after(&reason, 0, RETRY_MAX, &percolate_common::entropy::SeededEntropy::new(1))
        };
        assert_eq!(wait(TlsTrouble::WeAreRevoked), REVOKED_RETRY);
        assert!(wait(TlsTrouble::WeAreExpired) < Duration::from_secs(1));
    }

    #[test]
    fn a_link_that_was_up_for_a_while_is_tried_again_at_once() {
        assert_eq!(failures_before(5, Some(LASTED_MIN)), 0);
        assert_eq!(failures_before(5, Some(LASTED_MIN / 2)), 5, "it was ended as soon as it was up");
        assert_eq!(failures_before(5, None), 5, "it never came up, however long that took");
    }
}
