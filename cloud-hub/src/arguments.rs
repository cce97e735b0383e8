//! The command line of `serve`: what may be said together, and what is refused before anything is opened.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};
use percolate_runtime::broker::{BrokerAddresses, Credentials};
use percolate_runtime::files::SecretError;
use percolate_runtime::pki::SanName;
use percolate_runtime::postgres::Server;
use percolate_runtime::storage::StorageError;

use crate::broker::{BrokerAccess, ExternalBroker, HUB_USER};
use crate::config::{HubConfig, IdentitySetting, Large, Part, Profile};
use crate::kernel::journal;

/// Where boxes enrol if nothing else is said.
const HTTPS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8444);

/// Where boxes come to the broker by their certificates if nothing else is said.
const MQTTS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8883);

/// The CA's folder in the data folder, if nothing else is said.
const CA: &str = "ca";

/// How long a large hub drains if nothing else is said, in seconds: longer than a load balancer takes to look again.
const DRAIN_S: u64 = 3;

/// The longest that it may be told to.
const DRAIN_S_MAX: u64 = 300;

/// The arguments of `serve`.
#[derive(Debug, Args)]
pub struct ServeArguments {
    /// The folder of its databases, its token and its lock; made if there is none. A large hub needs one for each process,
    /// and keeps nothing of record in it
    #[arg(long = "data", value_name = "DIR")]
    data_dir: PathBuf,
    /// On what it stands: small is one process with files in --data and a broker of its own; large is PostgreSQL and a
    /// broker that somebody else runs
    #[arg(long, value_enum, default_value_t = ProfileName::Small)]
    profile: ProfileName,
    /// Where it answers HTTP; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8081")]
    http: SocketAddr,
    /// The menu to publish at the start, if there is none yet, or the file is another one than the one published last from a file; what
    /// `provision menu publish` has published since stays for sale
    #[arg(long, value_name = "FILE")]
    menu: Option<PathBuf>,
    /// The folder with the chain's CA, as `provision chain init` made it; of a large hub for the process that does identity
    /// [default of a small hub: DATA/ca]
    #[arg(long, value_name = "DIR")]
    ca: Option<PathBuf>,
    /// Where boxes enrol, over HTTPS; port 0 takes a free one [default: 127.0.0.1:8444]
    #[arg(long, value_name = "ADDR")]
    https: Option<SocketAddr>,
    /// Where boxes come to the hub's own broker with their certificates; port 0 takes a free one [default: 127.0.0.1:8883]
    #[arg(long, value_name = "ADDR")]
    mqtts: Option<SocketAddr>,
    /// A name or an address under which boxes reach this machine; may be said several times
    #[arg(long = "name", value_name = "HOST")]
    names: Vec<SanName>,
    /// Of a large hub: the chain's database, as in "host=/run/postgresql dbname=percolate"; no role and no password
    #[arg(long, value_name = "CONNECTION")]
    postgres: Option<String>,
    /// Of a large hub: the folder with the passwords of its database roles
    #[arg(long, value_name = "DIR")]
    secrets: Option<PathBuf>,
    /// Of a large hub: the chain's broker, or the members of its cluster; the next one is tried at each failure
    #[arg(long, value_name = "HOST:PORT[,HOST:PORT...]")]
    broker: Option<BrokerAddresses>,
    /// Of a large hub: the folder with the certificate by which it comes to the broker, as `provision chain hub-identity`
    /// made it
    #[arg(long, value_name = "DIR")]
    hub_identity: Option<PathBuf>,
    /// Of a large hub, in place of --hub-identity at a broker that asks for no certificates: a file of one line, the password
    /// of the user `hub` there; not readable by others
    #[arg(long, value_name = "FILE", conflicts_with = "hub_identity")]
    broker_password_file: Option<PathBuf>,
    /// Of a large hub: where boxes are told to find the broker [default: as --broker says]
    #[arg(long, value_name = "HOST:PORT[,HOST:PORT...]")]
    broker_for_boxes: Option<BrokerAddresses>,
    /// Of a large hub: a file with the token of its API, the same for all its processes
    #[arg(long, value_name = "FILE")]
    token: Option<PathBuf>,
    /// Of a large hub: what this process does of its work; without it, all
    #[arg(long, value_name = "NAME,...", value_enum, value_delimiter = ',')]
    only: Option<Vec<Part>>,
    /// Of a large hub: how long it says at /readyz that it is about to stop, and takes nothing more from nodes, before it
    /// does [default: 3]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(0..=DRAIN_S_MAX))]
    drain_s: Option<u64>,
    /// Of a large hub: the database, and a broker without certificates, are reached over a network that is private, so that
    /// everything may go over it in the clear, passwords too
    #[arg(long)]
    plain_network: bool,
    /// Another time than the machine's, for demos and tests: now = START + (wall - ANCHOR) * RATE
    #[arg(long, value_name = "START_MS,ANCHOR_MS,RATE[,UNTIL_MS]")]
    simulated_clock: Option<String>,
    /// Stop in order, as on SIGTERM, when the standard input ends: for a server that belongs to the process which started
    /// it and holds the other end of a pipe, however that one ends
    #[arg(long)]
    stop_with_parent: bool,
}

/// The profiles by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProfileName {
    /// One process with files and a broker of its own
    Small,
    /// PostgreSQL and a broker that somebody else runs
    Large,
}

/// Why a hub is not started as it was told.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A small hub was given what only a large one takes.
    #[error(
        "{option} belongs to --profile large: a small hub keeps its files in --data. Leave it out, or move the chain: \
         cloud-hub move-to-large"
    )]
    OfLarge {
        /// What it was given.
        option: &'static str,
    },
    /// A large hub was told where its own broker listens.
    #[error("a large hub has no broker of its own: leave --mqtts out and name the cluster with --broker")]
    OwnBroker,
    /// A process was told where boxes enrol, and enrols none.
    #[error("{option} is for the process that does identity: leave it out here, or add identity to --only")]
    IdentityElsewhere {
        /// What it was given.
        option: &'static str,
    },
    /// There is no chain yet: nobody could come in.
    #[error(
        "there is no chain in {ca}. Found it first: provision chain init --name \"Bytes & Brews\" --data {data_dir} --out DIR, \
         where DIR is a stick for the root's key; or name the CA's folder with --ca"
    )]
    NoChain {
        /// Where it was looked for.
        ca: PathBuf,
        /// The data folder.
        data_dir: PathBuf,
    },
    /// A large hub was not given what it stands on.
    #[error("--profile large needs {option}, {what}")]
    Missing {
        /// The option, with its value.
        option: &'static str,
        /// What that is.
        what: &'static str,
    },
    /// A process was given a menu and does not publish it.
    #[error("--menu is for the process that does catalog: leave it out here, or add catalog to --only")]
    MenuElsewhere,
    /// There is a small hub's journal in the folder.
    #[error(
        "{data_dir} holds the files of a small hub: move it with cloud-hub move-to-large --data {data_dir}, or name another \
         folder"
    )]
    SmallFolder {
        /// The folder.
        data_dir: PathBuf,
    },
    /// What is said there could be read on its way.
    #[error(
        "{option} {host} is not on this machine, and everything would go there in the clear, passwords too. Name the \
         end of a tunnel on this machine, or say --plain-network if the network is private"
    )]
    OpenNetwork {
        /// The option.
        option: &'static str,
        /// The host.
        host: String,
    },
    /// Whoever lists the processes of the machine would read it.
    #[error("--postgres must hold no password, everybody on this machine could read it: put it into --secrets DIR")]
    PasswordOpen,
    /// It is no connection string.
    #[error("--postgres cannot be read, as in \"host=/run/postgresql dbname=percolate\"")]
    Postgres(#[source] StorageError),
    /// The password is not taken.
    #[error("--broker-password-file cannot be used")]
    BrokerPassword(#[source] SecretError),
}

impl ServeArguments {
    /// What the hub is told, if it goes together. Nothing is opened, but for a file with a password.
    ///
    /// # Errors
    /// [`ConfigError`] says what to change.
    pub fn checked(self) -> Result<HubConfig, ConfigError> {
        let profile = match self.profile {
            ProfileName::Small => self.small()?,
            ProfileName::Large => Profile::Large(Box::new(self.large()?)),
        };
        let identity = self.identity(&profile)?;
        let Self { data_dir, http, menu, simulated_clock, stop_with_parent, .. } = self;
        Ok(HubConfig { data_dir, http, profile, identity, menu, simulated_clock, stop_with_parent })
    }

    fn identity(&self, profile: &Profile) -> Result<Option<IdentitySetting>, ConfigError> {
        let words = [
            ("--ca", self.ca.is_some()),
            ("--https", self.https.is_some()),
            ("--name", !self.names.is_empty()),
            ("--broker-for-boxes", self.broker_for_boxes.is_some()),
        ];
        if !profile.parts().contains(&Part::Identity) {
            let given = words.into_iter().find(|(_, given)| *given);
            return given.map_or(Ok(None), |(option, _)| Err(ConfigError::IdentityElsewhere { option }));
        }
        let (ca, broker) = match profile {
            Profile::Small => (self.ca.clone().unwrap_or_else(|| self.data_dir.join(CA)), Vec::new()),
            Profile::Large(large) => {
                let missing = ConfigError::Missing { option: "--ca DIR", what: "the chain's CA" };
                let broker = self.broker_for_boxes.as_ref().unwrap_or(&large.broker.addresses);
                (self.ca.clone().ok_or(missing)?, broker.to_string().split(',').map(str::to_owned).collect())
            }
        };
        if !ca.is_dir() {
            return Err(ConfigError::NoChain { ca, data_dir: self.data_dir.clone() });
        }
        let (https, mqtts) = (self.https.unwrap_or(HTTPS), self.mqtts.unwrap_or(MQTTS));
        Ok(Some(IdentitySetting { ca, https, mqtts, broker, names: self.names.clone() }))
    }

    fn small(&self) -> Result<Profile, ConfigError> {
        let of_large = [
            ("--only", self.only.is_some()),
            ("--postgres", self.postgres.is_some()),
            ("--secrets", self.secrets.is_some()),
            ("--broker", self.broker.is_some()),
            ("--hub-identity", self.hub_identity.is_some()),
            ("--broker-password-file", self.broker_password_file.is_some()),
            ("--broker-for-boxes", self.broker_for_boxes.is_some()),
            ("--token", self.token.is_some()),
            ("--plain-network", self.plain_network),
            ("--drain-s", self.drain_s.is_some()),
        ];
        match of_large.into_iter().find(|(_, given)| *given) {
            Some((option, _)) => Err(ConfigError::OfLarge { option }),
            None => Ok(Profile::Small),
        }
    }

    fn large(&self) -> Result<Large, ConfigError> {
        if self.mqtts.is_some() {
            return Err(ConfigError::OwnBroker);
        }
        let missing = |option, what| ConfigError::Missing { option, what };
        let broker = self.broker.clone().ok_or(missing("--broker HOST:PORT", "the chain's MQTT cluster"))?;
        let postgres =
            self.postgres.clone().ok_or(missing("--postgres \"host=... dbname=...\"", "the chain's database"))?;
        let secrets = self.secrets.clone().ok_or(missing("--secrets DIR", "the passwords of its database roles"))?;
        let token = self.token.clone().ok_or(missing("--token FILE", "the token that all its processes share"))?;
        refuse_small_folder(&self.data_dir)?;
        self.refuse_open_network(&broker, &postgres)?;
        let access = self.broker_access()?;
        let parts = self.only.clone().unwrap_or_else(|| Part::value_variants().to_vec());
        if self.menu.is_some() && !parts.contains(&Part::Catalog) {
            return Err(ConfigError::MenuElsewhere);
        }
        let broker = ExternalBroker { addresses: broker, access };
        let drain = Duration::from_secs(self.drain_s.unwrap_or(DRAIN_S));
        Ok(Large { postgres, secrets, broker, token, parts: parts.into_iter().collect(), drain })
    }

    fn broker_access(&self) -> Result<BrokerAccess, ConfigError> {
        match (&self.hub_identity, &self.broker_password_file) {
            (Some(folder), _) => Ok(BrokerAccess::Certificate(folder.clone())),
            (None, Some(path)) => {
                let credentials = Credentials::read(HUB_USER, path).map_err(ConfigError::BrokerPassword)?;
                Ok(BrokerAccess::Account(credentials))
            }
            (None, None) => Err(ConfigError::Missing {
                option: "--hub-identity DIR",
                what: "the certificate that provision chain hub-identity makes",
            }),
        }
    }

    fn refuse_open_network(&self, broker: &BrokerAddresses, postgres: &str) -> Result<(), ConfigError> {
        refuse_open_database(postgres, self.plain_network)?;
        match broker.remote().filter(|_| self.hub_identity.is_none() && !self.plain_network) {
            Some(remote) => Err(ConfigError::OpenNetwork { option: "--broker", host: remote.to_string() }),
            None => Ok(()),
        }
    }
}

/// Passwords go to the database in the clear, and are not on the command line.
pub(crate) fn refuse_open_database(postgres: &str, is_plain: bool) -> Result<(), ConfigError> {
    let database = Server::new(postgres, journal::NAME).map_err(ConfigError::Postgres)?;
    if database.has_password() {
        return Err(ConfigError::PasswordOpen);
    }
    match database.remote_host().filter(|_| !is_plain) {
        Some(host) => Err(ConfigError::OpenNetwork { option: "--postgres", host }),
        None => Ok(()),
    }
}

fn refuse_small_folder(data_dir: &Path) -> Result<(), ConfigError> {
    if data_dir.join(format!("{}.db", journal::NAME)).exists() {
        return Err(ConfigError::SmallFolder { data_dir: data_dir.to_owned() });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use clap::Parser;
    use tempfile::TempDir;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        serve: ServeArguments,
    }

    const LARGE: [&str; 14] = [
        "--profile",
        "large",
        "--postgres",
        "host=/run/postgresql dbname=percolate",
        "--secrets",
        "secrets",
        "--broker",
        "localhost:1883,127.0.0.1:1884",
        "--token",
        "token",
        "--hub-identity",
        "papers",
        "--ca",
        ".",
    ];

    fn said(data_dir: &Path, words: &[&str]) -> ServeArguments {
        let data_dir = data_dir.to_str().unwrap();
        Line::try_parse_from(["serve", "--data", data_dir].iter().chain(words)).unwrap().serve
    }

    fn refusal(words: &[&str]) -> String {
        said(Path::new("nowhere"), words).checked().unwrap_err().to_string()
    }

    /// A large hub's words without an option and its value, and with others.
    fn large<'w>(without: &str, with: &[&'w str]) -> Vec<&'w str> {
        let kept = LARGE.chunks(2).filter(|pair| pair[0] != without).flatten().copied();
        kept.chain(with.iter().copied()).collect()
    }

    #[test]
    fn a_small_hub_is_told_nothing_of_the_large_profile() {
        let folder = TempDir::new().unwrap();
        fs::create_dir(folder.path().join(CA)).unwrap();
        let small = said(folder.path(), &[]).checked().unwrap();
        assert_eq!(small.profile, Profile::Small);
        let identity = small.identity.unwrap();
        assert_eq!((identity.ca, identity.https, identity.mqtts), (folder.path().join(CA), HTTPS, MQTTS));
        let given: [&[&str]; 8] = [
            &["--only", "ingest"],
            &["--postgres", "dbname=percolate"],
            &["--secrets", "secrets"],
            &["--broker", "localhost:1883"],
            &["--broker-password-file", "password"],
            &["--token", "token"],
            &["--plain-network"],
            &["--drain-s", "1"],
        ];
        for words in given {
            let expected = format!(
                "{} belongs to --profile large: a small hub keeps its files in --data. Leave it out, or move the chain: \
                 cloud-hub move-to-large",
                words[0]
            );
            assert_eq!(refusal(words), expected);
        }
    }

    #[test]
    fn a_small_hub_is_told_to_found_its_chain_first() {
        let refused = refusal(&[]);
        assert!(
            refused.starts_with("there is no chain in nowhere/ca. Found it first: provision chain init"),
            "{refused}"
        );
        let elsewhere = refusal(&["--ca", "/nowhere/else"]);
        assert!(elsewhere.starts_with("there is no chain in /nowhere/else."), "{elsewhere}");
    }

    #[test]
    fn a_large_hub_needs_all_that_it_stands_on_and_has_no_broker_of_its_own() {
        let needs = [
            ("--broker", "--broker HOST:PORT, the chain's MQTT cluster"),
            ("--postgres", "--postgres \"host=... dbname=...\", the chain's database"),
            ("--secrets", "--secrets DIR, the passwords of its database roles"),
            ("--token", "--token FILE, the token that all its processes share"),
            ("--hub-identity", "--hub-identity DIR, the certificate that provision chain hub-identity makes"),
            ("--ca", "--ca DIR, the chain's CA"),
        ];
        for (option, what) in needs {
            assert_eq!(refusal(&large(option, &[])), format!("--profile large needs {what}"));
        }
        assert_eq!(
            refusal(&large("", &["--mqtts", "127.0.0.1:0"])),
            "a large hub has no broker of its own: leave --mqtts out and name the cluster with --broker"
        );
    }

    #[test]
    fn a_large_hub_does_all_of_the_work_or_what_is_named() {
        let of = |without: &str, words: &[&'static str]| match said(Path::new("nowhere"), &large(without, words))
            .checked()
            .unwrap()
            .profile
        {
            Profile::Large(large) => large.parts.into_iter().collect::<Vec<_>>(),
            Profile::Small => panic!("it was told to be large"),
        };
        let parts = |words: &[&'static str]| of("--ca", words);
        assert_eq!(of("", &[]), [Part::Ingest, Part::Catalog, Part::Reporting, Part::Identity]);
        assert_eq!(
            refusal(&large("", &["--only", "ingest"])),
            "--ca is for the process that does identity: leave it out here, or add identity to --only"
        );
        assert_eq!(parts(&["--only", "reporting,ingest,reporting"]), [Part::Ingest, Part::Reporting]);
        assert_eq!(
            refusal(&large("--ca", &["--only", "ingest", "--menu", "menu.json"])),
            "--menu is for the process that does catalog: leave it out here, or add catalog to --only"
        );
        parts(&["--only", "catalog", "--menu", "menu.json"]);
        for unknown in ["ordering", "", "ingest,"] {
            let words = ["serve", "--data", "d", "--only", unknown];
            assert!(Line::try_parse_from(words).is_err(), "{unknown:?}");
        }
    }

    #[test]
    fn a_large_hub_is_not_started_on_the_files_of_a_small_one() {
        let folder = TempDir::new().unwrap();
        said(folder.path(), &LARGE).checked().unwrap();
        fs::write(folder.path().join("journal.db"), "").unwrap();
        let data_dir = folder.path().display();
        assert_eq!(
            said(folder.path(), &LARGE).checked().unwrap_err().to_string(),
            format!(
                "{data_dir} holds the files of a small hub: move it with cloud-hub move-to-large --data {data_dir}, or name \
                 another folder"
            )
        );
    }

    #[test]
    fn nothing_goes_over_a_network_in_the_clear_unless_it_is_private() {
        let remote = [
            ("--postgres", "host=192.0.2.1 dbname=p", "--postgres 192.0.2.1 is not on this machine"),
            ("--postgres", "host=localhost,db.example dbname=p", "--postgres db.example is not on this machine"),
            ("--postgres", "host=localhost hostaddr=192.0.2.1", "--postgres 192.0.2.1 is not on this machine"),
        ];
        for (option, value, expected) in remote {
            let refused = refusal(&large(option, &[option, value]));
            assert!(refused.starts_with(expected) && refused.contains("--plain-network"), "{refused}");
            said(Path::new("nowhere"), &large(option, &[option, value, "--plain-network"])).checked().unwrap();
        }
        for here in ["host=127.0.0.1", "host=::1", "host=/run/postgresql", "host=db.example hostaddr=127.0.0.1"] {
            said(Path::new("nowhere"), &large("--postgres", &["--postgres", here])).checked().unwrap();
        }
    }

    #[test]
    fn a_password_comes_from_a_file_and_is_in_no_text() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("password");
        fs::write(&path, "open sesame\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let file = path.to_str().unwrap();
        let words = large("--hub-identity", &["--broker-password-file", file]);
        let afar = [&words[..], &["--broker", "broker.example:1883"]].concat();
        let afar: Vec<_> = afar.chunks(2).filter(|pair| *pair != ["--broker", LARGE[7]]).flatten().copied().collect();
        let refused = said(folder.path(), &afar).checked().unwrap_err().to_string();
        assert!(refused.starts_with("--broker broker.example:1883 is not on this machine"), "{refused}");
        said(folder.path(), &[&afar[..], &["--plain-network"]].concat()).checked().unwrap();
        // Over TLS nothing goes there in the clear.
        said(folder.path(), &large("--broker", &["--broker", "broker.example:8883"])).checked().unwrap();
        let config = said(folder.path(), &words).checked().unwrap();
        let expected = ExternalBroker {
            addresses: "localhost:1883,127.0.0.1:1884".parse().unwrap(),
            access: BrokerAccess::Account(Credentials::new("hub", "open sesame")),
        };
        assert!(!format!("{config:?}").contains("sesame"));
        assert_eq!(config.profile.broker(), crate::broker::BrokerSetting::External(expected));

        fs::set_permissions(&path, fs::Permissions::from_mode(0o604)).unwrap();
        let refused = said(folder.path(), &words).checked().unwrap_err();
        assert_eq!(refused.to_string(), "--broker-password-file cannot be used");
        let open = ["--postgres", "host=/run/postgresql password=sesame"];
        let refused = refusal(&large("--postgres", &open));
        assert!(refused.starts_with("--postgres must hold no password") && !refused.contains("sesame"), "{refused}");
        assert!(refusal(&large("--postgres", &["--postgres", "percolate"])).starts_with("--postgres cannot be read"));
    }
}
