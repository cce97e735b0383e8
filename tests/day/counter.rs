//! At the counter: tickets that are open for a while, and money that is given back.

use anyhow::Result;

use crate::chain::Day;

/// The till that has tables.
const TILL: &str = "T1";

/// Guests of each shop sit down and pay when they leave: some of it before, and less than they first wanted.
pub(crate) async fn guests_pay_when_they_leave(day: &mut Day) -> Result<String> {
    for shop in &mut day.shops {
        let menu = shop.menu.clone();
        shop.till(TILL)?.sell_when_they_leave(&menu).await?;
    }
    Ok(format!("{} tickets were open for a while, and as many were left", day.shops.len()))
}

/// Whoever practised gives back what was practice: it counts as little as what it was given back for.
pub(crate) async fn practice_is_given_back(day: &mut Day) -> Result<String> {
    for shop in &mut day.shops {
        shop.till(TILL)?.give_back_practice().await?;
    }
    Ok(format!("{} practice tickets, and nothing of them counts", day.shops.len()))
}
