//! The hub's own certificates: what it shows at its entrances, and what its link comes to the broker with.

use std::sync::Arc;
use std::time::Duration;

use percolate_common::time::UtcMillis;
use percolate_runtime::mqtt::LinkTls;
use percolate_runtime::pki::SanName;
use percolate_runtime::tasks::TaskGroup;
use percolate_runtime::tls::{OwnCertificate, OwnIdentity, Roots, TlsClock, client_config};

use crate::hub::HubError;
use crate::identity::app::IdentityApp;
use crate::identity::issuer::CERTIFICATE_MS;

/// How often it is looked whether they are due to be made anew.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// They are made anew after so much of their life.
const RENEW_AFTER_MS: i64 = CERTIFICATE_MS / 3 * 2;

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
