//! What an event means for the shop's own books: its rows, its money, its stock. A sale is booked once when it is made,
//! and once when the hub gives it back; both are the same here.

use percolate_common::crdt::stock::StockTotal;
use percolate_common::domain::event::{Event, Header};
use percolate_common::domain::imports::ImportedLine;
use percolate_common::domain::tickets::open::OpenFact;
use percolate_common::domain::tickets::refund::TicketRefunded;
use percolate_common::domain::tickets::tender::TenderKind;
use percolate_common::domain::tickets::{TicketClass, TicketSold};
use percolate_common::journal::StreamKind;
use percolate_common::money::Minor;
use percolate_common::quantity::Quantity;
use percolate_common::time::{BusinessDay, StoreCalendar};
use percolate_runtime::sqlite::WriteTx;

use super::error::AppError;
use super::{card_payments, card_refunds, kitchen, open_tickets, tips};
use crate::store::cash::{self, Made};
use crate::store::lives::Life;
use crate::store::sales::{self, Place, RowClass, TicketRow};
use crate::store::{house, imports, refunds, stock};

/// A movement as it counts.
pub(crate) fn counted(quantity: Quantity) -> StockTotal {
    let amount = quantity.get().unsigned_abs();
    if quantity.get() >= 0 {
        StockTotal { received: amount, used: 0 }
    } else {
        StockTotal { received: 0, used: amount }
    }
}

/// The row of a sale.
pub(crate) fn sold_row(sold: &TicketSold, day: BusinessDay, seq: u64) -> TicketRow {
    TicketRow {
        seq,
        id: sold.id,
        day,
        class: if sold.class == TicketClass::Training { RowClass::Training } else { RowClass::Sale },
        receipt: Some(sold.receipt.to_string()),
        lines: sold.lines.len().try_into().unwrap_or(i64::MAX),
        units: sold.lines.iter().map(|line| i64::from(line.quantity)).sum(),
        net: sold.totals.net,
        tax: sold.totals.tax,
        total: sold.totals.total,
        body_hash: None,
    }
}

/// Adds to a day's sum of a means of payment, and to what a house account has of it.
pub(crate) fn book_tender(
    tx: &WriteTx<'_>,
    day: BusinessDay,
    kind: &TenderKind,
    amount: Minor,
) -> Result<(), AppError> {
    sales::tender_add(tx, day, kind.as_str(), amount)?;
    if let Some(account) = kind.account() {
        house::house_add(tx, day, account, amount)?;
    }
    Ok(())
}

/// What came into the drawer and onto the cards: cash less the change. Practice brings nothing.
pub(crate) fn book_tenders(tx: &WriteTx<'_>, day: BusinessDay, sold: &TicketSold) -> Result<(), AppError> {
    if sold.class == TicketClass::Training {
        return Ok(());
    }
    for tender in &sold.tenders {
        book_tender(tx, day, &tender.kind, tender.amount)?;
    }
    if sold.change > Minor::ZERO {
        sales::tender_add(tx, day, TenderKind::Cash.as_str(), Minor::new(-sold.change.get()))?;
    }
    if let Some(session) = sold.drawer {
        cash::drawer_sold(tx, session, sold.cash())?;
    }
    Ok(())
}

/// The row of a refund that is new, and what it took out of the drawer and off the cards.
pub(crate) fn book_refund(
    tx: &WriteTx<'_>,
    day: BusinessDay,
    refund: &TicketRefunded,
    at: Place,
) -> Result<(), AppError> {
    if !refunds::refund_insert(tx, refund, day, at)? {
        return Ok(());
    }
    kitchen::refunded(tx, refund)?;
    if refund.class == TicketClass::Training {
        return Ok(());
    }
    for tender in &refund.tenders {
        book_tender(tx, day, &tender.kind, Minor::new(-tender.amount.get()))?;
    }
    if let Some(session) = refund.drawer {
        cash::drawer_sold(tx, session, Minor::new(-refund.cash().get()))?;
    }
    Ok(())
}

/// Pieces and amount of imported lines.
pub(crate) fn imported_sums(lines: &[ImportedLine]) -> Result<(i64, i64, Minor), AppError> {
    let overflow = |_| AppError::Field {
        pointer: "/baskets".to_owned(),
        code: "amount_out_of_range",
        detail: "The total of a basket is out of range.".to_owned(),
    };
    let totals = lines.iter().map(ImportedLine::total).collect::<Result<Vec<_>, _>>().map_err(overflow)?;
    let units = lines.iter().map(|line| i64::from(line.quantity)).sum();
    Ok((lines.len().try_into().unwrap_or(i64::MAX), units, Minor::sum(totals).map_err(overflow)?))
}

/// Books an event of an older life that this disk had lost. A sale that is here already stays as it is; of another
/// system's ticket that was brought in again meanwhile, the rows count that are not here.
pub(crate) fn book_returned(
    tx: &WriteTx<'_>,
    calendar: &StoreCalendar,
    life: Life,
    seq: u64,
    header: &Header,
    event: &Event,
) -> Result<(), AppError> {
    let day = header.business_day;
    match event {
        Event::TicketSold(sold) => {
            if sales::ticket_place(tx, sold.id)?.is_none() {
                sales::ticket_insert(tx, life, &sold_row(sold, day, seq))?;
                book_tenders(tx, day, sold)?;
                card_payments::sale_returned(tx, header, sold)?;
            }
            open_tickets::book_sold(tx, place(life, seq), sold)?;
        }
        Event::TicketImported(ticket) => {
            let local = calendar.local_text(header.at);
            let new = new_lines(tx, (&ticket.source, &local), &ticket.lines)?;
            if sales::ticket_place(tx, ticket.id)?.is_some() {
                amend(tx, day, &new)?;
            } else {
                let (count, units, net) = imported_sums(&ticket.lines)?;
                let row = TicketRow {
                    seq,
                    id: ticket.id,
                    day,
                    class: RowClass::Imported,
                    receipt: None,
                    lines: count,
                    units,
                    net,
                    tax: Minor::ZERO,
                    total: net,
                    body_hash: None,
                };
                sales::ticket_insert(tx, life, &row)?;
            }
            if imports::basket_fetch(tx, &ticket.source, &local)?.is_none() {
                imports::basket_insert(tx, &ticket.source, &local, ticket.id)?;
            }
        }
        Event::ImportAmended(amended) => {
            let new = new_lines(tx, (&amended.source, &calendar.local_text(header.at)), &amended.lines)?;
            amend(tx, day, &new)?;
        }
        Event::TicketRefunded(refund) => {
            if !refunds::refund_is_known(tx, refund.id)? {
                book_refund(tx, day, refund, place(life, seq))?;
                card_refunds::write_asked(tx, refund)?;
            }
        }
        Event::StockMoved(moved) => stock::movement_returned(tx, moved.id.key_part(), place(life, seq))?,
        Event::OpenTicket(fact) => {
            open_tickets::book(tx, place(life, seq), (day, header.at), fact)?;
            kitchen::returned(tx, fact)?;
            if let OpenFact::Paid(part) = fact {
                card_payments::part_returned(tx, header, part)?;
            }
        }
        Event::DrawerOpened(opened) => cash::drawer_insert(tx, opened, (header.at, day))?,
        Event::CashMoved(moved) => {
            cash::movement_insert(tx, moved, place(life, seq))?;
        }
        Event::DrawerClosed(closed) => cash::drawer_close(tx, closed, (header.at, day))?,
        Event::DayClosed(closed) => cash::reading_insert(tx, closed, place(life, seq), Made::Elsewhere)?,
        Event::TipAdjusted(fact) => tips::book(tx, day, fact)?,
        Event::CardSettled(settled) => card_payments::settled_returned(tx, header, settled)?,
        Event::SeriesOpened(_)
        | Event::StoreDescribed(_)
        | Event::LifeBegan(_)
        | Event::StaffLocked(_)
        | Event::Catalog(_) => {}
    }
    Ok(())
}

/// Notes an entry that came back into what a reading that was made here covers: the next reading counts it.
pub(crate) fn note_late(tx: &WriteTx<'_>, life: Life, seq: u64, event: &Event) -> Result<(), AppError> {
    let (_, made) = cash::reading_end(tx, life.incarnation)?;
    if event.stream() == StreamKind::Sales && seq <= made {
        cash::late_insert(tx, place(life, seq))?;
    }
    Ok(())
}

/// Lines whose rows were not here. They are now, and must not be brought in again.
fn new_lines(
    tx: &WriteTx<'_>,
    (source, local): (&str, &str),
    lines: &[ImportedLine],
) -> Result<Vec<ImportedLine>, AppError> {
    let mut new = Vec::new();
    for line in lines {
        if imports::line_fetch(tx, source, &line.row)?.is_none() {
            imports::line_insert(tx, source, &line.row, &line.content_hash(local))?;
            new.push(line.clone());
        }
    }
    Ok(new)
}

/// Adds lines of a ticket that is here to its day.
fn amend(tx: &WriteTx<'_>, day: BusinessDay, lines: &[ImportedLine]) -> Result<(), AppError> {
    let (count, units, net) = imported_sums(lines)?;
    Ok(sales::amendment_add(tx, day, count, units, net)?)
}

/// Moves what an event counts from one life's totals to another's.
pub(crate) fn move_stock_effects(tx: &WriteTx<'_>, event: &Event, from: Life, to: Life) -> Result<(), AppError> {
    for line in event.stock_effects() {
        let amount = counted(line.quantity);
        stock::total_subtract(tx, from, line.stock_item, amount)?;
        stock::total_add(tx, to, line.stock_item, amount)?;
    }
    Ok(())
}

/// The place of an entry.
pub(crate) const fn place(life: Life, seq: u64) -> Place {
    Place { life: life.number, seq }
}
