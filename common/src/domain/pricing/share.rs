//! Sharing an amount over several, so that no cent is lost.

use crate::money::Minor;

/// Shares an amount in proportion to weights: each gets the whole part of its share, and what is left goes, a minor unit
/// each, to those whose share was cut off most; of equal ones to the first. Weights below zero count as zero. If all are
/// zero, the first gets all; without any, nobody does.
#[must_use]
pub fn share(amount: Minor, weights: &[Minor]) -> Vec<Minor> {
    let weight = |minor: &Minor| i128::from(minor.get().max(0));
    let sum: i128 = weights.iter().map(weight).sum();
    let total = i128::from(amount.get());
    if sum == 0 {
        return weights.iter().enumerate().map(|(at, _)| if at == 0 { amount } else { Minor::ZERO }).collect();
    }
    let mut shares: Vec<i128> = weights.iter().map(|minor| total * weight(minor) / sum).collect();
    let cut: Vec<i128> = weights.iter().map(|minor| (total * weight(minor) % sum).abs()).collect();
    let mut by_cut: Vec<usize> = (0..weights.len()).collect();
    by_cut.sort_by_key(|at| core::cmp::Reverse(cut.get(*at).copied().unwrap_or(0)));
    let left = total - shares.iter().sum::<i128>();
    let count = usize::try_from(left.abs()).unwrap_or(0);
    for at in by_cut.into_iter().take(count) {
        if let Some(share) = shares.get_mut(at) {
            *share += left.signum();
        }
    }
    // No share is larger than the amount, so that each fits.
    shares.into_iter().map(|share| Minor::new(i64::try_from(share).unwrap_or_default())).collect()
}

/// Shares an amount evenly over so many; the first ones get a minor unit more.
#[must_use]
pub fn share_evenly(amount: Minor, count: usize) -> Vec<Minor> {
    share(amount, &vec![Minor::new(1); count])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shares(amount: i64, weights: &[i64]) -> Vec<i64> {
        let weights: Vec<_> = weights.iter().copied().map(Minor::new).collect();
        share(Minor::new(amount), &weights).into_iter().map(Minor::get).collect()
    }

    #[test]
    fn the_cents_that_are_left_go_to_those_who_lost_most() {
        assert_eq!(shares(100, &[1, 1, 1]), [34, 33, 33]);
        assert_eq!(shares(-100, &[1, 1, 1]), [-34, -33, -33]);
        assert_eq!(shares(10, &[300, 500, 200]), [3, 5, 2]);
        assert_eq!(shares(1, &[300, 500, 200]), [0, 1, 0]);
        assert_eq!(shares(5, &[0, 0]), [5, 0]);
        assert_eq!(shares(5, &[-3, 2]), [0, 5]);
        assert_eq!(shares(5, &[]), Vec::<i64>::new());
        assert_eq!(
            share_evenly(Minor::new(1_001), 4).into_iter().map(Minor::get).collect::<Vec<_>>(),
            [251, 250, 250, 250]
        );
    }

    proptest! {
        /// P24: no cent is lost in any split, and nobody gets more than a minor unit beside their exact share.
        #[test]
        fn p24_no_cent_is_lost_in_any_split(
            amount in -10_000_000_i64..10_000_000,
            weights in prop::collection::vec(0_i64..2_000_000, 1..40),
        ) {
            let shares = shares(amount, &weights);
            prop_assert_eq!(shares.iter().sum::<i64>(), amount);
            let sum: i64 = weights.iter().sum();
            if sum > 0 {
                for (share, weight) in shares.iter().zip(&weights) {
                    let exact = i128::from(amount) * i128::from(*weight);
                    prop_assert!((i128::from(*share) * i128::from(sum) - exact).abs() <= i128::from(sum));
                    prop_assert!(amount < 0 || amount > sum || share <= weight, "a reduction is never larger than what it reduces");
                }
            }
        }
    }
}
