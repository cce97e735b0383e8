//! What identity does: shops are planned, bundles made, boxes let in, and shut out.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use percolate_common::entropy::Entropy;
use percolate_common::identity::acceptance::AcceptanceV1;
use percolate_common::identity::bundle::{BundleError, BundleV1, ChainV1, PurposeV1};
use percolate_common::identity::names::ChainId;
use percolate_common::identity::site::SiteV1;
use percolate_common::ids::{NodeId, StoreId};
use percolate_common::journal::{AuthorId, Signature};
use percolate_common::money::Currency;
use percolate_common::time::{Clock, StoreCalendar, UtcMillis};
use percolate_runtime::enrolment::{EnrolmentAnswer, EnrolmentAsked, EnrolmentRefusal, Issued, RenewalAsked};
use percolate_runtime::files::FileError;
use percolate_runtime::pki::{CertificateDer, PkiError, SanName};
use percolate_runtime::seal::CloseError;
use percolate_runtime::storage::{StorageError, WriteTx};
use percolate_runtime::tasks;
use tokio::sync::Semaphore;

use super::Addresses;
use super::enrol::{self, Enrolled, Given};
use super::issuer::{Issuer, OwnPapers};
use super::menu;
use super::store::{
    CodeRow, SiteRow, What, acceptance_keep, code_by_request, code_insert, codes_of_store_end, doing_insert,
    site_bundles_set, site_by_node, site_fetch, site_list, site_put,
};
use crate::kernel::auth::Auth;
use crate::kernel::auth::store::{Device, DeviceState, device_list, device_state_set, node_device_list};
use crate::kernel::db::Db;
use crate::kernel::journal::Journal;

/// How long a code can be used.
const CODE_MS: i64 = 7 * 24 * 60 * 60 * 1_000;

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
    #[error("the shop cannot be planned so: {0}")]
    Site(String),
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
    /// The first owner's invitation cannot be read.
    #[error("the first owner's invitation cannot be read")]
    OwnerFile(#[source] FileError),
    /// Somebody shows an invitation that is none, or none any more.
    #[error("the invitation is none, has ended, or was used")]
    InvitationUnknown,
    /// A password is too short or too long.
    #[error("the password is too short or too long")]
    PasswordUnfit,
    /// A password cannot be hashed.
    #[error("a password cannot be hashed")]
    Hashing,
    /// Somebody is not let in.
    #[error("name, password or code is wrong")]
    SignInWrong,
    /// Whoever asks has not signed in.
    #[error("there is no session: you came with the token, or have signed out")]
    SessionUnknown,
    /// Nobody has this name.
    #[error("nobody has this name: invite them first (provision user invite)")]
    UserUnknown,
    /// The acceptance is not what its box has signed.
    #[error("the acceptance is not one that the box has signed")]
    Acceptance,
}

/// A bundle's file, and what goes with it on paper.
#[derive(Debug)]
pub(crate) struct BundleMade {
    pub(crate) file: Vec<u8>,
    pub(crate) code: String,
    pub(crate) expires_at: UtcMillis,
    pub(crate) number: u64,
    pub(crate) fingerprint: String,
}

/// Identity.
pub struct IdentityApp {
    pub(super) db: Db,
    journal: Journal,
    issuer: Arc<Issuer>,
    auth: Auth,
    addresses: RwLock<Addresses>,
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
        Self { db, journal, issuer, auth, addresses: RwLock::default(), clock, entropy, hashing }
    }

    /// Says where boxes reach the hub: the next bundles say so.
    pub fn reached_at(&self, addresses: Addresses) {
        *self.addresses.write().unwrap_or_else(PoisonError::into_inner) = addresses;
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

    /// Plans a shop, or plans it otherwise. Tells whether it is new.
    pub(crate) async fn plan(&self, site: SiteV1, actor: String) -> Result<bool, IdentityError> {
        check_site(&site)?;
        let now = self.clock.now();
        self.db
            .write("site_put", move |tx| {
                let (store, node) = (StoreId::new(site.store), NodeId::new(site.node));
                if let Some(other) = site_by_node(tx, node)?.filter(|row| row.site.store != site.store) {
                    return Err(IdentityError::NodeTaken { node, store: StoreId::new(other.site.store) });
                }
                let before = site_fetch(tx, store)?;
                if let Some(row) = before.as_ref().filter(|row| row.bundles > 0 && row.site.node != site.node) {
                    return Err(IdentityError::NodeFixed { store, node: NodeId::new(row.site.node) });
                }
                site_put(tx, &site, now)?;
                doing_insert(tx, (&actor, now), (What::StorePlanned, &format!("{store}: {}", site.name)))?;
                Ok(before.is_none())
            })
            .await
    }

    pub(crate) async fn sites(&self) -> Result<Vec<SiteRow>, IdentityError> {
        Ok(self.db.read_async(site_list).await?)
    }

    pub(crate) async fn devices(&self) -> Result<Vec<Device>, IdentityError> {
        Ok(self.db.read_async(device_list).await?)
    }

    /// Makes a bundle for a shop, with a code that ends all earlier ones. The same request gets the same code again.
    pub(crate) async fn bundle(
        &self,
        (store, purpose): (StoreId, PurposeV1),
        request_key: String,
        actor: String,
    ) -> Result<BundleMade, IdentityError> {
        let journals = self.journal.db().read_async(menu::frames).await?;
        if journals.is_empty() {
            return Err(IdentityError::MenuMissing);
        }
        let (now, issuer) = (self.clock.now(), self.issuer.clone());
        let mut salt = [0; 32];
        self.entropy.fill(&mut salt);
        let (site, row) = self
            .db
            .write("code_give", move |tx| given(tx, (store, purpose), (request_key, salt), (now, &issuer, &actor)))
            .await?;
        let code = self.issuer.code(&row.salt).to_string();
        let Addresses { https, mqtt } = self.addresses.read().unwrap_or_else(PoisonError::into_inner).clone();
        let bundle = BundleV1 {
            chain: ChainV1 { https, mqtt, ..self.issuer.chain().clone() },
            number: row.bundle,
            made_at_ms: row.made_at.get(),
            expires_at_ms: row.expires_at.get(),
            site,
            code: code.clone(),
            purpose: row.purpose,
            journals: journals.into_iter().map(Into::into).collect(),
            software: Vec::new(),
        };
        let file = self.issuer.close(&bundle.encode()?)?;
        let fingerprint = self.issuer.fingerprint();
        Ok(BundleMade { file, code, expires_at: row.expires_at, number: row.bundle, fingerprint })
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
    pub(crate) async fn revoke(&self, node: NodeId, reason: String, actor: String) -> Result<usize, IdentityError> {
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
                doing_insert(tx, (&actor, now), (What::BoxShutOut, &format!("n{node}: {reason}")))?;
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

/// The shop, and the code that a request is answered with.
fn given(
    tx: &WriteTx<'_>,
    (store, purpose): (StoreId, PurposeV1),
    (request_key, salt): (String, [u8; 32]),
    (now, issuer, actor): (UtcMillis, &Issuer, &str),
) -> Result<(SiteV1, CodeRow), IdentityError> {
    let SiteRow { site, bundles, .. } = site_fetch(tx, store)?.ok_or(IdentityError::StoreUnknown(store))?;
    if let Some(row) = code_by_request(tx, &request_key)? {
        let same = row.store == store && row.purpose == purpose;
        return same.then_some((site, row)).ok_or(IdentityError::KeyReused);
    }
    codes_of_store_end(tx, store, now)?;
    let (code, bundle) = (issuer.code(&salt), bundles + 1);
    let row = CodeRow {
        id: code.id(),
        request_key,
        key: code.key(),
        salt,
        store,
        node: NodeId::new(site.node),
        bundle,
        purpose,
        made_at: now,
        expires_at: UtcMillis::new(now.get().saturating_add(CODE_MS)),
        used: None,
        tries: 0,
    };
    code_insert(tx, &row)?;
    site_bundles_set(tx, store, bundle)?;
    doing_insert(tx, (actor, now), (What::BundleMade, &format!("{store}: bundle {bundle}")))?;
    Ok((site, row))
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

/// What a shop must have to sell.
fn check_site(site: &SiteV1) -> Result<(), IdentityError> {
    let refused = |why: &str| Err(IdentityError::Site(why.to_owned()));
    site.check().map_err(|error| IdentityError::Site(error.to_string()))?;
    if site.store == 0 || site.name.trim().is_empty() {
        return refused("it needs a number from 1 and a name");
    }
    let node = NodeId::new(site.node);
    if site.node == 0 || AuthorId::node(node).as_node().is_none() {
        return refused("its box needs a number that no service of the hub has");
    }
    if let Err(error) = StoreCalendar::new(&site.zone, site.cutover_hour) {
        return refused(&error.to_string());
    }
    if site.currency.parse::<Currency>().is_err() {
        return refused("its currency is not one of ISO 4217, as in USD");
    }
    let unusable = site.lan_names.iter().find(|name| name.parse::<SanName>().is_err());
    match unusable {
        Some(name) => refused(&format!("{name:?} is neither a host's name nor an address")),
        None => Ok(()),
    }
}

/// The names under which a box is reached in its shop.
pub(super) fn lan_names(site: &SiteV1) -> Vec<SanName> {
    site.lan_names.iter().filter_map(|name| name.parse().ok()).collect()
}
