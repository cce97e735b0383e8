//! Extractors whose refusals are problems: JSON bodies, queries, path parameters, idempotency keys.

use std::borrow::Borrow;
use std::fmt;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use serde::de::DeserializeOwned;

use crate::http::problem::Problem;

/// The header that makes a write repeatable.
pub const IDEMPOTENCY_KEY_HEADER: &str = "idempotency-key";

/// The longest idempotency key, in characters.
pub const IDEMPOTENCY_KEY_LENGTH_MAX: usize = 128;

/// A JSON body, and a hash of the bytes that were sent: two requests are the same when their bytes are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonBody<T> {
    /// What was sent.
    pub value: T,
    /// BLAKE3 of the bytes.
    pub hash: [u8; 32],
    /// The bytes.
    pub bytes: Bytes,
}

impl<T: DeserializeOwned> JsonBody<T> {
    /// Reads bytes that were sent.
    ///
    /// # Errors
    /// A [`Problem`] that says where they are not what is needed.
    pub fn read(bytes: Bytes) -> Result<Self, Problem> {
        Ok(Self { value: parse(&bytes)?, hash: blake3::hash(&bytes).into(), bytes })
    }
}

impl<T, S> FromRequest<S> for JsonBody<T>
where
    T: DeserializeOwned,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        if !is_json(request.headers()) {
            return Err(Problem::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported_media_type",
                "The body must be JSON: send the header Content-Type: application/json.",
            ));
        }
        let bytes = Bytes::from_request(request, state).await.map_err(|rejection| refused_bytes(&rejection))?;
        Self::read(bytes)
    }
}

/// The parameters of a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryParams<T>(pub T);

impl<T, S> FromRequestParts<S> for QueryParams<T>
where
    T: DeserializeOwned,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        match Query::try_from_uri(&parts.uri) {
            Ok(Query(value)) => Ok(Self(value)),
            Err(rejection) => {
                Err(Problem::new(StatusCode::BAD_REQUEST, "invalid_query", sentence(&rejection.body_text())))
            }
        }
    }
}

/// A parameter, or a tuple of them, in the path. One that cannot be read names nothing: 404.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathParams<T>(pub T);

impl<T, S> FromRequestParts<S> for PathParams<T>
where
    T: DeserializeOwned + Send,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Path::from_request_parts(parts, state).await {
            Ok(Path(value)) => Ok(Self(value)),
            Err(rejection) => {
                Err(Problem::new(StatusCode::NOT_FOUND, "invalid_path", sentence(&rejection.body_text())))
            }
        }
    }
}

/// What the caller calls this write: the same key with the same body is the same write.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// Takes a key of 1 to [`IDEMPOTENCY_KEY_LENGTH_MAX`] visible ASCII characters.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let visible = text.bytes().all(|byte| byte.is_ascii_graphic());
        (visible && (1..=IDEMPOTENCY_KEY_LENGTH_MAX).contains(&text.len())).then(|| Self(text.to_owned()))
    }

    /// The key as it was sent.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for IdempotencyKey {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let mut sent = parts.headers.get_all(IDEMPOTENCY_KEY_HEADER).iter();
        let Some(key) = sent.next() else {
            return Err(Problem::new(
                StatusCode::BAD_REQUEST,
                "idempotency_key_missing",
                "A write needs the header Idempotency-Key: choose a new key for each write and keep it when you try again.",
            ));
        };
        let single = sent.next().is_none();
        key.to_str().ok().filter(|_| single).and_then(Self::parse).ok_or_else(|| {
            Problem::new(
                StatusCode::BAD_REQUEST,
                "idempotency_key_invalid",
                format!(
                    "Idempotency-Key must be one value of 1 to {IDEMPOTENCY_KEY_LENGTH_MAX} visible ASCII characters."
                ),
            )
        })
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let Some(Ok(media_type)) = headers.get(CONTENT_TYPE).map(|value| value.to_str()) else { return false };
    let essence = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

fn refused_bytes(rejection: &BytesRejection) -> Problem {
    if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "body_too_large",
            "The body is larger than this server takes. Send less at once.",
        )
    } else {
        Problem::new(StatusCode::BAD_REQUEST, "body_unreadable", "The body did not arrive whole. Send it again.")
    }
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| refused_json(&error))?;
    json.end().map_err(|error| malformed(&error))?;
    Ok(value)
}

fn refused_json(error: &serde_path_to_error::Error<serde_json::Error>) -> Problem {
    let cause = error.inner();
    if !cause.is_data() {
        return malformed(cause);
    }
    Problem::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        "invalid_body",
        "The body is JSON, but not what this request needs. See errors.",
    )
    .with_error(pointer(error.path()), "invalid", sentence(&cause.to_string()))
}

fn malformed(error: &serde_json::Error) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "malformed_json", format!("The body is not JSON: {error}."))
}

/// The place as a JSON pointer (RFC 6901).
fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    path.iter()
        .map(|segment| match segment {
            Segment::Seq { index } => format!("/{index}"),
            Segment::Map { key } => format!("/{}", key.replace('~', "~0").replace('/', "~1")),
            Segment::Enum { variant } => format!("/{variant}"),
            Segment::Unknown => "/?".to_owned(),
        })
        .collect()
}

fn sentence(text: &str) -> String {
    let text = text.trim_end_matches('.');
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().collect::<String>()).unwrap_or_default();
    format!("{first}{}.", letters.as_str())
}
