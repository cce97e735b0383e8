//! Closing readings, and the sums of journals that they are compared with.

use percolate_common::domain::cash::{DayClosed, ReadRange};
use percolate_common::domain::event::Header;
use percolate_common::ids::StoreId;
use percolate_common::journal::{AuthorId, Incarnation, JournalId};
use percolate_common::time::BusinessDay;
use percolate_runtime::params;
use percolate_runtime::storage::{ReadTx, Row, StorageError, WriteTx};

use super::{REPORT_ROWS_MAX, Span};
use crate::kernel::db::{journal_columns, seq_column, seq_from_column};

/// Readings of one report.
const CLOSINGS_MAX: i64 = 1_000;

/// What the sales of a journal come to, up to a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct SumsAt {
    pub(crate) seq: u64,
    pub(crate) tickets: i64,
    pub(crate) net: i64,
    pub(crate) tax: i64,
    pub(crate) total: i64,
    /// Entries that were written again, or that this program cannot read.
    pub(crate) unsure: i64,
}

/// What a part of a reading is a sum of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PartKind {
    Tender,
    Tax,
    Hour,
    Drawer,
    Carried,
    Person,
    Figure,
}

impl PartKind {
    const ALL: [Self; 7] =
        [Self::Tender, Self::Tax, Self::Hour, Self::Drawer, Self::Carried, Self::Person, Self::Figure];

    const fn number(self) -> i64 {
        match self {
            Self::Tender => 1,
            Self::Tax => 2,
            Self::Hour => 3,
            Self::Drawer => 4,
            Self::Carried => 5,
            Self::Person => 6,
            Self::Figure => 7,
        }
    }
}

/// A part of a reading.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    pub(crate) kind: PartKind,
    pub(crate) key: String,
    pub(crate) count: i64,
    pub(crate) amount: i64,
    pub(crate) other: i64,
}

/// A reading.
#[derive(Debug, Clone)]
pub(crate) struct ClosingRow {
    pub(crate) closing: String,
    pub(crate) store: StoreId,
    pub(crate) day: BusinessDay,
    pub(crate) at_ms: i64,
    pub(crate) author: u32,
    pub(crate) number: String,
    pub(crate) head: String,
    pub(crate) currency: String,
    pub(crate) late: i64,
    pub(crate) tickets: i64,
    pub(crate) net: i64,
    pub(crate) tax: i64,
    pub(crate) total: i64,
    pub(crate) refunds: i64,
    pub(crate) discounts: i64,
    pub(crate) no_drawer: i64,
    pub(crate) paid_in: i64,
    pub(crate) paid_out: i64,
    pub(crate) dropped: i64,
    pub(crate) no_sales: i64,
    pub(crate) drawers_closed: i64,
    pub(crate) difference: i64,
}

/// Which box, which life, which number: of two readings that carry one number both are shown.
fn key(author: AuthorId, closed: &DayClosed) -> String {
    let life = closed.ranges.first().map(|range| range.incarnation.to_string()).unwrap_or_default();
    format!("{}:{life}:{}", author.number(), closed.number)
}

fn parts(closed: &DayClosed) -> Vec<Part> {
    let sums = &closed.sums;
    let part = |kind, key, count, amount, other| Part { kind, key, count, amount, other };
    let tenders = sums.tenders.iter().map(|(kind, amount)| part(PartKind::Tender, kind.clone(), 0, *amount, 0));
    let taxes = sums.taxes.iter().map(|(class, sum)| part(PartKind::Tax, class.to_string(), 0, sum.tax, sum.base));
    let hours = sums
        .hours
        .iter()
        .map(|(hour, sum)| part(PartKind::Hour, format!("{hour:02}"), seq_column(sum.tickets), sum.gross, 0));
    let drawers = closed.drawers.iter().map(|drawer| {
        let key = format!("{} {}", drawer.terminal, drawer.session);
        part(PartKind::Drawer, key, 0, drawer.counted.get(), drawer.expected.get())
    });
    let carried = closed
        .carried
        .iter()
        .map(|drawer| part(PartKind::Carried, format!("{} {}", drawer.terminal, drawer.session), 0, 0, 0));
    let people = sums.people.iter().map(|(staff, sum)| {
        let key = staff.map(|staff| staff.to_string()).unwrap_or_default();
        part(PartKind::Person, key, seq_column(sum.tickets), sum.gross, 0)
    });
    let figures = [
        ("refunds_net", seq_column(sums.refunds.count), sums.refunds.net),
        ("refunds_tax", seq_column(sums.refunds.count), sums.refunds.tax),
        ("discounts_given", 0, sums.discounts.given),
        ("happy_hours", 0, sums.discounts.happy_hours),
        ("sets", 0, sums.discounts.sets),
        ("service_charges", 0, sums.service_charges),
        ("tips", 0, sums.tips),
        ("cash_rounding", 0, sums.cash_rounding),
    ];
    let figures = figures
        .into_iter()
        .filter(|(_, _, amount)| *amount != 0)
        .map(|(key, count, amount)| part(PartKind::Figure, key.to_owned(), count, amount, 0));
    tenders.chain(taxes).chain(hours).chain(drawers).chain(carried).chain(people).chain(figures).collect()
}

/// Keeps a reading, once.
pub(crate) fn insert(
    tx: &WriteTx<'_>,
    author: AuthorId,
    header: &Header,
    closed: &DayClosed,
) -> Result<(), StorageError> {
    let (key, sums) = (key(author, closed), &closed.sums);
    let inserted = tx.execute(
        "INSERT INTO closing (closing, store, day, at_ms, author, number, head, currency, late, tickets, net_minor,
            tax_minor, total_minor, refunds_minor, discounts_minor, no_drawer_minor, paid_in_minor, paid_out_minor,
            dropped_minor, no_sales, drawers_closed, difference_minor)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22)
         ON CONFLICT (closing) DO NOTHING",
        params![
            &key,
            header.store.get(),
            header.business_day.days(),
            header.at.get(),
            author.number(),
            &closed.number.to_string(),
            &closed.head.to_string(),
            closed.currency.as_str(),
            seq_column(closed.late),
            seq_column(sums.tickets),
            sums.net,
            sums.tax,
            sums.gross,
            sums.refunds.gross,
            sums.discounts.all(),
            sums.no_drawer,
            sums.paid_in,
            sums.paid_out,
            sums.dropped,
            seq_column(sums.no_sales),
            seq_column(sums.drawers_closed),
            sums.difference
        ],
    )?;
    if inserted == 0 {
        return Ok(());
    }
    for part in parts(closed) {
        tx.execute(
            "INSERT INTO closing_part (closing, kind, key, count, amount_minor, other_minor)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (closing, kind, key) DO NOTHING",
            params![&key, part.kind.number(), &part.key, part.count, part.amount, part.other],
        )?;
    }
    for ReadRange { incarnation, from, to } in &closed.ranges {
        tx.execute(
            "INSERT INTO closing_range (closing, incarnation, from_seq, to_seq) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (closing, incarnation) DO NOTHING",
            params![&key, incarnation.get().cast_signed(), seq_column(*from), seq_column(*to)],
        )?;
    }
    Ok(())
}

fn closing_row(row: &mut Row<'_>) -> Result<ClosingRow, StorageError> {
    Ok(ClosingRow {
        closing: row.take()?,
        store: StoreId::new(row.take()?),
        day: BusinessDay::from_days(row.take()?),
        at_ms: row.take()?,
        author: row.take()?,
        number: row.take()?,
        head: row.take()?,
        currency: row.take()?,
        late: row.take()?,
        tickets: row.take()?,
        net: row.take()?,
        tax: row.take()?,
        total: row.take()?,
        refunds: row.take()?,
        discounts: row.take()?,
        no_drawer: row.take()?,
        paid_in: row.take()?,
        paid_out: row.take()?,
        dropped: row.take()?,
        no_sales: row.take()?,
        drawers_closed: row.take()?,
        difference: row.take()?,
    })
}

const CLOSING: &str = "SELECT closing, store, day, at_ms, author, number, head, currency, late, tickets, net_minor,
        tax_minor, total_minor, refunds_minor, discounts_minor, no_drawer_minor, paid_in_minor, paid_out_minor,
        dropped_minor, no_sales, drawers_closed, difference_minor
     FROM closing";

/// Readings of days, newest first.
pub(crate) fn list(tx: &ReadTx<'_>, only: Option<StoreId>, span: Span) -> Result<Vec<ClosingRow>, StorageError> {
    let (from, to) = (span.from.days(), span.to.days());
    let order = "ORDER BY day DESC, at_ms DESC, closing DESC";
    match only {
        Some(store) => tx.query_list(
            &format!("{CLOSING} WHERE store = ?1 AND day BETWEEN ?2 AND ?3 {order} LIMIT ?4"),
            params![store.get(), from, to, CLOSINGS_MAX],
            closing_row,
        ),
        None => tx.query_list(
            &format!("{CLOSING} WHERE day BETWEEN ?1 AND ?2 {order} LIMIT ?3"),
            params![from, to, CLOSINGS_MAX],
            closing_row,
        ),
    }
}

/// The parts of a reading, in order.
pub(crate) fn part_list(tx: &ReadTx<'_>, closing: &str) -> Result<Vec<Part>, StorageError> {
    let rows = tx.query_list(
        "SELECT kind, key, count, amount_minor, other_minor FROM closing_part WHERE closing = ?1
         ORDER BY kind, key LIMIT ?2",
        params![closing, REPORT_ROWS_MAX],
        |row| Ok((row.take::<i64>()?, row.take()?, row.take()?, row.take()?, row.take()?)),
    )?;
    let part = |(number, key, count, amount, other)| {
        let kind = PartKind::ALL.into_iter().find(|kind| kind.number() == number)?;
        Some(Part { kind, key, count, amount, other })
    };
    Ok(rows.into_iter().filter_map(part).collect())
}

/// What a reading covers.
pub(crate) fn range_list(tx: &ReadTx<'_>, closing: &str) -> Result<Vec<ReadRange>, StorageError> {
    tx.query_list(
        "SELECT incarnation, from_seq, to_seq FROM closing_range WHERE closing = ?1 ORDER BY incarnation LIMIT ?2",
        params![closing, REPORT_ROWS_MAX],
        |row| {
            let incarnation = Incarnation::new(row.take::<i64>()?.cast_unsigned());
            Ok(ReadRange { incarnation, from: seq_from_column(row.take()?), to: seq_from_column(row.take()?) })
        },
    )
}

fn sums_at(row: &mut Row<'_>) -> Result<SumsAt, StorageError> {
    Ok(SumsAt {
        seq: seq_from_column(row.take()?),
        tickets: row.take()?,
        net: row.take()?,
        tax: row.take()?,
        total: row.take()?,
        unsure: row.take()?,
    })
}

/// What a journal comes to as far as it is folded.
pub(crate) fn sum_fetch(
    tx: &ReadTx<'_>,
    author: AuthorId,
    incarnation: Incarnation,
) -> Result<Option<SumsAt>, StorageError> {
    tx.query_optional(
        "SELECT seq, tickets, net_minor, tax_minor, total_minor, unsure FROM sales_sum
         WHERE author = ?1 AND incarnation = ?2",
        params![author.number(), incarnation.get().cast_signed()],
        sums_at,
    )
}

/// What a journal came to at a place: where a day was closed, or where it is folded to.
pub(crate) fn sum_at(
    tx: &ReadTx<'_>,
    (author, incarnation): (u32, Incarnation),
    seq: u64,
) -> Result<Option<SumsAt>, StorageError> {
    tx.query_optional(
        "SELECT seq, tickets, net_minor, tax_minor, total_minor, unsure FROM sales_sum_at
         WHERE author = ?1 AND incarnation = ?2 AND seq = ?3
         UNION ALL SELECT seq, tickets, net_minor, tax_minor, total_minor, unsure FROM sales_sum
         WHERE author = ?1 AND incarnation = ?2 AND seq = ?3 LIMIT 1",
        params![author, incarnation.get().cast_signed(), seq_column(seq)],
        sums_at,
    )
}

fn sum_params(tx: &WriteTx<'_>, sql: &str, journal: &JournalId, sums: &SumsAt) -> Result<(), StorageError> {
    let (author, incarnation, _stream) = journal_columns(journal);
    tx.execute(
        sql,
        params![author, incarnation, seq_column(sums.seq), sums.tickets, sums.net, sums.tax, sums.total, sums.unsure],
    )?;
    Ok(())
}

pub(crate) fn sum_upsert(tx: &WriteTx<'_>, journal: &JournalId, sums: &SumsAt) -> Result<(), StorageError> {
    sum_params(
        tx,
        "INSERT INTO sales_sum (author, incarnation, seq, tickets, net_minor, tax_minor, total_minor, unsure)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
         ON CONFLICT (author, incarnation) DO UPDATE SET seq = excluded.seq, tickets = excluded.tickets,
            net_minor = excluded.net_minor, tax_minor = excluded.tax_minor, total_minor = excluded.total_minor,
            unsure = excluded.unsure",
        journal,
        sums,
    )
}

pub(crate) fn sum_at_insert(tx: &WriteTx<'_>, journal: &JournalId, sums: &SumsAt) -> Result<(), StorageError> {
    sum_params(
        tx,
        "INSERT INTO sales_sum_at (author, incarnation, seq, tickets, net_minor, tax_minor, total_minor, unsure)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (author, incarnation, seq) DO NOTHING",
        journal,
        sums,
    )
}
