//! Drawers: opened with a float, counted blind. None of it is refused because little room is left on the disk: it is what
//! the reserve is for.

use percolate_common::domain::cash::decide::{self, Count, DrawerRejection, MoveCash};
use percolate_common::domain::cash::{CashMoved, CashMovementKind, DrawerOpened};
use percolate_common::domain::event::Event;
use percolate_common::domain::staff::roles::Act;
use percolate_common::domain::tickets::receipt::TerminalName;
use percolate_common::ids::{CashMovementId, DrawerSessionId, StaffId};
use percolate_common::journal::StreamKind;
use percolate_common::money::Minor;
use percolate_common::wire::event::decode;
use percolate_runtime::sqlite::{ReadTx, WriteTx};
use serde::Serialize;
use utoipa::ToSchema;

use super::error::AppError;
use super::staff::{self, Shown};
use super::tickets::{Answer, KIND_CASH, KIND_COUNT, KIND_DRAWER, RequestKey, give, given};
use super::{App, books, prints};
use crate::store::cash::{self, DrawerRow};
use crate::store::journal;
use crate::store::sales::Place;

/// A drawer. What should be in it is told with its count, and not before.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct DrawerAnswer {
    /// Its id.
    pub(crate) drawer: String,
    /// At which terminal.
    pub(crate) terminal: String,
    /// The business day that it was opened on, YYYY-MM-DD.
    pub(crate) business_day: String,
    /// When it was opened, UTC milliseconds.
    pub(crate) opened_at_ms: i64,
    /// Who opened it, by number.
    pub(crate) opened_by: Option<u32>,
    /// What was in it then.
    pub(crate) float_minor: i64,
    /// What was put in.
    pub(crate) paid_in_minor: i64,
    /// What was taken out and spent.
    pub(crate) paid_out_minor: i64,
    /// What was taken to the safe.
    pub(crate) dropped_minor: i64,
    /// How often it was opened without a sale.
    pub(crate) no_sales: u64,
    /// How it was counted; null while it is open.
    pub(crate) count: Option<CountAnswer>,
}

/// How a drawer was counted.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct CountAnswer {
    /// When, UTC milliseconds.
    pub(crate) at_ms: i64,
    /// By whom, by number.
    pub(crate) by: Option<u32>,
    /// What was counted.
    pub(crate) counted_minor: i64,
    /// What should have been there.
    pub(crate) expected_minor: i64,
    /// What was there too much; below zero what was missing.
    pub(crate) difference_minor: i64,
}

/// Cash that moved.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct CashAnswer {
    /// Its id.
    pub(crate) movement_id: String,
    /// Into which drawer, or out of which.
    pub(crate) drawer: String,
    /// `pay_in`, `pay_out`, `drop` or `no_sale`.
    #[schema(value_type = String)]
    pub(crate) kind: &'static str,
    /// How much.
    pub(crate) amount_minor: i64,
    /// Its business day, YYYY-MM-DD.
    pub(crate) business_day: String,
    /// When it was written, UTC milliseconds.
    pub(crate) at_ms: i64,
    /// More was taken out than should have been there: it is written all the same.
    pub(crate) beyond_expected: bool,
}

impl From<&DrawerRow> for DrawerAnswer {
    fn from(row: &DrawerRow) -> Self {
        let drawer = &row.drawer;
        let count = row.closing.map(|closing| CountAnswer {
            at_ms: closing.at_ms,
            by: closing.by.map(StaffId::get),
            counted_minor: closing.counted.get(),
            expected_minor: closing.expected.get(),
            difference_minor: closing.counted.get().saturating_sub(closing.expected.get()),
        });
        Self {
            drawer: drawer.session.to_string(),
            terminal: drawer.terminal.to_string(),
            business_day: row.opened_day.to_string(),
            opened_at_ms: row.opened_at_ms,
            opened_by: row.opened_by.map(StaffId::get),
            float_minor: drawer.float.get(),
            paid_in_minor: drawer.paid_in.get(),
            paid_out_minor: drawer.paid_out.get(),
            dropped_minor: drawer.dropped.get(),
            no_sales: row.no_sales,
            count,
        }
    }
}

fn fetch(tx: &ReadTx<'_>, session: DrawerSessionId) -> Result<DrawerRow, AppError> {
    cash::drawer_fetch(tx, session)?.ok_or(AppError::NotFound("drawer"))
}

/// Opens a drawer.
pub(crate) fn open(
    app: &App,
    tx: &WriteTx<'_>,
    terminal: TerminalName,
    (float, said): (Minor, Option<StaffId>),
    key: &RequestKey,
    shown: &Shown,
) -> Result<Answer, AppError> {
    if let Some(answer) = given(app, tx, key, KIND_DRAWER)? {
        return Ok(answer);
    }
    let key_part = DrawerSessionId::opened(0, app.author().number(), &key.text).key_part();
    if let Some(row) = cash::drawer_by_key(tx, key_part)? {
        // It came back from the hub; from now on the key belongs to this request.
        return give(tx, key, KIND_DRAWER, &DrawerAnswer::from(&row)).map(|given| Answer { replayed: true, ..given });
    }
    let by = staff::seller(app, tx, shown)?.map(|person| person.id).or(said);
    app.check_files()?;
    let stamp = app.stamp(tx)?;
    let session = DrawerSessionId::opened(stamp.at.get(), app.author().number(), &key.text);
    let held = cash::drawer_open(tx, &terminal)?;
    let opened = decide::open(held, DrawerOpened { session, terminal, float, by })?;
    let day = app.calendar.business_day(stamp.at);
    cash::drawer_insert(tx, &opened, (stamp.at, day))?;
    app.record(tx, &stamp, &Event::DrawerOpened(opened))?;
    give(tx, key, KIND_DRAWER, &DrawerAnswer::from(&fetch(tx, session)?))
}

/// The movement at a place of the sales journals.
pub(super) fn movement_at(tx: &ReadTx<'_>, at: Place) -> Result<Option<CashAnswer>, AppError> {
    let bytes = journal::entry_fetch(tx, at.life, StreamKind::Sales, at.seq)?;
    let Some(recorded) = bytes.and_then(|bytes| decode(&bytes).ok()) else { return Ok(None) };
    let Event::CashMoved(moved) = &recorded.event else { return Ok(None) };
    Ok(Some(cash_answer(moved, recorded.header.business_day.to_string(), recorded.header.at.get())))
}

fn cash_answer(moved: &CashMoved, business_day: String, at_ms: i64) -> CashAnswer {
    CashAnswer {
        movement_id: moved.id.to_string(),
        drawer: moved.session.to_string(),
        kind: moved.kind.as_str(),
        amount_minor: moved.amount.get(),
        business_day,
        at_ms,
        beyond_expected: moved.beyond_expected,
    }
}

/// What of a movement somebody may have to approve.
const fn act(kind: CashMovementKind) -> Act {
    match kind {
        CashMovementKind::PayIn | CashMovementKind::Drop => Act::Drawer,
        CashMovementKind::PayOut => Act::PayOut,
        CashMovementKind::NoSale => Act::NoSale,
    }
}

/// Moves cash into a drawer or out of it.
pub(crate) fn move_cash(
    app: &App,
    tx: &WriteTx<'_>,
    (session, command): (DrawerSessionId, MoveCash),
    key: &RequestKey,
    shown: &Shown,
) -> Result<Answer, AppError> {
    if let Some(answer) = given(app, tx, key, KIND_CASH)? {
        return Ok(answer);
    }
    let key_part = CashMovementId::moved(0, app.author().number(), &key.text).key_part();
    if let Some(answer) = cash::movement_by_key(tx, key_part)?.map(|at| movement_at(tx, at)).transpose()?.flatten() {
        key.names(&answer.drawer)?;
        return give(tx, key, KIND_CASH, &answer).map(|given| Answer { replayed: true, ..given });
    }
    let id = |at_ms| CashMovementId::moved(at_ms, app.author().number(), &key.text);
    give(tx, key, KIND_CASH, &moved(app, tx, &Moving { session, command, id: &id }, shown)?)
}

/// What moves, and what it is known by, as the time at which it does decides.
pub(super) struct Moving<'m> {
    pub(super) session: DrawerSessionId,
    pub(super) command: MoveCash,
    pub(super) id: &'m dyn Fn(i64) -> CashMovementId,
}

/// Writes down that cash moves.
pub(super) fn moved(app: &App, tx: &WriteTx<'_>, moving: &Moving<'_>, shown: &Shown) -> Result<CashAnswer, AppError> {
    let person = staff::seller(app, tx, shown)?;
    app.check_files()?;
    let row = fetch(tx, moving.session)?;
    let stamp = app.stamp(tx)?;
    let mut moved = decide::move_cash(&row.drawer, (moving.id)(stamp.at.get()), moving.command)?;
    // What is not allowed now is refused before an approval is used.
    let approval = staff::approved(app, tx, act(moved.kind), person.as_ref(), shown)?;
    moved.by = person.map(|person| person.id).or(moved.by);
    moved.approval = approval.map(|approval| approval.by).or(moved.approval);
    let head = app.record(tx, &stamp, &Event::CashMoved(moved))?;
    cash::movement_insert(tx, &moved, books::place(stamp.life, head.seq))?;
    prints::drawer(app, tx, &stamp, &row.drawer.terminal, moved.kind.as_str().to_owned())?;
    Ok(cash_answer(&moved, app.calendar.business_day(stamp.at).to_string(), stamp.at.get()))
}

/// Closes a drawer by a count. Whoever says the same count again is told the same: the disk that knew the key may be gone.
pub(crate) fn close(
    app: &App,
    tx: &WriteTx<'_>,
    session: DrawerSessionId,
    (count, said): (Count, Option<StaffId>),
    key: &RequestKey,
    shown: &Shown,
) -> Result<Answer, AppError> {
    if let Some(answer) = given(app, tx, key, KIND_COUNT)? {
        return Ok(answer);
    }
    let by = staff::seller(app, tx, shown)?.map(|person| person.id).or(said);
    app.check_files()?;
    let row = fetch(tx, session)?;
    let stamp = app.stamp(tx)?;
    let closed = match (decide::close(&row.drawer, count.clone(), by), row.closing) {
        (Ok(closed), _) => closed,
        (Err(DrawerRejection::Closed(_)), Some(before)) if count.sum()? == before.counted => {
            let answer = DrawerAnswer::from(&row);
            return give(tx, key, KIND_COUNT, &answer).map(|given| Answer { replayed: true, ..given });
        }
        (Err(rejection), _) => return Err(rejection.into()),
    };
    let day = app.calendar.business_day(stamp.at);
    cash::drawer_close(tx, &closed, (stamp.at, day))?;
    app.record(tx, &stamp, &Event::DrawerClosed(closed))?;
    give(tx, key, KIND_COUNT, &DrawerAnswer::from(&fetch(tx, session)?))
}

/// Drawers that are open, and those that were opened or counted on the present business day.
pub(crate) fn list(app: &App, tx: &ReadTx<'_>) -> Result<Vec<DrawerAnswer>, AppError> {
    let today = app.calendar.business_day(app.stamp(tx)?.at);
    Ok(cash::drawer_list(tx, Some(today))?.iter().map(DrawerAnswer::from).collect())
}
