//! Who is asking: for the time before identities, whoever can read the data folder's token file.

use std::fmt;
use std::path::{Path, PathBuf};

use axum::extract::FromRequestParts;
use axum::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use percolate_common::entropy::Entropy;

use crate::files::{FileError, read_text, write_secret};
use crate::http::problem::Problem;

/// The name of the token's file in a data folder.
pub const TOKEN_FILE: &str = "token";

/// The shortest token that is taken from a file, in characters: 128 bits in hex.
const TOKEN_LENGTH_MIN: usize = 32;

/// Who is asking. Every route that needs to be asked by somebody takes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// How they showed who they are.
    pub kind: ActorKind,
    /// Their name, for the journal and the log.
    pub name: String,
}

/// How an actor showed who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ActorKind {
    /// By the token in the data folder.
    LocalToken,
    /// By the token that a terminal was given when it was paired; its name is the actor's.
    Terminal,
    /// By a session, for which they have signed in.
    User {
        /// Who they are.
        id: u32,
    },
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Actor {
    type Rejection = Problem;

    /// Fails on a route before which nobody was asked who they are: a defect, refused and not let through.
    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        parts.extensions.get::<Self>().cloned().ok_or_else(|| {
            tracing::error!(
                path = parts.uri.path(),
                "a route that needs an actor stands behind nothing that tells one"
            );
            Problem::internal()
        })
    }
}

/// The token that opens a server, kept as its hash.
#[derive(Clone)]
pub struct TokenAuth {
    hash: blake3::Hash,
}

impl fmt::Debug for TokenAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenAuth")
    }
}

/// The token could not be made or read.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The file could not be read or written.
    #[error("the token file cannot be used")]
    File(#[source] FileError),
    /// There is no file where several processes are told to find their token.
    #[error("there is no token in {path}: write one of at least {TOKEN_LENGTH_MIN} characters, for its owner alone")]
    Missing {
        /// Where it is expected.
        path: PathBuf,
    },
    /// The file's content cannot be a token of ours.
    #[error("the token in the file is shorter than {TOKEN_LENGTH_MIN} characters: remove the file and start again")]
    TooShort,
}

impl TokenAuth {
    /// Takes the token from the data folder's file; makes one, for its owner alone, at the first start.
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn open(data_dir: &Path, entropy: &dyn Entropy) -> Result<Self, TokenError> {
        let path = data_dir.join(TOKEN_FILE);
        let token = match read_text(&path).map_err(TokenError::File)? {
            Some(token) => token.trim().to_owned(),
            None => {
                let token = new_token(entropy);
                write_secret(&path, token.as_bytes()).map_err(TokenError::File)?;
                token
            }
        };
        Self::of(&token)
    }

    /// Takes the token that several processes share, which must be there.
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn shared(path: &Path) -> Result<Self, TokenError> {
        let token = read_text(path).map_err(TokenError::File)?;
        Self::of(token.ok_or_else(|| TokenError::Missing { path: path.to_owned() })?.trim())
    }

    fn of(token: &str) -> Result<Self, TokenError> {
        if token.len() < TOKEN_LENGTH_MIN {
            return Err(TokenError::TooShort);
        }
        Ok(Self { hash: blake3::hash(token.as_bytes()) })
    }

    /// Who shows the token, if they do.
    #[must_use]
    pub fn actor(&self, headers: &HeaderMap) -> Option<Actor> {
        // Hashes are compared in constant time: the wait says nothing of the token.
        let right = blake3::hash(bearer(headers)?.as_bytes()) == self.hash;
        right.then(|| Actor { kind: ActorKind::LocalToken, name: "local".to_owned() })
    }

    /// What whoever does not show it is told.
    #[must_use]
    pub fn refusal() -> Response {
        unauthorized()
    }
}

/// The token that a request shows.
#[must_use]
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn unauthorized() -> Response {
    unknown_asker(Problem::new(
        StatusCode::UNAUTHORIZED,
        "unauthorized",
        "Send the header Authorization: Bearer with the token from the file \"token\" in the server's data folder.",
    ))
}

/// A refusal of status 401, with the scheme by which somebody may say who they are.
#[must_use]
pub fn unknown_asker(problem: Problem) -> Response {
    let mut response = problem.into_response();
    response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    response
}

fn new_token(entropy: &dyn Entropy) -> String {
    let mut secret = [0_u8; 32];
    entropy.fill(&mut secret);
    blake3::Hash::from_bytes(secret).to_hex().to_string()
}
