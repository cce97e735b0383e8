//! What was given back.

use percolate_common::domain::tickets::TicketClass;
use percolate_common::domain::tickets::refund::TicketRefunded;
use percolate_common::ids::{RefundId, TicketId};
use percolate_common::time::BusinessDay;
use percolate_runtime::sqlite::{ReadTx, WriteTx};
use percolate_runtime::storage::StorageError;
use rusqlite::named_params;

use super::sales::{Place, place};
use super::{LIST_ROWS_MAX, column};

/// What was given back on a day, practice apart.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct DayRefunds {
    pub(crate) count: i64,
    pub(crate) units: i64,
    pub(crate) net: i64,
    pub(crate) tax: i64,
    pub(crate) total: i64,
}

/// Keeps a refund; tells whether it was new.
pub(crate) fn refund_insert(
    tx: &WriteTx<'_>,
    refund: &TicketRefunded,
    day: BusinessDay,
    at: Place,
) -> Result<bool, StorageError> {
    let units: i64 = refund.lines.iter().map(|line| i64::from(line.quantity)).sum();
    let inserted = tx.execute(
        "INSERT INTO refund (life, seq, id, ticket, day, class, units, net_minor, tax_minor, total_minor)
         VALUES (:life, :seq, :id, :ticket, :day, :class, :units, :net, :tax, :total) ON CONFLICT DO NOTHING",
        named_params! {
            ":life": at.life, ":seq": column(at.seq), ":id": refund.id.to_bytes(), ":ticket": refund.ticket.to_bytes(),
            ":day": day.days(), ":class": if refund.class == TicketClass::Training { 2 } else { 1 }, ":units": units,
            ":net": refund.totals.net.get(), ":tax": refund.totals.tax.get(), ":total": refund.totals.total.get(),
        },
    )?;
    Ok(inserted == 1)
}

/// Whether a refund is here.
pub(crate) fn refund_is_known(tx: &ReadTx<'_>, id: RefundId) -> Result<bool, StorageError> {
    let found = tx.query_optional(
        "SELECT 1 FROM refund WHERE substr(id, 9, 8) = substr(:id, 9, 8) AND substr(id, 1, 8) = substr(:id, 1, 8)",
        named_params! {":id": id.to_bytes()},
        |_row| Ok(()),
    )?;
    Ok(found.is_some())
}

/// Where a refund stands.
pub(crate) fn refund_place(tx: &ReadTx<'_>, id: RefundId) -> Result<Option<Place>, StorageError> {
    tx.query_optional(
        "SELECT life, seq FROM refund WHERE substr(id, 9, 8) = substr(:id, 9, 8) AND substr(id, 1, 8) = substr(:id, 1, 8)",
        named_params! {":id": id.to_bytes()},
        place,
    )
}

/// Where the refunds of a ticket stand.
pub(crate) fn refund_place_list(tx: &ReadTx<'_>, ticket: TicketId) -> Result<Vec<Place>, StorageError> {
    tx.query_list(
        "SELECT life, seq FROM refund WHERE ticket = :ticket ORDER BY life, seq LIMIT :limit",
        named_params! {":ticket": ticket.to_bytes(), ":limit": LIST_ROWS_MAX},
        place,
    )
}

/// Where the refunds of a day stand.
pub(crate) fn refund_place_of_day_list(tx: &ReadTx<'_>, day: BusinessDay) -> Result<Vec<Place>, StorageError> {
    tx.query_list(
        "SELECT life, seq FROM refund WHERE day = :day ORDER BY life, seq LIMIT :limit",
        named_params! {":day": day.days(), ":limit": LIST_ROWS_MAX},
        place,
    )
}

/// Where the refund stands that was asked for under a key; see [`RefundId::key_part`].
pub(crate) fn refund_by_key(tx: &ReadTx<'_>, key_part: [u8; 8]) -> Result<Option<Place>, StorageError> {
    tx.query_optional(
        "SELECT life, seq FROM refund WHERE substr(id, 9, 8) = :key ORDER BY life, seq LIMIT 1",
        named_params! {":key": key_part},
        place,
    )
}

/// What was given back on a day.
pub(crate) fn refund_day_sums(tx: &ReadTx<'_>, day: BusinessDay) -> Result<DayRefunds, StorageError> {
    tx.query_one(
        "SELECT count(*) AS refunds, coalesce(sum(units), 0) AS units, coalesce(sum(net_minor), 0) AS net,
                coalesce(sum(tax_minor), 0) AS tax, coalesce(sum(total_minor), 0) AS total
         FROM refund WHERE day = :day AND class = 1",
        named_params! {":day": day.days()},
        |row| {
            Ok(DayRefunds {
                count: row.get("refunds")?,
                units: row.get("units")?,
                net: row.get("net")?,
                tax: row.get("tax")?,
                total: row.get("total")?,
            })
        },
    )
}
