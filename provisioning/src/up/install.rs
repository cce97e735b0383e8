//! What a bundle puts on a box. Each file is whole at every moment, and the one that says what the box is comes last.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

use percolate_common::identity::hex;
use percolate_common::identity::site_file::{MENU_FILE, SITE_FILE, SiteFileV1};
use percolate_runtime::files::{read_text, write_atomic, write_secret};

use super::bundle::{CHAIN_KEY_FILE, Verified, installed};
use super::error::UpError;
use super::options::PlaceOptions;

/// The folder of certificates and codes, in the data folder.
const IDENTITY: &str = "identity";
/// The code there, until the box is enrolled.
const CODE: &str = "code";
/// The certificate there, once it is.
const CURRENT: &str = "current.pem";

/// Writes it; tells whether there was anything to do.
pub(super) fn install(verified: &Verified, place: &PlaceOptions) -> Result<bool, UpError> {
    let (config, data) = (&place.config, &place.data);
    let (file, menu) = SiteFileV1::of(&verified.bundle)?;
    let file = SiteFileV1 { https: place.https.map(|address| address.to_string()).or(file.https), ..file };
    let identity = data.join(IDENTITY);
    folder(config, 0o755)?;
    folder(data, 0o700)?;
    folder(&identity, 0o700)?;
    let before = installed(config)?;
    let is_new = before.as_ref() != Some(&file);
    let key = hex::encode(verified.key.as_bytes());
    if read_text(&config.join(CHAIN_KEY_FILE))?.is_none_or(|kept| kept.trim() != key) {
        write_atomic(&config.join(CHAIN_KEY_FILE), key.as_bytes())?;
    }
    let is_enrolled = identity.join(CURRENT).exists();
    // A later bundle brings another code: for a box that was shut out, or whose certificate ended too long ago.
    let is_later = before.as_ref().is_none_or(|before| before.bundle < verified.bundle.number);
    let has_code = identity.join(CODE).exists();
    if (!is_enrolled || is_later) && (is_new || !has_code) {
        write_secret(&identity.join(CODE), verified.bundle.code.as_bytes())?;
    }
    if is_new {
        write_atomic(&config.join(MENU_FILE), &menu)?;
        let text = serde_json::to_vec_pretty(&file).map_err(|error| UpError::Service(error.to_string()))?;
        write_secret(&config.join(SITE_FILE), &text)?;
    }
    Ok(is_new)
}

fn folder(path: &Path, mode: u32) -> Result<(), UpError> {
    let made = DirBuilder::new().recursive(true).mode(mode).create(path);
    made.map_err(|source| UpError::Folder { path: path.to_owned(), source })
}
