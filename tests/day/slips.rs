//! What comes after a sale: a tip on a slip, and a card that was charged late.

use anyhow::{Result, ensure};
use serde_json::json;
use system_tests::books::{list, number, text};

use crate::chain::Day;
use crate::till::TODAY;

/// The till that takes cards.
const TILL: &str = "T1";
/// What is read wrong off a slip.
const TIP: i64 = 100;

/// In each shop a tip is written down that was none, and corrected; and a card is charged when its guest has paid in cash.
pub(crate) async fn slips_and_late_cards(day: &mut Day) -> Result<String> {
    for shop in &mut day.shops {
        let (client, menu) = (shop.node.client.clone(), shop.menu.clone());
        let till = shop.till(TILL)?;
        let sold = till.sell_by_card(&menu).await?;
        for (turn, tip) in [(1, TIP), (2, 0)] {
            let body = json!({"terminal": TILL, "tender": "card", "tip_minor": tip});
            let said = client.post(&format!("/v1/tickets/{sold}/tip"), &format!("slip-{turn}"), &body).await?;
            ensure!((number(&said, "/turn")?, number(&said, "/tip_minor")?) == (turn, tip), "{said}");
            let tips = client.get(&format!("/v1/business-days/{TODAY}/tips")).await?;
            ensure!(number(&tips, "/pool_minor")? == tip, "{tips}");
        }
        let (ticket, due) = till.sell_for_cash(&menu).await?;
        let asked = client.post("/v1/card-payments", "late", &json!({"terminal": TILL, "amount_minor": due})).await?;
        let payment = text(&asked, "/payment")?;
        let body = json!({"terminal": TILL, "ticket": ticket});
        let said = client.post(&format!("/v1/card-payments/{payment}/ticket"), "assigned", &body).await?;
        ensure!(number(&said, "/cash_minor")? == due, "{said}");
        till.books.pay("cash", -due);
        till.books.pay("card", due);
        let left = client.get("/v1/card-payments?state=unmatched").await?;
        ensure!(list(&left, "/rows")?.is_empty(), "money that no ticket counts: {left}");
    }
    Ok(format!("{} tips corrected, {0} cards in the place of cash", day.shops.len()))
}
