//! Giving back: from a sale, what of it was given back before, and what is asked, to a refund, or to a refusal.
//!
//! Money goes by what all that came back is worth together, less what was given back for it before. Pieces that come back one by
//! one therefore come to the sale exactly, whatever was rounded on the way.

use std::collections::BTreeMap;

use super::decide::{TENDERS_MAX, check_reference, rounded};
use super::receipt::ReceiptNumber;
use super::tender::{Tender, TenderKind};
use super::{SoldLine, TaxLine, TicketClass, TicketSold, Totals};
use crate::domain::catalog::Catalog;
use crate::domain::pricing::uses;
use crate::domain::staff::approvals::Approval;
use crate::domain::stock::MovementLine;
use crate::ids::{CategoryId, DrawerSessionId, ItemId, RefundId, StaffId, StockItemId, TaxClassId, TicketId};
use crate::money::{Currency, Minor, MoneyOverflow};
use crate::quantity::Quantity;
use crate::time::BusinessDay;

/// Why money goes back. Words and no text: a journal names nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefundReason {
    /// It should not have been sold: the whole of it, on the day that it was sold.
    Void,
    /// It was not good.
    Quality,
    /// It was something else than the guest wanted.
    Wrong,
    /// The guest did not get it.
    NotServed,
    /// Anything else.
    Other,
}

impl RefundReason {
    /// The word for it in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Void => "void",
            Self::Quality => "quality",
            Self::Wrong => "wrong",
            Self::NotServed => "not_served",
            Self::Other => "other",
        }
    }
}

/// Pieces of a line that came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefundedLine {
    /// Position of the line on its ticket.
    pub line: u32,
    /// What it was.
    pub item: ItemId,
    /// Where it stood on the menu.
    pub category: CategoryId,
    /// Under which tax.
    pub tax_class: TaxClassId,
    /// How many.
    pub quantity: u32,
    /// What was given back for them, before tax.
    pub net: Minor,
    /// Whether they went back to the stock room. Most food is thrown away.
    pub restock: bool,
}

/// Money was given back. All amounts are what went back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TicketRefunded {
    /// Its id.
    pub id: RefundId,
    /// Of which ticket.
    pub ticket: TicketId,
    /// Practice, if the ticket was.
    pub class: TicketClass,
    /// Its own receipt number.
    pub receipt: ReceiptNumber,
    /// What the amounts are in.
    pub currency: Currency,
    /// Why.
    pub reason: RefundReason,
    /// What came back.
    pub lines: Vec<RefundedLine>,
    /// Of the charge for service.
    pub service_charge: Minor,
    /// Of the tax, by class.
    pub taxes: Vec<TaxLine>,
    /// The sums.
    pub totals: Totals,
    /// Of the tip.
    pub tip: Minor,
    /// What was rounded of it, so that coins can pay it; below zero if less was given back.
    pub cash_rounding: Minor,
    /// By which means.
    pub tenders: Vec<Tender>,
    /// What went back to the stock room.
    pub stock_effects: Vec<MovementLine>,
    /// Who gave it back, if they had signed in.
    pub by: Option<StaffId>,
    /// Who approved it, where that was needed.
    pub approval: Option<Approval>,
    /// The drawer that its cash came from, where one was open at the terminal.
    pub drawer: Option<DrawerSessionId>,
}

impl TicketRefunded {
    /// The cash that was given back. Practice gives none.
    #[must_use]
    pub fn cash(&self) -> Minor {
        let cash = self.tenders.iter().filter(|tender| tender.kind == TenderKind::Cash);
        match self.class {
            TicketClass::Training => Minor::ZERO,
            TicketClass::Sale => Minor::new(cash.fold(0, |sum, tender| sum.saturating_add(tender.amount.get()))),
        }
    }
}

/// What is asked back of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AskedLine {
    /// Position of the line on its ticket.
    pub line: u32,
    /// How many.
    pub quantity: u32,
    /// Whether they go back to the stock room.
    pub restock: bool,
}

/// What is asked back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// All that was not given back yet, with the tip.
    Whole {
        /// Whether all of it goes back to the stock room.
        restock: bool,
    },
    /// Pieces.
    Lines(Vec<AskedLine>),
}

/// A refund that somebody asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefundTicket {
    /// Why.
    pub reason: RefundReason,
    /// What.
    pub what: Asked,
    /// By which means; none is by those that it was paid by.
    pub tenders: Vec<Tender>,
}

/// A sale that something is given back of.
#[derive(Debug, Clone, Copy)]
pub struct Sale<'a> {
    /// The sale.
    pub sold: &'a TicketSold,
    /// Its business day.
    pub day: BusinessDay,
    /// Its tip, as it is now.
    pub tip: Minor,
}

/// A refund that is refused; nothing was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RefundRejection {
    /// Nothing is asked back.
    #[error("at least one line is expected, or none for the whole ticket")]
    Empty,
    /// The ticket has no such line, or it is asked twice.
    #[error("the ticket has no line {line}, or it is asked back twice")]
    Line {
        /// Position in what is asked.
        at: usize,
        /// Which.
        line: u32,
    },
    /// None, or more than are left.
    #[error("{quantity} pieces are asked back, and {left} are left of the line")]
    TooMany {
        /// Position in what is asked.
        at: usize,
        /// How many are asked.
        quantity: u32,
        /// How many are left.
        left: u32,
    },
    /// All was given back before.
    #[error("all of this ticket was given back before")]
    NothingLeft,
    /// Not the whole ticket, or not on its day.
    #[error("a void takes back a whole ticket of which nothing was given back, on the business day that it was sold on")]
    Void,
    /// The tenders do not come to what is given back.
    #[error("{due} minor units are to be given back, and the tenders come to {tendered}")]
    TenderSum {
        /// What is to be given back.
        due: i64,
        /// What the tenders come to.
        tendered: i64,
    },
    /// More by one means than was paid by it.
    #[error("{kind} gives back {tendered} minor units, and {left} are left of what was paid by it")]
    TenderKind {
        /// By which means.
        kind: &'static str,
        /// How much is given back by it.
        tendered: i64,
        /// How much may be.
        left: i64,
    },
    /// Too many tenders, or one that is no amount.
    #[error("a refund has at most {TENDERS_MAX} tenders, each above zero")]
    Tenders,
    /// A reference that is too long, not printable, or may be a card number.
    #[error("the reference is too long, or looks like a card number, which must never be sent here")]
    Reference {
        /// Position of the tender.
        tender: usize,
    },
    /// A sum that does not fit.
    #[error(transparent)]
    Overflow(#[from] MoneyOverflow),
}

/// What was given back of a ticket before.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Before {
    lines: BTreeMap<u32, (u32, i64)>,
    taxes: BTreeMap<TaxClassId, (i64, i64)>,
    tenders: BTreeMap<&'static str, i64>,
    stock: BTreeMap<StockItemId, i64>,
    service_charge: i64,
    tip: i64,
    /// What went back in all, without the tip.
    paid_back: i64,
}

fn add(sum: &mut i64, amount: i64) {
    *sum = sum.saturating_add(amount);
}

impl Before {
    /// What refunds of one ticket come to together.
    #[must_use]
    pub fn of<'a>(refunds: impl IntoIterator<Item = &'a TicketRefunded>) -> Self {
        let mut before = Self::default();
        for refund in refunds {
            for line in &refund.lines {
                let (quantity, net) = before.lines.entry(line.line).or_default();
                *quantity = quantity.saturating_add(line.quantity);
                add(net, line.net.get());
            }
            for line in &refund.taxes {
                let (base, tax) = before.taxes.entry(line.tax_class).or_default();
                add(base, line.base.get());
                add(tax, line.tax.get());
            }
            for tender in &refund.tenders {
                add(before.tenders.entry(tender.kind.as_str()).or_default(), tender.amount.get());
            }
            for effect in &refund.stock_effects {
                add(before.stock.entry(effect.stock_item).or_default(), effect.quantity.get());
            }
            add(&mut before.service_charge, refund.service_charge.get());
            add(&mut before.tip, refund.tip.get());
            add(&mut before.paid_back, refund.totals.total.get().saturating_add(refund.cash_rounding.get()));
        }
        before
    }

    fn quantity(&self, line: u32) -> u32 {
        self.lines.get(&line).map_or(0, |(quantity, _)| *quantity)
    }

    /// How many pieces of a line can still be given back.
    #[must_use]
    pub fn left(&self, at: u32, line: &SoldLine) -> u32 {
        line.quantity.saturating_sub(self.quantity(at))
    }

    /// What can still be given back by each means of payment, in the order in which it was paid.
    #[must_use]
    pub fn tenders_left(&self, sale: &Sale<'_>) -> Vec<(TenderKind, i64)> {
        let mut paid: Vec<(TenderKind, i64)> = Vec::new();
        let tip_later = sale.tip.get().saturating_sub(sale.sold.details.tip.get());
        let mut put = |kind: TenderKind, amount: i64| match paid.iter_mut().find(|(known, _)| known.as_str() == kind.as_str()) {
            Some((_, sum)) => add(sum, amount),
            None => paid.push((kind, amount)),
        };
        for tender in &sale.sold.tenders {
            let kind = match tender.kind {
                TenderKind::Cash => TenderKind::Cash,
                TenderKind::CardExternal { .. } => TenderKind::CardExternal { reference: None },
            };
            put(kind, tender.amount.get());
        }
        if sale.sold.change > Minor::ZERO {
            put(TenderKind::Cash, -sale.sold.change.get());
        }
        if tip_later != 0 {
            put(TenderKind::CardExternal { reference: None }, tip_later);
        }
        for (kind, sum) in &mut paid {
            add(sum, -self.tenders.get(kind.as_str()).copied().unwrap_or(0));
        }
        paid
    }
}

/// So much of an amount as `part` is of `whole`, rounded; halves go up. All of it if there is nothing to share by.
fn share(amount: Minor, part: i64, whole: i64) -> Minor {
    if part >= whole {
        return amount;
    }
    let (amount, part, whole) = (i128::from(amount.get()), i128::from(part), i128::from(whole));
    let shared = (2 * amount * part + whole).div_euclid(2 * whole);
    Minor::new(i64::try_from(shared).unwrap_or_default())
}

/// What so many pieces of each line are worth together.
struct Worth {
    lines: Vec<Minor>,
    service_charge: Minor,
    taxes: Vec<TaxLine>,
    total: Minor,
    is_all: bool,
}

fn worth(sold: &TicketSold, pieces: &[u32]) -> Result<Worth, MoneyOverflow> {
    let of_line = |(line, back): (&SoldLine, &u32)| share(line.total, (*back).into(), line.quantity.into());
    let lines: Vec<Minor> = sold.lines.iter().zip(pieces).map(of_line).collect();
    let is_all = sold.lines.iter().zip(pieces).all(|(line, back)| *back >= line.quantity);
    let (back, whole) = (Minor::sum(lines.iter().copied())?, Minor::sum(sold.lines.iter().map(|line| line.total))?);
    // Of nothing, nothing is given back before all is.
    let part = |part: Minor, whole: Minor| if is_all || whole > Minor::ZERO { part.get() } else { -1 };
    let of_whole = |amount: Minor, back: Minor, whole: Minor| match part(back, whole) {
        ..0 => Minor::ZERO,
        part => share(amount, part, whole.get()),
    };
    let charge = sold.details.service_charge;
    let service_charge = charge.map_or(Minor::ZERO, |charge| of_whole(charge.amount, back, whole));
    let mut taxes = Vec::with_capacity(sold.taxes.len());
    for line in &sold.taxes {
        let of_class = |amount: fn(&SoldLine, Minor) -> Minor, charged: Minor| {
            let of_lines = sold.lines.iter().zip(&lines).filter(|(sold, _)| sold.tax_class == line.tax_class);
            let charged = charge.filter(|charge| charge.tax_class == Some(line.tax_class)).map(|_| charged);
            Minor::sum(of_lines.map(|(sold, back)| amount(sold, *back)).chain(charged))
        };
        let back = of_class(|_sold, back| back, service_charge)?;
        let whole = of_class(|sold, _back| sold.total, charge.map_or(Minor::ZERO, |charge| charge.amount))?;
        let tax = of_whole(line.tax, back, whole);
        taxes.push(TaxLine { base: of_whole(line.base, back, whole), tax, ..*line });
    }
    let tax = Minor::sum(taxes.iter().map(|line| line.tax))?;
    let total = back.plus(service_charge)?.plus(tax)?;
    Ok(Worth { lines, service_charge, taxes, total, is_all })
}

/// What went back in all once so much is back, without the tip: what coins can pay, where coins were rounded at the sale.
fn paid_back(sold: &TicketSold, worth: &Worth, cash_step: u32) -> Result<Minor, MoneyOverflow> {
    if worth.is_all {
        return worth.total.plus(sold.details.cash_rounding);
    }
    let all = sold.totals.total.plus(sold.details.cash_rounding)?;
    let back = if sold.cash() > Minor::ZERO { rounded(worth.total, cash_step)? } else { worth.total };
    Ok(back.min(all))
}

/// A refund that has been decided but has no number yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecidedRefund {
    ticket: TicketId,
    class: TicketClass,
    currency: Currency,
    reason: RefundReason,
    lines: Vec<RefundedLine>,
    service_charge: Minor,
    taxes: Vec<TaxLine>,
    totals: Totals,
    tip: Minor,
    cash_rounding: Minor,
    tenders: Vec<Tender>,
    stock_effects: Vec<MovementLine>,
}

impl DecidedRefund {
    /// The fact, once id and receipt number are known.
    #[must_use]
    pub fn numbered(self, id: RefundId, receipt: ReceiptNumber) -> TicketRefunded {
        TicketRefunded {
            id,
            ticket: self.ticket,
            class: self.class,
            receipt,
            currency: self.currency,
            reason: self.reason,
            lines: self.lines,
            service_charge: self.service_charge,
            taxes: self.taxes,
            totals: self.totals,
            tip: self.tip,
            cash_rounding: self.cash_rounding,
            tenders: self.tenders,
            stock_effects: self.stock_effects,
            by: None,
            approval: None,
            drawer: None,
        }
    }
}

/// What is asked back of each line that something is asked of.
fn asked(sold: &TicketSold, before: &Before, what: &Asked) -> Result<BTreeMap<u32, AskedLine>, RefundRejection> {
    let mut by_line = BTreeMap::new();
    match what {
        Asked::Whole { restock } => {
            for (line, sold) in (0_u32..).zip(&sold.lines) {
                let quantity = before.left(line, sold);
                if quantity > 0 {
                    by_line.insert(line, AskedLine { line, quantity, restock: *restock });
                }
            }
            if by_line.is_empty() {
                return Err(RefundRejection::NothingLeft);
            }
        }
        Asked::Lines(lines) => {
            if lines.is_empty() {
                return Err(RefundRejection::Empty);
            }
            for (at, asked) in lines.iter().enumerate() {
                let unknown = RefundRejection::Line { at, line: asked.line };
                let position = usize::try_from(asked.line).unwrap_or(usize::MAX);
                let Some(sold) = sold.lines.get(position) else { return Err(unknown) };
                let left = before.left(asked.line, sold);
                if asked.quantity == 0 || asked.quantity > left {
                    return Err(RefundRejection::TooMany { at, quantity: asked.quantity, left });
                }
                if by_line.insert(asked.line, *asked).is_some() {
                    return Err(unknown);
                }
            }
        }
    }
    Ok(by_line)
}

/// Decides a refund. What the sale took from the stock room is the most that can go back there.
///
/// # Errors
/// [`RefundRejection`] says why nothing is given back.
pub fn refund(
    catalog: &Catalog,
    sale: &Sale<'_>,
    before: &Before,
    (ask, today): (&RefundTicket, BusinessDay),
) -> Result<DecidedRefund, RefundRejection> {
    let sold = sale.sold;
    let by_line = asked(sold, before, &ask.what)?;
    let is_whole = matches!(ask.what, Asked::Whole { .. });
    if ask.reason == RefundReason::Void && !(is_whole && *before == Before::default() && today == sale.day) {
        return Err(RefundRejection::Void);
    }
    let back = |line: u32, sold: &SoldLine| {
        let now = by_line.get(&line).map_or(0, |asked| asked.quantity);
        before.quantity(line).min(sold.quantity).saturating_add(now)
    };
    let pieces: Vec<u32> = (0..).zip(&sold.lines).map(|(line, sold)| back(line, sold)).collect();
    let worth = worth(sold, &pieces)?;
    // What was given back too much cannot be taken back.
    let rest = |worth: Minor, before: i64| Minor::new(worth.get().saturating_sub(before).max(0));
    let mut lines = Vec::with_capacity(by_line.len());
    for ((line, of_line), total) in (0_u32..).zip(&sold.lines).zip(&worth.lines) {
        let Some(asked) = by_line.get(&line) else { continue };
        let net = rest(*total, before.lines.get(&line).map_or(0, |(_, net)| *net));
        let SoldLine { item, category, tax_class, .. } = *of_line;
        let AskedLine { quantity, restock, .. } = *asked;
        lines.push(RefundedLine { line, item, category, tax_class, quantity, net, restock });
    }
    let service_charge = rest(worth.service_charge, before.service_charge);
    let of_class = |line: &TaxLine| {
        let (base, tax) = before.taxes.get(&line.tax_class).copied().unwrap_or_default();
        TaxLine { base: rest(line.base, base), tax: rest(line.tax, tax), ..*line }
    };
    let taxes = worth.taxes.iter().map(of_class);
    let taxes: Vec<TaxLine> = taxes.filter(|line| line.base != Minor::ZERO || line.tax != Minor::ZERO).collect();
    let net = Minor::sum(lines.iter().map(|line| line.net))?.plus(service_charge)?;
    let tax = Minor::sum(taxes.iter().map(|line| line.tax))?;
    let total = net.plus(tax)?;
    let tip = if is_whole { rest(sale.tip, before.tip) } else { Minor::ZERO };
    let paid = rest(paid_back(sold, &worth, catalog.content.rules.cash_step())?, before.paid_back);
    let tenders = tenders(sale, before, &ask.tenders, paid.plus(tip)?)?;
    Ok(DecidedRefund {
        ticket: sold.id,
        class: sold.class,
        currency: sold.currency,
        reason: ask.reason,
        stock_effects: restocked(catalog, sold, before, &lines)?,
        lines,
        service_charge,
        taxes,
        totals: Totals { net, tax, total },
        tip,
        cash_rounding: paid.minus(total)?,
        tenders,
    })
}

/// The tenders that were asked for, if they may be; without any, those that it was paid by.
fn tenders(
    sale: &Sale<'_>,
    before: &Before,
    asked: &[Tender],
    due: Minor,
) -> Result<Vec<Tender>, RefundRejection> {
    let left = before.tenders_left(sale);
    if asked.is_empty() {
        let mut rest = due.get();
        let mut take = |(kind, left): (TenderKind, i64)| {
            let amount = rest.min(left).max(0);
            rest -= amount;
            (amount > 0).then_some(Tender { kind, amount: Minor::new(amount) })
        };
        return Ok(left.into_iter().filter_map(&mut take).collect());
    }
    if asked.len() > TENDERS_MAX || asked.iter().any(|tender| tender.amount <= Minor::ZERO) {
        return Err(RefundRejection::Tenders);
    }
    let mut by_kind: BTreeMap<&'static str, i64> = BTreeMap::new();
    for (at, tender) in asked.iter().enumerate() {
        if let TenderKind::CardExternal { reference: Some(reference) } = &tender.kind {
            check_reference(at, reference).map_err(|_unfit| RefundRejection::Reference { tender: at })?;
        }
        add(by_kind.entry(tender.kind.as_str()).or_default(), tender.amount.get());
    }
    let tendered = by_kind.values().fold(0_i64, |sum, amount| sum.saturating_add(*amount));
    if tendered != due.get() {
        return Err(RefundRejection::TenderSum { due: due.get(), tendered });
    }
    for (kind, tendered) in by_kind {
        let left = left.iter().find(|(known, _)| known.as_str() == kind).map_or(0, |(_, left)| *left);
        if tendered > left {
            return Err(RefundRejection::TenderKind { kind, tendered, left });
        }
    }
    Ok(asked.to_vec())
}

/// What goes back to the stock room: what the pieces are made of by the menu of now, and never more than the sale took.
fn restocked(
    catalog: &Catalog,
    sold: &TicketSold,
    before: &Before,
    lines: &[RefundedLine],
) -> Result<Vec<MovementLine>, MoneyOverflow> {
    let mut back: BTreeMap<StockItemId, i64> = BTreeMap::new();
    for line in lines.iter().filter(|line| line.restock) {
        let position = usize::try_from(line.line).unwrap_or(usize::MAX);
        let Some(of_line) = sold.lines.get(position) else { continue };
        uses(catalog, of_line, |stock_item, quantity| {
            add(back.entry(stock_item).or_default(), quantity.saturating_mul(line.quantity.into()));
            Ok(())
        })?;
    }
    let taken = |stock_item| {
        let effects = sold.stock_effects.iter().filter(|effect| effect.stock_item == stock_item);
        effects.fold(0_i64, |sum, effect| sum.saturating_sub(effect.quantity.get()))
    };
    let line = |(stock_item, quantity): (StockItemId, i64)| {
        let left = taken(stock_item).saturating_sub(before.stock.get(&stock_item).copied().unwrap_or(0));
        let quantity = quantity.min(left);
        (quantity > 0).then_some(MovementLine { stock_item, quantity: Quantity::new(quantity) })
    };
    Ok(back.into_iter().filter_map(line).collect())
}

#[cfg(test)]
mod tests;
