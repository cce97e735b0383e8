//! What a process may use, set from outside: no group of the system is needed, and no privilege.

use anyhow::{Context as _, Result};
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit, setrlimit};
use rustix::thread::{CpuSet, sched_setaffinity};

/// What the hub may use.
pub(super) const HUB_BYTES_MAX: u64 = 2 << 30;
/// Cores that the hub and the stores share.
pub(super) const CORES: u64 = 2;

/// Keeps this process, and what it starts from now on, on the first two cores, and lets it have as many descriptors as
/// it may. Returns how many those are.
pub(super) fn share_cores() -> Result<u64> {
    let mut cores = CpuSet::new();
    (0..usize::try_from(CORES)?).for_each(|core| cores.set(core));
    sched_setaffinity(None, &cores).context("keeping to two cores")?;
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })?;
    Ok(limit.maximum.unwrap_or(u64::MAX))
}

/// Limits what a process may have of its own memory: heap, stacks and all else that it can write and shares with nobody.
pub(super) fn limit_memory(pid: u32) -> Result<()> {
    let pid = Pid::from_raw(i32::try_from(pid)?).context("a process")?;
    let limit = Rlimit { current: Some(HUB_BYTES_MAX), maximum: Some(HUB_BYTES_MAX) };
    prlimit(Some(pid), Resource::Data, limit).context("limiting the hub's memory")?;
    Ok(())
}
