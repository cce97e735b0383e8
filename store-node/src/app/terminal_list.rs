//! The terminals of the shop as each request needs them: in memory, so that no sale waits for a look at the disk.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use percolate_common::domain::terminals::TerminalKind;
use percolate_common::domain::tickets::receipt::TerminalName;
use percolate_common::time::UtcMillis;
use percolate_runtime::sqlite::WriteTx;
use percolate_runtime::storage::StorageError;
use tokio_util::sync::CancellationToken;

use crate::store::terminals::{TerminalRow, terminal_seen};

/// When terminals were seen is written along with a sale, at most so often, in milliseconds.
const NOTE_EVERY_MS: i64 = 60 * 1_000;

/// A terminal that is paired, or was.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) name: TerminalName,
    pub(crate) kind: TerminalKind,
    /// Cancelled once it is revoked.
    pub(crate) ended: CancellationToken,
    /// When it asked last, UTC milliseconds; 0 before.
    seen_ms: AtomicI64,
    /// What of that is written.
    noted_ms: AtomicI64,
}

impl Known {
    fn of(row: &TerminalRow) -> Arc<Self> {
        let seen_ms = row.seen_at.map_or(0, UtcMillis::get);
        let ended = CancellationToken::new();
        if row.revoked_at.is_some() {
            ended.cancel();
        }
        Arc::new(Self {
            name: row.name.clone(),
            kind: row.kind,
            ended,
            seen_ms: AtomicI64::new(seen_ms),
            noted_ms: AtomicI64::new(seen_ms),
        })
    }

    pub(crate) fn is_revoked(&self) -> bool {
        self.ended.is_cancelled()
    }

    /// It asks something.
    pub(crate) fn saw(&self, now: UtcMillis) {
        self.seen_ms.store(now.get(), Ordering::Relaxed);
    }

    pub(crate) fn seen_at(&self) -> Option<UtcMillis> {
        Some(self.seen_ms.load(Ordering::Relaxed)).filter(|seen| *seen != 0).map(UtcMillis::new)
    }
}

/// All of them, by the hashes of their tokens.
///
/// Whoever changes them does so within the transaction that changes the table, as its last step: it happens though nobody
/// waits for the answer, and in the order of the table. Should that commit fail, a terminal is let in that was given no token,
/// or one is kept out that somebody was about to revoke.
#[derive(Debug, Default)]
pub(crate) struct Terminals {
    known: RwLock<BTreeMap<[u8; 32], Arc<Known>>>,
    /// When it was last written who was seen, UTC milliseconds.
    noted_ms: AtomicI64,
}

impl Terminals {
    /// Takes what the table has.
    pub(crate) fn load(&self, rows: &[TerminalRow]) {
        let known = rows.iter().map(|row| (row.hash, Known::of(row))).collect();
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = known;
    }

    /// Who shows a token.
    pub(crate) fn by_token(&self, token: &str) -> Option<Arc<Known>> {
        self.by_hash(blake3::hash(token.as_bytes()).as_bytes())
    }

    pub(crate) fn by_hash(&self, hash: &[u8; 32]) -> Option<Arc<Known>> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).get(hash).cloned()
    }

    /// A terminal is paired, in place of any other of its name.
    pub(crate) fn paired(&self, row: &TerminalRow) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        end(&known, &row.name);
        known.insert(row.hash, Known::of(row));
    }

    /// The terminal of a name is revoked: it is refused from its next request on, and hears nothing more.
    pub(crate) fn revoked(&self, name: &TerminalName) {
        end(&self.known.read().unwrap_or_else(PoisonError::into_inner), name);
    }

    /// Writes along who was seen, if that was not done of late. A minute of it may be lost with the power.
    pub(crate) fn note(&self, tx: &WriteTx<'_>, now: UtcMillis) -> Result<(), StorageError> {
        let since = now.get().saturating_sub(self.noted_ms.load(Ordering::Relaxed));
        if (0..NOTE_EVERY_MS).contains(&since) {
            return Ok(());
        }
        self.noted_ms.store(now.get(), Ordering::Relaxed);
        self.note_now(tx)
    }

    /// As [`Terminals::note`], whenever that was done last.
    pub(crate) fn note_now(&self, tx: &WriteTx<'_>) -> Result<(), StorageError> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        for (hash, terminal) in known.iter().filter(|(_, terminal)| terminal.is_unnoted()) {
            let seen_ms = terminal.seen_ms.load(Ordering::Relaxed);
            terminal_seen(tx, hash, UtcMillis::new(seen_ms))?;
            terminal.noted_ms.store(seen_ms, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Whether somebody was seen of whom that is not written.
    pub(crate) fn are_unnoted(&self) -> bool {
        self.known.read().unwrap_or_else(PoisonError::into_inner).values().any(|terminal| terminal.is_unnoted())
    }
}

impl Known {
    fn is_unnoted(&self) -> bool {
        self.seen_ms.load(Ordering::Relaxed) != self.noted_ms.load(Ordering::Relaxed)
    }
}

fn end(known: &BTreeMap<[u8; 32], Arc<Known>>, name: &TerminalName) {
    known.values().filter(|terminal| terminal.name == *name).for_each(|terminal| terminal.ended.cancel());
}
