//! What head office does before a tech goes out: founds the chain, plans shops, makes their bundles, shuts boxes out; and who
//! of it may do what.

mod chain;
mod csv;
mod csv_file;
mod from_file;
mod from_other;
pub mod menu;
mod nodes;
mod papers;
mod plan;
mod quarantine;
mod question;
mod sheet;
mod stores;
mod users;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use percolate_common::identity::person::PersonName;
use percolate_common::time::UtcMillis;
use percolate_runtime::pki::SanName;

use crate::client::{Client, ClientError, named};
use crate::exit::{Exit, Failure, OFFICE_EXIT_CODES};
use crate::import::options::NodeOption;
use crate::screen::Screen;

/// The hub, as all of these commands take it.
#[derive(Debug, Args)]
pub struct HubOption {
    /// The head office's server, the hub, and the file that holds its token: http://127.0.0.1:8081,hub-data/token
    #[arg(long, value_name = "URL[,TOKENFILE]")]
    pub hub: NodeOption,
}

impl HubOption {
    fn client(&self) -> Result<Client, Failure> {
        named(&self.hub, "--hub")
    }
}

/// Found the chain: who may speak for it, and who may not.
#[derive(Debug, Subcommand)]
pub enum ChainCommand {
    /// Make the chain's own certificates. Its root's key goes into a folder of its own, for a safe: it is needed every three
    /// years. The rest goes to the hub, which enrols boxes from its next start on. Run again, it says what is there
    #[command(after_help = OFFICE_EXIT_CODES)]
    Init(ChainInit),
    /// Make the certificate by which a large hub comes to the chain's broker. It holds for a year; made again, it is another
    #[command(after_help = OFFICE_EXIT_CODES)]
    HubIdentity(Papers),
    /// Make the certificate that a broker of yours shows: boxes and hub believe no other. It holds for a year
    #[command(after_help = OFFICE_EXIT_CODES)]
    BrokerIdentity(BrokerPapers),
}

/// The arguments of `provision chain hub-identity`.
#[derive(Debug, Args)]
pub struct Papers {
    /// The folder of the chain's CA, as `provision chain init` made it: HUB_DATA/ca
    #[arg(long, value_name = "DIR")]
    pub ca: PathBuf,
    /// Where root.pem, certificate.pem and key.pem go; the key is readable by its owner alone
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
}

/// The arguments of `provision chain broker-identity`.
#[derive(Debug, Args)]
pub struct BrokerPapers {
    #[command(flatten)]
    pub(crate) papers: Papers,
    /// A name or an address of the broker, for programs of others; may be said several times. Boxes and hub need none
    #[arg(long = "name", value_name = "HOST")]
    pub names: Vec<SanName>,
}

/// The arguments of `provision chain init`.
#[derive(Debug, Args)]
pub struct ChainInit {
    /// The chain's name, as it stands in its certificates
    #[arg(long, value_name = "NAME")]
    pub name: String,
    /// The hub's data folder
    #[arg(long, value_name = "DIR")]
    pub data: PathBuf,
    /// Where the root's key goes: a stick, which is then taken away
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Who is invited to be the chain's first owner, by the name to sign in with
    #[arg(long, value_name = "NAME")]
    pub admin: Option<PersonName>,
}

/// Plan shops, and make the bundles from which techs bring them up.
#[derive(Debug, Subcommand)]
pub enum StoreCommand {
    /// Plan shops, or plan them otherwise: from a JSON file, from the tables of an old system, from a template, or like a shop
    /// that is planned. What changes is shown first. Menu and taxes are the hub's, and the same for all shops: provision menu
    #[command(after_help = OFFICE_EXIT_CODES)]
    Create(StoreCreate),
    /// List the shops that are planned
    #[command(after_help = OFFICE_EXIT_CODES)]
    List(HubOption),
    /// Forget a shop of which no box was ever enrolled or heard. Its sticks are worth nothing any more
    #[command(after_help = OFFICE_EXIT_CODES)]
    Delete(StoreDelete),
    /// Make a bundle for a shop: a file for a stick, and a sheet with its code. It ends the shop's earlier codes
    #[command(after_help = OFFICE_EXIT_CODES)]
    Bundle(StoreBundle),
    /// Say to which district and region a shop belongs, and so who of the office sees it
    #[command(after_help = OFFICE_EXIT_CODES)]
    Place(StorePlace),
}

/// The arguments of `provision store create`.
#[derive(Debug, Args)]
pub struct StoreCreate {
    #[command(flatten)]
    pub(crate) hub: HubOption,
    #[command(flatten)]
    pub(crate) source: ShopSource,
    #[command(flatten)]
    pub(crate) shop: ShopOptions,
    /// With --from-csv: publish the menu of that folder first, as provision menu publish does. For the chain's first menu say
    /// --currency, too
    #[arg(long, requires = "from_csv")]
    pub with_menu: bool,
    /// Do it without a question; the difference is shown all the same
    #[arg(long)]
    pub yes: bool,
}

/// Where plans come from.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct ShopSource {
    /// The shops: {"store": 42, "node": 421, "name": "Harbour", "zone": "America/New_York", "currency": "USD",
    /// "cutover_hour": 4, ...}, or a list of such; the hub's /openapi.json has all that may be said
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// A folder with stores.csv, and with hours.csv, terminals.csv, printers.csv, staff.csv, stock.csv as far as there are any;
    /// docs/stores.md has their columns. A shop with a line that cannot be taken is set aside, and listed in quarantine.csv
    #[arg(long, value_name = "DIR")]
    pub from_csv: Option<PathBuf>,
    /// One shop from a file that has what its like have, without store and node; say --store and --node
    #[arg(long, value_name = "FILE", requires_all = ["store", "node"])]
    pub template: Option<PathBuf>,
    /// One shop like this one, but for its people and the names of its box; say --store, --node and --name
    #[arg(id = "clone", long = "clone", value_name = "N", requires_all = ["store", "node", "name"])]
    pub clone_of: Option<u32>,
}

/// What one shop has otherwise than the template, or than the shop that it is like.
#[derive(Debug, Args)]
pub struct ShopOptions {
    /// Its number
    #[arg(long, value_name = "N")]
    pub store: Option<u32>,
    /// The number of its box
    #[arg(long, value_name = "M")]
    pub node: Option<u32>,
    /// Its name
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Its time zone, as in America/New_York
    #[arg(long, value_name = "ZONE")]
    pub zone: Option<String>,
    /// Its currency, which is the menu's
    #[arg(long, value_name = "CURRENCY")]
    pub currency: Option<String>,
    /// The hour at which its business day changes
    #[arg(long, value_name = "HOUR")]
    pub cutover_hour: Option<u8>,
}

/// The arguments of `provision store bundle`.
#[derive(Debug, Args)]
pub struct StoreBundle {
    #[command(flatten)]
    pub(crate) hub: HubOption,
    /// The shop, by its number
    #[arg(long, value_name = "N")]
    pub store: u32,
    /// The file to write; it holds secrets and is readable by its owner alone
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// A page to print for the tech, beside it: the code, until when, how. It holds the code, and is its owner's alone, too
    #[arg(long, value_name = "FILE.html")]
    pub sheet: Option<PathBuf>,
    /// Show the code as a pattern for a camera, too
    #[arg(long)]
    pub qr: bool,
    /// The box takes the place of another, which is shut out once this one is enrolled
    #[arg(long)]
    pub replace: bool,
}

/// The arguments of `provision store place`.
#[derive(Debug, Args)]
pub struct StorePlace {
    #[command(flatten)]
    pub(crate) hub: HubOption,
    /// The shop, by its number
    #[arg(long, value_name = "N")]
    pub store: u32,
    /// Its district
    #[arg(long, value_name = "N")]
    pub district: u32,
    /// Its region
    #[arg(long, value_name = "N")]
    pub region: u32,
}

/// The arguments of `provision store delete`.
#[derive(Debug, Args)]
pub struct StoreDelete {
    #[command(flatten)]
    pub(crate) hub: HubOption,
    /// The shop, by its number
    #[arg(long, value_name = "N")]
    pub store: u32,
    /// Do it without a question
    #[arg(long)]
    pub yes: bool,
}

/// See to the boxes of shops.
#[derive(Debug, Subcommand)]
pub enum NodeCommand {
    /// List the certificates of boxes
    #[command(after_help = OFFICE_EXIT_CODES)]
    List(HubOption),
    /// Shut a box out: what it has lets it in no more, until head office makes another bundle for its shop. The shop sells on, and
    /// what it sells waits for a box in its place
    #[command(after_help = OFFICE_EXIT_CODES)]
    Revoke(NodeRevoke),
}

/// The arguments of `provision node revoke`.
#[derive(Debug, Args)]
pub struct NodeRevoke {
    #[command(flatten)]
    pub(crate) hub: HubOption,
    /// The box, by its number: 421, or n421
    #[arg(long, value_name = "N", value_parser = node_number)]
    pub node: u32,
    /// Why, for those who read it later: stolen, broken
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
    /// Do it without a question
    #[arg(long)]
    pub yes: bool,
}

/// A box as people call it.
fn node_number(text: &str) -> Result<u32, String> {
    let number = text.strip_prefix(['n', 'N']).unwrap_or(text);
    number.parse().map_err(|_no_number| "a box is called 421, or n421".to_owned())
}

/// See to the people of the office: who may sign in, and what they may do where.
#[derive(Debug, Subcommand)]
pub enum UserCommand {
    /// Invite somebody, or somebody again who has lost their password or their phone: the earlier invitation ends
    #[command(after_help = OFFICE_EXIT_CODES)]
    Invite(UserInvite),
    /// List everybody, with what they may do
    #[command(after_help = OFFICE_EXIT_CODES)]
    List(HubOption),
    /// Say what somebody may do from now on, in place of what they might before
    #[command(after_help = OFFICE_EXIT_CODES)]
    Grant(UserGrant),
    /// Let somebody sign in no more, and sign them out everywhere
    #[command(after_help = OFFICE_EXIT_CODES)]
    Disable(UserDisable),
    /// List who did what that not everybody may, the latest first
    #[command(after_help = OFFICE_EXIT_CODES)]
    Doings(UserDoings),
}

/// The arguments of `provision user invite`.
#[derive(Debug, Args)]
pub struct UserInvite {
    #[command(flatten)]
    pub(crate) hub: HubOption,
    /// The name to sign in with
    #[arg(value_name = "NAME")]
    pub name: PersonName,
    /// What they may do, as in manager@store:42, planner@district:7, auditor@region:3 or owner@chain; may be said several times
    #[arg(long = "grant", value_name = "ROLE@WHERE")]
    pub grants: Vec<String>,
}

/// The arguments of `provision user grant`.
#[derive(Debug, Args)]
pub struct UserGrant {
    #[command(flatten)]
    pub(crate) hub: HubOption,
    /// Who
    #[arg(value_name = "NAME")]
    pub name: PersonName,
    /// All that they may do; without any, nothing: manager@store:42, planner@district:7, auditor@region:3, owner@chain
    #[arg(value_name = "ROLE@WHERE")]
    pub grants: Vec<String>,
}

/// The arguments of `provision user disable`.
#[derive(Debug, Args)]
pub struct UserDisable {
    #[command(flatten)]
    pub(crate) hub: HubOption,
    /// Who
    #[arg(value_name = "NAME")]
    pub name: PersonName,
}

/// The arguments of `provision user doings`.
#[derive(Debug, Args)]
pub struct UserDoings {
    #[command(flatten)]
    pub(crate) hub: HubOption,
    /// How many lines, at most
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub limit: u32,
}

/// Runs `provision chain`.
///
/// # Errors
/// [`Failure`] says what was not done.
pub fn chain(command: &ChainCommand, json: bool, screen: &mut Screen) -> Result<Exit, Failure> {
    match command {
        ChainCommand::Init(options) => chain::init(options, json, screen),
        ChainCommand::HubIdentity(options) => papers::hub(options, json, screen),
        ChainCommand::BrokerIdentity(options) => papers::broker(options, json, screen),
    }
}

/// Runs `provision store`.
///
/// # Errors
/// [`Failure`] says what was not done.
pub async fn store(command: &StoreCommand, json: bool, screen: &mut Screen) -> Result<Exit, Failure> {
    match command {
        StoreCommand::Create(options) => plan::create(options, json, screen).await,
        StoreCommand::List(hub) => stores::list(&hub.client()?, json, screen).await,
        StoreCommand::Delete(options) => stores::delete(options, json, screen).await,
        StoreCommand::Bundle(options) => stores::bundle(options, json, screen).await,
        StoreCommand::Place(options) => users::place(options, json, screen).await,
    }
}

/// Runs `provision node`.
///
/// # Errors
/// [`Failure`] says what was not done.
pub async fn node(command: &NodeCommand, json: bool, screen: &mut Screen) -> Result<Exit, Failure> {
    match command {
        NodeCommand::List(hub) => nodes::list(&hub.client()?, json, screen).await,
        NodeCommand::Revoke(options) => nodes::revoke(options, json, screen).await,
    }
}

/// Runs `provision user`.
///
/// # Errors
/// [`Failure`] says what was not done.
pub async fn user(command: &UserCommand, json: bool, screen: &mut Screen) -> Result<Exit, Failure> {
    match command {
        UserCommand::Invite(options) => users::invite(options, json, screen).await,
        UserCommand::List(hub) => users::list(&hub.client()?, json, screen).await,
        UserCommand::Grant(options) => users::grant(options, json, screen).await,
        UserCommand::Disable(options) => users::disable(options, json, screen).await,
        UserCommand::Doings(options) => users::doings(options, json, screen).await,
    }
}

/// Says it to a program as an object, or to a person in lines.
fn tell(screen: &mut Screen, json: bool, object: &serde_json::Value, lines: &str) -> Result<Exit, Failure> {
    let told = if json { screen.line(&object.to_string()) } else { screen.write(lines) };
    told.map(|()| Exit::Done).map_err(|error| Failure::new(Exit::Failed, error))
}

/// An instant by the minute, or that there is none.
fn moment(at_ms: Option<i64>) -> String {
    let Some(at_ms) = at_ms else { return "-".to_owned() };
    let text = UtcMillis::new(at_ms).to_string();
    let (day, time) = text.split_once('T').unwrap_or((&text, ""));
    format!("{day} {}", time.get(..5).unwrap_or_default())
}

/// What the hub has refused. A process of a large hub that does no identity knows none of these questions.
fn refused(error: ClientError) -> Failure {
    let is_without_identity = matches!(&error, ClientError::Refused { code, .. } if code == "not_found");
    let error = anyhow::Error::new(error);
    Failure::new(
        Exit::ServerFailed,
        if is_without_identity {
            error.context("nobody enrols boxes at this address: ask the hub's process that does identity")
        } else {
            error
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_is_called_by_its_number_and_an_instant_by_its_minute() {
        assert_eq!(["421", "n421", "N421"].map(node_number), [Ok(421), Ok(421), Ok(421)]);
        assert!(["", "n", "m421", "-1"].into_iter().all(|text| node_number(text).is_err()));
        assert_eq!((moment(Some(1_795_604_800_000)).as_str(), moment(None).as_str()), ("2026-11-25 11:06", "-"));
    }
}
