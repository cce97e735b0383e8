//! Money that goes back on a card that the box charged: written with its refund, asked for outside of any transaction, and asked
//! for again until the card terminal has said something. What no card took is owed, and shown.

use percolate_common::domain::event::{Event, Header};
use percolate_common::domain::tenders::card::{self, Back, CardSettled, CreditState, Outcome, PaymentState, Settled};
use percolate_common::domain::tickets::TicketClass;
use percolate_common::domain::tickets::refund::TicketRefunded;
use percolate_common::domain::tickets::tender::{Tender, TenderKind};
use percolate_common::ids::{CardPaymentId, TicketId};
use percolate_common::money::Minor;
use percolate_runtime::sqlite::{ReadTx, WriteTx};

use super::App;
use super::card_payments::{ASK_TIME_MAX, WAITING_MAX};
use super::error::AppError;
use crate::store::card_payments as payments;
use crate::store::card_refunds::{self as store, CreditRow};
use crate::store::sales;

/// Fills in how the payments stand that a refund gives back, and refuses what cannot go back so.
pub(crate) fn fill_in(tx: &ReadTx<'_>, tenders: &mut [Tender]) -> Result<(), AppError> {
    for tender in tenders {
        let TenderKind::Card { payment, stored, .. } = &mut tender.kind else { continue };
        let row = payments::payment_fetch(tx, *payment)?;
        let back = card::give_back(*payment, row.as_ref().map(|row| &row.payment), tender.amount);
        *stored = back.map_err(AppError::Payment)? == Back::Forget;
    }
    Ok(())
}

/// Writes down what the card terminal is to be asked for, in the transaction of the refund; also of one that came back from the hub:
/// what came of it comes after it, and the card terminal that is asked before that tells what it has said already.
pub(crate) fn write_asked(tx: &WriteTx<'_>, refund: &TicketRefunded) -> Result<(), AppError> {
    if refund.class == TicketClass::Training {
        return Ok(());
    }
    for tender in &refund.tenders {
        let TenderKind::Card { payment, stored, .. } = &tender.kind else { continue };
        if !stored {
            store::credit_insert(tx, &credit(refund, *payment, tender.amount))?;
            continue;
        }
        let row = payments::payment_fetch(tx, *payment)?.filter(|row| row.payment.state == PaymentState::Stored);
        if let Some(mut row) = row {
            row.payment.state = PaymentState::Reversing;
            payments::payment_put(tx, &row)?;
        }
    }
    Ok(())
}

fn credit(refund: &TicketRefunded, payment: CardPaymentId, amount: Minor) -> CreditRow {
    CreditRow {
        id: CardPaymentId::credited(refund.id, payment),
        refund: refund.id,
        payment,
        ticket: refund.ticket,
        amount,
        state: CreditState::Asked,
        reference: None,
        reason: None,
    }
}

/// Keeps what became of it, as it came back from the hub.
pub(crate) fn settled_returned(tx: &WriteTx<'_>, header: &Header, settled: &CardSettled) -> Result<(), AppError> {
    let Some(refund) = settled.refund else { return Ok(()) };
    let id = CardPaymentId::credited(refund, settled.payment);
    let Some(mut row) = store::credit_fetch(tx, id)?.filter(|row| row.state == CreditState::Asked) else {
        return Ok(());
    };
    row.state = match settled.settled {
        Settled::Owed => CreditState::Owed,
        Settled::Credited | Settled::Forwarded | Settled::Lost | Settled::Reversed | Settled::Exchanged => {
            CreditState::Credited
        }
    };
    row.reference.clone_from(&settled.reference);
    store::credit_put(tx, &row)?;
    for (kind, amount) in settled.moves() {
        sales::tender_add(tx, header.business_day, kind, amount)?;
    }
    Ok(())
}

/// Writes what the card terminal has said.
fn write_heard(app: &App, tx: &WriteTx<'_>, id: CardPaymentId, outcome: &Outcome) -> Result<(), AppError> {
    let Some(mut row) = store::credit_fetch(tx, id)? else { return Ok(()) };
    let after = row.state.heard(outcome);
    if after == row.state {
        return Ok(());
    }
    row.state = after;
    match outcome {
        Outcome::Approved { reference, .. } => row.reference = Some(reference.clone()),
        Outcome::Declined { reason } => row.reason = Some(reason.clone()),
        Outcome::TimedOut | Outcome::Offline => {}
    }
    store::credit_put(tx, &row)?;
    let settled = CardSettled {
        payment: row.payment,
        amount: row.amount,
        settled: if after == CreditState::Credited { Settled::Credited } else { Settled::Owed },
        ticket: Some(row.ticket),
        reference: row.reference.clone(),
        exchange: None,
        refund: Some(row.refund),
    };
    let stamp = app.stamp(tx)?;
    for (kind, amount) in settled.moves() {
        sales::tender_add(tx, app.calendar.business_day(stamp.at), kind, amount)?;
    }
    app.record(tx, &stamp, &Event::CardSettled(settled))?;
    Ok(())
}

/// Asks the card terminal for one, and writes what it says; tells whether it said something. A turn that somebody else has is theirs.
async fn ask(app: &App, row: &CreditRow) -> Result<bool, AppError> {
    let (Some(terminal), Some(_turn)) = (&app.cards.terminal, app.cards.turn(row.id)) else { return Ok(false) };
    let asked = terminal.refund(row.id, row.payment, row.amount);
    let outcome = tokio::time::timeout(ASK_TIME_MAX, asked).await.unwrap_or(Outcome::TimedOut);
    if matches!(outcome, Outcome::TimedOut | Outcome::Offline) {
        return Ok(false);
    }
    let (writing, id) = (app.clone(), row.id);
    app.writer.run("card_credited", move |tx| write_heard(&writing, tx, id, &outcome)).await?;
    Ok(true)
}

/// Asks for all that is still to go back, once; those after one that got no answer wait for the next time.
pub(crate) async fn look(app: &App) -> Result<(), AppError> {
    let waiting = app.readers.read_async(|tx| store::credit_waiting_list(tx, WAITING_MAX)).await?;
    for row in &waiting {
        if !ask(app, row).await? {
            return Ok(());
        }
    }
    Ok(())
}

/// Asks for what goes back of a ticket on cards at once, so that the guest sees it. Whatever comes of it, the refund is made.
pub(crate) async fn ask_of_ticket(app: &App, ticket: TicketId) -> Result<(), AppError> {
    for row in app.readers.read_async(move |tx| store::credit_list(tx, ticket)).await? {
        if row.state == CreditState::Asked {
            ask(app, &row).await?;
        }
    }
    Ok(())
}
