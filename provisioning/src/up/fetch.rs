//! The bundle from head office, for who has its code and no stick. Neither end trusts the other before each has shown that it
//! knows the code, which is never sent.

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use percolate_common::entropy::Entropy as _;
use percolate_common::identity::bundle::BundleV1;
use percolate_common::identity::code::{Code, CodeError};
use percolate_common::identity::pem::{Label, decode};
use percolate_common::time::{Clock, UtcMillis};
use percolate_runtime::bundle_fetch::{BUNDLE_FETCHES_PATH, BUNDLE_PROOF_HEADER, BundleFetch};
use percolate_runtime::enrolment::{Bytes, EnrolmentRefusal};
use percolate_runtime::files::{SecretError, read_secret, write_secret};
use percolate_runtime::http::caller::{Answer, CallError, Caller, HttpsAddress};
use percolate_runtime::seal::{FILE_BYTES_MAX, Known, open};
use percolate_runtime::system::OsEntropy;
use percolate_runtime::tls::{Roots, Seen, TlsClock, TlsTrouble, client_config, unproven_config};
use serde::Deserialize;

use super::error::UpError;
use super::options::UpOptions;
use crate::exit::Exit;

/// What was fetched, in the folder of who brings the shop up: a box that was interrupted goes on with it.
const FETCHED_FILE: &str = "fetched.percolate";

/// Longest wait for the file: some lines are thin.
const FILE_TIME_MAX: Duration = Duration::from_secs(300);

/// Bytes of what head office says of the chain.
const CHAIN_BYTES_MAX: usize = 64 * 1024;

/// Longest wait for that.
const CHAIN_TIME_MAX: Duration = Duration::from_secs(10);

/// Why no bundle is fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// What was typed is no code.
    #[error("the code is not as it stands on the sheet: {0}")]
    Mistyped(#[from] CodeError),
    /// The code cannot be read from its file.
    #[error("the code cannot be read")]
    CodeFile(#[source] SecretError),
    /// The code cannot be read from the terminal.
    #[error("no code was typed")]
    Untyped(#[source] std::io::Error),
    /// Head office refuses.
    #[error("head office refuses: {detail}")]
    Refused {
        /// Why.
        refusal: EnrolmentRefusal,
        /// What it says.
        detail: String,
    },
    /// Who answers has not shown that it is head office.
    #[error("somebody reads this line: who answers at {0} has not shown that it is head office")]
    NotProven(HttpsAddress),
    /// Something else answers there.
    #[error("something else answers at {0}: a page to sign in at, perhaps")]
    Portal(HttpsAddress),
    /// By our clock the certificate of head office has ended.
    #[error("by this machine's clock the certificate of head office has ended")]
    ClockAhead,
    /// Head office is there, and cannot.
    #[error("head office answers at {at}, and cannot hand out the bundle: {detail}")]
    NotReady {
        /// Where.
        at: HttpsAddress,
        /// What it says.
        detail: String,
    },
    /// Nobody answers.
    #[error("head office does not answer at {at}")]
    Unreachable {
        /// Where.
        at: HttpsAddress,
        /// Why.
        #[source]
        source: CallError,
    },
    /// What was asked cannot be said over TLS at all.
    #[error("TLS could not be set up: {0}")]
    Tls(String),
}

impl FetchError {
    /// The word for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Mistyped(_) => "code_mistyped",
            Self::CodeFile(_) | Self::Untyped(_) => "code_unreadable",
            Self::Refused { refusal, .. } => refusal.code(),
            Self::NotProven(_) => "hub_not_proven",
            Self::Portal(_) => "captive_portal",
            Self::ClockAhead => "clock_ahead",
            Self::NotReady { .. } => "hub_not_ready",
            Self::Unreachable { .. } | Self::Tls(_) => "hub_unreachable",
        }
    }

    /// What to do.
    #[must_use]
    pub const fn fix(&self) -> &'static str {
        match self {
            Self::Mistyped(_) => "Type it again, and compare it with the sheet digit by digit.",
            Self::CodeFile(_) => "Name a file of yours that holds the code alone, with mode 600.",
            Self::Untyped(_) => "Type the code and press Enter, or name its file with --code-file.",
            Self::Refused { refusal, .. } => match refusal {
                EnrolmentRefusal::CodeUsed => {
                    "If that was not you, call head office. For another box ask for a new code."
                }
                EnrolmentRefusal::CodeUnknown
                | EnrolmentRefusal::CodeExpired
                | EnrolmentRefusal::CodeOtherStore
                | EnrolmentRefusal::ProofWrong
                | EnrolmentRefusal::CsrInvalid
                | EnrolmentRefusal::TooManyTries
                | EnrolmentRefusal::CertificateRevoked
                | EnrolmentRefusal::CertificateUnknown
                | EnrolmentRefusal::RenewalTooLate
                | EnrolmentRefusal::KeyChanged => "Ask head office for a new code.",
            },
            Self::NotProven(_) => {
                "Ask who runs the network to pass ports 8444 and 8883 through unread, or use the stick: it needs no line."
            }
            Self::Portal(_) => "Sign in, or use the stick: it needs no line.",
            Self::ClockAhead => "Set the clock: date -s, and run this again.",
            Self::NotReady { .. } => "Tell head office, and run this again later.",
            Self::Unreachable { .. } | Self::Tls(_) => {
                "Look at the cable and the router, and at the address on the sheet; or use the stick: it needs no line."
            }
        }
    }

    /// How the program ends on it.
    #[must_use]
    pub const fn exit(&self) -> Exit {
        match self {
            Self::Mistyped(_)
            | Self::CodeFile(_)
            | Self::Untyped(_)
            | Self::Refused { refusal: EnrolmentRefusal::CodeExpired, .. } => Exit::BundleRefused,
            Self::Refused { .. }
            | Self::NotProven(_)
            | Self::Portal(_)
            | Self::ClockAhead
            | Self::NotReady { .. }
            | Self::Unreachable { .. }
            | Self::Tls(_) => Exit::NotEnrolled,
        }
    }
}

/// What head office says of the chain: who it is must be shown afterwards.
#[derive(Deserialize)]
struct ChainSaid {
    root: String,
}

/// The file of the bundle: the one that was named, or the one of a code, which is fetched into `folder`.
pub(super) async fn bundle_file(options: &UpOptions, folder: &Path, clock: Arc<dyn Clock>) -> Result<PathBuf, UpError> {
    let Some(hub) = &options.hub else { return Ok(options.bundle.clone().unwrap_or_default()) };
    let code: Code = code(options)?.parse().map_err(FetchError::Mistyped)?;
    let path = folder.join(FETCHED_FILE);
    if !is_there(&path, &code) {
        let file = fetch(hub, &code, clock).await?;
        write_secret(&path, &file)?;
    }
    Ok(path)
}

/// What was typed.
fn code(options: &UpOptions) -> Result<String, FetchError> {
    if let Some(path) = &options.code_file {
        return read_secret(path).map_err(FetchError::CodeFile);
    }
    let said = options.code.as_ref().map_or("", |code| code.as_str());
    if said != "-" {
        return Ok(said.to_owned());
    }
    if std::io::stdin().is_terminal() {
        let mut asked = std::io::stderr();
        asked.write_all(b"Code on the sheet: ").and_then(|()| asked.flush()).map_err(FetchError::Untyped)?;
    }
    let mut line = String::new();
    let read = std::io::stdin().lock().read_line(&mut line);
    let read = read.and_then(|bytes| if bytes == 0 { Err(std::io::ErrorKind::UnexpectedEof.into()) } else { Ok(line) });
    read.map_err(FetchError::Untyped)
}

/// Whether the bundle of this code was fetched before. Then nobody is asked for it again: the code may be used by now.
fn is_there(path: &Path, code: &Code) -> bool {
    let read = std::fs::read(path).ok();
    let sealed = read.and_then(|file| open(&file, Known::Nothing).ok());
    let bundle = sealed.and_then(|sealed| BundleV1::decode(sealed.content()).ok());
    bundle.is_some_and(|bundle| bundle.code.parse() == Ok(code.clone()))
}

async fn fetch(hub: &HttpsAddress, code: &Code, clock: Arc<dyn Clock>) -> Result<Vec<u8>, FetchError> {
    let tls = |error: &dyn std::error::Error| FetchError::Tls(error.to_string());
    let clock = Arc::new(TlsClock::new(clock, UtcMillis::new(0)));
    let stranger = unproven_config(Arc::new(Seen::default()), clock.clone()).map_err(|error| tls(&error))?;
    let stranger = Caller::new(stranger).with_limits(CHAIN_TIME_MAX, CHAIN_BYTES_MAX);
    let said = stranger.get(hub, "/v1/identity/chain").await.and_then(|answer| answer.json::<ChainSaid>());
    let ChainSaid { root: pem } = said.map_err(|error| failed(hub, error))?;
    let root = decode(Label::Certificate, &pem).ok().and_then(|documents| documents.into_iter().next());
    let Some(root) = root else { return Err(FetchError::Portal(hub.clone())) };
    let roots = Roots::from_pem(&pem).map_err(|_unreadable| FetchError::Portal(hub.clone()))?;

    // From here on who answers must be the hub of that root's chain. Whether the root is the right one, the proofs show.
    let caller = Caller::new(client_config(&roots, None, clock).map_err(|error| tls(&error))?);
    let caller = caller.with_limits(FILE_TIME_MAX, FILE_BYTES_MAX);
    let mut nonce = [0; 32];
    OsEntropy.fill(&mut nonce);
    let asked = BundleFetch::new(code, nonce, &root);
    let answer = caller.post(hub, BUNDLE_FETCHES_PATH, &asked).await.map_err(|error| failed(hub, error))?;
    match proof(&answer) {
        Some(proof) if asked.is_given(&answer.body, &code.key(), &proof) => Ok(answer.body.to_vec()),
        Some(_) | None => Err(FetchError::NotProven(hub.clone())),
    }
}

fn proof(answer: &Answer) -> Option<Bytes<32>> {
    let text = answer.headers.get(BUNDLE_PROOF_HEADER)?.to_str().ok()?;
    Bytes::try_from(text.to_owned()).ok()
}

/// What a call that failed means here.
fn failed(hub: &HttpsAddress, error: CallError) -> FetchError {
    let at = hub.clone();
    match error {
        CallError::Problem { code, detail, .. } => match EnrolmentRefusal::from_code(&code) {
            // The code is known there, and the proof is not over what the hub sees.
            Some(EnrolmentRefusal::ProofWrong) => FetchError::NotProven(at),
            Some(refusal) => FetchError::Refused { refusal, detail },
            None => FetchError::NotReady { at, detail },
        },
        CallError::Certificate { trouble: TlsTrouble::NoTls } | CallError::Foreign { .. } | CallError::TooLarge => {
            FetchError::Portal(at)
        }
        CallError::Certificate { trouble: TlsTrouble::Expired } => FetchError::ClockAhead,
        CallError::Certificate {
            trouble:
                TlsTrouble::UnknownIssuer
                | TlsTrouble::WrongName
                | TlsTrouble::NotYetValid
                | TlsTrouble::Revoked
                | TlsTrouble::WeAreExpired
                | TlsTrouble::WeAreRevoked
                | TlsTrouble::WeAreUnknown
                | TlsTrouble::Other,
        } => FetchError::NotProven(at),
        source @ (CallError::Unreachable(_) | CallError::Slow | CallError::Question(_)) => {
            FetchError::Unreachable { at, source }
        }
    }
}
