//! Whether folders and chain are those of this box: what was installed by these stays with these.

use std::fs;
use std::path::{Path, PathBuf};

use percolate_common::identity::chain_key::Fingerprint;
use percolate_common::identity::site_file::SITE_FILE;
use percolate_runtime::files::{read_text, write_secret};

use super::bundle::known_key;
use super::error::UpError;
use super::options::PlaceOptions;

/// In the folder of the shop's description: where its data is.
const DATA_MARK: &str = "data-folder";
/// In the folder of the data: where the shop's description is.
const CONFIG_MARK: &str = "config-folder";

/// Refuses folders that belong to others, and a chain that is not the box's.
pub(super) fn check(place: &PlaceOptions, chain: Option<Fingerprint>) -> Result<(), UpError> {
    let installed = known_key(&place.config)?.map(|key| key.fingerprint());
    if let (Some(installed), Some(told)) = (installed, chain)
        && installed != told
    {
        return Err(UpError::BoxOtherChain { installed, told });
    }
    // Without a description nothing was installed from there: a mark alone is from a run that came to nothing.
    let config_is_ours = place.config.join(SITE_FILE).exists();
    if config_is_ours {
        same(&place.config.join(DATA_MARK), &place.data)?;
    }
    if let Some(config) = marked(&place.data.join(CONFIG_MARK))?.filter(|config| config.join(SITE_FILE).exists()) {
        differ(&place.data.join(CONFIG_MARK), &config, &place.config)?;
    }
    Ok(())
}

/// Says in both folders that they belong together.
pub(super) fn mark(place: &PlaceOptions) -> Result<(), UpError> {
    for (path, other) in [(place.data.join(CONFIG_MARK), &place.config), (place.config.join(DATA_MARK), &place.data)] {
        if marked(&path)?.as_ref() != Some(other) {
            write_secret(&path, other.as_os_str().as_encoded_bytes())?;
        }
    }
    Ok(())
}

fn same(mark: &Path, wanted: &Path) -> Result<(), UpError> {
    marked(mark)?.map_or(Ok(()), |found| differ(mark, &found, wanted))
}

fn differ(mark: &Path, found: &Path, wanted: &Path) -> Result<(), UpError> {
    if real(found) == real(wanted) {
        return Ok(());
    }
    Err(UpError::OtherFolders { mark: mark.to_owned(), found: found.to_owned(), wanted: wanted.to_owned() })
}

fn marked(path: &Path) -> Result<Option<PathBuf>, UpError> {
    Ok(read_text(path)?.map(|text| PathBuf::from(text.trim_end_matches('\n'))).filter(|path| path.is_absolute()))
}

/// The same folder by another way is the same.
fn real(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_missing| path.to_owned())
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    fn place(root: &Path, config: &str, data: &str) -> PlaceOptions {
        let made = |name: &str| {
            let path = root.join(name);
            fs::create_dir_all(&path).unwrap();
            path
        };
        let http = "127.0.0.1:0".parse().unwrap();
        PlaceOptions { config: made(config), data: made(data), http, https: None, rehearsal: true }
    }

    #[test]
    fn folders_stay_together_once_a_shop_was_installed_in_them() {
        let dir = TempDir::new().unwrap();
        let ours = place(dir.path(), "etc", "data");
        mark(&ours).unwrap();
        let (other_data, other_config) = (place(dir.path(), "etc", "data-2"), place(dir.path(), "etc-2", "data"));
        // Before anything is installed they are only folders.
        check(&other_data, None).unwrap();
        check(&other_config, None).unwrap();
        fs::write(ours.config.join(SITE_FILE), "{}").unwrap();
        check(&ours, None).unwrap();
        for other in [&other_data, &other_config] {
            let refused = check(other, None).unwrap_err();
            assert_eq!((refused.code(), refused.exit().code()), ("box_other_folders", 10), "{refused}");
        }
        std::os::unix::fs::symlink(&ours.data, dir.path().join("link")).unwrap();
        check(&place(dir.path(), "etc", "link"), None).unwrap();
    }
}
