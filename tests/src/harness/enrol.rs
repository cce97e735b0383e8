//! How a shop of a test comes to be one of its chain: planned and given a bundle by the hub, which is put on its box. The box
//! enrols itself when it starts.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use percolate_runtime::pki::found;
use percolate_runtime::system::{OsEntropy, clock_from_option};
use provisioning::up::options::PlaceOptions;
use provisioning::up::put_on_box;
use serde_json::{Value, json};

use super::{Client, NodeSpec, eventually};

/// Where a box meets its hub.
#[derive(Debug, Clone)]
pub struct Door {
    /// Asks the hub that plans the shops.
    pub(super) hub: Client,
    /// Where its broker's door is, or a line that leads there.
    pub(super) mqtts: String,
}

impl Door {
    /// The hub that this asks, which plans shops and enrols their boxes, and the broker at an address.
    #[must_use]
    pub fn at(hub: &Client, mqtts: &str) -> Self {
        Self { hub: hub.clone(), mqtts: mqtts.to_owned() }
    }

    /// The same hub, reached by another address: of a line, or of a place where nobody is.
    #[must_use]
    pub fn through(&self, address: &str) -> Self {
        Self { mqtts: address.to_owned(), ..self.clone() }
    }

    /// Plans a shop with what its plan says besides, and puts its bundle on its box in `<scratch>/n<node>`, which is not started: from
    /// then on it needs no hub.
    ///
    /// # Errors
    /// If the hub does not take the plan or gives no bundle.
    pub async fn prepare(&self, scratch: &Path, spec: &NodeSpec, besides: &Value) -> Result<()> {
        self.equip_with(spec, &scratch.join(format!("n{}", spec.node)), besides).await.map(drop)
    }

    /// Puts a bundle of the shop on its box, unless it has one. Tells where the shop's description is.
    pub(super) async fn equip(&self, spec: &NodeSpec, data: &Path) -> Result<PathBuf> {
        self.equip_with(spec, data, &json!({})).await
    }

    async fn equip_with(&self, spec: &NodeSpec, data: &Path, besides: &Value) -> Result<PathBuf> {
        let config = data.join("etc");
        let site = config.join("site.json");
        if site.exists() {
            return Ok(site);
        }
        let mut plan = json!({
            "node": spec.node, "name": spec.name, "zone": "America/New_York", "currency": "USD",
            "cutover_hour": spec.cutover_hour, "lan_names": spec.lan_names,
        });
        if let (Some(plan), Some(besides)) = (plan.as_object_mut(), besides.as_object()) {
            plan.extend(besides.clone());
        }
        let store = spec.store;
        self.hub.put(&format!("/v1/identity/stores/{store}"), &plan).await?;
        let path = format!("/v1/identity/stores/{store}/bundles");
        let (key, body) = (format!("bundle-of-shop-{store}"), json!({"purpose": "new"}));
        // Of several processes the one that makes bundles hears of the menu a little later.
        let file = eventually("a bundle", || self.hub.file(&path, &key, &body)).await?;
        let mut bundle = tempfile::NamedTempFile::new()?;
        bundle.write_all(&file)?;
        let here = ([127, 0, 0, 1], 0).into();
        let place = PlaceOptions { config, data: data.to_owned(), http: here, https: None, rehearsal: true };
        put_on_box(bundle.path(), &place).context("the bundle")?;
        Ok(site)
    }
}

/// Founds a chain for a hub's data folder, unless it has one.
pub(super) fn found_chain(hub: &Path, simulated_clock: Option<&str>) -> Result<()> {
    std::fs::create_dir_all(hub)?;
    let at = clock_from_option(simulated_clock)?.now();
    found("Bytes & Brews", (&hub.join("ca"), &hub.with_file_name("safe")), at, &OsEntropy)?;
    Ok(())
}
