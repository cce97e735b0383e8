//! Receipts: of a sale, and of money that was given back. What the menu called things when they were sold stands on them.

use super::{Block, Document};
use crate::domain::catalog::Catalog;
use crate::domain::catalog::rules::Consumption;
use crate::domain::tenders::card::LastFour;
use crate::domain::tickets::refund::{RefundReason, TicketRefunded};
use crate::domain::tickets::tender::{Tender, TenderKind};
use crate::domain::tickets::{GivenDiscount, ReductionCause, SoldLine, TaxLine, TicketClass, TicketSold};
use crate::ids::StaffId;
use crate::money::{Currency, Minor};
use crate::time::BusinessDay;

/// The shop as its paper names it.
#[derive(Debug, Clone, Copy)]
pub struct Letterhead<'s> {
    /// Its name.
    pub name: &'s str,
    /// Where it is, or whatever else stands below its name.
    pub address: Option<&'s str>,
}

/// When something happened, as the shop's wall shows it.
#[derive(Debug, Clone, Copy)]
pub struct When<'w> {
    /// Date and time in the shop's zone.
    pub local: &'w str,
    /// The business day.
    pub day: BusinessDay,
}

/// Blocks, and the currency of their amounts.
struct Draft {
    blocks: Vec<Block>,
    currency: Currency,
}

impl Draft {
    fn pair(&mut self, left: impl Into<String>, right: impl Into<String>) {
        self.blocks.push(Block::Pair(left.into(), right.into()));
    }

    fn money(&mut self, left: impl Into<String>, amount: Minor) {
        let amount = amount.to_decimal(self.currency);
        self.pair(left, amount);
    }

    /// As [`Draft::money`], unless it is nothing.
    fn some_money(&mut self, left: &str, amount: Minor) {
        if amount != Minor::ZERO {
            self.money(left, amount);
        }
    }

    fn strong(&mut self, left: impl Into<String>, amount: Minor) {
        self.blocks.push(Block::Strong(left.into(), amount.to_decimal(self.currency)));
    }

    fn head(&mut self, shop: Letterhead<'_>, class: TicketClass) {
        self.blocks.push(Block::Large(shop.name.to_owned()));
        self.blocks.extend(shop.address.map(|address| Block::Centred(address.to_owned())));
        self.blocks.push(Block::Blank);
        self.practice(class);
    }

    fn practice(&mut self, class: TicketClass) {
        if class == TicketClass::Training {
            self.blocks.push(Block::Large("PRACTICE".to_owned()));
            self.blocks.push(Block::Centred("Nothing was bought, and nothing was paid".to_owned()));
        }
    }

    fn moment(&mut self, when: When<'_>, by: Option<StaffId>) {
        self.pair("Time", when.local);
        self.pair("Business day", when.day.to_string());
        if let Some(by) = by {
            self.pair("Served by", by.to_string());
        }
    }

    fn taxes(&mut self, taxes: &[TaxLine]) {
        for line in taxes {
            let base = line.base.to_decimal(self.currency);
            self.money(format!("Tax {}% on {base}", line.rate.to_percent()), line.tax);
        }
    }

    fn tenders(&mut self, catalog: &Catalog, tenders: &[Tender]) {
        for tender in tenders {
            let (name, reference) = named(catalog, &tender.kind);
            self.money(name, tender.amount);
            if let Some(reference) = reference {
                self.pair(format!("  {reference}"), "");
            }
        }
    }

    /// The code by which the ticket is found, and the end.
    fn foot(mut self, code: [u8; 16], class: TicketClass) -> Document {
        self.blocks.push(Block::Blank);
        self.blocks.push(Block::Centred(code.iter().map(|byte| format!("{byte:02x}")).collect()));
        self.practice(class);
        Document(self.blocks)
    }
}

/// What a means of payment is called, and its reference.
fn named<'k>(catalog: &Catalog, kind: &'k TenderKind) -> (String, Option<&'k str>) {
    let card = |last_four: &Option<LastFour>| match last_four {
        Some(digits) => format!("Card ending in {digits}"),
        None => "Card".to_owned(),
    };
    match kind {
        TenderKind::Cash => ("Cash".to_owned(), None),
        TenderKind::CardExternal { reference, last_four } => (card(last_four), reference.as_deref()),
        TenderKind::Card { reference, last_four, .. } => (card(last_four), reference.as_deref()),
        TenderKind::House { account } => {
            let known = catalog.content.rules.house_account(*account);
            let name = known.map_or_else(|| account.to_string(), |known| known.name.clone());
            (format!("On account: {name}"), None)
        }
    }
}

fn item_name(catalog: &Catalog, line: &SoldLine) -> String {
    catalog.content.items.get(&line.item).map_or_else(|| format!("item {}", line.item), |item| item.name.clone())
}

/// What a discount is called: by the menu, or by whoever gave it.
fn discount_name(catalog: &Catalog, given: &GivenDiscount) -> String {
    let known = given.discount.and_then(|id| catalog.content.rules.discount(id)).map(|known| known.name.clone());
    known.or_else(|| given.reason.clone()).unwrap_or_else(|| "Discount".to_owned())
}

/// A line, what is in it, and what was taken off it alone. A discount on the whole is told below.
fn sold_line(draft: &mut Draft, catalog: &Catalog, sold: &TicketSold, line: &SoldLine) {
    let gross = line.unit_price.get().saturating_mul(i64::from(line.quantity));
    let name = item_name(catalog, line);
    let left = match line.quantity {
        1 => name,
        more => format!("{more} x {name} at {}", line.unit_price.to_decimal(draft.currency)),
    };
    draft.money(left, Minor::new(gross));
    for extra in &line.extras {
        let known = catalog.content.rules.modifier(extra.modifier);
        let name = known.map_or_else(|| format!("extra {}", extra.modifier), |known| known.name.clone());
        let many = if extra.count == 1 { String::new() } else { format!("{} x ", extra.count) };
        draft.pair(format!("  + {many}{name}"), "");
    }
    for reduction in &line.reductions {
        let name = match reduction.cause {
            ReductionCause::Combo(id) => {
                catalog.content.rules.combo(id).map_or_else(|| "Set".to_owned(), |combo| combo.name.clone())
            }
            ReductionCause::HappyHour(id) => {
                let known = catalog.content.rules.happy_hour(id);
                known.map_or_else(|| "Happy hour".to_owned(), |known| known.name.clone())
            }
            ReductionCause::Given(at) => match given(sold, at) {
                Some(discount) if discount.line.is_none() => continue,
                Some(discount) => discount_name(catalog, discount),
                None => "Discount".to_owned(),
            },
        };
        draft.money(format!("  {name}"), Minor::new(reduction.amount.get().saturating_neg()));
    }
}

fn given(sold: &TicketSold, at: u32) -> Option<&GivenDiscount> {
    sold.details.discounts.get(usize::try_from(at).ok()?)
}

/// The receipt of a sale.
#[must_use]
pub fn sale(shop: Letterhead<'_>, sold: &TicketSold, when: When<'_>, catalog: &Catalog) -> Document {
    let mut draft = Draft { blocks: Vec::new(), currency: sold.currency };
    let details = &sold.details;
    draft.head(shop, sold.class);
    draft.pair("Receipt", sold.receipt.to_string());
    draft.moment(when, sold.sold_by);
    let place = match details.consumption {
        Consumption::DineIn => "For here",
        Consumption::TakeAway => "To take away",
    };
    draft.pair(place, "");
    draft.blocks.push(Block::Rule);
    for line in &sold.lines {
        sold_line(&mut draft, catalog, sold, line);
    }
    for discount in details.discounts.iter().filter(|discount| discount.line.is_none()) {
        draft.money(discount_name(catalog, discount), Minor::new(discount.amount.get().saturating_neg()));
    }
    draft.some_money("Service", details.service_charge.map_or(Minor::ZERO, |charge| charge.amount));
    draft.blocks.push(Block::Rule);
    draft.money("Before tax", sold.totals.net);
    draft.taxes(&sold.taxes);
    if let Some(reason) = &details.exempt {
        draft.pair(format!("No tax: {reason}"), "");
    }
    draft.strong(format!("TOTAL {}", sold.currency), sold.totals.total);
    draft.some_money("Tip", details.tip);
    draft.some_money("Rounding", details.cash_rounding);
    let before = details.payments_before.iter().map(|payment| payment.amount.get());
    draft.some_money("Paid before", Minor::new(before.fold(0, i64::saturating_add)));
    draft.tenders(catalog, &sold.tenders);
    draft.some_money("Change", sold.change);
    draft.foot(sold.id.to_bytes(), sold.class)
}

/// The receipt of money that was given back.
#[must_use]
pub fn refund(
    shop: Letterhead<'_>,
    (refund, sold): (&TicketRefunded, &TicketSold),
    when: When<'_>,
    catalog: &Catalog,
) -> Document {
    let mut draft = Draft { blocks: Vec::new(), currency: refund.currency };
    draft.head(shop, refund.class);
    draft.blocks.push(Block::Large("REFUND".to_owned()));
    draft.pair("Receipt", refund.receipt.to_string());
    draft.pair("Of receipt", sold.receipt.to_string());
    draft.moment(when, refund.by);
    draft.pair("Reason", why(refund.reason));
    draft.blocks.push(Block::Rule);
    for back in &refund.lines {
        let line = usize::try_from(back.line).ok().and_then(|at| sold.lines.get(at));
        let name = line.map_or_else(|| format!("item {}", back.item), |line| item_name(catalog, line));
        draft.money(format!("{} x {name}", back.quantity), back.net);
    }
    draft.some_money("Service", refund.service_charge);
    draft.blocks.push(Block::Rule);
    draft.money("Before tax", refund.totals.net);
    draft.taxes(&refund.taxes);
    draft.strong(format!("GIVEN BACK {}", refund.currency), refund.totals.total);
    draft.some_money("Tip", refund.tip);
    draft.some_money("Rounding", refund.cash_rounding);
    draft.tenders(catalog, &refund.tenders);
    draft.foot(refund.id.to_bytes(), refund.class)
}

const fn why(reason: RefundReason) -> &'static str {
    match reason {
        RefundReason::Void => "Sold by mistake",
        RefundReason::Quality => "Not good",
        RefundReason::Wrong => "Not what was wanted",
        RefundReason::NotServed => "Not served",
        RefundReason::Other => "Other",
    }
}

#[cfg(test)]
mod tests;
