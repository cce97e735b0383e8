//! What goes wrong on any Tuesday: a line, a box, head office.

use std::sync::Arc;

use anyhow::{Result, ensure};
use serde_json::json;
use system_tests::books::{complete, hub_totals, text};
use system_tests::harness::{demo_menu, eventually};

use crate::chain::{CUT_OFF, Day, KILLED};
use crate::menu::{self, Menu};

/// Tickets of each till while a line is cut or head office is down.
const TICKETS: u32 = 5;

/// The line of one shop is cut; it sells on, and head office does not hear of it.
pub(crate) async fn a_line_is_cut(day: &mut Day) -> Result<String> {
    let node = &day.shop(CUT_OFF)?.node;
    let client = node.client.clone();
    let Some(shop) = day.shops.iter().find(|shop| shop.number() == CUT_OFF) else { anyhow::bail!("no shop") };
    complete(&day.hub, &shop.node).await?;
    day.line.cut();
    eventually("the shop to notice", || async {
        let link = text(&client.get("/v1/node").await?, "/link")?;
        ensure!(link == "down", "the link is {link}");
        Ok(())
    })
    .await?;
    let before = hub_totals(&day.hub, CUT_OFF).await?;
    let sold = day.sell(|shop| shop == CUT_OFF, TICKETS).await?;
    ensure!(hub_totals(&day.hub, CUT_OFF).await? == before, "head office heard through a line that is cut");
    Ok(format!("shop {CUT_OFF} sold {sold} tickets that head office does not know"))
}

/// Head office is stopped, the shops sell on; it comes back with another menu, and publishes it.
pub(crate) async fn head_office_restarts_with_a_new_menu(day: &mut Day) -> Result<String> {
    let path = day.folder.join("menu-at-ten.json");
    menu::write_next(&demo_menu(), &path)?;
    day.hub.stop().await?;
    let alone = day.sell(|_every| true, TICKETS).await?;
    day.hub.set_menu(Some(path.clone()));
    day.hub.restart().await?;
    let menu = Arc::new(Menu::read(&path, 2)?);
    day.menu_reaches(&menu, |shop| shop != CUT_OFF).await?;
    for shop in day.shops.iter_mut().filter(|shop| shop.number() != CUT_OFF) {
        let booked = json!({"reason": "received", "lines": [{"stock_item": 41, "quantity": 60}]});
        shop.node.client.post("/v1/stock/movements", "loaves", &booked).await?;
        shop.back_office.move_stock(41, 60);
        let retired = json!({"terminal": "T1", "currency": "USD", "lines": [{"item": menu::RETIRED, "quantity": 1}],
            "tenders": [{"kind": "cash", "amount_minor": 1_000}]});
        let refused = shop.node.client.try_post("/v1/tickets", "retired", &retired).await?;
        ensure!(refused.code() == "unknown_item", "an item that is sold no more: {refused:?}");
    }
    // The shop that is cut off still sells by the old prices, and has what the others sell no more.
    let sold = day.sell(|_every| true, TICKETS).await?;
    Ok(format!("{alone} tickets without it; menu 2 at nine shops, {sold} tickets by two menus"))
}

/// The line is mended: the sales arrive, and the menu.
pub(crate) async fn the_line_is_mended(day: &mut Day) -> Result<String> {
    day.line.mend();
    let menu = Arc::new(Menu::read(&day.folder.join("menu-at-ten.json"), 2)?);
    day.menu_reaches(&menu, |shop| shop == CUT_OFF).await?;
    let shop = day.shop(CUT_OFF)?;
    let books = shop.books().all;
    let Some(shop) = day.shops.iter().find(|shop| shop.number() == CUT_OFF) else { anyhow::bail!("no shop") };
    complete(&day.hub, &shop.node).await?;
    let heard = hub_totals(&day.hub, CUT_OFF).await?;
    ensure!(heard == (books.tickets, books.units, books.total), "{heard:?}, and the tills have {books:?}");
    Ok(format!("head office has all {} tickets of shop {CUT_OFF}", books.tickets))
}

/// A box is killed while its tills sell; they repeat what got no answer.
pub(crate) async fn a_box_is_killed(day: &mut Day) -> Result<String> {
    let mut selling = day.start_selling(|shop| shop == KILLED);
    day.more_sold(&mut selling, 10).await?;
    day.shop(KILLED)?.node.kill()?;
    day.shop(KILLED)?.node.restart().await?;
    day.more_sold(&mut selling, 10).await?;
    let retries = day.stop_selling(selling).await?;
    ensure!(retries > 0, "no till felt the kill");
    Ok(format!("shop {KILLED} was killed and is back; its tills asked again {retries} times"))
}

/// Head office is killed; nobody in a shop notices.
pub(crate) async fn head_office_is_killed(day: &mut Day) -> Result<String> {
    let before: u32 = day.shops.iter().flat_map(|shop| &shop.tills).map(|till| till.retries).sum();
    let mut selling = day.start_selling(|shop| shop <= 2);
    day.more_sold(&mut selling, 10).await?;
    day.hub.kill()?;
    day.more_sold(&mut selling, 10).await?;
    day.hub.restart().await?;
    day.more_sold(&mut selling, 10).await?;
    let after = day.stop_selling(selling).await?;
    ensure!(after == before, "a till had to ask again because head office was gone");
    Ok("two shops sold on, and no till had to ask twice".to_owned())
}
