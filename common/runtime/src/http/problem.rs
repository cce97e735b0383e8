//! Problems: the one shape of every error answer (RFC 9457, `application/problem+json`).

use axum::Json;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use crate::storage::StorageError;

const MEDIA_TYPE: HeaderValue = HeaderValue::from_static("application/problem+json");

/// When a caller that met a full queue should come again, in seconds.
const OVERLOAD_RETRY_S: u32 = 1;

/// When a caller that met a disk which cannot be written should come again, in seconds.
const STORAGE_RETRY_S: u32 = 30;

/// An error answer.
///
/// ```
/// use axum::http::StatusCode;
/// use percolate_runtime::http::problem::Problem;
///
/// let problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_ticket", "The ticket has a line that cannot be sold.")
///     .with_error("/lines/0/quantity", "out_of_range", "Sell between 1 and 999 of an item.");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Problem {
    /// Always `about:blank`: `code` tells problems apart.
    #[serde(rename = "type")]
    #[schema(rename = "type", value_type = String)]
    kind: AboutBlank,
    /// The HTTP status in words.
    #[schema(value_type = String)]
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// What went wrong, for programs. Codes are never renamed.
    #[schema(value_type = String)]
    code: &'static str,
    /// What went wrong and what to do about it, for a person.
    detail: String,
    /// The request's id, to be found in the server's log.
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
    /// The parts of the request that were refused.
    errors: Vec<FieldProblem>,
    #[serde(skip)]
    retry_after_s: Option<u32>,
}

/// The `type` of all our problems. Without a size: a problem is returned by value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct AboutBlank;

impl Serialize for AboutBlank {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("about:blank")
    }
}

/// One part of a request that was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldProblem {
    /// Where in the body (RFC 6901), as in `/lines/0/quantity`. A parameter of the query is written `?name`.
    pub pointer: String,
    /// What is wrong with it, for programs.
    #[schema(value_type = String)]
    pub code: &'static str,
    /// What is wrong with it, for a person.
    pub detail: String,
}

impl Problem {
    /// A problem with its status, its code for programs and its sentence for a person.
    #[must_use]
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            kind: AboutBlank,
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            code,
            detail: detail.into(),
            request_id: None,
            errors: Vec::new(),
            retry_after_s: None,
        }
    }

    /// A defect or failure on our side. Nothing of its cause is shown; log it where it is handled.
    #[must_use]
    pub fn internal() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "Something went wrong on our side. Try again; if it stays, report the request id.",
        )
    }

    /// Names a part of the request that was refused.
    #[must_use]
    pub fn with_error(mut self, pointer: impl Into<String>, code: &'static str, detail: impl Into<String>) -> Self {
        self.errors.push(FieldProblem { pointer: pointer.into(), code, detail: detail.into() });
        self
    }

    /// Says when to come again, in seconds.
    #[must_use]
    pub fn with_retry_after(mut self, seconds: u32) -> Self {
        self.retry_after_s = Some(seconds);
        self
    }

    /// The code for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    pub(super) fn with_request_id(mut self, request_id: &str) -> Self {
        self.request_id = Some(request_id.to_owned());
        self
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.status(), Json(&self)).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, MEDIA_TYPE);
        if let Some(seconds) = self.retry_after_s {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        // The server writes it once more, with the request's id.
        response.extensions_mut().insert(self);
        response
    }
}

/// What a caller is told of a storage failure. The failure itself is logged where it is handled.
impl From<&StorageError> for Problem {
    fn from(error: &StorageError) -> Self {
        match error {
            StorageError::DiskFull(_) => Self::new(
                StatusCode::INSUFFICIENT_STORAGE,
                error.code(),
                "The disk of this server is full; nothing was recorded. Free some space, then try again.",
            )
            .with_retry_after(STORAGE_RETRY_S),
            StorageError::ReadOnly(_) => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                error.code(),
                "The disk of this server cannot be written; nothing was recorded. Have the disk checked, then try again.",
            )
            .with_retry_after(STORAGE_RETRY_S),
            StorageError::Busy(_) | StorageError::ReadersBusy { .. } | StorageError::QueueFull { .. } => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                error.code(),
                "This server has more to do than it can; nothing was recorded. Try again in a moment.",
            )
            .with_retry_after(OVERLOAD_RETRY_S),
            StorageError::Unreachable(_) => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                error.code(),
                "The database server cannot be reached. Try again in a moment with the same Idempotency-Key.",
            )
            .with_retry_after(STORAGE_RETRY_S),
            StorageError::Denied(_) => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                error.code(),
                "The database server refuses this service; nothing was recorded. Have its role's rights checked.",
            )
            .with_retry_after(STORAGE_RETRY_S),
            StorageError::Conflict(_) => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                error.code(),
                "Something else was recorded at the same moment; nothing was recorded of this. Try again.",
            )
            .with_retry_after(OVERLOAD_RETRY_S),
            StorageError::Closed => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                error.code(),
                "This server is stopping; nothing was recorded. Try again in a moment.",
            )
            .with_retry_after(OVERLOAD_RETRY_S),
            StorageError::Corrupt(_)
            | StorageError::Unsound { .. }
            | StorageError::Io(_)
            | StorageError::TransactionLost
            | StorageError::Unanswered => Self::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                error.code(),
                "The disk of this server failed. Try again with the same Idempotency-Key; if it stays, have the disk checked.",
            ),
            StorageError::Query(_)
            | StorageError::WriteInRead { .. }
            | StorageError::NewerDatabase { .. }
            | StorageError::OlderDatabase { .. }
            | StorageError::MigrationEdited { .. }
            | StorageError::MigrationOrder { .. }
            | StorageError::Panicked { .. }
            | StorageError::Thread(_) => Self::internal(),
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;
    use serde_json::{Value, json};

    use super::*;

    async fn body(response: Response) -> Value {
        serde_json::from_slice(&to_bytes(response.into_body(), 10_000).await.unwrap()).unwrap()
    }

    #[tokio::test]
    async fn a_problem_is_a_document_with_all_its_parts() {
        let problem = Problem::new(StatusCode::CONFLICT, "taken", "It is taken.")
            .with_error("/name", "taken", "Choose another.")
            .with_retry_after(3);
        let response = problem.with_request_id("r1").into_response();
        assert_eq!(response.status(), StatusCode::CONFLICT);
        assert_eq!(response.headers()[CONTENT_TYPE], "application/problem+json");
        assert_eq!(response.headers()[RETRY_AFTER], "3");
        assert_eq!(
            body(response).await,
            json!({
                "type": "about:blank", "title": "Conflict", "status": 409, "code": "taken", "detail": "It is taken.", "request_id": "r1",
                "errors": [{"pointer": "/name", "code": "taken", "detail": "Choose another."}]
            })
        );
    }

    #[test]
    fn storage_failures_are_told_apart_and_defects_are_not_shown() {
        let full = StorageError::QueueFull { queued: 7 };
        assert_eq!(
            (Problem::from(&full).status(), Problem::from(&full).code()),
            (StatusCode::SERVICE_UNAVAILABLE, "queue_full")
        );
        assert_eq!(Problem::from(&StorageError::Closed).code(), "storage_closed");
        let defect = StorageError::WriteInRead { statement: "DELETE FROM secret".to_owned() };
        assert_eq!(Problem::from(&defect), Problem::internal());
    }
}
