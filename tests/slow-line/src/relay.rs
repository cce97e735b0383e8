//! One way of one connection: read a piece, let it leave at the line's pace, hand it on after the delay.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::{Pace, Slowness};

/// Bytes that leave together: a segment of Ethernet, so that an answer is not stuck behind a large piece.
const PIECE_BYTES: usize = 1_448;
/// Bytes that leave together on a line without a rate.
const PIECE_BYTES_FAST: usize = 64 * 1024;
/// Pieces under way on one connection; at the limit nothing more is read until one has arrived.
const PIECES_MAX: usize = 4_096;

/// One way of the line, shared by all connections.
#[derive(Debug, Clone)]
pub(crate) struct Lane {
    slowness: Slowness,
    pace: Arc<Mutex<Pace>>,
    since: Instant,
}

impl Lane {
    pub(crate) fn new(slowness: Slowness) -> Self {
        let pace = Arc::new(Mutex::new(Pace::new(slowness.bits_per_second)));
        Self { slowness, pace, since: now() }
    }

    fn departure(&self, bytes: usize) -> Instant {
        let mut pace = self.pace.lock().unwrap_or_else(PoisonError::into_inner);
        self.since + pace.departure(now() - self.since, u64::try_from(bytes).unwrap_or(u64::MAX))
    }

    fn piece_bytes(&self) -> usize {
        if self.slowness.bits_per_second.is_some() { PIECE_BYTES } else { PIECE_BYTES_FAST }
    }
}

fn now() -> Instant {
    Instant::now()
}

/// Carries to the end of what comes, or to the first error of either side.
pub(crate) async fn carry(
    from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    lane: &Lane,
    counter: &AtomicU64,
) {
    if lane.slowness == Slowness::default() {
        return pass(from, to, lane, counter).await;
    }
    let (pieces, mut under_way) = mpsc::channel::<(Instant, Vec<u8>)>(PIECES_MAX);
    let hand_on = async move {
        while let Some((arrives, piece)) = under_way.recv().await {
            tokio::time::sleep_until(arrives).await;
            if to.write_all(&piece).await.is_err() {
                return;
            }
            count(counter, piece.len());
        }
        // An end is carried like everything else; if the other side is gone, it needs none.
        to.shutdown().await.unwrap_or_default();
    };
    tokio::join!(leave(from, lane, pieces), hand_on);
}

async fn leave(mut from: impl AsyncRead + Unpin, lane: &Lane, pieces: mpsc::Sender<(Instant, Vec<u8>)>) {
    loop {
        let mut piece = vec![0; lane.piece_bytes()];
        let read = match from.read(&mut piece).await {
            Ok(0) | Err(_) => return,
            Ok(read) => read,
        };
        piece.truncate(read);
        let leaves = lane.departure(read);
        if pieces.send((leaves + lane.slowness.delay, piece)).await.is_err() {
            return;
        }
        tokio::time::sleep_until(leaves).await;
    }
}

/// A line that is not slow only counts.
async fn pass(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, lane: &Lane, counter: &AtomicU64) {
    let mut piece = vec![0; lane.piece_bytes()];
    while let Ok(read) = from.read(&mut piece).await
        && let Some(bytes) = piece.get(..read).filter(|bytes| !bytes.is_empty())
    {
        if to.write_all(bytes).await.is_err() {
            return;
        }
        count(counter, read);
    }
    to.shutdown().await.unwrap_or_default();
}

fn count(counter: &AtomicU64, bytes: usize) {
    counter.fetch_add(u64::try_from(bytes).unwrap_or(u64::MAX), Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::{Lane, now};
    use crate::Slowness;
    use std::time::Duration;

    #[test]
    fn connections_share_the_pace_of_their_way() {
        let slowness = Slowness { bits_per_second: Some(1_000), delay: Duration::ZERO };
        let one = Lane::new(slowness);
        let other = one.clone();
        let before = now();
        one.departure(1_250);
        // Ten seconds for the first, ten more for the second, whatever moment it is.
        assert!(other.departure(1_250) >= before + Duration::from_millis(19_990));
    }
}
