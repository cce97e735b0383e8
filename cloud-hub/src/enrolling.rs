//! Where boxes enrol: the hub's HTTPS server, with a certificate that it makes for itself.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use percolate_common::time::UtcMillis;
use percolate_runtime::http::server::{BoundServer, harden};
use percolate_runtime::http::tls::HttpsLimits;
use percolate_runtime::pki::{CertificateDer, SanName};
use percolate_runtime::tasks::TaskGroup;
use percolate_runtime::tls::{Clients, OwnCertificate, Roots, TlsClock, server_config};

use utoipa::openapi::OpenApi;

use crate::broker::Broker;
use crate::config::IdentitySetting;
use crate::hub::HubError;
use crate::identity::Addresses;
use crate::identity::app::IdentityApp;
use crate::identity::http::open_routes;
use crate::identity::issuer::CERTIFICATE_MS;
use crate::kernel::ServiceContext;

/// How often it is looked whether the hub's own certificate is due to be made anew.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// It is made anew after so much of its life.
const RENEW_AFTER_MS: i64 = CERTIFICATE_MS / 3 * 2;

/// Starts it; tells where it listens, and what it may be asked.
pub(crate) async fn start(
    tasks: &TaskGroup,
    app: &Arc<IdentityApp>,
    (setting, broker): (&IdentitySetting, &Broker),
    context: &ServiceContext,
) -> Result<(SocketAddr, OpenApi), HubError> {
    let names = setting.names.clone();
    let made = app.own_server(&names)?;
    let own = Arc::new(OwnCertificate::new(made.certificates, &made.key)?);
    let clock = Arc::new(TlsClock::new(context.clock.clone(), UtcMillis::new(0)));
    let roots = Roots::new(&root(app))?;
    let config = server_config(own.clone(), &roots, Clients::None, clock)?;
    let server = BoundServer::bind_tls(setting.https, config, HttpsLimits::default()).await?;
    let address = server.address();
    app.reached_at(addresses(setting, address, broker));
    let (routes, description) = open_routes(app.clone());
    let router = harden(routes, context.entropy.clone());
    tasks.spawn("https", |stop| async move {
        if let Err(error) = server.serve(router, stop).await {
            tracing::error!(error = &error as &dyn std::error::Error, "the HTTPS server ended");
        }
    });
    let (app, clock) = (app.clone(), context.clock.clone());
    let mut due_at = clock.now().get().saturating_add(RENEW_AFTER_MS);
    tasks.spawn("own_certificate", move |stop| async move {
        while tokio::time::timeout(LOOK_EVERY, stop.cancelled()).await.is_err() {
            if clock.now().get() < due_at {
                continue;
            }
            let renewed = app.own_server(&names).map_err(HubError::from);
            let taken = renewed.and_then(|made| Ok(own.replace(made.certificates, &made.key)?));
            match taken {
                Ok(()) => due_at = clock.now().get().saturating_add(RENEW_AFTER_MS),
                Err(error) => tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "the hub's own certificate was not renewed and will be tried again"
                ),
            }
        }
    });
    Ok((address, description))
}

fn root(app: &IdentityApp) -> Vec<CertificateDer<'static>> {
    app.root().into_iter().collect()
}

/// Where boxes are told to come.
fn addresses(setting: &IdentitySetting, https: SocketAddr, broker: &Broker) -> Addresses {
    let mqtt = broker.embedded().map(|own| own.address());
    let at = |host: &SanName, port: u16| match host {
        SanName::Address(IpAddr::V6(address)) => format!("[{address}]:{port}"),
        SanName::Address(_) | SanName::Host(_) => format!("{host}:{port}"),
    };
    if setting.names.is_empty() {
        return Addresses {
            https: vec![format!("https://{https}")],
            mqtt: mqtt.iter().map(SocketAddr::to_string).collect(),
        };
    }
    Addresses {
        https: setting.names.iter().map(|name| format!("https://{}", at(name, https.port()))).collect(),
        mqtt: mqtt.iter().flat_map(|mqtt| setting.names.iter().map(|name| at(name, mqtt.port()))).collect(),
    }
}
