//! Asks the hub for certificates, at each of its addresses until one answers.

use percolate_runtime::enrolment::{BODY_BYTES_MAX, EnrolmentRefusal};
use percolate_runtime::http::caller::{CALL_TIME_MAX, CallError, Caller, HttpsAddress};
use percolate_runtime::pki::PkiError;
use percolate_runtime::tasks::Panicked;
use percolate_runtime::tls::{TlsError, TlsTrouble};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::files::FilesError;
use super::member::Unfit;

/// Why there is no certificate, or no other one.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("the hub refused: {detail}")]
    Refused { refusal: EnrolmentRefusal, detail: String },
    #[error("who answers has not shown that it is the hub: somebody reads the line, or it was given another code")]
    NotProven,
    #[error("the hub cannot be asked")]
    Call(#[from] CallError),
    #[error("the hub gave a certificate that is not this box's")]
    Unfit(#[from] Unfit),
    #[error("the request could not be made")]
    Request(#[from] PkiError),
    #[error("TLS could not be set up")]
    Tls(#[from] TlsError),
    #[error("the files of the certificate cannot be used")]
    Files(#[from] FilesError),
    #[error("the files of the certificate were not looked at to the end")]
    Panicked(#[from] Panicked),
    #[error("the hub did not accept the new certificate, and the box goes on with the one that it has")]
    NewRefused,
    #[error("no connection could be made by the new certificate")]
    NewUntried,
}

impl Failure {
    /// For programs.
    pub(super) const fn code(&self) -> &'static str {
        match self {
            Self::Refused { refusal, .. } => refusal.code(),
            Self::NotProven
            | Self::Call(CallError::Certificate { trouble: TlsTrouble::UnknownIssuer | TlsTrouble::WrongName }) => {
                "hub_not_proven"
            }
            Self::Call(CallError::Certificate { trouble: TlsTrouble::Expired }) => "clock_ahead",
            Self::Call(CallError::Problem { .. }) => "hub_not_ready",
            Self::Call(
                CallError::Foreign { .. } | CallError::TooLarge | CallError::Certificate { trouble: TlsTrouble::NoTls },
            ) => "hub_not_ours",
            Self::Call(
                CallError::Unreachable(_)
                | CallError::Slow
                | CallError::Question(_)
                | CallError::Certificate {
                    trouble:
                        TlsTrouble::NotYetValid
                        | TlsTrouble::Revoked
                        | TlsTrouble::WeAreExpired
                        | TlsTrouble::WeAreRevoked
                        | TlsTrouble::WeAreUnknown
                        | TlsTrouble::Other,
                },
            )
            | Self::NewUntried => "hub_unreachable",
            Self::Unfit(_) | Self::NewRefused => "certificate_unfit",
            Self::Files(FilesError::Code(_)) => "code_mistyped",
            Self::Request(_) | Self::Tls(_) | Self::Files(_) | Self::Panicked(_) => "identity_unusable",
        }
    }

    /// Whether asking again soon changes nothing: a person has to do something first.
    pub(super) const fn is_final(&self) -> bool {
        match self {
            Self::Refused { refusal, .. } => match refusal {
                EnrolmentRefusal::TooManyTries | EnrolmentRefusal::ProofWrong => false,
                EnrolmentRefusal::CodeUnknown
                | EnrolmentRefusal::CodeExpired
                | EnrolmentRefusal::CodeUsed
                | EnrolmentRefusal::CodeOtherStore
                | EnrolmentRefusal::CsrInvalid
                | EnrolmentRefusal::CertificateRevoked
                | EnrolmentRefusal::CertificateUnknown
                | EnrolmentRefusal::RenewalTooLate
                | EnrolmentRefusal::KeyChanged => true,
            },
            Self::Unfit(_) | Self::NewRefused | Self::Files(FilesError::Code(_)) => true,
            Self::NotProven
            | Self::Call(_)
            | Self::Request(_)
            | Self::Tls(_)
            | Self::Files(_)
            | Self::Panicked(_)
            | Self::NewUntried => false,
        }
    }

    /// The refusal, if the hub said one.
    pub(super) const fn refusal(&self) -> Option<EnrolmentRefusal> {
        match self {
            Self::Refused { refusal, .. } => Some(*refusal),
            Self::NotProven
            | Self::Call(_)
            | Self::Unfit(_)
            | Self::Request(_)
            | Self::Tls(_)
            | Self::Files(_)
            | Self::Panicked(_)
            | Self::NewRefused
            | Self::NewUntried => None,
        }
    }
}

/// What the hub gave, looked at.
#[derive(Debug, Clone)]
pub(super) struct Given {
    pub(super) held: super::member::Held,
    /// For those who connect to the box, if it has a name in the shop.
    pub(super) lan: Option<Vec<Vec<u8>>>,
}

/// Where the hub is asked, and how.
#[derive(Debug, Clone)]
pub(super) struct Hub {
    addresses: Vec<HttpsAddress>,
    caller: Caller,
}

impl Hub {
    pub(super) fn new(addresses: Vec<HttpsAddress>, caller: Caller) -> Self {
        Self { addresses, caller: caller.with_limits(CALL_TIME_MAX, BODY_BYTES_MAX) }
    }

    /// Asks, and gives the answer as it is. What an address says that is none of the hub's is not the last word while there
    /// is another address.
    pub(super) async fn ask<Q, A>(&self, path: &str, question: &Q) -> Result<A, Failure>
    where
        Q: Serialize + Sync,
        A: DeserializeOwned,
    {
        let nowhere = std::io::Error::other("the box was told no address of its hub");
        let mut failed = CallError::Unreachable(nowhere.into());
        for address in &self.addresses {
            match self.caller.post(address, path, question).await {
                Ok(answer) => return Ok(answer.json()?),
                Err(CallError::Problem { status, code, detail }) => {
                    return Err(match EnrolmentRefusal::from_code(&code) {
                        Some(refusal) => Failure::Refused { refusal, detail },
                        None => CallError::Problem { status, code, detail }.into(),
                    });
                }
                Err(
                    error @ (CallError::Unreachable(_)
                    | CallError::Certificate { .. }
                    | CallError::Slow
                    | CallError::TooLarge
                    | CallError::Foreign { .. }
                    | CallError::Question(_)),
                ) => failed = error,
            }
        }
        Err(failed.into())
    }
}
