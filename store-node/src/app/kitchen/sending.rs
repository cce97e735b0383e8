//! Sending to the kitchen: with a sale that is paid at once, when somebody sends lines of an open ticket, and at its close. Each is in
//! the transaction of its command, so that what was answered was sent, once.

use percolate_common::domain::catalog::Catalog;
use percolate_common::domain::kitchen::{Dish, Order, Sending, prep_tickets};
use percolate_common::domain::tickets::TicketSold;
use percolate_common::domain::tickets::open::OpenLine;
use percolate_common::domain::tickets::open::fold::OpenTicket;
use percolate_common::ids::LineId;
use percolate_common::time::UtcMillis;
use percolate_runtime::sqlite::WriteTx;

use super::super::error::AppError;
use crate::store::kitchen::{self as store, LineRow, Sent};

/// What is said of an order for whoever prepares it, and stands in no journal.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ordered {
    /// What people call it.
    pub(crate) name: Option<String>,
    /// Notes of its lines, in their order.
    pub(crate) notes: Vec<Option<String>>,
}

/// Puts what is sent into the queues of its stations.
fn queue(tx: &WriteTx<'_>, catalog: &Catalog, sending: &Sending, orders: Vec<Order>) -> Result<(), AppError> {
    let prep_tickets = prep_tickets(catalog, sending, orders);
    if prep_tickets.is_empty() {
        return Ok(());
    }
    store::forget(tx, sending.at)?;
    for (prep, lines) in prep_tickets {
        store::prep_insert(tx, &prep)?;
        for (place, line) in lines.into_iter().enumerate() {
            if let Some(line) = line {
                store::sent_put(tx, (sending.ticket, line), (prep.id, place))?;
            }
        }
    }
    Ok(())
}

/// Sends what was sold in one step.
pub(crate) fn sold(
    tx: &WriteTx<'_>,
    catalog: &Catalog,
    sold: &TicketSold,
    (ordered, at): (&Ordered, UtcMillis),
) -> Result<(), AppError> {
    let sending = Sending {
        ticket: sold.id,
        receipt: Some(sold.receipt.to_string()),
        name: ordered.name.clone(),
        consumption: sold.details.consumption,
        class: sold.class,
        at,
    };
    let notes = ordered.notes.iter().cloned().chain(std::iter::repeat(None));
    let orders = sold.lines.iter().zip(notes).map(|(line, note)| (None, Dish::new(line, note, catalog)));
    queue(tx, catalog, &sending, orders.collect())
}

/// Sends those of some lines of an open ticket that were not sent. Where nobody knows whether one was, it is sent only if it is named.
pub(crate) fn send(
    tx: &WriteTx<'_>,
    catalog: &Catalog,
    (ticket, lines, are_named): (&OpenTicket, &[&OpenLine], bool),
    (receipt, at): (Option<&str>, UtcMillis),
) -> Result<(), AppError> {
    let known = store::line_list(tx, ticket.id)?;
    let of = |line: LineId| known.iter().find(|row| row.line == line);
    let is_due = |row: Option<&LineRow>| match row.map_or(Sent::No, |row| row.sent) {
        Sent::No => true,
        Sent::Unknown => are_named,
        Sent::Yes => false,
    };
    let due = lines.iter().map(|line| (line, of(line.id))).filter(|(_, row)| is_due(*row));
    let orders = due.map(|(line, row)| {
        let note = row.and_then(|row| row.note.clone());
        (Some(line.id), Dish::new(&line.listed, note, catalog))
    });
    let sending = Sending {
        ticket: ticket.id,
        receipt: receipt.map(str::to_owned),
        name: None,
        consumption: ticket.terms().consumption,
        class: ticket.class(),
        at,
    };
    queue(tx, catalog, &sending, orders.collect())
}

/// An open ticket was paid: what was not sent is sent now, and what was has a receipt.
pub(crate) fn closed(
    tx: &WriteTx<'_>,
    catalog: &Catalog,
    ticket: &OpenTicket,
    (receipt, at): (Option<&str>, UtcMillis),
) -> Result<(), AppError> {
    for mut prep in store::prep_list(tx, ticket.id)? {
        prep.receipt = receipt.map(str::to_owned);
        store::prep_put(tx, &prep)?;
    }
    send(tx, catalog, (ticket, &ticket.lines(), false), (receipt, at))
}
