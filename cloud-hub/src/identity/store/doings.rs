//! Who did what that not everybody may.

use percolate_common::time::UtcMillis;
use percolate_runtime::params;
use percolate_runtime::storage::{ReadTx, StorageError, WriteTx};

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    StorePlanned,
    BundleMade,
    BoxShutOut,
    StoreForgotten,
    PlaceSet,
    UserInvited,
    GrantsSet,
    UserDisabled,
    InvitationRedeemed,
    SignedIn,
    SignedOut,
    /// So many tries were wrong that none is taken for a while.
    Locked,
}

impl What {
    const ALL: [Self; 12] = [
        Self::StorePlanned,
        Self::BundleMade,
        Self::BoxShutOut,
        Self::StoreForgotten,
        Self::PlaceSet,
        Self::UserInvited,
        Self::GrantsSet,
        Self::UserDisabled,
        Self::InvitationRedeemed,
        Self::SignedIn,
        Self::SignedOut,
        Self::Locked,
    ];

    const fn number(self) -> i64 {
        match self {
            Self::StorePlanned => 1,
            Self::BundleMade => 2,
            Self::BoxShutOut => 3,
            Self::PlaceSet => 4,
            Self::UserInvited => 5,
            Self::GrantsSet => 6,
            Self::UserDisabled => 7,
            Self::InvitationRedeemed => 8,
            Self::SignedIn => 9,
            Self::SignedOut => 10,
            Self::Locked => 11,
            Self::StoreForgotten => 12,
        }
    }

    /// A word for lists.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::StorePlanned => "store_planned",
            Self::BundleMade => "bundle_made",
            Self::BoxShutOut => "box_shut_out",
            Self::StoreForgotten => "store_forgotten",
            Self::PlaceSet => "place_set",
            Self::UserInvited => "user_invited",
            Self::GrantsSet => "grants_set",
            Self::UserDisabled => "user_disabled",
            Self::InvitationRedeemed => "invitation_redeemed",
            Self::SignedIn => "signed_in",
            Self::SignedOut => "signed_out",
            Self::Locked => "locked",
        }
    }
}

/// A line of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DoingRow {
    pub(crate) id: i64,
    pub(crate) at: UtcMillis,
    pub(crate) actor: String,
    /// None if a newer program wrote what this one does not know.
    pub(crate) what: Option<What>,
    pub(crate) about: String,
}

/// Adds a line.
pub(crate) fn doing_insert(
    tx: &WriteTx<'_>,
    (actor, at): (&str, UtcMillis),
    (what, about): (What, &str),
) -> Result<(), StorageError> {
    let last: Option<i64> = tx.query_one("SELECT max(id) FROM doing", &[], |row| row.take())?;
    tx.execute(
        "INSERT INTO doing (id, at_ms, actor, what, about) VALUES (?1, ?2, ?3, ?4, ?5)",
        params![last.unwrap_or(0).saturating_add(1), at.get(), actor, what.number(), about],
    )?;
    Ok(())
}

/// The latest lines before one, the latest first.
pub(crate) fn doing_list(tx: &ReadTx<'_>, before: i64, limit: i64) -> Result<Vec<DoingRow>, StorageError> {
    let sql = "SELECT id, at_ms, actor, what, about FROM doing WHERE id < ?1 ORDER BY id DESC LIMIT ?2";
    tx.query_list(sql, params![before, limit], |row| {
        let (id, at, actor) = (row.take()?, UtcMillis::new(row.take()?), row.take()?);
        let number: i64 = row.take()?;
        let what = What::ALL.into_iter().find(|what| what.number() == number);
        Ok(DoingRow { id, at, actor, what, about: row.take()? })
    })
}
