//! Sending to the kitchen what a guest at a table wants now.

use percolate_common::domain::catalog::Catalog;
use percolate_common::domain::tickets::open::decide;
use percolate_common::ids::{LineId, TicketId};
use percolate_runtime::sqlite::WriteTx;

use super::super::error::AppError;
use super::super::staff::{self, Shown};
use super::super::tickets::{Answer, RequestKey};
use super::super::{App, kitchen};
use super::{KIND_SEND, answer, answered_before, fetch, folded, keep};
use crate::store::open_tickets::{self as store, Listed};

/// Sends lines of a ticket, once each: all that were not sent, or those that are named.
pub(crate) fn send(
    app: &App,
    tx: &WriteTx<'_>,
    catalog: &Catalog,
    (id, named): (TicketId, &[LineId]),
    key: &RequestKey,
    shown: &Shown,
) -> Result<Answer, AppError> {
    if let Some(id) = answered_before(app, tx, key, KIND_SEND)? {
        return answer(app, tx, id, true);
    }
    staff::seller(app, tx, shown)?;
    app.check_reserve()?;
    let ticket = fetch(tx, id)?;
    let at = app.stamp(tx)?.at;
    let lines = decide::send(&ticket, named)?;
    kitchen::send(tx, catalog, (&ticket, &lines, !named.is_empty()), (None, at))?;
    app.terminals.note(tx, at)?;
    keep(tx, key, KIND_SEND, id)?;
    answer(app, tx, id, false)
}

/// Another life begins: this database may be older than what was sent, so that of no line is known any more that it was not.
pub(crate) fn unsure(tx: &WriteTx<'_>) -> Result<(), AppError> {
    for id in store::live_list(tx, &Listed::default())? {
        let ticket = folded(tx, id)?;
        kitchen::unsure(tx, id, ticket.lines().iter().map(|line| line.id))?;
    }
    Ok(())
}
