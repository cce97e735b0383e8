//! The kitchen: what the tills sold reaches its station, and is made once.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use system_tests::books::{list, number, text};
use system_tests::harness::{demo_menu, eventually};

use crate::chain::{Day, WATCHED};

/// Orders of each bar that are made while the script looks.
const MADE: usize = 5;

/// Two screens of each shop bump the oldest orders of the bar at the same time, and one of them was not made after all.
pub(crate) async fn the_bar_makes_it_once(day: &mut Day) -> Result<String> {
    let mut waited = 0;
    for shop in &day.shops {
        let client = &shop.node.client;
        let page = client.with_token("none").try_get("/kitchen").await?;
        ensure!((page.status, page.content_type.as_str()) == (200, "text/html"), "{page:?}");
        let before = client.get("/v1/kitchen?station=bar").await?;
        let waiting = number(&before, "/queue_count")?;
        let mut last = Value::Null;
        for prep in list(&before, "/queue")?.iter().take(MADE) {
            let id = text(prep, "/prep_id")?;
            let seen = json!({"turn": number(prep, "/turn")?});
            let bump = async || client.post(&format!("/v1/kitchen/{id}/bump"), "unused", &seen).await;
            let (one, other) = tokio::join!(bump(), bump());
            last = one?;
            ensure!(last == other? && text(&last, "/state")? == "made", "{last}");
        }
        let id = text(&last, "/prep_id")?;
        let seen = json!({"turn": number(&last, "/turn")?});
        let back = client.post(&format!("/v1/kitchen/{id}/recall"), "unused", &seen).await?;
        ensure!(text(&back, "/state")? == "recalled", "{back}");
        let after = client.get("/v1/kitchen?station=bar").await?;
        let left = number(&after, "/queue_count")?;
        ensure!(left == waiting + 1 - i64::try_from(MADE)?, "{left} of {waiting} are left at shop {}", shop.number());
        ensure!(list(&after, "/queue")?.first() == Some(&back), "what was called back is the oldest: {after}");
        ensure!(list(&after, "/made")?.len() == MADE - 1, "{after}");
        waited += waiting;
    }
    Ok(format!("{waited} orders waited at the bars, {MADE} of each were made, one was not"))
}

/// Where each item is prepared, straight from the file that is published.
fn stations() -> Result<BTreeMap<i64, String>> {
    let file: Value = serde_json::from_str(&std::fs::read_to_string(demo_menu())?)?;
    let said = |row: &Value| row.get("station").and_then(Value::as_str).map(str::to_owned);
    let mut of_category = BTreeMap::new();
    for category in list(&file, "/categories")? {
        of_category.insert(number(&category, "/id")?, said(&category));
    }
    let mut stations = BTreeMap::new();
    for item in list(&file, "/items")? {
        let category = of_category.get(&number(&item, "/category")?).context("a category")?;
        if let Some(station) = said(&item).or_else(|| category.clone()).filter(|station| station != "none") {
            stations.insert(number(&item, "/id")?, station);
        }
    }
    Ok(stations)
}

/// Every ticket of a shop, practice too, was told to each of its stations once, and nothing else was.
pub(crate) async fn every_order_reached_its_stations(day: &mut Day) -> Result<String> {
    let (stations, tickets) = (stations()?, day.shop(WATCHED)?.books());
    let count = tickets.tickets.len() + tickets.practice.len();
    let told = eventually("the kitchen to be told", || async {
        let heard = day.screens.heard();
        let mut ordered = BTreeSet::new();
        let tickets: Vec<_> = heard.iter().filter(|told| told.name == "ticket").collect();
        ensure!(tickets.len() >= count, "{} of {count} tickets", tickets.len());
        for ticket in tickets {
            for line in list(&ticket.value, "/lines")? {
                if let Some(station) = stations.get(&number(&line, "/item")?) {
                    ordered.insert((text(&ticket.value, "/ticket_id")?, station.clone()));
                }
            }
        }
        let mut first = Vec::new();
        for told in heard.iter().filter(|told| told.name == "kitchen") {
            if number(&told.value, "/turn")? == 0 && told.value.get("receipt") != Some(&Value::Null) {
                first.push((text(&told.value, "/ticket_id")?, text(&told.value, "/station")?));
            }
        }
        let sent: BTreeSet<_> = first.iter().cloned().collect();
        ensure!(first.len() == sent.len(), "a prep ticket was told twice: {first:?}");
        ensure!(sent == ordered, "{} prep tickets, {} were ordered", sent.len(), ordered.len());
        Ok(sent)
    })
    .await?;
    Ok(format!("{} prep tickets of {count} tickets at shop {WATCHED}", told.len()))
}
