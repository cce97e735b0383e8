//! What somebody must approve of cash and of the close of the day.

use percolate_common::domain::event::Event;
use percolate_common::ids::StaffId;
use serde_json::{Value, json};

use crate::support::http::{Answer, Request};
use crate::support::node::{TestNode, Till};
use crate::support::people::{ANN, BEN, CY, by, open, paired, signed_in};

async fn asked(till: &Till, path: &str, key: &str, body: &Value, (who, approval): (&str, Option<&str>)) -> Answer {
    let mut request = Request::new("POST", path).header("idempotency-key", key).json(body);
    if !who.is_empty() {
        request = by(request, who);
    }
    if let Some(token) = approval {
        request = request.header("percolate-approval", token);
    }
    till.send(request).await
}

async fn approved(till: &Till, who: (u32, &str), act: &str) -> Answer {
    let body = json!({"staff": who.0, "pin": who.1, "act": act, "reason": "end of the day"});
    till.send(Request::new("POST", "/v1/approvals").json(&body)).await
}

async fn token(till: &Till, who: (u32, &str), act: &str) -> String {
    approved(till, who, act).await.ok()["approval"].as_str().unwrap().to_owned()
}

fn needed() -> (u16, String) {
    (403, "approval_needed".to_owned())
}

async fn required() -> (TestNode, Till) {
    let node = open(|site| site.sign_in = Some("required".to_owned())).await;
    let till = paired(&node.till(), "T1").await;
    (node, till)
}

/// By whom a day was closed, and who approved it and why.
type ClosedBy = (Option<u32>, Option<(u32, String)>);

fn closes(node: &TestNode) -> Vec<ClosedBy> {
    let of = |event: &Event| match event {
        Event::DayClosed(closed) => Some((
            closed.by.map(StaffId::get),
            closed.approval.clone().map(|approval| (approval.by.get(), approval.reason)),
        )),
        _ => None,
    };
    node.books().entries.iter().filter_map(|entry| of(&entry.recorded.event)).collect()
}

#[tokio::test]
async fn where_people_must_sign_in_a_barista_and_a_lead_close_the_day_with_an_approval_and_a_manager_alone() {
    let (mut node, till) = required().await;
    let close = async |key: &str, who: (&str, Option<&str>)| asked(&till, "/v1/readings", key, &json!({}), who).await;
    assert_eq!(close("a", ("", None)).await.refusal(), (401, "sign_in_needed".to_owned()));
    let (ben, ann, cy) = (signed_in(&till, BEN).await, signed_in(&till, ANN).await, signed_in(&till, CY).await);
    let alone = close("a", (&ben, None)).await;
    assert_eq!(alone.refusal(), needed());
    assert!(alone.text.contains("Cy") && !alone.text.contains("Ann"), "it says who could: {}", alone.text);
    assert_eq!(close("a", (&ann, None)).await.refusal(), needed());
    assert_eq!(approved(&till, ANN, "close_day").await.refusal(), (403, "may_not_approve".to_owned()));
    let other = token(&till, CY, "refund").await;
    assert_eq!(close("a", (&ann, Some(&other))).await.refusal(), (403, "approval_not_for_this".to_owned()));
    let approval = token(&till, CY, "close_day").await;
    let closed = close("a", (&ann, Some(&approval))).await;
    assert_eq!((closed.status, &closed.json()["reading"]["by"]), (201, &json!(ANN.0)));
    assert_eq!(closed.json()["reading"]["approved_by"], json!(CY.0));
    let again = close("a", (&ann, Some(&approval))).await;
    assert_eq!((again.status, &again.json()["reading"]), (200, &closed.json()["reading"]), "the same key closes once");
    assert_eq!(close("b", (&ben, Some(&approval))).await.refusal(), (403, "approval_ended".to_owned()));
    let by_manager = close("c", (&cy, None)).await.ok();
    assert_eq!((&by_manager["reading"]["by"], &by_manager["reading"]["approved_by"]), (&json!(CY.0), &Value::Null));
    let on_the_box = asked(&node.till(), "/v1/readings", "d", &json!({"staff": 4}), ("", None)).await;
    assert_eq!(on_the_box.status, 201, "the box's own token may everything on the box");
    let because = Some((CY.0, "end of the day".to_owned()));
    assert_eq!(closes(&node), [(Some(ANN.0), because), (Some(CY.0), None), (Some(4), None)]);
    node.stop().await;
}

#[tokio::test]
async fn p11_a_close_waits_for_nobody_where_nobody_could_approve_it_or_nobody_must_sign_in() {
    let mut node = open(|site| {
        site.sign_in = Some("required".to_owned());
        site.staff.retain(|one| one.id != CY.0);
    })
    .await;
    let till = paired(&node.till(), "T1").await;
    let ben = signed_in(&till, BEN).await;
    let closed = asked(&till, "/v1/readings", "a", &json!({}), (&ben, None)).await;
    assert_eq!((closed.status, &closed.json()["reading"]["by"]), (201, &json!(BEN.0)), "the manager has left");
    node.stop().await;

    let mut node = open(|_site| {}).await;
    let till = paired(&node.till(), "T1").await;
    assert_eq!(asked(&till, "/v1/readings", "a", &json!({}), ("", None)).await.status, 201);
    node.stop().await;
}

#[tokio::test]
async fn a_barista_pays_out_and_opens_the_drawer_with_an_approval_and_does_the_rest_of_a_drawer_alone() {
    let (mut node, till) = required().await;
    let (ben, ann) = (signed_in(&till, BEN).await, signed_in(&till, ANN).await);
    let float = json!({"terminal": "T1", "float_minor": 10_000});
    assert_eq!(asked(&till, "/v1/drawers", "open", &float, ("", None)).await.refusal().1, "sign_in_needed");
    let drawer = asked(&till, "/v1/drawers", "open", &float, (&ben, None)).await.ok();
    assert_eq!(drawer["opened_by"], BEN.0);
    let path = |what: &str| format!("/v1/drawers/{}/{what}", drawer["drawer"].as_str().unwrap());
    let moved = |kind: &str, amount: i64| json!({"kind": kind, "amount_minor": amount, "reason": "other"});
    for (key, kind, amount) in [("in", "pay_in", 5), ("drop", "drop", 7)] {
        asked(&till, &path("movements"), key, &moved(kind, amount), (&ben, None)).await.ok();
    }
    for (key, kind, amount) in [("out", "pay_out", 9), ("look", "no_sale", 0)] {
        let body = moved(kind, amount);
        assert_eq!(asked(&till, &path("movements"), key, &body, (&ben, None)).await.refusal(), needed(), "{kind}");
        let approval = token(&till, ANN, kind).await;
        asked(&till, &path("movements"), key, &body, (&ben, Some(&approval))).await.ok();
        let alone = format!("{key}-lead");
        asked(&till, &path("movements"), &alone, &body, (&ann, None)).await.ok();
    }
    let count = json!({"counted_minor": 10_000 + 5 - 7 - 2 * 9});
    let counted = asked(&till, &path("close"), "count", &count, (&ben, None)).await.ok();
    assert_eq!((&counted["count"]["difference_minor"], &counted["count"]["by"]), (&json!(0), &json!(BEN.0)));
    let of = |event: &Event| match event {
        Event::CashMoved(moved) => Some((moved.by.map(StaffId::get), moved.approval.map(StaffId::get))),
        _ => None,
    };
    let said: Vec<_> = node.books().entries.iter().filter_map(|entry| of(&entry.recorded.event)).collect();
    let (ben, ann) = (Some(BEN.0), Some(ANN.0));
    assert_eq!(said, [(ben, None), (ben, None), (ben, ann), (ann, None), (ben, ann), (ann, None)]);
    node.stop().await;
}
