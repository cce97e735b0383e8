//! How it stands with the node's certificate, as a screen shows it.

use serde::Serialize;
use utoipa::ToSchema;

/// How it stands with the certificate by which head office knows the box. Selling does not hang on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Enrolment {
    /// `waits_for_code`, `enrolling`, `refused`, `enrolled`, `renewing`, `expired`, `revoked` or `clock_ahead`.
    #[schema(value_type = String)]
    pub(crate) state: &'static str,
    /// The last instant at which the certificate holds, UTC milliseconds; null without one.
    pub(crate) not_after_ms: Option<i64>,
    /// Why the last try failed, for programs; null if it did not.
    #[schema(value_type = Option<String>)]
    pub(crate) code: Option<&'static str>,
    /// The same for a person: what the till may show.
    pub(crate) detail: String,
}
