//! A shop's box is dead, and the people of the shop put another in its place: docs/runbooks/replace-a-box.md, step by step.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use system_tests::books::{list, number, text, totals_at};
use system_tests::harness::head_office::{HeadOffice, NewBox};
use system_tests::harness::{Client, eventually};

const STORE: u32 = 42;

/// What the shop had done when its box died.
struct Before {
    /// The item that is sold, and what it costs.
    item: i64,
    price: i64,
    /// A sale of which one piece of two was given back.
    sale: String,
    /// A ticket that somebody still sits at, and a drawer that was opened with a float.
    open: String,
    drawer: String,
    tickets: i64,
}

fn sold(item: i64, quantity: u32) -> Value {
    json!({"terminal": "T1", "currency": "USD", "lines": [{"item": item, "quantity": quantity}],
        "tenders": [{"kind": "cash", "amount_minor": 100_000}]})
}

/// A morning, and a close of the evening before.
async fn trade(shop: &Client) -> Result<Before> {
    let item = number(&shop.get("/v1/catalog").await?, "/items/0/id")?;
    let mut tickets = 1;
    let first = shop.post("/v1/tickets", "yesterday", &sold(item, 1)).await?;
    let price = number(&first, "/total_minor")?;
    shop.post("/v1/readings", "close", &json!({})).await?;
    let drawer = shop.post("/v1/drawers", "float", &json!({"terminal": "T1", "float_minor": 5_000})).await?;
    let sale = shop.post("/v1/tickets", "two", &sold(item, 2)).await?;
    tickets += 1;
    let sale = text(&sale, "/ticket_id")?;
    let back = json!({"terminal": "T1", "reason": "quality", "lines": [{"line": 0, "quantity": 1}]});
    shop.post(&format!("/v1/tickets/{sale}/refunds"), "back", &back).await?;
    for guest in 0..5 {
        shop.post("/v1/tickets", &format!("guest-{guest}"), &sold(item, 1)).await?;
        tickets += 1;
    }
    let opening = json!({"terminal": "T1", "lines": [{"item": item, "quantity": 1}]});
    let open = text(&shop.post("/v1/open-tickets", "open", &opening).await?, "/ticket_id")?;
    Ok(Before { item, price, sale, open, drawer: text(&drawer, "/drawer")?, tickets })
}

/// Waits until head office holds all that a box wrote.
async fn all_sent(shop: &Client) -> Result<()> {
    eventually("all to be acknowledged", || async {
        let hub = shop.get("/v1/node").await?.get("hub").cloned().context("how it stands to head office")?;
        ensure!(text(&hub, "/state")? == "connected" && number(&hub, "/unsent")? == 0, "{hub}");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn shop_staff_replace_a_dead_box_and_its_state_comes_back() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let office = HeadOffice::open(scratch.path()).await?;
    office.plan(STORE, "Harbour")?;
    let shop = NewBox::new(scratch.path(), "box");
    let up = shop.up(&office.bundle(STORE, &[])?, &[])?;
    ensure!(up.exit == 0 && up.says("outcome") == "ready", "{up:?}");
    let before = trade(&shop.client()?).await?;
    all_sent(&shop.client()?).await?;
    let receipt = text(&shop.client()?.get("/v1/business-day").await?, "/last_receipt")?;

    // Its disk is gone with it.
    shop.kill()?;
    std::fs::remove_dir_all(&shop.folder)?;
    let other = NewBox::new(scratch.path(), "other");
    let up = other.up(&office.bundle(STORE, &["--replace"])?, &[])?;
    ensure!(up.exit == 0 && up.says("outcome") == "ready" && up.says("identity") == "enrolled", "{up:?}");
    let till = other.client()?;

    // It sells at once, and all that head office holds comes back.
    let first = till.post("/v1/tickets", "first", &sold(before.item, 1)).await?;
    let series = |receipt: &str| receipt.rsplit_once('-').map(|(series, _)| series.to_owned());
    ensure!(series(&text(&first, "/receipt")?) != series(&receipt), "{first}: the dead box printed {receipt}");
    eventually("the guest who still sits there", || async {
        let open = till.get(&format!("/v1/open-tickets/{}", before.open)).await?;
        ensure!(text(&open, "/state")? == "open", "{open}");
        Ok(())
    })
    .await?;
    let drawers = list(&till.get("/v1/drawers").await?, "/rows")?;
    let float = drawers.iter().find(|row| text(row, "/drawer").ok().as_ref() == Some(&before.drawer));
    ensure!(number(float.context("the drawer")?, "/float_minor")? == 5_000, "{drawers:?}");
    ensure!(text(&till.get("/v1/readings/A-1").await?, "/number")? == "A-1", "the close of the evening before");

    // What was given back is not given back again; one piece is left, and the guest pays.
    let back = json!({"terminal": "T1", "reason": "quality", "lines": [{"line": 0, "quantity": 1}]});
    let path = format!("/v1/tickets/{}/refunds", before.sale);
    till.post(&path, "the-other-piece", &back).await?;
    let refused = till.try_post(&path, "and-one-more", &back).await?;
    ensure!((refused.status, refused.code().as_str()) == (422, "refund_too_many"), "{refused:?}");
    let pays = json!({"terminal": "T1", "expected_total_minor": before.price,
        "tenders": [{"kind": "cash", "amount_minor": before.price}]});
    till.post(&format!("/v1/open-tickets/{}/close", before.open), "pays", &pays).await?;

    all_sent(&till).await?;
    let day = till.get("/v1/business-day").await?;
    // The dead box's, one at once, and the guest's.
    let tickets = before.tickets + 2;
    ensure!(number(&day, "/tickets")? == tickets && number(&day, "/refunds")? == 2, "{day}");
    eventually("head office to say what the shop says", || async {
        let (count, _units, total) = totals_at(&office.hub.client, STORE).await?;
        ensure!((count, total) == (tickets, number(&day, "/total_minor")?), "{count} {total}, {day}");
        Ok(())
    })
    .await?;
    let states: Vec<String> = office.devices()?.into_iter().map(|(_, state)| state).collect();
    ensure!(states.iter().filter(|state| *state == "revoked").count() == 1, "the dead one is shut out: {states:?}");
    Ok(())
}
