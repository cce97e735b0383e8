//! What head office may plan, how it is told what that changes, and how a bundle comes over the line.

use std::time::Duration;

use percolate_common::entropy::SeededEntropy;
use percolate_common::identity::code::Code;
use percolate_runtime::bundle_fetch::{BUNDLE_FETCHES_PATH, BUNDLE_PROOF_HEADER, BundleFetch};
use percolate_runtime::enrolment::Bytes;
use percolate_runtime::http::caller::CallError;
use percolate_runtime::seal::{Known, open};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::identity::{DAY, MENU, NODE, TestBox, asked, bundle, planned, refusal, site};
use crate::support::hub::TestHub;

const PATH: &str = "/v1/identity/stores/42";

/// Somebody who was told a shop's plan, with one field otherwise.
fn with(pointer: &str, value: Value) -> Value {
    let mut site = site(NODE);
    for (list, entry) in [
        ("hours", json!({"weekday": 1, "opens_minute": 360, "closes_minute": 1_320})),
        ("terminals", json!({"name": "T1", "kind": "counter"})),
        ("printers", json!({"name": "P1", "kind": "receipt", "address": "192.168.7.30:9100"})),
        ("stock", json!({"item": 1, "quantity": 5})),
    ] {
        site[list] = json!([entry]);
    }
    let (parent, field) = pointer.rsplit_once('/').unwrap();
    match site.pointer_mut(parent).unwrap() {
        Value::Object(fields) => drop(fields.insert(field.to_owned(), value)),
        list => list[field.parse::<usize>().unwrap()] = value,
    }
    site
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::too_many_lines, reason = "one row for each mistake")]
async fn what_no_box_can_carry_out_is_refused_with_its_place() {
    let hub = TestHub::start_with_menu(Some(MENU)).await;
    let (status, body) = asked(&hub, Method::PUT, PATH, &with("/node", json!(NODE))).await;
    assert_eq!(status, StatusCode::CREATED, "{body}");
    let twice = |entry: Value| json!([entry.clone(), entry]);
    let changes = [
        ("/name", json!(" "), "/name", "missing"),
        ("/name", json!("a\u{1b}[31mb"), "/name", "control_characters"),
        ("/name", json!("é".repeat(41)), "/name", "too_many"),
        ("/name", json!("x".repeat(201)), "", "too_many"),
        ("/node", json!(0), "/node", "out_of_range"),
        ("/node", json!(0x8000_0001_u32), "/node", "out_of_range"),
        ("/zone", json!("America/Nowhere"), "/zone", "unknown"),
        ("/currency", json!("usd"), "/currency", "malformed"),
        ("/currency", json!("EUR"), "/currency", "not_the_menus"),
        ("/cutover_hour", json!(13), "/cutover_hour", "out_of_range"),
        ("/lan_names/1", json!("not a name"), "/lan_names/1", "malformed"),
        ("/lan_names/1", json!("HUB.percolate.internal"), "/lan_names/1", "taken"),
        ("/lan_names/1", json!("n7.percolate.internal"), "/lan_names/1", "taken"),
        ("/lan_names/1", json!("192.168.7.20"), "/lan_names/1", "twice"),
        ("/hours/0/weekday", json!(9), "/hours/0/weekday", "out_of_range"),
        ("/hours/0/opens_minute", json!(1_440), "/hours/0/opens_minute", "out_of_range"),
        ("/hours/0/closes_minute", json!(360), "/hours/0/closes_minute", "out_of_range"),
        ("/hours/0/closes_minute", json!(1_801), "/hours/0/closes_minute", "out_of_range"),
        (
            "/hours",
            twice(json!({"weekday": 1, "opens_minute": 0, "closes_minute": 9})),
            "/hours/1/opens_minute",
            "twice",
        ),
        ("/terminals/0/name", json!("t1"), "/terminals/0/name", "malformed"),
        ("/terminals/0/kind", json!(""), "/terminals/0/kind", "missing"),
        ("/terminals/0/kind", json!("conter"), "/terminals/0/kind", "unknown"),
        ("/terminals/0/printer", json!("P2"), "/terminals/0/printer", "unknown"),
        ("/terminals", twice(json!({"name": "T1", "kind": "counter"})), "/terminals/1/name", "twice"),
        ("/printers/0/address", json!("192.168.7.30"), "/printers/0/address", "malformed"),
        ("/printers/0/address", json!("a b:9100"), "/printers/0/address", "malformed"),
        ("/printers/0/kind", json!("a\nb"), "/printers/0/kind", "control_characters"),
        ("/printers/0/kind", json!("reciept"), "/printers/0/kind", "unknown"),
        ("/printers/0/columns", json!(40), "/printers/0/columns", "out_of_range"),
        ("/receipts", json!("maybe"), "/receipts", "malformed"),
        ("/address", json!("1 Pier\u{7}"), "/address", "control_characters"),
        ("/printers", twice(json!({"name": "P", "kind": "receipt", "address": "p:1"})), "/printers/1/name", "twice"),
        ("/staff/0/id", json!(0), "/staff/0/id", "out_of_range"),
        ("/staff/0/name", json!("2468"), "/staff/0/name", "malformed"),
        ("/staff/0/role", json!("barrista"), "/staff/0/role", "unknown"),
        ("/staff/0/role", json!("2468"), "/staff/0/role", "unknown"),
        ("/staff/0/pin", json!("24 68"), "/staff/0/pin", "malformed"),
        ("/staff/0/pin", json!("246"), "/staff/0/pin", "malformed"),
        ("/staff/0/badge", json!("2468"), "/staff/0/badge", "malformed"),
        ("/staff/0/badge", json!("2468 2468"), "/staff/0/badge", "malformed"),
        (
            "/staff",
            json!([{"id": 7, "name": "Ann", "role": "lead", "badge": "2468-2468"},
                {"id": 8, "name": "Ben", "role": "barista", "badge": "2468-2468"}]),
            "/staff/1/badge",
            "twice",
        ),
        ("/sign_in", json!("perhaps"), "/sign_in", "malformed"),
        ("/badge_use", json!("never"), "/badge_use", "malformed"),
        ("/card_forward", json!("5000 20 50000"), "/card_forward", "malformed"),
        ("/staff", twice(json!({"id": 7, "name": "Ann", "role": "lead"})), "/staff/1/id", "twice"),
        ("/stock/0/item", json!(999), "/stock/0/item", "unknown"),
        ("/stock/0/quantity", json!(-1), "/stock/0/quantity", "out_of_range"),
        ("/stock", twice(json!({"item": 1, "quantity": 1})), "/stock/1/item", "twice"),
    ];
    for (pointer, value, place, code) in changes {
        let plan = with(pointer, value.clone());
        for path in [format!("{PATH}?check=true"), PATH.to_owned()] {
            let (status, body) = asked(&hub, Method::PUT, &path, &plan).await;
            let said = (status, &body["code"], body["errors"].as_array().map(Vec::len));
            assert_eq!(said, (StatusCode::UNPROCESSABLE_ENTITY, &json!("site_invalid"), Some(1)), "{value}: {body}");
            let error = (&body["errors"][0]["pointer"], &body["errors"][0]["code"]);
            assert_eq!(error, (&json!(place), &json!(code)), "{value}: {body}");
            assert!(!body.to_string().contains("2468") && !body.to_string().contains("\\u001b"), "{body}");
        }
    }
    // Nothing of it was planned; and all that is wrong is told at once.
    assert_eq!(hub.asker().body(PATH).await["site"]["name"], "Harbour");
    let mut bad = with("/zone", json!("Mars/Olympus"));
    bad["stock"][0] = json!({"item": 998, "quantity": -3});
    let (_, body) = asked(&hub, Method::PUT, PATH, &bad).await;
    assert_eq!(body["errors"].as_array().map(Vec::len), Some(3), "{body}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_word_that_is_none_is_refused_with_the_words_there_are_and_a_role_is_not_repeated() {
    let hub = TestHub::start_with_menu(Some(MENU)).await;
    let mut plan = with("/staff/0/role", json!("manger-2468"));
    plan["terminals"][0]["kind"] = json!("conter");
    plan["printers"][0]["kind"] = json!("reciept");
    let (status, body) = asked(&hub, Method::PUT, PATH, &plan).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{body}");
    let told = |at: usize| (body["errors"][at]["pointer"].as_str(), body["errors"][at]["detail"].as_str());
    let roles = "not a role that is known: barista, lead, shift lead, supervisor, manager, shop manager, store manager";
    let expected = [
        (Some("/terminals/0/kind"), Some("\"conter\" is none that there is: counter, till, kitchen")),
        (Some("/printers/0/kind"), Some("\"reciept\" is none that there is: receipt, kitchen")),
        (Some("/staff/0/role"), Some(roles)),
    ];
    assert_eq!([told(0), told(1), told(2)], expected, "{body}");
    let mut other = with("/staff/0/role", json!("Shift-Lead"));
    other["terminals"][0]["kind"] = json!("Kitchen");
    other["printers"][0]["kind"] = json!("kitchen");
    let (status, body) = asked(&hub, Method::PUT, &format!("{PATH}?check=true"), &other).await;
    assert_eq!(status, StatusCode::OK, "{body}");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_people_must_sign_in_somebody_can_and_no_badge_is_repeated() {
    let hub = TestHub::start_with_menu(Some(MENU)).await;
    let mut nobody = with("/staff", json!([{"id": 7, "name": "Ann", "role": "lead", "badge": "2468-2468"}]));
    nobody["sign_in"] = json!("required");
    let (_, body) = asked(&hub, Method::PUT, PATH, &nobody).await;
    assert_eq!(body["errors"][0]["pointer"], "/sign_in", "{body}");
    nobody["badge_use"] = json!("alone");
    let (status, body) = asked(&hub, Method::PUT, &format!("{PATH}?check=true"), &nobody).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    assert!(body.to_string().contains("Ann, lead, with a badge") && !body.to_string().contains("2468"), "{body}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pin_of_another_kind_and_a_misspelt_field_are_refused_and_not_repeated() {
    let hub = TestHub::start_with_menu(Some(MENU)).await;
    for pin in [json!(2468), json!(24.68), json!(["2468"]), json!({"2468": 1}), json!(true)] {
        let (status, body) = asked(&hub, Method::PUT, PATH, &with("/staff/0/pin", pin)).await;
        assert_eq!((status, &body["errors"][0]["pointer"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("/staff/0/pin")));
        assert!(!body.to_string().contains("2468"), "{body}");
    }
    let (status, body) = asked(&hub, Method::PUT, PATH, &with("/staff/0/badge", json!(24_682_468))).await;
    assert_eq!((status, &body["errors"][0]["pointer"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("/staff/0/badge")));
    assert!(!body.to_string().contains("2468"), "{body}");
    let (status, body) = asked(
        &hub,
        Method::PUT,
        PATH,
        &with("/staff/0", json!({"id": 7, "name": "Ann", "role": "lead", "pni": "2468"})),
    )
    .await;
    assert_eq!((status, &body["code"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("invalid_body")), "{body}");
    assert!(body.to_string().contains("pni") && !body.to_string().contains("2468"), "{body}");
    for (list, entry) in [("hours", "opens"), ("terminals", "traning"), ("printers", "adress"), ("stock", "qty")] {
        let mut plan = with("/name", json!("Harbour"));
        plan[list][0][entry] = json!(1);
        let (status, _) = asked(&hub, Method::PUT, PATH, &plan).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{list}: {entry}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_is_told_field_by_field_before_it_is_taken() {
    let hub = TestHub::start_with_menu(Some(MENU)).await;
    let (check, plan) = (format!("{PATH}?check=true"), with("/node", json!(NODE)));
    let (status, body) = asked(&hub, Method::PUT, &check, &plan).await;
    assert_eq!((status, &body["outcome"]), (StatusCode::OK, &json!("new")), "{body}");
    assert_eq!(hub.get(PATH).await.0, StatusCode::NOT_FOUND, "it was only looked at");
    let all: Vec<_> = body["differences"].as_array().unwrap().iter().map(|it| it["field"].as_str().unwrap()).collect();
    let expected = [
        "name",
        "box",
        "zone",
        "currency",
        "cutover hour",
        "open on Monday",
        "names of the box",
        "till T1",
        "printer P1",
        "person 7",
        "stock 1",
    ];
    assert_eq!(all, expected);
    assert_eq!(body["differences"][5], json!({"field": "open on Monday", "before": null, "after": "06:00-22:00"}));
    assert_eq!(asked(&hub, Method::PUT, PATH, &plan).await.0, StatusCode::CREATED);
    let (status, body) = asked(&hub, Method::PUT, &check, &plan).await;
    assert_eq!((status, body), (StatusCode::OK, json!({"outcome": "unchanged", "differences": []})));

    let mut other = plan.clone();
    other["name"] = json!("Pier");
    other["stock"] = json!([]);
    other["staff"][0]["pin"] = json!("1357");
    let expected = json!({"outcome": "changed", "differences": [
        {"field": "name", "before": "Harbour", "after": "Pier"},
        {"field": "person 7", "before": "Ann, lead, with a PIN", "after": "Ann, lead, with a PIN, another PIN"},
        {"field": "stock 1", "before": "5", "after": null},
    ]});
    for path in [&check, PATH] {
        assert_eq!(asked(&hub, Method::PUT, path, &other).await, (StatusCode::OK, expected.clone()));
    }
    assert_eq!(hub.asker().body(PATH).await["site"]["name"], "Pier");
}

/// Asks for a bundle by its code.
pub(crate) async fn fetched(hub: &TestHub, own: &TestBox, asked: &BundleFetch, code: &str) -> Result<Vec<u8>, String> {
    match own.caller.post(&hub.https(), BUNDLE_FETCHES_PATH, asked).await {
        Ok(answer) => {
            let proof = answer.headers[BUNDLE_PROOF_HEADER].to_str().unwrap().to_owned();
            let key = code.parse::<Code>().unwrap().key();
            assert!(asked.is_given(&answer.body, &key, &Bytes::try_from(proof).unwrap()), "the hub knows the code");
            Ok(answer.body.to_vec())
        }
        Err(CallError::Problem { code, .. }) => Err(code),
        Err(error) => panic!("{error:?}"),
    }
}

pub(crate) fn question(own: &TestBox, code: &str) -> BundleFetch {
    BundleFetch::new(&code.parse().unwrap(), [3; 32], &own.root)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_is_handed_out_to_who_knows_its_code_as_it_is_on_the_stick() {
    let hub = TestHub::start_with_menu(Some(MENU)).await;
    planned(&hub).await;
    let (content, code) = bundle(&hub, "first-bundle-0001", "new").await;
    let own = TestBox::new(&hub, &content, 1);
    let first = fetched(&hub, &own, &question(&own, &code), &code).await.unwrap();
    let sealed = open(&first, Known::Nothing).unwrap();
    assert_eq!(sealed.content(), content.encode().unwrap(), "what is on the stick");
    // What is planned meanwhile comes with the next bundle. A hand that knows the code may ask again.
    let (status, _) = asked(&hub, Method::PUT, PATH, &with("/name", json!("Pier"))).await;
    assert_eq!(status, StatusCode::OK);
    hub.clock.move_on(Duration::from_secs(60));
    assert_eq!(fetched(&hub, &own, &question(&own, &code), &code).await.unwrap(), first);
    let (again, _) = bundle(&hub, "first-bundle-0001", "new").await;
    assert_eq!(again, content);
    // Once it has enrolled a box, it is worth nothing any more.
    own.enrol(&hub, &code).await.unwrap();
    assert_eq!(refusal(fetched(&hub, &own, &question(&own, &code), &code).await), "code_used");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_is_handed_out_to_nobody_else() {
    let hub = TestHub::start_with_menu(Some(MENU)).await;
    planned(&hub).await;
    let (content, code) = bundle(&hub, "first-bundle-0001", "new").await;
    let own = TestBox::new(&hub, &content, 1);
    let unknown = Code::draw(&SeededEntropy::new(9)).to_string();
    assert_eq!(refusal(fetched(&hub, &own, &question(&own, &unknown), &unknown).await), "code_unknown");
    // A box that was shown another root has proven something else, and so has one without the code.
    let deceived = BundleFetch::new(&code.parse().unwrap(), [3; 32], b"another root");
    let guessed = BundleFetch { proof: Bytes([7; 32]), ..question(&own, &code) };
    for asked in [&deceived, &guessed].into_iter().cycle().take(20) {
        assert_eq!(refusal(fetched(&hub, &own, asked, &code).await), "proof_wrong");
    }
    assert_eq!(refusal(fetched(&hub, &own, &question(&own, &code), &code).await), "too_many_tries");
    let (_, code) = bundle(&hub, "second-bundle-002", "new").await;
    hub.clock.move_on(7 * DAY);
    assert_eq!(refusal(fetched(&hub, &own, &question(&own, &code), &code).await), "code_expired");
}
