//! Drawers and closing readings.

use percolate_common::domain::cash::decide::Drawer;
use percolate_common::domain::cash::{
    CashMoved, CashMovementKind, DayClosed, DrawerClosed, DrawerOpened, ReadingNumber,
};
use percolate_common::domain::tickets::receipt::{Series, TerminalName};
use percolate_common::ids::{DrawerSessionId, StaffId};
use percolate_common::journal::{Hash, Incarnation, StreamKind};
use percolate_common::money::Minor;
use percolate_common::time::{BusinessDay, UtcMillis};
use percolate_runtime::sqlite::{ReadTx, WriteTx};
use percolate_runtime::storage::StorageError;
use rusqlite::{Row, named_params};

use super::sales::Place;
use super::{LIST_ROWS_MAX, column, count};

/// A drawer's row.
#[derive(Debug, Clone)]
pub(crate) struct DrawerRow {
    pub(crate) drawer: Drawer,
    pub(crate) opened_by: Option<StaffId>,
    pub(crate) opened_at_ms: i64,
    pub(crate) opened_day: BusinessDay,
    pub(crate) no_sales: u64,
    pub(crate) closing: Option<Closing>,
}

/// How a drawer was closed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Closing {
    pub(crate) at_ms: i64,
    pub(crate) by: Option<StaffId>,
    pub(crate) counted: Minor,
    pub(crate) expected: Minor,
}

const DRAWER: &str = "SELECT session, terminal, opened_by, opened_at_ms, opened_day, float_minor, sold_minor,
        paid_in_minor, paid_out_minor, dropped_minor, no_sales, closed_at_ms, closed_by, counted_minor, expected_minor
     FROM drawer";

fn drawer_row(row: &Row<'_>) -> rusqlite::Result<Option<DrawerRow>> {
    let Ok(terminal) = row.get::<_, String>("terminal")?.parse::<TerminalName>() else { return Ok(None) };
    let money = |name: &str| row.get(name).map(Minor::new);
    let closed_at_ms: Option<i64> = row.get("closed_at_ms")?;
    let closing = match closed_at_ms {
        None => None,
        Some(at_ms) => Some(Closing {
            at_ms,
            by: row.get::<_, Option<u32>>("closed_by")?.map(StaffId::new),
            counted: money("counted_minor")?,
            expected: money("expected_minor")?,
        }),
    };
    Ok(Some(DrawerRow {
        drawer: Drawer {
            session: DrawerSessionId::from_bytes(row.get("session")?),
            terminal,
            float: money("float_minor")?,
            sold: money("sold_minor")?,
            paid_in: money("paid_in_minor")?,
            paid_out: money("paid_out_minor")?,
            dropped: money("dropped_minor")?,
            closed: closing.is_some(),
        },
        opened_by: row.get::<_, Option<u32>>("opened_by")?.map(StaffId::new),
        opened_at_ms: row.get("opened_at_ms")?,
        opened_day: BusinessDay::from_days(row.get("opened_day")?),
        no_sales: count(row.get("no_sales")?),
        closing,
    }))
}

/// The drawer that is open at a terminal: the one that was opened last.
pub(crate) fn drawer_open(tx: &ReadTx<'_>, terminal: &TerminalName) -> Result<Option<DrawerSessionId>, StorageError> {
    tx.query_optional(
        "SELECT session FROM drawer WHERE terminal = :terminal AND closed_at_ms IS NULL
         ORDER BY opened_at_ms DESC, session DESC LIMIT 1",
        named_params! {":terminal": terminal.to_string()},
        |row| row.get("session").map(DrawerSessionId::from_bytes),
    )
}

pub(crate) fn drawer_fetch(tx: &ReadTx<'_>, session: DrawerSessionId) -> Result<Option<DrawerRow>, StorageError> {
    let found = tx.query_optional(
        &format!("{DRAWER} WHERE session = :session AND terminal IS NOT NULL"),
        named_params! {":session": session.to_bytes()},
        drawer_row,
    )?;
    Ok(found.flatten())
}

/// The drawer that was opened under a key.
pub(crate) fn drawer_by_key(tx: &ReadTx<'_>, key_part: [u8; 8]) -> Result<Option<DrawerRow>, StorageError> {
    let found = tx.query_list(
        &format!("{DRAWER} WHERE substr(session, 9, 8) = :key AND terminal IS NOT NULL ORDER BY opened_at_ms LIMIT 1"),
        named_params! {":key": key_part},
        drawer_row,
    )?;
    Ok(found.into_iter().flatten().next())
}

/// Drawers that are open, and those that were opened or closed on a day.
pub(crate) fn drawer_list(tx: &ReadTx<'_>, day: Option<BusinessDay>) -> Result<Vec<DrawerRow>, StorageError> {
    let rows = tx.query_list(
        &format!(
            "{DRAWER} WHERE terminal IS NOT NULL AND (closed_at_ms IS NULL OR opened_day = :day OR closed_day = :day)
             ORDER BY opened_at_ms, session LIMIT :limit"
        ),
        named_params! {":day": day.map(BusinessDay::days), ":limit": LIST_ROWS_MAX},
        drawer_row,
    )?;
    Ok(rows.into_iter().flatten().collect())
}

/// Every drawer with what should be in it, as the shop goes by.
pub(crate) fn expected_list(tx: &ReadTx<'_>) -> Result<Vec<(DrawerSessionId, i64)>, StorageError> {
    tx.query_list(
        "SELECT session, float_minor + sold_minor + paid_in_minor - paid_out_minor - dropped_minor AS expected
         FROM drawer ORDER BY session LIMIT :limit",
        named_params! {":limit": LIST_ROWS_MAX},
        |row| Ok((DrawerSessionId::from_bytes(row.get("session")?), row.get("expected")?)),
    )
}

/// Opens a drawer; one that is known already stays as it is.
pub(crate) fn drawer_insert(
    tx: &WriteTx<'_>,
    opened: &DrawerOpened,
    (at, day): (UtcMillis, BusinessDay),
) -> Result<(), StorageError> {
    tx.execute(
        "INSERT INTO drawer (session, terminal, opened_by, opened_at_ms, opened_day, float_minor)
         VALUES (:session, :terminal, :by, :at, :day, :float)
         ON CONFLICT (session) DO UPDATE SET terminal = excluded.terminal, opened_by = excluded.opened_by,
            opened_at_ms = excluded.opened_at_ms, opened_day = excluded.opened_day, float_minor = excluded.float_minor
         WHERE drawer.terminal IS NULL",
        named_params! {
            ":session": opened.session.to_bytes(), ":terminal": opened.terminal.to_string(),
            ":by": opened.by.map(StaffId::get), ":at": at.get(), ":day": day.days(),
            ":float": opened.float.get(),
        },
    )?;
    Ok(())
}

/// Adds the cash of a sale.
pub(crate) fn drawer_sold(tx: &WriteTx<'_>, session: DrawerSessionId, cash: Minor) -> Result<(), StorageError> {
    tx.execute(
        "INSERT INTO drawer (session, sold_minor) VALUES (:session, :cash)
         ON CONFLICT (session) DO UPDATE SET sold_minor = sold_minor + excluded.sold_minor",
        named_params! {":session": session.to_bytes(), ":cash": cash.get()},
    )?;
    Ok(())
}

/// Books a movement; tells whether it was new.
pub(crate) fn movement_insert(tx: &WriteTx<'_>, moved: &CashMoved, at: Place) -> Result<bool, StorageError> {
    let inserted = tx.execute(
        "INSERT INTO cash_movement (id, life, seq) VALUES (:id, :life, :seq) ON CONFLICT (id) DO NOTHING",
        named_params! {":id": moved.id.to_bytes(), ":life": at.life, ":seq": column(at.seq)},
    )?;
    if inserted == 0 {
        return Ok(false);
    }
    let of = |kind| if moved.kind == kind { moved.amount.get() } else { 0 };
    tx.execute(
        "INSERT INTO drawer (session, paid_in_minor, paid_out_minor, dropped_minor, no_sales)
         VALUES (:session, :paid_in, :paid_out, :dropped, :no_sales)
         ON CONFLICT (session) DO UPDATE SET paid_in_minor = paid_in_minor + excluded.paid_in_minor,
            paid_out_minor = paid_out_minor + excluded.paid_out_minor,
            dropped_minor = dropped_minor + excluded.dropped_minor, no_sales = no_sales + excluded.no_sales",
        named_params! {
            ":session": moved.session.to_bytes(), ":paid_in": of(CashMovementKind::PayIn),
            ":paid_out": of(CashMovementKind::PayOut), ":dropped": of(CashMovementKind::Drop),
            ":no_sales": moved.kind == CashMovementKind::NoSale,
        },
    )?;
    Ok(true)
}

/// Where the movement stands that was booked under a key.
pub(crate) fn movement_by_key(tx: &ReadTx<'_>, key_part: [u8; 8]) -> Result<Option<Place>, StorageError> {
    tx.query_optional(
        "SELECT life, seq FROM cash_movement WHERE substr(id, 9, 8) = :key ORDER BY id LIMIT 1",
        named_params! {":key": key_part},
        place,
    )
}

/// Closes a drawer; of two counts the first stays.
pub(crate) fn drawer_close(
    tx: &WriteTx<'_>,
    closed: &DrawerClosed,
    (at, day): (UtcMillis, BusinessDay),
) -> Result<(), StorageError> {
    tx.execute(
        "INSERT INTO drawer (session, closed_at_ms, closed_day, closed_by, counted_minor, expected_minor)
         VALUES (:session, :at, :day, :by, :counted, :expected)
         ON CONFLICT (session) DO UPDATE SET closed_at_ms = excluded.closed_at_ms, closed_day = excluded.closed_day,
            closed_by = excluded.closed_by, counted_minor = excluded.counted_minor, expected_minor = excluded.expected_minor
         WHERE drawer.closed_at_ms IS NULL",
        named_params! {
            ":session": closed.session.to_bytes(), ":at": at.get(), ":day": day.days(),
            ":by": closed.by.map(StaffId::get), ":counted": closed.counted.get(), ":expected": closed.expected.get(),
        },
    )?;
    Ok(())
}

/// The next number of a series.
pub(crate) fn reading_next(tx: &ReadTx<'_>, series: &Series) -> Result<ReadingNumber, StorageError> {
    let last: i64 = tx.query_one(
        "SELECT coalesce(max(number), 0) AS last FROM reading WHERE series = :series",
        named_params! {":series": series.to_string()},
        |row| row.get("last"),
    )?;
    Ok(ReadingNumber { series: series.clone(), number: count(last) + 1 })
}

/// Where a reading was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Made {
    Here,
    /// It came back from the hub.
    Elsewhere,
}

/// Notes a reading, and how far the journals are in readings from now on. Of two with one number the first stays.
pub(crate) fn reading_insert(tx: &WriteTx<'_>, closed: &DayClosed, at: Place, made: Made) -> Result<(), StorageError> {
    tx.execute(
        "INSERT INTO reading (series, number, life, seq) VALUES (:series, :number, :life, :seq)
         ON CONFLICT (series, number) DO NOTHING",
        named_params! {
            ":series": closed.number.series.to_string(), ":number": column(closed.number.number), ":life": at.life,
            ":seq": column(at.seq),
        },
    )?;
    for range in &closed.ranges {
        let made_seq = if made == Made::Here { column(range.to) } else { 0 };
        tx.execute(
            "INSERT INTO reading_end (incarnation, last_seq, made_seq) VALUES (:incarnation, :last, :made)
             ON CONFLICT (incarnation) DO UPDATE SET last_seq = max(last_seq, excluded.last_seq),
                made_seq = max(made_seq, excluded.made_seq)",
            named_params! {
                ":incarnation": range.incarnation.get().cast_signed(), ":last": column(range.to), ":made": made_seq,
            },
        )?;
    }
    Ok(())
}

/// How far a life's sales journal is in readings, and in those that were made here.
pub(crate) fn reading_end(tx: &ReadTx<'_>, incarnation: Incarnation) -> Result<(u64, u64), StorageError> {
    let end = tx.query_optional(
        "SELECT last_seq, made_seq FROM reading_end WHERE incarnation = :incarnation",
        named_params! {":incarnation": incarnation.get().cast_signed()},
        |row| Ok((count(row.get("last_seq")?), count(row.get("made_seq")?))),
    )?;
    Ok(end.unwrap_or_default())
}

pub(crate) fn reading_place(tx: &ReadTx<'_>, number: &ReadingNumber) -> Result<Option<Place>, StorageError> {
    tx.query_optional(
        "SELECT life, seq FROM reading WHERE series = :series AND number = :number",
        named_params! {":series": number.series.to_string(), ":number": column(number.number)},
        place,
    )
}

/// The latest readings, the latest life's first.
pub(crate) fn reading_list(tx: &ReadTx<'_>, limit: u32) -> Result<Vec<Place>, StorageError> {
    tx.query_list(
        "SELECT life, seq FROM reading ORDER BY life DESC, seq DESC LIMIT :limit",
        named_params! {":limit": limit},
        place,
    )
}

pub(crate) fn late_insert(tx: &WriteTx<'_>, at: Place) -> Result<(), StorageError> {
    tx.execute(
        "INSERT INTO reading_late (life, seq) VALUES (:life, :seq) ON CONFLICT (life, seq) DO NOTHING",
        named_params! {":life": at.life, ":seq": column(at.seq)},
    )?;
    Ok(())
}

pub(crate) fn late_list(tx: &ReadTx<'_>) -> Result<Vec<Place>, StorageError> {
    tx.query_list(
        "SELECT life, seq FROM reading_late ORDER BY life, seq LIMIT :limit",
        named_params! {":limit": LIST_ROWS_MAX},
        place,
    )
}

/// What came back late is in a reading now.
pub(crate) fn late_remove(tx: &WriteTx<'_>, at: Place) -> Result<(), StorageError> {
    tx.execute(
        "DELETE FROM reading_late WHERE life = :life AND seq = :seq",
        named_params! {":life": at.life, ":seq": column(at.seq)},
    )?;
    Ok(())
}

/// An entry of a sales journal.
#[derive(Debug)]
pub(crate) struct SalesEntry {
    pub(crate) seq: u64,
    pub(crate) event: Vec<u8>,
    pub(crate) hash: Hash,
}

/// Entries of a life's sales journal, both ends included.
pub(crate) fn entry_list(
    tx: &ReadTx<'_>,
    life: i64,
    (from, to): (u64, u64),
    limit: u32,
) -> Result<Vec<SalesEntry>, StorageError> {
    tx.query_list(
        "SELECT seq, event, hash FROM journal WHERE life = :life AND stream = :stream AND seq BETWEEN :from AND :to
         ORDER BY seq LIMIT :limit",
        named_params! {
            ":life": life, ":stream": StreamKind::Sales.number(), ":from": column(from), ":to": column(to),
            ":limit": limit,
        },
        |row| {
            let hash = Hash::from_bytes(row.get("hash")?);
            Ok(SalesEntry { seq: count(row.get("seq")?), event: row.get("event")?, hash })
        },
    )
}

/// An event stands elsewhere now.
pub(crate) fn move_place(tx: &WriteTx<'_>, from: Place, to: Place) -> Result<(), StorageError> {
    for table in ["cash_movement", "reading", "reading_late", "refund"] {
        tx.execute(
            &format!("UPDATE {table} SET life = :life, seq = :seq WHERE life = :old_life AND seq = :old_seq"),
            named_params! {
                ":life": to.life, ":seq": column(to.seq), ":old_life": from.life, ":old_seq": column(from.seq),
            },
        )?;
    }
    Ok(())
}

fn place(row: &Row<'_>) -> rusqlite::Result<Place> {
    Ok(Place { life: row.get("life")?, seq: count(row.get("seq")?) })
}
