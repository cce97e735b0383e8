//! `provision import`: past sales from a file into the running store nodes.
//!
//! [`lines`] → [`record`] → [`header`], [`row`] → [`plan`] → [`chunk`] → [`mod@send`] → [`mod@quarantine`] → [`report`]. Up to the
//! plan nothing is sent; what is sent may be sent again.

pub mod chunk;
pub mod header;
pub mod intern;
pub mod lines;
pub mod options;
pub mod plan;
pub mod quarantine;
pub mod record;
pub mod report;
pub mod row;
pub mod send;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use percolate_common::time::StoreCalendar;
use percolate_runtime::system::monotonic_now;
use tokio::task::JoinSet;

use self::lines::{Lines, read_small};
use self::options::{ImportOptions, NodeOption};
use self::plan::Plan;
use self::quarantine::{QuarantineError, SetAside, set_aside, write_rows};
use self::report::{Report, StoreReport};
use self::row::{Fault, Shop};
use self::send::{STORE_PATIENCE_MS, SendError, Sent, Target, send};
use crate::client::{Client, ClientError, Node, NodeState, retry};
use crate::exit::{Exit, Failure};
use crate::figures::{counted, grouped, signed};
use crate::screen::Screen;

/// Longest token file, in bytes.
const TOKEN_BYTES_MAX: u64 = 4_096;
/// How long the hub may make no headway before an import stops waiting for it, in milliseconds.
const HUB_STALL_MS_MAX: u64 = 60_000;
/// Pause between two looks at how far the hub has got, in milliseconds.
const LOOK_EVERY_MS: u64 = 100;

/// Runs an import.
///
/// # Errors
/// [`Failure`] if nothing could be imported, or what happened cannot be told.
pub async fn run(options: &ImportOptions, json: bool, screen: &mut Screen) -> Result<Exit, Failure> {
    let begin = monotonic_now();
    let failed = |error: anyhow::Error| Failure::new(Exit::Failed, error);
    let file = Lines::open(&options.file).map_err(|error| failed(error.into()))?;
    let (shops, targets) = ask_nodes(options).await?;
    let reading = screen.progress.spinner("reading the file");
    let plan = Arc::new(plan::plan(file, &shops).map_err(|error| failed(error.into()))?);
    drop(reading);
    let rows = counted(plan.rows_read.into(), "row", "rows");
    let tickets = counted(plan.sums.iter().map(|sums| sums.tickets).sum(), "ticket", "tickets");
    screen.progress.say_without_bars(&format!("{rows} read, {tickets} to import"));
    let sent = send_all(&plan, &options.source, &shops, &targets, screen).await;
    let mut later: BTreeMap<u32, Fault> = BTreeMap::new();
    later.extend(sent.iter().flat_map(|sent| sent.faults.clone()));
    let import_ms = (monotonic_now() - begin).as_millis();
    let set_aside = quarantine(&options.file, &plan, &shops, &later, screen);
    let mut report = Report {
        stores: shops.iter().zip(&sent).map(|(shop, sent)| store_report(shop, sent)).collect(),
        rows_read: plan.rows_read,
        rows_duplicate: plan.rows_duplicate,
        set_aside: set_aside.as_ref().ok().cloned().unwrap_or_default(),
        import_ms,
        wait_ms: None,
    };
    if options.wait && report.exit() != Exit::ServerFailed {
        wait_for_hub(&targets, &mut report, screen).await?;
        report.wait_ms = Some((monotonic_now() - begin).as_millis().saturating_sub(import_ms));
    }
    let text = if json { format!("{}\n", report.to_json()) } else { report.to_text(screen.paint) };
    // A program that listens gets one object: the failure, if rows could not be set aside.
    if !json || set_aside.is_ok() {
        screen.write(&text).map_err(|error| failed(error.into()))?;
    }
    set_aside.map_err(|error| failed(error.into()))?;
    Ok(report.exit())
}

/// Asks every node which store it is, and pairs shops of the file with stores by `--map`.
async fn ask_nodes(options: &ImportOptions) -> Result<(Vec<Shop>, Vec<Target>), Failure> {
    for (at, map) in options.map.iter().enumerate() {
        let earlier = options.map.get(..at).unwrap_or_default();
        if let Some(twin) = earlier.iter().find(|twin| twin.theirs == map.theirs || twin.store == map.store) {
            return Err(Failure::usage(format!(
                "--map {}={} and --map {}={} contradict each other: one shop is one store",
                twin.theirs, twin.store, map.theirs, map.store
            )));
        }
    }
    let mut nodes: Vec<(Node, NodeState)> = Vec::new();
    for option in &options.nodes {
        let (node, state) = ask_node(option).await?;
        if let Some((twin, _)) = nodes.iter().find(|(_, known)| known.store.id == state.store.id) {
            let (one, other) = (twin.client().address(), &option.address);
            return Err(Failure::usage(format!(
                "{one} and {other} are both nodes of store {}: name one",
                state.store.id
            )));
        }
        nodes.push((node, state));
    }
    let mut shops = Vec::new();
    let mut targets = Vec::new();
    for map in &options.map {
        let Some((node, state)) = nodes.iter().find(|(_, state)| state.store.id == map.store) else {
            let known: Vec<String> = nodes.iter().map(|(_, state)| state.store.id.to_string()).collect();
            let known = known.join(", ");
            return Err(Failure::usage(format!(
                "--map {}={}: no --node is of store {}; those named are of store {known}",
                map.theirs, map.store, map.store
            )));
        };
        targets.push(Target { node: node.clone(), shop: shops.len(), store: map.store });
        shops.push(shop(&map.theirs, state)?);
    }
    Ok((shops, targets))
}

async fn ask_node(option: &NodeOption) -> Result<(Node, NodeState), Failure> {
    let token = match &option.token_file {
        None => None,
        Some(path) => Some(read_small(path, TOKEN_BYTES_MAX).map_err(|error| {
            let text = format!("could not read the token of {} from {}", option.address, path.display());
            Failure::new(Exit::Failed, anyhow::Error::new(error).context(text))
        })?),
    };
    let refused = |error: ClientError| Failure::new(Exit::ServerFailed, error);
    let client = Client::new(&option.address, token.as_deref()).map_err(refused)?;
    let node = Node::new(client.with_token_advice(option.token_advice("--node")));
    let patience = Duration::from_millis(STORE_PATIENCE_MS);
    let state = retry(patience, |_| node.state()).await.map_err(refused)?;
    Ok((node, state))
}

fn shop(theirs: &str, state: &NodeState) -> Result<Shop, Failure> {
    let store = &state.store;
    let strange = |error: anyhow::Error| {
        Failure::new(Exit::ServerFailed, error.context(format!("store {} describes itself strangely", store.id)))
    };
    Ok(Shop {
        theirs: theirs.to_owned(),
        store: store.id,
        name: store.name.clone(),
        calendar: StoreCalendar::new(&store.zone, store.cutover_hour).map_err(|error| strange(error.into()))?,
        currency: store
            .currency
            .parse()
            .map_err(|error: percolate_common::money::CurrencyParseError| strange(error.into()))?,
    })
}

/// Sends to all stores at once; the outcomes come in the order of the shops.
async fn send_all(plan: &Arc<Plan>, source: &str, shops: &[Shop], targets: &[Target], screen: &Screen) -> Vec<Sent> {
    let mut sending = JoinSet::new();
    for (target, shop) in targets.iter().cloned().zip(shops) {
        let lines = plan.sums.get(target.shop).map_or(0, |sums| sums.lines);
        let bar = screen.progress.bar(&shop.name, u64::try_from(lines).unwrap_or(0));
        let (plan, source, progress, name) =
            (plan.clone(), source.to_owned(), screen.progress.clone(), shop.name.clone());
        sending.spawn(async move {
            let sent = send(&plan, &source, &target, |done| {
                bar.at(done);
                bar.message(&format!("{} of {} lines", grouped(signed(done)), grouped(lines)));
            })
            .await;
            let ended = if sent.error.is_some() { "failed after" } else { "has" };
            progress.say_without_bars(&format!(
                "{name} {ended} {} of {} lines",
                grouped(sent.sums.lines),
                grouped(lines)
            ));
            (target.shop, sent)
        });
    }
    let mut outcomes: BTreeMap<usize, Sent> = sending.join_all().await.into_iter().collect();
    (0..targets.len()).map(|shop| outcomes.remove(&shop).unwrap_or_default()).collect()
}

/// Sets rows aside; where that cannot be done, shows them, so that they are not lost.
fn quarantine(
    file: &Path,
    plan: &Plan,
    shops: &[Shop],
    later: &BTreeMap<u32, Fault>,
    screen: &Screen,
) -> Result<SetAside, QuarantineError> {
    let outcome = set_aside(file, plan, shops, later);
    if let Err(QuarantineError::Write { .. }) = &outcome {
        let mut rows = Vec::new();
        write_rows(file, plan, shops, later, &mut rows)?;
        screen.progress.write(&String::from_utf8_lossy(&rows));
    }
    outcome
}

fn store_report(shop: &Shop, sent: &Sent) -> StoreReport {
    StoreReport {
        theirs: shop.theirs.clone(),
        store: shop.store,
        name: shop.name.clone(),
        currency: shop.currency,
        sums: sent.sums,
        lines_there_before: sent.lines_there_before,
        tickets_created: sent.tickets_created,
        tickets_amended: sent.tickets_amended,
        repeated_local_times: sent.repeated_local_times,
        lines_unsent: sent.lines_unsent,
        error: sent.error.as_ref().map(|error| with_causes(error)),
        unaccounted: matches!(sent.error, Some(SendError::Unaccounted { .. })),
        acknowledged: None,
    }
}

fn with_causes(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

/// Waits until the hub has acknowledged every journal of every store, or makes no headway any more.
async fn wait_for_hub(targets: &[Target], report: &mut Report, screen: &Screen) -> Result<(), Failure> {
    let waiting = screen.progress.spinner("waiting for the head office");
    let mut deadline = monotonic_now() + Duration::from_millis(HUB_STALL_MS_MAX);
    let mut least_left = u64::MAX;
    loop {
        let mut left = 0;
        for (target, store) in targets.iter().zip(&mut report.stores) {
            let patience = Duration::from_millis(STORE_PATIENCE_MS);
            let state = retry(patience, |_| target.node.state()).await;
            let state = state.map_err(|error| Failure::new(Exit::ServerFailed, error))?;
            let behind: u64 = state.streams.iter().map(|stream| stream.last_seq.saturating_sub(stream.acked_seq)).sum();
            store.acknowledged = Some(behind == 0);
            left += behind;
        }
        if left == 0 {
            return Ok(());
        }
        waiting.message(&format!("waiting for the head office: {} events to go", grouped(signed(left))));
        if left < least_left {
            least_left = left;
            deadline = monotonic_now() + Duration::from_millis(HUB_STALL_MS_MAX);
        }
        if monotonic_now() >= deadline {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(LOOK_EVERY_MS)).await;
    }
}
