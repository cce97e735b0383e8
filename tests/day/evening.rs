//! From the afternoon to the last look at the screens.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use reqwest::Method;
use serde_json::{Value, json};
use system_tests::audit::proven;
use system_tests::books::{complete, list, number, text};
use system_tests::harness::{Feed, eventually, program};
use tokio::process::Command;

use crate::chain::{Day, WATCHED, WITH_A_PAST};
use crate::ledger::{Entry, Sums};

/// Days of the past that are brought in: the week before.
const PAST_DAYS: i64 = 5;
/// Baskets of each.
const PAST_BASKETS: i64 = 12;
/// The till of each shop that is paired with its box.
const PAIRED: &str = "T2";
/// Tickets of each till in the last hours.
const LAST_TICKETS: u32 = 4;

/// A shop's past sales come in from a file, twice; they count once, and move no stock.
pub(crate) async fn past_sales_are_brought_in(day: &mut Day) -> Result<String> {
    let file = day.folder.join("past.csv");
    let shop = day.shop(WITH_A_PAST)?;
    let mut csv = "transaction_id,transaction_date,transaction_time,transaction_qty,store_id,product_id,unit_price,\
        product_category,product_detail\n"
        .to_owned();
    let mut row = 0;
    for past in 0..PAST_DAYS {
        let date = format!("2024-11-{:02}", 19 + past);
        for basket in 0..PAST_BASKETS {
            let hour = 7 + basket % 11;
            let mut lines = Vec::new();
            for line in 0..1 + basket % 3 {
                row += 1;
                let (product, quantity, cents) = (30 + (basket + line) % 4, 1 + line, 250 + 5 * (row % 9));
                let category = if product % 2 == 0 { "Coffee" } else { "Tea" };
                writeln!(
                    csv,
                    "{row},{date},{hour:02}:15:{basket:02},{quantity},A,{product},{}.{:02},{category},Product {product}",
                    cents / 100,
                    cents % 100
                )?;
                lines.push((format!("l:past:{product}"), format!("l:past:{category}"), quantity, quantity * cents));
            }
            // What the old till did not say is not known: a total without tax, and that it is so.
            let total = lines.iter().map(|(_, _, _, net)| net).sum();
            let whole = Sums { tickets: 1, total, tax_unknown_tickets: 1, ..Sums::default() };
            shop.back_office.book(&Entry { day: &date, hour, whole, lines });
            shop.back_office.imported += 1;
        }
    }
    std::fs::write(&file, csv)?;
    let address = format!("http://{},{}", shop.node.client.address(), shop.node.data().join("token").display());
    for (attempt, fresh) in [("first", PAST_DAYS * PAST_BASKETS), ("second", 0)] {
        let mut import = Command::new(program("provision")?);
        let shop_is = format!("A={WITH_A_PAST}");
        import.args(["import", &file.to_string_lossy(), "--source", "past", "--wait", "--json"]);
        import.args(["--node", &address, "--map", &shop_is]);
        let output = import.stdin(Stdio::null()).kill_on_drop(true).output().await?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let report: Value = serde_json::from_slice(&output.stdout)?;
        let created = number(&report, "/stores/0/tickets_created")?;
        ensure!(created == fresh, "the {attempt} import brought {created} tickets: {report}");
    }
    Ok(format!("{row} rows of shop {WITH_A_PAST}, brought in twice, {} tickets", PAST_DAYS * PAST_BASKETS))
}

/// Every second till is paired with its box, and sells by a token of its own. One is lost, revoked, and another one takes its
/// name.
pub(crate) async fn tills_are_paired(day: &mut Day) -> Result<String> {
    for shop in &mut day.shops {
        let client = shop.node.client.clone();
        shop.till(PAIRED)?.pair(&client).await?;
    }
    let shop = day.shop(WATCHED)?;
    let (client, menu) = (shop.node.client.clone(), shop.menu.clone());
    let till = shop.till(PAIRED)?;
    till.sell(&menu).await?;
    let revoked = client.send(Method::DELETE, &format!("/v1/terminals/{PAIRED}"), &[], Vec::new()).await?;
    ensure!(revoked.status == 200, "{revoked:?}");
    till.is_shut_out().await?;
    till.pair(&client).await?;
    till.sell(&menu).await?;
    let listed = list(&client.get("/v1/terminals").await?, "/rows")?;
    let states =
        listed.iter().map(|row| Ok((text(row, "/name")?, text(row, "/state")?))).collect::<Result<Vec<_>>>()?;
    ensure!(states == [(PAIRED.to_owned(), "paired".to_owned())], "{states:?}");
    Ok(format!("{} tills, one lost and replaced", day.shops.len()))
}

/// Head office has named nobody of these shops: a till lists nobody to tap, takes nobody in, and sells all the same.
pub(crate) async fn nobody_signs_in(day: &mut Day) -> Result<String> {
    for shop in &day.shops {
        let client = &shop.node.client;
        let people = client.get("/v1/staff").await?;
        ensure!(list(&people, "/rows")?.is_empty() && text(&people, "/sign_in")? == "optional", "{people}");
        let claim = json!({"staff": 7, "pin": "2468"});
        let approval = json!({"staff": 7, "pin": "2468", "act": "refund", "reason": "spilt"});
        let answers = [
            (client.try_post("/v1/sign-ins", "unused", &claim).await?, "sign_in_wrong"),
            (client.try_post("/v1/approvals", "unused", &approval).await?, "sign_in_wrong"),
            (client.try_get("/v1/sign-ins/current").await?, "sign_in_needed"),
        ];
        for (answer, code) in answers {
            ensure!((answer.status, answer.code().as_str()) == (401, code), "{answer:?}");
        }
    }
    Ok(format!("{} shops sell without it", day.shops.len()))
}

/// Milk is spilt, and a count finds more and less than the books say.
pub(crate) async fn waste_is_booked(day: &mut Day) -> Result<String> {
    let mut movements = 0;
    for shop in &mut day.shops {
        let spilt = 1_000 * i64::from(shop.number());
        for (reason, item, said, booked) in
            [("wasted", 4, spilt, -spilt), ("adjusted", 21, -3, -3), ("adjusted", 22, 2, 2)]
        {
            let body = json!({"reason": reason, "lines": [{"stock_item": item, "quantity": said}]});
            let key = format!("evening-{item}");
            shop.node.client.post("/v1/stock/movements", &key, &body).await?;
            shop.back_office.move_stock(item, booked);
            movements += 1;
        }
    }
    Ok(format!("{movements} movements"))
}

/// All shops once more, by the new menu.
pub(crate) async fn the_last_guests(day: &mut Day) -> Result<String> {
    let sold = day.sell(|_every| true, LAST_TICKETS).await?;
    Ok(format!("{sold} tickets, {} in all", day.sold()))
}

/// Head office has everything of every shop, and could read all of it.
pub(crate) async fn everything_has_arrived(day: &mut Day) -> Result<String> {
    for shop in &day.shops {
        complete(&day.hub, &shop.node).await?;
    }
    for path in ["/v1/sync/parked", "/v1/sync/dead-letters"] {
        let rows = list(&day.hub.client.get(path).await?, "/rows")?;
        ensure!(rows.is_empty(), "{path}: {rows:?}");
    }
    Ok(format!("from {} shops, and nothing is set aside", day.shops.len()))
}

/// Head office throws its reports away and folds them from the journal anew: they come out the same, row by row.
pub(crate) async fn the_reports_are_folded_anew(day: &mut Day) -> Result<String> {
    let folder = day.hub.data().to_owned();
    day.hub.stop().await?;
    let run = async |what: &str| {
        let mut command = Command::new(program("cloud-hub")?);
        command.args([what, "reporting", "--data", &folder.to_string_lossy()]);
        let output = command.stdin(Stdio::null()).kill_on_drop(true).output().await?;
        ensure!(output.status.success(), "{what}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8(output.stdout)?)
    };
    let before = run("digest").await?;
    run("rebuild").await?;
    let after = run("digest").await?;
    ensure!(before == after, "folded anew they are others:\n{before}\n{after}");
    day.hub.restart().await?;
    for shop in &day.shops {
        complete(&day.hub, &shop.node).await?;
    }
    Ok(format!("{} tables with the same rows as before", after.lines().count()))
}

/// The screens of a shop were told of every ticket once, of the menu and of the line; the office's page sees the day.
pub(crate) async fn the_screens_were_told(day: &mut Day) -> Result<String> {
    let books = day.shop(WATCHED)?.books();
    let expected: BTreeSet<&String> = books.tickets.keys().chain(books.practice.keys()).collect();
    let told = eventually("the screens to be told", || async {
        let heard = day.screens.heard();
        let tickets: Vec<_> = heard.iter().filter(|told| told.name == "ticket").cloned().collect();
        ensure!(tickets.len() >= expected.len(), "{} of {} tickets", tickets.len(), expected.len());
        Ok(heard)
    })
    .await?;
    let of = |name: &str| told.iter().filter(|told| told.name == name).map(|told| &told.value).collect::<Vec<_>>();
    let ids = of("ticket").into_iter().map(|ticket| text(ticket, "/ticket_id")).collect::<Result<Vec<_>>>()?;
    ensure!(ids.len() == expected.len(), "told of {} tickets, {} were sold", ids.len(), expected.len());
    ensure!(ids.iter().collect::<BTreeSet<_>>() == expected, "told of other tickets than were sold");
    ensure!(of("catalog").contains(&&json!({"revision": 2})), "not told of the menu: {:?}", of("catalog"));
    ensure!(of("link").contains(&&json!({"link": "down"})), "not told of the line: {:?}", of("link"));
    let mut today = Sums::default();
    for shop in &day.shops {
        today.add(shop.books().by_day.get(crate::till::TODAY).context("sales of today")?);
    }
    let page = Feed::open(&day.hub.client, "/v1/reporting/live").await?;
    let tick = eventually("the office's page to see the day", || async {
        let ticks = page.heard();
        let last = ticks.last().context("no tick yet")?;
        let said = (number(&last.value, "/totals/tickets")?, number(&last.value, "/totals/total_minor")?);
        ensure!(said == (today.tickets, today.total), "{said:?}, and the tills have {today:?}");
        Ok(last.value.clone())
    })
    .await?;
    let asked = day.hub.client.get("/v1/reporting/stores").await?;
    ensure!(asked.pointer("/totals") == tick.pointer("/totals"), "{asked} and {tick}");
    ensure!(text(&asked, "/business_day")? == crate::till::TODAY, "{asked}");
    Ok(format!("{} events at shop {WATCHED}, and the office's page", told.len()))
}

/// Every server says what it serves and what it counts, to whoever asks; head office has its page.
pub(crate) async fn the_servers_describe_themselves(day: &mut Day) -> Result<String> {
    let watched = day.shop(WATCHED)?;
    let books = watched.books();
    let (shop, office) = (watched.node.client.with_token("none"), day.hub.client.with_token("none"));
    let page = office.try_get("/").await?;
    ensure!((page.status, page.content_type.as_str()) == (200, "text/html"), "{page:?}");
    let mut described = 0;
    for client in [&shop, &office] {
        let document = client.get("/openapi.json").await?;
        described += document.pointer("/paths").and_then(Value::as_object).context("paths")?.len();
        let metrics = client.try_get("/metrics").await?;
        ensure!(metrics.status == 200 && metrics.text.contains("percolate_build_info"), "{}", metrics.text);
    }
    // This shop's process has run since opening: what it counted is what it sold, practice included.
    let metrics = shop.try_get("/metrics").await?.text;
    let sold = books.tickets.len() + books.practice.len();
    ensure!(metrics.lines().any(|line| line == format!("node_tickets_total {sold}")), "{sold} were sold: {metrics}");
    Ok(format!("{described} paths, and the metric of tickets at shop {WATCHED}"))
}

/// `provision audit` over head office and all shops.
pub(crate) async fn the_audit_proves_it(day: &mut Day) -> Result<String> {
    let shops: Vec<_> = std::mem::take(&mut day.shops).into_iter().map(|shop| shop.node).collect();
    proven(&day.hub, &shops).await?;
    Ok("proven".to_owned())
}
