//! A ticket as the API shows it. Amounts are minor units of its currency.

use percolate_common::domain::catalog::Catalog;
use percolate_common::domain::tickets::{
    ApprovedAct, GivenDiscount, ReductionCause, SoldExtra, SoldLine, TaxLine, TicketClass, TicketDetails, TicketSold,
};
use percolate_common::money::Minor;
use percolate_common::time::BusinessDay;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A ticket as the API shows it. Amounts are minor units of its currency.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub(crate) struct TicketAnswer {
    /// Its id.
    pub(crate) ticket_id: String,
    /// Its receipt number; none if it was brought in from another system.
    pub(crate) receipt: Option<String>,
    /// Its business day, YYYY-MM-DD.
    pub(crate) business_day: String,
    /// When it was paid, UTC milliseconds.
    pub(crate) at_ms: i64,
    /// Whether it is practice.
    pub(crate) training: bool,
    /// What amounts are in.
    pub(crate) currency: String,
    /// Where it is eaten: `dine_in` or `take_away`; unknown for an imported ticket.
    pub(crate) consumption: Option<String>,
    /// What was sold.
    pub(crate) lines: Vec<LineAnswer>,
    /// Discounts that somebody gave.
    pub(crate) discounts: Vec<DiscountAnswer>,
    /// The charge for service, before tax.
    pub(crate) service_charge_minor: i64,
    /// Lines and the charge for service, before tax.
    pub(crate) net_minor: i64,
    /// Tax; unknown for an imported ticket.
    pub(crate) tax_minor: Option<i64>,
    /// Tax by class.
    pub(crate) taxes: Vec<TicketTaxAnswer>,
    /// Why no tax was charged, if none was.
    pub(crate) exempt_reason: Option<String>,
    /// What of it somebody had to approve.
    pub(crate) approvals: Vec<ApprovedAnswer>,
    /// With tax, without tip and rounding.
    pub(crate) total_minor: i64,
    /// What of the tenders is for those who work there.
    pub(crate) tip_minor: i64,
    /// What the part in cash was rounded by.
    pub(crate) cash_rounding_minor: i64,
    /// What was paid of it before its end, without tips; absent if nothing was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) paid_before_minor: Option<i64>,
    /// What was handed over; unknown for an imported ticket.
    pub(crate) tendered_minor: Option<i64>,
    /// Cash handed back.
    pub(crate) change_minor: i64,
    /// Its place in the sales journal.
    pub(crate) seq: u64,
    /// The menu that it was priced by.
    pub(crate) catalog_revision: Option<u32>,
    /// The number of whoever sold it, if they had signed in.
    pub(crate) sold_by: Option<u32>,
}

/// A line as the API shows it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub(crate) struct LineAnswer {
    /// Item number; none if it was brought in from another system.
    pub(crate) item: Option<u32>,
    /// What people read.
    pub(crate) name: String,
    /// How many.
    pub(crate) quantity: u32,
    /// Price of one with its extras, before tax.
    pub(crate) unit_price_minor: i64,
    /// The menu's price of one without extras, if somebody changed it.
    pub(crate) menu_price_minor: Option<i64>,
    /// Extras on each piece.
    pub(crate) extras: Vec<ExtraAnswer>,
    /// What was taken off, in this order.
    pub(crate) reductions: Vec<ReductionAnswer>,
    /// What the line came to, before tax.
    pub(crate) total_minor: i64,
}

/// An extra as it was sold.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub(crate) struct ExtraAnswer {
    /// Modifier number.
    pub(crate) modifier: u32,
    /// What people read.
    pub(crate) name: String,
    /// How many on each piece.
    pub(crate) count: u32,
    /// What one added to the price of a piece.
    pub(crate) price_minor: i64,
}

/// What was taken off a line.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub(crate) struct ReductionAnswer {
    /// `combo`, `happy_hour` or `discount`.
    pub(crate) kind: String,
    /// The combo's or the happy hour's number, or the position among the ticket's discounts.
    pub(crate) number: u32,
    /// How much.
    pub(crate) amount_minor: i64,
}

/// A discount that somebody gave.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub(crate) struct DiscountAnswer {
    /// Discount number; none if it was their own.
    pub(crate) id: Option<u32>,
    /// Position of the line; none is the whole ticket.
    pub(crate) line: Option<u32>,
    /// Why.
    pub(crate) reason: Option<String>,
    /// How much.
    pub(crate) amount_minor: i64,
}

/// Something that somebody approved.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub(crate) struct ApprovedAnswer {
    /// What, by its word.
    pub(crate) act: String,
    /// The number of whoever approved it.
    pub(crate) by: u32,
    /// Why.
    pub(crate) reason: String,
}

impl From<&ApprovedAct> for ApprovedAnswer {
    fn from(one: &ApprovedAct) -> Self {
        let ApprovedAct { act, approval } = one;
        Self { act: act.as_str().to_owned(), by: approval.by.get(), reason: approval.reason.clone() }
    }
}

/// Tax of one class.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub(crate) struct TicketTaxAnswer {
    /// Tax class number.
    pub(crate) tax_class: u32,
    /// The rate in millionths.
    pub(crate) rate_micro: u32,
    /// What it was charged on.
    pub(crate) base_minor: i64,
    /// What it came to.
    pub(crate) tax_minor: i64,
}

impl From<&TaxLine> for TicketTaxAnswer {
    fn from(line: &TaxLine) -> Self {
        Self {
            tax_class: line.tax_class.get(),
            rate_micro: line.rate.get(),
            base_minor: line.base.get(),
            tax_minor: line.tax.get(),
        }
    }
}

impl From<&GivenDiscount> for DiscountAnswer {
    fn from(given: &GivenDiscount) -> Self {
        Self {
            id: given.discount.map(percolate_common::ids::DiscountId::get),
            line: given.line,
            reason: given.reason.clone(),
            amount_minor: given.amount.get(),
        }
    }
}

impl LineAnswer {
    /// A line as it was priced; names come from the menu.
    pub(crate) fn new(line: &SoldLine, catalog: Option<&Catalog>) -> Self {
        let name = catalog.and_then(|catalog| catalog.content.items.get(&line.item)).map(|item| item.name.clone());
        let extra = |extra: &SoldExtra| {
            let known = catalog.and_then(|catalog| catalog.content.rules.modifier(extra.modifier));
            ExtraAnswer {
                modifier: extra.modifier.get(),
                name: known.map_or_else(|| format!("modifier {}", extra.modifier), |known| known.name.clone()),
                count: extra.count,
                price_minor: extra.price.get(),
            }
        };
        let reduction = |reduction: &percolate_common::domain::tickets::LineReduction| {
            let (kind, number) = match reduction.cause {
                ReductionCause::Combo(id) => ("combo", id.get()),
                ReductionCause::HappyHour(id) => ("happy_hour", id.get()),
                ReductionCause::Given(at) => ("discount", at),
            };
            ReductionAnswer { kind: kind.to_owned(), number, amount_minor: reduction.amount.get() }
        };
        Self {
            item: Some(line.item.get()),
            name: name.unwrap_or_else(|| format!("item {}", line.item)),
            quantity: line.quantity,
            unit_price_minor: line.unit_price.get(),
            menu_price_minor: line.menu_price.map(Minor::get),
            extras: line.extras.iter().map(extra).collect(),
            reductions: line.reductions.iter().map(reduction).collect(),
            total_minor: line.total.get(),
        }
    }

    /// A line of a ticket that was brought in from another system.
    pub(crate) fn imported(name: String, quantity: u32, unit_price: Minor, total: Minor) -> Self {
        Self {
            item: None,
            name,
            quantity,
            unit_price_minor: unit_price.get(),
            menu_price_minor: None,
            extras: Vec::new(),
            reductions: Vec::new(),
            total_minor: total.get(),
        }
    }
}

impl TicketAnswer {
    /// Takes what was handed over and handed back from the sale as it counts.
    pub(crate) fn count_as(&mut self, sold: &TicketSold) {
        self.tendered_minor = Some(tendered(sold));
        self.change_minor = sold.change.get();
        self.cash_rounding_minor = sold.details.cash_rounding.get();
    }
}

fn tendered(sold: &TicketSold) -> i64 {
    sold.tenders.iter().map(|tender| tender.amount.get()).sum()
}

/// A sold ticket as the API shows it; names come from the menu that is sold now.
pub(crate) fn describe(
    sold: &TicketSold,
    day: BusinessDay,
    at_ms: i64,
    seq: u64,
    catalog: Option<&Catalog>,
) -> TicketAnswer {
    let details: &TicketDetails = &sold.details;
    let before = !details.payments_before.is_empty();
    let paid_before = details.payments_before.iter().map(|payment| payment.amount.get());
    TicketAnswer {
        ticket_id: sold.id.to_string(),
        receipt: Some(sold.receipt.to_string()),
        business_day: day.to_string(),
        at_ms,
        training: sold.class == TicketClass::Training,
        currency: sold.currency.to_string(),
        consumption: Some(details.consumption.as_str().to_owned()),
        lines: sold.lines.iter().map(|line| LineAnswer::new(line, catalog)).collect(),
        discounts: details.discounts.iter().map(DiscountAnswer::from).collect(),
        service_charge_minor: details.service_charge.map_or(0, |charge| charge.amount.get()),
        net_minor: sold.totals.net.get(),
        tax_minor: Some(sold.totals.tax.get()),
        taxes: sold.taxes.iter().map(TicketTaxAnswer::from).collect(),
        exempt_reason: details.exempt.clone(),
        approvals: details.approvals.iter().map(ApprovedAnswer::from).collect(),
        total_minor: sold.totals.total.get(),
        tip_minor: details.tip.get(),
        cash_rounding_minor: details.cash_rounding.get(),
        paid_before_minor: before.then(|| paid_before.sum()),
        tendered_minor: Some(tendered(sold)),
        change_minor: sold.change.get(),
        seq,
        catalog_revision: Some(sold.catalog_revision),
        sold_by: sold.sold_by.map(percolate_common::ids::StaffId::get),
    }
}
