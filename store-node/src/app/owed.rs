//! Money that no card took back: the guest is owed it, and gets it in cash, once. The pay-out's id is derived from the refund, so
//! that whoever knows the refund finds the pay-out, also on a disk to which both came back from the hub.

use percolate_common::domain::cash::decide::MoveCash;
use percolate_common::domain::cash::{CashMovementKind, CashReason};
use percolate_common::domain::tenders::card::CreditState;
use percolate_common::domain::tickets::receipt::TerminalName;
use percolate_common::ids::{CardPaymentId, CashMovementId, RefundId};
use percolate_common::money::Minor;
use percolate_runtime::sqlite::{ReadTx, WriteTx};
use serde::Serialize;
use utoipa::ToSchema;

use super::App;
use super::drawers::{self, CashAnswer, Moving};
use super::error::AppError;
use super::refunds;
use super::staff::Shown;
use super::tickets::{Answer, RequestKey, give, given};
use crate::store::card_refunds as store;
use crate::store::cash;

/// A kind of write; a key belongs to one.
const KIND_PAY_OUT: i64 = 14;

/// Why nothing is paid out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum OwedRefusal {
    /// Its money went back, or still may.
    #[error(
        "nothing of this refund is owed: its money went back otherwise, or the card terminal has not said yet whether it takes it"
    )]
    NotOwed,
    /// The guest has it.
    #[error("what was owed of this refund was paid out before")]
    PaidOut,
    /// Nowhere to take it from.
    #[error("no drawer is open at {0}: open one, or pay it out at another till")]
    NoDrawer(TerminalName),
}

/// What of a refund no card took, and how the guest got it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct OwedAnswer {
    /// The refund.
    refund_id: String,
    /// How much no card took, of this payment.
    amount_minor: i64,
    /// The pay-out that settled it, with all else that was owed of the refund; null as long as the guest is owed it.
    pay_out: Option<CashAnswer>,
}

/// The id of the pay-out of a refund. No request has its key: keys have no spaces.
fn id(app: &App, at_ms: i64, refund: RefundId) -> CashMovementId {
    CashMovementId::moved(at_ms, app.author().number(), &format!("owed {refund}"))
}

/// Whether what was owed of a refund was paid out.
pub(super) fn is_paid_out(app: &App, tx: &ReadTx<'_>, refund: RefundId) -> Result<bool, AppError> {
    Ok(cash::movement_by_key(tx, id(app, 0, refund).key_part())?.is_some())
}

/// How a refund was paid out, if it was.
fn paid_out(app: &App, tx: &ReadTx<'_>, refund: RefundId) -> Result<Option<CashAnswer>, AppError> {
    let at = cash::movement_by_key(tx, id(app, 0, refund).key_part())?;
    Ok(at.map(|at| drawers::movement_at(tx, at)).transpose()?.flatten())
}

/// What no card took of a payment.
pub(super) fn of_payment(app: &App, tx: &ReadTx<'_>, payment: CardPaymentId) -> Result<Vec<OwedAnswer>, AppError> {
    let owed = |row: store::CreditRow| {
        Ok(OwedAnswer {
            refund_id: row.refund.to_string(),
            amount_minor: row.amount.get(),
            pay_out: paid_out(app, tx, row.refund)?,
        })
    };
    store::credit_owed_list(tx, payment)?.into_iter().map(owed).collect()
}

/// What is owed of a refund, once the card terminal has said all there is to say.
fn owed(tx: &ReadTx<'_>, refund: RefundId) -> Result<Minor, AppError> {
    let ticket = refunds::ticket_of(tx, refund)?;
    let mut owed = Minor::ZERO;
    for row in store::credit_list(tx, ticket)?.into_iter().filter(|row| row.refund == refund) {
        match row.state {
            CreditState::Asked => return Err(OwedRefusal::NotOwed.into()),
            CreditState::Credited => {}
            CreditState::Owed => owed = Minor::new(owed.get().saturating_add(row.amount.get())),
        }
    }
    if owed == Minor::ZERO { Err(OwedRefusal::NotOwed.into()) } else { Ok(owed) }
}

/// Pays out what is owed of a refund, from the drawer that is open at a till.
pub(crate) fn pay_out(
    app: &App,
    tx: &WriteTx<'_>,
    (terminal, refund): (&TerminalName, RefundId),
    key: &RequestKey,
    shown: &Shown,
) -> Result<Answer, AppError> {
    if let Some(answer) = given(app, tx, key, KIND_PAY_OUT)? {
        return Ok(answer);
    }
    let amount = owed(tx, refund)?;
    if is_paid_out(app, tx, refund)? {
        return Err(OwedRefusal::PaidOut.into());
    }
    let session = cash::drawer_open(tx, terminal)?.ok_or_else(|| OwedRefusal::NoDrawer(terminal.clone()))?;
    let (kind, reason) = (CashMovementKind::PayOut, CashReason::Other);
    let command = MoveCash { kind, amount, reason, by: None, approval: None };
    let moving = Moving { session, command, id: &|at_ms| id(app, at_ms, refund) };
    give(tx, key, KIND_PAY_OUT, &drawers::moved(app, tx, &moving, shown)?)
}
