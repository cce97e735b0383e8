//! What was published, and where it was said.

use percolate_common::domain::catalog::Revision;
use percolate_common::journal::JournalId;
use percolate_common::time::UtcMillis;

/// A revision that was published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedRevision {
    /// What it says.
    pub revision: Revision,
    /// Where and when it was said.
    pub said: Said,
}

/// Where and when something was said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Said {
    /// In which life.
    pub journal: JournalId,
    /// As which entry.
    pub seq: u64,
    /// When.
    pub at: UtcMillis,
}
