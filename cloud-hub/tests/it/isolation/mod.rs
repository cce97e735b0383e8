//! Reporting is hurt, and nobody else notices: while it panics, blocks, waits for a lock or cannot write, every sale is taken
//! in and acknowledged; when that is over it catches up, to the figures that the books have.
//!
//! How long acknowledgements take with and without the fault is printed, and asserted nowhere.

mod fault;
mod witness;

use std::time::Duration;

use cloud_hub::reporting;
use percolate_runtime::system::monotonic_now;
use serde_json::json;

use self::fault::{Hand, OwnDisk};
use self::witness::Witness;
use crate::support::ground::{engine_at, is_server, opened};
use crate::support::hub::TestHub;
use crate::support::node::{Heard, TestNode};
use crate::support::{DEADLINE, eventually};

/// Sales with the fault and without, at least.
const SALES: usize = 400;

/// Room for the reports of a short day.
const DISK_BYTES: u32 = 32 << 20;

/// A shop that sells, and the time that each acknowledgement took.
struct Shop {
    hub: TestHub,
    node: TestNode,
    witness: Witness,
    well: Vec<Duration>,
    hurt: Vec<Duration>,
}

impl Shop {
    /// A shop that has sold while all was well, with everything in the reports.
    async fn open(number: u32) -> Self {
        let hub = TestHub::start().await;
        let node = TestNode::in_session(number, hub.door(number)).await;
        let witness = Witness::of(&node.sales.id);
        let mut shop = Self { hub, node, witness, well: Vec::new(), hurt: Vec::new() };
        for _ in 0..SALES {
            let took = shop.sell().await;
            shop.well.push(took);
        }
        shop.reported(SALES).await;
        assert_eq!(shop.witness.failures(), [""; 0], "all is well at first");
        shop
    }

    /// A sale, from when it is sent until it is acknowledged.
    async fn sell(&mut self) -> Duration {
        self.node.sales.write(1);
        let seq = self.node.sales.head().seq;
        let begin = monotonic_now();
        self.node.send_sales(seq, 1).await;
        self.node.sales_acked(seq).await;
        monotonic_now().saturating_sub(begin)
    }

    async fn totals(&self) -> serde_json::Value {
        self.hub.asker().body("/v1/reporting/sales?by=store").await["totals"].clone()
    }

    /// Waits until the reports have so many tickets.
    async fn reported(&self, tickets: usize) {
        eventually("the sales in the reports", || async {
            (self.totals().await["tickets"] == json!(tickets)).then_some(())
        })
        .await;
    }

    /// Sells until reporting has failed so often, always with this code, and moved nowhere.
    async fn sell_through(&mut self, failures: usize, code: &str) {
        let before = self.totals().await;
        let selling = async {
            while self.hurt.len() < SALES || self.witness.failures().len() < failures {
                let took = self.sell().await;
                self.hurt.push(took);
            }
        };
        tokio::time::timeout(DEADLINE, selling).await.expect("reporting was to fail again and again");
        assert_eq!(self.totals().await, before, "nothing came into the reports while the fault lasted");
        let failures = self.witness.failures();
        assert!(failures.iter().all(|failure| *failure == code), "{failures:?}");
    }

    /// Waits until the reports have caught up, compares them with the books and with reports that were folded in peace, and
    /// prints what the fault cost.
    async fn close(mut self, fault: &str) {
        let sold = self.well.len() + self.hurt.len();
        assert_eq!(u64::try_from(sold).unwrap(), self.node.sales.head().seq);
        let row = self.hub.stream(&format!("n{}", self.node.node), "sales").await.unwrap();
        assert_eq!((&row["contig"], &row["parked"]), (&json!(sold), &json!(0)));
        assert_eq!(row["head"], self.node.sales.head().hash.to_string());
        self.reported(sold).await;
        let totals = self.totals().await;
        assert_eq!((&totals["units"], &totals["total_minor"]), (&json!(sold), &json!(300 * sold)));
        self.hub.stop().await;
        let data = self.hub.data_dir();
        let grown = opened(data, reporting::digest).unwrap();
        reporting::rebuild(data, &engine_at(data)).await.unwrap();
        assert_eq!(opened(data, reporting::digest).unwrap(), grown);

        let (well, hurt) = (p99(&mut self.well), p99(&mut self.hurt));
        let percent = hurt.as_micros() * 100 / well.as_micros().max(1);
        let engine = if is_server() { "PostgreSQL" } else { "files" };
        println!(
            "reporting {fault}, on {engine}: p99 of an ack {hurt:?}, {well:?} without: {}.{:02} times ({} and {} sales)",
            percent / 100,
            percent % 100,
            self.hurt.len(),
            self.well.len(),
        );
    }
}

fn p99(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[(times.len() * 99).div_ceil(100) - 1]
}

#[tokio::test(flavor = "multi_thread")]
async fn while_reporting_panics_every_sale_is_acknowledged() {
    let mut shop = Shop::open(1_011).await;
    let hand = Hand::open(shop.hub.data_dir());
    shop.witness.panic_at_failures(true);
    hand.refuse_tickets(1).await;
    shop.sell_through(3, "storage_query").await;
    shop.witness.panic_at_failures(false);
    hand.let_tickets_in().await;
    hand.close().await;
    let metrics = shop.hub.get_openly("/metrics").await.text().await.unwrap();
    assert!(metrics.contains(r#"task_restarts_total{task="reporting"}"#), "its task has ended: {metrics}");
    shop.close("panics").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_reporting_turns_in_circles_every_sale_is_acknowledged() {
    let mut shop = Shop::open(1_021).await;
    let hand = Hand::open(shop.hub.data_dir());
    hand.refuse_tickets(5_000_000).await;
    shop.sell_through(3, "storage_query").await;
    hand.let_tickets_in().await;
    hand.close().await;
    shop.close("turns in circles").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_reporting_waits_for_a_lock_every_sale_is_acknowledged() {
    let mut shop = Shop::open(1_031).await;
    let hand = Hand::open(shop.hub.data_dir());
    let lock = hand.lock();
    // Each failure is a wait for the lock of 5 s.
    shop.sell_through(1, if is_server() { "storage_conflict" } else { "storage_busy" }).await;
    lock.release();
    hand.close().await;
    shop.close("waits for a lock").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_reporting_cannot_write_every_sale_is_acknowledged() {
    let mut shop = Shop::open(1_041).await;
    if is_server() {
        let hand = Hand::open(shop.hub.data_dir());
        hand.revoke_insert().await;
        shop.sell_through(3, "storage_denied").await;
        hand.grant_insert().await;
        hand.close().await;
        shop.close("may not insert").await;
        return;
    }
    let Some(disk) = OwnDisk::mount(DISK_BYTES) else {
        println!("SKIPPED: a full disk needs the right to mount a tmpfs");
        return;
    };
    shop.hub.stop().await;
    disk.take(&shop.hub.data_dir().join("reporting.db"));
    shop.hub.open().await.unwrap();
    let ballast = disk.fill();
    shop.node.hear("the end of the connection", |heard| (*heard == Heard::Down).then_some(())).await;
    shop.node.wait_up().await;
    shop.node.greet().await;
    shop.sell_through(3, "disk_full").await;
    std::fs::remove_file(ballast).unwrap();
    shop.close("has a full disk").await;
}
