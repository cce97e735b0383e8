//! Every route of the hub, asked by everybody, over the wire: the table of routes on one side, what is answered on the other.

use std::collections::BTreeSet;
use std::time::Duration;

use cloud_hub::kernel::auth::roles::{Grant, Permission, Place, Role, Scope, Target, may};
use cloud_hub::kernel::auth::table::{RULES, Rule, TargetFrom, Who};
use percolate_common::ids::StoreId;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::hub::TestHub;
use crate::support::office::{Office, Person, by_token, granted};

const MENU: &str = include_str!("../../../provisioning/demo/menu.json");

/// What is not a part of the API, and so not described.
const UNDESCRIBED: [&str; 5] = ["/", "/openapi.json", "/livez", "/readyz", "/metrics"];

/// The shop that is asked about, and where it is.
const STORE: StoreId = StoreId::new(42);
const PLACE: Place = Place { district: 7, region: 3 };

/// What the guard says where it lets nobody through.
const REFUSALS: [&str; 5] = ["unauthorized", "forbidden", "store_not_named", "origin_wrong", "route_unlisted"];

/// Whether a question is about one shop or names none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum About {
    Shop,
    NoShop,
}

fn described(description: &Value) -> BTreeSet<(String, String)> {
    let paths = description["paths"].as_object().unwrap().iter();
    paths
        .flat_map(|(path, all)| {
            all.as_object().unwrap().keys().map(|method| (method.to_uppercase(), path.clone())).collect::<Vec<_>>()
        })
        .collect()
}

fn method(rule: &Rule) -> Method {
    rule.method.as_str().parse().unwrap()
}

/// A question that the route can read as far as the guard looks.
fn path(rule: &Rule, about: About) -> String {
    let path = rule
        .path
        .replace("{store}", "42")
        .replace("{node}", "421")
        .replace("{name}", "nobody")
        .replace("{ticket}", "none");
    match (rule.who, about) {
        (Who::Person(_, TargetFrom::QueryStore), About::Shop) => format!("{path}?store=42"),
        _ => path,
    }
}

/// What the table says to somebody with a grant.
fn expected(rule: &Rule, grants: &[Grant], about: About) -> &'static str {
    let Who::Person(permission, from) = rule.who else {
        return if rule.who == Who::OwnMachine { "forbidden" } else { "" };
    };
    let shop = Target::Store(STORE, Some(PLACE));
    let target = match (from, about) {
        (TargetFrom::Chain, _) | (TargetFrom::QueryStore, About::NoShop) => Target::Chain,
        (TargetFrom::Anywhere, _) => Target::Anywhere,
        (TargetFrom::PathStore, _) | (TargetFrom::QueryStore, About::Shop) => shop,
    };
    let names_none = from == TargetFrom::QueryStore && about == About::NoShop;
    if may(grants, permission, target) {
        ""
    } else if names_none && may(grants, permission, Target::Anywhere) {
        "store_not_named"
    } else {
        "forbidden"
    }
}

/// What the table says to somebody of whom nobody knows who they are.
fn expected_of_nobody(rule: &Rule) -> &'static str {
    match rule.who {
        Who::Anybody | Who::Proof(_) => "",
        Who::OwnMachine => "forbidden",
        Who::SignedIn | Who::Person(_, _) => "unauthorized",
    }
}

/// The code by which the guard has refused; nothing if it has let through, whatever was answered then.
fn refused_with(status: StatusCode, code: &str) -> &str {
    let is_refusal = [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN].contains(&status) && REFUSALS.contains(&code);
    if is_refusal { code } else { "" }
}

/// Asks, and counts what was asked.
struct Matrix<'h> {
    hub: &'h TestHub,
    office: Office,
    asked: usize,
    wrong: Vec<String>,
}

impl Matrix<'_> {
    fn note(&mut self, column: &str, rule: &Rule, (found, expected): (&str, &str)) {
        self.asked += 1;
        if found != expected {
            let row = format!("{} {}", rule.method.as_str(), rule.path);
            self.wrong.push(format!("{column}: {row}: {found:?} and not {expected:?}"));
        }
    }

    /// A cell over HTTPS.
    async fn cell(&mut self, column: &str, rule: &Rule, about: About, (cookie, expected): (&str, &str)) {
        let mut question = self.office.page(method(rule), &path(rule, about), cookie);
        if column == "token" {
            let token = std::fs::read_to_string(self.hub.data_dir().join("token")).unwrap();
            question = question.header("Authorization", &format!("Bearer {}", token.trim()));
        }
        if rule.method.as_str() != "GET" {
            question = question.json(&json!({}));
        }
        let reply = question.send().await;
        let found = refused_with(reply.status, reply.code()).to_owned();
        self.note(column, rule, (&found, expected));
    }

    /// A cell on the hub's own machine.
    async fn own_cell(&mut self, column: &str, rule: &Rule, expected: &str) {
        let asker = self.hub.asker();
        let question = match column {
            "own machine, token" => asker.request(method(rule), &path(rule, About::NoShop)),
            "own machine" => asker.openly(method(rule), &path(rule, About::NoShop)),
            cookie => asker.openly(method(rule), &path(rule, About::NoShop)).header("Cookie", cookie),
        };
        let answer = question.json(&json!({})).send().await.unwrap();
        let status = answer.status();
        let goes_on = answer.headers().get("content-type").is_some_and(|kind| kind == "text/event-stream");
        let body: Value = if goes_on { Value::Null } else { answer.json().await.unwrap_or_default() };
        let found = refused_with(status, body["code"].as_str().unwrap_or_default()).to_owned();
        self.note(column, rule, (&found, expected));
    }

    /// The columns of somebody with one grant.
    async fn person(&mut self, person: &Person, role: Role, (scope, said): (Scope, Value)) {
        let mut grant = said;
        grant["role"] = json!(role.as_str());
        granted(self.hub, person, &json!([grant])).await;
        let cookie = self.office.sign_in(person).await;
        let grants = [Grant { role, scope }];
        let column = format!("{} {scope:?}", role.as_str());
        // Whoever signs out comes to no other route.
        let signs_out = |rule: &&Rule| (rule.method.as_str(), rule.path) == ("DELETE", "/v1/identity/sessions/own");
        let (last, first): (Vec<&Rule>, Vec<&Rule>) = RULES.iter().partition(signs_out);
        for rule in first.into_iter().chain(last) {
            self.cell(&column, rule, About::Shop, (&cookie, expected(rule, &grants, About::Shop))).await;
            if matches!(rule.who, Who::Person(_, TargetFrom::QueryStore)) {
                self.cell(&column, rule, About::NoShop, (&cookie, expected(rule, &grants, About::NoShop))).await;
            }
        }
    }

    /// A column of those who are not, or no longer, signed in.
    async fn nobody(&mut self, column: &str, cookie: &str) {
        for rule in RULES {
            self.cell(column, rule, About::NoShop, (cookie, expected_of_nobody(rule))).await;
        }
    }
}

fn scopes() -> [(Scope, Value); 6] {
    [
        (Scope::Store(STORE), json!({ "scope": "store", "place": 42 })),
        (Scope::Store(StoreId::new(43)), json!({ "scope": "store", "place": 43 })),
        (Scope::District(7), json!({ "scope": "district", "place": 7 })),
        (Scope::District(8), json!({ "scope": "district", "place": 8 })),
        (Scope::Region(3), json!({ "scope": "region", "place": 3 })),
        (Scope::Chain, json!({ "scope": "chain" })),
    ]
}

/// Who may do what, as the page for people has it.
fn roles_as_table() -> String {
    let row = |cells: Vec<&str>| format!("| {} |\n", cells.join(" | "));
    let mut table = row([""].into_iter().chain(Role::ALL.map(Role::as_str)).collect());
    table += &row(vec!["---"; Role::ALL.len() + 1]);
    for permission in Permission::ALL {
        let marks = Role::ALL.map(|role| if role.permissions().contains(&permission) { "yes" } else { "" });
        table += &row([permission.in_words()].into_iter().chain(marks).collect());
    }
    table
}

/// Who may ask each route, as the page for people has it.
fn routes_as_table() -> String {
    let mut table = "| route | who |\n| --- | --- |\n".to_owned();
    for rule in RULES {
        let who = match rule.who {
            Who::Anybody => "anybody".to_owned(),
            Who::OwnMachine => "whoever is on the hub's own machine".to_owned(),
            Who::Proof(_) => "whoever proves it by what they ask".to_owned(),
            Who::SignedIn => "whoever is signed in".to_owned(),
            Who::Person(permission, from) => {
                let place = match from {
                    TargetFrom::Chain => "in the whole chain",
                    TargetFrom::Anywhere => "anywhere",
                    TargetFrom::QueryStore => "in the shop of `store=`; without it, in the whole chain",
                    TargetFrom::PathStore => "in that shop",
                };
                format!("{}, {place}", permission.in_words())
            }
        };
        table += &format!("| `{} {}` | {who} |\n", rule.method.as_str(), rule.path);
    }
    table
}

#[test]
fn the_page_about_people_says_what_the_table_says() {
    let page = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/people.md");
    let page = std::fs::read_to_string(page).unwrap();
    for table in [roles_as_table(), routes_as_table()] {
        assert!(page.contains(&table), "docs/people.md must hold this table:\n{table}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_is_answered_by_the_table_of_routes_and_nobody_beyond_it() {
    let hub = TestHub::start_with_menu(Some(MENU)).await;
    let office = Office::of(&hub).await;
    let description = hub.asker().body("/openapi.json").await;
    let api = RULES.iter().filter(|rule| !UNDESCRIBED.contains(&rule.path));
    let listed: BTreeSet<_> = api.map(|rule| (rule.method.as_str().to_owned(), rule.path.to_owned())).collect();
    assert_eq!(listed, described(&description), "every route has a row, and every row is a route");
    for (store, place) in [("42", json!({ "district": 7, "region": 3 })), ("43", json!({ "district": 8, "region": 4 }))]
    {
        let path = format!("/v1/identity/stores/{store}/place");
        assert_eq!(by_token(&hub, Method::PUT, &path, &place).await.0, StatusCode::OK);
    }

    let ann = office.person(&hub, "ann").await;
    let mut matrix = Matrix { hub: &hub, office, asked: 0, wrong: Vec::new() };
    for role in Role::ALL {
        for scope in scopes() {
            matrix.person(&ann, role, scope).await;
        }
    }
    // An owner, so that it is for no other reason that nothing is answered.
    granted(&hub, &ann, &json!([{ "role": "owner", "scope": "chain" }])).await;
    matrix.nobody("no session", "").await;
    matrix.nobody("token", "").await;
    matrix.nobody("made up", &format!("__Host-percolate={}", "7".repeat(64))).await;
    let cookie = matrix.office.sign_in(&ann).await;
    hub.clock.move_on(Duration::from_secs(15 * 60));
    matrix.nobody("expired", &cookie).await;
    let cookie = matrix.office.sign_in(&ann).await;
    let ended = matrix.office.page(Method::DELETE, "/v1/identity/sessions/own", &cookie).send().await;
    assert_eq!(ended.status, StatusCode::NO_CONTENT);
    matrix.nobody("signed out", &cookie).await;
    let cookie = matrix.office.sign_in(&ann).await;
    for rule in RULES {
        let expected = if rule.who == Who::OwnMachine { "" } else { expected_of_nobody(rule) };
        matrix.own_cell("own machine", rule, expected).await;
        matrix.own_cell(&cookie, rule, expected).await;
        matrix.own_cell("own machine, token", rule, "").await;
    }
    assert_eq!(by_token(&hub, Method::DELETE, "/v1/identity/users/ann", &Value::Null).await.0, StatusCode::OK);
    matrix.nobody("disabled", &cookie).await;

    assert_eq!(matrix.wrong, Vec::<String>::new(), "{} of {}", matrix.wrong.len(), matrix.asked);
    // 36 routes, and three of them twice, in 30 columns of people; 36 in six of nobody and three of the own machine.
    assert!(matrix.asked > 1_400, "only {} cells were asked", matrix.asked);
}
