//! What a node vouches for while a session lasts: the heads of its journals, which are kept, and what its stock comes to,
//! which is compared. Totals that are joined by maximum can only be wrong by a defect or by somebody's hand; this finds it
//! within minutes, where nothing else would look.

use std::collections::BTreeMap;

use metrics::counter;
use percolate_common::crdt::stock::StockDigest;
use percolate_common::ids::NodeId;
use percolate_common::journal::{AuthorId, Hash, Incarnation, JournalId, StreamKind};
use percolate_common::time::UtcMillis;
use percolate_common::wire::session::{FromHub, GREETING_STREAMS_MAX, LifeStock, MARK_LIVES_MAX, Mark};
use percolate_runtime::storage::{StorageError, WriteTx};

use super::store::{Life, key_fetch, signed_head_keep, stock_compared};
use crate::kernel::journal::{hash_fetch, life_total_list, stream_fetch};

/// How a life's stock compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Compared {
    /// The same.
    Equal,
    /// Another, though the journals are the same.
    Differs,
    /// The journals are not at the same place: nothing can be said.
    Apart,
}

impl Compared {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "equal",
            Self::Differs => "differs",
            Self::Apart => "apart",
        }
    }
}

/// Keeps the heads and compares the stock; tells what is to be said to the node.
pub(super) fn take(
    tx: &WriteTx<'_>,
    node: NodeId,
    life: &Life,
    mark: &Mark,
    now: UtcMillis,
) -> Result<Vec<FromHub>, StorageError> {
    let author = AuthorId::node(node);
    let key = key_fetch(tx, node, life.incarnation)?;
    let lawful = mark.heads.len() <= GREETING_STREAMS_MAX && mark.stock.len() <= MARK_LIVES_MAX;
    let mut known = mark.heads.iter().filter(|head| head.stream().is_some());
    let Some(key) = key.filter(|key| lawful && known.all(|head| head.holds(key, author, life.incarnation))) else {
        counter!("hub_marks_total", "outcome" => "untrusted").increment(1);
        tracing::warn!(node.id = %node, "n{node} vouches for its journals with a signature that does not hold");
        return Ok(Vec::new());
    };
    for head in &mark.heads {
        let stream = head.stream().filter(|stream| StreamKind::UP.contains(stream));
        let Some(stream) = stream else { continue };
        let journal = JournalId { author, incarnation: life.incarnation, stream };
        // It vouches for what was acknowledged. What is not held is nobody's proof of anything.
        if held_hash(tx, &journal, head.head().seq)? == Some(head.head().hash) {
            signed_head_keep(tx, &journal, (head, &key), now)?;
        }
    }
    counter!("hub_marks_total", "outcome" => "kept").increment(1);
    let mut said = Vec::new();
    let mut outcomes = BTreeMap::new();
    for stock in &mark.stock {
        if outcomes.contains_key(&stock.incarnation) {
            continue;
        }
        let compared = compare(tx, author, stock)?;
        outcomes.insert(stock.incarnation, compared);
        counter!("hub_stock_digests_total", "outcome" => compared.as_str()).increment(1);
        if compared == Compared::Differs {
            tracing::error!(node.id = %node, "the stock totals of n{node} are others here than there, for the same journals");
            said.push(FromHub::TotalsDiffer { incarnation: stock.incarnation, session: mark.session });
        }
    }
    if outcomes.values().any(|compared| *compared != Compared::Apart) {
        stock_compared(tx, node, life.incarnation, !said.is_empty(), now)?;
    }
    Ok(said)
}

/// The chain hash of an entry that is held, or of a journal's beginning.
fn held_hash(tx: &WriteTx<'_>, journal: &JournalId, seq: u64) -> Result<Option<Hash>, StorageError> {
    if seq == 0 { Ok(Some(journal.genesis().hash)) } else { hash_fetch(tx, journal, seq) }
}

fn compare(tx: &WriteTx<'_>, author: AuthorId, stock: &LifeStock) -> Result<Compared, StorageError> {
    let incarnation = Incarnation::new(stock.incarnation);
    for (stream, seq) in [(StreamKind::Sales, stock.sales_seq), (StreamKind::Stock, stock.stock_seq)] {
        let held = stream_fetch(tx, &JournalId { author, incarnation, stream })?;
        if held.map_or(0, |state| state.head.seq) != seq {
            return Ok(Compared::Apart);
        }
    }
    let held = StockDigest::of(life_total_list(tx, author, incarnation)?);
    Ok(if held == StockDigest::from_number(stock.digest) { Compared::Equal } else { Compared::Differs })
}
