//! The hub's statement for an audit: the journals of a node as they are held here, read anew from the first entry.

use std::collections::{BTreeMap, BTreeSet};

use percolate_common::crdt::stock::StockTotal;
use percolate_common::ids::{NodeId, StockItemId};
use percolate_common::journal::{AuthorId, ChainAudit, ChainFinding, Incarnation, JournalId};
use percolate_common::wire::event;
use percolate_runtime::storage::{ReadTx, StorageError};
use serde::Serialize;
use utoipa::ToSchema;

use super::store::{NodeKey, node_key_list};
use crate::kernel::journal::{StreamState, entry_list, life_total_list, stream_list};

/// Entries that are in memory at one time.
const PAGE_ENTRIES: usize = 1_000;

/// What the hub states of a node's journals.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct JournalsAudited {
    /// Node number.
    node: u32,
    /// Its journals, of all lives of its database.
    journals: Vec<HeldJournal>,
    /// The keys that its lives have introduced themselves with.
    keys: Vec<KnownKey>,
    /// Stock totals of its lives that are not what their entries come to. A total that is lower may still be under way.
    stock_apart: Vec<TotalApart>,
}

/// A life's total of a stock item, as it is kept and as the life's entries come to.
#[derive(Debug, Serialize, ToSchema)]
struct TotalApart {
    /// The life, 16 hexadecimal digits.
    incarnation: String,
    /// Which stock item.
    stock_item: u32,
    /// What came in, as it is kept, in base units.
    received: u64,
    /// What went out, as it is kept, in base units.
    used: u64,
    /// What came in by the entries, in base units.
    folded_received: u64,
    /// What went out by the entries, in base units.
    folded_used: u64,
}

/// One journal as it is held, read anew.
#[derive(Debug, Serialize, ToSchema)]
struct HeldJournal {
    /// The life that wrote it, 16 hexadecimal digits.
    incarnation: String,
    /// Which.
    stream: &'static str,
    /// How many entries there are.
    entries: u64,
    /// The last entry's number, as the hub goes by.
    last_seq: u64,
    /// The chain hash there, as the hub goes by.
    head: String,
    /// The chain hash that all entries together come to.
    computed_head: String,
    /// The first number that is missing.
    gap_at: Option<u64>,
    /// The first entry that is not the one that its hash was made from.
    broken_at: Option<u64>,
    /// Entries that could not be read.
    parked: u64,
    /// How far the node has said that it reaches.
    announced_seq: u64,
    /// Where the node has last contradicted what is held.
    forked_at_seq: Option<u64>,
}

/// A key of a life.
#[derive(Debug, Serialize, ToSchema)]
struct KnownKey {
    /// The life, 16 hexadecimal digits.
    incarnation: String,
    /// The public key: 66 hexadecimal digits.
    public_key: String,
    /// When it was first seen, by the hub's clock.
    first_seen_at_ms: i64,
}

/// What the entries of each life come to.
type Folded = BTreeMap<Incarnation, BTreeMap<StockItemId, StockTotal>>;

/// Reads a node's journals anew; nothing if the node was never heard of.
pub(super) fn statement(tx: &ReadTx<'_>, node: NodeId) -> Result<Option<JournalsAudited>, StorageError> {
    let author = AuthorId::node(node);
    let states: Vec<StreamState> =
        stream_list(tx)?.into_iter().filter(|state| state.journal.author == author).collect();
    let keys = node_key_list(tx, node)?;
    if states.is_empty() && keys.is_empty() {
        return Ok(None);
    }
    let mut folded = Folded::new();
    let journals = states.iter().map(|state| held(tx, state, &mut folded)).collect::<Result<Vec<_>, _>>()?;
    let keys = keys.into_iter().map(KnownKey::from).collect();
    let mut stock_apart = Vec::new();
    for (life, folded) in &folded {
        let parked = states.iter().any(|state| state.journal.incarnation == *life && state.parked_events > 0);
        stock_apart.extend(totals_apart(tx, author, (*life, parked), folded)?);
    }
    Ok(Some(JournalsAudited { node: node.get(), journals, keys, stock_apart }))
}

fn totals_apart(
    tx: &ReadTx<'_>,
    author: AuthorId,
    (life, parked): (Incarnation, bool),
    folded: &BTreeMap<StockItemId, StockTotal>,
) -> Result<Vec<TotalApart>, StorageError> {
    let kept: BTreeMap<_, _> = life_total_list(tx, author, life)?.into_iter().collect();
    let items: BTreeSet<_> = kept.keys().chain(folded.keys()).copied().collect();
    let apart = items.into_iter().filter_map(|item| {
        let of = |totals: &BTreeMap<StockItemId, StockTotal>| totals.get(&item).copied().unwrap_or_default();
        let (kept, folded) = (of(&kept), of(folded));
        // What cannot be read may account for more.
        let unread = parked && kept.received >= folded.received && kept.used >= folded.used;
        (kept != folded && !unread).then(|| TotalApart {
            incarnation: life.to_string(),
            stock_item: item.get(),
            received: kept.received,
            used: kept.used,
            folded_received: folded.received,
            folded_used: folded.used,
        })
    });
    Ok(apart.collect())
}

fn held(tx: &ReadTx<'_>, state: &StreamState, folded: &mut Folded) -> Result<HeldJournal, StorageError> {
    let found = read_anew(tx, &state.journal, folded.entry(state.journal.incarnation).or_default())?;
    Ok(HeldJournal {
        incarnation: state.journal.incarnation.to_string(),
        stream: state.journal.stream.as_str(),
        entries: found.entries,
        last_seq: state.head.seq,
        head: state.head.hash.to_string(),
        computed_head: found.computed.hash.to_string(),
        gap_at: found.gap_at,
        broken_at: found.broken_at,
        parked: state.parked_events,
        announced_seq: state.announced_seq,
        forked_at_seq: state.forked_at_seq,
    })
}

fn read_anew(
    tx: &ReadTx<'_>,
    journal: &JournalId,
    folded: &mut BTreeMap<StockItemId, StockTotal>,
) -> Result<ChainFinding, StorageError> {
    let mut chain = ChainAudit::new(journal);
    let mut after = 0;
    loop {
        let page = entry_list(tx, journal, after, PAGE_ENTRIES)?;
        let Some(last) = page.last() else { return Ok(chain.finish()) };
        after = last.seq;
        for entry in &page {
            chain.entry(entry.seq, &entry.bytes, &entry.hash);
            let recorded = event::decode(&entry.bytes).ok();
            for line in recorded.iter().flat_map(|recorded| recorded.event.stock_effects()) {
                let total = folded.entry(line.stock_item).or_default();
                *total = total.moved(line.quantity).unwrap_or(*total);
            }
        }
    }
}

impl From<NodeKey> for KnownKey {
    fn from(key: NodeKey) -> Self {
        Self {
            incarnation: key.incarnation.to_string(),
            public_key: key.public_key.iter().map(|byte| format!("{byte:02x}")).collect(),
            first_seen_at_ms: key.first_seen_at.get(),
        }
    }
}
