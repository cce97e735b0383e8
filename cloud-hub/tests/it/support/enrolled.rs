//! A chain whose boxes are enrolled before its hub starts.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cloud_hub::identity;
use cloud_hub::kernel::auth::store::device_insert;
use cloud_hub::kernel::db::Db;
use percolate_common::entropy::SeededEntropy;
use percolate_common::time::Clock;
use percolate_runtime::pki::found;
use percolate_runtime::storage::StorageError;

use super::chain::{Papers, TestChain, node};
use super::ground::opened;
use super::hub::MovedClock;
use super::node::{Door, TestNode};

/// The boxes.
const BOXES: [u32; 10] = [11, 12, 13, 21, 22, 31, 1011, 1021, 1031, 1041];

/// The chain, and what its boxes have.
pub(crate) struct Enrolled {
    pub(crate) ca: PathBuf,
    chain: TestChain,
    boxes: BTreeMap<u32, Papers>,
}

impl Enrolled {
    /// Founds the chain below a folder.
    pub(crate) fn found(folder: &Path, clock: Arc<MovedClock>) -> Self {
        let ca = folder.join("ca");
        let places = (ca.as_path(), folder.join("safe"));
        found("Bytes & Brews", (places.0, &places.1), clock.now(), &SeededEntropy::new(5)).unwrap();
        let chain = TestChain::open(&ca, clock);
        let papers = |number: u32| chain.papers_of(&node(number), &TestNode::key_of(number));
        let boxes = BOXES.into_iter().map(|number| (number, papers(number))).collect();
        Self { ca, chain, boxes }
    }

    /// Writes down in a hub's data folder who is let in.
    pub(crate) async fn write(&self, data: &Path) {
        std::fs::create_dir_all(data).unwrap();
        let db = opened(data, |data, engine| Db::open(&identity::SCHEMA, data, engine)).unwrap();
        let devices: Vec<_> = self.boxes.iter().map(|(number, papers)| papers.device(*number)).collect();
        let written: Result<(), StorageError> =
            db.write("enrol", move |tx| devices.iter().try_for_each(|device| device_insert(tx, device))).await;
        written.unwrap();
        db.stop().await;
    }

    /// Whether it is one of the boxes.
    pub(crate) fn has(&self, number: u64) -> bool {
        self.boxes.keys().any(|own| u64::from(*own) == number)
    }

    /// How a box comes to the broker whose door is at this port.
    pub(crate) fn door(&self, number: u32, port: u16) -> Door {
        Door { tls: Some(self.chain.link_tls(Some(self.papers(number)))), ..port.into() }
    }

    /// What a box has.
    fn papers(&self, number: u32) -> &Papers {
        self.boxes.get(&number).unwrap_or_else(|| panic!("box {number} is not enrolled: see BOXES"))
    }

    pub(crate) const fn chain(&self) -> &TestChain {
        &self.chain
    }
}
