//! The lives of this database: a new one begins when two boxes might otherwise write the same journal.

use percolate_common::domain::event::{Event, LifeBegan, LifeReason};
use percolate_common::domain::tickets::receipt::Series;
use percolate_common::journal::Incarnation;
use percolate_runtime::sqlite::WriteTx;

use super::App;
use super::error::AppError;
use crate::store::journal;
use crate::store::lives::{self, Life, NewLife};

const STORE_KEY: &str = "store";
const NODE_KEY: &str = "node";

/// Begins or continues the life of a database. One that wakes up on another machine begins a new life: the disk that it
/// was copied from may go on elsewhere. What it had not sent yet stays in the old life's journals, and is sent as such.
///
/// # Errors
/// [`AppError::OtherNode`] if it belongs to another store or node.
pub(crate) fn begin(app: &App, tx: &WriteTx<'_>) -> Result<Life, AppError> {
    for (key, ours) in [(STORE_KEY, app.identity.store.to_string()), (NODE_KEY, app.identity.node.to_string())] {
        match journal::meta_fetch(tx, key)? {
            Some(theirs) if theirs != ours => return Err(AppError::OtherNode { what: key, theirs, ours }),
            Some(_) => {}
            None => journal::meta_put(tx, key, &ours)?,
        }
    }
    let Some(present) = lives::present_or_none(tx)? else { return mint(app, tx, None, LifeReason::New) };
    match (lives::beginning(tx, present)?.machine, app.machine) {
        (Some(before), Some(now)) if before != now => {
            tracing::warn!("this database has come from another machine, and begins a new life");
            mint(app, tx, Some(present), LifeReason::Moved)
        }
        (None, Some(now)) => {
            lives::machine_put(tx, present, now)?;
            Ok(present)
        }
        (Some(_) | None, _) => Ok(present),
    }
}

/// Begins a life, which says so in its first event if it is not the first.
pub(crate) fn mint(app: &App, tx: &WriteTx<'_>, parent: Option<Life>, reason: LifeReason) -> Result<Life, AppError> {
    let incarnation = Incarnation::new(app.entropy.next_u64());
    let label = match parent {
        None => Series::first(),
        Some(_) => Series::of_life(lives::lives_count(tx)?, incarnation),
    };
    let begins_at = app.clock.now();
    let new = NewLife { incarnation, parent, reason, machine: app.machine, label, begins_at };
    let life = lives::begin(tx, &new)?;
    if let Some(parent) = parent {
        let stamp = app.stamp(tx)?;
        app.record(tx, &stamp, &Event::LifeBegan(LifeBegan { parent: Some(parent.incarnation), reason }))?;
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
