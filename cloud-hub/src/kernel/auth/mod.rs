//! Who is let in: what identity has written, kept in memory by every process that lets somebody in, so that a handshake waits
//! for no database; and who may ask what: the table of routes, roles, and the sessions of people.

pub mod http;
pub mod keys;
pub mod roles;
pub mod sessions;
pub mod store;
pub mod table;

mod tries;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use percolate_common::identity::certificate::Certificate;
use percolate_common::identity::names::{ChainId, Principal};
use percolate_common::identity::serial::Serial;
use percolate_common::journal::PublicKey;
use percolate_common::time::{Clock, UtcMillis};
use percolate_runtime::migrate::Migration;
use percolate_runtime::storage::StorageError;
use percolate_runtime::tls::{Admission, Refusal};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::kernel::db::Db;
use store::{Device, DeviceState, device_list, device_version};

/// A certificate that a later one has followed is let in so much longer: a disk that was put back to yesterday comes with it.
const SUPERSEDED_FOR_MS: i64 = 24 * 60 * 60 * 1_000;

/// The table in a file, to stand in identity's list of migrations under any number.
#[must_use]
pub const fn migration(number: u32) -> Migration {
    Migration::new(number, "auth", include_str!("../../../migrations/kernel/auth.sql"))
}

/// The same on a server.
#[must_use]
pub const fn migration_postgres(number: u32) -> Migration {
    Migration::new(number, "auth", include_str!("../../../migrations/kernel/postgres/auth.sql"))
}

/// The tables of people in a file, to stand in identity's list of migrations under any number.
#[must_use]
pub const fn people_migration(number: u32) -> Migration {
    Migration::new(number, "auth_people", include_str!("../../../migrations/kernel/auth_people.sql"))
}

/// The same on a server.
#[must_use]
pub const fn people_migration_postgres(number: u32) -> Migration {
    Migration::new(number, "auth_people", include_str!("../../../migrations/kernel/postgres/auth_people.sql"))
}

/// What is known of who is let in.
#[derive(Debug, Default)]
struct View {
    /// Of the rows that were read.
    version: Option<(i64, i64)>,
    devices: BTreeMap<Serial, Device>,
}

/// Who is let in. A clone is the same.
#[derive(Clone)]
pub struct Auth {
    chain: ChainId,
    clock: Arc<dyn Clock>,
    db: Db,
    view: Arc<RwLock<View>>,
    /// Certificates that this process has made for itself.
    own: Arc<RwLock<BTreeMap<Serial, PublicKey>>>,
    changes: watch::Sender<u64>,
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Auth").field("chain", &self.chain).finish_non_exhaustive()
    }
}

impl Auth {
    /// Reads the rows for the first time.
    ///
    /// # Errors
    /// [`StorageError`] if they cannot be read.
    pub async fn open(chain: ChainId, clock: Arc<dyn Clock>, db: Db) -> Result<Self, StorageError> {
        let auth = Self { chain, clock, db, view: Arc::default(), own: Arc::default(), changes: watch::Sender::new(0) };
        auth.look().await?;
        Ok(auth)
    }

    /// Keeps up with the rows until it is stopped.
    ///
    /// # Errors
    /// [`StorageError`] if they cannot be read: run it again. Meanwhile what was read last holds.
    pub async fn follow(self, stop: CancellationToken) -> Result<(), StorageError> {
        let mut commits = self.db.commits();
        while !stop.is_cancelled() {
            commits.mark_unchanged();
            self.look().await?;
            tokio::select! {
                () = stop.cancelled() => {}
                changed = commits.changed() => if changed.is_err() { return Ok(()) },
            }
        }
        Ok(())
    }

    /// Reads the rows now; whoever asks afterwards is answered by them.
    ///
    /// # Errors
    /// [`StorageError`] if they cannot be read.
    pub async fn look(&self) -> Result<(), StorageError> {
        let known = self.view.read().unwrap_or_else(PoisonError::into_inner).version;
        // Most commits are of other things: that somebody at the office has asked something.
        let read = self.db.read_async(move |tx| {
            let version = device_version(tx)?;
            if Some(version) == known {
                return Ok::<_, StorageError>(None);
            }
            Ok(Some((version, device_list(tx)?)))
        });
        let Some((version, listed)) = read.await? else { return Ok(()) };
        let devices: BTreeMap<_, _> = listed.into_iter().map(|device| (device.serial.clone(), device)).collect();
        let mut view = self.view.write().unwrap_or_else(PoisonError::into_inner);
        view.version = Some(version);
        if view.devices != devices {
            view.devices = devices;
            drop(view);
            self.changes.send_modify(|changes| *changes += 1);
        }
        Ok(())
    }

    /// A number that changes whenever somebody may be let in who was not, or the other way round.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Lets in a certificate that this process has made for itself.
    pub fn admit_own(&self, serial: Serial, key: PublicKey) {
        self.own.write().unwrap_or_else(PoisonError::into_inner).insert(serial, key);
    }
}

impl Admission for Auth {
    fn admits(&self, certificate: &Certificate) -> Result<(), Refusal> {
        let principal = certificate.principal(&self.chain).ok_or(Refusal::NotThisKind)?;
        let view = self.view.read().unwrap_or_else(PoisonError::into_inner);
        match principal {
            Principal::Node(node) => {
                let device = view.devices.get(&certificate.serial).ok_or(Refusal::Unknown)?;
                if device.node != node || device.public_key != certificate.public_key {
                    return Err(Refusal::Unknown);
                }
                refusal(device, self.clock.now()).map_or(Ok(()), Err)
            }
            Principal::Hub(_) => {
                let own = self.own.read().unwrap_or_else(PoisonError::into_inner);
                let is_own = own.get(&certificate.serial) == Some(&certificate.public_key);
                is_own.then_some(()).ok_or(Refusal::Unknown)
            }
            Principal::Broker => Err(Refusal::NotThisKind),
        }
    }
}

/// Why a certificate of a box is not let in, if it is not. Whether it holds yet, or still, the handshake has judged.
fn refusal(device: &Device, now: UtcMillis) -> Option<Refusal> {
    match device.state {
        DeviceState::Allowed => None,
        DeviceState::Superseded if now.get() < device.changed_at.get().saturating_add(SUPERSEDED_FOR_MS) => None,
        DeviceState::Superseded | DeviceState::Revoked => Some(Refusal::Revoked),
    }
}
