//! Head office's files are replaced by yesterday's, whole or in part: the shops give back what is lost, and nothing counts
//! twice.

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use system_tests::audit::proven;
use system_tests::books::{any_item, complete, counted_once, number, text, ticket};
use system_tests::harness::{Hub, Node, NodeSpec, Proxy, eventually};
use system_tests::put_back::{Part, copy_folder, menu_with_price, put_back, sold_everywhere};

/// Yesterday's price of the first item of the menu, and today's.
const PRICES: [i64; 2] = [310, 777];

/// A head office and two shops, each behind a link that can be cut.
struct Chain {
    scratch: tempfile::TempDir,
    hub: Hub,
    links: [Proxy; 2],
    shops: [Node; 2],
    item: i64,
    /// The tickets of each shop that a till was answered.
    told: [Vec<String>; 2],
}

impl Chain {
    /// Opens with yesterday's menu.
    async fn open() -> Result<Self> {
        let scratch = tempfile::tempdir()?;
        let mut hub = Hub::start(scratch.path()).await?;
        let links = [Proxy::start(hub.mqtts()).await?, Proxy::start(hub.mqtts()).await?];
        let shops = [
            Node::start(scratch.path(), NodeSpec::store(1), &hub.door().through(&links[0].address()), &[]).await?,
            Node::start(scratch.path(), NodeSpec::store(2), &hub.door().through(&links[1].address()), &[]).await?,
        ];
        hub.stop().await?;
        hub.set_menu(Some(menu_with_price(scratch.path(), PRICES[0])?));
        hub.restart().await?;
        sold_everywhere(&hub, &shops, PRICES[0]).await?;
        let item = any_item(&shops[0]).await?;
        Ok(Self { scratch, hub, links, shops, item, told: [Vec::new(), Vec::new()] })
    }

    /// Sells and moves stock at both shops.
    async fn trade(&mut self, sales: u32) -> Result<()> {
        for (shop, told) in self.shops.iter().zip(&mut self.told) {
            for sale in 1..=sales {
                let body = ticket("T1", self.item, 1 + sale % 3);
                let sold = shop.client.post("/v1/tickets", &format!("sale-{}", told.len()), &body).await?;
                told.push(text(&sold, "/ticket_id")?);
            }
            let lines = [json!({"stock_item": 1, "quantity": 5_000_000 + sales})];
            let delivery = json!({"reason": "received", "lines": lines});
            shop.client.post("/v1/stock/movements", &format!("delivery-{}", told.len()), &delivery).await?;
        }
        Ok(())
    }

    async fn settle(&self) -> Result<()> {
        for shop in &self.shops {
            complete(&self.hub, shop).await?;
        }
        Ok(())
    }

    /// The tickets that head office counts.
    async fn reported(&self) -> Result<i64> {
        number(&self.hub.client.get("/v1/reporting/sales?by=store").await?, "/totals/tickets")
    }

    /// Trades, keeps a copy of head office, publishes today's menu and trades again.
    async fn a_day(&mut self) -> Result<PathBuf> {
        self.trade(7).await?;
        self.settle().await?;
        self.hub.stop().await?;
        let copy = self.scratch.path().join("yesterday");
        copy_folder(self.hub.data(), &copy)?;
        self.hub.set_menu(Some(menu_with_price(self.scratch.path(), PRICES[1])?));
        self.hub.restart().await?;
        sold_everywhere(&self.hub, &self.shops, PRICES[1]).await?;
        self.trade(12).await?;
        // A process that yesterday's head office has never met.
        self.shops[1].kill()?;
        self.shops[1].restart().await?;
        self.trade(5).await?;
        self.settle().await?;
        Ok(copy)
    }

    /// Nothing is lost, nothing is double, and everybody says the same.
    async fn whole(&self) -> Result<()> {
        for (shop, told) in self.shops.iter().zip(&self.told) {
            counted_once(&self.hub, shop, told).await?;
        }
        proven(&self.hub, &self.shops).await
    }
}

/// Puts a part back, started with a menu file or with none; tells the revision before and after.
async fn put_back_and_heal(part: Part, menu: Option<i64>) -> Result<(i64, i64)> {
    let mut chain = Chain::open().await?;
    let copy = chain.a_day().await?;
    let revision = sold_everywhere(&chain.hub, &chain.shops, PRICES[1]).await?;
    let (yesterday, today) = (2 * 7, 2 * (7 + 12 + 5));
    ensure!(chain.reported().await? == today, "all is told before anything is lost");
    chain.links.iter().for_each(Proxy::cut);
    chain.hub.kill()?;
    put_back(&copy, chain.hub.data(), part)?;
    let menu = menu.map(|price| menu_with_price(chain.scratch.path(), price)).transpose()?;
    chain.hub.set_menu(menu);
    chain.hub.restart().await?;
    let forgotten = part == Part::Folder || part == Part::Database("journal");
    eventually("head office to know what it can know alone", || async {
        let reported = chain.reported().await?;
        ensure!(reported == if forgotten { yesterday } else { today }, "{reported} tickets");
        Ok(())
    })
    .await?;
    chain.links.iter().for_each(Proxy::mend);
    chain.whole().await?;
    let healed = sold_everywhere(&chain.hub, &chain.shops, PRICES[1]).await?;
    chain.trade(3).await.context("trade goes on")?;
    chain.whole().await?;
    Ok((revision, healed))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn head_office_is_put_back_whole_and_the_shops_give_it_sales_and_menu() -> Result<()> {
    let (before, after) = put_back_and_heal(Part::Folder, None).await?;
    assert_eq!(after, before);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn head_office_is_put_back_whole_with_todays_menu_at_hand_and_says_it_once_more() -> Result<()> {
    let (before, after) = put_back_and_heal(Part::Folder, Some(PRICES[1])).await?;
    ensure!(after > before, "revision {after} supersedes {before}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_journal_of_head_office_is_put_back_alone_and_the_reports_are_folded_anew() -> Result<()> {
    let (before, after) = put_back_and_heal(Part::Database("journal"), None).await?;
    assert_eq!(after, before);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_reports_of_head_office_are_put_back_alone_and_catch_up_without_the_shops() -> Result<()> {
    let (before, after) = put_back_and_heal(Part::Database("reporting"), None).await?;
    assert_eq!(after, before);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_catalog_of_head_office_is_put_back_alone_and_the_menu_of_today_stays() -> Result<()> {
    let (before, after) = put_back_and_heal(Part::Database("catalog"), None).await?;
    assert_eq!(after, before);
    Ok(())
}
