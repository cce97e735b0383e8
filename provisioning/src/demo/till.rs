//! A till: it sells the planned tickets in their order, keeps its own books, and sends again what it got no answer to.

use std::sync::Arc;
use std::time::Duration;

use percolate_common::domain::catalog::Catalog;
use percolate_common::domain::pricing::cart::CartLine;
use percolate_common::domain::pricing::{Priced, PricingRejection, price};
use percolate_common::money::{Minor, MoneyOverflow};
use percolate_common::time::Clock;
use percolate_runtime::system::monotonic_now;
use serde::Serialize;

use super::clock::DemoClock;
use super::rush::{Payment, PlannedClass, PlannedTicket, any_moment};
use super::servers::Who;
use super::tally::Tally;
use crate::client::{Answer, ClientError, Measures, Node, Sold, retry};
use crate::figures::signed;

/// How long a store may be busy or out of reach before a till gives up on it, in milliseconds.
const STORE_PATIENCE_MS: u64 = 30_000;

/// A sale that did not go as it must.
#[derive(Debug, thiserror::Error)]
pub enum TillError {
    /// The store cannot be reached, or refuses.
    #[error("{terminal} of {store} could not sell ticket {number}")]
    Store {
        /// Store name.
        store: String,
        /// Terminal.
        terminal: String,
        /// The ticket's number in the plan.
        number: u32,
        /// Why.
        #[source]
        source: Box<ClientError>,
    },
    /// The plan names something that is not on the menu.
    #[error("a planned ticket cannot be priced")]
    Pricing(#[from] PricingRejection),
    /// The store took other money than the rules say.
    #[error("{store} sold ticket {number} for {sold} minor units, the menu says {due}")]
    OtherPrice {
        /// Store name.
        store: String,
        /// The ticket's number in the plan.
        number: u32,
        /// What the store says.
        sold: i64,
        /// What the rules say.
        due: i64,
    },
    /// The same key gave another ticket.
    #[error("{store} sold ticket {number} twice, under one key: {first} and {second}")]
    SoldTwice {
        /// Store name.
        store: String,
        /// The ticket's number in the plan.
        number: u32,
        /// The first answer's ticket.
        first: String,
        /// The second's.
        second: String,
    },
}

impl TillError {
    /// Whether the store has broken a promise, and not merely failed.
    #[must_use]
    pub fn is_disagreement(&self) -> bool {
        matches!(self, Self::OtherPrice { .. } | Self::SoldTwice { .. })
    }
}

/// What a till has rung up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TillBooks {
    /// Real tickets.
    pub sales: Measures,
    /// Practice tickets.
    pub training: i64,
    /// Tickets that were sent a second time on purpose.
    pub resent: i64,
    /// How long each answer took, in microseconds.
    pub answers_us: Vec<u64>,
}

impl TillBooks {
    /// Adds another till's books.
    pub fn add(&mut self, other: &Self) {
        add(&mut self.sales, &other.sales);
        self.training += other.training;
        self.resent += other.resent;
        self.answers_us.extend(&other.answers_us);
    }
}

/// Adds measures. They are sums of a demo's day and do not come near the limits of 64 bits.
pub fn add(sums: &mut Measures, more: &Measures) {
    sums.tickets += more.tickets;
    sums.lines += more.lines;
    sums.units += more.units;
    sums.net_minor += more.net_minor;
    sums.tax_minor += more.tax_minor;
    sums.total_minor += more.total_minor;
}

/// One terminal of one shop.
#[derive(Debug, Clone)]
pub struct Till {
    /// The shop's node.
    pub node: Node,
    /// Whose till it is.
    pub who: Who,
    /// The shop's name.
    pub name: String,
    /// The terminal's name.
    pub terminal: String,
    /// What all its idempotency keys begin with.
    pub keys: String,
    /// Where it tells what it does.
    pub tally: Arc<Tally>,
}

#[derive(Debug, Serialize)]
struct TicketBody<'t> {
    terminal: &'t str,
    currency: String,
    lines: Vec<LineBody>,
    tenders: Vec<TenderBody>,
    training: bool,
}

#[derive(Debug, Serialize)]
struct LineBody {
    item: u32,
    quantity: u32,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    extras: Vec<ExtraBody>,
}

#[derive(Debug, Serialize)]
struct ExtraBody {
    modifier: u32,
    count: u32,
}

fn line(line: &CartLine) -> LineBody {
    let extras = line.extras.iter().map(|it| ExtraBody { modifier: it.modifier.get(), count: it.count }).collect();
    LineBody { item: line.item.get(), quantity: line.quantity, extras }
}

/// One payment of a request.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct TenderBody {
    kind: &'static str,
    amount_minor: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    reference: Option<String>,
}

/// How a total is paid.
fn tenders(payment: Payment, total: Minor, reference: u32) -> Vec<TenderBody> {
    let total = total.get();
    let cash = |amount_minor| TenderBody { kind: "cash", amount_minor, reference: None };
    let card = |amount_minor| TenderBody {
        kind: "card_external",
        amount_minor,
        reference: Some(format!("AUTH-{reference:06}")),
    };
    match payment {
        _ if total <= 0 => Vec::new(),
        Payment::Cash { note_minor } => vec![cash((total + note_minor - 1) / note_minor * note_minor)],
        Payment::Split if total >= 2 => vec![card(total / 2), cash(total - total / 2)],
        Payment::Card | Payment::Split => vec![card(total)],
    }
}

impl Till {
    /// Sells tickets, each at its time.
    ///
    /// # Errors
    /// [`TillError`] for the first sale that did not go as it must.
    pub async fn sell_all(
        &self,
        tickets: Vec<PlannedTicket>,
        catalog: &Catalog,
        (clock, wall): (&DemoClock, &dyn Clock),
    ) -> Result<TillBooks, TillError> {
        let mut books = TillBooks::default();
        for ticket in tickets {
            clock.wait_until(ticket.at_s, wall).await;
            self.sell(&ticket, catalog, &mut books).await?;
        }
        Ok(books)
    }

    async fn sell(&self, ticket: &PlannedTicket, catalog: &Catalog, books: &mut TillBooks) -> Result<(), TillError> {
        let priced = price(catalog, &ticket.cart(), &any_moment())?;
        let body = self.body(ticket, catalog, &priced);
        let key = format!("{}-{}", self.keys, ticket.number);
        if ticket.class == PlannedClass::Sale {
            self.tally.asked(self.who);
        }
        let begin = monotonic_now();
        let first = self.send(ticket, &key, &body).await?;
        books.answers_us.push(u64::try_from((monotonic_now() - begin).as_micros()).unwrap_or(u64::MAX));
        self.check(ticket, &priced, &first.body)?;
        if ticket.resend {
            let second = self.send(ticket, &key, &body).await?;
            self.same(ticket, &first.body, &second)?;
            books.resent += 1;
        }
        match ticket.class {
            PlannedClass::Training => books.training += 1,
            PlannedClass::Sale => {
                let sums = measures(&priced);
                add(&mut books.sales, &sums);
                self.tally.sold(self.who, &sums);
            }
        }
        Ok(())
    }

    async fn send(&self, ticket: &PlannedTicket, key: &str, body: &[u8]) -> Result<Answer<Sold>, TillError> {
        let patience = Duration::from_millis(STORE_PATIENCE_MS);
        let attempt = |failures| async move {
            let answer = self.node.sell(key, body.to_vec()).await;
            if failures == 0 && answer.as_ref().is_err_and(ClientError::is_passing) {
                self.tally.repeated(self.who);
            }
            answer
        };
        let sold = retry(patience, attempt).await;
        sold.map_err(|source| TillError::Store {
            store: self.name.clone(),
            terminal: self.terminal.clone(),
            number: ticket.number,
            source: Box::new(source),
        })
    }

    fn body(&self, ticket: &PlannedTicket, catalog: &Catalog, priced: &Priced) -> Vec<u8> {
        let body = TicketBody {
            terminal: &self.terminal,
            currency: catalog.revision.currency.to_string(),
            lines: ticket.lines.iter().map(line).collect(),
            tenders: tenders(ticket.payment, priced.totals.total, ticket.reference),
            training: ticket.class == PlannedClass::Training,
        };
        serde_json::to_vec(&body).expect("invariant: numbers and texts are always JSON")
    }

    fn check(&self, ticket: &PlannedTicket, priced: &Priced, sold: &Sold) -> Result<(), TillError> {
        let totals = &priced.totals;
        let due = (totals.net.get(), Some(totals.tax.get()), totals.total.get());
        if (sold.net_minor, sold.tax_minor, sold.total_minor) == due {
            return Ok(());
        }
        let (store, number) = (self.name.clone(), ticket.number);
        Err(TillError::OtherPrice { store, number, sold: sold.total_minor, due: totals.total.get() })
    }

    fn same(&self, ticket: &PlannedTicket, first: &Sold, second: &Answer<Sold>) -> Result<(), TillError> {
        if second.replayed && second.body.ticket_id == first.ticket_id {
            return Ok(());
        }
        Err(TillError::SoldTwice {
            store: self.name.clone(),
            number: ticket.number,
            first: first.ticket_id.clone(),
            second: second.body.ticket_id.clone(),
        })
    }
}

fn measures(priced: &Priced) -> Measures {
    Measures {
        tickets: 1,
        lines: signed(priced.lines.len()),
        units: priced.lines.iter().map(|line| i64::from(line.quantity)).sum(),
        net_minor: priced.totals.net.get(),
        tax_minor: priced.totals.tax.get(),
        total_minor: priced.totals.total.get(),
    }
}

/// What a shop will need on a day, by stock item, in base units.
///
/// # Errors
/// [`PricingRejection`] if the plan names something that is not on the menu, [`MoneyOverflow`] inside it if the amounts
/// do not fit.
pub fn stock_needed(
    tickets: &[PlannedTicket],
    catalog: &Catalog,
) -> Result<std::collections::BTreeMap<u32, i64>, PricingRejection> {
    let mut needed: std::collections::BTreeMap<u32, i64> =
        catalog.content.stock_items.keys().map(|item| (item.get(), 0)).collect();
    for ticket in tickets.iter().filter(|ticket| ticket.class == PlannedClass::Sale) {
        for effect in price(catalog, &ticket.cart(), &any_moment())?.stock_effects {
            let sum = needed.entry(effect.stock_item.get()).or_insert(0);
            *sum = sum.checked_sub(effect.quantity.get()).ok_or(MoneyOverflow)?;
        }
    }
    Ok(needed)
}

#[cfg(test)]
mod tests {
    use percolate_common::domain::tickets::tender::looks_like_card_number;

    use super::super::chain::DemoChain;
    use super::super::rush::plan;
    use super::*;
    use crate::client::tests::demo_catalog;

    #[test]
    fn every_payment_pays_what_is_due_and_only_cash_more() {
        let sum = |tenders: &[TenderBody]| tenders.iter().map(|tender| tender.amount_minor).sum::<i64>();
        for total in [1, 2, 99, 100, 101, 1_999, 2_000, 12_345] {
            let pay = |payment| tenders(payment, Minor::new(total), 7);
            assert_eq!(sum(&pay(Payment::Card)), total);
            assert_eq!(sum(&pay(Payment::Split)), total);
            assert_eq!(sum(&pay(Payment::Cash { note_minor: 1 })), total);
            for note_minor in [100, 500, 2_000] {
                let handed = sum(&pay(Payment::Cash { note_minor }));
                assert!(handed >= total && handed - total < note_minor && handed % note_minor == 0);
            }
            assert!(pay(Payment::Split).iter().all(|tender| tender.amount_minor > 0));
        }
        assert_eq!(tenders(Payment::Card, Minor::ZERO, 7), []);
        let reference = tenders(Payment::Card, Minor::new(1), 999_999).remove(0).reference.unwrap();
        assert!(!looks_like_card_number(&reference) && reference.len() <= 32);
    }

    #[test]
    fn stock_is_needed_for_sales_alone_and_told_for_every_item() {
        let catalog = demo_catalog();
        let rush = plan(&DemoChain::load(), &catalog, 50, 1).remove(0);
        let needed = stock_needed(&rush.tickets, &catalog).unwrap();
        assert_eq!(needed.len(), catalog.content.stock_items.len());
        assert!(needed.values().all(|quantity| *quantity >= 0) && needed.values().any(|quantity| *quantity > 0));
        let practice: Vec<_> = rush.tickets.into_iter().filter(|t| t.class == PlannedClass::Training).collect();
        assert!(stock_needed(&practice, &catalog).unwrap().values().all(|quantity| *quantity == 0));
    }
}
