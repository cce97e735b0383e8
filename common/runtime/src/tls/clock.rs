//! The clock by which certificates are judged.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use percolate_common::time::{Clock, UtcMillis};
use rustls::pki_types::UnixTime;
use rustls::time_provider::TimeProvider;

/// The injected clock, but never before what is known to be past: a box whose battery is dead thinks that it is 1970, and
/// connects all the same.
pub struct TlsClock {
    clock: Arc<dyn Clock>,
    floor_ms: AtomicI64,
}

impl fmt::Debug for TlsClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsClock").field("floor_ms", &self.floor_ms).finish_non_exhaustive()
    }
}

impl TlsClock {
    /// A clock that says no less than `floor`.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, floor: UtcMillis) -> Self {
        Self { clock, floor_ms: AtomicI64::new(floor.get()) }
    }

    /// Something that is known to be past was learned: the clock says no less from now on.
    pub fn raise(&self, past: UtcMillis) {
        self.floor_ms.fetch_max(past.get(), Ordering::Relaxed);
    }

    /// What it says.
    #[must_use]
    pub fn now(&self) -> UtcMillis {
        self.clock.now().max(UtcMillis::new(self.floor_ms.load(Ordering::Relaxed)))
    }
}

impl TimeProvider for TlsClock {
    fn current_time(&self) -> Option<UnixTime> {
        let since_epoch = u64::try_from(self.now().get()).ok()?;
        Some(UnixTime::since_unix_epoch(Duration::from_millis(since_epoch)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Stopped(i64);

    impl Clock for Stopped {
        fn now(&self) -> UtcMillis {
            UtcMillis::new(self.0)
        }
    }

    fn clock(now: i64, floor: i64) -> TlsClock {
        TlsClock::new(Arc::new(Stopped(now)), UtcMillis::new(floor))
    }

    #[test]
    fn the_clock_never_says_less_than_what_is_past() {
        assert_eq!(clock(7, 5).now().get(), 7);
        let slow = clock(3, 5);
        assert_eq!(slow.now().get(), 5);
        slow.raise(UtcMillis::new(9));
        slow.raise(UtcMillis::new(8));
        assert_eq!(slow.now().get(), 9);
        assert_eq!(slow.current_time(), Some(UnixTime::since_unix_epoch(Duration::from_millis(9))));
    }

    #[test]
    fn a_time_before_1970_is_none() {
        assert_eq!(clock(-1, -1).current_time(), None);
        assert!(clock(-1, 0).current_time().is_some());
    }
}
