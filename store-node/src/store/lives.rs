//! The lives of this database: which there are, and which is written now.

use percolate_common::domain::event::LifeReason;
use percolate_common::domain::tickets::receipt::Series;
use percolate_common::journal::Incarnation;
use percolate_common::time::UtcMillis;
use percolate_runtime::sqlite::{ReadTx, WriteTx};
use percolate_runtime::storage::StorageError;
use rusqlite::{Row, named_params};

use super::LIST_ROWS_MAX;

/// A life of this database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Life {
    pub(crate) number: i64,
    pub(crate) incarnation: Incarnation,
}

/// A life that begins.
#[derive(Debug, Clone)]
pub(crate) struct NewLife {
    pub(crate) incarnation: Incarnation,
    pub(crate) parent: Option<Life>,
    pub(crate) reason: LifeReason,
    /// A fingerprint of the machine, where it has one.
    pub(crate) machine: Option<[u8; 16]>,
    pub(crate) label: Series,
    pub(crate) begins_at: UtcMillis,
}

/// Why the present life began, when, and where.
#[derive(Debug, Clone)]
pub(crate) struct Beginning {
    pub(crate) reason: String,
    pub(crate) since_ms: i64,
    pub(crate) machine: Option<[u8; 16]>,
}

const fn word(reason: LifeReason) -> &'static str {
    match reason {
        LifeReason::New => "new",
        LifeReason::Moved => "moved",
        LifeReason::Restored => "restored",
        LifeReason::Forked => "forked",
        LifeReason::Fenced => "fenced",
        LifeReason::Operator => "operator",
    }
}

fn life(row: &Row<'_>) -> rusqlite::Result<Life> {
    let incarnation = Incarnation::new(row.get::<_, i64>("incarnation")?.cast_unsigned());
    Ok(Life { number: row.get("life")?, incarnation })
}

const PRESENT: &str = "SELECT life, incarnation FROM present_life JOIN author_life USING (life)";

/// The life that is written now.
pub(crate) fn present(tx: &ReadTx<'_>) -> Result<Life, StorageError> {
    tx.query_one(PRESENT, [], life)
}

/// The life that is written now, if one has begun yet.
pub(crate) fn present_or_none(tx: &ReadTx<'_>) -> Result<Option<Life>, StorageError> {
    tx.query_optional(PRESENT, [], life)
}

/// Every life, in the order in which this file came to know them.
pub(crate) fn list(tx: &ReadTx<'_>) -> Result<Vec<Life>, StorageError> {
    tx.query_list(
        "SELECT life, incarnation FROM author_life ORDER BY life LIMIT :limit",
        named_params! {":limit": LIST_ROWS_MAX},
        life,
    )
}

/// The life with this incarnation, if it is one of ours.
pub(crate) fn find(tx: &ReadTx<'_>, incarnation: Incarnation) -> Result<Option<Life>, StorageError> {
    tx.query_optional(
        "SELECT life, incarnation FROM author_life WHERE incarnation = :incarnation",
        named_params! {":incarnation": incarnation.get().cast_signed()},
        life,
    )
}

/// How many lives there are.
pub(crate) fn lives_count(tx: &ReadTx<'_>) -> Result<u32, StorageError> {
    tx.query_one("SELECT count(*) AS lives FROM author_life", [], |row| row.get("lives"))
}

/// Begins a life, and makes it the present one.
pub(crate) fn begin(tx: &WriteTx<'_>, new: &NewLife) -> Result<Life, StorageError> {
    let incarnation = new.incarnation.get().cast_signed();
    tx.execute(
        "INSERT INTO author_life (incarnation, created_at_ms, parent, reason, machine, label)
         VALUES (:incarnation, :now, :parent, :reason, :machine, :label)",
        named_params! {
            ":incarnation": incarnation, ":now": new.begins_at.get(), ":parent": new.parent.map(|life| life.number),
            ":reason": word(new.reason), ":machine": new.machine, ":label": new.label.to_string(),
        },
    )?;
    tx.execute(
        "INSERT INTO present_life (one, life) SELECT 1, life FROM author_life WHERE incarnation = :incarnation
         ON CONFLICT (one) DO UPDATE SET life = excluded.life",
        named_params! {":incarnation": incarnation},
    )?;
    present(tx)
}

/// Takes note of an own life that this file had never heard of: its journals come back from the hub.
pub(crate) fn adopt(tx: &WriteTx<'_>, incarnation: Incarnation, now: UtcMillis) -> Result<(), StorageError> {
    tx.execute(
        "INSERT INTO author_life (incarnation, created_at_ms, reason) VALUES (:incarnation, :now, 'returned')
         ON CONFLICT (incarnation) DO NOTHING",
        named_params! {":incarnation": incarnation.get().cast_signed(), ":now": now.get()},
    )?;
    Ok(())
}

/// How a life began.
pub(crate) fn beginning(tx: &ReadTx<'_>, life: Life) -> Result<Beginning, StorageError> {
    tx.query_one(
        "SELECT reason, created_at_ms, machine FROM author_life WHERE life = :life",
        named_params! {":life": life.number},
        |row| {
            Ok(Beginning {
                reason: row.get("reason")?,
                since_ms: row.get("created_at_ms")?,
                machine: row.get("machine")?,
            })
        },
    )
}

/// Notes the machine of a life that began before machines were noted.
pub(crate) fn machine_put(tx: &WriteTx<'_>, life: Life, machine: [u8; 16]) -> Result<(), StorageError> {
    tx.execute(
        "UPDATE author_life SET machine = :machine WHERE life = :life AND machine IS NULL",
        named_params! {":machine": machine, ":life": life.number},
    )?;
    Ok(())
}

/// The letters of a life's series.
pub(crate) fn label_fetch(tx: &ReadTx<'_>, life: Life) -> Result<Series, StorageError> {
    let text: String = tx.query_one(
        "SELECT label FROM author_life WHERE life = :life",
        named_params! {":life": life.number},
        |row| row.get("label"),
    )?;
    Ok(text.parse().unwrap_or_else(|_written_by_nobody| Series::first()))
}

/// Gives a life other letters, as long as no series was opened in it and no day closed.
pub(crate) fn label_put(tx: &WriteTx<'_>, life: Life, label: &Series) -> Result<(), StorageError> {
    tx.execute(
        "UPDATE author_life SET label = :label
         WHERE life = :life AND NOT EXISTS (SELECT 1 FROM series WHERE series.life = :life)
            AND NOT EXISTS (SELECT 1 FROM reading WHERE reading.life = :life)",
        named_params! {":life": life.number, ":label": label.to_string()},
    )?;
    Ok(())
}
