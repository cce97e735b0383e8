//! How long an acknowledgement takes while reporting is hurt, beside how long it takes while all is well.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use percolate_runtime::system::monotonic_now;
use rusqlite::Connection;
use system_tests::books::{complete_at, totals_at};
use system_tests::harness::large::{Ground, Held, Replica};
use system_tests::harness::netns::SmallDisk;
use system_tests::harness::{Client, Door, Hub, Node, NodeSpec, demo_menu};
use tempfile::TempDir;

use crate::Bench;
use crate::figures::{Ratio, median, micros, ms, percentile, thousands};
use crate::probe::{Measured, measured};
use crate::report::{Section, Verdict};
use crate::shop::Shop;
use crate::till::{TicketBits, Till};

/// The hub that ships, whose reporting panics when it is told to.
const PROGRAM: &str = "panicking-hub";

/// An acknowledgement should take at most so much of what it does while all is well, in hundredths.
const RATIO_MAX: Ratio = Ratio(200);

/// Room for the reports of a run.
const DISK_MIB: u32 = 256;

/// How reporting is hurt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Panics,
    TurnsInCircles,
    WaitsForALock,
    CannotWrite,
}

const FAULTS: [Fault; 4] = [Fault::Panics, Fault::TurnsInCircles, Fault::WaitsForALock, Fault::CannotWrite];

impl Fault {
    const fn words(self) -> &'static str {
        match self {
            Self::Panics => "it panics at each slice",
            Self::TurnsInCircles => "it turns in circles at each slice",
            Self::WaitsForALock => "it waits for a lock",
            Self::CannotWrite => "it cannot write",
        }
    }

    /// How often it must have failed meanwhile. A wait for a lock lasts 5 s, and what is left of a full disk is used up first.
    const fn failures_min(self) -> u64 {
        match self {
            Self::WaitsForALock | Self::CannotWrite => 1,
            Self::Panics | Self::TurnsInCircles => 2,
        }
    }
}

/// Rows that are counted for each ticket, so that it takes a moment; and so that it takes long.
const MOMENT: &str = "1";
const LONG: &str = "2000000";

/// A hub whose reporting is hurt by hand, in its database: nothing is put into the program for it but a panic.
enum Place {
    Small { hub: Box<Hub>, disk: SmallDisk },
    Large { ground: Box<Ground>, hub: Box<Replica>, data: PathBuf },
}

/// What holds a lock.
enum Lock {
    None,
    Small(Connection),
    Large(Held),
}

impl Place {
    fn client(&self) -> &Client {
        match self {
            Self::Small { hub, .. } => &hub.client,
            Self::Large { hub, .. } => &hub.client,
        }
    }

    fn panic_file(&self) -> PathBuf {
        match self {
            Self::Small { hub, .. } => hub.data().join("panic"),
            Self::Large { data, .. } => data.join("panic"),
        }
    }

    async fn restart(&mut self) -> Result<()> {
        match self {
            Self::Small { hub, .. } => {
                hub.stop().await?;
                hub.restart().await
            }
            Self::Large { hub, .. } => {
                hub.stop().await?;
                hub.restart().await
            }
        }
    }

    async fn door(&self) -> Result<Door> {
        match self {
            Self::Small { hub, .. } => Ok(hub.door()),
            Self::Large { ground, .. } => ground.door(&ground.broker.address().to_string()).await,
        }
    }

    /// Every ticket that is written is refused, after so many rows were counted.
    async fn refuse_tickets(&self, rows: &str) -> Result<()> {
        match self {
            Self::Small { hub, .. } => reports(hub)?.execute_batch(&format!(
                "CREATE VIEW refuse_rows AS WITH RECURSIVE counted (n) AS
                     (SELECT 1 UNION ALL SELECT n + 1 FROM counted WHERE n < {rows}) SELECT n FROM counted;
                 CREATE TRIGGER refuse BEFORE INSERT ON ticket BEGIN
                     SELECT raise(ABORT, 'as planned') FROM (SELECT count(*) AS n FROM refuse_rows) WHERE n > 0; END"
            ))?,
            Self::Large { ground, .. } => {
                let sql = format!(
                    "CREATE FUNCTION reporting.refuse() RETURNS trigger LANGUAGE plpgsql AS
                     'BEGIN PERFORM count(*) FROM generate_series(1, {rows}); RAISE ''as planned''; END';
                     CREATE TRIGGER refuse BEFORE INSERT ON reporting.ticket
                         FOR EACH ROW EXECUTE FUNCTION reporting.refuse()"
                );
                ground.admin_batch(&sql).await?;
            }
        }
        Ok(())
    }

    async fn let_tickets_in(&self) -> Result<()> {
        match self {
            Self::Small { hub, .. } => {
                reports(hub)?.execute_batch("DROP TRIGGER refuse; DROP VIEW refuse_rows")?;
                Ok(())
            }
            Self::Large { ground, .. } => ground.admin_batch("DROP FUNCTION reporting.refuse() CASCADE").await,
        }
    }

    async fn hurt(&self, fault: Fault) -> Result<Lock> {
        match fault {
            Fault::Panics => {
                std::fs::write(self.panic_file(), "")?;
                self.refuse_tickets(MOMENT).await?;
            }
            Fault::TurnsInCircles => self.refuse_tickets(LONG).await?,
            Fault::WaitsForALock => match self {
                Self::Small { hub, .. } => {
                    let connection = reports(hub)?;
                    connection.execute_batch("BEGIN IMMEDIATE")?;
                    return Ok(Lock::Small(connection));
                }
                Self::Large { ground, .. } => {
                    return Ok(Lock::Large(ground.hold("reporting.projection_position").await?));
                }
            },
            Fault::CannotWrite => match self {
                Self::Small { disk, .. } => disk.fill()?,
                Self::Large { ground, .. } => ground.admin_batch(&writing("REVOKE", "FROM")).await?,
            },
        }
        Ok(Lock::None)
    }

    async fn heal(&self, fault: Fault, lock: Lock) -> Result<()> {
        match lock {
            Lock::None => {}
            Lock::Small(connection) => connection.execute_batch("ROLLBACK")?,
            Lock::Large(held) => drop(held),
        }
        match fault {
            Fault::Panics => {
                std::fs::remove_file(self.panic_file())?;
                self.let_tickets_in().await
            }
            Fault::TurnsInCircles => self.let_tickets_in().await,
            Fault::WaitsForALock => Ok(()),
            Fault::CannotWrite => match self {
                Self::Small { disk, .. } => disk.grow(DISK_MIB),
                Self::Large { ground, .. } => ground.admin_batch(&writing("GRANT", "TO")).await,
            },
        }
    }

    /// How often a slice could not be folded.
    async fn failures(&self) -> Result<u64> {
        let answer = self.client().try_get("/metrics").await?;
        let is_meant = |line: &&str| line.starts_with("hub_projection_failures_total{projection=\"reporting\"}");
        let line = answer.text.lines().find(is_meant);
        Ok(line.and_then(|line| line.rsplit(' ').next()).map_or(Ok(0), str::parse)?)
    }
}

/// Gives or takes the right to write anything into the tables of the reports.
fn writing(word: &str, whom: &str) -> String {
    format!("{word} INSERT ON ALL TABLES IN SCHEMA reporting {whom} percolate_reporting")
}

#[expect(clippy::disallowed_methods, reason = "somebody else's hand in the hub's database")]
fn reports(hub: &Hub) -> Result<Connection> {
    let connection = Connection::open(hub.data().join("reporting.db"))?;
    connection.busy_timeout(PATIENCE)?;
    Ok(connection)
}

/// A shop that sells one ticket after the other, each once the one before is acknowledged.
struct Seller {
    place: Place,
    shop: Shop,
    till: Till,
    sold: Vec<TicketBits>,
}

/// What acknowledgements took in a phase.
#[derive(Debug, Clone, Copy)]
struct Took {
    acks: u64,
    p50_us: u64,
    p99_us: u64,
    failures: u64,
}

impl Seller {
    /// Sells for a while, and on until reporting has failed so often.
    async fn sell(&mut self, time: Duration, failures_min: u64) -> Result<Took> {
        let (before, from) = (self.place.failures().await?, monotonic_now());
        let (mut times, mut failures) = (Vec::new(), 0);
        while monotonic_now() < from + time || failures < failures_min {
            ensure!(monotonic_now() < from + time + PATIENCE, "reporting was hurt, and failed {failures} times only");
            self.sold.push(self.till.sell().await?);
            let began = monotonic_now();
            while self.shop.sales_heads().await.is_ok_and(|(last, acked)| acked < last) {}
            times.push(micros(monotonic_now().saturating_sub(began)));
            if failures < failures_min {
                failures = self.place.failures().await? - before;
            }
        }
        let failures = self.place.failures().await? - before;
        let acks = u64::try_from(times.len())?;
        Ok(Took { acks, p50_us: percentile(&mut times, 50), p99_us: percentile(&mut times, 99), failures })
    }

    /// All is well, and then each fault in turn. After each the reports have caught up to what was sold.
    async fn round(&mut self, bench: &Bench) -> Result<[Took; 1 + FAULTS.len()]> {
        // Whoever panics again and again is left alone for longer and longer; a hub that starts has forgotten it.
        self.place.restart().await?;
        self.sell(bench.warm_up(), 0).await?;
        let well = self.sell(bench.run_time(), 0).await?;
        ensure!(well.failures == 0, "reporting failed, and was not hurt");
        let mut round = [well; 1 + FAULTS.len()];
        for (fault, took) in FAULTS.into_iter().zip(round.iter_mut().skip(1)) {
            let lock = self.place.hurt(fault).await?;
            let sold = self.sell(bench.run_time(), fault.failures_min()).await;
            self.place.heal(fault, lock).await?;
            *took = sold.with_context(|| format!("{fault:?}"))?;
            complete_at(self.place.client(), &self.shop.node).await?;
            let counted = totals_at(self.place.client(), self.shop.node.spec.store).await?.0;
            ensure!(counted == i64::try_from(self.sold.len())?, "{counted} in the reports after {fault:?}");
        }
        Ok(round)
    }
}

/// How long it is waited for a failure.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) async fn run(bench: &Bench) -> Result<Vec<Section>> {
    let mut sections = Vec::new();
    let folder = tempfile::tempdir_in(&bench.scratch)?;
    if let Some(place) = small(&folder).await? {
        sections.push(
            section(
                "isolation-small",
                "Acknowledgements of a small hub whose reporting is hurt",
                bench,
                (place, &folder),
            )
            .await?,
        );
    }
    let folder = tempfile::tempdir_in(&bench.scratch)?;
    if let Some(place) = large(&folder).await? {
        sections.push(
            section(
                "isolation-large",
                "Acknowledgements of a large hub whose reporting is hurt",
                bench,
                (place, &folder),
            )
            .await?,
        );
    }
    Ok(sections)
}

/// The reports are on a disk of their own from the beginning, which can be full.
async fn small(folder: &TempDir) -> Result<Option<Place>> {
    let mut hub = Hub::start_by(PROGRAM, folder.path(), Some(demo_menu())).await?;
    hub.stop().await?;
    let Some(disk) = SmallDisk::mount("isolation", &folder.path().join("disk"), DISK_MIB)? else { return Ok(None) };
    take(&hub.data().join("reporting.db"), &folder.path().join("disk"))?;
    hub.restart().await?;
    Ok(Some(Place::Small { hub: Box::new(hub), disk }))
}

/// Moves a database that nobody has open to a disk; a link leads there.
fn take(database: &Path, disk: &Path) -> Result<()> {
    let there = disk.join(database.file_name().context("its name")?);
    std::fs::copy(database, &there)?;
    std::fs::remove_file(database)?;
    Ok(std::os::unix::fs::symlink(there, database)?)
}

async fn large(folder: &TempDir) -> Result<Option<Place>> {
    let Some(ground) = Ground::new("isolation", folder.path()).await? else { return Ok(None) };
    let hub = ground.start_by(PROGRAM, "whole", "ingest,catalog,reporting").await?;
    let data = folder.path().join("whole");
    Ok(Some(Place::Large { ground: Box::new(ground), hub: Box::new(hub), data }))
}

async fn section(
    id: &'static str,
    title: &'static str,
    bench: &Bench,
    (place, folder): (Place, &TempDir),
) -> Result<Section> {
    let node =
        Node::start(folder.path(), NodeSpec::store(1), &place.door().await?, &["--hub-retry-s-max", "1"]).await?;
    let shop = Shop::of(node).await?;
    let till = Till::connect(&shop.door, "T1", 1).await?;
    let mut seller = Seller { place, shop, till, sold: Vec::new() };
    let mut rounds = Vec::new();
    for _ in 0..bench.rounds() {
        rounds.push(measured(&bench.scratch, async || seller.round(bench).await).await?);
    }
    let Seller { place: _place, shop, sold, .. } = seller;
    shop.close(&sold).await?;
    Ok(told(Section::new(id, title), &rounds))
}

fn told(mut section: Section, rounds: &[Measured<[Took; 1 + FAULTS.len()]>]) -> Section {
    let of = |place: usize, figure: fn(&Took) -> u64| {
        median(rounds.iter().filter_map(|round| round.value.get(place)).map(figure))
    };
    let both = |place: usize| format!("{}, {}", ms(of(place, |took| took.p50_us)), ms(of(place, |took| took.p99_us)));
    section.tell("ack p50, p99 while all is well", both(0));
    for (place, fault) in FAULTS.into_iter().enumerate().map(|(place, fault)| (place + 1, fault)) {
        section.tell(&format!("ack p50, p99 while {}", fault.words()), both(place));
        let ratios = |figure: fn(&Took) -> u64| {
            let of_round = |round: &Measured<[Took; 1 + FAULTS.len()]>| {
                Some(Ratio::new(figure(round.value.get(place)?), figure(round.value.first()?)).0)
            };
            Ratio(median(rounds.iter().filter_map(of_round)))
        };
        let (middle, slow) = (ratios(|took| took.p50_us), ratios(|took| took.p99_us));
        section.tell("  of that while all is well: p50", middle.to_string());
        section.row(
            "  of that while all is well: p99",
            slow.to_string(),
            &format!("<= {RATIO_MAX}"),
            Verdict::of(slow <= RATIO_MAX),
        );
        section.tell(
            "  acks a round; failures of reporting",
            format!("{}; {}", thousands(of(place, |took| took.acks)), of(place, |took| took.failures)),
        );
    }
    section.conditions(rounds);
    section.note(
        "One shop sells one ticket after the other, each once the one before is acknowledged: from the till's answer until the \
         shop knows that head office has it, looked at without a pause. All is well first in each round, then each fault in turn; \
         after each the reports have caught up and count every ticket once. Reporting is hurt by hand in its database (it cannot \
         write: the disk under its file is full; on a server its role may not insert). That it panics is done by a program around \
         the hub that ships, since nothing in that panics when it is told to.",
    );
    section
}
