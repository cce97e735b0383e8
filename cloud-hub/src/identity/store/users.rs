//! People who may sign in, and their invitations.

use percolate_common::identity::person::PersonName;
use percolate_common::time::UtcMillis;
use percolate_runtime::params;
use percolate_runtime::password::KeptPassword;
use percolate_runtime::storage::{ReadTx, Row, StorageError, WriteTx};
use percolate_runtime::totp::TotpSecret;

/// People that one listing holds.
const USERS_MAX: i64 = 10_000;

const COLUMNS: &str = "id, name, password, totp, totp_step, failures, locked_until_ms, state";

/// How it stands with somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UserState {
    /// They have chosen no password yet.
    Invited,
    /// They can sign in.
    Active,
    /// They cannot, any more.
    Disabled,
}

impl UserState {
    const fn number(self) -> i64 {
        match self {
            Self::Invited => 1,
            Self::Active => 2,
            Self::Disabled => 3,
        }
    }

    const fn from_number(number: i64) -> Self {
        match number {
            1 => Self::Invited,
            2 => Self::Active,
            // What a newer program wrote lets nobody in.
            _ => Self::Disabled,
        }
    }

    /// A word for lists.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Invited => "invited",
            Self::Active => "active",
            Self::Disabled => "disabled",
        }
    }
}

/// What somebody shows to sign in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Credentials {
    pub(crate) password: KeptPassword,
    pub(crate) totp: TotpSecret,
}

/// Somebody who may sign in, or might.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UserRow {
    pub(crate) id: u32,
    pub(crate) name: String,
    /// None until they have chosen.
    pub(crate) credentials: Option<Credentials>,
    /// Of the last code that was taken.
    pub(crate) totp_step: i64,
    /// Wrong tries since the last right one.
    pub(crate) failures: u32,
    pub(crate) locked_until: UtcMillis,
    pub(crate) state: UserState,
}

/// Takes somebody in, and tells their number.
pub(crate) fn user_insert(tx: &WriteTx<'_>, name: &PersonName) -> Result<u32, StorageError> {
    let last: Option<i64> = tx.query_one("SELECT max(id) FROM office_user", &[], |row| row.take())?;
    let id = u32::try_from(last.unwrap_or(0).saturating_add(1)).unwrap_or(u32::MAX);
    tx.execute(
        "INSERT INTO office_user (id, name, totp_step, failures, locked_until_ms, state) VALUES (?1, ?2, 0, 0, 0, 1)",
        params![id, name.as_str()],
    )?;
    Ok(id)
}

pub(crate) fn user_by_name(tx: &ReadTx<'_>, name: &PersonName) -> Result<Option<UserRow>, StorageError> {
    let sql = format!("SELECT {COLUMNS} FROM office_user WHERE name = ?1");
    tx.query_optional(&sql, params![name.as_str()], user)
}

/// All people, by name.
pub(crate) fn user_list(tx: &ReadTx<'_>) -> Result<Vec<UserRow>, StorageError> {
    let sql = format!("SELECT {COLUMNS} FROM office_user WHERE id > 0 ORDER BY name LIMIT ?1");
    tx.query_list(&sql, params![USERS_MAX], user)
}

pub(crate) fn user_state_set(tx: &WriteTx<'_>, id: u32, state: UserState) -> Result<(), StorageError> {
    tx.execute("UPDATE office_user SET state = ?2 WHERE id = ?1", params![id, state.number()])?;
    Ok(())
}

/// Somebody has chosen: from now on this is what they show, and nothing that was tried before counts.
pub(crate) fn user_credentials_set(tx: &WriteTx<'_>, id: u32, chosen: &Credentials) -> Result<(), StorageError> {
    tx.execute(
        "UPDATE office_user SET password = ?2, totp = ?3, totp_step = 0, failures = 0, locked_until_ms = 0, state = 2
         WHERE id = ?1",
        params![id, chosen.password.as_str(), chosen.totp.as_bytes()],
    )?;
    Ok(())
}

/// Somebody has signed in with the code of a step.
pub(crate) fn user_signed_in(tx: &WriteTx<'_>, id: u32, step: i64) -> Result<(), StorageError> {
    tx.execute(
        "UPDATE office_user SET totp_step = ?2, failures = 0, locked_until_ms = 0 WHERE id = ?1",
        params![id, step],
    )?;
    Ok(())
}

/// Somebody has tried to.
pub(crate) fn user_failed(
    tx: &WriteTx<'_>,
    id: u32,
    (failures, locked_until): (u32, UtcMillis),
) -> Result<(), StorageError> {
    tx.execute(
        "UPDATE office_user SET failures = ?2, locked_until_ms = ?3 WHERE id = ?1",
        params![id, failures, locked_until.get()],
    )?;
    Ok(())
}

/// Nobody has: a row is written all the same, as it takes its time.
pub(crate) fn nobody_failed(tx: &WriteTx<'_>, now: UtcMillis) -> Result<(), StorageError> {
    tx.execute(
        "UPDATE office_user SET failures = failures + 1, locked_until_ms = ?1 WHERE id = 0",
        params![now.get()],
    )?;
    Ok(())
}

pub(crate) fn invitation_insert(
    tx: &WriteTx<'_>,
    hash: &[u8; 32],
    (user, expires_at): (u32, UtcMillis),
) -> Result<(), StorageError> {
    tx.execute(
        "INSERT INTO invitation (hash, user_id, expires_at_ms) VALUES (?1, ?2, ?3)",
        params![hash, user, expires_at.get()],
    )?;
    Ok(())
}

/// Whom an invitation is for, if it has not ended.
pub(crate) fn invited_fetch(tx: &ReadTx<'_>, hash: &[u8; 32], now: UtcMillis) -> Result<Option<UserRow>, StorageError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM office_user JOIN invitation ON user_id = id WHERE hash = ?1 AND expires_at_ms > ?2"
    );
    tx.query_optional(&sql, params![hash, now.get()], user)
}

/// No invitation of somebody is good any more.
pub(crate) fn invitations_delete(tx: &WriteTx<'_>, user: u32) -> Result<(), StorageError> {
    tx.execute("DELETE FROM invitation WHERE user_id = ?1", params![user])?;
    Ok(())
}

fn user(row: &mut Row<'_>) -> Result<UserRow, StorageError> {
    let (id, name) = (row.take()?, row.take()?);
    let password: Option<String> = row.take()?;
    let totp: Option<[u8; 20]> = row.take()?;
    let credentials = password.zip(totp).map(|(password, totp)| Credentials {
        password: KeptPassword::kept(password),
        totp: TotpSecret::from_bytes(totp),
    });
    Ok(UserRow {
        id,
        name,
        credentials,
        totp_step: row.take()?,
        failures: row.take()?,
        locked_until: UtcMillis::new(row.take()?),
        state: UserState::from_number(row.take()?),
    })
}
