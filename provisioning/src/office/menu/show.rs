//! `provision menu show`.

use anyhow::anyhow;
use percolate_common::domain::catalog::Draft;
use percolate_common::money::Currency;
use percolate_common::wire::menu::MenuV1;
use serde_json::json;

use super::publish::{Published, whom};
use super::{MenuShow, to_tables};
use crate::exit::{Exit, Failure};
use crate::office::tell;
use crate::screen::Screen;
use crate::table::{Cell, Side, Table};

pub(super) async fn show(options: &MenuShow, json: bool, screen: &mut Screen) -> Result<Exit, Failure> {
    let published = Published::fetch(&options.hub.client()?).await?;
    let (revision, whom) = (published.revision, whom(&published.stores));
    let Some((currency, content)) = published.content()? else {
        if options.to_csv.is_some() {
            return Err(Failure::new(
                Exit::ServerFailed,
                anyhow!("no menu was published yet: there is nothing to write"),
            ));
        }
        let object = json!({ "revision": revision, "menu": null });
        return tell(screen, json, &object, "No menu was published yet.\n");
    };
    let not_in_tables = options.to_csv.as_ref().and_then(|_| to_tables::untold(&content));
    let object = json!({
        "revision": revision, "menu": MenuV1::new(currency, &content), "not_in_tables": not_in_tables,
    });
    let Some(folder) = &options.to_csv else {
        let head = format!("Revision {revision} of the menu, in {currency}, for {whom}\n");
        let lines = head + &in_words(currency, &content, screen);
        return tell(screen, json, &object, &lines);
    };
    to_tables::write(folder, currency, &content).map_err(|error| Failure::new(Exit::Failed, error))?;
    let mut lines = format!("Revision {revision} of the menu, in {currency}, is in {}.\n", folder.display());
    if let Some(what) = not_in_tables {
        lines.push_str(&format!(
            "No table has a place for: {what}. It stays for sale as it is when the tables are published over this menu.\n"
        ));
    }
    tell(screen, json, &object, &lines)
}

fn in_words(currency: Currency, content: &Draft, screen: &Screen) -> String {
    let columns = [
        ("item", Side::Right),
        ("name", Side::Left),
        ("category", Side::Left),
        ("price", Side::Right),
        ("tax", Side::Left),
        ("rate", Side::Right),
    ];
    let mut table = Table::new(&columns);
    for item in content.items.values() {
        let category = content.categories.get(&item.category).map(|it| it.name.clone()).unwrap_or_default();
        let class = content.tax_classes.get(&item.tax_class);
        let (tax, rate) = class.map(|it| (it.name.clone(), format!("{} %", it.rate.to_percent()))).unwrap_or_default();
        let cells = [item.id.to_string(), item.name.clone(), category, item.price.to_decimal(currency), tax, rate];
        table.row(cells.into_iter().map(Cell::from).collect());
    }
    table.render(screen.paint)
}
