//! A month of past sales at three shops, made from a seed: an ordinary November with everything in it that is awkward.
//!
//! What is in it, besides ordinary baskets: equal baskets at one second at different shops; rows that are equal but for
//! their id, and rows that are equal with it; prices that were changed at the till, or are nothing; the night in which an
//! hour comes twice, and times of another night that never were; the seconds around midnight and around the hour at which
//! a day ends; prices in every spelling; texts with commas, quotes and letters beyond ASCII; rows that contradict each
//! other or cannot be read; and all of it shuffled.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Result;
use percolate_common::entropy::{Entropy as _, SeededEntropy};

use crate::imports::STORES;

/// The month, and how many days it has.
const MONTH: &str = "2024-11";
const DAYS: u64 = 30;
/// The day with an hour that comes twice: it comes whole, so that each basket of that hour is counted by one import.
const REPEATED_DAY: u64 = 3;
/// Products on the old menu.
const PRODUCTS: u64 = 24;
/// Their categories, as CSV has them.
const CATEGORIES: [&str; 5] =
    ["Coffee", "\"Tea, loose\"", "Bakery", "Caf\u{e9} \u{2615}", "\"The \"\"house\"\" syrups\""];
/// Columns in another order than the published one, with one more than is needed.
const HEADER: &str = "store_id,transaction_id,transaction_date,transaction_time,till,product_id,product_category,\
    product_detail,unit_price,transaction_qty";
/// Lines of the largest ticket there may be.
const LINES_MAX: u64 = 200;

/// Seconds of a day at which something changes: midnight, and the ends of trading days at two and at four.
const EDGES: [u64; 8] = [0, 1, 7_199, 7_200, 14_399, 14_400, 86_398, 86_399];

struct Writer {
    dice: SeededEntropy,
    rows: Vec<String>,
    next_id: u64,
}

/// What a line sells.
#[derive(Clone)]
struct Line {
    product: u64,
    quantity: u64,
    cents: u64,
}

impl Writer {
    fn below(&self, end: u64) -> u64 {
        self.dice.next_u64() % end.max(1)
    }

    fn one_in(&self, times: u64) -> bool {
        self.below(times) == 0
    }

    fn line(&self) -> Line {
        let product = self.below(PRODUCTS);
        let listed = 180 + 35 * product;
        let cents = match self.below(40) {
            0 => 0,
            1..=3 => listed - self.below(150),
            4 => listed + self.below(500),
            _as_listed => listed,
        };
        Line { product, quantity: 1 + self.below(4) / 2 + 11 * u64::from(self.one_in(150)), cents }
    }

    fn lines(&self) -> Vec<Line> {
        (0..1 + self.below(3)).map(|_line| self.line()).collect()
    }

    /// An amount in one of the spellings that people use.
    fn price(&self, cents: u64) -> String {
        let (whole, rest) = (cents / 100, cents % 100);
        match self.below(6) {
            0 if rest == 0 => whole.to_string(),
            1 if rest.is_multiple_of(10) => format!("{whole}.{}", rest / 10),
            2 if whole == 0 => format!(".{rest:02}"),
            3 => format!("{whole}.{rest:02}00"),
            _in_full => format!("{whole}.{rest:02}"),
        }
    }

    fn text(&self, (shop, id): (u32, &str), moment: &str, line: &Line) -> String {
        let category = usize::try_from(line.product).unwrap_or(0) % CATEGORIES.len();
        let category = CATEGORIES.get(category).copied().unwrap_or_default();
        let (product, quantity, price) = (line.product, line.quantity, self.price(line.cents));
        format!("{shop},{id},{moment},T1,{product},{category},\"Product {product}, large\",{price},{quantity}")
    }

    fn id(&mut self) -> String {
        self.next_id += 1;
        self.next_id.to_string()
    }

    /// A row under a new id, and now and then the same row again.
    fn row(&mut self, shop: u32, moment: &str, line: &Line) {
        let id = self.id();
        let row = self.text((shop, &id), moment, line);
        if self.one_in(60) {
            // Perhaps with its price in another spelling: it says the same.
            let again = self.text((shop, &id), moment, line);
            self.rows.push(again);
        }
        self.rows.push(row);
    }

    /// A basket; now and then a line of it stands twice, under two ids, and both count.
    fn basket(&mut self, shop: u32, moment: &str, lines: &[Line]) {
        for line in lines {
            self.row(shop, moment, line);
            if self.one_in(40) {
                self.row(shop, moment, line);
            }
        }
    }

    fn day(&mut self, date: &str) {
        let [first, second, third] = STORES.map(|(theirs, _ours)| theirs);
        for shop in [first, second, third] {
            for _basket in 0..25 + self.below(20) {
                let second = 6 * 3_600 + self.below(15 * 3_600);
                let lines = self.lines();
                self.basket(shop, &moment(date, second), &lines);
            }
            let edge = usize::try_from(self.below(EDGES.len() as u64)).unwrap_or(0);
            for second in EDGES.into_iter().cycle().skip(edge).take(3) {
                let lines = self.lines();
                self.basket(shop, &moment(date, second), &lines);
            }
        }
        // One second, one basket, two shops or three: that many tickets.
        let (at, lines) = (moment(date, 8 * 3_600 + self.below(3_600)), self.lines());
        self.basket(first, &at, &lines);
        self.basket(third, &at, &lines);
        if self.one_in(2) {
            self.basket(second, &at, &lines);
        }
    }

    /// What stands in the file once.
    fn once(&mut self) {
        for (theirs, _ours) in STORES {
            // The hour that comes twice, the first night after the month, and a night of spring around the hour that is skipped.
            for at in ["2024-11-03,01:00:00", "2024-11-03,01:59:59", "2024-11-03,02:00:00", "2024-12-01,01:30:00"] {
                let lines = self.lines();
                self.basket(theirs, at, &lines);
            }
            for at in ["2024-03-10,01:59:59", "2024-03-10,03:00:00", "2024-02-29,12:00:00"] {
                let lines = self.lines();
                self.basket(theirs, at, &lines);
            }
            for at in ["2024-03-10,02:00:00", "2024-03-10,02:59:59"] {
                let lines = self.lines();
                self.basket(theirs, at, &lines);
            }
        }
        let [(shop, _), (other, _), _] = STORES;
        for (at, count) in [("2024-11-15,12:00:00", LINES_MAX), ("2024-11-15,12:00:01", LINES_MAX + 1)] {
            for _line in 0..count {
                let (id, line) = (self.id(), self.line());
                self.rows.push(self.text((shop, &id), at, &line));
            }
        }
        for _pair in 0..5 {
            // One id, two shops: nobody can say which is right.
            let (id, line) = (self.id(), self.line());
            self.rows.push(self.text((shop, &id), "2024-11-20,09:00:00", &line));
            self.rows.push(self.text((other, &id), "2024-11-20,09:00:00", &line));
        }
        for broken in [
            "77,{id},2024-11-20,09:00:00,T1,1,Coffee,Nowhere,3.00,1",
            "3,{id},2024-11-31,09:00:00,T1,1,Coffee,No such day,3.00,1",
            "3,{id},2024-11-20,24:00:00,T1,1,Coffee,No such hour,3.00,1",
            "3,{id},2024-11-20,09:00:00,T1,1,Coffee,Half a cent,3.005,1",
            "3,{id},2024-11-20,09:00:00,T1,1,Coffee,No price,three,1",
            "3,{id},2024-11-20,09:00:00,T1,1,Coffee,Given back,-3.00,1",
            "3,{id},2024-11-20,09:00:00,T1,1,Coffee,None,3.00,0",
            "3,{id},2024-11-20,09:00:00,T1,1,Coffee,Some,3.00,some",
            "3,{id},2024-11-20,09:00:00",
        ] {
            let id = self.id();
            self.rows.push(broken.replace("{id}", &id));
        }
    }

    fn shuffle(&mut self) {
        for end in (1..self.rows.len()).rev() {
            let other = usize::try_from(self.below(end as u64 + 1)).unwrap_or(0);
            self.rows.swap(end, other);
        }
    }
}

fn moment(date: &str, second: u64) -> String {
    format!("{date},{:02}:{:02}:{:02}", second / 3_600, second / 60 % 60, second % 60)
}

/// Writes the month to `path`, and every second row of its ordinary days to `part`: whoever brings in the part first finds
/// baskets in the month that lines are missing of. The same seed gives the same files.
///
/// # Errors
/// If they cannot be written.
pub fn write(path: &Path, part: &Path, seed: u64) -> Result<()> {
    let mut writer = Writer { dice: SeededEntropy::new(seed), rows: Vec::new(), next_id: 0 };
    let mut early = Vec::new();
    for day in 1..=DAYS {
        let from = writer.rows.len();
        writer.day(&format!("{MONTH}-{day:02}"));
        if day != REPEATED_DAY {
            early.extend(writer.rows.iter().skip(from).step_by(2).cloned());
        }
    }
    writer.once();
    writer.shuffle();
    for (path, rows) in [(path, &writer.rows), (part, &early)] {
        let mut text = format!("{HEADER}\n");
        for row in rows {
            writeln!(text, "{row}")?;
        }
        std::fs::write(path, text)?;
    }
    Ok(())
}
