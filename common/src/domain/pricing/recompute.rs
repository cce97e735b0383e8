//! A ticket computed again from its own lines: whoever reads it later sees whether it adds up. Nobody rewrites it.

use std::collections::BTreeMap;

use super::tax::tax;
use crate::domain::tickets::{ReductionCause, SoldLine, TicketSold};
use crate::ids::TaxClassId;
use crate::money::{Minor, MoneyOverflow};

/// What of a ticket does not add up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// What a line came to: its position.
    Line(u32),
    /// What a discount came to: its position.
    Discount(u32),
    /// What a class of tax was charged on.
    TaxBase(TaxClassId),
    /// What a class of tax came to.
    Tax(TaxClassId),
    /// All lines and the charge for service.
    Net,
    /// All tax.
    TaxSum,
    /// What the guest pays.
    Total,
    /// What was handed over less the change: it should be the total, the tip and the rounding.
    Paid,
}

impl Part {
    /// Its word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Line(_) => "line",
            Self::Discount(_) => "discount",
            Self::TaxBase(_) => "tax_base",
            Self::Tax(_) => "tax",
            Self::Net => "net",
            Self::TaxSum => "tax_sum",
            Self::Total => "total",
            Self::Paid => "paid",
        }
    }

    /// Which of several, as it is written.
    #[must_use]
    pub const fn number(self) -> Option<u32> {
        match self {
            Self::Line(at) | Self::Discount(at) => Some(at),
            Self::TaxBase(class) | Self::Tax(class) => Some(class.get()),
            Self::Net | Self::TaxSum | Self::Total | Self::Paid => None,
        }
    }
}

/// A difference between what a ticket says and what its lines come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Difference {
    /// Of what.
    pub part: Part,
    /// What the ticket says.
    pub said: Minor,
    /// What it comes to.
    pub computed: Minor,
}

/// Everything of a ticket that does not add up; nothing if all does.
///
/// # Errors
/// [`MoneyOverflow`] if its numbers are so large that they cannot be added.
pub fn differences(sold: &TicketSold) -> Result<Vec<Difference>, MoneyOverflow> {
    let mut found = Vec::new();
    let mut compare = |part, said: Minor, computed: Minor| {
        if said != computed {
            found.push(Difference { part, said, computed });
        }
    };
    for (at, line) in (0_u32..).zip(&sold.lines) {
        compare(Part::Line(at), line.total, line_total(line)?);
    }
    for (at, given) in (0_u32..).zip(&sold.details.discounts) {
        let parts = sold.lines.iter().flat_map(|line| &line.reductions);
        let parts = parts.filter(|part| part.cause == ReductionCause::Given(at)).map(|part| part.amount);
        compare(Part::Discount(at), given.amount, Minor::sum(parts)?);
    }
    let charge = sold.details.service_charge;
    let mut amounts: BTreeMap<TaxClassId, Vec<Minor>> = BTreeMap::new();
    let charged = charge.and_then(|charge| Some((charge.tax_class?, charge.amount)));
    for (class, amount) in sold.lines.iter().map(|line| (line.tax_class, line.total)).chain(charged) {
        amounts.entry(class).or_default().push(amount);
    }
    for line in &sold.taxes {
        let of_class = amounts.remove(&line.tax_class).unwrap_or_default();
        compare(Part::TaxBase(line.tax_class), line.base, Minor::sum(of_class.iter().copied())?);
        compare(Part::Tax(line.tax_class), line.tax, tax(line.rate, sold.details.tax_basis, &of_class)?);
    }
    // Classes of which the ticket says nothing.
    for (class, of_class) in amounts {
        compare(Part::TaxBase(class), Minor::ZERO, Minor::sum(of_class)?);
    }
    let charge = charge.map_or(Minor::ZERO, |charge| charge.amount);
    let totals = sold.totals;
    compare(Part::Net, totals.net, Minor::sum(sold.lines.iter().map(|line| line.total))?.plus(charge)?);
    compare(Part::TaxSum, totals.tax, Minor::sum(sold.taxes.iter().map(|line| line.tax))?);
    compare(Part::Total, totals.total, totals.net.plus(totals.tax)?);
    let handed_over = Minor::sum(sold.tenders.iter().map(|tender| tender.amount))?;
    let owed = totals.total.plus(sold.details.tip)?.plus(sold.details.cash_rounding)?;
    compare(Part::Paid, handed_over.minus(sold.change)?, owed);
    Ok(found)
}

fn line_total(line: &SoldLine) -> Result<Minor, MoneyOverflow> {
    let off = Minor::sum(line.reductions.iter().map(|reduction| reduction.amount))?;
    line.unit_price.times(line.quantity.into())?.minus(off)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::domain::catalog::tests::small_menu;
    use crate::domain::pricing::tests::{any_cart, in_the_morning};
    use crate::domain::tickets::decide::{SellTicket, sell};
    use crate::domain::tickets::tender::{Tender, TenderKind};
    use crate::domain::tickets::{ServiceCharged, TicketClass};
    use crate::ids::{RuleId, TicketId};
    use crate::money::{Currency, MicroRate};

    use super::*;
    use crate::domain::pricing::cart::Cart;
    use crate::domain::pricing::price;

    /// The ticket of a cart that is paid with a note that is large enough.
    fn sold(cart: Cart) -> TicketSold {
        let due = price(&small_menu(), &cart, &in_the_morning()).unwrap().totals.total;
        let cash = |amount| Tender { kind: TenderKind::Cash, amount };
        let mut left = due.get();
        let mut tenders = Vec::new();
        while left > 0 {
            tenders.push(cash(Minor::new(left.min(10_000_000))));
            left -= 10_000_000;
        }
        let command = SellTicket { class: TicketClass::Sale, currency: Currency::USD, cart, tenders, tip: Minor::ZERO };
        let decided = sell(&small_menu(), command, &in_the_morning()).unwrap();
        decided.numbered(TicketId::sold(0, 1, "k"), "T1-A-1".parse().unwrap())
    }

    fn ordinary() -> TicketSold {
        use crate::ids::ItemId;
        sold(Cart::plain([(ItemId::new(101), 2), (ItemId::new(201), 1)]))
    }

    #[test]
    fn what_was_planted_is_found_where_it_is() {
        assert_eq!(differences(&ordinary()), Ok(Vec::new()));
        let parts = |plant: fn(&mut TicketSold)| {
            let mut ticket = ordinary();
            plant(&mut ticket);
            differences(&ticket).unwrap().into_iter().map(|found| found.part).collect::<Vec<_>>()
        };
        let (prepared, beans) = (TaxClassId::new(1), TaxClassId::new(2));
        assert_eq!(parts(|t| t.lines[0].unit_price = Minor::new(301)), [Part::Line(0)]);
        assert_eq!(parts(|t| t.taxes[0].tax = Minor::new(54)), [Part::Tax(prepared), Part::TaxSum]);
        assert_eq!(parts(|t| t.taxes[1].rate = MicroRate::new(40_000)), [Part::Tax(beans)]);
        assert_eq!(parts(|t| t.taxes[0].base = Minor::new(601)), [Part::TaxBase(prepared)]);
        assert_eq!(parts(|t| t.taxes.truncate(0)), [Part::TaxBase(prepared), Part::TaxBase(beans), Part::TaxSum]);
        assert_eq!(parts(|t| t.totals.net = Minor::new(2_399)), [Part::Net, Part::Total]);
        assert_eq!(parts(|t| t.totals.total = Minor::new(1)), [Part::Total, Part::Paid]);
        assert_eq!(parts(|t| t.change = Minor::new(5)), [Part::Paid]);
        let charge = ServiceCharged { rule: RuleId::new(1), tax_class: None, amount: Minor::new(10) };
        let mut charged = ordinary();
        charged.details.service_charge = Some(charge);
        let found = differences(&charged).unwrap();
        assert_eq!((found.len(), found[0].part, found[0].computed.get()), (1, Part::Net, 2_410));
    }

    proptest! {
        /// P17: what is sold offline is computed again later, and comes out the same.
        #[test]
        fn p17_whatever_is_sold_adds_up(cart in any_cart()) {
            prop_assume!(price(&small_menu(), &cart, &in_the_morning()).unwrap().totals.total.get() < 80_000_000);
            let ticket = sold(cart);
            prop_assert_eq!(differences(&ticket), Ok(Vec::new()));
        }

        /// And one that is a cent off anywhere does not.
        #[test]
        fn a_cent_anywhere_is_noticed(cart in any_cart(), at in 0_usize..6) {
            prop_assume!(price(&small_menu(), &cart, &in_the_morning()).unwrap().totals.total.get() < 80_000_000);
            let mut ticket = sold(cart);
            let amount = match at {
                0 => &mut ticket.lines[0].total,
                1 => &mut ticket.taxes[0].tax,
                2 => &mut ticket.taxes[0].base,
                3 => &mut ticket.totals.net,
                4 => &mut ticket.totals.tax,
                _ => &mut ticket.totals.total,
            };
            *amount = Minor::new(amount.get() + 1);
            prop_assert!(!differences(&ticket).unwrap().is_empty());
        }
    }
}
