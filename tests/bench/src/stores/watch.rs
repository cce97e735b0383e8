//! Looks at how far the reports are, in the database that they are read from, and compares them with what was sold.
//!
//! A look over HTTP makes the hub add up a report, which is a load of its own. These looks take the generator's time.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use percolate_runtime::system::monotonic_now;
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, params};
use system_tests::books::{list, number};
use system_tests::harness::{Client, NodeSpec};

use super::board::{Board, read};
use crate::figures::micros;

/// Stores that are looked at, spread evenly over all.
const WATCHED_MAX: usize = 500;
/// Time between two looks: the figures are too large by so much at most.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How long the reports may lag behind at the end.
const PATIENCE: Duration = Duration::from_secs(60);

/// Watches reports.
#[derive(Debug)]
pub(super) struct Watch {
    database: Connection,
    /// Place of a store, and how many of its tickets were seen.
    watched: Vec<(usize, usize)>,
    waited_us: Vec<u64>,
}

impl Watch {
    /// Watches what is sold from now on; all that was sold before is in the reports.
    #[expect(clippy::disallowed_methods, reason = "what is on the disk, by a connection that is not the hub's")]
    pub(super) fn open(hub: &Path, board: &Board, stores: usize) -> Result<Self> {
        let database = Connection::open_with_flags(hub.join("reporting.db"), OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        let step = stores.div_ceil(WATCHED_MAX).max(1);
        let watched = (0..stores).step_by(step).map(|place| (place, board.due(place, 0).len())).collect();
        Ok(Self { database, watched, waited_us: Vec::new() })
    }

    /// Looks until a time, or until the reports have all that was sold.
    pub(super) async fn look_until(&mut self, board: &Board, end: Option<Duration>) -> Result<()> {
        let give_up = end.unwrap_or_else(|| monotonic_now() + PATIENCE);
        let mut at = monotonic_now();
        while monotonic_now() < give_up && (self.look(board)? || end.is_some()) {
            at += LOOK_EVERY;
            at = at.max(monotonic_now());
            tokio::time::sleep(at.saturating_sub(monotonic_now()).max(LOOK_EVERY / 4)).await;
        }
        ensure!(end.is_some() || !self.look(board)?, "the reports lag behind for {} s", PATIENCE.as_secs());
        Ok(())
    }

    /// Whether anything that was sold is not there yet.
    fn look(&mut self, board: &Board) -> Result<bool> {
        // One read of a snapshot for all.
        let snapshot = self.database.unchecked_transaction()?;
        let mut statement = snapshot.prepare_cached(
            "SELECT seq FROM projection_position
             WHERE projection = 'reporting' AND author = ?1 AND incarnation = ?2 AND stream = 1",
        )?;
        let all = "SELECT total(tickets) = ?1 FROM rollup WHERE scope = 0 AND kind = 1";
        let sold = i64::try_from(read(&board.sold))?;
        let mut missing = !snapshot.prepare_cached(all)?.query_row([sold], |row| row.get::<_, bool>(0))?;
        for (place, seen) in &mut self.watched {
            let due = board.due(*place, *seen);
            if due.is_empty() {
                continue;
            }
            let node = NodeSpec::store(u32::try_from(*place)? + 1).node;
            let key = params![node, (i64::from(node) << 32) + 1];
            let seq: i64 = statement.query_row(key, |row| row.get(0)).optional()?.unwrap_or(0);
            // The first entry is no ticket.
            let there = usize::try_from(seq)?.saturating_sub(1);
            let now = monotonic_now();
            let new = due.iter().take(there.saturating_sub(*seen));
            self.waited_us.extend(new.map(|due| micros(now.saturating_sub(*due))));
            missing |= there < *seen + due.len();
            *seen = there.max(*seen);
        }
        Ok(missing)
    }

    /// How long each ticket took from the moment at which it was due until it was in the reports.
    pub(super) fn waited_us(self) -> Vec<u64> {
        self.waited_us
    }
}

/// The reports have exactly what was sold, store by store.
pub(super) async fn compare(client: &Client, board: &Board, stores: usize) -> Result<()> {
    let report = client.get("/v1/reporting/sales?by=store").await?;
    let counted = number(&report, "/totals/tickets")?;
    let sold = i64::try_from(read(&board.sold))?;
    ensure!(counted == sold, "the hub counts {counted} tickets, and {sold} were sold");
    for row in list(&report, "/rows")? {
        let key = row.get("key").and_then(serde_json::Value::as_str).context("a row's key")?;
        let place = key.parse::<usize>()?.checked_sub(1).filter(|place| *place < stores).context("a strange store")?;
        let sold = i64::try_from(board.due(place, 0).len())?;
        let counted = number(&row, "/tickets")?;
        ensure!(counted == sold, "the hub counts {counted} tickets of store {key}, and {sold} were sold");
    }
    ensure!(read(&board.strange) == 0, "the hub doubts {} things; last: {:?}", read(&board.strange), board.broken());
    Ok(())
}
