//! The disk: room, and whether what it says is on it is on it.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use percolate_common::identity::acceptance::CheckOutcomeV1;
use percolate_runtime::files::disk_free_bytes;
use percolate_runtime::system::monotonic_now;

use super::{Check, Code, Ground, from_below};

const GIB: u64 = 1 << 30;
/// Room for years, and for as long as a shop is likely to stay without a line.
const FREE_FINE: u64 = 20 * GIB;
const FREE_LAWFUL: u64 = 5 * GIB;

/// What is written before each flush.
const BLOCK: [u8; 4_096] = [0x5a; 4_096];
/// So often it is flushed, or so long.
const FLUSHES_MAX: usize = 200;
const FLUSHES_TIME: Duration = Duration::from_secs(1);
/// A guest does not notice a flush of this length, and is kept waiting by one of that.
const FLUSH_FINE: Duration = Duration::from_millis(20);
const FLUSH_LAWFUL: Duration = Duration::from_millis(500);
/// A disk that answers sooner has not written anything yet.
const FLUSH_REAL: Duration = Duration::from_micros(20);

/// The folder that is there of a path: the one that will be made lies on the same disk.
fn there(path: &Path) -> PathBuf {
    path.ancestors().find(|path| path.is_dir()).unwrap_or(Path::new("/")).to_owned()
}

pub(super) fn free(ground: &Ground) -> Check {
    const CODE: Code = Code::DiskFree;
    const FIX: &str = "Free some space, or take a larger disk.";
    let folder = there(&ground.place.data);
    match disk_free_bytes(&folder) {
        Ok(bytes) => {
            let outcome = from_below(bytes, (FREE_FINE, FREE_LAWFUL));
            Check::new(CODE, outcome, format!("{} GB are free, 20 are wanted.", bytes / GIB), FIX)
        }
        Err(error) => Check::new(CODE, CheckOutcomeV1::Fail, format!("{}: {error}.", folder.display()), FIX),
    }
}

pub(super) fn flush(ground: &Ground) -> Check {
    const CODE: Code = Code::DiskFlush;
    let folder = there(&ground.place.data);
    let path = folder.join(format!(".percolate-preflight-{}", std::process::id()));
    let measured = flushes(&path);
    std::fs::remove_file(&path).unwrap_or_default();
    let mut times = match measured {
        Ok(times) => times,
        Err(error) => {
            let said = format!("{} cannot be written: {error}.", folder.display());
            return Check::new(
                CODE,
                CheckOutcomeV1::Fail,
                said,
                "Run this as root, or name a folder of yours with --data.",
            );
        }
    };
    times.sort_unstable();
    let at =
        |percent: usize| times.get((times.len() * percent / 100).min(times.len() - 1)).copied().unwrap_or_default();
    let (half, slow) = (at(50), at(99));
    let said = format!("A flush takes {} µs, {} µs at worst.", half.as_micros(), slow.as_micros());
    if half < FLUSH_REAL {
        let fix =
            "Turn off the write cache, or take another disk: at a power cut it would lose what it said was written.";
        return Check::new(CODE, CheckOutcomeV1::Warn, said, fix);
    }
    let outcome = match slow {
        slow if slow <= FLUSH_FINE => CheckOutcomeV1::Pass,
        slow if slow <= FLUSH_LAWFUL => CheckOutcomeV1::Warn,
        _ => CheckOutcomeV1::Fail,
    };
    Check::new(CODE, outcome, said, "Take a faster disk: each sale waits for one flush.")
}

fn flushes(path: &Path) -> std::io::Result<Vec<Duration>> {
    let mut file = OpenOptions::new().create(true).write(true).truncate(true).open(path)?;
    let (mut times, until) = (Vec::new(), monotonic_now() + FLUSHES_TIME);
    while times.len() < FLUSHES_MAX && (times.is_empty() || monotonic_now() < until) {
        let from = monotonic_now();
        file.write_all(&BLOCK)?;
        file.sync_data()?;
        times.push(monotonic_now().saturating_sub(from));
    }
    Ok(times)
}
