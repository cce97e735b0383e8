//! Everybody at every route: what the table says, asked over the wire.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use percolate_common::domain::terminals::TerminalKind;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite};
use tokio::net::TcpStream;

use self::table::{Asker, TABLE, Verdict, Way, Who, may, who};
use crate::support::chain::LAN_NAME;
use crate::support::device::{Device, code};
use crate::support::http::Request;
use crate::support::in_time;
use crate::support::installed::Shop;
use crate::support::menu::{BAG_CODE, BEANS, ESPRESSO};
use crate::support::node::{Till, basket, ticket};

#[path = "../../src/http/table.rs"]
mod table;

/// Every route that writes: method and path.
pub(crate) fn writes() -> impl Iterator<Item = (&'static str, &'static str)> {
    TABLE.iter().filter(|row| row.method != "GET").map(|row| (row.method, row.path))
}

const TEN_MINUTES_MS: i64 = 10 * 60 * 1_000;

/// Who asks every route.
struct Column {
    name: &'static str,
    token: String,
    way: Way,
    asker: Asker,
    /// What it shows where a code is asked for.
    code: String,
}

/// What a route answers to whoever may ask it, other than 200.
fn lawful(path: &str, column: &Column) -> (u16, Option<&'static str>) {
    match path {
        "/v1/open-tickets" | "/v1/open-tickets/{id}/payments" | "/v1/open-tickets/{id}/close"
            if column.name == "till T2" =>
        {
            (403, Some("terminal_not_yours"))
        }
        "/v1/open-tickets" => (201, None),
        // The ticket that is named was never open.
        path if path.starts_with("/v1/open-tickets/{id}") => (404, Some("not_found")),
        // Nor is it a prep ticket.
        path if path.starts_with("/v1/kitchen/{id}") => (404, Some("not_found")),
        "/v1/tickets" if column.name == "till T2" => (403, Some("terminal_not_yours")),
        "/v1/card-payments" if column.name == "till T2" => (403, Some("terminal_not_yours")),
        "/v1/card-payments" => (201, None),
        "/v1/card-payments/{id}" | "/v1/card-payments/{id}/reversal" => (404, Some("not_found")),
        "/v1/drawers"
        | "/v1/tickets/{id}/refunds"
        | "/v1/tickets/{id}/tip"
        | "/v1/tickets/{id}/prints"
        | "/v1/refunds/{id}/pay-out"
        | "/v1/refunds/{id}/prints"
        | "/v1/readings/{number}/prints"
        | "/v1/card-payments/{id}/ticket"
            if column.name == "till T2" =>
        {
            (403, Some("terminal_not_yours"))
        }
        "/v1/card-payments/{id}/ticket" => (404, Some("not_found")),
        // It was paid in cash.
        "/v1/tickets/{id}/tip" => (422, Some("tip_no_card")),
        // The shop has no printer, and nothing that waits.
        "/v1/tickets/{id}/prints" => (409, Some("printer_missing")),
        // Nor a refund, nor such a reading.
        "/v1/refunds/{id}/pay-out" | "/v1/refunds/{id}/prints" | "/v1/readings/{number}/prints" => {
            (404, Some("not_found"))
        }
        "/v1/prints/{id}/retry" | "/v1/prints/{id}/cancel" => (404, Some("not_found")),
        "/v1/drawers" if column.name == "till T1 here" => (409, Some("drawer_open")),
        "/v1/tickets/{id}/refunds" => (422, Some("refund_line")),
        "/v1/drawers/{id}/movements" | "/v1/drawers/{id}/close" | "/v1/readings/{number}" => (404, Some("not_found")),
        "/v1/tickets" | "/v1/stock/movements" | "/v1/terminals/pairings" | "/v1/drawers" | "/v1/readings" => {
            (201, None)
        }
        // The shop has no people.
        "/v1/sign-ins" | "/v1/approvals" => (401, Some("sign_in_wrong")),
        "/v1/sign-ins/current" => (401, Some("sign_in_needed")),
        "/v1/pairings/redemptions" if column.name == "expired code" => (410, Some("pairing_expired")),
        "/v1/pairings/redemptions" => (404, Some("pairing_unknown")),
        _ => (200, None),
    }
}

fn request(row: &table::Row, number: usize, column: &Column, sold: &str) -> Request {
    let path = row
        .path
        .replace("{id}", sold)
        .replace("{day}", "2026-11-23")
        .replace("{name}", "X1")
        .replace("{number}", "A-999");
    let query = if row.path == "/v1/catalog/scan" { format!("?code={BAG_CODE}") } else { String::new() };
    let request = Request::new(row.method, &format!("{path}{query}"));
    let request = match column.token.as_str() {
        "" => request,
        token => request.header("authorization", &format!("Bearer {token}")),
    };
    let body = match (row.method, row.path) {
        ("POST", "/v1/tickets") => ticket("T1", &[(ESPRESSO, 1)]),
        ("POST", "/v1/quotes") => json!({"lines": [{"item": ESPRESSO, "quantity": 1}]}),
        ("POST", "/v1/tickets/{id}/refunds") => {
            json!({"terminal": "T1", "reason": "quality", "lines": [{"line": 99, "quantity": 1}]})
        }
        ("POST", "/v1/tickets/{id}/tip") => json!({"terminal": "T1", "tender": "card", "tip_minor": 5}),
        ("POST", "/v1/card-payments/{id}/ticket") => json!({"terminal": "T1", "ticket": sold}),
        ("POST", "/v1/stock/movements") => json!({"reason": "wasted", "lines": [{"stock_item": BEANS, "quantity": 1}]}),
        ("POST", "/v1/imports/baskets") => {
            json!({"source": "old", "baskets": [basket("2026-11-20", "07:00:00", &[("1", 1, 300)])]})
        }
        ("POST", "/v1/drawers") => {
            json!({"terminal": if column.name == "the box's token" { "T9" } else { "T1" }, "float_minor": 100})
        }
        ("POST", "/v1/drawers/{id}/movements") => json!({"kind": "pay_in", "amount_minor": 5, "reason": "bank"}),
        ("POST", "/v1/drawers/{id}/close") => json!({"counted_minor": 5}),
        ("POST", "/v1/card-payments") => json!({"terminal": "T1", "amount_minor": 5, "training": true}),
        ("POST", "/v1/card-payments/{id}/reversal") => return request,
        (
            "POST",
            "/v1/tickets/{id}/prints"
            | "/v1/refunds/{id}/prints"
            | "/v1/readings/{number}/prints"
            | "/v1/refunds/{id}/pay-out",
        ) => {
            json!({"terminal": "T1"})
        }
        ("POST", "/v1/readings" | "/v1/prints/{id}/retry" | "/v1/prints/{id}/cancel") => json!({}),
        ("POST", "/v1/open-tickets") => json!({"terminal": "T1"}),
        ("POST", "/v1/open-tickets/{id}/lines") => json!({"lines": [{"item": ESPRESSO, "quantity": 1}]}),
        ("POST", "/v1/open-tickets/{id}/voids") => json!({"lines": ["0000000000000001"], "reason": "other"}),
        ("POST", "/v1/open-tickets/{id}/moves") => json!({"held": true}),
        ("POST", "/v1/open-tickets/{id}/divisions" | "/v1/open-tickets/{id}/abandon") => json!({}),
        ("POST", "/v1/open-tickets/{id}/payments") => {
            json!({"terminal": "T1", "tender": {"kind": "cash", "amount_minor": 5}, "part_minor": 5})
        }
        ("POST", "/v1/open-tickets/{id}/send") => json!({}),
        ("POST", "/v1/kitchen/{id}/bump" | "/v1/kitchen/{id}/recall") => json!({"turn": 0}),
        ("POST", "/v1/open-tickets/{id}/close") => json!({"terminal": "T1", "expected_total_minor": 5}),
        ("POST", "/v1/terminals/pairings") => json!({"name": "X2"}),
        ("POST", "/v1/sign-ins") => json!({"staff": 7, "pin": "2468"}),
        ("POST", "/v1/approvals") => json!({"staff": 7, "pin": "2468", "act": "refund", "reason": "spilt"}),
        ("POST", "/v1/pairings/redemptions") => json!({"code": column.code, "device": "matrix"}),
        ("GET" | "DELETE", _) => return request,
        other => panic!("the matrix does not know how {other:?} is asked"),
    };
    request.header("idempotency-key", &format!("{number:-<40}")).json(&body)
}

/// The head of an answer that has no end.
async fn head(request: &Request, address: SocketAddr, mut stream: impl AsyncRead + AsyncWrite + Unpin) -> u16 {
    request.send_to(address, &mut stream).await;
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        bytes.push(in_time("the head of an answer", stream.read_u8()).await.unwrap());
    }
    String::from_utf8(bytes).unwrap().split(' ').nth(1).unwrap().parse().unwrap()
}

async fn asked(
    request: &Request,
    column: &Column,
    (till, device): (&Till, &Device),
    endless: bool,
) -> (u16, Option<String>) {
    if endless {
        let status = match column.way {
            Way::Loopback => head(request, till.address, TcpStream::connect(till.address).await.unwrap()).await,
            Way::Network => head(request, device.address, device.connect(LAN_NAME).await.unwrap()).await,
        };
        return (status, None);
    }
    let answer = match column.way {
        Way::Loopback => request.send(till.address).await,
        Way::Network => device.with("").send(request.clone()).await,
    };
    let is_problem = answer.media_type() == "application/problem+json";
    (answer.status, is_problem.then(|| answer.code()))
}

async fn columns(shop: &Shop, till: &Till) -> Vec<Column> {
    let device = shop.device("");
    let mut tokens = Vec::new();
    for (name, kind) in [("T1", "till"), ("T2", "till"), ("K1", "kitchen"), ("R1", "till"), ("X1", "till")] {
        let code = code(till, name, kind, &format!("pair-{name}")).await;
        tokens.push(device.paired(&code).await.token);
    }
    let [t1, t2, k1, r1, _x1] = &*tokens else { panic!("five terminals") };
    assert_eq!(till.send(Request::new("DELETE", "/v1/terminals/R1")).await.status, 200);
    let expired = code(till, "E1", "till", "pair-E1").await;
    shop.node.clock.step(TEN_MINUTES_MS);
    let column = |name, token: &str, way, asker| Column {
        name,
        token: token.to_owned(),
        way,
        asker,
        code: "0000-0000".to_owned(),
    };
    let (here, there) = (Way::Loopback, Way::Network);
    let sells = Asker::Terminal(TerminalKind::Till);
    vec![
        column("nobody here", "", here, Asker::Nobody),
        column("nobody", "", there, Asker::Nobody),
        column("the box's token", &till.token, here, Asker::Local),
        column("the box's token over HTTPS", &till.token, there, Asker::Nobody),
        column("till T1", t1, there, sells),
        column("till T1 here", t1, here, sells),
        column("till T2", t2, there, sells),
        column("kitchen", k1, there, Asker::Terminal(TerminalKind::Kitchen)),
        column("revoked", r1, there, Asker::Revoked),
        column("wrong", &"0".repeat(64), there, Asker::Nobody),
        Column { code: expired.clone(), ..column("expired code", &expired, there, Asker::Nobody) },
    ]
}

#[tokio::test]
async fn everybody_may_ask_what_the_table_says_and_nothing_else() {
    let shop = Shop::serving().await;
    let till = shop.node.till();
    let device = shop.device("");
    let sold = till.sell("a sale".replace(' ', "-").as_str(), &ticket("T9", &[(ESPRESSO, 1)])).await.ok();
    let sold = sold["ticket_id"].as_str().unwrap().to_owned();

    // What is described has a row, and what has a row is described.
    let described: Value = till.ask_openly("/openapi.json").await.ok();
    let operations = described["paths"].as_object().unwrap().iter().flat_map(|(path, methods)| {
        methods.as_object().unwrap().keys().map(move |method| (method.to_ascii_uppercase(), path.clone()))
    });
    let rows = TABLE.iter().map(|row| (row.method.to_owned(), row.path.to_owned()));
    assert_eq!(rows.collect::<BTreeSet<_>>(), operations.collect::<BTreeSet<_>>());

    let columns = Box::pin(columns(&shop, &till)).await;
    let (mut count, mut passed) = (0, BTreeSet::new());
    for row in TABLE {
        for column in &columns {
            let verdict = may(row.who, column.asker, column.way);
            let expected = match verdict {
                Verdict::Yes => lawful(row.path, column),
                Verdict::Unknown => (401, Some("unauthorized")),
                Verdict::Revoked => (401, Some("terminal_revoked")),
                Verdict::OtherKind => (403, Some("terminal_not_allowed")),
                Verdict::OnTheBoxOnly => (403, Some("on_the_box_only")),
            };
            let lists = ["/v1/tickets", "/v1/open-tickets", "/v1/drawers", "/v1/readings", "/v1/card-payments"];
            let is_read = row.method == "GET" && lists.contains(&row.path);
            let expected = if is_read && verdict == Verdict::Yes { (200, None) } else { expected };
            let request = request(row, count, column, &sold);
            let endless = row.path == "/v1/events" && verdict == Verdict::Yes;
            let (status, code) = asked(&request, column, (&till, &device), endless).await;
            assert_eq!((status, code.as_deref()), expected, "{} {} by {}", row.method, row.path, column.name);
            count += 1;
            if verdict == Verdict::Yes {
                passed.insert((column.name, format!("{} {}", row.method, row.path)));
            }
        }
    }
    assert_eq!(count, TABLE.len() * columns.len());
    println!("{count} questions: {} routes, {} who ask", TABLE.len(), columns.len());

    // By hand, what matters most.
    let of =
        |name: &str| passed.iter().filter(|(who, _)| *who == name).map(|(_, route)| route.as_str()).collect::<Vec<_>>();
    let open = [
        "GET /kitchen",
        "GET /livez",
        "GET /openapi.json",
        "GET /pair",
        "GET /readyz",
        "GET /root.pem",
        "POST /v1/pairings/redemptions",
    ];
    for name in ["nobody", "the box's token over HTTPS", "revoked", "wrong", "expired code"] {
        assert_eq!(of(name), open, "{name}");
    }
    let kitchen: Vec<_> = of("kitchen").into_iter().filter(|route| !open.contains(route)).collect();
    let reads = [
        "GET /v1/catalog",
        "GET /v1/events",
        "GET /v1/kitchen",
        "GET /v1/node",
        "GET /v1/open-tickets",
        "GET /v1/open-tickets/{id}",
        "GET /v1/tickets",
        "GET /v1/tickets/{id}",
        "POST /v1/kitchen/{id}/bump",
        "POST /v1/kitchen/{id}/recall",
    ];
    assert_eq!(kitchen, reads);
    assert_eq!(of("the box's token").len(), TABLE.len());
    assert_eq!(TABLE.len() - of("till T1").len(), 6, "not what is for the box alone");
    assert_eq!((who("GET", "/v1/nowhere"), who("HEAD", "/livez")), (None, Some(Who::Anybody)));
    shop.close().await;
}
