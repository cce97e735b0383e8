//! What identity does: shops are planned, bundles made, boxes let in, and shut out.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use percolate_common::entropy::Entropy;
use percolate_common::identity::acceptance::AcceptanceV1;
use percolate_common::identity::names::ChainId;
use percolate_common::ids::{NodeId, StoreId};
use percolate_common::journal::Signature;
use percolate_common::time::{Clock, UtcMillis};
use percolate_runtime::enrolment::{EnrolmentAnswer, EnrolmentAsked, Issued, RenewalAsked};
use percolate_runtime::pki::{CertificateDer, PkiError, SanName};
use percolate_runtime::storage::ReadTx;
use percolate_runtime::tasks;
use tokio::sync::Semaphore;

use super::Addresses;
use super::certificates::{by_node, revoked_facts};
use super::enrol::{self, Enrolled, Given};
use super::error::IdentityError;
use super::issuer::{Issuer, OwnPapers};
use super::kept::Fact;
use super::menu::MenuSeen;
use super::store::{What, acceptance_keep, code_used_list, codes_of_store_end, doing_insert, site_by_node, site_list};
use crate::kernel::auth::Auth;
use crate::kernel::auth::store::{DeviceState, device_list, device_state_set, node_device_list};
use crate::kernel::db::Db;
use crate::kernel::journal::Journal;

/// Identity.
pub struct IdentityApp {
    pub(super) db: Db,
    journal: Journal,
    issuer: Arc<Issuer>,
    auth: Auth,
    addresses: RwLock<Addresses>,
    pub(super) menu_seen: Mutex<MenuSeen>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) entropy: Arc<dyn Entropy>,
    /// Whose turn it is to hash a password.
    pub(super) hashing: Arc<Semaphore>,
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
        let hashing = Arc::new(Semaphore::new(1));
        let (addresses, menu_seen) = (RwLock::default(), Mutex::default());
        Self { db, journal, issuer, auth, addresses, menu_seen, clock, entropy, hashing }
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

    /// What was revoked is so, whatever state the database was put back to. And what an earlier process had no time to write down
    /// is written now.
    pub(super) async fn remember(&self) -> Result<(), IdentityError> {
        let (kept, now) = (self.issuer.kept().clone(), self.clock.now());
        let known = self
            .db
            .write("revoke_listed", move |tx| {
                let serials = kept.serials();
                serials.iter().try_for_each(|serial| device_state_set(tx, serial, DeviceState::Revoked, now))?;
                facts_of_all(tx, now)
            })
            .await?;
        let kept = self.keep(known).await;
        self.auth.look().await?;
        kept
    }

    /// Writes down what must not be forgotten, outside of the writer: its flush holds up nobody else.
    pub(super) async fn keep(&self, facts: Vec<Fact>) -> Result<(), IdentityError> {
        let kept = self.issuer.kept().clone();
        let done = tasks::blocking(move || kept.add(facts)).await;
        done.unwrap_or_else(|_panicked| Err(std::io::Error::other("it panicked"))).map_err(IdentityError::RevokedList)
    }

    /// Lets a box in that knows a code.
    pub(crate) async fn enrol(&self, asked: EnrolmentAsked) -> Result<EnrolmentAnswer, IdentityError> {
        let (issuer, entropy, now) = (self.issuer.clone(), self.entropy.clone(), self.clock.now());
        let given = self
            .db
            .write("enrol", move |tx| {
                let given = enrol::enrol(tx, &asked, &issuer, (now, &*entropy))?;
                Ok::<_, IdentityError>(match given {
                    Given::Issued(Enrolled { issued, key, facts }) => {
                        Ok((EnrolmentAnswer::new(issued, &asked, &key, issuer.root_hash()), facts))
                    }
                    // That it was tried is kept.
                    Given::Refused(refusal) => Err(refusal),
                })
            })
            .await?;
        let (answer, facts) = given.map_err(IdentityError::Refused)?;
        self.told(facts).await?;
        Ok(answer)
    }

    /// What has happened is so from now on, and is written down before anybody is told.
    async fn told(&self, facts: Vec<Fact>) -> Result<(), IdentityError> {
        let kept = self.keep(facts).await;
        // Whoever is shut out is so, even if that cannot be written down.
        self.auth.look().await?;
        kept
    }

    /// Gives a box the certificate after the one that it has.
    pub(crate) async fn renew(&self, asked: RenewalAsked) -> Result<Issued, IdentityError> {
        let (issuer, entropy, now) = (self.issuer.clone(), self.entropy.clone(), self.clock.now());
        let issued = self.db.write("renew", move |tx| enrol::renew(tx, &asked, &issuer, (now, &*entropy))).await?;
        self.auth.look().await?;
        Ok(issued)
    }

    /// Shuts a box out for ever. Tells how many certificates of it that were.
    pub(crate) async fn revoke(&self, node: NodeId, reason: String, actor: String) -> Result<usize, IdentityError> {
        let now = self.clock.now();
        let revoked = self
            .db
            .write("revoke", move |tx| {
                let devices = node_device_list(tx, node)?;
                let site = site_by_node(tx, node)?;
                if devices.is_empty() && site.is_none() {
                    return Err(IdentityError::NodeUnknown(node));
                }
                // A stick that is on its way lets nobody in either.
                let bundle = site.as_ref().map_or(0, |row| row.bundles);
                let mut ended = None;
                if let Some(row) = site {
                    let store = StoreId::new(row.site.store);
                    codes_of_store_end(tx, store, now)?;
                    ended = Some(Fact::CodesEnded { store, number: bundle, at: now });
                }
                let live = devices.into_iter().filter(|it| it.state != DeviceState::Revoked);
                let count = live.into_iter().try_fold(0, |count, it| {
                    device_state_set(tx, &it.serial, DeviceState::Revoked, now).map(|()| count + 1)
                })?;
                doing_insert(tx, (&actor, now), (What::BoxShutOut, &format!("n{node}: {reason}")))?;
                // Those of before, too: it may be that they could not be written down then.
                let revoked = revoked_facts(node_device_list(tx, node)?, (node, bundle), &reason);
                Ok((count, revoked.into_iter().chain(ended).collect::<Vec<_>>()))
            })
            .await?;
        let (revoked, facts): (usize, _) = revoked;
        self.told(facts).await?;
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

/// All that is to be kept of what is in the database.
fn facts_of_all(tx: &ReadTx<'_>, now: UtcMillis) -> Result<Vec<Fact>, IdentityError> {
    let mut facts = code_used_list(tx)?;
    let mut devices = by_node(device_list(tx)?);
    for row in site_list(tx)?.into_iter().filter(|row| row.bundles > 0) {
        let (store, node) = (StoreId::new(row.site.store), NodeId::new(row.site.node));
        facts.push(Fact::BundleMade { store, number: row.bundles, at: now });
        facts.extend(revoked_facts(devices.remove(&node).unwrap_or_default(), (node, row.bundles), ""));
    }
    Ok(facts)
}
