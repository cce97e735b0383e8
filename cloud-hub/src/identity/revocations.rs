//! What was revoked, for ever: a list beside the CA, outside of every backup of the databases, so that a hub that was put back
//! to yesterday lets nobody in again.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use percolate_common::identity::serial::Serial;
use percolate_common::time::UtcMillis;

/// The list's file, in the CA's folder.
pub(crate) const REVOKED_FILE: &str = "revoked.list";

/// The list. Each line has a serial number, the box, when, and why.
#[derive(Debug, Clone)]
pub(crate) struct RevokedList(PathBuf);

impl RevokedList {
    pub(crate) fn of(ca: &Path) -> Self {
        Self(ca.join(REVOKED_FILE))
    }

    /// Adds a line, and returns when it is on the disk. Blocks.
    pub(crate) fn add(&self, serial: &Serial, node: u32, at: UtcMillis, reason: &str) -> io::Result<()> {
        let reason: String = reason.chars().filter(|c| !c.is_control()).collect();
        let mut file = OpenOptions::new().create(true).append(true).mode(0o600).open(&self.0)?;
        // A line that was torn by the death of an earlier process ends here.
        file.write_all(format!("\n{serial} n{node} {} {reason}\n", at.get()).as_bytes())?;
        file.sync_all()
    }

    /// The numbers of all lines that can be read. Blocks.
    pub(crate) fn serials(&self) -> io::Result<Vec<Serial>> {
        let text = match std::fs::read(&self.0) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let (mut serials, mut torn) = (Vec::new(), 0_u32);
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            let words: Vec<_> = line.split(' ').take(3).collect();
            match words.first().map(|serial| serial.parse()) {
                Some(Ok(serial)) if words.len() == 3 => serials.push(serial),
                Some(Ok(_) | Err(_)) | None => torn += 1,
            }
        }
        if torn > 0 {
            tracing::warn!(torn, path = %self.0.display(), "{torn} lines of the list of what was revoked cannot be read");
        }
        Ok(serials)
    }
}

#[cfg(test)]
mod tests {
    use percolate_common::entropy::SeededEntropy;
    use tempfile::TempDir;

    use super::*;

    #[test]
    fn what_was_revoked_is_read_again_and_a_torn_line_takes_nothing_else_with_it() {
        let dir = TempDir::new().unwrap();
        let list = RevokedList::of(dir.path());
        assert_eq!(list.serials().unwrap(), []);
        let entropy = SeededEntropy::new(1);
        let (first, second) = (Serial::draw(&entropy), Serial::draw(&entropy));
        list.add(&first, 11, UtcMillis::new(1), "stolen\nn12").unwrap();
        let path = dir.path().join(REVOKED_FILE);
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, [&whole[..], b"7a01"].concat()).unwrap();
        list.add(&second, 12, UtcMillis::new(2), "").unwrap();
        assert_eq!(list.serials().unwrap(), [first, second]);
    }
}
