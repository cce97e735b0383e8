//! What may be done with an open ticket. Two who change it at once both have their way: lines are known by their ids. Only who pays
//! must have seen what it comes to.

use std::collections::{BTreeMap, BTreeSet};

use super::fold::{OpenTicket, Stage};
use super::{
    OpenFact, OpenLine, PaymentTaken, Said, Standing, Terms, TicketAbandoned, TicketChanged, TicketDivided,
    TicketMoved, VoidReason,
};
use crate::domain::catalog::Catalog;
use crate::domain::catalog::look_up::Moment;
use crate::domain::pricing::cart::{Cart, CartLine};
use crate::domain::pricing::{self, Priced, PricingRejection, TICKET_LINES_MAX, combos};
use crate::domain::tickets::decide::{
    CashBefore, DecidedSale, TicketRejection, check_tip, sell_open, sold_unpaid, take_tenders,
};
use crate::domain::tickets::receipt::{ReceiptNumber, TerminalName};
use crate::domain::tickets::tender::{Tender, TenderKind};
use crate::ids::{ComboId, LineId, PaymentId, StaffId};
use crate::money::{Minor, MoneyOverflow};

/// Lines that one ticket may ever have had: whoever adds more opens another one.
pub const LINES_EVER_MAX: u32 = 1_000;
/// Payments before the end.
pub const PAYMENTS_MAX: usize = 50;

/// What is refused at an open ticket; nothing was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenRejection {
    /// It was paid.
    #[error("the ticket was paid: receipt {0}")]
    Paid(ReceiptNumber),
    /// It ended.
    #[error("the ticket was abandoned")]
    Abandoned,
    /// No such line is there.
    #[error("line {0} is not on the ticket")]
    UnknownLine(LineId),
    /// Nothing is said.
    #[error("nothing is said to be done: name at least one line")]
    Nothing,
    /// Too many, ever.
    #[error("a ticket has at most {TICKET_LINES_MAX} lines, and {LINES_EVER_MAX} with those that were taken off")]
    LineCount,
    /// Lines of practice do not go to a sale, nor the other way.
    #[error("practice and sales do not mix")]
    Mixed,
    /// Lines go to the ticket that they are on.
    #[error("the lines are on that ticket")]
    SameTicket,
    /// It is not what the till has shown.
    #[error("the ticket comes to {is} minor units and not to {shown}: somebody has changed it, show it again")]
    Changed {
        /// What was shown.
        shown: i64,
        /// What it is.
        is: i64,
    },
    /// More would be paid than is owed.
    #[error("{paid} minor units are paid already, and no more than {due} would be owed")]
    PaidMore {
        /// What was paid.
        paid: i64,
        /// What would be owed.
        due: i64,
    },
    /// It cannot end unpaid while money was taken for it.
    #[error("{0} minor units were paid: sell the ticket, or give them back first")]
    PaymentsTaken(i64),
    /// A part that is nothing, or more than what is left.
    #[error("a part of 1 to {left} minor units is expected")]
    Part {
        /// What is left.
        left: i64,
    },
    /// Too many.
    #[error("a ticket is paid in at most {PAYMENTS_MAX} parts before the last")]
    PaymentCount,
    /// It cannot be priced, or not be paid so.
    #[error(transparent)]
    Ticket(#[from] TicketRejection),
}

impl From<PricingRejection> for OpenRejection {
    fn from(rejection: PricingRejection) -> Self {
        Self::Ticket(rejection.into())
    }
}

impl From<MoneyOverflow> for OpenRejection {
    fn from(overflow: MoneyOverflow) -> Self {
        Self::Ticket(overflow.into())
    }
}

/// Refuses what has ended.
fn live(ticket: &OpenTicket) -> Result<(), OpenRejection> {
    match (ticket.stage(), ticket.receipts.first()) {
        (Stage::Paid, Some((receipt, _))) => Err(OpenRejection::Paid(receipt.clone())),
        (Stage::Abandoned, _) => Err(OpenRejection::Abandoned),
        (Stage::Open | Stage::Held | Stage::Paid, _) => Ok(()),
    }
}

/// What a ticket comes to now: its lines at the prices that they had, sets, discounts and tax as they are now.
///
/// # Errors
/// [`PricingRejection`] if it has no lines, or the menu does not have any more what was asked for the whole.
pub fn priced(ticket: &OpenTicket, catalog: &Catalog, moment: &Moment) -> Result<Priced, PricingRejection> {
    let (cart, lines) = ticket.cart();
    pricing::total(catalog, &pricing::as_it_stands(catalog, cart), lines, moment)
}

/// All of its sale as it would be now but how it is paid: who asks how large it is knows what can be paid.
///
/// # Errors
/// [`PricingRejection`] if it cannot be priced.
pub fn unpaid(ticket: &OpenTicket, catalog: &Catalog, moment: &Moment) -> Result<DecidedSale, PricingRejection> {
    Ok(sold_unpaid(catalog, (ticket.class(), priced(ticket, catalog, moment)?)))
}

/// What is asked of lines that come must be on the menu now, and their sets whole.
fn can_come(
    after: &OpenTicket,
    added: &[OpenLine],
    catalog: &Catalog,
    moment: &Moment,
) -> Result<(), PricingRejection> {
    if added.is_empty() {
        return Ok(());
    }
    let (cart, _) = after.cart();
    for (at, line) in added.iter().enumerate() {
        line.asked.combo.map_or(Ok(()), |place| combos::check(catalog, &cart, (at, place)))?;
    }
    let alone = |line: &OpenLine| CartLine { combo: None, ..line.asked.clone() };
    let cart = Cart { lines: added.iter().map(alone).collect(), ..Cart::default() };
    pricing::total(catalog, &cart, added.iter().map(|line| line.listed.clone()).collect(), moment).map(drop)
}

/// What it comes to after a fact must not be less than what was paid.
fn not_below_paid(
    ticket: &OpenTicket,
    fact: &OpenFact,
    catalog: &Catalog,
    moment: &Moment,
) -> Result<(), OpenRejection> {
    let paid = ticket.paid()?;
    if paid == Minor::ZERO {
        return Ok(());
    }
    let mut after = ticket.clone();
    after.add(fact);
    let due = if after.lines().is_empty() { Minor::ZERO } else { priced(&after, catalog, moment)?.totals.total };
    if paid > due {
        return Err(OpenRejection::PaidMore { paid: paid.get(), due: due.get() });
    }
    Ok(())
}

/// Who asks, and by which key: lines get their ids by it.
#[derive(Debug, Clone, Copy)]
pub struct Asking<'a> {
    /// The node.
    pub author: u32,
    /// The idempotency key.
    pub key: &'a str,
    /// Who.
    pub by: Option<StaffId>,
}

/// Adds lines at what they cost now, and says what holds for the whole. Lines that the same key has added before stay as they
/// are; nothing is left to say then.
///
/// # Errors
/// [`OpenRejection`] if a line cannot be had, or the whole cannot be priced with it.
pub fn change(
    ticket: &OpenTicket,
    catalog: &Catalog,
    (lines, terms): (&[CartLine], Option<Terms>),
    asking: Asking<'_>,
    moment: &Moment,
) -> Result<Option<OpenFact>, OpenRejection> {
    live(ticket)?;
    if lines.is_empty() && terms.is_none() {
        return Err(OpenRejection::Nothing);
    }
    let mut added = Vec::with_capacity(lines.len());
    let mut place = ticket.next_place();
    for (number, (at, asked)) in (0_u32..).zip(lines.iter().enumerate()) {
        let id = LineId::asked(asking.author, asking.key, number);
        if ticket.was_added(id) {
            return Ok(None);
        }
        let listed = pricing::list(catalog, (at, asked), moment)?;
        added.push(OpenLine { id, place, asked: asked.clone(), listed });
        place = place.saturating_add(1);
    }
    if place > LINES_EVER_MAX || ticket.lines().len().saturating_add(added.len()) > TICKET_LINES_MAX {
        return Err(OpenRejection::LineCount);
    }
    let terms = terms.map(|what| Said { turn: ticket.next_turn(), what });
    let fact = OpenFact::Changed(TicketChanged {
        id: ticket.id,
        added,
        voided: Vec::new(),
        terms,
        by: asking.by,
        approval: None,
    });
    let mut after = ticket.clone();
    after.add(&fact);
    if let OpenFact::Changed(changed) = &fact {
        can_come(&after, &changed.added, catalog, moment)?;
    }
    if !after.lines().is_empty() {
        priced(&after, catalog, moment)?;
    }
    not_below_paid(ticket, &fact, catalog, moment)?;
    Ok(Some(fact))
}

/// Takes lines off. Those that are taken off already stay so; nothing is left to say if all are.
///
/// # Errors
/// [`OpenRejection`] if one was never there, or is on another ticket.
pub fn void(
    ticket: &OpenTicket,
    catalog: &Catalog,
    (lines, reason): (&[LineId], VoidReason),
    by: Option<StaffId>,
    moment: &Moment,
) -> Result<Option<OpenFact>, OpenRejection> {
    live(ticket)?;
    if lines.is_empty() {
        return Err(OpenRejection::Nothing);
    }
    let mut voided: Vec<(LineId, VoidReason)> = Vec::with_capacity(lines.len());
    for line in lines {
        let is_new = !ticket.is_voided(*line) && !voided.iter().any(|(id, _)| id == line);
        if is_new {
            ticket.line(*line).ok_or(OpenRejection::UnknownLine(*line))?;
            voided.push((*line, reason));
        }
    }
    if voided.is_empty() {
        return Ok(None);
    }
    let fact =
        OpenFact::Changed(TicketChanged { id: ticket.id, added: Vec::new(), voided, terms: None, by, approval: None });
    not_below_paid(ticket, &fact, catalog, moment)?;
    Ok(Some(fact))
}

/// The lines to send to the kitchen: all that are there, or those that are named.
///
/// # Errors
/// [`OpenRejection`] if the ticket has ended, or one is not there.
pub fn send<'t>(ticket: &'t OpenTicket, named: &[LineId]) -> Result<Vec<&'t OpenLine>, OpenRejection> {
    live(ticket)?;
    if let Some(unknown) = named.iter().find(|id| ticket.line(**id).is_none()) {
        return Err(OpenRejection::UnknownLine(*unknown));
    }
    let lines = ticket.lines().into_iter();
    Ok(lines.filter(|line| named.is_empty() || named.contains(&line.id)).collect())
}

/// Puts it aside, calls it back, or hands it over; nothing if it stands so already.
///
/// # Errors
/// [`OpenRejection`] if it has ended.
pub fn hand_over(
    ticket: &OpenTicket,
    standing: Standing,
    by: Option<StaffId>,
) -> Result<Option<OpenFact>, OpenRejection> {
    live(ticket)?;
    if ticket.standing().as_ref() == Some(&standing) {
        return Ok(None);
    }
    let standing = Said { turn: ticket.next_turn(), what: standing };
    Ok(Some(OpenFact::Moved(TicketMoved { id: ticket.id, standing, by })))
}

/// The instances that sets of lines which go get on another ticket: a set there stays apart from one of its kind that comes, and
/// parts of a set that come one by one come together again.
fn instances_there(going: &[&OpenLine], to: &OpenTicket) -> BTreeMap<(ComboId, u32), u32> {
    let (mut there, mut instances) = (places_in_sets(&to.lines()), BTreeMap::new());
    let before: Vec<_> = there.keys().copied().collect();
    for ((combo, instance), places) in places_in_sets(going) {
        let fits = |other: &u32| there.get(&(combo, *other)).is_none_or(|taken| taken.is_disjoint(&places));
        let rest = before.iter().filter(|(known, _)| *known == combo).map(|(_, other)| *other).find(fits);
        let apart = || core::iter::once(instance).chain(1..).find(fits);
        let new = rest.or_else(apart).unwrap_or(instance);
        there.entry((combo, new)).or_default().extend(places);
        instances.insert((combo, instance), new);
    }
    instances
}

/// Which places of which sets lines fill.
fn places_in_sets(lines: &[&OpenLine]) -> BTreeMap<(ComboId, u32), BTreeSet<u32>> {
    let mut sets: BTreeMap<_, BTreeSet<u32>> = BTreeMap::new();
    for place in lines.iter().filter_map(|line| line.asked.combo) {
        sets.entry((place.combo, place.instance)).or_default().insert(place.slot);
    }
    sets
}

/// Brings lines to another ticket; all of them if none are named.
///
/// # Errors
/// [`OpenRejection`] if one is not there, or what is left does not come to what was paid.
pub fn divide(
    (from, to): (&OpenTicket, &OpenTicket),
    catalog: &Catalog,
    lines: &[LineId],
    asking: Asking<'_>,
    moment: &Moment,
) -> Result<OpenFact, OpenRejection> {
    live(from)?;
    live(to)?;
    if from.id == to.id {
        return Err(OpenRejection::SameTicket);
    }
    if from.class() != to.class() {
        return Err(OpenRejection::Mixed);
    }
    let mut going: Vec<&OpenLine> = Vec::new();
    for id in lines {
        let line = from.line(*id).ok_or(OpenRejection::UnknownLine(*id))?;
        if !going.iter().any(|known| known.id == *id) {
            going.push(line);
        }
    }
    if lines.is_empty() {
        going = from.lines();
    }
    if going.is_empty() {
        return Err(OpenRejection::Nothing);
    }
    let place = to.next_place();
    let instances = instances_there(&going, to);
    let moved = |(number, line): (u32, &&OpenLine)| {
        let id = LineId::asked(asking.author, asking.key, number);
        let mut there = OpenLine { id, place: place.saturating_add(number), ..(*line).clone() };
        if let Some(set) = &mut there.asked.combo {
            set.instance = instances.get(&(set.combo, set.instance)).copied().unwrap_or(set.instance);
        }
        (line.id, there)
    };
    let lines: Vec<_> = (0_u32..).zip(&going).map(moved).collect();
    let ever = place.saturating_add(u32::try_from(lines.len()).unwrap_or(u32::MAX));
    if ever > LINES_EVER_MAX || to.lines().len().saturating_add(lines.len()) > TICKET_LINES_MAX {
        return Err(OpenRejection::LineCount);
    }
    let fact = OpenFact::Divided(TicketDivided { from: from.id, to: to.id, lines, by: asking.by });
    not_below_paid(from, &fact, catalog, moment)?;
    Ok(fact)
}

/// Ends it unpaid; nothing if it has ended so already.
///
/// # Errors
/// [`OpenRejection`] if it was paid, or a part of it.
pub fn abandon(ticket: &OpenTicket, by: Option<StaffId>) -> Result<Option<OpenFact>, OpenRejection> {
    if ticket.stage() == Stage::Abandoned {
        return Ok(None);
    }
    live(ticket)?;
    let paid = ticket.paid()?;
    if !ticket.payments.is_empty() {
        return Err(OpenRejection::PaymentsTaken(paid.get()));
    }
    Ok(Some(OpenFact::Abandoned(TicketAbandoned { id: ticket.id, by, approval: None })))
}

/// A part to pay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakePayment {
    /// What is handed over.
    pub tender: Tender,
    /// What of the ticket it pays.
    pub amount: Minor,
    /// What of it is for those who work there.
    pub tip: Minor,
    /// At which terminal.
    pub terminal: TerminalName,
    /// By whom.
    pub by: Option<StaffId>,
}

/// What of its parts was paid in cash.
fn cash_before(ticket: &OpenTicket) -> Result<CashBefore, MoneyOverflow> {
    let mut before = CashBefore::default();
    for payment in ticket.payments.values() {
        if payment.tender.kind != TenderKind::Cash {
            before.is_mixed = true;
            continue;
        }
        let due = payment.amount.plus(payment.tip)?;
        before.due = before.due.plus(due)?;
        before.kept = before.kept.plus(due)?.plus(payment.cash_rounding)?;
    }
    Ok(before)
}

/// Takes a part of what is owed.
///
/// # Errors
/// [`OpenRejection`] if it is more than what is left, or is not paid so.
pub fn take_payment(
    ticket: &OpenTicket,
    catalog: &Catalog,
    id: PaymentId,
    part: TakePayment,
    moment: &Moment,
) -> Result<PaymentTaken, OpenRejection> {
    live(ticket)?;
    if ticket.payments.len() >= PAYMENTS_MAX {
        return Err(OpenRejection::PaymentCount);
    }
    check_tip(part.tip)?;
    let left = priced(ticket, catalog, moment)?.totals.total.minus(ticket.paid()?)?;
    if part.amount <= Minor::ZERO || part.amount > left {
        return Err(OpenRejection::Part { left: left.get() });
    }
    let due = part.amount.plus(part.tip)?;
    let step = catalog.content.rules.cash_step();
    let paid = take_tenders(core::slice::from_ref(&part.tender), due, cash_before(ticket)?, step)?;
    Ok(PaymentTaken {
        id,
        ticket: ticket.id,
        class: ticket.class(),
        tender: part.tender,
        amount: part.amount,
        tip: part.tip,
        change: paid.change,
        cash_rounding: paid.cash_rounding,
        terminal: part.terminal,
        drawer: None,
        by: part.by,
        approval: None,
    })
}

/// The last payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloseTicket {
    /// How what is left is paid.
    pub tenders: Vec<Tender>,
    /// What of it is for those who work there.
    pub tip: Minor,
    /// What the till has shown that the whole ticket comes to.
    pub shown: Minor,
}

/// Sells it: what is left is paid; what was paid too much, as where the menu made it cheaper since, goes back as change.
///
/// # Errors
/// [`OpenRejection`] if it is not what the till has shown, or is not paid.
pub fn close(
    ticket: &OpenTicket,
    catalog: &Catalog,
    command: CloseTicket,
    moment: &Moment,
) -> Result<DecidedSale, OpenRejection> {
    live(ticket)?;
    let priced = priced(ticket, catalog, moment)?;
    let total = priced.totals.total;
    if total != command.shown {
        return Err(OpenRejection::Changed { shown: command.shown.get(), is: total.get() });
    }
    let before = (ticket.payments_before(), cash_before(ticket)?);
    Ok(sell_open(catalog, (ticket.class(), priced), before, (command.tenders, command.tip))?)
}
