//! Tax, and the charge for service.

use std::collections::BTreeMap;

use super::cart::Cart;
use crate::domain::catalog::Catalog;
use crate::domain::catalog::look_up::Moment;
use crate::domain::catalog::rules::TaxBasis;
use crate::domain::tickets::{ServiceCharged, SoldLine, TaxLine};
use crate::ids::TaxClassId;
use crate::money::{MicroRate, Minor, MoneyOverflow};

/// The charge for service, of what the lines came to: of several rules the first that holds.
pub(super) fn service_charge(
    catalog: &Catalog,
    cart: &Cart,
    moment: &Moment,
    lines: Minor,
) -> Result<Option<ServiceCharged>, MoneyOverflow> {
    let rule = catalog.content.rules.service_charges().find(|rule| {
        rule.consumption.is_none_or(|way| way == cart.consumption)
            && (rule.stores.is_empty() || rule.stores.contains(&moment.store))
    });
    let Some(rule) = rule.filter(|_| !cart.without_service_charge) else { return Ok(None) };
    Ok(Some(ServiceCharged { rule: rule.id, tax_class: rule.tax_class, amount: rule.rate.of(lines)? }))
}

/// Tax by class. With no tax to be charged, the bases stand there all the same.
pub(super) fn taxes(
    catalog: &Catalog,
    cart: &Cart,
    moment: &Moment,
    (lines, charge, basis): (&[SoldLine], Option<&ServiceCharged>, TaxBasis),
) -> Result<Vec<TaxLine>, MoneyOverflow> {
    let charged = charge.and_then(|charge| Some((charge.tax_class?, charge.amount)));
    let taxed = lines.iter().map(|line| (line.tax_class, line.total)).chain(charged);
    let mut by_class: BTreeMap<TaxClassId, Vec<Minor>> = BTreeMap::new();
    for (tax_class, amount) in taxed {
        by_class.entry(tax_class).or_default().push(amount);
    }
    let line = |(tax_class, amounts): (TaxClassId, Vec<Minor>)| {
        let rate = match cart.exempt {
            Some(_) => MicroRate::new(0),
            None => catalog.tax_rate(tax_class, cart.consumption, moment),
        };
        let base = Minor::sum(amounts.iter().copied())?;
        Ok(TaxLine { tax_class, rate, base, tax: tax(rate, basis, &amounts)? })
    };
    by_class.into_iter().map(line).collect()
}

/// The tax on amounts of one class: rounded once, or once each.
///
/// # Errors
/// [`MoneyOverflow`] if a sum does not fit.
pub(super) fn tax(rate: MicroRate, basis: TaxBasis, amounts: &[Minor]) -> Result<Minor, MoneyOverflow> {
    match basis {
        TaxBasis::Ticket => rate.of(Minor::sum(amounts.iter().copied())?),
        TaxBasis::Line => Minor::sum(amounts.iter().map(|amount| rate.of(*amount)).collect::<Result<Vec<_>, _>>()?),
    }
}
