//! A box as `provision up` leaves it: its description, its menu, and a code.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use percolate_common::identity::bundle::{BundleV1, ChainV1, PurposeV1};
use percolate_common::identity::certificate::Certificate;
use percolate_common::identity::code::Code;
use percolate_common::identity::pem::{Label, decode};
use percolate_common::identity::serial::Serial;
use percolate_common::identity::site::SiteV1;
use percolate_common::identity::site_file::{MENU_FILE, SITE_FILE, SiteFileV1};
use percolate_runtime::files::{write_atomic, write_secret};
use percolate_runtime::tls::Refusal;
use serde_json::Value;

use super::chain::{LAN_NAME, TestChain, day};
use super::device::Device;
use super::door::Door;
use super::eventually;
use super::hub::TestHub;
use super::menu::MenuJournal;
use super::node::{NODE, NOON_MS, STORE, TestNode};
use super::office::{Office, code};

/// Nobody answers here.
const NOWHERE: &str = "127.0.0.1:1";

/// A box with its head office: the desk for certificates, the broker, and the door in front of it.
pub(crate) struct Shop {
    pub(crate) chain: Arc<TestChain>,
    pub(crate) node: TestNode,
    pub(crate) office: Office,
    pub(crate) door: Door,
    pub(crate) hub: TestHub,
}

/// What a bundle of the chain holds.
pub(crate) fn bundle(chain: &TestChain, https: &str, mqtt: &str) -> BundleV1 {
    let [root, intermediate] = chain.pems();
    let menu = MenuJournal::published();
    let last = menu.head().seq;
    let frames = [(1, 4), (5, last)].map(|(lo, hi)| menu.batch(lo, hi, 0).encode().unwrap().into());
    BundleV1 {
        chain: ChainV1 {
            id: (*chain.id.as_bytes()).into(),
            name: "Maven Coffee".to_owned(),
            root,
            intermediate,
            https: vec![https.to_owned()],
            mqtt: vec![mqtt.to_owned()],
        },
        number: 1,
        made_at_ms: NOON_MS,
        expires_at_ms: day(7),
        site: SiteV1 {
            store: STORE,
            node: NODE,
            name: "Virginia-Highland".to_owned(),
            zone: "America/New_York".to_owned(),
            currency: "USD".to_owned(),
            cutover_hour: 4,
            hours: Vec::new(),
            lan_names: Vec::new(),
            terminals: Vec::new(),
            printers: Vec::new(),
            staff: Vec::new(),
            stock: Vec::new(),
            sign_in: None,
            badge_use: None,
            card_forward: None,
            address: None,
            receipts: None,
        },
        code: code().to_string(),
        purpose: PurposeV1::New,
        journals: frames.to_vec(),
        software: Vec::new(),
    }
}

/// Installs a bundle in the folder of a node that is not started.
pub(crate) fn install(node: &mut TestNode, bundle: &BundleV1) {
    let folder = node.config.data.parent().unwrap().join("etc");
    fs::create_dir_all(&folder).unwrap();
    let (file, menu) = SiteFileV1::of(bundle).unwrap();
    let path = folder.join(SITE_FILE);
    write_atomic(&folder.join(MENU_FILE), &menu).unwrap();
    write_secret(&path, &serde_json::to_vec(&file).unwrap()).unwrap();
    bring_code(node, &bundle.code);
    let config = &mut node.config;
    (config.store, config.node, config.name, config.zone, config.currency) = (None, None, None, None, None);
    (config.hub_mqtt, config.site) = (None, Some(path));
}

/// Leaves a code, as text, where the box looks for it.
pub(crate) fn bring_code(node: &TestNode, code: &str) {
    fs::create_dir_all(identity(node)).unwrap();
    write_secret(&identity(node).join("code"), code.as_bytes()).unwrap();
}

/// The folder with the certificate's files.
pub(crate) fn identity(node: &TestNode) -> PathBuf {
    node.config.data.join("identity")
}

/// The names of the files there.
pub(crate) fn files(node: &TestNode) -> Vec<String> {
    let listed = fs::read_dir(identity(node)).unwrap();
    let mut names: Vec<_> = listed.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// The certificate in a file.
pub(crate) fn certificate(path: &Path) -> Certificate {
    let pem = fs::read_to_string(path).unwrap();
    Certificate::read(&decode(Label::Certificate, &pem).unwrap()[0]).unwrap()
}

/// What the box says of its certificate.
pub(crate) async fn said(node: &TestNode) -> Value {
    node.till().get("/v1/node").await["identity"].clone()
}

/// Waits until the box says that it stands so, with this code, and gives all that it says.
pub(crate) async fn stands(node: &TestNode, state: &str, code: Option<&str>) -> Value {
    let till = node.till();
    eventually(&format!("{state} with {code:?}"), || async {
        let said = till.get("/v1/node").await["identity"].clone();
        (said["state"] == state && said["code"].as_str() == code).then_some(said)
    })
    .await
}

/// Waits until the link of the box stands so.
pub(crate) async fn link_is(node: &TestNode, state: &str) {
    let till = node.till();
    eventually(&format!("a link that is {state}"), || async {
        (till.get("/v1/node").await["link"] == state).then_some(())
    })
    .await;
}

impl Shop {
    /// A box that is installed, and not started.
    pub(crate) async fn prepare() -> Self {
        Self::of_hub(day(-1), day(900)).await
    }

    /// A box that serves terminals in its shop, is enrolled and in session.
    pub(crate) async fn serving() -> Self {
        let mut shop = Self::prepare_serving().await;
        shop.node.open().await;
        shop.hub.greet().await;
        stands(&shop.node, "enrolled", None).await;
        shop
    }

    /// As [`Shop::serving`], before its start.
    pub(crate) async fn prepare_serving() -> Self {
        let mut shop = Self::prepare().await;
        let (office, door) = (shop.office.address, shop.door.address);
        let mut bundle = bundle(&shop.chain, &format!("https://{office}"), &door.to_string());
        bundle.site.lan_names = vec![LAN_NAME.to_owned()];
        install(&mut shop.node, &bundle);
        shop.node.config.https = Some("127.0.0.1:0".parse().unwrap());
        shop
    }

    /// A device in the shop, which shows this token.
    pub(crate) fn device(&self, token: &str) -> Device {
        Device::of(&self.chain, &self.node, token)
    }

    /// As [`Shop::prepare`], with a hub whose certificates hold from one day to another.
    pub(crate) async fn of_hub(from: i64, until: i64) -> Self {
        let chain = TestChain::new(1);
        let (mut node, hub) = TestNode::prepare_with_hub().await;
        let office = Office::open(&chain, chain.hub(from, until)).await;
        let door = Door::open(&chain, chain.hub(from, until), hub.address()).await;
        install(&mut node, &bundle(&chain, &format!("https://{}", office.address), &door.address.to_string()));
        Self { chain, node, office, door, hub }
    }

    /// A box that is enrolled and in session.
    pub(crate) async fn enrolled() -> Self {
        let mut shop = Self::prepare().await;
        shop.node.open().await;
        shop.hub.greet().await;
        stands(&shop.node, "enrolled", None).await;
        shop
    }

    /// The serial number of the certificate that the box shows.
    pub(crate) fn current(&self) -> Serial {
        certificate(&identity(&self.node).join("current.pem")).serial
    }

    /// Time goes on for everybody.
    pub(crate) fn on_day(&self, days: i64) {
        self.node.clock.set(day(days));
        self.chain.clock.set(day(days));
    }

    /// The hub shuts out whoever shows what the box shows now.
    pub(crate) fn shut_out(&self, refusal: Refusal) {
        self.door.refuse(&self.current(), refusal);
    }

    pub(crate) async fn close(mut self) {
        self.node.stop().await;
        self.office.close().await;
        self.door.close().await;
    }
}

/// A box that never meets a hub.
pub(crate) fn alone(chain: &TestChain) -> TestNode {
    let mut node = TestNode::prepare();
    install(&mut node, &bundle(chain, &format!("https://{NOWHERE}"), NOWHERE));
    node
}

/// Another code than the first.
pub(crate) fn another_code() -> Code {
    Code::draw(&percolate_common::entropy::SeededEntropy::new(43))
}
