//! The first owner's invitation: a file in the hub's data folder, written where the chain is founded and read by the hub.

use std::fmt;
use std::path::Path;

use percolate_common::entropy::Entropy;
use percolate_common::identity::hex;
use percolate_common::identity::person::PersonName;
use percolate_common::time::UtcMillis;
use serde::{Deserialize, Serialize};

use crate::files::{FileError, read_text, write_secret};

/// The file's name.
pub const OWNER_FILE: &str = "owner.invitation";

/// Something that only its holder knows: 256 bits, of which a hash is kept.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Secret([u8; 32]);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl Secret {
    /// Draws one.
    #[must_use]
    pub fn draw(entropy: &dyn Entropy) -> Self {
        let mut bytes = [0; 32];
        entropy.fill(&mut bytes);
        Self(bytes)
    }

    /// Reads its 64 hexadecimal digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = hex::decode(text)?;
        bytes.try_into().ok().map(Self)
    }

    /// Its 64 hexadecimal digits, for its holder.
    #[must_use]
    pub fn to_text(&self) -> String {
        hex::encode(&self.0)
    }

    /// What is kept of it.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        blake3::hash(&self.0).into()
    }
}

/// Who is invited to be the chain's first owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnerInvitation {
    /// Their name.
    pub name: PersonName,
    /// What they show.
    pub secret: Secret,
    /// When it was made.
    pub made_at: UtcMillis,
}

#[derive(Serialize, Deserialize)]
struct Content {
    name: String,
    invitation: String,
    made_at_ms: i64,
}

impl OwnerInvitation {
    /// Writes the file, for its owner alone.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn write(&self, data_dir: &Path) -> Result<(), FileError> {
        let content =
            Content { name: self.name.to_string(), invitation: self.secret.to_text(), made_at_ms: self.made_at.get() };
        write_secret(&data_dir.join(OWNER_FILE), serde_json::to_string(&content).unwrap_or_default().as_bytes())
    }

    /// What the file says; nothing if there is none, or it is none of ours.
    ///
    /// # Errors
    /// [`FileError`] if it cannot be read.
    pub fn read(data_dir: &Path) -> Result<Option<Self>, FileError> {
        let Some(text) = read_text(&data_dir.join(OWNER_FILE))? else { return Ok(None) };
        let parse = || {
            let content: Content = serde_json::from_str(&text).ok()?;
            Some(Self {
                name: content.name.parse().ok()?,
                secret: Secret::parse(&content.invitation)?,
                made_at: UtcMillis::new(content.made_at_ms),
            })
        };
        Ok(parse())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use percolate_common::entropy::SeededEntropy;
    use tempfile::TempDir;

    use super::*;

    #[test]
    fn an_invitation_is_read_as_it_was_written_and_is_its_owners_alone() {
        let dir = TempDir::new().unwrap();
        assert_eq!(OwnerInvitation::read(dir.path()).unwrap(), None);
        let invited = OwnerInvitation {
            name: "ann@example.com".parse().unwrap(),
            secret: Secret::draw(&SeededEntropy::new(1)),
            made_at: UtcMillis::new(7),
        };
        invited.write(dir.path()).unwrap();
        assert_eq!(OwnerInvitation::read(dir.path()).unwrap(), Some(invited));
        let path = dir.path().join(OWNER_FILE);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::write(&path, "something else").unwrap();
        assert_eq!(OwnerInvitation::read(dir.path()).unwrap(), None);
    }
}
