//! Tickets that are open: a guest orders, and pays later. Each command is one transaction, and finds the ticket as it is then;
//! what it is stands in the journal alone.

mod answer;
mod commands;
mod paying;
mod sending;

pub(crate) use answer::{OpenTicketAnswer, changed_since, list, one};
pub(crate) use commands::{
    ChangeOpen, DivideOpen, MoveOpen, OpenNew, VoidOpen, abandon, change, divide, hand_over, open, void,
};
pub(crate) use paying::{CloseOpen, PayOpen, close, pay};
pub(crate) use sending::{send, unsure};

use percolate_common::domain::event::Event;
use percolate_common::domain::tickets::TicketSold;
use percolate_common::domain::tickets::open::decide;
use percolate_common::domain::tickets::open::fold::OpenTicket;
use percolate_common::domain::tickets::open::{OpenFact, PaymentTaken};
use percolate_common::ids::TicketId;
use percolate_common::money::Minor;
use percolate_common::time::{BusinessDay, UtcMillis};
use percolate_common::wire::event::decode;
use percolate_common::wire::{EVENT_BYTES_MAX, WireError};
use percolate_runtime::sqlite::{ReadTx, WriteTx};
use serde::{Deserialize, Serialize};

use super::error::AppError;
use super::tickets::{Answer, RequestKey, give, given};
use super::{App, Stamp, books, kitchen};
use crate::store::open_tickets as store;
use crate::store::sales::Place;
use crate::store::{cash, tips};

/// Kinds of writes; a key belongs to one.
const KIND_OPEN: i64 = 20;
const KIND_CHANGE: i64 = 21;
const KIND_VOID: i64 = 22;
const KIND_MOVE: i64 = 23;
const KIND_DIVIDE: i64 = 24;
const KIND_PAY: i64 = 25;
const KIND_CLOSE: i64 = 26;
const KIND_ABANDON: i64 = 27;
const KIND_SEND: i64 = 28;

/// What is kept of an answer: it is made again from the ticket as it is.
#[derive(Serialize, Deserialize)]
struct Kept {
    ticket_id: String,
}

/// A ticket as its events tell it now.
fn folded(tx: &ReadTx<'_>, id: TicketId) -> Result<OpenTicket, AppError> {
    let mut ticket = OpenTicket::new(id);
    for (_, bytes) in store::event_list(tx, id)? {
        // What a newer program wrote, it folds itself.
        let Ok(recorded) = decode(&bytes) else { continue };
        match &recorded.event {
            Event::OpenTicket(fact) => ticket.add(fact),
            Event::TicketSold(sold) => ticket.add_sold(sold, recorded.header.at),
            Event::SeriesOpened(_)
            | Event::TicketImported(_)
            | Event::ImportAmended(_)
            | Event::StockMoved(_)
            | Event::DrawerOpened(_)
            | Event::CashMoved(_)
            | Event::DrawerClosed(_)
            | Event::DayClosed(_)
            | Event::TicketRefunded(_)
            | Event::CardSettled(_)
            | Event::TipAdjusted(_)
            | Event::StoreDescribed(_)
            | Event::LifeBegan(_)
            | Event::StaffLocked(_)
            | Event::Catalog(_) => {}
        }
    }
    Ok(ticket)
}

/// A ticket that somebody names.
fn fetch(tx: &ReadTx<'_>, id: TicketId) -> Result<OpenTicket, AppError> {
    store::row_fetch(tx, id)?.ok_or(AppError::NotFound("open ticket"))?;
    folded(tx, id)
}

/// Notes where an event about a ticket stands, and keeps how far the ticket is now.
fn note(tx: &WriteTx<'_>, id: TicketId, at: Place, opened_at: Option<UtcMillis>) -> Result<(), AppError> {
    store::event_insert(tx, id, at)?;
    Ok(store::row_put(tx, &folded(tx, id)?, opened_at)?)
}

/// Books a fact that stands in a journal: one that happens now, or one that came back from the hub.
pub(crate) fn book(
    tx: &WriteTx<'_>,
    at: Place,
    (day, moment): (BusinessDay, UtcMillis),
    fact: &OpenFact,
) -> Result<(), AppError> {
    if let OpenFact::Paid(payment) = fact {
        book_payment(tx, day, payment)?;
    }
    match fact {
        OpenFact::Changed(changed) => kitchen::changed(tx, changed)?,
        OpenFact::Divided(divided) => kitchen::divided(tx, divided)?,
        OpenFact::Abandoned(abandoned) => kitchen::abandoned(tx, abandoned.id)?,
        OpenFact::Opened(_) | OpenFact::Moved(_) | OpenFact::Paid(_) => {}
    }
    let opened_at = matches!(fact, OpenFact::Opened(_)).then_some(moment);
    fact.tickets().try_for_each(|id| note(tx, id, at, opened_at))
}

/// The money of a payment, once.
fn book_payment(tx: &WriteTx<'_>, day: BusinessDay, payment: &PaymentTaken) -> Result<(), AppError> {
    if !store::payment_insert(tx, payment.id, payment.ticket)? || payment.kept() == Minor::ZERO {
        return Ok(());
    }
    books::book_tender(tx, day, &payment.tender.kind, payment.kept())?;
    if payment.tip != Minor::ZERO {
        tips::part_tip_insert(tx, payment.id, day, (payment.by, payment.tip))?;
    }
    if let Some(session) = payment.drawer {
        cash::drawer_sold(tx, session, payment.cash())?;
    }
    Ok(())
}

/// Notes the sale of a ticket that was open: it has ended. A second sale of it is noted, too, and shown.
pub(crate) fn book_sold(tx: &WriteTx<'_>, at: Place, sold: &TicketSold) -> Result<(), AppError> {
    if sold.details.was_open { note(tx, sold.id, at, None) } else { Ok(()) }
}

/// The payments that a sale names, the first one first; none if one of them is not here, as when it has not come back from the hub.
pub(crate) fn parts(tx: &ReadTx<'_>, sold: &TicketSold) -> Result<Option<Vec<PaymentTaken>>, AppError> {
    let named = &sold.details.payments_before;
    if named.is_empty() {
        return Ok(Some(Vec::new()));
    }
    let mut taken = folded(tx, sold.id)?.payments;
    Ok(named.iter().map(|before| taken.remove(&before.id)).collect())
}

/// Writes facts that happen now.
fn write(app: &App, tx: &WriteTx<'_>, stamp: &Stamp, facts: Vec<OpenFact>) -> Result<(), AppError> {
    let day = app.calendar.business_day(stamp.at);
    for fact in facts {
        let event = Event::OpenTicket(fact);
        let head = app.record(tx, stamp, &event)?;
        if let Event::OpenTicket(fact) = &event {
            book(tx, books::place(stamp.life, head.seq), (day, stamp.at), fact)?;
            check_size(app, tx, stamp, fact)?;
        }
    }
    Ok(())
}

/// What paying may add to the entry of a sale: its tenders, the parts that it names, and approvals with their reasons.
const PAYING_BYTES_MAX: usize = 4 * 1024;

/// Refuses what makes a ticket whose sale no journal takes, and a part of one: who has paid a part can divide it no more.
fn check_size(app: &App, tx: &WriteTx<'_>, stamp: &Stamp, fact: &OpenFact) -> Result<(), AppError> {
    let grown = match fact {
        OpenFact::Changed(changed) if changed.added.is_empty() && changed.terms.is_none() => return Ok(()),
        OpenFact::Changed(changed) => changed.id,
        OpenFact::Divided(divided) => divided.to,
        OpenFact::Paid(payment) => payment.ticket,
        OpenFact::Opened(_) | OpenFact::Moved(_) | OpenFact::Abandoned(_) => return Ok(()),
    };
    let Some(catalog) = app.present.catalog() else { return Ok(()) };
    let sale = decide::unpaid(&folded(tx, grown)?, &catalog, &app.moment(stamp.at));
    // What cannot be priced is not sold as it is.
    let (Ok(sale), Ok(receipt)) = (sale, "T1-A-1".parse()) else { return Ok(()) };
    let bytes = app.entry_bytes(stamp, &Event::TicketSold(sale.numbered(grown, receipt)))?;
    if bytes.saturating_add(PAYING_BYTES_MAX) > EVENT_BYTES_MAX {
        return Err(AppError::Event(WireError::TooLarge {
            what: "event",
            bytes,
            limit: EVENT_BYTES_MAX - PAYING_BYTES_MAX,
        }));
    }
    Ok(())
}

/// The ticket that was answered for under a key.
fn answered_before(app: &App, tx: &WriteTx<'_>, key: &RequestKey, kind: i64) -> Result<Option<TicketId>, AppError> {
    let Some(before) = given(app, tx, key, kind)? else { return Ok(None) };
    let kept: Option<Kept> = serde_json::from_str(&before.json).ok();
    let id = kept.and_then(|kept| kept.ticket_id.parse().ok());
    Ok(Some(id.ok_or(AppError::NotFound("open ticket"))?))
}

/// Keeps which ticket is answered under a key.
fn keep(tx: &WriteTx<'_>, key: &RequestKey, kind: i64, id: TicketId) -> Result<(), AppError> {
    give(tx, key, kind, &Kept { ticket_id: id.to_string() }).map(drop)
}

/// Answers with a ticket as it is now.
fn answer(app: &App, tx: &WriteTx<'_>, id: TicketId, replayed: bool) -> Result<Answer, AppError> {
    let answer = one(app, tx, id, None)?;
    Ok(Answer { json: serde_json::to_string(&answer).unwrap_or_default(), replayed })
}
