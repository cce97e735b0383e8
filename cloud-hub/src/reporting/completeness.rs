//! How complete a figure is: for each store, how far its journals have been folded, and what is known to be missing.

use std::collections::BTreeMap;

use percolate_common::ids::StoreId;
use percolate_common::journal::{Head, JournalId};
use percolate_runtime::sqlite::{ReadTx, StorageError};
use serde::Serialize;
use utoipa::ToSchema;

use super::store::{self, StoreRow};
use super::{NAME, Reporting};
use crate::kernel::journal::{NodeState, StreamState};
use crate::kernel::projection::position_list;

/// One store's mark: every figure beside it counts everything up to here, and nothing after.
#[derive(Debug, Clone, Serialize, ToSchema)]
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
    /// Whether a node of the store is connected.
    pub(crate) online: bool,
}

/// How far one journal is counted.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct CompleteThrough {
    /// Node number.
    pub(crate) node: u32,
    /// Life of the node's database, 16 hexadecimal digits.
    pub(crate) incarnation: String,
    /// Which journal.
    pub(crate) stream: &'static str,
    /// Last counted event.
    pub(crate) seq: u64,
    /// Chain hash there, 64 hexadecimal digits.
    pub(crate) head: String,
}

/// What the marks are made from; read before the figures, so that a mark never promises more than they hold.
#[derive(Debug)]
pub(crate) struct Known {
    streams: Vec<StreamState>,
    nodes: Vec<NodeState>,
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
    let stores: BTreeMap<StoreId, StoreRow> = store::store_list(tx)?.into_iter().map(|row| (row.store, row)).collect();
    let mut by_store: BTreeMap<StoreId, CompletenessMark> = BTreeMap::new();
    for (store, row) in &stores {
        by_store.insert(*store, empty(*store, &row.name));
    }
    for state in &known.streams {
        let Some(node) = state.journal.author.as_node() else { continue };
        let mark = store::mark_fetch(tx, &state.journal)?;
        let session = known.nodes.iter().find(|session| session.node == node);
        let place = mark.as_ref().map(|mark| mark.store).or_else(|| session.map(|session| session.store));
        let Some(place) = place else { continue };
        let target = by_store.entry(place).or_insert_with(|| empty(place, ""));
        let position = positions.get(&state.journal).copied();
        let counted = position.map_or(0, |head| head.seq);
        target.behind_events += state.announced_seq.max(state.head.seq).saturating_sub(counted);
        target.online |= session.is_some_and(|session| session.online);
        target.complete_through.extend(position.map(|head| through(&state.journal, node.get(), &head)));
        if let Some(mark) = mark {
            target.at_ms = target.at_ms.max(Some(mark.at.get()));
            target.receipt = mark.receipt.or_else(|| target.receipt.take());
        }
    }
    Ok(by_store.into_values().filter(|mark| only.is_none_or(|store| store.get() == mark.store)).collect())
}

fn empty(store: StoreId, name: &str) -> CompletenessMark {
    CompletenessMark {
        store: store.get(),
        name: name.to_owned(),
        complete_through: Vec::new(),
        receipt: None,
        at_ms: None,
        behind_events: 0,
        online: false,
    }
}

fn through(journal: &JournalId, node: u32, head: &Head) -> CompleteThrough {
    CompleteThrough {
        node,
        incarnation: journal.incarnation.to_string(),
        stream: journal.stream.as_str(),
        seq: head.seq,
        head: head.hash.to_string(),
    }
}
