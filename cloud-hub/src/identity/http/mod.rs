//! Identity over HTTP: for head office behind the token, for boxes by what they can prove.

mod boxes;
mod devices;
mod sessions;
mod sites;
mod stores;
mod users;

use std::sync::Arc;

use axum::http::StatusCode;
use percolate_runtime::enrolment::EnrolmentRefusal;
use percolate_runtime::http::problem::Problem;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::app::IdentityApp;
use super::error::IdentityError;
use crate::kernel::http::ServiceRouter;
use crate::kernel::problem::storage_problem;

/// After so many seconds a code that was tried too often is worth asking about again: head office may have made another.
const TRY_AGAIN_S: u32 = 3_600;

/// Mistakes of one plan that are named.
const FAULTS_MAX: usize = 1_000;

/// All routes under `/v1/identity`.
pub(super) fn router(app: Arc<IdentityApp>) -> ServiceRouter {
    open_routes(app.clone()).merge(office_routes(app))
}

/// The routes of head office.
fn office_routes(app: Arc<IdentityApp>) -> ServiceRouter {
    OpenApiRouter::new()
        .routes(routes!(stores::list))
        .routes(routes!(stores::fetch, stores::put, stores::delete))
        .routes(routes!(stores::bundle))
        .routes(routes!(devices::list))
        .routes(routes!(devices::revoke))
        .routes(routes!(sessions::own, sessions::end))
        .routes(routes!(users::list, users::invite))
        .routes(routes!(users::disable))
        .routes(routes!(users::grants))
        .routes(routes!(users::place))
        .routes(routes!(users::doings))
        .with_state(app)
}

/// The routes of boxes and of those who sign in: they show by what they ask who they are.
fn open_routes(app: Arc<IdentityApp>) -> ServiceRouter {
    OpenApiRouter::new()
        .routes(routes!(boxes::chain))
        .routes(routes!(boxes::fetch_bundle))
        .routes(routes!(boxes::enrol))
        .routes(routes!(boxes::renew))
        .routes(routes!(boxes::accept))
        .routes(routes!(sessions::begin))
        .routes(routes!(sessions::redeem))
        .with_state(app)
}

/// What a caller is told.
fn problem(error: &IdentityError) -> Problem {
    let said = error.to_string();
    match error {
        IdentityError::Storage(error) => storage_problem(error),
        IdentityError::StoreUnknown(_) => Problem::new(StatusCode::NOT_FOUND, "store_unknown", said),
        IdentityError::NodeUnknown(_) => Problem::new(StatusCode::NOT_FOUND, "unknown_node", said),
        IdentityError::Site(faults) => {
            let problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "site_invalid", said);
            let named = faults.iter().take(FAULTS_MAX);
            named.fold(problem, |problem, fault| problem.with_error(&fault.pointer, fault.code, &fault.detail))
        }
        IdentityError::NodeTaken { .. } => Problem::new(StatusCode::CONFLICT, "node_taken", said),
        IdentityError::StoreInUse { .. } => Problem::new(StatusCode::CONFLICT, "store_in_use", said),
        IdentityError::NodeFixed { .. } => Problem::new(StatusCode::CONFLICT, "node_fixed", said),
        IdentityError::MenuMissing => Problem::new(StatusCode::CONFLICT, "menu_missing", said),
        IdentityError::KeyReused => Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "idempotency_key_reused", said),
        IdentityError::RenewedTooOften { wait_ms } => {
            let wait_s = u32::try_from(wait_ms / 1_000 + 1).unwrap_or(TRY_AGAIN_S);
            Problem::new(StatusCode::TOO_MANY_REQUESTS, "too_many_tries", said).with_retry_after(wait_s)
        }
        IdentityError::Acceptance => Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "acceptance_invalid", said),
        IdentityError::Refused(refusal) => refused(*refusal),
        IdentityError::InvitationUnknown => {
            let told = "The invitation is none, has ended, or was used. Ask an owner of the chain for another.";
            Problem::new(StatusCode::NOT_FOUND, "invitation_unknown", told)
        }
        IdentityError::PasswordUnfit => {
            let told = "A password has 12 to 128 characters.";
            Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "password_unfit", told)
        }
        IdentityError::SignInWrong => {
            let told = "Name, password or code is wrong. After five wrong tries nothing is taken for a minute, then for longer.";
            Problem::new(StatusCode::UNAUTHORIZED, "sign_in_wrong", told)
        }
        IdentityError::SessionUnknown => Problem::new(StatusCode::NOT_FOUND, "session_unknown", said),
        IdentityError::UserUnknown => Problem::new(StatusCode::NOT_FOUND, "user_unknown", said),
        IdentityError::RevokedList(_) => {
            tracing::error!(
                error = error as &dyn std::error::Error,
                "what must not be forgotten could not be written down"
            );
            let told = "It is done, and could not be written down beside the chain's CA: make room there, and ask the same again.";
            Problem::new(StatusCode::INSUFFICIENT_STORAGE, "not_written_down", told)
        }
        IdentityError::Bundle(_)
        | IdentityError::Seal(_)
        | IdentityError::Pki(_)
        | IdentityError::OwnerFile(_)
        | IdentityError::Hashing => {
            tracing::error!(error = error as &dyn std::error::Error, "identity could not do what it was asked");
            Problem::internal()
        }
    }
}

fn refused(refusal: EnrolmentRefusal) -> Problem {
    use EnrolmentRefusal as R;
    let (status, detail) = match refusal {
        R::CodeUnknown => (
            StatusCode::NOT_FOUND,
            "Nobody gave out such a code, or it was taken back. Ask head office for a new bundle.",
        ),
        R::CodeExpired => (StatusCode::GONE, "The code has ended. Ask head office for a new bundle."),
        R::CodeUsed => {
            (StatusCode::CONFLICT, "The code enrolled another box. If that was not yours, call head office.")
        }
        R::CodeOtherStore => (StatusCode::CONFLICT, "The code is another shop's. Take the bundle of this one."),
        R::ProofWrong => (
            StatusCode::FORBIDDEN,
            "The proof is not over what the hub sees: another code was used, or somebody reads the line.",
        ),
        R::CsrInvalid => {
            (StatusCode::UNPROCESSABLE_ENTITY, "The request for a certificate is not one that its key has made.")
        }
        R::TooManyTries => {
            (StatusCode::TOO_MANY_REQUESTS, "The code was tried too often. Ask head office for a new bundle.")
        }
        R::CertificateRevoked => (StatusCode::FORBIDDEN, "The box was shut out. Call head office."),
        R::CertificateUnknown => (StatusCode::FORBIDDEN, "The certificate is none that this hub has given out."),
        R::RenewalTooLate => {
            (StatusCode::FORBIDDEN, "The certificate ended too long ago. Ask head office for a new bundle.")
        }
        R::KeyChanged => (
            StatusCode::FORBIDDEN,
            "The request is by another key than that of the box which the shop has. A box in its place needs a bundle made with --replace.",
        ),
    };
    let problem = Problem::new(status, refusal.code(), detail);
    if refusal == R::TooManyTries { problem.with_retry_after(TRY_AGAIN_S) } else { problem }
}
