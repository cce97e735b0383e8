//! Certificates of thousands of stores, and the hub's knowledge of them, before the hub starts: as if each had been enrolled.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use cloud_hub::identity::SCHEMA;
use cloud_hub::kernel::auth::store::{Device, DeviceState, device_insert};
use cloud_hub::kernel::db::Db;
use cloud_hub::kernel::engine::Engine;
use percolate_common::identity::names::Principal;
use percolate_common::identity::serial::Serial;
use percolate_common::ids::NodeId;
use percolate_common::journal::SigningKey;
use percolate_common::time::{Clock as _, UtcMillis};
use percolate_runtime::mqtt::LinkTls;
use percolate_runtime::pki::{Authority, Usage, Wanted, found, new_key};
use percolate_runtime::storage::StorageError;
use percolate_runtime::system::{OsEntropy, SystemClock};
use percolate_runtime::tls::{OwnIdentity, Roots, TlsClock, client_config};
use system_tests::harness::NodeSpec;

/// How long a certificate holds, in milliseconds; it began as long ago.
const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

/// What each store shows, by its place. They have one key: it is the hub's work that is measured.
#[derive(Debug)]
pub(super) struct Papers(Vec<LinkTls>);

impl Papers {
    /// Founds the chain of the hub that will have this data folder, and enrols so many stores.
    pub(super) async fn enrol(data: &Path, stores: usize) -> Result<Self> {
        let (ca, now) = (data.join("ca"), SystemClock.now());
        found("Bytes & Brews", (&ca, &data.with_file_name("safe")), now, &OsEntropy)?;
        let (authority, key) = (Authority::open(&ca)?, new_key(&OsEntropy)?);
        let roots = Roots::from_pem(&std::fs::read_to_string(ca.join("root.pem"))?)?;
        let clock = Arc::new(TlsClock::new(Arc::new(SystemClock), UtcMillis::new(0)));
        let life = (UtcMillis::new(now.get() - DAY_MS), UtcMillis::new(now.get() + DAY_MS));
        let (mut papers, mut devices) = (Vec::new(), Vec::new());
        for store in 1..=u32::try_from(stores)? {
            let node = NodeId::new(NodeSpec::store(store).node);
            let (device, identity) = issue(&authority, (node, &key), life)?;
            papers.push(client_config(&roots, Some(Arc::new(identity)), clock.clone())?.into());
            devices.push(device);
        }
        let db = Db::open(&SCHEMA, data, &Engine::Threads).context("the hub's list of devices")?;
        let written: Result<(), StorageError> =
            db.write("enrol", move |tx| devices.iter().try_for_each(|device| device_insert(tx, device))).await;
        written?;
        db.stop().await;
        Ok(Self(papers))
    }

    pub(super) fn of(&self, place: usize) -> Result<LinkTls> {
        self.0.get(place).cloned().context("a store without a certificate")
    }
}

fn issue(
    authority: &Authority,
    (node, key): (NodeId, &SigningKey),
    (not_before, not_after): (UtcMillis, UtcMillis),
) -> Result<(Device, OwnIdentity)> {
    let (serial, public_key) = (Serial::draw(&OsEntropy), key.public_key());
    let wanted = Wanted {
        principal: &Principal::Node(node),
        public_key: &public_key,
        addresses: &[],
        serial: &serial,
        from: not_before,
        until: not_after,
        usage: Usage::Client,
    };
    let identity = OwnIdentity::new(authority.issue(&wanted)?, key)?;
    let state = DeviceState::Allowed;
    Ok((Device { serial, node, public_key, not_before, not_after, state, changed_at: not_before }, identity))
}
