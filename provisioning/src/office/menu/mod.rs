//! The chain's menu, with its prices and taxes: what all shops sell from.

mod columns;
mod from_tables;
mod publish;
mod revisions;
mod show;
mod to_tables;

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Subcommand};
use percolate_common::money::Currency;

use super::HubOption;
use crate::client::ClientError;
use crate::exit::{Exit, Failure, OFFICE_EXIT_CODES};
use crate::screen::Screen;

pub(super) use columns::MENU_FILE;
pub(super) use publish::{Ended, Source, publish};

/// What is said of it where only shops are planned.
pub(super) const NOT_READ_HERE: &str =
    "menu.csv: not read here. Stock refers to it: publish it first, with provision menu publish, or say --with-menu";

/// Say what all shops sell, for how much, and under which tax.
#[derive(Debug, Subcommand)]
pub enum MenuCommand {
    /// Publish a menu in the place of the one that is for sale, whole or not at all: from a JSON file, or from the tables of an
    /// old system. What changes is shown first
    #[command(after_help = OFFICE_EXIT_CODES)]
    Publish(MenuPublish),
    /// Show the menu that is for sale; with --to-csv, write it as the tables that can be published again
    #[command(after_help = OFFICE_EXIT_CODES)]
    Show(MenuShow),
    /// Publish to all shops what some have tried (menu publish --stores)
    #[command(after_help = OFFICE_EXIT_CODES)]
    Rollout(MenuRollout),
    /// Publish again what an earlier revision said, as the next revision
    #[command(after_help = OFFICE_EXIT_CODES)]
    Undo(MenuUndo),
    /// Show every revision: when it was published, by whom, and for which shops
    #[command(after_help = OFFICE_EXIT_CODES)]
    Revisions(MenuRevisions),
    /// Show which revision each shop sells by, as far as the hub has heard
    #[command(after_help = OFFICE_EXIT_CODES)]
    Shops(MenuShops),
}

/// The arguments of `provision menu publish`.
#[derive(Debug, Args)]
pub struct MenuPublish {
    #[command(flatten)]
    pub(crate) hub: HubOption,
    #[command(flatten)]
    pub(crate) source: MenuSource,
    /// What prices in the tables are in: without it, what they are in now
    #[arg(long, value_name = "CURRENCY", requires = "from_csv")]
    pub currency: Option<Currency>,
    /// A column of the tables that is called otherwise: price=unit_price. May be said several times
    #[arg(long = "column", value_name = "NAME=THEIRS", requires = "from_csv")]
    pub columns: Vec<Called>,
    /// Publish it to these shops alone, to try it: 9,10. All others go on with what they sell
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',')]
    pub stores: Vec<u32>,
    /// Do it without a question; the difference is shown all the same
    #[arg(long)]
    pub yes: bool,
}

/// Where a menu comes from.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct MenuSource {
    /// The whole menu in JSON, as provision menu show --json tells it under "menu"; docs/menu.md has all of its fields
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// A folder with menu.csv and taxes.csv, and with stock_items.csv and recipes.csv if there are any; docs/menu.md has their
    /// columns. With one mistake nothing is published, and all of them are listed in quarantine.csv
    #[arg(long, value_name = "DIR")]
    pub from_csv: Option<PathBuf>,
}

/// The arguments of `provision menu show`.
#[derive(Debug, Args)]
pub struct MenuShow {
    #[command(flatten)]
    pub(crate) hub: HubOption,
    /// Write menu.csv, taxes.csv, stock_items.csv and recipes.csv into this folder; none may be there
    #[arg(long, value_name = "DIR")]
    pub to_csv: Option<PathBuf>,
}

/// The arguments of `provision menu rollout`.
#[derive(Debug, Args)]
pub struct MenuRollout {
    #[command(flatten)]
    pub(crate) hub: HubOption,
    /// Which revision: without it, the one that was published last, which some shops try
    #[arg(long, value_name = "NUMBER")]
    pub revision: Option<u32>,
    /// Do it without a question; the difference is shown all the same
    #[arg(long)]
    pub yes: bool,
}

/// The arguments of `provision menu undo`.
#[derive(Debug, Args)]
pub struct MenuUndo {
    #[command(flatten)]
    pub(crate) hub: HubOption,
    /// The revision whose menu is published again
    #[arg(long, value_name = "NUMBER")]
    pub to: u32,
    /// Publish it to these shops alone: 9,10
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',')]
    pub stores: Vec<u32>,
    /// Do it without a question; the difference is shown all the same
    #[arg(long)]
    pub yes: bool,
}

/// The arguments of `provision menu revisions`.
#[derive(Debug, Args)]
pub struct MenuRevisions {
    #[command(flatten)]
    pub(crate) hub: HubOption,
}

/// The arguments of `provision menu shops`.
#[derive(Debug, Args)]
pub struct MenuShops {
    #[command(flatten)]
    pub(crate) hub: HubOption,
}

/// What a column is called in somebody else's tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Called {
    pub(super) name: String,
    pub(super) theirs: String,
}

impl FromStr for Called {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let names = text.split_once('=').map(|(name, theirs)| (name.trim(), theirs.trim().to_ascii_lowercase()));
        match names {
            Some((name, theirs)) if columns::is_known(name) && !theirs.is_empty() => {
                Ok(Self { name: name.to_owned(), theirs })
            }
            _ => {
                Err(format!("say NAME=THEIRS, as in price=unit_price, with a NAME of {}", columns::known().join(", ")))
            }
        }
    }
}

/// Runs `provision menu`.
///
/// # Errors
/// [`Failure`] says what was not done.
pub async fn run(command: &MenuCommand, json: bool, screen: &mut Screen) -> Result<Exit, Failure> {
    match command {
        MenuCommand::Publish(options) => {
            let MenuPublish { source, currency, columns, .. } = options;
            let source = match (&source.file, &source.from_csv) {
                (Some(file), _) => Source::File(file),
                (None, Some(folder)) => Source::Tables { folder, currency: *currency, columns },
                (None, None) => return Err(Failure::usage("say FILE or --from-csv")),
            };
            let asked = (&source, options.stores.as_slice());
            end(&publish(&options.hub.client()?, asked, (options.yes, json), screen).await?, json, screen)
        }
        MenuCommand::Show(options) => show::show(options, json, screen).await,
        MenuCommand::Rollout(options) => end(&revisions::rollout(options, json, screen).await?, json, screen),
        MenuCommand::Undo(options) => end(&revisions::undo(options, json, screen).await?, json, screen),
        MenuCommand::Revisions(options) => revisions::show(options, json, screen).await,
        MenuCommand::Shops(options) => revisions::shops(options, json, screen).await,
    }
}

fn end(ended: &Ended, json: bool, screen: &mut Screen) -> Result<Exit, Failure> {
    super::tell(screen, json, &ended.object, &ended.lines)?;
    Ok(ended.exit)
}

/// What the hub has refused. A process of a large hub that has no catalog knows none of these questions.
fn refused(error: ClientError) -> Failure {
    let is_without_catalog = matches!(&error, ClientError::Refused { code, .. } if code == "not_found");
    let error = anyhow::Error::new(error);
    let said = "nobody publishes menus at this address: ask the hub's process that has the catalog";
    Failure::new(Exit::ServerFailed, if is_without_catalog { error.context(said) } else { error })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_is_called_by_a_name_that_some_table_has() {
        let called = "price=Unit_Price".parse::<Called>().unwrap();
        assert_eq!(called, Called { name: "price".to_owned(), theirs: "unit_price".to_owned() });
        for bad in ["price", "price=", "cost=unit_price", "=unit_price"] {
            assert!(bad.parse::<Called>().unwrap_err().contains("stock_item"), "{bad}");
        }
    }
}
