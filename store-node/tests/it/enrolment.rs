//! How a box comes to its certificate: by a code that it never says, from a hub that shows that it knows it, too.

use std::fs;

use percolate_common::journal::StreamKind;
use percolate_runtime::enrolment::{EnrolmentAsked, EnrolmentRefusal};

use crate::support::chain::{TestChain, day};
use crate::support::eventually;
use crate::support::installed::{
    Shop, another_code, bring_code, bundle, certificate, files, identity, install, link_is, stands,
};
use crate::support::menu::ESPRESSO;
use crate::support::node::{NOON_MS, TestNode, ticket};
use crate::support::office::{Manner, Office, code};

const HOUR_MS: i64 = 60 * 60 * 1_000;
/// The longest first wait after a failure.
const FIRST_WAIT_MS: i64 = 2_000;

#[tokio::test]
async fn a_box_enrols_itself_and_what_it_sells_arrives() {
    let mut shop = Shop::enrolled().await;
    let left: Vec<_> = files(&shop.node).into_iter().filter(|name| name != "floor").collect();
    assert_eq!(left, ["current.pem", "lan.pem"], "the code has done its work");
    let shown = stands(&shop.node, "enrolled", None).await;
    let current = certificate(&identity(&shop.node).join("current.pem"));
    assert_eq!(shown["not_after_ms"], current.not_after.get());
    assert_eq!(shop.door.came(), [current.serial], "it came by its certificate");
    assert_eq!(shop.office.asked().len(), 1);
    let till = shop.node.till();
    till.sold("sale", &ticket("T1", &[(ESPRESSO, 1)])).await;
    let last = till.last_seq("sales").await;
    shop.hub.take_until(StreamKind::Sales, last).await;
    link_is(&shop.node, "up").await;
    // The next start finds it all, and asks for nothing.
    shop.node.restart().await;
    shop.hub.greet().await;
    stands(&shop.node, "enrolled", None).await;
    assert_eq!(shop.office.asked().len(), 1);
    shop.close().await;
}

#[tokio::test]
async fn an_answer_that_is_lost_is_asked_for_again_and_is_the_same() {
    let mut shop = Shop::prepare().await;
    shop.office.next([Manner::Lose]);
    shop.node.open().await;
    stands(&shop.node, "enrolling", Some("hub_unreachable")).await;
    assert_eq!(files(&shop.node), ["code"]);
    shop.node.clock.step(FIRST_WAIT_MS);
    shop.hub.greet().await;
    stands(&shop.node, "enrolled", None).await;
    let asked: Vec<EnrolmentAsked> =
        shop.office.asked().iter().map(|body| serde_json::from_str(body).unwrap()).collect();
    assert_eq!(asked.len(), 2);
    assert_eq!(asked[0].csr, asked[1].csr, "of the same key");
    assert_ne!(asked[0].nonce, asked[1].nonce);
    shop.close().await;
}

#[tokio::test]
async fn a_hub_that_does_not_know_the_code_is_not_believed_and_is_not_told_it() {
    let mut shop = Shop::prepare().await;
    shop.office.next([Manner::ProveWrongly]);
    shop.node.open().await;
    stands(&shop.node, "enrolling", Some("hub_not_proven")).await;
    assert_eq!(files(&shop.node), ["code"], "nothing of the answer is kept");
    shop.node.clock.step(FIRST_WAIT_MS);
    shop.hub.greet().await;
    let digits = code().to_string();
    for body in shop.office.asked() {
        let body = body.to_uppercase();
        assert!(!body.contains(&digits) && !body.contains(&digits.replace('-', "")), "{body}");
    }
    shop.close().await;
}

#[tokio::test]
async fn who_reads_the_line_with_a_certificate_of_his_own_hears_nothing() {
    let (chain, other) = (TestChain::new(1), TestChain::new(2));
    let proxy = Office::open(&other, other.hub(day(-1), day(900))).await;
    let mut node = TestNode::prepare();
    install(&mut node, &bundle(&chain, &format!("https://{}", proxy.address), "127.0.0.1:1"));
    node.open().await;
    stands(&node, "enrolling", Some("hub_not_proven")).await;
    assert_eq!(proxy.asked(), Vec::<String>::new());
    node.till().sold("sale", &ticket("T1", &[(ESPRESSO, 1)])).await;
    node.stop().await;
    proxy.close().await;
}

#[tokio::test]
async fn a_final_refusal_is_shown_and_asked_again_within_the_hour() {
    for (status, refusal) in [
        (409, EnrolmentRefusal::CodeUsed),
        (410, EnrolmentRefusal::CodeExpired),
        (404, EnrolmentRefusal::CodeUnknown),
        (409, EnrolmentRefusal::CodeOtherStore),
    ] {
        let mut shop = Shop::prepare().await;
        shop.office.next([Manner::Refuse(status, refusal)]);
        shop.node.open().await;
        let shown = stands(&shop.node, "refused", Some(refusal.code())).await;
        assert!(shown["detail"].as_str().unwrap().contains("this is why"), "{shown}");
        shop.node.till().sold("sale", &ticket("T1", &[(ESPRESSO, 1)])).await;
        assert_eq!((files(&shop.node), shop.office.asked().len()), (vec!["code".to_owned()], 1));
        shop.node.clock.step(HOUR_MS);
        shop.hub.greet().await;
        stands(&shop.node, "enrolled", None).await;
        assert_eq!(shop.office.asked().len(), 2, "{refusal:?}");
        shop.close().await;
    }
}

#[tokio::test]
async fn a_hub_that_is_busy_is_asked_again_soon() {
    let mut shop = Shop::prepare().await;
    shop.office.next([Manner::Busy, Manner::Refuse(429, EnrolmentRefusal::TooManyTries)]);
    shop.node.open().await;
    stands(&shop.node, "enrolling", Some("hub_not_ready")).await;
    shop.node.clock.step(FIRST_WAIT_MS);
    stands(&shop.node, "enrolling", Some("too_many_tries")).await;
    shop.node.clock.step(2 * FIRST_WAIT_MS);
    shop.hub.greet().await;
    stands(&shop.node, "enrolled", None).await;
    shop.close().await;
}

#[tokio::test]
async fn a_certificate_for_another_key_is_not_taken() {
    let mut shop = Shop::prepare().await;
    shop.office.next([Manner::ForAnotherKey]);
    shop.node.open().await;
    stands(&shop.node, "enrolling", Some("certificate_unfit")).await;
    assert_eq!(files(&shop.node), ["code"]);
    link_is(&shop.node, "not_enrolled").await;
    shop.close().await;
}

#[tokio::test]
async fn a_code_that_was_mistyped_is_told_and_the_right_one_is_taken_at_once() {
    let mut shop = Shop::prepare().await;
    bring_code(&shop.node, "7K3M-9QXT-W2F5-HB83");
    shop.node.open().await;
    stands(&shop.node, "enrolling", Some("code_mistyped")).await;
    assert_eq!(shop.office.asked().len(), 0);
    fs::remove_file(identity(&shop.node).join("code")).unwrap();
    stands(&shop.node, "waits_for_code", Some("code_mistyped")).await;
    bring_code(&shop.node, &code().to_string());
    shop.hub.greet().await;
    stands(&shop.node, "enrolled", None).await;
    shop.close().await;
}

#[tokio::test]
async fn a_box_that_went_out_before_it_had_removed_the_code_is_given_the_same_again() {
    let mut shop = Shop::enrolled().await;
    let before = shop.current();
    shop.node.stop().await;
    bring_code(&shop.node, &code().to_string());
    // What the writing of a file leaves when it is cut off.
    fs::write(identity(&shop.node).join("current.pem.1.new"), "-----BEGIN CERT").unwrap();
    shop.node.open().await;
    shop.hub.greet().await;
    shop.office.asked_times(2).await;
    eventually("the code is gone", || async { (!identity(&shop.node).join("code").exists()).then_some(()) }).await;
    assert_eq!(shop.current(), before);
    shop.close().await;
}

#[tokio::test]
async fn a_code_that_has_done_its_work_is_removed_however_the_hub_refuses_it() {
    let mut shop = Shop::enrolled().await;
    shop.node.stop().await;
    bring_code(&shop.node, &another_code().to_string());
    shop.node.open().await;
    shop.hub.greet().await;
    eventually("the code is gone", || async { (!identity(&shop.node).join("code").exists()).then_some(()) }).await;
    stands(&shop.node, "enrolled", None).await;
    shop.close().await;
}

#[tokio::test]
async fn a_certificate_that_is_torn_or_another_boxs_is_none_and_the_code_brings_another() {
    let mut shop = Shop::enrolled().await;
    shop.node.stop().await;
    let current = identity(&shop.node).join("current.pem");
    let whole = fs::read_to_string(&current).unwrap();
    fs::write(&current, &whole[..whole.len() / 2]).unwrap();
    shop.node.open().await;
    stands(&shop.node, "waits_for_code", None).await;
    link_is(&shop.node, "not_enrolled").await;
    bring_code(&shop.node, &code().to_string());
    shop.hub.greet().await;
    stands(&shop.node, "enrolled", None).await;
    assert_eq!(fs::read_to_string(&current).unwrap(), whole, "the same key was given the same");
    shop.close().await;
}

#[tokio::test]
async fn a_box_in_1970_is_enrolled_and_connects() {
    // The hub's certificate is younger than the bundle.
    let mut shop = Shop::of_hub(day(39), day(130)).await;
    shop.node.clock.set(0);
    shop.chain.clock.set(day(40));
    shop.node.open().await;
    shop.hub.greet().await;
    let shown = stands(&shop.node, "enrolled", None).await;
    assert_eq!(shown["not_after_ms"], day(130));
    assert_eq!(files(&shop.node), ["current.pem", "lan.pem"], "a clock that differs notes nothing");
    shop.node.clock.set(NOON_MS);
    shop.close().await;
}
