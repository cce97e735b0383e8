//! A ticket beside the menu that it names: prices, tax and the charge for service as the menu has them.
//!
//! What somebody may do at the till is no difference: a changed price says what the menu's was, a discount stands in a line of
//! its own, and an exemption has a reason. Whether a ticket adds up by itself is [`recompute`](super::recompute)'s question.

use super::recompute::{Difference, Found, Part};
use crate::domain::catalog::Catalog;
use crate::domain::catalog::look_up::Moment;
use crate::domain::catalog::rules::TaxBasis;
use crate::domain::tickets::tender::{Tender, TenderKind};
use crate::domain::tickets::{ServiceCharged, SoldLine, TicketSold};
use crate::money::{MicroRate, Minor, MoneyOverflow};

/// Everything of a ticket that is not as this menu has it, there and then; nothing if all is.
///
/// # Errors
/// [`MoneyOverflow`] if its numbers are so large that they cannot be added.
pub fn against_menu(sold: &TicketSold, catalog: &Catalog, moment: &Moment) -> Result<Vec<Difference>, MoneyOverflow> {
    let mut found = Found::default();
    // Lines of a ticket that was open have the prices of when they were added, and nobody says by which menu that was.
    let lines = sold.lines.iter().filter(|_line| !sold.details.was_open);
    for (at, line) in (0_u32..).zip(lines) {
        against_line(&mut found, (at, line), catalog, moment)?;
    }
    for line in &sold.taxes {
        let rate = match sold.details.exempt {
            Some(_) => MicroRate::new(0),
            None => catalog.tax_rate(line.tax_class, sold.details.consumption, moment),
        };
        found.numbers(Part::Rate(line.tax_class), line.rate.get().into(), rate.get().into());
    }
    let basis = catalog.tax_basis(moment.store);
    found.numbers(Part::TaxBasis, number(sold.details.tax_basis), number(basis));
    if let Some(charged) = sold.details.service_charge {
        found.compare(Part::ServiceCharge, charged.amount, service_charge(&charged, sold, catalog)?);
    }
    let rounding = sold.details.cash_rounding.get();
    let most = rounding_max(sold, catalog);
    found.numbers(Part::CashRounding, rounding, rounding.clamp(-most, most));
    Ok(found.0)
}

/// By how much its last payment may be rounded: where parts were paid in cash, it takes back what they were rounded by.
fn rounding_max(sold: &TicketSold, catalog: &Catalog) -> i64 {
    let step = i64::from(catalog.content.rules.cash_step().max(1));
    let is_cash = |tender: &Tender| tender.kind == TenderKind::Cash;
    match (sold.tenders.as_slice(), sold.details.payments_before.as_slice()) {
        (tenders @ [_, ..], _) if !tenders.iter().any(is_cash) => 0,
        (_, []) => step / 2,
        (_, [_, ..]) => step - 1,
    }
}

fn against_line(
    found: &mut Found,
    (at, line): (u32, &SoldLine),
    catalog: &Catalog,
    moment: &Moment,
) -> Result<(), MoneyOverflow> {
    let known = catalog.content.items.get(&line.item);
    let Some((item, list_price)) = known.zip(catalog.list_price(line.item, moment)) else {
        found.numbers(Part::Unknown(at), line.item.get().into(), 0);
        return Ok(());
    };
    found.numbers(Part::TaxClass(at), line.tax_class.get().into(), item.tax_class.get().into());
    let (mut said, mut of_menu) = (Minor::ZERO, Minor::ZERO);
    for extra in &line.extras {
        let Some(modifier) = catalog.content.rules.modifier(extra.modifier) else {
            found.numbers(Part::Unknown(at), extra.modifier.get().into(), 0);
            return Ok(());
        };
        said = said.plus(extra.price.times(extra.count.into())?)?;
        of_menu = of_menu.plus(modifier.price.times(extra.count.into())?)?;
    }
    found.compare(Part::Extras(at), said, of_menu);
    match line.menu_price {
        Some(menu_price) => found.compare(Part::MenuPrice(at), menu_price, list_price),
        // Leaving things out makes nothing cheaper than free.
        None => found.compare(Part::UnitPrice(at), line.unit_price, list_price.plus(of_menu)?.max(Minor::ZERO)),
    }
    Ok(())
}

/// What the rule of a charge for service comes to; nothing if the menu has no such rule there.
fn service_charge(charged: &ServiceCharged, sold: &TicketSold, catalog: &Catalog) -> Result<Minor, MoneyOverflow> {
    let rule = catalog.content.rules.service_charges().find(|rule| rule.id == charged.rule);
    let Some(rule) = rule.filter(|rule| rule.tax_class == charged.tax_class) else { return Ok(Minor::ZERO) };
    rule.rate.of(Minor::sum(sold.lines.iter().map(|line| line.total))?)
}

const fn number(basis: TaxBasis) -> i64 {
    match basis {
        TaxBasis::Ticket => 0,
        TaxBasis::Line => 1,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::domain::catalog::rules::{
        Consumption, Jurisdiction, Modifier, ModifierGroup, PriceEffect, PriceRule, Rule, ServiceCharge, TaxRule,
    };
    use crate::domain::catalog::tests::small_menu;
    use crate::domain::pricing::cart::{Cart, Extra};
    use crate::domain::pricing::price;
    use crate::domain::pricing::recompute::differences;
    use crate::domain::pricing::recompute::tests::sold_by;
    use crate::domain::pricing::tests::{any_cart, in_the_morning, menu_with};
    use crate::domain::tickets::PaymentBefore;
    use crate::ids::{
        HouseAccountId, ItemId, JurisdictionId, ModifierGroupId, ModifierId, PaymentId, RuleId, StoreId, TaxClassId,
    };

    use super::*;

    const ESPRESSO: ItemId = ItemId::new(101);

    /// Extras, a price and a tax of this shop's own, a charge for service, tax by line and five-cent coins.
    fn rich_menu() -> Catalog {
        let from = || "2026-01-01".parse().unwrap();
        let modifier = |id, price| {
            let (id, price) = (ModifierId::new(id), Minor::new(price));
            Rule::Modifier(Modifier { id, name: format!("{id}"), price, uses: Vec::new(), swap: None })
        };
        let group = ModifierGroup {
            id: ModifierGroupId::new(1),
            name: "Extras".to_owned(),
            at_least: 0,
            at_most: 9,
            modifiers: vec![ModifierId::new(1), ModifierId::new(2)],
        };
        let place = Jurisdiction {
            id: JurisdictionId::new(1),
            name: "Here".to_owned(),
            basis: TaxBasis::Line,
            stores: vec![StoreId::new(1)],
        };
        let dearer = PriceRule {
            id: RuleId::new(1),
            item: ESPRESSO,
            store: Some(StoreId::new(1)),
            channel: None,
            from: from(),
            until: None,
            effect: PriceEffect::Costs(Minor::new(333)),
        };
        let eaten_in = TaxRule {
            id: RuleId::new(2),
            tax_class: TaxClassId::new(2),
            jurisdiction: None,
            consumption: Some(Consumption::DineIn),
            from: from(),
            rate: MicroRate::new(89_000),
        };
        let charge = ServiceCharge {
            id: RuleId::new(3),
            name: "Service".to_owned(),
            rate: MicroRate::new(180_000),
            tax_class: Some(TaxClassId::new(1)),
            consumption: Some(Consumption::DineIn),
            stores: Vec::new(),
        };
        menu_with(vec![
            modifier(1, 75),
            modifier(2, -500),
            Rule::ModifierGroup(group),
            Rule::Jurisdiction(place),
            Rule::Price(dearer),
            Rule::Tax(eaten_in),
            Rule::ServiceCharge(charge),
            Rule::CashStep(5),
        ])
    }

    fn compared(sold: &TicketSold, menu: &Catalog) -> Vec<(Part, i64, i64)> {
        let found = against_menu(sold, menu, &in_the_morning()).unwrap();
        found.into_iter().map(|one| (one.part, one.said, one.computed)).collect()
    }

    #[test]
    fn what_the_menu_does_not_say_is_found_where_it_is() {
        let menu = rich_menu();
        let mut cart = Cart::plain([(ESPRESSO, 2), (ItemId::new(201), 1)]);
        cart.consumption = Consumption::DineIn;
        cart.lines[0].extras = vec![Extra { modifier: ModifierId::new(1), count: 2 }];
        let ordinary = sold_by(&menu, cart.clone());
        let planted = |plant: fn(&mut TicketSold)| {
            let mut ticket = ordinary.clone();
            plant(&mut ticket);
            compared(&ticket, &menu)
        };
        assert_eq!(planted(|_| {}), []);
        assert_eq!(planted(|t| t.lines[0].unit_price = Minor::new(482)), [(Part::UnitPrice(0), 482, 483)]);
        assert_eq!(planted(|t| t.lines[1].item = ItemId::new(9)), [(Part::Unknown(1), 9, 0)]);
        assert_eq!(planted(|t| t.lines[0].extras[0].modifier = ModifierId::new(7)), [(Part::Unknown(0), 7, 0)]);
        assert_eq!(planted(|t| t.lines[0].extras[0].price = Minor::new(70)), [(Part::Extras(0), 140, 150)]);
        assert_eq!(planted(|t| t.lines[1].tax_class = TaxClassId::new(1)), [(Part::TaxClass(1), 1, 2)]);
        let class = TaxClassId::new(2);
        assert_eq!(planted(|t| t.taxes[1].rate = MicroRate::new(0)), [(Part::Rate(class), 0, 89_000)]);
        assert_eq!(planted(|t| t.details.tax_basis = TaxBasis::Ticket), [(Part::TaxBasis, 0, 1)]);
        let rounded = |t: &mut TicketSold, by| t.details.cash_rounding = Minor::new(by);
        assert_eq!(planted(|t| t.details.cash_rounding = Minor::new(-3)), [(Part::CashRounding, -3, -2)]);
        let mut ticket = ordinary.clone();
        let part = PaymentBefore { id: PaymentId::taken(0, 1, "k"), amount: Minor::new(7) };
        ticket.details.payments_before.push(part);
        rounded(&mut ticket, -4);
        assert_eq!(compared(&ticket, &menu), [], "what an earlier part was rounded up by is taken back");
        rounded(&mut ticket, -5);
        assert_eq!(compared(&ticket, &menu), [(Part::CashRounding, -5, -4)]);
        let house = TenderKind::House { account: HouseAccountId::new(1) };
        ticket.tenders.iter_mut().for_each(|tender| tender.kind = house.clone());
        rounded(&mut ticket, -1);
        assert_eq!(compared(&ticket, &menu), [(Part::CashRounding, -1, 0)], "what is paid to the cent is not rounded");
        // Lines of 9.66 and 18.00 at 18 %.
        let charge = |t: &mut TicketSold| t.details.service_charge.as_mut().unwrap().amount = Minor::new(499);
        assert_eq!(planted(charge), [(Part::ServiceCharge, 499, 498)]);
        let rule = |t: &mut TicketSold| t.details.service_charge.as_mut().unwrap().rule = RuleId::new(9);
        assert_eq!(planted(rule), [(Part::ServiceCharge, 498, 0)]);

        cart.lines[0].price = Some(Minor::new(1));
        cart.exempt = Some("certificate 1234".to_owned());
        let mut changed = sold_by(&menu, cart);
        assert_eq!(compared(&changed, &menu), [], "who changes a price or charges no tax says so");
        changed.lines[0].menu_price = Some(Minor::new(300));
        assert_eq!(compared(&changed, &menu), [(Part::MenuPrice(0), 300, 333)]);
        changed.taxes[0].rate = MicroRate::new(1);
        assert_eq!(compared(&changed, &menu)[1], (Part::Rate(TaxClassId::new(1)), 1, 0));
        assert_ne!(compared(&ordinary, &small_menu()), [], "another menu has other prices");
    }

    proptest! {
        /// P17: what a till sells by a menu is, by that menu, what it should be.
        #[test]
        fn p17_whatever_is_priced_is_as_its_menu_has_it(cart in any_cart(), extras in prop::collection::vec(0_u32..3, 12)) {
            let (menu, mut cart) = (rich_menu(), cart);
            for (line, count) in cart.lines.iter_mut().zip(extras).filter(|(line, count)| line.item == ESPRESSO && *count > 0) {
                line.extras = vec![Extra { modifier: ModifierId::new(1 + count % 2), count }];
            }
            prop_assume!(price(&menu, &cart, &in_the_morning()).unwrap().totals.total.get() < 80_000_000);
            let ticket = sold_by(&menu, cart);
            prop_assert_eq!(compared(&ticket, &menu), []);
            prop_assert_eq!(differences(&ticket), Ok(Vec::new()));
        }
    }
}
