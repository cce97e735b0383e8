//! What callers are told when something fails here.

use percolate_runtime::http::problem::Problem;
use percolate_runtime::storage::StorageError;

/// What a caller is told of a storage failure, which is logged here.
#[must_use]
pub fn storage_problem(error: &StorageError) -> Problem {
    tracing::error!(
        error.code = error.code(),
        error = error as &dyn std::error::Error,
        "a request met a storage failure"
    );
    Problem::from(error)
}
