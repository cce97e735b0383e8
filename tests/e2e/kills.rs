//! The kill harness, as often as there is time for; `make kills` does it longer.

use anyhow::{Result, ensure};
use system_tests::kills::{Plan, run};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_kills_lose_and_double_nothing() -> Result<()> {
    let outcome = run(Plan { node_kills: 80, hub_kills: 20, seed: 1 }, |_killed| ()).await?;
    assert_eq!((outcome.lost, outcome.doubled), (0, 0), "{outcome:?}");
    ensure!(outcome.repeated > 20, "the kills were felt at the tills: {outcome:?}");
    Ok(())
}
