//! A card that was charged late, for a ticket that was sold for cash meanwhile.

use percolate_common::domain::catalog::Catalog;
use percolate_common::domain::event::{Event, Header};
use percolate_common::domain::staff::roles::Act;
use percolate_common::domain::tenders::card::{self, CardSettled, Payment, PaymentRejection, PaymentState, Settled};
use percolate_common::domain::tenders::exchange::{Exchange, cash_back};
use percolate_common::domain::tickets::TicketClass;
use percolate_common::domain::tickets::receipt::TerminalName;
use percolate_common::domain::tickets::refund::{Before, Sale};
use percolate_common::ids::{CardPaymentId, TicketId};
use percolate_common::money::Minor;
use percolate_common::time::BusinessDay;
use percolate_runtime::sqlite::WriteTx;
use serde::Serialize;
use utoipa::ToSchema;

use super::error::AppError;
use super::refunds::{of_ticket, sale};
use super::staff::{self, Shown};
use super::tickets::{Answer, KIND_EXCHANGE, RequestKey, give, given};
use super::{App, open_tickets, prints};
use crate::store::card_payments::{self as store, PaymentRow};
use crate::store::{cash, sales};

/// A card that a ticket counts instead of cash. Amounts are minor units.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct ExchangeAnswer {
    /// The payment.
    payment: String,
    /// The ticket that counts it from now on. Its sums stay as they are.
    ticket_id: String,
    /// The business day on which cash went back and the card counts, YYYY-MM-DD.
    business_day: String,
    /// What the card was charged.
    card_minor: i64,
    /// What the guest gets back in cash.
    cash_minor: i64,
    /// Whether it comes out of a drawer that is open at the till.
    drawer: Option<String>,
    /// Who approved it, by number, where that was needed.
    approved_by: Option<u32>,
}

/// Counts a payment for a ticket that was sold for cash: the guest gets the cash back.
pub(crate) fn assign(
    app: &App,
    tx: &WriteTx<'_>,
    catalog: &Catalog,
    (terminal, id, ticket): (&TerminalName, CardPaymentId, TicketId),
    (key, shown): (&RequestKey, &Shown),
) -> Result<Answer, AppError> {
    if let Some(answer) = given(app, tx, key, KIND_EXCHANGE)? {
        return Ok(answer);
    }
    let person = staff::seller(app, tx, shown)?;
    app.check_reserve()?;
    let row = store::payment_fetch(tx, id)?.ok_or(AppError::NotFound("payment"))?;
    let Payment { state, amount, .. } = row.payment;
    let (sold, day) = sale(tx, ticket)?.ok_or(AppError::RefundUnknown)?;
    card::count(id, Some(&row.payment), amount, false).map_err(AppError::Payment)?;
    if sold.class == TicketClass::Training {
        return Err(AppError::Payment(PaymentRejection::Training(id)));
    }
    if state != PaymentState::Approved {
        return Err(AppError::Payment(PaymentRejection::NotApproved { payment: id, state }));
    }
    let before = Before::of(of_ticket(tx, ticket)?.iter().map(|(refund, _)| refund));
    let parts = open_tickets::parts(tx, &sold)?.ok_or(AppError::RefundUnknown)?;
    let sale = Sale::new(&sold, day, &parts);
    let so_far = store::exchange_list(tx, ticket)?;
    let rounding = (&so_far[..], catalog.content.rules.cash_step());
    let cash = cash_back(&sale, &before, (id, amount), rounding).map_err(AppError::Payment)?;
    let approval = staff::approved(app, tx, Act::Refund, person.as_ref(), shown)?;
    let stamp = app.stamp(tx)?;
    let today = app.calendar.business_day(stamp.at);
    let drawer = cash::drawer_open(tx, terminal)?;
    let answer = ExchangeAnswer {
        payment: id.to_string(),
        ticket_id: ticket.to_string(),
        business_day: today.to_string(),
        card_minor: amount.get(),
        cash_minor: cash.get(),
        drawer: drawer.map(|drawer| drawer.to_string()),
        approved_by: approval.as_ref().map(|approval| approval.by.get()),
    };
    let by = person.map(|person| person.id);
    let fact = CardSettled {
        payment: id,
        amount,
        settled: Settled::Exchanged,
        ticket: Some(ticket),
        reference: row.reference,
        exchange: Some(Exchange { cash, terminal: terminal.clone(), drawer, by, approval }),
        refund: None,
    };
    app.record(tx, &stamp, &Event::CardSettled(fact.clone()))?;
    book(tx, today, &fact)?;
    prints::drawer(app, tx, &stamp, terminal, sold.receipt.to_string())?;
    app.terminals.note(tx, stamp.at)?;
    give(tx, key, KIND_EXCHANGE, &answer)
}

/// Books it once: card for cash, and the cash out of its drawer.
fn book(tx: &WriteTx<'_>, day: BusinessDay, fact: &CardSettled) -> Result<(), AppError> {
    let (Some(exchange), Some(ticket)) = (&fact.exchange, fact.ticket) else { return Ok(()) };
    if !store::payment_exchange(tx, fact.payment, ticket, exchange.cash)? {
        return Ok(());
    }
    for (kind, amount) in fact.moves() {
        sales::tender_add(tx, day, kind, amount)?;
    }
    if let Some(session) = exchange.drawer {
        cash::drawer_sold(tx, session, Minor::new(exchange.cash.get().saturating_neg()))?;
    }
    Ok(())
}

/// Books what came back from the hub: the payment itself may have been lost with the disk.
pub(crate) fn returned(tx: &WriteTx<'_>, header: &Header, fact: &CardSettled) -> Result<(), AppError> {
    let Some(exchange) = &fact.exchange else { return Ok(()) };
    let row = PaymentRow {
        id: fact.payment,
        terminal: exchange.terminal.to_string(),
        asked_at: header.at,
        stored_at: None,
        reference: fact.reference.clone(),
        last_four: None,
        reason: None,
        payment: Payment { state: PaymentState::Approved, amount: fact.amount, ticket: None, training: false },
    };
    store::payment_insert(tx, &row)?;
    book(tx, header.business_day, fact)
}
