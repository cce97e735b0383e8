//! The chain under test: a hub, its stores, and ways to hurt them.

mod balancer;
pub mod browser;
mod enrol;
mod feed;
pub mod head_office;
mod http;
pub mod large;
pub mod netns;
mod postgres;
mod process;
mod proxy;
mod relay;
mod relay_ends;
pub mod tech;
mod terminal;

pub use balancer::Balancer;
pub use enrol::Door;
pub use feed::{Feed, Told};
pub use http::{Answer, Client};
pub use postgres::Postgres;
pub use process::{Hub, Node, NodeSpec};
pub use proxy::Proxy;
pub use relay::{Awaited, Frame, Held, Protocol, Relay, Way};
pub use terminal::Terminal;

use std::future::Future;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use percolate_runtime::system::monotonic_now;

/// How long a condition may take to come true before the test fails. Generous: machines are shared.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// Pause between two looks at a condition.
const LOOK_EVERY: Duration = Duration::from_millis(25);

/// Waits until `look` gives a value; fails after [`PATIENCE`] with what it last said.
///
/// # Errors
/// The last error of `look`, if it never gave a value in time.
pub async fn eventually<T, F, Fut>(what: &str, mut look: F) -> Result<T>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T>>,
{
    let deadline = monotonic_now() + PATIENCE;
    loop {
        match look().await {
            Ok(value) => return Ok(value),
            Err(error) if monotonic_now() >= deadline => return Err(error.context(format!("waited in vain: {what}"))),
            Err(_not_yet) => tokio::time::sleep(LOOK_EVERY).await,
        }
    }
}

/// A program of this workspace, built beside the test.
///
/// # Errors
/// If it has not been built.
pub fn program(name: &str) -> Result<PathBuf> {
    let here = std::env::current_exe().context("where the test itself is")?;
    // Programs lie in the build folder, tests one below it.
    let folders = here.ancestors().skip(1).take(2);
    let found = folders.map(|folder| folder.join(name)).find(|path| path.is_file());
    match found {
        Some(path) => Ok(path),
        None => bail!("{name} is not built beside {}: run `cargo build --workspace` first", here.display()),
    }
}

/// The folder of the real data, where a developer has it beside the project.
#[must_use]
pub fn shared_data() -> Option<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    folder.is_dir().then_some(folder)
}

/// Says loudly that a test skips, and why.
#[expect(clippy::print_stdout, reason = "the test runner collects these lines and counts them")]
pub fn skipped(test: &str, why: &str) {
    println!("SKIPPED: {test}: {why}");
}

/// The menu that the demo sells, as the hub reads it.
#[must_use]
pub fn demo_menu() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../provisioning/demo/menu.json")
}
