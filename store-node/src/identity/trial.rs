//! One real connection by a new certificate, before the box relies on it.

use std::sync::Arc;
use std::time::Duration;

use percolate_common::entropy::Entropy;
use percolate_common::wire::topic::process_client_id;
use percolate_runtime::mqtt::{DownReason, Link, LinkConfig, LinkEvent, LinkTls};
use percolate_runtime::tls::{OwnIdentity, TlsClock, TlsTrouble, client_config};
use tokio_util::sync::CancellationToken;

use super::hub::Failure;
use super::member::{Held, Member};

/// The longest a trial takes with all its tries.
const TRIAL_TIME_MAX: Duration = Duration::from_secs(60);

/// Tries of one trial that may find nobody: brokers are several.
const UNREACHED_MAX: usize = 4;

/// Connects and subscribes by the certificate, beside the link that is up: under another boot's name, and without a word of
/// presence, so that nobody takes it for the box.
pub(super) async fn try_out(
    link: &LinkConfig,
    member: &Member,
    held: &Held,
    clock: Arc<TlsClock>,
    entropy: Arc<dyn Entropy>,
) -> Result<(), Failure> {
    let shown = held.certificates.iter().cloned().map(Into::into).collect();
    let own = Arc::new(OwnIdentity::new(shown, &member.key)?);
    let tls = client_config(&member.roots, Some(own), clock)?;
    let config = LinkConfig {
        tls: Some(LinkTls::from(tls)),
        client_id: process_client_id(member.node, entropy.next_u64()),
        will: None,
        online: None,
        ..link.clone()
    };
    let (link, _publisher, mut events) = Link::new(config, entropy);
    let verdict = async {
        for _ in 0..UNREACHED_MAX {
            match events.recv().await {
                Some(LinkEvent::Up) => return Ok(()),
                Some(LinkEvent::Down { reason }) if is_refusal(&reason) => return Err(Failure::NewRefused),
                Some(LinkEvent::Down { .. } | LinkEvent::Message { .. }) => {}
                None => break,
            }
        }
        Err(Failure::NewUntried)
    };
    tokio::select! {
        verdict = tokio::time::timeout(TRIAL_TIME_MAX, verdict) => verdict.unwrap_or(Err(Failure::NewUntried)),
        // It ends when nobody takes its events, which is after the verdict.
        () = link.run(CancellationToken::new()) => Err(Failure::NewUntried),
    }
}

/// Whether the broker is there and will not have us by this certificate.
const fn is_refusal(reason: &DownReason) -> bool {
    match reason {
        DownReason::Refused { .. } => true,
        DownReason::Certificate { trouble } => {
            matches!(trouble, TlsTrouble::WeAreExpired | TlsTrouble::WeAreRevoked | TlsTrouble::WeAreUnknown)
        }
        DownReason::Unreachable { .. } | DownReason::Lost { .. } | DownReason::Silent | DownReason::ReaderSlow => false,
    }
}
