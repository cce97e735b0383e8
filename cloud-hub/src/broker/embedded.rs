//! The embedded MQTT broker: it carries frames and holds nothing of record. It may be killed and wiped at any time.
//!
//! It listens nowhere: its [`super::door`] brings it whom it has let in, and nobody else comes. A node's certificate opens its
//! own topics and no others.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use percolate_common::ids::NodeId;
use percolate_runtime::tls::TlsError;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::access::Access;
use super::one_run::{OneRun, Unserved};
use super::pace::Pace;
use super::peers::Peers;
use super::rate::Rate;

/// Why the broker does not run.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
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
    /// It ended although nobody stopped its task.
    #[error("the broker ended by itself")]
    Ended,
    /// It failed while it ran.
    #[error("the broker failed")]
    Failed(#[source] mqtt5::MqttError),
}

/// The embedded broker. A clone is the same broker.
#[derive(Clone, Default)]
pub struct EmbeddedBroker {
    access: Arc<Access>,
    running: watch::Sender<Option<OneRun>>,
}

impl fmt::Debug for EmbeddedBroker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmbeddedBroker").field("meeting", &self.meeting()).finish_non_exhaustive()
    }
}

impl EmbeddedBroker {
    /// Where one meets it, once it has a door.
    #[must_use]
    pub fn meeting(&self) -> Option<SocketAddr> {
        self.access.door()
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

    /// Runs until it is stopped. Give it to a task group that makes it anew if it ends. Each run begins with nothing: no
    /// session, no queue, no retained message.
    ///
    /// # Errors
    /// [`BrokerError`] if it ended otherwise: run it again.
    pub async fn run(self, stop: CancellationToken) -> Result<(), BrokerError> {
        let (run, gone) = OneRun::begin(self.access.clone());
        self.running.send_replace(Some(run.clone()));
        // However this run ends, nobody takes the broker for running afterwards.
        let guard = NotRunning { running: &self.running };
        let ended = stop.run_until_cancelled(run.tidy()).await;
        drop((guard, run));
        gone.wait().await;
        match ended {
            None => Ok(()),
            Some(Ok(())) => Err(BrokerError::Ended),
            Some(Err(error)) => Err(BrokerError::Failed(error)),
        }
    }

    /// Ends the present run at once. What supervises it starts an empty one.
    pub fn stop(&self) {
        if let Some(run) = &*self.running.borrow() {
            run.end();
        }
    }

    /// Carries what somebody says whom the door has noted under an address, as [`OneRun::serve`].
    pub(super) async fn serve<S>(
        &self,
        stream: S,
        from: (Option<NodeId>, SocketAddr),
        pace: Option<Pace>,
        cut: &CancellationToken,
    ) -> Result<(), Unserved>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let run = self.running.borrow().clone();
        run.ok_or(Unserved::Down)?.serve(stream, from, pace, cut).await
    }
}

/// Says that nothing runs, when it is dropped.
struct NotRunning<'b> {
    running: &'b watch::Sender<Option<OneRun>>,
}

impl Drop for NotRunning<'_> {
    fn drop(&mut self) {
        // A run that was dropped in its middle, or panicked, ends its connections as well.
        if let Some(run) = self.running.send_replace(None) {
            run.end();
        }
    }
}
