//! What happens to lines that the kitchen has, or may have: they are taken off, go to another ticket, come back from the hub.

use percolate_common::domain::kitchen::Cancelled;
use percolate_common::domain::staff::approvals::Approval;
use percolate_common::domain::staff::roles::Act;
use percolate_common::domain::tickets::open::{OpenFact, TicketChanged, TicketDivided};
use percolate_common::domain::tickets::refund::{RefundReason, TicketRefunded};
use percolate_common::ids::{LineId, TicketId};
use percolate_runtime::sqlite::WriteTx;

use super::super::App;
use super::super::error::AppError;
use super::super::staff::{self, Shown};
use crate::store::kitchen::{self as store, LineRow, Sent};
use crate::store::open_tickets;

/// By whose approval lines are taken off, where one is needed: where the kitchen has one of them, or may have it.
pub(crate) fn void_approved(
    app: &App,
    tx: &WriteTx<'_>,
    lines: impl IntoIterator<Item = LineId>,
    shown: &Shown,
) -> Result<Option<Approval>, AppError> {
    for line in lines {
        if store::line_fetch(tx, line)?.is_some_and(|row| row.sent != Sent::No) {
            let person = staff::person(app, tx, shown)?;
            return staff::approved(app, tx, Act::VoidSent, person.as_ref(), shown);
        }
    }
    Ok(None)
}

/// Keeps the notes of lines that came, in their order.
pub(crate) fn note(tx: &WriteTx<'_>, fact: Option<&OpenFact>, notes: &[Option<String>]) -> Result<(), AppError> {
    let Some(OpenFact::Changed(changed)) = fact else { return Ok(()) };
    for (line, note) in changed.added.iter().zip(notes) {
        if let Some(note) = note {
            store::note_put(tx, changed.id, line.id, note)?;
        }
    }
    Ok(())
}

/// What stands at a station need not be prepared: its screens show it so, and it goes when somebody has seen it.
fn cancel(tx: &WriteTx<'_>, row: &LineRow, why: Cancelled) -> Result<(), AppError> {
    let Some((id, place)) = row.at else { return Ok(()) };
    if let Some(mut prep) = store::prep_fetch(tx, id)?
        && prep.cancel(Some(place), why)
    {
        store::prep_put(tx, &prep)?;
    }
    Ok(())
}

/// Lines were taken off.
pub(crate) fn changed(tx: &WriteTx<'_>, changed: &TicketChanged) -> Result<(), AppError> {
    for (line, reason) in &changed.voided {
        if let Some(row) = store::line_fetch(tx, *line)? {
            cancel(tx, &row, Cancelled::Voided(*reason))?;
        }
    }
    Ok(())
}

/// Lines went to another ticket: what was sent stays sent, and is not sent again from there.
pub(crate) fn divided(tx: &WriteTx<'_>, divided: &TicketDivided) -> Result<(), AppError> {
    divided.lines.iter().try_for_each(|(was, line)| Ok(store::line_move(tx, *was, (divided.to, line.id))?))
}

/// A ticket ended unpaid.
pub(crate) fn abandoned(tx: &WriteTx<'_>, ticket: TicketId) -> Result<(), AppError> {
    store::line_list(tx, ticket)?.iter().try_for_each(|row| cancel(tx, row, Cancelled::Abandoned))
}

/// Money was given back: of what should not have been sold nothing is prepared.
pub(crate) fn refunded(tx: &WriteTx<'_>, refund: &TicketRefunded) -> Result<(), AppError> {
    if refund.reason != RefundReason::Void {
        return Ok(());
    }
    // What was sent from an open ticket may be another one's by now; what was sold in one step has no lines that go anywhere.
    if open_tickets::row_fetch(tx, refund.ticket)?.is_some() {
        let lines = store::line_list(tx, refund.ticket)?;
        return lines.iter().try_for_each(|row| cancel(tx, row, Cancelled::Refunded));
    }
    for mut prep in store::prep_list(tx, refund.ticket)? {
        if prep.cancel(None, Cancelled::Refunded) {
            store::prep_put(tx, &prep)?;
        }
    }
    Ok(())
}

/// The screens show another name.
pub(crate) fn renamed(tx: &WriteTx<'_>, ticket: TicketId) -> Result<(), AppError> {
    store::prep_list(tx, ticket)?.iter().try_for_each(|prep| Ok(store::prep_put(tx, prep)?))
}

/// A fact came back from the hub: whether its lines were sent from the disk that was lost, nobody knows.
pub(crate) fn returned(tx: &WriteTx<'_>, fact: &OpenFact) -> Result<(), AppError> {
    let (ticket, lines): (TicketId, Vec<LineId>) = match fact {
        OpenFact::Changed(changed) => (changed.id, changed.added.iter().map(|line| line.id).collect()),
        OpenFact::Divided(divided) => (divided.to, divided.lines.iter().map(|(_, line)| line.id).collect()),
        OpenFact::Opened(_) | OpenFact::Moved(_) | OpenFact::Abandoned(_) | OpenFact::Paid(_) => return Ok(()),
    };
    unsure(tx, ticket, lines)
}

/// Nobody knows whether lines were sent.
pub(crate) fn unsure(
    tx: &WriteTx<'_>,
    ticket: TicketId,
    lines: impl IntoIterator<Item = LineId>,
) -> Result<(), AppError> {
    lines.into_iter().try_for_each(|line| Ok(store::unknown_put(tx, ticket, line)?))
}
