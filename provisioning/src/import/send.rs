//! Sending: one store after its own pace, all stores at once.

use std::collections::BTreeMap;
use std::time::Duration;

use percolate_common::money::MoneyOverflow;

use super::chunk::{Chunk, body, chunks, idempotency_key};
use super::header::Column;
use super::plan::{Plan, PlannedLine, Sums};
use super::row::Fault;
use crate::client::{Answer, ClientError, Imported, Node, RejectedRow, retry};

/// How long a store may be busy or out of reach before an import gives up on it, in milliseconds. An import that is run
/// again goes on where this one ended.
pub const STORE_PATIENCE_MS: u64 = 30_000;

/// What a store says for a row whose id it knows with other content.
const CONFLICTING_ROW: &str = "conflicting_row";

/// How the import into one store went.
#[derive(Debug, Default)]
pub struct Sent {
    /// What is in the store now: new lines, and those that were there already.
    pub sums: Sums,
    /// Lines that were in the store before.
    pub lines_there_before: u64,
    /// Tickets that are new.
    pub tickets_created: u64,
    /// Tickets that lines came later for.
    pub tickets_amended: u64,
    /// Baskets whose local time came twice that day; the first was taken.
    pub repeated_local_times: u64,
    /// Lines that were not sent, because the store failed before.
    pub lines_unsent: i64,
    /// Rows that the store did not take, by the number of their line.
    pub faults: BTreeMap<u32, Fault>,
    /// Why it ended early.
    pub error: Option<SendError>,
}

/// An import into one store that ended early.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The store cannot be reached, or refuses.
    #[error(transparent)]
    Store(#[from] ClientError),
    /// The store's answer does not account for what was sent.
    #[error("store {store} was sent {sent} lines and accounts for {accounted}: stop, and ask for help")]
    Unaccounted {
        /// Store number.
        store: u32,
        /// Lines of the request.
        sent: u64,
        /// Lines of the answer.
        accounted: u64,
    },
    /// Sums beyond 64 bits.
    #[error("the sales add up to more than can be counted")]
    Overflow(#[from] MoneyOverflow),
}

/// A store that takes sales over.
#[derive(Debug, Clone)]
pub struct Target {
    /// Its node.
    pub node: Node,
    /// The position of its shop among the shops.
    pub shop: usize,
    /// Its number.
    pub store: u32,
}

/// Imports a shop's baskets into its store. `done` is told how many lines were sent so far.
pub async fn send(plan: &Plan, source: &str, target: &Target, done: impl Fn(u64)) -> Sent {
    let mut sent = Sent::default();
    let chunks = chunks(plan, target.shop);
    let mut lines_done = 0;
    for (at, chunk) in chunks.iter().enumerate() {
        if let Err(error) = send_chunk(plan, source, target, chunk, &mut sent).await {
            sent.error = Some(error);
            let unsent = chunks.get(at..).unwrap_or_default();
            sent.lines_unsent = unsent.iter().map(|chunk| crate::figures::signed(chunk.lines.len())).sum();
            break;
        }
        lines_done += chunk.lines.len() as u64;
        done(lines_done);
    }
    sent
}

async fn send_chunk(
    plan: &Plan,
    source: &str,
    target: &Target,
    chunk: &Chunk,
    sent: &mut Sent,
) -> Result<(), SendError> {
    let body = body(plan, target.shop, chunk, source);
    let key = idempotency_key(target.store, &body);
    let mut attempts = 0_u32;
    let answer = retry(Duration::from_millis(STORE_PATIENCE_MS), |failures| {
        attempts = failures + 1;
        target.node.import(&key, body.clone())
    })
    .await?;
    let lines = plan.lines.get(chunk.lines.clone()).unwrap_or_default();
    account(plan, target.store, lines, &answer.body, sent)?;
    count(&answer, attempts, sent);
    Ok(())
}

/// Adds what the store has taken, row by row, and keeps what it has not.
fn account(
    plan: &Plan,
    store: u32,
    lines: &[PlannedLine],
    imported: &Imported,
    sent: &mut Sent,
) -> Result<(), SendError> {
    let rejected: BTreeMap<&str, &RejectedRow> = imported.rejected.iter().map(|row| (row.row.as_str(), row)).collect();
    let mut refused = 0;
    let mut last_moment = None;
    for line in lines {
        let id = (!rejected.is_empty()).then(|| plan.interner.row_text(line.id));
        if let Some(row) = id.and_then(|id| rejected.get(id.as_str()).copied()) {
            refused += 1;
            sent.faults.insert(line.number, fault(row));
            continue;
        }
        sent.sums.add(line, last_moment != Some(line.moment))?;
        last_moment = Some(line.moment);
    }
    let accounted = imported.lines_added + imported.lines_duplicate + refused;
    let sent_lines = lines.len() as u64;
    if accounted == sent_lines && refused == imported.rejected.len() as u64 {
        return Ok(());
    }
    Err(SendError::Unaccounted { store, sent: sent_lines, accounted })
}

fn fault(row: &RejectedRow) -> Fault {
    let column = if row.code == CONFLICTING_ROW { Column::TransactionId.as_str() } else { "" };
    Fault { column, code: row.code.clone(), reason: format!("the store did not take it: {}", row.detail) }
}

/// Counts what is new. An answer that the store repeats on the first attempt is from an earlier import: all was there.
fn count(answer: &Answer<Imported>, attempts: u32, sent: &mut Sent) {
    let imported = &answer.body;
    sent.repeated_local_times += imported.repeated_local_times;
    if answer.replayed && attempts == 1 {
        sent.lines_there_before += imported.lines_added + imported.lines_duplicate;
        return;
    }
    sent.lines_there_before += imported.lines_duplicate;
    sent.tickets_created += imported.tickets_created;
    sent.tickets_amended += imported.tickets_amended;
}

#[cfg(test)]
mod tests {
    use super::super::plan::tests::{plan_of, row};
    use super::*;

    fn plan() -> Plan {
        plan_of(&[
            row("1", "5", "07:00:00", 1, "3.00"),
            row("2", "5", "07:00:00", 2, "1.00"),
            row("3", "5", "07:00:01", 1, "0.50"),
        ])
        .unwrap()
    }

    fn imported(added: u64, duplicate: u64, rejected: &[&str]) -> Imported {
        let rejected = rejected.iter().map(|row| RejectedRow {
            row: (*row).to_owned(),
            code: CONFLICTING_ROW.to_owned(),
            detail: "other content".to_owned(),
        });
        Imported {
            lines_added: added,
            lines_duplicate: duplicate,
            tickets_created: 1,
            rejected: rejected.collect(),
            ..Imported::default()
        }
    }

    #[test]
    fn what_the_store_took_is_summed_and_what_it_refused_is_kept_by_its_line() {
        let (plan, mut sent) = (plan(), Sent::default());
        account(&plan, 2, &plan.lines, &imported(1, 1, &["2"]), &mut sent).unwrap();
        assert_eq!((sent.sums.tickets, sent.sums.lines, sent.sums.net.get()), (2, 2, 350));
        assert_eq!(sent.faults[&3].column, "transaction_id");
        assert!(sent.faults[&3].reason.ends_with("other content"));
    }

    #[test]
    fn an_answer_that_loses_or_invents_lines_is_noticed() {
        for answer in [imported(2, 0, &[]), imported(3, 1, &[]), imported(2, 0, &["9"]), imported(3, 0, &["9"])] {
            let plan = plan();
            let unaccounted = account(&plan, 2, &plan.lines, &answer, &mut Sent::default());
            assert!(matches!(unaccounted, Err(SendError::Unaccounted { sent: 3, .. })), "{answer:?}");
        }
    }

    #[test]
    fn a_repeated_answer_counts_as_new_only_if_this_import_asked_before() {
        let answer = |replayed| Answer { body: imported(2, 1, &[]), replayed };
        let lines_before = |replayed, attempts| {
            let mut sent = Sent::default();
            count(&answer(replayed), attempts, &mut sent);
            (sent.lines_there_before, sent.tickets_created)
        };
        assert_eq!(lines_before(false, 1), (1, 1));
        assert_eq!(lines_before(true, 1), (3, 0));
        assert_eq!(lines_before(true, 2), (1, 1));
    }
}
