//! Makes a PostgreSQL database ready for a chain: a schema and a role for each service, and who may read what. It may be
//! run again at any time; nothing that holds data is touched.

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

use percolate_common::entropy::Entropy;
use percolate_runtime::files::{FileError, read_text, write_secret};
use percolate_runtime::postgres::Admin;
use percolate_runtime::storage::StorageError;

use crate::kernel::engine::{password_path, role};
use crate::kernel::journal;
use crate::{catalog, identity, reporting};

/// Who has a schema beside the journal's.
const SERVICES: [&str; 3] = [catalog::NAME, reporting::NAME, identity::NAME];

/// Who may read the journal.
const READERS: &str = "percolate_reads_journal";

/// Who may read which boxes are let in.
const DOORKEEPERS: &str = "percolate_reads_auth";

/// Why a database could not be made ready.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// The server refuses, or cannot be reached.
    #[error("the PostgreSQL database cannot be made ready")]
    Storage(#[from] StorageError),
    /// A password cannot be kept.
    #[error("the folder of the passwords cannot be used")]
    Secrets(#[source] io::Error),
    /// A password cannot be read or written.
    #[error("a password cannot be read or written")]
    Secret(#[from] FileError),
    /// The role has a password that is not in the folder: of a chain that runs, or of another one.
    #[error(
        "the role {role} has a password already, and {path} is not there: name the folder that has it, or say \
         --new-passwords, which locks out whoever uses the old ones"
    )]
    OtherPasswords {
        /// The role.
        role: String,
        /// Where its password is not.
        path: PathBuf,
    },
    /// A password file holds something else.
    #[error("{path} does not hold a password of ours: remove it, and a new one is made")]
    Password {
        /// The file.
        path: PathBuf,
    },
}

/// What becomes of passwords that roles have already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passwords {
    /// They must be in the folder.
    Kept,
    /// Others are made.
    New,
}

/// Makes roles, schemas and grants, as the superuser whom the connection string names. With a folder for secrets each
/// role has a password, made once and kept there. Blocks.
///
/// # Errors
/// [`PrepareError`]: nothing was changed in the database then.
pub fn prepare(
    admin: &str,
    (secrets, passwords): (Option<&Path>, Passwords),
    entropy: &dyn Entropy,
) -> Result<(), PrepareError> {
    let mut admin = Admin::connect(admin)?;
    if let (Some(folder), Passwords::Kept) = (secrets, passwords) {
        for role in admin.texts("SELECT rolname::text FROM pg_authid WHERE rolpassword IS NOT NULL ORDER BY 1")? {
            let path = password_path(folder, &role);
            if is_ours(&role) && !path.exists() {
                return Err(PrepareError::OtherPasswords { role, path });
            }
        }
    }
    let mut passwords = Vec::new();
    for service in [journal::NAME].iter().chain(&SERVICES) {
        let password = secrets.map(|folder| kept_password(folder, &role(service), entropy)).transpose()?;
        passwords.push((role(service), password));
    }
    Ok(admin.batch(&script(&passwords))?)
}

fn is_ours(known: &str) -> bool {
    [journal::NAME].iter().chain(&SERVICES).any(|service| role(service) == known)
}

/// One transaction: a batch is one.
fn script(passwords: &[(String, Option<String>)]) -> String {
    let journal = role(journal::NAME);
    let mut sql = String::new();
    made_once(&mut sql, &format!("CREATE ROLE {READERS} NOLOGIN"));
    made_once(&mut sql, &format!("CREATE ROLE {DOORKEEPERS} NOLOGIN"));
    for (role, password) in passwords {
        made_once(&mut sql, &format!("CREATE ROLE {role} LOGIN"));
        if let Some(password) = password {
            line(&mut sql, &format!("ALTER ROLE {role} PASSWORD '{password}'"));
        }
        line(
            &mut sql,
            &format!(
                "DO $$ BEGIN EXECUTE format('GRANT CONNECT ON DATABASE %I TO {role}', current_database()); END $$"
            ),
        );
    }
    line(&mut sql, "DO $$ BEGIN EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database()); END $$");
    line(&mut sql, "REVOKE ALL ON SCHEMA public FROM PUBLIC");
    line(&mut sql, &format!("CREATE SCHEMA IF NOT EXISTS journal AUTHORIZATION {journal}"));
    line(&mut sql, &format!("GRANT USAGE ON SCHEMA journal TO {READERS}"));
    line(
        &mut sql,
        &format!("ALTER DEFAULT PRIVILEGES FOR ROLE {journal} IN SCHEMA journal GRANT SELECT ON TABLES TO {READERS}"),
    );
    for service in SERVICES {
        let role = role(service);
        line(&mut sql, &format!("GRANT {READERS} TO {role}"));
        line(&mut sql, &format!("CREATE SCHEMA IF NOT EXISTS {service} AUTHORIZATION {role}"));
        // What a service says is copied into the journal: its outbox is granted by its migration. So is the list of who is
        // let in, to those who let in.
        line(&mut sql, &format!("GRANT USAGE ON SCHEMA {service} TO {journal}"));
    }
    line(&mut sql, &format!("GRANT {DOORKEEPERS} TO {journal}"));
    sql
}

fn line(sql: &mut String, statement: &str) {
    writeln!(sql, "{statement};").unwrap_or_default();
}

/// A role belongs to the whole server, and may be there from another database.
fn made_once(sql: &mut String, statement: &str) {
    line(sql, &format!("DO $$ BEGIN {statement}; EXCEPTION WHEN duplicate_object THEN NULL; END $$"));
}

/// The password of a role: 32 hexadecimal digits, made once.
fn kept_password(folder: &Path, role: &str, entropy: &dyn Entropy) -> Result<String, PrepareError> {
    std::fs::create_dir_all(folder).map_err(PrepareError::Secrets)?;
    let path = password_path(folder, role);
    if let Some(text) = read_text(&path)? {
        let password = text.trim_end();
        let is_ours = password.len() == 32 && password.bytes().all(|byte| byte.is_ascii_hexdigit());
        return if is_ours { Ok(password.to_owned()) } else { Err(PrepareError::Password { path }) };
    }
    let password = format!("{:016x}{:016x}", entropy.next_u64(), entropy.next_u64());
    write_secret(&path, password.as_bytes())?;
    Ok(password)
}

#[cfg(test)]
mod tests {
    use percolate_common::entropy::SeededEntropy;

    use super::*;

    #[test]
    fn a_password_is_made_once_and_nothing_else_is_taken_for_one() {
        let folder = tempfile::TempDir::new().unwrap();
        let entropy = SeededEntropy::new(1);
        let first = kept_password(folder.path(), "percolate_journal", &entropy).unwrap();
        assert_eq!(first.len(), 32);
        assert_eq!(kept_password(folder.path(), "percolate_journal", &entropy).unwrap(), first);
        assert_ne!(kept_password(folder.path(), "percolate_catalog", &entropy).unwrap(), first);
        let path = password_path(folder.path(), "percolate_journal");
        std::fs::write(&path, "x'; DROP SCHEMA journal; --").unwrap();
        let refused = kept_password(folder.path(), "percolate_journal", &entropy).unwrap_err();
        assert!(refused.to_string().contains("percolate_journal.password"), "{refused}");
    }
}
