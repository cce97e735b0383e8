//! From opening to the end of the rush.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use system_tests::books::{list, number, text};

use crate::chain::{Day, WATCHED};
use crate::menu::{Item, Menu};

/// Tickets of each till in the rush.
const RUSH_TICKETS: u32 = 14;
/// Pieces of each thing in the stock room, or thousands of milligrams and microlitres.
const OPENING_STOCK: i64 = 250;

/// An item as a server says it, by the server's own word for its number.
fn item(row: &Value, id: &str) -> Result<Item> {
    let uses = list(row, "/uses")?;
    let used = |row: &Value| Ok((number(row, "/stock_item")?, number(row, "/quantity")?));
    Ok(Item {
        id: number(row, id)?,
        name: text(row, "/name")?,
        category: number(row, "/category")?,
        tax_class: number(row, "/tax_class")?,
        price: number(row, "/price_minor")?,
        uses: uses.iter().map(used).collect::<Result<_>>()?,
    })
}

/// That a server sells the menu as it stands in the file.
fn is_the_menu(who: &str, menu: &Menu, rows: &[Value], id: &str) -> Result<()> {
    let said = rows.iter().map(|row| item(row, id)).collect::<Result<Vec<_>>>()?;
    ensure!(said == menu.items.values().cloned().collect::<Vec<_>>(), "{who} sells another menu: {said:?}");
    Ok(())
}

/// Head office has published the menu, and every shop has it, word for word.
pub(crate) async fn the_shops_open(day: &mut Day) -> Result<String> {
    let office = &day.hub.client;
    for shop in &day.shops {
        shop.node.ready().await?;
        let alive = shop.node.client.try_get("/livez").await?;
        ensure!(alive.status == 200, "{alive:?}");
        let catalog = shop.node.client.get("/v1/catalog").await?;
        is_the_menu(&shop.node.spec.name, &shop.menu, &list(&catalog, "/items")?, "/id")?;
        let bag = shop.node.client.get("/v1/catalog/scan?code=9520000010010").await?;
        ensure!(bag.get("item") == Some(&1001.into()), "{bag}");
    }
    let published = office.get("/v1/catalog/items").await?;
    let revisions = list(&office.get("/v1/catalog/revisions").await?, "/rows")?;
    ensure!(revisions.len() == 1, "{revisions:?}");
    // Nobody is writing another one.
    let draft = office.try_get("/v1/catalog/draft").await?;
    let nothing = office.try_post("/v1/catalog/draft/publish", "none", &Value::Null).await?;
    ensure!(draft.status == 404 && nothing.status == 404, "{draft:?} {nothing:?}");
    let Some(shop) = day.shops.first() else { anyhow::bail!("no shop") };
    is_the_menu("head office", &shop.menu, &list(&published, "/rows")?, "/item")?;
    Ok(format!("{} shops have menu 1 with {} items", day.shops.len(), shop.menu.items.len()))
}

/// Every shop books what is in its stock room, and books it again under the same key.
pub(crate) async fn stock_is_booked(day: &mut Day) -> Result<String> {
    let mut lines_booked = 0;
    for shop in &mut day.shops {
        let quantity = |item: i64| (OPENING_STOCK + item) * if item <= 10 { 1_000_000 } else { 1 };
        let lines: Vec<(i64, i64)> = shop.menu.stock_items.iter().map(|item| (*item, quantity(*item))).collect();
        let line = |(item, quantity): &(i64, i64)| json!({"stock_item": item, "quantity": quantity});
        let body = json!({"reason": "received", "lines": lines.iter().map(line).collect::<Vec<_>>()});
        let key = format!("opening-{}", shop.number());
        let booked = shop.node.client.post("/v1/stock/movements", &key, &body).await?;
        let again = shop.node.client.post("/v1/stock/movements", &key, &body).await?;
        ensure!(booked == again, "{booked}, then {again}");
        for (item, quantity) in lines {
            shop.back_office.move_stock(item, quantity);
            lines_booked += 1;
        }
    }
    Ok(format!("{lines_booked} lines, each sent twice"))
}

/// Somebody new practises at every shop, before the first guest comes.
pub(crate) async fn a_new_hand_practises(day: &mut Day) -> Result<String> {
    let mut practised = 0;
    for shop in &mut day.shops {
        let menu = shop.menu.clone();
        for till in &mut shop.tills {
            till.practise(&menu).await?;
            practised += 1;
        }
    }
    Ok(format!("{practised} tickets that must count nowhere"))
}

/// All tills of all shops at once.
pub(crate) async fn the_rush(day: &mut Day) -> Result<String> {
    let sold = day.sell(|_every| true, RUSH_TICKETS).await?;
    Ok(format!("{sold} tickets at {} tills", day.shops.len() * 2))
}

/// What must not be sold is not, and leaves no trace; a quote is only a price.
pub(crate) async fn wrong_tickets_are_refused(day: &mut Day) -> Result<String> {
    let shop = day.shop(WATCHED)?;
    let quoted =
        shop.node.client.post("/v1/quotes", "unused", &json!({"lines": [{"item": 101, "quantity": 3}]})).await?;
    let (net, tax) = shop.menu.price(&[(101, 3)])?;
    ensure!((number(&quoted, "/net_minor")?, number(&quoted, "/tax_minor")?) == (net, tax), "{quoted}");
    let ticket = |item: i64, paid: i64, key: &str| {
        let body = json!({"terminal": "T1", "currency": "USD", "lines": [{"item": item, "quantity": 1}],
            "tenders": [{"kind": "cash", "amount_minor": paid}]});
        (body, key.to_owned())
    };
    let refusals = [
        (ticket(99_999, 1_000, "wrong-1"), (422, "unknown_item")),
        (ticket(101, 1, "wrong-2"), (422, "tender_underpaid")),
        (ticket(101, 5_000, "1-T1-1"), (422, "idempotency_key_reused")),
    ];
    for ((body, key), expected) in &refusals {
        let answer = shop.node.client.try_post("/v1/tickets", key, body).await?;
        ensure!((answer.status, answer.code().as_str()) == *expected, "{body}: {answer:?}");
    }
    Ok(format!("{} tickets, and one quote", refusals.len()))
}
