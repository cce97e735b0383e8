//! Connections for axum whose handshake is done.

use std::io;
use std::net::SocketAddr;

use axum::serve::Listener;
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use crate::tls::{Accepted, Handshakes};

#[derive(Debug)]
pub(super) struct TlsListener {
    handshakes: Handshakes,
}

impl TlsListener {
    pub(super) fn new(handshakes: Handshakes) -> Self {
        Self { handshakes }
    }
}

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, SocketAddr) {
        let Accepted { stream, peer, .. } = self.handshakes.accept().await;
        (stream, peer)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.handshakes.local_addr()
    }
}
