//! The disk's own measure, and what a run is worth by it: F is an append of 4 KiB and its flush, on the same file system
//! right before and right after each run.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use percolate_runtime::system::monotonic_now;

use crate::figures::{micros, percentile};
use crate::machine::load_average;

/// A probe is so long at least, and has so many flushes.
const PROBE_TIME: Duration = Duration::from_millis(400);
const PROBE_FLUSHES_MIN: usize = 50;

/// What is written before each flush.
const BLOCK: [u8; 4_096] = [0x5a; 4_096];

/// F may move by so much in a run, in percent, before the run is void.
const MOVED_PERCENT_MAX: u64 = 30;

/// How often a run whose F moved is tried in all.
const TRIES_MAX: u32 = 3;

/// The disk by itself.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Flush {
    /// Half of the flushes took no longer, in microseconds.
    pub(crate) p50_us: u64,
    /// All but one in a hundred took no longer.
    pub(crate) p99_us: u64,
    /// One after the other, a second.
    pub(crate) per_second: u64,
}

/// Measures F in a folder.
pub(crate) fn flush(folder: &Path) -> Result<Flush> {
    let path = folder.join("flush.probe");
    let mut file = OpenOptions::new().create(true).write(true).truncate(true).open(&path)?;
    let start = monotonic_now();
    let mut times = Vec::new();
    while times.len() < PROBE_FLUSHES_MIN || monotonic_now() < start + PROBE_TIME {
        let from = monotonic_now();
        file.write_all(&BLOCK)?;
        file.sync_data()?;
        times.push(micros(monotonic_now().saturating_sub(from)));
    }
    let took = micros(monotonic_now().saturating_sub(start)).max(1);
    std::fs::remove_file(&path)?;
    let per_second = u64::try_from(times.len())? * 1_000_000 / took;
    Ok(Flush { p50_us: percentile(&mut times, 50), p99_us: percentile(&mut times, 99), per_second })
}

/// A run with the disk and the machine around it.
#[derive(Debug, Clone)]
pub(crate) struct Measured<T> {
    pub(crate) value: T,
    pub(crate) before: Flush,
    pub(crate) after: Flush,
    pub(crate) load: String,
    /// F moved too much in every try: this is the last one.
    pub(crate) void: bool,
}

impl<T> Measured<T> {
    /// F of this run: between before and after.
    pub(crate) fn f_us(&self) -> u64 {
        self.before.p50_us.midpoint(self.after.p50_us).max(1)
    }

    /// The slow end of F.
    pub(crate) fn f99_us(&self) -> u64 {
        self.before.p99_us.midpoint(self.after.p99_us).max(1)
    }

    /// Flushes a second, one after the other.
    pub(crate) fn flushes_per_second(&self) -> u64 {
        self.before.per_second.midpoint(self.after.per_second).max(1)
    }

    fn moved_percent(&self) -> u64 {
        let (low, high) = (self.before.p50_us.min(self.after.p50_us), self.before.p50_us.max(self.after.p50_us));
        (high - low) * 100 / low.max(1)
    }
}

/// Measures a run between two probes, again where F moved.
pub(crate) async fn measured<T>(folder: &Path, mut run: impl AsyncFnMut() -> Result<T>) -> Result<Measured<T>> {
    let mut tries = 0;
    loop {
        tries += 1;
        let before = flush(folder)?;
        let value = run().await?;
        let after = flush(folder)?;
        let measured = Measured { value, before, after, load: load_average()?, void: false };
        if measured.moved_percent() <= MOVED_PERCENT_MAX {
            return Ok(measured);
        }
        if tries == TRIES_MAX {
            return Ok(Measured { void: true, ..measured });
        }
    }
}
