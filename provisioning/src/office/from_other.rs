//! A shop like another one: from a template without numbers, or from what is planned for another shop.

use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::plan::{Asked, Wanted};
use super::{StoreCreate, from_file, refused};
use crate::client::Client;
use crate::exit::Failure;

/// What belongs to one shop alone, and is not taken over from another: its people, whose PINs nobody tells, with what is said of
/// their signing in, and where its box is found in its network.
const NOT_CLONED: [&str; 5] = ["staff", "sign_in", "badge_use", "lan_names", "node"];

#[derive(Deserialize)]
struct Source {
    site: Map<String, Value>,
}

/// A shop from a file that says what all shops of its kind have.
pub(super) fn template(file: &Path, options: &StoreCreate) -> Result<Asked, Failure> {
    let site = from_file::object(file)?;
    if let Some(number) = ["store", "node"].into_iter().find(|number| site.contains_key(*number)) {
        let said = format!("{} says {number:?}, so it is a shop and no template: leave it out", file.display());
        return Err(Failure::usage(said));
    }
    let (shop, note) = over(site, options, &file.display().to_string())?;
    Ok(Asked { shops: vec![shop], notes: vec![note], is_derived: true, tables: None })
}

/// A shop like one that is planned.
pub(super) async fn cloned(store: u32, options: &StoreCreate, client: &Client) -> Result<Asked, Failure> {
    if options.shop.name.is_none() {
        return Err(Failure::usage("two shops of one name are hard to tell apart: say --name"));
    }
    let found: Source = client.get(&format!("/v1/identity/stores/{store}")).await.map_err(refused)?;
    let Source { mut site } = found;
    for field in NOT_CLONED {
        site.remove(field);
    }
    let (shop, note) = over(site, options, &format!("shop {store}"))?;
    let left = "Not taken over: its people and how they sign in, and the names of its box.".to_owned();
    Ok(Asked { shops: vec![shop], notes: vec![note, left], is_derived: true, tables: None })
}

/// The shop with what was said of it over what it is like, and what that is in words.
fn over(mut site: Map<String, Value>, options: &StoreCreate, like: &str) -> Result<(Wanted, String), Failure> {
    let shop = &options.shop;
    let (Some(store), Some(node)) = (shop.store, shop.node) else {
        return Err(Failure::usage("say which shop it is to be, and which box it has: --store N --node M"));
    };
    let said = [
        ("node", Some(json!(node))),
        ("name", shop.name.as_ref().map(|name| json!(name))),
        ("zone", shop.zone.as_ref().map(|zone| json!(zone))),
        ("currency", shop.currency.as_ref().map(|currency| json!(currency))),
        ("cutover_hour", shop.cutover_hour.map(|hour| json!(hour))),
    ];
    let mut otherwise = vec![format!("box n{node}")];
    for (field, value) in said {
        let Some(value) = value else { continue };
        let before = site.insert(field.to_owned(), value.clone());
        if let Some(before) = before.filter(|before| *before != value) {
            otherwise.push(format!("{} {value} ({before})", field.replace('_', " ")));
        }
    }
    Ok((Wanted { store, site }, format!("Like {like}, but for: {}", otherwise.join(", "))))
}
