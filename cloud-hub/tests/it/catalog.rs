//! The menu: published once, changed in few events, received by every node whenever it comes.

use std::collections::BTreeMap;

use percolate_common::domain::catalog::{CatalogEvent, Draft, Revision};
use percolate_common::domain::event::Event;
use percolate_common::ids::{ItemId, StoreId};
use percolate_common::journal::{Head, JournalId, StreamKind};
use percolate_common::money::Currency;
use percolate_common::wire::envelope::Batch;
use percolate_common::wire::event;
use percolate_common::wire::menu::MenuV1;
use percolate_common::wire::session::{FromHub, Position};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::identity::asked;
use crate::support::events::encoded;
use crate::support::eventually;
use crate::support::hub::TestHub;
use crate::support::life::described;
use crate::support::node::{Heard, TestNode};

/// The demo's menu has 41 items or so; what matters here is that it is a real one.
const MENU: &str = include_str!("../../../provisioning/demo/menu.json");

/// What a node has read of the catalog.
#[derive(Debug)]
struct Reading {
    journal: Option<JournalId>,
    head: Option<Head>,
    draft: Draft,
    revisions: Vec<u32>,
}

impl Reading {
    fn new() -> Self {
        Self { journal: None, head: None, draft: Draft::default(), revisions: Vec::new() }
    }

    fn take(&mut self, batch: &Batch) -> Position {
        let mut head = self.head.unwrap_or_else(|| batch.journal.genesis());
        assert_eq!((batch.seq_lo, batch.hash_before), (head.seq + 1, head.hash.short()), "the journal goes on");
        for bytes in &batch.events {
            head = head.after(bytes);
            let Event::Catalog(said) = event::decode(bytes).unwrap().event else { panic!("not a catalog event") };
            self.draft.apply(&said);
            if let CatalogEvent::RevisionPublished(revision) = said {
                self.revisions.push(revision.number);
                self.draft.publish(revision).unwrap();
            }
        }
        (self.journal, self.head) = (Some(batch.journal), Some(head));
        Position::new(&batch.journal, head.seq, head.hash.short())
    }

    /// Whether a batch holds nothing new: on a busy machine it was sent again before it was acknowledged.
    fn is_repeat(&self, batch: &Batch) -> bool {
        self.head.is_some_and(|head| batch.seq_hi() <= head.seq)
    }

    /// Reads until a revision is published.
    async fn read_to(&mut self, node: &mut TestNode, revision: u32) {
        while self.revisions.last() != Some(&revision) {
            let session = node.session;
            let batch = node
                .hear("the catalog", |heard| match heard {
                    Heard::Batch(batch) if batch.session == session && !self.is_repeat(batch) => Some(batch.clone()),
                    _ => None,
                })
                .await;
            let position = self.take(&batch);
            node.acknowledge(position.clone()).await;
            node.positions = vec![position];
        }
    }
}

fn changed_menu() -> String {
    let mut menu: Value = serde_json::from_str(MENU).unwrap();
    menu["items"][0]["price_minor"] = json!(menu["items"][0]["price_minor"].as_i64().unwrap() + 25);
    menu["items"].as_array_mut().unwrap().pop();
    menu.to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_comes_late_or_after_a_restart_receives_the_menu_whole() {
    let mut hub = TestHub::start_with_menu(Some(MENU)).await;
    let mut node = TestNode::in_session(11, hub.door(11)).await;
    let mut reading = Reading::new();
    reading.read_to(&mut node, 1).await;
    let menu: Value = serde_json::from_str(MENU).unwrap();
    assert_eq!(reading.draft.items.len(), menu["items"].as_array().unwrap().len());
    let seq = reading.head.unwrap().seq;
    let row = eventually("the node's position at the hub", || async {
        let rows = hub.rows("/v1/sync/nodes").await;
        rows.into_iter().find(|row| row["node"] == 11 && row["down"][0]["acked_seq"] == seq)
    })
    .await;
    assert_eq!((&row["down"][0]["author"], &row["down"][0]["stream"]), (&json!("catalog"), &json!("catalog")));

    hub.stop().await;
    hub.open().await.unwrap();
    let mut late = TestNode::in_session(21, hub.door(21)).await;
    let mut second = Reading::new();
    second.read_to(&mut late, 1).await;
    assert_eq!((second.head, second.draft), (reading.head, reading.draft));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unchanged_menu_says_nothing_and_a_changed_one_is_stated_whole_in_a_life_of_its_own() {
    let mut hub = TestHub::start_with_menu(Some(MENU)).await;
    let mut node = TestNode::in_session(11, hub.door(11)).await;
    let mut reading = Reading::new();
    reading.read_to(&mut node, 1).await;
    let first = hub.stream("catalog", "catalog").await.unwrap();

    hub.restart_with_menu(MENU).await;
    assert_eq!(hub.stream("catalog", "catalog").await.unwrap()["contig"], first["contig"]);
    assert_eq!(hub.rows("/v1/catalog/revisions").await.len(), 1);

    hub.restart_with_menu(&changed_menu()).await;
    let rows = hub.rows("/v1/sync/streams?limit=1000").await;
    let lives: Vec<_> = rows.iter().filter(|row| row["author"] == "catalog").collect();
    assert_eq!(lives.len(), 2);
    let before = lives.iter().find(|row| row["incarnation"] == first["incarnation"]).unwrap();
    assert_eq!((&before["contig"], &before["head"]), (&first["contig"], &first["head"]));
    let revisions = hub.rows("/v1/catalog/revisions").await;
    let numbers: Vec<_> = revisions.iter().map(|row| row["revision"].as_u64().unwrap()).collect();
    assert_eq!(numbers, [1, 2]);

    node.wait_up().await;
    node.greet().await;
    let before = reading.journal;
    let mut reading = Reading::new();
    reading.read_to(&mut node, 2).await;
    assert_ne!(reading.journal, before);
    let items = hub.rows("/v1/catalog/items").await;
    assert_eq!(items.len(), reading.draft.items.len());
    let prices: Vec<_> = items.iter().map(|row| row["price_minor"].as_i64().unwrap()).collect();
    let theirs: Vec<_> = reading.draft.items.values().map(|item| item.price.get()).collect();
    assert_eq!(prices, theirs);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_menu_file_is_not_published_again_over_what_was_published_since_until_it_changes() {
    let mut hub = TestHub::start_with_menu(Some(MENU)).await;
    let published = async |hub: &TestHub| {
        let price = hub.rows("/v1/catalog/items").await[0]["price_minor"].as_i64().unwrap();
        (hub.rows("/v1/catalog/revisions").await.len(), price)
    };
    let mut dearer: Value = serde_json::from_str(MENU).unwrap();
    dearer["items"][0]["price_minor"] = json!(999);
    let (status, _) = asked(&hub, Method::PUT, "/v1/catalog/menu", &dearer).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(published(&hub).await, (2, 999));
    for _start in 0..2 {
        hub.restart_with_menu(MENU).await;
        assert_eq!(published(&hub).await, (2, 999), "the file has not changed since it was published");
    }
    hub.restart_with_menu(&changed_menu()).await;
    assert_eq!(published(&hub).await, (3, 350), "now it has");
    hub.restart_with_menu(MENU).await;
    assert_eq!(published(&hub).await, (4, 325), "and it has changed back");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_asks_again_is_sent_the_journal_from_there() {
    let hub = TestHub::start_with_menu(Some(MENU)).await;
    let mut node = TestNode::in_session(11, hub.door(11)).await;
    let mut reading = Reading::new();
    reading.read_to(&mut node, 1).await;
    let genesis = reading.journal.unwrap().genesis();
    node.ask_again(Position::new(&reading.journal.unwrap(), 0, genesis.hash.short())).await;
    let mut again = Reading::new();
    again.read_to(&mut node, 1).await;
    assert_eq!(again.head, reading.head);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_holds_another_past_than_the_hub_is_sent_nothing() {
    let hub = TestHub::start_with_menu(Some(MENU)).await;
    let row = hub.stream("catalog", "catalog").await.unwrap();
    let mut witness = TestNode::in_session(21, hub.door(21)).await;
    let mut reading = Reading::new();
    reading.read_to(&mut witness, 1).await;
    let id = reading.journal.unwrap();
    assert_eq!(id.stream, StreamKind::Catalog);

    let mut node = TestNode::connect(11, hub.door(11)).await;
    let beyond = row["contig"].as_u64().unwrap() + 10;
    node.positions = vec![Position::new(&id, beyond, id.genesis().hash.short())];
    node.greet().await;
    eventually("the alarm in the metrics", || async {
        let metrics = hub.get_openly("/metrics").await.text().await.unwrap();
        metrics.contains("hub_down_ahead_total{stream=\"catalog\"}").then_some(())
    })
    .await;
    // Its own journals are taken all the same, and what comes before the ack is no batch.
    node.sales.write(1);
    node.send_sales(1, 1).await;
    let acked = node
        .hear("an ack or a batch", |heard| match heard {
            Heard::Session(_) => Some(true),
            Heard::Batch(_) => Some(false),
            Heard::Up | Heard::Down | Heard::Nudge(_) => None,
        })
        .await;
    assert!(acked);
    node.positions = vec![Position::new(&id, 1, id.genesis().hash.short())];
    node.greet().await;
    let held = reading.head.unwrap();
    let position = Position::new(&id, held.seq, held.hash.short());
    assert_eq!(node.answer().await, FromHub::Contested { position, session: node.session });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_menu_is_looked_at_and_published_over_the_revision_that_it_was_compared_with() {
    let hub = TestHub::start_with_menu(None).await;
    let menu: Value = serde_json::from_str(MENU).unwrap();
    let nothing = hub.asker().body("/v1/catalog/menu").await;
    assert_eq!(nothing, json!({ "revision": 0, "stores": [], "menu": null }));
    let put =
        async |query: &str, menu: &Value| asked(&hub, Method::PUT, &format!("/v1/catalog/menu{query}"), menu).await;

    let (status, body) = put("?check=true&over=0", &menu).await;
    assert_eq!((status, &body["outcome"], &body["revision"]), (StatusCode::OK, &json!("new"), &json!(0)));
    assert_eq!(hub.rows("/v1/catalog/revisions").await.len(), 0);
    let (status, body) = put("?over=0", &menu).await;
    assert_eq!((status, &body["outcome"], &body["revision"]), (StatusCode::OK, &json!("new"), &json!(1)));
    // What was answered is where the other services read it.
    assert!(hub.stream("catalog", "catalog").await.unwrap()["contig"].as_u64().unwrap() > 0);
    let read = |menu: &Value| serde_json::from_value::<MenuV1>(menu.clone()).unwrap().into_sound().unwrap();
    assert_eq!(read(&hub.asker().body("/v1/catalog/menu").await["menu"]), read(&menu));

    let mut dearer = menu.clone();
    dearer["items"][0]["price_minor"] = json!(350);
    for query in ["?over=0", "?check=true&over=0", "?over=7"] {
        let (status, body) = put(query, &dearer).await;
        assert_eq!((status, &body["code"]), (StatusCode::CONFLICT, &json!("menu_moved")), "{query}");
    }
    let (_, body) = put("?over=1", &dearer).await;
    let change = json!([{ "field": "item 101, price", "before": "3.25", "after": "3.50" }]);
    assert_eq!((&body["outcome"], &body["revision"], &body["differences"]), (&json!("changed"), &json!(2), &change));
    let (_, body) = put("", &dearer).await;
    assert_eq!(
        (&body["outcome"], &body["revision"], &body["differences"]),
        (&json!("unchanged"), &json!(2), &json!([]))
    );

    dearer["items"][0]["category"] = json!(999);
    dearer["items"][1]["price_minor"] = json!(-1);
    let (status, body) = put("", &dearer).await;
    let places: Vec<_> = body["errors"].as_array().unwrap().iter().map(|it| it["pointer"].as_str().unwrap()).collect();
    assert_eq!((status, &body["code"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("menu_invalid")));
    assert_eq!(places, ["/items/0/category", "/items/1/price_minor"]);
    assert_eq!(hub.rows("/v1/catalog/revisions").await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_menu_in_another_currency_than_a_shop_sells_in_is_refused_for_that_shop() {
    let hub = TestHub::start_with_menu(None).await;
    let menu: Value = serde_json::from_str(MENU).unwrap();
    let euros = |menu: &Value| {
        let mut euros = menu.clone();
        euros["currency"] = json!("EUR");
        euros
    };
    let put =
        async |query: &str, menu: &Value| asked(&hub, Method::PUT, &format!("/v1/catalog/menu{query}"), menu).await;
    // Before a shop has said anything, a first menu in the wrong currency can be put right.
    assert_eq!(put("", &euros(&menu)).await.0, StatusCode::OK);
    assert_eq!(put("", &menu).await.0, StatusCode::OK);

    let mut node = TestNode::in_session(11, hub.door(11)).await;
    let bytes = encoded(node.ops.id, 1, &described("Harbour", "America/New_York", Currency::USD));
    node.ops.push(bytes);
    node.send(&node.ops.batch(1, 1, node.session)).await;
    eventually("what the shop said", || async { hub.stream("n11", "ops").await.filter(|row| row["contig"] == 1) })
        .await;
    let mut dearer = menu.clone();
    dearer["items"][0]["price_minor"] = json!(350);
    for query in ["?check=true", "", "?stores=1,2"] {
        let (status, body) = put(query, &euros(&dearer)).await;
        let (place, code) = (&body["errors"][0]["pointer"], &body["errors"][0]["code"]);
        assert_eq!((status, &body["code"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("menu_invalid")), "{query}");
        assert_eq!((place, code), (&json!("/currency"), &json!("not_the_shops")), "{query}: {body}");
    }
    let (status, body) = asked(&hub, Method::POST, "/v1/catalog/undo", &json!({ "to_revision": 1 })).await;
    assert_eq!((status, &body["code"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("menu_invalid")), "{body}");
    assert_eq!(hub.rows("/v1/catalog/revisions").await.len(), 2);
    // Another shop may sell in euros.
    assert_eq!(put("?stores=2", &euros(&dearer)).await.0, StatusCode::OK);
    assert_eq!(put("", &dearer).await.0, StatusCode::OK);
}

/// What a shop would sell of all that a node has read.
fn sells(said: &[(Revision, Draft)], store: u32) -> (u32, i64) {
    let of_shop = said.iter().filter(|(revision, _)| revision.is_for(StoreId::new(store)));
    let (revision, draft) = of_shop.max_by_key(|(revision, _)| revision.number).unwrap();
    (revision.number, draft.items[&ItemId::new(101)].price.get())
}

/// Reads the whole of what was published, as a node that comes now does.
async fn read_all(hub: &TestHub, node: u32, last: u32) -> Vec<(Revision, Draft)> {
    let mut node = TestNode::in_session(node, hub.door(node)).await;
    let (mut said, mut drafts) = (Vec::new(), BTreeMap::<JournalId, (u64, Draft)>::new());
    while !said.iter().any(|(revision, _): &(Revision, Draft)| revision.number == last) {
        let session = node.session;
        let batch = node
            .hear("the catalog", |heard| match heard {
                Heard::Batch(batch) if batch.session == session => Some(batch.clone()),
                _ => None,
            })
            .await;
        let (read, draft) = drafts.entry(batch.journal).or_default();
        for (seq, bytes) in (batch.seq_lo..).zip(&batch.events) {
            if seq <= *read {
                continue;
            }
            *read = seq;
            let Event::Catalog(event) = event::decode(bytes).unwrap().event else { panic!("not a catalog event") };
            draft.apply(&event);
            if let CatalogEvent::RevisionPublished(revision) = event {
                draft.publish(revision.clone()).unwrap();
                said.push((revision, draft.clone()));
            }
        }
    }
    said
}

#[tokio::test(flavor = "multi_thread")]
async fn a_menu_is_tried_in_some_shops_then_rolled_out_and_undone_as_revisions_of_their_own() {
    let mut hub = TestHub::start_with_menu(Some(MENU)).await;
    let mut dearer: Value = serde_json::from_str(MENU).unwrap();
    dearer["items"][0]["price_minor"] = json!(350);
    let (status, body) = asked(&hub, Method::PUT, "/v1/catalog/menu?stores=10,%209,9", &dearer).await;
    assert_eq!((status, &body["revision"], &body["outcome"]), (StatusCode::OK, &json!(2), &json!("changed")), "{body}");
    let menu = hub.asker().body("/v1/catalog/menu").await;
    assert_eq!((&menu["stores"], &menu["menu"]["items"][0]["price_minor"]), (&json!([9, 10]), &json!(350)));
    let said = read_all(&hub, 11, 2).await;
    assert_eq!([sells(&said, 1), sells(&said, 9), sells(&said, 10)], [(1, 325), (2, 350), (2, 350)]);

    // A start with the old file, or with the new one, ends nothing and rolls nothing out.
    for file in [MENU.to_owned(), dearer.to_string()] {
        hub.restart_with_menu(&file).await;
        assert_eq!(hub.rows("/v1/catalog/revisions").await.len(), 2);
    }
    let post = async |hub: &TestHub, path: &str, body: Value| asked(hub, Method::POST, path, &body).await;
    let change = json!([{ "field": "item 101, price", "before": "3.25", "after": "3.50" }]);
    for (query, revision) in [("?check=true&over=2", 2), ("?over=2", 3)] {
        let (status, body) = post(&hub, &format!("/v1/catalog/rollout{query}"), json!({ "revision": 2 })).await;
        assert_eq!(
            (status, &body["revision"], &body["differences"]),
            (StatusCode::OK, &json!(revision), &change),
            "{body}"
        );
    }
    let (_, body) = post(&hub, "/v1/catalog/rollout", json!({ "revision": 2 })).await;
    assert_eq!((&body["revision"], &body["outcome"]), (&json!(3), &json!("unchanged")));

    // Undone in one shop first, and then in all: revision 1 was said in another life than the others.
    let (_, body) = post(&hub, "/v1/catalog/undo", json!({ "to_revision": 1, "stores": [9] })).await;
    assert_eq!(body["revision"], 4, "{body}");
    let said = read_all(&hub, 21, 4).await;
    assert_eq!([sells(&said, 1), sells(&said, 9)], [(3, 350), (4, 325)]);
    let (_, body) = post(&hub, "/v1/catalog/undo", json!({ "to_revision": 1 })).await;
    assert_eq!(body["revision"], 5, "{body}");
    assert_eq!(sells(&read_all(&hub, 31, 5).await, 1), (5, 325));
    let (status, body) = post(&hub, "/v1/catalog/undo", json!({ "to_revision": 9 })).await;
    assert_eq!((status, &body["code"]), (StatusCode::NOT_FOUND, &json!("unknown_revision")));
    let (status, body) = post(&hub, "/v1/catalog/undo?over=4", json!({ "to_revision": 2 })).await;
    assert_eq!((status, &body["code"]), (StatusCode::CONFLICT, &json!("menu_moved")));
    let (status, body) = asked(&hub, Method::PUT, "/v1/catalog/menu?stores=nine", &dearer).await;
    assert_eq!((status, &body["code"]), (StatusCode::BAD_REQUEST, &json!("invalid_query")));

    let rows = hub.rows("/v1/catalog/revisions").await;
    let told: Vec<_> =
        rows.iter().map(|row| (row["revision"].clone(), row["stores"].clone(), row["person"].clone())).collect();
    let row = |revision: u32, stores: &[u32]| (json!(revision), json!(stores), Value::Null);
    assert_eq!(told, [row(1, &[]), row(2, &[9, 10]), row(3, &[]), row(4, &[9]), row(5, &[])]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_menu_is_written_with_its_faults_and_sold_only_when_it_is_published() {
    let mut hub = TestHub::start_with_menu(Some(MENU)).await;
    let draft = "/v1/catalog/draft";
    let absent = async |hub: &TestHub| hub.asker().get(draft).await;
    assert_eq!(absent(&hub).await.1["code"], "draft_absent");
    let mut menu: Value = serde_json::from_str(MENU).unwrap();
    menu["items"][0]["price_minor"] = json!(-1);
    menu["items"][1]["category"] = json!(99);
    let (status, body) = asked(&hub, Method::PUT, draft, &menu).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    hub.stop().await;
    hub.open().await.unwrap();
    let kept = hub.asker().body(draft).await;
    let faults: Vec<_> = kept["faults"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| (it["pointer"].as_str().unwrap(), it["code"].as_str().unwrap()))
        .collect();
    assert_eq!(faults, [("/items/0/price_minor", "out_of_range"), ("/items/1/category", "unknown")]);
    assert_eq!((&kept["revision"], &kept["person"]), (&json!(1), &Value::Null));
    let publish = async |hub: &TestHub, query: &str| {
        let path = format!("/v1/catalog/draft/publish{query}");
        asked(hub, Method::POST, &path, &Value::Null).await
    };
    let (status, body) = publish(&hub, "").await;
    assert_eq!((status, &body["code"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("menu_invalid")));

    menu["items"][0]["price_minor"] = json!(350);
    menu["items"][1]["category"] = json!(1);
    let (_, body) = asked(&hub, Method::PUT, draft, &menu).await;
    let change = json!([{ "field": "item 101, price", "before": "3.25", "after": "3.50" }]);
    assert_eq!((&body["faults"], &body["differences"]), (&json!([]), &change));
    assert_eq!(hub.rows("/v1/catalog/revisions").await.len(), 1, "nobody sells by a draft");
    let (status, body) = publish(&hub, "?stores=9&over=7").await;
    assert_eq!((status, &body["code"]), (StatusCode::CONFLICT, &json!("menu_moved")));
    let (status, body) = publish(&hub, "?stores=9&over=1").await;
    assert_eq!((status, &body["revision"]), (StatusCode::OK, &json!(2)), "{body}");
    assert_eq!(hub.rows("/v1/catalog/revisions").await[1]["stores"], json!([9]));
    assert_eq!(absent(&hub).await.1["code"], "draft_absent", "it was published");

    asked(&hub, Method::PUT, draft, &menu).await;
    let deleted = hub.asker().request(Method::DELETE, draft).send().await.unwrap();
    assert_eq!(deleted.status(), StatusCode::NO_CONTENT);
    assert_eq!(absent(&hub).await.1["code"], "draft_absent");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_menu_with_as_many_items_as_there_may_be_is_taken() {
    let hub = TestHub::start_with_menu(Some(MENU)).await;
    let mut menu: Value = serde_json::from_str(MENU).unwrap();
    let uses: Vec<_> = (1..=16).map(|stock_item| json!({ "stock_item": stock_item, "quantity": 1 })).collect();
    let item = |id: usize| json!({ "id": id, "name": format!("{id:080}"), "category": 1, "tax_class": 1, "price_minor": 1, "uses": uses });
    menu["items"] = (1..=5_000).map(item).collect();
    let (status, body) = asked(&hub, Method::PUT, "/v1/catalog/menu", &menu).await;
    assert_eq!((status, &body["revision"]), (StatusCode::OK, &json!(2)), "{}", body["detail"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_menu_that_cannot_be_sold_is_refused_by_name_and_says_nothing() {
    let mut hub = TestHub::start_with_menu(Some(MENU)).await;
    let before = hub.stream("catalog", "catalog").await.unwrap()["contig"].clone();
    hub.stop().await;
    let mut broken: Value = serde_json::from_str(MENU).unwrap();
    broken["items"][0]["category"] = json!(999);
    std::fs::write(hub.data_dir().parent().unwrap().join("menu.json"), broken.to_string()).unwrap();
    let refused = hub.open().await.unwrap_err();
    let mut text = refused.to_string();
    let mut cause: &dyn std::error::Error = &refused;
    while let Some(source) = cause.source() {
        text = format!("{text}: {source}");
        cause = source;
    }
    assert!(text.contains("names category 999"), "{text}");

    hub.restart_after_refusal(MENU).await;
    assert_eq!(hub.stream("catalog", "catalog").await.unwrap()["contig"], before);
}
