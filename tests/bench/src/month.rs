//! Thirty business days at a shop without a hub: what the last of them costs beside the first, and how long it takes until
//! head office has all of it.
//!
//! A day passes in seconds: the clocks of the shop and of the hub run fast. The line is cut all the time, and one process sells
//! from a day that is measured to the next one.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use percolate_runtime::system::{clock_from_option, monotonic_now};
use serde_json::{Value, json};
use slow_line::{Line, Slowness};
use system_tests::audit::proven;
use system_tests::books::{complete, hub_totals, list, number, text};
use system_tests::harness::{Hub, Node, NodeSpec, demo_menu};
use tempfile::TempDir;

use crate::Bench;
use crate::figures::{Ratio, micros, ms, percentile, thousands};
use crate::machine::memory_kib;
use crate::memory::mib;
use crate::probe::{Flush, flush};
use crate::report::{Section, Verdict};
use crate::shop::{AS_IT_SHIPS, Shop};
use crate::start::start_and_sell;
use crate::till::{Paid, Sold, TicketBits, Till, sell_count_by};

/// The business days, and those that are measured.
const DAYS: u64 = 30;
const MEASURED: [u64; 4] = [1, 10, 20, 30];

/// Tills that sell at once; every other one takes cards.
const TILLS: u64 = 4;

/// Guests of a day who sit down and pay when they leave, and how many of them are still there at the close.
const SITTING: usize = 10;
const STAYING: usize = 2;

/// Tickets of a day that are given back.
const GIVEN_BACK: usize = 15;

/// 2026-11-23, four in the morning in Atlanta: a business day begins.
const OPENS_MS: i64 = 1_795_424_400_000;
const DAY_MS: i64 = 24 * 3_600_000;

/// How often a reading in the middle of the day is asked for.
const LOOKS: usize = 5;

/// What one measured day was like.
#[derive(Debug)]
struct Figures {
    day: u64,
    flush: [Flush; 2],
    sold: Sold,
    resident_kib: u64,
    file_bytes: u64,
    x_us: u64,
    z_us: u64,
    start_us: u64,
}

impl Figures {
    /// All but one in a hundred sales, in units of the same of the disk's own flushes around them.
    fn p99(&self) -> Ratio {
        let [before, after] = &self.flush;
        Ratio::new(self.sold.percentile_us(99), before.p99_us.midpoint(after.p99_us))
    }

    fn p50(&self) -> Ratio {
        let [before, after] = &self.flush;
        Ratio::new(self.sold.percentile_us(50), before.p50_us.midpoint(after.p50_us))
    }

    fn tell(&self, section: &mut Section) {
        let (p50, p99) = (ms(self.sold.percentile_us(50)), ms(self.sold.percentile_us(99)));
        let text = format!("{p50} = {} F; {p99} = {} F p99", self.p50(), self.p99());
        section.tell(&format!("day {}: a sale, p50 and p99", self.day), text);
        let (x, z, start) = (ms(self.x_us), ms(self.z_us), ms(self.start_us));
        let text = format!("{}; {}", mib(self.resident_kib), mib(self.file_bytes / 1_024));
        section.tell(&format!("day {}: resident; the file", self.day), text);
        section.tell(&format!("day {}: X; Z; start to first sale", self.day), format!("{x}; {z}; {start}"));
    }
}

/// A shop, what it has done, and the hub that it does not reach.
struct Month {
    shop: Shop,
    hub: Hub,
    line: Line,
    _folder: TempDir,
    tickets: Vec<TicketBits>,
    /// What the closes come to: tickets, and money less what was given back.
    closed: (i64, i64),
    /// What guests who sit down order, and what a sale of the tills comes to.
    prices: (i64, i64),
    /// Tickets that are open.
    open: Vec<String>,
    per_day: u64,
    /// How long a day is on the wall, and when the first one began.
    day_wall: Duration,
    began: Duration,
    /// Days that were over before their tickets were.
    overrun: u64,
}

pub(crate) async fn run(bench: &Bench) -> Result<Vec<Section>> {
    let (per_day, day_wall) = if bench.quick { (150, 3) } else { (1_500, 12) };
    let mut month = open(&bench.scratch, per_day, Duration::from_secs(day_wall)).await?;
    let mut measured = Vec::new();
    for day in 1..=DAYS {
        month.wait_for(day).await;
        measured.extend(month.trade(&bench.scratch, day).await?);
        month.overrun += u64::from(month.begins(day + 1) < monotonic_now());
    }
    let mut section = Section::new("month", "Thirty days without a hub");
    let tickets = thousands(month.tickets.len().try_into()?);
    section.tell("tickets", format!("{tickets} in {DAYS} business days"));
    section.tell("days that were over before their tickets were", thousands(month.overrun));
    measured.iter().for_each(|figures| figures.tell(&mut section));
    if let [first, .., last] = measured.as_slice() {
        let p99 = Ratio::new(last.p99().0, first.p99().0);
        section.row("p99 in F p99, day 30 to day 1", p99.to_string(), "<= 1.2", Verdict::of(p99 <= Ratio(120)));
        let memory = Ratio::new(last.resident_kib, first.resident_kib);
        section.row("resident, day 30 to day 1", memory.to_string(), "<= 1.2", Verdict::of(memory <= Ratio(120)));
        let flushes = [first, last].map(|figures| figures.flush.map(|flush| ms(flush.p99_us)).join(", "));
        section.tell("F p99 before, after: day 1; day 30", flushes.join("; "));
    }
    month.arrive(&mut section).await?;
    month.shop.close(&month.tickets).await?;
    section.note(
        "A day passes in seconds, so that the shop tries to reach its hub less often than in a real month. Each day has drawers, \
         cash and cards, tickets that are open for a while and some over night, refunds, and a close. The box is started again on \
         the days that are measured, after its memory was read. On the first day the caches of pages hold no more than \
         the file; later the writer's may have 8 MiB, and each of four readers' 2 MiB. A sale's times are those of four tills at once.",
    );
    Ok(vec![section])
}

/// A shop whose line is cut as soon as it has its menu.
async fn open(scratch: &Path, per_day: u64, day_wall: Duration) -> Result<Month> {
    let folder = tempfile::tempdir_in(scratch)?;
    let (wall, began) = (clock_from_option(None)?.now(), monotonic_now());
    let clock = format!("{OPENS_MS},{},{}", wall.get(), DAY_MS / i64::try_from(day_wall.as_millis())?);
    let extra = ["--simulated-clock", clock.as_str()];
    let hub = Hub::start_with(folder.path(), Some(demo_menu()), &extra).await?;
    let line = Line::start(hub.mqtts(), Slowness::default()).await?;
    let door = hub.door().through(&line.address());
    let node = Node::start_by(AS_IT_SHIPS, folder.path(), NodeSpec::store(1), &door, &extra).await?;
    let shop = Shop::of(node).await?;
    line.cut();
    let items = shop.door.items;
    let mut prices = Vec::new();
    for items in [&items[..1], &items[..]] {
        let lines: Vec<Value> = items.iter().map(line_of).collect();
        let key = format!("price-of-{}", items.len());
        let quote = shop.node.client.post("/v1/quotes", &key, &json!({"lines": lines})).await?;
        prices.push(number(&quote, "/total_minor")?);
    }
    let [one, sale] = prices[..] else { anyhow::bail!("two prices") };
    Ok(Month {
        shop,
        hub,
        line,
        _folder: folder,
        tickets: Vec::new(),
        closed: (0, 0),
        prices: (one, sale),
        open: Vec::new(),
        per_day,
        day_wall,
        began,
        overrun: 0,
    })
}

fn line_of(item: &i64) -> Value {
    json!({"item": item, "quantity": 1})
}

/// The id that the answer to a sale has, as bits.
fn bits(sold: &Value) -> Result<TicketBits> {
    let id = text(sold, "/ticket_id")?;
    TicketBits::from_str_radix(&id.replace('-', ""), 16).with_context(|| id)
}

fn id_of(ticket: TicketBits) -> String {
    let digits = format!("{ticket:032x}");
    let part = |from: usize, to: usize| digits.get(from..to).unwrap_or_default();
    [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-")
}

impl Month {
    async fn post(&self, path: &str, key: &str, body: &Value) -> Result<Value> {
        self.shop.node.client.post(path, key, body).await
    }

    /// When a business day begins, on the wall.
    fn begins(&self, day: u64) -> Duration {
        self.began + self.day_wall * u32::try_from(day).unwrap_or(u32::MAX)
    }

    /// Waits until a business day has begun.
    async fn wait_for(&self, day: u64) {
        tokio::time::sleep(self.begins(day).saturating_sub(monotonic_now())).await;
    }

    /// A day from the floats to the close. One that is measured says what it was like.
    async fn trade(&mut self, scratch: &Path, day: u64) -> Result<Option<Figures>> {
        let measured = MEASURED.contains(&day);
        let mut drawers = Vec::new();
        for till in 1..=TILLS {
            let float = json!({"terminal": format!("T{till}"), "float_minor": 10_000});
            let opened = self.post("/v1/drawers", &format!("float-{day}-{till}"), &float).await?;
            drawers.push(text(&opened, "/drawer")?);
        }
        self.pay_open(day, "morning", 0).await?;
        self.sit_down(day).await?;
        let before = if measured { Some(flush(scratch)?) } else { None };
        let sold = self.sell(day).await?;
        let after = if measured { Some(flush(scratch)?) } else { None };
        self.pay_open(day, "evening", STAYING).await?;
        for (at, ticket) in sold.tickets.iter().take(GIVEN_BACK).enumerate() {
            let back = json!({"terminal": "T1", "reason": "quality"});
            self.post(&format!("/v1/tickets/{}/refunds", id_of(*ticket)), &format!("back-{day}-{at}"), &back).await?;
        }
        let resident_kib = memory_kib(self.shop.node.pid()?, "VmRSS")?;
        let start_us = if measured { self.start_again(day).await? } else { 0 };
        let x_us = self.look().await?;
        for (drawer, till) in drawers.iter().zip(1_u64..) {
            let count = json!({"counted_minor": 10_000});
            self.post(&format!("/v1/drawers/{drawer}/close"), &format!("count-{day}-{till}"), &count).await?;
        }
        let from = monotonic_now();
        let close = self.post("/v1/readings", &format!("close-{day}"), &json!({})).await?;
        let z_us = micros(monotonic_now().saturating_sub(from));
        self.closed.0 += number(&close, "/reading/sums/tickets")?;
        self.closed.1 += number(&close, "/reading/sums/gross_minor")?;
        let file_bytes = std::fs::metadata(self.shop.node.data().join("node.db"))?.len();
        let flush = before.zip(after).map(|(before, after)| [before, after]);
        Ok(flush.map(|flush| Figures { day, flush, sold, resident_kib, file_bytes, x_us, z_us, start_us }))
    }

    /// Guests sit down and order.
    async fn sit_down(&mut self, day: u64) -> Result<()> {
        let [item, ..] = self.shop.door.items;
        for guest in 0..SITTING {
            let order = json!({"terminal": "T1", "lines": [line_of(&item)]});
            let opened = self.post("/v1/open-tickets", &format!("sit-{day}-{guest}"), &order).await?;
            self.open.push(text(&opened, "/ticket_id")?);
        }
        Ok(())
    }

    /// Those who sit there pay, but for some.
    async fn pay_open(&mut self, day: u64, when: &str, stay: usize) -> Result<()> {
        let staying = self.open.split_off(self.open.len().saturating_sub(stay));
        for (at, id) in std::mem::replace(&mut self.open, staying).iter().enumerate() {
            let due = self.prices.0;
            let paid = json!({"terminal": "T1", "expected_total_minor": due,
                "tenders": [{"kind": "cash", "amount_minor": due}]});
            let sold = self.post(&format!("/v1/open-tickets/{id}/close"), &format!("{when}-{day}-{at}"), &paid).await?;
            self.tickets.push(bits(&sold)?);
        }
        Ok(())
    }

    /// Four tills sell what is left of a day's tickets, each as fast as it is answered.
    async fn sell(&mut self, day: u64) -> Result<Sold> {
        let mut tills = Vec::new();
        for till in 1..=TILLS {
            let paid = if till.is_multiple_of(2) { Paid::Card(self.prices.1) } else { Paid::Cash };
            tills.push(Till::paid_by(&self.shop.door, (&format!("T{till}"), day), paid).await?);
        }
        let sold = sell_count_by(tills, self.per_day - u64::try_from(SITTING)?).await?;
        self.tickets.extend(&sold.tickets);
        Ok(sold)
    }

    /// The box is started again, and sells.
    async fn start_again(&mut self, day: u64) -> Result<u64> {
        self.shop.node.stop().await?;
        let (took_us, ticket) = start_and_sell(&mut self.shop, u64::MAX - day).await?;
        self.tickets.push(ticket);
        Ok(took_us)
    }

    /// What a reading in the middle of the day takes.
    async fn look(&self) -> Result<u64> {
        let mut times = Vec::new();
        for _look in 0..LOOKS {
            let from = monotonic_now();
            self.shop.node.client.get("/v1/readings/current").await?;
            times.push(micros(monotonic_now().saturating_sub(from)));
        }
        Ok(percentile(&mut times, 50))
    }

    /// The line is mended: everything arrives, comes to the same, and is proven.
    async fn arrive(&mut self, section: &mut Section) -> Result<()> {
        let node = &self.shop.node;
        let waiting = node.client.get("/v1/node").await?;
        let unsent = number(&waiting, "/hub/unsent")?;
        let age_days = number(&waiting, "/hub/oldest_unsent_age_ms")? / DAY_MS;
        ensure!(age_days + 1 >= i64::try_from(DAYS)?, "the oldest is {age_days} days old");
        section.tell(
            "waiting for the hub",
            format!("{} entries, the oldest {age_days} days old", thousands(unsent.cast_unsigned())),
        );
        let due = self.shop.sales_heads().await?.0;
        let connections = self.line.counted().connections;
        self.line.mend();
        crate::shop::until("the line", async || Ok(self.line.counted().connections > connections)).await?;
        let from = monotonic_now();
        self.shop.acked(due).await?;
        let took_us = micros(monotonic_now().saturating_sub(from));
        section.tell("connected to all acknowledged", ms(took_us));
        complete(&self.hub, node).await?;
        section.tell("connected to all in the reports", ms(micros(monotonic_now().saturating_sub(from))));
        let (tickets, _units, total) = hub_totals(&self.hub, 1).await?;
        ensure!((tickets, total) == self.closed, "head office has {tickets} and {total}, the closes {:?}", self.closed);
        ensure!(usize::try_from(tickets)? == self.tickets.len(), "{tickets} tickets, {} answered", self.tickets.len());
        let closings = list(&self.hub.client.get("/v1/reporting/closings?store=1").await?, "/rows")?;
        let agreed = closings.iter().filter(|row| row.get("agrees").and_then(Value::as_bool) == Some(true)).count();
        section.row(
            "closes that head office comes to, too",
            agreed.to_string(),
            "30",
            Verdict::of(agreed == closings.len()),
        );
        let from = monotonic_now();
        proven(&self.hub, std::slice::from_ref(node)).await?;
        section.tell("audit: proven, in", ms(micros(monotonic_now().saturating_sub(from))));
        Ok(())
    }
}
