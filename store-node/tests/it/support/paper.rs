//! A shop whose printer is good or bad.

use std::net::SocketAddr;

use own_printer::{Manner, Printer};
use serde_json::{Value, json};
use store_node::config::NamedPrinter;

use super::eventually;
use super::hub::TestHub;
use super::menu::ESPRESSO;
use super::node::{TestNode, Till, ticket};

/// The printer of the shop.
pub(crate) const BAR: &str = "bar";

/// Tells a node that is not started of a printer.
pub(crate) fn plug(node: &mut TestNode, name: &str, address: SocketAddr) {
    let (name, address) = (name.to_owned(), address.to_string());
    node.config.prints.printers.push(NamedPrinter { name, address, columns: 48 });
}

/// A shop that sells, with a printer.
pub(crate) async fn with_printer(manner: Manner) -> (TestNode, TestHub, Printer) {
    let printer = Printer::start(manner).unwrap();
    let (mut node, mut hub) = TestNode::prepare_with_hub().await;
    plug(&mut node, BAR, printer.place());
    node.open_selling(&mut hub).await;
    (node, hub, printer)
}

/// A shop that sells, and whose printer is not there yet; and where it will be.
pub(crate) async fn without_printer() -> (TestNode, TestHub, SocketAddr) {
    let place = Printer::nowhere();
    let (mut node, mut hub) = TestNode::prepare_with_hub().await;
    plug(&mut node, BAR, place);
    node.open_selling(&mut hub).await;
    (node, hub, place)
}

/// An espresso that is paid in cash, with change.
pub(crate) fn in_cash() -> Value {
    ticket("T1", &[(ESPRESSO, 1)])
}

/// An espresso that is paid by card.
pub(crate) fn by_card() -> Value {
    let mut body = in_cash();
    body["tenders"] = json!([{"kind": "card_external", "amount_minor": 327}]);
    body
}

/// What is read on the papers of a printer, once there are so many.
pub(crate) async fn papers(printer: &Printer, count: usize) -> Vec<String> {
    let printed = || async { Some(printer.papers()).filter(|papers| papers.len() >= count) };
    let papers = eventually(&format!("{count} papers"), printed).await;
    assert_eq!(papers.len(), count, "{papers:#?}");
    papers
}

/// Jobs in a state.
pub(crate) async fn jobs(till: &Till, state: &str) -> Vec<Value> {
    till.get(&format!("/v1/prints?state={state}")).await["rows"].as_array().unwrap().clone()
}

/// Waits until so many jobs are in a state.
pub(crate) async fn so_many(till: &Till, state: &str, count: usize) -> Vec<Value> {
    eventually(&format!("{count} jobs that are {state}"), || async {
        Some(jobs(till, state).await).filter(|jobs| jobs.len() == count)
    })
    .await
}

/// Waits until a printer stands so.
pub(crate) async fn stands(till: &Till, name: &str, state: &str) -> Value {
    eventually(&format!("a printer that is {state}"), || async {
        let printers = till.get("/v1/node").await["printers"].as_array().unwrap().clone();
        printers.into_iter().find(|it| it["name"] == name && it["state"] == state)
    })
    .await
}

/// What is of a kind among jobs, by label.
pub(crate) fn labels(jobs: &[Value], kind: &str) -> Vec<String> {
    let of_kind = jobs.iter().filter(|job| job["kind"] == kind);
    of_kind.map(|job| job["label"].as_str().unwrap().to_owned()).collect()
}

/// The number of the one receipt among jobs.
pub(crate) fn receipt(jobs: &[Value]) -> i64 {
    jobs.iter().find(|job| job["kind"] == "receipt").unwrap()["print"].as_i64().unwrap()
}
