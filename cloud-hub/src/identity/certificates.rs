//! What is read off the certificates of boxes.

use std::collections::BTreeMap;

use percolate_common::identity::site::SiteV1;
use percolate_common::ids::NodeId;
use percolate_runtime::pki::SanName;

use super::kept::Fact;
use crate::kernel::auth::store::{Device, DeviceState};

/// What is to be kept of the revoked certificates among those of a box, and of their keys: the codes of the bundles so far let
/// none of these in.
pub(super) fn revoked_facts(devices: Vec<Device>, (node, bundle): (NodeId, u64), reason: &str) -> Vec<Fact> {
    let allowed = devices.iter().filter(|it| it.state != DeviceState::Revoked);
    let allowed: Vec<_> = allowed.map(|it| it.public_key).collect();
    let revoked = devices.into_iter().filter(|it| it.state == DeviceState::Revoked);
    let facts = revoked.flat_map(|it| {
        let (at, reason) = (it.changed_at, reason.to_owned());
        // A box that was let in again by a later code has its key.
        let is_out = !allowed.contains(&it.public_key);
        let key = is_out.then_some(Fact::KeyRevoked { key: it.public_key, node, at, bundle });
        [Fact::Revoked { serial: it.serial, node, at, reason }].into_iter().chain(key)
    });
    facts.collect()
}

pub(super) fn by_node(devices: Vec<Device>) -> BTreeMap<NodeId, Vec<Device>> {
    let mut nodes: BTreeMap<NodeId, Vec<Device>> = BTreeMap::new();
    for device in devices {
        nodes.entry(device.node).or_default().push(device);
    }
    nodes
}

/// The names under which a box is reached in its shop.
pub(super) fn lan_names(site: &SiteV1) -> Vec<SanName> {
    site.lan_names.iter().filter_map(|name| name.parse().ok()).collect()
}
