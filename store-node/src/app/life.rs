//! The lives of this database: a new one begins when two boxes might otherwise write the same journal.

use percolate_common::domain::event::{Event, LifeBegan, LifeReason};
use percolate_common::domain::tickets::receipt::Series;
use percolate_common::journal::Incarnation;
use percolate_runtime::sqlite::WriteTx;

use super::error::AppError;
use super::{App, open_tickets};
use crate::guard::{self, Note};
use crate::store::journal;
use crate::store::lives::{self, Life, NewLife};

const STORE_KEY: &str = "store";
const NODE_KEY: &str = "node";

/// What is known at a start besides the database.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// A person says that the database was put back.
    pub(crate) by_operator: bool,
    /// How far the database was written, by a note on another disk.
    pub(crate) note: Option<Note>,
}

/// Begins or continues the life of a database. One that wakes up on another machine begins a new life: the disk that it
/// was copied from may go on elsewhere. So does one that was put back to an older copy. What it had not sent yet stays in
/// the old life's journals, and is sent as such.
///
/// # Errors
/// [`AppError::OtherNode`] if it belongs to another store or node.
pub(crate) fn begin(app: &App, tx: &WriteTx<'_>, told: &Told) -> Result<Life, AppError> {
    for (key, ours) in [(STORE_KEY, app.identity.store.to_string()), (NODE_KEY, app.identity.node.to_string())] {
        match journal::meta_fetch(tx, key)? {
            Some(theirs) if theirs != ours => return Err(AppError::OtherNode { what: key, theirs, ours }),
            Some(_) => {}
            None => journal::meta_put(tx, key, &ours)?,
        }
    }
    let Some(present) = lives::present_or_none(tx)? else { return mint(app, tx, None, LifeReason::New) };
    let before = lives::beginning(tx, present)?.machine;
    let reason = if told.by_operator {
        Some(LifeReason::Operator)
    } else if before.zip(app.machine).is_some_and(|(before, now)| before != now) {
        Some(LifeReason::Moved)
    } else {
        let put_back = told.note.as_ref().map(|note| guard::is_put_back(app, tx, present, note)).transpose()?;
        (put_back == Some(true)).then_some(LifeReason::Restored)
    };
    if let Some(reason) = reason {
        tracing::warn!(?reason, "this database may not go on as it is, and begins a new life");
        return mint(app, tx, Some(present), reason);
    }
    if let (None, Some(now)) = (before, app.machine) {
        lives::machine_put(tx, present, now)?;
    }
    Ok(present)
}

/// Begins a life, which says so in its first event if it is not the first.
pub(crate) fn mint(app: &App, tx: &WriteTx<'_>, parent: Option<Life>, reason: LifeReason) -> Result<Life, AppError> {
    let incarnation = Incarnation::new(app.entropy.next_u64());
    let label = match parent {
        // Before head office has told of earlier lives, the first receipt is printed: by whoever comes after another box it
        // must not be one that the other has printed.
        None if app.identity.follows => Series::of_life(1, incarnation),
        None => Series::first(),
        Some(_) => Series::of_life(lives::lives_count(tx)?, incarnation),
    };
    let begins_at = app.clock.now();
    let new = NewLife { incarnation, parent, reason, machine: app.machine, label, begins_at };
    let life = lives::begin(tx, &new)?;
    if let Some(parent) = parent {
        let stamp = app.stamp(tx)?;
        app.record(tx, &stamp, &Event::LifeBegan(LifeBegan { parent: Some(parent.incarnation), reason }))?;
        open_tickets::unsure(tx)?;
        tracing::warn!(parent = %parent.incarnation, incarnation = %life.incarnation, "a new life began");
        metrics::counter!("node_lives_begun_total").increment(1);
    }
    Ok(life)
}

/// Takes note of lives of this node that the hub knows and this database does not: the box was replaced. What the old
/// one wrote comes back from the hub, and receipts get letters of their own unless one was printed already.
pub(crate) fn adopt(app: &App, tx: &WriteTx<'_>, unknown: &[Incarnation]) -> Result<(), AppError> {
    for incarnation in unknown {
        tracing::warn!(%incarnation, "the hub knows an earlier life of this box, which is asked for");
        lives::adopt(tx, *incarnation, app.clock.now())?;
    }
    let present = lives::present(tx)?;
    if lives::label_fetch(tx, present)? == Series::first() {
        let earlier = u32::try_from(unknown.len()).unwrap_or(u32::MAX);
        lives::label_put(tx, present, &Series::of_life(earlier, present.incarnation))?;
    }
    Ok(())
}
