//! Stock that moves other than by a sale.

use percolate_common::domain::catalog::Catalog;
use percolate_common::domain::event::Event;
use percolate_common::domain::staff::roles::Act;
use percolate_common::domain::stock::{MovementLine, MovementReason, StockMoved, move_stock};
use percolate_common::ids::MovementId;
use percolate_common::journal::StreamKind;
use percolate_common::wire::event::decode;
use percolate_runtime::sqlite::WriteTx;
use serde::Serialize;
use utoipa::ToSchema;

use super::App;
use super::error::AppError;
use super::staff::{self, Shown};
use super::tickets::{Answer, KIND_MOVEMENT, RequestKey, give, given};
use crate::store::{journal, stock};

/// A booked movement.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct MovementAnswer {
    /// Its id.
    pub(crate) movement_id: String,
    /// Its business day, YYYY-MM-DD.
    pub(crate) business_day: String,
    /// When it was booked, UTC milliseconds.
    pub(crate) at_ms: i64,
    /// Its place in the stock journal.
    pub(crate) seq: u64,
}

/// The movement that was booked under this key by a disk that was lost, and came back from the hub.
fn booked_before(app: &App, tx: &WriteTx<'_>, key: &RequestKey) -> Result<Option<MovementAnswer>, AppError> {
    let key_part = MovementId::moved(0, app.author().number(), &key.text).key_part();
    let Some(place) = stock::movement_by_key(tx, key_part)? else { return Ok(None) };
    let bytes = journal::entry_fetch(tx, place.life, StreamKind::Stock, place.seq)?;
    let Some(recorded) = bytes.and_then(|bytes| decode(&bytes).ok()) else { return Ok(None) };
    let Event::StockMoved(moved) = recorded.event else { return Ok(None) };
    Ok(Some(MovementAnswer {
        movement_id: moved.id.to_string(),
        business_day: recorded.header.business_day.to_string(),
        at_ms: recorded.header.at.get(),
        seq: place.seq,
    }))
}

/// Books a movement.
pub(crate) fn book(
    app: &App,
    tx: &WriteTx<'_>,
    catalog: &Catalog,
    (reason, lines): (MovementReason, &[MovementLine]),
    key: &RequestKey,
    shown: &Shown,
) -> Result<Answer, AppError> {
    if let Some(answer) = given(app, tx, key, KIND_MOVEMENT)? {
        return Ok(answer);
    }
    if let Some(answer) = booked_before(app, tx, key)? {
        return give(tx, key, KIND_MOVEMENT, &answer).map(|given| Answer { replayed: true, ..given });
    }
    app.check_files()?;
    let person = staff::seller(app, tx, shown)?;
    // A delivery and what was wasted are seen by others, too; a correction is one person's word.
    let approval = match reason {
        MovementReason::Adjusted => staff::approved(app, tx, Act::CorrectStock, person.as_ref(), shown)?,
        MovementReason::Received | MovementReason::Wasted => None,
    };
    let stamp = app.stamp(tx)?;
    let id = MovementId::moved(stamp.at.get(), app.author().number(), &key.text);
    let by = person.map(|person| person.id);
    let moved = StockMoved { by, approval, ..move_stock(catalog, id, reason, lines)? };
    for line in &moved.lines {
        let total = stock::total_fetch(tx, stamp.life, line.stock_item)?;
        let total = total.moved(line.quantity).map_err(|_overflow| AppError::Field {
            pointer: "/lines".to_owned(),
            code: "amount_out_of_range",
            detail: "The stock total of an item would be out of range.".to_owned(),
        })?;
        stock::total_put(tx, stamp.life, line.stock_item, total)?;
    }
    let head = app.record(tx, &stamp, &Event::StockMoved(moved))?;
    let answer = MovementAnswer {
        movement_id: id.to_string(),
        business_day: app.calendar.business_day(stamp.at).to_string(),
        at_ms: stamp.at.get(),
        seq: head.seq,
    };
    give(tx, key, KIND_MOVEMENT, &answer)
}
