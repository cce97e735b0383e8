//! For boxes. Nobody is asked for a token here: what is asked proves itself.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use percolate_common::ids::NodeId;
use percolate_common::journal::Signature;
use percolate_runtime::bundle_fetch::{BUNDLE_PROOF_HEADER, BundleFetch};
use percolate_runtime::enrolment::{Bytes, EnrolmentAnswer, EnrolmentAsked, Issued, Octets, RenewalAsked};
use percolate_runtime::http::extract::{JsonBody, PathParams};
use percolate_runtime::http::problem::Problem;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::problem;
use crate::identity::app::IdentityApp;
use crate::identity::error::IdentityError;
use crate::kernel::http::Refused;

/// The chain.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Chain {
    /// Its name.
    name: String,
    /// Its root's certificate, PEM.
    root: String,
    /// Its issuing CA's certificate, PEM.
    intermediate: String,
}

/// What a tech's program signed when a box was ready.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct Acceptance {
    /// What was signed, as hexadecimal digits.
    #[schema(value_type = String)]
    body: Octets,
    /// The signature by the box's key, 128 hexadecimal digits.
    #[schema(value_type = String)]
    signature: Bytes<64>,
}

/// That it is kept.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Accepted {
    /// The store that the box serves.
    store: u32,
    /// When it was ready, by its own clock, in milliseconds since 1970.
    made_at_ms: i64,
}

/// Tells who the chain is.
#[utoipa::path(get, path = "/v1/identity/chain", tag = "identity",
    responses((status = 200, description = "The chain", body = Chain), Refused))]
pub(super) async fn chain(State(app): State<Arc<IdentityApp>>) -> Json<Chain> {
    let chain = app.issuer().chain();
    let (name, root, intermediate) = (chain.name.clone(), chain.root.clone(), chain.intermediate.clone());
    Json(Chain { name, root, intermediate })
}

/// Hands a box that knows a code its bundle, as it would be on a stick. The code is used by enrolling only.
#[utoipa::path(post, path = "/v1/identity/bundle-fetches", tag = "identity", request_body = BundleFetch,
    responses((status = 200, description = "The file", content_type = "application/octet-stream", body = Vec<u8>,
        headers(("Percolate-Proof" = String, description = "That the hub knows the code, over the question and the file"))),
        Refused))]
pub(super) async fn fetch_bundle(
    State(app): State<Arc<IdentityApp>>,
    body: JsonBody<BundleFetch>,
) -> Result<Response, Problem> {
    let given = app.fetch_bundle(body.value).await.map_err(|error| problem(&error))?;
    let proof = HeaderValue::from_str(&String::from(given.proof)).map_err(|_unprintable| Problem::internal())?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream")),
        // The file holds a secret.
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (HeaderName::from_static(BUNDLE_PROOF_HEADER), proof),
    ];
    Ok((headers, given.file).into_response())
}

/// Gives a box that knows a code its first certificate.
#[utoipa::path(post, path = "/v1/identity/enrolments", tag = "identity", request_body = EnrolmentAsked,
    responses((status = 201, description = "What the box was given", body = EnrolmentAnswer), Refused))]
pub(super) async fn enrol(
    State(app): State<Arc<IdentityApp>>,
    body: JsonBody<EnrolmentAsked>,
) -> Result<(StatusCode, Json<EnrolmentAnswer>), Problem> {
    let answer = app.enrol(body.value).await.map_err(|error| problem(&error))?;
    Ok((StatusCode::CREATED, Json(answer)))
}

/// Gives a box the certificate after the one that it has.
#[utoipa::path(post, path = "/v1/identity/renewals", tag = "identity", request_body = RenewalAsked,
    responses((status = 201, description = "What the box was given", body = Issued), Refused))]
pub(super) async fn renew(
    State(app): State<Arc<IdentityApp>>,
    body: JsonBody<RenewalAsked>,
) -> Result<(StatusCode, Json<Issued>), Problem> {
    let issued = app.renew(body.value).await.map_err(|error| problem(&error))?;
    Ok((StatusCode::CREATED, Json(issued)))
}

/// Keeps what was signed when a box was ready.
#[utoipa::path(post, path = "/v1/identity/devices/{node}/acceptances", tag = "identity", request_body = Acceptance,
    params(("node" = u32, Path, description = "The box's number")),
    responses((status = 201, description = "It is the box's, and kept", body = Accepted), Refused))]
pub(super) async fn accept(
    State(app): State<Arc<IdentityApp>>,
    PathParams(node): PathParams<u32>,
    body: JsonBody<Acceptance>,
) -> Result<(StatusCode, Json<Accepted>), Problem> {
    let Acceptance { body, signature } = body.value;
    let signature = Signature::from_slice(&signature.0).ok_or_else(|| problem(&IdentityError::Acceptance))?;
    let kept = app.accept(NodeId::new(node), body.0, signature).await.map_err(|error| problem(&error))?;
    Ok((StatusCode::CREATED, Json(Accepted { store: kept.store, made_at_ms: kept.made_at_ms })))
}
