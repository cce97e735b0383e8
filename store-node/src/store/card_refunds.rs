//! Money that goes back on a card.

use percolate_common::domain::tenders::card::CreditState;
use percolate_common::ids::{CardPaymentId, RefundId, TicketId};
use percolate_common::money::Minor;
use percolate_runtime::sqlite::{ReadTx, WriteTx};
use percolate_runtime::storage::StorageError;
use rusqlite::{Row, named_params};

use super::LIST_ROWS_MAX;

/// So much of a payment that goes back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CreditRow {
    /// What the card terminal knows it by.
    pub(crate) id: CardPaymentId,
    pub(crate) refund: RefundId,
    pub(crate) payment: CardPaymentId,
    pub(crate) ticket: TicketId,
    pub(crate) amount: Minor,
    pub(crate) state: CreditState,
    pub(crate) reference: Option<String>,
    /// Why no card took it.
    pub(crate) reason: Option<String>,
}

const CREDIT: &str = "SELECT id, refund, payment, ticket, amount_minor, state, reference, reason FROM card_refund";

fn row(row: &Row<'_>) -> rusqlite::Result<CreditRow> {
    let state: String = row.get("state")?;
    Ok(CreditRow {
        id: CardPaymentId::from_bytes(row.get("id")?),
        refund: RefundId::from_bytes(row.get("refund")?),
        payment: CardPaymentId::from_bytes(row.get("payment")?),
        ticket: TicketId::from_bytes(row.get("ticket")?),
        amount: Minor::new(row.get("amount_minor")?),
        // The table takes no other words.
        state: state.parse().unwrap_or(CreditState::Asked),
        reference: row.get("reference")?,
        reason: row.get("reason")?,
    })
}

pub(crate) fn credit_fetch(tx: &ReadTx<'_>, id: CardPaymentId) -> Result<Option<CreditRow>, StorageError> {
    tx.query_optional(&format!("{CREDIT} WHERE id = :id"), named_params! {":id": id.to_bytes()}, row)
}

/// What the card terminal is still to say something about.
pub(crate) fn credit_waiting_list(tx: &ReadTx<'_>, limit: u32) -> Result<Vec<CreditRow>, StorageError> {
    tx.query_list(
        &format!("{CREDIT} WHERE state = 'asked' ORDER BY id LIMIT :limit"),
        named_params! {":limit": limit},
        row,
    )
}

/// What was given back of a ticket on cards.
pub(crate) fn credit_list(tx: &ReadTx<'_>, ticket: TicketId) -> Result<Vec<CreditRow>, StorageError> {
    tx.query_list(
        &format!("{CREDIT} WHERE ticket = :ticket ORDER BY id LIMIT :limit"),
        named_params! {":ticket": ticket.to_bytes(), ":limit": LIST_ROWS_MAX},
        row,
    )
}

/// What no card took of a payment.
pub(crate) fn credit_owed_list(tx: &ReadTx<'_>, payment: CardPaymentId) -> Result<Vec<CreditRow>, StorageError> {
    tx.query_list(
        &format!("{CREDIT} WHERE payment = :payment AND state = 'owed' ORDER BY id LIMIT :limit"),
        named_params! {":payment": payment.to_bytes(), ":limit": LIST_ROWS_MAX},
        row,
    )
}

/// Writes it; what is there already stays as it is.
pub(crate) fn credit_insert(tx: &WriteTx<'_>, credit: &CreditRow) -> Result<(), StorageError> {
    tx.execute(
        "INSERT INTO card_refund (id, refund, payment, ticket, amount_minor, state, reference, reason)
         VALUES (:id, :refund, :payment, :ticket, :amount, :state, :reference, :reason) ON CONFLICT (id) DO NOTHING",
        named_params! {
            ":id": credit.id.to_bytes(), ":refund": credit.refund.to_bytes(), ":payment": credit.payment.to_bytes(),
            ":ticket": credit.ticket.to_bytes(), ":amount": credit.amount.get(), ":state": credit.state.as_str(),
            ":reference": credit.reference, ":reason": credit.reason,
        },
    )?;
    Ok(())
}

/// Writes what the card terminal has said of it.
pub(crate) fn credit_put(tx: &WriteTx<'_>, credit: &CreditRow) -> Result<(), StorageError> {
    tx.execute(
        "UPDATE card_refund SET state = :state, reference = :reference, reason = :reason WHERE id = :id",
        named_params! {
            ":id": credit.id.to_bytes(), ":state": credit.state.as_str(), ":reference": credit.reference,
            ":reason": credit.reason,
        },
    )?;
    Ok(())
}
