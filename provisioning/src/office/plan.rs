//! `provision store create`: all plans are looked at by the hub, shown, and only then taken; or none is.

use percolate_common::money::Currency;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::csv;
use super::menu;
use super::question::confirmed;
use super::{StoreCreate, from_file, from_other, refused, tell};
use crate::client::{Client, ClientError, FieldRefused};
use crate::exit::{Exit, Failure};
use crate::screen::Screen;
use crate::table::{Cell, Side, Table, Tone};

/// New shops that are shown field by field; of more the first line of each is enough.
const NEW_SHOWN_MAX: usize = 3;
/// Fields of one shop that are shown.
const FIELDS_SHOWN_MAX: usize = 60;

/// A shop as it is to be planned.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Wanted {
    pub(super) store: u32,
    /// What the hub is told of it.
    pub(super) site: Map<String, Value>,
}

/// Where the plans come from.
#[derive(Debug, Default)]
pub(super) struct Asked {
    pub(super) shops: Vec<Wanted>,
    /// What a person should know of it.
    pub(super) notes: Vec<String>,
    /// Whether somebody has to look at it first, even where all is new.
    pub(super) is_derived: bool,
    /// What was read from tables of an old system.
    pub(super) tables: Option<csv::Tables>,
}

/// What the hub says of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Planned {
    outcome: String,
    differences: Vec<Difference>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Difference {
    field: String,
    before: Option<String>,
    after: Option<String>,
}

/// Why a plan is not taken.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) code: String,
    pub(super) detail: String,
    pub(super) errors: Vec<FieldRefused>,
}

/// Refusals that are about the plan itself, and not about the hub.
const OF_PLANS: [&str; 4] = ["site_invalid", "node_taken", "node_fixed", "invalid_body"];

/// Looks at a plan, or takes it.
async fn put(client: &Client, wanted: &Wanted, check: bool) -> Result<Result<Planned, Refusal>, Failure> {
    let query = if check { "?check=true" } else { "" };
    let path = format!("/v1/identity/stores/{}{query}", wanted.store);
    let body = serde_json::to_vec(&wanted.site).map_err(|error| Failure::new(Exit::Failed, error))?;
    match client.put::<Planned>(&path, body).await {
        Ok(answer) => Ok(Ok(answer.body)),
        Err(ClientError::Refused { code, detail, errors, .. }) if OF_PLANS.contains(&code.as_str()) => {
            Ok(Err(Refusal { code, detail, errors: errors.into() }))
        }
        Err(error) => {
            let failure = refused(error);
            Err(Failure::new(failure.exit, failure.error.context(format!("shop {}", wanted.store))))
        }
    }
}

pub(super) async fn create(options: &StoreCreate, json: bool, screen: &mut Screen) -> Result<Exit, Failure> {
    let client = options.hub.client()?;
    let menu = with_menu(&client, options, json, screen).await?;
    if let Some(ended) = menu.as_ref().filter(|ended| ended.exit != Exit::Done) {
        tell(screen, json, &json!({ "outcome": "nothing_planned", "menu": ended.object }), "No shop was planned.\n")?;
        return Ok(ended.exit);
    }
    let mut asked = asked(options, &client).await?;
    if menu.is_some() {
        asked.notes.retain(|note| note != menu::NOT_READ_HERE);
    }
    let mut looked_at = Vec::new();
    let mut mistakes = Vec::new();
    for wanted in std::mem::take(&mut asked.shops) {
        match put(&client, &wanted, true).await? {
            Ok(planned) => looked_at.push((wanted, planned)),
            Err(refusal) => match &mut asked.tables {
                Some(tables) => tables.set_aside(wanted.store, &refusal),
                None => mistakes.extend(in_words(wanted.store, &refusal)),
            },
        }
    }
    if !mistakes.is_empty() {
        let said = format!("nothing was planned:\n  {}", mistakes.join("\n  "));
        return Err(Failure::new(Exit::ServerFailed, anyhow::anyhow!(said)));
    }
    let set_aside = match &asked.tables {
        Some(tables) => tables.write_set_aside(&options.source)?,
        None => csv::SetAside::default(),
    };
    if !json {
        show(&looked_at, &asked.notes, &set_aside, screen).map_err(|error| Failure::new(Exit::Failed, error))?;
    }
    let count = |outcome: &str| looked_at.iter().filter(|(_, planned)| planned.outcome == outcome).count();
    let (new, changed) = (count("new"), count("changed"));
    let needs_a_word = changed > 0 || (asked.is_derived && new > 0);
    let question = format!("Plan {} so?", shops_in_words(new, changed));
    if needs_a_word && !confirmed(screen, &question, options.yes || json)? {
        tell(screen, json, &Value::Null, "Nothing was planned.\n")?;
        return Ok(Exit::Interrupted);
    }
    take(&client, &looked_at).await?;
    let exit = if set_aside.is_empty() { Exit::Done } else { Exit::RowsSetAside };
    let stores = looked_at.iter().map(|(wanted, planned)| {
        json!({ "store": wanted.store, "outcome": planned.outcome, "differences": planned.differences })
    });
    let object = json!({
        "outcome": if set_aside.is_empty() { "planned" } else { "rows_set_aside" },
        "stores": stores.collect::<Vec<_>>(), "set_aside": set_aside.object(), "notes": asked.notes,
        "menu": menu.map(|ended| ended.object),
    });
    tell(screen, json, &object, &ending(new, changed, looked_at.len(), &set_aside))?;
    Ok(exit)
}

/// Publishes the menu that lies beside the shops first, where that was asked for.
async fn with_menu(
    client: &Client,
    options: &StoreCreate,
    json: bool,
    screen: &mut Screen,
) -> Result<Option<menu::Ended>, Failure> {
    let Some(folder) = options.source.from_csv.as_deref().filter(|_| options.with_menu) else { return Ok(None) };
    let currency = options.shop.currency.as_deref().map(str::parse::<Currency>).transpose();
    let currency = currency.map_err(Failure::usage)?;
    let source = menu::Source::Tables { folder, currency, columns: &[] };
    let ended = menu::publish(client, (&source, &[]), (options.yes, json), screen).await?;
    if !json {
        screen.write(&ended.lines).map_err(|error| Failure::new(Exit::Failed, error))?;
    }
    Ok(Some(ended))
}

async fn asked(options: &StoreCreate, client: &Client) -> Result<Asked, Failure> {
    let source = &options.source;
    match (&source.file, &source.from_csv, &source.template, source.clone_of) {
        (Some(file), ..) => from_file::shops(file),
        (None, Some(folder), ..) => csv::read(folder),
        (None, None, Some(file), _) => from_other::template(file, options),
        (None, None, None, Some(store)) => from_other::cloned(store, options, client).await,
        (None, None, None, None) => Err(Failure::usage("say FILE, --from-csv, --template or --clone")),
    }
}

/// Takes them. They were all looked at before, so that what is refused here was changed by somebody else meanwhile.
async fn take(client: &Client, looked_at: &[(Wanted, Planned)]) -> Result<(), Failure> {
    let mut taken = Vec::new();
    for (wanted, _) in looked_at.iter().filter(|(_, planned)| planned.outcome != "unchanged") {
        if let Err(refusal) = put(client, wanted, false).await? {
            let told = in_words(wanted.store, &refusal).join("; ");
            let said = format!("{told}; planned before that: {taken:?}. Run it again: what is planned stays as it is");
            return Err(Failure::new(Exit::ServerFailed, anyhow::anyhow!(said)));
        }
        taken.push(wanted.store);
    }
    Ok(())
}

/// Every mistake of a plan, in a line.
fn in_words(store: u32, refusal: &Refusal) -> Vec<String> {
    if refusal.errors.is_empty() {
        return vec![format!("shop {store}: {}", refusal.detail)];
    }
    refusal.errors.iter().map(|error| format!("shop {store}, {}: {}", error.pointer, error.detail)).collect()
}

fn shops_in_words(new: usize, changed: usize) -> String {
    let shops = |count: usize, what: &str| format!("{count} {what} {}", if count == 1 { "shop" } else { "shops" });
    match (new, changed) {
        (new, 0) => shops(new, "new"),
        (0, changed) => shops(changed, "changed"),
        (new, changed) => format!("{new} new and {}", shops(changed, "changed")),
    }
}

fn ending(new: usize, changed: usize, all: usize, set_aside: &csv::SetAside) -> String {
    let mut lines = String::new();
    if new + changed > 0 {
        lines.push_str(&format!(
            "{} planned. Next: provision store bundle --store N --out FILE\n",
            shops_in_words(new, changed)
        ));
    } else if all > 0 {
        lines.push_str("All of it was planned before: nothing was changed.\n");
    }
    lines.push_str(&set_aside.in_words());
    lines
}

fn show(
    looked_at: &[(Wanted, Planned)],
    notes: &[String],
    set_aside: &csv::SetAside,
    screen: &mut Screen,
) -> std::io::Result<()> {
    let new = looked_at.iter().filter(|(_, planned)| planned.outcome == "new").count();
    let mut unchanged = 0_usize;
    for note in notes {
        screen.line(note)?;
    }
    for (wanted, planned) in looked_at {
        if planned.outcome == "unchanged" {
            unchanged += 1;
            continue;
        }
        let name = wanted.site.get("name").and_then(Value::as_str).unwrap_or_default();
        screen.line(&format!("Shop {}, {name}: {}", wanted.store, planned.outcome))?;
        if planned.outcome != "new" || new <= NEW_SHOWN_MAX {
            let text = table(planned, screen);
            screen.write(&text)?;
        }
    }
    if unchanged > 0 {
        screen.line(&format!("As they are planned: {unchanged}"))?;
    }
    if set_aside.is_empty() { Ok(()) } else { screen.write(&set_aside.shops_in_words()) }
}

/// What a plan changes, field by field.
fn table(planned: &Planned, screen: &Screen) -> String {
    let is_new = planned.outcome == "new";
    let mut columns = vec![("field", Side::Left), ("planned", Side::Left), ("to be", Side::Left)];
    if is_new {
        columns.remove(1);
    }
    let mut table = Table::new(&columns);
    for Difference { field, before, after } in planned.differences.iter().take(FIELDS_SHOWN_MAX) {
        let of =
            |text: &Option<String>, tone: Tone| Cell::from(text.clone().unwrap_or_else(|| "-".to_owned())).tone(tone);
        let mut cells = vec![Cell::from(field.clone()), of(before, Tone::Soft), of(after, Tone::Plain)];
        if is_new {
            cells.remove(1);
        }
        table.row(cells);
    }
    let more = planned.differences.len().saturating_sub(FIELDS_SHOWN_MAX);
    let more = if more > 0 { format!("  and {more} more; --json has all\n") } else { String::new() };
    table.render(screen.paint) + &more
}
