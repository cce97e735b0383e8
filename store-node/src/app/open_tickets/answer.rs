//! An open ticket as the API shows it. Amounts are minor units.

use std::collections::BTreeSet;

use percolate_common::domain::catalog::Catalog;
use percolate_common::domain::pricing::Priced;
use percolate_common::domain::pricing::share::share_evenly;
use percolate_common::domain::tickets::TicketClass;
use percolate_common::domain::tickets::open::fold::OpenTicket;
use percolate_common::domain::tickets::open::{OpenLine, PaymentTaken, decide};
use percolate_common::ids::{StaffId, TicketId};
use percolate_common::money::Minor;
use percolate_runtime::sqlite::ReadTx;
use serde::Serialize;
use utoipa::ToSchema;

use super::super::error::AppError;
use super::super::reports::Told;
use super::super::ticket_answer::{DiscountAnswer, LineAnswer, TicketTaxAnswer};
use super::super::{App, Stamp};
use super::{fetch, folded};
use crate::store::kitchen::{self, Sent};
use crate::store::lives;
use crate::store::open_tickets::{self as store, Listed};

/// Tickets that a list shows.
const LIST_TICKETS_MAX: usize = 200;

/// An open ticket. Amounts are minor units.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct OpenTicketAnswer {
    /// Its id, which its sale keeps.
    ticket_id: String,
    /// `open`, `held`, `abandoned` or `paid`.
    #[schema(value_type = String)]
    state: &'static str,
    /// What people call it. It is known in the shop only.
    name: Option<String>,
    /// What people noted. It is known in the shop only.
    note: Option<String>,
    /// The terminal that has it.
    terminal: Option<String>,
    /// The number of the person that has it.
    staff: Option<u32>,
    /// When it was opened, UTC milliseconds.
    opened_at_ms: Option<i64>,
    /// Whether it is practice.
    training: bool,
    /// Its lines.
    lines: Vec<OpenLineAnswer>,
    /// Lines that were taken off.
    voided: Vec<VoidedLineAnswer>,
    /// `dine_in` or `take_away`.
    consumption: String,
    /// What it comes to now; null while it cannot be priced.
    amounts: Option<OpenAmountsAnswer>,
    /// Why it cannot be priced, if it cannot.
    unpriced: Option<String>,
    /// What was paid of it.
    payments: Vec<PartAnswer>,
    /// What was paid of it, without tips.
    paid_minor: i64,
    /// Receipts that it was sold by. More than one: two lives of the box have sold it, and somebody must look.
    receipts: Vec<String>,
}

/// What an open ticket comes to now.
#[derive(Debug, Clone, Serialize, ToSchema)]
struct OpenAmountsAnswer {
    /// Before tax.
    net_minor: i64,
    /// Tax.
    tax_minor: i64,
    /// With tax: what a close must say that it was shown.
    total_minor: i64,
    /// What is left to pay.
    due_minor: i64,
    /// The charge for service, before tax.
    service_charge_minor: i64,
    /// Tax by class.
    taxes: Vec<TicketTaxAnswer>,
    /// Discounts that were asked for.
    discounts: Vec<DiscountAnswer>,
    /// What is left, in so many even parts as were asked for: together exactly that.
    shares_minor: Vec<i64>,
}

/// A line of an open ticket.
#[derive(Debug, Clone, Serialize, ToSchema)]
struct OpenLineAnswer {
    /// Its id.
    line_id: String,
    /// What was noted for whoever prepares it. It is known in the shop only.
    note: Option<String>,
    /// Whether the kitchen has it: `no`, `yes`, or `unknown` after a disk was lost.
    #[schema(value_type = String)]
    sent: &'static str,
    /// What it is, and what it comes to now.
    #[serde(flatten)]
    line: LineAnswer,
}

/// A line that was taken off.
#[derive(Debug, Clone, Serialize, ToSchema)]
struct VoidedLineAnswer {
    /// Its id.
    line_id: String,
    /// What it was.
    #[serde(flatten)]
    line: LineAnswer,
    /// Why: several if several have taken it off.
    #[schema(value_type = Vec<String>)]
    reasons: BTreeSet<&'static str>,
}

/// A payment before the end.
#[derive(Debug, Clone, Serialize, ToSchema)]
struct PartAnswer {
    /// Its id.
    payment_id: String,
    /// By what means.
    #[schema(value_type = String)]
    kind: &'static str,
    /// What was handed over.
    tendered_minor: i64,
    /// What of the ticket it paid.
    amount_minor: i64,
    /// What of it is for those who work there.
    tip_minor: i64,
    /// Cash handed back.
    change_minor: i64,
    /// What was rounded, because coins cannot pay it.
    cash_rounding_minor: i64,
    /// At which terminal.
    terminal: String,
    /// Who took it, by number.
    by: Option<u32>,
}

impl From<&PaymentTaken> for PartAnswer {
    fn from(payment: &PaymentTaken) -> Self {
        Self {
            payment_id: payment.id.to_string(),
            kind: payment.tender.kind.as_str(),
            tendered_minor: payment.tender.amount.get(),
            amount_minor: payment.amount.get(),
            tip_minor: payment.tip.get(),
            change_minor: payment.change.get(),
            cash_rounding_minor: payment.cash_rounding.get(),
            terminal: payment.terminal.to_string(),
            by: payment.by.map(StaffId::get),
        }
    }
}

fn amounts(priced: &Priced, paid: Minor, split: Option<u32>) -> OpenAmountsAnswer {
    let total = priced.totals.total;
    let due = Minor::new(total.get().saturating_sub(paid.get()));
    let parts = split.map_or(0, |split| usize::try_from(split).unwrap_or(0));
    OpenAmountsAnswer {
        net_minor: priced.totals.net.get(),
        tax_minor: priced.totals.tax.get(),
        total_minor: total.get(),
        due_minor: due.get(),
        service_charge_minor: priced.service_charge.map_or(0, |charge| charge.amount.get()),
        taxes: priced.taxes.iter().map(TicketTaxAnswer::from).collect(),
        discounts: priced.discounts.iter().map(DiscountAnswer::from).collect(),
        shares_minor: share_evenly(due, parts).into_iter().map(Minor::get).collect(),
    }
}

/// A ticket as it is now.
fn describe(
    app: &App,
    tx: &ReadTx<'_>,
    (ticket, stamp): (&OpenTicket, &Stamp),
    catalog: Option<&Catalog>,
    split: Option<u32>,
) -> Result<OpenTicketAnswer, AppError> {
    let row = store::row_fetch(tx, ticket.id)?.ok_or(AppError::NotFound("open ticket"))?;
    let lines = ticket.lines();
    let priced = catalog.filter(|_| !lines.is_empty());
    let priced = priced.map(|catalog| decide::priced(ticket, catalog, &app.moment(stamp.at)));
    let (priced, unpriced) = match priced {
        Some(Ok(priced)) => (Some(priced), None),
        Some(Err(rejection)) => (None, Some(rejection.to_string())),
        None => (None, None),
    };
    // What a line comes to now if that is known, and else what it was listed at.
    let now = |at: usize| priced.as_ref().and_then(|priced| priced.lines.get(at));
    let known = kitchen::line_list(tx, ticket.id)?;
    let shown = |(at, line): (usize, &&OpenLine)| {
        let row = known.iter().find(|row| row.line == line.id);
        OpenLineAnswer {
            line_id: line.id.to_string(),
            note: row.and_then(|row| row.note.clone()),
            sent: row.map_or(Sent::No, |row| row.sent).as_str(),
            line: LineAnswer::new(now(at).unwrap_or(&line.listed), catalog),
        }
    };
    let paid = ticket.paid().unwrap_or_default();
    let standing = ticket.standing();
    let voided = ticket.voided().into_iter().map(|(line, reasons)| VoidedLineAnswer {
        line_id: line.id.to_string(),
        line: LineAnswer::new(&line.listed, catalog),
        reasons: reasons.clone(),
    });
    Ok(OpenTicketAnswer {
        ticket_id: ticket.id.to_string(),
        state: ticket.stage().as_str(),
        name: row.label.name,
        note: row.label.note,
        terminal: standing.as_ref().map(|standing| standing.terminal.to_string()),
        staff: standing.and_then(|standing| standing.staff).map(StaffId::get),
        opened_at_ms: row.opened_at_ms,
        training: ticket.class() == TicketClass::Training,
        lines: lines.iter().enumerate().map(shown).collect(),
        voided: voided.collect(),
        consumption: ticket.terms().consumption.as_str().to_owned(),
        amounts: priced.as_ref().map(|priced| amounts(priced, paid, split)),
        unpriced,
        payments: ticket.payments.values().map(PartAnswer::from).collect(),
        paid_minor: paid.get(),
        receipts: ticket.receipts.iter().map(|(receipt, _)| receipt.to_string()).collect(),
    })
}

/// One ticket as it is now; with what is left in so many even parts.
pub(crate) fn one(app: &App, tx: &ReadTx<'_>, id: TicketId, split: Option<u32>) -> Result<OpenTicketAnswer, AppError> {
    let (ticket, stamp) = (fetch(tx, id)?, app.stamp(tx)?);
    describe(app, tx, (&ticket, &stamp), app.present.catalog().as_deref(), split)
}

/// Tickets that have not ended, the oldest first, and how many there are in all.
pub(crate) fn list(app: &App, tx: &ReadTx<'_>, listed: &Listed) -> Result<(Vec<OpenTicketAnswer>, u64), AppError> {
    let ids = store::live_list(tx, listed)?;
    let count = ids.len() as u64;
    let shown = ids.into_iter().take(LIST_TICKETS_MAX).map(|id| one(app, tx, id, None));
    Ok((shown.collect::<Result<_, _>>()?, count))
}

/// Tickets that changed here since, each as it is now, and whose journal was followed how far; a new life is followed from its
/// beginning. If nobody listens, no ticket is read.
pub(crate) fn changed_since(
    app: &App,
    tx: &ReadTx<'_>,
    told: Told,
    (limit, is_heard): (u32, bool),
) -> Result<(Vec<OpenTicketAnswer>, Told), AppError> {
    let mut told = told;
    let mut events = store::event_after(tx, told.life.number, told.seq, limit)?;
    let present = lives::present(tx)?;
    if events.is_empty() && told.life != present {
        told = Told { life: present, seq: 0 };
        events = store::event_after(tx, told.life.number, told.seq, limit)?;
    }
    if let Some((seq, _)) = events.last() {
        // One event may be about two tickets: a page that is full may have been cut between them.
        let is_full = u32::try_from(events.len()).is_ok_and(|count| count >= limit);
        told.seq = if is_full { seq.saturating_sub(1) } else { *seq };
    }
    events.retain(|(seq, _)| *seq <= told.seq);
    let tickets: BTreeSet<TicketId> = events.into_iter().filter(|_| is_heard).map(|(_, id)| id).collect();
    let (catalog, stamp) = (app.present.catalog(), app.stamp(tx)?);
    let shown = tickets.into_iter().map(|id| describe(app, tx, (&folded(tx, id)?, &stamp), catalog.as_deref(), None));
    Ok((shown.collect::<Result<_, _>>()?, told))
}
