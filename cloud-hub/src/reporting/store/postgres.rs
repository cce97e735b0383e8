//! What is written to a server with one statement for many rows, where a file takes them one by one.

use std::collections::{BTreeMap, BTreeSet};

use percolate_common::crdt::stock::StockTotal;
use percolate_common::ids::{StockItemId, StoreId, TicketId};
use percolate_runtime::params;
use percolate_runtime::storage::{StorageError, Value, WriteTx};

use super::{ListedTicket, Unmatched};
use crate::kernel::db::seq_column;
use crate::reporting::measures::{Measures, RollupRows};

/// Columns of numbers, one value a row.
struct Columns<const N: usize>([Vec<i64>; N]);

impl<const N: usize> Columns<N> {
    fn of(rows: impl Iterator<Item = [i64; N]>) -> Self {
        let mut columns = [const { Vec::new() }; N];
        for row in rows {
            columns.iter_mut().zip(row).for_each(|(column, number)| column.push(number));
        }
        Self(columns)
    }

    fn values(&self) -> impl Iterator<Item = Value<'_>> {
        self.0.iter().map(|column| Value::Ints(column))
    }
}

fn numbers(sums: &Measures) -> [i64; 7] {
    [sums.tickets, sums.lines, sums.units, sums.net, sums.tax, sums.total, sums.tax_unknown_tickets]
}

pub(super) fn tickets_insert(tx: &WriteTx<'_>, tickets: &[ListedTicket]) -> Result<BTreeSet<TicketId>, StorageError> {
    let ids: Vec<[u8; 16]> = tickets.iter().map(|ticket| ticket.id.to_bytes()).collect();
    let ids: Vec<&[u8]> = ids.iter().map(|id| &id[..]).collect();
    let receipts: Vec<Option<&str>> = tickets.iter().map(|ticket| ticket.receipt.as_deref()).collect();
    let columns = Columns::of(tickets.iter().map(|ticket| {
        let [_tickets, lines, units, net, tax, total, tax_unknown] = numbers(&ticket.measures);
        let (store, day) = (i64::from(ticket.store.get()), i64::from(ticket.day.days()));
        [store, day, ticket.at.get(), lines, units, net, tax, total, tax_unknown]
    }));
    let bound: Vec<_> = [Value::Blobs(&ids), Value::Texts(&receipts)].into_iter().chain(columns.values()).collect();
    let new = tx.execute_list(
        "INSERT INTO ticket (id, receipt, store, day, at_ms, lines, units, net_minor, tax_minor, total_minor, tax_unknown)
         SELECT * FROM unnest(?1::bytea[], ?2::text[], ?3::bigint[], ?4::integer[], ?5::bigint[], ?6::bigint[],
                              ?7::bigint[], ?8::bigint[], ?9::bigint[], ?10::bigint[], ?11::smallint[])
         ON CONFLICT (id) DO NOTHING RETURNING id",
        &bound,
        |row| Ok(TicketId::from_bytes(row.take()?)),
    )?;
    Ok(new.into_iter().collect())
}

pub(super) fn rollups_add(tx: &WriteTx<'_>, rows: &RollupRows) -> Result<(), StorageError> {
    let keys: Vec<Option<&str>> = rows.keys().map(|(_, _, _, key)| Some(key.as_str())).collect();
    let columns = Columns::of(rows.iter().map(|((scope, kind, day, _), sums)| {
        let [tickets, lines, units, net, tax, total, tax_unknown] = numbers(sums);
        let (scope, day) = (i64::from(scope.get()), i64::from(day.days()));
        [scope, *kind, day, tickets, lines, units, net, tax, total, tax_unknown]
    }));
    let bound: Vec<_> = [Value::Texts(&keys)].into_iter().chain(columns.values()).collect();
    tx.execute(
        "INSERT INTO rollup (key, scope, kind, day, tickets, lines, units, net_minor, tax_minor, total_minor,
            tax_unknown_tickets)
         SELECT * FROM unnest(?1::text[], ?2::bigint[], ?3::smallint[], ?4::integer[], ?5::bigint[], ?6::bigint[],
                              ?7::bigint[], ?8::bigint[], ?9::bigint[], ?10::bigint[], ?11::bigint[])
         ON CONFLICT (scope, kind, day, key) DO UPDATE SET tickets = rollup.tickets + excluded.tickets,
            lines = rollup.lines + excluded.lines, units = rollup.units + excluded.units,
            net_minor = rollup.net_minor + excluded.net_minor, tax_minor = rollup.tax_minor + excluded.tax_minor,
            total_minor = rollup.total_minor + excluded.total_minor,
            tax_unknown_tickets = rollup.tax_unknown_tickets + excluded.tax_unknown_tickets",
        &bound,
    )?;
    Ok(())
}

pub(super) fn unmatched_insert(tx: &WriteTx<'_>, rows: &[Unmatched]) -> Result<(), StorageError> {
    let ids: Vec<[u8; 16]> = rows.iter().map(|row| row.id.to_bytes()).collect();
    let ids: Vec<&[u8]> = ids.iter().map(|id| &id[..]).collect();
    let events: Vec<&[u8]> = rows.iter().map(|row| &row.event[..]).collect();
    let columns =
        Columns::of(rows.iter().map(|row| [row.revision.into(), row.store.get().into(), i64::from(row.day.days())]));
    let bound: Vec<_> = [Value::Blobs(&ids), Value::Blobs(&events)].into_iter().chain(columns.values()).collect();
    tx.execute(
        "INSERT INTO ticket_unmatched (ticket, event, revision, store, day)
         SELECT * FROM unnest(?1::bytea[], ?2::bytea[], ?3::bigint[], ?4::bigint[], ?5::integer[])
         ON CONFLICT (revision, ticket) DO NOTHING",
        &bound,
    )?;
    Ok(())
}

/// Into `stock_fold` or `stock_alias`.
pub(super) fn stock_add(
    tx: &WriteTx<'_>,
    table: &str,
    totals: &BTreeMap<(StoreId, StockItemId), StockTotal>,
) -> Result<(), StorageError> {
    let Columns([stores, items, received, used]) = Columns::of(totals.iter().map(|((store, item), total)| {
        [i64::from(store.get()), i64::from(item.get()), seq_column(total.received), seq_column(total.used)]
    }));
    tx.execute(
        &format!(
            "INSERT INTO {table} (store, stock_item, received, used)
             SELECT * FROM unnest(?1::bigint[], ?2::bigint[], ?3::bigint[], ?4::bigint[])
             ON CONFLICT (store, stock_item) DO UPDATE SET received = {table}.received + excluded.received,
                used = {table}.used + excluded.used"
        ),
        params![&stores[..], &items[..], &received[..], &used[..]],
    )?;
    Ok(())
}
