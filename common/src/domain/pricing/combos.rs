//! Sets: several lines at one price.

use std::collections::BTreeMap;

use super::PricingRejection;
use super::cart::{Cart, CartLine, InCombo};
use super::reduce::reduce_line;
use super::share::share;
use crate::domain::catalog::Catalog;
use crate::domain::catalog::rules::Combo;
use crate::domain::tickets::{ReductionCause, SoldLine};
use crate::ids::ComboId;
use crate::money::{Minor, MoneyOverflow};

/// The lines of one set, by their places on the ticket.
type Parts<'c> = Vec<(usize, &'c CartLine)>;

/// Reduces the lines of each set so that they come to its price. A set that is dearer than its parts reduces nothing.
pub(super) fn reduce(catalog: &Catalog, cart: &Cart, lines: &mut [SoldLine]) -> Result<(), PricingRejection> {
    let mut sets: BTreeMap<(ComboId, u32), Parts<'_>> = BTreeMap::new();
    for (at, line) in cart.lines.iter().enumerate() {
        if let Some(place) = line.combo {
            sets.entry((place.combo, place.instance)).or_default().push((at, line));
        }
    }
    for ((id, _instance), parts) in sets {
        let line = parts.first().map_or(0, |(at, _)| *at);
        let combo = catalog.content.rules.combo(id).ok_or(PricingRejection::UnknownCombo { line, combo: id })?;
        let surcharges = filled(combo, &parts).ok_or(PricingRejection::ComboIncomplete { line, combo: id })?;
        let bare = |(at, _part): &(usize, &CartLine)| lines.get(*at).map_or(Ok(Minor::ZERO), without_extras);
        let weights = parts.iter().map(bare).collect::<Result<Vec<_>, _>>()?;
        let quantity = parts.first().map_or(0, |(_, part)| part.quantity);
        let set_price = combo.price.plus(surcharges)?.times(quantity.into())?;
        let less = Minor::sum(weights.iter().copied())?.minus(set_price)?.max(Minor::ZERO);
        for ((at, _part), amount) in parts.iter().zip(share(less, &weights)) {
            if let Some(line) = lines.get_mut(*at) {
                reduce_line(line, ReductionCause::Combo(id), amount)?;
            }
        }
    }
    Ok(())
}

/// Whether the set of a line is on the menu, and has all its parts.
pub(in crate::domain) fn check(
    catalog: &Catalog,
    cart: &Cart,
    (line, place): (usize, InCombo),
) -> Result<(), PricingRejection> {
    let id = place.combo;
    let combo = catalog.content.rules.combo(id).ok_or(PricingRejection::UnknownCombo { line, combo: id })?;
    let is_part = |other: &InCombo| (other.combo, other.instance) == (id, place.instance);
    let parts: Parts<'_> =
        cart.lines.iter().enumerate().filter(|(_, part)| part.combo.as_ref().is_some_and(is_part)).collect();
    filled(combo, &parts).map(drop).ok_or(PricingRejection::ComboIncomplete { line, combo: id })
}

/// What a line comes to without what its extras add.
fn without_extras(line: &SoldLine) -> Result<Minor, MoneyOverflow> {
    let dearer = line.extras.iter().filter(|extra| extra.price > Minor::ZERO);
    let added = dearer.map(|extra| extra.price.times(extra.count.into())).collect::<Result<Vec<_>, _>>()?;
    line.unit_price.minus(Minor::sum(added)?)?.max(Minor::ZERO).times(line.quantity.into())
}

/// What the choices cost on top, if each place is filled once by one of its choices, all in the same quantity.
fn filled(combo: &Combo, parts: &Parts<'_>) -> Option<Minor> {
    let quantity = parts.first()?.1.quantity;
    let mut surcharges = Minor::ZERO;
    for (number, slot) in (0_u32..).zip(&combo.slots) {
        let mut here = parts.iter().filter(|(_, part)| part.combo.is_some_and(|place| place.slot == number));
        let (_, part) = here.next()?;
        if here.next().is_some() || part.quantity != quantity {
            return None;
        }
        surcharges = surcharges.plus(*slot.choices.get(&part.item)?).ok()?;
    }
    (parts.len() == combo.slots.len()).then_some(surcharges)
}
