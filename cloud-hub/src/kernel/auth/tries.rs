//! How often an address may ask what costs something before it is known who asks.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};

use percolate_common::time::UtcMillis;

use super::table::Cost;

/// Addresses that are remembered. At the limit the one that asked longest ago is forgotten.
const ADDRESSES_MAX: usize = 10_000;

const MINUTE_MS: i64 = 60_000;

/// A try is worth so many milliseconds of a minute, all tries together a minute.
#[derive(Debug, Clone, Copy)]
struct Spent {
    /// How much is spent, in milliseconds times tries.
    amount: i64,
    at: UtcMillis,
}

/// What each address has spent.
#[derive(Debug, Default)]
pub(crate) struct Tries(BTreeMap<(Cost, IpAddr), Spent>);

impl Tries {
    /// Whether an address may ask once more now; then that counts.
    pub(crate) fn take(&mut self, cost: Cost, address: IpAddr, now: UtcMillis) -> bool {
        let per_minute = i64::from(cost.tries_per_minute());
        let key = (cost, household(address));
        let before = self.0.get(&key).copied().unwrap_or(Spent { amount: 0, at: now });
        let passed = now.get().saturating_sub(before.at.get()).clamp(0, MINUTE_MS);
        let amount = before.amount.saturating_sub(passed.saturating_mul(per_minute)).max(0);
        let fits = amount <= MINUTE_MS * (per_minute - 1);
        let amount = if fits { amount + MINUTE_MS } else { amount };
        if self.0.len() >= ADDRESSES_MAX && !self.0.contains_key(&key) {
            let oldest = self.0.iter().min_by_key(|(_, spent)| spent.at).map(|(key, _)| *key);
            oldest.map(|oldest| self.0.remove(&oldest));
        }
        self.0.insert(key, Spent { amount, at: now });
        fits
    }
}

/// Whoever has one address of IPv6 has 2⁶⁴ of them.
fn household(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> UtcMillis {
        UtcMillis::new(1_000_000 + ms)
    }

    #[test]
    fn twenty_tries_a_minute_and_one_more_each_three_seconds() {
        let mut tries = Tries::default();
        let address: IpAddr = "192.0.2.7".parse().unwrap();
        let mut ask = |ms| tries.take(Cost::Password, address, at(ms));
        assert!((0..20).all(|_| ask(0)));
        assert!(!ask(0) && !ask(2_999));
        assert!(ask(3_000) && !ask(3_000));
        assert!((0..20).all(|_| ask(70_000)) && !ask(70_000));
        // A clock that is put back gives nothing.
        assert!(!ask(60_000));
        assert!(tries.take(Cost::Password, "192.0.2.8".parse().unwrap(), at(60_000)), "another address");
        assert!(tries.take(Cost::Signature, address, at(60_000)), "something else");
    }

    #[test]
    fn a_network_of_ipv6_is_one_address_and_no_more_are_kept_than_fit() {
        let mut tries = Tries::default();
        for n in 0..20_u16 {
            let address = Ipv6Addr::new(0x2001, 0xdb8, 0, 1, n, 0, 0, n);
            assert!(tries.take(Cost::Password, address.into(), at(0)));
        }
        assert!(!tries.take(Cost::Password, "2001:db8:0:1::99".parse().unwrap(), at(0)));
        for n in 0..20_000_u32 {
            tries.take(Cost::Password, std::net::Ipv4Addr::from_bits(n).into(), at(i64::from(n)));
        }
        assert_eq!(tries.0.len(), ADDRESSES_MAX);
    }
}
