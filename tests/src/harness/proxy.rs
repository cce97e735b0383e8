//! A TCP relay between a store and the hub that can be cut and mended.

use std::net::SocketAddr;

use anyhow::Result;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// A link that can be cut.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    up: watch::Sender<bool>,
    _tasks: JoinSet<()>,
}

impl Proxy {
    /// Relays to `target`.
    ///
    /// # Errors
    /// If no port can be had.
    pub async fn start(target: &str) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (up, state) = watch::channel(true);
        let mut tasks = JoinSet::new();
        let target = target.to_owned();
        tasks.spawn(async move {
            let mut links = JoinSet::new();
            while let Ok((client, _peer)) = listener.accept().await {
                links.spawn(relay(client, target.clone(), state.clone()));
            }
        });
        Ok(Self { address, up, _tasks: tasks })
    }

    /// Where to connect to.
    #[must_use]
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// Drops all connections, and every new one at once.
    pub fn cut(&self) {
        self.up.send_replace(false);
    }

    /// Lets connections through again.
    pub fn mend(&self) {
        self.up.send_replace(true);
    }
}

async fn relay(mut client: TcpStream, target: String, mut state: watch::Receiver<bool>) {
    if !*state.borrow() {
        return;
    }
    let Ok(mut server) = TcpStream::connect(target).await else { return };
    let cut = state.wait_for(|up| !*up);
    tokio::select! {
        _ended = tokio::io::copy_bidirectional(&mut client, &mut server) => {}
        _cut = cut => {}
    }
}
