//! What makes a write repeatable: its key, what its path names, and its body.

use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::request::Parts;
use percolate_runtime::http::extract::{IdempotencyKey, JsonBody};
use percolate_runtime::http::problem::Problem;

use crate::app::tickets::{Named, RequestKey};

/// An `Idempotency-Key`, and what the path of its request names. Two writes with the same body are two if one is to one ticket, and
/// one to another.
#[derive(Debug)]
pub(super) struct WriteKey {
    key: IdempotencyKey,
    named: Option<String>,
}

impl<S: Send + Sync> FromRequestParts<S> for WriteKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let key = IdempotencyKey::from_request_parts(parts, state).await?;
        // Refused only where a path cannot be read, and then its parameter is refused as well.
        let params = RawPathParams::from_request_parts(parts, state).await.ok();
        let named: Vec<_> = params.iter().flatten().map(|(_name, value)| value.to_owned()).collect();
        Ok(Self { key, named: (!named.is_empty()).then(|| named.join("/")) })
    }
}

fn half(hash: blake3::Hash) -> [u8; 16] {
    let mut half = [0_u8; 16];
    half.copy_from_slice(hash.as_bytes().split_at(16).0);
    half
}

pub(super) fn request_key<T>(key: &WriteKey, body: &JsonBody<T>) -> RequestKey {
    let body_alone = half(body.hash.into());
    let with = |named: &String| {
        let mut hasher = blake3::Hasher::new();
        hasher.update(named.as_bytes()).update(&[0]).update(&body.bytes);
        half(hasher.finalize())
    };
    RequestKey {
        text: key.key.as_str().to_owned(),
        key_hash: half(blake3::hash(key.key.as_str().as_bytes())),
        body_hash: key.named.as_ref().map_or(body_alone, with),
        named: key.named.clone().map(|id| Named { id, body_alone }),
    }
}
