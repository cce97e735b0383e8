//! The people of the shop, who of them has signed in, wrong tries, and approvals.

use percolate_common::domain::staff::Stay;
use percolate_common::domain::staff::lockout::Lockout;
use percolate_common::domain::staff::roles::Role;
use percolate_common::ids::StaffId;
use percolate_common::time::UtcMillis;
use percolate_runtime::sqlite::{ReadTx, WriteTx};
use percolate_runtime::storage::StorageError;
use rusqlite::{Row, named_params};

use super::LIST_ROWS_MAX;

/// A person's row.
#[derive(Debug, Clone)]
pub(crate) struct StaffRow {
    pub(crate) id: StaffId,
    pub(crate) name: String,
    pub(crate) role: Role,
    /// As [`percolate_runtime::password::KeptPassword`] writes it.
    pub(crate) pin_hash: Option<String>,
    pub(crate) badge_hash: Option<[u8; 32]>,
    /// Of what their PIN was hashed from.
    pub(crate) mark: [u8; 32],
}

/// Somebody's time at a till.
#[derive(Debug, Clone)]
pub(crate) struct SessionRow {
    /// Of its token.
    pub(crate) hash: [u8; 32],
    pub(crate) staff: StaffId,
    /// The terminal's name; empty on the box itself.
    pub(crate) place: String,
    pub(crate) started_at: UtcMillis,
    pub(crate) stay: Stay,
}

/// An approval's row.
#[derive(Debug, Clone)]
pub(crate) struct ApprovalRow {
    /// Of its token.
    pub(crate) hash: [u8; 32],
    /// The act's word.
    pub(crate) act: String,
    pub(crate) approver: StaffId,
    pub(crate) reason: String,
    pub(crate) place: String,
    pub(crate) expires_at: UtcMillis,
    pub(crate) is_used: bool,
}

const fn role_number(role: Role) -> i64 {
    match role {
        Role::Barista => 1,
        Role::Lead => 2,
        Role::Manager => 3,
    }
}

fn person(row: &Row<'_>) -> rusqlite::Result<StaffRow> {
    let number: i64 = row.get("role")?;
    Ok(StaffRow {
        id: StaffId::new(row.get("id")?),
        name: row.get("name")?,
        // The table takes no other number.
        role: Role::ALL.into_iter().find(|role| role_number(*role) == number).unwrap_or(Role::Barista),
        pin_hash: row.get("pin_hash")?,
        badge_hash: row.get("badge_hash")?,
        mark: row.get("mark")?,
    })
}

/// The people who are there, by number.
pub(crate) fn staff_list(tx: &ReadTx<'_>) -> Result<Vec<StaffRow>, StorageError> {
    tx.query_list(
        "SELECT * FROM staff WHERE active = 1 ORDER BY id LIMIT :limit",
        named_params! {":limit": LIST_ROWS_MAX},
        person,
    )
}

pub(crate) fn staff_fetch(tx: &ReadTx<'_>, id: StaffId) -> Result<Option<StaffRow>, StorageError> {
    tx.query_optional("SELECT * FROM staff WHERE id = :id AND active = 1", named_params! {":id": id.get()}, person)
}

pub(crate) fn staff_by_badge(tx: &ReadTx<'_>, hash: &[u8; 32]) -> Result<Option<StaffRow>, StorageError> {
    let sql = "SELECT * FROM staff WHERE badge_hash = :hash AND active = 1";
    tx.query_optional(sql, named_params! {":hash": hash}, person)
}

/// Takes nobody for present any more; those who are, are put again.
pub(crate) fn staff_deactivate(tx: &WriteTx<'_>) -> Result<(), StorageError> {
    tx.execute("UPDATE staff SET active = 0 WHERE active = 1", [])?;
    Ok(())
}

pub(crate) fn staff_put(tx: &WriteTx<'_>, row: &StaffRow) -> Result<(), StorageError> {
    tx.execute(
        "INSERT INTO staff (id, name, role, pin_hash, badge_hash, mark, active)
         VALUES (:id, :name, :role, :pin, :badge, :mark, 1)
         ON CONFLICT (id) DO UPDATE SET name = excluded.name, role = excluded.role, pin_hash = excluded.pin_hash,
            badge_hash = excluded.badge_hash, mark = excluded.mark, active = 1",
        named_params! {
            ":id": row.id.get(), ":name": row.name, ":role": role_number(row.role), ":pin": row.pin_hash,
            ":badge": row.badge_hash, ":mark": row.mark,
        },
    )?;
    Ok(())
}

fn session(row: &Row<'_>) -> rusqlite::Result<SessionRow> {
    Ok(SessionRow {
        hash: row.get("hash")?,
        staff: StaffId::new(row.get("staff")?),
        place: row.get("place")?,
        started_at: UtcMillis::new(row.get("started_ms")?),
        stay: Stay {
            seen_at: UtcMillis::new(row.get("last_ms")?),
            has_ended: row.get::<_, Option<i64>>("ended_ms")?.is_some(),
        },
    })
}

pub(crate) fn session_fetch(tx: &ReadTx<'_>, hash: &[u8; 32]) -> Result<Option<SessionRow>, StorageError> {
    tx.query_optional("SELECT * FROM staff_session WHERE hash = :hash", named_params! {":hash": hash}, session)
}

pub(crate) fn session_insert(tx: &WriteTx<'_>, row: &SessionRow) -> Result<(), StorageError> {
    tx.execute(
        "INSERT INTO staff_session (hash, staff, place, started_ms, last_ms) VALUES (:hash, :staff, :place, :at, :at)",
        named_params! {
            ":hash": row.hash, ":staff": row.staff.get(), ":place": row.place, ":at": row.started_at.get(),
        },
    )?;
    Ok(())
}

pub(crate) fn session_seen(tx: &WriteTx<'_>, hash: &[u8; 32], at: UtcMillis) -> Result<(), StorageError> {
    let sql = "UPDATE staff_session SET last_ms = :at WHERE hash = :hash";
    tx.execute(sql, named_params! {":hash": hash, ":at": at.get()})?;
    Ok(())
}

pub(crate) fn session_end(tx: &WriteTx<'_>, hash: &[u8; 32], at: UtcMillis) -> Result<(), StorageError> {
    let sql = "UPDATE staff_session SET ended_ms = :at WHERE hash = :hash AND ended_ms IS NULL";
    tx.execute(sql, named_params! {":hash": hash, ":at": at.get()})?;
    Ok(())
}

/// Ends what a person has open: at one place, or everywhere.
pub(crate) fn sessions_end(
    tx: &WriteTx<'_>,
    staff: StaffId,
    place: Option<&str>,
    at: UtcMillis,
) -> Result<(), StorageError> {
    tx.execute(
        "UPDATE staff_session SET ended_ms = :at
         WHERE staff = :staff AND ended_ms IS NULL AND (:place IS NULL OR place = :place)",
        named_params! {":staff": staff.get(), ":place": place, ":at": at.get()},
    )?;
    Ok(())
}

/// Ends what those have open who are no longer there.
pub(crate) fn sessions_of_absent_end(tx: &WriteTx<'_>, at: UtcMillis) -> Result<(), StorageError> {
    tx.execute(
        "UPDATE staff_session SET ended_ms = :at
         WHERE ended_ms IS NULL AND staff NOT IN (SELECT id FROM staff WHERE active = 1)",
        named_params! {":at": at.get()},
    )?;
    Ok(())
}

/// Forgets sessions in which nothing was done, and approvals that ended, since before an instant.
pub(crate) fn forget(tx: &WriteTx<'_>, before: UtcMillis) -> Result<(), StorageError> {
    tx.execute("DELETE FROM staff_session WHERE last_ms < :before", named_params! {":before": before.get()})?;
    tx.execute("DELETE FROM approval WHERE expires_ms < :before", named_params! {":before": before.get()})?;
    Ok(())
}

pub(crate) fn lockout_fetch(tx: &ReadTx<'_>, subject: &str) -> Result<Option<Lockout>, StorageError> {
    tx.query_optional(
        "SELECT wrong, from_ms, until_ms FROM lockout WHERE subject = :subject",
        named_params! {":subject": subject},
        |row| {
            Ok(Lockout {
                wrong: row.get("wrong")?,
                from: UtcMillis::new(row.get("from_ms")?),
                until: UtcMillis::new(row.get("until_ms")?),
            })
        },
    )
}

pub(crate) fn lockout_put(tx: &WriteTx<'_>, subject: &str, lockout: &Lockout) -> Result<(), StorageError> {
    tx.execute(
        "INSERT INTO lockout (subject, wrong, from_ms, until_ms) VALUES (:subject, :wrong, :from, :until)
         ON CONFLICT (subject) DO UPDATE SET wrong = excluded.wrong, from_ms = excluded.from_ms,
            until_ms = excluded.until_ms",
        named_params! {
            ":subject": subject, ":wrong": lockout.wrong, ":from": lockout.from.get(), ":until": lockout.until.get(),
        },
    )?;
    Ok(())
}

pub(crate) fn lockout_clear(tx: &WriteTx<'_>, subject: &str) -> Result<(), StorageError> {
    tx.execute("DELETE FROM lockout WHERE subject = :subject", named_params! {":subject": subject})?;
    Ok(())
}

pub(crate) fn approval_fetch(tx: &ReadTx<'_>, hash: &[u8; 32]) -> Result<Option<ApprovalRow>, StorageError> {
    tx.query_optional("SELECT * FROM approval WHERE hash = :hash", named_params! {":hash": hash}, |row| {
        Ok(ApprovalRow {
            hash: row.get("hash")?,
            act: row.get("act")?,
            approver: StaffId::new(row.get("approver")?),
            reason: row.get("reason")?,
            place: row.get("place")?,
            expires_at: UtcMillis::new(row.get("expires_ms")?),
            is_used: row.get::<_, Option<i64>>("used_ms")?.is_some(),
        })
    })
}

pub(crate) fn approval_insert(tx: &WriteTx<'_>, row: &ApprovalRow) -> Result<(), StorageError> {
    tx.execute(
        "INSERT INTO approval (hash, act, approver, reason, place, expires_ms)
         VALUES (:hash, :act, :approver, :reason, :place, :expires)",
        named_params! {
            ":hash": row.hash, ":act": row.act, ":approver": row.approver.get(), ":reason": row.reason,
            ":place": row.place, ":expires": row.expires_at.get(),
        },
    )?;
    Ok(())
}

pub(crate) fn approval_used(tx: &WriteTx<'_>, hash: &[u8; 32], at: UtcMillis) -> Result<(), StorageError> {
    let sql = "UPDATE approval SET used_ms = :at WHERE hash = :hash";
    tx.execute(sql, named_params! {":hash": hash, ":at": at.get()})?;
    Ok(())
}
