//! Whether a projection gets on: one that is behind the journal and has folded nothing for a while cannot do its work.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A projection that is behind folds something within this, or it is not well: waits for a lock end after 5 s, and whoever
/// takes over does so in less than 7.
pub const STILL_TIME_MAX: Duration = Duration::from_secs(20);

/// How a projection gets on in this process. A clone is of the same.
#[derive(Debug, Clone, Default)]
pub struct Headway(Arc<Mutex<Seen>>);

#[derive(Debug, Default)]
struct Seen {
    /// How many entries were folded, by whoever did it, when that was looked at last.
    folded: u64,
    /// Since when something is due and nothing was folded.
    still_since: Option<Duration>,
}

impl Headway {
    /// It was looked whether something is due, and how much has been folded in all, where that is known.
    pub(super) fn looked(&self, is_due: bool, folded: Option<u64>, now: Duration) {
        let mut seen = self.lock();
        let moved = folded.is_some_and(|folded| folded != seen.folded);
        seen.folded = folded.unwrap_or(seen.folded);
        seen.still_since = match seen.still_since {
            _ if !is_due => None,
            Some(since) if !moved => Some(since),
            Some(_) | None => Some(now),
        };
    }

    /// Something was folded.
    pub(super) fn moved(&self, now: Duration) {
        let mut seen = self.lock();
        seen.still_since = seen.still_since.map(|_| now);
    }

    /// Whether nothing is due, or something was folded lately.
    #[must_use]
    pub fn is_well(&self, now: Duration) -> bool {
        self.lock().still_since.is_none_or(|since| now.saturating_sub(since) < STILL_TIME_MAX)
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn one_that_is_behind_and_folds_nothing_for_so_long_is_not_well_until_it_does() {
        let headway = Headway::default();
        assert!(headway.is_well(at(1_000)), "nothing is due");
        headway.looked(true, None, at(1_000));
        headway.looked(true, None, at(1_010));
        assert!(headway.is_well(at(1_019)));
        assert!(!headway.is_well(at(1_020)), "still since the first look");
        headway.moved(at(1_021));
        assert!(headway.is_well(at(1_040)));
        assert!(!headway.is_well(at(1_041)), "still again");
        headway.looked(false, None, at(1_042));
        assert!(headway.is_well(at(9_000)), "all is folded");
        headway.moved(at(9_000));
        assert!(headway.is_well(at(9_999)));
    }

    #[test]
    fn what_others_have_folded_counts() {
        let headway = Headway::default();
        headway.looked(true, Some(7), at(0));
        headway.looked(true, Some(7), at(30));
        assert!(!headway.is_well(at(30)));
        headway.looked(true, Some(8), at(40));
        assert!(headway.is_well(at(59)));
    }
}
