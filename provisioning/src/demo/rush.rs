//! A day of the chain, planned before it begins: who buys what, where, when, and how they pay.
//!
//! The same seed plans the same day. Shops get their part by their weight, hours theirs by the counted profile; chance
//! decides the rest.

use std::collections::BTreeMap;

use percolate_common::domain::catalog::Catalog;
use percolate_common::domain::catalog::hours::{Channel, WallTime};
use percolate_common::domain::catalog::look_up::Moment;
use percolate_common::domain::pricing::cart::{Cart, CartLine, Extra};
use percolate_common::entropy::{Entropy as _, SeededEntropy};
use percolate_common::ids::{ItemId, ModifierId, StoreId};
use percolate_common::time::BusinessDay;

use super::chain::{DayProfile, DemoChain};

/// Terminals of a shop, the busiest first, and how busy each is.
pub const TERMINALS: [(&str, u64); 3] = [("T1", 50), ("T2", 35), ("T3", 15)];

/// One practice ticket for so many real ones, and at least one a shop.
const TICKETS_PER_TRAINING: u64 = 100;
/// One of so many tickets is sent twice, as a till does whose answer got lost; and at least one a shop.
const TICKETS_PER_RESEND: u64 = 40;
/// One of so many lines has an extra, if its item comes with extras: our own guess.
const LINES_PER_EXTRA: u64 = 3;
/// Most lines of a ticket, and most units of a line.
const LINES_MAX: u64 = 6;
const UNITS_MAX: u64 = 6;

/// How often a category is bought: as the first thing, and as a further one. Our own guess, by the category's number.
const POPULARITY: [(u32, u64, u64); 11] = [
    (1, 30, 8),
    (2, 24, 6),
    (3, 14, 4),
    (4, 10, 3),
    (5, 4, 2),
    (6, 0, 22),
    (7, 11, 38),
    (8, 4, 10),
    (9, 1, 5),
    (10, 1, 1),
    (11, 1, 1),
];
/// The same for a category that is not listed.
const POPULARITY_OF_OTHERS: (u64, u64) = (1, 1);

/// How people pay, and how often.
const PAYMENTS: [(Payment, u64); 6] = [
    (Payment::Card, 68),
    (Payment::Split, 3),
    (Payment::Cash { note_minor: 1 }, 6),
    (Payment::Cash { note_minor: 100 }, 8),
    (Payment::Cash { note_minor: 500 }, 8),
    (Payment::Cash { note_minor: 2_000 }, 7),
];

/// How a ticket is paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Payment {
    /// By a card terminal.
    Card,
    /// Half by card, the rest in coins.
    Split,
    /// In notes of this value, as many as it takes; of 1, the exact sum.
    Cash {
        /// Value of a note.
        note_minor: i64,
    },
}

/// Whether a ticket is real.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlannedClass {
    /// A sale.
    Sale,
    /// Practice.
    Training,
}

/// A ticket to be sold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedTicket {
    /// Its number in its shop, from 1, in the order of the day.
    pub number: u32,
    /// At which terminal, by its position.
    pub terminal: usize,
    /// Seconds after the doors open.
    pub at_s: u32,
    /// Real or practice.
    pub class: PlannedClass,
    /// What is sold.
    pub lines: Vec<CartLine>,
    /// How it is paid.
    pub payment: Payment,
    /// What the card terminal prints.
    pub reference: u32,
    /// Whether it is sent a second time under the same key.
    pub resend: bool,
}

impl PlannedTicket {
    /// What the guest wants.
    #[must_use]
    pub fn cart(&self) -> Cart {
        Cart { lines: self.lines.clone(), ..Cart::default() }
    }
}

/// One shop's day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreRush {
    /// Store number.
    pub store: u32,
    /// Its tickets in the order of the day.
    pub tickets: Vec<PlannedTicket>,
}

/// When the plan's tickets are priced. The demo's menu has no prices of certain days, hours or shops: any moment will do.
#[must_use]
pub const fn any_moment() -> Moment {
    let wall = WallTime { weekday: 1, minute: 0 };
    Moment { store: StoreId::CHAIN, channel: Channel::Counter, day: BusinessDay::from_days(0), wall }
}

/// Plans a day with `tickets_mean` sales a shop.
#[must_use]
pub fn plan(chain: &DemoChain, catalog: &Catalog, tickets_mean: u64, seed: u64) -> Vec<StoreRush> {
    let total = tickets_mean.saturating_mul(chain.stores.len() as u64);
    let weights: Vec<u64> = chain.stores.iter().map(|store| store.weight).collect();
    let seeds = SeededEntropy::new(seed);
    let menu = Menu::new(catalog);
    let planned = chain.stores.iter().zip(shares(total, &weights));
    planned
        .map(|(store, sales)| {
            let dice = Dice(SeededEntropy::new(seeds.next_u64()));
            StoreRush { store: store.id, tickets: store_day(&chain.day, &menu, sales, &dice) }
        })
        .collect()
}

fn store_day(day: &DayProfile, menu: &Menu, sales: u64, dice: &Dice) -> Vec<PlannedTicket> {
    let training = 1 + sales / TICKETS_PER_TRAINING;
    let weights: Vec<u64> = day.hours.iter().map(|share| share.lines).collect();
    let mut tickets = Vec::new();
    for (class, count) in [(PlannedClass::Sale, sales), (PlannedClass::Training, training)] {
        for (hour, tickets_of_hour) in shares(count, &weights).into_iter().enumerate() {
            for _ticket in 0..tickets_of_hour {
                let second = hour as u64 * 3_600 + dice.below(3_600);
                tickets.push(ticket(day, menu, class, second, dice));
            }
        }
    }
    tickets.sort_by_key(|ticket| ticket.at_s);
    for (number, ticket) in (1..).zip(&mut tickets) {
        ticket.number = number;
    }
    if !tickets.iter().any(|ticket| ticket.resend)
        && let Some(first) = tickets.first_mut()
    {
        first.resend = true;
    }
    tickets
}

fn ticket(day: &DayProfile, menu: &Menu, class: PlannedClass, second: u64, dice: &Dice) -> PlannedTicket {
    let lines = dice.one_or_more(day.lines_per_basket_per_mille, LINES_MAX);
    let line = |at: u64| {
        let item = menu.item(at == 0, dice);
        let quantity = narrow(dice.one_or_more(day.units_per_line_per_mille, UNITS_MAX));
        CartLine { extras: menu.extras(item, dice), ..CartLine::plain(item, quantity) }
    };
    let terminals: Vec<u64> = TERMINALS.iter().map(|(_, busy)| *busy).collect();
    let payments: Vec<u64> = PAYMENTS.iter().map(|(_, often)| *often).collect();
    let payment = PAYMENTS.get(dice.pick(&payments)).map_or(Payment::Card, |(payment, _)| *payment);
    PlannedTicket {
        number: 0,
        terminal: dice.pick(&terminals),
        at_s: narrow(second),
        class,
        lines: (0..lines).map(line).collect(),
        payment,
        reference: narrow(dice.below(1_000_000)),
        resend: dice.below(TICKETS_PER_RESEND) == 0,
    }
}

/// All numbers of a plan are drawn below limits that fit.
fn narrow(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// Divides a total by weights, in whole parts that add up to it; what is left over goes to the largest remainders.
fn shares(total: u64, weights: &[u64]) -> Vec<u64> {
    let sum: u128 = weights.iter().map(|weight| u128::from(*weight)).sum();
    if sum == 0 {
        return vec![0; weights.len()];
    }
    let exact = |weight: u64| u128::from(total) * u128::from(weight);
    let mut parts: Vec<u64> =
        weights.iter().map(|weight| u64::try_from(exact(*weight) / sum).unwrap_or(u64::MAX)).collect();
    let mut by_remainder: Vec<(u128, usize)> =
        weights.iter().enumerate().map(|(at, weight)| (exact(*weight) % sum, at)).collect();
    by_remainder.sort_by(|one, other| other.0.cmp(&one.0).then(one.1.cmp(&other.1)));
    let mut left = total - parts.iter().sum::<u64>();
    for (_, at) in by_remainder {
        if let (Some(part), 1..) = (parts.get_mut(at), left) {
            *part += 1;
            left -= 1;
        }
    }
    parts
}

/// Chance in the shapes that a plan needs.
#[derive(Debug)]
struct Dice(SeededEntropy);

impl Dice {
    /// 0 to one below the limit. The tiny bias of the remainder does not matter for a demo.
    fn below(&self, limit: u64) -> u64 {
        self.0.next_u64() % limit.max(1)
    }

    /// A position, by weight.
    fn pick(&self, weights: &[u64]) -> usize {
        let mut drawn = self.below(weights.iter().sum());
        for (at, weight) in weights.iter().enumerate() {
            if drawn < *weight {
                return at;
            }
            drawn -= weight;
        }
        0
    }

    /// One, and more with a falling chance, so that a thousand draws add up to about `mean_per_mille`.
    fn one_or_more(&self, mean_per_mille: u64, max: u64) -> u64 {
        let more = mean_per_mille.saturating_sub(1_000);
        let mut count = 1;
        while count < max && self.below(mean_per_mille) < more {
            count += 1;
        }
        count
    }
}

/// What can be bought, by category.
#[derive(Debug)]
struct Menu {
    categories: Vec<Vec<ItemId>>,
    first: Vec<u64>,
    further: Vec<u64>,
    extras: BTreeMap<ItemId, Vec<ModifierId>>,
}

impl Menu {
    fn new(catalog: &Catalog) -> Self {
        let rules = &catalog.content.rules;
        let extras = catalog.content.items.values().map(|item| {
            let groups = item.details.modifier_groups.iter().filter_map(|group| rules.modifier_group(*group));
            (item.id, groups.flat_map(|group| group.modifiers.iter().copied()).collect())
        });
        let extras = extras.collect();
        let mut menu = Self { categories: Vec::new(), first: Vec::new(), further: Vec::new(), extras };
        for category in catalog.content.categories.keys() {
            let of_category = catalog.content.items.values().filter(|item| item.category == *category);
            let items: Vec<ItemId> = of_category.map(|item| item.id).collect();
            if items.is_empty() {
                continue;
            }
            let listed = POPULARITY.iter().find(|(number, ..)| *number == category.get());
            let (first, further) = listed.map_or(POPULARITY_OF_OTHERS, |(_, first, further)| (*first, *further));
            menu.categories.push(items);
            menu.first.push(first);
            menu.further.push(further);
        }
        menu
    }

    fn item(&self, is_first: bool, dice: &Dice) -> ItemId {
        let category = dice.pick(if is_first { &self.first } else { &self.further });
        let items = self.categories.get(category).map(Vec::as_slice).unwrap_or_default();
        let at = usize::try_from(dice.below(items.len() as u64)).unwrap_or(0);
        items.get(at).copied().unwrap_or(ItemId::new(0))
    }

    /// Now and then one of the extras that an item comes with. No group of the demo's menu asks for any.
    fn extras(&self, item: ItemId, dice: &Dice) -> Vec<Extra> {
        let choices = self.extras.get(&item).map(Vec::as_slice).unwrap_or_default();
        if choices.is_empty() || dice.below(LINES_PER_EXTRA) > 0 {
            return Vec::new();
        }
        let at = usize::try_from(dice.below(choices.len() as u64)).unwrap_or(0);
        choices.get(at).map(|modifier| Extra { modifier: *modifier, count: 1 }).into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use percolate_common::domain::catalog::rules::Consumption;
    use percolate_common::domain::pricing::price;
    use proptest::prelude::*;

    use super::*;
    use crate::client::tests::demo_catalog;

    fn day(tickets_mean: u64, seed: u64) -> Vec<StoreRush> {
        plan(&DemoChain::load(), &demo_catalog(), tickets_mean, seed)
    }

    fn sales(rush: &StoreRush) -> impl Iterator<Item = &PlannedTicket> {
        rush.tickets.iter().filter(|ticket| ticket.class == PlannedClass::Sale)
    }

    #[test]
    fn the_same_seed_plans_the_same_day_and_another_one_another() {
        assert_eq!(day(50, 7), day(50, 7));
        assert_ne!(day(50, 7), day(50, 8));
    }

    #[test]
    fn shops_get_their_part_by_weight_and_together_all() {
        let rush = day(200, 1);
        let counts: Vec<usize> = rush.iter().map(|rush| sales(rush).count()).collect();
        assert_eq!(counts.iter().sum::<usize>(), 2_000);
        // Midtown weighs 148 of 1,000, Castleberry Hill 61.
        assert_eq!((counts[1], counts[8]), (296, 122));
    }

    #[test]
    fn hours_follow_the_counted_profile_to_the_ticket() {
        let chain = DemoChain::load();
        for rush in day(400, 3) {
            let total = sales(&rush).count() as u64;
            for (hour, share) in (0_u32..).zip(&chain.day.hours) {
                let here = sales(&rush).filter(|ticket| ticket.at_s / 3_600 == hour).count() as u64;
                let expected = total * share.lines / chain.day.lines_counted;
                assert!((expected..=expected + 1).contains(&here), "hour {}: {here} of {expected}", share.hour);
            }
        }
    }

    #[test]
    fn baskets_are_as_large_as_they_were_counted() {
        let rush = day(1_000, 5);
        let tickets: Vec<&PlannedTicket> = rush.iter().flat_map(sales).collect();
        let lines: u64 = tickets.iter().map(|ticket| ticket.lines.len() as u64).sum();
        let units: u64 = tickets.iter().flat_map(|ticket| &ticket.lines).map(|line| u64::from(line.quantity)).sum();
        let lines_per_mille = lines * 1_000 / tickets.len() as u64;
        let units_per_mille = units * 1_000 / lines;
        assert!((1_240..=1_310).contains(&lines_per_mille), "{lines_per_mille}");
        assert!((1_390..=1_480).contains(&units_per_mille), "{units_per_mille}");
    }

    #[test]
    fn a_third_of_what_comes_with_extras_has_one_and_all_of_it_can_be_priced() {
        let catalog = demo_catalog();
        let rush = day(200, 5);
        let lines: Vec<&CartLine> = rush.iter().flat_map(sales).flat_map(|ticket| &ticket.lines).collect();
        let comes_with = |line: &&&CartLine| !catalog.content.items[&line.item].details.modifier_groups.is_empty();
        let (with, without): (Vec<&&CartLine>, Vec<&&CartLine>) = lines.iter().partition(comes_with);
        assert!(without.iter().all(|line| line.extras.is_empty()));
        let chosen = with.iter().filter(|line| !line.extras.is_empty()).count() * 1_000 / with.len();
        assert!((290..=380).contains(&chosen), "{chosen} per mille");
        for ticket in rush.iter().flat_map(|rush| &rush.tickets) {
            price(&catalog, &ticket.cart(), &any_moment()).unwrap();
        }
    }

    #[test]
    fn the_demo_s_shops_price_as_any_moment_does() {
        let catalog = demo_catalog();
        let bag = Cart::plain([(ItemId::new(1_001), 1), (ItemId::new(131), 2)]);
        let here = Moment {
            store: StoreId::new(10),
            day: "2026-11-30".parse().unwrap(),
            wall: WallTime { weekday: 7, minute: 1_200 },
            ..any_moment()
        };
        assert_eq!(price(&catalog, &bag, &here), price(&catalog, &bag, &any_moment()));
        // Eaten in, a bag of beans bears the state's tax too: Georgia's groceries are those to go.
        let eaten_in = price(&catalog, &Cart { consumption: Consumption::DineIn, ..bag }, &here).unwrap();
        let rates: Vec<_> = eaten_in.taxes.iter().map(|tax| tax.rate.get()).collect();
        assert_eq!(rates, [89_000, 89_000]);
    }

    #[test]
    fn every_shop_practises_and_sends_something_twice_and_every_payment_occurs() {
        for rush in day(1, 1) {
            assert!(rush.tickets.iter().any(|ticket| ticket.resend));
            assert!(rush.tickets.iter().any(|ticket| ticket.class == PlannedClass::Training));
        }
        let rush = day(200, 1);
        for (payment, _) in PAYMENTS {
            assert!(rush.iter().flat_map(sales).any(|ticket| ticket.payment == payment), "{payment:?}");
        }
        let resent = rush.iter().flat_map(sales).filter(|ticket| ticket.resend).count();
        assert!((20..=90).contains(&resent), "{resent} of 2,000");
    }

    #[test]
    fn tickets_are_numbered_in_the_order_of_the_day_and_never_begin_with_an_extra() {
        let catalog = demo_catalog();
        for rush in day(100, 9) {
            assert!(
                rush.tickets.windows(2).all(|two| two[0].at_s <= two[1].at_s && two[0].number + 1 == two[1].number)
            );
            for ticket in &rush.tickets {
                let first = &catalog.content.items[&ticket.lines[0].item];
                assert_ne!(first.category.get(), 6, "{} alone", first.name);
                assert!(ticket.at_s < 15 * 3_600 && ticket.terminal < TERMINALS.len());
            }
        }
    }

    proptest! {
        #[test]
        fn shares_add_up_and_differ_from_the_exact_part_by_less_than_one(
            total in 0_u64..100_000,
            weights in prop::collection::vec(0_u64..1_000, 1..20),
        ) {
            let sum: u64 = weights.iter().sum();
            let parts = shares(total, &weights);
            prop_assert_eq!(parts.iter().sum::<u64>(), if sum == 0 { 0 } else { total });
            for (part, weight) in parts.iter().zip(&weights).filter(|_| sum > 0) {
                let exact = total * weight / sum;
                prop_assert!((exact..=exact + 1).contains(part));
            }
        }
    }
}
