//! The node's own journals, its life, and how far the hub has read.

use percolate_common::hlc::Hlc;
use percolate_common::journal::{Hash, Head, Incarnation, JournalId, StreamKind};
use percolate_common::time::UtcMillis;
use percolate_runtime::sqlite::{ReadTx, StorageError, WriteTx};
use rusqlite::{Row, named_params};

use super::{column, count};

/// A life of this database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Life {
    pub(crate) number: i64,
    pub(crate) incarnation: Incarnation,
}

/// A journal's head with its clock reading.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StreamHead {
    pub(crate) stream: StreamKind,
    pub(crate) head: Head,
    pub(crate) hlc: Hlc,
}

/// The reader of everything: the hub.
const HUB: &str = "hub";

pub(crate) fn meta_fetch(tx: &ReadTx<'_>, key: &str) -> Result<Option<String>, StorageError> {
    tx.query_optional("SELECT value FROM meta WHERE key = :key", named_params! {":key": key}, |row| row.get("value"))
}

pub(crate) fn meta_put(tx: &WriteTx<'_>, key: &str, value: &str) -> Result<(), StorageError> {
    tx.execute(
        "INSERT INTO meta (key, value) VALUES (:key, :value) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        named_params! {":key": key, ":value": value},
    )?;
    Ok(())
}

/// Writes something that changes nothing: fails where nothing can be written.
pub(crate) fn meta_touch(tx: &WriteTx<'_>) -> Result<(), StorageError> {
    tx.execute("UPDATE meta SET value = value", [])?;
    Ok(())
}

/// The present life, if there is one.
pub(crate) fn life_fetch(tx: &ReadTx<'_>) -> Result<Option<Life>, StorageError> {
    tx.query_optional("SELECT life, incarnation FROM author_life ORDER BY life DESC LIMIT 1", [], |row| {
        let incarnation = Incarnation::new(row.get::<_, i64>("incarnation")?.cast_unsigned());
        Ok(Life { number: row.get("life")?, incarnation })
    })
}

pub(crate) fn life_insert(tx: &WriteTx<'_>, incarnation: Incarnation, now: UtcMillis) -> Result<(), StorageError> {
    tx.execute(
        "INSERT INTO author_life (incarnation, created_at_ms) VALUES (:incarnation, :now)",
        named_params! {":incarnation": incarnation.get().cast_signed(), ":now": now.get()},
    )?;
    Ok(())
}

fn hash(row: &Row<'_>) -> rusqlite::Result<Hash> {
    row.get("hash").map(Hash::from_bytes)
}

/// Heads of all journals that have entries.
pub(crate) fn head_list(tx: &ReadTx<'_>, life: Life) -> Result<Vec<StreamHead>, StorageError> {
    let rows = tx.query_list(
        "SELECT stream, seq, hash, hlc FROM stream_head WHERE life = :life ORDER BY stream LIMIT 64",
        named_params! {":life": life.number},
        |row| {
            let head = Head { seq: count(row.get("seq")?), hash: hash(row)? };
            Ok((row.get::<_, u8>("stream")?, head, Hlc::from_packed(row.get::<_, i64>("hlc")?.cast_unsigned())))
        },
    )?;
    let known = |(stream, head, hlc)| Some(StreamHead { stream: StreamKind::from_number(stream)?, head, hlc });
    Ok(rows.into_iter().filter_map(known).collect())
}

/// The highest clock reading that was ever written.
pub(crate) fn hlc_max(tx: &ReadTx<'_>, life: Life) -> Result<Hlc, StorageError> {
    Ok(head_list(tx, life)?.iter().map(|head| head.hlc).max().unwrap_or_default())
}

/// The head of one journal, empty or not.
pub(crate) fn head_fetch(tx: &ReadTx<'_>, life: Life, journal: &JournalId) -> Result<Head, StorageError> {
    let head = tx.query_optional(
        "SELECT seq, hash FROM stream_head WHERE life = :life AND stream = :stream",
        named_params! {":life": life.number, ":stream": journal.stream.number()},
        |row| Ok(Head { seq: count(row.get("seq")?), hash: hash(row)? }),
    )?;
    Ok(head.unwrap_or_else(|| journal.genesis()))
}

/// Writes one entry and moves the head.
pub(crate) fn entry_append(
    tx: &WriteTx<'_>,
    life: Life,
    journal: &JournalId,
    event: &[u8],
    hlc: Hlc,
) -> Result<Head, StorageError> {
    let head = head_fetch(tx, life, journal)?.after(event);
    tx.execute(
        "INSERT INTO journal (life, stream, seq, event, hash) VALUES (:life, :stream, :seq, :event, :hash)",
        named_params! {
            ":life": life.number, ":stream": journal.stream.number(), ":seq": column(head.seq), ":event": event,
            ":hash": head.hash.as_bytes(),
        },
    )?;
    tx.execute(
        "INSERT INTO stream_head (life, stream, seq, hash, hlc) VALUES (:life, :stream, :seq, :hash, :hlc)
         ON CONFLICT (life, stream) DO UPDATE SET seq = excluded.seq, hash = excluded.hash, hlc = excluded.hlc",
        named_params! {
            ":life": life.number, ":stream": journal.stream.number(), ":seq": column(head.seq),
            ":hash": head.hash.as_bytes(), ":hlc": hlc.packed().cast_signed(),
        },
    )?;
    Ok(head)
}

/// The chain hash at a sequence number.
pub(crate) fn hash_at(
    tx: &ReadTx<'_>,
    life: Life,
    journal: &JournalId,
    seq: u64,
) -> Result<Option<Hash>, StorageError> {
    if seq == 0 {
        return Ok(Some(journal.genesis().hash));
    }
    tx.query_optional(
        "SELECT hash FROM journal WHERE life = :life AND stream = :stream AND seq = :seq",
        named_params! {":life": life.number, ":stream": journal.stream.number(), ":seq": column(seq)},
        hash,
    )
}

/// The bytes of one entry.
pub(crate) fn entry_fetch(
    tx: &ReadTx<'_>,
    life: i64,
    stream: StreamKind,
    seq: u64,
) -> Result<Option<Vec<u8>>, StorageError> {
    tx.query_optional(
        "SELECT event FROM journal WHERE life = :life AND stream = :stream AND seq = :seq",
        named_params! {":life": life, ":stream": stream.number(), ":seq": column(seq)},
        |row| row.get("event"),
    )
}

/// Entries from a sequence number on, as many as fit into `events_max` and `bytes_max`, and at least one.
pub(crate) fn entry_list(
    tx: &ReadTx<'_>,
    life: Life,
    stream: StreamKind,
    seq_lo: u64,
    events_max: usize,
    bytes_max: usize,
) -> Result<Vec<Vec<u8>>, StorageError> {
    let mut statement = tx.prepare_cached(
        "SELECT event FROM journal WHERE life = :life AND stream = :stream AND seq >= :seq ORDER BY seq LIMIT :limit",
    )?;
    let mut rows = statement.query(named_params! {
        ":life": life.number, ":stream": stream.number(), ":seq": column(seq_lo), ":limit": column(events_max as u64),
    })?;
    let mut events: Vec<Vec<u8>> = Vec::new();
    let mut bytes = 0_usize;
    while let Some(row) = rows.next()? {
        let event: Vec<u8> = row.get("event")?;
        bytes = bytes.saturating_add(event.len()).saturating_add(8);
        if bytes > bytes_max && !events.is_empty() {
            break;
        }
        events.push(event);
    }
    Ok(events)
}

/// How far the hub has acknowledged a journal.
pub(crate) fn acked_fetch(tx: &ReadTx<'_>, life: Life, stream: StreamKind) -> Result<u64, StorageError> {
    let acked = tx.query_optional(
        "SELECT acked_seq FROM reader WHERE reader = :reader AND life = :life AND stream = :stream",
        named_params! {":reader": HUB, ":life": life.number, ":stream": stream.number()},
        |row| row.get("acked_seq"),
    )?;
    Ok(acked.map_or(0, count))
}

pub(crate) fn acked_put(tx: &WriteTx<'_>, life: Life, stream: StreamKind, seq: u64) -> Result<(), StorageError> {
    tx.execute(
        "INSERT INTO reader (reader, life, stream, acked_seq) VALUES (:reader, :life, :stream, :seq)
         ON CONFLICT (reader, life, stream) DO UPDATE SET acked_seq = max(acked_seq, excluded.acked_seq)",
        named_params! {":reader": HUB, ":life": life.number, ":stream": stream.number(), ":seq": column(seq)},
    )?;
    Ok(())
}
