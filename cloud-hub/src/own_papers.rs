//! The hub's own certificates: what it shows at its entrances, and what its link comes to the broker with.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use percolate_common::identity::pem::{Label, decode};
use percolate_common::journal::SigningKey;
use percolate_common::time::{Clock, UtcMillis};
use percolate_runtime::files::read_secret_text;
use percolate_runtime::mqtt::LinkTls;
use percolate_runtime::pki::SanName;
use percolate_runtime::tasks::TaskGroup;
use percolate_runtime::tls::{OwnCertificate, OwnIdentity, Roots, TlsClock, client_config};

use crate::hub_error::HubError;
use crate::identity::app::IdentityApp;
use crate::identity::issuer::CERTIFICATE_MS;

/// How often it is looked whether they are due to be made anew.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// They are made anew after so much of their life.
const RENEW_AFTER_MS: i64 = CERTIFICATE_MS / 3 * 2;

/// A folder's files: the chain's root, the certificate with the one that issued it, and its key.
const ROOT_FILE: &str = "root.pem";
const CERTIFICATE_FILE: &str = "certificate.pem";
const KEY_FILE: &str = "key.pem";

/// How a hub without a CA comes to somebody else's broker: by the certificate in a folder.
pub(crate) fn from_folder(folder: &Path, clock: Arc<dyn Clock>) -> Result<LinkTls, HubError> {
    let failed =
        |source: Box<dyn Error + Send + Sync>| HubError::BrokerCertificate { folder: folder.to_owned(), source };
    let read = || -> Result<LinkTls, Box<dyn Error + Send + Sync>> {
        let roots = Roots::from_pem(&std::fs::read_to_string(folder.join(ROOT_FILE))?)?;
        let certificates = decode(Label::Certificate, &std::fs::read_to_string(folder.join(CERTIFICATE_FILE))?)?;
        let key = SigningKey::from_pem(&read_secret_text(&folder.join(KEY_FILE))?)?;
        let own = Arc::new(OwnIdentity::new(certificates.into_iter().map(Into::into).collect(), &key)?);
        let clock = Arc::new(TlsClock::new(clock, UtcMillis::new(0)));
        Ok(LinkTls::of(client_config(&roots, Some(own.clone()), clock)?, own))
    };
    read().map_err(failed)
}

/// The certificates, whose keys are in memory only: a hub that starts makes others.
#[derive(Clone)]
pub(crate) struct OwnPapers {
    pub(crate) server: Arc<OwnCertificate>,
    link: Arc<OwnIdentity>,
    pub(crate) roots: Roots,
    pub(crate) clock: Arc<TlsClock>,
    app: Arc<IdentityApp>,
    /// Names beside the hub's fixed one.
    names: Vec<SanName>,
}

impl OwnPapers {
    pub(crate) fn make(app: &Arc<IdentityApp>, names: &[SanName], clock: Arc<TlsClock>) -> Result<Self, HubError> {
        let (server, link) = (app.own_server(names)?, app.own_client()?);
        let root: Vec<_> = app.root().into_iter().collect();
        Ok(Self {
            server: Arc::new(OwnCertificate::new(server.certificates, &server.key)?),
            link: Arc::new(OwnIdentity::new(link.certificates, &link.key)?),
            roots: Roots::new(&root)?,
            clock,
            app: app.clone(),
            names: names.to_vec(),
        })
    }

    /// How the hub's own link comes to the door.
    pub(crate) fn link(&self) -> Result<LinkTls, HubError> {
        let config = client_config(&self.roots, Some(self.link.clone()), self.clock.clone())?;
        Ok(LinkTls::of(config, self.link.clone()))
    }

    /// Sees to it that they never end.
    pub(crate) fn keep(self, tasks: &TaskGroup) {
        let mut due_at = self.next_due();
        tasks.spawn("own_certificate", move |stop| async move {
            while tokio::time::timeout(LOOK_EVERY, stop.cancelled()).await.is_err() {
                if self.clock.now() < due_at {
                    continue;
                }
                match self.renew() {
                    Ok(()) => due_at = self.next_due(),
                    Err(error) => tracing::error!(
                        error = &error as &dyn std::error::Error,
                        "the hub's own certificates were not renewed and will be tried again"
                    ),
                }
            }
        });
    }

    fn next_due(&self) -> UtcMillis {
        UtcMillis::new(self.clock.now().get().saturating_add(RENEW_AFTER_MS))
    }

    fn renew(&self) -> Result<(), HubError> {
        let (server, link) = (self.app.own_server(&self.names)?, self.app.own_client()?);
        self.server.replace(server.certificates, &server.key)?;
        Ok(self.link.replace(link.certificates, &link.key)?)
    }
}
