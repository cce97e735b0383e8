//! Which lanes a process of several should have: everybody decides for himself, from what all have.

use std::collections::BTreeSet;

use percolate_common::wire::topic::LANES;

use super::store::LanesHeld;

/// What a process does about its lanes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Decision {
    /// Lanes that it asks for. Others may be asking, too.
    pub(super) take: BTreeSet<u8>,
    /// Lanes that it gives back, for others to have.
    pub(super) give: BTreeSet<u8>,
}

/// Everybody has an equal share; where that leaves a rest, the first of them have one more. What is beyond that is given back,
/// and what nobody has is taken up to it, so that no lane moves without need. A lane is had by whoever holds its lease, there
/// among the members or not.
pub(super) fn decide(held: &LanesHeld, me: u64) -> Decision {
    let mut members = held.members.clone();
    members.insert(me);
    let place = Place { rank: members.range(..me).count(), of: members.len() };
    let share = place.share();
    let is_mine = |lane: &u8| held.holders.get(lane) == Some(&me);
    let mine: Vec<u8> = (0..LANES).filter(is_mine).collect();
    if mine.len() > share {
        let surplus = mine.len() - share;
        return Decision { take: BTreeSet::new(), give: dealt(&mine, surplus, place) };
    }
    let free: Vec<u8> = (0..LANES).filter(|lane| !held.holders.contains_key(lane)).collect();
    let take = dealt(&free, share - mine.len(), place);
    Decision { take, give: BTreeSet::new() }
}

/// Where a process stands among all.
#[derive(Debug, Clone, Copy)]
struct Place {
    rank: usize,
    of: usize,
}

impl Place {
    /// How many lanes it should have.
    fn share(self) -> usize {
        let (lanes, Self { rank, of }) = (usize::from(LANES), self);
        lanes / of + usize::from(rank < lanes % of)
    }
}

/// So many of these, as a dealer would deal them: far from each other, so that lanes in a row go to different processes, and
/// to each rank others.
fn dealt(lanes: &[u8], count: usize, Place { rank, of }: Place) -> BTreeSet<u8> {
    if count >= lanes.len() {
        return lanes.iter().copied().collect();
    }
    (0..count).filter_map(|number| lanes.get((number * of + rank) * lanes.len() / (count * of))).copied().collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// Processes and lanes of which each does what it decides, one after the other or all at once.
    #[derive(Debug, Clone, Default)]
    struct Hub(LanesHeld);

    impl Hub {
        fn share(&self, member: u64) -> usize {
            let of = self.0.members.len();
            Place { rank: self.0.members.range(..member).count(), of }.share()
        }

        /// What all have here beyond what they should have there.
        fn beyond(&self, there: &Self) -> usize {
            there.0.members.iter().map(|member| self.of(*member).saturating_sub(there.share(*member))).sum()
        }

        fn of(&self, member: u64) -> usize {
            self.0.holders.values().filter(|holder| **holder == member).count()
        }

        /// One of them looks at `seen` and acts on what is so now.
        fn act(&mut self, me: u64, seen: &LanesHeld) {
            let Decision { take, give } = decide(seen, me);
            self.0.holders.retain(|lane, _| !give.contains(lane));
            for lane in take {
                self.0.holders.entry(lane).or_insert(me);
            }
            self.0.members.insert(me);
        }

        /// All look at the same moment, and act one after the other.
        fn round(&mut self) {
            let seen = self.0.clone();
            seen.members.iter().for_each(|member| self.act(*member, &seen));
        }

        fn leave(&mut self, me: u64) {
            self.0.members.remove(&me);
            self.0.holders.retain(|_, holder| *holder != me);
        }

        fn settled(mut self) -> Self {
            for _ in 0..usize::from(LANES) {
                self.round();
            }
            self
        }

        /// How many lanes have another holder than there.
        fn moved(&self, before: &Self) -> usize {
            let now = |(lane, holder): &(&u8, &u64)| self.0.holders.get(lane) != Some(*holder);
            before.0.holders.iter().filter(now).count()
        }
    }

    fn hub_of(members: &BTreeSet<u64>) -> Hub {
        let mut hub = Hub::default();
        hub.0.members.clone_from(members);
        hub.settled()
    }

    fn whole(hub: &Hub) -> bool {
        hub.0.holders.len() == usize::from(LANES)
            && hub.0.members.iter().all(|member| hub.of(*member) == hub.share(*member))
            && hub.0.holders.values().all(|holder| hub.0.members.contains(holder))
    }

    #[test]
    fn who_comes_last_gets_lanes_from_all_in_turn() {
        let alone = hub_of(&BTreeSet::from([7]));
        assert_eq!(alone.of(7), usize::from(LANES));
        let mut three = alone;
        for member in [8, 9] {
            three.0.members.insert(member);
            three = three.settled();
        }
        let of_nine: Vec<u8> =
            three.0.holders.iter().filter(|(_, holder)| **holder == 9).map(|(lane, _)| *lane).collect();
        assert_eq!(of_nine, [1, 2, 7, 8, 13, 14, 19, 20]);
        assert!((7..=9).all(|member| three.of(member) == 8));
    }

    #[test]
    fn three_that_start_at_once_ask_for_different_lanes() {
        let members = BTreeSet::from([3, 5, 7]);
        let nothing = LanesHeld { members: members.clone(), holders: BTreeMap::new() };
        let asked: Vec<u8> = members.iter().flat_map(|member| decide(&nothing, *member).take).collect();
        assert_eq!(asked.len(), usize::from(LANES));
        assert_eq!(asked.into_iter().collect::<BTreeSet<_>>().len(), usize::from(LANES));
    }

    proptest! {
        #[test]
        fn any_lanes_are_dealt_without_repeats(
            lanes in proptest::collection::btree_set(0..LANES, 0..24),
            (count, rank, of) in (0_usize..30, 1_usize..9).prop_flat_map(|(count, of)| (Just(count), 0..of, Just(of))),
        ) {
            let lanes: Vec<u8> = lanes.into_iter().collect();
            prop_assert_eq!(dealt(&lanes, count, Place { rank, of }).len(), count.min(lanes.len()));
        }

        #[test]
        fn whoever_has_what_all_lanes_are_had_and_nobody_has_more_than_a_share(
            members in proptest::collection::btree_set(0_u64..20, 1..9),
            holders in proptest::collection::btree_map(0..LANES, 0_u64..20, 0..24),
        ) {
            let members: BTreeSet<_> = members.into_iter().collect();
            // Leases of those that are not there run out.
            let holders = holders.into_iter().filter(|(_, holder)| members.contains(holder)).collect();
            let hub = Hub(LanesHeld { members, holders }).settled();
            prop_assert!(whole(&hub), "{:?}", hub);
            prop_assert!(hub.0.members.iter().all(|member| decide(&hub.0, *member) == Decision::default()));
        }

        #[test]
        fn nobody_takes_beyond_a_share_or_what_another_has(
            members in proptest::collection::btree_set(0_u64..20, 1..9),
            holders in proptest::collection::btree_map(0..LANES, 0_u64..20, 0..24),
            me in 0_u64..20,
        ) {
            let held = LanesHeld { members, holders };
            let Decision { take, give } = decide(&held, me);
            let mine = held.holders.values().filter(|holder| **holder == me).count();
            let all = held.members.union(&BTreeSet::from([me])).count();
            prop_assert!(take.is_empty() || mine + take.len() <= usize::from(LANES).div_ceil(all));
            prop_assert!(take.iter().all(|lane| !held.holders.contains_key(lane)));
            prop_assert!(give.iter().all(|lane| held.holders.get(lane) == Some(&me)));
        }

        #[test]
        fn who_comes_or_goes_moves_no_lane_without_need(
            members in proptest::collection::btree_set(0_u64..20, 2..9),
            other in 20_u64..30,
        ) {
            let before = hub_of(&members);
            let mut more = before.clone();
            more.0.members.insert(other);
            let more = more.settled();
            prop_assert!(whole(&more));
            prop_assert_eq!(more.moved(&before), before.beyond(&more));
            let gone = *members.first().unwrap();
            let had = before.of(gone);
            let mut fewer = before.clone();
            fewer.leave(gone);
            let fewer = fewer.settled();
            prop_assert!(whole(&fewer));
            prop_assert_eq!(fewer.moved(&before), had + before.beyond(&fewer));
        }
    }
}
