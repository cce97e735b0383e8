//! Giving back. What was given back before is read in the transaction that gives back, so that of two tills that give back the
//! last piece at once one finds that none is left.

use percolate_common::domain::catalog::Catalog;
use percolate_common::domain::event::Event;
use percolate_common::domain::staff::roles::Act;
use percolate_common::domain::tenders::card::CreditState;
use percolate_common::domain::tenders::exchange::as_counted;
use percolate_common::domain::tickets::refund::{self, Before, RefundTicket, RefundedLine, Sale, TicketRefunded};
use percolate_common::domain::tickets::tender::{Tender, TenderKind};
use percolate_common::domain::tickets::{SeriesOpened, TicketClass, TicketSold};
use percolate_common::ids::{HouseAccountId, RefundId, StaffId, TicketId};
use percolate_common::journal::StreamKind;
use percolate_common::money::Minor;
use percolate_common::time::BusinessDay;
use percolate_common::wire::event::{Recorded, decode};
use percolate_runtime::sqlite::{ReadTx, WriteTx};
use serde::Serialize;
use utoipa::ToSchema;

use super::books::{self, book_refund};
use super::error::AppError;
use super::prints::{self, Till};
use super::staff::{self, Shown};
use super::ticket_answer::TicketTaxAnswer;
use super::tickets::{Answer, KIND_REFUND, RequestKey, give, given};
use super::{App, open_tickets, owed, tips};
use crate::store::card_refunds::{self, CreditRow};
use crate::store::sales::{self, Place};
use crate::store::{card_payments, cash, journal, refunds as store, stock};

/// Money that was given back. Amounts are minor units, and are what went back.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct RefundAnswer {
    /// Its id.
    refund_id: String,
    /// The ticket that it is of.
    ticket_id: String,
    /// Its own receipt number.
    receipt: String,
    /// Its business day, YYYY-MM-DD: the day on which it was given back.
    business_day: String,
    /// When, UTC milliseconds.
    at_ms: i64,
    /// Whether it is practice.
    training: bool,
    /// What amounts are in.
    currency: String,
    /// `void`, `quality`, `wrong`, `not_served` or `other`.
    #[schema(value_type = String)]
    reason: &'static str,
    /// What came back.
    lines: Vec<RefundedAnswer>,
    /// Of the charge for service.
    service_charge_minor: i64,
    /// Before tax.
    net_minor: i64,
    /// Tax.
    tax_minor: i64,
    /// Tax by class.
    taxes: Vec<TicketTaxAnswer>,
    /// With tax, without tip and rounding.
    total_minor: i64,
    /// Of the tip.
    tip_minor: i64,
    /// What was rounded, so that coins can pay it.
    cash_rounding_minor: i64,
    /// By which means.
    tenders: Vec<TenderBack>,
    /// The number of whoever gave it back, if they had signed in.
    by: Option<u32>,
    /// The number of whoever approved it, where that was needed.
    approved_by: Option<u32>,
    /// Its place in the sales journal.
    seq: u64,
}

/// Pieces that came back.
#[derive(Debug, Clone, Serialize, ToSchema)]
struct RefundedAnswer {
    /// Position of the line on its ticket.
    line: u32,
    /// Item number.
    item: u32,
    /// How many.
    quantity: u32,
    /// What was given back for them, before tax.
    net_minor: i64,
    /// Whether they went back to the stock room.
    restock: bool,
}

/// What went back, or may go back, by one means.
#[derive(Debug, Clone, Serialize, ToSchema)]
struct TenderBack {
    /// `cash`, `card_external`, `card`, `card_stored` or `house`.
    #[schema(value_type = String)]
    kind: &'static str,
    /// The number of the house account, if it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<u32>,
    /// How much.
    amount_minor: i64,
    /// The payment that it goes back of, where the box had charged the card.
    #[serde(skip_serializing_if = "Option::is_none")]
    payment: Option<String>,
    /// How it stands with what went back on such a card: `asked`, `credited`, or `owed` if no card took it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    state: Option<&'static str>,
    /// Why no card took it.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// Of what is `owed`: whether the guest got it in cash since.
    #[serde(skip_serializing_if = "Option::is_none")]
    paid_out: Option<bool>,
}

impl TenderBack {
    fn new(kind: &TenderKind, amount_minor: i64) -> Self {
        let payment = kind.payment().map(|payment| payment.to_string());
        let account = kind.account().map(HouseAccountId::get);
        Self { kind: kind.as_str(), account, amount_minor, payment, state: None, reason: None, paid_out: None }
    }

    /// With what the card terminal has said of it.
    fn stands(self, refund: &TicketRefunded, credits: &[CreditRow], is_paid_out: bool) -> Self {
        let of = |credit: &&CreditRow| credit.refund == refund.id && Some(credit.payment.to_string()) == self.payment;
        let Some(credit) = credits.iter().find(of) else { return self };
        let paid_out = (credit.state == CreditState::Owed).then_some(is_paid_out);
        Self { state: Some(credit.state.as_str()), reason: credit.reason.clone(), paid_out, ..self }
    }
}

/// What of a ticket can still be given back, and what was.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct RefundableAnswer {
    /// Line by line, in the order of the ticket.
    lines: Vec<RefundableLine>,
    /// By which means, the tip included; it goes back with the whole ticket only.
    tenders: Vec<TenderBack>,
    /// What was given back before, the oldest first.
    refunds: Vec<RefundAnswer>,
}

/// What of a line can still be given back.
#[derive(Debug, Clone, Serialize, ToSchema)]
struct RefundableLine {
    /// Position of the line on its ticket.
    line: u32,
    /// How many pieces.
    quantity: u32,
}

fn answer(refund: &TicketRefunded, (day, at_ms, seq): (BusinessDay, i64, u64)) -> RefundAnswer {
    let line = |line: &RefundedLine| RefundedAnswer {
        line: line.line,
        item: line.item.get(),
        quantity: line.quantity,
        net_minor: line.net.get(),
        restock: line.restock,
    };
    let tender = |tender: &Tender| TenderBack::new(&tender.kind, tender.amount.get());
    RefundAnswer {
        refund_id: refund.id.to_string(),
        ticket_id: refund.ticket.to_string(),
        receipt: refund.receipt.to_string(),
        business_day: day.to_string(),
        at_ms,
        training: refund.class == TicketClass::Training,
        currency: refund.currency.to_string(),
        reason: refund.reason.as_str(),
        lines: refund.lines.iter().map(line).collect(),
        service_charge_minor: refund.service_charge.get(),
        net_minor: refund.totals.net.get(),
        tax_minor: refund.totals.tax.get(),
        taxes: refund.taxes.iter().map(TicketTaxAnswer::from).collect(),
        total_minor: refund.totals.total.get(),
        tip_minor: refund.tip.get(),
        cash_rounding_minor: refund.cash_rounding.get(),
        tenders: refund.tenders.iter().map(tender).collect(),
        by: refund.by.map(StaffId::get),
        approved_by: refund.approval.as_ref().map(|approval| approval.by.get()),
        seq,
    }
}

pub(super) fn recorded(tx: &ReadTx<'_>, at: Place) -> Result<Option<Recorded>, AppError> {
    let bytes = journal::entry_fetch(tx, at.life, StreamKind::Sales, at.seq)?;
    Ok(bytes.and_then(|bytes| decode(&bytes).ok()))
}

/// The ticket that a refund is of.
pub(super) fn ticket_of(tx: &ReadTx<'_>, refund: RefundId) -> Result<TicketId, AppError> {
    let at = store::refund_place(tx, refund)?.ok_or(AppError::NotFound("refund"))?;
    Ok(at_place(tx, at)?.0.ticket)
}

/// The refund at a place of the sales journals.
fn at_place(tx: &ReadTx<'_>, at: Place) -> Result<(TicketRefunded, RefundAnswer), AppError> {
    match recorded(tx, at)? {
        Some(Recorded { header, event: Event::TicketRefunded(refund), .. }) => {
            let answer = answer(&refund, (header.business_day, header.at.get(), at.seq));
            Ok((refund, answer))
        }
        Some(_) | None => Err(AppError::NotFound("refund")),
    }
}

/// What was given back of a ticket.
pub(super) fn of_ticket(tx: &ReadTx<'_>, ticket: TicketId) -> Result<Vec<(TicketRefunded, RefundAnswer)>, AppError> {
    store::refund_place_list(tx, ticket)?.into_iter().map(|at| at_place(tx, at)).collect()
}

/// A sale that was made here, as it counts now, and its business day; none if the ticket was brought in from another system.
pub(super) fn sale(tx: &ReadTx<'_>, ticket: TicketId) -> Result<Option<(TicketSold, BusinessDay)>, AppError> {
    let at = sales::ticket_place(tx, ticket)?.ok_or(AppError::NotFound("ticket"))?;
    match recorded(tx, at)? {
        Some(Recorded { header, event: Event::TicketSold(sold), .. }) => {
            let exchanges = card_payments::exchange_list(tx, ticket)?;
            Ok(Some((as_counted(sold, &exchanges), header.business_day)))
        }
        Some(_) => Ok(None),
        None => Err(AppError::NotFound("ticket")),
    }
}

/// What of a ticket can still be given back; none if it was brought in from another system.
pub(crate) fn refundable(app: &App, tx: &ReadTx<'_>, ticket: TicketId) -> Result<Option<RefundableAnswer>, AppError> {
    let Some((sold, day)) = sale(tx, ticket)? else { return Ok(None) };
    let (refunds, mut answers): (Vec<_>, Vec<_>) = of_ticket(tx, ticket)?.into_iter().unzip();
    let credits = card_refunds::credit_list(tx, ticket)?;
    for (refund, answer) in refunds.iter().zip(&mut answers) {
        let tenders = std::mem::take(&mut answer.tenders);
        let is_paid_out = owed::is_paid_out(app, tx, refund.id)?;
        answer.tenders = tenders.into_iter().map(|tender| tender.stands(refund, &credits, is_paid_out)).collect();
    }
    let before = Before::of(&refunds);
    // How a part was paid is not known before it came back.
    let Some(parts) = open_tickets::parts(tx, &sold)? else { return Ok(None) };
    let sale = Sale::new(&sold, day, &parts).tipped(&tips::known(tx, ticket)?);
    let line = |(line, sold)| RefundableLine { line, quantity: before.left(line, sold) };
    let tenders = before.tenders_left(&sale).into_iter();
    Ok(Some(RefundableAnswer {
        lines: (0..).zip(&sold.lines).map(line).collect(),
        tenders: tenders.map(|(kind, amount_minor)| TenderBack::new(&kind, amount_minor)).collect(),
        refunds: answers,
    }))
}

/// The refund that was made under this key by a disk that was lost, and came back from the hub.
fn made_before(app: &App, tx: &WriteTx<'_>, key: &RequestKey) -> Result<Option<RefundAnswer>, AppError> {
    let key_part = RefundId::refunded(0, app.author().number(), &key.text).key_part();
    let found = store::refund_by_key(tx, key_part)?;
    found.map(|at| at_place(tx, at).map(|(_, answer)| answer)).transpose()
}

/// Gives back: decide, number, write, all in one savepoint.
pub(crate) fn give_back(
    app: &App,
    tx: &WriteTx<'_>,
    catalog: &Catalog,
    (till, ticket, ask): (&Till, TicketId, &RefundTicket),
    key: &RequestKey,
    shown: &Shown,
) -> Result<Answer, AppError> {
    if let Some(answer) = given(app, tx, key, KIND_REFUND)? {
        return Ok(answer);
    }
    if let Some(answer) = made_before(app, tx, key)? {
        key.names(&answer.ticket_id)?;
        return give(tx, key, KIND_REFUND, &answer).map(|given| Answer { replayed: true, ..given });
    }
    let person = staff::seller(app, tx, shown)?;
    app.check_reserve()?;
    let (sold, day) = sale(tx, ticket)?.ok_or(AppError::RefundUnknown)?;
    let before = Before::of(of_ticket(tx, ticket)?.iter().map(|(refund, _)| refund));
    let stamp = app.stamp(tx)?;
    let today = app.calendar.business_day(stamp.at);
    let parts = open_tickets::parts(tx, &sold)?.ok_or(AppError::RefundUnknown)?;
    let sale = Sale::new(&sold, day, &parts).tipped(&tips::known(tx, ticket)?);
    let decided = refund::refund(catalog, &sale, &before, (ask, today))?;
    let approval = staff::approved(app, tx, Act::Refund, person.as_ref(), shown)?;
    let training = sold.class == TicketClass::Training;
    let (receipt, fresh) = sales::receipt_take(tx, stamp.life, &till.name, training)?;
    if fresh {
        let opened = SeriesOpened { terminal: till.name.clone(), series: receipt.series.clone() };
        app.record(tx, &stamp, &Event::SeriesOpened(opened))?;
    }
    let id = RefundId::refunded(stamp.at.get(), app.author().number(), &key.text);
    let by = person.map(|person| person.id);
    let mut refund = TicketRefunded { by, approval, ..decided.numbered(id, receipt) };
    super::card_refunds::fill_in(tx, &mut refund.tenders)?;
    if refund.cash() != Minor::ZERO {
        refund.drawer = cash::drawer_open(tx, &till.name)?;
    }
    for effect in &refund.stock_effects {
        let total = stock::total_fetch(tx, stamp.life, effect.stock_item)?;
        let moved = total.moved(effect.quantity).map_err(|_overflow| AppError::Field {
            pointer: "/lines".to_owned(),
            code: "amount_out_of_range",
            detail: "The stock total of an item on this ticket is out of range.".to_owned(),
        })?;
        stock::total_put(tx, stamp.life, effect.stock_item, moved)?;
    }
    let head = app.record(tx, &stamp, &Event::TicketRefunded(refund.clone()))?;
    book_refund(tx, today, &refund, books::place(stamp.life, head.seq))?;
    prints::given_back(app, tx, &stamp, ((&refund, &sold), till), catalog)?;
    super::card_refunds::write_asked(tx, &refund)?;
    app.terminals.note(tx, stamp.at)?;
    give(tx, key, KIND_REFUND, &answer(&refund, (today, stamp.at.get(), head.seq)))
}
