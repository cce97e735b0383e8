//! Drawers from their float to their count, and the close of the day.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use system_tests::books::{list, number, text};

use crate::chain::{CUT_OFF, Day, Shop, WATCHED};
use crate::ledger::Ledger;
use crate::till::TODAY;

/// What each drawer is opened with.
const FLOAT: i64 = 15_000;
/// What the first till of each shop pays out for milk, and what it takes to the safe.
const MILK: i64 = 1_250;
const SAFE: i64 = 4_000;
/// What is missing in the evening in one drawer of the shop that is watched.
const SHORT: i64 = 135;

/// Every till opens its drawer, and asks twice.
pub(crate) async fn drawers_are_opened(day: &mut Day) -> Result<String> {
    let mut opened = 0;
    for shop in &mut day.shops {
        for terminal in ["T1", "T2"] {
            let body = json!({"terminal": terminal, "float_minor": FLOAT, "staff": 1});
            let key = format!("drawer-{terminal}");
            let drawer = shop.node.client.post("/v1/drawers", &key, &body).await?;
            let again = shop.node.client.post("/v1/drawers", &key, &body).await?;
            ensure!(drawer == again, "{drawer}, then {again}");
            let second = shop.node.client.try_post("/v1/drawers", &format!("second-{terminal}"), &body).await?;
            ensure!((second.status, second.code().as_str()) == (409, "drawer_open"), "{second:?}");
            shop.drawers.insert(terminal.to_owned(), (text(&drawer, "/drawer")?, FLOAT));
            opened += 1;
        }
    }
    Ok(format!("{opened} drawers"))
}

/// Milk is paid from the drawer, and notes go to the safe.
pub(crate) async fn cash_leaves_the_drawers(day: &mut Day) -> Result<String> {
    let mut movements = 0;
    for shop in &mut day.shops {
        let (drawer, expected) = shop.drawers.get_mut("T1").context("a drawer")?;
        for (kind, amount, reason) in [("pay_out", MILK, "supplies"), ("drop", SAFE, "bank"), ("no_sale", 0, "change")]
        {
            let body = json!({"kind": kind, "amount_minor": amount, "reason": reason});
            shop.node.client.post(&format!("/v1/drawers/{drawer}/movements"), kind, &body).await?;
            *expected -= amount;
            movements += 1;
        }
    }
    Ok(format!("{movements} movements"))
}

fn rows(said: &Value, at: &str, key: &str, amount: &str) -> Result<BTreeMap<String, i64>> {
    let row = |row: &Value| {
        let key = row.pointer(key).context("a key")?;
        let key = key.as_str().map_or_else(|| key.to_string(), str::to_owned);
        // An hour is a number here and two digits there.
        let key = key.parse().map_or(key, |number: i64| number.to_string());
        Ok((key, number(row, amount)?))
    };
    list(said, at)?.iter().map(row).collect()
}

/// That what is said of a day is what the script has booked, to the cent by means of payment, tax class and hour.
fn is_the_day(who: &str, said: &Value, at: &str, gross: &str, books: &Ledger) -> Result<()> {
    let today = books.by_day.get(TODAY).context("sales of today")?;
    for (field, ours) in [
        ("tickets", today.tickets),
        ("net_minor", today.net),
        ("tax_minor", today.tax),
        (gross, today.total),
        ("refunds_minor", 0),
        ("discounts_minor", 0),
        ("no_drawer_cash_minor", 0),
        ("paid_out_minor", MILK),
        ("dropped_minor", SAFE),
        ("no_sales", 1),
    ] {
        let theirs = number(said, &format!("{at}/{field}"))?;
        ensure!(theirs == ours, "{who}, {field}: the script has {ours}, it says {theirs}");
    }
    let of = |list: &str, key: &str, amount: &str| rows(said, &format!("{at}/{list}"), key, amount);
    let tenders = of("tenders", "/kind", "/amount_minor")?;
    ensure!(tenders == books.tenders, "{who}: {tenders:?}, and {:?}", books.tenders);
    let taxes = of("taxes", "/tax_class", "/tax_minor")?;
    ensure!(taxes == books.taxes, "{who}: {taxes:?}, and {:?}", books.taxes);
    let hours = of("hours", "/hour", &format!("/{gross}"))?;
    ensure!(hours == books.hours_today, "{who}: {hours:?}, and {:?}", books.hours_today);
    Ok(())
}

/// Counts a drawer: at the first till by its sum, at the second coin by coin.
async fn count(shop: &Shop, terminal: &str, counted: i64) -> Result<Value> {
    let (drawer, _) = shop.drawers.get(terminal).context("a drawer")?;
    let body = if terminal == "T1" {
        json!({"counted_minor": counted})
    } else {
        json!({"denominations": [{"value_minor": 100, "count": counted / 100}, {"value_minor": 1, "count": counted % 100}]})
    };
    shop.node.client.post(&format!("/v1/drawers/{drawer}/close"), &format!("count-{terminal}"), &body).await
}

/// Every shop counts and closes. One drawer is short; one is forgotten, and carried over.
pub(crate) async fn the_day_is_closed(day: &mut Day) -> Result<String> {
    for shop in &mut day.shops {
        let (books, number_of) = (shop.books(), shop.number());
        for terminal in ["T1", "T2"] {
            let cash = shop.till(terminal)?.books.tenders.get("cash").copied().unwrap_or(0);
            let (_, expected) = shop.drawers.get_mut(terminal).context("a drawer")?;
            *expected += cash;
            let expected = *expected;
            if number_of == CUT_OFF && terminal == "T2" {
                continue;
            }
            let short = if number_of == WATCHED && terminal == "T1" { SHORT } else { 0 };
            let drawer = count(shop, terminal, expected - short).await?;
            let said = (number(&drawer, "/count/expected_minor")?, number(&drawer, "/count/difference_minor")?);
            ensure!(
                said == (expected, -short),
                "shop {number_of}, {terminal}: {drawer}, and {expected} should be there"
            );
        }
        let before = shop.node.client.get("/v1/readings/current").await?;
        let answer = shop.node.client.post("/v1/readings", "close", &json!({"staff": 1})).await?;
        let again = shop.node.client.post("/v1/readings", "close", &json!({"staff": 1})).await?;
        ensure!(answer == again && answer.pointer("/unacknowledged").is_some(), "{answer}, then {again}");
        for said in [&before, &answer] {
            ensure!(number(said, "/unmatched_cards/count")? == 0, "money that no ticket counts: {said}");
        }
        let reading = answer.pointer("/reading").context("a reading")?.clone();
        let mut sums = reading.pointer("/sums").context("sums")?.clone();
        if number_of == CUT_OFF {
            // A drawer is open there: X says nothing of cash.
            ensure!(before.pointer("/cash_withheld") == Some(&Value::Bool(true)), "{before}");
            let tenders = sums.pointer_mut("/tenders").and_then(Value::as_array_mut).context("tenders")?;
            tenders.retain(|row| row.pointer("/kind") != Some(&json!("cash")));
        }
        ensure!(before.pointer("/sums") == Some(&sums), "X says {before}, Z says {reading}");
        is_the_day(&format!("shop {number_of}"), &reading, "/sums", "gross_minor", &books)?;
        let carried = list(&reading, "/carried_over")?;
        ensure!(carried.len() == usize::from(number_of == CUT_OFF), "{carried:?}");
        let number = text(&reading, "/number")?;
        ensure!(shop.node.client.get(&format!("/v1/readings/{number}")).await? == reading, "{reading}");
        let all = list(&shop.node.client.get("/v1/readings").await?, "/rows")?;
        ensure!(all == [reading.clone()], "{all:?}");
        let drawers = list(&shop.node.client.get("/v1/drawers").await?, "/rows")?;
        ensure!(drawers.len() == 2, "{drawers:?}");
        shop.closing = Some(reading);
    }
    Ok(format!("{} closes, one drawer {SHORT} cents short, one carried over", day.shops.len()))
}

/// Head office has every close as it was made, and comes to the same.
pub(crate) async fn head_office_has_the_closes(day: &mut Day) -> Result<String> {
    let office = &day.hub.client;
    let all = list(&office.get("/v1/reporting/closings").await?, "/rows")?;
    ensure!(all.len() == day.shops.len(), "{all:?}");
    for shop in &day.shops {
        let number_of = shop.number();
        let path = format!("/v1/reporting/closings?store={number_of}&from={TODAY}&to={TODAY}");
        let rows = list(&office.get(&path).await?, "/rows")?;
        let [row] = rows.as_slice() else { anyhow::bail!("{rows:?}") };
        let closing = shop.closing.as_ref().context("a close")?;
        is_the_day(&format!("head office, shop {number_of}"), row, "", "total_minor", &shop.books())?;
        for field in ["/number", "/business_day", "/at_ms", "/head", "/currency"] {
            ensure!(row.pointer(field) == closing.pointer(field), "{field}: {row}, and {closing}");
        }
        let short = if number_of == WATCHED { SHORT } else { 0 };
        ensure!(number(row, "/difference_minor")? == -short, "{row}");
        let carried = usize::from(number_of == CUT_OFF);
        let told = (list(row, "/drawers")?.len(), list(row, "/carried_over")?.len());
        ensure!(told == (2 - carried, carried), "{row}");
        ensure!(row.pointer("/agrees") == Some(&Value::Bool(true)), "{row}");
    }
    Ok(format!("{} closes, the same to the cent", all.len()))
}
