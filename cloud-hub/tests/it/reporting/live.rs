//! The day as it happens: once, and as a feed that tells every change.

use reqwest::{Method, Response};
use serde_json::{Value, json};

use crate::support::DEADLINE;
use crate::support::hub::TestHub;
use crate::support::node::TestNode;

/// Server-sent events as they come.
struct Feed {
    response: Response,
    text: String,
}

impl Feed {
    async fn open(hub: &TestHub) -> Self {
        let response = hub.asker().request(Method::GET, "/v1/reporting/live").send().await.unwrap();
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { response, text: String::new() }
    }

    /// The next picture.
    async fn next(&mut self) -> Value {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
                let tick =
                    (field("event:") == Some("tick")).then(|| serde_json::from_str(field("data:").unwrap()).unwrap());
                self.text = rest.to_owned();
                if let Some(tick) = tick {
                    return tick;
                }
                continue;
            }
            let chunk = self.response.chunk().await.unwrap().expect("the feed has ended");
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    /// The first picture in which so many tickets are counted.
    async fn until(&mut self, tickets: u64) -> Value {
        let seen = async {
            loop {
                let tick = self.next().await;
                if tick["totals"]["tickets"] == tickets {
                    return tick;
                }
            }
        };
        tokio::time::timeout(DEADLINE, seen).await.unwrap_or_else(|_| panic!("{tickets} tickets were not told"))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_feed_tells_each_sale_as_it_is_counted_and_a_shop_that_goes_away() {
    let hub = TestHub::start().await;
    let mut feed = Feed::open(&hub).await;
    let mut second = Feed::open(&hub).await;
    assert_eq!(feed.until(0).await["stores"], json!([]));

    let mut node = TestNode::in_session(11, hub.door(11)).await;
    node.ops.write(1);
    node.send(&node.ops.batch(1, 1, node.session)).await;
    node.sales.write(5);
    node.send(&node.sales.batch(1, 2, node.session)).await;
    let tick = feed.until(2).await;
    assert_eq!((&tick["business_day"], &tick["totals"]["net_minor"]), (&json!("2026-11-23"), &json!(600)), "{tick}");
    assert_eq!(tick["at_ms"], crate::support::events::NOON_MS, "the hub's own clock");

    node.send(&node.sales.batch(3, 5, node.session)).await;
    let tick = feed.until(5).await;
    let store = &tick["stores"][0];
    assert_eq!((&store["tickets"], &store["behind_events"]), (&json!(5), &json!(0)), "{store}");
    assert_eq!((&store["online"], &store["away_since_ms"]), (&json!(true), &json!(null)), "{store}");
    assert_eq!((&store["through_seq"], &store["last_receipt"]), (&json!(5), &json!("T1-A-5")), "{store}");
    let receipts: Vec<_> = tick["recent"].as_array().unwrap().iter().map(|sale| sale["receipt"].clone()).collect();
    assert_eq!(receipts, ["T1-A-5", "T1-A-4", "T1-A-3", "T1-A-2", "T1-A-1"], "newest first");
    // 12:00 in London is 7 in the morning in Atlanta.
    assert_eq!((tick["hours"].as_array().unwrap().len(), &tick["hours"][7]["net_minor"]), (24, &json!(1_500)));
    assert_eq!((store["hours"].as_array().unwrap().len(), &store["hours"][7]), (24, &json!(1_500)));
    assert_eq!(tick["top_items"], json!([{"key": "i:101", "label": "101", "units": 5, "net_minor": 1_500}]));
    second.until(5).await;

    // The same, asked once.
    let mut once = hub.asker().body("/v1/reporting/stores").await;
    once["at_ms"] = tick["at_ms"].clone();
    assert_eq!(once, tick);

    drop(node);
    let away = async {
        loop {
            let tick = feed.next().await;
            if tick["stores"][0]["online"] == false {
                return tick;
            }
        }
    };
    let tick = tokio::time::timeout(DEADLINE, away).await.expect("nobody told that the shop is away");
    assert_eq!(tick["totals"]["tickets"], 5);
    assert_eq!(tick["stores"][0]["away_since_ms"], crate::support::events::NOON_MS, "by the hub's own clock");
}
