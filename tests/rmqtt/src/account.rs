//! Accounts and their passwords, from a folder of files.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};

/// Who may come, and with which password.
pub(crate) struct Accounts(BTreeMap<String, Vec<u8>>);

impl Accounts {
    /// Reads each file `NAME.password`, whose one line is the password of the account `NAME`.
    pub(crate) fn read(folder: &Path) -> Result<Self> {
        let mut accounts = BTreeMap::new();
        for entry in fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_suffix(".password"));
            let Some(name) = name else { continue };
            let password = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
            accounts.insert(name.to_owned(), password.trim_end().as_bytes().to_vec());
        }
        ensure!(!accounts.is_empty(), "there is no account in {}: nobody could come", folder.display());
        Ok(Self(accounts))
    }

    /// Whether this is the account's password.
    pub(crate) fn is_known(&self, name: &str, password: &[u8]) -> bool {
        self.0.get(name).is_some_and(|own| own == password)
    }
}
