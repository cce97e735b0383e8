//! Carries what two ends say to each other, byte by byte and in a hurry for nobody.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use percolate_runtime::system::monotonic_now;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::rate::{Rate, Used};

/// What is read at once, in bytes; there is such a buffer for each direction of each connection.
const CARRIED_BYTES: usize = 8 * 1_024;

/// How long the broker may go on after the other end has hung up. It hangs up by itself at once; at the limit it is cut off.
const PARTING: Duration = Duration::from_secs(5);

/// How fast something may go on, by whoever has a clone. At the limit it waits, so that the sender's own sending stands still;
/// nothing is lost.
#[derive(Debug, Clone)]
pub(super) struct Pace {
    rate: Rate,
    used: Arc<Mutex<Used>>,
}

impl Pace {
    pub(super) fn new(rate: Rate) -> Self {
        Self { rate, used: Arc::default() }
    }

    /// Counts what was used, and waits until more may be.
    pub(super) async fn keep(&self, amount: usize) {
        let amount = u32::try_from(amount).unwrap_or(u32::MAX);
        let wait = self.used.lock().unwrap_or_else(PoisonError::into_inner).take(&self.rate, amount, monotonic_now());
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
    }
}

/// Carries both ways until an end hangs up and the other has said the rest.
pub(super) async fn carry<N, B>(node: N, broker: B, pace: Option<&Pace>) -> io::Result<()>
where
    N: AsyncRead + AsyncWrite,
    B: AsyncRead + AsyncWrite,
{
    let (from_node, to_node) = tokio::io::split(node);
    let (from_broker, to_broker) = tokio::io::split(broker);
    let up = flow(from_node, to_broker, pace);
    let down = flow(from_broker, to_node, None);
    tokio::pin!(up, down);
    tokio::select! {
        hung_up = &mut up => {
            // If the line broke, or the broker wants no more, nobody is left to hear the rest.
            hung_up?;
            tokio::time::timeout(PARTING, down).await.unwrap_or(Ok(()))
        }
        hung_up = &mut down => hung_up,
    }
}

/// Carries one way, to the end.
async fn flow<R, W>(mut from: R, mut to: W, pace: Option<&Pace>) -> io::Result<()>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let mut buffer = vec![0; CARRIED_BYTES];
    loop {
        let read = from.read(&mut buffer).await?;
        let bytes = buffer.get(..read).unwrap_or_default();
        if bytes.is_empty() {
            return to.shutdown().await;
        }
        to.write_all(bytes).await?;
        // TLS keeps what does not fill a record, and nobody writes after it.
        to.flush().await?;
        if let Some(pace) = pace {
            pace.keep(read).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use tokio::io::{DuplexStream, ReadBuf, duplex};

    use super::*;

    /// A pair of ends with little room between them, so that nothing passes that was not asked for.
    fn line() -> (DuplexStream, DuplexStream) {
        duplex(16)
    }

    #[tokio::test]
    async fn both_ways_to_the_end_and_the_rest_after_one_has_hung_up() {
        let ((mut node, outer), (inner, mut broker)) = (line(), line());
        let talk = async {
            node.write_all(b"a question that is longer than the line").await.unwrap();
            node.shutdown().await.unwrap();
            let mut answer = String::new();
            node.read_to_string(&mut answer).await.unwrap();
            answer
        };
        let answers = async {
            let mut question = String::new();
            broker.read_to_string(&mut question).await.unwrap();
            broker.write_all(question.to_uppercase().as_bytes()).await.unwrap();
            drop(broker);
        };
        let (carried, answer, ()) = tokio::join!(carry(outer, inner, None), talk, answers);
        carried.unwrap();
        assert_eq!(answer, "A QUESTION THAT IS LONGER THAN THE LINE");
    }

    /// A line that breaks when it is read.
    struct Broken;

    impl AsyncRead for Broken {
        fn poll_read(
            self: Pin<&mut Self>,
            _context: &mut Context<'_>,
            _buffer: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()))
        }
    }

    #[tokio::test]
    async fn when_the_line_breaks_the_broker_hears_of_it_at_once() {
        let (inner, mut broker) = line();
        let carried = carry(tokio::io::join(Broken, tokio::io::sink()), inner, None).await;
        assert_eq!(carried.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
        assert_eq!(broker.read(&mut [0; 1]).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn a_node_that_sends_too_fast_is_made_to_wait_and_loses_nothing() {
        let rate = Rate { count: 100_000, per: Duration::from_secs(1), burst: 16 };
        let pace = Pace::new(rate);
        let ((mut node, outer), (inner, mut broker)) = (line(), line());
        let sends = async {
            node.write_all(&[7; 1_024]).await.unwrap();
            drop(node);
        };
        let hears = async move {
            let mut all = Vec::new();
            broker.read_to_end(&mut all).await.unwrap();
            all.len()
        };
        let (carried, (), heard) = tokio::join!(carry(outer, inner, Some(&pace)), sends, hears);
        carried.unwrap();
        assert_eq!(heard, 1_024);
    }
}
