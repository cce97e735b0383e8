//! The rows that say who is let in.

pub mod people;

use percolate_common::identity::serial::Serial;
use percolate_common::ids::NodeId;
use percolate_common::journal::PublicKey;
use percolate_common::time::UtcMillis;
use percolate_runtime::params;
use percolate_runtime::storage::{ReadTx, Row, StorageError, WriteTx};

/// Certificates that are read at once.
const DEVICES_AT_ONCE: i64 = 10_000;

/// Certificates of one box that are looked at: of one that asks as often as it may there are fewer.
const NODE_DEVICES_MAX: i64 = 100_000;

const COLUMNS: &str = "serial, node, public_key, not_before_ms, not_after_ms, state, changed_at_ms";

/// Whether a certificate is let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceState {
    /// It is.
    Allowed,
    /// A later one of the same box is in use.
    Superseded,
    /// It is not, for ever.
    Revoked,
}

impl DeviceState {
    const fn number(self) -> i64 {
        match self {
            Self::Allowed => 1,
            Self::Superseded => 2,
            Self::Revoked => 3,
        }
    }

    const fn from_number(number: i64) -> Option<Self> {
        match number {
            1 => Some(Self::Allowed),
            2 => Some(Self::Superseded),
            3 => Some(Self::Revoked),
            _ => None,
        }
    }

    /// A word for lists.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Superseded => "superseded",
            Self::Revoked => "revoked",
        }
    }
}

/// A box's certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Its number.
    pub serial: Serial,
    /// Whose it is.
    pub node: NodeId,
    /// Its key.
    pub public_key: PublicKey,
    /// From when it holds.
    pub not_before: UtcMillis,
    /// Until when.
    pub not_after: UtcMillis,
    /// Whether it is let in.
    pub state: DeviceState,
    /// Since when.
    pub changed_at: UtcMillis,
}

/// Lets a certificate in.
///
/// # Errors
/// [`StorageError`] if it cannot be written, or its number is there already.
pub fn device_insert(tx: &WriteTx<'_>, device: &Device) -> Result<(), StorageError> {
    tx.execute(
        "INSERT INTO auth_device (serial, node, public_key, not_before_ms, not_after_ms, state, changed_at_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        params![
            device.serial.as_bytes(),
            device.node.get(),
            device.public_key.as_bytes(),
            device.not_before.get(),
            device.not_after.get(),
            device.state.number(),
            device.changed_at.get()
        ],
    )?;
    Ok(())
}

/// Gives a certificate another state; what was revoked stays so.
///
/// # Errors
/// [`StorageError`] if it cannot be written.
pub fn device_state_set(
    tx: &WriteTx<'_>,
    serial: &Serial,
    state: DeviceState,
    now: UtcMillis,
) -> Result<(), StorageError> {
    tx.execute(
        "UPDATE auth_device SET state = ?2, changed_at_ms = ?3 WHERE serial = ?1 AND state <> ?2 AND state <> 3",
        params![serial.as_bytes(), state.number(), now.get()],
    )?;
    Ok(())
}

/// A certificate by its number.
///
/// # Errors
/// [`StorageError`] if the query fails.
pub fn device_fetch(tx: &ReadTx<'_>, serial: &Serial) -> Result<Option<Device>, StorageError> {
    let sql = format!("SELECT {COLUMNS} FROM auth_device WHERE serial = ?1");
    Ok(tx.query_optional(&sql, params![serial.as_bytes()], device)?.flatten())
}

/// The certificates of a box, by number.
///
/// # Errors
/// [`StorageError`] if the query fails.
pub fn node_device_list(tx: &ReadTx<'_>, node: NodeId) -> Result<Vec<Device>, StorageError> {
    let sql = format!("SELECT {COLUMNS} FROM auth_device WHERE node = ?1 ORDER BY serial LIMIT ?2");
    Ok(tx.query_list(&sql, params![node.get(), NODE_DEVICES_MAX], device)?.into_iter().flatten().collect())
}

/// A pair of numbers that changes with every certificate that is added or given another state: neither is ever taken back.
///
/// # Errors
/// [`StorageError`] if the query fails.
pub(crate) fn device_version(tx: &ReadTx<'_>) -> Result<(i64, i64), StorageError> {
    let sql = "SELECT count(*), coalesce(CAST(sum(state) AS BIGINT), 0) FROM auth_device";
    tx.query_one(sql, &[], |row| Ok((row.take()?, row.take()?)))
}

/// All certificates, by box and number.
///
/// # Errors
/// [`StorageError`] if the query fails.
pub fn device_list(tx: &ReadTx<'_>) -> Result<Vec<Device>, StorageError> {
    let sql = format!(
        "SELECT node, serial, {COLUMNS} FROM auth_device WHERE node > ?1 OR (node = ?1 AND serial > ?2) ORDER BY node, serial LIMIT ?3"
    );
    let (mut all, mut after) = (Vec::new(), (0_i64, Vec::new()));
    loop {
        let page = tx.query_list(&sql, params![after.0, &after.1[..], DEVICES_AT_ONCE], |row| {
            let place: (i64, Vec<u8>) = (row.take()?, row.take()?);
            Ok((place, device(row)?))
        })?;
        let Some((last, _)) = page.last() else { return Ok(all) };
        after = last.clone();
        all.extend(page.into_iter().filter_map(|(_, device)| device));
    }
}

/// Forgets a certificate: it is let in no more, as one that nobody has given out.
///
/// # Errors
/// [`StorageError`] if it cannot be written.
pub fn device_delete(tx: &WriteTx<'_>, serial: &Serial) -> Result<(), StorageError> {
    tx.execute("DELETE FROM auth_device WHERE serial = ?1", params![serial.as_bytes()])?;
    Ok(())
}

/// Nothing if a newer program wrote what this one does not know: it is not let in.
fn device(row: &mut Row<'_>) -> Result<Option<Device>, StorageError> {
    let serial: Vec<u8> = row.take()?;
    let node = NodeId::new(row.take()?);
    let public_key: Vec<u8> = row.take()?;
    let (not_before, not_after) = (UtcMillis::new(row.take()?), UtcMillis::new(row.take()?));
    let (state, changed_at) = (row.take::<i64>()?, UtcMillis::new(row.take()?));
    let read = || {
        Some(Device {
            serial: Serial::from_slice(&serial).ok()?,
            node,
            public_key: PublicKey::from_slice(&public_key)?,
            not_before,
            not_after,
            state: DeviceState::from_number(state)?,
            changed_at,
        })
    };
    Ok(read())
}
