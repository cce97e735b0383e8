//! Cards through the box: each shop's card terminal is a simulated one.

use anyhow::{Result, ensure};
use serde_json::json;
use system_tests::books::{list, text};

use crate::chain::Day;

/// The till that takes cards.
const TILL: &str = "T1";

/// A guest of each shop pays by card, and another one's payment is given back, for they would rather pay in cash.
pub(crate) async fn guests_pay_by_card(day: &mut Day) -> Result<String> {
    for shop in &mut day.shops {
        let (client, menu) = (shop.node.client.clone(), shop.menu.clone());
        shop.till(TILL)?.sell_by_card(&menu).await?;
        let asked = json!({"terminal": TILL, "amount_minor": 450});
        let payment = text(&client.post("/v1/card-payments", "rather-cash", &asked).await?, "/payment")?;
        let back = client.post(&format!("/v1/card-payments/{payment}/reversal"), "unused", &json!({})).await?;
        ensure!(text(&back, "/state")? == "reversed", "{back}");
        let now = client.get(&format!("/v1/card-payments/{payment}")).await?;
        ensure!(now == back, "{now}");
        let left = client.get("/v1/card-payments?state=unmatched").await?;
        ensure!(list(&left, "/rows")?.is_empty(), "money that no ticket counts: {left}");
    }
    Ok(format!("{} tickets by card, {0} payments given back", day.shops.len()))
}
