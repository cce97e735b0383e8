//! The list of revoked certificates, for brokers that know no other: a file beside the CA, made anew whenever a box is shut out,
//! and daily.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use percolate_common::identity::pem::{Label, PemError, encode};
use percolate_common::identity::serial::Serial;
use percolate_common::time::UtcMillis;
use percolate_runtime::files::{FileError, write_atomic};
use percolate_runtime::pki::PkiError;
use percolate_runtime::storage::StorageError;
use percolate_runtime::tasks;
use tokio_util::sync::CancellationToken;

use super::app::IdentityApp;
use super::issuer::Issuer;
use crate::kernel::auth::store::{DeviceState, device_list};

/// Its file, in the CA's folder.
pub(crate) const CRL_FILE: &str = "chain.crl";

/// So long it holds, in milliseconds: a broker that has an older one lets nobody in.
const HOLDS_MS: i64 = 7 * DAY_MS;

/// It is made anew after so long, though nobody was shut out, in milliseconds.
const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

/// It holds from so much before it is made, in milliseconds: the broker's clock may be behind.
const BACKDATED_MS: i64 = 60 * 60 * 1_000;

/// How often it is looked whether a day is over.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// Two of them are so far apart at least, since a broker is reloaded for each. Their seconds differ, as a reader may want it that
/// has both.
const APART: Duration = Duration::from_millis(1_100);

/// Why it was not written. It is tried again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CrlError {
    /// Who was shut out cannot be read.
    #[error("the revoked certificates cannot be read")]
    Storage(#[from] StorageError),
    /// It cannot be made.
    #[error("the list of revoked certificates cannot be made")]
    Pki(#[from] PkiError),
    /// It cannot be written as text.
    #[error("the list of revoked certificates cannot be written as text")]
    Pem(#[from] PemError),
    /// Its file cannot be written.
    #[error("the file of the list of revoked certificates cannot be written")]
    File(#[from] FileError),
    /// Writing it panicked.
    #[error("writing the list of revoked certificates panicked")]
    Panicked,
}

/// What was revoked, and since when.
type Revoked = BTreeMap<Serial, UtcMillis>;

/// Keeps the file as it should be until it is stopped.
pub(crate) async fn keep(app: Arc<IdentityApp>, stop: CancellationToken) -> Result<(), CrlError> {
    let mut changes = app.auth().changes();
    let mut written: Option<(Revoked, UtcMillis)> = None;
    while !stop.is_cancelled() {
        changes.mark_unchanged();
        let now = app.now();
        let revoked = revoked(&app, now).await?;
        let stands = written.as_ref().is_some_and(|(known, at)| {
            known.keys().eq(revoked.keys()) && (0..DAY_MS).contains(&now.get().saturating_sub(at.get()))
        });
        if !stands {
            let (issuer, list) = (app.issuer().clone(), revoked.clone());
            let done = tasks::blocking(move || write(&issuer, &list, now)).await;
            done.unwrap_or(Err(CrlError::Panicked))?;
            written = Some((revoked, now));
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(APART) => {}
            }
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
            changed = changes.changed() => if changed.is_err() { return Ok(()) },
        }
    }
    Ok(())
}

/// All that was revoked, also before the database was put back.
async fn revoked(app: &IdentityApp, now: UtcMillis) -> Result<Revoked, StorageError> {
    let devices = app.db().read_async(device_list).await?;
    let mut revoked: Revoked = app.issuer().kept().serials().into_iter().map(|serial| (serial, now)).collect();
    let known = devices.into_iter().filter(|device| device.state == DeviceState::Revoked);
    revoked.extend(known.map(|device| (device.serial, device.changed_at)));
    Ok(revoked)
}

fn write(issuer: &Issuer, revoked: &Revoked, now: UtcMillis) -> Result<(), CrlError> {
    let at = |by_ms: i64| UtcMillis::new(now.get().saturating_add(by_ms));
    let list: Vec<_> = revoked.iter().map(|(serial, since)| (serial.clone(), *since)).collect();
    let count = u64::try_from(now.get()).unwrap_or_default();
    let made = issuer.authority().crl(count, &list, at(-BACKDATED_MS), at(HOLDS_MS))?;
    let path: &Path = &issuer.folder().join(CRL_FILE);
    Ok(write_atomic(path, encode(Label::RevocationList, &made)?.as_bytes())?)
}
