//! How complete a figure is: for each store, how far its journals have been folded, and what is known to be missing.

use std::collections::BTreeMap;

use percolate_common::ids::{NodeId, StoreId};
use percolate_common::journal::{Head, JournalId};
use percolate_common::time::UtcMillis;
use percolate_runtime::storage::{ReadTx, StorageError};
use serde::Serialize;
use utoipa::ToSchema;

use super::store;
use super::{NAME, Reporting};
use crate::kernel::journal::{NodeState, StreamState};
use crate::kernel::projection::position_list;

/// One store's mark: every figure beside it counts everything up to here but what is parked, and nothing after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct CompletenessMark {
    /// Store number.
    pub(crate) store: u32,
    /// Store name; empty until its node has described it.
    pub(crate) name: String,
    /// How far each of its journals is counted.
    pub(crate) complete_through: Vec<CompleteThrough>,
    /// The last receipt that is counted.
    pub(crate) receipt: Option<String>,
    /// When the last counted event happened, UTC milliseconds.
    pub(crate) at_ms: Option<i64>,
    /// Events that are known to exist and are not counted yet.
    pub(crate) behind_events: u64,
    /// Events up to here that this program cannot read: they are in no figure. See `/v1/sync/parked`.
    pub(crate) parked_events: u64,
    /// Whether a node of the store is connected.
    pub(crate) online: bool,
}

/// How far one journal is counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct CompleteThrough {
    /// Node number.
    pub(crate) node: u32,
    /// Life of the node's database, 16 hexadecimal digits.
    pub(crate) incarnation: String,
    /// Which journal.
    #[schema(value_type = String)]
    pub(crate) stream: &'static str,
    /// Last counted event.
    pub(crate) seq: u64,
    /// Chain hash there, 64 hexadecimal digits.
    pub(crate) head: String,
}

/// What the marks are made from; read before the figures, so that a mark never promises more than they hold.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    pub(crate) streams: Vec<StreamState>,
    pub(crate) nodes: Vec<NodeState>,
}

impl Reporting {
    /// Reads what the journal holds. Blocks.
    pub(crate) fn known(&self) -> Result<Known, StorageError> {
        Ok(Known { streams: self.journal.streams()?, nodes: self.journal.nodes()? })
    }
}

/// Marks of one store, or of all, in the snapshot that the figures are read from.
pub(crate) fn marks(
    tx: &ReadTx<'_>,
    known: &Known,
    only: Option<StoreId>,
) -> Result<Vec<CompletenessMark>, StorageError> {
    let positions: BTreeMap<JournalId, Head> = position_list(tx, NAME)?.into_iter().collect();
    let sources = store::mark_map(tx)?;
    let nodes: BTreeMap<NodeId, &NodeState> = known.nodes.iter().map(|node| (node.node, node)).collect();
    let mut by_store: BTreeMap<StoreId, CompletenessMark> = BTreeMap::new();
    for row in store::store_list(tx)? {
        by_store.insert(row.store, empty(row.store, row.name));
    }
    for node in &known.nodes {
        by_store.entry(node.store).or_insert_with(|| empty(node.store, String::new())).online |= node.online;
    }
    for state in &known.streams {
        let Some(node) = state.journal.author.as_node() else { continue };
        let source = sources.get(&state.journal);
        let place = source.and_then(|source| source.store).or_else(|| nodes.get(&node).map(|state| state.store));
        let Some(place) = place else { continue };
        let target = by_store.entry(place).or_insert_with(|| empty(place, String::new()));
        let position = positions.get(&state.journal).copied();
        let counted = position.map_or(0, |head| head.seq);
        let behind = state.announced_seq.max(state.head.seq).saturating_sub(counted);
        target.behind_events = target.behind_events.saturating_add(behind);
        target.parked_events = target.parked_events.saturating_add(source.map_or(0, |source| source.parked));
        target.complete_through.extend(position.map(|head| through(&state.journal, node, &head)));
    }
    for (place, last) in last_receipts(&sources) {
        if let Some(target) = by_store.get_mut(&place) {
            target.receipt = last.receipt;
            target.at_ms = last.at_ms;
        }
    }
    Ok(by_store.into_values().filter(|mark| only.is_none_or(|store| store.get() == mark.store)).collect())
}

#[derive(Default)]
struct Last {
    at_ms: Option<i64>,
    receipt: Option<String>,
    receipt_at_ms: Option<i64>,
}

/// The latest moment of each store, and its latest receipt: a store may have several nodes, and each several lives.
fn last_receipts(sources: &BTreeMap<JournalId, store::SourceMark>) -> BTreeMap<StoreId, Last> {
    let mut by_store: BTreeMap<StoreId, Last> = BTreeMap::new();
    for source in sources.values() {
        let Some(place) = source.store else { continue };
        let last = by_store.entry(place).or_default();
        let at_ms = source.at.map(UtcMillis::get);
        last.at_ms = last.at_ms.max(at_ms);
        if source.receipt.is_some() && at_ms > last.receipt_at_ms {
            last.receipt.clone_from(&source.receipt);
            last.receipt_at_ms = at_ms;
        }
    }
    by_store
}

fn empty(store: StoreId, name: String) -> CompletenessMark {
    CompletenessMark {
        store: store.get(),
        name,
        complete_through: Vec::new(),
        receipt: None,
        at_ms: None,
        behind_events: 0,
        parked_events: 0,
        online: false,
    }
}

fn through(journal: &JournalId, node: NodeId, head: &Head) -> CompleteThrough {
    CompleteThrough {
        node: node.get(),
        incarnation: journal.incarnation.to_string(),
        stream: journal.stream.as_str(),
        seq: head.seq,
        head: head.hash.to_string(),
    }
}
