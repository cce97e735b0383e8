//! What of an older life is still to be written again in the present one, and where such events stand.

use percolate_common::journal::{EventId, Hash, Head, Incarnation, StreamKind};
use percolate_runtime::sqlite::{ReadTx, WriteTx};
use percolate_runtime::storage::StorageError;
use rusqlite::named_params;

use super::lives::Life;
use super::sales::Place;
use super::{LIST_ROWS_MAX, column, count};

/// Entries of one journal that are to be written again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Repair {
    pub(crate) life: Life,
    pub(crate) stream: StreamKind,
    pub(crate) next_seq: u64,
    pub(crate) last_seq: u64,
    /// The last place that the hub holds, too: the journal ends there when all is done.
    pub(crate) agreed: Head,
}

/// Numbers of the lives that are being repaired.
pub(crate) fn life_list(tx: &ReadTx<'_>) -> Result<Vec<i64>, StorageError> {
    tx.query_list(
        "SELECT DISTINCT life FROM repair ORDER BY life LIMIT :limit",
        named_params! {":limit": LIST_ROWS_MAX},
        |row| row.get("life"),
    )
}

/// How many entries are left to be written again.
pub(crate) fn left(tx: &ReadTx<'_>) -> Result<u64, StorageError> {
    tx.query_one("SELECT coalesce(sum(last_seq - next_seq + 1), 0) AS entries FROM repair", [], |row| {
        row.get("entries").map(count)
    })
}

pub(crate) fn insert(tx: &WriteTx<'_>, repair: &Repair) -> Result<(), StorageError> {
    tx.execute(
        "INSERT INTO repair (life, stream, next_seq, last_seq, agreed_seq, agreed_hash)
         VALUES (:life, :stream, :next, :last, :agreed, :hash)",
        named_params! {
            ":life": repair.life.number, ":stream": repair.stream.number(), ":next": column(repair.next_seq),
            ":last": column(repair.last_seq), ":agreed": column(repair.agreed.seq),
            ":hash": repair.agreed.hash.as_bytes(),
        },
    )?;
    Ok(())
}

/// The journal that is repaired first.
pub(crate) fn first(tx: &ReadTx<'_>) -> Result<Option<Repair>, StorageError> {
    let row = tx.query_optional(
        "SELECT life, incarnation, stream, next_seq, last_seq, agreed_seq, agreed_hash
         FROM repair JOIN author_life USING (life) ORDER BY life, stream LIMIT 1",
        [],
        |row| {
            let incarnation = Incarnation::new(row.get::<_, i64>("incarnation")?.cast_unsigned());
            let hash = Hash::from_bytes(row.get("agreed_hash")?);
            let repair = |stream| {
                Ok::<_, rusqlite::Error>(Repair {
                    life: Life { number: row.get("life")?, incarnation },
                    stream,
                    next_seq: count(row.get("next_seq")?),
                    last_seq: count(row.get("last_seq")?),
                    agreed: Head { seq: count(row.get("agreed_seq")?), hash },
                })
            };
            StreamKind::from_number(row.get("stream")?).map(repair).transpose()
        },
    )?;
    Ok(row.flatten())
}

/// Everything before `next_seq` is done.
pub(crate) fn advance(tx: &WriteTx<'_>, repair: &Repair, next_seq: u64) -> Result<(), StorageError> {
    tx.execute(
        "UPDATE repair SET next_seq = :next WHERE life = :life AND stream = :stream",
        named_params! {
            ":next": column(next_seq), ":life": repair.life.number, ":stream": repair.stream.number(),
        },
    )?;
    Ok(())
}

/// All is done: the old journal ends at the agreed place.
pub(crate) fn finish(tx: &WriteTx<'_>, repair: &Repair) -> Result<(), StorageError> {
    let (life, stream) = (repair.life.number, repair.stream.number());
    tx.execute(
        "DELETE FROM repair WHERE life = :life AND stream = :stream",
        named_params! {":life": life, ":stream": stream},
    )?;
    if repair.agreed.seq == 0 {
        tx.execute(
            "DELETE FROM stream_head WHERE life = :life AND stream = :stream",
            named_params! {":life": life, ":stream": stream},
        )?;
        return Ok(());
    }
    tx.execute(
        "UPDATE stream_head SET seq = :seq, hash = :hash WHERE life = :life AND stream = :stream",
        named_params! {
            ":seq": column(repair.agreed.seq), ":hash": repair.agreed.hash.as_bytes(), ":life": life, ":stream": stream,
        },
    )?;
    Ok(())
}

/// Takes an entry out of its journal, and keeps it.
pub(crate) fn set_aside(tx: &WriteTx<'_>, life: Life, stream: StreamKind, seq: u64) -> Result<(), StorageError> {
    let params = named_params! {":life": life.number, ":stream": stream.number(), ":seq": column(seq)};
    tx.execute(
        "INSERT INTO journal_set_aside (life, stream, seq, hash, event)
         SELECT life, stream, seq, hash, event FROM journal WHERE life = :life AND stream = :stream AND seq = :seq
         ON CONFLICT DO NOTHING",
        params,
    )?;
    tx.execute("DELETE FROM journal WHERE life = :life AND stream = :stream AND seq = :seq", params)?;
    Ok(())
}

/// Notes where an event that was written again stands now.
pub(crate) fn origin_put(
    tx: &WriteTx<'_>,
    id: EventId,
    life: Life,
    stream: StreamKind,
    seq: u64,
) -> Result<(), StorageError> {
    tx.execute(
        "INSERT INTO journal_origin (event_id, life, stream, seq) VALUES (:id, :life, :stream, :seq)
         ON CONFLICT (event_id) DO UPDATE SET life = excluded.life, stream = excluded.stream, seq = excluded.seq",
        named_params! {
            ":id": id.as_bytes(), ":life": life.number, ":stream": stream.number(), ":seq": column(seq),
        },
    )?;
    Ok(())
}

/// Whether an event was written again, and counts there.
pub(crate) fn origin_is_known(tx: &ReadTx<'_>, id: EventId) -> Result<bool, StorageError> {
    Ok(origin_place(tx, id)?.is_some())
}

/// Where an event stands and counts that was written again.
pub(crate) fn origin_place(tx: &ReadTx<'_>, id: EventId) -> Result<Option<Place>, StorageError> {
    tx.query_optional(
        "SELECT life, seq FROM journal_origin WHERE event_id = :id",
        named_params! {":id": id.as_bytes()},
        |row| Ok(Place { life: row.get("life")?, seq: count(row.get("seq")?) }),
    )
}

/// A ticket's event stands elsewhere now.
pub(crate) fn ticket_move(tx: &WriteTx<'_>, from: Place, to: Place) -> Result<(), StorageError> {
    tx.execute(
        "UPDATE ticket SET life = :life, seq = :seq WHERE life = :old_life AND seq = :old_seq",
        named_params! {
            ":life": to.life, ":seq": column(to.seq), ":old_life": from.life, ":old_seq": column(from.seq),
        },
    )?;
    Ok(())
}
