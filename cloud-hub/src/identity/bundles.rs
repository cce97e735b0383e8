//! Bundles: made for a stick, and handed out to who knows their code.

use percolate_common::identity::bundle::{BundleV1, ChainV1, PurposeV1};
use percolate_common::identity::site::SiteV1;
use percolate_common::ids::{NodeId, StoreId};
use percolate_common::time::UtcMillis;
use percolate_runtime::bundle_fetch::BundleFetch;
use percolate_runtime::enrolment::{Bytes, EnrolmentRefusal};
use percolate_runtime::storage::WriteTx;

use super::Addresses;
use super::app::IdentityApp;
use super::enrol::TRIES_MAX;
use super::error::IdentityError;
use super::issuer::Issuer;
use super::kept::Fact;
use super::menu;
use super::store::{
    CodeRow, SiteRow, What, code_by_request, code_fetch, code_insert, code_tried, codes_of_store_end, doing_insert,
    site_bundles_set, site_fetch,
};

/// How long a code can be used.
const CODE_MS: i64 = 7 * 24 * 60 * 60 * 1_000;

/// A bundle's file, and what goes with it on paper.
#[derive(Debug)]
pub(crate) struct BundleMade {
    pub(crate) file: Vec<u8>,
    pub(crate) code: String,
    pub(crate) expires_at: UtcMillis,
    pub(crate) number: u64,
    pub(crate) fingerprint: String,
}

/// A bundle for who has shown that he knows its code.
#[derive(Debug)]
pub(crate) struct BundleGiven {
    pub(crate) file: Vec<u8>,
    pub(crate) proof: Bytes<32>,
}

impl IdentityApp {
    /// Makes a bundle for a shop, with a code that ends all earlier ones. The same request gets the same one again.
    pub(crate) async fn bundle(
        &self,
        (store, purpose): (StoreId, PurposeV1),
        request_key: String,
        actor: String,
    ) -> Result<BundleMade, IdentityError> {
        // Nothing is ended for a bundle that would bring no menu.
        let journals = self.menu_frames().await?;
        let (now, issuer) = (self.now(), self.issuer().clone());
        let salt = self.drawn();
        let row = self
            .db()
            .write("code_give", move |tx| given(tx, (store, purpose), (request_key, salt), (now, &issuer, &actor)))
            .await?;
        // What it was numbered is known for ever: a box takes no bundle with a lower number than that of the one it has.
        self.keep(vec![Fact::BundleMade { store, number: row.bundle, at: row.made_at }]).await?;
        self.made(&row, journals)
    }

    /// Hands out the bundle of a code to who knows that. It is the one that was made for a stick: it is made again of what was
    /// planned then, so that no file with a code in it need be kept.
    pub(crate) async fn fetch_bundle(&self, asked: BundleFetch) -> Result<BundleGiven, IdentityError> {
        let journals = self.menu_frames().await?;
        let (question, issuer, now) = (asked.clone(), self.issuer().clone(), self.now());
        let row = self.db().write("bundle_fetch", move |tx| known(tx, &question, &issuer, now)).await?;
        let row = row.map_err(IdentityError::Refused)?;
        let BundleMade { file, number, .. } = self.made(&row, journals)?;
        let proof = asked.given(&file, &row.key, self.issuer().root_hash());
        tracing::info!(store.id = %row.store, bundle = number, "bundle {number} of shop {} is handed out by its code", row.store);
        Ok(BundleGiven { file, proof })
    }

    async fn menu_frames(&self) -> Result<Vec<Vec<u8>>, IdentityError> {
        let journals = self.journal().db().read_async(menu::frames).await?;
        if journals.is_empty() { Err(IdentityError::MenuMissing) } else { Ok(journals) }
    }

    /// The bundle of a code: always the same one, but for a menu that was published since.
    fn made(&self, row: &CodeRow, journals: Vec<Vec<u8>>) -> Result<BundleMade, IdentityError> {
        let issuer = self.issuer();
        let code = issuer.code(&row.salt).to_string();
        let Addresses { https, mqtt } = self.addresses();
        let bundle = BundleV1 {
            chain: ChainV1 { https, mqtt, ..issuer.chain().clone() },
            number: row.bundle,
            made_at_ms: row.made_at.get(),
            expires_at_ms: row.expires_at.get(),
            site: row.site.clone(),
            code: code.clone(),
            purpose: row.purpose,
            journals: journals.into_iter().map(Into::into).collect(),
            software: Vec::new(),
        };
        let file = issuer.close(&bundle.encode()?)?;
        let fingerprint = issuer.fingerprint();
        Ok(BundleMade { file, code, expires_at: row.expires_at, number: row.bundle, fingerprint })
    }
}

/// The code that a request is answered with.
fn given(
    tx: &WriteTx<'_>,
    (store, purpose): (StoreId, PurposeV1),
    (request_key, salt): (String, [u8; 32]),
    (now, issuer, actor): (UtcMillis, &Issuer, &str),
) -> Result<CodeRow, IdentityError> {
    let SiteRow { site, bundles, .. } = site_fetch(tx, store)?.ok_or(IdentityError::StoreUnknown(store))?;
    if let Some(row) = code_by_request(tx, &request_key)? {
        let same = row.store == store && row.purpose == purpose;
        return same.then_some(row).ok_or(IdentityError::KeyReused);
    }
    codes_of_store_end(tx, store, now)?;
    let (code, bundle) = (issuer.code(&salt), bundles.max(issuer.kept().bundles(store)) + 1);
    let row = new_code(site, (code.id(), code.key(), salt), (request_key, bundle, purpose), now);
    code_insert(tx, &row)?;
    site_bundles_set(tx, store, bundle)?;
    doing_insert(tx, (actor, now), (What::BundleMade, &format!("{store}: bundle {bundle}")))?;
    Ok(row)
}

fn new_code(
    site: SiteV1,
    (id, key, salt): ([u8; 8], [u8; 32], [u8; 32]),
    (request_key, bundle, purpose): (String, u64, PurposeV1),
    now: UtcMillis,
) -> CodeRow {
    CodeRow {
        id,
        request_key,
        key,
        salt,
        store: StoreId::new(site.store),
        node: NodeId::new(site.node),
        bundle,
        purpose,
        made_at: now,
        expires_at: UtcMillis::new(now.get().saturating_add(CODE_MS)),
        used: None,
        tries: 0,
        site,
    }
}

/// The code of a question that shows that it is known. A refusal may leave something behind: how often it was tried.
fn known(
    tx: &WriteTx<'_>,
    asked: &BundleFetch,
    issuer: &Issuer,
    now: UtcMillis,
) -> Result<Result<CodeRow, EnrolmentRefusal>, IdentityError> {
    let Some(row) = code_fetch(tx, &asked.code_id.0)? else { return Ok(Err(EnrolmentRefusal::CodeUnknown)) };
    if row.tries >= TRIES_MAX {
        return Ok(Err(EnrolmentRefusal::TooManyTries));
    }
    if !asked.is_proven(&row.key, issuer.root_hash()) {
        code_tried(tx, &row.id)?;
        return Ok(Err(EnrolmentRefusal::ProofWrong));
    }
    Ok(if row.used.is_some() || issuer.kept().used_by(&row.id).is_some() {
        Err(EnrolmentRefusal::CodeUsed)
    } else if row.expires_at <= now || issuer.kept().has_ended(row.store, row.bundle) {
        Err(EnrolmentRefusal::CodeExpired)
    } else {
        Ok(row)
    })
}
