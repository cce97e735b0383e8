//! Why an entry was not folded into the reports.

use percolate_common::money::MoneyOverflow;
use percolate_runtime::storage::StorageError;

use super::measures::SumOverflow;
use super::recomputed::RecomputeError;

/// Why an entry was not folded.
#[derive(Debug, thiserror::Error)]
pub(super) enum FoldError {
    #[error("the projection could not be written or read")]
    Storage(#[from] StorageError),
    #[error("the entry cannot be folded: {0}")]
    Entry(&'static str),
}

impl From<SumOverflow> for FoldError {
    fn from(_overflow: SumOverflow) -> Self {
        Self::Entry("its sums are out of range")
    }
}

impl From<RecomputeError> for FoldError {
    fn from(error: RecomputeError) -> Self {
        match error {
            RecomputeError::Storage(source) => Self::Storage(source),
            RecomputeError::Wire(_) => Self::Entry("it cannot be kept to be looked at again"),
        }
    }
}

impl From<MoneyOverflow> for FoldError {
    fn from(_overflow: MoneyOverflow) -> Self {
        Self::Entry("its sums are out of range")
    }
}
