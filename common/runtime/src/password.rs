//! Passwords as they are kept: Argon2id, whose every guess costs 19 MiB and two passes, here as for whoever takes the table.

use std::fmt;

use argon2::password_hash::{PasswordHash, PasswordHasher as _, PasswordVerifier as _, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use percolate_common::entropy::Entropy;

/// Memory of one hash, in KiB.
pub const MEMORY_KIB: u32 = 19_456;
/// Passes over it.
pub const PASSES: u32 = 2;
/// Lanes of it.
pub const LANES: u32 = 1;

/// Nobody's: no password that anybody can find has it. Checking one against it takes as long as against somebody's.
const NOBODYS: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// A password could not be made into what is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the password cannot be hashed")]
pub struct PasswordError;

/// What is kept of a password: a text that names its algorithm, its cost and its salt.
#[derive(Clone, PartialEq, Eq)]
pub struct KeptPassword(String);

impl fmt::Debug for KeptPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeptPassword")
    }
}

impl KeptPassword {
    /// Hashes a password. Takes some tens of milliseconds, and 19 MiB: not for a thread that serves others.
    ///
    /// # Errors
    /// [`PasswordError`] if the machine has no memory for it.
    pub fn make(password: &str, entropy: &dyn Entropy) -> Result<Self, PasswordError> {
        let mut salt = [0; 16];
        entropy.fill(&mut salt);
        let salt = SaltString::encode_b64(&salt).map_err(refused)?;
        let params = Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(|_bounds| PasswordError)?;
        let hasher = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        Ok(Self(hasher.hash_password(password.as_bytes(), &salt).map_err(refused)?.to_string()))
    }

    /// What was kept.
    #[must_use]
    pub const fn kept(text: String) -> Self {
        Self(text)
    }

    /// What nobody's password fits.
    #[must_use]
    pub fn nobodys() -> Self {
        Self(NOBODYS.to_owned())
    }

    /// To be kept.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is that password's. As dear as [`KeptPassword::make`].
    #[must_use]
    pub fn fits(&self, password: &str) -> bool {
        PasswordHash::new(&self.0)
            .is_ok_and(|kept| Argon2::default().verify_password(password.as_bytes(), &kept).is_ok())
    }
}

fn refused(_cause: argon2::password_hash::Error) -> PasswordError {
    PasswordError
}

#[cfg(test)]
mod tests {
    use percolate_common::entropy::SeededEntropy;

    use super::*;

    #[test]
    fn a_password_is_kept_at_the_cost_that_is_written_down_and_known_again() {
        let entropy = SeededEntropy::new(1);
        let kept = KeptPassword::make("correct horse battery", &entropy).unwrap();
        assert!(kept.as_str().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", kept.as_str());
        let read = KeptPassword::kept(kept.as_str().to_owned());
        assert!(read.fits("correct horse battery"));
        assert!(!read.fits("correct horse batterz") && !read.fits(""));
        let again = KeptPassword::make("correct horse battery", &entropy).unwrap();
        assert_ne!(again, kept, "each has a salt of its own");
    }

    #[test]
    fn nobodys_password_costs_the_same_and_is_nobodys() {
        let nobodys = KeptPassword::nobodys();
        let read = PasswordHash::new(nobodys.as_str()).unwrap();
        let cost = Params::try_from(&read).unwrap();
        assert_eq!((cost.m_cost(), cost.t_cost(), cost.p_cost()), (MEMORY_KIB, PASSES, LANES));
        assert!(!nobodys.fits("") && !nobodys.fits("correct horse battery"));
        assert!(!KeptPassword::kept("nonsense".to_owned()).fits("nonsense"));
    }
}
