//! Boxes that are shut out while they are connected: at somebody else's broker nobody cuts them off, so what they say is not
//! taken any more.

use std::collections::BTreeSet;
use std::time::Duration;

use percolate_common::ids::NodeId;
use percolate_common::journal::{AuthorId, PublicKey};
use percolate_common::wire::session::FromHub;
use percolate_runtime::mqtt::Publisher;
use percolate_runtime::storage::StorageError;
use tokio_util::sync::CancellationToken;

use super::downlink_event::DownlinkEvent;
use super::intake::Intake;
use super::outgoing::{Outgoing, RETRY};
use super::store::sessions_end;
use crate::kernel::auth::keys::Keys;
use crate::kernel::journal::author_try_lock;

/// How long the sessions of a box wait for another process that takes in something of it.
const LOCKED: Duration = Duration::from_millis(50);

/// Ends the sessions of boxes that are shut out. A clone is the same.
#[derive(Clone)]
pub(crate) struct ShutOut {
    intake: Intake,
    keys: Keys,
    publisher: Publisher,
}

impl ShutOut {
    pub(super) const fn new(intake: Intake, keys: Keys, publisher: Publisher) -> Self {
        Self { intake, keys, publisher }
    }

    /// Does so whenever somebody is shut out, until it is stopped. Those that were shut out before it ran are among them.
    ///
    /// # Errors
    /// [`StorageError`] if a session could not be ended: run it again.
    pub(crate) async fn run(self, stop: CancellationToken) -> Result<(), StorageError> {
        let mut changes = self.keys.changes();
        let mut outgoing = Outgoing::new(self.publisher.clone());
        let mut ended: BTreeSet<(NodeId, [u8; 33])> = BTreeSet::new();
        while !stop.is_cancelled() {
            changes.mark_unchanged();
            let out = self.keys.shut_out();
            let all: BTreeSet<_> = out.iter().map(|(node, key)| (*node, *key.as_bytes())).collect();
            // Who was let in again by a later code may be shut out again.
            ended.retain(|known| all.contains(known));
            for (node, key) in out {
                let known = (node, *key.as_bytes());
                if ended.contains(&known) {
                    continue;
                }
                if let Some(sessions) = self.end(node, key).await? {
                    ended.insert(known);
                    self.tell(node, sessions, &mut outgoing);
                }
            }
            tokio::select! {
                () = stop.cancelled() => {}
                changed = changes.changed() => if changed.is_err() { return Ok(()) },
                () = tokio::time::sleep(LOCKED), if ended.len() < all.len() => {}
                () = tokio::time::sleep(RETRY), if outgoing.is_waiting() => outgoing.flush(),
            }
        }
        Ok(())
    }

    /// Ends them, and tells which they were; nothing while another process takes in something of the box.
    async fn end(&self, node: NodeId, key: PublicKey) -> Result<Option<Vec<u64>>, StorageError> {
        self.intake
            .db()
            .write("shut_out", move |tx| {
                if !author_try_lock(tx, AuthorId::node(node))? {
                    return Ok::<_, StorageError>(None);
                }
                sessions_end(tx, node, &key).map(Some)
            })
            .await
    }

    /// The box greets again, and learns that it is not believed.
    fn tell(&self, node: NodeId, sessions: Vec<u64>, outgoing: &mut Outgoing) {
        if sessions.is_empty() {
            return;
        }
        tracing::warn!(node.id = %node, sessions = sessions.len(), "n{node} is shut out: its sessions are over");
        for session in &sessions {
            self.intake.say(node, &FromHub::Rehello { session: *session }, outgoing);
        }
        self.intake.tell_downlink(DownlinkEvent::Gone { node, sessions }, outgoing);
    }
}
