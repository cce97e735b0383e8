//! How often somebody may try a code: so often a minute from one address.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use percolate_common::time::UtcMillis;

/// Tries of one address within [`WINDOW_MS`]. At the limit: 429 `too_many_tries`.
const TRIES_MAX: u32 = 20;
/// The time within which tries are counted, in milliseconds.
const WINDOW_MS: i64 = 60 * 1_000;
/// Addresses that are remembered. At the limit the one is forgotten that began first.
const ADDRESSES_MAX: usize = 10_000;

/// A minute of an address.
#[derive(Debug, Clone, Copy)]
struct Window {
    began: UtcMillis,
    tries: u32,
}

/// Who tried how often.
#[derive(Debug, Default)]
pub(super) struct Tries(Mutex<BTreeMap<IpAddr, Window>>);

impl Tries {
    /// Counts a try. Says no if it is one too many, and how many milliseconds later another one is lawful.
    pub(super) fn count(&self, address: IpAddr, now: UtcMillis) -> Result<(), i64> {
        let mut windows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let began = windows.get(&address).copied().filter(|window| is_open(window, now));
        if began.is_none() && windows.len() >= ADDRESSES_MAX {
            windows.retain(|_, window| is_open(window, now));
            let first = windows.iter().min_by_key(|(_, window)| window.began).map(|(address, _)| *address);
            if let Some(first) = first.filter(|_| windows.len() >= ADDRESSES_MAX) {
                windows.remove(&first);
            }
        }
        let window = began.unwrap_or(Window { began: now, tries: 0 });
        if window.tries >= TRIES_MAX {
            return Err(WINDOW_MS.saturating_sub(now.get().saturating_sub(window.began.get())));
        }
        windows.insert(address, Window { tries: window.tries + 1, ..window });
        Ok(())
    }
}

/// Whether it still counts. One that began in the future does not: the clock was set.
fn is_open(window: &Window, now: UtcMillis) -> bool {
    (0..WINDOW_MS).contains(&now.get().saturating_sub(window.began.get()))
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn at(ms: i64) -> UtcMillis {
        UtcMillis::new(ms)
    }

    #[test]
    fn an_address_may_try_twenty_times_a_minute_and_another_one_is_not_held_up() {
        let (one, other) = (IpAddr::from(Ipv4Addr::new(10, 0, 0, 1)), IpAddr::from(Ipv4Addr::new(10, 0, 0, 2)));
        let tries = Tries::default();
        assert!((0..TRIES_MAX).all(|_| tries.count(one, at(1_000)).is_ok()));
        assert_eq!(tries.count(one, at(21_000)), Err(40_000));
        assert_eq!(tries.count(other, at(21_000)), Ok(()));
        assert_eq!(tries.count(one, at(1_000 + WINDOW_MS)), Ok(()));
        assert_eq!(tries.count(one, at(0)), Ok(()), "a clock that was set back holds nobody up");
    }

    #[test]
    fn addresses_without_end_take_no_room_without_end() {
        let tries = Tries::default();
        for number in 0..u32::try_from(ADDRESSES_MAX).unwrap() + 50 {
            assert_eq!(tries.count(IpAddr::from(Ipv4Addr::from_bits(number)), at(i64::from(number))), Ok(()));
        }
        let windows = tries.0.lock().unwrap();
        assert_eq!(windows.len(), ADDRESSES_MAX);
        assert!(!windows.contains_key(&IpAddr::from(Ipv4Addr::from_bits(49))), "the first was forgotten");
    }
}
