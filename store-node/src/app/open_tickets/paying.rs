//! Paying: in parts, and the rest.

use percolate_common::domain::catalog::Catalog;
use percolate_common::domain::staff::roles::Act;
use percolate_common::domain::tickets::open::OpenFact;
use percolate_common::domain::tickets::open::decide::{self, CloseTicket, TakePayment};
use percolate_common::domain::tickets::open::fold::OpenTicket;
use percolate_common::domain::tickets::receipt::TerminalName;
use percolate_common::domain::tickets::tender::Tender;
use percolate_common::ids::{PaymentId, TicketId};
use percolate_common::money::Minor;
use percolate_runtime::sqlite::WriteTx;

use super::super::error::AppError;
use super::super::prints::{self, Till};
use super::super::staff::{self, Shown};
use super::super::tickets::{Answer, RequestKey, sell_decided};
use super::super::{App, card_payments, house, kitchen, reports};
use super::{KIND_CLOSE, KIND_PAY, answer, answered_before, fetch, keep, write};
use crate::store::open_tickets as store;
use crate::store::{cash, sales};

/// A part to pay.
#[derive(Debug, Clone)]
pub(crate) struct PayOpen {
    pub(crate) terminal: TerminalName,
    pub(crate) tender: Tender,
    pub(crate) amount: Minor,
    pub(crate) tip: Minor,
}

/// The rest.
#[derive(Debug, Clone)]
pub(crate) struct CloseOpen {
    pub(crate) till: Till,
    pub(crate) command: CloseTicket,
}

/// What parts of a ticket were paid with.
fn tenders_before(ticket: &OpenTicket) -> Vec<Tender> {
    ticket.payments.values().map(|payment| payment.tender.clone()).collect()
}

/// Takes a part of what is owed.
pub(crate) fn pay(
    app: &App,
    tx: &WriteTx<'_>,
    catalog: &Catalog,
    (id, asked): (TicketId, PayOpen),
    key: &RequestKey,
    shown: &Shown,
) -> Result<Answer, AppError> {
    if let Some(id) = answered_before(app, tx, key, KIND_PAY)? {
        return answer(app, tx, id, true);
    }
    let author = app.author().number();
    if let Some(known) = store::payment_by_key(tx, PaymentId::taken(0, author, &key.text).key_part())? {
        // It came back from the hub; from now on the key belongs to this request.
        key.names(&known)?;
        keep(tx, key, KIND_PAY, known)?;
        return answer(app, tx, known, true);
    }
    let seller = staff::seller(app, tx, shown)?;
    let by = seller.as_ref().map(|seller| seller.id);
    app.check_reserve()?;
    let ticket = fetch(tx, id)?;
    let stamp = app.stamp(tx)?;
    let PayOpen { terminal, mut tender, amount, tip } = asked;
    card_payments::fill_in(tx, ticket.class(), std::slice::from_mut(&mut tender))?;
    let day = app.calendar.business_day(stamp.at);
    house::check(tx, catalog, (ticket.class(), day), &tenders_before(&ticket), std::slice::from_ref(&tender))?;
    let payment = PaymentId::taken(stamp.at.get(), author, &key.text);
    let part = TakePayment { tender, amount, tip, terminal, by };
    let mut taken = decide::take_payment(&ticket, catalog, payment, part, &app.moment(stamp.at))?;
    if taken.cash() != Minor::ZERO {
        taken.drawer = cash::drawer_open(tx, &taken.terminal)?;
    }
    if taken.tender.kind.account().is_some() {
        taken.approval = staff::approved(app, tx, Act::HouseAccount, seller.as_ref(), shown)?;
    }
    card_payments::count(tx, id, std::slice::from_ref(&taken.tender))?;
    let paid = (ticket.class(), std::slice::from_ref(&taken.tender));
    prints::drawer_for(app, tx, &stamp, &taken.terminal, paid)?;
    write(app, tx, &stamp, vec![OpenFact::Paid(taken)])?;
    app.terminals.note(tx, stamp.at)?;
    keep(tx, key, KIND_PAY, id)?;
    answer(app, tx, id, false)
}

/// Sells a ticket: what is left of it is paid. The answer is that of a sale.
pub(crate) fn close(
    app: &App,
    tx: &WriteTx<'_>,
    catalog: &Catalog,
    (id, asked): (TicketId, CloseOpen),
    key: &RequestKey,
    shown: &Shown,
) -> Result<Answer, AppError> {
    if let Some(id) = answered_before(app, tx, key, KIND_CLOSE)? {
        let place = sales::ticket_place(tx, id)?.ok_or(AppError::NotFound("ticket"))?;
        let sold = reports::at_place(app, tx, place)?;
        return Ok(Answer { json: serde_json::to_string(&sold).unwrap_or_default(), replayed: true });
    }
    let seller = staff::seller(app, tx, shown)?;
    app.check_reserve()?;
    let ticket = fetch(tx, id)?;
    let stamp = app.stamp(tx)?;
    let by = (seller.as_ref(), shown);
    let mut command = asked.command;
    card_payments::fill_in(tx, ticket.class(), &mut command.tenders)?;
    let day = app.calendar.business_day(stamp.at);
    house::check(tx, catalog, (ticket.class(), day), &tenders_before(&ticket), &command.tenders)?;
    let decided = decide::close(&ticket, catalog, command, &app.moment(stamp.at))?;
    let sold = sell_decided(app, tx, (&stamp, catalog), (id, &asked.till, ticket.class()), (decided, by), None)?;
    kitchen::closed(tx, catalog, &ticket, (sold.receipt.as_deref(), stamp.at))?;
    app.terminals.note(tx, stamp.at)?;
    keep(tx, key, KIND_CLOSE, id)?;
    Ok(Answer { json: serde_json::to_string(&sold).unwrap_or_default(), replayed: false })
}
