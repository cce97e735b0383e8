//! Founds a chain: its root, whose key is to be taken away, its issuing CA, and the key that seals bundles.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use percolate_common::entropy::Entropy;
use percolate_common::identity::names::ChainId;
use percolate_common::identity::pem::{Label, encode};
use percolate_common::time::UtcMillis;
use rustls::pki_types::CertificateDer;

use super::{
    Authority, CHAIN_FILE, ChainFile, ContentError, INTERMEDIATE_FILE, INTERMEDIATE_KEY_FILE, PkiError, ROOT_FILE,
};
use crate::files::{DataDir, read_text, write_atomic, write_secret};
use crate::seal::SealKey;

/// The key that seals bundles, in the CA's folder: for its owner alone.
pub const BUNDLE_KEY_FILE: &str = "bundle.key";
/// The root's key, in a folder of its own: for a safe.
pub const ROOT_KEY_FILE: &str = "root.key.pem";

/// Whether a chain was founded, or was there before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Founding {
    /// It is new.
    Made(ChainFile),
    /// It was there, and nothing was changed.
    There(ChainFile),
}

/// Founds a chain in the folder `ca`, unless there is one, and puts the root's key into the folder `safe`. Both are made, for
/// their owner alone. Interrupted, it begins anew: the file that names the chain is written last.
///
/// # Errors
/// [`PkiError::Name`] if the name is empty or longer than 64 characters; [`PkiError`] if a file cannot be written or made.
pub fn found(
    name: &str,
    (ca, safe): (&Path, &Path),
    at: UtcMillis,
    entropy: &dyn Entropy,
) -> Result<Founding, PkiError> {
    if let Some(there) = chain_file(ca)? {
        return Ok(Founding::There(there));
    }
    refuse_other_key(ca, safe)?;
    // Of two at once the second finds what the first has made.
    let _alone = DataDir::open(ca).map_err(PkiError::File)?;
    if let Some(there) = chain_file(ca)? {
        return Ok(Founding::There(there));
    }
    let id = ChainId::draw(entropy);
    let (root, root_key) = Authority::new_root(id, name, at, entropy)?;
    let (issuing, issuing_key) = root.new_intermediate(1, at, entropy)?;
    let seal_key = SealKey::draw(entropy).map_err(PkiError::Seal)?;
    let chain = ChainFile { id: id.to_string(), name: name.to_owned(), made_at_ms: at.get() };
    let said = serde_json::to_string(&chain)
        .map_err(|error| PkiError::Content { path: ca.join(CHAIN_FILE), source: ContentError::Json(error) })?;
    for folder in [ca, safe] {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.map_err(|source| PkiError::Folder { path: folder.to_owned(), source })?;
    }
    for folder in [ca, safe] {
        write_atomic(&folder.join(ROOT_FILE), pem(&root)?.as_bytes()).map_err(PkiError::File)?;
    }
    write_secret(&safe.join(ROOT_KEY_FILE), root_key.as_bytes()).map_err(PkiError::File)?;
    write_atomic(&ca.join(INTERMEDIATE_FILE), pem(&issuing)?.as_bytes()).map_err(PkiError::File)?;
    write_secret(&ca.join(INTERMEDIATE_KEY_FILE), issuing_key.as_bytes()).map_err(PkiError::File)?;
    write_secret(&ca.join(BUNDLE_KEY_FILE), seal_key.to_text().as_bytes()).map_err(PkiError::File)?;
    write_atomic(&ca.join(CHAIN_FILE), said.as_bytes()).map_err(PkiError::File)?;
    Ok(Founding::Made(chain))
}

/// A root's key is there once in the world: it is never written over, but for that of a founding which was interrupted here.
fn refuse_other_key(ca: &Path, safe: &Path) -> Result<(), PkiError> {
    let path = safe.join(ROOT_KEY_FILE);
    if !path.exists() {
        return Ok(());
    }
    let root = |folder: &Path| read_text(&folder.join(ROOT_FILE)).map_err(PkiError::File);
    match (root(ca)?, root(safe)?) {
        (Some(here), Some(there)) if here == there => Ok(()),
        (Some(_) | None, Some(_) | None) => Err(PkiError::SafeTaken { path }),
    }
}

/// The chain whose CA lies in a folder, if there is one.
///
/// # Errors
/// [`PkiError`] if its file cannot be read.
pub fn chain_file(ca: &Path) -> Result<Option<ChainFile>, PkiError> {
    let path: PathBuf = ca.join(CHAIN_FILE);
    let Some(text) = read_text(&path).map_err(PkiError::File)? else { return Ok(None) };
    serde_json::from_str(&text).map(Some).map_err(|error| PkiError::Content { path, source: ContentError::Json(error) })
}

/// The authority's own certificate.
fn pem(authority: &Authority) -> Result<String, PkiError> {
    let own = authority.certificates().first().map(CertificateDer::as_ref).unwrap_or_default();
    encode(Label::Certificate, own).map_err(PkiError::Pem)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use percolate_common::entropy::SeededEntropy;
    use tempfile::TempDir;

    use super::*;

    const NOON: UtcMillis = UtcMillis::new(1_795_000_000_000);

    #[test]
    fn a_chain_is_founded_once_and_its_secrets_are_its_owners_alone() {
        let dir = TempDir::new().unwrap();
        let (ca, safe) = (dir.path().join("ca"), dir.path().join("safe"));
        let entropy = SeededEntropy::new(1);
        let Founding::Made(chain) = found("Bytes & Brews", (&ca, &safe), NOON, &entropy).unwrap() else { panic!() };
        let authority = Authority::open(&ca).unwrap();
        assert_eq!((authority.chain().to_string(), chain.name.as_str()), (chain.id.clone(), "Bytes & Brews"));
        for secret in [ca.join(INTERMEDIATE_KEY_FILE), ca.join(BUNDLE_KEY_FILE), safe.join(ROOT_KEY_FILE)] {
            assert_eq!(std::fs::metadata(&secret).unwrap().permissions().mode() & 0o777, 0o600, "{}", secret.display());
        }
        for folder in [&ca, &safe] {
            assert_eq!(std::fs::metadata(folder).unwrap().permissions().mode() & 0o777, 0o700);
        }
        assert!(!ca.join(ROOT_KEY_FILE).exists(), "the root's key is not where the hub is");
        let key = std::fs::read(ca.join(BUNDLE_KEY_FILE)).unwrap();
        assert_eq!(found("Another", (&ca, &safe), NOON, &entropy).unwrap(), Founding::There(chain));
        assert_eq!(std::fs::read(ca.join(BUNDLE_KEY_FILE)).unwrap(), key);
    }

    #[test]
    fn another_chains_root_key_is_not_written_over() {
        let dir = TempDir::new().unwrap();
        let safe = dir.path().join("safe");
        let entropy = SeededEntropy::new(1);
        found("First", (&dir.path().join("first"), &safe), NOON, &entropy).unwrap();
        let key = std::fs::read(safe.join(ROOT_KEY_FILE)).unwrap();
        let refused = found("Second", (&dir.path().join("second"), &safe), NOON, &entropy);
        assert!(matches!(refused, Err(PkiError::SafeTaken { .. })), "{refused:?}");
        assert_eq!(std::fs::read(safe.join(ROOT_KEY_FILE)).unwrap(), key);
        assert!(!dir.path().join("second").exists(), "nothing is left behind");
    }

    #[test]
    fn an_interrupted_founding_begins_anew() {
        let dir = TempDir::new().unwrap();
        let (ca, safe) = (dir.path().join("ca"), dir.path().join("safe"));
        let entropy = SeededEntropy::new(1);
        found("First", (&ca, &safe), NOON, &entropy).unwrap();
        std::fs::remove_file(ca.join(CHAIN_FILE)).unwrap();
        assert!(matches!(found("Second", (&ca, &safe), NOON, &entropy).unwrap(), Founding::Made(_)));
        Authority::open(&ca).unwrap();
    }
}
