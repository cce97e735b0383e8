//! What a bundle puts on a box. Each file is whole at every moment, and the one that says what the box is comes last.

use std::path::Path;

use percolate_common::identity::hex;
use percolate_common::identity::site_file::{MENU_FILE, SITE_FILE, SiteFileV1};
use percolate_common::journal::SigningKey;
use percolate_runtime::files::{DataDir, read_secret_text, read_text, write_atomic, write_secret};
use percolate_runtime::leftovers::remove_drafts;

use super::bundle::{CHAIN_KEY_FILE, Verified, installed};
use super::error::UpError;
use super::options::PlaceOptions;
use super::{LOCK, belongs, lock, modes};

/// The folder of certificates and codes, in the data folder.
const IDENTITY: &str = "identity";
/// The code there, until the box is enrolled.
const CODE: &str = "code";
/// The certificate there, once it is.
const CURRENT: &str = "current.pem";

/// The key of the box, in its data folder.
pub(super) const KEY_FILE: &str = "node-key.pem";

/// What installing did.
#[derive(Debug)]
pub(super) struct Installed {
    /// Whether the shop's description is another than before.
    pub(super) is_new: bool,
    /// What was mended on the way, for a person.
    pub(super) mended: Vec<String>,
    /// Whoever names the same data folder with another configuration waits, too.
    pub(super) lock: DataDir,
}

/// Writes it; tells what there was to do.
pub(super) fn install(verified: &Verified, place: &PlaceOptions) -> Result<Installed, UpError> {
    let (config, data) = (place.config.as_path(), place.data.as_path());
    let (file, menu) = SiteFileV1::of(&verified.bundle)?;
    let file = SiteFileV1 { https: place.https.map(|address| address.to_string()).or(file.https), ..file };
    let identity = data.join(IDENTITY);
    let mut mended = Vec::new();
    for (path, mode) in [(config, modes::PUBLIC), (data, modes::PRIVATE), (&identity, modes::PRIVATE)] {
        if modes::folder(path, mode)? {
            mended.push(format!("{} was open to others", path.display()));
        }
    }
    modes::folder(&data.join(LOCK), modes::PRIVATE)?;
    let lock = lock(&data.join(LOCK))?;
    belongs::check(place, None)?;
    for folder in [config, data, &identity] {
        let failed = |source| UpError::Folder { path: folder.to_owned(), source };
        let drafts = remove_drafts(folder).map_err(failed)?;
        mended.extend(drafts.iter().map(|path| format!("{} was never finished", path.display())));
    }
    for folder in [data, &identity] {
        let files = modes::files(folder)?;
        mended.extend(files.iter().map(|name| format!("{} could be read by others", folder.join(name).display())));
    }
    check_key(&data.join(KEY_FILE))?;
    belongs::mark(place)?;
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
    Ok(Installed { is_new, mended, lock })
}

/// A key that is there can be used, or nothing is installed beside it.
fn check_key(path: &Path) -> Result<(), UpError> {
    if !path.exists() {
        return Ok(());
    }
    let wrong = |reason: String| UpError::Key { path: path.to_owned(), reason };
    let pem = read_secret_text(path).map_err(|error| wrong(error.to_string()))?;
    SigningKey::from_pem(&pem).map(drop).map_err(|error| wrong(error.to_string()))
}
