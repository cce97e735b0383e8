//! Everything that `make prove` does is caught.

use anyhow::{Result, ensure};
use system_tests::prove::play;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_done_to_the_books_the_audit_sees_it_and_says_so() -> Result<()> {
    let acts = play(|_| Ok(())).await?;
    for act in &acts {
        ensure!(act.caught, "{}: {:?}", act.done, act.said);
    }
    ensure!(acts.len() == 8 && acts.iter().any(|act| !act.said.is_empty()), "{acts:?}");
    Ok(())
}
