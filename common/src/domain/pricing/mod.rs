//! What a guest pays: one place for the till, the web and the hub. The order of things is in docs/design/counter.md.

pub mod against_menu;
pub mod cart;
pub(in crate::domain) mod combos;
mod extras;
pub mod recompute;
mod reduce;
pub mod reject;
pub mod share;
mod tax;

use std::collections::BTreeMap;

use crate::domain::catalog::hours::Channel;
use crate::domain::catalog::look_up::Moment;
use crate::domain::catalog::rules::{Consumption, DiscountScope, TaxBasis};
use crate::domain::catalog::{Catalog, Item, PRICE_MINOR_MAX};
use crate::domain::stock::MovementLine;
use crate::domain::tickets::{GivenDiscount, ServiceCharged, SoldExtra, SoldLine, TaxLine, Totals};
use crate::ids::StockItemId;
use crate::money::{Minor, MoneyOverflow};
use crate::quantity::Quantity;

use cart::{Cart, CartLine};
pub(in crate::domain) use extras::uses;
pub use reject::PricingRejection;

/// Lines of one ticket.
pub const TICKET_LINES_MAX: usize = 200;
/// Units on one line.
pub const LINE_QUANTITY_MAX: u32 = 999;
/// Different extras on one line.
pub const EXTRAS_MAX: usize = 32;
/// Discounts on one line, and on the whole ticket.
pub const DISCOUNTS_MAX: usize = 4;
/// Longest reason of a discount or an exemption, in bytes.
pub const REASON_BYTES_MAX: usize = 80;

/// A priced cart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Priced {
    /// The lines, prices frozen.
    pub lines: Vec<SoldLine>,
    /// Where it is eaten.
    pub consumption: Consumption,
    /// Discounts that somebody asked for.
    pub discounts: Vec<GivenDiscount>,
    /// The charge for service.
    pub service_charge: Option<ServiceCharged>,
    /// How tax was rounded.
    pub tax_basis: TaxBasis,
    /// Why no tax was charged, if none was.
    pub exempt: Option<String>,
    /// Tax by class, in the order of the classes.
    pub taxes: Vec<TaxLine>,
    /// The sums.
    pub totals: Totals,
    /// What leaves the stock room, by item, negative.
    pub stock_effects: Vec<MovementLine>,
}

/// Prices a cart by a catalog, there and then.
///
/// # Errors
/// [`PricingRejection`] for the first thing that cannot be priced.
pub fn price(catalog: &Catalog, cart: &Cart, moment: &Moment) -> Result<Priced, PricingRejection> {
    let lines = cart.lines.iter().enumerate().map(|line| list(catalog, line, moment)).collect::<Result<_, _>>()?;
    total(catalog, cart, lines, moment)
}

/// A line of a cart, with its place there, at the price that it has there and then. That price stays with it however long
/// the ticket is open; what is taken off by the hour is, too.
///
/// # Errors
/// [`PricingRejection`] if it is not sold there and then, or not so.
pub fn list(catalog: &Catalog, line: (usize, &CartLine), moment: &Moment) -> Result<SoldLine, PricingRejection> {
    let item = offered(catalog, line, moment)?;
    let extras = extras::chosen(catalog, line, item)?;
    let mut listed = listed(catalog, line, (item, &extras), moment)?;
    if line.1.combo.is_none() {
        reduce::happy_hour(catalog, moment, &mut listed)?;
    }
    Ok(listed)
}

/// What lines come to that have their prices already: sets, discounts, the charge for service and tax.
///
/// # Errors
/// [`PricingRejection`] for the first thing that cannot be priced.
pub fn total(
    catalog: &Catalog,
    cart: &Cart,
    mut lines: Vec<SoldLine>,
    moment: &Moment,
) -> Result<Priced, PricingRejection> {
    if lines.is_empty() || lines.len() > TICKET_LINES_MAX {
        return Err(PricingRejection::LineCount(lines.len()));
    }
    let mut used = BTreeMap::new();
    for line in &lines {
        uses(catalog, line, |stock_item, quantity| take(&mut used, stock_item, quantity, line.quantity))?;
    }
    combos::reduce(catalog, cart, &mut lines)?;
    let discounts = reduce::discounts(catalog, cart, &mut lines)?;
    let lines_net = Minor::sum(lines.iter().map(|line| line.total))?;
    let service_charge = tax::service_charge(catalog, cart, moment, lines_net)?;
    let tax_basis = catalog.tax_basis(moment.store);
    let taxes = tax::taxes(catalog, cart, moment, (&lines, service_charge.as_ref(), tax_basis))?;
    let charge = service_charge.as_ref().map_or(Minor::ZERO, |charge| charge.amount);
    let net = lines_net.plus(charge)?;
    let tax = Minor::sum(taxes.iter().map(|line| line.tax))?;
    let stock_effects = used
        .into_iter()
        .filter(|(_item, quantity)| *quantity != 0)
        .map(|(stock_item, quantity)| MovementLine { stock_item, quantity: Quantity::new(quantity) })
        .collect();
    Ok(Priced {
        lines,
        consumption: cart.consumption,
        discounts,
        service_charge,
        tax_basis,
        exempt: exemption(cart)?,
        taxes,
        totals: Totals { net, tax, total: net.plus(tax)? },
        stock_effects,
    })
}

/// A cart without what the menu does not have any more: a line of a set that is gone, or that lacks a part, costs what it costs
/// alone, and a discount on a line that is gone takes nothing off.
#[must_use]
pub(in crate::domain) fn as_it_stands(catalog: &Catalog, mut cart: Cart) -> Cart {
    let broken = |(line, asked): (usize, &CartLine)| {
        asked.combo.is_some_and(|place| combos::check(catalog, &cart, (line, place)).is_err())
    };
    let broken: Vec<bool> = cart.lines.iter().enumerate().map(broken).collect();
    for (line, broken) in cart.lines.iter_mut().zip(broken) {
        line.combo = line.combo.filter(|_| !broken);
        line.discounts.retain(|discount| reduce::is_known(catalog, discount, DiscountScope::Line));
    }
    cart
}

/// The item of a line, if it is sold there and then.
fn offered<'c>(
    catalog: &'c Catalog,
    (line, asked): (usize, &CartLine),
    moment: &Moment,
) -> Result<&'c Item, PricingRejection> {
    if !(1..=LINE_QUANTITY_MAX).contains(&asked.quantity) {
        return Err(PricingRejection::Quantity { line, quantity: asked.quantity });
    }
    let unknown = PricingRejection::UnknownItem { line, item: asked.item, revision: catalog.revision.number };
    let item = catalog.content.items.get(&asked.item).ok_or(unknown)?;
    let availability = &item.details.availability;
    if !availability.channels.is_empty() && !availability.channels.contains(&moment.channel) {
        return Err(PricingRejection::NotSoldHere { line, item: asked.item });
    }
    // The cup is in the barista's hand: the hour refuses only what is sold unseen.
    if moment.channel != Channel::Counter && !availability.offers(moment.channel, moment.wall) {
        return Err(PricingRejection::NotNow { line, item: asked.item });
    }
    Ok(item)
}

/// A line at its list price, or at the price that somebody says.
fn listed(
    catalog: &Catalog,
    (line, asked): (usize, &CartLine),
    (item, extras): (&Item, &[SoldExtra]),
    moment: &Moment,
) -> Result<SoldLine, PricingRejection> {
    let menu_price =
        catalog.list_price(item.id, moment).ok_or(PricingRejection::NotSoldHere { line, item: item.id })?;
    let price = asked.price.unwrap_or(menu_price);
    if !(0..=PRICE_MINOR_MAX).contains(&price.get()) {
        return Err(PricingRejection::Price { line });
    }
    let with_extras = extras.iter().try_fold(price, |sum, extra| sum.plus(extra.price.times(extra.count.into())?))?;
    // Leaving things out makes nothing cheaper than free.
    let unit_price = with_extras.max(Minor::ZERO);
    Ok(SoldLine {
        item: item.id,
        category: item.category,
        tax_class: item.tax_class,
        quantity: asked.quantity,
        unit_price,
        total: unit_price.times(asked.quantity.into())?,
        menu_price: (price != menu_price).then_some(menu_price),
        extras: extras.to_vec(),
        reductions: Vec::new(),
    })
}

/// Counts what so many pieces take of a stock item.
fn take(
    used: &mut BTreeMap<StockItemId, i64>,
    stock_item: StockItemId,
    quantity: i64,
    pieces: u32,
) -> Result<(), MoneyOverflow> {
    let taken = quantity.checked_mul(pieces.into()).ok_or(MoneyOverflow)?;
    let sum = used.entry(stock_item).or_insert(0);
    *sum = sum.checked_sub(taken).ok_or(MoneyOverflow)?;
    Ok(())
}

fn exemption(cart: &Cart) -> Result<Option<String>, PricingRejection> {
    match &cart.exempt {
        Some(reason) if !is_reason(reason) => Err(PricingRejection::Reason { place: None }),
        reason => Ok(reason.clone()),
    }
}

/// Whether a text can be kept as a reason.
fn is_reason(text: &str) -> bool {
    !text.trim().is_empty() && text.len() <= REASON_BYTES_MAX && !text.chars().any(char::is_control)
}

#[cfg(test)]
pub(crate) mod tests;
