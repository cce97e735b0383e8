//! The arguments of `provision import`.

use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;

/// Bring a shop's past sales into its store node.
///
/// Reads CSV, plain or gzip, with the columns transaction_id, transaction_date, transaction_time, transaction_qty, store_id,
/// product_id, unit_price, product_category and product_detail, in any order; further columns are ignored. A
/// transaction_id numbers a line; lines of one shop at one second are one ticket. Lines may be shuffled or repeated, and
/// the same file may be imported again: what is in already is recognised.
///
/// Rows that cannot be read are set aside in FILE.quarantine.csv with line, column and reason, and the rest is
/// imported. Correct that file where it stands and import it as it is: its columns quarantine_* are ignored. One that
/// stands there already and says something else is kept as FILE.quarantine.csv.bak, .bak2 ...
#[derive(Debug, Args)]
pub struct ImportOptions {
    /// The sales: CSV, plain or gzip
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// A store node, and the file that holds its token: http://127.0.0.1:8080,data/token
    #[arg(long = "node", value_name = "URL[,TOKENFILE]", required = true)]
    pub nodes: Vec<NodeOption>,
    /// What the sales came from; rows are told apart within it, so keep it for later files of the same system
    #[arg(long, value_name = "NAME", value_parser = source)]
    pub source: String,
    /// Which shop of the file is which store here: 3=1
    #[arg(long = "map", value_name = "FILE_STORE=STORE", required = true)]
    pub map: Vec<MapOption>,
    /// Wait until the head office has acknowledged everything
    #[arg(long)]
    pub wait: bool,
}

/// Longest name of a source, in bytes.
const SOURCE_BYTES_MAX: usize = 64;

fn source(text: &str) -> Result<String, String> {
    let sound = (1..=SOURCE_BYTES_MAX).contains(&text.len()) && !text.chars().any(char::is_control);
    if sound { Ok(text.to_owned()) } else { Err(format!("1 to {SOURCE_BYTES_MAX} bytes without control characters")) }
}

/// A node's address and where its token is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeOption {
    /// Host and port.
    pub address: String,
    /// The file with its token.
    pub token_file: Option<PathBuf>,
}

impl NodeOption {
    /// What to do when the server refuses the token, or the lack of one. `option` is how it was named.
    #[must_use]
    pub fn token_advice(&self, option: &str) -> String {
        let shown = self.token_file.as_ref().map_or_else(
            || "no token was shown".to_owned(),
            |file| format!("the token in {} is not that server's", file.display()),
        );
        let address = &self.address;
        format!(
            "{shown}: name the file \"token\" in the server's data folder, as in {option} http://{address},DATA/token"
        )
    }
}

impl FromStr for NodeOption {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (url, token_file) =
            text.split_once(',').map_or((text, None), |(url, file)| (url, Some(PathBuf::from(file))));
        let address = url.strip_prefix("http://").ok_or("an address like http://127.0.0.1:8080 is expected")?;
        let address = address.trim_end_matches('/');
        let (host, port) = address.rsplit_once(':').ok_or("the port is missing, as in http://127.0.0.1:8080")?;
        if port.parse::<u16>().is_err() || host.is_empty() || host.contains('/') {
            return Err("host and port are expected, as in http://127.0.0.1:8080".to_owned());
        }
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let is_here = bare == "localhost" || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
        if !is_here {
            return Err(format!(
                "{host} is another machine, and the token would travel in the clear: run this on the node's machine, or through a tunnel"
            ));
        }
        Ok(Self { address: address.to_owned(), token_file })
    }
}

/// A shop of the file and a store here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MapOption {
    /// Its number in the file.
    pub theirs: String,
    /// Its number here.
    pub store: u32,
}

impl FromStr for MapOption {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let expected = || "FILE_STORE=STORE is expected, as in 3=1".to_owned();
        let (theirs, store) = text.split_once('=').ok_or_else(expected)?;
        let store = store.parse().ok().filter(|store| *store > 0).ok_or_else(expected)?;
        if theirs.trim().is_empty() { Err(expected()) } else { Ok(Self { theirs: theirs.trim().to_owned(), store }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_are_on_this_machine_and_have_a_port() {
        let node = |text: &str| text.parse::<NodeOption>();
        let read = node("http://127.0.0.1:8080/,some/token").unwrap();
        assert_eq!(read, NodeOption { address: "127.0.0.1:8080".into(), token_file: Some("some/token".into()) });
        assert!(node("http://[::1]:8080").is_ok() && node("http://localhost:1").is_ok());
        for bad in
            ["127.0.0.1:1", "https://127.0.0.1:1", "http://127.0.0.1", "http://127.0.0.1:x", "http://127.0.0.1/a:1"]
        {
            assert!(node(bad).is_err(), "{bad}");
        }
        assert!(node("http://10.0.0.5:8080").unwrap_err().contains("tunnel"));
    }

    #[test]
    fn maps_name_a_shop_and_a_store() {
        let map = |text: &str| text.parse::<MapOption>();
        assert_eq!(map("A-3=1"), Ok(MapOption { theirs: "A-3".into(), store: 1 }));
        for bad in ["3", "=1", "3=", "3=0", "3=x", "3=-1"] {
            assert!(map(bad).is_err(), "{bad}");
        }
        assert!(source("").is_err() && source("past\n").is_err() && source("past").is_ok());
    }
}
