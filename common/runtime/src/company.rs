//! How long a group waits for company before its flush.
//!
//! Tills that were answered together ask again together, a moment later. A writer that flushes for the first of them
//! leaves all others to the next flush: everybody waits for two flushes, and half of the disk's work is for a few. So
//! a group that begins right after another waits for those who were answered, as long as they keep coming, and never
//! longer than a share of the flush that it saves. Where a flush is short there is nothing to save, and nobody waits; a
//! single till never does, and none does after a pause.

use std::time::Duration;

/// A shorter commit is not worth waiting for: the cores do something else meanwhile.
const COMMIT_MIN: Duration = Duration::from_millis(3);

/// The wait ends after this part of the last commit's time …
const WAIT_MAX_PART: u32 = 2;

/// … and earlier if nobody came for this part of it.
const QUIET_MAX_PART: u32 = 16;

/// What is remembered of a group when it ends.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct LastGroup {
    /// When its members were answered.
    pub(crate) ended_at: Duration,
    /// How long its commit took.
    pub(crate) commit: Duration,
    /// Its members, and those who were waiting already when it ended.
    pub(crate) callers: usize,
}

/// A group that waits.
#[derive(Debug)]
pub(crate) struct Company {
    callers: usize,
    until: Duration,
    quiet: Duration,
    heard_at: Duration,
    present: usize,
}

impl LastGroup {
    /// Whether a flush is so long that others should share it.
    pub(crate) fn is_worth_waiting(self) -> bool {
        self.commit >= COMMIT_MIN
    }

    /// Whether, and how, the group that begins now with so many commands waits.
    pub(crate) fn company(self, present: usize, now: Duration) -> Option<Company> {
        let until = self.ended_at + self.commit / WAIT_MAX_PART;
        let wait = self.is_worth_waiting() && present < self.callers && now < until;
        let quiet = self.commit / QUIET_MAX_PART;
        wait.then_some(Company { callers: self.callers, until, quiet, heard_at: now, present })
    }
}

impl Company {
    /// Whether to look again: so many commands are there now.
    pub(crate) fn waits(&mut self, present: usize, now: Duration) -> bool {
        if present > self.present {
            self.present = present;
            self.heard_at = now;
        }
        present < self.callers && now < self.until && now < self.heard_at + self.quiet
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    const LAST: LastGroup = LastGroup { ended_at: ms(1_000), commit: ms(16), callers: 200 };

    #[test]
    fn those_who_were_answered_are_waited_for_until_all_are_there() {
        let mut company = LAST.company(1, ms(1_000)).expect("waits");
        assert!(company.waits(1, ms(1_000)));
        assert!(company.waits(199, ms(1_001)));
        assert!(!company.waits(200, ms(1_001)));
    }

    #[test]
    fn nobody_is_waited_for_once_it_is_quiet_or_half_a_flush_is_over() {
        let mut company = LAST.company(1, ms(1_000)).expect("waits");
        assert!(!company.waits(1, ms(1_001)), "a sixteenth of the flush without anybody");
        let mut company = LAST.company(1, ms(1_000)).expect("waits");
        let mut now = ms(1_000);
        let mut present = 1;
        while company.waits(present, now) && present < 100 {
            (present, now) = (present + 1, now + Duration::from_micros(900));
        }
        assert!(now <= ms(1_009), "half of the flush, though they keep coming: {now:?}");
    }

    #[test]
    fn a_single_till_a_quick_disk_and_a_pause_wait_for_nothing() {
        assert!(LastGroup { callers: 1, ..LAST }.company(1, ms(1_000)).is_none());
        assert!(LastGroup { commit: Duration::from_micros(900), ..LAST }.company(1, ms(1_000)).is_none());
        assert!(LAST.company(1, ms(1_008)).is_none());
        assert!(LastGroup::default().company(1, ms(0)).is_none());
    }
}
