//! What was changed, for those who follow a database: they look at that, and not at everything.
//!
//! A command names what it changes with [`WriteTx::touch`](crate::storage::WriteTx::touch). Followers are told after the
//! commit, before anybody is told that there was one. They may be told too much, never too little: of a commit that
//! failed they hear, too, because it may be found on the disk all the same.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// The name of a thing in a database, as its owner counts them.
pub type Key = [i64; 3];

/// Keys that wait for a follower; one that falls behind further looks at everything.
const KEYS_MAX: usize = 65_536;

/// Where it is told what was changed. A clone is the same place.
#[derive(Debug, Clone, Default)]
pub struct Changes(Arc<Mutex<Vec<Weak<Mutex<Changed>>>>>);

/// What was changed since the follower looked last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Changed {
    /// These, at most.
    These(BTreeSet<Key>),
    /// Anything may have been.
    All,
}

/// Somebody who is told of every change from now on.
#[derive(Debug)]
pub struct Following(Arc<Mutex<Changed>>);

impl Changes {
    /// Follows from now on. What was changed before is for the follower to look at: it begins with [`Changed::All`].
    #[must_use]
    pub fn follow(&self) -> Following {
        let changed = Arc::new(Mutex::new(Changed::All));
        let mut followers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        followers.retain(|follower| follower.strong_count() > 0);
        followers.push(Arc::downgrade(&changed));
        Following(changed)
    }

    pub(crate) fn tell(&self, touched: &[Key]) {
        if touched.is_empty() {
            return;
        }
        let followers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for follower in followers.iter().filter_map(Weak::upgrade) {
            follower.lock().unwrap_or_else(PoisonError::into_inner).add(touched);
        }
    }
}

impl Changed {
    fn add(&mut self, touched: &[Key]) {
        let Self::These(keys) = self else { return };
        keys.extend(touched);
        if keys.len() > KEYS_MAX {
            *self = Self::All;
        }
    }
}

impl Following {
    /// What was changed since this was asked last; the first time, everything.
    #[must_use]
    pub fn take(&self) -> Changed {
        let nothing = Changed::These(BTreeSet::new());
        std::mem::replace(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner), nothing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn these(keys: &[Key]) -> Changed {
        Changed::These(keys.iter().copied().collect())
    }

    #[test]
    fn a_follower_looks_at_everything_first_and_then_at_what_was_changed() {
        let changes = Changes::default();
        let following = changes.follow();
        changes.tell(&[[1, 1, 1]]);
        assert_eq!(following.take(), Changed::All);
        assert_eq!(following.take(), these(&[]));
        changes.tell(&[[1, 1, 1], [2, 1, 1]]);
        changes.tell(&[[1, 1, 1]]);
        assert_eq!(following.take(), these(&[[1, 1, 1], [2, 1, 1]]));
        assert_eq!(following.take(), these(&[]));
    }

    #[test]
    fn each_follower_is_told_and_one_that_is_gone_is_forgotten() {
        let changes = Changes::default();
        let (first, second) = (changes.follow(), changes.follow());
        drop(first.take());
        drop(second.take());
        changes.tell(&[[1, 1, 1]]);
        assert_eq!(first.take(), these(&[[1, 1, 1]]));
        assert_eq!(second.take(), these(&[[1, 1, 1]]));
        drop(first);
        let third = changes.follow();
        assert_eq!(changes.0.lock().unwrap().len(), 2);
        assert_eq!(third.take(), Changed::All);
    }

    #[test]
    fn a_follower_that_is_far_behind_looks_at_everything() {
        let changes = Changes::default();
        let following = changes.follow();
        drop(following.take());
        let many: Vec<Key> = (0..=KEYS_MAX).map(|number| [i64::try_from(number).unwrap(), 0, 0]).collect();
        changes.tell(&many[1..]);
        changes.tell(&many[1..]);
        assert_eq!(following.take(), these(&many[1..]));
        changes.tell(&many);
        assert_eq!(following.take(), Changed::All);
        changes.tell(&many[..1]);
        assert_eq!(following.take(), these(&many[..1]));
    }
}
