//! The shops are planned by the head office, and brought up from its bundles as a tech brings up a real one.

use std::path::{Path, PathBuf};

use percolate_runtime::files::write_secret;
use percolate_runtime::system::clock_from_option;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::chain::{DemoChain, DemoStore};
use super::clock::DemoClock;
use super::link::Link;
use super::servers::{Argument, Server, ServerSpec, Who, words};
use super::shops::{ANY_PORT, Office, Shop, ShopsError, client_error, open_shop};
use crate::client::{Client, Node};
use crate::screen::Screen;
use crate::up::options::{PlaceOptions, ServiceKind, UpOptions};
use crate::up::{Start, UpError, quietly};

/// The longest wait of a box between two tries to reach the head office, in seconds: a person looks on.
const HUB_RETRY_S_MAX: &str = "2";

/// A shop whose server is to be started when its files are in place.
struct Opening {
    store: DemoStore,
    spec: ServerSpec,
    opened: Option<Result<(Server, Shop), ShopsError>>,
}

impl Start for &mut Opening {
    async fn start(self, _place: &PlaceOptions) -> Result<(Node, bool), UpError> {
        let opened = open_shop(self.spec.clone(), self.store.clone()).await;
        let outcome = match &opened {
            Ok((_, shop)) => Ok((shop.node.clone(), true)),
            Err(error) => Err(UpError::Service(error.to_string())),
        };
        self.opened = Some(opened);
        outcome
    }
}

/// Plans the shops, makes their bundles and brings them up, all at once, and waits until each sells and is known.
///
/// # Errors
/// The first [`ShopsError`].
pub async fn open_shops(
    (folder, office): (&Path, &Office),
    chain: &DemoChain,
    lines: &[Link],
    clock: &DemoClock,
    screen: &Screen,
) -> Result<Vec<(Server, Shop)>, ShopsError> {
    let bar = screen.progress.bar("opening the shops", chain.stores.len() as u64);
    let mut opening = JoinSet::new();
    for (store, line) in chain.stores.iter().zip(lines) {
        opening.spawn(bring_up((folder.to_owned(), office.hub.client().clone()), store.clone(), line.clone(), *clock));
    }
    let mut shops = Vec::new();
    while let Some(opened) = opening.join_next().await {
        // A panic is not swallowed: it goes on here.
        let opened = opened.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
        shops.push(opened?);
        bar.at(shops.len() as u64);
        bar.message(&format!("{} of {}", shops.len(), chain.stores.len()));
    }
    shops.sort_by_key(|(_, shop)| shop.store.id);
    Ok(shops)
}

async fn bring_up(
    (folder, hub): (PathBuf, Client),
    store: DemoStore,
    line: Link,
    clock: DemoClock,
) -> Result<(Server, Shop), ShopsError> {
    let name = format!("store-{:02}", store.id);
    let (data, config) = (folder.join(&name), folder.join("etc").join(&name));
    let bundle = folder.join("bundles").join(format!("{name}.percolate"));
    fetch(&hub, &store, &bundle).await?;
    let options = UpOptions {
        bundle: Some(bundle),
        hub: None,
        code: None,
        code_file: None,
        store: Some(store.id),
        chain: None,
        place: PlaceOptions {
            config: config.clone(),
            data: data.clone(),
            http: ([127, 0, 0, 1], 0).into(),
            https: None,
            rehearsal: true,
        },
        service: Some(ServiceKind::Process),
        firewall: false,
        no_firewall: true,
        ssh_from: Vec::new(),
        no_print: true,
        simulated_clock: Some(clock.argument()),
    };
    let spec = spec((data, &config.join("site.json")), &store, &line, &clock);
    let machine = clock_from_option(Some(&clock.argument()))?;
    let mut opening = Opening { store, spec, opened: None };
    let brought = quietly(&options, machine, &mut opening).await;
    let name = opening.store.name;
    match (opening.opened, brought) {
        (Some(Err(error)), _) => Err(error),
        (Some(Ok(_)) | None, Err(source)) => Err(ShopsError::Up { name, source: Box::new(source) }),
        (Some(Ok(shop)), Ok(true)) => Ok(shop),
        (Some(Ok(_)) | None, Ok(_)) => Err(ShopsError::NotEnrolled { name }),
    }
}

/// Plans a shop, and has its bundle made.
async fn fetch(hub: &Client, store: &DemoStore, bundle: &Path) -> Result<(), ShopsError> {
    let failed = client_error("the head office");
    let at = format!("/v1/identity/stores/{}", store.id);
    let plan = json!({
        "node": store.node, "name": store.name, "zone": store.zone, "currency": store.currency,
        "cutover_hour": store.cutover_hour,
    });
    hub.put::<Value>(&at, plan.to_string().into_bytes()).await.map_err(&failed)?;
    let purpose = json!({ "purpose": "new" }).to_string().into_bytes();
    let key = format!("demo-bundle-of-shop-{}", store.id);
    let (_, file) = hub.file_by_post(&format!("{at}/bundles"), &key, purpose).await.map_err(&failed)?;
    let written = bundle.parent().map_or(Ok(()), std::fs::create_dir_all);
    let cannot = |source| ShopsError::File { path: bundle.to_owned(), source };
    written.map_err(cannot)?;
    write_secret(bundle, &file).map_err(|error| cannot(std::io::Error::other(error)))
}

fn spec((data, site): (PathBuf, &Path), store: &DemoStore, line: &Link, clock: &DemoClock) -> ServerSpec {
    let (site, clock) = (site.to_string_lossy(), clock.argument());
    let (mqtts, https) = (line.mqtts(), line.https());
    let who = ["serve", "--site", &site, "--hub-mqtt", &mqtts, "--hub-https", &https];
    let time = ["--hub-retry-s-max", HUB_RETRY_S_MAX, "--simulated-clock", &clock];
    let [data_name, http_name] = ["--data", "--http"].map(|name| words(&[name]));
    let fixed = words(&[&who[..], &time[..]].concat());
    ServerSpec {
        who: Who::Shop(store.id),
        name: store.name.clone(),
        program: "store-node",
        arguments: [fixed, data_name, vec![Argument::Data], http_name, vec![Argument::Http]].concat(),
        data,
        http: ANY_PORT.to_owned(),
        mqtts: String::new(),
        https: String::new(),
    }
}
