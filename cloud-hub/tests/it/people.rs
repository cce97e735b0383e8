//! People come to the office: invited, signed in, signed out, kept out.

use std::time::Duration;

use percolate_common::entropy::SeededEntropy;
use percolate_common::time::{Clock, UtcMillis};
use percolate_runtime::invitation::{OwnerInvitation, Secret};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;

use cloud_hub::kernel::auth::table::RULES;

use crate::support::DEADLINE;
use crate::support::events::NOON_MS;
use crate::support::hub::TestHub;
use crate::support::office::{Office, PASSWORD, Person, STEP, by_token, granted};

const MENU: &str = include_str!("../../../provisioning/demo/menu.json");
const OWN: &str = "/v1/identity/sessions/own";
const MINUTE: Duration = Duration::from_secs(60);

/// A hub, its office, and somebody who owns the chain.
async fn owned() -> (TestHub, Office, Person) {
    let hub = TestHub::start_with_menu(Some(MENU)).await;
    let office = Office::of(&hub).await;
    let ann = office.person(&hub, "ann").await;
    granted(&hub, &ann, &json!([{ "role": "owner", "scope": "chain" }])).await;
    (hub, office, ann)
}

async fn own(office: &Office, cookie: &str) -> (StatusCode, Value) {
    let reply = office.page(Method::GET, OWN, cookie).send().await;
    (reply.status, reply.body)
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_signs_in_is_given_a_cookie_that_no_page_and_no_plain_line_sees() {
    let (hub, office, ann) = owned().await;
    hub.clock.move_on(STEP);
    let reply = office.try_in(&ann, PASSWORD).await;
    assert_eq!(reply.status, StatusCode::CREATED, "{reply:?}");
    let set = reply.header("set-cookie").unwrap();
    let (cookie, attributes) = set.split_once("; ").unwrap();
    assert_eq!(attributes, "Secure; HttpOnly; SameSite=Strict; Path=/");
    let value = cookie.strip_prefix("__Host-percolate=").unwrap();
    assert_eq!((value.len(), value.chars().all(|c| c.is_ascii_hexdigit())), (64, true), "256 bits");
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    let (status, session) = own(&office, cookie).await;
    assert_eq!((status, &session["name"], &session["whole_chain"]), (StatusCode::OK, &json!("ann"), &json!(true)));
    // The same cookie is nothing on the hub's own machine, and the token nothing over HTTPS.
    let plain = hub.asker().openly(Method::GET, OWN).header("Cookie", cookie).send().await.unwrap();
    assert_eq!(plain.status(), StatusCode::UNAUTHORIZED);
    // Two of them are none.
    let two = format!("{cookie}; __Host-percolate={}", "0".repeat(64));
    assert_eq!(own(&office, &two).await.0, StatusCode::UNAUTHORIZED);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_was_there_before_is_not_signed_in_and_does_not_outlive_it() {
    let (hub, office, ann) = owned().await;
    // Somebody has put a cookie of their own choosing into the browser.
    let planted = format!("__Host-percolate={}", "ab".repeat(32));
    hub.clock.move_on(STEP);
    let code = ann.totp.code_at(hub.clock.now());
    let body = json!({ "name": "ann", "password": PASSWORD, "code": code });
    let reply = office.page(Method::POST, "/v1/identity/sessions", &planted).json(&body).send().await;
    let first = reply.cookie();
    assert_ne!(first, planted);
    assert_eq!(own(&office, &planted).await.0, StatusCode::UNAUTHORIZED);
    // Signed in again, the session before has ended.
    hub.clock.move_on(STEP);
    let code = ann.totp.code_at(hub.clock.now());
    let body = json!({ "name": "ann", "password": PASSWORD, "code": code });
    let second = office.page(Method::POST, "/v1/identity/sessions", &first).json(&body).send().await.cookie();
    assert_ne!(first, second);
    assert_eq!(
        (own(&office, &first).await.0, own(&office, &second).await.0),
        (StatusCode::UNAUTHORIZED, StatusCode::OK)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_signs_out_is_signed_out_at_the_hub_and_what_they_followed_ends() {
    let (_hub, office, ann) = owned().await;
    let (cookie, other) = (office.sign_in(&ann).await, office.sign_in(&ann).await);
    let (begun, mut live) = office.page(Method::GET, "/v1/reporting/live", &cookie).begin().await;
    assert_eq!(begun.status, StatusCode::OK);
    let ended = office.page(Method::DELETE, OWN, &cookie).send().await;
    assert_eq!(
        (ended.status, ended.header("set-cookie").unwrap().contains("Max-Age=0")),
        (StatusCode::NO_CONTENT, true)
    );
    assert_eq!(own(&office, &cookie).await.0, StatusCode::UNAUTHORIZED, "whoever kept the cookie");
    let mut rest = Vec::new();
    let read = tokio::time::timeout(DEADLINE, live.read_to_end(&mut rest)).await;
    read.expect("the feed ends with the session").unwrap_or_default();
    assert_eq!(own(&office, &other).await.0, StatusCode::OK, "another session of the same person goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_when_nothing_is_heard_and_after_half_a_day() {
    let (hub, office, ann) = owned().await;
    let cookie = office.sign_in(&ann).await;
    hub.clock.move_on(14 * MINUTE);
    assert_eq!(own(&office, &cookie).await.0, StatusCode::OK);
    hub.clock.move_on(14 * MINUTE);
    assert_eq!(own(&office, &cookie).await.0, StatusCode::OK, "it was in use");
    hub.clock.move_on(15 * MINUTE);
    assert_eq!(own(&office, &cookie).await.0, StatusCode::UNAUTHORIZED, "a quarter of an hour of nothing");
    let cookie = office.sign_in(&ann).await;
    for _ in 0..12 * 60 / 10 - 1 {
        hub.clock.move_on(10 * MINUTE);
        assert_eq!(own(&office, &cookie).await.0, StatusCode::OK);
    }
    hub.clock.move_on(10 * MINUTE);
    assert_eq!(own(&office, &cookie).await.0, StatusCode::UNAUTHORIZED, "half a day");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_page_makes_a_browser_ask_is_refused_on_every_route_that_changes_something() {
    let (_hub, office, ann) = owned().await;
    let cookie = office.sign_in(&ann).await;
    let (address, mut asked) = (office.address().to_owned(), 0);
    let foreign: [&[(&str, &str)]; 7] = [
        &[("Sec-Fetch-Site", "cross-site")],
        &[("Sec-Fetch-Site", "same-site")],
        &[("Sec-Fetch-Site", "cross-site"), ("Origin", "https://shop.example")],
        &[("Origin", "https://shop.example")],
        &[("Origin", "null")],
        &[("Sec-Fetch-Site", "none")],
        &[],
    ];
    for rule in RULES.iter().filter(|rule| rule.method.as_str() != "GET") {
        let path = rule.path.replace("{store}", "42").replace("{node}", "421").replace("{name}", "nobody");
        let needs_session = format!("{:?}", rule.who).starts_with("Person") || rule.path == OWN;
        for headers in foreign {
            let is_said = headers.iter().any(|(name, site)| *name == "Sec-Fetch-Site" && *site != "none");
            // What is open to all, and comes from no browser, has no page behind it.
            if !needs_session && !is_said {
                continue;
            }
            let mut question = office.ask(rule.method.as_str().parse().unwrap(), &path).header("Cookie", &cookie);
            for (name, value) in headers {
                question = question.header(name, value);
            }
            let reply = question.json(&json!({})).send().await;
            let told = (reply.status, reply.code());
            assert_eq!(told, (StatusCode::FORBIDDEN, "origin_wrong"), "{} {path} {headers:?}", rule.method.as_str());
            asked += 1;
        }
    }
    assert!(asked > 70, "only {asked} were asked");
    // An old browser names the page's origin alone; the hub's own is that of its address.
    let own_origin = office.ask(Method::DELETE, "/v1/identity/users/nobody").header("Cookie", &cookie);
    let reply = own_origin.header("Origin", &format!("https://{address}")).send().await;
    assert_eq!((reply.status, reply.code()), (StatusCode::NOT_FOUND, "user_unknown"));
    assert_eq!(own(&office, &cookie).await.0, StatusCode::OK, "nothing was done");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_guesses_is_locked_out_for_longer_and_longer_and_a_restart_forgets_nothing() {
    let (mut hub, office, ann) = owned().await;
    hub.clock.move_on(STEP);
    for wrong in 1..=5 {
        let reply = office.try_in(&ann, "wrong horse battery").await;
        assert_eq!((reply.status, reply.code()), (StatusCode::UNAUTHORIZED, "sign_in_wrong"), "try {wrong}");
    }
    // Nobody of that name, and somebody who is locked, are told the same.
    let nobody = Person { name: "nobody".to_owned(), totp: ann.totp.clone() };
    let (unknown, right) = (office.try_in(&nobody, PASSWORD).await, office.try_in(&ann, PASSWORD).await);
    assert_eq!(right.status, StatusCode::UNAUTHORIZED, "not even what is right");
    let said = |body: &Value| (body["code"].clone(), body["detail"].clone(), body["title"].clone());
    assert_eq!(said(&unknown.body), said(&right.body));
    hub.stop().await;
    hub.open().await.unwrap();
    let office = Office::of(&hub).await;
    assert_eq!(office.try_in(&ann, PASSWORD).await.status, StatusCode::UNAUTHORIZED, "after a restart");
    hub.clock.move_on(MINUTE);
    // The sixth wrong one locks for two minutes.
    assert_eq!(office.try_in(&ann, "wrong horse battery").await.status, StatusCode::UNAUTHORIZED);
    hub.clock.move_on(MINUTE);
    assert_eq!(office.try_in(&ann, PASSWORD).await.status, StatusCode::UNAUTHORIZED);
    hub.clock.move_on(MINUTE);
    assert_eq!(office.try_in(&ann, PASSWORD).await.status, StatusCode::CREATED);
    let doings = hub.rows("/v1/identity/doings").await;
    assert_eq!(doings.iter().filter(|row| row["what"] == "locked").count(), 2, "{doings:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_tries_too_often_is_told_to_wait() {
    let (hub, office, ann) = owned().await;
    hub.clock.move_on(MINUTE);
    let nobody = Person { name: "nobody".to_owned(), totp: ann.totp.clone() };
    for _ in 0..20 {
        assert_eq!(office.try_in(&nobody, "").await.status, StatusCode::UNAUTHORIZED);
    }
    let reply = office.try_in(&ann, PASSWORD).await;
    assert_eq!((reply.status, reply.code()), (StatusCode::TOO_MANY_REQUESTS, "too_many_tries"));
    assert_eq!(reply.header("retry-after"), Some("60"));
    assert_eq!(office.redeem(&"0".repeat(64)).await.code(), "too_many_tries", "it is one limit for both");
    hub.clock.move_on(MINUTE);
    assert_eq!(office.try_in(&ann, PASSWORD).await.status, StatusCode::CREATED);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_that_was_used_signs_nobody_in_again() {
    let (hub, office, ann) = owned().await;
    office.sign_in(&ann).await;
    assert_eq!(office.try_in(&ann, PASSWORD).await.code(), "sign_in_wrong", "the same code again");
    hub.clock.move_on(STEP);
    assert_eq!(office.try_in(&ann, PASSWORD).await.status, StatusCode::CREATED, "the next one");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invitation_is_good_once_and_the_next_one_ends_it() {
    let hub = TestHub::start_with_menu(None).await;
    let office = Office::of(&hub).await;
    let mut invite = Vec::new();
    for _ in 0..2 {
        let (_, invited) = by_token(&hub, Method::POST, "/v1/identity/users", &json!({ "name": "Bea" })).await;
        assert_eq!(invited["name"], "bea");
        invite.push(invited["invitation"].as_str().unwrap().to_owned());
    }
    let [first, second] = &invite[..] else { panic!() };
    assert_eq!(office.redeem(first).await.code(), "invitation_unknown");
    let body = json!({ "invitation": second, "password": "too short" });
    let path = "/v1/identity/invitations/redemptions";
    assert_eq!(office.ask(Method::POST, path).json(&body).send().await.code(), "password_unfit");
    let told = office.redeem(second).await;
    assert!(told.body["otpauth"].as_str().unwrap().starts_with("otpauth://totp/Bytes%20%26%20Brews:bea?secret="));
    assert_eq!(office.redeem(second).await.code(), "invitation_unknown", "it was used");
    let (_, late) = by_token(&hub, Method::POST, "/v1/identity/users", &json!({ "name": "cleo" })).await;
    hub.clock.move_on(7 * 24 * 60 * MINUTE);
    assert_eq!(office.redeem(late["invitation"].as_str().unwrap()).await.code(), "invitation_unknown", "a week");
    for (body, code) in [(json!({ "name": "../x" }), "name_invalid"), (json!({}), "invalid_body")] {
        assert_eq!(by_token(&hub, Method::POST, "/v1/identity/users", &body).await.1["code"], code);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_owner_is_asked_in_by_a_file_and_once() {
    let mut hub = TestHub::start_with_menu(None).await;
    hub.stop().await;
    let secret = Secret::draw(&SeededEntropy::new(8));
    let invited = OwnerInvitation { name: "ann".parse().unwrap(), secret, made_at: UtcMillis::new(NOON_MS) };
    invited.write(hub.data_dir()).unwrap();
    hub.open().await.unwrap();
    let office = Office::of(&hub).await;
    assert_eq!(office.redeem(&secret.to_text()).await.status, StatusCode::CREATED);
    let users = hub.rows("/v1/identity/users").await;
    assert_eq!(users, [json!({ "name": "ann", "state": "active", "grants": [{ "role": "owner", "scope": "chain" }] })]);
    // The file lies there still, and says nothing any more.
    hub.stop().await;
    hub.open().await.unwrap();
    let office = Office::of(&hub).await;
    assert_eq!(office.redeem(&secret.to_text()).await.code(), "invitation_unknown");
    assert_eq!(hub.rows("/v1/identity/users").await, users);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_may_holds_from_their_next_request_and_is_written_down() {
    let (hub, office, ann) = owned().await;
    let cookie = office.sign_in(&ann).await;
    let bea = office.person(&hub, "bea").await;
    let others = office.sign_in(&bea).await;
    let stock = |store: &str| format!("/v1/reporting/stock{store}");
    let code = async |path: String| office.page(Method::GET, &path, &others).send().await.code().to_owned();
    assert_eq!(code(stock("?store=42")).await, "forbidden", "nothing yet");
    let put = |path: &'static str, body: Value| office.page(Method::PUT, path, &cookie).json(&body).send();
    let grants = json!({ "grants": [{ "role": "manager", "scope": "district", "place": 7 }] });
    assert_eq!(put("/v1/identity/users/bea/grants", grants).await.status, StatusCode::OK);
    assert_eq!(code(stock("?store=42")).await, "forbidden", "nobody knows where the shop is");
    let place = json!({ "district": 7, "region": 3 });
    assert_eq!(put("/v1/identity/stores/42/place", place).await.status, StatusCode::OK);
    assert_eq!(code(stock("?store=42")).await, "store_unknown", "it is asked: it never has sold");
    assert_eq!(own(&office, &others).await.1["stores"], json!([42]));
    // However the question is put, it is about the shops that one may see.
    for (query, refused) in [
        ("", "store_not_named"),
        ("?store=43", "forbidden"),
        ("?store=", "forbidden"),
        ("?store=42&store=43", "forbidden"),
        ("?store=43&store=42", "forbidden"),
        ("?st%6Fre=43&store=42", "forbidden"),
        ("?store=42&st%6Fre=43", "forbidden"),
        ("?STORE=42", "store_not_named"),
        ("?store=42.0", "forbidden"),
        ("?store[]=42", "store_not_named"),
    ] {
        assert_eq!(code(stock(query)).await, refused, "{query}");
    }
    let wrong = json!({ "grants": [{ "role": "manager", "scope": "store" }] });
    assert_eq!(put("/v1/identity/users/bea/grants", wrong).await.code(), "grant_invalid");
    let gone = office.page(Method::DELETE, "/v1/identity/users/bea", &cookie).send().await;
    assert_eq!(gone.status, StatusCode::OK);
    assert_eq!(own(&office, &others).await.0, StatusCode::UNAUTHORIZED, "signed out everywhere");
    hub.clock.move_on(STEP);
    assert_eq!(office.try_in(&bea, PASSWORD).await.code(), "sign_in_wrong", "nor in again");

    let page = office.page(Method::GET, "/v1/identity/doings?limit=3", &cookie).send().await.body;
    let line = |row: &Value| format!("{} {} {}", row["actor"], row["what"], row["about"]).replace('"', "");
    let told: Vec<_> = page["rows"].as_array().unwrap().iter().map(line).collect();
    assert_eq!(
        told,
        [
            "ann user_disabled bea",
            "ann place_set 42: district 7, region 3",
            "ann grants_set bea: manager of district 7",
        ]
    );
    let rest = format!("/v1/identity/doings?before={}", page["next"]);
    let rest: Vec<_> = hub.rows(&rest).await.iter().map(line).collect();
    assert_eq!(
        rest,
        [
            "bea signed_in ",
            "bea invitation_redeemed ",
            "local user_invited bea",
            "ann signed_in ",
            "local grants_set ann: owner of the chain",
            "ann invitation_redeemed ",
            "local user_invited ann",
        ]
    );
}
