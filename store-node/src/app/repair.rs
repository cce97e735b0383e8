//! The repair of a fork: this disk and the hub hold different entries at the same places of a journal, because the disk
//! was put back from a copy, or runs twice.
//!
//! Nobody is right, and nothing may be lost. The life ends where both agree ([`begin`]); what stands behind that place
//! is written again in the present life, under the ids that it always had ([`step`]); what only the hub holds comes
//! back later, under its own identity (`take_back`). Each step is one transaction, finds in the tables how far the last one
//! got, and leaves stock on hand and every day's book as they were. Sales go on in between.

use percolate_common::domain::event::LifeReason;
use percolate_common::hlc::Hlc;
use percolate_common::journal::{Head, Incarnation, JournalId, StreamKind};
use percolate_common::wire::event::{decode, reissue};
use percolate_common::wire::session::Position;
use percolate_runtime::sqlite::{ReadTx, WriteTx};

use super::error::AppError;
use super::{App, books, life};
use crate::store::lives::{self, Life};
use crate::store::repair::{self as store, Repair};
use crate::store::{cash, journal, open_tickets};

/// Entries that are written again in one transaction: a sale waits no longer than for these.
pub(crate) const STEP_ENTRIES: u64 = 64;

/// What is known of a contested life.
#[derive(Debug, Clone)]
pub(crate) struct Contest {
    /// The life.
    pub(crate) incarnation: Incarnation,
    /// Its contested journals; of the present life all, because it ends.
    pub(crate) streams: Vec<StreamKind>,
    /// Places of which the hub says that it holds them, too. Only what this disk holds likewise is believed.
    pub(crate) held: Vec<Position>,
    /// What the present life's successor is to say of its beginning.
    pub(crate) reason: LifeReason,
}

/// The highest of the places that both sides hold alike.
fn agreed(tx: &ReadTx<'_>, life: Life, id: &JournalId, held: &[Position]) -> Result<Head, AppError> {
    let mut agreed = id.genesis();
    for position in held.iter().filter(|position| position.journal() == Some(*id) && position.seq() > 0) {
        let own = journal::hash_at(tx, life, id, position.seq())?;
        if let Some(hash) = own.filter(|hash| hash.short() == position.hash() && position.seq() > agreed.seq) {
            agreed = Head { seq: position.seq(), hash };
        }
    }
    Ok(agreed)
}

/// Ends a contested life where both sides agree, and notes what must be written again. The present life gets a
/// successor. Does nothing where that was done before.
pub(crate) fn begin(app: &App, tx: &WriteTx<'_>, contest: &Contest) -> Result<(), AppError> {
    let Some(contested) = lives::find(tx, contest.incarnation)? else { return Ok(()) };
    if store::life_list(tx)?.contains(&contested.number) {
        return Ok(());
    }
    if lives::present(tx)? == contested {
        life::mint(app, tx, Some(contested), contest.reason)?;
    }
    for stream in &contest.streams {
        let id = app.journal(contested, *stream);
        let head = journal::head_fetch(tx, contested, &id)?;
        let agreed = agreed(tx, contested, &id, &contest.held)?;
        if head.seq > agreed.seq {
            let repair =
                Repair { life: contested, stream: *stream, next_seq: agreed.seq + 1, last_seq: head.seq, agreed };
            store::insert(tx, &repair)?;
            tracing::warn!(journal = %id, agreed.seq, head.seq, "the hub holds another past of {id}");
        }
    }
    Ok(())
}

/// Writes the next entries again; tells how many are left, or nothing if there was nothing to do.
pub(crate) fn step(app: &App, tx: &WriteTx<'_>) -> Result<Option<u64>, AppError> {
    let Some(repair) = store::first(tx)? else { return Ok(None) };
    let present = lives::present(tx)?;
    let end = repair.last_seq.min(repair.next_seq.saturating_add(STEP_ENTRIES - 1));
    for seq in repair.next_seq..=end {
        write_again(app, tx, &repair, present, seq)?;
    }
    metrics::counter!("node_events_written_again_total").increment(end + 1 - repair.next_seq);
    if end == repair.last_seq {
        store::finish(tx, &repair)?;
    } else {
        store::advance(tx, &repair, end + 1)?;
    }
    Ok(Some(store::left(tx)?))
}

fn write_again(app: &App, tx: &WriteTx<'_>, repair: &Repair, present: Life, seq: u64) -> Result<(), AppError> {
    let Repair { life: old, stream, .. } = *repair;
    let Some((bytes, hash)) = journal::entry_with_hash(tx, old, stream, seq)? else { return Ok(()) };
    let recorded: Hlc = journal::hlc_max(tx)?.tick(app.clock.now());
    let (bytes_again, origin) = reissue(&bytes, (old.incarnation, seq, hash), recorded)?;
    let head = journal::entry_append(tx, present, &app.journal(present, stream), &bytes_again, recorded)?;
    store::origin_put(tx, origin.id, present, stream, head.seq)?;
    if stream == StreamKind::Sales {
        store::ticket_move(tx, books::place(old, seq), books::place(present, head.seq))?;
        cash::move_place(tx, books::place(old, seq), books::place(present, head.seq))?;
        open_tickets::move_place(tx, books::place(old, seq), books::place(present, head.seq))?;
    }
    // What this program cannot read, a newer one wrote: it has counted nothing here.
    if let Ok(event) = decode(&bytes).map(|read| read.event) {
        books::move_stock_effects(tx, &event, old, present)?;
    }
    Ok(store::set_aside(tx, old, stream, seq)?)
}
