//! The one place where everything is compared: the script's own books with what every shop and head office say.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{Debug, Display};

use anyhow::{Result, ensure};
use percolate_common::money::{Currency, Minor};
use provisioning::figures::money;
use serde_json::Value;
use system_tests::books::{list, number, text};
use system_tests::harness::Client;

use crate::chain::{Day, Shop};
use crate::ledger::{Ledger, Slip, Sums};
use crate::till::TODAY;

/// Differences that are shown at most.
const SHOWN_MAX: usize = 20;

/// What was compared, and what differs.
#[derive(Debug, Default)]
struct Balance {
    compared: usize,
    differences: Vec<String>,
}

impl Balance {
    fn same<T: PartialEq + Debug>(&mut self, what: impl Display, ours: &T, said: &T) {
        self.compared += 1;
        if ours != said {
            self.differences.push(format!("{what}: the script has {ours:?}, the server says {said:?}"));
        }
    }

    fn same_rows<T: PartialEq + Debug>(
        &mut self,
        what: impl Display,
        ours: &BTreeMap<String, T>,
        said: &BTreeMap<String, T>,
    ) {
        for key in ours.keys().chain(said.keys()).collect::<BTreeSet<_>>() {
            self.same(format!("{what}, {key}"), &ours.get(key), &said.get(key));
        }
    }

    /// The hub's reports of one store, or of the chain.
    async fn reports(&mut self, office: &Client, whose: &str, store: Option<u32>, books: &Ledger) -> Result<()> {
        let mut by_month: BTreeMap<String, Sums> = BTreeMap::new();
        for (day, sums) in &books.by_day {
            by_month.entry(day.get(..7).unwrap_or_default().to_owned()).or_default().add(sums);
        }
        let only = store.map(|store| format!("&store={store}")).unwrap_or_default();
        for (by, ours) in [
            ("day", &books.by_day),
            ("month", &by_month),
            ("hour", &books.by_hour),
            ("item", &books.by_item),
            ("category", &books.by_category),
        ] {
            let report = office.get(&format!("/v1/reporting/sales?by={by}{only}")).await?;
            self.same_rows(format!("{whose} by {by}"), ours, &rows(&report)?);
            self.same(format!("{whose} by {by}, all"), &books.all, &sums(&report, "/totals")?);
        }
        Ok(())
    }

    /// What a shop says of its days: sums, practice, and the drawer.
    async fn days(&mut self, shop: &Shop, books: &Ledger) -> Result<()> {
        let client = &shop.node.client;
        for (day, ours) in &books.by_day {
            let said = client.get(&format!("/v1/business-days/{day}")).await?;
            let what = format!("shop {}, its own {day}", shop.number());
            self.same(&what, ours, &sums(&said, "")?);
            let is_today = day == TODAY;
            let practised = if is_today { books.practice.len() } else { 0 };
            self.same(format!("{what}, practice"), &i64::try_from(practised)?, &number(&said, "/training_tickets")?);
            let tender = |row: &Value| Ok((text(row, "/kind")?, number(row, "/amount_minor")?));
            let tenders = list(&said, "/tenders")?.iter().map(tender).collect::<Result<BTreeMap<_, _>>>()?;
            let ours = if is_today { books.tenders.clone() } else { BTreeMap::new() };
            self.same_rows(format!("{what}, tenders"), &ours, &tenders);
            if is_today {
                let present = client.get("/v1/business-day").await?;
                self.same(format!("{what}, as the present day"), &said, &present);
                self.same(format!("{what}, drawer and cards"), &number(&said, "/total_minor")?, &ours.values().sum());
            }
        }
        Ok(())
    }

    /// Every ticket, at the shop and at head office, by its id.
    async fn tickets(&mut self, office: &Client, shop: &Shop, books: &Ledger) -> Result<()> {
        let number = shop.number();
        let mut ours = books.tickets.clone();
        let (held, imported) = slips(&shop.node.client, "/v1/tickets?limit=200").await?;
        ours.extend(books.practice.clone());
        self.same_rows(format!("shop {number}, its tickets"), &ours, &held);
        self.same(format!("shop {number}, its tickets of the past"), &books.imported, &imported);
        let (counted, imported) = slips(office, &format!("/v1/reporting/tickets?store={number}&limit=200")).await?;
        self.same_rows(format!("shop {number}, its tickets at head office"), &books.tickets, &counted);
        self.same(format!("shop {number}, its tickets of the past at head office"), &books.imported, &imported);
        if let Some((id, slip)) = books.tickets.last_key_value() {
            let one = shop.node.client.get(&format!("/v1/tickets/{id}")).await?;
            self.same(format!("shop {number}, one ticket"), slip, &read_slip(&one)?);
        }
        self.receipts(number, &books.tickets);
        Ok(())
    }

    /// Receipt numbers run from 1 without a gap at each till.
    fn receipts(&mut self, shop: u32, tickets: &BTreeMap<String, Slip>) {
        let mut by_series: BTreeMap<String, BTreeSet<usize>> = BTreeMap::new();
        for slip in tickets.values() {
            let (series, number) = slip.receipt.as_deref().and_then(|text| text.rsplit_once('-')).unwrap_or_default();
            by_series.entry(series.to_owned()).or_default().insert(number.parse().unwrap_or(0));
        }
        for (series, numbers) in by_series {
            let gapless: BTreeSet<usize> = (1..=numbers.len()).collect();
            self.same(format!("shop {shop}, receipts {series}"), &gapless, &numbers);
        }
    }

    /// Stock is what came in less what went out, at the shop and at head office.
    async fn stock(&mut self, office: &Client, shop: &Shop, books: &Ledger) -> Result<()> {
        let on_hand =
            |(item, (received, used)): (&i64, &(i64, i64))| (item.to_string(), [received - used, *received, *used]);
        let ours: BTreeMap<String, [i64; 3]> = books.stock.iter().map(on_hand).collect();
        let row = |row: &Value| {
            let of = |field: &str| number(row, field);
            Ok((of("/stock_item")?.to_string(), [of("/on_hand")?, of("/received")?, of("/used")?]))
        };
        let number = shop.number();
        for (who, said) in [
            ("shop", shop.node.client.get("/v1/stock").await?),
            ("head office, shop", office.get(&format!("/v1/reporting/stock?store={number}")).await?),
        ] {
            let said = list(&said, "/rows")?.iter().map(row).collect::<Result<BTreeMap<_, _>>>()?;
            self.same_rows(format!("{who} {number}, stock [on hand, in, out]"), &ours, &said);
        }
        Ok(())
    }
}

fn sums(value: &Value, at: &str) -> Result<Sums> {
    let of = |field: &str| number(value, &format!("{at}/{field}"));
    // By item and category it is null: lines have none.
    let charged = |field: &str| match value.pointer(&format!("{at}/{field}")) {
        Some(Value::Null) => Ok(0),
        Some(_) | None => of(field),
    };
    Ok(Sums {
        tickets: of("tickets")?,
        lines: of("lines")?,
        units: of("units")?,
        net: of("net_minor")?,
        tax: charged("tax_minor")?,
        total: charged("total_minor")?,
        tax_unknown_tickets: of("tax_unknown_tickets")?,
    })
}

fn rows(report: &Value) -> Result<BTreeMap<String, Sums>> {
    list(report, "/rows")?.iter().map(|row| Ok((text(row, "/key")?, sums(row, "")?))).collect()
}

fn read_slip(row: &Value) -> Result<Slip> {
    let receipt = row.get("receipt").and_then(Value::as_str).map(str::to_owned);
    Ok(Slip { receipt, total: number(row, "/total_minor")? })
}

/// All pages of a list of tickets: those with a receipt by id, and how many have none.
async fn slips(client: &Client, path: &str) -> Result<(BTreeMap<String, Slip>, i64)> {
    let (mut slips, mut without) = (BTreeMap::new(), 0);
    let mut after = String::new();
    loop {
        let page = client.get(&format!("{path}{after}")).await?;
        for row in list(&page, "/tickets")? {
            let slip = read_slip(&row)?;
            if slip.receipt.is_none() {
                without += 1;
                continue;
            }
            let known = slips.insert(text(&row, "/ticket_id")?, slip);
            ensure!(known.is_none(), "a ticket is listed twice: {row}");
        }
        after = match page.get("next") {
            Some(Value::String(next)) => format!("&after={next}"),
            Some(Value::Number(next)) => format!("&after={next}"),
            _the_last => return Ok((slips, without)),
        };
    }
}

/// Compares everything: sales, money, tickets and stock, of every shop and of the chain.
pub(crate) async fn the_books_balance(day: &mut Day) -> Result<String> {
    let mut balance = Balance::default();
    let office = &day.hub.client;
    let (mut chain, mut by_store) = (Ledger::default(), BTreeMap::new());
    for shop in &day.shops {
        let (number, books) = (shop.number(), shop.books());
        balance.reports(office, &format!("head office, shop {number}"), Some(number), &books).await?;
        balance.days(shop, &books).await?;
        balance.tickets(office, shop, &books).await?;
        balance.stock(office, shop, &books).await?;
        by_store.insert(number.to_string(), books.all);
        chain.add(&books);
    }
    balance.reports(office, "head office, chain", None, &chain).await?;
    let report = office.get("/v1/reporting/sales?by=store").await?;
    balance.same_rows("head office, stores", &by_store, &rows(&report)?);
    let Balance { compared, differences } = balance;
    let shown: Vec<_> = differences.iter().take(SHOWN_MAX).map(String::as_str).collect();
    ensure!(differences.is_empty(), "{} of {compared} figures differ\n{}", differences.len(), shown.join("\n"));
    let (tickets, cents) = (chain.all.tickets, chain.all.total);
    Ok(format!("{compared} figures compared, {tickets} tickets, {}", money(Minor::new(cents), Currency::USD)))
}
