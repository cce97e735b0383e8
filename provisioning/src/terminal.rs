//! The tills and screens of a shop: paired with its box, listed, and revoked. Run on the box itself, whose token it shows.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, Subcommand, ValueEnum};
use console::Style;
use percolate_common::domain::tickets::receipt::TerminalName;
use percolate_common::entropy::Entropy as _;
use percolate_common::time::UtcMillis;
use percolate_runtime::http::caller::{ANSWER_BYTES_MAX, CallError, Caller, HttpsAddress};
use percolate_runtime::http::server::{ENDPOINTS_FILE, Endpoints};
use percolate_runtime::system::{OsEntropy, clock_from_option};
use percolate_runtime::tls::{Roots, TlsClock, terminal_config};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::client::{Client, ClientError, named};
use crate::exit::{EXIT_CODES, Exit, Failure};
use crate::import::options::NodeOption;
use crate::qr::Qr;
use crate::screen::Screen;
use crate::table::{Cell, Side, Table, Tone};

/// Longest look whether a terminal would find the box.
const REACH_TIME_MAX: Duration = Duration::from_secs(3);

/// Where the box is asked, and by what token, are files of this folder.
#[derive(Debug, Clone, Args)]
pub struct BoxOption {
    /// The box's data folder
    #[arg(long, value_name = "DIR", default_value = "/var/lib/percolate")]
    pub data: PathBuf,
}

/// Pair the tills and screens of this shop with its box, and revoke them. Run it on the box.
#[derive(Debug, Subcommand)]
pub enum TerminalCommand {
    /// Give out a code that pairs a terminal within ten minutes, and show what the terminal's camera reads. A terminal that was
    /// paired under the name is revoked once another one takes it
    #[command(after_help = EXIT_CODES)]
    Pair(TerminalPair),
    /// List the terminals, and when each asked last
    #[command(after_help = EXIT_CODES)]
    List(BoxOption),
    /// Revoke a terminal: its next request is refused
    #[command(after_help = EXIT_CODES)]
    Revoke(TerminalRevoke),
}

/// The arguments of `provision terminal pair`.
#[derive(Debug, Args)]
pub struct TerminalPair {
    #[command(flatten)]
    pub(crate) node: BoxOption,
    /// Its name, as on receipts: 1 to 8 capital letters and digits
    #[arg(long, value_name = "NAME")]
    pub name: TerminalName,
    /// What it is for
    #[arg(long, value_enum, default_value_t = Kind::Till)]
    pub kind: Kind,
}

/// What a terminal is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// Sells, under its own name
    Till,
    /// Shows tickets, and sells nothing
    Kitchen,
}

/// The arguments of `provision terminal revoke`.
#[derive(Debug, Args)]
pub struct TerminalRevoke {
    #[command(flatten)]
    pub(crate) node: BoxOption,
    /// The terminal, by its name
    #[arg(long, value_name = "NAME")]
    pub name: TerminalName,
}

#[derive(Debug, Deserialize)]
struct Pairing {
    code: String,
    terminal: String,
    kind: String,
    expires_at_ms: i64,
    https: Vec<String>,
    link: Option<String>,
    root_sha256: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Terminals {
    rows: Vec<Terminal>,
}

#[derive(Debug, Deserialize)]
struct Terminal {
    name: String,
    kind: String,
    device: String,
    state: String,
    seen_at_ms: Option<i64>,
}

/// Runs `provision terminal`.
///
/// # Errors
/// [`Failure`] says what was not done.
pub async fn run(command: &TerminalCommand, json: bool, screen: &mut Screen) -> Result<Exit, Failure> {
    match command {
        TerminalCommand::Pair(options) => pair(options, json, screen).await,
        TerminalCommand::List(node) => list(node, json, screen).await,
        TerminalCommand::Revoke(options) => revoke(options, json, screen).await,
    }
}

impl BoxOption {
    /// The server that runs on this folder.
    fn client(&self) -> Result<Client, Failure> {
        let path = self.data.join(ENDPOINTS_FILE);
        let read = std::fs::read(&path).with_context(|| {
            format!("could not read where the box is from {}: does its server run on --data?", path.display())
        });
        let endpoints = read.and_then(|bytes| {
            serde_json::from_slice::<Endpoints>(&bytes).with_context(|| format!("{} says nothing", path.display()))
        });
        let endpoints = endpoints.map_err(|error| Failure::new(Exit::ServerFailed, error))?;
        let node = NodeOption { address: endpoints.http, token_file: Some(self.data.join("token")) };
        named(&node, "--data")
    }
}

async fn pair(options: &TerminalPair, json: bool, screen: &mut Screen) -> Result<Exit, Failure> {
    let kind = match options.kind {
        Kind::Till => "till",
        Kind::Kitchen => "kitchen",
    };
    let body = json!({ "name": options.name.to_string(), "kind": kind }).to_string().into_bytes();
    let key = format!("pair-{:016x}{:016x}", OsEntropy.next_u64(), OsEntropy.next_u64());
    let client = options.node.client()?;
    let said: Value = client.post("/v1/terminals/pairings", &key, body).await.map_err(refused)?.body;
    if json {
        return tell(screen, &said.to_string());
    }
    let pairing: Pairing = read(&said)?;
    let mut words = in_words(&pairing, is_address_taken(&client).await, screen)?;
    if let Some(Err(trouble)) = reach(&client, &pairing).await {
        let warning = format!(
            "\n\nNo terminal will find it there yet: {trouble}. See to it that this name leads to the box in the shop's network, \
             and that the box is enrolled."
        );
        words.push_str(&screen.paint.tone(&warning, Tone::Bad));
    }
    tell(screen, &words)
}

/// Whether another program has the port at which terminals would come.
async fn is_address_taken(client: &Client) -> bool {
    let said = client.get::<Value>("/v1/node").await.ok();
    said.is_some_and(|node| node.pointer("/https/state").and_then(Value::as_str) == Some("address_taken"))
}

/// Whether a terminal that opens the link comes to this box, and believes it; nothing where there is no link.
async fn reach(client: &Client, pairing: &Pairing) -> Option<Result<(), CallError>> {
    let address: HttpsAddress = pairing.https.first()?.parse().ok()?;
    let root = client.file("/root.pem").await.ok()?;
    let clock = Arc::new(TlsClock::new(clock_from_option(None).ok()?, UtcMillis::new(0)));
    let believed = terminal_config(&Roots::from_pem(&String::from_utf8(root).ok()?).ok()?, clock).ok()?;
    let caller = Caller::new(believed).with_limits(REACH_TIME_MAX, ANSWER_BYTES_MAX);
    Some(caller.get(&address, "/livez").await.map(drop))
}

/// What a person needs, in the order of the terminal's two steps.
fn in_words(pairing: &Pairing, is_address_taken: bool, screen: &Screen) -> Result<String, Failure> {
    let Pairing { code, terminal, kind, expires_at_ms, link, root_sha256, https: _ } = pairing;
    let code = screen.paint.tone(code, Tone::Strong);
    let until = UtcMillis::new(*expires_at_ms);
    let mut words = format!("Pair {kind} {terminal} by the code  {code}  until {until}.\n\n");
    if link.is_none() && is_address_taken {
        words.push_str(
            "No terminal finds this box: another program has its port for them, 8443 unless head office has said another. End that \
             program (ss -lntp shows it), and start the box's server again.",
        );
        return Ok(words);
    }
    let Some(link) = link else {
        words.push_str(
            "This box serves no terminals of the shop's network: it has no name there. Plan one for it at head office \
             (lan_names), bring a new bundle, and pair them then.",
        );
        return Ok(words);
    };
    let qr = Qr::of(link).map_err(|error| Failure::new(Exit::Failed, error))?;
    // Light on dark, whatever the terminal's own colours are.
    let style = Style::new().force_styling(screen.is_terminal).white().bright().on_black();
    for line in qr.half_blocks().lines() {
        words.push_str(&format!("  {}\n", style.apply_to(line)));
    }
    words.push_str(&format!("\nOn the terminal open  {link}\n"));
    if let Some(fingerprint) = root_sha256 {
        let (first, second) = fingerprint.split_at(fingerprint.len() / 2);
        words.push_str(&format!(
            "It shows the certificate of this chain; take it only if its SHA-256 is\n  {first}\n  {}",
            second.trim_start_matches(':')
        ));
    }
    Ok(words)
}

async fn list(node: &BoxOption, json: bool, screen: &mut Screen) -> Result<Exit, Failure> {
    let said: Value = node.client()?.get("/v1/terminals").await.map_err(refused)?;
    if json {
        return tell(screen, &said.to_string());
    }
    let Terminals { rows } = read(&said)?;
    if rows.is_empty() {
        return tell(screen, "No terminal is paired. To pair one: provision terminal pair --name T1");
    }
    let columns = [("name", Side::Left), ("kind", Side::Left), ("state", Side::Left), ("last seen", Side::Left)];
    let mut table = Table::new(&[&columns[..], &[("device", Side::Left)]].concat());
    for Terminal { name, kind, device, state, seen_at_ms } in rows {
        let seen = seen_at_ms.map_or_else(|| "never".to_owned(), |seen| UtcMillis::new(seen).to_string());
        table.row([name, kind, state, seen, device].into_iter().map(Cell::from).collect());
    }
    tell(screen, table.render(screen.paint).trim_end_matches('\n'))
}

async fn revoke(options: &TerminalRevoke, json: bool, screen: &mut Screen) -> Result<Exit, Failure> {
    let said: Value =
        options.node.client()?.delete(&format!("/v1/terminals/{}", options.name)).await.map_err(refused)?;
    let words = format!("Terminal {} is revoked. To pair it anew: provision terminal pair --name {0}", options.name);
    tell(screen, &if json { said.to_string() } else { words })
}

fn read<T: serde::de::DeserializeOwned>(said: &Value) -> Result<T, Failure> {
    T::deserialize(said).map_err(|error| Failure::new(Exit::ServerFailed, error))
}

fn refused(error: ClientError) -> Failure {
    Failure::new(Exit::ServerFailed, error)
}

fn tell(screen: &mut Screen, words: &str) -> Result<Exit, Failure> {
    screen.line(words).map(|()| Exit::Done).map_err(|error| Failure::new(Exit::Failed, error))
}
