//! The kitchen: what is sold or sent is to be prepared once, at its station, and nothing of it vanishes unseen.

use percolate_common::journal::StreamKind;
use serde_json::{Value, json};

use crate::open_tickets::given_back;
use crate::support::device::code;
use crate::support::eventually;
use crate::support::http::{Answer, Request};
use crate::support::installed::Shop;
use crate::support::menu::{BAG, ESPRESSO, LATTE, MenuJournal};
use crate::support::node::{NOON_MS, TestNode, Till, practice, ticket};
use crate::support::people::{ANN, BEN, by, open as open_with_people, paired, signed_in};
use crate::support::program::{Program, copy_database, put_database_back};

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

fn lines(items: &[(u32, u32)]) -> Value {
    json!(items.iter().map(|(item, quantity)| json!({"item": item, "quantity": quantity})).collect::<Vec<_>>())
}

async fn post(till: &Till, id: &str, what: &str, key: &str, body: &Value) -> Answer {
    till.post(&format!("/v1/open-tickets/{id}/{what}"), key, body).await
}

async fn opened(till: &Till, key: &str, items: &[(u32, u32)]) -> Value {
    let answer = till.post("/v1/open-tickets", key, &json!({"terminal": "T1", "lines": lines(items)})).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.json()
}

fn id(ticket: &Value) -> &str {
    ticket["ticket_id"].as_str().unwrap()
}

/// What waits at the bar.
async fn queue(till: &Till) -> Vec<Value> {
    till.get("/v1/kitchen?station=bar").await["queue"].as_array().unwrap().clone()
}

async fn made(till: &Till) -> Vec<Value> {
    till.get("/v1/kitchen?station=bar").await["made"].as_array().unwrap().clone()
}

/// Items and quantities of what is to be prepared, one list a prep ticket.
fn dishes(queue: &[Value]) -> Vec<Vec<(u64, u64)>> {
    let pair = |line: &Value| (line["item"].as_u64().unwrap(), line["quantity"].as_u64().unwrap());
    queue.iter().map(|prep| prep["lines"].as_array().unwrap().iter().map(pair).collect()).collect()
}

/// Says of a prep ticket, as it was seen, that it was made or is called back.
async fn says(till: &Till, prep: &Value, what: &str) -> Answer {
    let path = format!("/v1/kitchen/{}/{what}", prep["prep_id"].as_str().unwrap());
    till.send(Request::new("POST", &path).json(&json!({"turn": prep["turn"]}))).await
}

/// Why each line of a prep ticket need not be prepared.
fn cancelled(prep: &Value) -> Vec<Option<&str>> {
    prep["lines"].as_array().unwrap().iter().map(|line| line["cancelled"].as_str()).collect()
}

async fn closed(till: &Till, ticket: &Value, key: &str) -> Value {
    let now = till.get(&format!("/v1/open-tickets/{}", id(ticket))).await;
    let body = json!({"terminal": "T1", "expected_total_minor": now["amounts"]["total_minor"],
        "tenders": [{"kind": "cash", "amount_minor": 100_000}]});
    post(till, id(ticket), "close", key, &body).await.ok()
}

#[tokio::test]
async fn what_is_sold_is_prepared_at_its_station_made_and_called_back() {
    let (mut node, _hub) = TestNode::selling().await;
    let till = node.till();
    let mut body = ticket("T1", &[(ESPRESSO, 2), (BAG, 1)]);
    (body["name"], body["consumption"]) = (json!("Ann"), json!("dine_in"));
    body["lines"][0]["note"] = json!("extra hot");
    let sold = till.sell("sale", &body).await.ok();
    let at = |ms: i64| NOON_MS + ms;
    let mut prep = json!({
        "prep_id": null, "ticket_id": sold["ticket_id"], "station": "bar", "order": "Ann", "receipt": "T1-A-1", "note": null,
        "consumption": "dine_in", "training": false, "state": "queued", "turn": 0, "cancelled": false,
        "queued_at_ms": at(0), "made_at_ms": null, "recalled_at_ms": null,
        "lines": [{"item": ESPRESSO, "name": "item 101", "quantity": 2, "extras": [], "note": "extra hot", "cancelled": null}],
    });
    let said = till.get("/v1/kitchen").await;
    prep["prep_id"] = said["queue"][0]["prep_id"].clone();
    let expected = json!({"now_ms": at(0), "stations": ["bar"], "queue": [prep], "queue_count": 1, "made": []});
    assert_eq!(said, expected, "the bag of beans is to be prepared nowhere");
    assert_eq!(till.get("/v1/kitchen?station=roof").await["queue_count"], 0);
    let text = format!("{:?}", node.books().sold());
    assert!(!text.contains("Ann") && !text.contains("extra hot"), "a journal names nobody");

    node.clock.step(60_000);
    till.sold("practice", &practice(ticket("T1", &[(LATTE, 1)]))).await;
    let second = queue(&till).await[1].clone();
    assert_eq!((&second["training"], &second["order"]), (&json!(true), &json!("T1-TRN-1")));
    let first = says(&till, &prep, "bump").await.ok();
    assert_eq!(
        (&first["state"], &first["turn"], &first["made_at_ms"]),
        (&json!("made"), &json!(1), &json!(at(60_000)))
    );
    assert_eq!((queue(&till).await, made(&till).await), (vec![second.clone()], vec![first.clone()]));
    node.clock.step(60_000);
    let back = says(&till, &first, "recall").await.ok();
    assert_eq!((&back["state"], &back["recalled_at_ms"]), (&json!("recalled"), &json!(at(120_000))));
    assert_eq!((queue(&till).await, made(&till).await), (vec![back, second], vec![]), "it is the oldest again");
    for (path, code) in [("/v1/kitchen/17/bump", "not_found"), ("/v1/kitchen/17/recall", "not_found")] {
        let answer = till.send(Request::new("POST", path).json(&json!({"turn": 0}))).await;
        assert_eq!(answer.refusal(), (404, code.to_owned()));
    }
    for (field, code) in [("/name", "text_too_long"), ("/lines/0/note", "text_too_long")] {
        let mut long = body.clone();
        *long.pointer_mut(field).unwrap() = json!("x".repeat(81));
        assert_eq!(till.sell("long", &long).await.refusal(), (422, code.to_owned()), "{field}");
    }
    node.stop().await;
}

#[tokio::test]
async fn p28_a_prep_ticket_is_made_once_through_retries_two_tills_and_a_restart() {
    let (mut node, _hub) = TestNode::selling().await;
    let till = node.till();
    let body = ticket("T1", &[(ESPRESSO, 1)]);
    till.sold("sale", &body).await;
    assert_eq!(till.sell("sale", &body).await.status, 200);
    let order = opened(&till, "open", &[(LATTE, 2), (BAG, 1)]).await;
    assert_eq!(dishes(&queue(&till).await), [[(101, 1)]], "nothing of an open ticket is sent before somebody says so");
    assert_eq!(order["lines"][0]["sent"], "no");
    // Two tills send the same ticket, and one of them sends it again.
    let all = json!({});
    let (one, other) =
        tokio::join!(post(&till, id(&order), "send", "one", &all), post(&till, id(&order), "send", "other", &all));
    assert_eq!([one.status, other.status], [201; 2]);
    let again = post(&till, id(&order), "send", "one", &json!({})).await;
    let sent = |ticket: &Value| {
        ticket["lines"].as_array().unwrap().iter().map(|line| line["sent"].clone()).collect::<Vec<_>>()
    };
    assert_eq!((again.status, sent(&again.json())), (200, vec![json!("yes"), json!("no")]));
    let twice = vec![vec![(101, 1)], vec![(102, 2)]];
    assert_eq!(dishes(&queue(&till).await), twice);
    // An edit of other lines, of the whole, or of its name sends nothing again.
    let more = json!({"lines": lines(&[(ESPRESSO, 1)]), "terms": {"consumption": "dine_in"}});
    post(&till, id(&order), "lines", "more", &more).await.ok();
    post(&till, id(&order), "moves", "name", &json!({"name": "Window", "held": true})).await.ok();
    let waits = queue(&till).await;
    assert_eq!((dishes(&waits), &waits[1]["order"]), (twice, &json!("Window")));
    // What is new is sent alone, and what is left at the end, by itself.
    post(&till, id(&order), "send", "more-sent", &json!({})).await.ok();
    let late = json!({"lines": lines(&[(ESPRESSO, 3)])});
    post(&till, id(&order), "lines", "late", &late).await.ok();
    closed(&till, &order, "close").await;
    assert_eq!(closed(&till, &order, "close").await["receipt"], "T1-A-2");
    let all = vec![vec![(101, 1)], vec![(102, 2)], vec![(101, 1)], vec![(101, 3)]];
    let waits = queue(&till).await;
    assert_eq!(dishes(&waits), all);
    assert!(waits[1..].iter().all(|prep| prep["receipt"] == "T1-A-2" && prep["order"] == "Window"), "{waits:?}");
    let ended = post(&till, id(&order), "send", "ended", &json!({})).await;
    assert_eq!(ended.refusal(), (409, "ticket_paid".to_owned()));
    let ids = |queue: &[Value]| queue.iter().map(|prep| prep["prep_id"].clone()).collect::<Vec<_>>();
    node.restart().await;
    assert_eq!(ids(&queue(&node.till()).await), ids(&waits), "a restart keeps the queue");
    node.stop().await;
}

/// P30: answers are lost, and two tills ask again for what they added and sent to one ticket at the same time.
#[tokio::test]
async fn p30_what_two_tills_add_and_send_again_is_on_the_ticket_and_at_the_bar_once() {
    let (mut node, _hub) = TestNode::selling().await;
    let till = node.till();
    let order = opened(&till, "open", &[]).await;
    let all = json!({});
    let add = |item: u32| json!({"lines": lines(&[(item, 1)])});
    let (espresso, latte) = (add(ESPRESSO), add(LATTE));
    for _again in 0..3 {
        let (one, other) = tokio::join!(
            async {
                post(&till, id(&order), "lines", "one", &espresso).await.ok();
                post(&till, id(&order), "send", "one-sent", &all).await
            },
            async {
                post(&till, id(&order), "lines", "other", &latte).await.ok();
                post(&till, id(&order), "send", "other-sent", &all).await
            }
        );
        assert!([&one, &other].iter().all(|answer| [200, 201].contains(&answer.status)), "{one:?} {other:?}");
    }
    let now = till.get(&format!("/v1/open-tickets/{}", id(&order))).await;
    let mut on_it: Vec<_> = now["lines"].as_array().unwrap().iter().map(|line| line["item"].as_u64()).collect();
    on_it.sort_unstable();
    assert_eq!(on_it, [Some(101), Some(102)]);
    let mut at_the_bar = dishes(&queue(&till).await).concat();
    at_the_bar.sort_unstable();
    assert_eq!(at_the_bar, [(101, 1), (102, 1)]);
    node.stop().await;
}

/// SIGKILL at any moment: what was answered is at the bar, and what is asked for again is there once.
#[tokio::test]
async fn p28_a_box_that_is_killed_at_any_step_prepares_each_order_once() {
    let (node, mut hub) = TestNode::prepare_with_hub().await;
    let mut program = Program::start_selling(&node.config, &mut hub).await;
    let order = opened(&program.till().await, "open", &[(LATTE, 1)]).await;
    let send = format!("/v1/open-tickets/{}/send", id(&order));
    let sale = ticket("T1", &[(ESPRESSO, 1)]);
    let steps = [("/v1/tickets", "first", sale.clone()), (&send, "send", json!({})), ("/v1/tickets", "second", sale)];
    for answered in [true, false] {
        for (path, key, body) in &steps {
            let till = program.till().await;
            let (key, body) = (format!("{key}-{answered}"), body.clone());
            let asked = till.begin_post(path, &key, &body).await;
            // Sometimes after it is answered, sometimes before it is read.
            if answered {
                assert_eq!(asked.answer().await.status, 201);
            }
            program.kill().await;
            program = Program::start_selling(&node.config, &mut hub).await;
            let again = program.till().await.post(path, &key, &body).await;
            assert!([200, 201].contains(&again.status), "{again:?}");
        }
    }
    let till = program.till().await;
    let waits = queue(&till).await;
    let expected = [101, 102, 101, 101, 101].map(|item| vec![(item, 1)]);
    assert_eq!(dishes(&waits), expected);
    assert_eq!(says(&till, &waits[0], "bump").await.status, 200);
    program.kill().await;
    let program = Program::start_selling(&node.config, &mut hub).await;
    let till = program.till().await;
    assert_eq!((queue(&till).await, made(&till).await.len()), (waits[1..].to_vec(), 1));
    program.kill().await;
}

#[tokio::test]
async fn p28_two_screens_that_bump_at_once_make_it_once_and_what_comes_late_makes_nothing() {
    let (mut node, _hub) = TestNode::selling().await;
    let till = node.till();
    let mut screen = till.listen().await;
    till.sold("sale", &ticket("T1", &[(ESPRESSO, 1)])).await;
    let prep = screen.hear("kitchen").await;
    assert_eq!((&prep["state"], &prep["order"]), (&json!("queued"), &json!("T1-A-1")));
    let (one, other) = tokio::join!(says(&till, &prep, "bump"), says(&till, &prep, "bump"));
    let (one, other) = (one.ok(), other.ok());
    assert_eq!((&one, &one["state"], &one["turn"]), (&other, &json!("made"), &json!(1)), "both see what is");
    assert_eq!(screen.hear("kitchen").await, one);
    let back = says(&till, &one, "recall").await.ok();
    assert_eq!(screen.hear("kitchen").await, back);
    let late = says(&till, &prep, "bump").await.ok();
    assert_eq!((&late, &late["state"]), (&back, &json!("recalled")), "the first bump, sent again, makes nothing");
    let done = says(&till, &back, "bump").await.ok();
    assert_eq!(screen.hear("kitchen").await, done, "each change is told once");
    drop(screen);
    node.stop().await;
}

#[tokio::test]
async fn what_need_not_be_prepared_any_more_is_shown_and_never_vanishes() {
    let (mut node, _hub) = TestNode::selling().await;
    let till = node.till();
    let order = opened(&till, "open", &[(ESPRESSO, 1), (LATTE, 1)]).await;
    post(&till, id(&order), "send", "send", &json!({})).await.ok();
    let seen = queue(&till).await.remove(0);
    let void = json!({"lines": [order["lines"][1]["line_id"]], "reason": "sold_out"});
    post(&till, id(&order), "voids", "void", &void).await.ok();
    let bumped = says(&till, &seen, "bump").await.ok();
    assert_eq!((&bumped["state"], cancelled(&bumped)), (&json!("queued"), vec![None, Some("sold_out")]));
    assert!(!bumped["cancelled"].as_bool().unwrap(), "one is still to be made");
    // A line that goes to another ticket goes on here, and is not sent again from there.
    let apart = json!({"lines": [order["lines"][0]["line_id"]]});
    let other = post(&till, id(&order), "divisions", "apart", &apart).await.ok();
    assert_eq!(other["lines"][0]["sent"], "yes");
    let sold = closed(&till, &other, "close").await;
    assert_eq!(dishes(&queue(&till).await), [[(101, 1), (102, 1)]]);
    let whole = json!({"terminal": "T1", "reason": "void"});
    till.post(&format!("/v1/tickets/{}/refunds", id(&sold)), "void-sale", &whole).await.ok();
    let now = queue(&till).await.remove(0);
    assert_eq!((cancelled(&now), &now["cancelled"]), (vec![Some("refunded"), Some("sold_out")], &json!(true)));

    let quick = till.sell("quick", &ticket("T1", &[(ESPRESSO, 1), (LATTE, 1)])).await.ok();
    let piece = json!({"terminal": "T1", "reason": "quality", "lines": [{"line": 0, "quantity": 1}]});
    let other = till.sell("other", &ticket("T1", &[(ESPRESSO, 1)])).await.ok();
    till.post(&format!("/v1/tickets/{}/refunds", id(&other)), "piece", &piece).await.ok();
    till.post(&format!("/v1/tickets/{}/refunds", id(&quick)), "void-quick", &whole).await.ok();
    let left = opened(&till, "left", &[(LATTE, 1)]).await;
    post(&till, id(&left), "send", "send-left", &json!({})).await.ok();
    post(&till, id(&left), "abandon", "leave", &json!({})).await.ok();
    let all = queue(&till).await;
    let expected = [
        vec![Some("refunded"), Some("sold_out")],
        vec![Some("refunded"), Some("refunded")],
        vec![None],
        vec![Some("abandoned")],
    ];
    assert_eq!(all.iter().map(cancelled).collect::<Vec<_>>(), expected);
    let gone = says(&till, &all[3], "bump").await.ok();
    assert_eq!((&gone["state"], &gone["cancelled"]), (&json!("made"), &json!(true)), "somebody has seen it");
    node.stop().await.check();
}

#[tokio::test]
async fn what_went_to_another_ticket_is_still_prepared_when_the_first_one_is_given_back() {
    let (mut node, _hub) = TestNode::selling().await;
    let till = node.till();
    let order = opened(&till, "open", &[(LATTE, 1), (BAG, 1)]).await;
    post(&till, id(&order), "send", "send", &json!({})).await.ok();
    let apart = json!({"lines": [order["lines"][0]["line_id"]]});
    post(&till, id(&order), "divisions", "apart", &apart).await.ok();
    let sold = closed(&till, &order, "close").await;
    let whole = json!({"terminal": "T1", "reason": "void"});
    till.post(&format!("/v1/tickets/{}/refunds", id(&sold)), "void", &whole).await.ok();
    let waits = queue(&till).await;
    assert_eq!((dishes(&waits), cancelled(&waits[0])), (vec![vec![(102, 1)]], vec![None]));
    node.stop().await;
}

/// P20: what the kitchen has is taken off by nobody alone who may not, and the journal says who let them.
#[tokio::test]
async fn p20_a_barista_takes_off_what_was_sent_with_an_approval_and_the_journal_says_whose() {
    let mut node = open_with_people(|_site| {}).await;
    let till = paired(&node.till(), "T1").await;
    let (ben, ann) = (signed_in(&till, BEN).await, signed_in(&till, ANN).await);
    let order = opened(&till, "open", &[(ESPRESSO, 1), (LATTE, 1), (LATTE, 1), (BAG, 1)]).await;
    let void = |line: usize| json!({"lines": [order["lines"][line]["line_id"]], "reason": "unwanted"});
    let ask = async |what: &str, key: &str, body: &Value, who: &str, approval: Option<&str>| {
        let path = format!("/v1/open-tickets/{}/{what}", id(&order));
        let request = by(Request::new("POST", &path), who).header("idempotency-key", key).json(body);
        till.send(approval.into_iter().fold(request, |request, token| request.header("percolate-approval", token)))
            .await
    };
    let approved = async || {
        let body = json!({"staff": ANN.0, "pin": ANN.1, "act": "void_sent", "reason": "spilt"});
        let answer = till.send(Request::new("POST", "/v1/approvals").json(&body)).await.ok();
        answer["approval"].as_str().unwrap().to_owned()
    };
    assert_eq!(ask("voids", "unsent", &void(0), &ben, None).await.status, 201, "nobody has begun with it");
    assert_eq!(ask("send", "send", &json!({}), &ben, None).await.status, 201);
    let needed = (403, "approval_needed".to_owned());
    assert_eq!(ask("voids", "sent", &void(1), &ben, None).await.refusal(), needed);
    assert_eq!(ask("abandon", "leave", &json!({}), &ben, None).await.refusal(), needed, "nor by leaving it");
    assert_eq!(ask("voids", "bag", &void(3), &ben, None).await.status, 201, "beans are prepared nowhere");
    assert_eq!(cancelled(&queue(&till).await[0]), [None, None]);
    let token = approved().await;
    assert_eq!(ask("voids", "sent", &void(1), &ben, Some(&token)).await.status, 201);
    let again = ask("voids", "sent", &void(1), &ben, Some(&token)).await;
    assert_eq!(again.status, 200, "what was answered is answered again");
    assert_eq!(ask("abandon", "leave", &json!({}), &ben, Some(&token)).await.refusal().1, "approval_ended");
    assert_eq!(ask("abandon", "leave", &json!({}), &ann, None).await.status, 201, "a lead may");
    assert_eq!(cancelled(&queue(&till).await[0]), [Some("unwanted"), Some("abandoned")]);
    let books = node.books();
    books.check();
    let said = |what: &str| {
        let texts = books.stream(StreamKind::Sales).map(|entry| format!("{:?}", entry.recorded.event));
        texts.filter(|text| text.contains(what)).collect::<String>()
    };
    let by_ann = "approval: Some(Approval { by: StaffId(7), reason: \"spilt\" })";
    assert_eq!(said("Changed(").matches(by_ann).count(), 1, "{}", said("Changed("));
    assert!(said("Abandoned(").contains("by: Some(StaffId(7)), approval: None"), "{}", said("Abandoned("));
    node.stop().await;
}

#[tokio::test]
async fn p29_what_is_ordered_reaches_the_kitchen_without_the_internet() {
    let (mut node, hub) = TestNode::selling().await;
    node.stop().await;
    drop(hub);
    node.open().await;
    let till = node.till();
    let mut screen = till.listen().await;
    till.sold("sale", &ticket("T1", &[(ESPRESSO, 1)])).await;
    assert_eq!(screen.hear("kitchen").await["order"], "T1-A-1");
    let order = opened(&till, "open", &[(LATTE, 1)]).await;
    post(&till, id(&order), "send", "send", &json!({})).await.ok();
    let prep = screen.hear("kitchen").await;
    let end = id(&order)[32..].to_uppercase();
    assert_eq!((&prep["order"], &prep["receipt"]), (&json!(end), &Value::Null), "it has neither name nor receipt");
    assert_eq!(says(&till, &prep, "bump").await.ok()["state"], "made");
    drop(screen);
    node.stop().await;
}

/// P28: a disk is lost with what was sent from it. The box that comes after it makes nothing twice, and sends what somebody names.
#[tokio::test]
async fn p28_lines_that_a_lost_disk_may_have_sent_are_sent_again_only_if_somebody_names_them() {
    let (mut node, mut hub) = TestNode::selling().await;
    let kept = opened(&node.till(), "kept", &[(LATTE, 1)]).await;
    hub.take_until(StreamKind::Sales, 2).await;
    node.stop().await;
    let copy = tempfile::TempDir::new().unwrap();
    copy_database(&node.database(), copy.path());
    hub.hang_up();
    node.open().await;
    hub.greet().await;
    let till = node.till();
    let lost = opened(&till, "lost", &[(ESPRESSO, 1)]).await;
    for (ticket, key) in [(&kept, "send-kept"), (&lost, "send-lost")] {
        post(&till, id(ticket), "send", key, &json!({})).await.ok();
    }
    hub.take_until(StreamKind::Sales, 4).await;
    node.stop().await;
    put_database_back(&node.database(), copy.path());
    hub.hang_up();
    node.open().await;
    given_back(&mut hub, 2).await;
    let till = &node.till();
    let path = |ticket: &Value| format!("/v1/open-tickets/{}", id(ticket));
    eventually("what was lost", || async { (till.ask(&path(&lost)).await.status == 200).then_some(()) }).await;
    for (ticket, key) in [(&kept, "again-kept"), (&lost, "again-lost")] {
        assert_eq!(till.get(&path(ticket)).await["lines"][0]["sent"], "unknown");
        post(till, id(ticket), "send", key, &json!({})).await.ok();
    }
    assert_eq!(queue(till).await, Vec::<Value>::new(), "the kitchen may have made it");
    post(till, id(&kept), "send", "named", &json!({"lines": [kept["lines"][0]["line_id"]]})).await.ok();
    closed(till, &lost, "close").await;
    assert_eq!(dishes(&queue(till).await), [[(102, 1)]]);
    let nowhere = post(till, id(&kept), "send", "nowhere", &json!({"lines": ["0000000000000001"]})).await;
    assert_eq!(nowhere.refusal(), (422, "unknown_line".to_owned()));
    node.stop().await;
}

#[tokio::test]
async fn what_was_sent_stays_what_it_was_whatever_menu_comes_and_goes_after_two_days() {
    let (mut node, mut hub) = TestNode::selling().await;
    let till = node.till();
    till.sold("a", &ticket("T1", &[(ESPRESSO, 1)])).await;
    let mut menu = MenuJournal::published();
    menu.move_espressos("roof");
    menu.publish(2, 3);
    hub.serve_menu(&menu).await;
    eventually("the new menu", || async { (till.get("/v1/catalog").await["revision"] == 2).then_some(()) }).await;
    till.sold("b", &ticket("T1", &[(ESPRESSO, 1)])).await;
    let said = till.get("/v1/kitchen").await;
    let stations =
        |said: &Value| said["queue"].as_array().unwrap().iter().map(|prep| prep["station"].clone()).collect::<Vec<_>>();
    assert_eq!((stations(&said), &said["stations"]), (vec![json!("bar"), json!("roof")], &json!(["roof"])));
    let menu = till.get("/v1/catalog").await;
    let said = |at: usize| menu["categories"][at].get("station").cloned();
    assert_eq!((said(0), said(1)), (Some(json!("roof")), None), "tills read where something is prepared");
    node.clock.step(2 * DAY_MS);
    till.sold("c", &ticket("T1", &[(ESPRESSO, 1)])).await;
    assert_eq!(stations(&till.get("/v1/kitchen").await).len(), 3);
    node.clock.step(1);
    till.sold("d", &ticket("T1", &[(ESPRESSO, 1)])).await;
    let left = till.get("/v1/kitchen").await;
    assert_eq!(stations(&left), [json!("roof"), json!("roof")], "what nobody bumped for two days is taken away, too");
    node.stop().await;
}

#[tokio::test]
async fn a_kitchen_screen_has_a_page_of_the_box_sees_the_queue_and_bumps_and_sends_nothing() {
    let shop = Shop::serving().await;
    let till = shop.node.till();
    let screen = shop.device("").paired(&code(&till, "K1", "kitchen", "a").await).await;
    let page = screen.with("").ask("/kitchen").await;
    assert_eq!((page.status, page.media_type()), (200, "text/html"));
    assert!(page.text.contains("<title>Virginia-Highland: kitchen</title>") && !page.text.contains("{{"), "filled in");
    assert!(page.headers["content-security-policy"].contains("connect-src 'self'"), "{:?}", page.headers);
    let mut feed = screen.listen().await;
    till.sold("sale", &ticket("T9", &[(ESPRESSO, 1)])).await;
    let prep = feed.hear("kitchen").await;
    assert_eq!(screen.ask("/v1/kitchen").await.ok()["queue"], json!([prep]));
    let path = format!("/v1/kitchen/{}/bump", prep["prep_id"].as_str().unwrap());
    let bumped = screen.send(Request::new("POST", &path).json(&json!({"turn": 0}))).await.ok();
    assert_eq!(feed.hear("kitchen").await, bumped);
    let order = opened(&till, "open", &[(ESPRESSO, 1)]).await;
    let sent = screen.post(&format!("/v1/open-tickets/{}/send", id(&order)), "mine", &json!({})).await;
    assert_eq!(sent.refusal(), (403, "terminal_not_allowed".to_owned()));
    drop(feed);
    shop.close().await;
}
