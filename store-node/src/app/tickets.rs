//! Selling.

use percolate_common::domain::catalog::Catalog;
use percolate_common::domain::event::Event;
use percolate_common::domain::staff::roles::Act;
use percolate_common::domain::tickets::decide::{DecidedSale, SellTicket, sell as decide_sale};
use percolate_common::domain::tickets::{ApprovedAct, SeriesOpened, TicketClass, TicketSold};
use percolate_common::ids::TicketId;
use percolate_common::money::Minor;
use percolate_runtime::sqlite::WriteTx;
use serde::Serialize;

use super::books::{book_tenders, sold_row};
use super::error::AppError;
use super::kitchen::{self, Ordered};
use super::prints::{self, Till};
use super::staff::{self, Person, Shown};
use super::ticket_answer::{TicketAnswer, describe};
use super::{App, Stamp, books, card_payments, house, open_tickets, reports};
use crate::store::sales::{self, TicketRow};
use crate::store::{cash, stock};

/// What makes a write repeatable: hashes of the key, and of the body with what the path names.
#[derive(Debug, Clone)]
pub(crate) struct RequestKey {
    pub(crate) text: String,
    pub(crate) key_hash: [u8; 16],
    pub(crate) body_hash: [u8; 16],
    pub(crate) named: Option<Named>,
}

/// What the path of a write names, as a ticket's id.
#[derive(Debug, Clone)]
pub(crate) struct Named {
    pub(crate) id: String,
    /// The hash of the body alone, under which earlier programs kept their answers.
    pub(crate) body_alone: [u8; 16],
}

impl RequestKey {
    /// Whether an answer that was kept is one to this request. Earlier programs kept the body's hash alone: such an answer is this
    /// request's if it tells of what the path names.
    fn is_of(&self, kept: &[u8; 16], answer: &str) -> bool {
        let tells = |named: &Named| named.body_alone == *kept && answer.contains(&format!("\"{}\"", named.id));
        *kept == self.body_hash || self.named.as_ref().is_some_and(tells)
    }

    /// Refuses a key of which something is known that was not to what the path names: it came back from the hub, without the body.
    pub(crate) fn names(&self, id: &impl ToString) -> Result<(), AppError> {
        let is_it = self.named.as_ref().is_none_or(|named| named.id == id.to_string());
        is_it.then_some(()).ok_or(AppError::KeyReused)
    }
}

/// An answer, and whether it had been given before.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) json: String,
    pub(crate) replayed: bool,
}

/// Kinds of writes; a key belongs to one.
pub(crate) const KIND_TICKET: i64 = 1;
pub(crate) const KIND_MOVEMENT: i64 = 2;
pub(crate) const KIND_IMPORT: i64 = 3;
pub(crate) const KIND_DRAWER: i64 = 4;
pub(crate) const KIND_CASH: i64 = 5;
pub(crate) const KIND_COUNT: i64 = 6;
pub(crate) const KIND_READING: i64 = 7;
pub(crate) const KIND_REFUND: i64 = 11;
pub(crate) const KIND_CARD: i64 = 8;
pub(crate) const KIND_TIP: i64 = 12;
pub(crate) const KIND_EXCHANGE: i64 = 13;

/// The answer that was given under this key; a sale's is made again from the journal. It may be from another life of the
/// database: what was answered then may have been lost with a disk, and the ticket may have come back from the hub.
pub(crate) fn given(app: &App, tx: &WriteTx<'_>, key: &RequestKey, kind: i64) -> Result<Option<Answer>, AppError> {
    match sales::answer_fetch(tx, &key.key_hash)? {
        None => {}
        Some((body, before, json)) if before == kind && key.is_of(&body, &json) => {
            return Ok(Some(Answer { json, replayed: true }));
        }
        Some(_) => return Err(AppError::KeyReused),
    }
    let key_part = TicketId::sold(0, app.author().number(), &key.text).key_part();
    let sold = sales::sold_by_key(tx, key_part)?;
    let Some(first) = sold.first() else { return Ok(None) };
    let asked_alike = sold.iter().find(|sold| sold.body_hash == Some(key.body_hash));
    let place = match asked_alike {
        _ if kind != KIND_TICKET => return Err(AppError::KeyReused),
        Some(alike) => alike.place,
        None if sold.iter().any(|sold| sold.body_hash.is_some()) => return Err(AppError::KeyReused),
        None => {
            // It came back from the hub; from now on the key belongs to this request.
            sales::body_hash_put(tx, first.place, &key.body_hash)?;
            first.place
        }
    };
    let answer = reports::at_place(app, tx, place)?;
    Ok(Some(Answer { json: json(&answer), replayed: true }))
}

fn json<T: Serialize>(answer: &T) -> String {
    serde_json::to_string(answer).unwrap_or_default()
}

/// Keeps an answer under its key.
pub(crate) fn give<T: Serialize>(
    tx: &WriteTx<'_>,
    key: &RequestKey,
    kind: i64,
    answer: &T,
) -> Result<Answer, AppError> {
    let json = json(answer);
    sales::answer_insert(tx, &key.key_hash, &key.body_hash, kind, &json)?;
    Ok(Answer { json, replayed: false })
}

/// Sells a ticket: decide, number, write, all in one savepoint.
pub(crate) fn sell(
    app: &App,
    tx: &WriteTx<'_>,
    catalog: &Catalog,
    (till, command, ordered): (&Till, &SellTicket, &Ordered),
    key: &RequestKey,
    shown: &Shown,
) -> Result<Answer, AppError> {
    if let Some(answer) = given(app, tx, key, KIND_TICKET)? {
        return Ok(answer);
    }
    let seller = staff::seller(app, tx, shown)?;
    app.check_reserve()?;
    let stamp = app.stamp(tx)?;
    let mut filled = command.clone();
    card_payments::fill_in(tx, filled.class, &mut filled.tenders)?;
    house::check(tx, catalog, (filled.class, app.calendar.business_day(stamp.at)), &[], &filled.tenders)?;
    let decided = decide_sale(catalog, filled, &app.moment(stamp.at))?;
    let id = TicketId::sold(stamp.at.get(), app.author().number(), &key.text);
    let place = (id, till, command.class);
    let by = (seller.as_ref(), shown);
    let answer = sell_decided(app, tx, (&stamp, catalog), place, (decided, by), Some((key, ordered)))?;
    app.terminals.note(tx, stamp.at)?;
    Ok(Answer { json: json(&answer), replayed: false })
}

/// Of a sale in one step: under which key it was asked for, and what is said to the kitchen.
type Quick<'a> = (&'a RequestKey, &'a Ordered);

/// Numbers and writes a sale that was decided: a quick one, or that of an open ticket.
pub(crate) fn sell_decided(
    app: &App,
    tx: &WriteTx<'_>,
    (stamp, catalog): (&Stamp, &Catalog),
    (id, till, class): (TicketId, &Till, TicketClass),
    (decided, (seller, shown)): (DecidedSale, (Option<&Person>, &Shown)),
    quick: Option<Quick<'_>>,
) -> Result<TicketAnswer, AppError> {
    let training = class == TicketClass::Training;
    let (receipt, fresh) = sales::receipt_take(tx, stamp.life, &till.name, training)?;
    if fresh {
        let opened = SeriesOpened { terminal: till.name.clone(), series: receipt.series.clone() };
        app.record(tx, stamp, &Event::SeriesOpened(opened))?;
    }
    let sold_by = seller.map(|seller| seller.id);
    let mut sold = TicketSold { sold_by, ..decided.numbered(id, receipt) };
    let on_account = sold.tenders.iter().any(|tender| tender.kind.account().is_some());
    for act in sold.details.acts(&sold.lines).into_iter().chain(on_account.then_some(Act::HouseAccount)) {
        if let Some(approval) = staff::approved(app, tx, act, seller, shown)? {
            sold.details.approvals.push(ApprovedAct { act, approval });
        }
    }
    if sold.cash() != Minor::ZERO {
        sold.drawer = cash::drawer_open(tx, &till.name)?;
    }
    book(app, tx, (stamp, catalog), till, sold, quick)
}

fn book(
    app: &App,
    tx: &WriteTx<'_>,
    (stamp, catalog): (&Stamp, &Catalog),
    till: &Till,
    sold: TicketSold,
    quick: Option<Quick<'_>>,
) -> Result<TicketAnswer, AppError> {
    let day = app.calendar.business_day(stamp.at);
    for effect in &sold.stock_effects {
        let total = stock::total_fetch(tx, stamp.life, effect.stock_item)?;
        let moved = total.moved(effect.quantity).map_err(|_overflow| AppError::Field {
            pointer: "/lines".to_owned(),
            code: "amount_out_of_range",
            detail: "The stock total of an item on this ticket is out of range.".to_owned(),
        })?;
        stock::total_put(tx, stamp.life, effect.stock_item, moved)?;
    }
    let event = Event::TicketSold(sold);
    let head = app.record(tx, stamp, &event)?;
    let Event::TicketSold(sold) = event else { return Err(AppError::NotFound("ticket")) };
    let body_hash = quick.map(|(key, _)| key.body_hash);
    sales::ticket_insert(tx, stamp.life, &TicketRow { body_hash, ..sold_row(&sold, day, head.seq) })?;
    book_tenders(tx, day, &sold)?;
    open_tickets::book_sold(tx, books::place(stamp.life, head.seq), &sold)?;
    card_payments::count(tx, sold.id, &sold.tenders)?;
    if let Some((_, ordered)) = quick {
        kitchen::sold(tx, catalog, &sold, (ordered, stamp.at))?;
    }
    prints::sold(app, tx, stamp, (&sold, till), catalog)?;
    Ok(describe(&sold, day, stamp.at.get(), head.seq, Some(catalog)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALONE: [u8; 16] = [1; 16];
    const WITH_PATH: [u8; 16] = [2; 16];
    const OTHER: [u8; 16] = [3; 16];

    fn key(named: Option<&str>) -> RequestKey {
        let named = named.map(|id| Named { id: id.to_owned(), body_alone: ALONE });
        let body_hash = if named.is_some() { WITH_PATH } else { ALONE };
        RequestKey { text: "k".to_owned(), key_hash: [0; 16], body_hash, named }
    }

    #[test]
    fn an_answer_that_an_earlier_program_kept_is_repeated_for_what_it_tells_of_and_for_nothing_else() {
        let kept = r#"{"ticket_id":"a-1"}"#;
        assert!(key(Some("a-1")).is_of(&ALONE, kept));
        assert!(!key(Some("a-2")).is_of(&ALONE, kept) && !key(Some("a-")).is_of(&ALONE, kept));
        assert!(!key(Some("a-1")).is_of(&OTHER, kept));
        assert!(key(Some("a-2")).is_of(&WITH_PATH, kept), "lines that went elsewhere are told as another ticket's");
        assert!(key(None).is_of(&ALONE, "{}") && !key(None).is_of(&OTHER, "{}"));
    }

    #[test]
    fn what_came_back_from_the_hub_is_answered_for_what_the_path_names_alone() {
        assert!(key(Some("a-1")).names(&"a-1").is_ok() && key(None).names(&"a-1").is_ok());
        assert!(matches!(key(Some("a-2")).names(&"a-1"), Err(AppError::KeyReused)));
    }
}
