//! Who may do what at a broker: the same for the hub's own behind its door, for mosquitto with the settings that we ship, and for
//! a cluster of RMQTT brokers. Each says no in its own way; what counts is what arrives.

use std::time::Duration;

use bytes::Bytes;
use cloud_hub::broker::quota::DoorLimits;
use cloud_hub::broker::rate::Rate;
use own_rmqtt::Cluster;
use percolate_runtime::broker::Credentials;
use percolate_runtime::mqtt::{DownReason, Presence};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::DEADLINE;
use crate::support::chain::{TestChain, node, plain};
use crate::support::door::{DoorGround, principal};
use crate::support::guest::Guest;
use crate::support::mosquitto::{Hearer, MosquittoGround, has_clients};
use crate::support::node::Door;
use crate::support::packet::{LET_IN, connect_packet, publish_packet};

/// What somebody tries.
#[derive(Debug, Clone, Copy)]
enum Attempt {
    /// To be let in.
    Come { who: &'static str },
    /// To say something, to whoever listens to everything.
    Say { who: &'static str, topic: &'static str },
    /// To hear, by a filter, what the hub says on a topic.
    Hear { who: &'static str, filter: &'static str, topic: &'static str },
    /// To have something said once the connection is lost.
    Will { who: &'static str, topic: &'static str },
}

use Attempt::{Come, Hear, Say, Will};

/// What may be done.
const LAWFUL: &[Attempt] = &[
    Come { who: "n11" },
    Come { who: "hub" },
    Say { who: "n11", topic: "percolate/v1/n11/up/sales" },
    Say { who: "n11", topic: "percolate/v1/n11/up/sales/l2" },
    Say { who: "n11", topic: "percolate/v1/n11/up/session/l2" },
    Say { who: "n11", topic: "percolate/v1/n11/up/presence" },
    Say { who: "hub", topic: "percolate/v1/n11/down/session" },
    Say { who: "hub", topic: "percolate/v1/all/down/catalog" },
    Say { who: "hub", topic: "percolate/v1/hub/downlink" },
    Hear { who: "n11", filter: "percolate/v1/n11/down/session", topic: "percolate/v1/n11/down/session" },
    Hear { who: "n11", filter: "percolate/v1/n11/down/batch", topic: "percolate/v1/n11/down/batch" },
    Hear { who: "n11", filter: "percolate/v1/all/down/+", topic: "percolate/v1/all/down/catalog" },
    Hear { who: "hub", filter: "percolate/v1/+/up/+", topic: "percolate/v1/n12/up/sales" },
    Hear { who: "hub", filter: "$share/hub-l3/percolate/v1/+/up/+/l3", topic: "percolate/v1/n12/up/sales/l3" },
    Will { who: "n11", topic: "percolate/v1/n11/up/presence" },
];

/// What may not.
const REFUSED: &[Attempt] = &[
    Come { who: "stranger" },
    Come { who: "n011" },
    Come { who: "11" },
    Come { who: "n" },
    Say { who: "n11", topic: "percolate/v1/n12/up/sales" },
    Say { who: "n11", topic: "percolate/v1/n12/up/session" },
    Say { who: "n11", topic: "percolate/v1/n12/up/session/l3" },
    Say { who: "n11", topic: "percolate/v1/n12/up/presence" },
    Say { who: "n11", topic: "percolate/v1/n1/up/sales" },
    Say { who: "n11", topic: "percolate/v1/n11/down/session" },
    Say { who: "n11", topic: "percolate/v1/n12/down/session" },
    Say { who: "n11", topic: "percolate/v1/n12/down/batch" },
    Say { who: "n11", topic: "percolate/v1/all/down/catalog" },
    Say { who: "n11", topic: "percolate/v1/hub/downlink" },
    Say { who: "n11", topic: "percolate/v1/n11/up/sales/l2/more" },
    Hear { who: "n11", filter: "percolate/v1/n12/down/session", topic: "percolate/v1/n12/down/session" },
    Hear { who: "n11", filter: "percolate/v1/n12/down/+", topic: "percolate/v1/n12/down/batch" },
    Hear { who: "n11", filter: "percolate/v1/+/down/+", topic: "percolate/v1/n12/down/session" },
    Hear { who: "n11", filter: "percolate/v1/n11/up/+", topic: "percolate/v1/n11/up/sales" },
    Hear { who: "n11", filter: "percolate/v1/n12/up/+", topic: "percolate/v1/n12/up/presence" },
    Hear { who: "n11", filter: "+/+/+/+/+", topic: "percolate/v1/n12/down/batch" },
    Hear { who: "n11", filter: "#", topic: "percolate/v1/hub/downlink" },
    Hear { who: "n11", filter: "$share/g/percolate/v1/+/up/+", topic: "percolate/v1/n12/up/sales" },
    Hear { who: "n11", filter: "$share/hub-l3/percolate/v1/+/up/+/l3", topic: "percolate/v1/n12/up/sales/l3" },
    Will { who: "n11", topic: "percolate/v1/n12/up/presence" },
    Will { who: "n11", topic: "percolate/v1/n12/down/session" },
    Will { who: "n11", topic: "percolate/v1/hub/downlink" },
];

/// What is said in an attempt. No two attempts say the same, as a broker keeps wills.
struct Words {
    tried: Bytes,
    /// Said afterwards: when it is heard, the other would have been.
    end: Bytes,
}

impl Words {
    fn of(attempt: Attempt) -> Self {
        Self { tried: format!("{attempt:?}").into(), end: format!("after {attempt:?}").into() }
    }

    /// The topics on which the words were heard before the end.
    async fn heard_by(&self, mut guest: Guest) -> Vec<String> {
        let mut topics = Vec::new();
        loop {
            let (topic, payload) = guest.hear().await;
            if payload == self.end {
                return topics;
            }
            if payload == self.tried {
                topics.push(topic);
            }
        }
    }
}

/// A broker.
enum Ground {
    Door(Box<DoorGround>),
    Mosquitto(Box<MosquittoGround>),
    Cluster(Cluster),
}

impl Ground {
    async fn door() -> Self {
        // In a minute n11 comes more often here than a box may.
        let arrivals = Rate { count: 1_000, per: Duration::from_secs(1), burst: 1_000 };
        Self::Door(Box::new(DoorGround::start_with(DoorLimits { arrivals, ..DoorLimits::default() }).await))
    }

    fn mosquitto() -> Option<Self> {
        MosquittoGround::start().map(|ground| Self::Mosquitto(Box::new(ground)))
    }

    fn cluster() -> Option<Self> {
        Cluster::start(&["n11", "n12"]).expect("it starts where it is built").map(Self::Cluster)
    }

    /// How somebody comes: with their certificate or their password, if they have one, and else with another chain's or a
    /// guess.
    fn way(&self, who: &str) -> Door {
        match self {
            Self::Door(ground) => ground.way(Some(&ground.papers(who))),
            Self::Mosquitto(ground) if ["hub", "n11", "n12"].contains(&who) => {
                ground.way(Some(&ground.chain.papers(&principal(who))))
            }
            // Under which id somebody comes means nothing there: the name in the certificate counts.
            Self::Mosquitto(ground) => ground.way(Some(&TestChain::of_today(2).papers(&node(11)))),
            Self::Cluster(cluster) => {
                let password = cluster.password(who).unwrap_or("guess".to_owned());
                // All at one member: among several the order of what is said is nobody's.
                Door {
                    brokers: cluster.address(0).unwrap().into(),
                    credentials: Some(Credentials::new(who, &password)),
                    tls: None,
                }
            }
        }
    }

    async fn guest(&self, who: &str, subscriptions: &[&str]) -> Result<Guest, DownReason> {
        Guest::come(self.way(who), who, subscriptions, None).await
    }

    async fn guest_with_will(&self, who: &str, topic: &str, payload: &Bytes) -> Result<Guest, DownReason> {
        let will = Presence { topic: topic.to_owned(), payload: payload.clone() };
        Guest::come(self.way(who), who, &[], Some(will)).await
    }

    /// Somebody who hears everything.
    async fn listener(&self) -> Guest {
        self.guest("hub", &["percolate/v1/#"]).await.unwrap()
    }

    /// Whether what is tried arrives.
    async fn arrives(&self, attempt: Attempt) -> bool {
        let words = Words::of(attempt);
        match attempt {
            Come { who } => match self.guest(who, &[]).await {
                Ok(_) => true,
                Err(DownReason::Refused { .. } | DownReason::Certificate { .. }) => false,
                Err(other) => panic!("{who} was not refused: {other}"),
            },
            Say { who, topic } => {
                let listener = self.listener().await;
                let guest = self.guest(who, &[]).await.unwrap();
                guest.say(topic, &words.tried);
                guest.say("percolate/v1/n11/up/ops", &words.end);
                words.heard_by(listener).await == [topic]
            }
            Hear { who, filter, topic } => {
                // What everybody may hear tells when all has been heard. The hub's own broker refuses the first filter.
                let Ok(guest) = self.guest(who, &[filter, "percolate/v1/all/down/+"]).await else { return false };
                let hub = self.guest("hub", &[]).await.unwrap();
                hub.say(topic, &words.tried);
                hub.say("percolate/v1/all/down/stock", &words.end);
                words.heard_by(guest).await.contains(&topic.to_owned())
            }
            Will { who, topic } => {
                let listener = self.listener().await;
                let Ok(guest) = self.guest_with_will(who, topic, &words.tried).await else { return false };
                guest.cut().await;
                // Whoever is cut off later has a will that is lawful.
                self.guest_with_will(who, "percolate/v1/n11/up/ops", &words.end).await.unwrap().cut().await;
                words.heard_by(listener).await == [topic]
            }
        }
    }

    /// Whether a packet with so large a payload is answered, or ends the connection.
    async fn takes(&self, who: &str, payload: usize) -> bool {
        let (mut stream, account) = match self {
            Self::Door(ground) => (ground.chain.dial(&ground.papers(who), ground.port).await, None),
            Self::Mosquitto(ground) => {
                let (papers, port) = (ground.chain.papers(&principal(who)), ground.mosquitto.address().port());
                (ground.chain.dial(&papers, port).await, None)
            }
            Self::Cluster(cluster) => {
                (plain(cluster.address(0).unwrap().port()).await, Some(cluster.password(who).unwrap()))
            }
        };
        stream.write_all(&connect_packet(who, account.as_deref())).await.unwrap();
        let mut answer = [0; 4];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(answer, LET_IN, "{who} is let in");
        // The broker may hang up before it has read all of it.
        let sent = stream.write_all(&publish_packet(&format!("percolate/v1/{who}/up/sales"), payload)).await;
        let sent = sent.and(stream.flush().await);
        let answered = tokio::time::timeout(DEADLINE, stream.read_exact(&mut answer)).await.unwrap();
        sent.is_ok() && answered.is_ok() && answer[0] == 0x40
    }
}

async fn keeps_the_list(ground: Ground) {
    for attempt in LAWFUL {
        assert!(ground.arrives(*attempt).await, "{attempt:?} is lawful");
    }
    for attempt in REFUSED {
        assert!(!ground.arrives(*attempt).await, "{attempt:?} is not");
    }
    assert!(ground.takes("n11", 128 * 1024).await);
    assert!(!ground.takes("n11", 512 * 1024 + 1).await, "a packet over the limit ends the connection");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_door_keeps_the_list_of_who_may_do_what() {
    keeps_the_list(Ground::door().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mosquitto_keeps_the_list_of_who_may_do_what() {
    let Some(ground) = Ground::mosquitto() else { return };
    keeps_the_list(ground).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_of_rmqtt_brokers_keeps_the_list_of_who_may_do_what() {
    let Some(ground) = Ground::cluster() else { return };
    keeps_the_list(ground).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mosquittos_own_programs_neither_speak_for_another_shop_nor_hear_it() {
    let Some(ground) = MosquittoGround::start().filter(|_| has_clients()) else { return };
    let papers = |who| ground.chain.papers(&principal(who));
    let hub = Hearer::start(ground.client("mosquitto_sub", &papers("hub"), "hub-ear"), &["percolate/v1/#"]).await;
    let filters = ["percolate/v1/n12/down/+", "percolate/v1/n12/up/+", "percolate/v1/hub/downlink", "#"];
    let n11 = Hearer::start(ground.client("mosquitto_sub", &papers("n11"), "n11-ear"), &filters).await;
    // The names of others as an id, or as a user, are worth nothing.
    for (number, (who, topic, words)) in [
        ("n11", "percolate/v1/n12/up/sales", "as n12"),
        ("n11", "percolate/v1/n12/down/session", "as the hub"),
        ("n11", "percolate/v1/all/down/catalog", "to all"),
        ("hub", "percolate/v1/n12/down/session", "to n12 alone"),
        ("n12", "percolate/v1/n12/up/sales", "of n12"),
        ("n11", "percolate/v1/n11/up/sales", "of n11"),
        ("hub", "percolate/v1/n11/down/session", "the end"),
    ]
    .into_iter()
    .enumerate()
    {
        let mut command = ground.client("mosquitto_pub", &papers(who), &format!("n12-{number}"));
        let done = command.args(["-u", "n12", "-q", "1", "-t", topic, "-m", words]).output().await.unwrap();
        assert!(done.status.success(), "{done:?}");
    }
    let lawful = [
        "percolate/v1/n12/down/session to n12 alone",
        "percolate/v1/n12/up/sales of n12",
        "percolate/v1/n11/up/sales of n11",
    ];
    assert_eq!(hub.heard_until("the end").await, lawful);
    assert_eq!(n11.heard_until("the end").await, Vec::<String>::new(), "n11 hears its own topics alone");
}
