//! A shop's line to the head office, which can be cut and mended: relays on the loopback that the shop's box is told to take
//! for the head office's broker, and for where it enrols.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Most connections that a line carries at once; a box has one, and so has each copy of it. Further ones are closed.
const CONNECTIONS_MAX: usize = 16;

/// How a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Condition {
    is_up: bool,
    /// How often all its connections were ended.
    ends: u64,
}

/// What cuts and mends a line. Clones are for the same line.
#[derive(Debug, Clone)]
pub struct Link {
    mqtts: SocketAddr,
    https: SocketAddr,
    condition: Arc<watch::Sender<Condition>>,
}

/// The line itself, to be run.
#[derive(Debug)]
pub struct Relays {
    mqtts: Relay,
    https: Relay,
}

#[derive(Debug)]
struct Relay {
    listener: TcpListener,
    target: String,
    condition: watch::Receiver<Condition>,
}

impl Link {
    /// Lays a line to a broker's door, and to where boxes enrol.
    ///
    /// # Errors
    /// If no port can be had.
    pub async fn lay(mqtts: &str, https: &str) -> std::io::Result<(Self, Relays)> {
        let (sender, condition) = watch::channel(Condition { is_up: true, ends: 0 });
        let (mqtts, https) = (Relay::to(mqtts, &condition).await?, Relay::to(https, &condition).await?);
        let at = (mqtts.listener.local_addr()?, https.listener.local_addr()?);
        Ok((Self { mqtts: at.0, https: at.1, condition: Arc::new(sender) }, Relays { mqtts, https }))
    }

    /// Where the box takes the broker to be.
    #[must_use]
    pub fn mqtts(&self) -> String {
        self.mqtts.to_string()
    }

    /// Where the box enrols.
    #[must_use]
    pub fn https(&self) -> String {
        format!("https://{}", self.https)
    }

    /// Ends all connections, and every new one at once.
    pub fn cut(&self) {
        self.condition.send_modify(|condition| *condition = Condition { is_up: false, ends: condition.ends + 1 });
    }

    /// Ends all connections; new ones come through if the line is up, and each box greets the head office again.
    pub fn blink(&self) {
        self.condition.send_modify(|condition| condition.ends += 1);
    }

    /// Lets connections through again.
    pub fn mend(&self) {
        self.condition.send_modify(|condition| condition.is_up = true);
    }

    /// Whether it carries anything.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.condition.borrow().is_up
    }
}

impl Relays {
    /// Carries connections until told to stop.
    pub async fn run(self, stop: CancellationToken) {
        stop.run_until_cancelled(async { tokio::join!(self.mqtts.carry(), self.https.carry()) }).await;
    }
}

impl Relay {
    async fn to(target: &str, condition: &watch::Receiver<Condition>) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        Ok(Self { listener, target: target.to_owned(), condition: condition.clone() })
    }

    async fn carry(self) {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                accepted = self.listener.accept() => {
                    // A connection that was gone before it was taken is no reason to stop.
                    let Ok((client, _peer)) = accepted else { continue };
                    if connections.len() < CONNECTIONS_MAX {
                        connections.spawn(carry_one(client, self.target.clone(), self.condition.clone()));
                    }
                }
                Some(_ended) = connections.join_next() => {}
            }
        }
    }
}

async fn carry_one(mut client: TcpStream, target: String, mut condition: watch::Receiver<Condition>) {
    let Condition { is_up: true, ends } = *condition.borrow() else { return };
    let Ok(mut server) = TcpStream::connect(target).await else { return };
    tokio::select! {
        _ended = tokio::io::copy_bidirectional(&mut client, &mut server) => {}
        _ended = condition.wait_for(|present| present.ends != ends) => {}
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    /// Whether a byte that is sent over the line comes back.
    async fn echoes(connection: &mut TcpStream) -> bool {
        let mut byte = [0];
        connection.write_all(&[7]).await.is_ok() && connection.read_exact(&mut byte).await.is_ok()
    }

    #[tokio::test]
    async fn a_line_carries_until_it_is_cut_and_again_once_it_is_mended() {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = server.local_addr().unwrap().to_string();
        let (link, relays) = Link::lay(&target, &target).await.unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut echoing = JoinSet::new();
            while let Ok((mut connection, _peer)) = server.accept().await {
                echoing.spawn(async move {
                    let (mut from, mut to) = connection.split();
                    tokio::io::copy(&mut from, &mut to).await
                });
            }
        });
        tasks.spawn(relays.run(CancellationToken::new()));
        let mut before = TcpStream::connect(link.mqtts()).await.unwrap();
        assert!(echoes(&mut before).await);
        link.cut();
        assert!(!echoes(&mut before).await, "a connection of before is cut");
        let mut during = TcpStream::connect(link.mqtts()).await.unwrap();
        assert!(!link.is_up() && !echoes(&mut during).await, "no new one comes through");
        link.mend();
        let mut after = TcpStream::connect(link.mqtts()).await.unwrap();
        assert!(link.is_up() && echoes(&mut after).await);
        let mut enrolling = TcpStream::connect(link.https().trim_start_matches("https://")).await.unwrap();
        assert!(echoes(&mut enrolling).await);
        link.blink();
        assert!(!echoes(&mut after).await, "a line that blinks lets go of what it carried");
        let mut again = TcpStream::connect(link.mqtts()).await.unwrap();
        assert!(link.is_up() && echoes(&mut again).await);
    }
}
