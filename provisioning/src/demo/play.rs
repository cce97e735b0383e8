//! The morning from the first sale to the verdict.

use std::sync::Arc;

use percolate_runtime::system::{SystemClock, monotonic_now};
use tokio::task::JoinSet;

use super::act::{ActError, Stage};
use super::cost::Act;
use super::floor::Floor;
use super::link::Link;
use super::live::Show;
use super::morning;
use super::opening::{Opened, failed};
use super::options::DemoOptions;
use super::report::DemoReport;
use super::settle::{settle, unite};
use super::shops::{self, Shop};
use super::till::{TillBooks, TillError};
use crate::audit;
use crate::audit::report::AuditReport;
use crate::client::Node;
use crate::exit::{Exit, Failure};
use crate::screen::Progress;

/// What the morning came to, before the books are compared.
struct Sold {
    by_shop: Vec<(Shop, TillBooks)>,
    acts: Vec<Act>,
    rush_ms: u128,
    settle_ms: u128,
}

/// Lets the morning pass, compares the books, and audits them.
///
/// # Errors
/// [`Failure`] if it could not be played to its end. That books differ is no failure.
pub async fn play(opened: &Opened, options: &DemoOptions, progress: &Progress) -> Result<DemoReport, Failure> {
    let stage = &opened.stage;
    for (shop, rush) in stage.shops.iter().zip(&stage.plan) {
        shop.deliver(&rush.tickets, &stage.catalog, stage.seed).await.map_err(failed)?;
    }
    let show = Show { stage, day: opened.day, open_s: i64::from(opened.open_s), currency: opened.currency };
    let sold = show.during(progress, sell(opened, options, progress)).await?;
    progress.say_without_bars("comparing the books, and reading all journals anew");
    let day = opened.day.to_string();
    let mut tills = TillBooks::default();
    sold.by_shop.iter().for_each(|(_, books)| tills.add(books));
    Ok(DemoReport {
        stores: shops::compare(&stage.office, &sold.by_shop, &day).await.map_err(failed)?,
        audit: examine(stage, |_read| {}).await?,
        tills,
        acts: sold.acts,
        day,
        opens: stage.wall.opens,
        seed: stage.seed,
        rush_ms: sold.rush_ms,
        settle_ms: sold.settle_ms,
        restarts: stage.crew.restarts(),
        office: stage.office.page(),
        currency: opened.currency,
    })
}

/// Audits the whole chain, and tells how many shops were read.
///
/// # Errors
/// [`Failure`] if a side cannot be asked.
pub async fn examine(stage: &Stage, told: impl Fn(u64)) -> Result<AuditReport, Failure> {
    let nodes: Vec<Node> = stage.shops.iter().map(|shop| shop.node.clone()).collect();
    audit::examine(&stage.office.hub, &nodes, None, told).await
}

async fn sell(opened: &Opened, options: &DemoOptions, progress: &Progress) -> Result<Sold, Failure> {
    let stage = &opened.stage;
    let floor =
        Floor { catalog: stage.catalog.clone(), clock: stage.wall.clock, seed: stage.seed, tally: stage.tally.clone() };
    stage.wall.clock.wait_until(0, &SystemClock).await;
    let begin = monotonic_now();
    let troubles = if options.calm { Vec::new() } else { morning::plan(stage.shops.len(), opened.open_s) };
    let selling = async { floor.sell(&stage.shops, &stage.plan).await.map_err(till_failed) };
    let (mut by_store, acts) = tokio::try_join!(selling, suffer(stage, troubles))?;
    let rush_ms = (monotonic_now() - begin).as_millis();
    progress.say_without_bars("waiting for the head office");
    settle(&stage.office, &stage.shops).await.map_err(failed)?;
    retire_copies(stage).await?;
    let settle_ms = (monotonic_now() - begin).as_millis().saturating_sub(rush_ms);
    for copy in stage.copies().iter() {
        by_store.entry(copy.shop.store.id).or_default().add(&copy.books);
    }
    let books = |shop: &Shop| by_store.get(&shop.store.id).cloned().unwrap_or_default();
    let by_shop = stage.shops.iter().map(|shop| (shop.clone(), books(shop))).collect();
    Ok(Sold { by_shop, acts, rush_ms, settle_ms })
}

/// Lets all troubles come, each at its time.
async fn suffer(stage: &Arc<Stage>, troubles: Vec<morning::PlannedTrouble>) -> Result<Vec<Act>, Failure> {
    let mut coming = JoinSet::new();
    for planned in troubles {
        let stage = stage.clone();
        coming.spawn(async move { stage.play(planned).await });
    }
    let mut acts = Vec::new();
    while let Some(over) = coming.join_next().await {
        // A panic is not swallowed: it goes on here.
        let act = over.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
        acts.push(act.map_err(act_failed)?);
    }
    acts.sort_by_key(|act| act.second);
    Ok(acts)
}

/// Ends the copies, once the head office holds all that they wrote, and waits until the shops' own boxes do, too. What is
/// found to be wrong meanwhile is said at once.
///
/// Whether all of it was united.
///
/// # Errors
/// [`Failure`] if a server is gone for good.
pub async fn retire_copies(stage: &Stage) -> Result<bool, Failure> {
    let mut united = true;
    let running: Vec<_> = stage.copies().iter().filter(|copy| !copy.retired).cloned().collect();
    for copy in running {
        settle(&stage.office, std::slice::from_ref(&copy.shop)).await.map_err(failed)?;
        stage.crew.retire(copy.who).await;
        if let Some(kept) = stage.copies().iter_mut().find(|kept| kept.who == copy.who) {
            kept.retired = true;
        }
        let of_copy = |(shop, _): &(&Shop, &Link)| shop.store.id == copy.shop.store.id;
        if let Some((original, link)) = stage.shops.iter().zip(&stage.links).find(of_copy) {
            for found in unite(&stage.office, original, link).await? {
                united = false;
                stage.diary.note(&format!("{}: audit", original.store.name), &found.sentence);
            }
        }
    }
    Ok(united)
}

fn till_failed(error: TillError) -> Failure {
    let exit = if error.is_disagreement() { Exit::Disagreement } else { Exit::ServerFailed };
    Failure::new(exit, error)
}

/// How the program ends when a trouble could not be done.
pub(super) fn act_failed(error: ActError) -> Failure {
    match error {
        ActError::Till(error) => till_failed(error),
        ActError::Shops(error) => failed(error),
        ActError::Server(_) | ActError::NotOver { .. } => Failure::new(Exit::ServerFailed, error),
        ActError::NoShop(_) | ActError::LineIsCut(_) => Failure::new(Exit::Usage, error),
    }
}
