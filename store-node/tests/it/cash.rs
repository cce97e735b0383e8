//! Drawers and the close of the day: people are right about what they hold in their hands, and nothing stops a close.

use percolate_common::journal::StreamKind;
use serde_json::{Value, json};

use crate::open_tickets::given_back;
use crate::support::eventually;
use crate::support::http::{Answer, Request};
use crate::support::menu::{ESPRESSO, LATTE};
use crate::support::node::{NOON_MS, TestNode, Till, ticket};
use crate::support::program::{copy_database, put_database_back};

/// What an espresso costs with its tax.
const ESPRESSO_MINOR: i64 = 327;

fn espresso(terminal: &str) -> Value {
    ticket(terminal, &[(ESPRESSO, 1)])
}

async fn opened(till: &Till, key: &str, terminal: &str, float: i64) -> String {
    let answer = till.post("/v1/drawers", key, &json!({"terminal": terminal, "float_minor": float, "staff": 4})).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.json()["drawer"].as_str().unwrap().to_owned()
}

async fn moved(till: &Till, key: &str, drawer: &str, kind: &str, amount: i64) -> Answer {
    let body = json!({"kind": kind, "amount_minor": amount, "reason": "other"});
    till.post(&format!("/v1/drawers/{drawer}/movements"), key, &body).await
}

async fn counted(till: &Till, key: &str, drawer: &str, counted: i64) -> Answer {
    till.post(&format!("/v1/drawers/{drawer}/close"), key, &json!({"counted_minor": counted})).await
}

async fn closed(till: &Till, key: &str) -> Value {
    let answer = till.post("/v1/readings", key, &json!({"staff": 2})).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.json()
}

#[tokio::test]
async fn p32_a_drawer_is_opened_with_what_was_counted_and_closed_with_what_is_counted_whatever_it_is() {
    let (mut node, _hub) = TestNode::selling().await;
    let till = node.till();
    let drawer = opened(&till, "open", "T1", 10_000).await;
    till.sold("sale", &espresso("T1")).await;
    moved(&till, "in", &drawer, "pay_in", 500).await.ok();
    moved(&till, "out", &drawer, "pay_out", 200).await.ok();
    moved(&till, "look", &drawer, "no_sale", 0).await.ok();
    let beyond = moved(&till, "safe", &drawer, "drop", 11_000).await.ok();
    assert_eq!((&beyond["beyond_expected"], &beyond["kind"]), (&json!(true), &json!("drop")));
    let expected = 10_000 + ESPRESSO_MINOR + 500 - 200 - 11_000;
    let answer = counted(&till, "count", &drawer, 0).await;
    let count = json!({"at_ms": NOON_MS, "by": null, "counted_minor": 0, "expected_minor": expected,
        "difference_minor": -expected});
    let whole = json!({
        "drawer": drawer, "terminal": "T1", "business_day": "2026-11-23", "opened_at_ms": NOON_MS, "opened_by": 4,
        "float_minor": 10_000, "paid_in_minor": 500, "paid_out_minor": 200, "dropped_minor": 11_000, "no_sales": 1,
        "count": count,
    });
    assert_eq!((answer.status, answer.json()), (201, whole.clone()));
    assert_eq!(till.get("/v1/drawers").await["rows"], json!([whole]));

    // The next one begins with what somebody counts in it, and not with what the last one should have held.
    let next = opened(&till, "next", "T1", 0).await;
    let coins = json!({"denominations": [{"value_minor": 25, "count": 4}, {"value_minor": 500, "count": 1}]});
    let answer = till.post(&format!("/v1/drawers/{next}/close"), "coins", &coins).await.ok();
    assert_eq!((&answer["count"]["counted_minor"], &answer["count"]["difference_minor"]), (&json!(600), &json!(600)));
    node.stop().await;
}

#[tokio::test]
async fn what_should_be_in_a_drawer_is_told_by_nothing_before_its_count() {
    let (mut node, _hub) = TestNode::selling().await;
    let till = node.till();
    let drawer = opened(&till, "open", "T1", 10_000).await;
    till.sold("sale", &espresso("T1")).await;
    let shown = [
        till.get("/v1/drawers").await["rows"][0].clone(),
        till.get("/v1/readings/current").await["open_drawers"][0].clone(),
    ];
    for row in shown {
        assert_eq!(
            (&row["drawer"], &row["count"], &row["float_minor"]),
            (&json!(drawer), &Value::Null, &json!(10_000))
        );
        let text = row.to_string();
        assert!(!text.contains("327") && !text.contains("expected"), "{text}");
    }
    // X leaves cash out as long as any drawer is open, and other means stand in it.
    let mut by_card = ticket("T2", &[(LATTE, 1)]);
    by_card["tenders"] = json!([{"kind": "card_external", "amount_minor": 408}]);
    till.sold("card", &by_card).await;
    let other = opened(&till, "other", "T2", 0).await;
    let card = json!({"kind": "card_external", "amount_minor": 408});
    for (drawer, count) in [(&drawer, 10_327), (&other, 0)] {
        let current = till.get("/v1/readings/current").await;
        assert_eq!((&current["cash_withheld"], &current["sums"]["tenders"]), (&json!(true), &json!([card])));
        counted(&till, &format!("count-{drawer}"), drawer, count).await.ok();
    }
    let current = till.get("/v1/readings/current").await;
    let whole = json!([card, {"kind": "cash", "amount_minor": ESPRESSO_MINOR}]);
    assert_eq!((&current["cash_withheld"], &current["sums"]["tenders"]), (&json!(false), &whole));
    node.stop().await;
}

#[tokio::test]
async fn a_terminal_has_one_drawer_at_a_time_and_keys_give_the_same_answer_again() {
    let (mut node, _hub) = TestNode::selling().await;
    let till = node.till();
    let drawer = opened(&till, "open", "T1", 100).await;
    let body = json!({"terminal": "T1", "float_minor": 100});
    let second = till.post("/v1/drawers", "second", &body).await;
    assert_eq!(second.refusal(), (409, "drawer_open".to_owned()));
    assert!(second.json()["detail"].as_str().unwrap().contains(&drawer), "{second:?}");
    opened(&till, "other", "T2", 100).await;
    let again = till.post("/v1/drawers", "open", &json!({"terminal": "T1", "float_minor": 100, "staff": 4})).await;
    assert_eq!((again.status, &again.json()["drawer"]), (200, &json!(drawer)));
    let reused = till.post("/v1/drawers", "open", &body).await;
    assert_eq!(reused.refusal(), (422, "idempotency_key_reused".to_owned()));

    let first = moved(&till, "in", &drawer, "pay_in", 5).await;
    let again = moved(&till, "in", &drawer, "pay_in", 5).await;
    assert_eq!((first.status, again.status, first.text), (201, 200, again.text));
    for (kind, amount) in [("pay_in", 0), ("pay_out", -1), ("drop", 10_000_001), ("no_sale", 1)] {
        let refused = moved(&till, &format!("{kind}-{amount}"), &drawer, kind, amount).await;
        assert_eq!(refused.refusal(), (422, "cash_amount_out_of_range".to_owned()));
    }
    let unclear = till.post(&format!("/v1/drawers/{drawer}/close"), "unclear", &json!({})).await;
    assert_eq!(unclear.refusal(), (422, "count_unclear".to_owned()));
    let nowhere = "/v1/drawers/0190b2c4-7e5d-7c3a-9f00-0123456789ab/close";
    assert_eq!(
        till.post(nowhere, "nowhere", &json!({"counted_minor": 1})).await.refusal(),
        (404, "not_found".to_owned())
    );

    let count = counted(&till, "count", &drawer, 105).await;
    assert_eq!((count.status, &count.json()["count"]["difference_minor"]), (201, &json!(0)));
    // Whoever says the same count is told the same, by whatever key; another count is another matter.
    let same = counted(&till, "lost the key", &drawer, 105).await;
    assert_eq!(same.status, 400, "a key has no spaces");
    let same = counted(&till, "lost-the-key", &drawer, 105).await;
    assert_eq!((same.status, same.text), (200, count.text));
    assert_eq!(counted(&till, "more", &drawer, 106).await.refusal(), (409, "drawer_closed".to_owned()));
    assert_eq!(moved(&till, "late", &drawer, "drop", 1).await.refusal(), (409, "drawer_closed".to_owned()));
    node.stop().await;
}

#[tokio::test]
async fn p12_a_reading_sums_a_range_of_the_journal_and_is_the_same_bytes_for_ever() {
    let (mut node, _hub) = TestNode::selling().await;
    let till = node.till();
    till.sold("before", &espresso("T1")).await;
    let drawer = opened(&till, "open", "T1", 1_000).await;
    till.sold("one", &espresso("T1")).await;
    let mut by_card = ticket("T2", &[(LATTE, 1)]);
    by_card["tenders"] = json!([{"kind": "card_external", "amount_minor": 408}]);
    till.sold("two", &by_card).await;
    counted(&till, "count", &drawer, 1_192).await.ok();
    let other = opened(&till, "other", "T2", 0).await;
    let life = till.get("/v1/node").await["incarnation"].clone();
    let last = till.last_seq("sales").await;
    let head = till.get("/v1/node").await["streams"][0]["head"].as_str().unwrap()[..16].to_owned();
    let answer = closed(&till, "close").await;
    let reading = json!({
        "number": "A-1", "store": 1, "business_day": "2026-11-23", "at_ms": NOON_MS, "by": 2, "currency": "USD",
        "sums": {
            "tickets": 3, "net_minor": 300 + 300 + 375, "tax_minor": 27 + 27 + 33, "gross_minor": 327 + 327 + 408,
            "refunds_minor": 0, "refunds": {"count": 0, "net_minor": 0, "tax_minor": 0, "gross_minor": 0},
            "discounts_minor": 0, "discounts": {"given_minor": 0, "happy_hours_minor": 0, "sets_minor": 0},
            "service_charges_minor": 0, "tips_minor": 0, "cash_rounding_minor": 0,
            "people": [{"staff": null, "tickets": 3, "gross_minor": 1_062}],
            "taxes": [{"tax_class": 1, "base_minor": 975, "tax_minor": 87}],
            "tenders": [{"kind": "card_external", "amount_minor": 408}, {"kind": "cash", "amount_minor": 654}],
            "hours": [{"hour": 7, "tickets": 3, "gross_minor": 1_062}],
            "no_drawer_cash_minor": 327, "paid_in_minor": 0, "paid_out_minor": 0, "dropped_minor": 0, "no_sales": 0,
            "drawers_closed": 1, "difference_minor": -135,
        },
        "drawers": [{"drawer": drawer, "terminal": "T1", "expected_minor": 1_327, "counted_minor": 1_192,
            "difference_minor": -135}],
        "carried_over": [{"drawer": other, "terminal": "T2"}],
        "open_tickets": {"count": 0, "tickets": []},
        "ranges": [{"incarnation": life, "from_seq": 1, "to_seq": last}],
        "late": 0, "head": head,
    });
    assert_eq!(answer["reading"], reading);
    let one = till.ask("/v1/readings/A-1").await;
    assert_eq!(one.json(), reading);
    let text = till.ask("/v1/readings/A-1?format=text").await;
    assert_eq!(text.media_type(), "text/plain");
    assert!(text.text.lines().all(|line| line.chars().count() <= 42), "{}", text.text);
    for line in [
        "CLOSING READING                        A-1",
        "Business day                    2026-11-23",
        "Closed at              2026-11-23 07:00:00",
        "cash                                  6.54",
        "Class 1 on 9.75                       0.87",
        "T2 stays open",
        &format!("Head{:>38}", head),
    ] {
        assert!(text.text.lines().any(|said| said == line), "{line:?} is not in\n{}", text.text);
    }

    // What comes later, and the next close, change nothing of it; nor does a new start.
    till.sold("three", &espresso("T2")).await;
    closed(&till, "again").await;
    node.restart().await;
    let till = node.till();
    assert_eq!(
        (till.ask("/v1/readings/A-1").await.text, till.ask("/v1/readings/A-1?format=text").await.text),
        (one.text, text.text)
    );
    let rows = till.get("/v1/readings").await["rows"].clone();
    assert_eq!((&rows[0]["number"], &rows[1]), (&json!("A-2"), &reading));
    assert_eq!(till.ask("/v1/readings/A-3").await.refusal(), (404, "not_found".to_owned()));
    assert_eq!(till.ask("/v1/readings/A-1?format=pdf").await.refusal(), (400, "format_unknown".to_owned()));
    node.stop().await;
}

#[tokio::test]
async fn p13_a_close_may_be_done_again_and_each_goes_on_where_the_last_one_ended() {
    let (mut node, _hub) = TestNode::selling().await;
    let till = node.till();
    let (mut number, mut sold) = (0, 0);
    for tickets in [0, 3, 0, 2] {
        for _ticket in 0..tickets {
            sold += 1;
            till.sold(&format!("sale-{sold}"), &espresso("T1")).await;
        }
        number += 1;
        let key = format!("close-{number}");
        let first = till.post("/v1/readings", &key, &json!({})).await;
        let again = till.post("/v1/readings", &key, &json!({})).await;
        assert_eq!((first.status, again.status, &first.text), (201, 200, &again.text));
        let reading = first.json()["reading"].clone();
        assert_eq!((&reading["number"], &reading["sums"]["tickets"]), (&json!(format!("A-{number}")), &json!(tickets)));
    }
    let rows = till.get("/v1/readings").await["rows"].as_array().unwrap().clone();
    let ranges: Vec<(u64, u64)> = rows
        .iter()
        .rev()
        .map(|row| &row["ranges"][0])
        .map(|range| (range["from_seq"].as_u64().unwrap(), range["to_seq"].as_u64().unwrap()))
        .collect();
    assert_eq!(ranges, [(1, 0), (1, 5), (6, 6), (7, 9)]);
    let audit = till.get("/v1/audit").await["readings"].clone();
    assert_eq!(audit, json!([{"series": "A", "last": 4, "gap_at": null, "doubled": [], "discontinued_at": null}]));
    let current = till.get("/v1/readings/current").await;
    assert_eq!((&current["sums"]["tickets"], &current["ranges"][0]["from_seq"]), (&json!(0), &json!(10)));
    node.stop().await;
}

#[tokio::test]
async fn p8_p10_what_is_open_or_not_sent_is_listed_at_the_close_and_neither_lost_nor_moved() {
    let (mut node, mut hub) = TestNode::selling().await;
    let till = node.till();
    till.sold("sent", &espresso("T1")).await;
    let journal = hub.take_until(StreamKind::Sales, 2).await;
    eventually("the acknowledgement", || async { (till.acked_seq("sales").await == 2).then_some(()) }).await;
    hub.hang_up();
    let drawer = opened(&till, "open", "T1", 100).await;
    till.sold("not-sent", &espresso("T1")).await;
    // Nobody closed on Monday; on Tuesday somebody does.
    node.clock.step(24 * 3_600_000);
    let answer = closed(&till, "close").await;
    assert_eq!(answer["reading"]["business_day"], "2026-11-24");
    assert_eq!(answer["reading"]["carried_over"], json!([{"drawer": drawer, "terminal": "T1"}]));
    let sales =
        answer["unacknowledged"].as_array().unwrap().iter().find(|row| row["stream"] == "sales").unwrap().clone();
    let life = journal.incarnation.to_string();
    // The close itself is one of them.
    assert_eq!(sales, json!({"incarnation": life, "stream": "sales", "from_seq": 3, "to_seq": 5}));
    for (day, tickets) in [("2026-11-23", 2), ("2026-11-24", 0)] {
        assert_eq!(till.get(&format!("/v1/business-days/{day}")).await["tickets"], tickets, "{day}");
    }
    // The drawer is as it was: it is counted today, with yesterday's cash in it.
    node.restart().await;
    let till = node.till();
    assert_eq!(till.get("/v1/drawers").await["rows"][0]["drawer"], drawer);
    let count = counted(&till, "count", &drawer, 427).await.ok();
    assert_eq!(count["count"]["difference_minor"], 0);
    let next = closed(&till, "next").await;
    assert_eq!(
        (&next["reading"]["sums"]["tickets"], &next["reading"]["drawers"][0]["drawer"]),
        (&json!(0), &json!(drawer))
    );
    hub.greet().await;
    hub.take_until(StreamKind::Sales, 7).await;
    node.stop().await;
}

#[tokio::test]
async fn p11_the_day_is_closed_below_the_reserve_where_nothing_more_is_sold() {
    let (mut node, _hub) = TestNode::selling().await;
    let drawer = opened(&node.till(), "open", "T1", 100).await;
    node.till().sold("sale", &espresso("T1")).await;
    node.stop().await;
    node.config.disk_reserve_bytes = u64::MAX;
    node.open().await;
    let till = node.till();
    assert_eq!(till.sell("new", &espresso("T1")).await.refusal(), (507, "disk_reserve_reached".to_owned()));
    moved(&till, "safe", &drawer, "drop", 400).await.ok();
    let count = counted(&till, "count", &drawer, 27).await.ok();
    assert_eq!(count["count"]["difference_minor"], 0);
    let answer = closed(&till, "close").await;
    assert_eq!(answer["reading"]["sums"]["gross_minor"], ESPRESSO_MINOR);
    opened(&till, "tomorrow", "T1", 27).await;
    node.stop().await;
}

#[tokio::test]
async fn p11_a_shop_without_a_menu_without_a_hub_and_without_a_sale_closes_its_day() {
    let mut node = TestNode::lonely().await;
    let till = node.till();
    let answer = closed(&till, "close").await;
    assert_eq!((&answer["reading"]["number"], &answer["reading"]["sums"]["tickets"]), (&json!("A-1"), &json!(0)));
    node.stop().await;
}

#[tokio::test]
async fn a_till_opens_its_own_drawer_only() {
    let (mut node, _hub) = TestNode::selling().await;
    let till = node.till();
    let paired = crate::support::device::code(&till, "T1", "till", "pair").await;
    let body = json!({"code": paired, "device": "test"});
    let request =
        Request::new("POST", "/v1/pairings/redemptions").header("idempotency-key", &"k".repeat(40)).json(&body);
    let token = request.send(till.address).await.ok()["token"].as_str().unwrap().to_owned();
    let t1 = Till { token, ..till.clone() };
    let refused = t1.post("/v1/drawers", "other", &json!({"terminal": "T2", "float_minor": 1})).await;
    assert_eq!(refused.refusal(), (403, "terminal_not_yours".to_owned()));
    opened(&t1, "own", "T1", 1).await;
    node.stop().await;
}

/// What the readings and the time since come to, as tickets and gross.
async fn in_readings(till: &Till) -> (i64, i64) {
    let mut all: Vec<Value> = till.get("/v1/readings").await["rows"].as_array().unwrap().clone();
    all.push(till.get("/v1/readings/current").await);
    let sum = |field: &str| all.iter().map(|row| row["sums"][field].as_i64().unwrap()).sum();
    (sum("tickets"), sum("gross_minor"))
}

#[tokio::test]
async fn a_drawer_and_a_reading_that_a_disk_had_lost_come_back_and_each_sale_is_in_one_reading() {
    let (mut node, mut hub) = TestNode::selling().await;
    let till = node.till();
    till.sold("first", &espresso("T1")).await;
    hub.take_until(StreamKind::Sales, 2).await;
    node.stop().await;
    let copy = tempfile::TempDir::new().unwrap();
    copy_database(&node.database(), copy.path());
    hub.hang_up();
    node.open().await;
    hub.greet().await;
    let till = node.till();
    let drawer = opened(&till, "open", "T1", 100).await;
    let movement = moved(&till, "in", &drawer, "pay_in", 50).await;
    till.sold("second", &espresso("T1")).await;
    let reading = closed(&till, "close").await["reading"].clone();
    till.sold("third", &espresso("T1")).await;
    hub.take_until(StreamKind::Sales, 7).await;
    node.stop().await;
    put_database_back(&node.database(), copy.path());
    hub.hang_up();
    node.open().await;
    // This one only the copy knows: it is written again in the life that follows.
    let till = node.till();
    till.sold("meanwhile", &espresso("T1")).await;
    given_back(&mut hub, 2).await;
    let till = &till;
    eventually("all four sales", || async {
        (till.get("/v1/tickets").await["tickets"].as_array().unwrap().len() == 4).then_some(())
    })
    .await;
    let rows = till.get("/v1/drawers").await["rows"].clone();
    assert_eq!((&rows[0]["drawer"], &rows[0]["count"]), (&json!(drawer), &Value::Null), "it came back open");
    assert_eq!(till.get("/v1/readings/A-1").await, reading);
    // What was asked for before the disk was lost is not done twice.
    let again = till.post("/v1/drawers", "open", &json!({"terminal": "T1", "float_minor": 100, "staff": 4})).await;
    assert_eq!((again.status, &again.json()["drawer"]), (200, &json!(drawer)));
    assert_eq!(moved(till, "in", &drawer, "pay_in", 50).await.text, movement.text);
    let count = counted(till, "count", &drawer, 0).await.ok();
    assert_eq!(count["count"]["expected_minor"], 100 + 50 + 2 * ESPRESSO_MINOR);
    let next = closed(till, "close-2").await["reading"].clone();
    assert!(next["number"].as_str().unwrap().starts_with('B'), "no number is used twice: {next}");
    assert_eq!(in_readings(till).await, (4, 4 * ESPRESSO_MINOR));
    let audit = till.get("/v1/audit").await;
    let drawers = audit["drawers"].as_array().unwrap();
    assert!(drawers.iter().all(|row| row["kept_minor"] == row["folded_minor"]), "{drawers:?}");
    for series in audit["readings"].as_array().unwrap() {
        assert_eq!((&series["gap_at"], &series["discontinued_at"]), (&Value::Null, &Value::Null), "{series}");
    }
    node.restart().await;
    node.stop().await;
}
