//! Planning shops: what is looked at before a plan is taken, and what it changes.

use std::sync::{Arc, PoisonError};

use percolate_common::domain::catalog::Catalog;
use percolate_common::identity::site::SiteV1;
use percolate_common::ids::{NodeId, StoreId};
use percolate_runtime::pki::SanName;
use percolate_runtime::storage::{ReadTx, StorageError};

use super::app::IdentityApp;
use super::check::{Surroundings, faults};
use super::differences::{Difference, differences};
use super::error::IdentityError;
use super::menu;
use super::store::{SiteRow, What, doing_insert, site_by_node, site_fetch, site_put};

/// What a plan is to the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    New,
    Changed,
    Unchanged,
}

/// A plan that was taken, or would be.
#[derive(Debug)]
pub(crate) struct Planned {
    pub(crate) outcome: Outcome,
    pub(crate) differences: Vec<Difference>,
}

impl IdentityApp {
    /// Looks at a plan without taking it: what it would change, or why it is refused.
    pub(crate) async fn check_plan(&self, site: SiteV1) -> Result<Planned, IdentityError> {
        self.check_site(&site).await?;
        self.db().read_async(move |tx| planned(tx, &site)).await
    }

    /// Plans a shop, or plans it otherwise. Tells what that changes.
    pub(crate) async fn plan(&self, site: SiteV1, actor: String) -> Result<Planned, IdentityError> {
        self.check_site(&site).await?;
        let now = self.now();
        self.db()
            .write("site_put", move |tx| {
                let planned = planned(tx, &site)?;
                site_put(tx, &site, now)?;
                doing_insert(tx, (&actor, now), (What::StorePlanned, &format!("{}: {}", site.store, site.name)))?;
                Ok(planned)
            })
            .await
    }

    pub(crate) async fn site(&self, store: StoreId) -> Result<SiteRow, IdentityError> {
        let found = self.db().read_async(move |tx| site_fetch(tx, store)).await?;
        found.ok_or(IdentityError::StoreUnknown(store))
    }

    async fn check_site(&self, site: &SiteV1) -> Result<(), IdentityError> {
        let menu = self.menu().await?;
        let hub = self.own_names();
        let found = faults(site, &Surroundings { menu: menu.as_ref().as_ref(), hub: &hub });
        if found.is_empty() { Ok(()) } else { Err(IdentityError::Site(found)) }
    }

    /// What is for sale. It is folded again when the catalog has said more only.
    async fn menu(&self) -> Result<Arc<Option<Catalog>>, IdentityError> {
        let seen = self.menu_seen.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let folded = move |tx: &ReadTx<'_>| {
            let heads = menu::heads(tx)?;
            Ok::<_, StorageError>(match seen.filter(|(seen, _)| *seen == heads) {
                Some(seen) => seen,
                None => {
                    let menu = menu::published(tx, &heads)?;
                    (heads, Arc::new(menu))
                }
            })
        };
        let (heads, menu) = self.journal().db().read_async(folded).await?;
        *self.menu_seen.lock().unwrap_or_else(PoisonError::into_inner) = Some((heads, menu.clone()));
        Ok(menu)
    }

    /// Names and addresses of the hub, but for those that every machine calls itself by.
    fn own_names(&self) -> Vec<SanName> {
        let addresses = self.addresses();
        let https = addresses.https.iter().filter_map(|address| address.strip_prefix("https://"));
        let hosts = https.chain(addresses.mqtt.iter().map(String::as_str)).filter_map(|place| place.rsplit_once(':'));
        let names = hosts.filter_map(|(host, _)| host.trim_matches(['[', ']']).parse().ok());
        names.filter(|name| !is_of_every_machine(name)).collect()
    }
}

fn is_of_every_machine(name: &SanName) -> bool {
    match name {
        SanName::Address(address) => address.is_loopback() || address.is_unspecified(),
        SanName::Host(name) => name == "localhost",
    }
}

/// What a plan is to the shops that are planned.
fn planned(tx: &ReadTx<'_>, site: &SiteV1) -> Result<Planned, IdentityError> {
    let (store, node) = (StoreId::new(site.store), NodeId::new(site.node));
    if let Some(other) = site_by_node(tx, node)?.filter(|row| row.site.store != site.store) {
        return Err(IdentityError::NodeTaken { node, store: StoreId::new(other.site.store) });
    }
    let before = site_fetch(tx, store)?;
    if let Some(row) = before.as_ref().filter(|row| row.bundles > 0 && row.site.node != site.node) {
        return Err(IdentityError::NodeFixed { store, node: NodeId::new(row.site.node) });
    }
    let differences = differences(before.as_ref().map(|row| &row.site), site);
    let outcome = match &before {
        None => Outcome::New,
        Some(row) if row.site == *site => Outcome::Unchanged,
        Some(_) => Outcome::Changed,
    };
    Ok(Planned { outcome, differences })
}
