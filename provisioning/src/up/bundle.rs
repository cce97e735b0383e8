//! The bundle, and what the box has already: whether the one belongs on the other.

use std::path::{Path, PathBuf};

use percolate_common::identity::bundle::BundleV1;
use percolate_common::identity::chain_key::{ChainKey, Fingerprint};
use percolate_common::identity::hex;
use percolate_common::identity::site_file::{SITE_FILE, SiteFileV1};
use percolate_runtime::files::read_text;
use percolate_runtime::seal::{Known, open};

use super::error::UpError;

/// Bytes of a file that may be a bundle.
const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// The file with the key that seals the chain's bundles, beside the shop's description: the box takes no others.
pub(super) const CHAIN_KEY_FILE: &str = "chain.key";

/// A bundle whose seal holds, and that belongs on this box.
#[derive(Debug)]
pub(super) struct Verified {
    pub(super) bundle: BundleV1,
    pub(super) key: ChainKey,
}

/// Reads a bundle: its seal first.
pub(super) fn verify(
    path: &Path,
    config: &Path,
    (store, chain): (Option<u32>, Option<Fingerprint>),
) -> Result<Verified, UpError> {
    let unreadable = |source| UpError::Unreadable { path: path.to_owned(), source };
    let size = std::fs::metadata(path).map_err(unreadable)?.len();
    if size > FILE_BYTES_MAX {
        return Err(percolate_runtime::seal::SealError::TooLarge { bytes: size }.into());
    }
    let file = std::fs::read(path).map_err(unreadable)?;
    let known = match (chain, known_key(config)?) {
        (Some(fingerprint), _) => Known::Fingerprint(fingerprint),
        (None, Some(key)) => Known::Key(key),
        (None, None) => Known::Nothing,
    };
    let sealed = open(&file, known)?;
    let bundle = BundleV1::decode(sealed.content())?;
    if let Some(wanted) = store.filter(|wanted| *wanted != bundle.site.store) {
        return Err(UpError::BundleOtherStore { wanted, found: bundle.site.store, name: bundle.site.name });
    }
    if let Some(installed) = installed(config)? {
        if installed.site.store != bundle.site.store {
            let (installed, name) = (installed.site.store, installed.site.name);
            return Err(UpError::BoxOtherStore { installed, name, found: bundle.site.store });
        }
        if installed.bundle > bundle.number {
            return Err(UpError::BundleOlder { found: bundle.number, installed: installed.bundle });
        }
    }
    Ok(Verified { bundle, key: *sealed.key() })
}

/// The shop whose box this is, if it is one.
pub(super) fn installed(config: &Path) -> Result<Option<SiteFileV1>, UpError> {
    let path = config.join(SITE_FILE);
    let Some(text) = read_text(&path)? else { return Ok(None) };
    let read = serde_json::from_str(&text);
    // What a program that died has left half is written whole again: files are replaced, never torn, so it is somebody's hand.
    read.map(Some).map_err(|error| UpError::Damaged { path, reason: error.to_string() })
}

/// The key of the chain whose box this is.
pub(super) fn known_key(config: &Path) -> Result<Option<ChainKey>, UpError> {
    let path: PathBuf = config.join(CHAIN_KEY_FILE);
    let Some(text) = read_text(&path)? else { return Ok(None) };
    let bytes = hex::decode(text.trim()).and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
    let reason = || "it is no key of 64 hexadecimal digits".to_owned();
    let key = bytes.ok_or_else(|| UpError::Damaged { path, reason: reason() })?;
    Ok(Some(ChainKey::from_bytes(key)))
}
