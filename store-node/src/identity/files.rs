//! The files of the node's certificate. Each is replaced whole; whoever installs the box leaves the code.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use percolate_common::identity::code::{Code, CodeError};
use percolate_common::identity::pem::{Label, PemError, decode, encode};
use percolate_common::time::UtcMillis;
use percolate_runtime::files::{
    FileError, SecretError, read_secret, read_text, remove_durably, rename_durably, write_atomic,
};

/// The folder's name in the data folder.
const FOLDER: &str = "identity";
/// The enrolment code, until it has enrolled the box. A secret.
const CODE: &str = "code";
/// The certificate that is shown.
const CURRENT: &str = "current.pem";
/// The one after it, until a connection was made by it.
const NEW: &str = "new.pem";
/// The one for those who connect to the box.
const LAN: &str = "lan.pem";
/// What is known to be past, UTC milliseconds.
const FLOOR: &str = "floor";

/// A file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FilesError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("the code cannot be read")]
    Secret(#[from] SecretError),
    #[error("the code was mistyped")]
    Code(#[from] CodeError),
    #[error("{path} holds no certificate")]
    Pem {
        path: PathBuf,
        #[source]
        source: PemError,
    },
}

/// The folder.
#[derive(Debug, Clone)]
pub(super) struct Files(PathBuf);

impl Files {
    /// Opens the folder in a data folder, for its owner alone.
    pub(super) fn open(data: &Path) -> Result<Self, FilesError> {
        let folder = data.join(FOLDER);
        match DirBuilder::new().mode(0o700).create(&folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                Err(FileError::MakeFolder { path: folder, source: error }.into())
            }
            Ok(()) | Err(_) => Ok(Self(folder)),
        }
    }

    /// Whether a code lies there.
    pub(super) fn has_code(&self) -> bool {
        self.0.join(CODE).exists()
    }

    /// The code that lies there.
    pub(super) fn code(&self) -> Result<Code, FilesError> {
        Ok(read_secret(&self.0.join(CODE))?.parse()?)
    }

    /// The code has done its work.
    pub(super) fn remove_code(&self) -> Result<(), FilesError> {
        Ok(remove_durably(&self.0.join(CODE))?)
    }

    /// The certificate that is shown, leaf first.
    pub(super) fn current(&self) -> Result<Option<Vec<Vec<u8>>>, FilesError> {
        self.read(CURRENT)
    }

    /// The one after it.
    pub(super) fn new_one(&self) -> Result<Option<Vec<Vec<u8>>>, FilesError> {
        self.read(NEW)
    }

    /// The one that terminals are shown.
    pub(super) fn lan(&self) -> Result<Option<Vec<Vec<u8>>>, FilesError> {
        self.read(LAN)
    }

    pub(super) fn put_current(&self, certificates: &[Vec<u8>]) -> Result<(), FilesError> {
        self.write(CURRENT, certificates)
    }

    pub(super) fn put_new(&self, certificates: &[Vec<u8>]) -> Result<(), FilesError> {
        self.write(NEW, certificates)
    }

    pub(super) fn put_lan(&self, certificates: &[Vec<u8>]) -> Result<(), FilesError> {
        self.write(LAN, certificates)
    }

    /// The new certificate is the one that is shown from now on.
    pub(super) fn promote(&self) -> Result<(), FilesError> {
        Ok(rename_durably(&self.0.join(NEW), &self.0.join(CURRENT))?)
    }

    /// What was known to be past; nothing where it cannot be read.
    pub(super) fn floor(&self) -> Option<UtcMillis> {
        read_text(&self.0.join(FLOOR)).ok().flatten()?.trim().parse().ok().map(UtcMillis::new)
    }

    pub(super) fn put_floor(&self, past: UtcMillis) -> Result<(), FilesError> {
        Ok(write_atomic(&self.0.join(FLOOR), past.get().to_string().as_bytes())?)
    }

    fn read(&self, name: &str) -> Result<Option<Vec<Vec<u8>>>, FilesError> {
        let path = self.0.join(name);
        let Some(text) = read_text(&path)? else { return Ok(None) };
        decode(Label::Certificate, &text).map(Some).map_err(|source| FilesError::Pem { path, source })
    }

    fn write(&self, name: &str, certificates: &[Vec<u8>]) -> Result<(), FilesError> {
        let path = self.0.join(name);
        let pem = certificates.iter().map(|der| encode(Label::Certificate, der)).collect::<Result<String, _>>();
        let pem = pem.map_err(|source| FilesError::Pem { path: path.clone(), source })?;
        Ok(write_atomic(&path, pem.as_bytes())?)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_code_is_read_as_it_was_left_and_gone_once_it_has_done_its_work() {
        let data = tempfile::tempdir().unwrap();
        let files = Files::open(data.path()).unwrap();
        assert!(!files.has_code());
        let mode = std::fs::metadata(data.path().join("identity")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        let code = Code::draw(&percolate_common::entropy::SeededEntropy::new(1));
        percolate_runtime::files::write_secret(&data.path().join("identity/code"), format!("{code}\n").as_bytes())
            .unwrap();
        let again = Files::open(data.path()).unwrap();
        assert!(again.has_code());
        assert_eq!(again.code().unwrap(), code);
        again.remove_code().unwrap();
        again.remove_code().unwrap();
        assert!(!files.has_code());
        assert!(matches!(files.code(), Err(FilesError::Secret(_))));
    }

    #[test]
    fn a_floor_that_cannot_be_read_is_none() {
        let data = tempfile::tempdir().unwrap();
        let files = Files::open(data.path()).unwrap();
        assert_eq!(files.floor(), None);
        files.put_floor(UtcMillis::new(1_795_000_000_000)).unwrap();
        assert_eq!(files.floor(), Some(UtcMillis::new(1_795_000_000_000)));
        std::fs::write(data.path().join("identity/floor"), "later").unwrap();
        assert_eq!(files.floor(), None);
    }
}
