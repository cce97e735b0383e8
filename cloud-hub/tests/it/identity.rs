//! A shop is planned, its bundle made, its box let in by what it knows, and shut out again.

use std::sync::Arc;
use std::time::Duration;

use percolate_common::entropy::{Entropy, SeededEntropy};
use percolate_common::identity::acceptance::AcceptanceV1;
use percolate_common::identity::bundle::BundleV1;
use percolate_common::identity::certificate::Certificate;
use percolate_common::identity::code::Code;
use percolate_common::identity::pem::{Label, decode};
use percolate_common::journal::SigningKey;
use percolate_common::time::{Clock, UtcMillis};
use percolate_common::wire::envelope::Batch;
use percolate_runtime::enrolment::{
    Asking, Bytes, ENROLMENTS_PATH, EnrolmentAnswer, EnrolmentAsked, Octets, RENEWALS_PATH, RenewalAsked,
};
use percolate_runtime::http::caller::{Answer, CallError, Caller};
use percolate_runtime::pki::{new_key, request};
use percolate_runtime::seal::{Known, open};
use percolate_runtime::system::monotonic_now;
use percolate_runtime::tls::{OwnIdentity, Roots, TlsClock, client_config};
use reqwest::{Method, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::support::events::NOON_MS;
use crate::support::ground::lose;
use crate::support::hub::TestHub;
use crate::support::node::{Door, Heard, TestNode};

pub(crate) const MENU: &str = include_str!("../../../provisioning/demo/menu.json");

pub(crate) const STORE: u32 = 42;
pub(crate) const NODE: u32 = 421;
pub(crate) const DAY: Duration = Duration::from_secs(24 * 60 * 60);

pub(crate) fn site(node: u32) -> Value {
    json!({
        "node": node, "name": "Harbour", "zone": "America/New_York", "currency": "USD", "cutover_hour": 4,
        "lan_names": ["192.168.7.20", "till.harbour.example"],
        "staff": [{"id": 7, "name": "Ann", "role": "lead", "pin": "2468"}],
    })
}

/// What head office asks.
pub(crate) async fn asked(hub: &TestHub, method: Method, path: &str, body: &Value) -> (StatusCode, Value) {
    let answer = hub.asker().request(method, path).json(body).send().await.unwrap();
    (answer.status(), answer.json().await.unwrap())
}

pub(crate) async fn planned(hub: &TestHub) {
    let (status, body) = asked(hub, Method::PUT, &format!("/v1/identity/stores/{STORE}"), &site(NODE)).await;
    assert_eq!(status, StatusCode::CREATED, "{body}");
}

/// A bundle as its file, and the code that stands on its sheet.
pub(crate) async fn bundle(hub: &TestHub, key: &str, purpose: &str) -> (BundleV1, String) {
    let path = format!("/v1/identity/stores/{STORE}/bundles");
    let request = hub.asker().request(Method::POST, &path).header("Idempotency-Key", key);
    let answer = request.json(&json!({ "purpose": purpose })).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::CREATED);
    let code = answer.headers()["percolate-code"].to_str().unwrap().to_owned();
    let file = answer.bytes().await.unwrap();
    let sealed = open(&file, Known::Nothing).unwrap();
    (BundleV1::decode(sealed.content()).unwrap(), code)
}

/// A box with a key, and the line to its hub.
pub(crate) struct TestBox {
    pub(crate) key: SigningKey,
    pub(crate) root: Vec<u8>,
    pub(crate) caller: Caller,
    pub(crate) entropy: SeededEntropy,
}

impl TestBox {
    /// A box that believes the chain of a bundle.
    pub(crate) fn new(hub: &TestHub, bundle: &BundleV1, seed: u64) -> Self {
        let entropy = SeededEntropy::new(seed);
        let root = decode(Label::Certificate, &bundle.chain.root).unwrap().remove(0);
        let clock: Arc<dyn Clock> = hub.clock.clone();
        let clock = Arc::new(TlsClock::new(clock, UtcMillis::new(0)));
        let config = client_config(&Roots::from_pem(&bundle.chain.root).unwrap(), None, clock).unwrap();
        Self { key: new_key(&entropy).unwrap(), root, caller: Caller::new(config), entropy }
    }

    fn question(&self, code: &str) -> EnrolmentAsked {
        let mut nonce = [0; 32];
        self.entropy.fill(&mut nonce);
        let csr = request(&self.key, &format!("n{NODE}")).unwrap();
        let code: Code = code.parse().unwrap();
        EnrolmentAsked::new(&code, Asking { nonce, root: &self.root, csr, store: STORE, machine: Some([7; 16]) })
    }

    async fn ask(&self, hub: &TestHub, asked: &EnrolmentAsked) -> Result<EnrolmentAnswer, String> {
        code_of(self.caller.post(&hub.https(), ENROLMENTS_PATH, asked).await)
    }

    pub(crate) async fn enrol(&self, hub: &TestHub, code: &str) -> Result<EnrolmentAnswer, String> {
        let asked = self.question(code);
        let answer = self.ask(hub, &asked).await?;
        assert!(answer.is_proven(&asked, &code.parse::<Code>().unwrap().key()), "the hub knows the code");
        Ok(answer)
    }

    pub(crate) async fn renew(&self, hub: &TestHub, certificates: &[Octets]) -> Result<Value, String> {
        let csr = Octets(request(&self.key, &format!("n{NODE}")).unwrap());
        let asked = RenewalAsked { csr, certificates: certificates.to_vec() };
        code_of(self.caller.post(&hub.https(), RENEWALS_PATH, &asked).await)
    }
}

/// The answer, or the code of the refusal.
pub(crate) fn code_of<T: DeserializeOwned>(answer: Result<Answer, CallError>) -> Result<T, String> {
    match answer.and_then(|answer| answer.json()) {
        Ok(body) => Ok(body),
        Err(CallError::Problem { code, .. }) => Err(code),
        Err(error) => panic!("{error:?}"),
    }
}

pub(crate) fn refusal<T>(outcome: Result<T, String>) -> String {
    outcome.err().expect("a refusal")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_box_that_knows_its_code_is_let_in_and_another_one_is_not() {
    let hub = TestHub::start_with_menu(Some(MENU)).await;
    planned(&hub).await;
    let (content, code) = bundle(&hub, "first-bundle-0001", "new").await;
    assert_eq!((content.site.store, content.site.node, content.number), (STORE, NODE, 1));
    assert_eq!((content.code.as_str(), content.chain.https.len()), (code.as_str(), 1));
    assert_eq!(content.site.staff.first().and_then(|staff| staff.pin.as_deref()), Some("2468"));

    // Certificates tell time in seconds, clocks do not.
    hub.clock.move_on(Duration::from_millis(1_234));
    let first = TestBox::new(&hub, &content, 1);
    let answer = first.enrol(&hub, &code).await.unwrap();
    let leaf = Certificate::read(&answer.issued.certificates[0].0).unwrap();
    assert_eq!((leaf.common_name.as_str(), leaf.public_key), ("n421", first.key.public_key()));
    assert_eq!(leaf.not_after.get(), answer.issued.not_after_ms);
    assert_eq!(answer.issued.lan_certificates.len(), 2);

    // Whoever did not hear the answer is given the same one.
    let again = first.enrol(&hub, &code).await.unwrap();
    assert_eq!(again.issued, answer.issued);
    // Another box with the same stick is not let in.
    let second = TestBox::new(&hub, &content, 2);
    assert_eq!(refusal(second.enrol(&hub, &code).await), "code_used");
    let devices = hub.rows("/v1/identity/devices").await;
    let own: Vec<_> = devices.iter().filter(|row| row["node"] == NODE).map(|row| row["state"].clone()).collect();
    assert_eq!(own, ["allowed"], "{devices:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proof_that_does_not_fit_is_refused_and_counted() {
    let hub = TestHub::start_with_menu(Some(MENU)).await;
    planned(&hub).await;
    let (content, code) = bundle(&hub, "first-bundle-0001", "new").await;
    let own = TestBox::new(&hub, &content, 1);
    let unknown = Code::draw(&SeededEntropy::new(9)).to_string();
    assert_eq!(refusal(own.enrol(&hub, &unknown).await), "code_unknown");
    // Somebody between the two shows another root: the proof is over that one.
    let deceived = TestBox { root: b"another root".to_vec(), ..TestBox::new(&hub, &content, 1) };
    let question = deceived.question(&code);
    for _ in 0..20 {
        assert_eq!(refusal(deceived.ask(&hub, &question).await), "proof_wrong");
    }
    assert_eq!(refusal(own.enrol(&hub, &code).await), "too_many_tries");

    let (_, code) = bundle(&hub, "second-bundle-002", "new").await;
    let other_store = {
        let code: Code = code.parse().unwrap();
        let csr = request(&own.key, "n421").unwrap();
        EnrolmentAsked::new(&code, Asking { nonce: [1; 32], root: &own.root, csr, store: 41, machine: None })
    };
    assert_eq!(refusal(own.ask(&hub, &other_store).await), "code_other_store");
    let no_request = {
        let code: Code = code.parse().unwrap();
        EnrolmentAsked::new(
            &code,
            Asking { nonce: [1; 32], root: &own.root, csr: vec![1], store: STORE, machine: None },
        )
    };
    assert_eq!(refusal(own.ask(&hub, &no_request).await), "csr_invalid");
    hub.clock.move_on(7 * DAY);
    assert_eq!(refusal(own.enrol(&hub, &code).await), "code_expired");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_request_gets_the_same_code_and_another_one_ends_it() {
    let hub = TestHub::start_with_menu(Some(MENU)).await;
    planned(&hub).await;
    let (first, code) = bundle(&hub, "first-bundle-0001", "new").await;
    let (again, same) = bundle(&hub, "first-bundle-0001", "new").await;
    assert_eq!((again.number, &same, again.expires_at_ms), (1, &code, first.expires_at_ms));
    let (second, other) = bundle(&hub, "second-bundle-002", "new").await;
    assert_eq!(second.number, 2);
    let own = TestBox::new(&hub, &second, 1);
    assert_eq!(refusal(own.enrol(&hub, &code).await), "code_expired");
    own.enrol(&hub, &other).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_renewed_by_its_key_for_a_month_after_its_end() {
    let mut hub = TestHub::start_with_menu(Some(MENU)).await;
    planned(&hub).await;
    let (content, code) = bundle(&hub, "first-bundle-0001", "new").await;
    let own = TestBox::new(&hub, &content, 1);
    let first = own.enrol(&hub, &code).await.unwrap().issued;
    hub.clock.move_on(60 * DAY);
    let second = own.renew(&hub, &first.certificates).await.unwrap();
    let gained = second["not_after_ms"].as_i64().unwrap() - first.not_after_ms;
    assert_eq!(Duration::from_millis(u64::try_from(gained).unwrap()), 60 * DAY);
    // Another key has another box's hand in it; a certificate of nobody is nobody's.
    let other = TestBox::new(&hub, &content, 2);
    assert_eq!(refusal(other.renew(&hub, &first.certificates).await), "key_changed");
    assert_eq!(refusal(own.renew(&hub, &[Octets(vec![1, 2, 3])]).await), "certificate_unknown");
    // 31 days after the first one has ended. The hub's own has, too; it makes another at its start.
    hub.clock.move_on(61 * DAY);
    hub.stop().await;
    hub.open().await.unwrap();
    assert_eq!(refusal(own.renew(&hub, &first.certificates).await), "renewal_too_late");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_shut_out_stays_so_whatever_the_database_was_put_back_to() {
    let mut hub = TestHub::start_with_menu(Some(MENU)).await;
    planned(&hub).await;
    let (content, code) = bundle(&hub, "first-bundle-0001", "new").await;
    let own = TestBox::new(&hub, &content, 1);
    let issued = own.enrol(&hub, &code).await.unwrap().issued;
    let path = format!("/v1/identity/devices/{NODE}/revocation");
    for certificates in [1, 0] {
        let (status, body) = asked(&hub, Method::PUT, &path, &json!({ "reason": "stolen" })).await;
        assert_eq!((status, &body["certificates"]), (StatusCode::OK, &json!(certificates)), "{body}");
    }
    assert_eq!(refusal(own.renew(&hub, &issued.certificates).await), "certificate_revoked");
    assert_eq!(refusal(own.enrol(&hub, &code).await), "certificate_revoked");
    // Nor does a stick let it in that was made before.
    let (_, open) = bundle(&hub, "third-bundle-0003", "new").await;
    let (status, _) = asked(&hub, Method::PUT, &path, &json!({ "reason": "stolen" })).await;
    assert_eq!((status, refusal(own.enrol(&hub, &open).await)), (StatusCode::OK, "code_expired".to_owned()));
    // The database is one of yesterday, in which the box was let in.
    hub.stop().await;
    forget_revocation(&hub).await;
    hub.open().await.unwrap();
    assert_eq!(refusal(own.renew(&hub, &issued.certificates).await), "certificate_revoked");
    // A new box in its place is.
    let (content, code) = bundle(&hub, "second-bundle-002", "replace").await;
    TestBox::new(&hub, &content, 3).enrol(&hub, &code).await.unwrap();
}

async fn forget_revocation(hub: &TestHub) {
    use cloud_hub::kernel::db::Db;
    use percolate_runtime::storage::StorageError;
    let db = crate::support::ground::opened(hub.data_dir(), |data, engine| {
        Db::open(&cloud_hub::identity::SCHEMA, data, engine)
    });
    let db = db.unwrap();
    let changed: Result<usize, StorageError> =
        db.write("hand", |tx| tx.execute("UPDATE auth_device SET state = 1 WHERE state = 3", &[])).await;
    assert_eq!(changed.unwrap(), 1);
    db.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_box_in_the_place_of_another_shuts_that_one_out() {
    let hub = TestHub::start_with_menu(Some(MENU)).await;
    planned(&hub).await;
    let (content, code) = bundle(&hub, "first-bundle-0001", "new").await;
    let old = TestBox::new(&hub, &content, 1);
    let issued = old.enrol(&hub, &code).await.unwrap().issued;
    let (content, code) = bundle(&hub, "second-bundle-002", "replace").await;
    let new = TestBox::new(&hub, &content, 2);
    let placed = new.enrol(&hub, &code).await.unwrap().issued;
    assert_eq!(refusal(old.renew(&hub, &issued.certificates).await), "certificate_revoked");
    new.renew(&hub, &placed.certificates).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_brings_the_menu_as_the_hub_would_send_it() {
    let mut hub = TestHub::start_with_menu(None).await;
    planned(&hub).await;
    let path = format!("/v1/identity/stores/{STORE}/bundles");
    let request = hub.asker().request(Method::POST, &path).header("Idempotency-Key", "first-bundle-0001");
    let answer = request.json(&json!({ "purpose": "new" })).send().await.unwrap();
    let (status, body): (_, Value) = (answer.status(), answer.json().await.unwrap());
    assert_eq!((status, &body["code"]), (StatusCode::CONFLICT, &json!("menu_missing")));
    hub.restart_with_menu(MENU).await;
    let (content, _) = bundle(&hub, "first-bundle-0001", "new").await;
    let mut heads = std::collections::BTreeMap::new();
    for frame in &content.journals {
        let batch = Batch::decode(frame).unwrap();
        let head = heads.entry(batch.journal).or_insert_with(|| batch.journal.genesis());
        assert_eq!((batch.seq_lo, batch.hash_before), (head.seq + 1, head.hash.short()));
        for event in &batch.events {
            *head = head.after(event);
        }
        assert!(head.seq <= batch.last_seq);
    }
    let sent: u64 = heads.values().map(|head| head.seq).sum();
    let rows = hub.rows("/v1/sync/streams").await;
    let held: u64 =
        rows.iter().filter(|row| row["stream"] == "catalog").map(|row| row["contig"].as_u64().unwrap()).sum();
    assert_eq!(sent, held);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shop_that_cannot_be_is_not_planned() {
    let hub = TestHub::start_with_menu(Some(MENU)).await;
    planned(&hub).await;
    let path = |store: u32| format!("/v1/identity/stores/{store}");
    let (status, body) = asked(&hub, Method::PUT, &path(STORE), &site(NODE)).await;
    assert_eq!(status, StatusCode::OK, "the same again: {body}");
    let changes: [(&str, Value); 6] = [
        ("zone", json!("America/Nowhere")),
        ("currency", json!("dollars")),
        ("cutover_hour", json!(24)),
        ("name", json!("  ")),
        ("node", json!(0)),
        ("lan_names", json!(["not a name"])),
    ];
    for (field, value) in changes {
        let mut changed = site(431);
        changed[field] = value;
        let (status, body) = asked(&hub, Method::PUT, &path(43), &changed).await;
        assert_eq!(
            (status, &body["code"]),
            (StatusCode::UNPROCESSABLE_ENTITY, &json!("site_invalid")),
            "{field}: {body}"
        );
    }
    let (status, body) = asked(&hub, Method::PUT, &path(43), &site(NODE)).await;
    assert_eq!((status, &body["code"]), (StatusCode::CONFLICT, &json!("node_taken")), "{body}");
    bundle(&hub, "first-bundle-0001", "new").await;
    let (status, body) = asked(&hub, Method::PUT, &path(STORE), &site(422)).await;
    assert_eq!((status, &body["code"]), (StatusCode::CONFLICT, &json!("node_fixed")), "{body}");
    let listed = hub.asker().body("/v1/identity/stores").await;
    assert_eq!((listed["rows"].as_array().unwrap().len(), &listed["rows"][0]["bundles"]), (1, &json!(1)));
    assert!(!listed.to_string().contains("2468"), "what somebody types is never told again: {listed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_box_signs_when_it_is_ready_is_kept_and_nobody_else_can() {
    let hub = TestHub::start_with_menu(Some(MENU)).await;
    planned(&hub).await;
    let (content, code) = bundle(&hub, "first-bundle-0001", "new").await;
    let own = TestBox::new(&hub, &content, 1);
    own.enrol(&hub, &code).await.unwrap();
    let said = AcceptanceV1 {
        chain: content.chain.id,
        store: STORE,
        node: NODE,
        bundle: content.number,
        key: (*own.key.public_key().as_bytes()).into(),
        version: "0.1.0".to_owned(),
        machine: vec![7; 16].into(),
        steps: Vec::new(),
        checks: Vec::new(),
        first_ticket: None,
        made_at_ms: NOON_MS,
        rehearsal: true,
    };
    let path = format!("/v1/identity/devices/{NODE}/acceptances");
    let (body, signature) = said.sign(&own.key).unwrap();
    let question = |signature: &[u8; 64]| json!({ "body": Octets(body.clone()), "signature": Bytes(*signature) });
    for _ in 0..2 {
        let kept: Value = code_of(own.caller.post(&hub.https(), &path, &question(signature.as_bytes())).await).unwrap();
        assert_eq!((&kept["store"], &kept["made_at_ms"]), (&json!(STORE), &json!(NOON_MS)));
    }
    let (_, forged) = said.sign(&new_key(&SeededEntropy::new(8)).unwrap()).unwrap();
    let refused = code_of::<Value>(own.caller.post(&hub.https(), &path, &question(forged.as_bytes())).await);
    assert_eq!(refusal(refused), "acceptance_invalid");
}

#[tokio::test(flavor = "multi_thread")]
async fn boxes_and_head_office_have_doors_of_their_own() {
    let hub = TestHub::start_with_menu(Some(MENU)).await;
    planned(&hub).await;
    let (content, _) = bundle(&hub, "first-bundle-0001", "new").await;
    let own = TestBox::new(&hub, &content, 1);
    for (path, refused) in [
        ("/v1/identity/stores", "unauthorized"),
        ("/v1/identity/devices", "unauthorized"),
        ("/v1/reporting/sales?by=day", "unauthorized"),
        ("/metrics", "forbidden"),
        ("/v1/nothing", "not_found"),
    ] {
        let asked = own.caller.get(&hub.https(), path).await;
        assert!(matches!(asked, Err(CallError::Problem { ref code, .. }) if code == refused), "{path}: {asked:?}");
    }
    let chain: Value = own.caller.get(&hub.https(), "/v1/identity/chain").await.unwrap().json().unwrap();
    assert_eq!(chain["root"], json!(content.chain.root));
    let unasked = hub.get_openly("/v1/identity/devices").await;
    assert_eq!(unasked.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_database_a_hub_begins_anew_and_knows_nobody() {
    let mut hub = TestHub::start_with_menu(Some(MENU)).await;
    planned(&hub).await;
    let (content, code) = bundle(&hub, "first-bundle-0001", "new").await;
    let own = TestBox::new(&hub, &content, 1);
    let issued = own.enrol(&hub, &code).await.unwrap().issued;
    hub.stop().await;
    lose(hub.data_dir(), "identity");
    hub.open().await.unwrap();
    assert_eq!(refusal(own.renew(&hub, &issued.certificates).await), "certificate_unknown");
    assert_eq!(refusal(own.enrol(&hub, &code).await), "code_unknown");
}

/// The way in for a box with the certificate that it was given.
pub(crate) fn way(hub: &TestHub, content: &BundleV1, own: &TestBox, answer: &EnrolmentAnswer) -> Door {
    let certificates = answer.issued.certificates.iter().map(|der| der.0.clone().into()).collect();
    let identity = Arc::new(OwnIdentity::new(certificates, &own.key).unwrap());
    let clock = Arc::new(TlsClock::new(hub.clock.clone(), UtcMillis::new(0)));
    let config = client_config(&Roots::from_pem(&content.chain.root).unwrap(), Some(identity), clock).unwrap();
    Door { brokers: content.chain.mqtt[0].parse().unwrap(), credentials: None, tls: Some(config.into()) }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_box_comes_through_the_door_with_what_it_was_given_until_it_is_revoked() {
    let hub = TestHub::start_with_menu(Some(MENU)).await;
    // A large hub meets its boxes at somebody else's broker.
    let Some(door) = hub.endpoints().mqtts else { return };
    planned(&hub).await;
    let (content, code) = bundle(&hub, "first-bundle-0001", "new").await;
    assert_eq!(content.chain.mqtt, [door]);
    let own = TestBox { key: TestNode::key_of(NODE), ..TestBox::new(&hub, &content, 1) };
    let answer = own.enrol(&hub, &code).await.unwrap();
    let mut node = TestNode::in_session(NODE, way(&hub, &content, &own, &answer)).await;
    node.sales.write(3);
    node.send_sales(1, 3).await;
    node.sales_acked(3).await;

    let begin = monotonic_now();
    let path = format!("/v1/identity/devices/{NODE}/revocation");
    let (status, body) = asked(&hub, Method::PUT, &path, &json!({"reason": "stolen"})).await;
    let answered = monotonic_now();
    assert_eq!(status, StatusCode::OK, "{body}");
    node.hear("the end of the connection", |heard| (*heard == Heard::Down).then_some(())).await;
    let (answered, gone) = (answered - begin, monotonic_now() - begin);
    println!("revoked in {answered:?}, and its live connection was gone {gone:?} after that was asked for");
    node.hear("a refusal", |heard| (*heard == Heard::Down).then_some(())).await;
    // The hub's own link came in as the others do, and stays.
    assert!(hub.get_openly("/readyz").await.status().is_success());
}
