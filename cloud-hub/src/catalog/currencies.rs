//! What shops sell in, as their boxes have said in the hub's journal.

use std::collections::BTreeMap;

use percolate_common::domain::event::Event;
use percolate_common::hlc::Hlc;
use percolate_common::ids::StoreId;
use percolate_common::journal::StreamKind;
use percolate_common::money::Currency;
use percolate_common::wire::event;
use percolate_runtime::storage::{ReadTx, StorageError};

use crate::kernel::journal::{entry_list, stream_list};

/// Entries that are read at a time.
const READ_ENTRIES_MAX: usize = 1_000;

/// The first shop, of these or of all if none is named, that has said that it sells in another currency. Of what a shop has said, the
/// latest holds. All boxes are read: it is asked before the first menu, and before one in another currency than the last one's.
pub(super) fn other_currency(
    tx: &ReadTx<'_>,
    stores: &[StoreId],
    currency: Currency,
) -> Result<Option<(StoreId, Currency)>, StorageError> {
    let mut said: BTreeMap<StoreId, (Hlc, Currency)> = BTreeMap::new();
    for state in stream_list(tx)?.iter().filter(|state| state.journal.stream == StreamKind::Ops) {
        let mut seq = 0;
        loop {
            let entries = entry_list(tx, &state.journal, seq, READ_ENTRIES_MAX)?;
            let Some(last) = entries.last() else { break };
            seq = last.seq;
            for entry in &entries {
                let Ok(read) = event::decode(&entry.bytes) else { continue };
                let Event::StoreDescribed(described) = &read.event else { continue };
                let latest = said.entry(read.header.store).or_insert((read.header.hlc, described.currency));
                if read.header.hlc > latest.0 {
                    *latest = (read.header.hlc, described.currency);
                }
            }
        }
    }
    let named = |store: &StoreId| stores.is_empty() || stores.contains(store);
    let mut others = said.into_iter().map(|(store, (_, theirs))| (store, theirs));
    Ok(others.find(|(store, theirs)| named(store) && *theirs != currency))
}
