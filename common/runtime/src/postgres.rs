//! PostgreSQL as this project uses it: where a database is, its connections and how they are set, and what their
//! failures mean. No query of ours stands here.
//!
//! A session blocks, and runs an executor of its own to do so: it is opened, used and dropped on threads that may block,
//! never on one that runs tasks.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use postgres::config::Host;
use postgres::types::ToSql;
use postgres::{Client, Config, NoTls, Row, Statement};

use crate::storage::{StorageError, Value};

/// The oldest server that is taken: 15, as the server counts.
const VERSION_MIN: i64 = 150_000;

/// How long a server may take to answer a connection.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(5);

/// How many prepared statements a session keeps; beyond that it begins anew.
const STATEMENTS_CACHED: usize = 256;

/// What every session is told: an answered command survives a power cut; nobody waits for ever, for a lock least of all; a
/// session that hangs with a lock loses it; and a plan is made for the partition that is asked for.
const SETTINGS: &str = "SET synchronous_commit = on; SET statement_timeout = '30s'; SET lock_timeout = '5s';
    SET idle_in_transaction_session_timeout = '30s'; SET client_min_messages = warning; SET plan_cache_mode = force_custom_plan";

/// A schema on a PostgreSQL server, and as whom it is used.
#[derive(Clone)]
pub struct Server {
    config: Config,
    schema: String,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The configuration leaves its password out.
        f.debug_struct("Server").field("config", &self.config).field("schema", &self.schema).finish()
    }
}

impl Server {
    /// A schema of the database that a connection string names, as in `host=/run/postgresql dbname=percolate`.
    ///
    /// # Errors
    /// [`StorageError::Query`] if the string is none, or the schema's name is not made of small letters, digits and `_`.
    pub fn new(connection: &str, schema: &str) -> Result<Self, StorageError> {
        let mut config: Config = connection.parse()?;
        let is_letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if schema.is_empty() || !schema.chars().all(is_letter) {
            let detail = format!("{schema:?} cannot be a schema: small letters, digits and _ are expected");
            return Err(StorageError::Unsound { detail });
        }
        config.connect_timeout(CONNECT_TIME_MAX).application_name(schema);
        Ok(Self { config, schema: schema.to_owned() })
    }

    /// The same as another role.
    #[must_use]
    pub fn with_role(mut self, role: &str, password: Option<&str>) -> Self {
        self.config.user(role);
        if let Some(password) = password {
            self.config.password(password);
        }
        self
    }

    /// The first host that leads off this machine, if there is one: neither a socket's folder nor a loopback address. A
    /// name other than `localhost` may lead anywhere.
    #[must_use]
    pub fn remote_host(&self) -> Option<String> {
        // Where an address stands beside a name, the address is connected to.
        let addresses = self.config.get_hostaddrs().iter();
        let mut remote = addresses.filter(|address| !address.is_loopback()).map(ToString::to_string);
        if !self.config.get_hostaddrs().is_empty() {
            return remote.next();
        }
        self.config.get_hosts().iter().find_map(|host| match host {
            Host::Unix(_) => None,
            Host::Tcp(name) => {
                let is_here = name == "localhost" || name.parse().is_ok_and(|address: IpAddr| address.is_loopback());
                (!is_here).then(|| name.clone())
            }
        })
    }

    /// Whether the connection string holds a password.
    #[must_use]
    pub fn has_password(&self) -> bool {
        self.config.get_password().is_some()
    }

    /// The schema's name.
    #[must_use]
    pub fn schema(&self) -> &str {
        &self.schema
    }

    /// A session that may write.
    pub(crate) fn open_writer(&self) -> Result<Session, StorageError> {
        self.open("")
    }

    /// A session that cannot write.
    pub(crate) fn open_reader(&self) -> Result<Session, StorageError> {
        self.open("SET default_transaction_read_only = on")
    }

    fn open(&self, more: &str) -> Result<Session, StorageError> {
        let mut client = self.config.connect(NoTls)?;
        check(&mut client)?;
        client.batch_execute(&format!("{SETTINGS}; SET search_path = {}; {more}", self.schema))?;
        Ok(Session { client: RefCell::new(client), statements: RefCell::default() })
    }
}

/// A connection to a database on a server for whoever makes what services stand on: roles and schemas.
pub struct Admin(Client);

impl fmt::Debug for Admin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admin").finish_non_exhaustive()
    }
}

impl Admin {
    /// Connects as whom the connection string says. Blocks.
    ///
    /// # Errors
    /// [`StorageError`] if the server cannot be reached, or is none that is taken.
    pub fn connect(connection: &str) -> Result<Self, StorageError> {
        let mut config: Config = connection.parse()?;
        config.connect_timeout(CONNECT_TIME_MAX).application_name("percolate-admin");
        let mut client = config.connect(NoTls)?;
        check(&mut client)?;
        Ok(Self(client))
    }

    /// Runs statements that bind nothing and find nothing.
    ///
    /// # Errors
    /// [`StorageError`] of the first that fails; several are one transaction.
    pub fn batch(&mut self, sql: &str) -> Result<(), StorageError> {
        Ok(self.0.batch_execute(sql)?)
    }

    /// The first cell of each row of a query, which must be text.
    ///
    /// # Errors
    /// [`StorageError`] if the query fails or the cell is no text.
    pub fn texts(&mut self, sql: &str) -> Result<Vec<String>, StorageError> {
        let rows = self.0.query(sql, &[])?;
        rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
    }
}

/// Refuses a server that would not keep what it has confirmed, or orders texts in another way.
fn check(client: &mut Client) -> Result<(), StorageError> {
    let row = client.query_one(
        "SELECT current_setting('server_version_num')::bigint, pg_is_in_recovery(), current_setting('server_encoding'),
                current_setting('fsync'), current_setting('full_page_writes')",
        &[],
    )?;
    let (version, is_standby): (i64, bool) = (row.try_get(0)?, row.try_get(1)?);
    let (encoding, fsync, pages): (&str, &str, &str) = (row.try_get(2)?, row.try_get(3)?, row.try_get(4)?);
    let refused = |detail: String| Err(StorageError::Unsound { detail });
    if version < VERSION_MIN {
        return refused(format!("the PostgreSQL server has version {}: 15 or newer is needed", version / 10_000));
    }
    if is_standby {
        return refused("the PostgreSQL server is a standby: name the primary".to_owned());
    }
    if encoding != "UTF8" {
        return refused(format!("the database is encoded as {encoding}: UTF8 is needed"));
    }
    if fsync != "on" || pages != "on" {
        return refused(
            "fsync or full_page_writes is off: the PostgreSQL server would lose what it confirmed".to_owned(),
        );
    }
    Ok(())
}

/// A connection and its prepared statements.
pub(crate) struct Session {
    client: RefCell<Client>,
    statements: RefCell<HashMap<Box<str>, Statement>>,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").finish_non_exhaustive()
    }
}

impl Session {
    /// Runs statements that bind nothing and find nothing, in one round trip.
    pub(crate) fn batch(&self, sql: &str) -> Result<(), StorageError> {
        Ok(self.client.borrow_mut().batch_execute(sql)?)
    }

    /// Runs a statement and tells how many rows it changed.
    pub(crate) fn execute(&self, sql: &str, params: &[Value<'_>]) -> Result<usize, StorageError> {
        let statement = self.prepared(sql)?;
        let changed = self.client.borrow_mut().execute(&statement, &bound(params))?;
        Ok(usize::try_from(changed).unwrap_or(usize::MAX))
    }

    /// All rows of a query.
    pub(crate) fn query(&self, sql: &str, params: &[Value<'_>]) -> Result<Vec<Row>, StorageError> {
        let statement = self.prepared(sql)?;
        Ok(self.client.borrow_mut().query(&statement, &bound(params))?)
    }

    /// The one cell of a query that binds nothing, which must be text.
    pub(crate) fn text(&self, sql: &str) -> Result<String, StorageError> {
        let statement = self.prepared(sql)?;
        Ok(self.client.borrow_mut().query_one(&statement, &[])?.try_get(0)?)
    }

    /// Whether nothing can be asked any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.client.borrow().is_closed()
    }

    fn prepared(&self, sql: &str) -> Result<Statement, StorageError> {
        if let Some(statement) = self.statements.borrow().get(sql) {
            return Ok(statement.clone());
        }
        let statement = self.client.borrow_mut().prepare(&numbered(sql))?;
        let mut statements = self.statements.borrow_mut();
        if statements.len() >= STATEMENTS_CACHED {
            statements.clear();
        }
        statements.insert(sql.into(), statement.clone());
        Ok(statement)
    }
}

fn bound<'v>(params: &'v [Value<'_>]) -> Vec<&'v (dyn ToSql + Sync)> {
    params.iter().map(|value| value as &(dyn ToSql + Sync)).collect()
}

/// A common text as this engine reads it: `?1` is `$1`.
fn numbered(sql: &str) -> String {
    let mut text = String::with_capacity(sql.len());
    let mut characters = sql.chars().peekable();
    while let Some(character) = characters.next() {
        let is_place = character == '?' && characters.peek().is_some_and(char::is_ascii_digit);
        text.push(if is_place { '$' } else { character });
    }
    text
}

impl From<postgres::Error> for StorageError {
    fn from(error: postgres::Error) -> Self {
        let state = error.code().map(|state| state.code().to_owned());
        let is_broken = error.is_closed() || has_io_cause(&error);
        // Of two sessions that make the same table at once, the slower hears of the server's own catalog.
        let made_at_once = error.as_db_error().is_some_and(|error| error.schema() == Some("pg_catalog"));
        let cause = Arc::new(error);
        match state.as_deref() {
            None if is_broken => Self::Unreachable(cause),
            Some("53100") => Self::DiskFull(cause),
            Some("25006") => Self::ReadOnly(cause),
            Some("58030") => Self::Io(cause),
            Some("XX001" | "XX002") => Self::Corrupt(cause),
            Some("42501" | "3D000") => Self::Denied(cause),
            // The last: it takes no more connections.
            Some("57P01" | "57P02" | "57P03" | "53300") => Self::Unreachable(cause),
            Some("40001" | "40P01" | "55P03") => Self::Conflict(cause),
            Some("23505") if made_at_once => Self::Conflict(cause),
            Some("53200" | "57014") => Self::Busy(cause),
            Some(state) if state.starts_with("28") => Self::Denied(cause),
            Some(state) if state.starts_with("08") => Self::Unreachable(cause),
            Some(_) | None => Self::Query(cause),
        }
    }
}

/// Whether the connection failed, and not what was asked on it.
fn has_io_cause(error: &postgres::Error) -> bool {
    let causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    causes.into_iter().any(|cause| cause.is::<std::io::Error>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_numbered_as_the_engine_does() {
        assert_eq!(numbered("SELECT a FROM b WHERE c = ?1 AND d < ?12"), "SELECT a FROM b WHERE c = $1 AND d < $12");
        assert_eq!(numbered("SELECT 'why?'"), "SELECT 'why?'");
    }

    #[test]
    fn a_schema_is_a_plain_name() {
        assert!(Server::new("host=/nowhere dbname=x", "journal").is_ok());
        for name in ["", "a b", "a;", "Journal", "a\"b"] {
            assert!(Server::new("host=/nowhere dbname=x", name).is_err(), "{name}");
        }
        assert!(Server::new("host", "journal").is_err());
    }

    #[test]
    fn a_server_that_is_not_there_is_unreachable_and_its_password_is_not_told() {
        let server = Server::new("host=/nowhere/at/all dbname=x", "journal").unwrap().with_role("ada", Some("secret"));
        assert!(matches!(server.open_reader(), Err(StorageError::Unreachable(_))));
        assert!(!format!("{server:?}").contains("secret"), "{server:?}");
    }
}
