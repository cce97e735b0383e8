//! Moves a chain from the files of a small hub to the database of a large one, without loss and while its shops sell. It may
//! be killed at any step and is run again; each step finds what the one before it left.
//!
//! While the hub runs, its journals are copied, and the reports are folded there. Then it is stopped; what came in between
//! is copied, everything is compared, and only then the files are sealed: no moment has two hubs that take in sales.

mod tables;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use percolate_common::entropy::Entropy;
use percolate_common::time::Clock;
use percolate_runtime::files::{DataDir, FileError, read_text, write_secret};
use percolate_runtime::storage::StorageError;

use crate::kernel::ServiceContext;
use crate::kernel::db::Db;
use crate::kernel::engine::{ChainServer, Engine, Schema};
use crate::kernel::journal::{
    Journal, StreamState, arrived_set, arriving, arriving_set, entries_copy, entry_list, moved_set, stream_copy,
    stream_list,
};
use crate::kernel::projection::ProjectionError;
use crate::{catalog, identity, reporting};
use tables::{CATALOG, IDENTITY, JOURNAL, REPORTING, Table};

/// Entries of one transaction.
const PORTION_ENTRIES: usize = 5_000;

/// The hub is asked to be stopped when no more entries than this came in during a round of copying.
const ROUND_ENTRIES_FEW: u64 = 10_000;

/// Which chain it is, in the data folder.
const CHAIN_FILE: &str = "chain-id";

/// How often it is looked whether the hub was stopped.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// Why a chain was not moved, or not to the end.
#[derive(Debug, thiserror::Error)]
pub enum MoveError {
    /// A database cannot be opened, read or written.
    #[error("{what} cannot be used")]
    Storage {
        /// Which one.
        what: &'static str,
        /// The cause.
        #[source]
        source: StorageError,
    },
    /// The reports cannot be folded.
    #[error("the reports cannot be folded")]
    Projection(#[from] ProjectionError),
    /// The data folder cannot be used.
    #[error("the data folder cannot be used")]
    Folder(#[from] FileError),
    /// The folder holds no hub.
    #[error("{data_dir} holds no small hub: there is no journal.db")]
    NoHub {
        /// The folder.
        data_dir: PathBuf,
    },
    /// The file that names the chain holds something else.
    #[error("{path} does not name a chain")]
    ChainFile {
        /// The file.
        path: PathBuf,
    },
    /// The database holds another chain, or one that began there.
    #[error("the database holds another chain already: name an empty one")]
    OtherChain,
    /// An entry in the files does not continue its journal.
    #[error("entry {seq} of {journal} in the files does not continue its journal: the file is damaged")]
    Damaged {
        /// Which journal.
        journal: String,
        /// The entry.
        seq: u64,
    },
    /// The two are not the same.
    #[error("{what} on the server is not what is in the files; nothing was sealed, the small hub may be started again")]
    Differs {
        /// What of them.
        what: String,
    },
}

fn failed(what: &'static str) -> impl FnOnce(StorageError) -> MoveError {
    move |source| MoveError::Storage { what, source }
}

/// From where to where.
#[derive(Debug, Clone)]
pub struct Route {
    /// The small hub's folder.
    pub data_dir: PathBuf,
    /// The large hub's database.
    pub server: Arc<ChainServer>,
}

/// What time it is, and chance.
pub type TimeAndChance = (Arc<dyn Clock>, Arc<dyn Entropy>);

struct Move {
    files: Journal,
    server: Journal,
    /// The services on the server.
    context: ServiceContext,
    catalog: Db,
    identity: Db,
    chain: u64,
}

/// Moves a chain, and tells by the log how far it is.
///
/// # Errors
/// [`MoveError`]: run it again once the cause is away.
pub async fn move_to_large(route: Route, time_and_chance: TimeAndChance) -> Result<(), MoveError> {
    let (clock, entropy) = time_and_chance;
    if !route.data_dir.join("journal.db").is_file() {
        return Err(MoveError::NoHub { data_dir: route.data_dir });
    }
    let chain = chain_of(&route.data_dir, &*entropy)?;
    tracing::info!("step 1: looking at both sides");
    let moving = Move::open(&route, chain, (clock.clone(), entropy.clone())).await?;
    if moving.begin().await? {
        tracing::info!("the chain has been moved; start it with --profile large");
        return Ok(());
    }
    let engine = moving.context.engine.clone();
    let own = moving.context.clone();
    let mut large = engine.opened(move || reporting::parts(&own)).await.map_err(failed("the reports on the server"))?;
    let runner = large.projections.remove(0);
    loop {
        let copied = moving.copy_journals().await?;
        tracing::info!(copied, "step 2: {copied} entries were copied");
        runner.catch_up().await?;
        tracing::info!("step 3: the reports were folded there");
        if copied < ROUND_ENTRIES_FEW {
            break;
        }
    }
    let _alone = stopped(&route.data_dir).await?;
    let copied = moving.copy_journals().await?;
    moving.copy_tables(&route.data_dir, &large.db).await?;
    tracing::info!(copied, "step 5: {copied} more entries and all small tables were copied");
    runner.catch_up().await?;
    moving.compare(&route.data_dir, &large.db).await?;
    tracing::info!("step 6: both sides are the same, row by row");
    moving.seal(&route.data_dir).await?;
    tracing::info!("step 7: the files are sealed; no small hub starts on them any more");
    moving.arrive().await?;
    tracing::info!("step 8: the chain has been moved; start it with --profile large");
    for db in [&large.db, &moving.catalog, &moving.identity, moving.server.db()] {
        db.stop().await;
    }
    Ok(())
}

/// Made once, and kept beside the files.
fn chain_of(data_dir: &Path, entropy: &dyn Entropy) -> Result<u64, MoveError> {
    let path = data_dir.join(CHAIN_FILE);
    if let Some(text) = read_text(&path)? {
        return u64::from_str_radix(text.trim(), 16).map_err(|_malformed| MoveError::ChainFile { path });
    }
    let chain = entropy.next_u64();
    write_secret(&path, format!("{chain:016x}\n").as_bytes())?;
    Ok(chain)
}

/// Waits until no hub runs on the folder, and keeps any from starting.
async fn stopped(data_dir: &Path) -> Result<DataDir, MoveError> {
    let mut told = false;
    loop {
        match DataDir::open(data_dir) {
            Ok(alone) => return Ok(alone),
            Err(FileError::InUse { .. }) => {
                if !std::mem::replace(&mut told, true) {
                    tracing::info!("step 4: stop the small hub now; shops sell on, and what they sell waits in them");
                }
                tokio::time::sleep(LOOK_AGAIN).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

impl Move {
    async fn open(route: &Route, chain: u64, (clock, entropy): TimeAndChance) -> Result<Self, MoveError> {
        let engine = Engine::Server(route.server.clone());
        let data_dir = route.data_dir.clone();
        let files = engine.opened(move || Journal::open_file(&data_dir)).await.map_err(failed("journal.db"))?;
        let (data_dir, own) = (route.data_dir.clone(), engine.clone());
        let server = engine.opened(move || Journal::open_with(&data_dir, &own)).await;
        let server = server.map_err(failed("the journal on the server"))?;
        server.quarters_ensure(clock.now()).await.map_err(failed("the journal on the server"))?;
        let (data_dir, own) = (route.data_dir.clone(), engine.clone());
        let catalog = engine.opened(move || Db::open(&catalog::SCHEMA, &data_dir, &own)).await;
        let catalog = catalog.map_err(failed("the catalog on the server"))?;
        let (data_dir, own) = (route.data_dir.clone(), engine.clone());
        let identity = engine.opened(move || Db::open(&identity::SCHEMA, &data_dir, &own)).await;
        let identity = identity.map_err(failed("identity on the server"))?;
        let data_dir = route.data_dir.clone();
        let context = ServiceContext { data_dir, engine, journal: server.clone(), clock, entropy };
        Ok(Self { files, server, context, catalog, identity, chain })
    }

    /// Tells whether it has ended before.
    async fn begin(&self) -> Result<bool, MoveError> {
        let what = "the journal on the server";
        let (found, held) = self
            .server
            .db()
            .read_async(|tx| Ok::<_, StorageError>((arriving(tx)?, stream_list(tx)?.len())))
            .await
            .map_err(failed(what))?;
        match found {
            Some((chain, arrived)) if chain == self.chain => return Ok(arrived),
            None if held == 0 => {}
            Some(_) | None => return Err(MoveError::OtherChain),
        }
        let chain = self.chain;
        self.server.db().write("move_begin", move |tx| arriving_set(tx, chain)).await.map_err(failed(what))?;
        Ok(false)
    }

    /// Copies what the server does not hold yet, and tells how many entries that were.
    async fn copy_journals(&self) -> Result<u64, MoveError> {
        let states = self.files.db().read_async(stream_list).await.map_err(failed("journal.db"))?;
        let here = self.server.db().read_async(stream_list).await.map_err(failed("the journal on the server"))?;
        let due: u64 = states.iter().map(|state| state.head.seq).sum();
        let mut done: u64 = here.iter().map(|state| state.head.seq).sum();
        let from = done;
        for state in &states {
            let held = here.iter().find(|held| held.journal == state.journal).map(|held| held.head);
            let mut head = held.unwrap_or_else(|| state.journal.genesis());
            while head.seq < state.head.seq {
                let (journal, after) = (state.journal, head);
                let read =
                    self.files.db().read_async(move |tx| entry_list(tx, &journal, after.seq, PORTION_ENTRIES)).await;
                let entries = read.map_err(failed("journal.db"))?;
                for entry in &entries {
                    let next = head.after(&entry.bytes);
                    if (next.seq, next.hash) != (entry.seq, entry.hash) {
                        return Err(MoveError::Damaged { journal: journal.to_string(), seq: entry.seq });
                    }
                    head = next;
                }
                if head == after {
                    break;
                }
                let (now, count) = (self.context.clock.now(), entries.len() as u64);
                let kept = self.server.db().write("move", move |tx| entries_copy(tx, &journal, after, &entries, now));
                kept.await.map_err(failed("the journal on the server"))?;
                done += count;
                tracing::info!(done, due, "{done} of {due} entries");
            }
        }
        Ok(done - from)
    }

    /// What is small, emptied and written as a whole. Nobody writes the files any more.
    async fn copy_tables(&self, data_dir: &Path, reports: &Db) -> Result<(), MoveError> {
        let states = self.files.db().read_async(stream_list).await.map_err(failed("journal.db"))?;
        let rows = read_tables(self.files.db(), &JOURNAL, true).await.map_err(failed("journal.db"))?;
        let written = self.server.db().write("move_tables", move |tx| {
            states.iter().try_for_each(|state| stream_copy(tx, state))?;
            JOURNAL.iter().zip(&rows).try_for_each(|(table, rows)| table.fill(tx, rows))
        });
        written.await.map_err(failed("the journal on the server"))?;
        for (schema, server, tables, file) in self.services(reports) {
            let files = self.file(schema, data_dir, file).await?;
            let rows = read_tables(&files, tables, true).await.map_err(failed(file))?;
            let written = server.write("move_tables", move |tx| {
                tables.iter().zip(&rows).try_for_each(|(table, rows)| table.fill(tx, rows))
            });
            written.await.map_err(failed("a service's tables on the server"))?;
        }
        Ok(())
    }

    /// Whose tables are moved besides the journal's: what makes them, where they go, and which file has them.
    fn services<'d>(&'d self, reports: &'d Db) -> [(&'static Schema, &'d Db, &'static [Table], &'static str); 3] {
        [
            (&catalog::SCHEMA, &self.catalog, &CATALOG, "catalog.db"),
            (&identity::SCHEMA, &self.identity, &IDENTITY, "identity.db"),
            (&reporting::SCHEMA, reports, &REPORTING, "reporting.db"),
        ]
    }

    async fn file(&self, schema: &'static Schema, data_dir: &Path, name: &'static str) -> Result<Db, MoveError> {
        let data_dir = data_dir.to_owned();
        self.context.engine.opened(move || Db::open_file(schema, &data_dir)).await.map_err(failed(name))
    }

    /// Everything of both sides, row by row.
    async fn compare(&self, data_dir: &Path, reports: &Db) -> Result<(), MoveError> {
        let of_files = self.files.db().read_async(stream_list).await.map_err(failed("journal.db"))?;
        let of_server = self.server.db().read_async(stream_list).await.map_err(failed("the journal on the server"))?;
        differs(of_files == of_server, || "how far the journals reach".to_owned())?;
        for state in &of_files {
            self.compare_journal(state).await?;
        }
        compare_tables((self.files.db(), "journal.db"), self.server.db(), &JOURNAL).await?;
        for (schema, server, tables, file) in self.services(reports) {
            compare_tables((&self.file(schema, data_dir, file).await?, file), server, tables).await?;
        }
        self.compare_reports(data_dir, reports).await
    }

    async fn compare_journal(&self, state: &StreamState) -> Result<(), MoveError> {
        let (journal, mut after) = (state.journal, 0);
        while after < state.head.seq {
            let read =
                move |tx: &percolate_runtime::storage::ReadTx<'_>| entry_list(tx, &journal, after, PORTION_ENTRIES);
            let of_files = self.files.db().read_async(read).await.map_err(failed("journal.db"))?;
            let of_server = self.server.db().read_async(read).await.map_err(failed("the journal on the server"))?;
            differs(of_files == of_server && !of_files.is_empty(), || format!("{journal} after entry {after}"))?;
            after = of_files.last().map_or(state.head.seq, |last| last.seq);
        }
        Ok(())
    }

    /// The reports in the files are brought to the end of the journal first: the hub may have been stopped before.
    async fn compare_reports(&self, data_dir: &Path, of_server: &Db) -> Result<(), MoveError> {
        let context = ServiceContext {
            data_dir: data_dir.to_owned(),
            engine: Engine::Threads,
            journal: self.files.clone(),
            ..self.context.clone()
        };
        let parts = context.engine.opened({
            let context = context.clone();
            move || reporting::parts(&context)
        });
        let small = parts.await.map_err(failed("reporting.db"))?;
        for runner in &small.projections {
            runner.catch_up().await?;
        }
        let digest = |db: &Db| {
            let db = db.clone();
            self.context.engine.opened(move || reporting::digest_of(&db))
        };
        let of_files = digest(&small.db).await.map_err(failed("reporting.db"))?;
        let of_server = digest(of_server).await.map_err(failed("the reports on the server"))?;
        small.db.stop().await;
        let other = of_files.iter().zip(&of_server).find(|(file, server)| file != server);
        differs(other.is_none(), || format!("the table {} of the reports", other.map_or("", |((table, _), _)| table)))
    }

    async fn seal(&self, data_dir: &Path) -> Result<(), MoveError> {
        let (data_dir, chain, now) = (data_dir.to_owned(), self.chain, self.context.clock.now());
        let sealed = self.context.engine.opened(move || {
            let files = Journal::open(&data_dir)?;
            let sealed = files.db().write_blocking("move_seal", move |tx| moved_set(tx, chain, now));
            files.db().stop_blocking();
            sealed
        });
        sealed.await.map_err(failed("journal.db"))
    }

    async fn arrive(&self) -> Result<(), MoveError> {
        let chain = self.chain;
        let arrived = self.server.db().write("move_end", move |tx| arrived_set(tx, chain)).await;
        arrived.map_err(failed("the journal on the server"))
    }
}

fn differs(same: bool, what: impl FnOnce() -> String) -> Result<(), MoveError> {
    if same { Ok(()) } else { Err(MoveError::Differs { what: what() }) }
}

async fn read_tables(
    db: &Db,
    tables: &'static [Table],
    is_file: bool,
) -> Result<Vec<Vec<tables::Cells>>, StorageError> {
    db.read_async(move |tx| tables.iter().map(|table| table.rows(tx, is_file)).collect()).await
}

async fn compare_tables(
    (files, name): (&Db, &'static str),
    server: &Db,
    tables: &'static [Table],
) -> Result<(), MoveError> {
    let of_files = read_tables(files, tables, true).await.map_err(failed(name))?;
    let of_server = read_tables(server, tables, false).await.map_err(failed("the database on the server"))?;
    let rows = of_files.iter().zip(&of_server);
    let other = tables.iter().zip(rows).find(|(_, (files, server))| files != server).map(|(table, _)| table.name);
    differs(other.is_none(), || format!("the table {}", other.unwrap_or_default()))
}
