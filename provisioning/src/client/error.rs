//! What can go wrong with a request: at our end, on the way, or at the other.

use serde::Deserialize;

/// A request that did not do what it should.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// This machine cannot make connections.
    #[error("could not set up an HTTP client")]
    Setup(#[source] reqwest::Error),
    /// Nobody took the question.
    #[error("nothing answers at {address}: is the server running?")]
    Silent {
        /// Host and port.
        address: String,
        /// Why.
        #[source]
        source: Cause,
    },
    /// No answer, or half of one. Whether the request was done is unknown; under its key it may be sent again.
    #[error("no answer from {address} to {path}")]
    Unreachable {
        /// Host and port.
        address: String,
        /// What was asked.
        path: String,
        /// Why.
        #[source]
        source: Cause,
    },
    /// The server says no, and why.
    #[error("{address} refused {path} with {status} {code}: {detail}")]
    Refused {
        /// Host and port.
        address: String,
        /// What was asked.
        path: String,
        /// HTTP status.
        status: u16,
        /// For programs.
        code: String,
        /// For people.
        detail: String,
        /// The parts of the request that were refused.
        errors: Box<[FieldRefused]>,
    },
    /// The server is there, and cannot do its work.
    #[error("{address} is not ready: {reason}")]
    NotReady {
        /// Host and port.
        address: String,
        /// What is not as it must be.
        reason: String,
    },
    /// The answer has another shape than expected: another version, or another program.
    #[error("{address} answered {path} in a shape that this program does not know")]
    Unexpected {
        /// Host and port.
        address: String,
        /// What was asked.
        path: String,
        /// Where the shape differs.
        #[source]
        source: serde_json::Error,
    },
}

/// Why there was no answer: the first cause alone. Those between it and us are layers of the client.
#[derive(Debug, thiserror::Error)]
#[error("{}", first_cause(.0))]
pub struct Cause(reqwest::Error);

fn first_cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

/// What `/readyz` answers.
#[derive(Debug, Default, Deserialize)]
struct Readiness {
    #[serde(default)]
    checks: Vec<Check>,
}

#[derive(Debug, Deserialize)]
struct Check {
    name: String,
    ok: bool,
    detail: String,
}

/// What is not as it must be, in words: `disk: 4096 bytes free`.
pub(super) fn not_ready_in_words(body: &[u8]) -> String {
    let readiness: Readiness = serde_json::from_slice(body).unwrap_or_default();
    let failed = readiness.checks.into_iter().filter(|check| !check.ok);
    let told: Vec<String> = failed.map(|check| format!("{}: {}", check.name, check.detail)).collect();
    if told.is_empty() { "it does not say why; its log does".to_owned() } else { told.join("; ") }
}

/// The parts of a problem (RFC 9457) that are read.
#[derive(Debug, Default, Deserialize)]
struct Problem {
    #[serde(default)]
    code: String,
    #[serde(default)]
    detail: String,
    #[serde(default)]
    errors: Vec<FieldRefused>,
}

/// A part of a request that was refused.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct FieldRefused {
    /// Where in the body, as in `/lines/0/item`.
    #[serde(default)]
    pub pointer: String,
    /// For programs.
    #[serde(default)]
    pub code: String,
    /// For people.
    #[serde(default)]
    pub detail: String,
}

impl ClientError {
    /// A request without an answer.
    pub(super) fn unanswered(address: &str, path: &str, source: reqwest::Error) -> Self {
        let address = address.to_owned();
        if source.is_connect() {
            return Self::Silent { address, source: Cause(source) };
        }
        Self::Unreachable { address, path: path.to_owned(), source: Cause(source) }
    }

    /// Says instead of the server what a person does who runs this program, if it refused the token.
    pub(super) fn advised(mut self, advice: Option<&str>) -> Self {
        if let (Self::Refused { status: 401, detail, .. }, Some(advice)) = (&mut self, advice) {
            advice.clone_into(detail);
        }
        self
    }

    /// Reads the body of a refusal, which may be anything.
    pub(super) fn refused(address: &str, path: &str, status: u16, body: &[u8]) -> Self {
        let problem: Problem = serde_json::from_slice(body).unwrap_or_default();
        let mut detail = problem.detail;
        for error in &problem.errors {
            detail.push_str(&format!(" ({} {})", error.pointer, error.detail));
        }
        if detail.is_empty() {
            detail = match serde_json::from_slice::<serde_json::Value>(body) {
                Ok(_without_words) => "it does not say why; its log does".to_owned(),
                Err(_no_json) => String::from_utf8_lossy(body).chars().take(200).collect(),
            };
        }
        let (address, path, errors) = (address.to_owned(), path.to_owned(), problem.errors.into());
        Self::Refused { address, path, status, code: problem.code, detail, errors }
    }

    /// A server that is there, but says that it cannot do its work, and why.
    pub(crate) fn not_ready(address: &str, reason: &str) -> Self {
        Self::NotReady { address: address.to_owned(), reason: reason.to_owned() }
    }

    /// Whether the same request may well succeed a little later: the server is busy, starting, or out of reach.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Silent { .. } | Self::Unreachable { .. } | Self::NotReady { .. } => true,
            Self::Refused { status, .. } => matches!(status, 408 | 425 | 429 | 502 | 503 | 504),
            Self::Setup(_) | Self::Unexpected { .. } => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_tells_code_detail_and_place() {
        let body = br#"{"code":"unknown_item","detail":"None.","errors":[{"pointer":"/lines/0/item","code":"x","detail":"Ask."}]}"#;
        let error = ClientError::refused("127.0.0.1:1", "/v1/tickets", 422, body);
        assert_eq!(
            error.to_string(),
            "127.0.0.1:1 refused /v1/tickets with 422 unknown_item: None. (/lines/0/item Ask.)"
        );
        assert!(!error.is_passing());
        assert!(ClientError::refused("h", "/", 503, b"{}").is_passing());
        assert!(!ClientError::refused("h", "/", 507, b"{}").is_passing(), "a full disk does not pass by itself");
    }

    #[test]
    fn a_refusal_that_is_no_problem_is_quoted() {
        let error = ClientError::refused("h", "/x", 500, b"<html>oops</html>");
        assert!(error.to_string().ends_with("500 : <html>oops</html>"), "{error}");
        let error = ClientError::refused("h", "/x", 503, br#"{"ready":false,"n":1}"#);
        assert!(error.to_string().ends_with("503 : it does not say why; its log does"), "{error}");
    }

    #[test]
    fn a_server_that_is_not_ready_says_in_words_what_it_lacks() {
        let body = br#"{"ready":false,"checks":[{"name":"storage","ok":true,"detail":"writable"},
            {"name":"disk","ok":false,"detail":"4096 bytes free"}]}"#;
        let error = ClientError::not_ready("127.0.0.1:1", &not_ready_in_words(body));
        assert_eq!(error.to_string(), "127.0.0.1:1 is not ready: disk: 4096 bytes free");
        assert!(!not_ready_in_words(b"{}").contains('{'));
    }
}
