//! What shop this is: as the command line says, or as the file that was installed on the box.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::str::FromStr;

use percolate_common::domain::event::StoreDescribed;
use percolate_common::domain::staff::{BadgeUse, SignIn, StaffPolicy};
use percolate_common::domain::tenders::forward::ForwardLimits;
use percolate_common::identity::names::{ChainId, Principal};
use percolate_common::identity::pem::{Label, decode};
use percolate_common::identity::site::{PrinterV1, RECEIPT_KIND, SiteV1, StaffV1};
use percolate_common::identity::site_file::{MENU_FILE, SITE_FILE_BYTES_MAX, SiteFileV1, plan_of};
use percolate_common::ids::{NodeId, StoreId};
use percolate_common::journal::SigningKey;
use percolate_common::paper::{Receipts, ReceiptsUnknown};
use percolate_common::time::{StoreCalendar, UtcMillis};
use percolate_common::wire::topic::client_id;
use percolate_runtime::broker::{BrokerAddresses, Credentials};
use percolate_runtime::files::read_secret_text;
use percolate_runtime::http::caller::HttpsAddress;
use percolate_runtime::pki::SanName;
use percolate_runtime::tls::Roots;

use crate::config::{Config, NamedPrinter};
use crate::identity::Member;
use crate::start_error::{Part as _, Result, config_error};

/// The number of a shop's first bundle.
const FIRST_BUNDLE: u64 = 1;

/// Where the broker is, where nobody says anything else.
const BROKER_HERE: &str = "127.0.0.1:1883";

/// The chain that a box belongs to, as it was told.
#[derive(Debug, Clone)]
struct Chain {
    id: ChainId,
    /// The root's certificate in DER.
    root: Vec<u8>,
    roots: Roots,
    /// Where the hub is asked for certificates.
    https: Vec<HttpsAddress>,
    /// When the bundle was made.
    made_at: UtcMillis,
}

/// The shop.
#[derive(Debug, Clone)]
pub(crate) struct Shop {
    pub(crate) store: StoreId,
    pub(crate) node: NodeId,
    pub(crate) described: StoreDescribed,
    pub(crate) calendar: StoreCalendar,
    pub(crate) brokers: BrokerAddresses,
    /// Where terminals come in from the shop's network, where the site's file says it.
    pub(crate) https: Option<SocketAddr>,
    /// Under which names they come.
    pub(crate) lan_names: Vec<SanName>,
    /// Its people, with what they type and what their badges say.
    pub(crate) staff: Vec<StaffV1>,
    /// What it has decided about their signing in.
    pub(crate) policy: StaffPolicy,
    /// What it takes on trust while its card terminal has no line.
    pub(crate) card_forward: ForwardLimits,
    /// Its printers, and what it prints.
    pub(crate) paper: ShopPaper,
    /// Frames with the menu that came with the shop, in their order.
    pub(crate) menu: Option<Vec<Vec<u8>>>,
    /// The hash of the file that says all this, where there is one.
    pub(crate) plan: Option<String>,
    /// Whether an earlier bundle was made for the shop.
    pub(crate) follows: bool,
    /// None on a box that no bundle has made.
    chain: Option<Chain>,
}

impl Shop {
    /// Reads what the configuration says, or names.
    pub(crate) fn read(config: &Config) -> Result<Self> {
        match &config.site {
            Some(path) => installed(config, path),
            None => told(config),
        }
    }

    /// The node's account at the hub's broker, if it has one. Its password leaves this machine only where that is allowed.
    pub(crate) fn credentials(&self, config: &Config) -> Result<Option<Credentials>> {
        let Some(path) = &config.hub_password_file else { return Ok(None) };
        if let Some(remote) = self.brokers.remote().filter(|_| !config.plain_network) {
            return Err(config_error(format!(
                "--hub-mqtt {remote} is not on this machine, and the password would be sent there in the clear: name the \
                 end of a tunnel on this machine, or say --plain-network if the line is private"
            )));
        }
        Credentials::read(&client_id(self.node), path).map(Some).part("reading --hub-password-file")
    }

    /// The box as a member of its chain, if it is of one.
    pub(crate) fn member(&self, key: SigningKey, machine: Option<[u8; 16]>) -> Option<Member> {
        let Chain { id, root, roots, https, made_at } = self.chain.clone()?;
        let principal = Principal::Node(self.node);
        Some(Member {
            chain: id,
            root,
            roots,
            https,
            made_at,
            node: self.node,
            principal,
            store: self.store,
            key,
            machine,
        })
    }
}

/// What a shop prints, and where.
#[derive(Debug, Clone, Default)]
pub(crate) struct ShopPaper {
    pub(crate) printers: Vec<PrinterV1>,
    /// Tills with a printer of their own: its name by theirs.
    pub(crate) by_terminal: BTreeMap<String, String>,
    /// Whether a sale prints unless somebody says otherwise.
    pub(crate) receipts: Receipts,
    /// What stands below the shop's name.
    pub(crate) address: Option<String>,
}

/// What somebody has said of the shop, and what their words for it are.
struct Said<'s> {
    words: [&'static str; 2],
    name: &'s str,
    zone: &'s str,
    currency: &'s str,
    cutover_hour: u8,
}

/// The shop as it is described to the hub.
fn described(said: &Said<'_>) -> Result<(StoreDescribed, StoreCalendar)> {
    let Said { words: [of_name, of_currency], name, zone, currency, cutover_hour } = *said;
    let calendar = StoreCalendar::new(zone, cutover_hour).map_err(|error| config_error(error.to_string()))?;
    let name_is_sound = (1..=80).contains(&name.trim().len()) && !name.chars().any(char::is_control);
    if !name_is_sound {
        return Err(config_error(format!("{of_name} must have 1 to 80 bytes without control characters")));
    }
    let currency = currency.parse().part(of_currency)?;
    Ok((StoreDescribed { name: name.to_owned(), zone: zone.to_owned(), cutover_hour, currency }, calendar))
}

/// The shop of the command line.
fn told(config: &Config) -> Result<Shop> {
    let given = (config.store, config.node, &config.name, &config.zone, &config.currency);
    let (Some(store), Some(node), Some(name), Some(zone), Some(currency)) = given else {
        return Err(config_error("say --site, or --store, --node, --name, --zone and --currency"));
    };
    let words = ["--name", "reading --currency"];
    let (described, calendar) = described(&Said { words, name, zone, currency, cutover_hour: config.cutover_hour })?;
    let brokers = config.hub_mqtt.clone().map_or_else(|| BROKER_HERE.parse(), Ok).part("reading --hub-mqtt")?;
    let (store, node) = (StoreId::new(store), NodeId::new(node));
    Ok(Shop {
        store,
        node,
        described,
        calendar,
        brokers,
        https: None,
        lan_names: Vec::new(),
        staff: Vec::new(),
        policy: StaffPolicy::default(),
        card_forward: ForwardLimits::default(),
        paper: ShopPaper {
            printers: config.prints.printers.iter().map(told_printer).collect(),
            ..ShopPaper::default()
        },
        menu: None,
        plan: None,
        follows: false,
        chain: None,
    })
}

/// The shop of the file that was installed.
fn installed(config: &Config, path: &Path) -> Result<Shop> {
    let size = fs::metadata(path).part("reading the file of --site")?.len();
    if size > SITE_FILE_BYTES_MAX {
        return Err(config_error(format!("{} is too large for what provision up writes there", path.display())));
    }
    // Codes of people stand in it.
    let text = read_secret_text(path).part("reading the file of --site")?;
    let file: SiteFileV1 = serde_json::from_str(&text).part("reading the file of --site")?;
    file.check().part("reading the file of --site")?;
    let site = &file.site;
    let (described, calendar) = described(&Said {
        words: ["the name in the file of --site", "reading the currency in the file of --site"],
        name: &site.name,
        zone: &site.zone,
        currency: &site.currency,
        cutover_hour: site.cutover_hour,
    })?;
    let brokers = match &config.hub_mqtt {
        Some(brokers) => brokers.clone(),
        None => file.chain.mqtt.join(",").parse().part("reading the broker's addresses in the file of --site")?,
    };
    Ok(Shop {
        store: StoreId::new(site.store),
        node: NodeId::new(site.node),
        described,
        calendar,
        brokers,
        https: file.https.as_deref().map(str::parse).transpose().part("reading the address in the file of --site")?,
        // The hub has certified only those that it could read.
        lan_names: site.lan_names.iter().filter_map(|name| name.parse().ok()).collect(),
        staff: site.staff.clone(),
        policy: policy(site),
        card_forward: card_forward(site),
        paper: paper(site),
        menu: menu(path, &file),
        plan: Some(plan_of(text.as_bytes())),
        follows: file.bundle > FIRST_BUNDLE,
        chain: Some(chain(config, &file)?),
    })
}

/// What the shop has decided about signing in. A word that is not known decides nothing; and where nobody can sign in, nobody must.
fn policy(site: &SiteV1) -> StaffPolicy {
    fn read<T: FromStr + Default>(field: &str, word: Option<&str>) -> T {
        let Some(word) = word else { return T::default() };
        word.parse().unwrap_or_else(|_unknown| {
            tracing::warn!(
                field,
                word,
                "{field} {word:?} in the file of --site is not known to this program, and decides nothing"
            );
            T::default()
        })
    }
    let badge_use: BadgeUse = read("badge_use", site.badge_use.as_deref());
    let sign_in: SignIn = read("sign_in", site.sign_in.as_deref());
    let can = |one: &StaffV1| one.pin.is_some() || (badge_use == BadgeUse::Alone && one.badge.is_some());
    if sign_in == SignIn::Required && !site.staff.iter().any(can) {
        tracing::warn!("the shop wants people to sign in, and nobody can: it sells without");
        return StaffPolicy { sign_in: SignIn::Optional, badge_use };
    }
    StaffPolicy { sign_in, badge_use }
}

/// What the shop takes on trust. What is not known to this program allows nothing.
fn card_forward(site: &SiteV1) -> ForwardLimits {
    let Some(text) = &site.card_forward else { return ForwardLimits::default() };
    text.parse().unwrap_or_else(|error| {
        tracing::warn!(card_forward = text, "card_forward in the file of --site allows nothing: {error}");
        ForwardLimits::default()
    })
}

/// A printer of the command line prints receipts.
fn told_printer(printer: &NamedPrinter) -> PrinterV1 {
    let NamedPrinter { name, address, columns } = printer.clone();
    PrinterV1 { name, kind: RECEIPT_KIND.to_owned(), address, columns: Some(columns) }
}

/// What the shop prints. A word that is not known to this program prints receipts.
fn paper(site: &SiteV1) -> ShopPaper {
    let receipts = site.receipts.as_deref().map(str::parse).unwrap_or(Ok(Receipts::default()));
    let receipts = receipts.unwrap_or_else(|error: ReceiptsUnknown| {
        tracing::warn!("receipts in the file of --site decides nothing: {error}");
        Receipts::default()
    });
    let tills = site.terminals.iter();
    ShopPaper {
        printers: site.printers.clone(),
        by_terminal: tills.filter_map(|till| Some((till.name.clone(), till.printer.clone()?))).collect(),
        receipts,
        address: site.address.clone(),
    }
}

fn chain(config: &Config, file: &SiteFileV1) -> Result<Chain> {
    let mut documents = decode(Label::Certificate, &file.chain.root).part("reading the chain's root")?;
    let told = file.chain.https.iter().map(|address| address.parse());
    Ok(Chain {
        id: file.chain.chain_id(),
        roots: Roots::from_pem(&file.chain.root).part("reading the chain's root")?,
        root: documents.swap_remove(0),
        https: match config.hub_https.as_slice() {
            [] => {
                told.collect::<std::result::Result<_, _>>().part("reading the hub's addresses in the file of --site")?
            }
            given => given.to_vec(),
        },
        made_at: UtcMillis::new(file.made_at_ms),
    })
}

/// The menu that lies beside the file. A box without it still sells what it has received.
fn menu(path: &Path, file: &SiteFileV1) -> Option<Vec<Vec<u8>>> {
    let beside = path.with_file_name(MENU_FILE);
    let told = |error: &dyn std::error::Error| {
        tracing::error!(error = %error, "the menu of the bundle in {} is not taken: {error}", beside.display());
    };
    let content = fs::read(&beside).map_err(|error| told(&error)).ok()?;
    let frames = file.menu_frames(&content).map_err(|error| told(&error)).ok()?;
    Some(frames.into_iter().map(Into::into).collect())
}
