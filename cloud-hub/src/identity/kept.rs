//! What must not be forgotten with a database that is put back: which certificates and keys were revoked, which codes were used,
//! how far a shop's bundles were counted.
//!
//! A list beside the CA, outside of every backup of the databases, that only grows. A line is written once what it says is in the
//! database, and before anybody is told so: an error that somebody was told leaves no line behind. What died between the two is
//! written at the next start, or when it is asked for again.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use percolate_common::identity::hex;
use percolate_common::identity::serial::Serial;
use percolate_common::ids::{NodeId, StoreId};
use percolate_common::journal::PublicKey;
use percolate_common::time::UtcMillis;

/// The list's file, in the CA's folder.
pub(crate) const KEPT_FILE: &str = "revoked.list";

/// What begins a line that is not about a certificate. Earlier programs pass over it.
const KEY: &str = "key:";
const CODE: &str = "code:";
const BUNDLE: &str = "bundle:";
const ENDED: &str = "ended:";

/// Something that is so for ever.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fact {
    /// A certificate of a box lets nobody in any more.
    Revoked { serial: Serial, node: NodeId, at: UtcMillis, reason: String },
    /// A key of a box is not let in by the codes of its shop's bundles up to this one.
    KeyRevoked { key: PublicKey, node: NodeId, at: UtcMillis, bundle: u64 },
    /// A code has enrolled the box with a key.
    CodeUsed { id: [u8; 8], node: NodeId, at: UtcMillis, key: PublicKey },
    /// So many bundles were made for a shop.
    BundleMade { store: StoreId, number: u64, at: UtcMillis },
    /// The codes of a shop's bundles up to this one let nobody in.
    CodesEnded { store: StoreId, number: u64, at: UtcMillis },
}

/// All of it, as it was read and written.
#[derive(Debug, Default)]
struct Facts {
    /// Why each was revoked.
    serials: BTreeMap<Serial, String>,
    keys: BTreeMap<[u8; 33], u64>,
    codes: BTreeMap<[u8; 8], PublicKey>,
    bundles: BTreeMap<StoreId, u64>,
    ended: BTreeMap<StoreId, u64>,
    unreadable: u32,
}

/// The list. A clone is the same.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    path: PathBuf,
    facts: Arc<Mutex<Facts>>,
}

impl Fact {
    fn line(&self) -> String {
        match self {
            Self::Revoked { serial, node, at, reason } => {
                format!("{serial} n{node} {} {}", at.get(), on_one_line(reason))
            }
            Self::KeyRevoked { key, node, at, bundle } => {
                format!("{KEY}{} n{node} {} {bundle}", hex::encode(key.as_bytes()), at.get())
            }
            Self::CodeUsed { id, node, at, key } => {
                format!("{CODE}{} n{node} {} {}", hex::encode(id), at.get(), hex::encode(key.as_bytes()))
            }
            Self::BundleMade { store, number, at } => format!("{BUNDLE}{store} {number} {}", at.get()),
            Self::CodesEnded { store, number, at } => format!("{ENDED}{store} {number} {}", at.get()),
        }
    }

    /// Reads a line.
    fn read(line: &str) -> Option<Self> {
        let mut words = line.splitn(4, ' ');
        let (first, second, third) = (words.next()?, words.next()?, words.next()?);
        let rest = words.next().unwrap_or_default();
        if let Some(store) = first.strip_prefix(BUNDLE) {
            let (store, number) = (StoreId::new(store.parse().ok()?), second.parse().ok()?);
            return Some(Self::BundleMade { store, number, at: UtcMillis::new(third.parse().ok()?) });
        }
        if let Some(store) = first.strip_prefix(ENDED) {
            let (store, number) = (StoreId::new(store.parse().ok()?), second.parse().ok()?);
            return Some(Self::CodesEnded { store, number, at: UtcMillis::new(third.parse().ok()?) });
        }
        let node = NodeId::new(second.strip_prefix('n')?.parse().ok()?);
        let at = UtcMillis::new(third.parse().ok()?);
        if let Some(key) = first.strip_prefix(KEY) {
            return Some(Self::KeyRevoked { key: key_of(key)?, node, at, bundle: rest.parse().ok()? });
        }
        if let Some(id) = first.strip_prefix(CODE) {
            let id = hex::decode(id)?.try_into().ok()?;
            return Some(Self::CodeUsed { id, node, at, key: key_of(rest)? });
        }
        Some(Self::Revoked { serial: first.parse().ok()?, node, at, reason: rest.to_owned() })
    }
}

fn on_one_line(reason: &str) -> String {
    reason.chars().filter(|c| !c.is_control()).collect()
}

fn key_of(text: &str) -> Option<PublicKey> {
    PublicKey::from_slice(&hex::decode(text)?)
}

impl Facts {
    fn take(&mut self, fact: Fact) {
        match fact {
            Fact::Revoked { serial, reason, .. } => {
                self.serials.entry(serial).or_insert_with(|| on_one_line(&reason));
            }
            Fact::KeyRevoked { key, bundle, .. } => {
                let latest = self.keys.entry(*key.as_bytes()).or_insert(bundle);
                *latest = bundle.max(*latest);
            }
            Fact::CodeUsed { id, key, .. } => {
                self.codes.insert(id, key);
            }
            Fact::BundleMade { store, number, .. } => {
                let highest = self.bundles.entry(store).or_insert(number);
                *highest = number.max(*highest);
            }
            Fact::CodesEnded { store, number, .. } => {
                let highest = self.ended.entry(store).or_insert(number);
                *highest = number.max(*highest);
            }
        }
    }

    /// Whether nothing is new in a fact.
    fn has(&self, fact: &Fact) -> bool {
        match fact {
            Fact::Revoked { serial, .. } => self.serials.contains_key(serial),
            Fact::KeyRevoked { key, bundle, .. } => self.keys.get(key.as_bytes()).is_some_and(|known| known >= bundle),
            Fact::CodeUsed { id, .. } => self.codes.contains_key(id),
            Fact::BundleMade { store, number, .. } => self.bundles.get(store).is_some_and(|known| known >= number),
            Fact::CodesEnded { store, number, .. } => self.ended.get(store).is_some_and(|known| known >= number),
        }
    }
}

impl Kept {
    /// Reads the list in a CA's folder. Blocks.
    pub(crate) fn open(ca: &Path) -> io::Result<Self> {
        let path = ca.join(KEPT_FILE);
        let text = match std::fs::read(&path) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error),
        };
        let mut facts = Facts::default();
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            match Fact::read(line) {
                Some(fact) => facts.take(fact),
                None => facts.unreadable += 1,
            }
        }
        let unreadable = facts.unreadable;
        if unreadable > 0 {
            tracing::warn!(unreadable, path = %path.display(), "{unreadable} lines of the list of what was revoked cannot be read");
        }
        Ok(Self { path, facts: Arc::new(Mutex::new(facts)) })
    }

    fn facts(&self) -> MutexGuard<'_, Facts> {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes down what is new in these, and returns when it is on the disk. Blocks.
    pub(crate) fn add(&self, facts: Vec<Fact>) -> io::Result<()> {
        let mut known = self.facts();
        let new: Vec<Fact> = facts.into_iter().filter(|fact| !known.has(fact)).collect();
        if new.is_empty() {
            return Ok(());
        }
        // A line that was torn by the death of an earlier process ends here.
        let text: String = new.iter().map(|fact| format!("\n{}\n", fact.line())).collect();
        let mut file = OpenOptions::new().create(true).append(true).mode(0o600).open(&self.path)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        new.into_iter().for_each(|fact| known.take(fact));
        Ok(())
    }

    /// The certificates that were revoked.
    pub(crate) fn serials(&self) -> BTreeSet<Serial> {
        self.facts().serials.keys().cloned().collect()
    }

    /// Why a certificate was revoked.
    pub(crate) fn reason(&self, serial: &Serial) -> Option<String> {
        self.facts().serials.get(serial).cloned().filter(|reason| !reason.is_empty())
    }

    /// Whether a key was revoked when the code of a bundle was there already: a later code lets it in again, that one does not.
    pub(crate) fn is_shut_out(&self, key: &PublicKey, bundle: u64) -> bool {
        self.facts().keys.get(key.as_bytes()).is_some_and(|until| bundle <= *until)
    }

    /// The key of the box that a code has enrolled.
    pub(crate) fn used_by(&self, code: &[u8; 8]) -> Option<PublicKey> {
        self.facts().codes.get(code).copied()
    }

    /// Whether the code of a bundle has ended: a later bundle was made, or codes up to this one were ended.
    pub(crate) fn has_ended(&self, store: StoreId, bundle: u64) -> bool {
        let facts = self.facts();
        let later = facts.bundles.get(&store).is_some_and(|latest| bundle < *latest);
        later || facts.ended.get(&store).is_some_and(|until| bundle <= *until)
    }

    /// The highest bundle that was made for a shop.
    pub(crate) fn bundles(&self, store: StoreId) -> u64 {
        self.facts().bundles.get(&store).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use percolate_common::entropy::SeededEntropy;
    use percolate_runtime::pki::new_key;
    use tempfile::TempDir;

    use super::*;

    fn revoked(serial: &Serial, reason: &str) -> Fact {
        Fact::Revoked {
            serial: serial.clone(),
            node: NodeId::new(11),
            at: UtcMillis::new(1),
            reason: reason.to_owned(),
        }
    }

    #[test]
    fn what_is_kept_is_read_again_and_a_torn_line_takes_nothing_else_with_it() {
        let dir = TempDir::new().unwrap();
        let list = Kept::open(dir.path()).unwrap();
        let entropy = SeededEntropy::new(1);
        let key = new_key(&entropy).unwrap().public_key();
        let (first, second) = (Serial::draw(&entropy), Serial::draw(&entropy));
        let (node, at) = (NodeId::new(11), UtcMillis::new(7));
        list.add(vec![revoked(&first, "stolen\nn12")]).unwrap();
        let path = dir.path().join(KEPT_FILE);
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, [&whole[..], b"7a01"].concat()).unwrap();
        let store = StoreId::new(42);
        list.add(vec![
            revoked(&second, ""),
            Fact::KeyRevoked { key, node, at, bundle: 4 },
            Fact::CodeUsed { id: [3; 8], node, at, key },
            Fact::BundleMade { store, number: 5, at },
            Fact::CodesEnded { store: StoreId::new(44), number: 2, at },
        ])
        .unwrap();
        for list in [list, Kept::open(dir.path()).unwrap()] {
            assert_eq!(list.serials(), BTreeSet::from([first.clone(), second.clone()]));
            assert_eq!((list.reason(&first), list.reason(&second)), (Some("stolenn12".to_owned()), None));
            assert!(list.is_shut_out(&key, 4) && !list.is_shut_out(&key, 5), "the next code lets it in again");
            assert_eq!((list.used_by(&[3; 8]), list.used_by(&[4; 8])), (Some(key), None));
            assert_eq!((list.bundles(store), list.bundles(StoreId::new(43))), (5, 0));
            let ended = [(42, 4), (42, 5), (43, 1), (44, 2), (44, 3)].map(|(s, n)| list.has_ended(StoreId::new(s), n));
            assert_eq!(ended, [true, false, false, true, false]);
        }
    }

    #[test]
    fn lines_of_an_earlier_program_are_read_and_nothing_is_written_twice() {
        let dir = TempDir::new().unwrap();
        let serial = Serial::draw(&SeededEntropy::new(1));
        std::fs::write(dir.path().join(KEPT_FILE), format!("\n{serial} n421 1795000000000 it was stolen\n")).unwrap();
        let list = Kept::open(dir.path()).unwrap();
        assert_eq!(list.reason(&serial).as_deref(), Some("it was stolen"));
        let before = std::fs::read(dir.path().join(KEPT_FILE)).unwrap();
        list.add(vec![revoked(&serial, "again")]).unwrap();
        assert_eq!(std::fs::read(dir.path().join(KEPT_FILE)).unwrap(), before);
    }

    #[test]
    fn what_cannot_be_written_is_not_taken_for_written() {
        let dir = TempDir::new().unwrap();
        let list = Kept::open(&dir.path().join("none")).unwrap();
        let serial = Serial::draw(&SeededEntropy::new(1));
        assert!(list.add(vec![revoked(&serial, "")]).is_err());
        assert_eq!(list.serials(), BTreeSet::new());
    }
}
