//! The programs on the box against what the bundle names, and the box's certificate.

use std::io::Read as _;
use std::path::Path;

use percolate_common::identity::bundle::SoftwareV1;
use percolate_common::identity::certificate::Certificate;
use percolate_common::identity::pem::{Label, decode};
use percolate_common::time::UtcMillis;

use super::{Check, Code, Ground};

/// The box renews its certificate long before so little of it is left.
const LEFT_MS_MIN: i64 = 21 * 24 * 60 * 60 * 1_000;

/// The kind of machine that this program was made for, as bundles write it.
fn target() -> String {
    format!("{}-unknown-linux-gnu", std::env::consts::ARCH)
}

pub(super) fn software(ground: &Ground) -> Check {
    let known = ground.bundle.as_ref().map(|bundle| bundle.software.as_slice()).unwrap_or_default();
    let Some(named) = known.iter().find(|named| named.target == target()) else {
        return Check::pass(Code::Software, "The bundle names no program for this machine.");
    };
    let program = std::env::current_exe().unwrap_or_default().with_file_name("store-node");
    judged(named, digest(&program))
}

fn digest(program: &Path) -> Option<[u8; 32]> {
    let mut file = std::fs::File::open(program).ok()?;
    let mut hasher = blake3::Hasher::new();
    let mut part = vec![0; 1 << 16];
    loop {
        match file.read(&mut part).ok()? {
            0 => return Some(*hasher.finalize().as_bytes()),
            length => hasher.update(part.get(..length)?),
        };
    }
}

fn judged(named: &SoftwareV1, found: Option<[u8; 32]>) -> Check {
    const OWN: &str = env!("CARGO_PKG_VERSION");
    let Some(found) = found else {
        let fix = "Keep provision and store-node in one folder.";
        return Check::fail(Code::Software, "The shop's server cannot be read: it is not beside this program.", fix);
    };
    if found == *named.blake3 {
        return Check::pass(Code::Software, format!("The server is version {OWN}, the one that the bundle names."));
    }
    if named.version == OWN {
        let said = format!("The server calls itself version {OWN}, and is not the one that head office knows by that.");
        return Check::fail(Code::Software, said, "Install the programs anew, from head office's own copy.");
    }
    let said = format!("The server is version {OWN}; the bundle names {}.", named.version);
    Check::warn(Code::Software, said, "Install the version that the bundle names when it is convenient.")
}

pub(super) fn certificate(ground: &Ground) -> Check {
    let path = ground.place.data.join("identity/current.pem");
    let Ok(text) = std::fs::read_to_string(path) else {
        return Check::pass(
            Code::Certificate,
            "The box has no certificate yet: it comes with the line to head office.",
        );
    };
    let read = decode(Label::Certificate, &text).ok();
    let first = read.and_then(|documents| Certificate::read(documents.first()?).ok());
    held(first.map(|certificate| certificate.not_after), ground.now)
}

fn held(until: Option<UtcMillis>, now: UtcMillis) -> Check {
    const FIX: &str =
        "The box renews it by itself when there is a line. Look whether head office answers. The shop sells meanwhile.";
    match until {
        None => {
            let fix = "Ask head office for a new bundle.";
            Check::warn(Code::Certificate, "The box's certificate cannot be read.", fix)
        }
        Some(until) if until <= now => {
            Check::warn(Code::Certificate, format!("The box's certificate ended at {until}."), FIX)
        }
        Some(until) if until.get() - now.get() < LEFT_MS_MIN => {
            Check::warn(Code::Certificate, format!("The box's certificate ends soon, at {until}."), FIX)
        }
        Some(until) => Check::pass(Code::Certificate, format!("The box's certificate holds until {until}.")),
    }
}

#[cfg(test)]
mod tests {
    use percolate_common::identity::acceptance::CheckOutcomeV1;

    use super::*;

    #[test]
    fn another_program_of_the_same_version_is_not_taken() {
        let named =
            |version: &str| SoftwareV1 { target: target(), version: version.to_owned(), blake3: [7; 32].into() };
        let own = env!("CARGO_PKG_VERSION");
        let outcomes = [
            judged(&named(own), Some([7; 32])),
            judged(&named("0.0.1"), Some([8; 32])),
            judged(&named(own), Some([8; 32])),
            judged(&named(own), None),
        ];
        let [pass, warn, fail] = [CheckOutcomeV1::Pass, CheckOutcomeV1::Warn, CheckOutcomeV1::Fail];
        assert_eq!(outcomes.map(|check| check.outcome), [pass, warn, fail, fail]);
    }

    #[test]
    fn a_program_is_known_by_its_bytes() {
        let dir = tempfile::TempDir::new().unwrap();
        let path = dir.path().join("store-node");
        std::fs::write(&path, vec![5; 200_000]).unwrap();
        assert_eq!(digest(&path), Some(*blake3::hash(&vec![5; 200_000]).as_bytes()));
        assert_eq!(digest(&dir.path().join("none")), None);
    }

    #[test]
    fn a_certificate_that_ends_soon_is_told() {
        let now = UtcMillis::new(1_796_000_000_000);
        let at = |ms: i64| held(Some(UtcMillis::new(now.get() + ms)), now).outcome;
        let [pass, warn] = [CheckOutcomeV1::Pass, CheckOutcomeV1::Warn];
        assert_eq!([at(LEFT_MS_MIN), at(LEFT_MS_MIN - 1), at(0), at(-1)], [pass, warn, warn, warn]);
        assert_eq!(held(None, now).outcome, warn);
    }
}
