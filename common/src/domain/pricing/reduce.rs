//! What is taken off: by the hour, by choice, from a line or from the whole.

use super::cart::{AskedDiscount, Cart, DiscountAsked, DiscountPlace};
use super::share::share;
use super::{DISCOUNTS_MAX, PricingRejection, is_reason};
use crate::domain::catalog::look_up::Moment;
use crate::domain::catalog::rules::{DiscountScope, HappyHour, Reduction};
use crate::domain::catalog::{Catalog, PRICE_MINOR_MAX};
use crate::domain::tickets::{GivenDiscount, LineReduction, ReductionCause, SoldLine};
use crate::money::{MicroRate, Minor, MoneyOverflow};

/// Takes an amount off a line, and notes why; never more than is left of it.
pub(super) fn reduce_line(line: &mut SoldLine, cause: ReductionCause, amount: Minor) -> Result<(), MoneyOverflow> {
    let amount = amount.min(line.total);
    if amount > Minor::ZERO {
        line.total = line.total.minus(amount)?;
        line.reductions.push(LineReduction { cause, amount });
    }
    Ok(())
}

/// How much less a reduction makes an amount: never more than it is.
fn less(reduction: Reduction, of: Minor) -> Result<Minor, MoneyOverflow> {
    Ok(match reduction {
        Reduction::Percent(rate) => rate.of(of)?,
        Reduction::Amount(amount) => amount,
    }
    .min(of))
}

/// Reduces what is cheaper at this hour. What somebody said the price of is as they said.
pub(super) fn happy_hour(catalog: &Catalog, moment: &Moment, line: &mut SoldLine) -> Result<(), MoneyOverflow> {
    if line.menu_price.is_some() {
        return Ok(());
    }
    let mut best: Option<(ReductionCause, Minor)> = None;
    let hours = catalog.content.rules.happy_hours();
    for hour in hours.filter(|hour| is_for(hour, line) && is_on(hour, moment)) {
        let amount = match hour.reduction {
            Reduction::Percent(_) => less(hour.reduction, line.total)?,
            Reduction::Amount(each) => each.times(line.quantity.into())?.min(line.total),
        };
        if best.as_ref().is_none_or(|(_, most)| amount > *most) {
            best = Some((ReductionCause::HappyHour(hour.id), amount));
        }
    }
    best.map_or(Ok(()), |(cause, amount)| reduce_line(line, cause, amount))
}

fn is_on(hour: &HappyHour, moment: &Moment) -> bool {
    hour.from <= moment.day
        && hour.until.is_none_or(|until| until >= moment.day)
        && (hour.stores.is_empty() || hour.stores.contains(&moment.store))
        && hour.span.holds(moment.wall)
}

fn is_for(hour: &HappyHour, line: &SoldLine) -> bool {
    hour.items.contains(&line.item) || hour.categories.contains(&line.category)
}

/// Takes off what is asked for: first from lines, then from the whole, shared over what the lines are then.
pub(super) fn discounts(
    catalog: &Catalog,
    cart: &Cart,
    lines: &mut [SoldLine],
) -> Result<Vec<GivenDiscount>, PricingRejection> {
    let mut given = Vec::new();
    for (line, (asked, sold)) in cart.lines.iter().zip(lines.iter_mut()).enumerate() {
        check_count(Some(line), &asked.discounts)?;
        for (at, discount) in asked.discounts.iter().enumerate() {
            let (known, reduction) = looked_up(catalog, DiscountPlace { line: Some(line), at }, discount)?;
            let amount = less(reduction, sold.total)?;
            reduce_line(sold, ReductionCause::Given(number(&given)), amount)?;
            given.push(GivenDiscount { amount, ..known });
        }
    }
    check_count(None, &cart.discounts)?;
    for (at, discount) in cart.discounts.iter().enumerate() {
        let (known, reduction) = looked_up(catalog, DiscountPlace { line: None, at }, discount)?;
        let weights: Vec<Minor> = lines.iter().map(|line| line.total).collect();
        let amount = less(reduction, Minor::sum(weights.iter().copied())?)?;
        for (line, part) in lines.iter_mut().zip(share(amount, &weights)) {
            reduce_line(line, ReductionCause::Given(number(&given)), part)?;
        }
        given.push(GivenDiscount { amount, ..known });
    }
    Ok(given)
}

fn number(given: &[GivenDiscount]) -> u32 {
    u32::try_from(given.len()).unwrap_or(u32::MAX)
}

fn check_count(line: Option<usize>, asked: &[AskedDiscount]) -> Result<(), PricingRejection> {
    if asked.len() <= DISCOUNTS_MAX { Ok(()) } else { Err(PricingRejection::DiscountCount { line }) }
}

/// Whether the menu has a discount, or need not.
pub(super) fn is_known(catalog: &Catalog, asked: &AskedDiscount, scope: DiscountScope) -> bool {
    match asked.what {
        DiscountAsked::Menu(id) => catalog.content.rules.discount(id).is_some_and(|discount| discount.scope == scope),
        DiscountAsked::Free(_) => true,
    }
}

/// What is known of a discount before its amount is, and how much less it makes things.
fn looked_up(
    catalog: &Catalog,
    place: DiscountPlace,
    asked: &AskedDiscount,
) -> Result<(GivenDiscount, Reduction), PricingRejection> {
    if asked.reason.as_ref().is_some_and(|reason| !is_reason(reason)) {
        return Err(PricingRejection::Reason { place: Some(place) });
    }
    let (discount, reduction, approval) = match asked.what {
        DiscountAsked::Menu(id) => {
            let known = catalog.content.rules.discount(id).filter(|discount| discount.scope == place.scope());
            let known = known.ok_or(PricingRejection::UnknownDiscount { place, discount: id })?;
            (Some(id), known.reduction, known.approval)
        }
        DiscountAsked::Free(_) if asked.reason.is_none() => {
            return Err(PricingRejection::Reason { place: Some(place) });
        }
        DiscountAsked::Free(reduction) => (None, reduction, true),
    };
    let in_range = match reduction {
        Reduction::Percent(rate) => rate.get() <= MicroRate::WHOLE,
        Reduction::Amount(amount) => (0..=PRICE_MINOR_MAX).contains(&amount.get()),
    };
    if !in_range {
        return Err(PricingRejection::DiscountRange { place });
    }
    let line = place.line.and_then(|line| u32::try_from(line).ok());
    let given = GivenDiscount { discount, line, reason: asked.reason.clone(), amount: Minor::ZERO, approval };
    Ok((given, reduction))
}
