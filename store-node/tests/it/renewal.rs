//! A certificate's life: renewed in time, ended, revoked; and whatever becomes of it, the box sells.

use std::fs;

use percolate_common::identity::pem::{Label, encode};
use percolate_common::identity::serial::Serial;
use percolate_common::journal::{SigningKey, StreamKind};
use percolate_runtime::enrolment::EnrolmentRefusal;
use percolate_runtime::pki::Usage;
use percolate_runtime::tls::Refusal;

use crate::support::chain::{DAY_MS, day, node};
use crate::support::eventually;
use crate::support::installed::{Shop, another_code, bring_code, certificate, files, identity, link_is, said, stands};
use crate::support::menu::ESPRESSO;
use crate::support::node::ticket;
use crate::support::office::Manner;

const MINUTE_MS: i64 = 60 * 1_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;

/// Sells something, which must arrive over the connection that there is.
async fn sells_and_delivers(shop: &mut Shop, key: &str) {
    let till = shop.node.till();
    till.sold(key, &ticket("T1", &[(ESPRESSO, 1)])).await;
    let last = till.last_seq("sales").await;
    shop.hub.take_until(StreamKind::Sales, last).await;
}

/// Waits until the box shows another certificate than this one.
async fn another_than(shop: &Shop, before: &Serial) -> Serial {
    eventually("another certificate", || async { Some(shop.current()).filter(|serial| serial != before) }).await
}

#[tokio::test]
async fn a_certificate_is_renewed_at_two_thirds_and_relied_upon_only_once_it_was_tried() {
    let mut shop = Shop::enrolled().await;
    let first = shop.current();
    sells_and_delivers(&mut shop, "before").await;
    // The first new one is bad: the door lets nobody in by it.
    shop.door.refuse_all(Some(Refusal::Unknown));
    shop.on_day(61);
    for tried in 1..=4 {
        shop.door.turned_away(tried).await;
        stands(&shop.node, "renewing", Some("certificate_unfit")).await;
        shop.node.clock.step(MINUTE_MS);
    }
    let bad = certificate(&identity(&shop.node).join("new.pem")).serial;
    assert_eq!(
        (shop.current(), shop.office.asked().len()),
        (first.clone(), 2),
        "it stays beside, and the old one goes on"
    );
    assert_ne!(bad, first);
    shop.door.refuse_all(None);
    shop.node.clock.step(HOUR_MS);
    let trial = shop.hub.meet().await;
    let second = another_than(&shop, &first).await;
    drop(trial);
    stands(&shop.node, "enrolled", None).await;
    assert!(second != bad && shop.door.came() == [first, second.clone()], "{:?}", shop.door.came());
    assert!(!files(&shop.node).contains(&"new.pem".to_owned()), "{:?}", files(&shop.node));
    // The link that was up is the same all the time; the next one is made by the new certificate.
    sells_and_delivers(&mut shop, "after").await;
    shop.hub.hang_up();
    shop.hub.greet().await;
    assert_eq!(shop.door.came().last(), Some(&second));
    shop.close().await;
}

#[tokio::test]
async fn a_renewal_that_fails_leaves_all_as_it_was_and_is_tried_again() {
    let shop = Shop::enrolled().await;
    let first = shop.current();
    shop.office.next([Manner::Lose, Manner::ForAnotherKey]);
    shop.on_day(61);
    stands(&shop.node, "renewing", Some("hub_unreachable")).await;
    shop.node.clock.step(MINUTE_MS);
    stands(&shop.node, "renewing", Some("certificate_unfit")).await;
    assert_eq!(shop.current(), first);
    assert!(!files(&shop.node).contains(&"new.pem".to_owned()));
    shop.node.clock.step(HOUR_MS);
    let _trial = shop.hub.meet().await;
    another_than(&shop, &first).await;
    shop.close().await;
}

/// Writes a certificate for the box's own key, as an earlier process has left it.
fn leave(shop: &Shop, name: &str, from: i64, until: i64) -> Serial {
    let pem = fs::read_to_string(shop.node.config.data.join("node-key.pem")).unwrap();
    let key = SigningKey::from_pem(&pem).unwrap().public_key();
    let issued = shop.chain.certify(&node(), &key, Usage::Client, (from, until));
    let text: String = issued.iter().map(|der| encode(Label::Certificate, der).unwrap()).collect();
    let path = identity(&shop.node).join(name);
    fs::write(&path, text).unwrap();
    certificate(&path).serial
}

#[tokio::test]
async fn a_new_certificate_that_was_not_tried_yet_is_tried_at_the_next_start() {
    let mut shop = Shop::enrolled().await;
    let first = shop.current();
    shop.node.stop().await;
    let left = leave(&shop, "new.pem", day(-1), day(120));
    shop.node.open().await;
    // The link and the trial, whichever comes first.
    let one = shop.hub.meet().await;
    let _two = shop.hub.meet().await;
    assert_eq!(another_than(&shop, &first).await, left);
    drop(one);
    stands(&shop.node, "enrolled", None).await;
    assert_eq!(shop.office.asked().len(), 1, "nothing was asked for");
    shop.close().await;
}

#[tokio::test]
async fn a_certificate_that_is_older_than_what_is_shown_is_left_alone() {
    let mut shop = Shop::enrolled().await;
    let first = shop.current();
    shop.node.stop().await;
    leave(&shop, "new.pem", day(-40), day(50));
    shop.node.open().await;
    shop.hub.greet().await;
    stands(&shop.node, "enrolled", None).await;
    assert_eq!(shop.current(), first);
    shop.close().await;
}

#[tokio::test]
async fn a_new_certificate_takes_the_place_of_one_that_is_torn() {
    let mut shop = Shop::enrolled().await;
    shop.node.stop().await;
    let left = leave(&shop, "new.pem", day(-1), day(90));
    fs::write(identity(&shop.node).join("current.pem"), "").unwrap();
    shop.node.open().await;
    let _trial = shop.hub.meet().await;
    shop.hub.greet().await;
    stands(&shop.node, "enrolled", None).await;
    assert_eq!(shop.current(), left);
    shop.close().await;
}

#[tokio::test]
async fn a_box_whose_certificate_has_ended_sells_and_comes_back_by_its_key() {
    let mut shop = Shop::enrolled().await;
    shop.node.stop().await;
    shop.on_day(119);
    shop.office.next([Manner::Busy]);
    shop.node.open().await;
    stands(&shop.node, "expired", Some("hub_not_ready")).await;
    shop.node.till().sold("ended", &ticket("T1", &[(ESPRESSO, 1)])).await;
    shop.node.clock.step(MINUTE_MS);
    let _trial = shop.hub.meet().await;
    shop.hub.greet().await;
    stands(&shop.node, "enrolled", None).await;
    sells_and_delivers(&mut shop, "back").await;
    shop.close().await;
}

#[tokio::test]
async fn a_box_that_ended_too_long_ago_sells_and_comes_back_by_a_code() {
    let mut shop = Shop::enrolled().await;
    shop.node.stop().await;
    shop.on_day(121);
    shop.node.open().await;
    stands(&shop.node, "expired", Some("renewal_too_late")).await;
    shop.node.till().sold("ended", &ticket("T1", &[(ESPRESSO, 1)])).await;
    shop.office.give_out(another_code());
    bring_code(&shop.node, &another_code().to_string());
    shop.hub.greet().await;
    let shown = stands(&shop.node, "enrolled", None).await;
    assert_eq!(shown["not_after_ms"], day(121) + 90 * DAY_MS);
    sells_and_delivers(&mut shop, "back").await;
    shop.close().await;
}

#[tokio::test]
async fn a_box_that_was_shut_out_sells_and_a_code_lets_it_in_at_once() {
    let mut shop = Shop::enrolled().await;
    shop.shut_out(Refusal::Revoked);
    shop.hub.hang_up();
    let shown = stands(&shop.node, "revoked", None).await;
    assert!(shown["detail"].as_str().unwrap().contains("shut it out"), "{shown}");
    link_is(&shop.node, "down").await;
    shop.node.till().sold("out", &ticket("T1", &[(ESPRESSO, 1)])).await;
    assert_eq!(shop.office.asked().len(), 1, "it asks for nothing");
    // The link waits for an hour, but not for that where there is another certificate.
    shop.office.give_out(another_code());
    bring_code(&shop.node, &another_code().to_string());
    stands(&shop.node, "enrolled", None).await;
    shop.hub.greet().await;
    sells_and_delivers(&mut shop, "in").await;
    shop.close().await;
}

#[tokio::test]
async fn a_renewal_that_is_refused_to_one_who_was_shut_out_says_so() {
    let mut shop = Shop::enrolled().await;
    shop.office.next([Manner::Refuse(403, EnrolmentRefusal::CertificateRevoked)]);
    shop.on_day(61);
    stands(&shop.node, "revoked", Some("certificate_revoked")).await;
    sells_and_delivers(&mut shop, "still-up").await;
    shop.close().await;
}

#[tokio::test]
async fn a_hub_that_was_put_back_and_knows_no_such_certificate_gives_another() {
    let mut shop = Shop::enrolled().await;
    let first = shop.current();
    shop.shut_out(Refusal::Unknown);
    shop.hub.hang_up();
    shop.door.turned_away(1).await;
    link_is(&shop.node, "down").await;
    // A hub of several processes is given a moment: the box asks only when that is over.
    assert_eq!(shop.office.asked().len(), 1);
    eventually("another certificate", || async {
        shop.node.clock.step(MINUTE_MS);
        (shop.office.asked().len() > 1).then_some(())
    })
    .await;
    let _trial = shop.hub.meet().await;
    shop.hub.greet().await;
    another_than(&shop, &first).await;
    stands(&shop.node, "enrolled", None).await;
    shop.close().await;
}

#[tokio::test]
async fn a_clock_that_is_ahead_is_told_from_a_certificate_that_has_ended() {
    let mut shop = Shop::of_hub(day(-1), day(90)).await;
    shop.node.open().await;
    shop.hub.greet().await;
    stands(&shop.node, "enrolled", None).await;
    shop.node.clock.set(day(200));
    shop.hub.hang_up();
    stands(&shop.node, "clock_ahead", Some("clock_ahead")).await;
    shop.node.till().sold("ahead", &ticket("T1", &[(ESPRESSO, 1)])).await;
    shop.node.clock.set(day(0));
    shop.hub.greet().await;
    link_is(&shop.node, "up").await;
    assert_eq!(said(&shop.node).await["state"], "enrolled");
    shop.close().await;
}

#[tokio::test]
async fn what_both_clocks_agreed_upon_is_past_for_good() {
    let mut shop = Shop::enrolled().await;
    let floor = identity(&shop.node).join("floor");
    eventually("the time is noted", || async {
        (fs::read_to_string(&floor).ok()? == day(0).to_string()).then_some(())
    })
    .await;
    shop.on_day(2);
    shop.hub.now_ms = day(2);
    sells_and_delivers(&mut shop, "later").await;
    eventually("the time is noted anew", || async {
        (fs::read_to_string(&floor).ok()? == day(2).to_string()).then_some(())
    })
    .await;
    shop.close().await;
}
