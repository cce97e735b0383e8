//! Payments by card.

use percolate_common::domain::tenders::card::{LastFour, Payment, PaymentState};
use percolate_common::domain::tenders::exchange::Exchanged;
use percolate_common::domain::tenders::forward::StoredNow;
use percolate_common::ids::{CardPaymentId, TicketId};
use percolate_common::money::Minor;
use percolate_common::time::UtcMillis;
use percolate_runtime::sqlite::{ReadTx, WriteTx};
use percolate_runtime::storage::StorageError;
use rusqlite::{Row, named_params};

use super::{LIST_ROWS_MAX, count};

/// A payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PaymentRow {
    pub(crate) id: CardPaymentId,
    /// At which till.
    pub(crate) terminal: String,
    pub(crate) asked_at: UtcMillis,
    pub(crate) stored_at: Option<UtcMillis>,
    pub(crate) reference: Option<String>,
    pub(crate) last_four: Option<LastFour>,
    /// Why it was declined.
    pub(crate) reason: Option<String>,
    pub(crate) payment: Payment,
}

/// Which payments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    /// Of which something is still to come.
    Waiting,
    /// Money that no ticket counts, or may come to that.
    Unmatched,
    /// Taken on trust.
    Stored,
    /// Declined after a ticket had counted them.
    Lost,
    /// Of which so much was to go back, and no card took it.
    Owed,
    /// The latest of all.
    All,
}

impl Which {
    /// What holds of them.
    const fn condition(self) -> &'static str {
        match self {
            Self::Waiting => "training = 0 AND state IN ('asked', 'unknown', 'stored', 'reversing')",
            Self::Unmatched => {
                "ticket IS NULL AND training = 0 AND state IN ('asked', 'unknown', 'approved', 'stored', 'reversing')"
            }
            Self::Stored => "state = 'stored'",
            Self::Lost => "state = 'declined' AND ticket IS NOT NULL",
            Self::Owed => "id IN (SELECT payment FROM card_refund WHERE state = 'owed')",
            Self::All => "1 = 1",
        }
    }
}

const PAYMENT: &str =
    "SELECT id, terminal, amount_minor, training, state, asked_at_ms, stored_at_ms, reference, last_four, reason,
    ticket FROM card_payment";

fn row(row: &Row<'_>) -> rusqlite::Result<PaymentRow> {
    let state: String = row.get("state")?;
    let last_four: Option<u16> = row.get("last_four")?;
    let ticket: Option<[u8; 16]> = row.get("ticket")?;
    let stored_at: Option<i64> = row.get("stored_at_ms")?;
    Ok(PaymentRow {
        id: CardPaymentId::from_bytes(row.get("id")?),
        terminal: row.get("terminal")?,
        asked_at: UtcMillis::new(row.get("asked_at_ms")?),
        stored_at: stored_at.map(UtcMillis::new),
        reference: row.get("reference")?,
        last_four: last_four.and_then(|number| LastFour::new(number).ok()),
        reason: row.get("reason")?,
        payment: Payment {
            // The table takes no other words.
            state: state.parse().unwrap_or(PaymentState::Unknown),
            amount: Minor::new(row.get("amount_minor")?),
            ticket: ticket.map(TicketId::from_bytes),
            training: row.get("training")?,
        },
    })
}

pub(crate) fn payment_fetch(tx: &ReadTx<'_>, id: CardPaymentId) -> Result<Option<PaymentRow>, StorageError> {
    tx.query_optional(&format!("{PAYMENT} WHERE id = :id"), named_params! {":id": id.to_bytes()}, row)
}

/// The payment that was asked for under a key.
pub(crate) fn payment_by_key(tx: &ReadTx<'_>, key_part: [u8; 8]) -> Result<Option<PaymentRow>, StorageError> {
    tx.query_optional(
        &format!("{PAYMENT} WHERE substr(id, 9, 8) = :key ORDER BY id LIMIT 1"),
        named_params! {":key": key_part},
        row,
    )
}

/// Payments, the oldest first.
pub(crate) fn payment_list(tx: &ReadTx<'_>, which: Which, limit: u32) -> Result<Vec<PaymentRow>, StorageError> {
    let order = if which == Which::All { "DESC" } else { "ASC" };
    tx.query_list(
        &format!("{PAYMENT} WHERE {} ORDER BY asked_at_ms {order}, id LIMIT :limit", which.condition()),
        named_params! {":limit": limit},
        row,
    )
}

/// How many payments there are that no ticket counts, or may come to that, and what they come to.
pub(crate) fn unmatched_now(tx: &ReadTx<'_>) -> Result<(u64, i64), StorageError> {
    tx.query_one(
        &format!(
            "SELECT count(*) AS many, coalesce(sum(amount_minor), 0) AS total FROM card_payment WHERE {}",
            Which::Unmatched.condition()
        ),
        named_params! {},
        |row| Ok((count(row.get("many")?), row.get("total")?)),
    )
}

/// What is taken on trust now. Practice is not.
pub(crate) fn stored_now(tx: &ReadTx<'_>) -> Result<StoredNow, StorageError> {
    tx.query_one(
        "SELECT count(*) AS many, coalesce(sum(amount_minor), 0) AS total, min(stored_at_ms) AS oldest FROM card_payment
         WHERE state = 'stored' AND training = 0",
        named_params! {},
        |row| {
            let oldest: Option<i64> = row.get("oldest")?;
            Ok(StoredNow {
                count: count(row.get("many")?),
                total: row.get("total")?,
                oldest: oldest.map(UtcMillis::new),
            })
        },
    )
}

/// Writes a payment; one that is there already stays as it is.
pub(crate) fn payment_insert(tx: &WriteTx<'_>, payment: &PaymentRow) -> Result<(), StorageError> {
    tx.execute(
        "INSERT INTO card_payment (id, terminal, amount_minor, training, state, asked_at_ms, stored_at_ms, reference, last_four,
            reason, ticket)
         VALUES (:id, :terminal, :amount, :training, :state, :asked, :stored, :reference, :last_four, :reason, :ticket)
         ON CONFLICT (id) DO NOTHING",
        named_params! {
            ":id": payment.id.to_bytes(), ":terminal": payment.terminal, ":amount": payment.payment.amount.get(),
            ":training": payment.payment.training, ":state": payment.payment.state.as_str(),
            ":asked": payment.asked_at.get(), ":stored": payment.stored_at.map(UtcMillis::get),
            ":reference": payment.reference, ":last_four": payment.last_four.map(LastFour::get),
            ":reason": payment.reason, ":ticket": payment.payment.ticket.map(TicketId::to_bytes),
        },
    )?;
    Ok(())
}

/// Writes what became of a payment. What a ticket counts, this does not change.
pub(crate) fn payment_put(tx: &WriteTx<'_>, payment: &PaymentRow) -> Result<(), StorageError> {
    tx.execute(
        "UPDATE card_payment SET state = :state, stored_at_ms = :stored, reference = :reference, last_four = :last_four,
            reason = :reason WHERE id = :id",
        named_params! {
            ":id": payment.id.to_bytes(), ":state": payment.payment.state.as_str(),
            ":stored": payment.stored_at.map(UtcMillis::get), ":reference": payment.reference,
            ":last_four": payment.last_four.map(LastFour::get), ":reason": payment.reason,
        },
    )?;
    Ok(())
}

/// A ticket counts a payment from now on; of two the first one does.
pub(crate) fn payment_count(tx: &WriteTx<'_>, id: CardPaymentId, ticket: TicketId) -> Result<(), StorageError> {
    tx.execute(
        "UPDATE card_payment SET ticket = :ticket WHERE id = :id AND ticket IS NULL",
        named_params! {":id": id.to_bytes(), ":ticket": ticket.to_bytes()},
    )?;
    Ok(())
}

/// A ticket that was sold for cash counts a payment from now on, and so much cash went back; tells whether that is new.
pub(crate) fn payment_exchange(
    tx: &WriteTx<'_>,
    id: CardPaymentId,
    ticket: TicketId,
    cash: Minor,
) -> Result<bool, StorageError> {
    let rows = tx.execute(
        "UPDATE card_payment SET ticket = :ticket, exchanged_minor = :cash WHERE id = :id AND ticket IS NULL",
        named_params! {":id": id.to_bytes(), ":ticket": ticket.to_bytes(), ":cash": cash.get()},
    )?;
    Ok(rows > 0)
}

/// The cards that a ticket counts instead of cash.
pub(crate) fn exchange_list(tx: &ReadTx<'_>, ticket: TicketId) -> Result<Vec<Exchanged>, StorageError> {
    tx.query_list(
        "SELECT id, amount_minor, exchanged_minor FROM card_payment
         WHERE ticket = :ticket AND exchanged_minor IS NOT NULL ORDER BY id LIMIT :limit",
        named_params! {":ticket": ticket.to_bytes(), ":limit": LIST_ROWS_MAX},
        |row| {
            Ok(Exchanged {
                payment: CardPaymentId::from_bytes(row.get("id")?),
                card: Minor::new(row.get("amount_minor")?),
                cash: Minor::new(row.get("exchanged_minor")?),
            })
        },
    )
}
