//! Tips that are written down after the sale, and what a day's tips are shared out as.

use percolate_common::domain::event::Event;
use percolate_common::domain::tickets::TicketClass;
use percolate_common::domain::tickets::receipt::TerminalName;
use percolate_common::domain::tickets::tips::{
    AdjustTip, DayTips, TipAdjusted, TipMove, TipOn, Tipped, adjust as decide_tip, all_moves, holds, moves, pool,
};
use percolate_common::ids::{StaffId, TicketId, TipId};
use percolate_common::money::Minor;
use percolate_common::time::BusinessDay;
use percolate_common::wire::event::Recorded;
use percolate_runtime::sqlite::{ReadTx, WriteTx};
use serde::Serialize;
use utoipa::ToSchema;

use super::App;
use super::error::AppError;
use super::refunds::{recorded, sale};
use super::staff::{self, Shown};
use super::tickets::{Answer, KIND_TIP, RequestKey, give, given};
use crate::store::sales::{self, Place};
use crate::store::tips::{self as store, TipRow};
use crate::store::{cash, lives, refunds};

/// Tickets of a day that are read at once.
const PAGE_TICKETS: u32 = 500;

/// A tip that was written down. Amounts are minor units.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct TipAnswer {
    /// Its id.
    tip_id: String,
    /// Of which ticket.
    ticket_id: String,
    /// The business day that it counts on, YYYY-MM-DD.
    business_day: String,
    /// One more than the highest of this ticket before: the highest holds.
    turn: u32,
    /// The means of payment whose sums it moves: `card_external` or `card`.
    #[schema(value_type = String)]
    kind: &'static str,
    /// What the sale said.
    sold_tip_minor: i64,
    /// The whole tip of the ticket.
    tip_minor: i64,
    /// The number of whoever sold the ticket, if they had signed in: it is their tip.
    sold_by: Option<u32>,
}

fn answer(ticket: TicketId, on: &TipOn) -> TipAnswer {
    TipAnswer {
        tip_id: on.id.to_string(),
        ticket_id: ticket.to_string(),
        business_day: on.day.to_string(),
        turn: on.turn,
        kind: on.card.as_str(),
        sold_tip_minor: on.sold.get(),
        tip_minor: on.tip.get(),
        sold_by: on.seller.map(StaffId::get),
    }
}

/// All that was said of a ticket's tip after the sale.
pub(crate) fn known(tx: &ReadTx<'_>, ticket: TicketId) -> Result<Vec<TipOn>, AppError> {
    Ok(store::tip_list(tx, ticket)?.into_iter().map(|row| row.on).collect())
}

/// The tip of a ticket as it is now, if anything was said of it after the sale.
pub(crate) fn adjusted(tx: &ReadTx<'_>, ticket: TicketId) -> Result<Option<Minor>, AppError> {
    Ok(holds(&known(tx, ticket)?).map(|on| on.tip))
}

/// Whether a closing reading has counted what stands at a place.
fn is_closed(tx: &ReadTx<'_>, at: Place) -> Result<bool, AppError> {
    let Some(life) = lives::list(tx)?.into_iter().find(|life| life.number == at.life) else { return Ok(false) };
    let (end, _) = cash::reading_end(tx, life.incarnation)?;
    Ok(at.seq <= end)
}

/// Writes a tip down, or corrects it. What was said before is read in the transaction that says more, so that of two tills the
/// later one has the higher turn.
pub(crate) fn adjust(
    app: &App,
    tx: &WriteTx<'_>,
    (terminal, ticket, ask): (&TerminalName, TicketId, &AdjustTip),
    key: &RequestKey,
    shown: &Shown,
) -> Result<Answer, AppError> {
    if let Some(answer) = given(app, tx, key, KIND_TIP)? {
        return Ok(answer);
    }
    let author = app.author().number();
    if let Some(TipRow { ticket, on, .. }) = store::tip_by_key(tx, TipId::adjusted(0, author, &key.text).key_part())? {
        // It came back from the hub; from now on the key belongs to this request.
        key.names(&ticket)?;
        return give(tx, key, KIND_TIP, &answer(ticket, &on)).map(|given| Answer { replayed: true, ..given });
    }
    let person = staff::seller(app, tx, shown)?;
    app.check_reserve()?;
    let at = sales::ticket_place(tx, ticket)?.ok_or(AppError::NotFound("ticket"))?;
    let (sold, day) = sale(tx, ticket)?.ok_or(AppError::RefundUnknown)?;
    let known = known(tx, ticket)?;
    let stamp = app.stamp(tx)?;
    let today = app.calendar.business_day(stamp.at);
    let tipped = Tipped {
        sold: &sold,
        day,
        is_closed: is_closed(tx, at)?,
        is_refunded: !refunds::refund_place_list(tx, ticket)?.is_empty(),
        known: &known,
    };
    let id = TipId::adjusted(stamp.at.get(), author, &key.text);
    let decided = decide_tip(&tipped, ask, (id, terminal, today))?;
    let fact = TipAdjusted { by: person.map(|person| person.id), ..decided };
    app.record(tx, &stamp, &Event::TipAdjusted(fact.clone()))?;
    book(tx, today, &fact)?;
    app.terminals.note(tx, stamp.at)?;
    give(tx, key, KIND_TIP, &answer(ticket, &TipOn::new(&fact, today)))
}

/// Books a tip that was written down, now or by a disk that was lost: sums by means of payment are what holds.
pub(crate) fn book(tx: &WriteTx<'_>, day: BusinessDay, fact: &TipAdjusted) -> Result<(), AppError> {
    let on = TipOn::new(fact, day);
    let moves = moves(&known(tx, fact.ticket)?, &on);
    if store::tip_insert(tx, fact.ticket, &on)? {
        for part in moves {
            sales::tender_add(tx, part.day, part.card.as_str(), part.amount)?;
        }
    }
    Ok(())
}

/// What a tip changed when it came here.
pub(crate) fn moves_on_arrival(tx: &ReadTx<'_>, fact: &TipAdjusted) -> Result<Vec<TipMove>, AppError> {
    let rows = store::tip_list(tx, fact.ticket)?;
    let Some(arrived) = rows.iter().find(|row| row.on.id == fact.id).copied() else { return Ok(Vec::new()) };
    let before: Vec<_> = rows.iter().filter(|row| row.arrived < arrived.arrived).map(|row| row.on).collect();
    Ok(moves(&before, &arrived.on))
}

/// The tips of a business day. Amounts are minor units.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct TipsAnswer {
    /// YYYY-MM-DD.
    business_day: String,
    /// What amounts are in.
    currency: String,
    /// All tips of the day: those of its sales and parts, what was written down on it later, less what was given back.
    pool_minor: i64,
    /// Who sold, and who shares.
    people: Vec<TipPerson>,
    /// What is shared out among nobody, for nobody is there.
    undivided_minor: i64,
}

/// Somebody's tips.
#[derive(Debug, Clone, Serialize, ToSchema)]
struct TipPerson {
    /// By number; null for nobody who had signed in.
    staff: Option<u32>,
    /// Tickets that they sold.
    tickets: u64,
    /// Tips of what they sold.
    tips_minor: i64,
    /// Their points.
    points: u32,
    /// Their share of the pool.
    share_minor: i64,
}

/// The tips of a day by whoever sold.
fn of_day(tx: &ReadTx<'_>, day: BusinessDay) -> Result<DayTips, AppError> {
    let mut tips = DayTips::default();
    let mut after = Place::default();
    loop {
        let page = sales::ticket_place_list(tx, Some(day), after, PAGE_TICKETS)?;
        let Some(last) = page.last() else { break };
        after = *last;
        for at in page {
            if let Some(Recorded { event: Event::TicketSold(sold), .. }) = recorded(tx, at)?
                && sold.class == TicketClass::Sale
            {
                tips.add(sold.sold_by, 1, sold.details.tip.get());
            }
        }
    }
    for (seller, tip) in store::part_tip_list(tx, day)? {
        tips.add(seller, 0, tip);
    }
    for ticket in store::tipped_ticket_list(tx, day)? {
        for part in all_moves(&known(tx, ticket)?).iter().filter(|part| part.day == day) {
            tips.add(part.seller, 0, part.amount.get());
        }
    }
    for at in refunds::refund_place_of_day_list(tx, day)? {
        if let Some(Recorded { event: Event::TicketRefunded(refund), .. }) = recorded(tx, at)?
            && refund.class == TicketClass::Sale
            && refund.tip != Minor::ZERO
        {
            tips.add(refund.seller, 0, refund.tip.get().saturating_neg());
        }
    }
    Ok(tips)
}

/// The tips of a business day, and how they are shared out: by the points that are given, or evenly among who sold.
pub(crate) fn day(
    app: &App,
    tx: &ReadTx<'_>,
    day: BusinessDay,
    points: &[(StaffId, u32)],
) -> Result<TipsAnswer, AppError> {
    let mut tips = of_day(tx, day)?;
    let points = if points.is_empty() { tips.sellers() } else { points.to_vec() };
    let total = tips.total();
    let shares = pool(total, &points);
    points.iter().for_each(|(person, _)| tips.add(Some(*person), 0, 0));
    let row = |(seller, (tickets, tip)): (&Option<StaffId>, &(u64, i64))| TipPerson {
        staff: seller.map(StaffId::get),
        tickets: *tickets,
        tips_minor: *tip,
        points: points.iter().find(|(person, _)| Some(*person) == *seller).map_or(0, |(_, points)| *points),
        share_minor: shares.iter().find(|(person, _)| Some(*person) == *seller).map_or(0, |(_, share)| share.get()),
    };
    Ok(TipsAnswer {
        business_day: day.to_string(),
        currency: app.identity.described.currency.to_string(),
        pool_minor: total.get(),
        people: tips.people.iter().map(row).collect(),
        undivided_minor: if shares.is_empty() { total.get() } else { 0 },
    })
}
