//! What head office is told of its shops and boxes: who is enrolled, until when, and when a box was last heard.

use std::collections::BTreeMap;

use percolate_common::ids::{NodeId, StoreId};
use percolate_common::journal::AuthorId;
use percolate_common::time::UtcMillis;
use percolate_runtime::storage::{ReadTx, StorageError};

use super::app::IdentityApp;
use super::certificates::by_node;
use super::error::IdentityError;
use super::kept::Fact;
use super::store::{
    SiteRow, What, code_open_list, code_open_until, codes_of_store_end, doing_insert, site_delete, site_fetch,
    site_list,
};
use crate::kernel::auth::store::{Device, DeviceState, device_list, node_device_list};
use crate::kernel::journal::{author_stream_list, stream_list};
use crate::kernel::outbox::LIVES_MAX;

/// A shop, and how it stands.
#[derive(Debug)]
pub(crate) struct Shop {
    pub(crate) row: SiteRow,
    /// Until when its box is let in, if it is.
    pub(crate) enrolled_until: Option<UtcMillis>,
    /// Until when a box can be enrolled by the bundle that was made last.
    pub(crate) code_until: Option<UtcMillis>,
    /// When its box was last heard.
    pub(crate) heard_at: Option<UtcMillis>,
}

/// A certificate of a box, and whose box it is.
#[derive(Debug)]
pub(crate) struct Certified {
    pub(crate) device: Device,
    pub(crate) shop: Option<(StoreId, String)>,
    /// Why it was revoked, if somebody has said so.
    pub(crate) reason: Option<String>,
    pub(crate) heard_at: Option<UtcMillis>,
}

impl IdentityApp {
    pub(crate) async fn shops(&self) -> Result<Vec<Shop>, IdentityError> {
        let (now, heard) = (self.now(), self.heard().await?);
        let read = move |tx: &ReadTx<'_>| {
            let (mut devices, codes) = (by_node(device_list(tx)?), code_open_list(tx, now)?);
            let shops = site_list(tx)?.into_iter().map(|row| {
                let (store, node) = (StoreId::new(row.site.store), NodeId::new(row.site.node));
                let enrolled_until = until(&devices.remove(&node).unwrap_or_default(), now);
                let (code_until, heard_at) = (codes.get(&store).copied(), heard.get(&node).copied());
                Shop { row, enrolled_until, code_until, heard_at }
            });
            Ok::<_, StorageError>(shops.collect())
        };
        Ok(self.db().read_async(read).await?)
    }

    pub(crate) async fn shop(&self, store: StoreId) -> Result<Shop, IdentityError> {
        let now = self.now();
        let read = move |tx: &ReadTx<'_>| {
            let Some(row) = site_fetch(tx, store)? else { return Ok(None) };
            let enrolled_until = until(&node_device_list(tx, NodeId::new(row.site.node))?, now);
            let code_until = code_open_until(tx, store, now)?;
            Ok::<_, StorageError>(Some(Shop { row, enrolled_until, code_until, heard_at: None }))
        };
        let found = self.db().read_async(read).await?;
        let shop = found.ok_or(IdentityError::StoreUnknown(store))?;
        let heard_at = self.node_heard(NodeId::new(shop.row.site.node)).await?;
        Ok(Shop { heard_at, ..shop })
    }

    pub(crate) async fn devices(&self) -> Result<Vec<Certified>, IdentityError> {
        let (heard, kept) = (self.heard().await?, self.issuer().kept().clone());
        let read = move |tx: &ReadTx<'_>| {
            let sites = site_list(tx)?.into_iter();
            let shops: BTreeMap<_, _> =
                sites.map(|row| (NodeId::new(row.site.node), (StoreId::new(row.site.store), row.site.name))).collect();
            let certified = device_list(tx)?.into_iter().map(|device| Certified {
                shop: shops.get(&device.node).cloned(),
                reason: kept.reason(&device.serial).filter(|_| device.state == DeviceState::Revoked),
                heard_at: heard.get(&device.node).copied(),
                device,
            });
            Ok::<_, StorageError>(certified.collect())
        };
        Ok(self.db().read_async(read).await?)
    }

    /// Forgets a shop that never was: nobody has enrolled a box of it, and none has ever said anything.
    pub(crate) async fn forget(&self, store: StoreId, actor: String) -> Result<(), IdentityError> {
        let node = NodeId::new(self.site(store).await?.site.node);
        if self.node_heard(node).await?.is_some() {
            return Err(IdentityError::StoreInUse { store, node });
        }
        let now = self.now();
        let ended = self
            .db()
            .write("site_delete", move |tx| {
                let row = site_fetch(tx, store)?.ok_or(IdentityError::StoreUnknown(store))?;
                if row.site.node != node.get() || !node_device_list(tx, node)?.is_empty() {
                    return Err(IdentityError::StoreInUse { store, node: NodeId::new(row.site.node) });
                }
                codes_of_store_end(tx, store, now)?;
                doing_insert(tx, (&actor, now), (What::StoreForgotten, &format!("{store}: {}", row.site.name)))?;
                site_delete(tx, store)?;
                Ok(Fact::CodesEnded { store, number: row.bundles, at: now })
            })
            .await?;
        self.keep(vec![ended]).await
    }

    /// When each box was last heard.
    async fn heard(&self) -> Result<BTreeMap<NodeId, UtcMillis>, IdentityError> {
        let streams = self.journal().db().read_async(stream_list).await?;
        let mut heard: BTreeMap<NodeId, UtcMillis> = BTreeMap::new();
        for stream in streams {
            if let Some(node) = stream.journal.author.as_node() {
                let at = heard.entry(node).or_insert(stream.received_at);
                *at = stream.received_at.max(*at);
            }
        }
        Ok(heard)
    }

    async fn node_heard(&self, node: NodeId) -> Result<Option<UtcMillis>, IdentityError> {
        let read = move |tx: &ReadTx<'_>| author_stream_list(tx, AuthorId::node(node), LIVES_MAX);
        let streams = self.journal().db().read_async(read).await?;
        Ok(streams.into_iter().map(|stream| stream.received_at).max())
    }
}

/// Until when a box with these certificates is let in.
fn until(devices: &[Device], now: UtcMillis) -> Option<UtcMillis> {
    let allowed = devices.iter().filter(|it| it.state == DeviceState::Allowed && it.not_after > now);
    allowed.map(|it| it.not_after).max()
}
