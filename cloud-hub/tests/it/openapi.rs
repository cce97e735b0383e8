//! The description at `/openapi.json` against the server that it describes.

use std::collections::BTreeSet;
use std::path::Path;

use percolate_common::domain::event::{ClockQuality, Event, Header};
use percolate_common::domain::tickets::SeriesOpened;
use percolate_common::hlc::Hlc;
use percolate_common::ids::StoreId;
use percolate_common::time::{BusinessDay, UtcMillis};
use reqwest::{Method, Response, StatusCode};
use serde_json::Value;

use crate::reporting::closings::closed;
use crate::support::events::{NOON_MS, encoded, encoded_as, from_the_future};
use crate::support::eventually;
use crate::support::hand::change;
use crate::support::hub::TestHub;
use crate::support::node::{Heard, TestNode};
use crate::support::schema::Schemas;

const MENU: &str = include_str!("../../../provisioning/demo/menu.json");
const PROBLEM: &str = "application/problem+json";

/// One operation of the description.
struct Operation {
    path: String,
    method: Method,
    described: Value,
}

impl Operation {
    /// The query parameters, each with whether it is required.
    fn parameters(&self) -> Vec<(String, bool)> {
        let all = self.described["parameters"].as_array().into_iter().flatten();
        all.filter(|parameter| parameter["in"] == "query")
            .map(|parameter| (parameter["name"].as_str().unwrap().to_owned(), parameter["required"].as_bool().unwrap()))
            .collect()
    }

    /// A question that has an answer: every parameter that is required, with a value that fits.
    fn question(&self) -> String {
        let values = self.parameters().into_iter().filter(|(_, required)| *required).map(|(name, _)| match &*name {
            "by" => "by=item".to_owned(),
            "store" => "store=1&limit=1".to_owned(),
            "node" => "node=11".to_owned(),
            other => panic!("{} needs {other}: give it a value here", self.path),
        });
        let query: Vec<_> = values.collect();
        if query.is_empty() { self.path.clone() } else { format!("{}?{}", self.path, query.join("&")) }
    }

    /// The description of an answer with this status and content type.
    fn answer(&self, status: StatusCode, content_type: &str) -> &Value {
        let responses = &self.described["responses"];
        let exact = status.as_str().to_owned();
        let class = format!("{}XX", exact.chars().next().unwrap());
        let found = [exact, class].into_iter().find_map(|key| responses.get(key));
        let found = found.unwrap_or_else(|| panic!("{}: {status} is not described: {responses}", self.path));
        let content = found["content"].get(content_type);
        content.unwrap_or_else(|| panic!("{}: {content_type} is not described: {found}", self.path))
    }
}

fn operations(description: &Value) -> Vec<Operation> {
    let paths = description["paths"].as_object().unwrap().iter();
    paths
        .flat_map(|(path, operations)| {
            operations.as_object().unwrap().iter().map(|(method, described)| Operation {
                path: path.clone(),
                method: method.to_uppercase().parse().unwrap(),
                described: described.clone(),
            })
        })
        .collect()
}

/// An entry of store 1 whose clock was known to be wrong.
fn encoded_by_a_wrong_clock(number: i64) -> Vec<u8> {
    let at = UtcMillis::new(NOON_MS + number);
    let header = Header {
        store: StoreId::new(1),
        at,
        hlc: Hlc::default().tick(at),
        business_day: BusinessDay::from_days(20_780),
        clock: ClockQuality::Suspect,
        zone: "America/New_York".to_owned(),
    };
    let opened = SeriesOpened { terminal: "T9".parse().unwrap(), series: "A".parse().unwrap() };
    encoded_as(&header, &Event::SeriesOpened(opened))
}

/// A hub that has something to show in every list.
async fn busy_hub() -> (TestHub, TestNode) {
    let hub = TestHub::start_with_menu(Some(MENU)).await;
    // The menu that is being written is the example of docs/menu.md, which says everything that a menu may, with one fault.
    let example = include_str!("../../../docs/menu.md").split("```json\n").nth(1).unwrap().split("```").next().unwrap();
    let mut draft: Value = serde_json::from_str(example).unwrap();
    draft["items"][1]["price_minor"] = (-1).into();
    let kept = hub.asker().request(Method::PUT, "/v1/catalog/draft").json(&draft).send().await.unwrap();
    assert_eq!(kept.status(), StatusCode::OK);
    let mut node = TestNode::in_session(11, hub.door(11)).await;
    let session = node.session;
    let catalog = node
        .hear("the catalog", |heard| match heard {
            Heard::Batch(batch) if batch.session == session => Some(batch.clone()),
            _ => None,
        })
        .await;
    let head = catalog.events.iter().fold(catalog.journal.genesis(), |head, bytes| head.after(bytes));
    let position = percolate_common::wire::session::Position::new(&catalog.journal, head.seq, head.hash.short());
    node.acknowledge(position).await;
    node.ops.write(1);
    node.send(&node.ops.batch(1, 1, session)).await;
    node.sales.write(3);
    node.sales.push(from_the_future(node.sales.id, 4));
    node.sales.push(encoded(node.sales.id, 5, &closed("A-1", &[(7, 1, 4)], 3)));
    node.sales.push(encoded_by_a_wrong_clock(6));
    node.publish_to("percolate/v1/n11/up/labor", b"nonsense").await;
    node.send_sales(1, 10).await;
    node.sales_acked(6).await;
    eventually("the reports", || async {
        let day = hub.asker().body("/v1/reporting/stores").await;
        (day["projection_lag_events"] == 0 && day["totals"]["tickets"] == 3).then_some(())
    })
    .await;
    eventually("what the node has read", || async {
        let nodes = hub.rows("/v1/sync/nodes").await;
        nodes.first().is_some_and(|node| node["down"].get(0).is_some()).then_some(())
    })
    .await;
    (hub, node)
}

async fn description(hub: &TestHub) -> Value {
    let response = hub.get_openly("/openapi.json").await;
    assert_eq!(response.status(), StatusCode::OK);
    let description: Value = response.json().await.unwrap();
    assert!(description["openapi"].as_str().unwrap().starts_with("3.1"));
    assert_eq!(description["components"]["securitySchemes"]["token"]["scheme"], "bearer");
    description
}

fn content_type(response: &Response) -> String {
    let value = response.headers()["content-type"].to_str().unwrap();
    value.split(';').next().unwrap().to_owned()
}

/// The first event of a feed, or the whole body.
async fn first_body(mut response: Response) -> Value {
    if content_type(&response) != "text/event-stream" {
        return response.json().await.unwrap();
    }
    let mut text = String::new();
    while !text.contains("\n\n") {
        text.push_str(std::str::from_utf8(&response.chunk().await.unwrap().unwrap()).unwrap());
    }
    let data = text.lines().find_map(|line| line.strip_prefix("data:")).unwrap();
    serde_json::from_str(data.trim()).unwrap()
}

/// A refusal is a problem document that is described, and whole.
async fn assert_refused(operation: &Operation, response: Response, status: StatusCode, schemas: &mut Schemas) {
    let at = format!("{} {}", response.url().path(), response.url().query().unwrap_or_default());
    assert_eq!(response.status(), status, "{at}");
    assert_eq!(content_type(&response), PROBLEM, "{at}");
    let request_id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
    let problem: Value = response.json().await.unwrap();
    schemas.assert_is(&operation.answer(status, PROBLEM)["schema"], &problem, &at);
    assert_eq!(problem["status"], status.as_u16(), "{at}: {problem}");
    assert_eq!(problem["request_id"], request_id, "{at}: {problem}");
    let code = problem["code"].as_str().unwrap();
    assert!(!code.is_empty() && code.chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{at}: {problem}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_has_the_fields_that_are_described_and_no_other() {
    let (hub, _node) = busy_hub().await;
    // So that the audit has something to say.
    assert_eq!(change(hub.data_dir(), "UPDATE stock_total SET used = 0").await, 1);
    let description = description(&hub).await;
    let mut schemas = Schemas::new(&description);
    // What changes something is asked by the tests of its service. So are identity's questions, mostly other servers'.
    let mut reads = operations(&description);
    reads.retain(|operation| operation.method == Method::GET && !operation.path.starts_with("/v1/identity/"));
    // One of the differences is settled; the tickets of this node say nothing of tax.
    let books = hub.asker().body("/v1/reporting/differences").await;
    let ticket = books["rows"][0]["ticket_id"].as_str().unwrap();
    let settlement = format!("/v1/reporting/differences/{ticket}/settlements");
    let settled =
        hub.asker().request(Method::POST, &settlement).json(&serde_json::json!({"reason": "a test"})).send().await;
    assert_eq!(settled.unwrap().status(), StatusCode::CREATED);
    for operation in &reads {
        let question = operation.question();
        let response = hub.asker().request(operation.method.clone(), &question).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{question}");
        let content = operation.answer(StatusCode::OK, &content_type(&response)).clone();
        schemas.assert_is(&content["schema"], &first_body(response).await, &question);
        let csv = operation.described["responses"]["200"]["content"].get("text/csv");
        if csv.is_some() {
            let joint = if question.contains('?') { '&' } else { '?' };
            let asked = hub.asker().request(Method::GET, &format!("{question}{joint}format=csv"));
            assert_eq!(content_type(&asked.send().await.unwrap()), "text/csv", "{question}");
        }
        let refused = hub.asker().openly(operation.method.clone(), &operation.path).send().await.unwrap();
        assert_refused(operation, refused, StatusCode::UNAUTHORIZED, &mut schemas).await;
        assert_eq!(operation.described["security"][0]["token"], serde_json::json!([]), "{question}");
        if !operation.parameters().is_empty() {
            let joint = if question.contains('?') { '&' } else { '?' };
            let asked = hub.asker().request(operation.method.clone(), &format!("{question}{joint}colour=red"));
            assert_refused(operation, asked.send().await.unwrap(), StatusCode::BAD_REQUEST, &mut schemas).await;
        }
    }
    let sales = reads.iter().find(|operation| operation.path == "/v1/reporting/sales").unwrap();
    for (query, status) in [("by=day&store=99", StatusCode::NOT_FOUND), ("by=colour", StatusCode::BAD_REQUEST)] {
        let asked = hub.asker().request(Method::GET, &format!("{}?{query}", sales.path)).send().await.unwrap();
        assert_refused(sales, asked, status, &mut schemas).await;
    }
    let named = schemas.named_by(reads.iter().map(|operation| &operation.described));
    let never_met: Vec<_> = named.difference(&schemas.met).cloned().collect();
    assert_eq!(never_met, Vec::<String>::new(), "every schema was held against a body");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_described_is_served_with_those_methods_and_no_other() {
    let hub = TestHub::start().await;
    let description = description(&hub).await;
    // What boxes ask has no token, and is asked at another server.
    let here = operations(&description).into_iter().filter(|one| one.described.get("security").is_some());
    let described: BTreeSet<_> = here.map(|one| (one.path, one.method)).collect();
    let paths: BTreeSet<_> = described.iter().map(|(path, _)| path.clone()).collect();
    for path in &paths {
        for method in [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            let response = hub.asker().request(method.clone(), path).send().await.unwrap();
            let status = response.status();
            let problem: Value = if status.is_success() { Value::Null } else { response.json().await.unwrap() };
            // What is asked of nobody in particular is there, and somebody is not.
            let missing = ["not_found", "method_not_allowed"].iter().any(|code| problem["code"] == *code);
            let is_described = described.contains(&(path.clone(), method.clone()));
            assert_eq!(missing, !is_described, "{method} {path}: {status} {problem}");
            if missing {
                assert_eq!((status, &problem["code"]), (StatusCode::METHOD_NOT_ALLOWED, &"method_not_allowed".into()));
                assert!(problem["request_id"].is_string(), "{problem}");
            }
        }
    }
}

/// Every text of the program that begins like a path of the API, with its file. A route cannot be served without one.
fn paths_in_source(folder: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(paths_in_source(&path));
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        for line in text.lines().filter(|line| !line.trim_start().starts_with("//")) {
            for (at, _) in line.match_indices("\"/v1") {
                let literal = line[at + 1..].split('"').next().unwrap();
                found.push((literal.to_owned(), path.display().to_string()));
            }
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_of_the_program_is_described() {
    let hub = TestHub::start_with_menu(None).await;
    let description = description(&hub).await;
    let described: BTreeSet<_> = operations(&description).into_iter().map(|operation| operation.path).collect();
    let in_source = paths_in_source(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    for (path, file) in &in_source {
        assert!(described.contains(path), "{path} of {file} is not described");
    }
    let in_source: BTreeSet<_> = in_source.into_iter().map(|(path, _)| path).collect();
    assert_eq!(in_source, described, "and nothing is described that is not in the program");
}
