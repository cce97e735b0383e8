//! What the box signs when it is ready, for head office to verify whenever it likes.

use std::path::Path;
use std::sync::Arc;

use percolate_common::identity::acceptance::{AcceptanceV1, CheckV1, FirstTicketV1, StepV1};
use percolate_common::identity::bundle::BundleV1;
use percolate_common::identity::hex;
use percolate_common::journal::SigningKey;
use percolate_common::time::{Clock, UtcMillis};
use percolate_runtime::files::{read_secret_text, write_secret};
use percolate_runtime::http::caller::{Caller, HttpsAddress};
use percolate_runtime::system::machine_fingerprint;
use percolate_runtime::tls::{Roots, TlsClock, client_config};
use serde_json::json;

use super::error::UpError;
use super::install::KEY_FILE;

/// What was signed, beside it.
const ACCEPTANCE_FILE: &str = "acceptance.cbor";

/// What is said of how it went.
pub(super) struct Said {
    pub(super) steps: Vec<StepV1>,
    pub(super) checks: Vec<CheckV1>,
    pub(super) ticket: FirstTicketV1,
    pub(super) rehearsal: bool,
}

/// Signs it, keeps it on the box, and gives it to head office if that knows the box. Tells whether head office has it.
pub(super) async fn sign(
    (bundle, data): (&BundleV1, &Path),
    said: Said,
    enrolled: bool,
    clock: Arc<dyn Clock>,
) -> Result<bool, UpError> {
    let failed = |error: &dyn std::error::Error| UpError::Acceptance(error.to_string());
    let pem = read_secret_text(&data.join(KEY_FILE)).map_err(|error| failed(&error))?;
    let key = SigningKey::from_pem(&pem).map_err(|error| failed(&error))?;
    let acceptance = AcceptanceV1 {
        chain: bundle.chain.id,
        store: bundle.site.store,
        node: bundle.site.node,
        bundle: bundle.number,
        key: (*key.public_key().as_bytes()).into(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        machine: machine_fingerprint().unwrap_or_default().into_bytes().into(),
        steps: said.steps,
        checks: said.checks,
        first_ticket: Some(said.ticket),
        made_at_ms: clock.now().get(),
        rehearsal: said.rehearsal,
    };
    let (body, signature) = acceptance.sign(&key).map_err(|error| failed(&error))?;
    write_secret(&data.join(ACCEPTANCE_FILE), &[&signature.as_bytes()[..], &body].concat())?;
    if !enrolled {
        return Ok(false);
    }
    let roots = Roots::from_pem(&bundle.chain.root).map_err(|error| failed(&error))?;
    let tls = Arc::new(TlsClock::new(clock, UtcMillis::new(bundle.made_at_ms)));
    let caller = Caller::new(client_config(&roots, None, tls).map_err(|error| failed(&error))?);
    let question = json!({ "body": hex::encode(&body), "signature": hex::encode(signature.as_bytes()) });
    for address in bundle.chain.https.iter().filter_map(|text| text.parse::<HttpsAddress>().ok()) {
        let path = format!("/v1/identity/devices/{}/acceptances", bundle.site.node);
        if caller.post(&address, &path, &question).await.is_ok() {
            return Ok(true);
        }
    }
    Ok(false)
}
