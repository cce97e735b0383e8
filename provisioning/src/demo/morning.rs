//! The plan of one bad morning: which trouble comes when, and to whom.

/// When each trouble comes, in per mille of the time in which the doors are open.
const LINE_CUT_AT: u32 = 150;
const LINE_MENDED_AT: u32 = 350;
const SHOP_KILLED_AT: u32 = 400;
const OFFICE_KILLED_AT: u32 = 550;
const OFFICE_BACK_AT: u32 = 630;
const DISK_CLONED_AT: u32 = 750;

/// To whom, by position, where the chain has so many shops.
const CUT_SHOP: usize = 1;
const KILLED_SHOP: usize = 3;
const CLONED_SHOP: usize = 2;

/// A trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// A shop's line to the head office is cut; it goes on selling.
    LineCut {
        /// The shop, by position.
        shop: usize,
        /// When it is mended, in seconds after the doors open.
        until_s: u32,
    },
    /// A shop's box is killed while its tills sell.
    ShopKilled {
        /// The shop, by position.
        shop: usize,
    },
    /// The head office is killed, and its room is dark for a while.
    OfficeKilled {
        /// When it may start again, in seconds after the doors open.
        until_s: u32,
    },
    /// A shop's disk is copied, and the copy runs beside it.
    DiskCloned {
        /// The shop, by position.
        shop: usize,
    },
}

/// A trouble that is going to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlannedTrouble {
    /// When, in seconds after the doors open.
    pub at_s: u32,
    /// Which.
    pub trouble: Trouble,
}

/// Plans the morning of so many shops whose doors are open so many seconds.
#[must_use]
pub fn plan(shops: usize, open_s: u32) -> Vec<PlannedTrouble> {
    if shops == 0 {
        return Vec::new();
    }
    let second = |per_mille: u32| u32::try_from(u64::from(open_s) * u64::from(per_mille) / 1_000).unwrap_or(u32::MAX);
    let at = |per_mille, trouble| PlannedTrouble { at_s: second(per_mille), trouble };
    vec![
        at(LINE_CUT_AT, Trouble::LineCut { shop: CUT_SHOP % shops, until_s: second(LINE_MENDED_AT) }),
        at(SHOP_KILLED_AT, Trouble::ShopKilled { shop: KILLED_SHOP % shops }),
        at(OFFICE_KILLED_AT, Trouble::OfficeKilled { until_s: second(OFFICE_BACK_AT) }),
        at(DISK_CLONED_AT, Trouble::DiskCloned { shop: CLONED_SHOP % shops }),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn until(planned: PlannedTrouble) -> u32 {
        match planned.trouble {
            Trouble::LineCut { until_s, .. } | Trouble::OfficeKilled { until_s } => until_s,
            Trouble::ShopKilled { .. } | Trouble::DiskCloned { .. } => planned.at_s,
        }
    }

    #[test]
    fn every_trouble_comes_once_in_order_and_is_over_before_the_next() {
        let plan = plan(10, 18_000);
        assert_eq!(plan.len(), 4);
        assert!(plan.windows(2).all(|two| until(two[0]) <= two[1].at_s), "{plan:?}");
        assert_eq!(plan[0].at_s, 2_700);
        assert_eq!(until(plan[0]), 6_300);
        assert!(plan.iter().all(|planned| until(*planned) < 18_000), "all of it while the doors are open");
    }

    #[test]
    fn each_hits_another_shop_where_there_are_enough_and_one_that_is_there_in_any_case() {
        for shops in 1..=10 {
            let hit: Vec<usize> = plan(shops, 60)
                .into_iter()
                .filter_map(|planned| match planned.trouble {
                    Trouble::LineCut { shop, .. } | Trouble::ShopKilled { shop } | Trouble::DiskCloned { shop } => {
                        Some(shop)
                    }
                    Trouble::OfficeKilled { .. } => None,
                })
                .collect();
            assert!(hit.iter().all(|shop| *shop < shops), "{shops}: {hit:?}");
            let distinct: std::collections::BTreeSet<_> = hit.iter().collect();
            assert_eq!(distinct.len(), shops.min(3), "{shops}: {hit:?}");
        }
        assert_eq!(plan(0, 60), []);
    }
}
