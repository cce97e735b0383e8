//! Disks that are moved, put back from copies and run twice, with a process that dies wherever it can: nothing is lost,
//! and nothing counts twice.

#![expect(
    clippy::wildcard_enum_match_arm,
    clippy::unwrap_in_result,
    reason = "a test that meets anything else fails and shows it"
)]

mod hub;
mod imports;
mod open_tickets;
mod shop;

use std::collections::BTreeSet;

use percolate_common::domain::event::{Event, LifeReason};
use percolate_common::entropy::{Entropy as _, SeededEntropy};
use percolate_common::ids::{NodeId, TicketId};
use percolate_common::journal::{AuthorId, JournalId, StreamKind};
use percolate_common::wire::session::{Position, WELCOME_POSITIONS_MAX};

use hub::Hub;
use shop::Shop;

use super::standing::{Relation, survey};

/// Runs of the dice.
const SEEDS: u64 = 8;

/// Both sides are at rest and hold the same.
fn agree(shop: &Shop, hub: &Hub) {
    shop.check();
    assert_eq!(shop.tickets(), hub.tickets(), "the sales of both");
    assert_eq!(shop.on_hand(), hub.on_hand(), "the stock of both");
}

fn reasons(shop: &Shop) -> Vec<LifeReason> {
    let entries = shop.entries().into_iter();
    entries
        .filter_map(|(_, _, _, recorded)| match recorded.event {
            Event::LifeBegan(began) => Some(began.reason),
            _other => None,
        })
        .collect()
}

#[test]
fn a_moved_disk_begins_a_life_of_its_own_and_still_sends_what_the_old_one_had_not() {
    let mut hub = Hub::default();
    let mut shop = Shop::new(1);
    shop.deliver("delivery", 10_000);
    shop.sell_all("before", 3);
    shop.talk(&mut hub);
    let unsent = shop.sell_all("unsent", 2);
    let old = shop.present();

    let mut moved = Shop::open(shop.image(), 2, 2);
    assert_ne!(moved.present(), old);
    assert_eq!(reasons(&moved), [LifeReason::Moved]);
    let first = moved.sell("after").receipt.unwrap();
    assert!(first.starts_with("T1-B") && first.ends_with("-1"), "{first}");
    moved.talk(&mut hub);
    agree(&moved, &hub);
    assert_eq!(hub.tickets().len(), 6);
    assert_eq!(hub.verdicts.iter().filter(|verdict| **verdict != "welcome").count(), 0);
    let old_sales = &hub.journals[&moved.app.journal(old, StreamKind::Sales)];
    assert_eq!(old_sales.len(), 6, "the series and five tickets, as the old life's own");
    assert_eq!(unsent[1].receipt.as_deref(), Some("T1-A-5"));

    // On the machine that it is on now, it goes on.
    let again = moved.again(3);
    assert_eq!(again.sell("later").receipt.unwrap(), first.replace("-1", "-2"));
}

#[test]
fn a_life_without_sales_keeps_nobody_from_vouching() {
    let mut hub = Hub::default();
    let shop = Shop::new(1);
    let mut moved = Shop::open(shop.image(), 2, 2);
    moved.deliver("delivery", 10_000);
    moved.sell_all("after", 2);
    moved.talk(&mut hub);
    assert_eq!(reasons(&moved), [LifeReason::Moved]);
    assert_eq!(hub.marks, 1, "the life that sold is compared, beside one that has nothing to compare");
    agree(&moved, &hub);
}

#[test]
fn a_journal_that_the_hub_does_not_list_is_offered_from_where_it_was_acknowledged() {
    let mut hub = Hub::default();
    let mut shop = Shop::new(1);
    shop.sell_all("before", 3);
    shop.talk(&mut hub);
    shop.sell_all("unsent", 2);
    let old = shop.present();
    let moved = Shop::open(shop.image(), 2, 2);
    let id = moved.app.journal(old, StreamKind::Sales);
    // A list that is full names others.
    let other = JournalId { author: AuthorId::node(NodeId::new(99)), ..id };
    let full = vec![Position::new(&other, 1, other.genesis().hash.short()); WELCOME_POSITIONS_MAX];
    let standing_in = |positions: &[Position]| {
        let survey = moved.app.readers.read(|tx| survey(&moved.app, tx, positions)).unwrap();
        let found = survey.standings.into_iter().find(|standing| standing.id == id).unwrap();
        (found.held, found.last, found.relation)
    };
    assert_eq!(standing_in(&full), (4, 6, Relation::Behind), "the series and three tickets were acknowledged");
    assert_eq!(standing_in(&full[1..]), (0, 6, Relation::Behind), "a hub that lists all holds nothing of it");
}

#[test]
fn practice_in_another_life_has_receipts_of_its_own() {
    let shop = Shop::new(1);
    assert_eq!(shop.practise("before").receipt.as_deref(), Some("T1-TRN-1"));
    let moved = Shop::open(shop.image(), 2, 2);
    let practised = moved.practise("after").receipt.unwrap();
    let sold = moved.sell("real").receipt.unwrap();
    assert_eq!(practised, sold.replace("T1-", "T1-TRN"));
}

/// A shop that was put back to a copy from the day before, and sells before it hears of it.
fn put_back(meanwhile: u32) -> (Shop, Hub) {
    let mut hub = Hub::default();
    let mut shop = Shop::new(1);
    shop.deliver("delivery", 10_000);
    shop.sell_all("before", 5);
    shop.talk(&mut hub);
    let image = shop.image();
    shop.sell_all("lost", 12);
    shop.deliver("lost delivery", 500);
    shop.talk(&mut hub);
    agree(&shop, &hub);
    let older = Shop::open(image, 1, 2);
    older.sell_all("meanwhile", meanwhile);
    (older, hub)
}

#[test]
fn an_older_copy_that_sold_nothing_yet_gets_everything_back() {
    let (mut shop, mut hub) = put_back(0);
    let old = shop.present();
    shop.talk(&mut hub);
    agree(&shop, &hub);
    assert_eq!(hub.tickets().len(), 17);
    assert_eq!(hub.verdicts, ["welcome", "welcome", "forked", "welcome"], "where the end is agreed, no more is asked");
    assert_ne!(shop.present(), old);
    assert_eq!(reasons(&shop), [LifeReason::Forked]);
    assert!(shop.sell("after").receipt.unwrap().ends_with("-1"));
    shop.talk(&mut hub);
    agree(&shop, &hub);
}

#[test]
fn an_older_copy_that_sold_on_loses_nothing_and_doubles_nothing() {
    for meanwhile in [1, 3, 12, 70] {
        let (mut shop, mut hub) = put_back(meanwhile);
        let before = shop.tickets();
        let on_hand = shop.on_hand();
        shop.talk_while(&mut hub, |shop| {
            shop.check();
            // Until something comes back, stock is what it was, whatever is written where.
            if shop.tickets() == before {
                assert_eq!(shop.on_hand(), on_hand);
            }
        })
        .unwrap();
        agree(&shop, &hub);
        assert_eq!(hub.tickets().len(), 17 + meanwhile as usize);
        // It is over: another process of it is welcome at once.
        let mut again = shop.again(9);
        again.sell("after");
        again.talk(&mut hub);
        agree(&again, &hub);
        assert_eq!(again.app.readers.read(crate::store::repair::left).unwrap(), 0);
    }
}

#[test]
fn a_process_may_die_at_any_commit_of_a_repair() {
    let (before, heard) = put_back(70);
    let mut point = 1;
    loop {
        let (mut shop, mut hub) = (Shop::open(before.image(), 1, 2), heard.clone());
        shop.die_at(point);
        let outcome = shop.talk_while(&mut hub, |_shop| {});
        let died = outcome.is_err();
        let mut shop = shop.again(1_000 + u64::from(point));
        shop.check();
        shop.sell("after the crash");
        shop.check();
        shop.talk(&mut hub);
        agree(&shop, &hub);
        assert_eq!(hub.tickets().len(), 17 + 70 + 1, "died at {point}");
        if !died {
            assert!(point > 20, "ten commits at least, and each has two points: {point}");
            return;
        }
        point += 1;
    }
}

/// Everything that can happen to a disk, by dice.
fn bad_days(seed: u64) {
    let dice = SeededEntropy::new(seed);
    let below = |end: u64| dice.next_u64() % end;
    let (mut hub, mut shops, mut images) = (Hub::default(), vec![Shop::new(1)], Vec::new());
    shops[0].talk(&mut hub);
    let mut sold = BTreeSet::new();
    for step in 0..60 {
        let at = usize::try_from(below(shops.len() as u64)).unwrap();
        let chance = seed * 1_000 + step;
        match below(16) {
            0..=5 => {
                for number in 0..=below(5) {
                    let ticket = shops[at].sell(&format!("{step}-{number}"));
                    sold.insert(ticket.ticket_id.parse::<TicketId>().unwrap());
                }
            }
            6 => shops[at].deliver(&format!("delivery-{step}"), 1_000),
            7..=10 => shops[at].talk(&mut hub),
            11 => {
                // What it sold stays on its disk, and some of that may have been sent.
                shops[at].die_at(1 + u32::try_from(below(12)).unwrap());
                let _died_or_not = shops[at].talk_while(&mut hub, |_shop| {});
                let died = shops.remove(at);
                shops.push(died.again(chance));
            }
            12 => images.push(shops[at].image()),
            // Nothing is lost with a disk only if all of it was sent.
            13 if !images.is_empty() => {
                let mut lost = shops.remove(at);
                lost.talk(&mut hub);
                shops.push(Shop::open(images.remove(0), 1, chance));
            }
            14 if shops.len() < 3 => shops.push(Shop::open(shops[at].image(), 1, chance)),
            15 => {
                let moved = Shop::open(shops[at].image(), u8::try_from(2 + step).unwrap(), chance);
                shops[at] = moved;
            }
            _ => {}
        }
        shops.iter().for_each(Shop::check);
    }
    for _round in 0..3 {
        shops.iter_mut().for_each(|shop| shop.talk(&mut hub));
    }
    assert_eq!(hub.tickets(), sold.into_iter().collect::<Vec<_>>(), "each sale once");
    shops.iter().for_each(|shop| agree(shop, &hub));
}

#[test]
fn whatever_happens_to_disks_each_sale_counts_once_on_both_sides() {
    for seed in 1..=SEEDS {
        println!("seed {seed}");
        bad_days(seed);
    }
}

#[test]
fn what_is_sold_during_a_repair_is_of_the_new_life() {
    let (mut shop, mut hub) = put_back(130);
    let old = shop.present();
    let mut number = 0;
    shop.talk_while(&mut hub, |shop| {
        let repairing = shop.app.readers.read(crate::store::repair::left).unwrap() > 0;
        if repairing {
            let before = shop.on_hand()[&1];
            let sold = shop.try_sell(&format!("during-{number}")).unwrap();
            number += 1;
            assert!(!sold.replayed);
            assert_eq!(shop.on_hand()[&1], before - 18);
            assert_ne!(shop.present(), old);
            shop.check();
        }
    })
    .unwrap();
    assert!(number >= 2, "{number} sales came between the steps");
    agree(&shop, &hub);
    assert_eq!(hub.tickets().len(), 17 + 130 + number);
}

#[test]
fn a_key_that_was_used_in_a_life_that_was_lost_gives_the_old_ticket() {
    let (mut shop, mut hub) = put_back(2);
    shop.talk(&mut hub);
    let tickets = shop.tickets();
    for key in ["lost-7", "before-1", "meanwhile-1"] {
        let answer = shop.try_sell(key).unwrap();
        assert!(answer.replayed, "{key}");
        assert!(shop.try_sell(key).unwrap().replayed);
    }
    assert_eq!(shop.tickets(), tickets);
    shop.check();
}

#[test]
fn a_delivery_that_came_back_is_not_booked_again_under_its_key() {
    let mut hub = Hub::default();
    let mut shop = Shop::new(1);
    assert!(!shop.was_delivered("before", 1_000));
    shop.talk(&mut hub);
    let image = shop.image();
    assert!(!shop.was_delivered("lost", 500));
    shop.talk(&mut hub);
    drop(shop);
    let mut shop = Shop::open(image, 1, 2);
    shop.talk(&mut hub);
    let movements = hub.journals.iter().filter(|(id, _)| id.stream == StreamKind::Stock);
    let written: usize = movements.map(|(_, entries)| entries.len()).sum();
    assert!(
        shop.was_delivered("lost", 500) && shop.was_delivered("lost", 500),
        "it was booked before the disk was lost"
    );
    assert!(shop.was_delivered("before", 1_000));
    assert!(!shop.was_delivered("new", 1));
    shop.talk(&mut hub);
    let movements = hub.journals.iter().filter(|(id, _)| id.stream == StreamKind::Stock);
    assert_eq!(movements.map(|(_, entries)| entries.len()).sum::<usize>(), written + 1);
    agree(&shop, &hub);
    shop.check();
}

#[test]
fn two_boxes_on_copies_of_one_disk_both_keep_all_that_they_sold() {
    let mut hub = Hub::default();
    let mut first = Shop::new(1);
    first.deliver("delivery", 10_000);
    first.sell_all("before", 4);
    first.talk(&mut hub);
    // The copy brings its machine's id along, as cloned images do.
    let mut second = Shop::open(first.image(), 1, 2);
    let mut receipts = Vec::new();
    for round in 0..3 {
        receipts.extend(first.sell_all(&format!("first-{round}"), 2));
        receipts.extend(second.sell_all(&format!("second-{round}"), 3));
        second.talk(&mut hub);
        first.talk(&mut hub);
        first.check();
        second.check();
    }
    // Each hears of what the other has sold since.
    second.talk(&mut hub);
    first.talk(&mut hub);
    agree(&first, &hub);
    agree(&second, &hub);
    assert_eq!(hub.tickets().len(), 4 + 3 * 5);
    let forks = hub.verdicts.iter().filter(|verdict| **verdict != "welcome").count();
    assert!((1..=4).contains(&forks), "{:?}", hub.verdicts);
    // What was printed before either knew is printed twice; nothing after that is.
    let later: Vec<_> = receipts.split_off(5).into_iter().filter_map(|ticket| ticket.receipt).collect();
    let distinct: std::collections::BTreeSet<_> = later.iter().collect();
    assert_eq!(distinct.len(), later.len(), "{later:?}");
}

#[test]
fn an_older_life_that_the_hub_contests_is_repaired_into_the_present_one() {
    let mut hub = Hub::default();
    let mut stays = Shop::new(1);
    stays.deliver("delivery", 10_000);
    stays.sell_all("before", 4);
    stays.talk(&mut hub);
    // The disk is copied to another box with unsent sales of its own; the original goes on, and is quicker.
    let copy = Shop::open(stays.image(), 1, 2);
    copy.sell_all("copy", 3);
    stays.sell_all("stays", 5);
    stays.talk(&mut hub);
    let mut moved = Shop::open(copy.image(), 2, 3);
    moved.sell("after");
    moved.talk(&mut hub);
    agree(&moved, &hub);
    assert_eq!(hub.tickets().len(), 4 + 3 + 5 + 1);
    stays.talk(&mut hub);
    stays.check();
}

#[test]
fn totals_never_run_ahead_of_what_the_hub_holds() {
    let mut hub = Hub::default();
    let mut shop = Shop::new(1);
    shop.deliver("delivery", 1_000);
    shop.talk(&mut hub);
    shop.sell("unsent");
    let mut copy = Shop::open(shop.image(), 1, 2);
    copy.deliver("never sent", 777);
    copy.connect();
    // It gets as far as the sale that both disks have, and is never seen again.
    while hub.tickets().is_empty() {
        assert!(copy.round(&mut hub).unwrap());
    }
    drop(copy);
    shop.talk(&mut hub);
    agree(&shop, &hub);
    assert_eq!(hub.on_hand()[&1], 1_000 - 18);
}

#[test]
fn a_hub_that_was_put_back_is_given_the_journals_of_all_lives() {
    let (mut shop, mut hub) = put_back(3);
    shop.talk(&mut hub);
    let (tickets, on_hand) = (hub.tickets(), hub.on_hand());
    for kept in [3, 1, 0] {
        hub.forget_after(kept);
        shop.talk(&mut hub);
        agree(&shop, &hub);
        assert_eq!((hub.tickets(), hub.on_hand()), (tickets.clone(), on_hand.clone()), "{kept} entries were kept");
    }
}

#[test]
fn a_new_box_in_the_place_of_an_old_one_gets_its_books_back_and_prints_other_receipts() {
    let mut hub = Hub::default();
    let mut old = Shop::new(1);
    old.deliver("delivery", 1_000);
    old.sell_all("old", 9);
    old.talk(&mut hub);
    let mut new = Shop::new(2);
    new.talk(&mut hub);
    agree(&new, &hub);
    assert_eq!(new.tickets().len(), 9);
    assert!(new.sell("new").receipt.unwrap().starts_with("T1-B"));
    assert!(new.try_sell("old-3").unwrap().replayed);
    new.talk(&mut hub);
    agree(&new, &hub);
}

#[test]
fn a_session_that_is_refused_twice_costs_one_greeting() {
    let mut hub = Hub::default();
    let mut shop = Shop::new(1);
    shop.sell_all("before", 2);
    shop.connect();
    while shop.round(&mut hub).unwrap() {}
    assert!(shop.is_welcome_between_refusals(&mut hub), "the answer is taken although a late refusal came before it");
}
