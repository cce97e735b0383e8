//! Who of several processes has which lanes of nodes: leases in the table of duties, by the server's clock. On a server only.
//!
//! Nobody waits for a row that another process is about to write: it would hold up the group that it stands in.

use std::collections::{BTreeMap, BTreeSet};

use percolate_common::wire::topic::LANES;
use percolate_runtime::params;
use percolate_runtime::storage::{ReadTx, StorageError, WriteTx};

/// How long a lease lasts, in milliseconds of the server's clock: longer than a duty's, because it is renewed among the messages
/// of nodes, and where the database is far away two groups of those may take some seconds. To lose lanes then would add to it.
pub const LANE_LEASE_MS: i64 = 10_000;

/// What the rows of lanes are named by.
const LANE: &str = "lane_";

/// What the rows of processes are named by, which have lanes or want some.
const MEMBER: &str = "lanes_of_";

/// Processes that are seen at one time: more than there are lanes need not be.
const MEMBERS_MAX: i64 = 1_000;

/// How long a process that went without a word is remembered, in milliseconds.
const FORGOTTEN_MS: i64 = 60_000;

/// Which processes are there, and who has which lane.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LanesHeld {
    /// Those whose lease runs.
    pub members: BTreeSet<u64>,
    /// Those lanes whose lease runs, and who has each.
    pub holders: BTreeMap<u8, u64>,
}

/// Who has what.
///
/// # Errors
/// [`StorageError`] if it cannot be read.
pub fn lanes_held(tx: &ReadTx<'_>) -> Result<LanesHeld, StorageError> {
    let rows: Vec<(String, i64)> = tx.query_list(
        "SELECT name, holder FROM duty
         WHERE name >= 'lane_' AND name < 'lanet'
           AND until_ms >= CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)
         ORDER BY name LIMIT ?1",
        params![i64::from(LANES) + MEMBERS_MAX],
        |row| Ok((row.take()?, row.take()?)),
    )?;
    let mut held = LanesHeld::default();
    for (name, holder) in rows {
        let holder = holder.cast_unsigned();
        match name.strip_prefix(LANE).map(str::parse) {
            Some(Ok(lane)) if lane < LANES => {
                held.holders.insert(lane, holder);
            }
            // A newer program may have more of them.
            Some(Ok(_) | Err(_)) => {}
            None => {
                held.members.insert(holder);
            }
        }
    }
    Ok(held)
}

/// Makes the rows of all lanes and of a process, and forgets processes that are gone for long.
///
/// # Errors
/// [`StorageError`] if they cannot be written.
pub fn lanes_join(tx: &WriteTx<'_>, me: u64) -> Result<(), StorageError> {
    tx.execute(
        "DELETE FROM duty WHERE name IN (
            SELECT name FROM duty
            WHERE name >= 'lanes_of_' AND name < 'lanes_oft'
              AND until_ms < CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT) - ?1
            FOR NO KEY UPDATE SKIP LOCKED)",
        params![FORGOTTEN_MS],
    )?;
    let names: Vec<_> = (0..LANES).map(lane_name).chain([member_name(me)]).collect();
    tx.execute(
        "INSERT INTO duty (name, holder, until_ms) SELECT name, 0, 0 FROM unnest(?1::text[]) AS fresh (name)
         ON CONFLICT (name) DO NOTHING",
        &[texts(&names)[..].into()],
    )?;
    Ok(())
}

/// Renews the lease of a process, and has lanes for it that are its own or nobody's. Tells which it has of these.
///
/// # Errors
/// [`StorageError`] if they cannot be written.
pub fn lanes_take(tx: &WriteTx<'_>, me: u64, lanes: &BTreeSet<u8>) -> Result<BTreeSet<u8>, StorageError> {
    let names: Vec<_> = lanes.iter().copied().map(lane_name).chain([member_name(me)]).collect();
    let taken: Vec<String> = tx.query_list(
        "UPDATE duty SET holder = ?2, until_ms = CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT) + ?3
         WHERE name IN (
            SELECT name FROM duty
            WHERE name = ANY (?1::text[])
              AND (holder = ?2 OR until_ms < CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT))
            FOR NO KEY UPDATE SKIP LOCKED)
         RETURNING name",
        &[texts(&names)[..].into(), me.cast_signed().into(), LANE_LEASE_MS.into()],
        |row| row.take(),
    )?;
    Ok(taken.iter().filter_map(|name| name.strip_prefix(LANE)?.parse().ok()).collect())
}

/// Gives back lanes of a process, so that others may have them at once.
///
/// # Errors
/// [`StorageError`] if they cannot be written.
pub fn lanes_give(tx: &WriteTx<'_>, me: u64, lanes: &BTreeSet<u8>) -> Result<(), StorageError> {
    let names: Vec<_> = lanes.iter().copied().map(lane_name).collect();
    give(tx, me, &names)
}

/// Gives back all that a process has, and its place among the others.
///
/// # Errors
/// [`StorageError`] if it cannot be written.
pub fn lanes_leave(tx: &WriteTx<'_>, me: u64) -> Result<(), StorageError> {
    let names: Vec<_> = (0..LANES).map(lane_name).chain([member_name(me)]).collect();
    give(tx, me, &names)
}

fn give(tx: &WriteTx<'_>, me: u64, names: &[String]) -> Result<(), StorageError> {
    tx.execute(
        "UPDATE duty SET until_ms = 0 WHERE name = ANY (?1::text[]) AND holder = ?2",
        &[texts(names)[..].into(), me.cast_signed().into()],
    )?;
    Ok(())
}

fn lane_name(lane: u8) -> String {
    format!("{LANE}{lane:02}")
}

fn member_name(member: u64) -> String {
    format!("{MEMBER}{member:016x}")
}

fn texts(names: &[String]) -> Vec<Option<&str>> {
    names.iter().map(|name| Some(name.as_str())).collect()
}
