//! The rows that say who is signed in, what they may do, and where shops belong.

use percolate_common::ids::StoreId;
use percolate_common::time::UtcMillis;
use percolate_runtime::params;
use percolate_runtime::storage::{ReadTx, Row, StorageError, WriteTx};

use crate::kernel::auth::roles::{Grant, Place, Role, Scope};

/// Grants that somebody has at most, and then some.
const GRANTS_MAX: i64 = 1_000;
/// Shops that one listing holds.
const STORES_MAX: i64 = 100_000;

/// Somebody who is signed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRow {
    /// Of what their browser holds.
    pub hash: [u8; 32],
    /// Who they are.
    pub user: u32,
    /// Their name.
    pub name: String,
    /// When they asked something last.
    pub seen_at: UtcMillis,
    /// When it ends, whatever they ask.
    pub ends_at: UtcMillis,
}

/// Keeps a session.
///
/// # Errors
/// [`StorageError`] if it cannot be written.
pub fn session_insert(tx: &WriteTx<'_>, session: &SessionRow) -> Result<(), StorageError> {
    tx.execute(
        "INSERT INTO auth_session (hash, user_id, name, seen_at_ms, ends_at_ms) VALUES (?1, ?2, ?3, ?4, ?5)",
        params![&session.hash, session.user, &session.name, session.seen_at.get(), session.ends_at.get()],
    )?;
    Ok(())
}

/// Notes that somebody has asked something.
pub(crate) fn session_seen(tx: &WriteTx<'_>, hash: &[u8; 32], now: UtcMillis) -> Result<(), StorageError> {
    tx.execute("UPDATE auth_session SET seen_at_ms = ?2 WHERE hash = ?1", params![hash, now.get()])?;
    Ok(())
}

/// Ends a session.
pub(crate) fn session_delete(tx: &WriteTx<'_>, hash: &[u8; 32]) -> Result<(), StorageError> {
    tx.execute("DELETE FROM auth_session WHERE hash = ?1", params![hash])?;
    Ok(())
}

/// Ends all sessions of somebody.
pub(crate) fn sessions_of_user_delete(tx: &WriteTx<'_>, user: u32) -> Result<(), StorageError> {
    tx.execute("DELETE FROM auth_session WHERE user_id = ?1", params![user])?;
    Ok(())
}

/// Takes away the sessions that have ended by themselves.
pub(crate) fn sessions_ended_delete(tx: &WriteTx<'_>, now: UtcMillis) -> Result<(), StorageError> {
    tx.execute("DELETE FROM auth_session WHERE ends_at_ms <= ?1", params![now.get()])?;
    Ok(())
}

pub(crate) fn session_fetch(tx: &ReadTx<'_>, hash: &[u8; 32]) -> Result<Option<SessionRow>, StorageError> {
    let sql = "SELECT hash, user_id, name, seen_at_ms, ends_at_ms FROM auth_session WHERE hash = ?1";
    tx.query_optional(sql, params![hash], |row| {
        Ok(SessionRow {
            hash: row.take()?,
            user: row.take()?,
            name: row.take()?,
            seen_at: UtcMillis::new(row.take()?),
            ends_at: UtcMillis::new(row.take()?),
        })
    })
}

/// Says what somebody may do from now on, in place of what they might before.
pub(crate) fn grants_put(tx: &WriteTx<'_>, user: u32, grants: &[Grant]) -> Result<(), StorageError> {
    tx.execute("DELETE FROM auth_grant WHERE user_id = ?1", params![user])?;
    for grant in grants {
        let (scope, place) = scope_columns(grant.scope);
        tx.execute(
            "INSERT INTO auth_grant (user_id, role, scope, place) VALUES (?1, ?2, ?3, ?4)",
            params![user, grant.role.number(), scope, place],
        )?;
    }
    Ok(())
}

/// What somebody may do.
pub(crate) fn grant_list(tx: &ReadTx<'_>, user: u32) -> Result<Vec<Grant>, StorageError> {
    let sql = "SELECT role, scope, place FROM auth_grant WHERE user_id = ?1 ORDER BY role, scope, place LIMIT ?2";
    Ok(tx.query_list(sql, params![user, GRANTS_MAX], grant)?.into_iter().flatten().collect())
}

/// Says where a shop belongs.
pub(crate) fn place_put(tx: &WriteTx<'_>, store: StoreId, place: Place) -> Result<(), StorageError> {
    tx.execute(
        "INSERT INTO auth_place (store, district, region) VALUES (?1, ?2, ?3)
         ON CONFLICT (store) DO UPDATE SET district = excluded.district, region = excluded.region",
        params![store.get(), place.district, place.region],
    )?;
    Ok(())
}

pub(crate) fn place_fetch(tx: &ReadTx<'_>, store: StoreId) -> Result<Option<Place>, StorageError> {
    let sql = "SELECT district, region FROM auth_place WHERE store = ?1";
    tx.query_optional(sql, params![store.get()], |row| Ok(Place { district: row.take()?, region: row.take()? }))
}

/// The shops that a scope reaches, as far as it is known where they are; none for the chain.
pub(crate) fn store_list(tx: &ReadTx<'_>, scope: Scope) -> Result<Vec<StoreId>, StorageError> {
    let (column, number) = match scope {
        Scope::Chain => return Ok(Vec::new()),
        Scope::Store(store) => return Ok(vec![store]),
        Scope::District(number) => ("district", number),
        Scope::Region(number) => ("region", number),
    };
    let sql = format!("SELECT store FROM auth_place WHERE {column} = ?1 ORDER BY store LIMIT ?2");
    tx.query_list(&sql, params![number, STORES_MAX], |row| Ok(StoreId::new(row.take()?)))
}

const fn scope_columns(scope: Scope) -> (i64, u32) {
    match scope {
        Scope::Chain => (1, 0),
        Scope::Region(number) => (2, number),
        Scope::District(number) => (3, number),
        Scope::Store(store) => (4, store.get()),
    }
}

/// Nothing if a newer program wrote what this one does not know: it grants nothing.
fn grant(row: &mut Row<'_>) -> Result<Option<Grant>, StorageError> {
    let (role, scope, place): (i64, i64, u32) = (row.take()?, row.take()?, row.take()?);
    let scope = match scope {
        1 => Some(Scope::Chain),
        2 => Some(Scope::Region(place)),
        3 => Some(Scope::District(place)),
        4 => Some(Scope::Store(StoreId::new(place))),
        _ => None,
    };
    Ok(Role::from_number(role).zip(scope).map(|(role, scope)| Grant { role, scope }))
}
