//! Between whom a relay stands: a client and a server in the clear, or a box and its hub, each of which takes it for the other.

use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use percolate_common::identity::names::{HUB_DNS_NAME, Principal};
use percolate_common::identity::pem::{Label, decode};
use percolate_common::identity::serial::Serial;
use percolate_common::journal::SigningKey;
use percolate_common::time::{Clock as _, UtcMillis};
use percolate_runtime::pki::{Authority, Usage, Wanted, new_key};
use percolate_runtime::system::{OsEntropy, SystemClock};
use percolate_runtime::tls::{
    Clients, HandshakeLimits, Handshakes, OwnCertificate, OwnIdentity, Roots, TlsClock, client_config, dial,
    server_config,
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};

use super::Hub;

/// How long the relay is taken for the hub, from an hour before it begins, in milliseconds.
const HOUR_MS: i64 = 60 * 60 * 1_000;

/// What is said on either side.
pub(super) trait Said: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Said for T {}

pub(super) type Stream = Box<dyn Said>;

/// The way to the server, which is gone when somebody comes.
pub(super) type Onward = Pin<Box<dyn Future<Output = Result<Stream>> + Send>>;

/// Both ends.
pub(super) enum Ends {
    Plain { listener: TcpListener, target: String },
    Chain(Box<OfChain>),
}

/// A box and its hub.
pub(super) struct OfChain {
    handshakes: Handshakes,
    target: String,
    /// The box's data folder.
    data: PathBuf,
    roots: Roots,
    clock: Arc<TlsClock>,
}

impl Ends {
    pub(super) fn plain(listener: TcpListener, target: &str) -> Self {
        Self::Plain { listener, target: target.to_owned() }
    }

    /// Has a certificate made by the chain's CA, by which it is the hub.
    pub(super) fn of_chain(listener: TcpListener, hub: &Hub, data: &Path) -> Result<Self> {
        let authority = Authority::open(&hub.data().join("ca"))?;
        let (key, serial, now) = (new_key(&OsEntropy)?, Serial::draw(&OsEntropy), SystemClock.now().get());
        let wanted = Wanted {
            principal: &Principal::Hub("door".parse()?),
            public_key: &key.public_key(),
            addresses: &[],
            serial: &serial,
            from: UtcMillis::new(now - HOUR_MS),
            until: UtcMillis::new(now + HOUR_MS),
            usage: Usage::Server,
        };
        let own = Arc::new(OwnCertificate::new(authority.issue(&wanted)?, &key)?);
        let roots = Roots::from_pem(&std::fs::read_to_string(hub.data().join("ca/root.pem"))?)?;
        let clock = Arc::new(TlsClock::new(Arc::new(SystemClock), UtcMillis::new(0)));
        let config = server_config(own, &roots, Clients::None, clock.clone())?;
        let handshakes = Handshakes::new("relay", listener, config, HandshakeLimits::default());
        let (target, data) = (hub.mqtts().to_owned(), data.to_owned());
        Ok(Self::Chain(Box::new(OfChain { handshakes, target, data, roots, clock })))
    }

    /// The next client, and the way to the server for it.
    pub(super) async fn accept(&mut self) -> io::Result<(Stream, Onward)> {
        match self {
            Self::Plain { listener, target } => {
                let (client, _peer) = listener.accept().await?;
                let target = target.clone();
                let onward = async move { Ok(Box::new(TcpStream::connect(target).await?) as Stream) };
                Ok((Box::new(client), Box::pin(onward)))
            }
            Self::Chain(ends) => {
                let accepted = ends.handshakes.accept().await;
                let (target, data) = (ends.target.clone(), ends.data.clone());
                let (roots, clock) = (ends.roots.clone(), ends.clock.clone());
                let onward = async move {
                    let config = client_config(&roots, Some(Arc::new(identity(&data)?)), clock)?;
                    Ok(Box::new(dial(config, HUB_DNS_NAME.try_into()?, target).await?) as Stream)
                };
                Ok((Box::new(accepted.stream), Box::pin(onward)))
            }
        }
    }
}

/// Who the box is: it has come, so that it is enrolled.
fn identity(data: &Path) -> Result<OwnIdentity> {
    let read = |name: &str| std::fs::read_to_string(data.join(name)).with_context(|| name.to_owned());
    let certificates = decode(Label::Certificate, &read("identity/current.pem")?)?;
    let key = SigningKey::from_pem(&read("node-key.pem")?)?;
    Ok(OwnIdentity::new(certificates.into_iter().map(Into::into).collect(), &key)?)
}
