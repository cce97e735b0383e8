//! What the tills and the manager read.

use percolate_common::domain::event::Event;
use percolate_common::domain::imports::{ImportedLine, TicketImported};
use percolate_common::ids::TicketId;
use percolate_common::journal::StreamKind;
use percolate_common::time::BusinessDay;
use percolate_common::wire::event::{Recorded, decode};
use percolate_runtime::sqlite::ReadTx;
use serde::Serialize;
use utoipa::ToSchema;

use super::App;
use super::error::AppError;
use super::refunds::{self, RefundableAnswer};
use super::ticket_answer::{LineAnswer, TicketAnswer, describe};
use super::tips;
use crate::store::lives::{self, Life};
use crate::store::sales::{self, Place};
use crate::store::{column, count, journal, stock};

/// A business day. Amounts are minor units of the store's currency.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct DayAnswer {
    /// YYYY-MM-DD.
    pub(crate) day: String,
    /// Store number.
    pub(crate) store: u32,
    /// Tickets, practice apart.
    pub(crate) tickets: i64,
    /// Practice tickets; they are in no sum.
    pub(crate) training_tickets: i64,
    /// How often something was given back; it is taken off the pieces and all amounts of the day.
    pub(crate) refunds: i64,
    /// Lines.
    pub(crate) lines: i64,
    /// Pieces.
    pub(crate) units: i64,
    /// Before tax.
    pub(crate) net_minor: i64,
    /// Tax.
    pub(crate) tax_minor: i64,
    /// With tax.
    pub(crate) total_minor: i64,
    /// Tickets brought in from other systems, whose tax is not known.
    pub(crate) tax_unknown_tickets: i64,
    /// First receipt of the day.
    pub(crate) first_receipt: Option<String>,
    /// Last receipt of the day.
    pub(crate) last_receipt: Option<String>,
    /// What was paid by which means; cash less the change, and all less what was given back.
    pub(crate) tenders: Vec<TenderSum>,
}

/// A means of payment and its sum.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct TenderSum {
    /// `cash`, `card_external`, `card`, `card_stored`, `card_lost` or `house`.
    pub(crate) kind: String,
    /// The sum.
    pub(crate) amount_minor: i64,
}

/// One item of the stock room.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct StockRow {
    /// Stock item number.
    pub(crate) stock_item: u32,
    /// What people read.
    pub(crate) name: String,
    /// `each`, `mg` or `ul`.
    pub(crate) unit: String,
    /// What is there; negative if more was used than was ever booked in.
    pub(crate) on_hand: i64,
    /// What came in.
    pub(crate) received: u64,
    /// What went out.
    pub(crate) used: u64,
}

/// The sums of a business day.
pub(crate) fn day(app: &App, tx: &ReadTx<'_>, day: BusinessDay) -> Result<DayAnswer, AppError> {
    let sums = sales::day_sums(tx, day)?;
    let (first_receipt, last_receipt) = sales::day_receipts(tx, day)?;
    let tenders = sales::tender_list(tx, day)?;
    Ok(DayAnswer {
        day: day.to_string(),
        store: app.identity.store.get(),
        tickets: sums.tickets,
        training_tickets: sums.training_tickets,
        refunds: sums.refunds,
        lines: sums.lines,
        units: sums.units,
        net_minor: sums.net,
        tax_minor: sums.tax,
        total_minor: sums.total,
        tax_unknown_tickets: sums.tax_unknown_tickets,
        first_receipt,
        last_receipt,
        tenders: tenders.into_iter().map(|(kind, amount_minor)| TenderSum { kind, amount_minor }).collect(),
    })
}

/// The sums of the business day that a sale would fall in now, also when the wall clock has gone back.
pub(crate) fn today(app: &App, tx: &ReadTx<'_>) -> Result<DayAnswer, AppError> {
    let now = app.stamp(tx)?.at;
    day(app, tx, app.calendar.business_day(now))
}

/// Stock on hand, by item.
pub(crate) fn stock(app: &App, tx: &ReadTx<'_>) -> Result<Vec<StockRow>, AppError> {
    let (on_hand, totals) = stock::on_hand(tx, app.author())?;
    let aliases = stock::alias_list(tx)?;
    let catalog = app.present.catalog();
    let row = |(item, total): (percolate_common::ids::StockItemId, percolate_common::crdt::stock::StockTotal)| {
        let known = catalog.as_ref().and_then(|catalog| catalog.content.stock_items.get(&item));
        let twice = aliases.get(&item).copied().unwrap_or_default();
        StockRow {
            stock_item: item.get(),
            name: known.map_or_else(|| format!("stock item {item}"), |known| known.name.clone()),
            unit: known.map_or("", |known| known.unit.as_str()).to_owned(),
            on_hand: on_hand.on_hand(item).get() - column(twice.received) + column(twice.used),
            received: total.received.saturating_sub(twice.received),
            used: total.used.saturating_sub(twice.used),
        }
    };
    Ok(totals.into_iter().map(row).collect())
}

fn imported(ticket: &TicketImported, recorded: &Recorded, seq: u64) -> TicketAnswer {
    let total = |line: &ImportedLine| line.total().unwrap_or_default();
    let line =
        |line: &ImportedLine| LineAnswer::imported(line.item.name.clone(), line.quantity, line.unit_price, total(line));
    let net: i64 = ticket.lines.iter().map(|line| total(line).get()).sum();
    TicketAnswer {
        ticket_id: ticket.id.to_string(),
        receipt: None,
        business_day: recorded.header.business_day.to_string(),
        at_ms: recorded.header.at.get(),
        training: false,
        currency: ticket.currency.to_string(),
        consumption: None,
        lines: ticket.lines.iter().map(line).collect(),
        discounts: Vec::new(),
        service_charge_minor: 0,
        net_minor: net,
        tax_minor: None,
        taxes: Vec::new(),
        exempt_reason: None,
        approvals: Vec::new(),
        total_minor: net,
        tip_minor: 0,
        cash_rounding_minor: 0,
        paid_before_minor: None,
        tendered_minor: None,
        change_minor: 0,
        seq,
        catalog_revision: None,
        sold_by: None,
    }
}

/// The event at a place of the sales journals, and the ticket that it is.
fn read_place(app: &App, tx: &ReadTx<'_>, Place { life, seq }: Place) -> Result<(Recorded, TicketAnswer), AppError> {
    let bytes = journal::entry_fetch(tx, life, StreamKind::Sales, seq)?.ok_or(AppError::NotFound("ticket"))?;
    let recorded = decode(&bytes).map_err(|_unreadable| AppError::NotFound("ticket"))?;
    let catalog = app.present.catalog();
    let header = &recorded.header;
    match &recorded.event {
        Event::TicketSold(sold) => {
            let answer = describe(sold, header.business_day, header.at.get(), seq, catalog.as_deref());
            Ok((recorded, answer))
        }
        Event::TicketImported(ticket) => {
            let answer = imported(ticket, &recorded, seq);
            Ok((recorded, answer))
        }
        Event::SeriesOpened(_)
        | Event::LifeBegan(_)
        | Event::StaffLocked(_)
        | Event::CardSettled(_)
        | Event::TipAdjusted(_)
        | Event::ImportAmended(_)
        | Event::OpenTicket(_)
        | Event::StockMoved(_)
        | Event::TicketRefunded(_)
        | Event::DrawerOpened(_)
        | Event::CashMoved(_)
        | Event::DrawerClosed(_)
        | Event::DayClosed(_)
        | Event::StoreDescribed(_)
        | Event::Catalog(_) => Err(AppError::NotFound("ticket")),
    }
}

/// The ticket at a place of the sales journals.
pub(crate) fn at_place(app: &App, tx: &ReadTx<'_>, place: Place) -> Result<TicketAnswer, AppError> {
    Ok(read_place(app, tx, place)?.1)
}

/// One ticket, and what of it can still be given back.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct OneTicket {
    #[serde(flatten)]
    ticket: TicketAnswer,
    /// What can still be given back; null if it was brought in from another system.
    refundable: Option<RefundableAnswer>,
}

/// One ticket, as it counts now: with the tip that holds, and with cards that took the place of cash.
pub(crate) fn ticket(app: &App, tx: &ReadTx<'_>, id: TicketId) -> Result<OneTicket, AppError> {
    let mut ticket = at_place(app, tx, sales::ticket_place(tx, id)?.ok_or(AppError::NotFound("ticket"))?)?;
    if let Some((sold, _)) = refunds::sale(tx, id)? {
        ticket.count_as(&sold);
    }
    if let Some(tip) = tips::adjusted(tx, id)? {
        ticket.tip_minor = tip.get();
    }
    Ok(OneTicket { ticket, refundable: refunds::refundable(app, tx, id)? })
}

/// Bits of a page's end that are the sequence number; the life is above them. A program without 64-bit numbers can read
/// it up to life 8,192.
const CURSOR_SEQ_BITS: u32 = 40;

/// A place as one number: in the first life its sequence number.
fn cursor(place: Place) -> u64 {
    ((count(place.life).saturating_sub(1)) << CURSOR_SEQ_BITS) | place.seq
}

fn place(cursor: u64) -> Place {
    Place { life: column((cursor >> CURSOR_SEQ_BITS) + 1), seq: cursor & ((1 << CURSOR_SEQ_BITS) - 1) }
}

/// Tickets after the end of a page, oldest life first, and where this page ends.
pub(crate) fn tickets(
    app: &App,
    tx: &ReadTx<'_>,
    day: Option<BusinessDay>,
    after: u64,
    limit: u32,
) -> Result<(Vec<TicketAnswer>, u64), AppError> {
    let places = sales::ticket_place_list(tx, day, place(after), limit)?;
    let end = places.last().map_or(after, |last| cursor(*last));
    let tickets = places.into_iter().map(|place| at_place(app, tx, place)).collect::<Result<_, _>>()?;
    Ok((tickets, end))
}

/// The life that a screen follows, and the last place in its sales journal that it was told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) life: Life,
    pub(crate) seq: u64,
}

/// Where tickets that were sold here since stand, oldest first, and whose journal that is; a new life is followed from its
/// beginning.
fn sold_places(tx: &ReadTx<'_>, told: Told, limit: u32) -> Result<(Vec<u64>, Told), AppError> {
    let places = sales::sold_place_list(tx, told.life, told.seq, limit)?;
    let present = lives::present(tx)?;
    if places.is_empty() && told.life != present {
        let told = Told { life: present, seq: 0 };
        return Ok((sales::sold_place_list(tx, told.life, told.seq, limit)?, told));
    }
    Ok((places, told))
}

/// Tickets that were sold here since, oldest first. Tickets of an older life that the repair of a fork writes again were
/// told of when they were sold.
pub(crate) fn sold(app: &App, tx: &ReadTx<'_>, told: Told, limit: u32) -> Result<(Vec<TicketAnswer>, Told), AppError> {
    let (places, mut told) = sold_places(tx, told, limit)?;
    let mut tickets = Vec::with_capacity(places.len());
    for seq in places {
        let (recorded, answer) = read_place(app, tx, Place { life: told.life.number, seq })?;
        if recorded.origin.is_none() {
            tickets.push(answer);
        }
        told.seq = seq;
    }
    Ok((tickets, told))
}

/// How many tickets were sold here since, as [`sold`] counts them: for nobody to look at.
pub(crate) fn sold_count(app: &App, tx: &ReadTx<'_>, told: Told, limit: u32) -> Result<(usize, Told), AppError> {
    if lives::lives_count(tx)? > 1 {
        // Some may have been written again, and only their events know it.
        return sold(app, tx, told, limit).map(|(tickets, told)| (tickets.len(), told));
    }
    let (places, told) = sold_places(tx, told, limit)?;
    let seq = places.last().copied().unwrap_or(told.seq);
    Ok((places.len(), Told { seq, ..told }))
}

/// The last place in the sales journal.
pub(crate) fn last_place(app: &App, tx: &ReadTx<'_>) -> Result<Told, AppError> {
    let life = lives::present(tx)?;
    Ok(Told { life, seq: journal::head_fetch(tx, life, &app.journal(life, StreamKind::Sales))?.seq })
}
