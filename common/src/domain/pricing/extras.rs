//! Extras: which an item may have, and what they take from the stock room.

use std::collections::{BTreeMap, BTreeSet};

use super::cart::CartLine;
use super::{EXTRAS_MAX, PricingRejection};
use crate::domain::catalog::{Catalog, Item};
use crate::domain::tickets::{SoldExtra, SoldLine};
use crate::ids::{ModifierId, StockItemId};
use crate::money::MoneyOverflow;

/// The extras of a line with their prices, if the item's groups allow them.
pub(super) fn chosen(
    catalog: &Catalog,
    (line, asked): (usize, &CartLine),
    item: &Item,
) -> Result<Vec<SoldExtra>, PricingRejection> {
    let mut seen = BTreeSet::new();
    let well_formed = asked.extras.len() <= EXTRAS_MAX
        && asked.extras.iter().all(|extra| extra.count > 0 && seen.insert(extra.modifier));
    if !well_formed {
        return Err(PricingRejection::ExtraList { line });
    }
    let groups = item.details.modifier_groups.iter().filter_map(|id| catalog.content.rules.modifier_group(*id));
    let mut allowed: BTreeSet<ModifierId> = BTreeSet::new();
    for group in groups {
        allowed.extend(group.modifiers.iter().copied());
        let of_group = asked.extras.iter().filter(|extra| group.modifiers.contains(&extra.modifier));
        let given = of_group.map(|extra| extra.count).fold(0_u32, u32::saturating_add);
        if !(group.at_least..=group.at_most).contains(&given) {
            let (at_least, at_most) = (group.at_least, group.at_most);
            return Err(PricingRejection::ExtraCount { line, group: group.id, given, at_least, at_most });
        }
    }
    let sold = |extra: &super::cart::Extra| {
        let unknown = PricingRejection::UnknownExtra { line, item: item.id, modifier: extra.modifier };
        let modifier = catalog.content.rules.modifier(extra.modifier).filter(|_| allowed.contains(&extra.modifier));
        let modifier = modifier.ok_or(unknown)?;
        Ok(SoldExtra { modifier: modifier.id, count: extra.count, price: modifier.price })
    };
    asked.extras.iter().map(sold).collect()
}

/// What a piece takes from the stock room: the item's own, some of it in another's place, and what the extras take. What the
/// menu does not have any more takes nothing.
pub(super) fn uses(
    catalog: &Catalog,
    line: &SoldLine,
    mut take: impl FnMut(StockItemId, i64) -> Result<(), MoneyOverflow>,
) -> Result<(), MoneyOverflow> {
    let modifiers = || {
        let known = |extra: &SoldExtra| Some((catalog.content.rules.modifier(extra.modifier)?, i64::from(extra.count)));
        line.extras.iter().filter_map(known)
    };
    let swaps: BTreeMap<_, _> =
        modifiers().filter_map(|(modifier, _)| modifier.swap).map(|swap| (swap.from, swap.to)).collect();
    let item = catalog.content.items.get(&line.item);
    for part in item.iter().flat_map(|item| &item.uses) {
        take(swaps.get(&part.stock_item).copied().unwrap_or(part.stock_item), part.quantity.get())?;
    }
    for (modifier, count) in modifiers() {
        for part in &modifier.uses {
            take(part.stock_item, part.quantity.get().checked_mul(count).ok_or(MoneyOverflow)?)?;
        }
    }
    Ok(())
}
