//! Bytes on the line to the hub, both ways: MQTT with everything in it, counted where TCP carries it.

use std::time::Duration;

use anyhow::Result;
use slow_line::{Counted, Slowness};

use crate::Bench;
use crate::figures::thousands;
use crate::offline::DAY_TICKETS;
use crate::report::{Section, Verdict};
use crate::shop::{AS_IT_SHIPS, Office, Shop};
use crate::till::Till;

/// Tickets that are sold alone: each is acknowledged before the next.
const ALONE_TICKETS: u64 = 50;

/// Batches are small where the hub keeps up: those of this many tickets are forced by cutting the line.
const BATCH_TICKETS: u64 = 100;
const BATCHES: u64 = 10;

fn between(before: Counted, after: Counted) -> (u64, u64) {
    (after.up_bytes - before.up_bytes, after.down_bytes - before.down_bytes)
}

fn each((up, down): (u64, u64), tickets: u64) -> (String, u64) {
    let both = (up + down) / tickets;
    (format!("{both} ({} up, {} down)", up / tickets, down / tickets), both)
}

pub(crate) async fn run(bench: &Bench) -> Result<Vec<Section>> {
    let mut section = Section::new("wire", "Bytes on the wire");
    let office = Office::open(&bench.scratch, Slowness::default()).await?;
    let shop = Shop::open(&office, AS_IT_SHIPS, 1).await?;
    let line = &office.line;
    let mut till = Till::connect(&shop.door, "T1", 1).await?;
    let mut tickets = vec![till.sell().await?];
    shop.acked(shop.sales_heads().await?.0).await?;
    tokio::time::sleep(Duration::from_secs(1)).await;

    let before = line.counted();
    for _ in 0..ALONE_TICKETS {
        tickets.push(till.sell().await?);
        shop.acked(shop.sales_heads().await?.0).await?;
    }
    let (text, both) = each(between(before, line.counted()), ALONE_TICKETS);
    section.row("bytes a ticket, alone", text, "<= 400", Verdict::of(both <= 400));

    // What a new connection says is taken off: it is paid once, however much waits.
    let greeting = reconnected(&shop, &office, None).await?;
    let mut batched = (0, 0);
    for _ in 0..BATCHES {
        let (up, down) = reconnected(&shop, &office, Some((&mut till, BATCH_TICKETS, &mut tickets))).await?;
        batched = (batched.0 + up.saturating_sub(greeting.0), batched.1 + down.saturating_sub(greeting.1));
    }
    let (text, both) = each(batched, BATCHES * BATCH_TICKETS);
    section.row("bytes a ticket, batches of 100", text, "<= 75", Verdict::of(both <= 75));
    let (up, down) = reconnected(&shop, &office, Some((&mut till, DAY_TICKETS, &mut tickets))).await?;
    section.tell("bytes a ticket, a day of 3,000, greeting included", each((up, down), DAY_TICKETS).0);
    section.tell("bytes of a greeting: up, down", format!("{}, {}", greeting.0, greeting.1));

    let idle = Duration::from_secs(if bench.quick { 65 } else { 300 });
    tokio::time::sleep(Duration::from_secs(2)).await;
    let before = line.counted();
    tokio::time::sleep(idle).await;
    let (up, down) = between(before, line.counted());
    let hour = (up + down) * 3_600 / idle.as_secs();
    let text = format!("{} (from {} s: {up} up, {down} down)", thousands(hour), idle.as_secs());
    section.row("bytes an hour of an idle store", text, "<= 10,240", Verdict::of(hour <= 10_240));
    section.note(
        "A ticket of three lines, the same three items each time: a batch is packed better than one of different \
             tickets would be. Payload of TCP; the heads of TCP and IP come on top, some 40 bytes a segment.",
    );
    shop.close(&tickets).await?;
    Ok(vec![section])
}

/// Cuts the line, sells, mends it, and waits until all is acknowledged: what went over the line.
async fn reconnected(
    shop: &Shop,
    office: &Office,
    sales: Option<(&mut Till, u64, &mut Vec<u128>)>,
) -> Result<(u64, u64)> {
    let before = office.line.counted();
    office.line.cut();
    if let Some((till, count, tickets)) = sales {
        for _ in 0..count {
            tickets.push(till.sell().await?);
        }
    }
    office.line.mend();
    let due = shop.sales_heads().await?.0;
    crate::shop::until("the line", async || Ok(office.line.counted().connections > before.connections)).await?;
    shop.acked(due).await?;
    // The last words of the hub; and a connection that lasted a second is tried again at once when it breaks.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    Ok(between(before, office.line.counted()))
}
