//! With which keys boxes may speak: what identity has written, kept in memory by whoever takes in what boxes send. A broker of
//! somebody else's does not cut off a box that is shut out while it is connected; nothing that it says counts then.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use percolate_common::ids::NodeId;
use percolate_common::journal::PublicKey;
use percolate_runtime::migrate::Migration;
use percolate_runtime::storage::StorageError;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::store::{Device, DeviceState, device_list};
use crate::kernel::db::Db;

/// On a server, what lets other processes read the rows, to stand in identity's list of migrations under any number.
#[must_use]
pub const fn migration_postgres(number: u32) -> Migration {
    Migration::new(number, "auth_readers", include_str!("../../../migrations/kernel/postgres/auth_readers.sql"))
        .expanding()
}

/// What is known of a box's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// The box has a certificate with it that lets it in. Whether that has ended is for the broker to say.
    Allowed,
    /// All its certificates with it were revoked.
    ShutOut,
    /// It has no certificate with it, or nothing was read yet.
    Unknown,
}

/// The keys of all boxes. A clone is the same.
#[derive(Debug, Clone)]
pub struct Keys {
    /// Whether each is allowed; nothing before the rows were read for the first time.
    view: Arc<RwLock<Option<View>>>,
    changes: watch::Sender<u64>,
}

type View = BTreeMap<(NodeId, [u8; 33]), bool>;

impl Default for Keys {
    fn default() -> Self {
        Self { view: Arc::default(), changes: watch::Sender::new(0) }
    }
}

impl Keys {
    /// Keeps up with identity's rows until it is stopped.
    ///
    /// # Errors
    /// [`StorageError`] if they cannot be read: run it again. Meanwhile what was read last holds.
    pub async fn follow(&self, db: &Db, stop: &CancellationToken) -> Result<(), StorageError> {
        let mut commits = db.commits();
        while !stop.is_cancelled() {
            commits.mark_unchanged();
            self.set(&db.read_async(device_list).await?);
            tokio::select! {
                () = stop.cancelled() => {}
                changed = commits.changed() => if changed.is_err() { return Ok(()) },
            }
        }
        Ok(())
    }

    fn set(&self, devices: &[Device]) {
        let mut read = View::new();
        for device in devices {
            let allowed = read.entry((device.node, *device.public_key.as_bytes())).or_insert(false);
            *allowed |= device.state == DeviceState::Allowed;
        }
        let mut view = self.view.write().unwrap_or_else(PoisonError::into_inner);
        if view.as_ref() != Some(&read) {
            *view = Some(read);
            drop(view);
            self.changes.send_modify(|changes| *changes += 1);
        }
    }

    /// Whether the rows were read.
    #[must_use]
    pub fn were_read(&self) -> bool {
        self.view.read().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// What is known of a key with which a box speaks.
    #[must_use]
    pub fn standing(&self, node: NodeId, key: &PublicKey) -> Standing {
        let view = self.view.read().unwrap_or_else(PoisonError::into_inner);
        match view.as_ref().and_then(|view| view.get(&(node, *key.as_bytes()))) {
            Some(true) => Standing::Allowed,
            Some(false) => Standing::ShutOut,
            None => Standing::Unknown,
        }
    }

    /// The keys that are shut out.
    #[must_use]
    pub fn shut_out(&self) -> Vec<(NodeId, PublicKey)> {
        let view = self.view.read().unwrap_or_else(PoisonError::into_inner);
        let out = view.iter().flatten().filter(|(_, allowed)| !**allowed);
        out.filter_map(|((node, key), _)| Some((*node, PublicKey::from_slice(key)?))).collect()
    }

    /// A number that changes whenever a key is allowed or shut out.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use percolate_common::identity::serial::Serial;
    use percolate_common::journal::SigningKey;
    use percolate_common::time::UtcMillis;

    use super::*;

    fn device(number: u8, node: u32, key: u8, state: DeviceState) -> Device {
        Device {
            serial: Serial::from_slice(&[number; 16]).unwrap(),
            node: NodeId::new(node),
            public_key: key_of(key),
            not_before: UtcMillis::new(0),
            not_after: UtcMillis::new(1),
            state,
            changed_at: UtcMillis::new(0),
        }
    }

    fn key_of(key: u8) -> PublicKey {
        SigningKey::from_random(&[key; 32]).unwrap().public_key()
    }

    #[test]
    fn a_key_is_shut_out_once_no_certificate_with_it_is_left_and_only_as_the_boxs_own() {
        let keys = Keys::default();
        let standing = |node, key| keys.standing(NodeId::new(node), &key_of(key));
        assert_eq!((keys.were_read(), standing(11, 1)), (false, Standing::Unknown));
        let mut changes = keys.changes();
        // Renewed, replaced by another box, and never heard of.
        let (renewed, replaced) = (DeviceState::Superseded, DeviceState::Revoked);
        let devices = [
            device(1, 11, 1, renewed),
            device(2, 11, 1, DeviceState::Allowed),
            device(3, 21, 2, replaced),
            device(4, 21, 3, DeviceState::Allowed),
        ];
        keys.set(&devices);
        assert!(keys.were_read() && changes.has_changed().unwrap());
        assert_eq!((standing(11, 1), standing(21, 3)), (Standing::Allowed, Standing::Allowed));
        assert_eq!((standing(21, 2), standing(11, 3)), (Standing::ShutOut, Standing::Unknown));
        assert_eq!(keys.shut_out(), [(NodeId::new(21), key_of(2))]);
        changes.mark_unchanged();
        keys.set(&devices);
        assert!(!changes.has_changed().unwrap(), "who is read again is the same");
        keys.set(&[device(1, 11, 1, DeviceState::Revoked)]);
        assert_eq!((standing(11, 1), standing(21, 2)), (Standing::ShutOut, Standing::Unknown));
    }
}
