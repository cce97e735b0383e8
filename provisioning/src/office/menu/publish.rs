//! `provision menu publish`: the menu is looked at by the hub, what it changes is shown, and only then it is published.

use std::path::Path;

use percolate_common::domain::catalog::Draft;
use percolate_common::money::Currency;
use percolate_common::wire::menu::MenuV1;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Called, from_tables, refused};
use crate::client::{Client, ClientError};
use crate::exit::{Exit, Failure};
use crate::office::question::confirmed;
use crate::office::{from_file, quarantine};
use crate::screen::Screen;
use crate::table::{Cell, Side, Table, Tone};

/// Fields that are shown.
const FIELDS_SHOWN_MAX: usize = 200;

/// Where the menu comes from.
#[derive(Debug)]
pub(in crate::office) enum Source<'a> {
    /// A JSON file, as the hub takes it.
    File(&'a Path),
    /// The tables of an old system.
    Tables {
        folder: &'a Path,
        /// What prices are in, unless it is what they are in now.
        currency: Option<Currency>,
        columns: &'a [Called],
    },
}

/// How it ended, for a program and for a person.
#[derive(Debug)]
pub(in crate::office) struct Ended {
    pub(in crate::office) exit: Exit,
    pub(in crate::office) object: Value,
    pub(in crate::office) lines: String,
}

/// What is for sale.
#[derive(Debug, Deserialize)]
pub(super) struct Published {
    pub(super) revision: u32,
    /// For which shops; none is all.
    pub(super) stores: Vec<u32>,
    menu: Option<Value>,
}

impl Published {
    pub(super) async fn fetch(client: &Client) -> Result<Self, Failure> {
        client.get("/v1/catalog/menu").await.map_err(refused)
    }

    /// What it says, if there is a menu.
    pub(super) fn content(self) -> Result<Option<(Currency, Draft)>, Failure> {
        let read = |menu: Value| -> anyhow::Result<(Currency, Draft)> {
            let menu: MenuV1 = serde_json::from_value(menu)?;
            menu.into_draft().map_err(|mut faults| faults.swap_remove(0).into())
        };
        let read = self.menu.map(read).transpose();
        let said = "the hub's menu has something that this program does not know: take the one of the hub's version";
        read.map_err(|error| Failure::new(Exit::ServerFailed, error.context(said)))
    }
}

/// What the hub says of a menu.
#[derive(Debug, Serialize, Deserialize)]
struct Told {
    outcome: String,
    revision: u32,
    differences: Vec<Difference>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Difference {
    field: String,
    before: Option<String>,
    after: Option<String>,
}

/// What is to be published, and what a person should know of it; or how it ended, because it cannot be.
enum Wanted {
    Menu(Vec<u8>, Vec<String>),
    Mistakes(Ended),
}

/// How the hub is asked to publish.
#[derive(Debug)]
pub(super) struct Asked {
    /// Whether the whole menu is put there; otherwise the path says what is done with an earlier one.
    is_put: bool,
    path: &'static str,
    /// What is in the question besides, as `&stores=9,10`.
    query: String,
    body: Vec<u8>,
    /// What a person should know of it.
    notes: Vec<String>,
    /// What is done, as in `Publish this menu`.
    what: String,
    /// For whom, as in `all shops`.
    whom: String,
}

impl Asked {
    /// Something that is done with a revision of before.
    pub(super) fn by_post(path: &'static str, body: &Value, what: String, stores: &[u32]) -> Self {
        let (body, whom) = (body.to_string().into_bytes(), whom(stores));
        Self { is_put: false, path, query: String::new(), body, notes: Vec::new(), what, whom }
    }
}

/// Shops in words.
pub(super) fn whom(stores: &[u32]) -> String {
    if stores.is_empty() { "all shops".to_owned() } else { format!("shops {}", joined(stores)) }
}

fn joined(stores: &[u32]) -> String {
    stores.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

/// Publishes a menu. `is_told` is whether somebody said so beforehand, and whether the answer is for a program.
pub(in crate::office) async fn publish(
    client: &Client,
    (source, stores): (&Source<'_>, &[u32]),
    (is_told, json): (bool, bool),
    screen: &mut Screen,
) -> Result<Ended, Failure> {
    let (revision, wanted) = match source {
        Source::File(file) => (Published::fetch(client).await?.revision, of_file(file)?),
        Source::Tables { folder, currency, columns } => {
            let published = Published::fetch(client).await?;
            (published.revision, of_tables(folder, *currency, columns, published)?)
        }
    };
    let (body, notes) = match wanted {
        Wanted::Menu(body, notes) => (body, notes),
        Wanted::Mistakes(ended) => return Ok(ended),
    };
    let asked = Asked {
        is_put: true,
        path: "/v1/catalog/menu",
        query: if stores.is_empty() { String::new() } else { format!("&stores={}", joined(stores)) },
        body,
        notes,
        what: "Publish this menu".to_owned(),
        whom: whom(stores),
    };
    carry_out(client, (&asked, revision), (is_told, json), screen).await
}

/// Looks at what would be published over a revision, shows what it changes, asks, and does it.
pub(super) async fn carry_out(
    client: &Client,
    (asked, revision): (&Asked, u32),
    (is_told, json): (bool, bool),
    screen: &mut Screen,
) -> Result<Ended, Failure> {
    let looked_at = ask(client, asked, &format!("?check=true&over={revision}")).await?;
    let notes = &asked.notes;
    if !json {
        let text = notes.iter().map(|note| format!("{note}\n")).collect::<String>() + &table(&looked_at, screen);
        screen.write(&text).map_err(|error| Failure::new(Exit::Failed, error))?;
    }
    let ended = |exit, outcome: &str, told: &Told, lines: String| {
        let differences = &told.differences;
        let object =
            json!({ "outcome": outcome, "revision": told.revision, "differences": differences, "notes": notes });
        Ended { exit, object, lines }
    };
    if looked_at.outcome == "unchanged" {
        let lines = format!("Revision {revision} of the menu says so already: nothing was published.\n");
        return Ok(ended(Exit::Done, "unchanged", &looked_at, lines));
    }
    let (count, Asked { what, whom, .. }) = (looked_at.differences.len(), asked);
    let question = match revision {
        0 => format!("{what}, the first one, with {count} entries, to {whom}?"),
        _ => format!("{what}, with {count} changes to what is for sale, to {whom}?"),
    };
    if !confirmed(screen, &question, is_told || json)? {
        return Ok(ended(Exit::Interrupted, "declined", &looked_at, "Nothing was published.\n".to_owned()));
    }
    let published = ask(client, asked, &format!("?over={revision}")).await?;
    let lines = format!(
        "The menu is published as revision {}, to {whom}. Shops have it when they are next on line.\n",
        published.revision
    );
    Ok(ended(Exit::Done, "published", &published, lines))
}

fn of_file(file: &Path) -> Result<Wanted, Failure> {
    let menu = Value::Object(from_file::object(file)?);
    Ok(Wanted::Menu(menu.to_string().into_bytes(), Vec::new()))
}

fn of_tables(
    folder: &Path,
    currency: Option<Currency>,
    columns: &[Called],
    published: Published,
) -> Result<Wanted, Failure> {
    let published = published.content()?;
    let currency = currency.or(published.as_ref().map(|(currency, _)| *currency));
    let currency =
        currency.ok_or_else(|| Failure::usage("there is no menu yet: say what prices are in, --currency USD"))?;
    let known = published.map(|(_, content)| content).unwrap_or_default();
    let read = from_tables::read(folder, columns, (currency, &known))?;
    let count = read.mistakes.len();
    if let Some(path) = quarantine::write(folder, read.mistakes)? {
        let path = path.display();
        let lines = read.notes.iter().map(|note| format!("{note}\n")).collect::<String>();
        return Ok(Wanted::Mistakes(Ended {
            exit: Exit::RowsSetAside,
            object: json!({
                "outcome": "rows_set_aside", "set_aside": { "lines": count, "file": path.to_string() }, "notes": read.notes,
            }),
            lines: format!(
                "{lines}Nothing was published: {count} mistakes are listed in {path}. Correct them where they stand, and run \
                 this again.\n"
            ),
        }));
    }
    let body = serde_json::to_vec(&MenuV1::new(currency, &read.content));
    body.map(|body| Wanted::Menu(body, read.notes)).map_err(|error| Failure::new(Exit::Failed, error))
}

/// Looks at what would be published, or publishes it.
async fn ask(client: &Client, asked: &Asked, question: &str) -> Result<Told, Failure> {
    let path = format!("{}{question}{}", asked.path, asked.query);
    let answer = if asked.is_put {
        client.put::<Told>(&path, asked.body.clone()).await
    } else {
        client.post::<Told>(&path, "menu", asked.body.clone()).await
    };
    match answer {
        Ok(answer) => Ok(answer.body),
        Err(ClientError::Refused { errors, .. }) if !errors.is_empty() => {
            let mistakes: Vec<_> = errors.iter().map(|it| format!("{}: {}", it.pointer, it.detail)).collect();
            let said = format!("nothing was published:\n  {}", mistakes.join("\n  "));
            Err(Failure::new(Exit::ServerFailed, anyhow::anyhow!(said)))
        }
        Err(error) => Err(refused(error)),
    }
}

/// What the menu changes, field by field.
fn table(told: &Told, screen: &Screen) -> String {
    let mut table = Table::new(&[("field", Side::Left), ("for sale", Side::Left), ("to be", Side::Left)]);
    for Difference { field, before, after } in told.differences.iter().take(FIELDS_SHOWN_MAX) {
        let of =
            |text: &Option<String>, tone: Tone| Cell::from(text.clone().unwrap_or_else(|| "-".to_owned())).tone(tone);
        table.row(vec![Cell::from(field.clone()), of(before, Tone::Soft), of(after, Tone::Plain)]);
    }
    let more = told.differences.len().saturating_sub(FIELDS_SHOWN_MAX);
    let more = if more > 0 { format!("  and {more} more; --json has all\n") } else { String::new() };
    if told.differences.is_empty() { String::new() } else { table.render(screen.paint) + &more }
}
