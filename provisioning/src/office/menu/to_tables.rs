//! A menu as the tables that it can be read from again.

use std::path::Path;

use anyhow::{Context as _, ensure};
use percolate_common::domain::catalog::hours::Availability;
use percolate_common::domain::catalog::rules::RuleKey;
use percolate_common::domain::catalog::{Allergen, Draft};
use percolate_common::money::Currency;

use super::columns::{KINDS, Kind, MENU, RECIPES, STOCK_ITEMS, TAXES};

/// What a table program takes for the beginning of a formula.
const FORMULAS: [char; 4] = ['=', '+', '-', '@'];

/// A text with a quote before it, if a table program would take it for a formula, or the quote for its own.
fn inert(text: &str) -> String {
    if text.trim_start_matches('\'').starts_with(FORMULAS) { format!("'{text}") } else { text.to_owned() }
}

/// The text that was written so.
pub(super) fn bare(cell: &str) -> &str {
    let quoted = cell.strip_prefix('\'');
    quoted.filter(|rest| rest.trim_start_matches('\'').starts_with(FORMULAS)).unwrap_or(cell)
}

/// Writes all tables of a menu into a folder, which has none of them.
pub(super) fn write(folder: &Path, currency: Currency, content: &Draft) -> anyhow::Result<()> {
    // In tables they are known by their names.
    once("categories", content.categories.values().map(|it| it.name.as_str()))?;
    once("tax classes", content.tax_classes.values().map(|it| it.name.as_str()))?;
    once("products", content.rules.products().map(|it| it.name.as_str()))?;
    std::fs::create_dir_all(folder).with_context(|| format!("could not make {}", folder.display()))?;
    for kind in KINDS {
        let path = folder.join(kind.file);
        ensure!(!path.exists(), "{} is there, and nothing was written", path.display());
    }
    let taxes = content.tax_classes.values().map(|it| vec![inert(&it.name), it.rate.to_percent()]);
    table(folder, &TAXES, taxes)?;
    let stock_items = content.stock_items.values();
    let stock_items = stock_items.map(|it| vec![it.id.to_string(), inert(&it.name), it.unit.as_str().to_owned()]);
    table(folder, &STOCK_ITEMS, stock_items)?;
    let category = |id| content.categories.get(id).map_or_else(String::new, |it| inert(&it.name));
    let tax_class = |id| content.tax_classes.get(id).map_or_else(String::new, |it| inert(&it.name));
    let items = content.items.values().map(|it| {
        let price = it.price.to_decimal(currency);
        let details = &it.details;
        let (product, size) = details.size.as_ref().map_or_else(Default::default, |size| {
            let name = content.rules.product(size.product).map_or_else(String::new, |it| inert(&it.name));
            (name, inert(&size.name))
        });
        let barcodes: Vec<_> = details.barcodes.iter().map(ToString::to_string).collect();
        let allergens: Vec<_> = details.allergens.iter().copied().map(Allergen::as_str).collect();
        vec![
            it.id.to_string(),
            inert(&it.name),
            category(&it.category),
            price,
            tax_class(&it.tax_class),
            product,
            size,
            barcodes.join(" "),
            allergens.join(" "),
            details.kilocalories.map(|count| count.to_string()).unwrap_or_default(),
        ]
    });
    table(folder, &MENU, items)?;
    let uses = content.items.values().flat_map(|it| it.uses.iter().map(move |part| (it.id, part)));
    let uses =
        uses.map(|(item, part)| vec![item.to_string(), part.stock_item.to_string(), part.quantity.get().to_string()]);
    table(folder, &RECIPES, uses)
}

/// What a menu says that no table has a place for, in words; none if there is nothing of it.
pub(super) fn untold(content: &Draft) -> Option<String> {
    let mut found: Vec<(&str, usize)> = Vec::new();
    // Rules are in the order of their kinds.
    for kind in content.rules.iter().filter_map(|rule| kind(rule.key())) {
        match found.last_mut() {
            Some((last, count)) if *last == kind => *count += 1,
            Some(_) | None => found.push((kind, 1)),
        }
    }
    let details = content.items.values().map(|it| &it.details);
    found.push(("items with extras", details.clone().filter(|it| !it.modifier_groups.is_empty()).count()));
    let hours = details.filter(|it| it.availability != Availability::default()).count();
    found.push(("items with hours or channels of their own", hours));
    let found: Vec<_> = found.into_iter().filter(|(_, count)| *count > 0).collect();
    let words: Vec<_> = found.iter().map(|(name, count)| format!("{name} ({count})")).collect();
    (!words.is_empty()).then(|| words.join(", "))
}

/// What rules are called that no table has a place for.
const fn kind(key: RuleKey) -> Option<&'static str> {
    match key {
        RuleKey::Product(_) => None,
        RuleKey::ModifierGroup(_) => Some("groups of extras"),
        RuleKey::Modifier(_) => Some("extras"),
        RuleKey::Combo(_) => Some("sets"),
        RuleKey::Price(_) => Some("other prices"),
        RuleKey::Jurisdiction(_) => Some("places of taxes"),
        RuleKey::Tax(_) => Some("other rates"),
        RuleKey::HappyHour(_) => Some("happy hours"),
        RuleKey::Discount(_) => Some("discounts"),
        RuleKey::ServiceCharge(_) => Some("service charges"),
        RuleKey::CashStep => Some("rounding of cash"),
        RuleKey::HouseAccount(_) => Some("house accounts"),
    }
}

fn once<'a>(what: &str, names: impl Iterator<Item = &'a str>) -> anyhow::Result<()> {
    let mut seen = std::collections::BTreeSet::new();
    for name in names {
        ensure!(seen.insert(name), "two {what} are called {name:?}, and tables tell them apart by their names");
    }
    Ok(())
}

fn table(folder: &Path, kind: &Kind, rows: impl Iterator<Item = Vec<String>>) -> anyhow::Result<()> {
    let path = folder.join(kind.file);
    let shown = || format!("could not write {}", path.display());
    let mut out = csv::WriterBuilder::new().from_path(&path).with_context(shown)?;
    out.write_record(kind.columns)?;
    for row in rows {
        out.write_record(row)?;
    }
    out.flush().with_context(shown)
}
