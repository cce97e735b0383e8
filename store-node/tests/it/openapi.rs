//! The description at `/openapi.json` against the server: what it says is served, what is served it says, and every
//! answer is as it says.

use std::collections::BTreeSet;

use own_printer::Printer;
use serde_json::{Value, json};

use crate::card_payments::Terminal;
use crate::support::http::{Answer, Request};
use crate::support::menu::{BAG_CODE, BEANS, ESPRESSO};
use crate::support::node::{TestNode, Till, basket, ticket};
use crate::support::paper::{BAR, plug};
use crate::support::schema::{Description, Operation};

const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];

async fn description(till: &Till) -> Description {
    Description::new(till.ask_openly("/openapi.json").await.ok())
}

/// A real path for a described one.
fn real(path: &str, ticket: &Value) -> String {
    let path = path.replace("{id}", ticket["ticket_id"].as_str().unwrap()).replace("{day}", "2026-11-23");
    path.replace("{name}", "T1").replace("{number}", "A-1")
}

/// What every refusal must be, whatever refuses.
fn check_problem(answer: &Answer) {
    let at = format!("{answer:?}");
    assert_eq!(answer.media_type(), "application/problem+json", "{at}");
    let problem = answer.json();
    assert_eq!((&problem["type"], &problem["status"]), (&json!("about:blank"), &json!(answer.status)), "{at}");
    let code = problem["code"].as_str().unwrap();
    assert!(!code.is_empty() && code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{at}");
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains(' ') && detail.ends_with('.'), "a sentence: {at}");
    assert_eq!(problem["request_id"].as_str().unwrap(), answer.headers["x-request-id"], "{at}");
    let is_passing = answer.status >= 503 || answer.status == 429;
    assert_eq!(answer.headers.contains_key("retry-after"), is_passing, "{at}");
}

#[tokio::test]
async fn what_is_described_is_served_and_by_no_other_method() {
    let (mut node, _hub) = TestNode::selling().await;
    let till = node.till();
    let sold = till.sell("sale", &ticket("T1", &[(ESPRESSO, 1)])).await.ok();
    let description = description(&till).await;
    assert_eq!(*description.security_schemes(), json!({"token": {"type": "http", "scheme": "bearer"}}));
    let operations = description.operations();
    assert!(operations.len() >= 14, "{operations:?}");
    for Operation { path, .. } in &operations {
        for method in METHODS {
            let address = real(path, &sold);
            let described = operations.iter().find(|operation| operation.path == *path && operation.method == method);
            let openly = Request::new(method, &address).send(till.address).await;
            match described {
                // A feed has no end; that it is served is tested where it is read.
                // Open, and asked in the wrong way; or of a box that is of no chain.
                Some(operation) if operation.open && method == "POST" => {
                    assert_eq!(openly.refusal(), (400, "idempotency_key_missing".to_owned()), "{method} {address}");
                }
                Some(operation) if operation.open && path == "/root.pem" => {
                    assert_eq!(openly.refusal(), (404, "not_found".to_owned()), "{method} {address}");
                }
                Some(operation) if operation.open => assert_eq!(openly.status, 200, "{method} {address}"),
                Some(operation) => {
                    assert_eq!(openly.refusal(), (401, "unauthorized".to_owned()), "{method} {address}");
                    description.check(operation, &openly);
                    check_problem(&openly);
                }
                None => {
                    assert_eq!(openly.refusal(), (405, "method_not_allowed".to_owned()), "{method} {address}");
                    check_problem(&openly);
                }
            }
        }
    }
    node.stop().await;
}

#[tokio::test]
async fn what_is_served_is_described() {
    let mut node = TestNode::lonely().await;
    let description = description(&node.till()).await;
    let described: BTreeSet<String> = description.operations().into_iter().map(|operation| operation.path).collect();
    // Routes that are made with their description are described; these are the places that could make others.
    let sources = [
        include_str!("../../src/http/router.rs"),
        include_str!("../../../common/runtime/src/http/health.rs"),
        include_str!("../../src/node.rs"),
    ];
    let routes = sources.iter().flat_map(|source| source.split(".route(\"").skip(1));
    let routes: BTreeSet<String> = routes.map(|rest| rest.split('"').next().unwrap().to_owned()).collect();
    assert_eq!(routes.len(), 4, "{routes:?}");
    assert_eq!(routes.difference(&described).collect::<Vec<_>>(), Vec::<&String>::new());

    let nowhere = node.till().ask("/v1/nowhere").await;
    assert_eq!(nowhere.refusal(), (404, "not_found".to_owned()));
    check_problem(&nowhere);
    node.stop().await;
}

/// Asks, and checks the answer against its description.
struct Checker {
    till: Till,
    description: Description,
    /// What was answered well so far.
    seen: BTreeSet<(String, String, u16)>,
}

impl Checker {
    async fn ask(&mut self, method: &str, described: &str, path: &str, request: Request) -> Answer {
        let operation = self.description.operation(method, described);
        let answer = self.till.send(request).await;
        self.description.check(&operation, &answer);
        if answer.status >= 400 {
            check_problem(&answer);
        } else {
            self.seen.insert((operation.path, operation.method, answer.status));
        }
        assert_ne!(answer.status, 500, "{method} {path}: {answer:?}");
        answer
    }

    async fn get(&mut self, described: &str, path: &str) -> Answer {
        self.ask("GET", described, path, Request::new("GET", path)).await
    }

    async fn post(&mut self, path: &str, key: &str, body: &Value) -> Answer {
        self.post_to(path, path, key, body).await
    }

    async fn post_to(&mut self, described: &str, path: &str, key: &str, body: &Value) -> Answer {
        let request = Request::new("POST", path).header("idempotency-key", key).json(body);
        self.ask("POST", described, path, request).await
    }

    /// A piece of the first line goes back.
    async fn refund(&mut self, ticket: &str) {
        let (described, path) = ("/v1/tickets/{id}/refunds", format!("/v1/tickets/{ticket}/refunds"));
        let body = json!({"terminal": "T1", "reason": "quality", "lines": [{"line": 0, "quantity": 1}]});
        let first = self.post_to(described, &path, "refund", &body).await;
        let again = self.post_to(described, &path, "refund", &body).await;
        assert_eq!((first.status, again.status, &first.text), (201, 200, &again.text));
        let path = format!("/v1/refunds/{}/prints", first.json()["refund_id"].as_str().unwrap());
        self.copy("/v1/refunds/{id}/prints", &path).await;
    }

    /// What is asked for at a till, and again.
    async fn copy(&mut self, described: &str, path: &str) -> Answer {
        let key = path.replace('/', "-");
        let first = self.post_to(described, path, &key, &json!({"terminal": "T1"})).await;
        let again = self.post_to(described, path, &key, &json!({"terminal": "T1"})).await;
        assert_eq!((first.status, again.status, &first.text), (201, 200, &again.text), "{path}");
        first
    }

    /// A copy that waits for a printer, is tried and ended.
    async fn paper(&mut self, ticket: &str) {
        let (described, path) = ("/v1/tickets/{id}/prints", format!("/v1/tickets/{ticket}/prints"));
        let first = self.copy(described, &path).await;
        let of =
            |what: &str| (format!("/v1/prints/{{id}}/{what}"), format!("/v1/prints/{}/{what}", first.json()["print"]));
        for (described, path) in ["retry", "cancel"].map(of) {
            assert_eq!(self.post_to(&described, &path, &path, &json!({})).await.status, 200, "{path}");
        }
        for path in ["/v1/prints", "/v1/prints?state=all"] {
            assert_eq!(self.get("/v1/prints", path).await.status, 200, "{path}");
        }
    }

    /// A drawer's whole life, and two closes: one with an open drawer and one with a counted one.
    async fn cash(&mut self) {
        let opening = json!({"terminal": "T1", "float_minor": 100, "staff": 4});
        let drawer = self.post("/v1/drawers", "drawer", &opening).await.ok();
        assert_eq!(self.post("/v1/drawers", "drawer", &opening).await.status, 200);
        self.post("/v1/readings", "close-1", &json!({})).await.ok();
        let id = drawer["drawer"].as_str().unwrap();
        let of = |what: &str| (format!("/v1/drawers/{{id}}/{what}"), format!("/v1/drawers/{id}/{what}"));
        let movement = json!({"kind": "pay_out", "amount_minor": 5, "reason": "supplies", "approved_by": 2});
        for (what, body) in [("movements", movement), ("close", json!({"counted_minor": 90}))] {
            let (described, path) = of(what);
            let first = self.post_to(&described, &path, what, &body).await;
            let again = self.post_to(&described, &path, what, &body).await;
            assert_eq!((first.status, again.status, &first.text), (201, 200, &again.text), "{path}");
        }
        self.post("/v1/readings", "close-2", &json!({"staff": 2})).await.ok();
        self.copy("/v1/readings/{number}/prints", "/v1/readings/A-2/prints").await;
        assert_eq!(self.post("/v1/readings", "close-2", &json!({"staff": 2})).await.status, 200);
        for path in ["/v1/drawers", "/v1/readings", "/v1/readings/current"] {
            assert_eq!(self.get(path, path).await.status, 200, "{path}");
        }
        for path in ["/v1/readings/A-1", "/v1/readings/A-2", "/v1/readings/A-2?format=text"] {
            assert_eq!(self.get("/v1/readings/{number}", path).await.status, 200, "{path}");
        }
        assert_eq!(self.get("/v1/audit", "/v1/audit").await.status, 200);
    }

    /// An open ticket's whole life, with a part that was paid, and another one that ends unpaid.
    async fn open_tickets(&mut self) {
        let line = json!({"item": ESPRESSO, "quantity": 1});
        let opening =
            json!({"terminal": "T1", "lines": [line, line], "name": "Window", "terms": {"consumption": "dine_in"}});
        let ticket = self.post("/v1/open-tickets", "open", &opening).await.ok();
        assert_eq!(self.post("/v1/open-tickets", "open", &opening).await.status, 200);
        let id = ticket["ticket_id"].as_str().unwrap().to_owned();
        let (first, second) = (&ticket["lines"][0]["line_id"], &ticket["lines"][1]["line_id"]);
        let steps = [
            ("lines", json!({"lines": [line]})),
            ("voids", json!({"lines": [first], "reason": "mistake"})),
            ("send", json!({})),
            ("moves", json!({"held": true, "note": "at noon"})),
            ("payments", json!({"terminal": "T1", "tender": {"kind": "cash", "amount_minor": 5}, "part_minor": 5})),
            ("divisions", json!({"lines": [second]})),
            (
                "close",
                json!({"terminal": "T1", "expected_total_minor": 327, "tenders": [{"kind": "cash", "amount_minor": 400}]}),
            ),
        ];
        let mut other = Value::Null;
        for (what, body) in steps {
            let (described, path) =
                (format!("/v1/open-tickets/{{id}}/{what}"), format!("/v1/open-tickets/{id}/{what}"));
            let done = self.post_to(&described, &path, &format!("open-{what}"), &body).await;
            let again = self.post_to(&described, &path, &format!("open-{what}"), &body).await;
            assert_eq!((done.status, again.status), (201, 200), "{path}: {done:?} {again:?}");
            if what == "divisions" {
                other = done.json();
            }
        }
        for query in ["", "?state=open", "?state=held&terminal=T1&staff=3"] {
            assert_eq!(self.get("/v1/open-tickets", &format!("/v1/open-tickets{query}")).await.status, 200, "{query}");
        }
        let other = other["ticket_id"].as_str().unwrap();
        for id in [&id, &format!("{other}?split=3")] {
            assert_eq!(self.get("/v1/open-tickets/{id}", &format!("/v1/open-tickets/{id}")).await.status, 200);
        }
        let (described, path) = ("/v1/open-tickets/{id}/abandon", format!("/v1/open-tickets/{other}/abandon"));
        assert_eq!(self.post_to(described, &path, "leave", &json!({})).await.status, 201);
        assert_eq!(self.post_to(described, &path, "leave", &json!({})).await.status, 200);
    }

    /// What was sent is made, and called back.
    async fn kitchen(&mut self) {
        let said = self.get("/v1/kitchen", "/v1/kitchen?station=bar").await.ok();
        let id = said["queue"][0]["prep_id"].as_str().unwrap();
        for (turn, (what, state)) in [("bump", "made"), ("recall", "recalled")].into_iter().enumerate() {
            let path = format!("/v1/kitchen/{id}/{what}");
            let request = Request::new("POST", &path).json(&json!({"turn": turn}));
            let now = self.ask("POST", &format!("/v1/kitchen/{{id}}/{what}"), &path, request).await.ok();
            assert_eq!((&now["state"], &now["turn"]), (&json!(state), &json!(turn + 1)));
        }
    }

    /// A payment in practice, and how it is given back.
    async fn cards(&mut self) {
        let asked = json!({"terminal": "T1", "amount_minor": 100, "training": true});
        let payment = self.post("/v1/card-payments", "card", &asked).await.ok();
        assert_eq!(self.post("/v1/card-payments", "card", &asked).await.status, 200);
        let path = format!("/v1/card-payments/{}", payment["payment"].as_str().unwrap());
        assert_eq!(self.get("/v1/card-payments/{id}", &path).await.status, 200);
        assert_eq!(self.get("/v1/card-payments", "/v1/card-payments?state=all").await.status, 200);
        let reversal = "/v1/card-payments/{id}/reversal";
        let request = Request::new("POST", &format!("{path}/reversal"));
        assert_eq!(self.ask("POST", reversal, &path, request).await.status, 200);
    }

    /// What comes after a sale: a tip on the slip, and a card that was charged when its guest had paid in cash.
    async fn afterwards(&mut self) {
        let mut sale = ticket("T1", &[(ESPRESSO, 1)]);
        let by_cash = self.post("/v1/tickets", "by-cash", &sale).await.ok();
        sale["tenders"] = json!([{"kind": "card_external", "amount_minor": 327}]);
        let by_card = self.post("/v1/tickets", "by-card", &sale).await.ok();
        let asked = json!({"terminal": "T1", "amount_minor": 327});
        let payment = self.post("/v1/card-payments", "late", &asked).await.ok();
        let tip = json!({"terminal": "T1", "tender": "card_external", "tip_minor": 50});
        let assigned = json!({"terminal": "T1", "ticket": by_cash["ticket_id"]});
        for (described, id, body) in [
            ("/v1/tickets/{id}/tip", &by_card["ticket_id"], tip),
            ("/v1/card-payments/{id}/ticket", &payment["payment"], assigned),
        ] {
            let path = described.replace("{id}", id.as_str().unwrap());
            let key = &path[path.len() - 20..].replace('/', "-");
            let first = self.post_to(described, &path, key, &body).await;
            let again = self.post_to(described, &path, key, &body).await;
            assert_eq!((first.status, again.status, &first.text), (201, 200, &again.text), "{path}");
        }
        let tips = "/v1/business-days/2026-11-23/tips?points=7:2";
        self.get("/v1/business-days/{day}/tips", tips).await.ok();
    }

    /// A card that takes nothing back, and the cash that its guest gets.
    async fn owed(&mut self, terminal: &Terminal) {
        self.post("/v1/drawers", "owed-drawer", &json!({"terminal": "T1", "float_minor": 1_000})).await.ok();
        let asked = json!({"terminal": "T1", "amount_minor": 327});
        let payment = self.post("/v1/card-payments", "owed-card", &asked).await.ok()["payment"].clone();
        let mut sale = ticket("T1", &[(ESPRESSO, 1)]);
        sale["tenders"] = json!([{"kind": "card", "amount_minor": 327, "payment": payment}]);
        let sold = self.post("/v1/tickets", "owed-sale", &sale).await.ok();
        terminal.says("decline");
        let path = format!("/v1/tickets/{}/refunds", sold["ticket_id"].as_str().unwrap());
        let body = json!({"terminal": "T1", "reason": "quality"});
        let back = self.post_to("/v1/tickets/{id}/refunds", &path, "owed-back", &body).await.ok();
        let path = format!("/v1/refunds/{}/pay-out", back["refund_id"].as_str().unwrap());
        self.copy("/v1/refunds/{id}/pay-out", &path).await;
        let listed = self.get("/v1/card-payments", "/v1/card-payments?state=owed").await.ok();
        assert_eq!(listed["rows"][0]["owed"][0]["pay_out"]["amount_minor"], 327);
        let path = format!("/v1/tickets/{}", sold["ticket_id"].as_str().unwrap());
        self.get("/v1/tickets/{id}", &path).await.ok();
        terminal.says("approve");
    }

    /// Everything that can be read, with something in it.
    async fn read_all(&mut self, ticket: &str) {
        for path in
            ["/v1/node", "/v1/catalog", "/v1/tickets", "/v1/stock", "/v1/business-day", "/v1/audit", "/v1/staff"]
        {
            assert_eq!(self.get(path, path).await.status, 200, "{path}");
        }
        for path in ["/livez", "/metrics", "/readyz", "/openapi.json", "/pair", "/kitchen"] {
            assert_eq!(self.get(path, path).await.status, 200, "{path}");
        }
        for path in ["/v1/tickets?day=2026-11-23&limit=1", "/v1/tickets?after=1"] {
            assert_eq!(self.get("/v1/tickets", path).await.status, 200, "{path}");
        }
        self.get("/v1/catalog/scan", &format!("/v1/catalog/scan?code={BAG_CODE}")).await.ok();
        self.get("/v1/tickets/{id}", &format!("/v1/tickets/{ticket}")).await.ok();
        self.get("/v1/business-days/{day}", "/v1/business-days/2026-11-20").await.ok();
    }

    /// Everything that can be written, for the first time and once more.
    async fn write_all(&mut self, sale: &Value) {
        let movement = json!({"reason": "wasted", "lines": [{"stock_item": BEANS, "quantity": 5}]});
        let rows = [("1", 2, 300), ("2", 0, 300)];
        let import = json!({"source": "old till", "baskets": [basket("2026-11-20", "07:06:11", &rows)]});
        let writes = [
            ("/v1/tickets", sale, 201),
            ("/v1/stock/movements", &movement, 201),
            ("/v1/imports/baskets", &import, 200),
            ("/v1/terminals/pairings", &json!({"name": "T1"}), 201),
        ];
        for (number, (path, body, fresh)) in writes.into_iter().enumerate() {
            let first = self.post(path, &format!("write-{number}"), body).await;
            let again = self.post(path, &format!("write-{number}"), body).await;
            assert_eq!((first.status, again.status, &first.text), (fresh, 200, &again.text), "{path}");
        }
        let quote = json!({"lines": [{"item": ESPRESSO, "quantity": 1}]});
        assert_eq!(self.post("/v1/quotes", "no key is needed", &quote).await.status, 200);
    }

    /// A terminal's whole life.
    async fn terminals(&mut self) {
        let pairing =
            self.post("/v1/terminals/pairings", "another one", &json!({"name": "K1", "kind": "kitchen"})).await;
        assert_eq!(pairing.refusal(), (400, "idempotency_key_invalid".to_owned()));
        let pairing =
            self.post("/v1/terminals/pairings", "another-one", &json!({"name": "K1", "kind": "kitchen"})).await;
        let body = json!({"code": pairing.ok()["code"], "device": "screen"});
        let (path, key) = ("/v1/pairings/redemptions", "k".repeat(40));
        let first = self.post(path, &key, &body).await;
        let again = self.post(path, &key, &body).await;
        assert_eq!((first.status, again.status, &first.text), (201, 200, &again.text));
        assert_eq!(self.post(path, "short", &body).await.refusal(), (422, "pairing_key_short".to_owned()));
        let unsound = json!({"code": body["code"], "device": "x".repeat(81)});
        assert_eq!(self.post(path, &key, &unsound).await.refusal(), (422, "device_invalid".to_owned()));
        let rows = self.get("/v1/terminals", "/v1/terminals").await.ok()["rows"].clone();
        assert_eq!(rows.as_array().unwrap().len(), 1, "{rows}");
        for (name, status) in [("K1", 200), ("K2", 404), ("k", 422)] {
            let path = format!("/v1/terminals/{name}");
            let answer = self.ask("DELETE", "/v1/terminals/{name}", &path, Request::new("DELETE", &path)).await;
            assert_eq!(answer.status, status, "{name}");
        }
    }

    async fn refusals(&mut self, sale: &Value) {
        for (described, path, status, code) in [
            ("/v1/tickets", "/v1/tickets?day=yesterday", 422, "date_invalid"),
            ("/v1/tickets", "/v1/tickets?limit=x", 400, "invalid_query"),
            ("/v1/tickets", "/v1/tickets?colour=red", 400, "invalid_query"),
            ("/v1/kitchen", "/v1/kitchen?station=The%20Bar", 422, "station_invalid"),
            ("/v1/tickets/{id}", "/v1/tickets/17", 404, "not_found"),
            ("/v1/tickets/{id}", "/v1/tickets/0190b2c4-7e5d-7c3a-9f00-0123456789ab", 404, "not_found"),
            ("/v1/business-days/{day}", "/v1/business-days/2026-02-30", 422, "date_invalid"),
        ] {
            assert_eq!(self.get(described, path).await.refusal(), (status, code.to_owned()), "{path}");
        }
        let changed = |pointer: &str, value: Value| {
            let mut body = sale.clone();
            *body.pointer_mut(pointer).unwrap() = value;
            body
        };
        for (path, body, status, code) in [
            ("/v1/tickets", changed("/lines/0/item", json!(999)), 422, "unknown_item"),
            (
                "/v1/tickets",
                changed("/lines/0", json!({"item": ESPRESSO, "quantity": 1, "price": 1})),
                422,
                "invalid_body",
            ),
            ("/v1/tickets", changed("/tenders/0/kind", json!("cheque")), 422, "invalid_body"),
            ("/v1/tickets", changed("/tenders/1/amount_minor", json!(1)), 422, "tender_underpaid"),
            ("/v1/quotes", json!({"lines": []}), 422, "line_count"),
            ("/v1/stock/movements", json!({"reason": "wasted", "lines": []}), 422, "line_count"),
            ("/v1/stock/movements", json!({"reason": "lost", "lines": []}), 422, "invalid_body"),
            ("/v1/imports/baskets", json!({"source": "", "baskets": []}), 422, "source_invalid"),
            ("/v1/imports/baskets", json!({"source": "a", "baskets": []}), 422, "basket_count"),
            ("/v1/sign-ins", json!({"staff": 7, "pin": "2468"}), 401, "sign_in_wrong"),
            ("/v1/sign-ins", json!({"staff": 7}), 422, "pin_missing"),
            ("/v1/sign-ins", json!({"badge": "04A224B9"}), 422, "pin_missing"),
            ("/v1/sign-ins", json!({"staff": 7, "badge": "04A224B9", "pin": "2468"}), 422, "person_unclear"),
            ("/v1/sign-ins", json!({"pin": "2468"}), 422, "person_unclear"),
            ("/v1/sign-ins", json!({"staff": 7, "pin": 2468}), 422, "invalid_body"),
            ("/v1/approvals", json!({"staff": 7, "pin": "2468", "act": "rob", "reason": "spilt"}), 422, "act_unknown"),
            ("/v1/approvals", json!({"staff": 7, "pin": "2468", "act": "refund", "reason": "."}), 422, "reason_unfit"),
            ("/v1/terminals/pairings", json!({"name": "till one"}), 422, "terminal_name_invalid"),
            ("/v1/terminals/pairings", json!({"name": "T1", "kind": "bar"}), 422, "invalid_body"),
        ] {
            assert_eq!(self.post(path, "refused", &body).await.refusal(), (status, code.to_owned()), "{path} {body}");
        }
    }

    /// Requests that are wrong around their body.
    async fn malformed(&mut self, sale: &Value) {
        let post = || Request::new("POST", "/v1/tickets");
        let json_type = ("content-type", "application/json");
        let text = sale.to_string();
        let too_large = vec![b' '; 300 * 1024];
        let requests = [
            (post().json(sale), 400, "idempotency_key_missing"),
            (post().json(sale).header("idempotency-key", "two words"), 400, "idempotency_key_invalid"),
            (
                post().json(sale).header("idempotency-key", "a").header("idempotency-key", "b"),
                400,
                "idempotency_key_invalid",
            ),
            (post().header("idempotency-key", "a").body(text.clone()), 415, "unsupported_media_type"),
            (
                post().header("idempotency-key", "a").header("content-type", "text/plain").body(text),
                415,
                "unsupported_media_type",
            ),
            (post().header("idempotency-key", "a").header(json_type.0, json_type.1).body("{"), 400, "malformed_json"),
            (
                post().header("idempotency-key", "a").header(json_type.0, json_type.1).body(too_large),
                413,
                "body_too_large",
            ),
        ];
        for (request, status, code) in requests {
            let answer = self.ask("POST", "/v1/tickets", "/v1/tickets", request).await;
            assert_eq!(answer.refusal(), (status, code.to_owned()));
        }
    }
}

#[tokio::test]
async fn every_answer_is_as_it_is_described() {
    let (mut node, mut hub, terminal) = crate::card_payments::prepared(None).await;
    plug(&mut node, BAR, Printer::nowhere());
    node.open_selling(&mut hub).await;
    terminal.says("approve");
    let till = node.till();
    let description = description(&till).await;
    let mut checker = Checker { till: till.clone(), description, seen: BTreeSet::new() };
    let mut sale = ticket("T1", &[(ESPRESSO, 2)]);
    sale["tenders"] = json!([{"kind": "card_external", "amount_minor": 100, "reference": "AUTH 7"},
                             {"kind": "cash", "amount_minor": 1_000}]);
    checker.write_all(&sale).await;
    let page = till.get("/v1/tickets").await;
    let tickets = page["tickets"].as_array().unwrap();
    assert_eq!(tickets.len(), 2, "one that was sold and one that was brought in: {page}");
    let sold = tickets.iter().find(|ticket| !ticket["receipt"].is_null()).unwrap();
    checker.refund(sold["ticket_id"].as_str().unwrap()).await;
    checker.paper(sold["ticket_id"].as_str().unwrap()).await;
    for ticket in tickets {
        checker.read_all(ticket["ticket_id"].as_str().unwrap()).await;
    }
    checker.terminals().await;
    checker.cash().await;
    checker.open_tickets().await;
    checker.kitchen().await;
    checker.cards().await;
    checker.afterwards().await;
    checker.owed(&terminal).await;
    checker.refusals(&sale).await;
    checker.malformed(&sale).await;

    let successes = |operation: Operation| {
        let all = operation.successes().into_iter();
        all.map(move |status| (operation.path.clone(), operation.method.clone(), status)).collect::<Vec<_>>()
    };
    let mut described: BTreeSet<_> = checker.description.operations().into_iter().flat_map(successes).collect();
    described.remove(&("/v1/events".to_owned(), "GET".to_owned(), 200));
    // Of a box that is of a chain; tested where that is.
    described.remove(&("/root.pem".to_owned(), "GET".to_owned(), 200));
    // Of a shop that has people; tested where they are.
    for (path, method, status) in [
        ("/v1/sign-ins", "POST", 201),
        ("/v1/sign-ins/current", "GET", 200),
        ("/v1/sign-ins/current", "DELETE", 200),
        ("/v1/approvals", "POST", 201),
    ] {
        described.remove(&(path.to_owned(), method.to_owned(), status));
    }
    assert_eq!(described, checker.seen, "each described success was seen");
    node.stop().await;
}

#[tokio::test]
async fn a_node_without_a_menu_answers_as_it_is_described() {
    let mut node = TestNode::lonely().await;
    let till = node.till();
    let description = description(&till).await;
    let mut checker = Checker { till, description, seen: BTreeSet::new() };
    for path in ["/v1/node", "/v1/tickets", "/v1/stock", "/v1/business-day"] {
        assert_eq!(checker.get(path, path).await.status, 200, "{path}");
    }
    let unready = checker.till.ask_openly("/readyz").await;
    checker.description.check(&checker.description.operation("GET", "/readyz"), &unready);
    assert_eq!(unready.status, 503);
    let none = ("catalog_not_received".to_owned(), 503);
    assert_eq!(checker.get("/v1/catalog", "/v1/catalog").await.refusal(), (none.1, none.0.clone()));
    let quote = json!({"lines": [{"item": ESPRESSO, "quantity": 1}]});
    let movement = json!({"reason": "received", "lines": [{"stock_item": BEANS, "quantity": 5}]});
    for (path, body) in
        [("/v1/tickets", ticket("T1", &[(ESPRESSO, 1)])), ("/v1/quotes", quote), ("/v1/stock/movements", movement)]
    {
        assert_eq!(checker.post(path, "early", &body).await.refusal(), (none.1, none.0.clone()), "{path}");
    }
    node.stop().await;
}
