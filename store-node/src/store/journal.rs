//! The node's own journals, and how far the hub has read them.

use percolate_common::hlc::Hlc;
use percolate_common::journal::{Hash, Head, JournalId, StreamKind};
use percolate_runtime::sqlite::{ReadTx, WriteTx};
use percolate_runtime::storage::StorageError;
use rusqlite::{Row, named_params};

use super::lives::Life;
use super::{column, count};

/// A journal's head.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StreamHead {
    pub(crate) stream: StreamKind,
    pub(crate) head: Head,
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

fn hash(row: &Row<'_>) -> rusqlite::Result<Hash> {
    row.get("hash").map(Hash::from_bytes)
}

/// Heads of all journals that have entries.
pub(crate) fn head_list(tx: &ReadTx<'_>, life: Life) -> Result<Vec<StreamHead>, StorageError> {
    let rows = tx.query_list(
        "SELECT stream, seq, hash FROM stream_head WHERE life = :life ORDER BY stream LIMIT 64",
        named_params! {":life": life.number},
        |row| {
            let head = Head { seq: count(row.get("seq")?), hash: hash(row)? };
            Ok((row.get::<_, u8>("stream")?, head))
        },
    )?;
    let known = |(stream, head)| Some(StreamHead { stream: StreamKind::from_number(stream)?, head });
    Ok(rows.into_iter().filter_map(known).collect())
}

/// The highest clock reading that was ever written, in whatever life.
pub(crate) fn hlc_max(tx: &ReadTx<'_>) -> Result<Hlc, StorageError> {
    let highest: Option<i64> =
        tx.query_one("SELECT max(hlc) AS highest FROM stream_head", [], |row| row.get("highest"))?;
    Ok(highest.map_or_else(Hlc::default, |packed| Hlc::from_packed(packed.cast_unsigned())))
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
    entry_put(tx, life, journal, head, event, hlc)?;
    Ok(head)
}

/// Keeps an entry that continues a journal, after which its head is `head`.
pub(crate) fn entry_put(
    tx: &WriteTx<'_>,
    life: Life,
    journal: &JournalId,
    head: Head,
    event: &[u8],
    hlc: Hlc,
) -> Result<(), StorageError> {
    tx.execute(
        "INSERT INTO journal (life, stream, seq, event, hash) VALUES (:life, :stream, :seq, :event, :hash)",
        named_params! {
            ":life": life.number, ":stream": journal.stream.number(), ":seq": column(head.seq), ":event": event,
            ":hash": head.hash.as_bytes(),
        },
    )?;
    tx.execute(
        "INSERT INTO stream_head (life, stream, seq, hash, hlc) VALUES (:life, :stream, :seq, :hash, :hlc)
         ON CONFLICT (life, stream) DO UPDATE SET seq = excluded.seq, hash = excluded.hash,
            hlc = max(hlc, excluded.hlc)",
        named_params! {
            ":life": life.number, ":stream": journal.stream.number(), ":seq": column(head.seq),
            ":hash": head.hash.as_bytes(), ":hlc": hlc.packed().cast_signed(),
        },
    )?;
    Ok(())
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

/// One entry with the chain hash after it.
pub(crate) fn entry_with_hash(
    tx: &ReadTx<'_>,
    life: Life,
    stream: StreamKind,
    seq: u64,
) -> Result<Option<(Vec<u8>, Hash)>, StorageError> {
    tx.query_optional(
        "SELECT event, hash FROM journal WHERE life = :life AND stream = :stream AND seq = :seq",
        named_params! {":life": life.number, ":stream": stream.number(), ":seq": column(seq)},
        |row| Ok((row.get("event")?, hash(row)?)),
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

/// How far the hub has said that it holds a journal.
pub(crate) fn acked_fetch(tx: &ReadTx<'_>, life: Life, stream: StreamKind) -> Result<u64, StorageError> {
    let acked = tx.query_optional(
        "SELECT acked_seq FROM reader WHERE reader = :reader AND life = :life AND stream = :stream",
        named_params! {":reader": HUB, ":life": life.number, ":stream": stream.number()},
        |row| row.get("acked_seq"),
    )?;
    Ok(acked.map_or(0, count))
}

/// The hub has committed a journal up to here; it may say so late.
pub(crate) fn acked_put(tx: &WriteTx<'_>, life: Life, stream: StreamKind, seq: u64) -> Result<(), StorageError> {
    tx.execute(
        "INSERT INTO reader (reader, life, stream, acked_seq) VALUES (:reader, :life, :stream, :seq)
         ON CONFLICT (reader, life, stream) DO UPDATE SET acked_seq = max(acked_seq, excluded.acked_seq)",
        named_params! {":reader": HUB, ":life": life.number, ":stream": stream.number(), ":seq": column(seq)},
    )?;
    Ok(())
}

/// The hub says how far it holds a journal, which may be less than it had committed: it may have been restored, too.
pub(crate) fn acked_set(tx: &WriteTx<'_>, life: Life, stream: StreamKind, seq: u64) -> Result<(), StorageError> {
    tx.execute(
        "INSERT INTO reader (reader, life, stream, acked_seq) VALUES (:reader, :life, :stream, :seq)
         ON CONFLICT (reader, life, stream) DO UPDATE SET acked_seq = excluded.acked_seq",
        named_params! {":reader": HUB, ":life": life.number, ":stream": stream.number(), ":seq": column(seq)},
    )?;
    Ok(())
}
