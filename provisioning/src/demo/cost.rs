//! What a trouble has cost, for people and for programs. Pure.

use serde_json::{Value, json};

use super::clock::wall_time;
use crate::figures::{counted, grouped, seconds};

/// A tenth of a second in milliseconds: what is shorter is told in milliseconds.
const TENTH_MS: u64 = 100;

/// A trouble that is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Act {
    /// Whom it hit: number and name of the store; nobody where it was the head office.
    pub store: Option<(u32, String)>,
    /// When it came, in seconds after the doors opened.
    pub second: i64,
    /// What it has cost.
    pub cost: Cost,
}

/// What a trouble has cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cost {
    /// A line was cut and mended.
    LineCut {
        /// How long it was cut.
        lasted_ms: u64,
        /// What the shop sold meanwhile.
        sold_offline: i64,
        /// How many tickets waited for the line in the end.
        waited: i64,
        /// How long it took after the mending until all of it was in the reports.
        there_ms: u64,
    },
    /// A shop's box was killed.
    ShopKilled {
        /// How long it took until it sold again.
        back_ms: u64,
        /// Taps that got no answer and were repeated.
        taps_repeated: i64,
    },
    /// The head office was killed.
    OfficeKilled {
        /// How long it took until it answered again.
        back_ms: u64,
        /// What the shops sold meanwhile.
        sold_meanwhile: i64,
        /// How long it took after that until all of it was in the reports.
        there_ms: u64,
    },
    /// A shop's disk was copied, and the copy ran beside it.
    DiskCloned {
        /// How long the shop's box stood still.
        paused_ms: u64,
        /// What the copy sold.
        sold_by_copy: i64,
        /// How long it took after the copy was started until the two were told apart.
        seen_ms: u64,
        /// The life in which the box goes on, and the copy.
        lives: (String, String),
    },
}

impl Act {
    /// What programs know it by.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self.cost {
            Cost::LineCut { .. } => "line_cut",
            Cost::ShopKilled { .. } => "shop_killed",
            Cost::OfficeKilled { .. } => "office_killed",
            Cost::DiskCloned { .. } => "disk_cloned",
        }
    }

    /// What happened.
    #[must_use]
    pub fn what(&self) -> String {
        let name = self.store.as_ref().map_or("the head office", |(_, name)| name);
        match self.cost {
            Cost::LineCut { .. } => line_cut(name),
            Cost::ShopKilled { .. } => shop_killed(name),
            Cost::OfficeKilled { .. } => OFFICE_KILLED.to_owned(),
            Cost::DiskCloned { .. } => disk_cloned(name),
        }
    }

    /// The act as an object; `opens` is the hour at which the doors opened.
    #[must_use]
    pub fn to_json(&self, opens: u32) -> Value {
        let cost = match &self.cost {
            Cost::LineCut { lasted_ms, sold_offline, waited, there_ms } => {
                json!({"lasted_ms": lasted_ms, "sold_offline": sold_offline, "waited": waited, "there_ms": there_ms})
            }
            Cost::ShopKilled { back_ms, taps_repeated } => json!({"back_ms": back_ms, "taps_repeated": taps_repeated}),
            Cost::OfficeKilled { back_ms, sold_meanwhile, there_ms } => {
                json!({"back_ms": back_ms, "sold_meanwhile": sold_meanwhile, "there_ms": there_ms})
            }
            Cost::DiskCloned { paused_ms, sold_by_copy, seen_ms, lives: (original, copy) } => {
                json!({"paused_ms": paused_ms, "sold_by_copy": sold_by_copy, "seen_ms": seen_ms,
                    "lives": [original, copy]})
            }
        };
        json!({
            "kind": self.kind(), "what": self.what(), "at": wall_time(opens, self.second),
            "store": self.store.as_ref().map(|(number, _)| number),
            "name": self.store.as_ref().map(|(_, name)| name),
            "cost": cost, "cost_in_words": self.cost.in_words(),
        })
    }
}

/// What is said when a shop's line is cut.
#[must_use]
pub fn line_cut(name: &str) -> String {
    format!("{name}: line cut")
}

/// What is said when a shop's box is killed.
#[must_use]
pub fn shop_killed(name: &str) -> String {
    format!("{name}: box killed")
}

/// What is said when the head office is killed.
pub const OFFICE_KILLED: &str = "head office: killed";

/// What is said when a shop's disk is cloned.
#[must_use]
pub fn disk_cloned(name: &str) -> String {
    format!("{name}: disk cloned")
}

impl Cost {
    /// The cost in words.
    #[must_use]
    pub fn in_words(&self) -> String {
        match self {
            Self::LineCut { sold_offline, waited, there_ms, .. } => format!(
                "{} sold offline; {} waited, delivered {} after mending",
                grouped(*sold_offline),
                grouped(*waited),
                duration(*there_ms)
            ),
            Self::ShopKilled { back_ms, taps_repeated } => {
                let taps = counted(*taps_repeated, "tap", "taps");
                format!("back in {}, {taps} repeated", duration(*back_ms))
            }
            Self::OfficeKilled { back_ms, sold_meanwhile, there_ms } => format!(
                "{} sold meanwhile; back in {}, all there {} later",
                grouped(*sold_meanwhile),
                duration(*back_ms),
                duration(*there_ms)
            ),
            Self::DiskCloned { paused_ms, sold_by_copy, seen_ms, .. } => format!(
                "stood still {paused_ms} ms; copy sold {}; told apart in {}",
                counted(*sold_by_copy, "ticket", "tickets"),
                duration(*seen_ms)
            ),
        }
    }
}

/// A short time for people.
#[must_use]
pub fn duration(millis: u64) -> String {
    if millis < TENTH_MS { format!("{millis} ms") } else { seconds(u128::from(millis)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One act of every kind.
    fn acts() -> [Act; 4] {
        let act = |store: Option<(u32, &str)>, second, cost| Act {
            store: store.map(|(number, name)| (number, name.to_owned())),
            second,
            cost,
        };
        let lives = ("00ab".to_owned(), "00cd".to_owned());
        [
            act(
                Some((2, "Midtown")),
                2_700,
                Cost::LineCut { lasted_ms: 6_000, sold_offline: 97, waited: 99, there_ms: 410 },
            ),
            act(Some((4, "Grant Park")), 7_200, Cost::ShopKilled { back_ms: 312, taps_repeated: 1 }),
            act(None, 9_900, Cost::OfficeKilled { back_ms: 2_500, sold_meanwhile: 1_061, there_ms: 800 }),
            act(
                Some((3, "Inman Park")),
                13_500,
                Cost::DiskCloned { paused_ms: 9, sold_by_copy: 6, seen_ms: 1_400, lives },
            ),
        ]
    }

    #[test]
    fn each_act_says_what_happened_and_what_it_cost() {
        let told = acts().map(|act| format!("{}: {}", act.what(), act.cost.in_words()));
        let expected = [
            "Midtown: line cut: 97 sold offline; 99 waited, delivered 0.4 s after mending",
            "Grant Park: box killed: back in 0.3 s, 1 tap repeated",
            "head office: killed: 1,061 sold meanwhile; back in 2.5 s, all there 0.8 s later",
            "Inman Park: disk cloned: stood still 9 ms; copy sold 6 tickets; told apart in 1.4 s",
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn programs_get_kind_store_time_and_whole_numbers() {
        let objects = acts().map(|act| act.to_json(6));
        let kinds = ["line_cut", "shop_killed", "office_killed", "disk_cloned"];
        assert_eq!(objects.each_ref().map(|object| object["kind"].as_str().unwrap()), kinds);
        assert_eq!((&objects[0]["at"], &objects[0]["store"]), (&json!("06:45"), &json!(2)));
        assert_eq!(objects[0]["cost"], json!({"lasted_ms": 6_000, "sold_offline": 97, "waited": 99, "there_ms": 410}));
        assert_eq!((&objects[2]["store"], &objects[2]["name"]), (&Value::Null, &Value::Null));
        assert_eq!(objects[3]["cost"]["lives"], json!(["00ab", "00cd"]));
    }
}
