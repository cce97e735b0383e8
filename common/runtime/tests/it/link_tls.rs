//! The link to a broker over TLS.

use std::sync::Arc;
use std::time::Duration;

use percolate_common::entropy::SeededEntropy;
use percolate_runtime::broker::BrokerAddresses;
use percolate_runtime::mqtt::{DownReason, KEEP_ALIVE, Link, LinkConfig, LinkEvent, LinkTls, RETRY_MAX};
use percolate_runtime::pki::Usage;
use percolate_runtime::tasks::TaskGroup;
use percolate_runtime::tls::{Accepted, HandshakeLimits, Handshakes, OwnIdentity, Refusal, TlsTrouble, client_config};
use rustls::ClientConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::chain::{NOW, TestChain, clock_at, day, listen, node};

const DEADLINE: Duration = Duration::from_secs(20);

fn link_config(brokers: BrokerAddresses) -> LinkConfig {
    LinkConfig {
        brokers,
        tls: None,
        credentials: None,
        client_id: "n11".to_owned(),
        subscriptions: Vec::new(),
        will: None,
        online: None,
        keep_alive: KEEP_ALIVE,
        retry_max: RETRY_MAX,
    }
}

/// The first thing that a link says of a broker.
async fn first_word(brokers: BrokerAddresses, tls: Arc<ClientConfig>) -> LinkEvent {
    let config = LinkConfig { tls: Some(tls.into()), ..link_config(brokers) };
    let (link, _publisher, mut events) = Link::new(config, Arc::new(SeededEntropy::new(1)));
    let tasks = TaskGroup::new();
    tasks.spawn("link", |stop| link.run(stop));
    let event = timeout(DEADLINE, events.recv()).await.unwrap().unwrap();
    assert!(tasks.stop(DEADLINE).await.is_clean());
    event
}

/// A broker that welcomes whoever gets through.
async fn welcome(mut handshakes: Handshakes) {
    let mut kept = Vec::new();
    loop {
        let Accepted { mut stream, .. } = handshakes.accept().await;
        let mut head = [0; 1];
        stream.read_exact(&mut head).await.unwrap();
        assert_eq!(head, [0x10], "CONNECT");
        stream.write_all(&[0x20, 2, 0, 0]).await.unwrap();
        stream.flush().await.unwrap();
        kept.push(stream);
    }
}

async fn said_by(chain: &TestChain, answers: Result<(), Refusal>, client: Arc<ClientConfig>) -> LinkEvent {
    let (handshakes, address) = listen(chain.server(chain.hub(), answers), HandshakeLimits::default()).await;
    tokio::select! {
        event = first_word(address.into(), client) => event,
        () = welcome(handshakes) => unreachable!("it welcomes for ever"),
    }
}

fn certificate(trouble: TlsTrouble) -> LinkEvent {
    LinkEvent::Down { reason: DownReason::Certificate { trouble } }
}

#[tokio::test]
async fn a_link_comes_up_over_tls() {
    let chain = TestChain::new(1);
    assert_eq!(said_by(&chain, Ok(()), chain.client(Some(chain.node()))).await, LinkEvent::Up);
}

/// A link that is `own`, and what it says.
fn link_of(
    tasks: &TaskGroup,
    chain: &TestChain,
    brokers: BrokerAddresses,
    own: &Arc<OwnIdentity>,
) -> mpsc::Receiver<LinkEvent> {
    let client = client_config(&chain.roots(), Some(own.clone()), clock_at(NOW)).unwrap();
    let config = LinkConfig { tls: Some(LinkTls::of(client, own.clone())), ..link_config(brokers) };
    let (link, _publisher, events) = Link::new(config, Arc::new(SeededEntropy::new(1)));
    tasks.spawn("link", |stop| link.run(stop));
    events
}

#[tokio::test]
async fn a_link_waits_for_its_certificate_and_one_that_was_shut_out_for_another() {
    let chain = TestChain::new(1);
    let (tasks, own) = (TaskGroup::new(), Arc::new(OwnIdentity::none()));
    let (shut, shut_address) =
        listen(chain.server(chain.hub(), Err(Refusal::Revoked)), HandshakeLimits::default()).await;
    let (open, open_address) = listen(chain.server(chain.hub(), Ok(())), HandshakeLimits::default()).await;
    let brokers: BrokerAddresses = format!("{shut_address},{open_address}").parse().unwrap();
    let story = async {
        let mut events = link_of(&tasks, &chain, brokers, &own);
        // Nobody listens to the link before it has something to say: a word of it would come first.
        let first = chain.node();
        own.replace(first.certificates, &first.key).unwrap();
        assert_eq!(events.recv().await.unwrap(), certificate(TlsTrouble::WeAreRevoked));
        let second = chain.node();
        own.replace(second.certificates, &second.key).unwrap();
        assert_eq!(events.recv().await.unwrap(), LinkEvent::Up, "an hour early");
    };
    tokio::select! {
        () = async { timeout(DEADLINE, story).await.unwrap() } => {}
        () = welcome(shut) => unreachable!("it welcomes for ever"),
        () = welcome(open) => unreachable!("it welcomes for ever"),
    }
    assert!(tasks.stop(DEADLINE).await.is_clean());
}

#[tokio::test]
async fn a_link_says_whose_certificate_is_wrong() {
    let (chain, other) = (TestChain::new(1), TestChain::new(2));
    let right = || chain.client(Some(chain.node()));
    // A refusal comes after the link has spoken: it must be heard each time, not when the two pass each other by luck.
    for _ in 0..20 {
        let heard = said_by(&chain, Err(Refusal::Revoked), right()).await;
        assert_eq!(heard, certificate(TlsTrouble::WeAreRevoked));
    }
    assert_eq!(said_by(&chain, Err(Refusal::Unknown), right()).await, certificate(TlsTrouble::WeAreUnknown));
    let old = chain.issue(&node(), Usage::Client, day(-90), day(-1));
    assert_eq!(said_by(&chain, Ok(()), chain.client(Some(old))).await, certificate(TlsTrouble::WeAreExpired));
    assert_eq!(said_by(&chain, Ok(()), chain.client(None)).await, certificate(TlsTrouble::WeAreUnknown));
    let stranger = other.client(Some(other.node()));
    assert_eq!(said_by(&chain, Ok(()), stranger).await, certificate(TlsTrouble::UnknownIssuer));
}

#[tokio::test]
async fn a_broker_without_tls_is_told_apart() {
    let chain = TestChain::new(1);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let plain = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(&[0x20, 2, 0, 0, 0, 0, 0, 0]).await.unwrap();
        stream
    };
    let (event, _open) = tokio::join!(first_word(address.into(), chain.client(Some(chain.node()))), plain);
    assert_eq!(event, certificate(TlsTrouble::NoTls));
}

#[tokio::test]
async fn an_address_that_cannot_be_dialled_over_tls_is_refused_with_what_to_do() {
    let chain = TestChain::new(1);
    let event = first_word("[::1]:8883".parse().unwrap(), chain.client(Some(chain.node()))).await;
    let LinkEvent::Down { reason: DownReason::Unreachable { detail, .. } } = event else { panic!("{event:?}") };
    assert!(detail.contains("name the host"), "{detail}");
}
