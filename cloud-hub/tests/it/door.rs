//! The door: who is let in, who is cut off, and that nobody stands in another's way.

use std::time::Duration;

use bytes::Bytes;
use cloud_hub::broker::quota::DoorLimits;
use cloud_hub::broker::rate::Rate;
use percolate_common::identity::names::Principal;
use percolate_runtime::mqtt::{DownReason, Presence};
use percolate_runtime::pki::Usage;
use percolate_runtime::system::monotonic_now;
use percolate_runtime::tls::TlsTrouble;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use crate::support::chain::{Papers, TestChain, Wire, day, node, plain};
use crate::support::door::DoorGround;
use crate::support::guest::Guest;
use crate::support::packet::{LET_IN, connect_packet, publish_packet};
use crate::support::{DEADLINE, eventually};

/// A live connection whose certificate is revoked is gone after this. The goal is 200 ms; how long it took is printed.
const CUT_MAX: Duration = Duration::from_secs(10);

async fn come(ground: &DoorGround, papers: Option<&Papers>, who: &str) -> Result<Guest, DownReason> {
    Guest::come(ground.way(papers), who, &[], None).await
}

/// What a link says that was refused within the handshake.
fn refused(trouble: TlsTrouble) -> Option<DownReason> {
    Some(DownReason::Certificate { trouble })
}

/// Somebody's words arrive.
async fn is_heard(ground: &DoorGround, guest: &Guest, who: &str) {
    let mut listener = ground.listener().await;
    let (topic, words) = (format!("percolate/v1/{who}/up/sales"), Bytes::from_static(b"heard"));
    guest.say(&topic, &words);
    assert_eq!(listener.hear().await, (topic, words));
}

#[tokio::test(flavor = "multi_thread")]
async fn whose_certificate_is_wrong_is_refused_at_the_handshake() {
    let ground = DoorGround::start().await;
    let chain = &ground.chain;
    let other = TestChain::new(2).papers(&node(11));
    chain.list.admit(&other);
    let life = (day(-1), day(90));
    for (what, papers, trouble) in [
        ("another CA", Some(other), TlsTrouble::WeAreUnknown),
        ("ended", Some(chain.issue(&node(11), Usage::Client, (day(-3), day(-1)))), TlsTrouble::WeAreExpired),
        ("not yet", Some(chain.issue(&node(11), Usage::Client, (day(1), day(90)))), TlsTrouble::WeAreExpired),
        ("for a server", Some(chain.issue(&node(11), Usage::Server, life)), TlsTrouble::WeAreUnknown),
        ("nobody knows it", Some(chain.issue_unlisted(&node(11), Usage::Client, life)), TlsTrouble::WeAreUnknown),
        ("none", None, TlsTrouble::WeAreUnknown),
    ] {
        assert_eq!(come(&ground, papers.as_ref(), "n11").await.err(), refused(trouble), "{what}");
    }
    let revoked = chain.papers(&node(11));
    chain.list.revoke(&revoked);
    assert_eq!(come(&ground, Some(&revoked), "n11").await.err(), refused(TlsTrouble::WeAreRevoked));
    assert!(come(&ground, Some(&ground.papers("n11")), "n11").await.is_ok(), "what is in order is not refused");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_comes_under_the_name_of_another() {
    let ground = DoorGround::start().await;
    let (n11, hub) = (ground.papers("n11"), ground.papers("hub"));
    for (papers, who) in [(&n11, "n12"), (&n11, "hub"), (&n11, "stranger"), (&hub, "n11"), (&hub, "stranger")] {
        let outcome = come(&ground, Some(papers), who).await.err();
        assert!(matches!(outcome, Some(DownReason::Refused { .. })), "{who}: {outcome:?}");
    }
    // The certificate of a broker that is not ours opens nothing here, even where it is on the list.
    let broker = ground.chain.papers(&Principal::Broker);
    let outcome = come(&ground, Some(&broker), "broker").await.err();
    assert!(matches!(outcome, Some(DownReason::Lost { .. })), "{outcome:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_revoked_while_connected_is_cut_off_and_stays_out() {
    let ground = DoorGround::start().await;
    let (papers, others) = (ground.papers("n11"), ground.papers("n12"));
    let will = Presence { topic: "percolate/v1/n11/up/presence".to_owned(), payload: Bytes::from_static(b"gone") };
    let way = ground.way(Some(&papers));
    let mut guest = Guest::come(way, "n11", &[], Some(will.clone())).await.unwrap();
    let other = come(&ground, Some(&others), "n12").await.unwrap();
    is_heard(&ground, &guest, "n11").await;
    let mut listener = ground.listener().await;

    let begin = monotonic_now();
    ground.chain.list.revoke(&papers);
    let reason = timeout(CUT_MAX, guest.end()).await.expect("it is cut off");
    println!("a live connection was gone {:?} after its certificate was revoked", monotonic_now() - begin);
    assert!(matches!(reason, DownReason::Lost { .. }), "{reason:?}");
    assert_eq!(listener.hear().await, (will.topic, will.payload));
    assert_eq!(guest.next_try().await.err(), refused(TlsTrouble::WeAreRevoked));
    let (topic, words) = ("percolate/v1/n12/up/sales".to_owned(), Bytes::from_static(b"heard"));
    other.say(&topic, &words);
    assert_eq!(listener.hear().await, (topic, words));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_does_not_outlive_its_certificate() {
    let ground = DoorGround::start().await;
    let papers = ground.chain.issue(&node(11), Usage::Client, (day(-1), day(1)));
    let (mut guest, other) = (come(&ground, Some(&papers), "n11").await.unwrap(), ground.papers("n12"));
    let other = come(&ground, Some(&other), "n12").await.unwrap();
    ground.chain.clock.move_on(Duration::from_secs(2 * 24 * 60 * 60));
    ground.chain.list.tell();
    guest.end().await;
    assert_eq!(guest.next_try().await.err(), refused(TlsTrouble::WeAreExpired));
    is_heard(&ground, &other, "n12").await;
}

/// Comes in by hand.
async fn let_in(ground: &DoorGround, who: &str) -> Box<dyn Wire> {
    let mut stream = ground.chain.dial(&ground.papers(who), ground.port).await;
    stream.write_all(&connect_packet(who, None)).await.unwrap();
    stream.flush().await.unwrap();
    let mut answer = [0; 4];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer, LET_IN, "{who}");
    stream
}

#[tokio::test(flavor = "multi_thread")]
async fn the_silent_and_those_who_flood_stop_nobody_else() {
    const PUBLISHED: usize = 200;
    let ground = DoorGround::start().await;
    let mut silent = Vec::new();
    for _ in 0..8 {
        silent.push(plain(ground.port).await);
    }
    silent.push(ground.chain.dial(&ground.papers("n14"), ground.port).await);

    let mut flooder = let_in(&ground, "n12").await;
    let flood = async {
        let packet = publish_packet("percolate/v1/n12/up/sales", 64 * 1_024);
        loop {
            // It hears no answer either.
            flooder.write_all(&packet).await.unwrap();
        }
    };
    let others = async {
        for who in ["n11", "n13"] {
            let (mut stream, topic) = (let_in(&ground, who).await, format!("percolate/v1/{who}/up/sales"));
            for _ in 0..PUBLISHED {
                stream.write_all(&publish_packet(&topic, 1_024)).await.unwrap();
            }
            stream.flush().await.unwrap();
            let mut acks = vec![0; 4 * PUBLISHED];
            stream.read_exact(&mut acks).await.unwrap();
            assert!(acks.chunks(4).all(|ack| ack == [0x40, 2, 0, 1]), "{who}");
        }
    };
    tokio::select! {
        () = flood => {}
        done = timeout(DEADLINE, others) => done.expect("the others are acknowledged"),
    }
    drop(silent);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_connects_once_more_loses_its_oldest_connection() {
    let limits = DoorLimits { connections_max: 2, ..DoorLimits::default() };
    let ground = DoorGround::start_with(limits).await;
    let papers = ground.papers("n11");
    // By hand: a link would come again, and push out the next.
    let mut first = let_in(&ground, "n11").await;
    let second = come(&ground, Some(&papers), "n11").await.unwrap();
    let other = come(&ground, Some(&ground.papers("n12")), "n12").await.unwrap();
    // Another certificate of the same node counts with the first.
    let third = come(&ground, Some(&ground.papers("n11")), "n11").await.unwrap();
    let ended = timeout(DEADLINE, first.read(&mut [0; 1])).await.expect("the first is cut");
    assert_eq!(ended.unwrap_or(0), 0);
    for (guest, who) in [(&second, "n11"), (&third, "n11"), (&other, "n12")] {
        is_heard(&ground, guest, who).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_connects_too_often_is_sent_away_before_the_broker() {
    let arrivals = Rate { count: 2, per: Duration::from_secs(60 * 60), burst: 2 };
    let ground = DoorGround::start_with(DoorLimits { arrivals, ..DoorLimits::default() }).await;
    let papers = ground.papers("n11");
    let _first = come(&ground, Some(&papers), "n11").await.unwrap();
    let second = come(&ground, Some(&papers), "n11").await.unwrap();
    let outcome = come(&ground, Some(&papers), "n11").await.err();
    assert!(matches!(outcome, Some(DownReason::Lost { .. })), "{outcome:?}");
    assert!(come(&ground, Some(&ground.papers("n12")), "n12").await.is_ok(), "others may");
    is_heard(&ground, &second, "n11").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_wiped_behind_its_door_is_found_again() {
    let ground = DoorGround::start().await;
    let papers = ground.papers("n11");
    let mut guest = come(&ground, Some(&papers), "n11").await.unwrap();
    ground.broker.stop();
    guest.end().await;
    while guest.next_try().await.is_err() {}
    eventually("the broker", || async { ground.broker.is_running().then_some(()) }).await;
    is_heard(&ground, &guest, "n11").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_hub_reaches_one_node_or_all_and_hears_all_wherever_in_the_broker_they_are() {
    let ground = DoorGround::start().await;
    let hear = ["percolate/v1/NODE/down/batch", "percolate/v1/NODE/down/session", "percolate/v1/all/down/+"];
    // Two boxes of one store, and one of another.
    let mut nodes = Vec::new();
    for who in ["n11", "n12", "n21"] {
        let filters = hear.map(|filter| filter.replace("NODE", who));
        let filters: Vec<&str> = filters.iter().map(String::as_str).collect();
        let papers = ground.papers(who);
        let will = Presence { topic: format!("percolate/v1/{who}/up/presence"), payload: Bytes::from(who) };
        let guest = Guest::come(ground.way(Some(&papers)), who, &filters, Some(will)).await.unwrap();
        nodes.push((who, guest));
    }
    let mut hub = ground.listener().await;
    for (who, node) in &nodes {
        for topic in ["up/sales", "up/session"].map(|what| format!("percolate/v1/{who}/{what}")) {
            node.say(&topic, &Bytes::from(*who));
            assert_eq!(hub.hear().await, (topic, Bytes::from(*who)));
        }
    }

    let speaker = ground.listener().await;
    let all = ("percolate/v1/all/down/catalog".to_owned(), Bytes::from_static(b"all"));
    for (who, _) in &nodes {
        for what in ["batch", "session"] {
            speaker.say(&format!("percolate/v1/{who}/down/{what}"), &Bytes::from(*who));
        }
    }
    speaker.say(&all.0, &all.1);
    for (who, node) in &mut nodes {
        for what in ["batch", "session"] {
            assert_eq!(node.hear().await, (format!("percolate/v1/{who}/down/{what}"), Bytes::from(*who)));
        }
        assert_eq!(node.hear().await, all, "{who} hears what is for itself, what is for all, and no more");
    }

    // What is kept is told to whoever comes later: a will as it was said, and to nobody but the hub.
    let mut ends = Vec::new();
    for (who, node) in nodes {
        node.cut().await;
        ends.push((format!("percolate/v1/{who}/up/presence"), Bytes::from(who)));
    }
    for mut listener in [hub, ground.listener().await] {
        let mut heard = Vec::new();
        while heard.len() < ends.len() {
            let said = listener.hear().await;
            heard.extend(Some(said).filter(|(topic, _)| topic.ends_with("/presence")));
        }
        heard.sort();
        assert_eq!(heard, ends);
    }
}

/// What is about the program with files.
#[cfg(test)]
mod of_files {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use tempfile::TempDir;

    use super::*;
    use crate::support::enrolled::Enrolled;
    use crate::support::node::TestNode;
    use crate::support::program::serve;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_store_costs_the_hub_one_descriptor_and_nothing_listens_but_its_entrances() {
        const CONNECTIONS: usize = 8;
        let folder = TempDir::new().unwrap();
        let data = folder.path().join("data");
        let enrolled = Enrolled::found(folder.path(), Arc::default());
        enrolled.write(&data).await;
        let hub = serve((&data, &enrolled.ca), 0).await;
        // It is answered, so that the hub's own link has come as well.
        let _node = TestNode::in_session(11, enrolled.door(11, hub.port)).await;
        let (before, mut guests) = (hub.sockets(), Vec::new());
        for _ in 0..CONNECTIONS {
            guests.push(Guest::come(enrolled.door(12, hub.port), "n12", &[], None).await.unwrap());
        }
        assert_eq!(hub.sockets() - before, CONNECTIONS);

        // HTTP, HTTPS and the door: the broker itself is nowhere.
        let text = std::fs::read(data.join("endpoints.json")).unwrap();
        let said: serde_json::Value = serde_json::from_slice(&text).unwrap();
        let port = |name: &str| said[name].as_str().unwrap().rsplit(':').next().unwrap().parse().unwrap();
        assert_eq!(hub.ports(), BTreeSet::from(["http", "https", "mqtts"].map(port)));
    }
}
