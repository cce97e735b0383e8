//! `provision user`, and where shops belong.

use percolate_common::identity::person::PersonName;
use percolate_common::time::UtcMillis;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{StorePlace, UserDisable, UserDoings, UserGrant, UserInvite, refused, tell};
use crate::client::Client;
use crate::exit::{Exit, Failure};
use crate::screen::Screen;
use crate::table::{Cell, Side, Table};

#[derive(Debug, Deserialize)]
struct Users {
    rows: Vec<User>,
}

#[derive(Debug, Deserialize)]
struct User {
    name: String,
    state: String,
    grants: Vec<Grant>,
}

#[derive(Debug, Deserialize)]
struct Grant {
    role: String,
    scope: String,
    place: Option<u32>,
}

#[derive(Deserialize)]
struct Invitation {
    name: String,
    invitation: String,
    expires_at_ms: i64,
}

#[derive(Debug, Deserialize)]
struct Doings {
    rows: Vec<Doing>,
}

#[derive(Debug, Deserialize)]
struct Doing {
    at_ms: i64,
    actor: String,
    what: String,
    about: String,
}

pub(super) async fn invite(options: &UserInvite, json: bool, screen: &mut Screen) -> Result<Exit, Failure> {
    let (client, name) = (options.hub.client()?, options.name.as_str());
    // A new invitation ends the one before: what is said wrongly is found first.
    let grants = read(&options.grants)?;
    let body = json!({ "name": name }).to_string().into_bytes();
    let invited: Invitation = client.post("/v1/identity/users", name, body).await.map_err(refused)?.body;
    if !grants.is_empty() {
        put_grants(&client, &options.name, grants).await?;
    }
    let until = UtcMillis::new(invited.expires_at_ms);
    let object = json!({
        "outcome": "invited", "name": invited.name, "invitation": invited.invitation,
        "expires_at_ms": invited.expires_at_ms,
    });
    let lines = format!(
        "{} is invited until {until}. At the office's own address, over HTTPS:\n  \
         https://HUB:8444/#invitation={}\n\
         Give it to them alone: whoever has it chooses their password.\n",
        invited.name, invited.invitation,
    );
    tell(screen, json, &object, &lines)
}

pub(super) async fn list(client: &Client, json: bool, screen: &mut Screen) -> Result<Exit, Failure> {
    let users: Value = client.get("/v1/identity/users").await.map_err(refused)?;
    let read: Users = parsed(&users)?;
    let mut table = Table::new(&[("name", Side::Left), ("state", Side::Left), ("may", Side::Left)]);
    for User { name, state, grants } in read.rows {
        let told: Vec<String> = grants.iter().map(in_words).collect();
        table.row([name, state, told.join(", ")].into_iter().map(Cell::from).collect());
    }
    let lines = table.render(screen.paint);
    tell(screen, json, &users, &lines)
}

pub(super) async fn grant(options: &UserGrant, json: bool, screen: &mut Screen) -> Result<Exit, Failure> {
    put_grants(&options.hub.client()?, &options.name, read(&options.grants)?).await?;
    let object = json!({ "outcome": "granted", "name": options.name.as_str(), "grants": &options.grants });
    let lines = match options.grants.is_empty() {
        true => format!("{} may do nothing any more.\n", options.name),
        false => format!("{} may from now on: {}. Nothing else.\n", options.name, options.grants.join(", ")),
    };
    tell(screen, json, &object, &lines)
}

pub(super) async fn disable(options: &UserDisable, json: bool, screen: &mut Screen) -> Result<Exit, Failure> {
    let path = format!("/v1/identity/users/{}", options.name);
    options.hub.client()?.delete::<Value>(&path).await.map_err(refused)?;
    let object = json!({ "outcome": "disabled", "name": options.name.as_str() });
    let lines = format!("{} cannot sign in any more, and is signed out everywhere.\n", options.name);
    tell(screen, json, &object, &lines)
}

pub(super) async fn doings(options: &UserDoings, json: bool, screen: &mut Screen) -> Result<Exit, Failure> {
    let path = format!("/v1/identity/doings?limit={}", options.limit);
    let doings: Value = options.hub.client()?.get(&path).await.map_err(refused)?;
    let read: Doings = parsed(&doings)?;
    let mut table =
        Table::new(&[("when", Side::Left), ("who", Side::Left), ("what", Side::Left), ("about", Side::Left)]);
    for Doing { at_ms, actor, what, about } in read.rows {
        let cells = [UtcMillis::new(at_ms).to_string(), actor, what, about];
        table.row(cells.into_iter().map(Cell::from).collect());
    }
    let lines = table.render(screen.paint);
    tell(screen, json, &doings, &lines)
}

pub(super) async fn place(options: &StorePlace, json: bool, screen: &mut Screen) -> Result<Exit, Failure> {
    let StorePlace { hub, store, district, region } = options;
    let path = format!("/v1/identity/stores/{store}/place");
    let body = json!({ "district": district, "region": region }).to_string().into_bytes();
    hub.client()?.put::<Value>(&path, body).await.map_err(refused)?;
    let object = json!({ "outcome": "placed", "store": store, "district": district, "region": region });
    let lines = format!("Store {store} belongs to district {district} in region {region}.\n");
    tell(screen, json, &object, &lines)
}

fn read(grants: &[String]) -> Result<Vec<Value>, Failure> {
    grants.iter().map(|text| said(text)).collect()
}

async fn put_grants(client: &Client, name: &PersonName, grants: Vec<Value>) -> Result<(), Failure> {
    let body = json!({ "grants": grants }).to_string().into_bytes();
    let path = format!("/v1/identity/users/{name}/grants");
    client.put::<Value>(&path, body).await.map_err(refused)?;
    Ok(())
}

/// What somebody may be; the hub says what that means.
const ROLES: [&str; 5] = ["owner", "planner", "auditor", "manager", "technician"];
/// Where, with a number.
const SCOPES: [&str; 3] = ["region", "district", "store"];

/// `manager@store:42`, `auditor@chain`.
fn said(text: &str) -> Result<Value, Failure> {
    let wrong = || {
        Failure::usage(format!(
            "{text:?} is no grant: ROLE@chain, ROLE@region:N, ROLE@district:N or ROLE@store:N is expected, with the role owner, \
             planner, auditor, manager or technician"
        ))
    };
    let (role, reach) = text.split_once('@').filter(|(role, _)| ROLES.contains(role)).ok_or_else(wrong)?;
    if reach == "chain" {
        return Ok(json!({ "role": role, "scope": "chain" }));
    }
    let (scope, number) = reach.split_once(':').filter(|(scope, _)| SCOPES.contains(scope)).ok_or_else(wrong)?;
    let number: u32 = number.parse().map_err(|_not_a_number| wrong())?;
    Ok(json!({ "role": role, "scope": scope, "place": number }))
}

fn in_words(grant: &Grant) -> String {
    match grant.place {
        Some(place) => format!("{}@{}:{place}", grant.role, grant.scope),
        None => format!("{}@{}", grant.role, grant.scope),
    }
}

fn parsed<T: for<'de> Deserialize<'de>>(answer: &Value) -> Result<T, Failure> {
    T::deserialize(answer).map_err(|error| Failure::new(Exit::ServerFailed, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_is_read_as_it_is_listed() {
        for text in ["owner@chain", "planner@region:3", "manager@district:7", "technician@store:42"] {
            let grant: Grant = parsed(&said(text).unwrap()).unwrap();
            assert_eq!(in_words(&grant), text);
        }
        for wrong in ["owner", "manager@store", "manager@store:x", "manager@42", ""] {
            assert_eq!(said(wrong).unwrap_err().exit, Exit::Usage, "{wrong}");
        }
    }
}
