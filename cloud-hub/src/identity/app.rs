//! What identity does: shops are planned, bundles made, boxes let in, and shut out.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use percolate_common::entropy::Entropy;
use percolate_common::identity::acceptance::AcceptanceV1;
use percolate_common::identity::bundle::BundleError;
use percolate_common::identity::names::ChainId;
use percolate_common::identity::site::SiteV1;
use percolate_common::ids::{NodeId, StoreId};
use percolate_common::journal::Signature;
use percolate_common::time::{Clock, UtcMillis};
use percolate_runtime::enrolment::{EnrolmentAnswer, EnrolmentAsked, EnrolmentRefusal, Issued, RenewalAsked};
use percolate_runtime::pki::{CertificateDer, PkiError, SanName};
use percolate_runtime::seal::CloseError;
use percolate_runtime::storage::StorageError;
use percolate_runtime::tasks;

use super::Addresses;
use super::check::Fault;
use super::enrol::{self, Enrolled, Given};
use super::issuer::{Issuer, OwnPapers};
use super::plans::MenuSeen;
use super::store::{SiteRow, acceptance_keep, codes_of_store_end, site_by_node, site_list};
use crate::kernel::auth::Auth;
use crate::kernel::auth::store::{Device, DeviceState, device_list, device_state_set, node_device_list};
use crate::kernel::db::Db;
use crate::kernel::journal::Journal;

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The database failed.
    #[error("identity's database cannot be used")]
    Storage(#[from] StorageError),
    /// Nobody has planned this shop.
    #[error("no shop has the number {0}: plan it first (provision store create)")]
    StoreUnknown(StoreId),
    /// The shop's plan holds what no shop can have.
    #[error("the shop cannot be planned so: {}", .0.first().map_or("", |fault| fault.detail.as_str()))]
    Site(Vec<Fault>),
    /// Another shop has this box.
    #[error("box {node} is that of shop {store} already: give this shop a box of its own")]
    NodeTaken {
        /// The box.
        node: NodeId,
        /// The shop that has it.
        store: StoreId,
    },
    /// The shop has sold with another box.
    #[error("shop {store} has box {node}, for which bundles were made: a box keeps its number")]
    NodeFixed {
        /// The shop.
        store: StoreId,
        /// Its box.
        node: NodeId,
    },
    /// There is no menu that a box could sell from.
    #[error("no menu was published: start the hub with --menu FILE first")]
    MenuMissing,
    /// The same request was answered for another shop.
    #[error("this idempotency key asked for another bundle")]
    KeyReused,
    /// A bundle cannot be made.
    #[error("the bundle cannot be made")]
    Bundle(#[from] BundleError),
    /// A bundle cannot be sealed.
    #[error("the bundle cannot be sealed")]
    Seal(#[from] CloseError),
    /// A certificate cannot be made.
    #[error("the certificate cannot be made")]
    Pki(#[from] PkiError),
    /// A box is given nothing.
    #[error("the box is given no certificate: {}", .0.code())]
    Refused(EnrolmentRefusal),
    /// Nobody has such a box.
    #[error("no certificate was ever given to box {0}")]
    NodeUnknown(NodeId),
    /// What was revoked cannot be written down where it is never forgotten.
    #[error("the list of what was revoked cannot be written")]
    RevokedList(#[source] std::io::Error),
    /// The acceptance is not what its box has signed.
    #[error("the acceptance is not one that the box has signed")]
    Acceptance,
}

/// Identity.
pub struct IdentityApp {
    db: Db,
    journal: Journal,
    issuer: Arc<Issuer>,
    auth: Auth,
    addresses: RwLock<Addresses>,
    pub(super) menu_seen: Mutex<MenuSeen>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

impl fmt::Debug for IdentityApp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdentityApp").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

impl IdentityApp {
    pub(super) fn new(
        (db, journal): (Db, Journal),
        (issuer, auth): (Arc<Issuer>, Auth),
        (clock, entropy): (Arc<dyn Clock>, Arc<dyn Entropy>),
    ) -> Self {
        Self { db, journal, issuer, auth, addresses: RwLock::default(), menu_seen: Mutex::default(), clock, entropy }
    }

    /// Says where boxes reach the hub: the next bundles say so.
    pub fn reached_at(&self, addresses: Addresses) {
        *self.addresses.write().unwrap_or_else(PoisonError::into_inner) = addresses;
    }

    pub(super) fn addresses(&self) -> Addresses {
        self.addresses.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn now(&self) -> UtcMillis {
        self.clock.now()
    }

    /// 32 bytes that nobody can guess.
    pub(super) fn drawn(&self) -> [u8; 32] {
        let mut bytes = [0; 32];
        self.entropy.fill(&mut bytes);
        bytes
    }

    pub(super) const fn journal(&self) -> &Journal {
        &self.journal
    }

    pub(crate) const fn db(&self) -> &Db {
        &self.db
    }

    pub(crate) const fn issuer(&self) -> &Arc<Issuer> {
        &self.issuer
    }

    /// Who is let in.
    #[must_use]
    pub const fn auth(&self) -> &Auth {
        &self.auth
    }

    /// The chain.
    pub(crate) fn chain(&self) -> &ChainId {
        self.issuer.id()
    }

    /// The hub's own certificate for those who connect to it, with names beside its fixed one.
    ///
    /// # Errors
    /// [`PkiError`] if it cannot be made.
    pub fn own_server(&self, names: &[SanName]) -> Result<OwnPapers, PkiError> {
        self.issuer.own_server(names, (self.clock.now(), &*self.entropy))
    }

    /// The hub's own certificate to come to its own door with, and lets it in. The key is in memory only, so that nobody else
    /// on the machine has it.
    ///
    /// # Errors
    /// [`PkiError`] if it cannot be made.
    pub fn own_client(&self) -> Result<OwnPapers, PkiError> {
        let made = self.issuer.own_client((self.clock.now(), &*self.entropy))?;
        self.auth.admit_own(made.serial.clone(), made.key.public_key());
        Ok(made)
    }

    /// The root's certificate, in DER.
    pub(crate) fn root(&self) -> Option<CertificateDer<'static>> {
        self.issuer.root()
    }

    /// What was revoked is so, whatever state the database was put back to.
    pub(super) async fn revoke_listed(&self) -> Result<(), IdentityError> {
        let list = self.issuer.revoked().clone();
        let serials = blocking(move || list.serials()).await?;
        let now = self.clock.now();
        self.db
            .write("revoke_listed", move |tx| {
                serials.iter().try_for_each(|serial| device_state_set(tx, serial, DeviceState::Revoked, now))
            })
            .await?;
        Ok(self.auth.look().await?)
    }

    pub(crate) async fn sites(&self) -> Result<Vec<SiteRow>, IdentityError> {
        Ok(self.db.read_async(site_list).await?)
    }

    pub(crate) async fn devices(&self) -> Result<Vec<Device>, IdentityError> {
        Ok(self.db.read_async(device_list).await?)
    }

    /// Lets a box in that knows a code.
    pub(crate) async fn enrol(&self, asked: EnrolmentAsked) -> Result<EnrolmentAnswer, IdentityError> {
        let (issuer, entropy, now) = (self.issuer.clone(), self.entropy.clone(), self.clock.now());
        let given = self
            .db
            .write("enrol", move |tx| {
                let given = enrol::enrol(tx, &asked, &issuer, (now, &*entropy))?;
                Ok::<_, IdentityError>(match given {
                    Given::Issued(Enrolled { issued, key, revoked }) => {
                        // What ends with it is written down before anybody is told that it has ended.
                        listed(&issuer, &revoked, "replaced", now)?;
                        Ok(EnrolmentAnswer::new(issued, &asked, &key, issuer.root_hash()))
                    }
                    // That it was tried is kept.
                    Given::Refused(refusal) => Err(refusal),
                })
            })
            .await?;
        self.auth.look().await?;
        given.map_err(IdentityError::Refused)
    }

    /// Gives a box the certificate after the one that it has.
    pub(crate) async fn renew(&self, asked: RenewalAsked) -> Result<Issued, IdentityError> {
        let (issuer, entropy, now) = (self.issuer.clone(), self.entropy.clone(), self.clock.now());
        let issued = self.db.write("renew", move |tx| enrol::renew(tx, &asked, &issuer, (now, &*entropy))).await?;
        self.auth.look().await?;
        Ok(issued)
    }

    /// Shuts a box out for ever. Tells how many certificates of it that were.
    pub(crate) async fn revoke(&self, node: NodeId, reason: String) -> Result<usize, IdentityError> {
        let (issuer, now) = (self.issuer.clone(), self.clock.now());
        let revoked = self
            .db
            .write("revoke", move |tx| {
                let devices = node_device_list(tx, node)?;
                let site = site_by_node(tx, node)?;
                if devices.is_empty() && site.is_none() {
                    return Err(IdentityError::NodeUnknown(node));
                }
                // A stick that is on its way lets nobody in either.
                if let Some(row) = site {
                    codes_of_store_end(tx, StoreId::new(row.site.store), now)?;
                }
                let live: Vec<_> = devices.into_iter().filter(|it| it.state != DeviceState::Revoked).collect();
                listed(&issuer, &live, &reason, now)?;
                live.iter().try_for_each(|it| device_state_set(tx, &it.serial, DeviceState::Revoked, now))?;
                Ok(live.len())
            })
            .await?;
        self.auth.look().await?;
        tracing::warn!(node.id = %node, certificates = revoked, "n{node} is shut out");
        Ok(revoked)
    }

    /// Keeps what a tech's program signed when a box was ready, with the key of the box.
    pub(crate) async fn accept(
        &self,
        node: NodeId,
        body: Vec<u8>,
        signature: Signature,
    ) -> Result<AcceptanceV1, IdentityError> {
        self.db
            .write("accept", move |tx| {
                let devices = node_device_list(tx, node)?;
                let said = devices
                    .iter()
                    .filter(|device| device.state != DeviceState::Revoked)
                    .find_map(|device| AcceptanceV1::open(&body, &signature, &device.public_key).ok().flatten())
                    .filter(|said| said.node == node.get())
                    .ok_or(IdentityError::Acceptance)?;
                acceptance_keep(tx, (node, UtcMillis::new(said.made_at_ms)), (&body, &signature))?;
                Ok(said)
            })
            .await
    }
}

/// Writes down what is revoked where no backup takes it back.
fn listed(issuer: &Issuer, devices: &[Device], reason: &str, now: UtcMillis) -> Result<(), IdentityError> {
    devices
        .iter()
        .try_for_each(|device| issuer.revoked().add(&device.serial, device.node.get(), now, reason))
        .map_err(IdentityError::RevokedList)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> Result<T, IdentityError> {
    let done = tasks::blocking(work).await;
    done.unwrap_or_else(|_panicked| Err(std::io::Error::other("it panicked"))).map_err(IdentityError::RevokedList)
}

/// The names under which a box is reached in its shop.
pub(super) fn lan_names(site: &SiteV1) -> Vec<SanName> {
    site.lan_names.iter().filter_map(|name| name.parse().ok()).collect()
}
