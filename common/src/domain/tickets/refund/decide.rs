//! What goes back, and by which means.

use std::collections::BTreeMap;

use super::before::{Before, ByMeans, add};
use super::{Asked, AskedLine, RefundReason, RefundRejection, RefundTicket, RefundedLine, Sale, TicketRefunded};
use crate::domain::catalog::Catalog;
use crate::domain::pricing::uses;
use crate::domain::stock::MovementLine;
use crate::domain::tickets::decide::{TENDERS_MAX, check_reference, rounded};
use crate::domain::tickets::receipt::ReceiptNumber;
use crate::domain::tickets::tender::{Tender, TenderKind};
use crate::domain::tickets::{SoldLine, TaxLine, TicketClass, TicketSold, Totals};
use crate::ids::{RefundId, StaffId, StockItemId, TicketId};
use crate::money::{Currency, Minor, MoneyOverflow};
use crate::quantity::Quantity;
use crate::time::BusinessDay;

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
fn paid_back(sale: &Sale<'_>, worth: &Worth, cash_step: u32) -> Result<Minor, MoneyOverflow> {
    if worth.is_all {
        return worth.total.plus(sale.cash_rounding());
    }
    let all = sale.sold.totals.total.plus(sale.cash_rounding())?;
    let back = if sale.cash() > Minor::ZERO { rounded(worth.total, cash_step)? } else { worth.total };
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
    pub(super) totals: Totals,
    pub(super) tip: Minor,
    cash_rounding: Minor,
    pub(super) tenders: Vec<Tender>,
    stock_effects: Vec<MovementLine>,
    seller: Option<StaffId>,
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
            seller: self.seller,
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
    // Coins may have paid less than the tip: then a tip goes back less what was rounded, and never less than nothing.
    let owed = paid_back(sale, &worth, catalog.content.rules.cash_step())?.get().saturating_sub(before.paid_back);
    let paid = Minor::new(owed.max(tip.get().saturating_neg()));
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
        seller: sold.sold_by,
    })
}

/// The tenders that were asked for, if they may be; without any, those that it was paid by.
fn tenders(sale: &Sale<'_>, before: &Before, asked: &[Tender], due: Minor) -> Result<Vec<Tender>, RefundRejection> {
    let left = before.left_by_means(sale);
    if asked.is_empty() {
        let mut rest = due.get();
        let mut take = |(kind, left): (TenderKind, i64)| {
            let amount = rest.min(left).max(0);
            rest -= amount;
            (amount > 0).then_some(Tender { kind, amount: Minor::new(amount) })
        };
        let tenders = left.into_rows().into_iter().filter_map(&mut take).collect();
        let tendered = due.get().saturating_sub(rest);
        return if rest == 0 { Ok(tenders) } else { Err(RefundRejection::TenderSum { due: due.get(), tendered }) };
    }
    if asked.len() > TENDERS_MAX || asked.iter().any(|tender| tender.amount <= Minor::ZERO) {
        return Err(RefundRejection::Tenders);
    }
    let mut by_means = ByMeans::default();
    let mut tenders = Vec::with_capacity(asked.len());
    for (at, tender) in asked.iter().enumerate() {
        if let TenderKind::CardExternal { reference: Some(reference), last_four: _ } = &tender.kind {
            check_reference(at, reference).map_err(|_unfit| RefundRejection::Reference { tender: at })?;
        }
        if tender.kind.payment().is_some() && by_means.as_paid(&tender.kind).is_some() {
            return Err(RefundRejection::Tenders);
        }
        by_means.add(&tender.kind, tender.amount.get());
        tenders.push(match &tender.kind {
            // What is known of the payment was said of the sale.
            TenderKind::Card { .. } => {
                Tender { kind: left.as_paid(&tender.kind).unwrap_or(&tender.kind).clone(), amount: tender.amount }
            }
            TenderKind::Cash | TenderKind::CardExternal { .. } | TenderKind::House { .. } => tender.clone(),
        });
    }
    let by_means = by_means.into_rows();
    let tendered = by_means.iter().fold(0_i64, |sum, (_, amount)| sum.saturating_add(*amount));
    if tendered != due.get() {
        return Err(RefundRejection::TenderSum { due: due.get(), tendered });
    }
    for (kind, tendered) in by_means {
        let left = left.of(&kind);
        if tendered > left {
            return Err(RefundRejection::TenderKind { kind: kind.as_str(), tendered, left });
        }
    }
    Ok(tenders)
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
