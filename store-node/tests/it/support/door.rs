//! A door in front of a test's broker: it ends TLS, and lets in whom the test lets in.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use percolate_common::identity::certificate::Certificate;
use percolate_common::identity::serial::Serial;
use percolate_runtime::tasks::TaskGroup;
use percolate_runtime::tls::{
    Accepted, Admission, Clients, HandshakeLimits, Handshakes, OwnCertificate, Refusal, server_config,
};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::chain::TestChain;
use super::eventually;

/// Whom the door refuses, and who came.
#[derive(Debug, Default)]
struct Book {
    /// All, whoever they are.
    all: Option<Refusal>,
    refused: BTreeMap<Serial, Refusal>,
    /// Those who were let in, in their order.
    came: Vec<Serial>,
    /// How many were refused.
    turned_away: usize,
}

#[derive(Debug, Clone, Default)]
struct Guest(Arc<Mutex<Book>>);

impl Guest {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap()
    }
}

impl Admission for Guest {
    fn admits(&self, certificate: &Certificate) -> Result<(), Refusal> {
        let mut book = self.book();
        match book.all.or_else(|| book.refused.get(&certificate.serial).copied()) {
            Some(refusal) => {
                book.turned_away += 1;
                Err(refusal)
            }
            None => Ok(()),
        }
    }
}

/// The door.
pub(crate) struct Door {
    pub(crate) address: SocketAddr,
    guests: Guest,
    tasks: TaskGroup,
}

impl Door {
    /// Opens one in front of the broker at `inner`.
    pub(crate) async fn open(chain: &TestChain, shown: Arc<OwnCertificate>, inner: SocketAddr) -> Self {
        let guests = Guest::default();
        let clients = Clients::Needed(Arc::new(guests.clone()));
        let config = server_config(shown, &chain.roots(), clients, chain.tls_clock()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let handshakes = Handshakes::new("door", listener, config, HandshakeLimits::default());
        let tasks = TaskGroup::new();
        let book = guests.clone();
        tasks.spawn("door", |stop| carry(handshakes, inner, book, stop));
        Self { address, guests, tasks }
    }

    /// Refuses everybody, or nobody.
    pub(crate) fn refuse_all(&self, refusal: Option<Refusal>) {
        self.guests.book().all = refusal;
    }

    /// Refuses one certificate.
    pub(crate) fn refuse(&self, serial: &Serial, refusal: Refusal) {
        self.guests.book().refused.insert(serial.clone(), refusal);
    }

    /// The certificates by which somebody came in, in their order.
    pub(crate) fn came(&self) -> Vec<Serial> {
        self.guests.book().came.clone()
    }

    /// Waits until so many were turned away.
    pub(crate) async fn turned_away(&self, count: usize) {
        eventually("somebody who is turned away", || async { (self.guests.book().turned_away >= count).then_some(()) })
            .await;
    }

    /// Closes it, and all that goes through it.
    pub(crate) async fn close(self) {
        assert!(self.tasks.stop(super::DEADLINE).await.is_clean());
    }
}

async fn carry(mut handshakes: Handshakes, inner: SocketAddr, guests: Guest, stop: CancellationToken) {
    let mut carried = JoinSet::new();
    loop {
        let Accepted { mut stream, certificate, .. } = tokio::select! {
            accepted = handshakes.accept() => accepted,
            () = stop.cancelled() => return,
        };
        guests.book().came.push(certificate.unwrap().serial);
        carried.spawn(async move {
            let Ok(mut broker) = TcpStream::connect(inner).await else { return };
            // Whoever hangs up ends it for both.
            let _ended = tokio::io::copy_bidirectional(&mut stream, &mut broker).await;
        });
    }
}
