//! What the screens of a kitchen are shown, and what they say.

use percolate_common::domain::catalog::station::Station;
use percolate_common::domain::kitchen::{Dish, PrepTicket};
use percolate_common::domain::tickets::TicketClass;
use percolate_common::ids::PrepId;
use percolate_common::time::UtcMillis;
use percolate_runtime::sqlite::{ReadTx, WriteTx};
use serde::Serialize;
use utoipa::ToSchema;

use super::super::App;
use super::super::error::AppError;
use crate::store::kitchen as store;

/// Prep tickets of a queue that a screen is shown.
const QUEUE_SHOWN_MAX: u32 = 200;
/// Prep tickets that were made last and may be called back.
const MADE_SHOWN: u32 = 20;
/// Characters of a ticket's id by which an order is called that has no other name: the last of it, which chance decides.
const CALLED_CHARS: usize = 4;

/// What is to be prepared of one sending of a ticket, at one station.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct PrepAnswer {
    /// Its id.
    prep_id: String,
    /// The ticket that it is of.
    ticket_id: String,
    /// Where.
    station: String,
    /// What the order is called: by its name, its receipt's number, or the end of its ticket's id.
    order: String,
    /// The receipt's number, once the ticket is paid.
    receipt: Option<String>,
    /// What people noted for the whole.
    note: Option<String>,
    /// `dine_in` or `take_away`.
    #[schema(value_type = String)]
    consumption: &'static str,
    /// Whether it is practice: nothing is to be prepared.
    training: bool,
    /// `queued`, `made` or `recalled`.
    #[schema(value_type = String)]
    state: &'static str,
    /// Its turn: who bumps or recalls says which one they have seen.
    turn: u32,
    /// Whether nothing of it is to be prepared any more.
    cancelled: bool,
    /// When it was sent, UTC milliseconds.
    queued_at_ms: i64,
    /// When it was made last, UTC milliseconds.
    made_at_ms: Option<i64>,
    /// When it was called back last, UTC milliseconds.
    recalled_at_ms: Option<i64>,
    /// What.
    lines: Vec<PrepLineAnswer>,
}

/// Something to prepare.
#[derive(Debug, Clone, Serialize, ToSchema)]
struct PrepLineAnswer {
    /// Item number.
    item: u32,
    /// What people read.
    name: String,
    /// How many.
    quantity: u32,
    /// Extras of each piece.
    extras: Vec<PrepExtraAnswer>,
    /// What was noted for whoever prepares it.
    note: Option<String>,
    /// Why it need not be prepared after all: the reason of the void, `abandoned` or `refunded`.
    cancelled: Option<String>,
}

/// An extra of each piece.
#[derive(Debug, Clone, Serialize, ToSchema)]
struct PrepExtraAnswer {
    /// How many.
    count: u32,
    /// What people read.
    name: String,
}

/// What a station has to do.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct KitchenAnswer {
    /// The box's clock, by which ages are counted, UTC milliseconds.
    now_ms: i64,
    /// All stations of the menu.
    stations: Vec<String>,
    /// What is to be prepared, the oldest first, at most 200.
    queue: Vec<PrepAnswer>,
    /// How many are to be prepared.
    queue_count: u64,
    /// What was made last and may be called back, the last first, at most 20.
    made: Vec<PrepAnswer>,
}

impl From<Dish> for PrepLineAnswer {
    fn from(dish: Dish) -> Self {
        let Dish { item, name, quantity, extras, note, cancelled } = dish;
        let extras = extras.into_iter().map(|(count, name)| PrepExtraAnswer { count, name }).collect();
        Self { item: item.get(), name, quantity, extras, note, cancelled }
    }
}

impl From<PrepTicket> for PrepAnswer {
    fn from(prep: PrepTicket) -> Self {
        let ticket = prep.ticket.to_string();
        let end = || ticket.get(ticket.len().saturating_sub(CALLED_CHARS)..).unwrap_or_default().to_uppercase();
        Self {
            prep_id: prep.id.to_string(),
            station: prep.station.to_string(),
            order: prep.name.clone().or_else(|| prep.receipt.clone()).unwrap_or_else(end),
            cancelled: prep.is_cancelled(),
            ticket_id: ticket,
            receipt: prep.receipt,
            note: prep.note,
            consumption: prep.consumption.as_str(),
            training: prep.class == TicketClass::Training,
            state: prep.stage.as_str(),
            turn: prep.turn,
            queued_at_ms: prep.queued_at.get(),
            made_at_ms: prep.made_at.map(UtcMillis::get),
            recalled_at_ms: prep.recalled_at.map(UtcMillis::get),
            lines: prep.dishes.into_iter().map(PrepLineAnswer::from).collect(),
        }
    }
}

/// What a station has to do, or all.
pub(crate) fn look(app: &App, tx: &ReadTx<'_>, station: Option<&Station>) -> Result<KitchenAnswer, AppError> {
    let catalog = app.present.catalog();
    let stations = catalog.iter().flat_map(|catalog| catalog.content.stations());
    Ok(KitchenAnswer {
        now_ms: app.clock.now().get(),
        stations: stations.map(ToString::to_string).collect(),
        queue: store::waiting_list(tx, station, QUEUE_SHOWN_MAX)?.into_iter().map(PrepAnswer::from).collect(),
        queue_count: store::waiting_count(tx, station)?,
        made: store::made_list(tx, station, MADE_SHOWN)?.into_iter().map(PrepAnswer::from).collect(),
    })
}

/// Changes a prep ticket, if that is new, and answers with it as it is now.
fn change(
    app: &App,
    tx: &WriteTx<'_>,
    id: PrepId,
    change: impl FnOnce(&mut PrepTicket, UtcMillis) -> bool,
) -> Result<PrepAnswer, AppError> {
    let mut prep = store::prep_fetch(tx, id)?.ok_or(AppError::NotFound("prep ticket"))?;
    if change(&mut prep, app.stamp(tx)?.at) {
        store::prep_put(tx, &prep)?;
    }
    Ok(prep.into())
}

/// It was made.
pub(crate) fn bump(app: &App, tx: &WriteTx<'_>, (id, turn): (PrepId, u32)) -> Result<PrepAnswer, AppError> {
    change(app, tx, id, |prep, at| prep.bump(turn, at))
}

/// It is called back.
pub(crate) fn recall(app: &App, tx: &WriteTx<'_>, (id, turn): (PrepId, u32)) -> Result<PrepAnswer, AppError> {
    change(app, tx, id, |prep, at| prep.recall(turn, at))
}

/// The number of the last change.
pub(crate) fn last_change(tx: &ReadTx<'_>) -> Result<u64, AppError> {
    Ok(store::change_last(tx)?)
}

/// What changed since, each as it is now, and how far that is.
pub(crate) fn changed_since(tx: &ReadTx<'_>, told: u64, limit: u32) -> Result<(Vec<PrepAnswer>, u64), AppError> {
    let changed = store::changed_list(tx, told, limit)?;
    let last = changed.last().map_or(told, |(change, _)| *change);
    Ok((changed.into_iter().map(|(_, prep)| prep.into()).collect(), last))
}
