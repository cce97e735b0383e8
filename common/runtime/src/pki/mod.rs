//! Makes certificates, requests for them, and lists of those that were revoked. The only user of rcgen.
//!
//! A chain has a root, whose key lies in a safe, and an issuing CA, whose key the hub has. Everything is signed by our own
//! signing key, which needs no randomness: the same inputs give the same bytes. What was made is read again by
//! `percolate_common::identity`, never here.

mod authority;
mod fingerprint;
mod founding;
mod parts;

use std::path::PathBuf;

use percolate_common::entropy::Entropy;
use percolate_common::identity::der::DerError;
use percolate_common::identity::pem::PemError;
use percolate_common::journal::{SigningKey, SigningKeyError};

pub use authority::{
    Authority, CHAIN_FILE, ChainFile, INTERMEDIATE_FILE, INTERMEDIATE_KEY_FILE, ROOT_FILE, Usage, Wanted,
};
pub use fingerprint::fingerprint;
pub use founding::{BUNDLE_KEY_FILE, Founding, ROOT_KEY_FILE, chain_file, found};
pub use parts::SanName;
pub use rustls::pki_types::CertificateDer;

use crate::files::{FileError, SecretError};

/// Draws that make no key, one after the other, before the source of chance is called broken; one is rarer than 2^-32.
const DRAWS_MAX: usize = 8;

/// Something that could not be made.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    /// A key could not be drawn, read or written.
    #[error("the key cannot be used")]
    Key(#[source] SigningKeyError),
    /// A name that no certificate of ours may have.
    #[error("{text:?} cannot stand in a certificate: {expected}")]
    Name {
        /// What was wanted.
        text: String,
        /// What may stand there.
        expected: &'static str,
    },
    /// A life that ends before it begins, or lies beyond all calendars.
    #[error("a certificate cannot hold from {from_ms} to {until_ms}, in UTC milliseconds")]
    Lifetime {
        /// From when.
        from_ms: i64,
        /// Until when.
        until_ms: i64,
    },
    /// A public key that is no point of the curve.
    #[error("the public key is no point of P-256")]
    PublicKey,
    /// What makes certificates refused.
    #[error("the certificate could not be made")]
    Make(#[source] rcgen::Error),
    /// A file of the CA could not be read.
    #[error("a file of the chain's CA cannot be read")]
    File(#[source] FileError),
    /// The CA's key could not be read.
    #[error("the key of the chain's CA cannot be read")]
    SecretFile(#[source] SecretError),
    /// A file of the CA is not there.
    #[error("{path} is missing: this folder holds no CA of a chain")]
    Missing {
        /// Where it is expected.
        path: PathBuf,
    },
    /// A file of the CA holds something else.
    #[error("{path} is not what the chain's CA wrote there")]
    Content {
        /// Which one.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: ContentError,
    },
    /// The chain has another name than its CA's certificate says.
    #[error("{path} gives the chain another name than its CA's certificate: put back the name it had")]
    OtherName {
        /// The file with the name.
        path: PathBuf,
    },
    /// The key that seals bundles could not be drawn.
    #[error("the key that seals bundles cannot be made")]
    Seal(#[source] crate::seal::SealKeyError),
    /// A certificate cannot be written as text.
    #[error("a certificate cannot be written as text")]
    Pem(#[source] PemError),
    /// A folder could not be made.
    #[error("the folder {path} cannot be made")]
    Folder {
        /// Which one.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// The folder for the root's key has one already.
    #[error("{path} is another chain's root key: take an empty stick")]
    SafeTaken {
        /// Where it is.
        path: PathBuf,
    },
    /// The key and the certificate are of two CAs.
    #[error("{path} is not the key of the certificate beside it")]
    OtherKey {
        /// The key's file.
        path: PathBuf,
    },
}

/// What is wrong with a file of the CA.
#[derive(Debug, thiserror::Error)]
pub enum ContentError {
    /// Not JSON of the form that is written there.
    #[error("it is not the JSON that is written there")]
    Json(#[source] serde_json::Error),
    /// No certificate in PEM.
    #[error("it is no certificate in PEM")]
    Pem(#[source] PemError),
    /// No certificate of ours.
    #[error("it is no certificate of ours")]
    Certificate(#[source] DerError),
    /// No key.
    #[error("it is no key")]
    Key(#[source] SigningKeyError),
    /// No id of a chain.
    #[error("it names no chain")]
    Chain(#[source] percolate_common::identity::names::NameError),
}

/// Draws a key.
///
/// # Errors
/// [`PkiError::Key`] if the source of chance is broken.
pub fn new_key(entropy: &dyn Entropy) -> Result<SigningKey, PkiError> {
    let mut drawn = Err(SigningKeyError::Unlucky);
    for _ in 0..DRAWS_MAX {
        let mut bytes = [0; 32];
        entropy.fill(&mut bytes);
        drawn = SigningKey::from_random(&bytes);
        if drawn.is_ok() {
            break;
        }
    }
    drawn.map_err(PkiError::Key)
}

/// Makes a request for a certificate (PKCS#10, in DER), by which the holder of a key shows that he has it. What the
/// certificate will state is for the CA to decide; the name is there for another CA's people.
///
/// # Errors
/// [`PkiError::Name`] if the name is empty or longer than 64 characters; [`PkiError::Make`].
pub fn request(key: &SigningKey, common_name: &str) -> Result<Vec<u8>, PkiError> {
    let mut params = rcgen::CertificateParams::default();
    params.distinguished_name = parts::subject(common_name, None, None)?;
    let made = params.serialize_request(&parts::Signer::new(key)?).map_err(PkiError::Make)?;
    Ok(made.der().to_vec())
}

#[cfg(test)]
mod tests {
    use percolate_common::entropy::SeededEntropy;
    use percolate_common::identity::request::Csr;

    use super::*;

    #[test]
    fn a_request_is_read_and_its_key_proven() {
        let key = new_key(&SeededEntropy::new(1)).unwrap();
        let made = request(&key, "n11").unwrap();
        let read = Csr::read(&made).unwrap();
        assert!(read.is_signed());
        assert_eq!(read.public_key, key.public_key());
        assert_eq!(made, request(&key, "n11").unwrap(), "no chance is in it");
        for name in ["", &"x".repeat(65), "a\nb"] {
            assert!(matches!(request(&key, name), Err(PkiError::Name { .. })), "{name:?}");
        }
    }

    #[test]
    fn chance_that_makes_no_key_is_drawn_again_and_not_for_ever() {
        #[derive(Debug, Default)]
        struct Stuck;
        impl Entropy for Stuck {
            fn fill(&self, bytes: &mut [u8]) {
                bytes.fill(0);
            }
        }
        assert!(matches!(new_key(&Stuck), Err(PkiError::Key(SigningKeyError::Unlucky))));
    }
}
