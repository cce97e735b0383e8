//! Past sales that a person brings in again on a disk that was put back, before what it had lost comes back.

use percolate_common::domain::imports::{ImportedLine, LegacyItem};
use percolate_common::money::Minor;
use percolate_common::time::BusinessDay;

use super::hub::Hub;
use super::shop::{Shop, request};
use crate::app::imports::{Basket, import};
use crate::app::reports;

const DAY: &str = "2026-11-20";
const MORNING: &str = "07:06:11";
const EVENING: &str = "19:30:00";

/// Brings rows of one moment in, each at its number in cents; tells how many were new.
fn bring(shop: &Shop, time: &str, rows: &[u32]) -> u64 {
    let line = |row: &u32| ImportedLine {
        row: row.to_string(),
        item: LegacyItem { id: "32".to_owned(), name: "Ethiopia Rg".to_owned(), category: "Coffee".to_owned() },
        quantity: 1,
        unit_price: Minor::new(i64::from(*row)),
    };
    let basket =
        Basket { local_date: DAY.to_owned(), local_time: time.to_owned(), lines: rows.iter().map(line).collect() };
    let (app, key) = (shop.app.clone(), request(&format!("{time} {rows:?} {:?}", shop.present())));
    let bring = move |tx: &percolate_runtime::sqlite::WriteTx<'_>| import(&app, tx, "old till", vec![basket], &key);
    let answer = shop.app.writer.run_blocking("import", bring).unwrap();
    let done: serde_json::Value = serde_json::from_str(&answer.json).unwrap();
    done["lines_added"].as_u64().unwrap()
}

/// Tickets, lines, and the sum of the day.
fn day(shop: &Shop) -> (i64, i64, i64) {
    let day: BusinessDay = DAY.parse().unwrap();
    let book = shop.app.readers.read(|tx| reports::day(&shop.app, tx, day)).unwrap();
    (book.tickets, book.lines, book.total_minor)
}

/// A shop whose disk was put back to when one row was in; the hub has four of two tickets.
fn put_back() -> (Shop, Hub) {
    let (mut hub, mut shop) = (Hub::default(), Shop::new(1));
    bring(&shop, MORNING, &[1]);
    shop.talk(&mut hub);
    let image = shop.image();
    bring(&shop, MORNING, &[1, 20]);
    bring(&shop, EVENING, &[300, 4_000]);
    shop.talk(&mut hub);
    assert_eq!(day(&shop), (2, 4, 4_321));
    (Shop::open(image, 1, 2), hub)
}

#[test]
fn rows_that_come_back_are_in_the_day_and_are_not_brought_in_again() {
    let (mut shop, mut hub) = put_back();
    assert_eq!(day(&shop), (1, 1, 1));
    shop.talk(&mut hub);
    assert_eq!(day(&shop), (2, 4, 4_321));
    assert_eq!((bring(&shop, MORNING, &[1, 20]), bring(&shop, EVENING, &[300, 4_000])), (0, 0));
    shop.check();
}

#[test]
fn rows_that_were_brought_in_again_before_they_came_back_count_once() {
    for (morning, evening) in [(&[20][..], &[300, 4_000][..]), (&[1, 20], &[300]), (&[], &[4_000]), (&[20], &[])] {
        let (mut shop, mut hub) = put_back();
        for (time, rows) in [(MORNING, morning), (EVENING, evening)] {
            bring(&shop, time, rows);
        }
        shop.check();
        shop.talk(&mut hub);
        assert_eq!(day(&shop), (2, 4, 4_321), "{morning:?} and {evening:?} came first");
        shop.check();
        assert_eq!((bring(&shop, MORNING, &[1, 20]), bring(&shop, EVENING, &[300, 4_000])), (0, 0));
    }
}
