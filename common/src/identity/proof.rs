//! Proofs that somebody knows a code, which they never say.
//!
//! A proof is keyed by the code and made over what both ends saw of each other: a fresh number, the chain's root, what is
//! asked. Whoever stands between them with another root makes the two of them see different things, and whoever does not
//! know the code can make no proof at all.

/// What a proof says, so that none can be passed off as another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// A box asks to be enrolled.
    BoxAsks,
    /// The hub answers it.
    HubAnswers,
    /// A box asks for its bundle.
    BundleAsked,
    /// The hub hands it out.
    BundleGiven,
}

impl Proof {
    const fn context(self) -> &'static [u8] {
        match self {
            Self::BoxAsks => b"percolate 2026 box asks to be enrolled\0",
            Self::HubAnswers => b"percolate 2026 hub answers a box\0",
            Self::BundleAsked => b"percolate 2026 box asks for its bundle\0",
            Self::BundleGiven => b"percolate 2026 hub hands out a bundle\0",
        }
    }
}

fn made(key: &[u8; 32], proof: Proof, parts: &[&[u8]]) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new_keyed(key);
    hasher.update(proof.context());
    for part in parts {
        // With its length in front no part can lend bytes to its neighbour.
        hasher.update(&(part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    hasher.finalize()
}

/// Makes a proof over `parts`, in their order, by the key of a code.
#[must_use]
pub fn prove(key: &[u8; 32], proof: Proof, parts: &[&[u8]]) -> [u8; 32] {
    *made(key, proof, parts).as_bytes()
}

/// Whether `given` is the proof over `parts`. Takes the same time whatever the answer, so that the wait tells nothing.
#[must_use]
pub fn is_proven(key: &[u8; 32], proof: Proof, parts: &[&[u8]], given: &[u8; 32]) -> bool {
    // Hashes are compared in constant time.
    made(key, proof, parts) == *given
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u8; 32] = [7; 32];
    const ALL: [Proof; 4] = [Proof::BoxAsks, Proof::HubAnswers, Proof::BundleAsked, Proof::BundleGiven];

    #[test]
    fn a_proof_holds_for_its_key_its_meaning_and_its_parts_only() {
        let parts: [&[u8]; 2] = [b"nonce", b"root"];
        let given = prove(&KEY, Proof::BoxAsks, &parts);
        assert!(is_proven(&KEY, Proof::BoxAsks, &parts, &given));
        assert!(!is_proven(&[8; 32], Proof::BoxAsks, &parts, &given));
        for other in ALL.into_iter().filter(|proof| *proof != Proof::BoxAsks) {
            assert!(!is_proven(&KEY, other, &parts, &given), "{other:?}");
        }
        for parts in [&[b"nonc".as_slice(), b"eroot"], &[b"root".as_slice(), b"nonce"], &[b"nonce".as_slice(), b"roof"]]
        {
            assert!(!is_proven(&KEY, Proof::BoxAsks, parts, &given), "{parts:?}");
        }
        assert!(!is_proven(&KEY, Proof::BoxAsks, &[b"nonceroot"], &given));
        assert!(!is_proven(&KEY, Proof::BoxAsks, &[b"nonce", b"root", b""], &given));
    }
}
