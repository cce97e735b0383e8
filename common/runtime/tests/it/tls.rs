//! Handshakes over real sockets: of the right kind and of each wrong one, and of many at once.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use percolate_common::identity::certificate::Certificate;
use percolate_common::time::UtcMillis;
use percolate_runtime::pki::Usage;
use percolate_runtime::tls::{
    Clients, HandshakeLimits, Handshakes, Refusal, Seen, TlsClock, TlsTrouble, client_config, server_config, trouble,
    unproven_config,
};
use rustls::pki_types::ServerName;
use rustls::server::{ServerSessionMemoryCache, WebPkiClientVerifier};
use rustls::{ClientConfig, HandshakeKind, RootCertStore, ServerConfig, SupportedProtocolVersion};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::chain::{NOW, TestChain, TestClock, clock_at, day, hub, listen, node};

const DEADLINE: Duration = Duration::from_secs(20);

/// Says hello to everybody who gets through, for ever.
async fn greet(mut handshakes: Handshakes) {
    loop {
        let mut accepted = handshakes.accept().await;
        accepted.stream.write_all(b"hello").await.unwrap();
        accepted.stream.shutdown().await.unwrap();
    }
}

async fn dial(
    address: SocketAddr,
    client: Arc<ClientConfig>,
    name: &'static str,
) -> io::Result<(Vec<u8>, HandshakeKind)> {
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::try_from(name).unwrap();
    let mut stream = TlsConnector::from(client).connect(name, stream).await?;
    // A word of its own, at once: that a client speaks before it is judged must not cost it the reason.
    stream.write_all(b"hello").await?;
    let mut heard = Vec::new();
    stream.read_to_end(&mut heard).await?;
    let kind = stream.get_ref().1.handshake_kind().unwrap();
    Ok((heard, kind))
}

/// What a client hears of a server.
async fn meet(server: Arc<ServerConfig>, client: Arc<ClientConfig>) -> Result<(), Option<TlsTrouble>> {
    let (handshakes, address) = listen(server, HandshakeLimits::default()).await;
    let heard = tokio::select! {
        heard = timeout(DEADLINE, dial(address, client, "anything.example")) => heard.unwrap(),
        () = greet(handshakes) => unreachable!("it greets for ever"),
    };
    heard.map(|(heard, _)| assert_eq!(heard, b"hello")).map_err(|error| trouble(&error))
}

#[tokio::test]
async fn who_is_of_the_chain_is_let_in_and_named() {
    let chain = TestChain::new(1);
    let (mut handshakes, address) = listen(chain.server(chain.hub(), Ok(())), HandshakeLimits::default()).await;
    let client = dial(address, chain.client(Some(chain.node())), "127.0.0.1");
    let server = async {
        let mut accepted = handshakes.accept().await;
        accepted.stream.write_all(b"hello").await.unwrap();
        accepted.stream.shutdown().await.unwrap();
        accepted.certificate.unwrap().principal(&chain.id)
    };
    let (heard, principal) = timeout(DEADLINE, async { tokio::join!(client, server) }).await.unwrap();
    assert_eq!(heard.unwrap().0, b"hello");
    assert_eq!(principal, Some(node()));
}

#[tokio::test]
async fn a_client_is_refused_for_each_reason_and_hears_it() {
    let (chain, other) = (TestChain::new(1), TestChain::new(2));
    let of = |usage, from, until| chain.issue(&node(), usage, day(from), day(until));
    for (what, papers, expected) in [
        ("expired", Some(of(Usage::Client, -90, -1)), TlsTrouble::WeAreExpired),
        ("not yet valid", Some(of(Usage::Client, 1, 90)), TlsTrouble::WeAreExpired),
        ("of another chain", Some(other.node()), TlsTrouble::WeAreUnknown),
        ("for servers", Some(of(Usage::Server, -1, 90)), TlsTrouble::WeAreUnknown),
        ("none", None, TlsTrouble::WeAreUnknown),
    ] {
        // Our own client would not show a certificate that its server is no reason to show: it shows any.
        let heard = meet(chain.server(chain.hub(), Ok(())), chain.client(papers)).await;
        assert_eq!(heard, Err(Some(expected)), "{what}");
    }
    for (refusal, expected) in [
        (Refusal::Revoked, TlsTrouble::WeAreRevoked),
        (Refusal::Unknown, TlsTrouble::WeAreUnknown),
        (Refusal::NotThisKind, TlsTrouble::WeAreUnknown),
    ] {
        let heard = meet(chain.server(chain.hub(), Err(refusal)), chain.client(Some(chain.node()))).await;
        assert_eq!(heard, Err(Some(expected)), "{refusal}");
    }
    assert_eq!(meet(chain.server(chain.hub(), Ok(())), chain.client(Some(chain.node()))).await, Ok(()));
}

#[tokio::test]
async fn who_talks_before_he_listens_hears_why_he_was_refused() {
    let chain = TestChain::new(1);
    let server = chain.server(chain.hub(), Err(Refusal::Revoked));
    let (handshakes, address) = listen(server, HandshakeLimits::default()).await;
    let talks = async {
        let stream = TcpStream::connect(address).await.unwrap();
        let name = ServerName::try_from("hub.example").unwrap();
        let connector = TlsConnector::from(chain.client(Some(chain.node())));
        let mut stream = connector.connect(name, stream).await.unwrap();
        for _ in 0..500 {
            stream.write_all(&[b'x'; 64]).await.unwrap();
            stream.flush().await.unwrap();
        }
        stream.read_u8().await.unwrap_err()
    };
    tokio::select! {
        error = timeout(DEADLINE, talks) => assert_eq!(trouble(&error.unwrap()), Some(TlsTrouble::WeAreRevoked)),
        () = greet(handshakes) => unreachable!("it greets for ever"),
    }
}

#[tokio::test]
async fn a_server_is_not_believed_for_each_reason() {
    let (chain, other) = (TestChain::new(1), TestChain::new(2));
    let of = |usage, from, until| chain.issue(&hub(), usage, day(from), day(until));
    for (what, papers, expected) in [
        ("expired", of(Usage::Server, -90, -1), TlsTrouble::Expired),
        ("of another chain", other.hub(), TlsTrouble::UnknownIssuer),
        (
            "of another chain, and not yet valid",
            other.issue(&hub(), Usage::Server, day(1), day(90)),
            TlsTrouble::UnknownIssuer,
        ),
        ("a box's own, and not yet valid", chain.issue(&node(), Usage::Server, day(1), day(90)), TlsTrouble::WrongName),
        ("for clients", of(Usage::Client, -1, 90), TlsTrouble::WrongName),
        ("a box's own", chain.issue(&node(), Usage::Server, day(-1), day(90)), TlsTrouble::WrongName),
    ] {
        let heard = meet(chain.server(papers, Ok(())), chain.client(Some(chain.node()))).await;
        assert_eq!(heard, Err(Some(expected)), "{what}");
    }
}

#[tokio::test]
async fn who_does_not_speak_tls_is_told_apart() {
    let chain = TestChain::new(1);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let portal = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"HTTP/1.1 302 Found\r\nLocation: http://portal/\r\n\r\n").await.unwrap();
        stream
    };
    let dialled = dial(address, chain.client(None), "hub.example");
    let (heard, _open) = timeout(DEADLINE, async { tokio::join!(dialled, portal) }).await.unwrap();
    assert_eq!(trouble(&heard.unwrap_err()), Some(TlsTrouble::NoTls));
}

#[tokio::test]
async fn a_box_in_1970_connects_and_still_believes_nothing_that_it_knows_to_have_ended() {
    let chain = TestChain::new(1);
    let dead_battery = |floor| Arc::new(TlsClock::new(TestClock::at(UtcMillis::new(0)), floor));
    let client = |clock| client_config(&chain.roots(), Some(chain.node().own_identity()), clock).unwrap();
    let hub_of = |from, until| chain.server(chain.issue(&hub(), Usage::Server, day(from), day(until)), Ok(()));
    for (what, from, until, floor, expected) in [
        ("knows nothing", -1, 90, UtcMillis::new(0), Ok(())),
        ("knows today", -1, 90, NOW, Ok(())),
        ("has an old bundle", -1, 90, day(-30), Ok(())),
        ("a certificate that has ended", -90, -1, NOW, Err(Some(TlsTrouble::Expired))),
    ] {
        assert_eq!(meet(hub_of(from, until), client(dead_battery(floor))).await, expected, "{what}");
    }
}

#[tokio::test]
async fn what_was_issued_to_a_client_is_vouched_for_by_its_chain_alone() {
    let (chain, other) = (TestChain::new(1), TestChain::new(2));
    let vouched = |papers: crate::chain::Papers, at| chain.roots().vouch_for_client(&papers.certificates, at);
    assert_eq!(vouched(chain.node(), NOW), Ok(()));
    assert_eq!(vouched(chain.node(), day(91)), Err(TlsTrouble::Expired));
    assert_eq!(vouched(other.node(), NOW), Err(TlsTrouble::UnknownIssuer));
    assert_eq!(vouched(chain.hub(), NOW), Err(TlsTrouble::WrongName), "for servers");
    let mut alone = chain.node();
    alone.certificates.truncate(1);
    assert_eq!(vouched(alone, NOW), Err(TlsTrouble::UnknownIssuer), "without what leads to the root");
    assert!(chain.roots().vouch_for_client(&[], NOW).is_err());
}

#[tokio::test]
async fn certificates_are_replaced_while_a_server_runs_and_time_goes_on() {
    let chain = TestChain::new(1);
    let clock = TestClock::at(NOW);
    let tls_clock = || Arc::new(TlsClock::new(clock.clone(), UtcMillis::new(0)));
    let (door, identity) = (chain.hub().own_certificate(), chain.node().own_identity());
    let clients = Clients::Needed(Arc::new(crate::chain::Answers(Ok(()))));
    let server = server_config(door.clone(), &chain.roots(), clients, tls_clock()).unwrap();
    let client = client_config(&chain.roots(), Some(identity.clone()), tls_clock()).unwrap();
    assert_eq!(meet(server.clone(), client.clone()).await, Ok(()));
    clock.set(day(91));
    assert_eq!(meet(server.clone(), client.clone()).await, Err(Some(TlsTrouble::Expired)));
    let next = chain.issue(&hub(), Usage::Server, day(90), day(180));
    door.replace(next.certificates, &next.key).unwrap();
    assert_eq!(meet(server.clone(), client.clone()).await, Err(Some(TlsTrouble::WeAreExpired)));
    let next = chain.issue(&node(), Usage::Client, day(90), day(180));
    assert!(identity.replace(next.certificates.clone(), &chain.node().key).is_err(), "of another key");
    identity.replace(next.certificates, &next.key).unwrap();
    assert_eq!(meet(server, client).await, Ok(()));
}

#[tokio::test]
async fn the_first_contact_believes_anybody_and_keeps_what_it_saw() {
    let (chain, other) = (TestChain::new(1), TestChain::new(2));
    let asked_by_nobody = |papers: crate::chain::Papers| {
        server_config(papers.own_certificate(), &chain.roots(), Clients::None, clock_at(NOW)).unwrap()
    };
    for (papers, is_ours) in
        [(chain.hub(), true), (other.hub(), false), (chain.issue(&node(), Usage::Server, day(-1), day(90)), false)]
    {
        let seen = Arc::new(Seen::default());
        assert!(!seen.is_hub_of(&chain.roots(), &clock_at(NOW)), "nothing was seen yet");
        let shown = papers.certificates.clone();
        let client = unproven_config(seen.clone(), clock_at(NOW)).unwrap();
        assert_eq!(meet(asked_by_nobody(papers), client).await, Ok(()));
        assert_eq!(seen.certificates(), shown);
        assert_eq!(seen.is_hub_of(&chain.roots(), &clock_at(NOW)), is_ours);
        assert!(!seen.is_hub_of(&chain.roots(), &clock_at(day(91))), "not for ever");
    }
}

/// The kinds of two handshakes, one after the other.
async fn twice(server: Arc<ServerConfig>, client: Arc<ClientConfig>) -> [HandshakeKind; 2] {
    let (handshakes, address) = listen(server, HandshakeLimits::default()).await;
    let both = async {
        let first = dial(address, client.clone(), "hub.percolate.internal").await.unwrap().1;
        [first, dial(address, client, "hub.percolate.internal").await.unwrap().1]
    };
    tokio::select! {
        kinds = timeout(DEADLINE, both) => kinds.unwrap(),
        () = greet(handshakes) => unreachable!("it greets for ever"),
    }
}

#[tokio::test]
async fn no_session_is_resumed_whatever_the_other_end_would_like() {
    let chain = TestChain::new(1);
    let provider = || Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(chain.issuing.certificates()[1].clone()).unwrap();
    let willing_client = |version: &'static SupportedProtocolVersion| {
        let config = ClientConfig::builder_with_details(provider(), clock_at(NOW))
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(roots.clone())
            .with_client_cert_resolver(chain.node().own_identity());
        Arc::new(config)
    };
    let willing_server = |version: &'static SupportedProtocolVersion| {
        let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots.clone()), provider()).build().unwrap();
        let mut config = ServerConfig::builder_with_details(provider(), clock_at(NOW))
            .with_protocol_versions(&[version])
            .unwrap()
            .with_client_cert_verifier(clients)
            .with_cert_resolver(chain.hub().own_certificate());
        config.session_storage = ServerSessionMemoryCache::new(16);
        Arc::new(config)
    };
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        let [_, second] = twice(willing_server(version), willing_client(version)).await;
        assert_eq!(second, HandshakeKind::Resumed, "two that are willing do it");
        let ours = chain.server(chain.hub(), Ok(()));
        assert_eq!(twice(ours, willing_client(version)).await, [HandshakeKind::Full; 2]);
        let ours = chain.client(Some(chain.node()));
        assert_eq!(twice(willing_server(version), ours).await, [HandshakeKind::Full; 2]);
    }
}

/// Waits until the other end closes.
async fn closed(mut stream: TcpStream) {
    let mut bytes = [0; 64];
    let ended = timeout(DEADLINE, stream.read(&mut bytes)).await.unwrap();
    assert!(matches!(ended, Ok(0) | Err(_)), "{ended:?}");
}

const LONG: Duration = Duration::from_secs(600);

/// Silent connections that the server has taken.
async fn silent(address: SocketAddr, count: usize) -> Vec<TcpStream> {
    let mut streams = Vec::new();
    for _ in 0..count {
        streams.push(TcpStream::connect(address).await.unwrap());
    }
    streams
}

#[tokio::test]
async fn silent_connections_stop_nobody_else() {
    let chain = TestChain::new(1);
    let limits = HandshakeLimits { at_once_max: 20, per_address_max: 20, time_max: LONG };
    let (handshakes, address) = listen(chain.server(chain.hub(), Ok(())), limits).await;
    let served = async {
        let _silent = silent(address, 19).await;
        dial(address, chain.client(Some(chain.node())), "x.example").await.unwrap()
    };
    tokio::select! {
        (heard, _) = async { timeout(DEADLINE, served).await.unwrap() } => assert_eq!(heard, b"hello"),
        () = greet(handshakes) => unreachable!("it greets for ever"),
    }
}

#[tokio::test]
async fn an_address_has_so_many_handshakes_and_no_more() {
    let chain = TestChain::new(1);
    let limits = HandshakeLimits { at_once_max: 20, per_address_max: 3, time_max: LONG };
    let (handshakes, address) = listen(chain.server(chain.hub(), Ok(())), limits).await;
    let tried = async {
        let mut crowd = silent(address, 3).await;
        closed(TcpStream::connect(address).await.unwrap()).await;
        // One goes away, and there is room again, as soon as that was noticed.
        drop(crowd.pop());
        while dial(address, chain.client(Some(chain.node())), "x.example").await.is_err() {}
    };
    tokio::select! {
        done = timeout(DEADLINE, tried) => done.unwrap(),
        () = greet(handshakes) => unreachable!("it greets for ever"),
    }
}

#[tokio::test]
async fn who_comes_when_all_places_are_taken_waits_until_one_is_free() {
    let chain = TestChain::new(1);
    let limits = HandshakeLimits { at_once_max: 3, per_address_max: 20, time_max: LONG };
    let (handshakes, address) = listen(chain.server(chain.hub(), Ok(())), limits).await;
    let tried = async {
        let mut crowd = silent(address, 3).await;
        let waiting = dial(address, chain.client(Some(chain.node())), "x.example");
        tokio::pin!(waiting);
        // Nothing comes of it while the places are taken: the server says nothing at all to it.
        let early = timeout(Duration::from_millis(50), &mut waiting).await;
        assert!(early.is_err(), "{early:?}");
        drop(crowd.pop());
        waiting.await.unwrap()
    };
    tokio::select! {
        done = timeout(DEADLINE, tried) => assert_eq!(done.unwrap().0, b"hello"),
        () = greet(handshakes) => unreachable!("it greets for ever"),
    }
}

#[tokio::test]
async fn who_is_silent_too_long_is_closed() {
    let chain = TestChain::new(1);
    let limits = HandshakeLimits { time_max: Duration::from_millis(20), ..HandshakeLimits::default() };
    let (handshakes, address) = listen(chain.server(chain.hub(), Ok(())), limits).await;
    tokio::select! {
        () = async { closed(TcpStream::connect(address).await.unwrap()).await } => {}
        () = greet(handshakes) => unreachable!("it greets for ever"),
    }
}

#[test]
fn a_certificate_that_was_made_is_read_as_it_was_wanted() {
    let chain = TestChain::new(1);
    let papers = chain.node();
    let read = Certificate::read(&papers.certificates[0]).unwrap();
    assert_eq!(read.principal(&chain.id), Some(node()));
    assert_eq!((read.not_before, read.not_after), (day(-1), day(90)));
    assert_eq!(read.public_key, papers.key.public_key());
    assert_eq!(papers.certificates.len(), 2, "the root stays at home");
}
