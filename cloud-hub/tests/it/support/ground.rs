//! Where a test's databases are: files in a scratch folder, or, where `PERCOLATE_TEST_ENGINE` is `postgres`, a database of
//! its own on the tests' server. The same tests run on both.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use cloud_hub::broker::{BrokerAccess, ExternalBroker};
use cloud_hub::config::{Large, Part, Profile};
use cloud_hub::kernel::ServiceContext;
use cloud_hub::kernel::db::Db;
use cloud_hub::kernel::engine::{ChainServer, Engine, Schema, password_path, role};
use cloud_hub::kernel::journal::{self, Journal};
use cloud_hub::prepare::{Passwords, prepare};
use cloud_hub::{catalog, identity, reporting};
use percolate_common::entropy::SeededEntropy;
use percolate_common::time::UtcMillis;
use percolate_runtime::broker::{BrokerAddresses, Credentials};
use percolate_runtime::postgres::Admin;
use percolate_runtime::storage::StorageError;
use tempfile::TempDir;

use super::events::NOON_MS;
use super::hub::StandingClock;

/// Which engine the tests run on.
const ENGINE: &str = "PERCOLATE_TEST_ENGINE";

/// Where the tests' own server is: `scripts/postgres.sh start` says.
const SERVER: &str = "PERCOLATE_TEST_POSTGRES";

/// Services that only the tests have.
const TEST_SERVICES: [&str; 2] = ["counting", "service"];

/// Databases that nobody uses any more: making one takes longer than emptying it.
static FREE: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// In a folder whose databases are on the server: which one.
const MARK: &str = "database";

/// A scratch folder, and the database that belongs to it until it is dropped.
pub(crate) struct Ground {
    folder: TempDir,
    database: Option<String>,
}

impl Ground {
    pub(crate) fn new() -> Self {
        Self::on(is_server().then(database))
    }

    /// With files, whatever the tests run on.
    pub(crate) fn of_files() -> Self {
        Self::on(None)
    }

    fn on(database: Option<String>) -> Self {
        let folder = TempDir::new().unwrap();
        if let Some(name) = &database {
            std::fs::write(folder.path().join(MARK), name).unwrap();
        }
        Self { folder, database }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// What the databases of the folder run on.
    pub(crate) fn engine(&self) -> Engine {
        engine_at(self.path())
    }

    /// On what a hub stands that has its databases on the server. Which broker it uses it is told beside.
    pub(crate) fn large(&self, token: &Path) -> Profile {
        let name = self.database.as_ref().unwrap();
        let secrets = self.path().join("secrets");
        std::fs::create_dir_all(&secrets).unwrap();
        for service in [journal::NAME, "catalog", "reporting", "identity"] {
            // The tests' server asks for none.
            std::fs::write(password_path(&secrets, &role(service)), "nothing").unwrap();
        }
        std::fs::create_dir_all(token.parent().unwrap()).unwrap();
        std::fs::write(token, "a token that all processes share").unwrap();
        let access = BrokerAccess::Account(Credentials::new("hub", "nothing"));
        let broker = ExternalBroker { addresses: BrokerAddresses::localhost(1), access };
        let parts = [Part::Ingest, Part::Catalog, Part::Reporting].into();
        Profile::Large(Box::new(Large {
            postgres: connection(name),
            secrets,
            broker,
            token: token.to_owned(),
            parts,
            drain: Duration::ZERO,
        }))
    }

    pub(crate) fn journal(&self) -> Journal {
        journal_at(self.path())
    }

    /// A database of a service that only the tests have.
    pub(crate) fn database(&self, schema: &'static Schema) -> Db {
        opened(self.path(), move |data, engine| Db::open(schema, data, engine)).unwrap()
    }
}

/// The journal of a folder of a [`Ground`], or of one below it.
pub(crate) fn journal_at(data: &Path) -> Journal {
    opened(data, Journal::open_with).unwrap()
}

/// Opens something on a thread that may block.
pub(crate) fn opened<T: Send>(data: &Path, open: impl FnOnce(&Path, &Engine) -> T + Send) -> T {
    aside(|| open(data, &engine_at(data)))
}

/// Does something on a thread that may block: a server's sessions are not for tasks.
pub(crate) fn aside<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| scope.spawn(work).join().unwrap())
}

/// Loses a database as a whole.
pub(crate) fn lose(data: &Path, name: &'static str) {
    if let Some(database) = database_at(data) {
        as_admin(&database, move |admin| admin.batch(&format!("DROP SCHEMA {name} CASCADE")));
        make_schemas(&database);
        return;
    }
    for ending in ["", "-wal", "-shm"] {
        std::fs::remove_file(data.join(format!("{name}.db{ending}"))).unwrap_or_default();
    }
}

/// Takes a backup of the databases of a stopped hub, beside them.
pub(crate) fn back_up(data: &Path) {
    match database_at(data) {
        Some(name) => as_admin("postgres", move |admin| {
            end_all(admin, &name)?;
            admin.batch(&format!("CREATE DATABASE {name}_image TEMPLATE {name}"))
        }),
        None => copy(data, &image(data)),
    }
}

/// Puts the databases of a stopped hub back to how they were.
pub(crate) fn put_back(data: &Path) {
    match database_at(data) {
        Some(name) => as_admin("postgres", move |admin| {
            admin.batch(&format!("DROP DATABASE {name} WITH (FORCE)"))?;
            admin.batch(&format!("ALTER DATABASE {name}_image RENAME TO {name}"))
        }),
        None => {
            for name in ["journal", "catalog", "reporting", "identity"] {
                for ending in ["-wal", "-shm"] {
                    std::fs::remove_file(data.join(format!("{name}.db{ending}"))).unwrap_or_default();
                }
            }
            copy(&image(data), data);
        }
    }
}

fn image(data: &Path) -> PathBuf {
    data.parent().unwrap().join("image")
}

/// Copies databases that nobody has open.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "db") {
            std::fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
        }
    }
}

/// Ends all sessions of a database, and waits until they are gone.
fn end_all(admin: &mut Admin, name: &str) -> Result<(), StorageError> {
    let end = "SELECT pg_terminate_backend(pid, 5000)::text FROM pg_stat_activity";
    admin.texts(&format!("{end} WHERE datname = '{name}' AND pid <> pg_backend_pid()"))?;
    Ok(())
}

/// Ends all sessions of a database of a [`Ground`] but those of the tests themselves, in the middle of whatever they do;
/// tells how many those were. With files there are none.
pub(crate) fn end_sessions(data: &Path) -> usize {
    let Some(name) = database_at(data) else { return 0 };
    let ended = as_admin("postgres", move |admin| {
        admin.texts(&format!("SELECT pg_terminate_backend(pid)::text FROM pg_stat_activity WHERE datname = '{name}'"))
    });
    ended.len()
}

impl Drop for Ground {
    fn drop(&mut self) {
        // Nobody knows what a test that fails leaves there.
        if let Some(name) = self.database.take().filter(|_| !std::thread::panicking()) {
            FREE.lock().unwrap().push(name);
        }
    }
}

/// Whether the tests run on a server.
#[expect(clippy::disallowed_methods, reason = "the tests' runner says what they run on; no program reads it")]
pub(crate) fn is_server() -> bool {
    std::env::var(ENGINE).is_ok_and(|engine| engine == "postgres")
}

/// What the databases of a folder of a [`Ground`], or of one below it, run on.
pub(crate) fn engine_at(data: &Path) -> Engine {
    database_at(data)
        .map_or(Engine::Threads, |name| Engine::Server(Arc::new(ChainServer::new(&connection(&name), None))))
}

/// How the superuser connects to the database of a folder of a [`Ground`] that has one.
pub(crate) fn connection_at(data: &Path) -> String {
    connection(&database_at(data).unwrap())
}

/// Which database it is, if it is one of the server's.
fn database_at(data: &Path) -> Option<String> {
    let mark = data.ancestors().take(3).map(|folder| folder.join(MARK)).find(|mark| mark.is_file());
    mark.map(|mark| std::fs::read_to_string(mark).unwrap())
}

#[expect(clippy::disallowed_methods, reason = "the tests' runner says where its server is; no program reads it")]
fn connection(database: &str) -> String {
    let server = std::env::var(SERVER).unwrap_or_else(|_| panic!("{ENGINE} is postgres, and there is no {SERVER}"));
    // The last of two words for one thing counts.
    format!("{server} dbname={database}")
}

/// A session of the superuser, on a thread that may block.
pub(crate) fn as_admin<T: Send + 'static>(
    database: &str,
    work: impl FnOnce(&mut Admin) -> Result<T, StorageError> + Send + 'static,
) -> T {
    let connection = connection(database);
    let done = std::thread::spawn(move || work(&mut Admin::connect(&connection)?)).join();
    done.unwrap().unwrap()
}

/// An empty database, with every schema at its present shape.
fn database() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let free = FREE.lock().unwrap().pop();
    if let Some(name) = free {
        let emptied = name.clone();
        as_admin(&name, move |admin| {
            end_all(admin, &emptied)?;
            admin.batch(
                "DO $$ DECLARE held RECORD; BEGIN
                    FOR held IN SELECT schemaname, tablename FROM pg_tables
                        WHERE schemaname NOT IN ('pg_catalog', 'information_schema') AND tablename <> 'schema_migration'
                        AND tablename NOT LIKE 'journal_entry_2%'
                    LOOP EXECUTE format('DELETE FROM %I.%I', held.schemaname, held.tablename); END LOOP;
                 END $$",
            )
        });
        return name;
    }
    let name = format!("t_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let made = name.clone();
    as_admin("postgres", move |admin| {
        // Of many tests that begin at once each waits for the one before it: one makes the template, and roles are the
        // whole server's.
        admin.batch("SELECT pg_advisory_lock(1)")?;
        let template = template(admin)?;
        admin.batch(&format!("CREATE DATABASE {made} TEMPLATE {template}"))
    });
    name
}

/// The database that all others are copied from, one for each build of the tests.
fn template(admin: &mut Admin) -> Result<String, StorageError> {
    let name = format!("template_{}", built_at());
    let known = admin.texts(&format!("SELECT datname::text FROM pg_database WHERE datname = '{name}'"))?;
    if known.is_empty() {
        let making = format!("{name}_making");
        admin.batch(&format!("DROP DATABASE IF EXISTS {making} WITH (FORCE)"))?;
        admin.batch(&format!("CREATE DATABASE {making} TEMPLATE template0"))?;
        make_schemas(&making);
        make_tables(Engine::Server(Arc::new(ChainServer::new(&connection(&making), None))));
        // Readers leave a little later than they are told to.
        end_all(admin, &making)?;
        admin.batch(&format!("ALTER DATABASE {making} RENAME TO {name}"))?;
    }
    Ok(name)
}

/// When the tests were built, in nanoseconds.
fn built_at() -> u128 {
    let built = std::env::current_exe().unwrap().metadata().unwrap().modified().unwrap();
    built.duration_since(UNIX_EPOCH).unwrap().as_nanos()
}

fn make_tables(engine: Engine) {
    let folder = TempDir::new().unwrap();
    let journal = Journal::open_with(folder.path(), &engine).unwrap();
    let context = ServiceContext {
        data_dir: folder.path().to_owned(),
        engine,
        journal: journal.clone(),
        clock: Arc::new(StandingClock),
        entropy: Arc::new(SeededEntropy::new(1)),
    };
    let reporting = reporting::parts(&context).unwrap();
    let identity = Db::open(&identity::SCHEMA, &context.data_dir, &context.engine).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let catalog = catalog::open(&context).await.unwrap();
        journal.quarters_ensure(UtcMillis::new(NOON_MS)).await.unwrap();
        for db in [catalog.db(), &reporting.db, &identity, journal.db()] {
            db.stop().await;
        }
    });
}

/// As `prepare-postgres` does, and the schemas of services that only the tests have.
fn make_schemas(database: &str) {
    let own = connection(database);
    as_admin(database, move |admin| {
        prepare(&own, (None, Passwords::Kept), &SeededEntropy::new(1)).unwrap_or_else(|error| panic!("{error:?}"));
        TEST_SERVICES.iter().try_for_each(|service| {
            admin.batch(&format!(
                "DO $$ BEGIN CREATE ROLE percolate_{service} LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
                 CREATE SCHEMA IF NOT EXISTS {service} AUTHORIZATION percolate_{service};
                 DO $$ BEGIN EXECUTE format('GRANT CONNECT ON DATABASE %I TO percolate_{service}', current_database());
                 END $$"
            ))
        })
    });
}
