//! Tickets, their numbers, and the answers that were given.

use percolate_common::domain::tickets::receipt::{ReceiptNumber, TerminalName};
use percolate_common::ids::TicketId;
use percolate_common::money::Minor;
use percolate_common::time::BusinessDay;
use percolate_runtime::sqlite::{ReadTx, WriteTx};
use percolate_runtime::storage::StorageError;
use rusqlite::{Row, named_params};

use super::lives::{self, Life};
use super::{LIST_ROWS_MAX, column, count, refunds};

/// Real, practice, or brought in from another system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RowClass {
    Sale,
    Training,
    Imported,
}

impl RowClass {
    const fn number(self) -> i64 {
        match self {
            Self::Sale => 1,
            Self::Training => 2,
            Self::Imported => 3,
        }
    }
}

/// Where a ticket's event stands: the life's number, and the sequence number in its sales journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Place {
    pub(crate) life: i64,
    pub(crate) seq: u64,
}

/// A ticket's row.
#[derive(Debug, Clone)]
pub(crate) struct TicketRow {
    pub(crate) seq: u64,
    pub(crate) id: TicketId,
    pub(crate) day: BusinessDay,
    pub(crate) class: RowClass,
    pub(crate) receipt: Option<String>,
    pub(crate) lines: i64,
    pub(crate) units: i64,
    pub(crate) net: Minor,
    pub(crate) tax: Minor,
    pub(crate) total: Minor,
    /// Of the request that it was sold by, where there was one.
    pub(crate) body_hash: Option<[u8; 16]>,
}

/// A business day's sums.
#[derive(Debug, Clone, Default)]
pub(crate) struct DaySums {
    pub(crate) tickets: i64,
    pub(crate) training_tickets: i64,
    pub(crate) tax_unknown_tickets: i64,
    /// How often something was given back; it is taken off all that follows but the lines.
    pub(crate) refunds: i64,
    pub(crate) lines: i64,
    pub(crate) units: i64,
    pub(crate) net: i64,
    pub(crate) tax: i64,
    pub(crate) total: i64,
}

pub(crate) fn ticket_insert(tx: &WriteTx<'_>, life: Life, ticket: &TicketRow) -> Result<(), StorageError> {
    tx.execute(
        "INSERT INTO ticket (life, seq, id, day, class, receipt, lines, units, net_minor, tax_minor, total_minor, body_hash)
         VALUES (:life, :seq, :id, :day, :class, :receipt, :lines, :units, :net, :tax, :total, :body_hash)",
        named_params! {
            ":life": life.number, ":seq": column(ticket.seq), ":id": ticket.id.to_bytes(), ":day": ticket.day.days(),
            ":class": ticket.class.number(), ":receipt": ticket.receipt, ":lines": ticket.lines,
            ":units": ticket.units, ":net": ticket.net.get(), ":tax": ticket.tax.get(), ":total": ticket.total.get(),
            ":body_hash": ticket.body_hash,
        },
    )?;
    Ok(())
}

/// The place of a ticket's event.
pub(crate) fn ticket_place(tx: &ReadTx<'_>, id: TicketId) -> Result<Option<Place>, StorageError> {
    tx.query_optional(
        "SELECT life, seq FROM ticket WHERE substr(id, 9, 8) = substr(:id, 9, 8) AND substr(id, 1, 8) = substr(:id, 1, 8)",
        named_params! {":id": id.to_bytes()},
        place,
    )
}

/// A ticket that was sold under a key.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SoldUnder {
    pub(crate) place: Place,
    /// Of the request, where it is known.
    pub(crate) body_hash: Option<[u8; 16]>,
}

/// Tickets that were sold under a key, the oldest life first; see [`TicketId::key_part`]. There are several if a disk that
/// was put back sold under it again before the first one came back from the hub.
pub(crate) fn sold_by_key(tx: &ReadTx<'_>, key_part: [u8; 8]) -> Result<Vec<SoldUnder>, StorageError> {
    tx.query_list(
        "SELECT life, seq, body_hash FROM ticket WHERE substr(id, 9, 8) = :key AND class <> 3
         ORDER BY life, seq LIMIT 64",
        named_params! {":key": key_part},
        |row| Ok(SoldUnder { place: place(row)?, body_hash: row.get("body_hash")? }),
    )
}

/// Notes by which request a ticket was asked for that came back without.
pub(crate) fn body_hash_put(tx: &WriteTx<'_>, place: Place, body: &[u8; 16]) -> Result<(), StorageError> {
    tx.execute(
        "UPDATE ticket SET body_hash = :body WHERE life = :life AND seq = :seq AND body_hash IS NULL",
        named_params! {":body": body, ":life": place.life, ":seq": column(place.seq)},
    )?;
    Ok(())
}

pub(super) fn place(row: &Row<'_>) -> rusqlite::Result<Place> {
    Ok(Place { life: row.get("life")?, seq: count(row.get("seq")?) })
}

/// Places of the tickets of a day, or of all days, after a place: life by life, in the order of their journals.
pub(crate) fn ticket_place_list(
    tx: &ReadTx<'_>,
    day: Option<BusinessDay>,
    after: Place,
    limit: u32,
) -> Result<Vec<Place>, StorageError> {
    let params = named_params! {
        ":life": after.life, ":after": column(after.seq), ":limit": limit, ":day": day.map(BusinessDay::days),
    };
    match day {
        Some(_) => tx.query_list(
            "SELECT life, seq FROM ticket WHERE day = :day AND (life, seq) > (:life, :after)
             ORDER BY life, seq LIMIT :limit",
            params,
            place,
        ),
        None => tx.query_list(
            "SELECT life, seq FROM ticket WHERE :day IS NULL AND (life, seq) > (:life, :after)
             ORDER BY life, seq LIMIT :limit",
            params,
            place,
        ),
    }
}

/// Places of the tickets that were sold here after a sequence number, practice included and imports not.
pub(crate) fn sold_place_list(
    tx: &ReadTx<'_>,
    life: Life,
    after_seq: u64,
    limit: u32,
) -> Result<Vec<u64>, StorageError> {
    tx.query_list(
        "SELECT seq FROM ticket WHERE life = :life AND seq > :after AND class <> 3 ORDER BY seq LIMIT :limit",
        named_params! {":life": life.number, ":after": column(after_seq), ":limit": limit},
        |row| Ok(count(row.get("seq")?)),
    )
}

pub(crate) fn tender_add(tx: &WriteTx<'_>, day: BusinessDay, kind: &str, amount: Minor) -> Result<(), StorageError> {
    tx.execute(
        "INSERT INTO day_tender (day, kind, amount_minor) VALUES (:day, :kind, :amount)
         ON CONFLICT (day, kind) DO UPDATE SET amount_minor = amount_minor + excluded.amount_minor",
        named_params! {":day": day.days(), ":kind": kind, ":amount": amount.get()},
    )?;
    Ok(())
}

pub(crate) fn tender_list(tx: &ReadTx<'_>, day: BusinessDay) -> Result<Vec<(String, i64)>, StorageError> {
    tx.query_list(
        "SELECT kind, amount_minor FROM day_tender WHERE day = :day ORDER BY kind LIMIT :limit",
        named_params! {":day": day.days(), ":limit": LIST_ROWS_MAX},
        |row| Ok((row.get("kind")?, row.get("amount_minor")?)),
    )
}

/// Adds what came later for an imported ticket to its day.
pub(crate) fn amendment_add(
    tx: &WriteTx<'_>,
    day: BusinessDay,
    lines: i64,
    units: i64,
    net: Minor,
) -> Result<(), StorageError> {
    tx.execute(
        "INSERT INTO day_amendment (day, lines, units, net_minor) VALUES (:day, :lines, :units, :net)
         ON CONFLICT (day) DO UPDATE SET lines = lines + excluded.lines, units = units + excluded.units,
            net_minor = net_minor + excluded.net_minor",
        named_params! {":day": day.days(), ":lines": lines, ":units": units, ":net": net.get()},
    )?;
    Ok(())
}

/// The sums of a day, less what was given back on it.
pub(crate) fn day_sums(tx: &ReadTx<'_>, day: BusinessDay) -> Result<DaySums, StorageError> {
    let mut sums = tx.query_one(
        "SELECT count(*) FILTER (WHERE class <> 2) AS tickets, count(*) FILTER (WHERE class = 2) AS training,
                count(*) FILTER (WHERE class = 3) AS unknown,
                coalesce(sum(lines) FILTER (WHERE class <> 2), 0) AS lines,
                coalesce(sum(units) FILTER (WHERE class <> 2), 0) AS units,
                coalesce(sum(net_minor) FILTER (WHERE class <> 2), 0) AS net,
                coalesce(sum(tax_minor) FILTER (WHERE class <> 2), 0) AS tax,
                coalesce(sum(total_minor) FILTER (WHERE class <> 2), 0) AS total
         FROM ticket WHERE day = :day",
        named_params! {":day": day.days()},
        |row| {
            Ok(DaySums {
                tickets: row.get("tickets")?,
                training_tickets: row.get("training")?,
                tax_unknown_tickets: row.get("unknown")?,
                refunds: 0,
                lines: row.get("lines")?,
                units: row.get("units")?,
                net: row.get("net")?,
                tax: row.get("tax")?,
                total: row.get("total")?,
            })
        },
    )?;
    let later = tx.query_optional(
        "SELECT lines, units, net_minor FROM day_amendment WHERE day = :day",
        named_params! {":day": day.days()},
        |row| Ok((row.get::<_, i64>("lines")?, row.get::<_, i64>("units")?, row.get::<_, i64>("net_minor")?)),
    )?;
    if let Some((lines, units, net)) = later {
        sums.lines += lines;
        sums.units += units;
        sums.net += net;
        sums.total += net;
    }
    let back = refunds::refund_day_sums(tx, day)?;
    sums.refunds = back.count;
    sums.units -= back.units;
    sums.net -= back.net;
    sums.tax -= back.tax;
    sums.total -= back.total;
    Ok(sums)
}

/// First and last receipt of a day that is a sale's.
pub(crate) fn day_receipts(
    tx: &ReadTx<'_>,
    day: BusinessDay,
) -> Result<(Option<String>, Option<String>), StorageError> {
    let end = |sql: &str| tx.query_optional(sql, named_params! {":day": day.days()}, |row| row.get("receipt"));
    let first = end("SELECT receipt FROM ticket WHERE day = :day AND class = 1 ORDER BY life, seq LIMIT 1")?;
    let last = end("SELECT receipt FROM ticket WHERE day = :day AND class = 1 ORDER BY life DESC, seq DESC LIMIT 1")?;
    Ok((first, last))
}

/// The next number of a terminal's series; tells whether the series is new.
pub(crate) fn receipt_take(
    tx: &WriteTx<'_>,
    life: Life,
    terminal: &TerminalName,
    training: bool,
) -> Result<(ReceiptNumber, bool), StorageError> {
    let known = tx.query_optional(
        "SELECT series, next_number FROM series WHERE terminal = :terminal AND life = :life AND training = :training",
        named_params! {":terminal": terminal.to_string(), ":life": life.number, ":training": training},
        |row| Ok((row.get::<_, String>("series")?, count(row.get("next_number")?))),
    )?;
    let fresh = known.is_none();
    let (text, number) = known.unwrap_or_default();
    let series = match text.parse() {
        Ok(series) => series,
        Err(_none_yet) if training => lives::label_fetch(tx, life)?.training(),
        Err(_none_yet) => lives::label_fetch(tx, life)?,
    };
    let number = number.max(1);
    tx.execute(
        "INSERT INTO series (terminal, life, training, series, next_number) VALUES (:terminal, :life, :training, :series, :next)
         ON CONFLICT (terminal, life, training) DO UPDATE SET next_number = excluded.next_number",
        named_params! {
            ":terminal": terminal.to_string(), ":life": life.number, ":training": training,
            ":series": series.to_string(), ":next": column(number + 1),
        },
    )?;
    Ok((ReceiptNumber { terminal: terminal.clone(), series, number }, fresh))
}

/// What was answered under a key: hash of the body, kind of the write, and the answer.
pub(crate) fn answer_fetch(tx: &ReadTx<'_>, key: &[u8; 16]) -> Result<Option<([u8; 16], i64, String)>, StorageError> {
    tx.query_optional(
        "SELECT body_hash, kind, answer FROM idempotency WHERE key_hash = :key",
        named_params! {":key": key},
        |row| Ok((row.get("body_hash")?, row.get("kind")?, row.get("answer")?)),
    )
}

pub(crate) fn answer_insert(
    tx: &WriteTx<'_>,
    key: &[u8; 16],
    body: &[u8; 16],
    kind: i64,
    answer: &str,
) -> Result<(), StorageError> {
    tx.execute(
        "INSERT INTO idempotency (key_hash, body_hash, kind, answer) VALUES (:key, :body, :kind, :answer)",
        named_params! {":key": key, ":body": body, ":kind": kind, ":answer": answer},
    )?;
    Ok(())
}
