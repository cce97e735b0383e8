//! The hub's statement for an audit: the journals of a node as they are held here, read anew from the first entry.

use percolate_common::ids::NodeId;
use percolate_common::journal::{AuthorId, ChainAudit, ChainFinding, JournalId};
use percolate_runtime::sqlite::{ReadTx, StorageError};
use serde::Serialize;
use utoipa::ToSchema;

use super::store::{NodeKey, node_key_list};
use crate::kernel::journal::{StreamState, entry_list, stream_list};

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

/// Reads a node's journals anew; nothing if the node was never heard of.
pub(super) fn statement(tx: &ReadTx<'_>, node: NodeId) -> Result<Option<JournalsAudited>, StorageError> {
    let author = AuthorId::node(node);
    let states: Vec<StreamState> =
        stream_list(tx)?.into_iter().filter(|state| state.journal.author == author).collect();
    let keys = node_key_list(tx, node)?;
    if states.is_empty() && keys.is_empty() {
        return Ok(None);
    }
    let journals = states.iter().map(|state| held(tx, state)).collect::<Result<Vec<_>, _>>()?;
    let keys = keys.into_iter().map(KnownKey::from).collect();
    Ok(Some(JournalsAudited { node: node.get(), journals, keys }))
}

fn held(tx: &ReadTx<'_>, state: &StreamState) -> Result<HeldJournal, StorageError> {
    let found = read_anew(tx, &state.journal)?;
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

fn read_anew(tx: &ReadTx<'_>, journal: &JournalId) -> Result<ChainFinding, StorageError> {
    let mut chain = ChainAudit::new(journal);
    let mut after = 0;
    loop {
        let page = entry_list(tx, journal, after, PAGE_ENTRIES)?;
        let Some(last) = page.last() else { return Ok(chain.finish()) };
        after = last.seq;
        page.iter().for_each(|entry| chain.entry(entry.seq, &entry.bytes, &entry.hash));
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
