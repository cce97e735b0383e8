//! A shop with people, whose hub is nowhere: what is done about them is done on the box alone.

use percolate_common::identity::site::{SiteV1, StaffV1};
use serde_json::{Value, json};

use super::chain::TestChain;
use super::device::code;
use super::http::{Answer, Request};
use super::installed::{bundle, install};
use super::node::{TestNode, Till};

/// Nobody answers here.
const NOWHERE: &str = "127.0.0.1:1";

/// Leads a shift. So long a PIN stands nowhere by chance.
pub(crate) const ANN: (u32, &str) = (7, "246813579024");
/// Sells.
pub(crate) const BEN: (u32, &str) = (8, "1357");
/// Runs the shop, and has thought of the same PIN as Ben.
pub(crate) const CY: (u32, &str) = (9, "1357");
/// Ann's badge.
pub(crate) const BADGE: &str = "04:A2:24:B9:71:80";

fn one(id: u32, name: &str, role: &str, pin: Option<&str>, badge: Option<&str>) -> StaffV1 {
    let (name, role) = (name.to_owned(), role.to_owned());
    StaffV1 { id, name, role, pin: pin.map(str::to_owned), badge: badge.map(str::to_owned) }
}

/// The people of the shop.
pub(crate) fn people() -> Vec<StaffV1> {
    vec![
        one(ANN.0, "Ann", "Shift lead", Some(ANN.1), Some(BADGE)),
        one(BEN.0, "Ben", "barista", Some(BEN.1), None),
        one(CY.0, "Cy", "manager", Some(CY.1), None),
        one(10, "Dee", "juggler", None, None),
    ]
}

/// Installs the shop of a bundle with people, changed as a test wants it, in a node that is not started.
pub(crate) fn installed(node: &mut TestNode, change: impl FnOnce(&mut SiteV1)) {
    let mut bundle = bundle(&TestChain::new(1), &format!("https://{NOWHERE}"), NOWHERE);
    bundle.site.staff = people();
    change(&mut bundle.site);
    install(node, &bundle);
}

/// A node that runs, with the people of the shop.
pub(crate) async fn open(change: impl FnOnce(&mut SiteV1)) -> TestNode {
    let mut node = TestNode::prepare();
    installed(&mut node, change);
    node.open().await;
    node
}

/// Pairs a till, which asks from the box itself.
pub(crate) async fn paired(here: &Till, name: &str) -> Till {
    let code = code(here, name, "till", &format!("pair-{name}")).await;
    let body = json!({"code": code, "device": "a tablet"});
    let answer = here.post("/v1/pairings/redemptions", &format!("{name:-<40}"), &body).await.ok();
    Till { address: here.address, token: answer["token"].as_str().unwrap().to_owned() }
}

/// Signs in by number and PIN, whatever comes of it.
pub(crate) async fn sign_in(till: &Till, (staff, pin): (u32, &str)) -> Answer {
    claimed(till, &json!({"staff": staff, "pin": pin})).await
}

/// Signs in by what the body says, whatever comes of it.
pub(crate) async fn claimed(till: &Till, body: &Value) -> Answer {
    till.send(Request::new("POST", "/v1/sign-ins").json(body)).await
}

/// Signs in, and gives the token.
pub(crate) async fn signed_in(till: &Till, who: (u32, &str)) -> String {
    let answer = sign_in(till, who).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.json()["token"].as_str().unwrap().to_owned()
}

/// A request of somebody who has signed in.
pub(crate) fn by(request: Request, token: &str) -> Request {
    request.header("percolate-staff", token)
}

/// Who has signed in with a token.
pub(crate) async fn current(till: &Till, token: &str) -> Answer {
    till.send(by(Request::new("GET", "/v1/sign-ins/current"), token)).await
}

/// Sells as somebody.
pub(crate) async fn sold_by(till: &Till, token: &str, key: &str, body: &Value) -> Answer {
    till.send(by(Request::new("POST", "/v1/tickets").header("idempotency-key", key).json(body), token)).await
}
