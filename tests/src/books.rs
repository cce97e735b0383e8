//! Comparing the books of the stores with those of the hub.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::harness::{Client, Hub, Node, eventually};

/// A number at a pointer.
///
/// # Errors
/// If it is not there, or not in time.
pub fn number(value: &Value, pointer: &str) -> Result<i64> {
    value.pointer(pointer).and_then(Value::as_i64).with_context(|| format!("{pointer} in {value}"))
}

/// A text at a pointer.
///
/// # Errors
/// If it is not there, or not in time.
pub fn text(value: &Value, pointer: &str) -> Result<String> {
    Ok(value.pointer(pointer).and_then(Value::as_str).with_context(|| format!("{pointer} in {value}"))?.to_owned())
}

/// A list at a pointer.
///
/// # Errors
/// If it is not there, or not in time.
pub fn list(value: &Value, pointer: &str) -> Result<Vec<Value>> {
    Ok(value.pointer(pointer).and_then(Value::as_array).with_context(|| format!("{pointer} in {value}"))?.clone())
}

/// Waits until the hub's report of a store is complete up to what the store has written.
///
/// # Errors
/// If it is not there, or not in time.
pub async fn complete(hub: &Hub, node: &Node) -> Result<()> {
    complete_at(&hub.client, node).await
}

/// As [`complete`], of whoever has the reports.
///
/// # Errors
/// If it is not there, or not in time.
pub async fn complete_at(office: &Client, node: &Node) -> Result<()> {
    let own = node.all_acked().await?;
    let heads = list(&own, "/streams")?;
    let life = text(&own, "/incarnation")?;
    let store = i64::from(node.spec.store);
    eventually("the hub's reports to be complete", || async {
        let report = office.get(&format!("/v1/reporting/sales?by=store&store={store}")).await?;
        let marks = list(&report, "/completeness")?;
        let mark = marks.iter().find(|mark| number(mark, "/store").ok() == Some(store)).context("a mark")?;
        ensure!(number(mark, "/behind_events")? == 0, "behind: {mark}");
        let through = list(mark, "/complete_through")?;
        for head in heads.iter().filter(|head| number(head, "/last_seq").unwrap_or(0) > 0) {
            let stream = text(head, "/stream")?;
            let is_meant = |part: &&Value| {
                text(part, "/stream").ok().as_ref() == Some(&stream)
                    && text(part, "/incarnation").ok().as_ref() == Some(&life)
            };
            let here = through.iter().find(is_meant);
            let here = here.with_context(|| format!("{stream} in {mark}"))?;
            ensure!(number(here, "/seq")? == number(head, "/last_seq")?, "{stream}: {mark}");
            ensure!(text(here, "/head")? == text(head, "/head")?, "chain heads of {stream} differ: {mark} {head}");
        }
        Ok(())
    })
    .await
}

/// The measures of a store's whole trade, as the hub reports them.
///
/// # Errors
/// If it is not there, or not in time.
pub async fn hub_totals(hub: &Hub, store: u32) -> Result<(i64, i64, i64)> {
    totals_at(&hub.client, store).await
}

/// As [`hub_totals`], of whoever has the reports.
///
/// # Errors
/// If it is not there, or not in time.
pub async fn totals_at(office: &Client, store: u32) -> Result<(i64, i64, i64)> {
    let report = office.get(&format!("/v1/reporting/sales?by=day&store={store}")).await?;
    Ok((
        number(&report, "/totals/tickets")?,
        number(&report, "/totals/units")?,
        number(&report, "/totals/total_minor")?,
    ))
}

/// The measures of a store's current business day, as the store says.
///
/// # Errors
/// If it is not there, or not in time.
pub async fn store_totals(node: &Node) -> Result<(i64, i64, i64)> {
    let day = node.client.get("/v1/business-day").await?;
    Ok((number(&day, "/tickets")?, number(&day, "/units")?, number(&day, "/total_minor")?))
}

/// A ticket for one item of the demo's menu, paid with plenty of cash.
#[must_use]
pub fn ticket(terminal: &str, item: i64, quantity: u32) -> Value {
    serde_json::json!({
        "terminal": terminal,
        "currency": "USD",
        "lines": [{"item": item, "quantity": quantity}],
        "tenders": [{"kind": "cash", "amount_minor": 1_000_000}],
    })
}

/// So many sales at each shop, under keys of their own; the tickets that they were answered with are added to `told`.
///
/// # Errors
/// If one is not answered.
pub async fn sell_each(shops: &[Node], told: &mut [BTreeSet<String>], (sales, key): (usize, &str)) -> Result<()> {
    for (shop, told) in shops.iter().zip(told) {
        let item = any_item(shop).await?;
        for sale in 0..sales {
            let answer = shop.client.post("/v1/tickets", &format!("{key}-{sale}"), &ticket("T1", item, 1)).await?;
            told.insert(text(&answer, "/ticket_id")?);
        }
    }
    Ok(())
}

/// The number of some item on the menu that a store sells.
///
/// # Errors
/// If it is not there, or not in time.
pub async fn any_item(node: &Node) -> Result<i64> {
    number(&node.client.get("/v1/catalog").await?, "/items/0/id")
}

/// The tickets behind a figure are those that the shop answered, each once, and the sums are the shop's, at whoever has the
/// reports.
///
/// # Errors
/// If one is missing or stands twice, or the sums are never the shop's.
pub async fn counted_once_at(office: &Client, shop: &Node, told: &BTreeSet<String>) -> Result<()> {
    let own = store_totals(shop).await?;
    ensure!(own.0 == i64::try_from(told.len())?, "{own:?}, and {} were answered", told.len());
    let store = shop.spec.store;
    eventually("the reports to say what the shop says", || async {
        let here = totals_at(office, store).await?;
        ensure!(here == own, "{here:?} and {own:?}");
        Ok(())
    })
    .await?;
    let page = office.get(&format!("/v1/reporting/tickets?store={store}&limit=1000")).await?;
    let counted = list(&page, "/tickets")?.iter().map(|row| text(row, "/ticket_id")).collect::<Result<Vec<_>>>()?;
    ensure!(counted.len() == told.len(), "{} tickets behind the figure, {} were answered", counted.len(), told.len());
    ensure!(counted.into_iter().collect::<BTreeSet<_>>() == *told, "the tickets behind the figure are others");
    Ok(())
}

/// The tickets that a till was answered are the shop's, and head office's, each once; and both have the same sums.
///
/// # Errors
/// If one is missing, stands twice, or was never asked for.
pub async fn counted_once(hub: &Hub, shop: &Node, told: &[String]) -> Result<()> {
    complete(hub, shop).await?;
    let books = store_totals(shop).await?;
    ensure!(books.0 == i64::try_from(told.len())?, "{books:?}, and {} were answered", told.len());
    ensure!(hub_totals(hub, shop.spec.store).await? == books, "head office differs from {books:?}");
    let path = format!("/v1/reporting/tickets?store={}&limit=1000", shop.spec.store);
    let page = hub.client.get(&path).await?;
    let counted = list(&page, "/tickets")?.iter().map(|row| text(row, "/ticket_id")).collect::<Result<Vec<_>>>()?;
    let once = |ids: &[String]| ids.iter().cloned().collect::<BTreeSet<_>>();
    ensure!(counted.len() == told.len(), "{} tickets behind the figure, {} were answered", counted.len(), told.len());
    ensure!(once(&counted) == once(told), "the tickets behind the figure are others: {counted:?}, {told:?}");
    Ok(())
}
