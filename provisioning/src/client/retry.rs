//! Asking again: a server that is busy or out of reach for a moment is no reason to give up.

use std::future::Future;
use std::time::Duration;

use percolate_runtime::backoff;
use percolate_runtime::system::monotonic_now;

use super::ClientError;

/// Longest pause between two attempts, in milliseconds: a person is waiting.
const PAUSE_MS_MAX: u64 = 2_000;

/// Tries until it succeeds, fails for good, or has failed in passing for longer than `patience`. `attempt` is told how
/// often it was called before.
///
/// # Errors
/// The last error of `attempt`.
pub async fn retry<T, F, Fut>(patience: Duration, mut attempt: F) -> Result<T, ClientError>
where
    F: FnMut(u32) -> Fut,
    Fut: Future<Output = Result<T, ClientError>>,
{
    let deadline = monotonic_now() + patience;
    let mut failures = 0;
    loop {
        match attempt(failures).await {
            Err(error) if error.is_passing() && monotonic_now() < deadline => {
                tokio::time::sleep(backoff::delay(failures).min(Duration::from_millis(PAUSE_MS_MAX))).await;
                failures += 1;
            }
            outcome @ (Ok(_) | Err(_)) => return outcome,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16) -> ClientError {
        ClientError::refused("h", "/", status, b"{}")
    }

    #[tokio::test]
    async fn what_passes_is_tried_again_and_what_does_not_is_not() {
        let outcome = retry(Duration::from_secs(30), |failures| async move {
            match failures {
                0 => Err(refused(503)),
                _ => Ok(failures),
            }
        });
        assert_eq!(outcome.await.unwrap(), 1);
        let mut calls = 0;
        let outcome = retry(Duration::from_secs(30), |_| {
            calls += 1;
            async { Err::<(), _>(refused(422)) }
        });
        assert!(outcome.await.is_err());
        assert_eq!(calls, 1);
    }

    #[tokio::test]
    async fn patience_ends() {
        let outcome = retry(Duration::ZERO, |_| async { Err::<(), _>(refused(503)) }).await;
        assert!(outcome.unwrap_err().to_string().contains("503"));
    }
}
