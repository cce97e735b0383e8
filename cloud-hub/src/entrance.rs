//! Where those of the chain come in: the HTTPS server at which boxes enrol, and the door to the hub's own broker.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use percolate_common::time::UtcMillis;
use percolate_runtime::http::server::BoundServer;
use percolate_runtime::http::tls::HttpsLimits;
use percolate_runtime::mqtt::LinkTls;
use percolate_runtime::pki::SanName;
use percolate_runtime::tasks::TaskGroup;
use percolate_runtime::tls::{Clients, TlsClock, server_config};

use crate::broker::Broker;
use crate::broker::cuts::Cuts;
use crate::broker::door::{Door, DoorKeys};
use crate::broker::quota::DoorLimits;
use crate::config::IdentitySetting;
use crate::hub_error::HubError;
use crate::identity::Addresses;
use crate::kernel::http::Router;
use crate::own_papers::OwnPapers;
use crate::stores::Stores;

/// The entrances, which listen and serve nobody yet.
pub(crate) struct Entrance {
    https: BoundServer,
    /// Only in front of a broker of the hub's own.
    door: Option<(Door, Cuts)>,
    papers: OwnPapers,
    at: EntranceAddresses,
}

/// Where the entrances are.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct EntranceAddresses {
    pub(crate) https: Option<SocketAddr>,
    pub(crate) mqtts: Option<SocketAddr>,
}

impl Entrance {
    /// Listens, if there is a chain; the hub's own broker needs one. The broker must not run yet: it takes those whom its door
    /// lets in.
    pub(crate) async fn open(
        stores: &Stores,
        setting: Option<&IdentitySetting>,
        broker: &Broker,
    ) -> Result<Option<Self>, HubError> {
        let (Some(app), Some(setting)) = (&stores.identity, setting) else {
            return if broker.embedded().is_some() { Err(HubError::NoChain) } else { Ok(None) };
        };
        let context = &stores.context;
        let clock = Arc::new(TlsClock::new(context.clock.clone(), UtcMillis::new(0)));
        let papers = OwnPapers::make(app, &setting.names, clock.clone())?;
        let config = server_config(papers.server.clone(), &papers.roots, Clients::None, clock.clone())?;
        let https = BoundServer::bind_tls(setting.https, config, HttpsLimits::default()).await?;
        let mut at = EntranceAddresses { https: Some(https.address()), mqtts: None };
        let mut door = None;
        if let Some(own) = broker.embedded() {
            let keys = DoorKeys {
                own: papers.server.clone(),
                roots: papers.roots.clone(),
                chain: *app.chain(),
                admission: Arc::new(app.auth().clone()),
                changes: app.auth().changes(),
                clock,
            };
            let (opened, cuts) = Door::open(setting.mqtts, own.clone(), keys, DoorLimits::default())?;
            at.mqtts = Some(opened.address());
            door = Some((opened, cuts));
        }
        let mut told = addresses(&setting.names, https.address(), at.mqtts);
        if broker.embedded().is_none() {
            told.mqtt.clone_from(&setting.broker);
        }
        if !setting.names.is_empty() && https.address().ip().is_loopback() {
            tracing::warn!(
                https.address = %https.address(),
                "boxes are told to come to this machine by --name, and it listens for itself alone: say --https 0.0.0.0:8444 \
                 --mqtts 0.0.0.0:8883 if they are elsewhere"
            );
        }
        app.reached_at(told);
        Ok(Some(Self { https, door, papers, at }))
    }

    pub(crate) const fn addresses(&self) -> EntranceAddresses {
        self.at
    }

    /// How the hub's own link comes in, where there is a door.
    pub(crate) fn link(&self) -> Result<Option<LinkTls>, HubError> {
        self.at.mqtts.map(|_door| self.papers.link()).transpose()
    }

    /// Lets in at the door.
    pub(crate) fn start_door(&mut self, tasks: &TaskGroup) {
        if let Some((door, cuts)) = self.door.take() {
            tasks.spawn("door", |stop| door.run(stop));
            tasks.spawn("door_cuts", |stop| cuts.run(stop));
        }
    }

    /// Answers over HTTPS.
    pub(crate) fn start(self, tasks: &TaskGroup, router: Router) {
        let server = self.https;
        tasks.spawn("https", |stop| async move {
            if let Err(error) = server.serve(router, stop).await {
                tracing::error!(error = &error as &dyn std::error::Error, "the HTTPS server ended");
            }
        });
        self.papers.keep(tasks);
    }
}

/// Where boxes are told to come.
fn addresses(names: &[SanName], https: SocketAddr, mqtts: Option<SocketAddr>) -> Addresses {
    let at = |host: &SanName, port: u16| match host {
        SanName::Address(IpAddr::V6(address)) => format!("[{address}]:{port}"),
        SanName::Address(_) | SanName::Host(_) => format!("{host}:{port}"),
    };
    if names.is_empty() {
        return Addresses {
            https: vec![format!("https://{https}")],
            mqtt: mqtts.iter().map(SocketAddr::to_string).collect(),
        };
    }
    Addresses {
        https: names.iter().map(|name| format!("https://{}", at(name, https.port()))).collect(),
        mqtt: mqtts.iter().flat_map(|mqtts| names.iter().map(|name| at(name, mqtts.port()))).collect(),
    }
}
