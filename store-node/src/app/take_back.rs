//! What this disk has lost and the hub holds: entries of older lives of this node. They come back as they were, into
//! their own journals, and into the shop's books where they are not there yet.

use percolate_common::hlc::Hlc;
use percolate_common::journal::{Hash, JournalId, StreamKind};
use percolate_common::sync::inbound::{Accepted, Judgement, judge};
use percolate_common::wire::envelope::Batch;
use percolate_common::wire::event::{decode, origin};
use percolate_runtime::sqlite::{ReadTx, WriteTx};

use super::catalog::Received;
use super::error::AppError;
use super::{App, books};
use crate::store::lives::{self, Life};
use crate::store::{journal, repair, stock};

/// Takes over a batch of an older life of this node.
pub(crate) fn take_back(app: &App, tx: &WriteTx<'_>, batch: &Batch) -> Result<Received, AppError> {
    let id = batch.journal;
    let Some(life) = lives::find(tx, id.incarnation)? else { return Ok(Received::Unwanted) };
    // The present life is written here, and nowhere else; and a journal that is being repaired ends elsewhere soon.
    if life == lives::present(tx)? || !StreamKind::UP.contains(&id.stream) || !repair::life_list(tx)?.is_empty() {
        return Ok(Received::Unwanted);
    }
    let held = journal::head_fetch(tx, life, &id)?;
    Ok(match judge(held, batch, |seq| journal::hash_at(tx, life, &id, seq))? {
        Judgement::Append(entries) => {
            for entry in &entries {
                entry_return(app, tx, life, &id, entry)?;
            }
            metrics::counter!("node_events_returned_total").increment(entries.len() as u64);
            Received::Held(entries.last().map_or(held, |entry| entry.head))
        }
        Judgement::Repeat => Received::Held(held),
        Judgement::Gap => Received::Gap(held),
        Judgement::Fork { .. } => Received::Forked,
    })
}

fn entry_return(app: &App, tx: &WriteTx<'_>, life: Life, id: &JournalId, entry: &Accepted<'_>) -> Result<(), AppError> {
    let first_written = origin(entry.bytes).unwrap_or_default();
    let twice = stands_elsewhere(tx, id.stream, entry)?;
    let read = decode(entry.bytes).ok();
    let hlc = read.as_ref().map_or_else(Hlc::default, |recorded| recorded.header.hlc);
    journal::entry_put(tx, life, id, entry.head, entry.bytes, hlc)?;
    if let Some(origin) = first_written.filter(|_| !twice) {
        repair::origin_put(tx, origin.id, life, id.stream, entry.head.seq)?;
    }
    let Some(recorded) = read else { return Ok(()) };
    for line in recorded.event.stock_effects() {
        let amount = books::counted(line.quantity);
        stock::total_add(tx, life, line.stock_item, amount)?;
        if twice {
            stock::alias_add(tx, line.stock_item, amount)?;
        }
    }
    if !twice {
        books::book_returned(tx, &app.calendar, life, entry.head.seq, &recorded.header, &recorded.event)?;
        books::note_late(tx, life, entry.head.seq, &recorded.event)?;
    }
    Ok(())
}

/// Whether an event is in these books already: at its first place, or because it was written again.
fn stands_elsewhere(tx: &ReadTx<'_>, stream: StreamKind, entry: &Accepted<'_>) -> Result<bool, AppError> {
    let Some(origin) = origin(entry.bytes).unwrap_or_default() else {
        return Ok(repair::origin_is_known(tx, entry.head.hash.event_id())?);
    };
    if repair::origin_is_known(tx, origin.id)? {
        return Ok(true);
    }
    let Some(life) = lives::find(tx, origin.incarnation)? else { return Ok(false) };
    let first = journal::entry_with_hash(tx, life, stream, origin.seq)?;
    Ok(first.is_some_and(|(_, hash): (Vec<u8>, Hash)| hash.event_id() == origin.id))
}
